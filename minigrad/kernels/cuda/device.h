/* What the kernels need of the device beyond C++: shared memory, reads past the first-level cache, and a barrier.
 *
 * The barrier joins the blocks of one batch group, which all have to be resident: a block that waits keeps its place on
 * its multiprocessor, so one that had to wait for that place would never arrive. A cooperative launch guarantees it (or
 * fails), and only such a launch may reach mg_barrier.
 *
 * Memory order. Every thread's writes come before its block's __syncthreads, hence before the release by thread 0,
 * whose scope is the whole device and which is cumulative. A thread 0 that sees the count has acquired all of them,
 * and the __syncthreads behind it hands that on to its block. What other blocks wrote is read by mg_fresh, which
 * passes by the first-level cache; it must never be read through the read-only path (ld.global.nc, __ldg, const
 * __restrict__).
 *
 * The counter only grows while a kernel runs and is zeroed before each launch, so nobody can miss a round.
 *
 * A host that emulates a device (the tests do) offers the same names in host.h.
 */
#ifndef MG_CUDA_DEVICE_H
#define MG_CUDA_DEVICE_H
#include "../gates.h"

#ifdef __CUDACC__
#define MG_SHARED(name) extern __shared__ __align__(16) unsigned char name[]

static __device__ __forceinline__ MG_ELEMENT mg_fresh(const MG_ELEMENT *from)
{
    return __ldcg(from);
}

static __device__ __forceinline__ void mg_arrive(unsigned *counter)
{
    asm volatile("red.release.gpu.global.add.u32 [%0], 1;" ::"l"(counter) : "memory");
}

static __device__ __forceinline__ unsigned mg_arrived(const unsigned *counter)
{
    unsigned seen;
    asm volatile("ld.acquire.gpu.global.u32 %0, [%1];" : "=r"(seen) : "l"(counter) : "memory");
    return seen;
}
#else
#include "host.h"
#endif

/* Wait until `count` arrivals have been made at the counter, this block's own among them. */
MG_FN void mg_barrier(unsigned *counter, unsigned count)
{
    __syncthreads();
    if (threadIdx.x == 0) {
        mg_arrive(counter);
        while (mg_arrived(counter) < count)
            ;
    }
    __syncthreads();
}
#endif
