/* Vectors of one element type and their elementary functions, with no help from the C library.
 *
 * A template, included once with MG_REAL 32 and once with MG_REAL 64; the functions are called name_f32 and name_f64.
 * Vectors are GCC vector extensions as wide as the instruction set the file is compiled for, so the same text becomes
 * SSE2, AVX2, AVX-512 or NEON code. Loading and storing part of a vector needs intrinsics, because nothing else
 * lets the hardware skip memory beyond the end of an array; elsewhere they stand where they are faster.
 *
 * exp:      x = n ln2 + r with |r| <= ln2/2; e^x = 2^n (1 + q), where q = e^r - 1 = r + r^2 p(r) with the
 *           polynomial p that makes its greatest relative error smallest (1.3e-8 and 1.8e-17). 2^n is applied in two
 *           factors, so that subnormal results are rounded once and never flushed.
 * sigmoid:  1 / (1 + e^-x), and that is 1 / ((2^n + 1) + 2^n q): products with 2^n are exact, 2^n + 1 mostly is, and
 *           what it loses is put back. Where e^-x is no longer a number, sigmoid is e^x.
 * tanh:     1 - 2 / (1 + e^2|x|), where at most half of the 1 is taken away; for smaller x, |x| + |x|^3 p(x^2), with
 *           the p whose relative error is smallest (1.3e-9 and 9.6e-19). Both are computed, one is taken.
 *
 * With AVX-512, float32 tanh and sigmoid are looked up instead (lookup.h).
 *
 * NaN comes out as NaN, the infinities as the limits, and tanh keeps the sign of zero. Errors stay below 2 units in the
 * last place, subnormal results included.
 */

#ifndef MG_VECMATH_COMMON
#define MG_VECMATH_COMMON
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__AVX512F__)
#define MG_VECTOR_BYTES 64
#elif defined(__AVX2__)
#define MG_VECTOR_BYTES 32
#else
#define MG_VECTOR_BYTES 16
#endif
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#define MG_VECTOR_MATH
#define MG_FN static inline __attribute__((always_inline, unused))
#define MG_JOIN_(name, bits) name##_f##bits
#define MG_JOIN(name, bits) MG_JOIN_(name, bits)
#define MG_NAME(name) MG_JOIN(name, MG_REAL)
#define MG_ELEMENT MG_NAME(mg_element)
#define MG_VALUE MG_NAME(mg_vector)
#define MG_BITS MG_NAME(mg_bits)
#define MG_LANES ((long)(MG_VECTOR_BYTES / sizeof(MG_ELEMENT)))

#if defined(__AVX2__) && !defined(__AVX512F__)
/* A window into this row of words, sliding by the number of lanes wanted, is the mask that selects them. */
static const int32_t mg_mask_window[16] = {-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0};
#endif
#endif

#undef MG_ROUNDER
#undef MG_MANTISSA
#undef MG_EXPONENT_BIAS
#undef MG_LN2_HIGH
#undef MG_LN2_LOW
#undef MG_EXP_MAX
#undef MG_EXP_MIN
#undef MG_SIGMOID_FAR

/* MG_ROUNDER: adding it pushes the fraction out of the mantissa, so that the sum's low bits are the rounded integer.
 * MG_LN2_HIGH has enough trailing zeros for its product with any exponent to be exact without a fused multiply-add. */
#if MG_REAL == 32
typedef float mg_element_f32;
typedef int32_t mg_integer_f32;
#define MG_ROUNDER 12582912.0f
#define MG_MANTISSA 23
#define MG_EXPONENT_BIAS 127
#define MG_LN2_HIGH 0.693359375f
#define MG_LN2_LOW -2.12194440e-4f
#define MG_EXP_MAX 89.0f
#define MG_EXP_MIN -104.0f
#define MG_SIGMOID_FAR 87.0f
#else
typedef double mg_element_f64;
typedef int64_t mg_integer_f64;
#define MG_ROUNDER 6755399441055744.0
#define MG_MANTISSA 52
#define MG_EXPONENT_BIAS 1023
#define MG_LN2_HIGH 6.93147180369123816490e-01
#define MG_LN2_LOW 1.90821492927058770002e-10
#define MG_EXP_MAX 710.0
#define MG_EXP_MIN -746.0
#define MG_SIGMOID_FAR 708.0
#endif

