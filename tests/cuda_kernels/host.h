/* A CUDA device emulated on one thread of the host, for testing what a kernel computes and which memory it touches.
 *
 * Each thread of a block is a fibre that runs until it waits. So many blocks are resident at a time; the next begins
 * when one ends, and if nobody can go on the emulator says so and stops, as a card would hang. __syncthreads demands
 * that all threads of the block come. Threads and blocks go on in shuffled order; one block is slow, and now and then a
 * warp is late. Shared memory is exactly as long as was asked for and begins as NaN.
 *
 * It finds wrong indices, missing barriers and deadlocks. It says nothing of memory order: here every write is seen at
 * once. No kernel has run on a GPU because it ran here.
 */
#ifndef MG_HOST_H
#define MG_HOST_H
struct host_index {
    unsigned x;
};
extern host_index threadIdx, blockIdx, gridDim;

void __syncthreads();
[[noreturn]] void __trap();
void host_arrive(unsigned *counter);
unsigned host_arrived(const unsigned *counter);
unsigned char *host_shared();

#define MG_SHARED(name) unsigned char *const name = host_shared()

static inline MG_ELEMENT mg_fresh(const MG_ELEMENT *from)
{
    return *from;
}

static inline void mg_arrive(unsigned *counter)
{
    host_arrive(counter);
}

static inline unsigned mg_arrived(const unsigned *counter)
{
    return host_arrived(counter);
}
#endif
