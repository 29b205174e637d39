/* Forward through time: a cell, a step, all steps. Included by recurrent_loops.h for each element type. */

/* One cell: `sums` are the recurrent sides, of its unit block, for one row. */
MG_FN void MG_NAME(cell_forward)(const mg_sequence *s, long row, const MG_ELEMENT *h, const MG_ELEMENT *c, long unit,
                                 MG_ELEMENT *c_out, const MG_VALUE *sums)
{
    const int kind = s->kind;
    const long hidden = s->hidden, left = hidden - unit;
    const long wide = mg_wide(s);
    const MG_ELEMENT *gx = (const MG_ELEMENT *)s->gx + row * wide + unit;
    MG_ELEMENT *gates = s->gates ? (MG_ELEMENT *)s->gates + row * wide + unit : NULL;
    MG_ELEMENT *h_out = (MG_ELEMENT *)s->h + row * s->apart + unit;
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

/* The cells of `count` rows from `row` on; `h`, its rows `h_stride` apart, and `c` are the states before, `c_out` may be
 * `c` itself. W_hh is used from `panels`, or, if there are so few rows that it was not packed, from where it lies;
 * `panels` is then scratch. */
static void MG_NAME(step_forward)(const mg_sequence *s, MG_ELEMENT *panels, long row, long count, const MG_ELEMENT *h,
                                  long h_stride, const MG_ELEMENT *c, MG_ELEMENT *c_out)
{
    const long hidden = s->hidden;
    const int vectors = s->kind == MG_LSTM ? 4 : s->kind == MG_GRU ? 3 : 2;
    const long apart = vectors == 2 ? MG_LANES : hidden;
    const long block = vectors == 2 ? 2 * MG_LANES : MG_LANES;
    const int packed = s->rows > MG_FEW_ROWS;
    const long most = packed ? MG_TILE_ROWS(vectors) : 1;
    MG_VALUE sums[MG_TILE_SUMS];
    if (!packed)
        MG_NAME(multiply_few)(count, mg_wide(s), hidden, h, h_stride, s->w_hh, s->b_hh, panels, mg_wide(s));
    for (long unit = 0; unit < hidden; unit += block) {
        const int narrow = vectors == 2 && hidden - unit <= MG_LANES;
        for (long first = 0; first < count; first += most) {
            long tile = mg_smaller(most, count - first);
            const MG_ELEMENT *h_tile = h + first * h_stride;
            if (!packed)
                for (int v = 0; v < vectors && (vectors > 2 || unit + v * apart < hidden); v++)
                    sums[v] = MG_NAME(load_upto)(panels + first * mg_wide(s) + v * apart + unit,
                                                 hidden - unit - (vectors == 2 ? v * apart : 0));
            else if (vectors == 4)
                MG_NAME(sum_rows_4)(tile, hidden, h_tile, h_stride, panels, sums);
            else if (vectors == 3)
                MG_NAME(sum_rows_3)(tile, hidden, h_tile, h_stride, panels, sums);
            else if (narrow)
                MG_NAME(sum_rows_1)(tile, hidden, h_tile, h_stride, panels, sums);
            else
                MG_NAME(sum_rows_2)(tile, hidden, h_tile, h_stride, panels, sums);
            for (long i = 0; i < tile; i++)
                MG_NAME(cell_forward)(s, row + first + i, h_tile + i * h_stride, c ? c + (first + i) * hidden : NULL,
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
    const long hidden = s->hidden, apart = s->apart;
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
            MG_NAME(step_forward)(s, panels, row + begin, carried - begin, h + (before + begin) * apart, apart,
                                  c ? c + (before + begin) * hidden : cn ? cn + begin * hidden : NULL,
                                  c_out ? c_out + begin * hidden : NULL);
        if (count > started)
            MG_NAME(step_forward)(s, panels, row + started, count - started, h0 + started * hidden, hidden,
                                  c ? c0 + started * hidden : cn ? cn + started * hidden : NULL,
                                  c_out ? c_out + started * hidden : NULL);
        long last = s->reverse ? (i == s->steps - 1 ? 0 : count) : i == s->steps - 1 ? 0 : (long)s->batch_sizes[t + 1];
        last = last > begin ? last : begin;
        if (count > last) {
            for (long b = last; b < count; b++)
                memcpy(hn + b * hidden, h + (row + b) * apart, (size_t)hidden * sizeof(MG_ELEMENT));
            if (c)
                memcpy(cn + last * hidden, c + (row + last) * hidden,
                       (size_t)((count - last) * hidden) * sizeof(MG_ELEMENT));
        }
        alive = count;
        before = row;
    }
}

/* Elements of scratch for one sequence. */
static size_t MG_NAME(forward_each)(const mg_sequence *s)
{
    const int vectors = MG_NAME(vectors)(s);
    if (s->rows <= MG_FEW_ROWS)
        return (size_t)(s->batch * mg_wide(s));
    return MG_NAME(packed_size)(s->hidden, s->hidden, vectors, vectors > 2);
}

static size_t MG_NAME(forward_scratch)(const mg_sequence *s, int count)
{
    return (size_t)count * MG_NAME(forward_each)(s) * sizeof(MG_ELEMENT);
}

static void MG_NAME(pack_forward)(void *context, int part)
{
    const MG_NAME(shared_sequence) *shared = context;
    const mg_sequence *s = shared->s + part / shared->parts;
    MG_ELEMENT *panels = shared->scratch + (size_t)(part / shared->parts) * shared->each;
    const int vectors = MG_NAME(vectors)(s), gated = vectors > 2;
    const long block = gated ? MG_LANES : vectors * MG_LANES, blocks = (s->hidden + block - 1) / block;
    part %= shared->parts;
    MG_NAME(pack)(panels, s->w_hh, s->hidden, NULL, s->hidden, 0, 1, s->b_hh, s->hidden, s->hidden, vectors, gated,
                  mg_cut(blocks, part, shared->parts) * block,
                  mg_smaller(s->hidden, mg_cut(blocks, part + 1, shared->parts) * block));
}

static void MG_NAME(forward_part)(void *context, int part)
{
    const MG_NAME(shared_sequence) *shared = context;
    const mg_sequence *s = shared->s + part / shared->parts;
    MG_ELEMENT *panels = shared->scratch + (size_t)(part / shared->parts) * shared->each;
    part %= shared->parts;
    MG_NAME(sequences_forward)(s, panels, MG_NAME(first_sequence)(s, part, shared->parts),
                               MG_NAME(first_sequence)(s, part + 1, shared->parts));
}

static void MG_NAME(forward)(const mg_sequence *s, int count, void *scratch)
{
    MG_NAME(shared_sequence) shared = {s, count, 1, scratch, MG_NAME(forward_each)(s)};
    if (s->rows > MG_FEW_ROWS) {
        MG_NAME(share)(&shared, MG_NAME(pack_forward), MG_NAME(pack_threads)(s, count, s->hidden / (2 * MG_LANES)));
        MG_NAME(share)(&shared, MG_NAME(forward_part), MG_NAME(sequence_threads)(s, count));
    } else {
        MG_NAME(share)(&shared, MG_NAME(forward_part), 1);
    }
}