typedef MG_ELEMENT MG_VALUE __attribute__((vector_size(MG_VECTOR_BYTES)));
typedef MG_NAME(mg_integer) MG_BITS __attribute__((vector_size(MG_VECTOR_BYTES)));

MG_FN MG_VALUE MG_NAME(splat)(MG_ELEMENT x)
{
    MG_VALUE zero = {0};
    return x - zero;
}

MG_FN MG_VALUE MG_NAME(select)(MG_BITS condition, MG_VALUE yes, MG_VALUE no)
{
    return (MG_VALUE)(((MG_BITS)yes & condition) | ((MG_BITS)no & ~condition));
}

MG_FN MG_VALUE MG_NAME(load)(const MG_ELEMENT *from)
{
    MG_VALUE x;
    memcpy(&x, from, sizeof x);
    return x;
}

MG_FN void MG_NAME(store)(MG_ELEMENT *to, MG_VALUE x)
{
    memcpy(to, &x, sizeof x);
}

/* Load and store of the first `count` lanes, 0 < count < MG_LANES; the other lanes read as 0. */
MG_FN MG_VALUE MG_NAME(load_part)(const MG_ELEMENT *from, long count)
{
#if defined(__AVX512F__) && MG_REAL == 32
    return (MG_VALUE)_mm512_maskz_loadu_ps((__mmask16)((1u << count) - 1), from);
#elif defined(__AVX512F__)
    return (MG_VALUE)_mm512_maskz_loadu_pd((__mmask8)((1u << count) - 1), from);
#elif defined(__AVX2__) && MG_REAL == 32
    return (MG_VALUE)_mm256_maskload_ps(from, _mm256_loadu_si256((const __m256i *)(mg_mask_window + 8 - count)));
#elif defined(__AVX2__)
    return (MG_VALUE)_mm256_maskload_pd(from, _mm256_loadu_si256((const __m256i *)(mg_mask_window + 8 - 2 * count)));
#else
    /* Lane by lane and not in a loop, of which compilers make a call of memcpy. */
    MG_VALUE x = {from[0]};
#if MG_REAL == 32
    if (count > 1)
        x[1] = from[1];
    if (count > 2)
        x[2] = from[2];
#else
    (void)count;
#endif
    return x;
#endif
}

MG_FN void MG_NAME(store_part)(MG_ELEMENT *to, MG_VALUE x, long count)
{
#if defined(__AVX512F__) && MG_REAL == 32
    _mm512_mask_storeu_ps(to, (__mmask16)((1u << count) - 1), (__m512)x);
#elif defined(__AVX512F__)
    _mm512_mask_storeu_pd(to, (__mmask8)((1u << count) - 1), (__m512d)x);
#elif defined(__AVX2__) && MG_REAL == 32
    /* Piece by piece: AMD's processors take some 20 cycles for a masked store. */
    __m128 piece = _mm256_castps256_ps128((__m256)x);
    if (count & 4) {
        _mm_storeu_ps(to, piece);
        piece = _mm256_extractf128_ps((__m256)x, 1);
        to += 4;
    }
    if (count & 2) {
        _mm_storel_pi((__m64 *)to, piece);
        piece = _mm_movehl_ps(piece, piece);
        to += 2;
    }
    if (count & 1)
        _mm_store_ss(to, piece);
#elif defined(__AVX2__)
    __m128d piece = _mm256_castpd256_pd128((__m256d)x);
    if (count & 2) {
        _mm_storeu_pd(to, piece);
        piece = _mm256_extractf128_pd((__m256d)x, 1);
        to += 2;
    }
    if (count & 1)
        _mm_store_sd(to, piece);
#else
    to[0] = x[0];
#if MG_REAL == 32
    if (count > 1)
        to[1] = x[1];
    if (count > 2)
        to[2] = x[2];
#else
    (void)count;
#endif
#endif
}

