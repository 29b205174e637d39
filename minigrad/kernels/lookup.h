/* tanh and sigmoid of sixteen float32 by table; included by vecmath.h for AVX-512.
 *
 * A register holds sixteen numbers, and one instruction picks one of them for every lane. So each function is cut
 * into sixteen intervals, in each of which it is a polynomial of degree 6 in t = |x| - m, where m is near the middle;
 * m and the coefficients are picked by the interval's number. That is about two thirds of the instructions of exp and
 * a quotient, in a chain half as long.
 *
 * tanh:     quarters of the octaves of |x| + 1, whose number is in the bits of the sum. From 9 on the polynomial is 1.
 *           In the first interval m is 0 and the polynomial t + ..., so that tiny x keep their digits.
 * sigmoid:  intervals of 7/8, whose number is what rounding |x| 8/7 leaves in the low bits; the polynomials are those
 *           of sigmoid(-|x|), and for x >= 0 the result is 1 less that. Far out, where there are no more of them, and
 *           for NaN, it is as elsewhere.
 *
 * The constant coefficients are as good as exact (tools/lookup_tables.py says how), so that little more is lost than
 * the last rounding: the worst errors found are 1.1 units in the last place.
 */
#include "lookup_tables.h"

#define MG_PICK(row) ((MG_VALUE)_mm512_permutexvar_ps((__m512i)interval, _mm512_load_ps(row)))

MG_FN MG_VALUE MG_NAME(picked_polynomial)(const float (*table)[16], MG_BITS interval, MG_VALUE x)
{
    MG_VALUE t = x - MG_PICK(table[0]), s = MG_PICK(table[7]);
    for (int i = 6; i >= 1; i--)
        s = s * t + MG_PICK(table[i]);
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
static __attribute__((noinline, cold, unused)) MG_VALUE MG_NAME(sigmoid_beyond)(MG_VALUE x, MG_VALUE near,
                                                                                __mmask16 beyond)
{
    return (MG_VALUE)_mm512_mask_blend_ps(beyond, (__m512)near, (__m512)MG_NAME(sigmoid_by_exp)(x));
}

MG_FN MG_VALUE MG_NAME(sigmoid)(MG_VALUE x)
{
    MG_VALUE distance = MG_NAME(absolute)(x);
    MG_BITS interval = (MG_BITS)(distance * (MG_ELEMENT)(8.0 / 7) + (MG_ELEMENT)MG_ROUNDER);
    MG_VALUE y = MG_NAME(picked_polynomial)(mg_sigmoid_table, interval, distance);
    y = MG_NAME(by_sign)(x, y, (MG_ELEMENT)1 - y);
    __mmask16 beyond = _mm512_cmp_ps_mask((__m512)distance, _mm512_set1_ps(15.5f * 7 / 8), _CMP_NLT_UQ);
    return __builtin_expect(beyond, 0) ? MG_NAME(sigmoid_beyond)(x, y, beyond) : y;
}

#undef MG_PICK
