/* Panels: the right operand of a product, packed once for all rows of the left one.
 *
 * A panel is `vectors` columns of vectors, [1 + depth][vectors][lanes]; its first row is the bias, from which the
 * sums start. In a gated panel the vectors are the G gates of the same units, so that a cell can be applied as soon
 * as its tile is summed; the last one has them side by side in fewer vectors if they fit. Other panels have two
 * vectors, the last one only one if no more are left, or, if that would be half idle, its columns one after the
 * other.
 *
 * Included by recurrent_loops.h for each element type.
 */

#ifndef MG_PANELS_COMMON
#define MG_PANELS_COMMON
#include <stddef.h>

/* Rows are fetched so far ahead of being packed. */
#define MG_ROWS_AHEAD 16

/* The columns left over after the last whole panel are better off summed otherwise if they would leave half of a vector
 * or more idle, and the depth is worth it. */
#define MG_NARROW(left, depth) (2 * (left) <= MG_LANES && MG_LANES >= 8 && (depth) >= 64)

#if defined(__clang__)
#define MG_UNROLL _Pragma("clang loop unroll(full)")
#else
#define MG_UNROLL _Pragma("GCC unroll 24")
#endif

#if defined(__x86_64__)
#include <immintrin.h>
#if MG_VECTOR_BYTES == 64
#define MG_X86(operation) _mm512_##operation
#define MG_X86_REGISTER __m512
#define MG_X86_DOUBLE __m512d
#elif MG_VECTOR_BYTES == 32
#define MG_X86(operation) _mm256_##operation
#define MG_X86_REGISTER __m256
#define MG_X86_DOUBLE __m256d
#else
#define MG_X86(operation) _mm_##operation
#define MG_X86_REGISTER __m128
#define MG_X86_DOUBLE __m128d
#endif
#endif

static inline long mg_smaller(long a, long b)
{
    return a < b ? a : b;
}
#endif

#if defined(__x86_64__)
typedef MG_ELEMENT MG_NAME(mg_quarter) __attribute__((vector_size(16)));
#undef MG_QUARTER
#define MG_QUARTER MG_NAME(mg_quarter)

/* One vector made of 16 bytes from each of the rows lane, lane + 4, lane + 8, ... (+ 2, + 4, ... of double), as many as
 * it holds. */
MG_FN MG_VALUE MG_NAME(load_quarters)(const MG_ELEMENT *from, const long *rows, long lane)
{
    const long unit = 16 / (long)sizeof(MG_ELEMENT);
#define MG_PIECE(i) _mm_loadu_ps((const float *)(from + rows[lane + (i) * unit]))
#if MG_VECTOR_BYTES == 64
    __m512 x = _mm512_castps128_ps512(MG_PIECE(0));
    x = _mm512_insertf32x4(x, MG_PIECE(1), 1);
    x = _mm512_insertf32x4(x, MG_PIECE(2), 2);
    return (MG_VALUE)_mm512_insertf32x4(x, MG_PIECE(3), 3);
#elif MG_VECTOR_BYTES == 32
    return (MG_VALUE)_mm256_insertf128_ps(_mm256_castps128_ps256(MG_PIECE(0)), MG_PIECE(1), 1);
#else
    return (MG_VALUE)MG_PIECE(0);
#endif
#undef MG_PIECE
}
#endif

/* to[d * to_step + lane] = from[rows[lane] + d]. Squares of 16 bytes are transposed within the quarters of vectors.
 * Returns the sums of all d, times zero. */
