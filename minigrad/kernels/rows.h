/* What the kernels over the rows of a matrix offer to the module that calls them. */
#ifndef MG_ROWS_H
#define MG_ROWS_H
#include <stdint.h>
#include "dispatch.h"

/* Classes for rows of scores. `weight`, one number a class, may be NULL; a row whose target is `ignored` (if `ignores`)
 * counts for nothing. */
typedef struct {
    const int64_t *target;
    const void *weight;
    int64_t ignored;
    int ignores;
} mg_classes;

typedef void mg_forward(void *out, const void *x, long rows, long columns);
typedef void mg_backward(void *out, const void *g, const void *y, long rows, long columns);

/* All matrices have `rows` rows and `columns` columns and are contiguous. Targets of a mg_classes must be columns. */
typedef struct {
    mg_forward *softmax, *log_softmax;
    mg_backward *softmax_backward, *log_softmax_backward;

    /* losses[i] = -x[i][target] times its weight; returns their sum, *weights the sum of the weights. `losses` may be
     * NULL. cross_entropy is that of log_softmax(x); it leaves the greatest element and sum_j e^(x[i][j] - greatest) of
     * each row in `kept`, which its way back reads. */
    double (*nll)(const void *x, mg_classes classes, void *losses, double *weights, long rows, long columns);
    double (*cross_entropy)(const void *x, mg_classes classes, void *losses, double *weights, void *kept, long rows,
                            long columns);

    /* The gradient of x from that of the losses, g[i], or g[0] for all if `single`; with `average` divided by the sum
     * of the weights, unless that is 0. A row without weight gets zeros, and its two numbers in `kept` are not read. */
    void (*nll_backward)(void *out, const void *g, int single, int average, mg_classes classes, long rows,
                         long columns);
    void (*cross_entropy_backward)(void *out, const void *x, const void *kept, const void *g, int single, int average,
                                   mg_classes classes, long rows, long columns);

    /* out[index[i]] += x[i], for each of `rows` rows of x. */
    void (*add_rows)(void *out, const void *x, const int64_t *index, long rows, long columns);
} mg_rows;

typedef struct {
    mg_rows of[2]; /* 0 is float, 1 is double */
} mg_rows_pair;

MG_DECLARE_TABLES(mg_rows_pair, mg_rows_table);
#endif
