/* Back through time: a cell, all steps, and what the weight gradients need. Included by recurrent_loops.h for each
 * element type. */

/* Derivatives of the cell of one row; `dh` and `dc` are that sequence's rows of the running gradients, `d_step`
 * (GRU) its row of the gradient of the recurrent side. */
MG_FN void MG_NAME(cell_backward)(const mg_sequence *s, long row, const MG_ELEMENT *h, const MG_ELEMENT *c,
                                  MG_ELEMENT *dh, MG_ELEMENT *dc, MG_ELEMENT *d_step)
{
    const int kind = s->kind;
    const long hidden = s->hidden;
    const MG_ELEMENT *gates = s->gates ? (const MG_ELEMENT *)s->gates + row * s->stride : NULL;
    const MG_ELEMENT *d_h = s->d_h ? (const MG_ELEMENT *)s->d_h + row * s->apart : NULL;
    MG_ELEMENT *d_b = (MG_ELEMENT *)s->d_b + (row - s->base) * s->stride;
    for (long unit = 0; unit < hidden; unit += MG_LANES) {
        const long left = hidden - unit;
        /* What the next row of this step will need was written in the forward pass, long ago. */
        if (gates) {
            for (int gate = 0; gate < (kind == MG_LSTM ? 4 : 3); gate++)
                __builtin_prefetch(gates + s->stride + gate * hidden + unit);
            __builtin_prefetch(c ? c + hidden + unit : (const MG_ELEMENT *)s->b_n + (row + 1) * hidden + unit);
        }
        if (d_h)
            __builtin_prefetch(d_h + s->apart + unit);
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
            MG_STORE(d_b, r);
            MG_STORE(d_b + hidden, z);
            MG_STORE(d_b + 2 * hidden, n);
            MG_STORE(d_step, r);
            MG_STORE(d_step + hidden, z);
            MG_STORE(d_step + 2 * hidden, d_n);
            MG_STORE(dh, g_h);
        } else {
            MG_VALUE y = MG_LOAD((const MG_ELEMENT *)s->h + row * s->apart);
            MG_STORE(d_b, kind == MG_RNN_TANH ? MG_NAME(tanh_backward)(g_h, y) : MG_NAME(relu_backward)(g_h, y));
        }
#undef MG_LOAD
#undef MG_STORE
    }
}

/* Where the state of sequence b before step t lies: in the rows of the step next to it, `stride` apart, or among the
 * initial states. */
MG_FN const MG_ELEMENT *MG_NAME(previous)(const mg_sequence *s, long t, long b, const void *states, long stride,
                                          const void *initial)
{
    long neighbour = s->reverse ? t + 1 : t - 1;
    if (neighbour < 0 || neighbour >= s->steps || b >= s->batch_sizes[neighbour])
        return (const MG_ELEMENT *)initial + b * s->hidden;
    return (const MG_ELEMENT *)states + (s->offsets[neighbour] + b) * stride;
}

/* Whether steps have so few rows that W_hh is read where it lies each time. */
static int MG_NAME(never_packs)(const mg_sequence *s)
{
    return s->batch <= MG_WIDE_ROWS && s->hidden >= MG_LANES;
}

/* Whether W_hh is read the other way in every other step, so that a step finds in the first-level cache what the one
 * before read last. A larger one is fetched ahead better in order. */
#define MG_TURNED_BYTES (128 * 1024)

static int MG_NAME(turns)(const mg_sequence *s)
{
    return mg_wide(s) * s->hidden * (long)sizeof(MG_ELEMENT) <= MG_TURNED_BYTES;
}

/* W_hh is packed in slices along its depth, which is the width of the gates. After them in the scratch, GRU has a
 * step's rows of the gradient of the recurrent side. */
