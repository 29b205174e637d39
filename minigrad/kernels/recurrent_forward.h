/* Forward through time: a cell, a step, all steps. Included by recurrent_loops.h for each element type. */

/* The recurrent sides of some units of `count` rows: gate g of row i begins at sums[i * row_step + g * gate_step]. */
typedef struct {
    const MG_ELEMENT *sums;
    long row_step, gate_step, count;
} MG_NAME(tile);

/* The cells of a tile, whose rows begin with `row` and whose units with `unit`; `h`, `c` and `c_out` are as in
 * step_forward, at the tile's first row. */
MG_FN void MG_NAME(cells_forward)(const mg_sequence *s, const MG_NAME(tile) *tile, long row, long unit,
                                  const MG_ELEMENT *h, long h_stride, const MG_ELEMENT *c, MG_ELEMENT *c_out)
{
    const int kind = s->kind;
    const long hidden = s->hidden, left = hidden - unit, stride = s->stride;
    const MG_ELEMENT *gx = (const MG_ELEMENT *)s->gx + (row - s->base) * stride + unit, *sums = tile->sums;
    MG_ELEMENT *gates = s->gates ? (MG_ELEMENT *)s->gates + row * stride + unit : NULL;
    MG_ELEMENT *h_out = (MG_ELEMENT *)s->h + row * s->apart + unit;
    MG_VALUE first[MG_TILE_MOST_ROWS], second[MG_TILE_MOST_ROWS];
#define MG_LOAD(from) MG_NAME(load_upto)(from, left)
#define MG_STORE(to, x) MG_NAME(store_upto)(to, x, left)
#define MG_SUM(gate) MG_LOAD(sums + i * tile->row_step + (gate) * tile->gate_step)
#define MG_GX(gate) MG_LOAD(gx + i * stride + (gate) * hidden)
    if (kind == MG_LSTM) {
        for (long i = 0; i < tile->count; i++) {
            MG_VALUE input = MG_SUM(0) + MG_GX(0), forget = MG_SUM(1) + MG_GX(1);
            MG_VALUE g = MG_SUM(2) + MG_GX(2), o = MG_SUM(3) + MG_GX(3), state = MG_LOAD(c + i * hidden + unit);
            MG_NAME(lstm_state)(&input, &forget, &g, &o, &state);
            if (gates) {
                MG_STORE(gates + i * stride, input);
                MG_STORE(gates + i * stride + hidden, forget);
                MG_STORE(gates + i * stride + 2 * hidden, g);
                MG_STORE(gates + i * stride + 3 * hidden, o);
            }
            MG_STORE(c_out + i * hidden + unit, state);
            first[i] = o;
            second[i] = state;
        }
        for (long i = 0; i < tile->count; i++)
            MG_STORE(h_out + i * s->apart, MG_NAME(lstm_output)(first[i], second[i]));
    } else if (kind == MG_GRU) {
        for (long i = 0; i < tile->count; i++) {
            first[i] = MG_SUM(0) + MG_GX(0);
            second[i] = MG_SUM(1) + MG_GX(1);
            MG_NAME(gru_gates)(&first[i], &second[i]);
        }
        for (long i = 0; i < tile->count; i++) {
            MG_VALUE n = MG_GX(2), b_n = MG_SUM(2);
            MG_VALUE out = MG_NAME(gru_output)(first[i], second[i], &n, b_n, MG_LOAD(h + i * h_stride + unit));
            if (gates) {
                MG_STORE(gates + i * stride, first[i]);
                MG_STORE(gates + i * stride + hidden, second[i]);
                MG_STORE(gates + i * stride + 2 * hidden, n);
                MG_STORE((MG_ELEMENT *)s->b_n + (row + i) * hidden + unit, b_n);
            }
            MG_STORE(h_out + i * s->apart, out);
        }
    } else {
        for (long i = 0; i < tile->count; i++)
            for (long v = 0; v < 2 && left > v * MG_LANES; v++) {
                const long rest = left - v * MG_LANES;
                MG_VALUE a = MG_NAME(load_upto)(sums + i * tile->row_step + v * tile->gate_step, rest) +
                             MG_NAME(load_upto)(gx + i * stride + v * MG_LANES, rest);
                a = kind == MG_RNN_TANH ? MG_NAME(tanh)(a) : MG_NAME(relu)(a);
                MG_NAME(store_upto)(h_out + i * s->apart + v * MG_LANES, a, rest);
            }
    }
#undef MG_LOAD
#undef MG_STORE
#undef MG_SUM
#undef MG_GX
}

