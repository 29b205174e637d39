/* The step of an optimiser for all parameters of a group, in one launch.
 *
 * A model has many small parameters, and a launch costs more than stepping most of them, so one launch takes all. The
 * parameters are the rows of a table in device memory: their arrays, their lengths, their numbers. Each is cut into
 * chunks of MG_CHUNK elements, the last one maybe shorter; chunks are numbered through all rows, and a block steps the
 * chunk of its number. It finds the row by bisection, since the table says with which chunk each begins. The threads of
 * a block take neighbouring elements, so that a warp reads whole cache lines. The steps themselves are
 * ../optim_steps.h, the very text that the CPU compiles.
 *
 * Blocks share nothing and run in any order: no element may belong to two rows, which optim.py sees to. No atomics, so
 * the same call gives the same bits.
 */
#ifndef __CUDACC__
#include "host.h"
#endif
#define MG_STEP_THREADS 256
#define MG_CHUNK 1024
#define MG_OPTIM(name) mg_##name
#define MG_SQRT sqrt /* one name for both types in C++; the quotients and roots of NVRTC are IEEE 754's by default */
#define MG_ABS fabs
#define MG_EACH(i) for (long long i = start + threadIdx.x; i < end; i += MG_STEP_THREADS)
#include "../optim_steps.h"

typedef void mg_step_function(void *const *arrays, const double *numbers, long long start, long long end);

/* One parameter. Every entry has eight bytes; optim.py packs them in this order. */
template <int ARRAYS, int NUMBERS>
struct mg_row {
    void *arrays[ARRAYS]; /* NULL if an option leaves it out */
    long long n, first;   /* its elements, at least one; the number of its first chunk */
    double numbers[NUMBERS];
};

template <mg_step_function *STEP, int ARRAYS, int NUMBERS>
MG_FN void mg_step(const mg_row<ARRAYS, NUMBERS> *rows, long long count)
{
    const long long chunk = blockIdx.x;
    long long low = 0, high = count; /* the row is one of low ... high - 1 */
    while (high - low > 1) {
        const long long middle = low + (high - low) / 2;
        if (rows[middle].first <= chunk)
            low = middle;
        else
            high = middle;
    }
    const mg_row<ARRAYS, NUMBERS> *row = rows + low;
    const long long start = (chunk - row->first) * MG_CHUNK, rest = row->n - start;
    STEP(row->arrays, row->numbers, start, start + (rest < MG_CHUNK ? rest : MG_CHUNK));
}
