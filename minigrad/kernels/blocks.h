/* Memory that the kernels give back to themselves.
 *
 * glibc returns every block above some hundred KiB to the system when it is freed, and the page faults of a fresh one
 * cost more than many a kernel's arithmetic. So blocks given back are kept for the next call, up to MG_KEPT_BYTES in
 * all, but only up to MG_UNPROVEN_BYTES of those that have not served a second time yet: the steps of a large network
 * find all their memory again after a few, and calls of ever new sizes do not pile theirs up. Beyond that the ones that
 * have lain longest are freed. Blocks of 1 to 64 KiB, which malloc splits and merges
 * over and over, are kept in bins of one size each; still smaller ones are left to malloc, which is good at them. Not
 * thread-safe: take and give with the interpreter's lock held.
 */
#ifndef MG_BLOCKS_H
#define MG_BLOCKS_H
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#if defined(__linux__)
#include <sys/mman.h>
#endif

#define MG_KEPT_BYTES ((size_t)256 << 20)
#define MG_UNPROVEN_BYTES ((size_t)56 << 20)
#define MG_KEPT_BLOCKS 32
#define MG_SMALL_BLOCK ((size_t)64 << 10)
#define MG_LEFT_TO_MALLOC ((size_t)1 << 10)
#define MG_BIN_STEP ((size_t)1 << 10)
#define MG_BINS (MG_SMALL_BLOCK / MG_BIN_STEP)
#define MG_BIN_BYTES ((size_t)256 << 10) /* kept in one bin at most */
#define MG_BLOCK_ALIGNMENT 64

/* A block of MG_LARGE_BLOCK bytes or more is put on huge pages where the system has them for the asking (Linux). There
 * is one address to translate where there were 512, and one page fault. */
#define MG_HUGE_PAGE ((size_t)2 << 20)
#define MG_LARGE_BLOCK ((size_t)4 << 20)

/* Lies before the memory it describes. */
typedef struct mg_block {
    size_t bytes;
    void *start;
    struct mg_block *next; /* in its bin */
    int proven;            /* was kept, and served again */
} mg_block;

static struct {
    mg_block *first;
    size_t bytes;
} mg_bins[MG_BINS];

static struct {
    mg_block *blocks[MG_KEPT_BLOCKS]; /* the one given back last is last */
    int count;
    size_t bytes, unproven; /* of all, and of those that are not proven */
} mg_kept;

static mg_block *mg_unkeep(int index)
{
    mg_block *block = mg_kept.blocks[index];
    mg_kept.count--;
    mg_kept.bytes -= block->bytes;
    mg_kept.unproven -= block->proven ? 0 : block->bytes;
    memmove(mg_kept.blocks + index, mg_kept.blocks + index + 1, (size_t)(mg_kept.count - index) * sizeof(mg_block *));
    return block;
}

static void *mg_fresh(size_t bytes)
{
#if defined(__linux__)
    void *start;
    if (bytes >= MG_LARGE_BLOCK) {
        if (posix_memalign(&start, MG_HUGE_PAGE, bytes) != 0)
            return NULL;
        madvise(start, bytes / MG_HUGE_PAGE * MG_HUGE_PAGE, MADV_HUGEPAGE); /* a wish: it may fail */
        return start;
    }
#endif
    return malloc(bytes);
}

/* Memory for `bytes` bytes, aligned to MG_BLOCK_ALIGNMENT and with any content; NULL if there is none. A kept block
 * serves if at most an eighth of it would lie idle. */
static void *mg_take(size_t bytes)
{
    int best = -1;
    if (bytes >= MG_LEFT_TO_MALLOC && bytes <= MG_SMALL_BLOCK) {
        size_t bin = (bytes - 1) / MG_BIN_STEP;
        mg_block *block = mg_bins[bin].first;
        bytes = (bin + 1) * MG_BIN_STEP;
        if (block) {
            mg_bins[bin].first = block->next;
            mg_bins[bin].bytes -= bytes;
            return block + 1;
        }
    }
    for (int i = mg_kept.count - 1; bytes > MG_SMALL_BLOCK && i >= 0; i--) {
        size_t size = mg_kept.blocks[i]->bytes;
        if (size >= bytes && size - bytes <= size / 8 && (best < 0 || size < mg_kept.blocks[best]->bytes))
            best = i;
    }
    if (best >= 0) {
        mg_block *block = mg_unkeep(best);
        block->proven = 1;
        return block + 1;
    }
    if (bytes > SIZE_MAX - MG_BLOCK_ALIGNMENT - sizeof(mg_block))
        return NULL;
    void *start = mg_fresh(bytes + MG_BLOCK_ALIGNMENT + sizeof(mg_block));
    if (start == NULL)
        return NULL;
    uintptr_t first = (uintptr_t)start + sizeof(mg_block) + MG_BLOCK_ALIGNMENT - 1;
    mg_block *block = (mg_block *)(first / MG_BLOCK_ALIGNMENT * MG_BLOCK_ALIGNMENT) - 1;
    block->bytes = bytes;
    block->start = start;
    block->proven = 0;
    return block + 1;
}

/* How many bytes there are at what mg_take returned. */
static inline size_t mg_room(const void *memory)
{
    return ((const mg_block *)memory - 1)->bytes;
}

/* Gives back what mg_take returned; NULL is ignored. */
static void mg_give(void *memory)
{
    if (memory == NULL)
        return;
    mg_block *block = (mg_block *)memory - 1;
    if (block->bytes >= MG_LEFT_TO_MALLOC && block->bytes <= MG_SMALL_BLOCK) {
        size_t bin = (block->bytes - 1) / MG_BIN_STEP;
        if (mg_bins[bin].bytes < MG_BIN_BYTES) {
            block->next = mg_bins[bin].first;
            mg_bins[bin].first = block;
            mg_bins[bin].bytes += block->bytes;
            return;
        }
    }
    if (block->bytes <= MG_SMALL_BLOCK || block->bytes > (block->proven ? MG_KEPT_BYTES : MG_UNPROVEN_BYTES)) {
        free(block->start);
        return;
    }
    while (mg_kept.count == MG_KEPT_BLOCKS || mg_kept.bytes + block->bytes > MG_KEPT_BYTES)
        free(mg_unkeep(0)->start);
    for (int i = 0; !block->proven && mg_kept.unproven + block->bytes > MG_UNPROVEN_BYTES;)
        if (mg_kept.blocks[i]->proven)
            i++;
        else
            free(mg_unkeep(i)->start);
    mg_kept.blocks[mg_kept.count++] = block;
    mg_kept.bytes += block->bytes;
    mg_kept.unproven += block->proven ? 0 : block->bytes;
}
#endif
