/* Recurrent layers over one element type; included by recurrent.c for each.
 *
 * Forward, per step: for every block of units, and every tile of sequences, one product tile with the packed W_hh, then
 * the cell on the sums while they are in the first-level cache. Backward, per step: the cell's derivatives for all
 * rows, then one product with W_hh. Whatever does not depend on the step before (input projection, weight gradients) is
 * left to one product over all rows, outside.
 *
 * A sequence never looks at another one, so every loop runs over the sequences [begin, end), and threads share a batch.
 */
#include "vecmath.h"
#include "gates.h"
#include "product.h"
#include "threads.h"

/* A slice of the batch is at least so many sequences: with fewer, reading the panels takes longer than the products. */
#ifndef MG_SEQUENCES_PER_THREAD
#define MG_SEQUENCES_PER_THREAD 4
#endif

/* A product is shared by columns if every thread gets at least so many panels. */
#define MG_PANELS_PER_SHARE 4

/* One cell: `sums` are the recurrent sides, of its unit block, for one row. */
MG_FN void MG_NAME(cell_forward)(const mg_sequence *s, long row, const MG_ELEMENT *h, const MG_ELEMENT *c, long unit,
                                 MG_ELEMENT *c_out, const MG_VALUE *sums)
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
        MG_VALUE i = sums[0] + MG_LOAD(gx), f = sums[1] + MG_LOAD(gx + hidden);
        MG_VALUE g = sums[2] + MG_LOAD(gx + 2 * hidden), o = sums[3] + MG_LOAD(gx + 3 * hidden);
        MG_VALUE state = MG_LOAD(c + unit);
        MG_VALUE out = MG_NAME(lstm_forward)(&i, &f, &g, &o, &state);
        if (gates) {
            MG_STORE(gates, i);
            MG_STORE(gates + hidden, f);
            MG_STORE(gates + 2 * hidden, g);
            MG_STORE(gates + 3 * hidden, o);
        }
        MG_STORE(c_out + unit, state);
        MG_STORE(h_out, out);
    } else if (kind == MG_GRU) {
        MG_VALUE r = sums[0] + MG_LOAD(gx), z = sums[1] + MG_LOAD(gx + hidden), n = MG_LOAD(gx + 2 * hidden);
        MG_VALUE out = MG_NAME(gru_forward)(&r, &z, &n, sums[2], MG_LOAD(h + unit));
        if (gates) {
            MG_STORE(gates, r);
            MG_STORE(gates + hidden, z);
            MG_STORE(gates + 2 * hidden, n);
            MG_STORE((MG_ELEMENT *)s->b_n + row * hidden + unit, sums[2]);
        }
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

/* The cells of `count` rows from `row` on; `h` and `c` are the states before, `c_out` may be `c` itself. W_hh is
 * used from `panels`, or, if there are so few rows that it was not packed, from where it lies; `panels` is then scratch. */
static void MG_NAME(step_forward)(const mg_sequence *s, MG_ELEMENT *panels, long row, long count, const MG_ELEMENT *h,
                                  const MG_ELEMENT *c, MG_ELEMENT *c_out)
{
    const long hidden = s->hidden;
    const int vectors = s->kind == MG_LSTM ? 4 : s->kind == MG_GRU ? 3 : 2;
    const long apart = vectors == 2 ? MG_LANES : hidden;
    const long block = vectors == 2 ? 2 * MG_LANES : MG_LANES;
    const int packed = s->rows > MG_FEW_ROWS;
    const long most = packed ? MG_TILE_ROWS(vectors) : 1;
    MG_VALUE sums[MG_TILE_SUMS];
    if (!packed)
        MG_NAME(multiply_few)(count, mg_wide(s), hidden, h, s->w_hh, s->b_hh, panels, mg_wide(s));
    for (long unit = 0; unit < hidden; unit += block) {
        const int narrow = vectors == 2 && hidden - unit <= MG_LANES;
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
            else if (narrow)
                MG_NAME(sum_rows_1)(tile, hidden, h_tile, hidden, panels, sums);
            else
                MG_NAME(sum_rows_2)(tile, hidden, h_tile, hidden, panels, sums);
            for (long i = 0; i < tile; i++)
                MG_NAME(cell_forward)(s, row + first + i, h_tile + i * hidden, c ? c + (first + i) * hidden : NULL,
                                      unit, c ? c_out + (first + i) * hidden : NULL,
                                      sums + i * (packed && narrow ? 1 : vectors));
        }
        if (packed)
            panels += vectors * MG_LANES * (hidden + 1);
    }
}

