/* What the optimiser kernels offer to the module that calls them: a step in one pass over memory. */
#ifndef MG_OPTIM_H
#define MG_OPTIM_H
#include "dispatch.h"

#define MG_MOST_ARRAYS 5
#define MG_MOST_NUMBERS 6

/* One algorithm. `arrays` are the parameter, its gradient and the optimiser's state, contiguous, none overlapping
 * another; those an option leaves out are NULL. Elements start <= i < end are stepped. */
typedef void mg_optim_step(void *const *arrays, const double *numbers, long long start, long long end);

enum {
    MG_SGD, MG_ADAM, MG_ADAMAX, MG_ADAGRAD, MG_ADADELTA, MG_RMSPROP, MG_ASGD, MG_RPROP, MG_ADD_SCALED,
    MG_OPTIM_RULES
};

/* Index 0 is float, 1 is double. */
typedef struct {
    mg_optim_step *step[2][MG_OPTIM_RULES];
    double (*squares[2])(const void *x, long long n);
    void (*scale[2])(void *x, double factor, long long n);
} mg_optim;

MG_DECLARE_TABLES(mg_optim, mg_optim_table);
#endif