/* The cells of `count` rows from `row` on; `h`, its rows `h_stride` apart, and `c` are the states before, `c_out`
 * may be `c` itself. Units come in order or `backwards`, in turns, so that a step finds in the caches the panels that
 * the one before used last. If `at_rest`, h is zeros, whose product with W_hh the panels start from anyway. W_hh is
 * used from `panels`, or, if there are so few rows that it was not packed, from where it lies; `panels` is then
 * scratch. */
static void MG_NAME(step_forward)(const mg_sequence *s, MG_ELEMENT *panels, long row, long count, const MG_ELEMENT *h,
                                  long h_stride, const MG_ELEMENT *c, MG_ELEMENT *c_out, int backwards,
                                  int at_rest)
{
    const long hidden = s->hidden, wide = mg_wide(s), depth = at_rest ? 0 : hidden;
    const int gates = MG_NAME(vectors)(s), gated = gates > 2, packed = s->rows > MG_FEW_ROWS, far = MG_NAME(far)(s);
    const long block = gated ? MG_LANES : 2 * MG_LANES;
    MG_ELEMENT sums[MG_TILE_SUMS * MG_LANES] __attribute__((aligned(MG_VECTOR_BYTES)));
    if (!packed)
        MG_NAME(multiply_few)(count, wide, hidden, h, h_stride, s->w_hh, hidden, s->b_hh, panels, wide, 0);
    const long blocks = (hidden + block - 1) / block;
    for (long k = 0; k < blocks; k++) {
        const long unit = (backwards ? blocks - 1 - k : k) * block, left = hidden - unit;
        const long panel_size = (gated ? gates : 2) * MG_LANES * (hidden + 1);
        const MG_ELEMENT *panel = panels + unit / block * panel_size;
        const int vectors = gated ? MG_NAME(gated_vectors)(left, gates) : left <= MG_LANES ? 1 : 2;
        const long tiles = (count + MG_TILE_ROWS(vectors) - 1) / MG_TILE_ROWS(vectors);
        const long ahead_step = mg_smaller((vectors * MG_LANES + tiles - 1) / tiles, MG_LANES);
        for (long i = 0, first = 0, next; i < tiles; i++, first = next) {
            next = mg_cut(count, (int)i + 1, (int)tiles);
            const MG_ELEMENT *ahead = NULL;
            if (far && k + 1 < blocks)
                ahead = panel + (backwards ? -panel_size : panel_size) + i * depth * ahead_step;
            const MG_ELEMENT *h_tile = h + first * h_stride;
            MG_NAME(tile) tile = {sums, vectors * MG_LANES, vectors < gates && gated ? left : MG_LANES,
                                  next - first};
            /* The input sides of the cells are on their way while the tile is summed. With narrow vectors that pays
             * for an LSTM alone, whose tiles take longest. */
            const MG_ELEMENT *gx = (const MG_ELEMENT *)s->gx + (row - s->base) * s->stride + unit;
            for (long r = first; r < next && tiles > 1 && (MG_VECTOR_BYTES == 64 || vectors == 4); r++)
                for (int gate = 0; gate < gates; gate++)
                    __builtin_prefetch(gx + r * s->stride + gate * (gated ? hidden : MG_LANES));
            if (!packed) {
                tile.sums = panels + first * wide + unit;
                tile.row_step = wide;
                tile.gate_step = gated ? hidden : MG_LANES;
            } else if (vectors == 4) {
                MG_NAME(sum_rows_4)(tile.count, depth, h_tile, h_stride, panel, ahead, ahead_step, sums,
                                    4 * MG_LANES, 0);
            } else if (vectors == 3) {
                MG_NAME(sum_rows_3)(tile.count, depth, h_tile, h_stride, panel, ahead, ahead_step, sums,
                                    3 * MG_LANES, 0);
            } else if (vectors == 2) {
                MG_NAME(sum_rows_2)(tile.count, depth, h_tile, h_stride, panel, ahead, ahead_step, sums,
                                    2 * MG_LANES, 0);
            } else {
                MG_NAME(sum_rows_1)(tile.count, depth, h_tile, h_stride, panel, ahead, ahead_step, sums,
                                    MG_LANES, 0);
            }
            MG_NAME(cells_forward)(s, &tile, row + first, unit, h_tile, h_stride, c ? c + first * hidden : NULL,
                                   c ? c_out + first * hidden : NULL);
        }
    }
}