/* Sequences [begin, end) through all steps. Those alive in the step before continue from its rows, the others start. If
 * nothing is saved for backward, the cell states live in cn, where they are to end. */
static void MG_NAME(sequences_forward)(const mg_sequence *s, MG_ELEMENT *panels, long begin, long end)
{
    const long hidden = s->hidden;
    const MG_ELEMENT *h = s->h, *h0 = s->h0, *c0 = s->c0;
    MG_ELEMENT *hn = s->hn, *cn = s->cn, *c = s->c;
    long alive = 0, before = 0;
    if (cn && !c && end > begin)
        memcpy(cn + begin * hidden, c0 + begin * hidden, (size_t)((end - begin) * hidden) * sizeof(MG_ELEMENT));
    for (long i = 0; i < s->steps; i++) {
        long t = s->reverse ? s->steps - 1 - i : i;
        long row = (long)s->offsets[t], count = mg_smaller((long)s->batch_sizes[t], end);
        long carried = mg_smaller(count, alive);
        long started = carried > begin ? carried : begin;
        MG_ELEMENT *c_out = c ? c + row * hidden : cn;
        if (carried > begin)
            MG_NAME(step_forward)(s, panels, row + begin, carried - begin, h + (before + begin) * hidden,
                                  c ? c + (before + begin) * hidden : cn ? cn + begin * hidden : NULL,
                                  c_out ? c_out + begin * hidden : NULL);
        if (count > started)
            MG_NAME(step_forward)(s, panels, row + started, count - started, h0 + started * hidden,
                                  c ? c0 + started * hidden : cn ? cn + started * hidden : NULL,
                                  c_out ? c_out + started * hidden : NULL);
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

/* The first of the sequences of part `part`: those before it have as nearly as possible their share of the rows. */
static long MG_NAME(first_sequence)(const mg_sequence *s, int part, int parts)
{
    long low = 0, high = s->batch;
    while (low < high) {
        long middle = (low + high) / 2, rows = 0;
        for (long t = 0; t < s->steps; t++)
            rows += mg_smaller((long)s->batch_sizes[t], middle);
        if ((double)rows * parts < (double)s->rows * part)
            low = middle + 1;
        else
            high = middle;
    }
    return part == parts ? s->batch : low;
}

/* Work on one sequence shared by `parts` threads. A thread has a slice of the batch for all steps, so that threads meet
 * only at the ends; how many rows that must be at least follows from the panels, which every thread reads itself. */
typedef struct {
    const mg_sequence *s;
    MG_ELEMENT *panels;
    int parts;
} MG_NAME(shared_sequence);

static int MG_NAME(sequence_parts)(const mg_sequence *s)
{
    return mg_parts(s->threads, 2.0 * (double)s->rows * (double)mg_wide(s) * (double)s->hidden,
                    s->batch / MG_SEQUENCES_PER_THREAD);
}

/* Copying a weight counts as so many operations. */
#define MG_OPERATIONS_PER_COPY 16

static int MG_NAME(pack_parts)(const mg_sequence *s, long panels)
{
    return mg_parts(s->threads, (double)MG_OPERATIONS_PER_COPY * (double)mg_wide(s) * (double)s->hidden, panels);
}

static int MG_NAME(vectors)(const mg_sequence *s)
{
    return s->kind == MG_LSTM ? 4 : s->kind == MG_GRU ? 3 : 2;
}

static size_t MG_NAME(forward_scratch)(const mg_sequence *s)
{
    const int vectors = MG_NAME(vectors)(s);
    if (s->rows <= MG_FEW_ROWS)
        return (size_t)(s->batch * mg_wide(s)) * sizeof(MG_ELEMENT);
    return MG_NAME(packed_size)(s->hidden, s->hidden, vectors, vectors > 2) * sizeof(MG_ELEMENT);
}

static void MG_NAME(pack_forward)(void *context, int part)
{
    const MG_NAME(shared_sequence) *shared = context;
    const mg_sequence *s = shared->s;
    const int vectors = MG_NAME(vectors)(s), gated = vectors > 2;
    const long block = gated ? MG_LANES : vectors * MG_LANES, blocks = (s->hidden + block - 1) / block;
    MG_NAME(pack)(shared->panels, s->w_hh, NULL, s->hidden, s->hidden, 1, s->b_hh, s->hidden, s->hidden, vectors, gated,
                  mg_cut(blocks, part, shared->parts) * block,
                  mg_smaller(s->hidden, mg_cut(blocks, part + 1, shared->parts) * block));
}

static void MG_NAME(forward_part)(void *context, int part)
{
    const MG_NAME(shared_sequence) *shared = context;
    MG_NAME(sequences_forward)(shared->s, shared->panels, MG_NAME(first_sequence)(shared->s, part, shared->parts),
                               MG_NAME(first_sequence)(shared->s, part + 1, shared->parts));
}

static void MG_NAME(forward)(const mg_sequence *s, void *scratch)
{
    MG_NAME(shared_sequence) shared = {s, scratch, 1};
    if (s->rows > MG_FEW_ROWS) {
        shared.parts = MG_NAME(pack_parts)(s, s->hidden / (2 * MG_LANES));
        mg_parallel(MG_NAME(pack_forward), &shared, shared.parts);
        shared.parts = MG_NAME(sequence_parts)(s);
        mg_parallel(MG_NAME(forward_part), &shared, shared.parts);
    } else {
        MG_NAME(sequences_forward)(s, scratch, 0, s->batch);
    }
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
    MG_ELEMENT *d_b = (MG_ELEMENT *)s->d_b + row * wide;
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
            MG_STORE(d_b, i);
            MG_STORE(d_b + hidden, f);
            MG_STORE(d_b + 2 * hidden, g);
            MG_STORE(d_b + 3 * hidden, o);
            MG_STORE(dc, g_c);
        } else if (kind == MG_GRU) {
            MG_VALUE r = MG_LOAD(gates), z = MG_LOAD(gates + hidden), n = MG_LOAD(gates + 2 * hidden), d_n;
            MG_NAME(gru_backward)(&r, &z, &n, MG_LOAD((const MG_ELEMENT *)s->b_n + row * hidden), MG_LOAD(h), &g_h,
                                  &d_n);
            MG_STORE((MG_ELEMENT *)s->d_n + row * hidden, n);
            MG_STORE(d_b, r);
            MG_STORE(d_b + hidden, z);
            MG_STORE(d_b + 2 * hidden, d_n);
            MG_STORE(dh, g_h);
        } else {
            MG_VALUE y = MG_LOAD((const MG_ELEMENT *)s->h + row * hidden);
            MG_STORE(d_b, kind == MG_RNN_TANH ? MG_NAME(tanh_backward)(g_h, y) : MG_NAME(relu_backward)(g_h, y));
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

/* W_hh is packed in slices along its depth, which is the width of the gates. */
static void MG_NAME(sequences_backward)(const mg_sequence *s, const MG_ELEMENT *panels, long begin, long end)
{
    const long hidden = s->hidden, wide = mg_wide(s);
    const long slice = (long)MG_NAME(packed_size)(hidden, MG_DEPTH_AT_ONCE, 2, 0);
    MG_ELEMENT *dh = s->d_h0, *dc = s->d_c0;
    for (long i = 0; i < s->steps; i++) {
        long t = s->reverse ? i : s->steps - 1 - i;
        long row = (long)s->offsets[t], count = mg_smaller((long)s->batch_sizes[t], end);
        for (long b = begin; b < count; b++)
            MG_NAME(cell_backward)(s, row + b, MG_NAME(previous)(s, t, b, s->h, s->h0),
                                   s->c ? MG_NAME(previous)(s, t, b, s->c, s->c0) : NULL, dh + b * hidden,
                                   dc ? dc + b * hidden : NULL);
        if (count <= begin || (!s->initial && i == s->steps - 1))
            continue;
        for (long start = 0; start < wide; start += MG_DEPTH_AT_ONCE)
            MG_NAME(multiply_panels)(count - begin, hidden, mg_smaller(MG_DEPTH_AT_ONCE, wide - start),
                                     (const MG_ELEMENT *)s->d_b + (row + begin) * wide + start, wide, 0,
                                     panels + start / MG_DEPTH_AT_ONCE * slice, dh + begin * hidden, hidden,
                                     start > 0 || s->kind == MG_GRU);
    }
}

static size_t MG_NAME(backward_scratch)(const mg_sequence *s)
{
    const long slices = (mg_wide(s) + MG_DEPTH_AT_ONCE - 1) / MG_DEPTH_AT_ONCE;
    return (size_t)slices * MG_NAME(packed_size)(s->hidden, mg_smaller(mg_wide(s), MG_DEPTH_AT_ONCE), 2, 0) *
           sizeof(MG_ELEMENT);
}

static void MG_NAME(pack_backward)(void *context, int part)
{
    const MG_NAME(shared_sequence) *shared = context;
    const mg_sequence *s = shared->s;
    const long wide = mg_wide(s), slice = (long)MG_NAME(packed_size)(s->hidden, MG_DEPTH_AT_ONCE, 2, 0);
    const long slices = (wide + MG_DEPTH_AT_ONCE - 1) / MG_DEPTH_AT_ONCE, end = mg_cut(slices, part + 1, shared->parts);
    for (long i = mg_cut(slices, part, shared->parts); i < end; i++) {
        const long start = i * MG_DEPTH_AT_ONCE, depth = mg_smaller(MG_DEPTH_AT_ONCE, wide - start);
        MG_NAME(pack)(shared->panels + i * slice, (const MG_ELEMENT *)s->w_hh + start * s->hidden, NULL, depth,
                      s->hidden, 0, NULL, s->hidden, depth, 2, 0, 0, s->hidden);
    }
}

static void MG_NAME(backward_part)(void *context, int part)
{
    const MG_NAME(shared_sequence) *shared = context;
    MG_NAME(sequences_backward)(shared->s, shared->panels, MG_NAME(first_sequence)(shared->s, part, shared->parts),
                                MG_NAME(first_sequence)(shared->s, part + 1, shared->parts));
}

static void MG_NAME(backward)(const mg_sequence *s, void *scratch)
{
    MG_NAME(shared_sequence) shared = {s, scratch, 1};
    if (s->initial || s->steps > 1) {
        shared.parts = MG_NAME(pack_parts)(s, (mg_wide(s) + MG_DEPTH_AT_ONCE - 1) / MG_DEPTH_AT_ONCE);
        mg_parallel(MG_NAME(pack_backward), &shared, shared.parts);
    }
    shared.parts = MG_NAME(sequence_parts)(s);
    mg_parallel(MG_NAME(backward_part), &shared, shared.parts);
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

/* Rows [top, bottom) and columns [first, end) of a product, by one thread. */
static void MG_NAME(product_block)(const mg_product *p, long top, long bottom, long first, long end, void *panels)
{
    const MG_ELEMENT *a = (const MG_ELEMENT *)p->a + top * (p->a_transposed ? 1 : p->depth);
    const MG_ELEMENT *b = (const MG_ELEMENT *)p->b + first * (p->b_transposed ? p->depth : 1);
    const MG_ELEMENT *rest = p->split < p->depth ? (const MG_ELEMENT *)p->b_rest + first : NULL;
    const MG_ELEMENT *bias = p->bias ? (const MG_ELEMENT *)p->bias + first : NULL;
    MG_ELEMENT *c = (MG_ELEMENT *)p->c + top * p->width + first;
    const long b_stride = p->b_transposed ? p->depth : p->width, a_stride = p->a_transposed ? p->rows : p->depth;
    if (p->few) {
        MG_NAME(multiply_few)(bottom - top, end - first, p->depth, a, b, bias, c, p->width);
        return;
    }
    long start = 0;
    do {
        const long depth = mg_smaller(p->depth - start, MG_DEPTH_AT_ONCE);
        const long split = start < p->split ? p->split - start : 0;
        MG_NAME(pack)(panels, b + start * (p->b_transposed ? 1 : b_stride),
                      split < depth ? rest + (start + split - p->split) * b_stride : NULL, split, b_stride,
                      p->b_transposed, start ? NULL : bias, end - first, depth, 2, 0, 0, end - first);
        MG_NAME(multiply_panels)(bottom - top, end - first, depth, a + start * (p->a_transposed ? a_stride : 1),
                                 a_stride, p->a_transposed, panels, c, p->width, start > 0);
        start += depth;
    } while (start < p->depth);
}

static size_t MG_NAME(panel_bytes)(const mg_product *p, long width)
{
    return MG_NAME(packed_size)(width, mg_smaller(p->depth, MG_DEPTH_AT_ONCE), 2, 0) * sizeof(MG_ELEMENT);
}

/* Threads share a product by columns, each packing its own, if there are enough of them; else by rows, when all pack the
 * same. */
static size_t MG_NAME(product_plan)(mg_product *p, int threads)
{
    const long block = 2 * MG_LANES, panels = (p->width + block - 1) / block;
    const long tiles = (p->rows + MG_TILE_ROWS(2) - 1) / MG_TILE_ROWS(2);
    p->few = p->rows <= MG_FEW_ROWS && p->b_transposed && !p->a_transposed;
    p->parts = mg_parts(threads, 2.0 * (double)p->rows * (double)p->width * (double)p->depth,
                        panels > tiles ? panels : tiles);
    p->by_rows = !p->few && panels < MG_PANELS_PER_SHARE * p->parts && tiles > panels;
    if (p->few)
        p->parts = (int)mg_smaller(p->parts, panels);
    return (size_t)p->parts *
           MG_NAME(panel_bytes)(p, p->by_rows ? p->width : (panels + p->parts - 1) / p->parts * block);
}

static void MG_NAME(product_part)(void *context, int part)
{
    const mg_product *p = context;
    const long block = 2 * MG_LANES, panels = (p->width + block - 1) / block;
    const long most = MG_TILE_ROWS(2), tiles = (p->rows + most - 1) / most;
    if (p->by_rows)
        MG_NAME(product_block)(p, mg_cut(tiles, part, p->parts) * most,
                               mg_smaller(p->rows, mg_cut(tiles, part + 1, p->parts) * most), 0, p->width,
                               (char *)p->scratch + (size_t)part * MG_NAME(panel_bytes)(p, p->width));
    else
        MG_NAME(product_block)(p, 0, p->rows, mg_cut(panels, part, p->parts) * block,
                               mg_smaller(p->width, mg_cut(panels, part + 1, p->parts) * block),
                               (char *)p->scratch + (size_t)part *
                               MG_NAME(panel_bytes)(p, (panels + p->parts - 1) / p->parts * block));
}

static void MG_NAME(product)(mg_product *p, void *scratch)
{
    p->scratch = scratch;
    mg_parallel(MG_NAME(product_part), p, p->parts);
}

typedef struct {
    long rows, width;
    const MG_ELEMENT *a;
    MG_ELEMENT *to;
    int parts;
} MG_NAME(shared_sum);

/* Four vectors of columns at a time, which is a whole cache line or several of each row. */
static void MG_NAME(sum_rows_part)(void *context, int part)
{
    const MG_NAME(shared_sum) *sum = context;
    const long block = 4 * MG_LANES, blocks = (sum->width + block - 1) / block;
    const long end = mg_smaller(sum->width, mg_cut(blocks, part + 1, sum->parts) * block);
    for (long first = mg_cut(blocks, part, sum->parts) * block; first < end; first += block) {
        const MG_ELEMENT *from = sum->a + first;
        const long left = sum->width - first;
        MG_VALUE total[4] = {{0}};
        if (left >= block)
            for (long i = 0; i < sum->rows; i++, from += sum->width)
                for (int v = 0; v < 4; v++)
                    total[v] += MG_NAME(load)(from + v * MG_LANES);
        else
            for (long i = 0; i < sum->rows; i++, from += sum->width)
                for (int v = 0; v < 4 && v * MG_LANES < left; v++)
                    total[v] += MG_NAME(load_upto)(from + v * MG_LANES, left - v * MG_LANES);
        for (int v = 0; v < 4 && v * MG_LANES < left; v++)
            MG_NAME(store_upto)(sum->to + first + v * MG_LANES, total[v], left - v * MG_LANES);
    }
}

/* Reading an element counts as so many operations. */
#define MG_OPERATIONS_PER_READ 16

static void MG_NAME(sum_rows)(long rows, long width, const void *a, void *to, int threads)
{
    MG_NAME(shared_sum) sum = {rows, width, a, to, 1};
    sum.parts = mg_parts(threads, (double)MG_OPERATIONS_PER_READ * (double)rows * (double)width,
                         width / (4 * MG_LANES));
    mg_parallel(MG_NAME(sum_rows_part), &sum, sum.parts);
}
