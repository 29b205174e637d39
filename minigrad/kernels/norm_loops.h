/* Sums of squares and scaling, of which norms of gradients are made, over one element type, MG_ELEMENT; included by
 * optim.c for each. The compiler makes vectors of the loops. */

/* Sixteen partial sums in double precision: independent of each other, so the additions overlap, and no gradient of
 * single precision is too large to be squared. */
static double MG_OPTIM(squares)(const void *from, long long n)
{
    const MG_ELEMENT *x = from;
    double sums[16] = {0}, total = 0;
    long long i = 0;
    for (; i + 16 <= n; i += 16)
        for (int k = 0; k < 16; k++)
            sums[k] += (double)x[i + k] * (double)x[i + k];
    for (; i < n; i++)
        total += (double)x[i] * (double)x[i];
    for (int k = 0; k < 16; k++)
        total += sums[k];
    return total;
}

static void MG_OPTIM(scale)(void *array, double factor_, long long n)
{
    MG_ELEMENT *x = array;
    const MG_ELEMENT factor = (MG_ELEMENT)factor_;
    for (long long i = 0; i < n; i++)
        x[i] *= factor;
}
