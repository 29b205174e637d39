/* The optimisers' steps of one element type on an emulated device. No block waits for another, and no thread for
 * another of its block, so each runs to its end; blocks and threads come in shuffled order. */
#include <math.h>
#include "optim.cu"

#include <algorithm>
#include <numeric>
#include <random>
#include <vector>

host_index threadIdx, blockIdx, gridDim;

static std::vector<unsigned> shuffled(unsigned count, std::mt19937 &random)
{
    std::vector<unsigned> order(count);
    std::iota(order.begin(), order.end(), 0);
    std::shuffle(order.begin(), order.end(), random);
    return order;
}

template <mg_step_function *STEP, int ARRAYS, int NUMBERS>
static void run(const void *rows, long long count, unsigned blocks, unsigned threads)
{
    std::mt19937 random(blocks);
    gridDim.x = blocks;
    for (unsigned block : shuffled(blocks, random))
        for (unsigned thread : shuffled(threads, random)) {
            blockIdx.x = block;
            threadIdx.x = thread;
            mg_step<STEP>((const mg_row<ARRAYS, NUMBERS> *)rows, count);
        }
}

/* In the order of the rules' numbers. */
static const struct {
    void (*run)(const void *, long long, unsigned, unsigned);
    long long row;
} rules[] = {
#define RULE(name, arrays, numbers) {run<mg_##name, arrays, numbers>, sizeof(mg_row<arrays, numbers>)}
    RULE(sgd, 3, 5),     RULE(adam, 4, 5), RULE(adamax, 4, 5), RULE(adagrad, 3, 2),    RULE(adadelta, 4, 4),
    RULE(rmsprop, 5, 5), RULE(asgd, 3, 4), RULE(rprop, 4, 4),  RULE(add_scaled, 2, 1),
};

extern "C" void emulate(int rule, const void *table, long long count, unsigned blocks, unsigned threads)
{
    rules[rule].run(table, count, blocks, threads);
}

extern "C" long long row_bytes(int rule)
{
    return rules[rule].row;
}

extern "C" long long constant(int which)
{
    const long long all[] = {MG_STEP_THREADS, MG_CHUNK};
    return all[which];
}
