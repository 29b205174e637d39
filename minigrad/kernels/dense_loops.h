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
