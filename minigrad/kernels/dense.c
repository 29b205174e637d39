/* Losses and steps of optimisers over contiguous arrays. Compiled once per instruction set, which MG_SET names. */
#include <math.h>
#include "dense.h"

#define MG_DENSE(name) name##_f32
#define MG_ELEMENT float
#define MG_SQRT sqrtf
#include "dense_loops.h"
#undef MG_DENSE
#undef MG_ELEMENT
#undef MG_SQRT

#define MG_DENSE(name) name##_f64
#define MG_ELEMENT double
#define MG_SQRT sqrt
#include "dense_loops.h"

#define MG_EXPORT(name, set) MG_EXPORT_(name, set)
#define MG_EXPORT_(name, set) name##_##set

const mg_dense_pair MG_EXPORT(mg_dense_table, MG_SET) = {{
    {squared_error_f32, scaled_difference_f32, sgd_step_f32, adam_step_f32},
    {squared_error_f64, scaled_difference_f64, sgd_step_f64, adam_step_f64},
}};
