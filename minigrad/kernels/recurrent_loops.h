/* Recurrent layers over one element type; included by recurrent.c for each.
 *
 * Forward, per step: for every block of units, and every tile of sequences, one product tile with the packed W_hh, then
 * the cell on the sums while they are in the first-level cache. Backward, per step: the cell's derivatives for all
 * rows, then one product with W_hh. Whatever does not depend on the step before (input projection, weight gradients) is
 * left to one product over all rows, outside.
 *
 * A sequence never looks at another one, so every loop runs over the sequences [begin, end): threads can share a batch.
 */
#include "vecmath.h"
#include "gates.h"
#include "product.h"

/* One cell: `sums` are the recurrent sides, of its unit block, for one row. */
MG_FN void MG_NAME(cell_forward)(const mg_sequence *s, long row, const MG_ELEMENT *h, const MG_ELEMENT *c, long unit,
                                 const MG_VALUE *sums)
{
    const int kind = s->kind;
    const long hidden = s->hidden, left = hidden - unit;
    const long wide = mg_wide(s);
    const MG_ELEMENT *gx = (const MG_ELEMENT *)s->gx + row * wide + unit;
    MG_ELEMENT *gates = s->gates ? (MG_ELEMENT *)s->gates + row * wide + unit : NULL;
    MG_ELEMENT *h_out = (MG_ELEMENT *)s->h + row * hidden + unit;
#define MG_LOAD(from) MG_NAME(load_upto)(from, left)
#define MG_STORE(to, x) MG_NAME(store_upto)(to, x, left)
    if (kind == MG_LSTM) {
        MG_ELEMENT *c_out = (MG_ELEMENT *)s->c + row * hidden + unit;
        MG_VALUE i = sums[0] + MG_LOAD(gx), f = sums[1] + MG_LOAD(gx + hidden);
        MG_VALUE g = sums[2] + MG_LOAD(gx + 2 * hidden), o = sums[3] + MG_LOAD(gx + 3 * hidden);
        MG_VALUE state = MG_LOAD(c + unit);
        MG_VALUE out = MG_NAME(lstm_forward)(&i, &f, &g, &o, &state);
        MG_STORE(gates, i);
        MG_STORE(gates + hidden, f);
        MG_STORE(gates + 2 * hidden, g);
        MG_STORE(gates + 3 * hidden, o);
        MG_STORE(c_out, state);
        MG_STORE(h_out, out);
    } else if (kind == MG_GRU) {
        MG_ELEMENT *b_n = (MG_ELEMENT *)s->b_n + row * hidden + unit;
        MG_VALUE r = sums[0] + MG_LOAD(gx), z = sums[1] + MG_LOAD(gx + hidden), n = MG_LOAD(gx + 2 * hidden);
        MG_VALUE out = MG_NAME(gru_forward)(&r, &z, &n, sums[2], MG_LOAD(h + unit));
        MG_STORE(gates, r);
        MG_STORE(gates + hidden, z);
        MG_STORE(gates + 2 * hidden, n);
        MG_STORE(b_n, sums[2]);
        MG_STORE(h_out, out);
    } else {
        for (int v = 0; v < 2 && left > v * MG_LANES; v++) {
            long rest = left - v * MG_LANES;
            MG_VALUE a = sums[v] + MG_NAME(load_upto)(gx + v * MG_LANES, rest);
            a = kind == MG_RNN_TANH ? MG_NAME(tanh)(a) : MG_NAME(relu)(a);
            MG_NAME(store_upto)(h_out + v * MG_LANES, a, rest);
        }
    }
#undef MG_LOAD
#undef MG_STORE
}

/* The cells of `count` rows from `row` on; `h` and `c` are the states before, whose row stride is `hidden`. W_hh is
 * used from `panels`, or, if there are so few rows that it was not packed, from where it lies; `panels` is then scratch. */
