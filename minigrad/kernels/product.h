/* Matrix products of the sizes recurrent networks have: a few rows times a few hundred columns.
 *
 * The right operand is packed once into panels of `vectors` columns of vectors, [panel][1 + depth][vectors][lanes]; the first row of
 * a panel is the bias, from which the sums start. A tile of the result, `rows` x `vectors`, is then summed entirely in
 * registers: one load per vector of the panel serves all rows. In a gated panel the vectors are the G gates of the same
 * units, so that a cell can be applied as soon as its tile is summed.
 *
 * Included by recurrent_loops.h for each element type.
 */

#ifndef MG_PRODUCT_COMMON
#define MG_PRODUCT_COMMON
#include <stdlib.h>

/* Rows of a tile: as many sums as fit in the registers next to `vectors` loaded vectors and one broadcast element. */
#if MG_VECTOR_BYTES == 64
#define MG_TILE_ROWS(vectors) ((vectors) == 2 ? 12 : (vectors) == 3 ? 8 : 6)
#elif MG_VECTOR_BYTES == 32
#define MG_TILE_ROWS(vectors) ((vectors) == 2 ? 6 : (vectors) == 3 ? 4 : 3)
#else
#define MG_TILE_ROWS(vectors) ((vectors) == 2 ? 4 : (vectors) == 3 ? 3 : 2)
#endif
#define MG_TILE_SUMS 24
#define MG_ALIGNMENT 64

#if defined(__clang__)
#define MG_UNROLL _Pragma("clang loop unroll(full)")
#else
#define MG_UNROLL _Pragma("GCC unroll 24")
#endif

#if defined(__has_builtin)
#if __has_builtin(__builtin_shufflevector)
#define MG_SHUFFLEVECTOR
#endif
#endif

/* Memory for packed panels, aligned for whole-vector loads; `base` is what to free. */
static inline void *mg_aligned(size_t bytes, void **base)
{
    *base = malloc(bytes + MG_ALIGNMENT);
    return *base ? (void *)(((uintptr_t)*base + MG_ALIGNMENT - 1) & ~(uintptr_t)(MG_ALIGNMENT - 1)) : NULL;
}

static inline long mg_smaller(long a, long b)
{
    return a < b ? a : b;
}
#endif

/* Four (two) elements: the unit in which matrices are transposed, on every instruction set. */
typedef MG_ELEMENT MG_NAME(mg_quarter) __attribute__((vector_size(16)));
typedef MG_NAME(mg_integer) MG_NAME(mg_quarter_bits) __attribute__((vector_size(16)));
#undef MG_QUARTER
#undef MG_SHUFFLE
#define MG_QUARTER MG_NAME(mg_quarter)
#ifdef MG_SHUFFLEVECTOR
#define MG_SHUFFLE(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#define MG_SHUFFLE(a, b, ...) __builtin_shuffle(a, b, (MG_NAME(mg_quarter_bits)){__VA_ARGS__})
#endif

/* to[d * to_step + lane] = from[lane * stride + d] for lane < count, 0 for the lanes beyond. */
static void MG_NAME(pack_rows)(MG_ELEMENT *to, long to_step, const MG_ELEMENT *from, long stride, long count,
                               long depth)
{
    const long unit = 16 / (long)sizeof(MG_ELEMENT);
    long lane = 0;
    for (; lane + unit <= count; lane += unit) {
        const MG_ELEMENT *row = from + lane * stride;
        long d = 0;
        for (; d + unit <= depth; d += unit) {
            MG_QUARTER in[4];
            for (int i = 0; i < unit; i++)
                memcpy(&in[i], row + i * stride + d, 16);
            MG_ELEMENT *out = to + d * to_step + lane;
#if MG_REAL == 32
            MG_QUARTER low01 = MG_SHUFFLE(in[0], in[1], 0, 4, 1, 5), high01 = MG_SHUFFLE(in[0], in[1], 2, 6, 3, 7);
            MG_QUARTER low23 = MG_SHUFFLE(in[2], in[3], 0, 4, 1, 5), high23 = MG_SHUFFLE(in[2], in[3], 2, 6, 3, 7);
            MG_QUARTER result[4] = {MG_SHUFFLE(low01, low23, 0, 1, 4, 5), MG_SHUFFLE(low01, low23, 2, 3, 6, 7),
                                    MG_SHUFFLE(high01, high23, 0, 1, 4, 5), MG_SHUFFLE(high01, high23, 2, 3, 6, 7)};
#else
            MG_QUARTER result[2] = {MG_SHUFFLE(in[0], in[1], 0, 2), MG_SHUFFLE(in[0], in[1], 1, 3)};
#endif
            for (int i = 0; i < unit; i++)
                memcpy(out + i * to_step, &result[i], 16);
        }
        for (; d < depth; d++)
            for (long i = 0; i < unit; i++)
                to[d * to_step + lane + i] = row[i * stride + d];
    }
    for (; lane < MG_LANES; lane++)
        for (long d = 0; d < depth; d++)
            to[d * to_step + lane] = lane < count ? from[lane * stride + d] : 0;
}

