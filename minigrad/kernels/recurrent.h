/* What the recurrent kernels offer to the module that calls them. */
#ifndef MG_RECURRENT_H
#define MG_RECURRENT_H
#include <stddef.h>
#include <stdint.h>
#include "dispatch.h"

enum { MG_RNN_TANH, MG_RNN_RELU, MG_LSTM, MG_GRU };

/* One layer in one direction over a packed batch: step t owns batch_sizes[t] rows, from offsets[t] on, of every array
 * of `rows` rows. batch_sizes does not increase, so that sequence b is row b of each step it takes part in. Elements
 * are float or double throughout; G is the number of gates. */
typedef struct {
    int kind, reverse;
    int initial;            /* backward: whether the gradients of h0 and c0 are wanted */
    int threads;            /* how many may share the work */
    long steps, batch, hidden, rows;
    long apart;             /* from one row of h, or of its gradient, to the next: both directions may lie side by side */
    const int64_t *batch_sizes, *offsets;
    const void *w_hh;       /* (G hidden, hidden) */
    const void *b_hh;       /* (G hidden), or NULL */
    const void *h0, *c0;    /* (batch, hidden); c0 for LSTM alone */
    const void *gx;         /* forward: (rows, G hidden), the input side of the pre-activations */
    void *gates;            /* (rows, G hidden), written by forward; may be gx itself; LSTM and GRU alone */
    void *b_n;              /* GRU: (rows, hidden), W_hn h + b_hn, written by forward */
    void *h, *c;            /* (rows, hidden), written by forward; h may be gx itself if there are no gates. gates, b_n
                             * and c may be NULL, if there will be no backward */
    void *hn, *cn;          /* (batch, hidden), written by forward: the state after each sequence's own last step */
    const void *d_h;        /* backward: gradient of h, or NULL for zeros */
    void *d_b;              /* (rows, G hidden), written by backward: gradient of the input side, and, but for the n part
                             * of GRU, of the recurrent side */
    void *d_h0, *d_c0;      /* (batch, hidden): in, the gradient of hn and cn; out, that of h0 and c0 */
    const void *x;          /* (rows, features); this and the rest is the input side, of which the loops know nothing */
    const void *w_ih;       /* (G hidden, features) */
    const void *b_ih;       /* (G hidden), or NULL */
    long features;
} mg_sequence;

/* The width of the gates, G hidden. */
static inline long mg_wide(const mg_sequence *s)
{
    return s->hidden * (s->kind == MG_LSTM ? 4 : s->kind == MG_GRU ? 3 : 1);
}

/* c (rows, width) = a (rows, depth) b (depth, width) + bias (width), or c + a b. Each matrix is contiguous but for the rows
 * of b; if transposed, what is contiguous is its transpose. */
typedef struct {
    long rows, width, depth;
    const void *a, *b;
    int a_transposed, b_transposed;
    const void *b_rest;     /* the rows of b from `split` on, which is depth if b has them all; not if b is transposed */
    long split;
    long b_step, rest_step; /* from one row of b, or of b_rest, to the next */
    const void *bias;       /* or NULL */
    int accumulate;
    void *c;
    int parts, by_rows, few; /* set by product_plan */
    void *scratch;          /* set by product */
} mg_product;

/* `scratch` is memory aligned to 64 bytes, of as many bytes as the function ..._scratch says. forward and backward run
 * `count` sequences of one shape, the directions of a layer, which share the threads. */
typedef struct {
    size_t (*forward_scratch)(const mg_sequence *, int count);
    void (*forward)(const mg_sequence *, int count, void *scratch);
    size_t (*backward_scratch)(const mg_sequence *, int count);
    void (*backward)(const mg_sequence *, int count, void *scratch);
    /* Makes d_b, in the n part of GRU, the gradient of the recurrent side. */
    void (*turn_to_recurrent_side)(const mg_sequence *);
    /* to[row of step t, sequence b] = the state that sequence b had before step t. */
    void (*gather_previous)(const mg_sequence *, void *to);
    /* product_plan says how much scratch product needs, if as many threads may share it. */
    size_t (*product_plan)(mg_product *, int threads);
    void (*product)(mg_product *, void *scratch);
    /* to[j] = sum over i of a[i * width + j] */
    void (*sum_rows)(long rows, long width, const void *a, void *to, int threads);
} mg_recurrent;

/* Index 0 is float, 1 is double. */
typedef struct {
    mg_recurrent of[2];
} mg_recurrent_pair;

MG_DECLARE_TABLES(mg_recurrent_pair, mg_recurrent_table);
#endif
