"""Steps of optimisers, and norms of gradients, on the CPU: one pass over memory, one call for a list of parameters.

A step reads and writes up to five arrays of the parameter's size. As NumPy formulas it reads them about three times as
often and makes a temporary a term; here each element is read, stepped and written once. A model has many small
parameters (the biases), so a call takes all of them: checking a parameter costs less than calling a function for it.

The loops are plain C, which the compiler makes vectors of if sqrt need not set errno (setup.py). Training a character
model, Adam took 2.0 ns an element before it was compiled so, and 0.3 to 0.7 since.

The frequent case (NumPy arrays of float32 or float64, of one type and shape, contiguous, none overlapping another) is
computed here. What else there is, arrays of other libraries included, is returned to the caller in `ops`, which has the
same formulas in NumPy's functions.
"""

from libc.stdint cimport uintptr_t

cimport numpy as cnp

from minigrad.kernels._dispatch cimport chosen
from minigrad.kernels.arrays cimport same_shape, type_of

cnp.import_array()


ctypedef cnp.ndarray array


cdef extern from *:
    """
    #include "optim.h"
    static const mg_optim *const mg_tables[MG_SETS] = MG_TABLES(mg_optim_table);
    """
    enum:
        MG_SGD, MG_ADAM, MG_ADAMAX, MG_ADAGRAD, MG_ADADELTA, MG_RMSPROP, MG_ASGD, MG_RPROP, MG_ADD_SCALED
        MG_OPTIM_RULES, MG_MOST_ARRAYS, MG_MOST_NUMBERS

    ctypedef void mg_optim_step(void *const *, const double *, long long, long long) noexcept nogil

    ctypedef struct mg_optim:
        mg_optim_step *step[2][9]
        double (*squares[2])(const void *, long long) noexcept nogil
        void (*scale[2])(void *, double, long long) noexcept nogil

    const mg_optim *mg_tables[]


# Of each algorithm: its index in the tables, how many arrays and how many numbers it takes, and from which array on
# they may be None.
RULES = {
    "sgd": (MG_SGD, 3, 5, 2),
    "adam": (MG_ADAM, 4, 5, 4),
    "adamax": (MG_ADAMAX, 4, 5, 4),
    "adagrad": (MG_ADAGRAD, 3, 2, 3),
    "adadelta": (MG_ADADELTA, 4, 4, 4),
    "rmsprop": (MG_RMSPROP, 5, 5, 3),
    "asgd": (MG_ASGD, 3, 4, 3),
    "rprop": (MG_RPROP, 4, 4, 4),
    "add_scaled": (MG_ADD_SCALED, 2, 1, 2),
}

# Above this many elements the loop is worth letting other threads run.
cdef long long RELEASE_ABOVE = 32768


cdef inline bint overlap(array a, array b) noexcept:
    cdef uintptr_t first = <uintptr_t>cnp.PyArray_DATA(a), second = <uintptr_t>cnp.PyArray_DATA(b)
    return first < second + <uintptr_t>cnp.PyArray_NBYTES(b) and second < first + <uintptr_t>cnp.PyArray_NBYTES(a)


cdef int taken(tuple row, int arrays, int optional, void **to) noexcept:
    """0 or 1, the type of the arrays that `row` begins with, their memory in `to`; -1 if they are not of the frequent
    case."""
    cdef int type = type_of(<object>row[0]), k, j
    for k in range(arrays):
        to[k] = NULL
        if k >= optional and row[k] is None:
            continue
        if type < 0 or type_of(<object>row[k]) != type or not cnp.PyArray_ISWRITEABLE(<array>row[k]):
            return -1
        if k > 0 and not same_shape(<array>row[0], <array>row[k]):
            return -1
        for j in range(k):
            if row[j] is not None and overlap(<array>row[j], <array>row[k]):
                return -1
        to[k] = cnp.PyArray_DATA(<array>row[k])
    return type


def step(str rule, list rows, *numbers):
    """One step of the algorithm `rule` for each row, in place. Returns the rows that are not of the frequent case, with
    which nothing was done.

    A row is a tuple: the arrays that the algorithm takes, then the numbers that are the row's own; `numbers` are those
    that all rows share and follow them.
    """
    cdef int index, arrays, count, optional, type, own, k
    cdef void *memory[MG_MOST_ARRAYS]
    cdef double values[MG_MOST_NUMBERS]
    cdef tuple row
    cdef list left = []
    cdef long long n
    cdef mg_optim_step *run
    index, arrays, count, optional = RULES[rule]
    own = count - len(numbers)
    if own < 0:
        raise ValueError(f"{rule}: takes {count} numbers, got {len(numbers)}")
    for k in range(own, count):
        values[k] = numbers[k - own]
    for row in rows:
        if len(row) != arrays + own:
            raise ValueError(f"{rule}: a row must hold {arrays} arrays and {own} numbers, got {len(row)} values")
        type = taken(row, arrays, optional, memory)
        if type < 0:
            left.append(row)
            continue
        for k in range(own):
            values[k] = row[arrays + k]
        n = cnp.PyArray_SIZE(<array>row[0])
        run = mg_tables[chosen].step[type][index]
        if n > RELEASE_ABOVE:
            with nogil:
                run(memory, values, 0, n)
        else:
            run(memory, values, 0, n)
    return left


def squares(x):
    """The sum of the squares of x, in double precision; None if this is not the frequent case."""
    cdef int type = type_of(x)
    if type < 0:
        return None
    return mg_tables[chosen].squares[type](cnp.PyArray_DATA(<array>x), cnp.PyArray_SIZE(<array>x))


def scale(x, double factor):
    """x <- factor * x, in place; False, and nothing done, if this is not the frequent case."""
    cdef int type = type_of(x)
    if type < 0 or not cnp.PyArray_ISWRITEABLE(<array>x):
        return False
    mg_tables[chosen].scale[type](cnp.PyArray_DATA(<array>x), factor, cnp.PyArray_SIZE(<array>x))
    return True