static void MG_NAME(step_forward)(const mg_sequence *s, MG_ELEMENT *panels, long row, long count, const MG_ELEMENT *h,
                                  const MG_ELEMENT *c)
{
    const long hidden = s->hidden;
    const int vectors = s->kind == MG_LSTM ? 4 : s->kind == MG_GRU ? 3 : 2;
    const long apart = vectors == 2 ? MG_LANES : hidden;
    const long block = vectors == 2 ? 2 * MG_LANES : MG_LANES;
    const int packed = s->rows > MG_FEW_ROWS;
    const long most = packed ? MG_TILE_ROWS(vectors) : 1;
    MG_VALUE sums[MG_TILE_SUMS];
    if (!packed)
        MG_NAME(multiply_few)(count, mg_wide(s), hidden, h, s->w_hh, s->b_hh, panels);
    for (long unit = 0; unit < hidden; unit += block) {
        for (long first = 0; first < count; first += most) {
            long tile = mg_smaller(most, count - first);
            const MG_ELEMENT *h_tile = h + first * hidden;
            if (!packed)
                for (int v = 0; v < vectors && (vectors > 2 || unit + v * apart < hidden); v++)
                    sums[v] = MG_NAME(load_upto)(panels + first * mg_wide(s) + v * apart + unit,
                                                 hidden - unit - (vectors == 2 ? v * apart : 0));
            else if (vectors == 4)
                MG_NAME(sum_rows_4)(tile, hidden, h_tile, hidden, panels, sums);
            else if (vectors == 3)
                MG_NAME(sum_rows_3)(tile, hidden, h_tile, hidden, panels, sums);
            else
                MG_NAME(sum_rows_2)(tile, hidden, h_tile, hidden, panels, sums);
            for (long i = 0; i < tile; i++)
                MG_NAME(cell_forward)(s, row + first + i, h_tile + i * hidden, c ? c + (first + i) * hidden : NULL,
                                      unit, sums + i * vectors);
        }
        if (packed)
            panels += vectors * MG_LANES * (hidden + 1);
    }
}

/* Sequences [begin, end) through all steps. Those alive in the step before continue from its rows, the others start. */
static void MG_NAME(sequences_forward)(const mg_sequence *s, MG_ELEMENT *panels, long begin, long end)
{
    const long hidden = s->hidden;
    const MG_ELEMENT *h = s->h, *c = s->c, *h0 = s->h0, *c0 = s->c0;
    MG_ELEMENT *hn = s->hn, *cn = s->cn;
    long alive = 0, before = 0;
    for (long i = 0; i < s->steps; i++) {
        long t = s->reverse ? s->steps - 1 - i : i;
        long row = (long)s->offsets[t], count = mg_smaller((long)s->batch_sizes[t], end);
        long carried = mg_smaller(count, alive);
        if (carried > begin)
            MG_NAME(step_forward)(s, panels, row + begin, carried - begin, h + (before + begin) * hidden,
                                  c ? c + (before + begin) * hidden : NULL);
        long started = carried > begin ? carried : begin;
        if (count > started)
            MG_NAME(step_forward)(s, panels, row + started, count - started, h0 + started * hidden,
                                  c0 ? c0 + started * hidden : NULL);
        long last = s->reverse ? (i == s->steps - 1 ? 0 : count) : i == s->steps - 1 ? 0 : (long)s->batch_sizes[t + 1];
        last = last > begin ? last : begin;
        if (count > last) {
            size_t bytes = (size_t)((count - last) * hidden) * sizeof(MG_ELEMENT);
            memcpy(hn + last * hidden, h + (row + last) * hidden, bytes);
            if (c)
                memcpy(cn + last * hidden, c + (row + last) * hidden, bytes);
        }
        alive = count;
        before = row;
    }
}

static size_t MG_NAME(forward_scratch)(const mg_sequence *s)
{
    const int vectors = s->kind == MG_LSTM ? 4 : s->kind == MG_GRU ? 3 : 2;
    if (s->rows <= MG_FEW_ROWS)
        return (size_t)(s->rows * mg_wide(s)) * sizeof(MG_ELEMENT);
    return MG_NAME(packed_size)(s->hidden, s->hidden, vectors, vectors > 2) * sizeof(MG_ELEMENT);
}