/* to[d * to_step + lane] = from[d * stride + lane] for lane < count, 0 for the lanes beyond. */
static void MG_NAME(pack_columns)(MG_ELEMENT *to, long to_step, const MG_ELEMENT *from, long stride, long count,
                                  long depth)
{
    MG_VALUE zero = {0};
    if (count >= MG_LANES)
        for (long d = 0; d < depth; d++)
            MG_NAME(store)(to + d * to_step, MG_NAME(load)(from + d * stride));
    else
        for (long d = 0; d < depth; d++)
            MG_NAME(store)(to + d * to_step, count > 0 ? MG_NAME(load_part)(from + d * stride, count) : zero);
}

/* Number of elements of all panels. `width` is the number of columns, or of units if the panels are gated. */
static size_t MG_NAME(packed_size)(long width, long depth, int vectors, int gated)
{
    long block = gated ? MG_LANES : vectors * MG_LANES;
    return (size_t)((width + block - 1) / block) * (size_t)(depth + 1) * (size_t)(vectors * MG_LANES);
}

/* Packs `matrix`, of which column c is row c if `transposed`; `bias` has one element per column, or is NULL. */
static void MG_NAME(pack)(MG_ELEMENT *to, const MG_ELEMENT *matrix, long stride, int transposed,
                          const MG_ELEMENT *bias, long width, long depth, int vectors, int gated)
{
    long step = vectors * MG_LANES, block = gated ? MG_LANES : step;
    MG_VALUE zero = {0};
    for (long first = 0; first < width; first += block) {
        for (int v = 0; v < vectors; v++) {
            long column = gated ? v * width + first : first + v * MG_LANES;
            long count = gated ? width - first : width - first - v * MG_LANES;
            MG_ELEMENT *lanes = to + v * MG_LANES;
            MG_NAME(store)(lanes, bias && count > 0 ? MG_NAME(load_upto)(bias + column, count) : zero);
            count = count < 0 ? 0 : mg_smaller(count, MG_LANES);
            if (transposed)
                MG_NAME(pack_rows)(lanes + step, step, matrix + column * stride, stride, count, depth);
            else
                MG_NAME(pack_columns)(lanes + step, step, matrix + column, stride, count, depth);
        }
        to += step * (depth + 1);
    }
}

/* sums[r * vectors + v] = bias[v] + sum over d of a[r * row_step + d * depth_step] * panel[d][v].
 * Always inlined with constant counts, so that every sum lives in a register. Few sums would leave the multipliers waiting
 * for each other's result; then several partial sums (`chains`) over interleaved d are kept and added at the end. */
MG_FN void MG_NAME(sum_tile)(const int rows, const int vectors, const int chains, long depth, const MG_ELEMENT *a,
                             long row_step, long depth_step, const MG_ELEMENT *panel, MG_VALUE *sums)
{
    MG_VALUE sum[MG_TILE_SUMS];
    /* One pointer per three rows: the addressing modes of most processors reach the other two from it. */
    const MG_ELEMENT *base[4] = {a, a + 3 * row_step, a + 6 * row_step, a + 9 * row_step};
    MG_UNROLL
    for (int i = 0; i < MG_TILE_SUMS; i++)
        if (i < rows * vectors * chains)
            sum[i] = i < rows * vectors ? MG_NAME(load)(panel + (i % vectors) * MG_LANES) : MG_NAME(splat)(0);
    panel += vectors * MG_LANES;
    long d = 0;
    for (; d + chains <= depth; d += chains) {
        MG_UNROLL
        for (int chain = 0; chain < chains; chain++) {
            MG_UNROLL
            for (int r = 0; r < rows; r++) {
                MG_ELEMENT x = base[r / 3][(r % 3) * row_step + chain * depth_step];
                MG_UNROLL
                for (int v = 0; v < vectors; v++)
                    sum[(chain * rows + r) * vectors + v] +=
                        x * MG_NAME(load)(panel + (chain * vectors + v) * MG_LANES);
            }
        }
        panel += chains * vectors * MG_LANES;
        MG_UNROLL
        for (int i = 0; i < 4; i++)
            base[i] += chains * depth_step;
    }
    for (; chains > 1 && d < depth; d++) {
        MG_UNROLL
        for (int r = 0; r < rows; r++) {
            MG_UNROLL
            for (int v = 0; v < vectors; v++)
                sum[r * vectors + v] +=
                    base[r / 3][(r % 3) * row_step] * MG_NAME(load)(panel + v * MG_LANES);
        }
        panel += vectors * MG_LANES;
        MG_UNROLL
        for (int i = 0; i < 4; i++)
            base[i] += depth_step;
    }
    MG_UNROLL
    for (int i = 0; i < rows * vectors; i++) {
        MG_UNROLL
        for (int chain = 1; chain < chains; chain++)
            sum[i] += sum[chain * rows * vectors + i];
        sums[i] = sum[i];
    }
}

