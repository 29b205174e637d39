/* The emulator of host.h and, behind it, every form of the kernels for one element type.
 *
 * A fibre keeps a stack of its own and changes places with the scheduler by swapcontext. AddressSanitizer is told of
 * each change of stacks.
 */
#define MG_VALUE MG_ELEMENT
#define MG_NAME(name) mg_##name
#include "backward.cu"
#include "forward.cu"

#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <algorithm>
#include <random>
#include <vector>

host_index threadIdx, blockIdx, gridDim;

typedef void kernel_function(const mg_layer *, long long, long long);

enum state { READY, AT_BARRIER, DONE };

struct fibre {
    ucontext_t context;
    unsigned char *stack;
    void *fake;
    unsigned block, thread;
    state is;
};

static const size_t STACK = 256 * 1024;
static std::vector<unsigned char *> stacks;
static ucontext_t scheduler;
static void *scheduler_fake;
static const void *scheduler_stack;
static size_t scheduler_size;
static fibre *current;
static long events; /* whatever lets somebody go on */
static std::vector<unsigned char *> shared_of;
static kernel_function *kernel;
static const mg_layer *kernel_layer;
static long long kernel_first, kernel_last;

[[noreturn]] static void stop(const char *why)
{
    fprintf(stderr, "emulated device: %s\n", why);
    fflush(stderr);
    _Exit(70);
}

void __trap()
{
    stop("trap");
}

static void give_way()
{
    __sanitizer_start_switch_fiber(&current->fake, scheduler_stack, scheduler_size);
    swapcontext(&current->context, &scheduler);
    __sanitizer_finish_switch_fiber(current->fake, &scheduler_stack, &scheduler_size);
}

void __syncthreads()
{
    current->is = AT_BARRIER;
    give_way();
}

void host_arrive(unsigned *counter)
{
    ++*counter;
    ++events;
}

unsigned host_arrived(const unsigned *counter)
{
    give_way();
    return *counter;
}

unsigned char *host_shared()
{
    return shared_of[blockIdx.x];
}

static void body()
{
    __sanitizer_finish_switch_fiber(nullptr, &scheduler_stack, &scheduler_size);
    kernel(kernel_layer, kernel_first, kernel_last);
    current->is = DONE;
    __sanitizer_start_switch_fiber(nullptr, scheduler_stack, scheduler_size);
    swapcontext(&current->context, &scheduler);
}

static void resume(fibre *f)
{
    current = f;
    threadIdx.x = f->thread;
    blockIdx.x = f->block;
    __sanitizer_start_switch_fiber(&scheduler_fake, f->stack, STACK);
    swapcontext(&scheduler, &f->context);
    __sanitizer_finish_switch_fiber(scheduler_fake, nullptr, nullptr);
}

