/* Tiles: a few rows of a product times a few vectors of its columns, summed entirely in registers, where one load per
 * vector of the right operand serves all rows.
 *
 * Included by recurrent_loops.h for each element type.
 */

#ifndef MG_TILES_COMMON
#define MG_TILES_COMMON

/* Rows of a tile: as many sums as fit in the registers next to `vectors` loaded vectors and one broadcast element. */
#if MG_VECTOR_BYTES == 64
#define MG_TILE_ROWS(vectors) ((vectors) <= 2 ? 12 : (vectors) == 3 ? 8 : 6)
#elif defined(__aarch64__) /* gcc loads the elements of all rows at once, each into a register of its own */
#define MG_TILE_ROWS(vectors) ((vectors) <= 2 ? 12 : (vectors) == 3 ? 7 : 5)
#elif MG_VECTOR_BYTES == 32
#define MG_TILE_ROWS(vectors) ((vectors) <= 2 ? 6 : (vectors) == 3 ? 4 : 3)
#else
#define MG_TILE_ROWS(vectors) ((vectors) <= 2 ? 4 : (vectors) == 3 ? 3 : 2)
#endif
#define MG_TILE_SUMS 24
#define MG_TILE_MOST_ROWS 12

/* Into how many partial sums each of a few sums is split, with 32 or with 16 registers. */
#if MG_VECTOR_BYTES == 64 || defined(__aarch64__)
#define MG_PARTIAL_SUMS 16
#else
#define MG_PARTIAL_SUMS 8
#endif
#define MG_CHAINS(sums)                                                                                                \
    ((sums) >= 8 ? 1 : 8 * (sums) <= MG_PARTIAL_SUMS ? 8 : 4 * (sums) <= MG_PARTIAL_SUMS ? 4                           \
     : 2 * (sums) <= MG_PARTIAL_SUMS ? 2 : 1)

/* So far ahead of its use a panel is fetched into the first-level cache; with narrow vectors, which need it later, that
 * is one instruction too many. */
#define MG_FETCH_AHEAD 1024

/* So many elements of the depth are gone through before they are counted. With narrow vectors nearly half of a tile's
 * instructions do something else than multiply, and while the core's other hardware thread is busy, it is their number
 * that decides how long the tile takes. */
#define MG_STEPS(vectors) (MG_VECTOR_BYTES != 32 ? 1 : (vectors) < 4 ? 4 : 2)

/* Compiled on its own, with no other use of the registers in sight. */
#if MG_VECTOR_BYTES == 32
#define MG_ALONE __attribute__((noinline))
#else
#define MG_ALONE
#endif

/* Keeps a vector that is loaded for several rows in a register, if there is one, where the compiler would load it anew
 * for each of a few. */
#if defined(__AVX2__)
#define MG_LOAD_ONCE(x, rows, sums)                                                                                    \
    if ((rows) > 1 && (MG_VECTOR_BYTES == 64 || (sums) < 12))                                                          \
    __asm__("" : "+v"(x))
#else
#define MG_LOAD_ONCE(x, rows, sums) (void)0
#endif

#endif

/* sum + x y, with y in a register, or where it lies. With AVX2 the sums of a tile and what it multiplies fill all
 * sixteen registers, and compilers, left to themselves, make room by moving sums about and by loading vectors again and
 * again. */
#if MG_VECTOR_BYTES == 32
#if MG_REAL == 32
#define MG_MULTIPLY_ADD "vfmadd231ps %2, %1, %0"
#else
#define MG_MULTIPLY_ADD "vfmadd231pd %2, %1, %0"
#endif
typedef MG_VALUE MG_NAME(mg_lying) __attribute__((aligned(sizeof(MG_ELEMENT)), may_alias));

MG_FN MG_VALUE MG_NAME(multiply_add)(MG_VALUE sum, MG_VALUE x, MG_VALUE y)
{
    __asm__(MG_MULTIPLY_ADD : "+x"(sum) : "x"(x), "x"(y));
    return sum;
}

MG_FN MG_VALUE MG_NAME(multiply_add_from)(MG_VALUE sum, MG_VALUE x, const MG_ELEMENT *y)
{
    __asm__(MG_MULTIPLY_ADD : "+x"(sum) : "x"(x), "m"(*(const MG_NAME(mg_lying) *)y));
    return sum;
}
#undef MG_MULTIPLY_ADD
#else
MG_FN MG_VALUE MG_NAME(multiply_add)(MG_VALUE sum, MG_VALUE x, MG_VALUE y)
{
    return sum + x * y;
}

MG_FN MG_VALUE MG_NAME(multiply_add_from)(MG_VALUE sum, MG_VALUE x, const MG_ELEMENT *y)
{
    return sum + x * MG_NAME(load)(y);
}
#endif

