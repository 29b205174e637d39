/* What the recurrent kernels offer to the module that calls them. */
#ifndef MG_RECURRENT_H
#define MG_RECURRENT_H
#include <stddef.h>
#include <stdint.h>
#include "dispatch.h"

enum { MG_RNN_TANH, MG_RNN_RELU, MG_LSTM, MG_GRU };

/* One layer in one direction over a packed batch: step t owns batch_sizes[t] rows, from offsets[t] on, of every array
 * of `rows` rows. batch_sizes does not increase, so that sequence b is row b of each step it takes part in. Elements
 * are float or double throughout; G is the number of gates.
 *
 * A layer runs some steps at a time: those from `done` to `until`, counted in the order of the run. gx and d_b may be
 * there for these alone; `base` is the row that they begin with. */
typedef struct {
    int kind, reverse;
    int initial;            /* backward: whether the gradients of h0 and c0 are wanted */
    int at_rest;            /* h0 is zeros, so that nothing need be multiplied by it */
    int threads;            /* how many may share the work */
    long near_bytes;        /* a W_hh of more bytes than these does not stay in the second-level cache between steps */
    long steps, batch, hidden, rows;
    long done, until, base;
    long apart;             /* from one row of h, or of its gradient, to the next; directions may lie side by side */
    long stride;            /* from one row of gx, gates and d_b to the next */
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
    void *d_b;              /* (rows, G hidden), written by backward: gradient of the input side, and, but for the n
                             * part of GRU, of the recurrent side */
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

/* How many steps a layer runs at a time, so that what the products and the loop hand to each other, the gates of
 * these steps or their gradients, is still in the second-level cache. Fewer rows than MG_ROWS_AT_ONCE would make
 * weight gradients of products that are too flat. */
#define MG_BYTES_AT_ONCE (512 * 1024)
#define MG_ROWS_AT_ONCE 256

static inline long mg_steps_at_once(const mg_sequence *s, size_t item)
{
    const long fitting = MG_BYTES_AT_ONCE / (long)(mg_wide(s) * (long)item);
    const long most = fitting > MG_ROWS_AT_ONCE ? fitting : MG_ROWS_AT_ONCE;
    const long parts = s->rows / most;
    return parts > 1 ? (s->steps + parts - 1) / parts : s->steps;
}

/* The next steps of a forward run, or those before of a backward one. */
static inline void mg_next_steps(mg_sequence *s, long count)
{
    s->done = s->until;
    s->until = s->done + count < s->steps ? s->done + count : s->steps;
}

static inline void mg_previous_steps(mg_sequence *s, long count)
{
    s->until = s->done;
    s->done = s->until > count ? s->until - count : 0;
}

/* The rows of the steps from `done` to `until` are those from the first to before the last. */
static inline long mg_first_row(const mg_sequence *s)
{
    return (long)s->offsets[s->reverse ? s->steps - s->until : s->done];
}

static inline long mg_last_row(const mg_sequence *s)
{
    const long t = s->reverse ? s->steps - s->done - 1 : s->until - 1;
    return (long)(s->offsets[t] + s->batch_sizes[t]);
}

/* From one row of the gates to the next. Rows a multiple of 1 KiB apart would share few sets of the first-level
 * cache, and loads would wait for stores whose addresses end alike. */
static inline long mg_gates_stride(const mg_sequence *s, size_t item)
{
    const long wide = mg_wide(s);
    return wide * (long)item % 1024 ? wide : wide + 64 / (long)item;
}

/* c (rows, width) = a (rows, depth) b (depth, width) + bias (width), or c + a b. A matrix that is transposed lies in
 * memory as its transpose. */
typedef struct {
    long rows, width, depth;
    const void *a, *b;
    int a_transposed, b_transposed;
    long a_step, c_step;    /* from one row of a, or c, to the next, or from one column if transposed */
    const void *b_rest;     /* the rows of b from `split` on, which is depth if b has them all or is transposed */
    long split;
    long b_step, rest_step; /* from one row of b, or of b_rest, to the next */
    const void *bias;       /* or NULL */
    int accumulate;
    void *c;
    int keep;               /* whether all of b is packed and stays in the scratch, for products with other rows of a */
    int kept;               /* whether it is there already */
    int parts, by_rows, by_depth, few; /* set by product_plan */
    void *scratch;          /* set by product */
} mg_product;

/* `scratch` is memory aligned to 64 bytes, of as many bytes as the function ..._scratch says. forward and backward run
 * `count` sequences of one shape, the directions of a layer, which share the threads. */
typedef struct {
    size_t (*forward_scratch)(const mg_sequence *, int count);
    void (*prepare_forward)(const mg_sequence *, int count, void *scratch); /* once, before any steps */
    void (*forward)(const mg_sequence *, int count, void *scratch);
    size_t (*backward_scratch)(const mg_sequence *, int count);
    void (*prepare_backward)(const mg_sequence *, int count, void *scratch);
    void (*backward)(const mg_sequence *, int count, void *scratch);
    /* Makes d_b of these steps, in the n part of GRU, the gradient of the recurrent side. */
    void (*turn_to_recurrent_side)(const mg_sequence *);
    /* For the rows of these steps, one after the other, the state that the row's sequence had before. */
    void (*gather_previous)(const mg_sequence *, void *to);
    /* Whether every element is; the rows of `a` are `stride` apart. */
    int (*finite)(long rows, long width, const void *a, long stride);
    /* product_plan says how much scratch product needs, if as many threads may share it. */
    size_t (*product_plan)(mg_product *, int threads);
    void (*product)(mg_product *, void *scratch);
    /* to[j] = sum over i of a[i * stride + j], added to what is there if `accumulate` */
    void (*sum_rows)(long rows, long width, const void *a, long stride, int accumulate, void *to, int threads);
} mg_recurrent;

/* Index 0 is float, 1 is double. */
typedef struct {
    mg_recurrent of[2];
} mg_recurrent_pair;

MG_DECLARE_TABLES(mg_recurrent_pair, mg_recurrent_table);
#endif
