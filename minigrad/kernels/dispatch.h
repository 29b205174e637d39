/* Which of the compiled instruction sets runs.
 *
 * Every kernel source is compiled once per instruction set and exports one table of functions from each. A module that
 * links them makes an array of their addresses with MG_TABLES; _dispatch.pyx says which of them runs. A set is offered
 * only if the processor has every feature that the source was compiled with (the flags are in setup.py).
 */
#ifndef MG_DISPATCH_H
#define MG_DISPATCH_H

#if defined(__x86_64__)
#define MG_SETS 4
static const char *const mg_set_names[MG_SETS] = {"baseline", "v2", "v3", "v4"};
#define MG_DECLARE_TABLES(type, name) extern const type name##_baseline, name##_v2, name##_v3, name##_v4
#define MG_TABLES(name) {&name##_baseline, &name##_v2, &name##_v3, &name##_v4}
#else
#define MG_SETS 1
static const char *const mg_set_names[MG_SETS] = {"baseline"};
#define MG_DECLARE_TABLES(type, name) extern const type name##_baseline
#define MG_TABLES(name) {&name##_baseline}
#endif

static inline int mg_supported(int set)
{
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (set >= 1 && !(__builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("popcnt")))
        return 0;
    if (set >= 2 && !(__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")))
        return 0;
    if (set >= 3 && !(__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")))
        return 0;
#endif
    return set < MG_SETS;
}
#endif
