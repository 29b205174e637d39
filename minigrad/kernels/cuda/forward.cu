/* The steps [first, last) of a layer, forward: the recurrent product of a tile, then the cell on its sums.
 *
 * Launched for all steps at once if RESIDENT (cooperatively: steps are joined by mg_barrier), otherwise for one step at
 * a time, when the end of a kernel is the barrier. Step t reads the states of the step before from the very rows of h
 * that are the layer's output, so nothing is ever overwritten that another block may still read. cn holds the running
 * cell state and begins as a copy of c0.
 */
#include "device.h"
#include "layer.h"
#include "tile.h"

/* One unit of one sequence; `row` is its row, `before` the state before. */
template <int KIND, int R>
MG_FN void mg_cell_forward(const mg_layer *l, const mg_tile *tile, int i, int u, long long row, long long b,
                           long long unit, const MG_ELEMENT *before, bool ends)
{
    constexpr int N = mg_gates(KIND);
    const long long hidden = l->hidden, wide = N * hidden;
    MG_ELEMENT a[N], s[N], out;
#pragma unroll
    for (int n = 0; n < N; n++) {
        a[n] = l->gx[row * wide + n * hidden + unit] + (l->b_ih ? l->b_ih[n * hidden + unit] : (MG_ELEMENT)0);
        s[n] = mg_sum<N, R>(tile, i, u, n) + (l->b_hh ? l->b_hh[n * hidden + unit] : (MG_ELEMENT)0);
    }
    if constexpr (KIND == MG_LSTM) {
        MG_ELEMENT state = l->cn[b * hidden + unit];
        for (int n = 0; n < N; n++)
            a[n] += s[n];
        out = MG_NAME(lstm_forward)(a, a + 1, a + 2, a + 3, &state);
        l->cn[b * hidden + unit] = state;
        if (l->c)
            l->c[row * hidden + unit] = state;
    } else if constexpr (KIND == MG_GRU) {
        a[0] += s[0];
        a[1] += s[1];
        out = MG_NAME(gru_forward)(a, a + 1, a + 2, s[2], mg_fresh(before + unit));
        if (l->b_n)
            l->b_n[row * hidden + unit] = s[2];
    } else {
        out = KIND == MG_RNN_TANH ? MG_NAME(tanh)(a[0] + s[0]) : MG_NAME(relu)(a[0] + s[0]);
    }
    if (N > 1 && l->gates)
#pragma unroll
        for (int n = 0; n < N; n++)
            l->gates[row * wide + n * hidden + unit] = a[n];
    l->h[row * hidden + unit] = out;
    if (ends)
        l->hn[b * hidden + unit] = out;
}

template <int KIND, int R, bool RESIDENT>
MG_FN void mg_forward(const mg_layer *l, long long first, long long last)
{
    constexpr int N = mg_gates(KIND);
    MG_SHARED(shared);
    const long long hidden = l->hidden, unit_blocks = (hidden + MG_UNITS - 1) / MG_UNITS;
    const long long group = blockIdx.x / unit_blocks, unit = blockIdx.x % unit_blocks * MG_UNITS;
    const mg_tile tile = mg_tile_at<N, R, RESIDENT>(shared, hidden, l->chunk);
    const int pair = threadIdx.x, u = pair % MG_UNITS, i = pair / MG_UNITS;
    if (RESIDENT) {
        mg_require_grid(l);
        mg_load_weights<N, false>(&tile, l->w_hh, hidden, unit, 0, hidden);
    }
    for (long long step = first; step < last; step++) {
        const long long t = l->reverse ? l->steps - 1 - step : step;
        const long long count = mg_size(l, t), offset = mg_offset(l, t);
        for (long long b0 = group * R * MG_ROW_THREADS; b0 < count; b0 += l->groups * R * MG_ROW_THREADS) {
            const auto source = [&](int k) -> const MG_ELEMENT * {
                return b0 + k < count ? mg_previous(l, t, b0 + k, l->h, l->h0) : nullptr;
            };
            mg_tile_product<N, R, RESIDENT, false>(&tile, l->w_hh, hidden, unit, source);
            if (i < R * MG_ROW_THREADS && b0 + i < count && unit + u < hidden)
                mg_cell_forward<KIND, R>(l, &tile, i, u, offset + b0 + i, b0 + i, unit + u, source(i),
                                         l->reverse ? t == 0 : b0 + i >= mg_size(l, t + 1));
        }
        if (RESIDENT && step + 1 < last)
            mg_barrier(l->arrived + group * MG_COUNTER_STRIDE, (unsigned)((step + 1 - first) * unit_blocks));
    }
}
