/* Elementwise loops over one element type; included by elementwise.c for each. */
#include "vecmath.h"
#include "gates.h"

#define MG_BINARY_LOOP(name, formula)                                                                                  \
    static void MG_NAME(name##_loop)(void *out, const void *a, const void *b, long n, int operands)                    \
    {                                                                                                                  \
        const MG_ELEMENT *left = a, *right = b;                                                                        \
        MG_ELEMENT *result = out;                                                                                      \
        long i = 0, rest;                                                                                              \
        MG_VALUE x, y;                                                                                                 \
        if (operands == MG_BOTH_ARRAYS) {                                                                              \
            for (; i + MG_LANES <= n; i += MG_LANES) {                                                                 \
                x = MG_NAME(load)(left + i);                                                                           \
                y = MG_NAME(load)(right + i);                                                                          \
                MG_NAME(store)(result + i, formula);                                                                   \
            }                                                                                                          \
            if ((rest = n - i) > 0) {                                                                                  \
                x = MG_NAME(load_part)(left + i, rest);                                                                \
                y = MG_NAME(load_part)(right + i, rest);                                                               \
                MG_NAME(store_part)(result + i, formula, rest);                                                        \
            }                                                                                                          \
        } else if (operands == MG_LEFT_NUMBER) {                                                                       \
            x = MG_NAME(splat)(*left);                                                                                 \
            for (; i + MG_LANES <= n; i += MG_LANES) {                                                                 \
                y = MG_NAME(load)(right + i);                                                                          \
                MG_NAME(store)(result + i, formula);                                                                   \
            }                                                                                                          \
            if ((rest = n - i) > 0) {                                                                                  \
                y = MG_NAME(load_part)(right + i, rest);                                                               \
                MG_NAME(store_part)(result + i, formula, rest);                                                        \
            }                                                                                                          \
        } else {                                                                                                       \
            y = MG_NAME(splat)(*right);                                                                                \
            for (; i + MG_LANES <= n; i += MG_LANES) {                                                                 \
                x = MG_NAME(load)(left + i);                                                                           \
                MG_NAME(store)(result + i, formula);                                                                   \
            }                                                                                                          \
            if ((rest = n - i) > 0) {                                                                                  \
                x = MG_NAME(load_part)(left + i, rest);                                                                \
                MG_NAME(store_part)(result + i, formula, rest);                                                        \
            }                                                                                                          \
        }                                                                                                              \
    }

MG_BINARY_LOOP(add, x + y)
MG_BINARY_LOOP(subtract, x - y)
MG_BINARY_LOOP(multiply, x *y)
MG_BINARY_LOOP(divide, x / y)
MG_BINARY_LOOP(tanh_backward, MG_NAME(tanh_backward)(x, y))
MG_BINARY_LOOP(sigmoid_backward, MG_NAME(sigmoid_backward)(x, y))
MG_BINARY_LOOP(relu_backward, MG_NAME(relu_backward)(x, y))
#undef MG_BINARY_LOOP

#define MG_UNARY_LOOP(name, formula)                                                                                   \
    static void MG_NAME(name##_loop)(void *out, const void *a, long n)                                                 \
    {                                                                                                                  \
        const MG_ELEMENT *from = a;                                                                                    \
        MG_ELEMENT *result = out;                                                                                      \
        long i = 0;                                                                                                    \
        MG_VALUE x;                                                                                                    \
        for (; i + MG_LANES <= n; i += MG_LANES) {                                                                     \
            x = MG_NAME(load)(from + i);                                                                               \
            MG_NAME(store)(result + i, formula);                                                                       \
        }                                                                                                              \
        if (i < n) {                                                                                                   \
            x = MG_NAME(load_part)(from + i, n - i);                                                                   \
            MG_NAME(store_part)(result + i, formula, n - i);                                                           \
        }                                                                                                              \
    }

MG_UNARY_LOOP(negative, -x)
MG_UNARY_LOOP(exp, MG_NAME(exp)(x))
MG_UNARY_LOOP(tanh, MG_NAME(tanh)(x))
MG_UNARY_LOOP(sigmoid, MG_NAME(sigmoid)(x))
MG_UNARY_LOOP(relu, MG_NAME(relu)(x))
#undef MG_UNARY_LOOP