/* sum[r][v] += base[r] * panel[v] for one element of the depth, where base[i] leads to the rows from 3 i on. */
MG_FN void MG_NAME(add_products)(const int rows, const int vectors, const MG_ELEMENT *const *base, long row_step,
                                 const MG_ELEMENT *panel, MG_VALUE *sum)
{
    /* Sixteen registers are not enough for three rows of four vectors and what they are made of. */
    const int held = MG_VECTOR_BYTES == 32 && vectors == 4 ? 3 : vectors;
    MG_VALUE y[4];
    MG_UNROLL
    for (int v = 0; v < held; v++) {
        y[v] = MG_NAME(load)(panel + v * MG_LANES);
        MG_LOAD_ONCE(y[v], rows, rows * vectors);
    }
    MG_UNROLL
    for (int r = 0; r < rows; r++) {
        const MG_VALUE x = MG_NAME(splat)(base[r / 3][(r % 3) * row_step]);
        MG_UNROLL
        for (int v = 0; v < held; v++)
            sum[r * vectors + v] = MG_NAME(multiply_add)(sum[r * vectors + v], x, y[v]);
        MG_UNROLL
        for (int v = held; v < vectors; v++)
            sum[r * vectors + v] = MG_NAME(multiply_add_from)(sum[r * vectors + v], x, panel + v * MG_LANES);
    }
}

/* c[r][v] = start[v] + sum over d of a[r * row_step + d * depth_step] * panel[d * panel_step][v], added to what is
 * there if `accumulate`; rows of c are `c_stride` elements apart. Always inlined with constant counts, so that every
 * sum lives in a register. Few sums would leave the multipliers waiting for each other's result; then several
 * partial sums (`chains`) over interleaved d are added at the end. Unless `next` is NULL, next[d * next_step] is
 * fetched into the second-level cache. */
MG_FN void MG_NAME(sum_tile)(const int rows, const int vectors, const int chains, long depth, const MG_ELEMENT *a,
                             long row_step, long depth_step, const MG_ELEMENT *start, const MG_ELEMENT *panel,
                             const long panel_step, const MG_ELEMENT *next, long next_step, MG_ELEMENT *c,
                             long c_stride, int accumulate)
{
    MG_VALUE sum[MG_TILE_SUMS];
    /* One pointer per three rows: the addressing modes of most processors reach the other two from it. */
    const MG_ELEMENT *base[4] = {a, a + 3 * row_step, a + 6 * row_step, a + 9 * row_step};
    MG_UNROLL
    for (int i = 0; i < MG_TILE_SUMS; i++)
        if (i < rows * vectors * chains)
            sum[i] = i < rows * vectors ? MG_NAME(load)(start + (i % vectors) * MG_LANES) : MG_NAME(splat)(0);
    const int steps = chains > MG_STEPS(vectors) ? chains : MG_STEPS(vectors);
    long d = 0;
    for (; d + steps <= depth; d += steps) {
        MG_UNROLL
        for (int step = 0; step < steps; step++) {
            MG_UNROLL
            for (int v = 0; v < vectors && MG_VECTOR_BYTES == 64; v++)
                __builtin_prefetch(panel + MG_FETCH_AHEAD / (vectors * MG_VECTOR_BYTES) * panel_step + v * MG_LANES);
            if (next)
                __builtin_prefetch(next, 0, 2);
            MG_NAME(add_products)(rows, vectors, base, row_step, panel, sum + step % chains * rows * vectors);
            MG_UNROLL
            for (int i = 0; i < 4; i++)
                base[i] += depth_step;
            panel += panel_step;
            if (next)
                next += next_step;
        }
    }
    for (; steps > 1 && d < depth; d++) {
        MG_NAME(add_products)(rows, vectors, base, row_step, panel, sum);
        MG_UNROLL
        for (int i = 0; i < 4; i++)
            base[i] += depth_step;
        panel += panel_step;
    }
    MG_UNROLL
    for (int i = 0; i < rows * vectors; i++) {
        MG_UNROLL
        for (int chain = 1; chain < chains; chain++)
            sum[i] += sum[chain * rows * vectors + i];
    }
    MG_UNROLL
    for (int r = 0; r < rows && accumulate; r++) {
        MG_UNROLL
        for (int v = 0; v < vectors; v++)
            sum[r * vectors + v] += MG_NAME(load)(c + r * c_stride + v * MG_LANES);
    }
    MG_UNROLL
    for (int r = 0; r < rows; r++, c += c_stride) {
        MG_UNROLL
        for (int v = 0; v < vectors; v++)
            MG_NAME(store)(c + v * MG_LANES, sum[r * vectors + v]);
    }
}

#undef MG_TILE_CASE
#define MG_TILE_CASE(rows, vectors)                                                                                    \
    case rows:                                                                                                         \
        if (rows <= MG_TILE_ROWS(vectors))                                                                             \
            MG_NAME(sum_tile)(rows, vectors, chained ? MG_CHAINS(rows * vectors) : 1, depth, a, row_step, depth_step,  \
                              start, panel, panel_step, next, next_step, c, c_stride, accumulate);                     \
        break;

