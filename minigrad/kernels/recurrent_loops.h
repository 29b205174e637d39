/* Recurrent layers over one element type; included by recurrent.c for each.
 *
 * Forward, per step: for every block of units, and every tile of sequences, one product tile with the packed W_hh, then
 * the cell on the sums while they are in the first-level cache. Backward, per step: the cell's derivatives for all
 * rows, then one product with W_hh. Whatever does not depend on the step before (input projection, weight gradients) is
 * left to one product over all rows.
 *
 * A sequence never looks at another one, so every loop runs over the sequences [begin, end), and threads share a batch.
 */
#include "vecmath.h"
#include "gates.h"
#include "threads.h"
#include "panels.h"
#include "tiles.h"
#include "product.h"

/* A slice of the batch is at least so many sequences: with fewer, reading the panels takes longer than the products. */
#ifndef MG_SEQUENCES_PER_THREAD
#define MG_SEQUENCES_PER_THREAD 4
#endif

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

/* Work on `count` sequences of one shape, the directions of a layer, each cut into `parts`; whose scratch is `each`
 * elements. A thread has a slice of the batch for all steps, so that threads meet only at the ends; how many rows that
 * must be at least follows from the panels, which every thread reads itself. */
typedef struct {
    const mg_sequence *s;
    int count, parts;
    MG_ELEMENT *scratch;
    size_t each;
} MG_NAME(shared_sequence);

/* How many threads share the loops over time. */
static int MG_NAME(sequence_threads)(const mg_sequence *s, int count)
{
    const long slices = s->batch / MG_SEQUENCES_PER_THREAD;
    return mg_parts(s->threads, 2.0 * count * (double)s->rows * (double)mg_wide(s) * (double)s->hidden,
                    count * (slices > 1 ? slices : 1));
}

/* Copying a weight counts as so many operations. */
#define MG_OPERATIONS_PER_COPY 16

static int MG_NAME(pack_threads)(const mg_sequence *s, int count, long panels)
{
    return mg_parts(s->threads, (double)MG_OPERATIONS_PER_COPY * count * (double)mg_wide(s) * (double)s->hidden,
                    count * (panels > 1 ? panels : 1));
}

static void MG_NAME(share)(MG_NAME(shared_sequence) *shared, void (*task)(void *, int), int threads)
{
    shared->parts = threads > shared->count ? threads / shared->count : 1;
    if (threads > 1) {
        mg_parallel(task, shared, shared->count * shared->parts);
        return;
    }
    for (int k = 0; k < shared->count; k++)
        task(shared, k);
}

static int MG_NAME(vectors)(const mg_sequence *s)
{
    return s->kind == MG_LSTM ? 4 : s->kind == MG_GRU ? 3 : 2;
}

/* Whether the panels of W_hh come from beyond the second-level cache in every step, and slower than the tiles could use
 * them. Then, while the tiles meet one panel, the next one is fetched into that cache, a line now and then; all its
 * lines at once would only keep the loads waiting. */
static int MG_NAME(far)(const mg_sequence *s)
{
    return mg_wide(s) * s->hidden * (long)sizeof(MG_ELEMENT) > s->near_bytes;
}

#include "recurrent_forward.h"
#include "recurrent_backward.h"
#include "shared_product.h"
