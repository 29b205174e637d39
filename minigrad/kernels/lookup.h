/* tanh and sigmoid of float32 by table; included by vecmath.h for AVX-512.
 *
 * A register holds sixteen numbers, and one instruction picks one of them for every lane. So each function is cut
 * into sixteen intervals, in each of which it is a polynomial of degree 6 in t = |x| - m, where m is near the middle; m
 * and the coefficients are picked by the interval's number. That is two thirds of the instructions of exp and a
 * quotient, in a chain half as long. (With AVX2 it took eight numbers, degree 8, and longer than the other way.)
 *
 * tanh:     quarters of the octaves of |x| + 1, whose number is in the bits of the sum. In the first interval m is 0
 *           and the polynomial t + ..., so that tiny x keep their digits; at the end it is 1.
 * sigmoid:  intervals of equal width, whose number is what rounding |x| over the width leaves in the low bits; the
 *           polynomials are those of sigmoid(-|x|), and for x >= 0 the result is 1 less that. Far out, where there are
 *           no more of them, it is as elsewhere.
 *
 * The constant coefficients are as good as exact (tools/lookup_tables.py says how), so that little more is lost than
 * the last rounding: the worst error found is 1.1 units in the last place.
 */
#include "lookup_tables.h"

#define MG_PICK(row, number) ((MG_VALUE)_mm512_permutexvar_ps((__m512i)(number), _mm512_load_ps(row)))
#define MG_REACH ((MG_LANES - 0.5f) * MG_SIGMOID_WIDTH)

MG_FN MG_VALUE MG_NAME(picked_polynomial)(const float (*table)[16], MG_BITS interval, MG_VALUE x)
{
    MG_VALUE t = x - MG_PICK(table[0], interval), s = MG_PICK(table[1 + MG_TABLE_DEGREE], interval);
    for (int i = MG_TABLE_DEGREE; i >= 1; i--)
        s = s * t + MG_PICK(table[i], interval);
    return s;
}

MG_FN MG_VALUE MG_NAME(tanh)(MG_VALUE x)
{
    MG_BITS sign = (MG_BITS)x & (MG_BITS)MG_NAME(splat)((MG_ELEMENT)-0.0);
    MG_VALUE distance = MG_NAME(at_most)(MG_NAME(absolute)(x), 10);
    MG_BITS interval = (MG_BITS)(distance + (MG_ELEMENT)1) >> (MG_MANTISSA - 2);
    return (MG_VALUE)((MG_BITS)MG_NAME(picked_polynomial)(mg_tanh_table, interval, distance) | sign);
}

/* Hardly ever needed: not where it would be in the way. */
static __attribute__((noinline, cold, unused)) MG_VALUE MG_NAME(sigmoid_beyond)(MG_VALUE x, MG_VALUE near)
{
    return MG_NAME(select)(MG_NAME(absolute)(x) < MG_REACH, near, MG_NAME(sigmoid_by_exp)(x));
}

MG_FN MG_VALUE MG_NAME(sigmoid)(MG_VALUE x)
{
    MG_VALUE distance = MG_NAME(absolute)(x);
    MG_BITS interval = (MG_BITS)(distance * (1 / MG_SIGMOID_WIDTH) + MG_ROUNDER);
    MG_VALUE y = MG_NAME(picked_polynomial)(mg_sigmoid_table, interval, distance);
    y = MG_NAME(by_sign)(x, y, (MG_ELEMENT)1 - y);
    return __builtin_expect(MG_NAME(any_from)(distance, MG_REACH), 0) ? MG_NAME(sigmoid_beyond)(x, y) : y;
}

#undef MG_PICK
#undef MG_REACH
