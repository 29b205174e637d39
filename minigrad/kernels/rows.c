/* Kernels over the rows of a matrix. Compiled once per instruction set, which MG_SET names. */
#include <math.h>
#include "rows.h"

#define MG_REAL 32
#define MG_LOG logf
#include "rows_loops.h"
#undef MG_REAL
#undef MG_LOG

#define MG_REAL 64
#define MG_LOG log
#include "rows_loops.h"

#define MG_EXPORT(name, set) MG_EXPORT_(name, set)
#define MG_EXPORT_(name, set) name##_##set
#define MG_ROWS(type)                                                                                                  \
    {                                                                                                                  \
        softmax_##type, log_softmax_##type, softmax_backward_##type, log_softmax_backward_##type, nll_##type,          \
            cross_entropy_##type, nll_backward_##type, cross_entropy_backward_##type, add_rows_##type                  \
    }

const mg_rows_pair MG_EXPORT(mg_rows_table, MG_SET) = {{MG_ROWS(f32), MG_ROWS(f64)}};
