/* Losses over contiguous arrays. Compiled once per instruction set, which MG_SET names. */
#include <string.h>
#include "dense.h"

/* How many doubles a vector holds. */
#if defined(__AVX512F__)
#define MG_DOUBLES 8
#elif defined(__AVX2__)
#define MG_DOUBLES 4
#else
#define MG_DOUBLES 2
#endif

typedef double mg_doubles __attribute__((vector_size(MG_DOUBLES * sizeof(double))));

#define MG_DENSE(name) name##_f32
#define MG_ELEMENT float
#include "dense_loops.h"
#undef MG_DENSE
#undef MG_ELEMENT

#define MG_DENSE(name) name##_f64
#define MG_ELEMENT double
#include "dense_loops.h"

#define MG_EXPORT(name, set) MG_EXPORT_(name, set)
#define MG_EXPORT_(name, set) name##_##set

const mg_dense_pair MG_EXPORT(mg_dense_table, MG_SET) = {{
    {squared_error_f32, scaled_difference_f32, sum_f32, fill_f32},
    {squared_error_f64, scaled_difference_f64, sum_f64, fill_f64},
}};