static size_t MG_NAME(backward_panels)(const mg_sequence *s)
{
    if (MG_NAME(never_packs)(s))
        return 0;
    const long slices = (mg_wide(s) + MG_DEPTH_AT_ONCE - 1) / MG_DEPTH_AT_ONCE;
    return (size_t)slices * MG_NAME(packed_size)(s->hidden, mg_smaller(mg_wide(s), MG_DEPTH_AT_ONCE), 2, 0);
}

/* Elements of scratch for one sequence. */
static size_t MG_NAME(backward_each)(const mg_sequence *s)
{
    const size_t step = s->kind == MG_GRU ? (size_t)(s->batch * s->stride) : 0, line = MG_VECTOR_BYTES;
    return MG_NAME(backward_panels)(s) + (step + line - 1) / line * line;
}

static size_t MG_NAME(backward_scratch)(const mg_sequence *s, int count)
{
    return (size_t)count * MG_NAME(backward_each)(s) * sizeof(MG_ELEMENT);
}

static void MG_NAME(sequences_backward)(const mg_sequence *s, MG_ELEMENT *scratch, long begin, long end)
{
    const long hidden = s->hidden, wide = mg_wide(s), stride = s->stride;
    const long slice = (long)MG_NAME(packed_size)(hidden, MG_DEPTH_AT_ONCE, 2, 0);
    MG_ELEMENT *dh = s->d_h0, *dc = s->d_c0;
    MG_ELEMENT *step = s->kind == MG_GRU ? scratch + MG_NAME(backward_panels)(s) : NULL;
    const MG_ELEMENT *w_hh = MG_IN_PLACE(s->rows, s->batch, hidden) ? s->w_hh : NULL;
    const int turns = MG_NAME(turns)(s), far = MG_NAME(far)(s);
    for (long i = s->until - 1; i >= s->done; i--) {
        long t = s->reverse ? s->steps - 1 - i : i;
        long row = (long)s->offsets[t], count = mg_smaller((long)s->batch_sizes[t], end);
        const MG_ELEMENT *d_b = step ? step : (const MG_ELEMENT *)s->d_b + (row - s->base) * stride;
        for (long b = begin; b < count; b++)
            MG_NAME(cell_backward)(s, row + b, MG_NAME(previous)(s, t, b, s->h, s->apart, s->h0),
                                   s->c ? MG_NAME(previous)(s, t, b, s->c, hidden, s->c0) : NULL, dh + b * hidden,
                                   dc ? dc + b * hidden : NULL, step ? step + b * stride : NULL);
        if (count <= begin || (!s->initial && i == 0))
            continue;
        if (MG_NAME(never_packs)(s)) {
            MG_NAME(multiply_wide)(count - begin, hidden, wide, turns && i % 2, d_b + begin * stride, stride, s->w_hh,
                                   hidden, dh + begin * hidden, hidden, s->kind == MG_GRU);
            continue;
        }
        for (long start = 0; start < wide; start += MG_DEPTH_AT_ONCE)
            MG_NAME(multiply_panels)(count - begin, hidden, mg_smaller(MG_DEPTH_AT_ONCE, wide - start),
                                     d_b + begin * stride + start, stride, 0,
                                     scratch + start / MG_DEPTH_AT_ONCE * slice, far,
                                     w_hh ? w_hh + start * hidden : NULL, hidden, dh + begin * hidden, hidden,
                                     start > 0 || s->kind == MG_GRU);
    }
}

static void MG_NAME(pack_backward)(void *context, int part)
{
    const MG_NAME(shared_sequence) *shared = context;
    const mg_sequence *s = shared->s + part / shared->parts;
    MG_ELEMENT *panels = shared->scratch + (size_t)(part / shared->parts) * shared->each;
    const long wide = mg_wide(s), slice = (long)MG_NAME(packed_size)(s->hidden, MG_DEPTH_AT_ONCE, 2, 0);
    const long slices = (wide + MG_DEPTH_AT_ONCE - 1) / MG_DEPTH_AT_ONCE;
    part %= shared->parts;
    for (long i = mg_cut(slices, part, shared->parts); i < mg_cut(slices, part + 1, shared->parts); i++) {
        const long start = i * MG_DEPTH_AT_ONCE, depth = mg_smaller(MG_DEPTH_AT_ONCE, wide - start);
        const MG_NAME(operand) operand = {
            .matrix = (const MG_ELEMENT *)s->w_hh + start * s->hidden, .stride = s->hidden, .width = s->hidden,
            .depth = depth, .split = depth, .vectors = 2, .narrow = 1,
        };
        const long whole = s->hidden / (2 * MG_LANES) * (2 * MG_LANES);
        MG_NAME(pack)(panels + i * slice, &operand, MG_IN_PLACE(s->rows, s->batch, s->hidden) ? whole : 0, s->hidden);
    }
}