static void MG_NAME(forward)(const mg_sequence *s, void *scratch)
{
    const int vectors = s->kind == MG_LSTM ? 4 : s->kind == MG_GRU ? 3 : 2;
    if (s->rows > MG_FEW_ROWS)
        MG_NAME(pack)(scratch, s->w_hh, s->hidden, 1, s->b_hh, s->hidden, s->hidden, vectors, vectors > 2);
    MG_NAME(sequences_forward)(s, scratch, 0, s->batch);
}

/* Derivatives of the cell of one row; `dh` and `dc` are that sequence's rows of the running gradients. */
MG_FN void MG_NAME(cell_backward)(const mg_sequence *s, long row, const MG_ELEMENT *h, const MG_ELEMENT *c,
                                  MG_ELEMENT *dh, MG_ELEMENT *dc)
{
    const int kind = s->kind;
    const long hidden = s->hidden;
    const long wide = mg_wide(s);
    const MG_ELEMENT *gates = s->gates ? (const MG_ELEMENT *)s->gates + row * wide : NULL;
    const MG_ELEMENT *d_h = s->d_h ? (const MG_ELEMENT *)s->d_h + row * hidden : NULL;
    MG_ELEMENT *d_a = (MG_ELEMENT *)s->d_a + row * wide;
    for (long unit = 0; unit < hidden; unit += MG_LANES) {
        const long left = hidden - unit;
#define MG_LOAD(from) MG_NAME(load_upto)((from) + unit, left)
#define MG_STORE(to, x) MG_NAME(store_upto)((to) + unit, x, left)
        MG_VALUE g_h = MG_LOAD(dh);
        if (d_h)
            g_h += MG_LOAD(d_h);
        if (kind == MG_LSTM) {
            MG_VALUE i = MG_LOAD(gates), f = MG_LOAD(gates + hidden);
            MG_VALUE g = MG_LOAD(gates + 2 * hidden), o = MG_LOAD(gates + 3 * hidden), g_c = MG_LOAD(dc);
            MG_NAME(lstm_backward)(&i, &f, &g, &o, MG_LOAD(c), MG_LOAD((const MG_ELEMENT *)s->c + row * hidden), g_h,
                                   &g_c);
            MG_STORE(d_a, i);
            MG_STORE(d_a + hidden, f);
            MG_STORE(d_a + 2 * hidden, g);
            MG_STORE(d_a + 3 * hidden, o);
            MG_STORE(dc, g_c);
        } else if (kind == MG_GRU) {
            MG_ELEMENT *d_b = (MG_ELEMENT *)s->d_b + row * wide;
            MG_VALUE r = MG_LOAD(gates), z = MG_LOAD(gates + hidden), n = MG_LOAD(gates + 2 * hidden), d_n;
            MG_NAME(gru_backward)(&r, &z, &n, MG_LOAD((const MG_ELEMENT *)s->b_n + row * hidden), MG_LOAD(h), &g_h,
                                  &d_n);
            MG_STORE(d_a, r);
            MG_STORE(d_a + hidden, z);
            MG_STORE(d_a + 2 * hidden, n);
            MG_STORE(d_b, r);
            MG_STORE(d_b + hidden, z);
            MG_STORE(d_b + 2 * hidden, d_n);
            MG_STORE(dh, g_h);
        } else {
            MG_VALUE y = MG_LOAD((const MG_ELEMENT *)s->h + row * hidden);
            MG_STORE(d_a, kind == MG_RNN_TANH ? MG_NAME(tanh_backward)(g_h, y) : MG_NAME(relu_backward)(g_h, y));
        }
#undef MG_LOAD
#undef MG_STORE
    }
}

/* Where the state of sequence b before step t lies: in the rows of the step next to it, or among the initial states. */
MG_FN const MG_ELEMENT *MG_NAME(previous)(const mg_sequence *s, long t, long b, const void *states,
                                          const void *initial)
{
    long neighbour = s->reverse ? t + 1 : t - 1;
    if (neighbour < 0 || neighbour >= s->steps || b >= s->batch_sizes[neighbour])
        return (const MG_ELEMENT *)initial + b * s->hidden;
    return (const MG_ELEMENT *)states + (s->offsets[neighbour] + b) * s->hidden;
}