#define MG_TILE_CASES_6(vectors)                                                                                       \
    MG_TILE_CASE(1, vectors) MG_TILE_CASE(2, vectors) MG_TILE_CASE(3, vectors)                                         \
    MG_TILE_CASE(4, vectors) MG_TILE_CASE(5, vectors) MG_TILE_CASE(6, vectors)
#define MG_TILE_CASES_12(vectors)                                                                                      \
    MG_TILE_CASES_6(vectors) MG_TILE_CASE(7, vectors) MG_TILE_CASE(8, vectors) MG_TILE_CASE(9, vectors)                \
    MG_TILE_CASE(10, vectors) MG_TILE_CASE(11, vectors) MG_TILE_CASE(12, vectors)

/* A tile of `rows` rows, whose rows (sum_rows) or whose columns (sum_columns) are contiguous. The latter are of weight
 * gradients, which add up in order: rows of zeros before the others change nothing. */
#define MG_SUM_ROWS(vectors, cases)                                                                                    \
    static MG_ALONE void MG_NAME(sum_rows_##vectors)(long rows, long depth, const MG_ELEMENT *a, long row_step,        \
                                                     const MG_ELEMENT *panel, const MG_ELEMENT *ahead, long next_step, \
                                                     MG_ELEMENT *c, long c_stride, int accumulate)                     \
    {                                                                                                                  \
        const long depth_step = 1, panel_step = vectors * MG_LANES;                                                    \
        const int chained = 1;                                                                                         \
        const MG_ELEMENT *start = panel;                                                                               \
        panel += panel_step;                                                                                           \
        if (ahead && MG_VECTOR_BYTES == 64) {                                                                          \
            const MG_ELEMENT *next = ahead;                                                                            \
            switch (rows) {                                                                                            \
                cases(vectors)                                                                                         \
            }                                                                                                          \
        } else {                                                                                                       \
            const MG_ELEMENT *const next = NULL;                                                                       \
            switch (rows) {                                                                                            \
                cases(vectors)                                                                                         \
            }                                                                                                          \
        }                                                                                                              \
    }
#define MG_SUM_COLUMNS(vectors, cases)                                                                                 \
    static MG_ALONE void MG_NAME(sum_columns_##vectors)(long rows, long depth, const MG_ELEMENT *a, long depth_step,   \
                                                        const MG_ELEMENT *panel, MG_ELEMENT *c, long c_stride,         \
                                                        int accumulate)                                                \
    {                                                                                                                  \
        const long row_step = 1, panel_step = vectors * MG_LANES, next_step = 0;                                       \
        const int chained = 0;                                                                                         \
        const MG_ELEMENT *start = panel, *const next = NULL;                                                           \
        panel += panel_step;                                                                                           \
        switch (rows) {                                                                                                \
            cases(vectors)                                                                                             \
        }                                                                                                              \
    }
#define MG_TILE_CASES_8(vectors) MG_TILE_CASES_6(vectors) MG_TILE_CASE(7, vectors) MG_TILE_CASE(8, vectors)

MG_SUM_ROWS(1, MG_TILE_CASES_12)
MG_SUM_ROWS(2, MG_TILE_CASES_12)
MG_SUM_ROWS(3, MG_TILE_CASES_8)
MG_SUM_ROWS(4, MG_TILE_CASES_6)
MG_SUM_COLUMNS(1, MG_TILE_CASES_12)
MG_SUM_COLUMNS(2, MG_TILE_CASES_12)
#undef MG_SUM_ROWS
#undef MG_SUM_COLUMNS

/* A tile whose "panel" is two vectors of each row of a matrix, `panel_step` apart. */
static MG_ALONE void MG_NAME(sum_in_place)(long rows, long depth, const MG_ELEMENT *a, long row_step,
                                           const MG_ELEMENT *panel, long panel_step, MG_ELEMENT *c, long c_stride,
                                           int accumulate)
{
    static const MG_ELEMENT start[2 * MG_LANES] = {0}, *const next = NULL;
    const long depth_step = 1, next_step = 0;
    const int chained = 1;
    switch (rows) {
        MG_TILE_CASES_12(2)
    }
}

/* The same with three vectors, and columns of `a`: at most half as many as a vector has lanes. */
static MG_ALONE void MG_NAME(sum_across)(long rows, long depth, const MG_ELEMENT *a, long depth_step,
                                         const MG_ELEMENT *panel, long panel_step, MG_ELEMENT *c)
{
    static const MG_ELEMENT start[3 * MG_LANES] = {0}, *const next = NULL;
    const long row_step = 1, next_step = 0, c_stride = 3 * MG_LANES;
    const int accumulate = 0, chained = 0;
    switch (rows) {
        MG_TILE_CASES_8(3)
    }
}
