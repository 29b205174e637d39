/* The product of a step: one tile of sequences, the units of one block, all of the depth.
 *
 * Forward, a unit has a sum for each gate over the hidden units before it (N = gates, depth = hidden); backward, one
 * sum over all gates behind it (N = 1, depth = gates * hidden). Either way a block needs the same gates * hidden *
 * MG_UNITS weights. If RESIDENT they are brought to shared memory once and stay for all steps, otherwise each chunk of
 * the depth is brought when it is needed.
 *
 * Shared memory:  weights  N * MG_UNITS rows of mg_padded(depth, or chunk if not RESIDENT)
 *                 rows     R * MG_ROW_THREADS rows of mg_padded(chunk): the sequences of the tile
 *                 partial  MG_SLICES * R * MG_ROW_THREADS * N * MG_UNITS sums
 *
 * A thread has R sequences, one unit and one slice of the depth. Operands are read 16 bytes at a time; the length of a
 * row is an odd number of those, so that the eight units (the four sequences) of a warp lie in different banks. Slices
 * are added in a fixed order: the same call gives the same bits every time.
 */
#ifndef MG_CUDA_TILE_H
#define MG_CUDA_TILE_H
#define MG_LANES (16 / (int)sizeof(MG_ELEMENT))
#define MG_WARP 32

typedef struct alignas(16) {
    MG_ELEMENT of[MG_LANES];
} mg_pack;

/* The distance of rows of `length` elements, in elements. layer.py's plan says the same. */
MG_FN constexpr long long mg_padded(long long length)
{
    return (((length + MG_LANES - 1) / MG_LANES) | 1) * MG_LANES;
}

typedef struct {
    MG_ELEMENT *weights, *rows, *partial;
    long long depth, chunk, weights_apart, rows_apart;
} mg_tile;

template <int N, int R, bool RESIDENT>
MG_FN mg_tile mg_tile_at(unsigned char *shared, long long depth, long long chunk)
{
    mg_tile tile;
    tile.depth = depth;
    tile.chunk = chunk;
    tile.weights_apart = mg_padded(RESIDENT ? depth : chunk);
    tile.rows_apart = mg_padded(chunk);
    tile.weights = (MG_ELEMENT *)shared;
    tile.rows = tile.weights + N * MG_UNITS * tile.weights_apart;
    tile.partial = tile.rows + R * MG_ROW_THREADS * tile.rows_apart;
    return tile;
}

/* Depths [start, start + length) of the block's weights, and zeros up to the next whole pack. COLUMNS: a unit's
 * weights are a column of W_hh (backward), otherwise its rows, one a gate (forward). */
template <int N, bool COLUMNS>
MG_FN void mg_load_weights(const mg_tile *tile, const MG_ELEMENT *w, long long hidden, long long unit, long long start,
                           long long length)
{
    const long long whole = (length + MG_LANES - 1) / MG_LANES * MG_LANES;
    if constexpr (COLUMNS) {
        const long long u = threadIdx.x % MG_UNITS;
        for (long long k = threadIdx.x / MG_UNITS; k < whole; k += MG_THREADS / MG_UNITS)
            tile->weights[u * tile->weights_apart + k] =
                k < length && unit + u < hidden ? w[(start + k) * hidden + unit + u] : (MG_ELEMENT)0;
    } else {
        for (int row = threadIdx.x / MG_WARP; row < N * MG_UNITS; row += MG_THREADS / MG_WARP) {
            const long long mine = unit + row % MG_UNITS;
            const MG_ELEMENT *from = w + (row / MG_UNITS * hidden + mine) * hidden + start;
            for (long long k = threadIdx.x % MG_WARP; k < whole; k += MG_WARP)
                tile->weights[row * tile->weights_apart + k] = k < length && mine < hidden ? from[k] : (MG_ELEMENT)0;
        }
    }
}

/* The sums of the tile into `partial`; mg_sum adds them up. `source(i)` is where sequence i of the tile begins, or NULL
 * for zeros. Ends with the block synchronised. */
template <int N, int R, bool RESIDENT, bool COLUMNS, class Source>
MG_FN void mg_tile_product(const mg_tile *tile, const MG_ELEMENT *w, long long hidden, long long unit,
                           const Source &source)
{
    const int u = threadIdx.x % MG_UNITS, row = threadIdx.x / MG_UNITS % MG_ROW_THREADS;
    const int slice = threadIdx.x / (MG_UNITS * MG_ROW_THREADS);
    MG_ELEMENT sums[R][N] = {};
    for (long long start = 0; start < tile->depth; start += tile->chunk) {
        const long long left = tile->depth - start, length = left < tile->chunk ? left : tile->chunk;
        const long long packs = (length + MG_LANES - 1) / MG_LANES;
        for (int i = threadIdx.x / MG_WARP; i < R * MG_ROW_THREADS; i += MG_THREADS / MG_WARP) {
            const MG_ELEMENT *from = source(i);
#pragma unroll 4
            for (long long k = threadIdx.x % MG_WARP; k < packs * MG_LANES; k += MG_WARP)
                tile->rows[i * tile->rows_apart + k] = from && k < length ? mg_fresh(from + start + k) : (MG_ELEMENT)0;
        }
        if (!RESIDENT)
            mg_load_weights<N, COLUMNS>(tile, w, hidden, unit, start, length);
        __syncthreads();
        const mg_pack *a = (const mg_pack *)(tile->rows + row * tile->rows_apart);
        const mg_pack *b = (const mg_pack *)(tile->weights + u * tile->weights_apart + (RESIDENT ? start : 0));
        const long long a_apart = MG_ROW_THREADS * tile->rows_apart / MG_LANES;
        const long long b_apart = MG_UNITS * tile->weights_apart / MG_LANES;
#pragma unroll 2
        for (long long v = slice; v < packs; v += MG_SLICES) {
            mg_pack left_of[R], right_of[N];
#pragma unroll
            for (int i = 0; i < R; i++)
                left_of[i] = a[i * a_apart + v];
#pragma unroll
            for (int n = 0; n < N; n++)
                right_of[n] = b[n * b_apart + v];
#pragma unroll
            for (int lane = 0; lane < MG_LANES; lane++)
#pragma unroll
                for (int i = 0; i < R; i++)
#pragma unroll
                    for (int n = 0; n < N; n++)
                        sums[i][n] += left_of[i].of[lane] * right_of[n].of[lane];
        }
        __syncthreads();
    }
#pragma unroll
    for (int i = 0; i < R; i++)
#pragma unroll
        for (int n = 0; n < N; n++)
            tile->partial[((slice * R + i) * MG_ROW_THREADS + row) * N * MG_UNITS + n * MG_UNITS + u] = sums[i][n];
    __syncthreads();
}

/* Sum n of sequence i and unit u of the tile. */
template <int N, int R>
MG_FN MG_ELEMENT mg_sum(const mg_tile *tile, int i, int u, int n)
{
    const MG_ELEMENT *from = tile->partial + (i * N + n) * MG_UNITS + u;
    MG_ELEMENT sum = 0;
    for (int slice = 0; slice < MG_SLICES; slice++)
        sum += from[slice * R * MG_ROW_THREADS * N * MG_UNITS];
    return sum;
}
#endif
