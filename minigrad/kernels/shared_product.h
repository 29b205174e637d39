/* Whole products and sums, shared by threads. Included by recurrent_loops.h for each element type. */

/* A product is shared by columns if every thread gets at least so many panels. */
#define MG_PANELS_PER_SHARE 4

/* Rows [top, bottom) and columns [first, end) of a product, by one thread. */
static void MG_NAME(product_block)(const mg_product *p, long top, long bottom, long first, long end,
                                   MG_ELEMENT *panels)
{
    const long a_stride = p->a_step;
    const MG_ELEMENT *a = (const MG_ELEMENT *)p->a + top * (p->a_transposed ? 1 : a_stride);
    const MG_ELEMENT *b = (const MG_ELEMENT *)p->b + first * (p->b_transposed ? p->b_step : 1);
    const MG_ELEMENT *rest = p->split < p->depth ? (const MG_ELEMENT *)p->b_rest + first : NULL;
    const MG_ELEMENT *bias = p->bias ? (const MG_ELEMENT *)p->bias + first : NULL;
    MG_ELEMENT *c = (MG_ELEMENT *)p->c + top * p->c_step + first;
    if (p->few) {
        MG_NAME(multiply_few)(bottom - top, end - first, p->depth, a, a_stride, b, p->b_step, bias, c, p->c_step,
                              p->accumulate);
        return;
    }
    const long whole = (end - first) / (2 * MG_LANES) * (2 * MG_LANES);
    const int in_place = !p->keep && !p->a_transposed && !p->b_transposed && !bias && !rest &&
                         MG_IN_PLACE(bottom - top, bottom - top, p->b_step);
    long start = 0;
    do {
        const long depth = mg_smaller(p->depth - start, MG_DEPTH_AT_ONCE);
        const long split = start < p->split ? p->split - start : 0;
        const MG_NAME(operand) operand = {
            .matrix = b + start * (p->b_transposed ? 1 : p->b_step), .stride = p->b_step, .transposed = p->b_transposed,
            .rest = split < depth ? rest + (start + split - p->split) * p->rest_step : NULL,
            .rest_stride = p->rest_step,
            .bias = start ? NULL : bias, .width = end - first, .depth = depth, .split = split, .vectors = 2,
            .narrow = !p->a_transposed,
        };
        if (!p->kept)
            MG_NAME(pack)(panels, &operand, in_place ? whole : 0, end - first);
        MG_NAME(multiply_panels)(bottom - top, end - first, depth, a + start * (p->a_transposed ? a_stride : 1),
                                 a_stride, p->a_transposed, panels, 0, in_place ? operand.matrix : NULL, p->b_step, c,
                                 p->c_step, start > 0 || p->accumulate);
        start += depth;
        if (p->keep)
            panels += MG_NAME(packed_size)(end - first, depth, 2, 0);
    } while (start < p->depth);
}

/* The panels of `width` columns, of a slice along the depth or of all slices if they are kept. */
static size_t MG_NAME(panel_bytes)(const mg_product *p, long width)
{
    const long slices = p->keep ? p->depth / MG_DEPTH_AT_ONCE : 0, rest = p->depth - slices * MG_DEPTH_AT_ONCE;
    const size_t whole = MG_NAME(packed_size)(width, MG_DEPTH_AT_ONCE, 2, 0);
    return ((size_t)slices * whole + MG_NAME(packed_size)(width, mg_smaller(rest, MG_DEPTH_AT_ONCE), 2, 0)) *
           sizeof(MG_ELEMENT);
}

/* What each thread but the first that share a product by depth makes has a place of its own. */
static size_t MG_NAME(result_bytes)(const mg_product *p)
{
    const size_t bytes = (size_t)(p->rows * p->width) * sizeof(MG_ELEMENT);
    return (bytes + MG_VECTOR_BYTES - 1) / MG_VECTOR_BYTES * MG_VECTOR_BYTES;
}

static MG_ELEMENT *MG_NAME(partial_result)(const mg_product *p, int part)
{
    return (MG_ELEMENT *)((char *)p->scratch + (size_t)p->parts * MG_NAME(panel_bytes)(p, p->width) +
                          (size_t)(part - 1) * MG_NAME(result_bytes)(p));
}

/* Threads share a product by columns, each packing its own, if there are enough of them; or by rows, when all pack the
 * same; or, if it is deep and small as the gradient of a small weight is, by depth, when nothing is done twice, and
 * what the others than the first have made is added at the end. */