/* The same for any count > 0: `count` is how much of the array is left, a whole vector if that is enough. */
MG_FN MG_VALUE MG_NAME(load_upto)(const MG_ELEMENT *from, long count)
{
    return count >= MG_LANES ? MG_NAME(load)(from) : MG_NAME(load_part)(from, count);
}

MG_FN void MG_NAME(store_upto)(MG_ELEMENT *to, MG_VALUE x, long count)
{
    if (__builtin_expect(count >= MG_LANES, 1))
        MG_NAME(store)(to, x);
    else
        MG_NAME(store_part)(to, x, count);
}

/* The smaller of x and a limit, x if it is NaN. */
MG_FN MG_VALUE MG_NAME(at_most)(MG_VALUE x, MG_ELEMENT limit)
{
    const MG_VALUE most = MG_NAME(splat)(limit);
#if defined(__AVX512F__) && MG_REAL == 32
    return (MG_VALUE)_mm512_min_ps((__m512)most, (__m512)x);
#elif defined(__AVX512F__)
    return (MG_VALUE)_mm512_min_pd((__m512d)most, (__m512d)x);
#elif defined(__AVX2__) && MG_REAL == 32
    return (MG_VALUE)_mm256_min_ps((__m256)most, (__m256)x);
#elif defined(__AVX2__)
    return (MG_VALUE)_mm256_min_pd((__m256d)most, (__m256d)x);
#elif defined(__x86_64__) && MG_REAL == 32
    return (MG_VALUE)_mm_min_ps((__m128)most, (__m128)x);
#elif defined(__x86_64__)
    return (MG_VALUE)_mm_min_pd((__m128d)most, (__m128d)x);
#else
    return MG_NAME(select)(x > limit, most, x);
#endif
}

/* `yes` where x is negative, `no` where it is positive; where it is zero or NaN, either. */
MG_FN MG_VALUE MG_NAME(by_sign)(MG_VALUE x, MG_VALUE yes, MG_VALUE no)
{
#if defined(__AVX512F__) && MG_REAL == 32
    return (MG_VALUE)_mm512_mask_blend_ps(_mm512_movepi32_mask((__m512i)x), (__m512)no, (__m512)yes);
#elif defined(__AVX512F__)
    return (MG_VALUE)_mm512_mask_blend_pd(_mm512_movepi64_mask((__m512i)x), (__m512d)no, (__m512d)yes);
#elif defined(__AVX2__) && MG_REAL == 32
    return (MG_VALUE)_mm256_blendv_ps((__m256)no, (__m256)yes, (__m256)x);
#elif defined(__AVX2__)
    return (MG_VALUE)_mm256_blendv_pd((__m256d)no, (__m256d)yes, (__m256d)x);
#elif defined(__SSE4_1__) && MG_REAL == 32
    return (MG_VALUE)_mm_blendv_ps((__m128)no, (__m128)yes, (__m128)x);
#elif defined(__SSE4_1__)
    return (MG_VALUE)_mm_blendv_pd((__m128d)no, (__m128d)yes, (__m128d)x);
#else
    return MG_NAME(select)(x < 0, yes, no);
#endif
}

MG_FN MG_VALUE MG_NAME(absolute)(MG_VALUE x)
{
    MG_BITS sign = (MG_BITS)MG_NAME(splat)((MG_ELEMENT)-0.0);
    return (MG_VALUE)((MG_BITS)x & ~sign);
}