static void start(std::vector<fibre> &block, unsigned number, size_t shared_bytes, size_t first_stack)
{
    shared_of[number] = (unsigned char *)aligned_alloc(16, (shared_bytes + 15) / 16 * 16);
    memset(shared_of[number], 0xff, shared_bytes);
    if (shared_bytes % 16)
        __asan_poison_memory_region(shared_of[number] + shared_bytes, 16 - shared_bytes % 16);
    for (unsigned thread = 0; thread < block.size(); thread++) {
        fibre &f = block[thread];
        while (stacks.size() <= first_stack + thread)
            stacks.push_back((unsigned char *)mmap(nullptr, STACK, PROT_READ | PROT_WRITE,
                                                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
        f.stack = stacks[first_stack + thread];
        __asan_unpoison_memory_region(f.stack, STACK);
        f.block = number;
        f.thread = thread;
        f.is = READY;
        getcontext(&f.context);
        f.context.uc_stack.ss_sp = f.stack;
        f.context.uc_stack.ss_size = STACK;
        f.context.uc_link = nullptr;
        makecontext(&f.context, body, 0);
    }
}

/* One round of a block: its threads go on once, but for those of one warp that is late, unless all shall. Returns
 * whether the block has ended. */
static bool round_of(std::vector<fibre> &block, std::mt19937 &random, bool all)
{
    const unsigned late = all || random() % 2 ? ~0u : random() % (block.size() / 32);
    std::vector<fibre *> order;
    for (fibre &f : block)
        if (f.is == READY && f.thread / 32 != late)
            order.push_back(&f);
    std::shuffle(order.begin(), order.end(), random);
    for (fibre *f : order) {
        resume(f);
        events += f->is != READY;
    }
    size_t waiting = 0, done = 0;
    for (const fibre &f : block) {
        waiting += f.is == AT_BARRIER;
        done += f.is == DONE;
    }
    if (waiting && done)
        stop("some threads of a block ended while others wait at __syncthreads");
    if (waiting == block.size()) {
        for (fibre &f : block)
            f.is = READY;
        ++events;
    }
    return done == block.size();
}

static void launch(unsigned blocks, unsigned threads, size_t shared_bytes, unsigned resident, unsigned seed)
{
    std::mt19937 random(seed);
    std::vector<unsigned> waiting(blocks);
    for (unsigned i = 0; i < blocks; i++)
        waiting[i] = i;
    std::shuffle(waiting.begin(), waiting.end(), random);
    shared_of.assign(blocks, nullptr);
    gridDim.x = blocks;
    const size_t places = std::min(blocks, resident);
    std::vector<std::vector<fibre>> on(places);
    auto fill = [&](size_t place) {
        on[place].clear();
        if (waiting.empty())
            return;
        on[place].resize(threads);
        start(on[place], waiting.back(), shared_bytes, place * threads);
        waiting.pop_back();
        ++events;
    };
    for (size_t place = 0; place < places; place++)
        fill(place);
    const unsigned slow = random() % blocks;
    for (bool all = false;;) {
        const long before = events;
        bool any = false;
        std::vector<size_t> order(places);
        for (size_t place = 0; place < places; place++)
            order[place] = place;
        std::shuffle(order.begin(), order.end(), random);
        for (size_t place : order) {
            if (on[place].empty())
                continue;
            any = true;
            if (!all && on[place][0].block == slow && random() % 8)
                continue;
            if (round_of(on[place], random, all)) {
                unsigned char *memory = shared_of[on[place][0].block];
                __asan_unpoison_memory_region(memory, (shared_bytes + 15) / 16 * 16);
                free(memory);
                fill(place);
                ++events;
            }
        }
        if (!any)
            return;
        if (all && events == before)
            stop("deadlock: every block waits for one that is not there");
        all = events == before;
    }
}

template <int KIND, bool BACKWARD, int R, bool RESIDENT>
static void run(const mg_layer *layer, long long first, long long last)
{
    BACKWARD ? mg_backward<KIND, R, RESIDENT>(layer, first, last) : mg_forward<KIND, R, RESIDENT>(layer, first, last);
}

#define FORMS(kind, backward)                                                                                          \
    {{run<kind, backward, 1, false>, run<kind, backward, 1, true>},                                                    \
     {run<kind, backward, 2, false>, run<kind, backward, 2, true>},                                                    \
     {run<kind, backward, 4, false>, run<kind, backward, 4, true>}}
#define PASSES(kind) {FORMS(kind, false), FORMS(kind, true)}
static kernel_function *const forms[4][2][3][2] = {PASSES(MG_RNN_TANH), PASSES(MG_RNN_RELU), PASSES(MG_LSTM),
                                                   PASSES(MG_GRU)};

/* What layer.h, tile.h and the table are made of, for comparison with the plan. */
extern "C" long long constant(int which)
{
    const long long all[] = {MG_UNITS, MG_ROW_THREADS, MG_SLICES, MG_THREADS, MG_COUNTER_STRIDE, sizeof(mg_layer)};
    return all[which];
}

extern "C" long long padded(long long length)
{
    return mg_padded(length);
}

/* Where in the table the fields are: the byte of the last pointer of each group that could be out of order. */
extern "C" long long field(int which)
{
    const long long all[] = {offsetof(mg_layer, chunk), offsetof(mg_layer, arrived), offsetof(mg_layer, c0),
                             offsetof(mg_layer, gx),    offsetof(mg_layer, cn),      offsetof(mg_layer, d_h),
                             offsetof(mg_layer, d_c0)};
    return all[which];
}

extern "C" void emulate(int kind, int backward, int rows, int resident_form, const void *table, long long first,
                        long long last, unsigned blocks, unsigned threads, size_t shared, unsigned resident,
                        unsigned seed)
{
    kernel = forms[kind][backward][rows / 2][resident_form];
    kernel_layer = (const mg_layer *)table;
    kernel_first = first;
    kernel_last = last;
    launch(blocks, threads, shared, resident, seed);
}
