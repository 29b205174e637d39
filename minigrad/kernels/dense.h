/* What the dense kernels offer to the module that calls them: the squared error, sums, one pass over memory. */
#ifndef MG_DENSE_H
#define MG_DENSE_H
#include "dispatch.h"

/* Index 0 is float, 1 is double. All arrays are contiguous and have n elements. */
typedef struct {
    double (*squared_error)(const void *a, const void *b, long n);
    void (*scaled_difference)(void *out, const void *a, const void *b, double factor, long n);
    double (*sum)(const void *a, long n);
    void (*fill)(void *out, const void *value, long n);
} mg_dense;

typedef struct {
    mg_dense of[2];
} mg_dense_pair;

MG_DECLARE_TABLES(mg_dense_pair, mg_dense_table);
#endif