/* x = n ln2 + r; returns e^r - 1. *n is the rounded quotient, *whole the same as an integer. */
MG_FN MG_VALUE MG_NAME(reduced_expm1)(MG_VALUE x, MG_VALUE *n, MG_BITS *whole)
{
    const MG_VALUE rounder = MG_NAME(splat)(MG_ROUNDER);
    MG_VALUE shifted = x * (MG_ELEMENT)1.44269504088896340736 + rounder;
    *n = shifted - rounder;
    *whole = (MG_BITS)shifted - (MG_BITS)rounder;
    MG_VALUE r = x - *n * MG_LN2_HIGH - *n * MG_LN2_LOW;
    /* p in pairs of terms: a chain half as long, and a cell is chains. */
    const MG_VALUE square = r * r;
#define MG_PAIR(even, odd) ((MG_ELEMENT)(even) + (MG_ELEMENT)(odd)*r)
#if MG_REAL == 32
    MG_VALUE p = MG_PAIR(0.041667200671300089, 0.0083665477938742077) + square * 0.00138825193451832767f;
    p = MG_PAIR(0.49999998149809882, 0.16666543419160958) + square * p;
#else
    MG_VALUE p = MG_PAIR(2.7626094424617169026e-7, 2.505377206981198804e-8);
    p = MG_PAIR(2.4801505138767892986e-5, 2.7557407702768431786e-6) + square * p;
    p = MG_PAIR(1.3888888931670298668e-3, 1.9841269718685524024e-4) + square * p;
    p = MG_PAIR(0.041666666666576458668, 8.3333333333897485191e-3) + square * p;
    p = MG_PAIR(0.50000000000000052005, 0.16666666666666588938) + square * p;
#endif
#undef MG_PAIR
    return r + square * p;
}

/* 2^n for an integer n within the range of normal numbers. */
MG_FN MG_VALUE MG_NAME(power_of_two)(MG_BITS n)
{
    return (MG_VALUE)((n + MG_EXPONENT_BIAS) << MG_MANTISSA);
}

/* y 2^n, rounded once; n is `whole` as a number. */
MG_FN MG_VALUE MG_NAME(scale)(MG_VALUE y, MG_VALUE n, MG_BITS whole)
{
#if defined(__AVX512F__) && MG_REAL == 32
    (void)whole;
    return (MG_VALUE)_mm512_scalef_ps((__m512)y, (__m512)n);
#elif defined(__AVX512F__)
    (void)whole;
    return (MG_VALUE)_mm512_scalef_pd((__m512d)y, (__m512d)n);
#else
    const MG_VALUE rounder = MG_NAME(splat)(MG_ROUNDER);
    MG_BITS half = (MG_BITS)(n * (MG_ELEMENT)0.5 + rounder) - (MG_BITS)rounder;
    return y * MG_NAME(power_of_two)(half) * MG_NAME(power_of_two)(whole - half);
#endif
}

/* e^x for MG_EXP_MIN <= x <= MG_EXP_MAX, and NaN. */
MG_FN MG_VALUE MG_NAME(exp_within)(MG_VALUE x)
{
    MG_VALUE n;
    MG_BITS whole;
    MG_VALUE y = (MG_ELEMENT)1 + MG_NAME(reduced_expm1)(x, &n, &whole);
    return MG_NAME(scale)(y, n, whole);
}

MG_FN MG_VALUE MG_NAME(exp)(MG_VALUE x)
{
    return MG_NAME(exp_within)(-MG_NAME(at_most)(-MG_NAME(at_most)(x, MG_EXP_MAX), -MG_EXP_MIN));
}

/* Whether any x is at least `limit`. */
MG_FN int MG_NAME(any_from)(MG_VALUE x, MG_ELEMENT limit)
{
#if defined(__AVX512F__) && MG_REAL == 32
    return _mm512_cmp_ps_mask((__m512)x, _mm512_set1_ps(limit), _CMP_GE_OQ);
#elif defined(__AVX512F__)
    return _mm512_cmp_pd_mask((__m512d)x, _mm512_set1_pd(limit), _CMP_GE_OQ);
#elif defined(__AVX2__) && MG_REAL == 32
    return _mm256_movemask_ps((__m256)(x >= limit));
#elif defined(__AVX2__)
    return _mm256_movemask_pd((__m256d)(x >= limit));
#elif defined(__x86_64__) && MG_REAL == 32
    return _mm_movemask_ps((__m128)(x >= limit));
#elif defined(__x86_64__)
    return _mm_movemask_pd((__m128d)(x >= limit));
#else
    const MG_BITS found = x >= limit;
    int any = 0;
    for (int lane = 0; lane < MG_LANES; lane++)
        any |= found[lane] != 0;
    return any;
#endif
}

