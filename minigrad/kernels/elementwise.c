/* Elementwise functions of contiguous arrays. Compiled once per instruction set, which MG_SET names. */
#include "elementwise.h"

#define MG_REAL 32
#include "elementwise_loops.h"
#undef MG_REAL
#define MG_REAL 64
#include "elementwise_loops.h"
#undef MG_REAL

#define MG_EXPORT(name, set) MG_EXPORT_(name, set)
#define MG_EXPORT_(name, set) name##_##set

#define MG_BINARY_ROW(bits)                                                                                            \
    {add_loop_f##bits,           subtract_loop_f##bits,         multiply_loop_f##bits,     divide_loop_f##bits,        \
     tanh_backward_loop_f##bits, sigmoid_backward_loop_f##bits, relu_backward_loop_f##bits}
#define MG_UNARY_ROW(bits)                                                                                             \
    {negative_loop_f##bits, exp_loop_f##bits, tanh_loop_f##bits, sigmoid_loop_f##bits, relu_loop_f##bits}

const mg_elementwise MG_EXPORT(mg_elementwise_table, MG_SET) = {
    {MG_BINARY_ROW(32), MG_BINARY_ROW(64)},
    {MG_UNARY_ROW(32), MG_UNARY_ROW(64)},
};