static size_t MG_NAME(product_plan)(mg_product *p, int threads)
{
    const long block = 2 * MG_LANES, panels = (p->width + block - 1) / block;
    const long tiles = (p->rows + MG_TILE_ROWS(2) - 1) / MG_TILE_ROWS(2);
    p->few = p->rows <= MG_FEW_ROWS && p->b_transposed && !p->a_transposed;
    p->parts = mg_parts(threads, 2.0 * (double)p->rows * (double)p->width * (double)p->depth,
                        panels > tiles ? panels : tiles);
    p->by_depth = p->parts > 1 && p->a_transposed && !p->b_transposed && !p->bias && p->c_step == p->width &&
                  p->depth >= 2 * p->parts * p->rows && p->depth >= p->parts * MG_DEPTH_AT_ONCE;
    p->by_rows = !p->few && panels < MG_PANELS_PER_SHARE * p->parts && tiles > panels;
    if (p->few)
        p->parts = (int)mg_smaller(p->parts, panels);
    if (p->by_depth)
        return (size_t)p->parts * MG_NAME(panel_bytes)(p, p->width) + (size_t)(p->parts - 1) * MG_NAME(result_bytes)(p);
    return (size_t)p->parts *
           MG_NAME(panel_bytes)(p, p->by_rows ? p->width : (panels + p->parts - 1) / p->parts * block);
}

/* The rows of both factors from mg_cut on, into the result itself or into a place for it in the scratch. */
static void MG_NAME(product_slice)(const mg_product *p, int part)
{
    const size_t panels = MG_NAME(panel_bytes)(p, p->width);
    const long start = mg_cut(p->depth, part, p->parts);
    mg_product slice = *p;
    slice.depth = mg_cut(p->depth, part + 1, p->parts) - start;
    slice.a = (const MG_ELEMENT *)p->a + start * p->a_step;
    if (start < p->split) {
        slice.b = (const MG_ELEMENT *)p->b + start * p->b_step;
        slice.split = mg_smaller(p->split - start, slice.depth);
    } else {
        slice.b = (const MG_ELEMENT *)p->b_rest + (start - p->split) * p->rest_step;
        slice.b_step = p->rest_step;
        slice.split = slice.depth;
    }
    if (part > 0) {
        slice.c = MG_NAME(partial_result)(p, part);
        slice.accumulate = 0;
    }
    MG_NAME(product_block)(&slice, 0, p->rows, 0, p->width,
                           (MG_ELEMENT *)p->scratch + (size_t)part * panels / sizeof(MG_ELEMENT));
}

static void MG_NAME(product_part)(void *context, int part)
{
    const mg_product *p = context;
    const long block = 2 * MG_LANES, panels = (p->width + block - 1) / block;
    const long most = MG_TILE_ROWS(2), tiles = (p->rows + most - 1) / most;
    if (p->by_depth)
        MG_NAME(product_slice)(p, part);
    else if (p->by_rows)
        MG_NAME(product_block)(p, mg_cut(tiles, part, p->parts) * most,
                               mg_smaller(p->rows, mg_cut(tiles, part + 1, p->parts) * most), 0, p->width,
                               (MG_ELEMENT *)p->scratch +
                               (size_t)part * MG_NAME(panel_bytes)(p, p->width) / sizeof(MG_ELEMENT));
    else
        MG_NAME(product_block)(p, 0, p->rows, mg_cut(panels, part, p->parts) * block,
                               mg_smaller(p->width, mg_cut(panels, part + 1, p->parts) * block),
                               (MG_ELEMENT *)p->scratch +
                               (size_t)part * MG_NAME(panel_bytes)(p, (panels + p->parts - 1) / p->parts * block) /
                               sizeof(MG_ELEMENT));
}

static void MG_NAME(product)(mg_product *p, void *scratch)
{
    p->scratch = scratch;
    mg_parallel(MG_NAME(product_part), p, p->parts);
    for (int part = 1; part < p->parts && p->by_depth; part++) {
        const MG_ELEMENT *more = MG_NAME(partial_result)(p, part);
        MG_ELEMENT *c = p->c;
        for (long i = 0; i < p->rows * p->width; i++)
            c[i] += more[i];
    }
}

typedef struct {
    long rows, width, stride;
    int accumulate;
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
            for (long i = 0; i < sum->rows; i++, from += sum->stride)
                for (int v = 0; v < 4; v++)
                    total[v] += MG_NAME(load)(from + v * MG_LANES);
        else
            for (long i = 0; i < sum->rows; i++, from += sum->stride)
                for (int v = 0; v < 4 && v * MG_LANES < left; v++)
                    total[v] += MG_NAME(load_upto)(from + v * MG_LANES, left - v * MG_LANES);
        for (int v = 0; v < 4 && v * MG_LANES < left; v++) {
            MG_ELEMENT *to = sum->to + first + v * MG_LANES;
            if (sum->accumulate)
                total[v] += MG_NAME(load_upto)(to, left - v * MG_LANES);
            MG_NAME(store_upto)(to, total[v], left - v * MG_LANES);
        }
    }
}

/* Reading an element counts as so many operations. */
#define MG_OPERATIONS_PER_READ 16

static void MG_NAME(sum_rows)(long rows, long width, const void *a, long stride, int accumulate, void *to, int threads)
{
    MG_NAME(shared_sum) sum = {rows, width, stride, accumulate, a, to, 1};
    sum.parts = mg_parts(threads, (double)MG_OPERATIONS_PER_READ * (double)rows * (double)width,
                         width / (4 * MG_LANES));
    mg_parallel(MG_NAME(sum_rows_part), &sum, sum.parts);
}
