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

typedef MG_ELEMENT MG_DENSE(mg_some) __attribute__((vector_size(MG_DOUBLES * sizeof(MG_ELEMENT))));

/* Sums of blocks of 4096, then the sum of those: what is lost grows with the number of blocks, not of elements. Sixteen
 * partial sums again, whatever the vectors, which are written out since compilers keep an array of sums in memory. */
static double MG_DENSE(sum)(const void *from, long n)
{
    const MG_ELEMENT *a = from;
    double total = 0;
    for (long start = 0; start < n; start += 4096) {
        long end = start + 4096 < n ? start + 4096 : n, i = start;
        mg_doubles sums[16 / MG_DOUBLES] = {{0}};
        double block = 0;
        for (; i + 16 <= end; i += 16)
            for (int k = 0; k < 16 / MG_DOUBLES; k++) {
                MG_DENSE(mg_some) x;
                memcpy(&x, a + i + MG_DOUBLES * k, sizeof x);
                sums[k] += __builtin_convertvector(x, mg_doubles);
            }
        for (; i < end; i++)
            block += (double)a[i];
        for (int k = 0; k < 16; k++)
            block += sums[k / MG_DOUBLES][k % MG_DOUBLES];
        total += block;
    }
    return total;
}

static void MG_DENSE(fill)(void *to, const void *value, long n)
{
    MG_ELEMENT *out = to;
    const MG_ELEMENT x = *(const MG_ELEMENT *)value;
    for (long i = 0; i < n; i++)
        out[i] = x;
}