static void MG_NAME(backward_part)(void *context, int part)
{
    const MG_NAME(shared_sequence) *shared = context;
    const mg_sequence *s = shared->s + part / shared->parts;
    MG_ELEMENT *scratch = shared->scratch + (size_t)(part / shared->parts) * shared->each;
    part %= shared->parts;
    MG_NAME(sequences_backward)(s, scratch, MG_NAME(first_sequence)(s, part, shared->parts),
                                MG_NAME(first_sequence)(s, part + 1, shared->parts));
}

static void MG_NAME(prepare_backward)(const mg_sequence *s, int count, void *scratch)
{
    MG_NAME(shared_sequence) shared = {s, count, 1, scratch, MG_NAME(backward_each)(s)};
    if (!MG_NAME(never_packs)(s) && (s->initial || s->steps > 1))
        MG_NAME(share)(&shared, MG_NAME(pack_backward),
                       MG_NAME(pack_threads)(s, count, (mg_wide(s) + MG_DEPTH_AT_ONCE - 1) / MG_DEPTH_AT_ONCE));
}

static void MG_NAME(backward)(const mg_sequence *s, int count, void *scratch)
{
    MG_NAME(shared_sequence) shared = {s, count, 1, scratch, MG_NAME(backward_each)(s)};
    MG_NAME(share)(&shared, MG_NAME(backward_part), MG_NAME(sequence_threads)(s, count));
}

static void MG_NAME(turn_to_recurrent_side)(const mg_sequence *s)
{
    const long hidden = s->hidden, end = mg_last_row(s);
    for (long row = mg_first_row(s); row < end && s->kind == MG_GRU; row++) {
        const MG_ELEMENT *r = (const MG_ELEMENT *)s->gates + row * s->stride;
        MG_ELEMENT *n = (MG_ELEMENT *)s->d_b + (row - s->base) * s->stride + 2 * hidden;
        for (long unit = 0; unit < hidden; unit += MG_LANES) {
            const long left = hidden - unit;
            const MG_VALUE product = MG_NAME(load_upto)(n + unit, left) * MG_NAME(load_upto)(r + unit, left);
            MG_NAME(store_upto)(n + unit, product, left);
        }
    }
}

static int MG_NAME(finite)(long rows, long width, const void *a, long stride)
{
    MG_VALUE zero = {0}, sum = zero;
    MG_ELEMENT total = 0;
    for (long row = 0; row < rows; row++)
        for (long i = 0; i < width; i += MG_LANES)
            sum += MG_NAME(load_upto)((const MG_ELEMENT *)a + row * stride + i, width - i) * zero;
    for (long lane = 0; lane < MG_LANES; lane++)
        total += sum[lane];
    return total == 0;
}

static void MG_NAME(gather_previous)(const mg_sequence *s, void *to)
{
    MG_ELEMENT *out = to;
    const long first = s->reverse ? s->steps - s->until : s->done;
    for (long t = first; t < first + s->until - s->done; t++)
        for (long b = 0; b < s->batch_sizes[t]; b++) {
            memcpy(out, MG_NAME(previous)(s, t, b, s->h, s->apart, s->h0), (size_t)s->hidden * sizeof(MG_ELEMENT));
            out += s->hidden;
        }
}
