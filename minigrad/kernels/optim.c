/* Steps of optimisers over contiguous arrays. Compiled once per instruction set, which MG_SET names. */
#include <math.h>
#include "optim.h"

#define MG_OPTIM(name) name##_f32
#define MG_ELEMENT float
#define MG_SQRT sqrtf
#define MG_ABS fabsf
#include "norm_loops.h"
#include "optim_steps.h"
#undef MG_OPTIM
#undef MG_ELEMENT
#undef MG_SQRT
#undef MG_ABS

#define MG_OPTIM(name) name##_f64
#define MG_ELEMENT double
#define MG_SQRT sqrt
#define MG_ABS fabs
#include "norm_loops.h"
#include "optim_steps.h"

#define MG_EXPORT(name, set) MG_EXPORT_(name, set)
#define MG_EXPORT_(name, set) name##_##set
#define MG_STEPS(type)                                                                                                 \
    {                                                                                                                  \
        sgd_##type, adam_##type, adamax_##type, adagrad_##type, adadelta_##type, rmsprop_##type, asgd_##type,          \
            rprop_##type, add_scaled_##type                                                                            \
    }

const mg_optim MG_EXPORT(mg_optim_table, MG_SET) = {
    {MG_STEPS(f32), MG_STEPS(f64)},
    {squares_f32, squares_f64},
    {scale_f32, scale_f64},
};
