/* The pool of threads.h: one lock guards everything, parts are claimed under it. The two atomics exist only so that a
 * thread can look before it locks. */
#include "threads.h"

#if defined(_WIN32)

int mg_can_thread(void)
{
    return 0;
}

void mg_parallel(void (*task)(void *context, int part), void *context, int parts)
{
    for (int part = 0; part < parts; part++)
        task(context, part);
}

#else
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <time.h>

/* How long a waiting thread looks before it sleeps, in nanoseconds, and how often between two looks at the clock. A
 * layer's parts follow each other in less, and to be woken takes longer than many a part. */
#define MG_LOOKING 400000
#define MG_LOOKS 32

/* Some C libraries give a thread 128 KiB; a product of float64 copies 96 KiB of tiles to the stack. */
#define MG_STACK ((size_t)1 << 20)

static struct {
    pthread_mutex_t taken;      /* held by the caller whose work it is */
    pthread_mutex_t lock;       /* guards what follows */
    pthread_cond_t work, done;
    int helpers, asleep, waiting;
    void (*task)(void *context, int part);
    void *context;
    int parts, next;
    atomic_int unclaimed, unfinished;
} pool;

static pthread_once_t once = PTHREAD_ONCE_INIT;

static void reset(void)
{
    pthread_mutex_init(&pool.taken, NULL);
    pthread_mutex_init(&pool.lock, NULL);
    pthread_cond_init(&pool.work, NULL);
    pthread_cond_init(&pool.done, NULL);
    pool.helpers = pool.asleep = pool.waiting = pool.parts = pool.next = 0;
    atomic_store(&pool.unclaimed, 0);
    atomic_store(&pool.unfinished, 0);
}

static void start(void)
{
    reset();
    pthread_atfork(NULL, NULL, reset); /* the child has none of the helpers, and locks in any state */
}

static int64_t nanoseconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void look(atomic_int *at, int until_zero)
{
    const int64_t start = nanoseconds();
    do {
        for (int i = 0; i < MG_LOOKS; i++) {
            if ((atomic_load_explicit(at, memory_order_relaxed) == 0) == until_zero)
                return;
#if defined(__x86_64__) || defined(__i386__)
            __builtin_ia32_pause();
#elif defined(__aarch64__)
            __asm__ volatile("isb");
#endif
        }
    } while (nanoseconds() - start < MG_LOOKING);
}

/* Claims and runs parts until none is left. Called and left with the lock held. */
static void run_parts(void)
{
    while (pool.next < pool.parts) {
        void (*task)(void *, int) = pool.task;
        void *context = pool.context;
        int part = pool.next++;
        atomic_fetch_sub(&pool.unclaimed, 1);
        pthread_mutex_unlock(&pool.lock);
        task(context, part);
        pthread_mutex_lock(&pool.lock);
        if (atomic_fetch_sub(&pool.unfinished, 1) == 1 && pool.waiting)
            pthread_cond_signal(&pool.done);
    }
}

static void *help(void *unused)
{
    pthread_mutex_lock(&pool.lock);
    for (;;) {
        run_parts();
        pthread_mutex_unlock(&pool.lock);
        look(&pool.unclaimed, 0);
        pthread_mutex_lock(&pool.lock);
        while (pool.next >= pool.parts) {
            pool.asleep++;
            pthread_cond_wait(&pool.work, &pool.lock);
            pool.asleep--;
        }
    }
    return unused;
}

/* Called with the lock held. Helpers take no signals: those belong to the threads of the program. */
static void hire(int wanted)
{
    sigset_t all, before;
    pthread_attr_t detached;
    if (pool.helpers >= wanted)
        return;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pthread_attr_init(&detached);
    pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&detached, MG_STACK);
    while (pool.helpers < wanted) {
        pthread_t thread;
        if (pthread_create(&thread, &detached, help, NULL) != 0)
            break;
        pool.helpers++;
    }
    pthread_attr_destroy(&detached);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

int mg_can_thread(void)
{
    return 1;
}

void mg_parallel(void (*task)(void *context, int part), void *context, int parts)
{
    if (parts > 1)
        pthread_once(&once, start);
    if (parts <= 1 || pthread_mutex_trylock(&pool.taken) != 0) {
        for (int part = 0; part < parts; part++)
            task(context, part);
        return;
    }
    pthread_mutex_lock(&pool.lock);
    pool.task = task;
    pool.context = context;
    pool.parts = parts;
    pool.next = 0;
    atomic_store(&pool.unfinished, parts);
    atomic_store(&pool.unclaimed, parts);
    hire(parts - 1);
    for (int i = 0; i < parts - 1 && i < pool.asleep; i++)
        pthread_cond_signal(&pool.work);
    run_parts();
    pthread_mutex_unlock(&pool.lock);
    look(&pool.unfinished, 1);
    pthread_mutex_lock(&pool.lock);
    pool.waiting = 1;
    while (atomic_load(&pool.unfinished) > 0)
        pthread_cond_wait(&pool.done, &pool.lock);
    pool.waiting = 0;
    pthread_mutex_unlock(&pool.lock);
    pthread_mutex_unlock(&pool.taken);
}
#endif
