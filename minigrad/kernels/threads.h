/* A pool of threads of our own, small because the work it gets is large and even.
 *
 * mg_parallel cuts work into a number of parts that the caller has decided on; who runs which part, and whether anybody
 * helps at all, makes no difference to the result. The calling thread always takes part. If the pool is taken by
 * another caller, or no thread can be started, the caller runs all parts alone: it never waits for the pool, so there
 * is nothing to deadlock on. Helpers look out for the next call for some microseconds and then sleep, since a core they
 * spin on is lost to other pools (that of NumPy's BLAS, say). After a fork the child starts with an empty pool.
 */
#ifndef MG_THREADS_H
#define MG_THREADS_H

/* More parts than this are never asked for. */
#define MG_MOST_THREADS 256

/* Below this many floating-point operations for each, waking another thread costs more than it saves. Both this and
 * MG_SEQUENCES_PER_THREAD may be set to 1 when compiling, to see the smallest work shared. */
#ifndef MG_OPERATIONS_PER_THREAD
#define MG_OPERATIONS_PER_THREAD 3e6
#endif

/* Whether there can be more than one thread. */
int mg_can_thread(void);

/* Calls task(context, part) for every part in [0, parts) and returns when all have returned. */
void mg_parallel(void (*task)(void *context, int part), void *context, int parts);

/* How many of `threads` threads are worth waking for so much work, which falls into at most `pieces`. */
static inline int mg_parts(int threads, double operations, long pieces)
{
    double most = operations / MG_OPERATIONS_PER_THREAD;
    most = most < threads ? most : threads;
    most = most < (double)pieces ? most : (double)pieces;
    return most < 1 ? 1 : (int)most;
}

/* Where part `part` of `parts` begins if `count` things are dealt out in consecutive, nearly equal lots. */
static inline long mg_cut(long count, int part, int parts)
{
    return count / parts * part + (count % parts < part ? count % parts : part);
}
#endif
