/* The iterations [first, last) of a layer's steps back through time: the product of the gradients that the following
 * step left with W_hh, then the cell's derivatives.
 *
 * Iteration i works on the i-th step from the end of the run. The rows of a sequence that has no following step begin
 * with the gradient of its final state. A sequence whose first step was the iteration before gets the gradient of its
 * initial state instead of derivatives; for the last ones that is iteration `steps`, which is left out, as these rows
 * are, unless l->initial. d_h0 and d_c0 come in as the gradients of hn and cn; the former also keeps, for the GRU, the
 * part of the running gradient that bypasses W_hh. Other blocks' rows of d_b are read one iteration after they were
 * written, and never written again. For launches see forward.cu.
 */
#include "device.h"
#include "layer.h"
#include "tile.h"

/* One unit of one sequence; `g` is the gradient of the state after step t. */
template <int KIND>
MG_FN void mg_cell_backward(const mg_layer *l, long long t, long long row, long long b, long long unit, MG_ELEMENT g)
{
    const long long hidden = l->hidden, wide = mg_gates(KIND) * hidden, at = row * hidden + unit;
    MG_ELEMENT *d_b = l->d_b + row * wide + unit;
    if (l->d_h)
        g += l->d_h[at];
    if constexpr (KIND == MG_LSTM) {
        const MG_ELEMENT *gates = l->gates + row * wide + unit;
        MG_ELEMENT i = gates[0], f = gates[hidden], n = gates[2 * hidden], o = gates[3 * hidden];
        MG_ELEMENT *dc = l->d_c0 + b * hidden + unit;
        MG_NAME(lstm_backward)(&i, &f, &n, &o, mg_previous(l, t, b, l->c, l->c0)[unit], l->c[at], g, dc);
        d_b[0] = i;
        d_b[hidden] = f;
        d_b[2 * hidden] = n;
        d_b[3 * hidden] = o;
    } else if constexpr (KIND == MG_GRU) {
        const MG_ELEMENT *gates = l->gates + row * wide + unit;
        MG_ELEMENT r = gates[0], z = gates[hidden], n = gates[2 * hidden], d_n;
        MG_NAME(gru_backward)(&r, &z, &n, l->b_n[at], mg_previous(l, t, b, l->h, l->h0)[unit], &g, &d_n);
        d_b[0] = r;
        d_b[hidden] = z;
        d_b[2 * hidden] = d_n;
        l->d_n[at] = n;
        l->d_h0[b * hidden + unit] = g;
    } else {
        const MG_ELEMENT y = l->h[at];
        d_b[0] = KIND == MG_RNN_TANH ? MG_NAME(tanh_backward)(g, y) : MG_NAME(relu_backward)(g, y);
    }
}

template <int KIND, int R, bool RESIDENT>
MG_FN void mg_backward(const mg_layer *l, long long first, long long last)
{
    MG_SHARED(shared);
    const long long hidden = l->hidden, wide = mg_gates(KIND) * hidden;
    const long long unit_blocks = (hidden + MG_UNITS - 1) / MG_UNITS;
    const long long group = blockIdx.x / unit_blocks, unit = blockIdx.x % unit_blocks * MG_UNITS;
    const mg_tile tile = mg_tile_at<1, R, RESIDENT>(shared, wide, l->chunk);
    const int pair = threadIdx.x, u = pair % MG_UNITS, i = pair / MG_UNITS;
    if (RESIDENT) {
        mg_require_grid(l);
        mg_load_weights<1, true>(&tile, l->w_hh, hidden, unit, 0, wide);
    }
    for (long long step = first; step < last; step++) {
        const long long t = l->reverse ? step : l->steps - 1 - step, following = l->reverse ? t - 1 : t + 1;
        const long long count = mg_size(l, t), done = mg_size(l, following);
        const long long rows = l->initial && done > count ? done : count;
        for (long long b0 = group * R * MG_ROW_THREADS; b0 < rows; b0 += l->groups * R * MG_ROW_THREADS) {
            const long long from = mg_offset(l, following) + b0, product_rows = (done < rows ? done : rows) - b0;
            if (product_rows > 0)
                mg_tile_product<1, R, RESIDENT, true>(
                    &tile, l->w_hh, hidden, unit, [&](int k) -> const MG_ELEMENT * {
                        return k < product_rows ? l->d_b + (from + k) * wide : nullptr;
                    });
            const long long b = b0 + i;
            if (i >= R * MG_ROW_THREADS || b >= rows || unit + u >= hidden)
                continue;
            MG_ELEMENT *running = l->d_h0 + b * hidden + unit + u;
            MG_ELEMENT g = KIND == MG_GRU || b >= done ? *running : (MG_ELEMENT)0;
            if (b < done)
                g += mg_sum<1, R>(&tile, i, u, 0);
            if (b < count)
                mg_cell_backward<KIND>(l, t, mg_offset(l, t) + b, b, unit + u, g);
            else
                *running = g;
        }
        if (RESIDENT && step + 1 < last)
            mg_barrier(l->arrived + group * MG_COUNTER_STRIDE, (unsigned)((step + 1 - first) * unit_blocks));
    }
}
