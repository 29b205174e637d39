/* Loops over one element type, MG_ELEMENT; included by dense.c for each. The compiler makes vectors of them. */

/* Sixteen partial sums in double precision: independent of each other, so the additions overlap. */
static double MG_DENSE(squared_error)(const void *left, const void *right, long n)
{
    const MG_ELEMENT *a = left, *b = right;
    double sums[16] = {0}, total = 0;
    long i = 0;
    for (; i + 16 <= n; i += 16)
        for (int k = 0; k < 16; k++) {
            double apart = (double)(a[i + k] - b[i + k]);
            sums[k] += apart * apart;
        }
    for (; i < n; i++) {
        double apart = (double)(a[i] - b[i]);
        total += apart * apart;
    }
    for (int k = 0; k < 16; k++)
        total += sums[k];
    return total;
}

static void MG_DENSE(scaled_difference)(void *to, const void *left, const void *right, double factor, long n)
{
    MG_ELEMENT *restrict out = to;
    const MG_ELEMENT *a = left, *b = right;
    const MG_ELEMENT scale = (MG_ELEMENT)factor;
    for (long i = 0; i < n; i++)
        out[i] = (a[i] - b[i]) * scale;
}

static void MG_DENSE(sgd_step)(void *parameter, void *gradient, void *momentum_buffer, double lr_, double momentum_,
                               double dampening_, int nesterov, double weight_decay, long n)
{
    MG_ELEMENT *restrict p = parameter, *restrict g = gradient, *restrict buffer = momentum_buffer;
    const MG_ELEMENT lr = (MG_ELEMENT)lr_, momentum = (MG_ELEMENT)momentum_, keep = (MG_ELEMENT)(1 - dampening_);
    const MG_ELEMENT decay = (MG_ELEMENT)weight_decay;
    if (decay != 0)
        for (long i = 0; i < n; i++)
            g[i] += p[i] * decay;
    if (!buffer) {
        for (long i = 0; i < n; i++)
            p[i] -= g[i] * lr;
        return;
    }
    for (long i = 0; i < n; i++)
        buffer[i] = buffer[i] * momentum + g[i] * keep;
    if (nesterov)
        for (long i = 0; i < n; i++)
            p[i] -= (g[i] + buffer[i] * momentum) * lr;
    else
        for (long i = 0; i < n; i++)
            p[i] -= buffer[i] * lr;
}

static void MG_DENSE(adam_step)(void *parameter, const void *gradient, void *first, void *second, double rate_,
                                double beta1_, double beta2_, double eps_, double weight_decay, long n)
{
    MG_ELEMENT *restrict p = parameter, *restrict m = first, *restrict v = second;
    const MG_ELEMENT *restrict g = gradient;
    const MG_ELEMENT rate = (MG_ELEMENT)rate_, eps = (MG_ELEMENT)eps_, decay = (MG_ELEMENT)weight_decay;
    const MG_ELEMENT beta1 = (MG_ELEMENT)beta1_, rest1 = (MG_ELEMENT)(1 - beta1_);
    const MG_ELEMENT beta2 = (MG_ELEMENT)beta2_, rest2 = (MG_ELEMENT)(1 - beta2_);
    for (long i = 0; i < n; i++) {
        MG_ELEMENT d = g[i] + p[i] * decay;
        m[i] = m[i] * beta1 + d * rest1;
        v[i] = v[i] * beta2 + d * d * rest2;
        p[i] -= rate * (m[i] / (MG_SQRT(v[i]) + eps));
    }
}