/* Sequences [begin, end) through the steps. Those alive in the step before continue from its rows, the others start. If
 * nothing is saved for backward, the cell states live in cn, where they are to end. */
static void MG_NAME(sequences_forward)(const mg_sequence *s, MG_ELEMENT *panels, long begin, long end)
{
    const long hidden = s->hidden, apart = s->apart;
    const MG_ELEMENT *h = s->h, *h0 = s->h0, *c0 = s->c0;
    MG_ELEMENT *hn = s->hn, *cn = s->cn, *c = s->c;
    long alive = 0, before = 0;
    if (s->done > 0) {
        const long t = s->reverse ? s->steps - s->done : s->done - 1;
        alive = mg_smaller((long)s->batch_sizes[t], end);
        before = (long)s->offsets[t];
    } else if (cn && !c && end > begin) {
        memcpy(cn + begin * hidden, c0 + begin * hidden, (size_t)((end - begin) * hidden) * sizeof(MG_ELEMENT));
    }
    for (long i = s->done; i < s->until; i++) {
        long t = s->reverse ? s->steps - 1 - i : i;
        long row = (long)s->offsets[t], count = mg_smaller((long)s->batch_sizes[t], end);
        long carried = mg_smaller(count, alive);
        long started = carried > begin ? carried : begin;
        MG_ELEMENT *c_out = c ? c + row * hidden : cn;
        if (carried > begin)
            MG_NAME(step_forward)(s, panels, row + begin, carried - begin, h + (before + begin) * apart, apart,
                                  c ? c + (before + begin) * hidden : cn ? cn + begin * hidden : NULL,
                                  c_out ? c_out + begin * hidden : NULL, i % 2, 0);
        if (count > started)
            MG_NAME(step_forward)(s, panels, row + started, count - started, h0 + started * hidden, hidden,
                                  c ? c0 + started * hidden : cn ? cn + started * hidden : NULL,
                                  c_out ? c_out + started * hidden : NULL, i % 2, s->at_rest);
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
    const MG_NAME(operand) operand = {
        .matrix = s->w_hh, .stride = s->hidden, .transposed = 1, .bias = s->b_hh, .width = s->hidden,
        .depth = s->hidden, .split = s->hidden, .vectors = vectors, .gated = gated, .at_rest = s->at_rest,
    };
    MG_NAME(pack)(panels, &operand, mg_cut(blocks, part, shared->parts) * block,
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

static void MG_NAME(prepare_forward)(const mg_sequence *s, int count, void *scratch)
{
    MG_NAME(shared_sequence) shared = {s, count, 1, scratch, MG_NAME(forward_each)(s)};
    if (s->rows > MG_FEW_ROWS)
        MG_NAME(share)(&shared, MG_NAME(pack_forward), MG_NAME(pack_threads)(s, count, s->hidden / (2 * MG_LANES)));
}

static void MG_NAME(forward)(const mg_sequence *s, int count, void *scratch)
{
    MG_NAME(shared_sequence) shared = {s, count, 1, scratch, MG_NAME(forward_each)(s)};
    MG_NAME(share)(&shared, MG_NAME(forward_part), s->rows > MG_FEW_ROWS ? MG_NAME(sequence_threads)(s, count) : 1);
}
