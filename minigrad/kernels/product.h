/* Matrix products of the sizes recurrent networks have: a few rows times a few hundred columns.
 *
 * The right operand is packed into panels (panels.h), and the result summed tile by tile (tiles.h); with few rows it is
 * read where it lies.
 *
 * Included by recurrent_loops.h for each element type.
 */

#ifndef MG_PRODUCT_COMMON
#define MG_PRODUCT_COMMON
#include <limits.h>

/* Up to this many rows a product with a transposed matrix is better off without packing. */
#define MG_FEW_ROWS 8

/* For so few rows in all, a matrix that is not transposed is read where it lies, but for the columns left over;
 * unless a step has one or two, which cannot keep up with the reading, or its rows share few sets of the
 * second-level cache. */
#define MG_ROWS_IN_PLACE 48
#define MG_IN_PLACE(rows, step, b_stride)                                                                              \
    ((rows) <= MG_ROWS_IN_PLACE && (step) > 2 && (b_stride) * (long)sizeof(MG_ELEMENT) % 2048 != 0)

/* For so few rows at a time a matrix that is not transposed is never packed: as many of its columns are summed at once
 * as there are registers for. */
#if MG_VECTOR_BYTES == 64
#define MG_WIDE_ROWS 6
#define MG_WIDE_SUMS 24
#elif MG_VECTOR_BYTES == 32
#define MG_WIDE_ROWS 3
#define MG_WIDE_SUMS 12
#else /* a product may take a register, too */
#define MG_WIDE_ROWS 3
#define MG_WIDE_SUMS 10
#endif

/* With narrow vectors the columns that are summed at once are few: a strip of the matrix, most of whose cache lines
 * reach into the next one. So all strips go through so many rows of it before any goes on. */
#define MG_WIDE_DEPTH (MG_VECTOR_BYTES < 64 ? 64 : LONG_MAX)

/* A product is cut along its depth, so that a tile's rows stay in the first-level cache, and along its width, so
 * that the panels they meet stay in the second-level one. */
#define MG_DEPTH_AT_ONCE 256
#define MG_PANEL_BYTES (528 * 1024)

/* So many tiles meet a panel before the next one comes. */
#define MG_TILES_AT_ONCE 4

/* Rows a multiple of so many bytes apart share so few sets of the second-level cache that they push each other out
 * of it; and of a transposed matrix a tile needs a few elements from each of many rows, often all on pages of their
 * own. If these are at least so many, and the tiles meet at least so many panels, what they need is copied side by
 * side first. */
#define MG_CROWDED 16384
#define MG_SCATTERED_DEPTH 64
#define MG_PANELS_PER_COPY 4

#endif

/* c = a b, or c + a b, for `rows` rows and `vectors` vectors of columns; the last begins with column `last`. The depth
 * goes by `step`, 1 or -1 with `a` and `b` at its end. */
MG_FN void MG_NAME(wide_tile)(const int rows, const int vectors, long last, long depth, long step, const MG_ELEMENT *a,
                              long a_stride, const MG_ELEMENT *b, long b_stride, MG_ELEMENT *c, long c_stride,
                              int accumulate)
{
    MG_VALUE sum[MG_TILE_SUMS];
    MG_UNROLL
    for (int i = 0; i < rows * vectors; i++)
        sum[i] = MG_NAME(splat)(0);
    for (long d = 0; d < depth; d++, a += step, b += step * b_stride) {
        MG_VALUE x[MG_TILE_MOST_ROWS];
        MG_UNROLL
        for (int r = 0; r < rows; r++)
            x[r] = MG_NAME(splat)(a[r * a_stride]);
        MG_UNROLL
        for (int v = 0; v < vectors; v++) {
            if (MG_VECTOR_BYTES == 64)
                __builtin_prefetch(b + step * MG_ROWS_AHEAD * b_stride + v * MG_LANES);
            MG_VALUE y = MG_NAME(load)(b + (v < vectors - 1 ? v * MG_LANES : last));
            MG_LOAD_ONCE(y, rows, rows * (vectors - 1));
            MG_UNROLL
            for (int r = 0; r < rows; r++)
                sum[r * vectors + v] += x[r] * y;
        }
    }
    MG_UNROLL
    for (int r = 0; r < rows && accumulate; r++) {
        MG_UNROLL
        for (int v = 0; v < vectors; v++)
            sum[r * vectors + v] += MG_NAME(load)(c + r * c_stride + (v < vectors - 1 ? v * MG_LANES : last));
    }
    MG_UNROLL
    for (int r = 0; r < rows; r++) {
        MG_UNROLL
        for (int v = 0; v < vectors; v++)
            MG_NAME(store)(c + r * c_stride + (v < vectors - 1 ? v * MG_LANES : last), sum[r * vectors + v]);
    }
}