/* Hardly ever needed: not where it would be in the way. */
static __attribute__((noinline, cold, unused)) MG_VALUE MG_NAME(sigmoid_far)(MG_VALUE x, MG_VALUE near)
{
    MG_VALUE z = MG_NAME(exp_within)(-MG_NAME(at_most)(-x, -MG_EXP_MIN));
    return MG_NAME(select)(-x >= MG_SIGMOID_FAR, z, near);
}

MG_FN MG_VALUE MG_NAME(sigmoid_by_exp)(MG_VALUE x)
{
    MG_VALUE n, minus = -MG_NAME(at_most)(x, 40); /* where it has long been 1 */
    MG_BITS whole;
    MG_VALUE q = MG_NAME(reduced_expm1)(minus, &n, &whole), power = MG_NAME(power_of_two)(whole);
    MG_VALUE sum = power + (MG_ELEMENT)1, lost = (power - sum) + (MG_ELEMENT)1;
    MG_VALUE y = (MG_ELEMENT)1 / (sum + (power * q + lost));
    return __builtin_expect(MG_NAME(any_from)(minus, MG_SIGMOID_FAR), 0) ? MG_NAME(sigmoid_far)(x, y) : y;
}

MG_FN MG_VALUE MG_NAME(tanh_by_exp)(MG_VALUE x)
{
    MG_BITS sign = (MG_BITS)x & (MG_BITS)MG_NAME(splat)((MG_ELEMENT)-0.0), whole;
    /* tanh rounds to 1 from 9.02, or 19.1, on. */
    MG_VALUE n, distance = MG_NAME(at_most)(MG_NAME(absolute)(x), 20), square = distance * distance;
    MG_VALUE q = MG_NAME(reduced_expm1)((MG_ELEMENT)2 * distance, &n, &whole), power = MG_NAME(power_of_two)(whole);
    MG_VALUE far = (MG_ELEMENT)1 - (MG_ELEMENT)2 / (power + (MG_ELEMENT)1 + power * q);
#define MG_TERM(coefficient) s = s * square + (MG_ELEMENT)(coefficient);
#if MG_REAL == 32
    MG_VALUE s = MG_NAME(splat)(-0.0061798196808567413569f);
    MG_TERM(0.021007467362693654039)
    MG_TERM(-0.053837432764674191737)
    MG_TERM(0.1333245230396024251)
    MG_TERM(-0.33333313889336535318)
#else
    MG_VALUE s = MG_NAME(splat)(-1.8903934245050481284e-5);
    MG_TERM(8.2360878794228541079e-5)
    MG_TERM(-2.3271618124918745416e-4)
    MG_TERM(5.8818363324053774338e-4)
    MG_TERM(-1.4554796379561306535e-3)
    MG_TERM(3.5920822493872333133e-3)
    MG_TERM(-8.8632316371173801283e-3)
    MG_TERM(0.021869488327272352304)
    MG_TERM(-0.053968253961724327913)
    MG_TERM(0.13333333333323133245)
    MG_TERM(-0.3333333333333327785)
#endif
#undef MG_TERM
    MG_VALUE near = distance + distance * square * s;
    return (MG_VALUE)((MG_BITS)MG_NAME(by_sign)(distance - (MG_ELEMENT)0.5625, near, far) | sign);
}

#if MG_VECTOR_BYTES == 64 && MG_REAL == 32
#include "lookup.h"
#else
MG_FN MG_VALUE MG_NAME(tanh)(MG_VALUE x)
{
    return MG_NAME(tanh_by_exp)(x);
}

MG_FN MG_VALUE MG_NAME(sigmoid)(MG_VALUE x)
{
    return MG_NAME(sigmoid_by_exp)(x);
}
#endif