#undef MG_TILE_CASE
#define MG_TILE_CASE(rows, vectors)                                                                                    \
    case rows:                                                                                                         \
        if (rows <= MG_TILE_ROWS(vectors))                                                                             \
            MG_NAME(sum_tile)(rows, vectors, rows * vectors >= 8 || MG_TILE_ROWS(vectors) * vectors < 24 ? 1           \
                              : rows * vectors > 4 ? 2 : rows * vectors > 2 ? 4 : 8,                                   \
                              depth, a, row_step, depth_step, panel, sums);                                            \
        break;

/* The tile of `rows` rows; a's rows are contiguous unless `a_transposed`, when its columns are. */
static void MG_NAME(sum_rows_2)(long rows, long depth, const MG_ELEMENT *a, long row_step, const MG_ELEMENT *panel,
                                MG_VALUE *sums)
{
    const long depth_step = 1;
    switch (rows) {
        MG_TILE_CASE(1, 2) MG_TILE_CASE(2, 2) MG_TILE_CASE(3, 2) MG_TILE_CASE(4, 2)
        MG_TILE_CASE(5, 2) MG_TILE_CASE(6, 2) MG_TILE_CASE(7, 2) MG_TILE_CASE(8, 2)
        MG_TILE_CASE(9, 2) MG_TILE_CASE(10, 2) MG_TILE_CASE(11, 2) MG_TILE_CASE(12, 2)
    }
}

static void MG_NAME(sum_rows_3)(long rows, long depth, const MG_ELEMENT *a, long row_step, const MG_ELEMENT *panel,
                                MG_VALUE *sums)
{
    const long depth_step = 1;
    switch (rows) {
        MG_TILE_CASE(1, 3) MG_TILE_CASE(2, 3) MG_TILE_CASE(3, 3) MG_TILE_CASE(4, 3)
        MG_TILE_CASE(5, 3) MG_TILE_CASE(6, 3) MG_TILE_CASE(7, 3) MG_TILE_CASE(8, 3)
    }
}

static void MG_NAME(sum_rows_4)(long rows, long depth, const MG_ELEMENT *a, long row_step, const MG_ELEMENT *panel,
                                MG_VALUE *sums)
{
    const long depth_step = 1;
    switch (rows) {
        MG_TILE_CASE(1, 4) MG_TILE_CASE(2, 4) MG_TILE_CASE(3, 4)
        MG_TILE_CASE(4, 4) MG_TILE_CASE(5, 4) MG_TILE_CASE(6, 4)
    }
}

static void MG_NAME(sum_columns_2)(long rows, long depth, const MG_ELEMENT *a, long depth_step,
                                   const MG_ELEMENT *panel, MG_VALUE *sums)
{
    const long row_step = 1;
    switch (rows) {
        MG_TILE_CASE(1, 2) MG_TILE_CASE(2, 2) MG_TILE_CASE(3, 2) MG_TILE_CASE(4, 2)
        MG_TILE_CASE(5, 2) MG_TILE_CASE(6, 2) MG_TILE_CASE(7, 2) MG_TILE_CASE(8, 2)
        MG_TILE_CASE(9, 2) MG_TILE_CASE(10, 2) MG_TILE_CASE(11, 2) MG_TILE_CASE(12, 2)
    }
}

/* c = a B, or c + a B if `accumulate`, where B is packed in panels of two vectors. `a` is (rows, depth) with
 * a_stride between its rows, or between its columns if `a_transposed`. */
static void MG_NAME(multiply)(long rows, long width, long depth, const MG_ELEMENT *a, long a_stride, int a_transposed,
                              const MG_ELEMENT *panels, MG_ELEMENT *c, long c_stride, int accumulate)
{
    const long most = MG_TILE_ROWS(2), block = 2 * MG_LANES;
    MG_VALUE sums[MG_TILE_SUMS];
    for (long first = 0; first < width; first += block) {
        for (long r = 0; r < rows; r += most) {
            long count = mg_smaller(most, rows - r);
            if (a_transposed)
                MG_NAME(sum_columns_2)(count, depth, a + r, a_stride, panels, sums);
            else
                MG_NAME(sum_rows_2)(count, depth, a + r * a_stride, a_stride, panels, sums);
            for (long i = 0; i < count; i++)
                for (long v = 0; v < 2; v++) {
                    MG_ELEMENT *to = c + (r + i) * c_stride + first + v * MG_LANES;
                    long left = width - first - v * MG_LANES;
                    if (left > 0)
                        MG_NAME(store_upto)(to, accumulate ? sums[2 * i + v] + MG_NAME(load_upto)(to, left)
                                                           : sums[2 * i + v], left);
                }
        }
        panels += block * (depth + 1);
    }
}