/* What multiply_wide does, for `depth` elements of the depth. */
static void MG_NAME(multiply_strips)(long rows, long width, long depth, long step, const MG_ELEMENT *a, long a_stride,
                                     const MG_ELEMENT *b, long b_stride, MG_ELEMENT *c, long c_stride, int accumulate,
                                     int strips)
{
    const long vectors = (width + MG_LANES - 1) / MG_LANES;
    for (int i = 0; i < strips; i++) {
        const int strip = step < 0 ? strips - 1 - i : i;
        const long begin = mg_cut(vectors, strip, strips), end = mg_cut(vectors, strip + 1, strips);
        const long first = begin * MG_LANES;
        const long last = mg_smaller((end - 1) * MG_LANES, width - MG_LANES) - first;
#define MG_WIDE(rows, vectors)                                                                                         \
    case 16 * rows + vectors:                                                                                          \
        if (rows * vectors <= MG_WIDE_SUMS)                                                                            \
            MG_NAME(wide_tile)(rows, vectors, last, depth, step, a, a_stride, b + first, b_stride, c + first,          \
                               c_stride, accumulate);                                                                  \
        break;
#define MG_WIDE_4(rows) MG_WIDE(rows, 1) MG_WIDE(rows, 2) MG_WIDE(rows, 3) MG_WIDE(rows, 4)
#define MG_WIDE_8(rows) MG_WIDE(rows, 5) MG_WIDE(rows, 6) MG_WIDE(rows, 7) MG_WIDE(rows, 8)
        switch (16 * rows + end - begin) {
            MG_WIDE_4(1) MG_WIDE_8(1) MG_WIDE_4(2) MG_WIDE_8(2) MG_WIDE_4(3) MG_WIDE_8(3) MG_WIDE_4(4) MG_WIDE(4, 5)
            MG_WIDE(4, 6) MG_WIDE_4(5) MG_WIDE_4(6)
        }
#undef MG_WIDE_4
#undef MG_WIDE_8
#undef MG_WIDE
    }
}

/* c = a b, or c + a b, for at most MG_WIDE_ROWS rows and at least a vector of columns, of b read where it lies: as many
 * columns at once as there are registers for, so that b is read from its beginning to its end, or the other way. The
 * last vector begins where it ends with the last column; what it shares with the one before, both add to and store
 * alike. */
static void MG_NAME(multiply_wide)(long rows, long width, long depth, int backwards, const MG_ELEMENT *a, long a_stride,
                                   const MG_ELEMENT *b, long b_stride, MG_ELEMENT *c, long c_stride, int accumulate)
{
    const long step = backwards ? -1 : 1, most = mg_smaller(MG_WIDE_SUMS / rows, 8) * MG_LANES;
    const int strips = (int)((width + most - 1) / most);
    const long at_once = strips > 1 ? mg_smaller(depth, MG_WIDE_DEPTH) : depth;
    if (backwards) {
        a += depth - 1;
        b += (depth - 1) * b_stride;
    }
    for (long done = 0; done < depth; done += at_once)
        MG_NAME(multiply_strips)(rows, width, mg_smaller(at_once, depth - done), step, a + step * done, a_stride,
                                 b + step * done * b_stride, b_stride, c, c_stride, accumulate || done > 0, strips);
}

