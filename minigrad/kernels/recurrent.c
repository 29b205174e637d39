/* Whole-sequence kernels of the recurrent layers. Compiled once per instruction set, which MG_SET names. */
#include "recurrent.h"

#define MG_REAL 32
#include "recurrent_loops.h"
#undef MG_REAL
#define MG_REAL 64
#include "recurrent_loops.h"
#undef MG_REAL

#define MG_EXPORT(name, set) MG_EXPORT_(name, set)
#define MG_EXPORT_(name, set) name##_##set
#define MG_ROW(bits)                                                                                                   \
    {forward_scratch_f##bits, prepare_forward_f##bits, forward_f##bits,                                                \
     backward_scratch_f##bits, prepare_backward_f##bits, backward_f##bits,                                             \
     turn_to_recurrent_side_f##bits, gather_previous_f##bits, finite_f##bits,                                          \
     product_plan_f##bits, product_f##bits, sum_rows_f##bits}

const mg_recurrent_pair MG_EXPORT(mg_recurrent_table, MG_SET) = {{MG_ROW(32), MG_ROW(64)}};