static void MG_NAME(sequences_backward)(const mg_sequence *s, const MG_ELEMENT *panels, long begin, long end)
{
    const long hidden = s->hidden, wide = mg_wide(s);
    MG_ELEMENT *dh = s->d_h0, *dc = s->d_c0;
    for (long i = 0; i < s->steps; i++) {
        long t = s->reverse ? i : s->steps - 1 - i;
        long row = (long)s->offsets[t], count = mg_smaller((long)s->batch_sizes[t], end);
        for (long b = begin; b < count; b++)
            MG_NAME(cell_backward)(s, row + b, MG_NAME(previous)(s, t, b, s->h, s->h0),
                                   s->c ? MG_NAME(previous)(s, t, b, s->c, s->c0) : NULL, dh + b * hidden,
                                   dc ? dc + b * hidden : NULL);
        if (count > begin && (s->initial || i < s->steps - 1))
            MG_NAME(multiply)(count - begin, hidden, wide, (const MG_ELEMENT *)s->d_b + (row + begin) * wide, wide, 0,
                              panels, dh + begin * hidden, hidden, s->kind == MG_GRU);
    }
}

static size_t MG_NAME(backward_scratch)(const mg_sequence *s)
{
    return MG_NAME(packed_size)(s->hidden, mg_wide(s), 2, 0) * sizeof(MG_ELEMENT);
}

static void MG_NAME(backward)(const mg_sequence *s, void *scratch)
{
    if (s->initial || s->steps > 1)
        MG_NAME(pack)(scratch, s->w_hh, s->hidden, 0, NULL, s->hidden, mg_wide(s), 2, 0);
    MG_NAME(sequences_backward)(s, scratch, 0, s->batch);
}

static void MG_NAME(gather_previous)(const mg_sequence *s, void *to)
{
    MG_ELEMENT *out = to;
    for (long t = 0; t < s->steps; t++)
        for (long b = 0; b < s->batch_sizes[t]; b++) {
            memcpy(out, MG_NAME(previous)(s, t, b, s->h, s->h0), (size_t)s->hidden * sizeof(MG_ELEMENT));
            out += s->hidden;
        }
}

static size_t MG_NAME(product_scratch)(long width, long depth)
{
    return MG_NAME(packed_size)(width, mg_smaller(depth, MG_DEPTH_AT_ONCE), 2, 0) * sizeof(MG_ELEMENT);
}

static void MG_NAME(product)(long rows, long width, long depth, const void *a, int a_transposed, const void *b,
                             int b_transposed, const void *bias, void *c, void *scratch)
{
    const MG_ELEMENT *left = a, *right = b;
    if (rows <= MG_FEW_ROWS && b_transposed && !a_transposed) {
        MG_NAME(multiply_few)(rows, width, depth, a, b, bias, c);
        return;
    }
    long start = 0;
    do {
        long part = mg_smaller(depth - start, MG_DEPTH_AT_ONCE);
        MG_NAME(pack)(scratch, right + start * (b_transposed ? 1 : width), b_transposed ? depth : width, b_transposed,
                      start ? NULL : bias, width, part, 2, 0);
        MG_NAME(multiply)(rows, width, part, left + start * (a_transposed ? rows : 1), a_transposed ? rows : depth,
                          a_transposed, scratch, c, width, start > 0);
        start += part;
    } while (start < depth);
}

/* Four vectors of columns at a time, which is a whole cache line or several of each row. */
static void MG_NAME(sum_rows)(long rows, long width, const void *a, void *to)
{
    MG_ELEMENT *out = to;
    for (long first = 0; first < width; first += 4 * MG_LANES) {
        const MG_ELEMENT *from = (const MG_ELEMENT *)a + first;
        const long left = width - first;
        MG_VALUE sum[4] = {{0}};
        for (long i = 0; i < rows; i++, from += width)
            for (long v = 0; v < 4 && v * MG_LANES < left; v++)
                sum[v] += MG_NAME(load_upto)(from + v * MG_LANES, left - v * MG_LANES);
        for (long v = 0; v < 4 && v * MG_LANES < left; v++)
            MG_NAME(store_upto)(out + first + v * MG_LANES, sum[v], left - v * MG_LANES);
    }
}