/* to[j] = the sum over the lanes of four[j]. */
MG_FN void MG_NAME(sum_lanes)(const MG_VALUE *four, MG_ELEMENT *to)
{
#if defined(__x86_64__)
    MG_VALUE total[2];
    const int pieces = 4 * (int)sizeof(MG_ELEMENT) / 16;
#if MG_REAL == 32
    MG_X86_REGISTER a = (MG_X86_REGISTER)four[0], b = (MG_X86_REGISTER)four[1];
    MG_X86_REGISTER c = (MG_X86_REGISTER)four[2], e = (MG_X86_REGISTER)four[3];
    MG_X86_DOUBLE ab = (MG_X86_DOUBLE)(MG_X86(unpacklo_ps)(a, b) + MG_X86(unpackhi_ps)(a, b));
    MG_X86_DOUBLE ce = (MG_X86_DOUBLE)(MG_X86(unpacklo_ps)(c, e) + MG_X86(unpackhi_ps)(c, e));
    total[0] = (MG_VALUE)MG_X86(unpacklo_pd)(ab, ce) + (MG_VALUE)MG_X86(unpackhi_pd)(ab, ce);
#else
    for (int i = 0; i < 2; i++) {
        MG_X86_DOUBLE a = (MG_X86_DOUBLE)four[2 * i], b = (MG_X86_DOUBLE)four[2 * i + 1];
        total[i] = (MG_VALUE)(MG_X86(unpacklo_pd)(a, b) + MG_X86(unpackhi_pd)(a, b));
    }
#endif
    for (int i = 0; i < pieces; i++) {
#if MG_VECTOR_BYTES == 64
        __m512 x = (__m512)total[i];
        __m128 y = (__m128)((MG_QUARTER)_mm512_extractf32x4_ps(x, 0) + (MG_QUARTER)_mm512_extractf32x4_ps(x, 1) +
                            ((MG_QUARTER)_mm512_extractf32x4_ps(x, 2) + (MG_QUARTER)_mm512_extractf32x4_ps(x, 3)));
#elif MG_VECTOR_BYTES == 32
        __m256 x = (__m256)total[i];
        __m128 y = (__m128)((MG_QUARTER)_mm256_extractf128_ps(x, 0) + (MG_QUARTER)_mm256_extractf128_ps(x, 1));
#else
        __m128 y = (__m128)total[i];
#endif
        _mm_storeu_ps((float *)(to + i * (16 / (int)sizeof(MG_ELEMENT))), y);
    }
#else
    for (int j = 0; j < 4; j++) {
        to[j] = 0;
        for (long lane = 0; lane < MG_LANES; lane++)
            to[j] += four[j][lane];
    }
#endif
}

/* `rows` rows times four columns (or fewer, the last standing in for the missing). */
MG_FN void MG_NAME(few_tile)(const int rows, long columns, long depth, const MG_ELEMENT *a, long a_stride,
                             const MG_ELEMENT *b, long b_stride, const MG_ELEMENT *bias, MG_ELEMENT *c, long c_stride,
                             int accumulate)
{
    MG_VALUE sum[16] = {{0}};
    MG_ELEMENT result[4];
    const MG_ELEMENT *b_row[4];
    for (long j = 0; j < 4; j++)
        b_row[j] = b + mg_smaller(j, columns - 1) * b_stride;
#define MG_FEW_STEP(load)                                                                                              \
    {                                                                                                                  \
        MG_VALUE y[4];                                                                                                 \
        MG_UNROLL for (int j = 0; j < 4; j++) y[j] = load(b_row[j] + d);                                               \
        MG_UNROLL for (int r = 0; r < rows; r++)                                                                       \
        {                                                                                                              \
            MG_VALUE x = load(a + r * a_stride + d);                                                                   \
            MG_UNROLL for (int j = 0; j < 4; j++) sum[4 * r + j] += x * y[j];                                          \
        }                                                                                                              \
    }
#define MG_LOAD_REST(from) MG_NAME(load_part)(from, depth - d)
    long d = 0;
    for (; d + MG_LANES <= depth; d += MG_LANES)
        MG_FEW_STEP(MG_NAME(load))
    if (d < depth)
        MG_FEW_STEP(MG_LOAD_REST)
#undef MG_LOAD_REST
#undef MG_FEW_STEP
    MG_UNROLL
    for (int r = 0; r < rows; r++) {
        MG_NAME(sum_lanes)(sum + 4 * r, result);
        for (long j = 0; j < columns; j++)
            c[r * c_stride + j] = result[j] + (bias ? bias[j] : 0) + (accumulate ? c[r * c_stride + j] : 0);
    }
}

/* c = a b^T + bias, or c + a b^T + bias if `accumulate`, with b read where it lies, its rows `b_stride` apart: for a
 * few rows, packing would cost more than it saves. Sums run along the rows of b, and across the lanes only at the
 * end. */
