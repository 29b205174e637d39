/* One layer in one direction over a packed batch, as the kernels see it, and who works on what.
 *
 * The table below lies in device memory, so that a graph of launches can be captured once and run again with other
 * arrays. Each field has eight bytes; layer.py fills it by the same names in the same order. What the arrays hold is
 * said in ../recurrent.h; here, too, step t owns batch_sizes[t] rows from offsets[t] on. Both are NULL if every step
 * has all sequences.
 *
 * A block owns MG_UNITS units of a batch group. A group is every `groups`-th tile of sequences. One thread keeps one
 * unit of one sequence of a tile through all steps, so whatever belongs to that pair alone (the cell state, the running
 * gradients) is never shared.
 */
#ifndef MG_CUDA_LAYER_H
#define MG_CUDA_LAYER_H
#define MG_UNITS 8
#define MG_ROW_THREADS 8
#define MG_SLICES 4
#define MG_THREADS (MG_UNITS * MG_ROW_THREADS * MG_SLICES)

/* Counters of two groups are so many words apart: a cache line of 128 bytes. */
#define MG_COUNTER_STRIDE 32

enum { MG_RNN_TANH, MG_RNN_RELU, MG_LSTM, MG_GRU };

typedef struct {
    long long steps, batch, hidden, reverse, initial;
    long long groups, blocks, chunk;
    const long long *batch_sizes, *offsets;
    unsigned *arrived;
    const MG_ELEMENT *w_hh, *b_ih, *b_hh, *h0, *c0;
    const MG_ELEMENT *gx;
    MG_ELEMENT *gates, *b_n, *h, *c, *hn, *cn;
    const MG_ELEMENT *d_h;
    MG_ELEMENT *d_b, *d_n, *d_h0, *d_c0;
} mg_layer;

MG_FN constexpr int mg_gates(int kind)
{
    return kind == MG_LSTM ? 4 : kind == MG_GRU ? 3 : 1;
}

/* How many sequences take part in step t; none outside the sequence. */
MG_FN long long mg_size(const mg_layer *l, long long t)
{
    if (t < 0 || t >= l->steps)
        return 0;
    return l->batch_sizes ? l->batch_sizes[t] : l->batch;
}

/* The first row of step t. */
MG_FN long long mg_offset(const mg_layer *l, long long t)
{
    return l->offsets && t >= 0 && t < l->steps ? l->offsets[t] : t * l->batch;
}

/* The state that sequence b had before step t, whose rows are those of the step next to it, or the initial one. */
MG_FN const MG_ELEMENT *mg_previous(const mg_layer *l, long long t, long long b, const MG_ELEMENT *states,
                                    const MG_ELEMENT *initial)
{
    const long long neighbour = l->reverse ? t + 1 : t - 1;
    if (b >= mg_size(l, neighbour))
        return initial + b * l->hidden;
    return states + (mg_offset(l, neighbour) + b) * l->hidden;
}

/* Stop rather than wait for blocks that were never launched, which would be for ever. */
MG_FN void mg_require_grid(const mg_layer *l)
{
    if ((long long)gridDim.x != l->blocks)
        __trap();
}
#endif
