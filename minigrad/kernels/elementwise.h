/* What the elementwise loops offer to the module that calls them. */
#ifndef MG_ELEMENTWISE_H
#define MG_ELEMENTWISE_H
#include "dispatch.h"

enum { MG_ADD, MG_SUBTRACT, MG_MULTIPLY, MG_DIVIDE };
enum { MG_TANH_BACKWARD = MG_DIVIDE + 1, MG_SIGMOID_BACKWARD, MG_RELU_BACKWARD, MG_BINARY };
enum { MG_NEGATIVE, MG_EXP, MG_TANH, MG_SIGMOID, MG_RELU, MG_UNARY };
enum { MG_BOTH_ARRAYS, MG_LEFT_NUMBER, MG_RIGHT_NUMBER };

/* out[i] = f(a[i], b[i]) for i < n; with MG_LEFT_NUMBER (MG_RIGHT_NUMBER) `a` (`b`) points to a single element used for
 * every i. `out` may be one of the operands but must not overlap them otherwise. The first index is 0 for float and
 * 1 for double. */
typedef void mg_binary_loop(void *out, const void *a, const void *b, long n, int operands);
typedef void mg_unary_loop(void *out, const void *a, long n);

typedef struct {
    mg_binary_loop *binary[2][MG_BINARY];
    mg_unary_loop *unary[2][MG_UNARY];
} mg_elementwise;

MG_DECLARE_TABLES(mg_elementwise, mg_elementwise_table);
#endif