static void MG_NAME(multiply_few)(long rows, long width, long depth, const MG_ELEMENT *a, long a_stride,
                                  const MG_ELEMENT *b, long b_stride, const MG_ELEMENT *bias, MG_ELEMENT *c,
                                  long c_stride, int accumulate)
{
    for (long column = 0; column < width; column += 4) {
        long columns = mg_smaller(4, width - column), r = 0;
        const MG_ELEMENT *b_four = b + column * b_stride, *bias_four = bias ? bias + column : NULL;
        MG_ELEMENT *c_four = c + column;
#define MG_FEW(count)                                                                                                  \
    MG_NAME(few_tile)(count, columns, depth, a + r * a_stride, a_stride, b_four, b_stride, bias_four,                  \
                      c_four + r * c_stride, c_stride, accumulate)
        for (; MG_VECTOR_BYTES == 64 && r + 4 <= rows; r += 4)
            MG_FEW(4);
        for (; r + 2 <= rows; r += 2)
            MG_FEW(2);
        if (r < rows)
            MG_FEW(1);
#undef MG_FEW
    }
}

/* A tile of `vectors` vectors of which `columns` elements belong to c: what the tile stores goes through a buffer. */
MG_FN void MG_NAME(store_tile)(const MG_ELEMENT *sums, long count, const int vectors, long columns, MG_ELEMENT *c,
                               long c_stride, int accumulate)
{
    for (long r = 0; r < count; r++, c += c_stride)
        for (int v = 0; v < vectors; v++, sums += MG_LANES) {
            MG_VALUE x = MG_NAME(load)(sums);
            const long left = columns - v * MG_LANES;
            if (accumulate)
                x += MG_NAME(load_upto)(c + v * MG_LANES, left);
            MG_NAME(store_upto)(c + v * MG_LANES, x, left);
        }
}

/* Copies the rows of some tiles of `a`, all `rows` rows from it on, so that what a tile needs for one element of the
 * depth lies side by side: [tile][depth][MG_TILE_ROWS(2)]. A copied vector may reach into the next place; what
 * belongs there is copied later, hence the order of lanes. */
static void MG_NAME(copy_tiles)(MG_ELEMENT *to, const MG_ELEMENT *a, long a_stride, int a_transposed, long rows,
                                long depth)
{
    enum { most = MG_TILE_ROWS(2), last = (most - 1) / MG_LANES * MG_LANES };
    for (long r = 0; r < rows; r += most, to += depth * most)
        for (long lane = last; lane >= 0; lane -= MG_LANES) {
            const long count = mg_smaller(rows - r - lane, MG_LANES);
            if (count <= 0)
                continue;
            if (a_transposed)
                MG_NAME(pack_columns)(to + lane, most, a + r + lane, a_stride, count, depth);
            else
                MG_NAME(pack_rows)(to + lane, most, a + (r + lane) * a_stride, a_stride, count, depth);
        }
}

/* What multiply_panels does, for a last panel that is narrow. If the rows of `a` are contiguous, sums run along
 * them; if its columns are, a vector holds those of many rows, and the panel is packed like any other. */
static void MG_NAME(multiply_narrow)(long rows, long width, long depth, const MG_ELEMENT *a, long a_stride,
                                     int a_transposed, const MG_ELEMENT *panel, MG_ELEMENT *c, long c_stride,
                                     int accumulate)
{
    enum { most = MG_TILE_ROWS(1), across = 3 * MG_LANES };
    MG_ELEMENT sums[MG_TILE_SUMS * MG_LANES] __attribute__((aligned(MG_VECTOR_BYTES)));
    if (!a_transposed) {
        MG_NAME(multiply_few)(rows, width, depth, a, a_stride, panel + MG_LANES, MG_NARROW_STEP(depth), panel, c,
                              c_stride, accumulate);
        return;
    }
    for (; rows >= across; rows -= across, a += across) {
        MG_NAME(sum_across)(width, depth, panel + MG_LANES, MG_LANES, a, a_stride, sums);
        for (long i = 0; i < across; i++, c += c_stride)
            for (long j = 0; j < width; j++)
                c[j] = sums[j * across + i] + panel[j] + (accumulate ? c[j] : 0);
    }
    for (long count; rows > 0; rows -= count, a += count, c += count * c_stride) {
        count = mg_smaller(rows, most);
        MG_NAME(sum_columns_1)(count, depth, a, a_stride, panel, sums, MG_LANES, 0);
        MG_NAME(store_tile)(sums, count, 1, width, c, c_stride, accumulate);
    }
}

/* c = a B, or c + a B if `accumulate`, where B is packed in panels of two vectors and depth at most
 * MG_DEPTH_AT_ONCE. `a` is (rows, depth) with a_stride between its rows, or between its columns if `a_transposed`.
 * Unless `b` is NULL, only the last panel is packed, if it is not whole, and the others are read from b, whose rows
 * are b_stride apart; then `a` is not transposed. `far` says that the panels come from beyond the second-level
 * cache. */