static MG_VALUE MG_NAME(pack_lanes)(MG_ELEMENT *to, long to_step, const MG_ELEMENT *from, const long *rows, long depth)
{
    MG_VALUE zero = {0}, sum[4] = {zero, zero, zero, zero};
    long d = 0;
#if defined(__x86_64__)
    const long unit = 16 / (long)sizeof(MG_ELEMENT);
    for (; d + unit <= depth; d += unit) {
        MG_ELEMENT *out = to + d * to_step;
#define MG_ROW(i) MG_NAME(load_quarters)(from + d, rows, i)
#if MG_REAL == 32
        MG_X86_REGISTER a = (MG_X86_REGISTER)MG_ROW(0), b = (MG_X86_REGISTER)MG_ROW(1);
        MG_X86_REGISTER c = (MG_X86_REGISTER)MG_ROW(2), e = (MG_X86_REGISTER)MG_ROW(3);
        MG_X86_DOUBLE low_ab = (MG_X86_DOUBLE)MG_X86(unpacklo_ps)(a, b);
        MG_X86_DOUBLE low_ce = (MG_X86_DOUBLE)MG_X86(unpacklo_ps)(c, e);
        MG_X86_DOUBLE high_ab = (MG_X86_DOUBLE)MG_X86(unpackhi_ps)(a, b);
        MG_X86_DOUBLE high_ce = (MG_X86_DOUBLE)MG_X86(unpackhi_ps)(c, e);
        MG_VALUE turned[] = {(MG_VALUE)MG_X86(unpacklo_pd)(low_ab, low_ce),
                             (MG_VALUE)MG_X86(unpackhi_pd)(low_ab, low_ce),
                             (MG_VALUE)MG_X86(unpacklo_pd)(high_ab, high_ce),
                             (MG_VALUE)MG_X86(unpackhi_pd)(high_ab, high_ce)};
#else
        MG_X86_DOUBLE a = (MG_X86_DOUBLE)MG_ROW(0), b = (MG_X86_DOUBLE)MG_ROW(1);
        MG_VALUE turned[] = {(MG_VALUE)MG_X86(unpacklo_pd)(a, b), (MG_VALUE)MG_X86(unpackhi_pd)(a, b)};
#endif
        MG_UNROLL
        for (long i = 0; i < unit; i++) {
            MG_NAME(store)(out + i * to_step, turned[i]);
            sum[i] += turned[i] * zero;
        }
#undef MG_ROW
    }
#endif
    for (; d < depth; d++) {
        for (long lane = 0; lane < MG_LANES; lane++)
            to[d * to_step + lane] = from[rows[lane] + d];
        sum[0] += MG_NAME(load)(to + d * to_step) * zero;
    }
    return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

/* The same for `count` rows `stride` apart. What the lanes beyond hold does not matter: the last row stands in. */
MG_FN MG_VALUE MG_NAME(pack_rows)(MG_ELEMENT *to, long to_step, const MG_ELEMENT *from, long stride, long count,
                                  long depth)
{
    long rows[MG_LANES];
    for (long lane = 0; lane < MG_LANES; lane++)
        rows[lane] = mg_smaller(lane, count - 1) * stride;
    return MG_NAME(pack_lanes)(to, to_step, from, rows, depth);
}

/* to[d * to_step + lane] = from[d * stride + lane] for lane < count, 0 for the lanes beyond. */
static void MG_NAME(pack_columns)(MG_ELEMENT *to, long to_step, const MG_ELEMENT *from, long stride, long count,
                                  long depth)
{
    MG_VALUE zero = {0};
    if (count >= MG_LANES)
        for (long d = 0; d < depth; d++) {
            __builtin_prefetch(from + (d + MG_ROWS_AHEAD) * stride);
            MG_NAME(store)(to + d * to_step, MG_NAME(load)(from + d * stride));
        }
    else
        for (long d = 0; d < depth; d++)
            MG_NAME(store)(to + d * to_step, count > 0 ? MG_NAME(load_part)(from + d * stride, count) : zero);
}

/* The vectors of a gated panel of which `units` are left: in the last one, lane (or column) g * units + u belongs to
 * gate g of unit u if that saves a vector. */
MG_FN int MG_NAME(gated_vectors)(long units, int gates)
{
    return units >= MG_LANES ? gates : (int)((units * gates + MG_LANES - 1) / MG_LANES);
}

/* Number of elements of all panels. `width` is the number of columns, or of units if the panels are gated. */
static size_t MG_NAME(packed_size)(long width, long depth, int vectors, int gated)
{
    if (gated) {
        long all = width / MG_LANES * vectors;
        if (width % MG_LANES)
            all += MG_NAME(gated_vectors)(width % MG_LANES, vectors);
        return (size_t)(all * (depth + 1) * MG_LANES);
    }
    long block = vectors * MG_LANES;
    return (size_t)((width + block - 1) / block) * (size_t)(depth + 1) * (size_t)block;
}

/* What is packed: `matrix`, of which column c is row c if `transposed` (gated panels always are); rows from `split`
 * on, unless that is `depth`, are those of `rest`. `width` is the number of columns, or of units if the panels are
 * gated. */
typedef struct {
    const MG_ELEMENT *matrix, *rest, *bias; /* `bias` has one element per column, or is NULL */
    long stride, rest_stride, width, depth, split;
    int vectors, transposed, gated;
    int narrow;   /* a narrow last panel may be packed as such; not with `rest` */
    int at_rest;  /* gated or transposed: sums start from the bias plus the product of all columns with zeros */
} MG_NAME(operand);

/* The last gated panel, of `units` units from `first` on, if its gates lie side by side. */
static void MG_NAME(pack_side_by_side)(MG_ELEMENT *to, const MG_NAME(operand) *o, long first, long units)
{
    const long step = MG_NAME(gated_vectors)(units, o->vectors) * MG_LANES;
    long rows[MG_LANES];
    for (long v = 0; v < step; v += MG_LANES) {
        MG_ELEMENT *start = to + v;
        for (long lane = 0; lane < MG_LANES; lane++) {
            const long column = mg_smaller(v + lane, o->vectors * units - 1);
            const long row = column / units * o->width + first + column % units;
            rows[lane] = row * o->stride;
            start[lane] = o->bias ? o->bias[row] : 0;
        }
        MG_VALUE nothing = MG_NAME(pack_lanes)(start + step, step, o->matrix, rows, o->depth);
        if (o->at_rest)
            MG_NAME(store)(start, MG_NAME(load)(start) + nothing);
    }
}

/* Where the columns of a last panel that is narrow begin is after the bias; how far they are apart: */
#define MG_NARROW_STEP(depth) (((depth) + MG_LANES - 1) / MG_LANES * MG_LANES)

/* The last panel, of `count` columns from `first` on, each with its whole depth in one place. */
static void MG_NAME(pack_narrow)(MG_ELEMENT *to, const MG_NAME(operand) *o, long first, long count)
{
    const long step = MG_NARROW_STEP(o->depth);
    MG_VALUE zero = {0};
    MG_NAME(store)(to, o->bias ? MG_NAME(load_upto)(o->bias + first, count) : zero);
    to += MG_LANES;
    for (long d = 0; d < o->depth && !o->transposed; d += MG_LANES)
        MG_NAME(pack_rows)(to + d, step, o->matrix + d * o->stride + first, o->stride,
                           mg_smaller(o->depth - d, MG_LANES), count);
    for (long column = 0; column < count && o->transposed; column++)
        memcpy(to + column * step, o->matrix + (first + column) * o->stride, (size_t)o->depth * sizeof(MG_ELEMENT));
}

/* Packs columns (or units) [first, end), where `to` is the start of all panels and `first` a multiple of a panel's. */
static void MG_NAME(pack)(MG_ELEMENT *to, const MG_NAME(operand) *o, long first, long end)
{
    int vectors = o->vectors;
    const long width = o->width, depth = o->depth, block = o->gated ? MG_LANES : vectors * MG_LANES;
    MG_VALUE zero = {0};
    to += first / block * (depth + 1) * vectors * MG_LANES;
    for (; first < end; first += block) {
        if (!o->gated && width - first <= MG_LANES)
            vectors = 1;
        const long step = vectors * MG_LANES;
        if (o->gated && MG_NAME(gated_vectors)(width - first, vectors) < vectors) {
            MG_NAME(pack_side_by_side)(to, o, first, width - first);
            return;
        }
        if (o->narrow && MG_NARROW(width - first, depth)) {
            MG_NAME(pack_narrow)(to, o, first, width - first);
            return;
        }
        for (int v = 0; v < vectors; v++) {
            const long column = o->gated ? v * width + first : first + v * MG_LANES;
            const long left = o->gated ? width - first : width - first - v * MG_LANES;
            const long count = mg_smaller(left, MG_LANES);
            MG_ELEMENT *lanes = to + v * MG_LANES;
            MG_VALUE start = o->bias ? MG_NAME(load_upto)(o->bias + column, left) : zero;
            if (o->transposed) {
                MG_VALUE nothing = MG_NAME(pack_rows)(lanes + step, step, o->matrix + column * o->stride, o->stride,
                                                      count, depth);
                if (o->at_rest)
                    start += nothing;
            } else {
                MG_NAME(pack_columns)(lanes + step, step, o->matrix + column, o->stride, count,
                                      mg_smaller(o->split, depth));
                if (o->split < depth)
                    MG_NAME(pack_columns)(lanes + step * (1 + o->split), step, o->rest + column, o->rest_stride, count,
                                          depth - o->split);
            }
            MG_NAME(store)(lanes, start);
        }
        to += step * (depth + 1);
    }
}
