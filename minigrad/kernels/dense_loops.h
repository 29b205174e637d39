/* Loops over one element type; included by dense.c for each, for double first. The compiler makes vectors of them. */
#include "vecmath.h"

/* Sixteen partial sums in double precision: independent of each other, so the additions overlap. */
static double MG_NAME(squared_error)(const void *left, const void *right, long n)
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

static void MG_NAME(scaled_difference)(void *to, const void *left, const void *right, double factor, long n)
{
    MG_ELEMENT *restrict out = to;
    const MG_ELEMENT *a = left, *b = right;
    const MG_ELEMENT scale = (MG_ELEMENT)factor;
    for (long i = 0; i < n; i++)
        out[i] = (a[i] - b[i]) * scale;
}

/* As many elements as a vector of doubles holds. */
typedef MG_ELEMENT MG_NAME(mg_some) __attribute__((vector_size(MG_VECTOR_BYTES / 8 * sizeof(MG_ELEMENT))));

/* Sums of blocks of 4096, then the sum of those: what is lost grows with the number of blocks, not of elements. Sixteen
 * partial sums again, whatever the vectors, which are written out since compilers keep an array of sums in memory. */
static double MG_NAME(sum)(const void *from, long n)
{
    enum { lanes = MG_VECTOR_BYTES / 8 };
    const MG_ELEMENT *a = from;
    double total = 0;
    for (long start = 0; start < n; start += 4096) {
        long end = start + 4096 < n ? start + 4096 : n, i = start;
        mg_vector_f64 sums[16 / lanes] = {{0}};
        double block = 0;
        for (; i + 16 <= end; i += 16)
            for (int k = 0; k < 16 / lanes; k++) {
                MG_NAME(mg_some) x;
                memcpy(&x, a + i + lanes * k, sizeof x);
                sums[k] += __builtin_convertvector(x, mg_vector_f64);
            }
        for (; i < end; i++)
            block += (double)a[i];
        for (int k = 0; k < 16; k++)
            block += sums[k / lanes][k % lanes];
        total += block;
    }
    return total;
}

static void MG_NAME(fill)(void *to, const void *value, long n)
{
    MG_ELEMENT *out = to;
    const MG_ELEMENT x = *(const MG_ELEMENT *)value;
    for (long i = 0; i < n; i++)
        out[i] = x;
}