static void MG_NAME(multiply_panels)(long rows, long width, long depth, const MG_ELEMENT *a, long a_stride,
                                     int a_transposed, const MG_ELEMENT *panels, int far, const MG_ELEMENT *b,
                                     long b_stride, MG_ELEMENT *c, long c_stride, int accumulate)
{
    enum { most = MG_TILE_ROWS(2), group = MG_TILES_AT_ONCE * most };
    const long block = 2 * MG_LANES, panel_size = block * (depth + 1), narrow = width % block;
    const long at_once = MG_PANEL_BYTES / (panel_size * (long)sizeof(MG_ELEMENT)) * block;
    const int crowded = !b && rows > MG_FEW_ROWS && a_stride * (long)sizeof(MG_ELEMENT) % MG_CROWDED == 0;
    const int scattered = a_transposed && depth >= MG_SCATTERED_DEPTH;
    MG_ELEMENT copy[MG_DEPTH_AT_ONCE * group + MG_LANES] __attribute__((aligned(MG_VECTOR_BYTES)));
    MG_ELEMENT part[MG_TILE_SUMS * MG_LANES] __attribute__((aligned(MG_VECTOR_BYTES)));
    if (narrow && MG_NARROW(narrow, depth)) {
        width -= narrow;
        MG_NAME(multiply_narrow)(rows, narrow, depth, a, a_stride, a_transposed, panels + width / block * panel_size,
                                 c + width, c_stride, accumulate);
    }
    for (long begin = 0; begin < width; begin += at_once) {
        const long end = mg_smaller(width, begin + at_once);
        const int copied = end - begin > (MG_PANELS_PER_COPY - 1) * block && (crowded || scattered);
        for (long top = 0; top < rows; top += group) {
            const long bottom = mg_smaller(rows, top + group);
            const MG_ELEMENT *panel = panels + begin / block * panel_size;
            if (copied)
                MG_NAME(copy_tiles)(copy, a + (a_transposed ? top : top * a_stride), a_stride, a_transposed,
                                    bottom - top, depth);
            for (long first = begin; first < end; first += block, panel += panel_size) {
                const long left = width - first, tiles = (bottom - top + most - 1) / most;
                const long next_step = mg_smaller((block + tiles - 1) / tiles, MG_LANES);
                const MG_ELEMENT *comes = first + block < end || bottom == rows ? panel + panel_size
                                          : panels + begin / block * panel_size;
                for (long r = top, count; r < bottom; r += count) {
                    count = mg_smaller(most, bottom - r);
                    const MG_ELEMENT *next = far ? comes + (r - top) / most * depth * next_step : NULL;
                    const MG_ELEMENT *tile = copied ? copy + (r - top) * depth : a + (a_transposed ? r : r * a_stride);
                    MG_ELEMENT *to = c + r * c_stride + first;
                    for (long i = 0; i < count; i++) { /* on their way while the tile is summed */
                        __builtin_prefetch(to + i * c_stride, 1);
                        __builtin_prefetch(to + i * c_stride + MG_LANES, 1);
                    }
                    /* A tile with less than all of its columns goes through `part`. */
                    const int vectors = left <= MG_LANES ? 1 : 2, whole = left >= vectors * MG_LANES;
                    MG_ELEMENT *out = whole ? to : part;
                    const long out_stride = whole ? c_stride : vectors * MG_LANES;
                    if (b && left >= block)
                        MG_NAME(sum_in_place)(count, depth, tile, a_stride, b + first, b_stride, to, c_stride,
                                              accumulate);
                    else if (vectors == 1 && (copied || a_transposed))
                        MG_NAME(sum_columns_1)(count, depth, tile, copied ? most : a_stride, panel, out, out_stride,
                                               whole && accumulate);
                    else if (vectors == 1)
                        MG_NAME(sum_rows_1)(count, depth, tile, a_stride, panel, next, next_step, out, out_stride,
                                            whole && accumulate);
                    else if (copied || a_transposed)
                        MG_NAME(sum_columns_2)(count, depth, tile, copied ? most : a_stride, panel, out, out_stride,
                                               whole && accumulate);
                    else
                        MG_NAME(sum_rows_2)(count, depth, tile, a_stride, panel, next, next_step, out, out_stride,
                                            whole && accumulate);
                    if (!whole)
                        MG_NAME(store_tile)(part, count, vectors, left, to, c_stride, accumulate);
                }
            }
        }
    }
}
