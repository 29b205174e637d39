/* Losses over contiguous arrays. Compiled once per instruction set, which MG_SET names. */
#include "dense.h"

#define MG_REAL 64
#include "dense_loops.h"
#undef MG_REAL
#define MG_REAL 32
#include "dense_loops.h"
#undef MG_REAL

#define MG_EXPORT(name, set) MG_EXPORT_(name, set)
#define MG_EXPORT_(name, set) name##_##set

const mg_dense_pair MG_EXPORT(mg_dense_table, MG_SET) = {{
    {squared_error_f32, scaled_difference_f32, sum_f32, fill_f32},
    {squared_error_f64, scaled_difference_f64, sum_f64, fill_f64},
}};
