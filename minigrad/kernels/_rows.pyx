"""Softmax, the losses of classification, and tables of rows, on the CPU.

A row of scores is a few dozen numbers, so each function goes through its matrix row by row while the row is in the
first-level cache: the maximum, the exponentials and their sum are one visit to memory, not one each. Cross entropy
writes nothing of the matrix's size on the way forward; the way back computes the exponentials again.

The frequent case (NumPy arrays of float32 or float64, contiguous; indices within their limits) is computed here. For
anything else, arrays of other libraries included, a function says None and its caller in `ops` uses NumPy's functions,
or finds out what is wrong with the indices.
"""

from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memcpy

cimport numpy as cnp

from minigrad.kernels._dispatch cimport chosen
from minigrad.kernels._memory cimport empty
from minigrad.kernels.arrays cimport same_shape, type_of

cnp.import_array()


ctypedef cnp.ndarray array


cdef extern from *:
    """
    #include "rows.h"
    static const mg_rows_pair *const mg_tables[MG_SETS] = MG_TABLES(mg_rows_table);
    """
    ctypedef struct mg_classes:
        const int64_t *target
        const void *weight
        int64_t ignored
        int ignores

    ctypedef void mg_forward(void *, const void *, long, long) noexcept nogil
    ctypedef void mg_backward(void *, const void *, const void *, long, long) noexcept nogil

    ctypedef struct mg_rows:
        mg_forward *softmax
        mg_forward *log_softmax
        mg_backward *softmax_backward
        mg_backward *log_softmax_backward
        double (*nll)(const void *, mg_classes, void *, double *, long, long) noexcept nogil
        double (*cross_entropy)(const void *, mg_classes, void *, double *, void *, long, long) noexcept nogil
        void (*nll_backward)(void *, const void *, int, int, mg_classes, long, long) noexcept nogil
        void (*cross_entropy_backward)(void *, const void *, const void *, const void *, int, int, mg_classes, long,
                                       long) noexcept nogil
        void (*add_rows)(void *, const void *, const int64_t *, long, long) noexcept nogil

    ctypedef struct mg_rows_pair:
        mg_rows of[2]

    const mg_rows_pair *mg_tables[]


cdef inline array like(array x):
    return empty(cnp.PyArray_NDIM(x), cnp.PyArray_DIMS(x), cnp.PyArray_TYPE(x))


cdef inline bint indices(object value) noexcept:
    """Whether `value` is a plain, contiguous array of int64."""
    return (cnp.PyArray_CheckExact(value) and cnp.PyArray_TYPE(<array>value) == cnp.NPY_INT64
            and cnp.PyArray_ISCARRAY_RO(<array>value))


# ---------------------------------------------------------------- softmax


cdef array forward_rows(object x, int dim, bint logarithm):
    cdef int type = type_of(x)
    if type < 0 or dim != cnp.PyArray_NDIM(<array>x) - 1 or cnp.PyArray_SIZE(<array>x) == 0:
        return None
    cdef array out = like(<array>x)
    cdef long columns = cnp.PyArray_DIM(<array>x, dim), rows = cnp.PyArray_SIZE(out) // columns
    cdef void *to = cnp.PyArray_DATA(out)
    cdef const void *data = cnp.PyArray_DATA(<array>x)
    cdef const mg_rows *kernels = &mg_tables[chosen].of[type]
    cdef mg_forward *run = kernels.log_softmax if logarithm else kernels.softmax
    with nogil:
        run(to, data, rows, columns)
    return out


cdef array backward_rows(object g, object y, int dim, bint logarithm):
    cdef int type = type_of(g)
    if type < 0 or type_of(y) != type or not same_shape(<array>g, <array>y):
        return None
    if dim != cnp.PyArray_NDIM(<array>g) - 1 or cnp.PyArray_SIZE(<array>g) == 0:
        return None
    cdef array out = like(<array>g)
    cdef long columns = cnp.PyArray_DIM(<array>g, dim), rows = cnp.PyArray_SIZE(out) // columns
    cdef void *to = cnp.PyArray_DATA(out)
    cdef const void *slope = cnp.PyArray_DATA(<array>g)
    cdef const void *data = cnp.PyArray_DATA(<array>y)
    cdef const mg_rows *kernels = &mg_tables[chosen].of[type]
    cdef mg_backward *run = kernels.log_softmax_backward if logarithm else kernels.softmax_backward
    with nogil:
        run(to, slope, data, rows, columns)
    return out


def softmax(x, int dim):
    """e^x / sum e^x along the last dimension; None if dim is another, or this is not the frequent case."""
    return forward_rows(x, dim, False)


def log_softmax(x, int dim):
    """x - log sum e^x along the last dimension; None if dim is another, or this is not the frequent case."""
    return forward_rows(x, dim, True)


def softmax_backward(g, y, int dim):
    """y (g - sum g y): the gradient at x from that at y = softmax(x); None as for `softmax`."""
    return backward_rows(g, y, dim, False)


def log_softmax_backward(g, y, int dim):
    """g - e^y sum g: the gradient at x from that at y = log_softmax(x); None as for `log_softmax`."""
    return backward_rows(g, y, dim, True)


# ---------------------------------------------------------------- losses


cdef bint classes_of(object target, object weight, object ignored, int type, long rows, long columns,
                     mg_classes *to) except -1:
    """Fill `to`; False if a target is no column, or anything is not of the frequent case."""
    cdef long i
    if not indices(target) or cnp.PyArray_SIZE(<array>target) != rows:
        return False
    to.target = <const int64_t *>cnp.PyArray_DATA(<array>target)
    to.weight = NULL
    if weight is not None:
        if type_of(weight) != type or cnp.PyArray_SIZE(<array>weight) != columns:
            return False
        to.weight = cnp.PyArray_DATA(<array>weight)
    to.ignores = ignored is not None
    to.ignored = ignored if to.ignores else 0
    for i in range(rows):
        # Read as unsigned, a negative number is a huge one: a single comparison finds both kinds.
        if <uint64_t>to.target[i] >= <uint64_t>columns and not (to.ignores and to.target[i] == to.ignored):
            return False
    return True


cdef array single(int type, double value):
    cdef cnp.npy_intp one = 1
    cdef array out = empty(1, &one, cnp.NPY_FLOAT64 if type else cnp.NPY_FLOAT32)
    if type:
        (<double *>cnp.PyArray_DATA(out))[0] = value
    else:
        (<float *>cnp.PyArray_DATA(out))[0] = <float>value
    return out


cdef tuple loss(object x, object target, object weight, object ignored, bint average, bint reduce, bint entropy):
    cdef int type = type_of(x)
    cdef mg_classes classes
    cdef array losses = None, kept = None
    cdef cnp.npy_intp shape[2]
    cdef double total, weights
    cdef void *to = NULL
    cdef void *keep = NULL
    cdef const void *data
    if type < 0 or cnp.PyArray_NDIM(<array>x) != 2:
        return None
    cdef long rows = cnp.PyArray_DIM(<array>x, 0), columns = cnp.PyArray_DIM(<array>x, 1)
    if rows == 0 or columns == 0 or not classes_of(target, weight, ignored, type, rows, columns, &classes):
        return None
    shape[0], shape[1] = rows, 2
    if not reduce:
        losses = empty(1, shape, cnp.PyArray_TYPE(<array>x))
        to = cnp.PyArray_DATA(losses)
    if entropy:
        kept = empty(2, shape, cnp.PyArray_TYPE(<array>x))
        keep = cnp.PyArray_DATA(kept)
    data = cnp.PyArray_DATA(<array>x)
    with nogil:
        if entropy:
            total = mg_tables[chosen].of[type].cross_entropy(data, classes, to, &weights, keep, rows, columns)
        else:
            total = mg_tables[chosen].of[type].nll(data, classes, to, &weights, rows, columns)
    if reduce:
        losses = single(type, total / weights if average and weights != 0 else total)
    return losses, kept


cdef array loss_backward(object g, object x, object kept, object target, object weight, object ignored, bint average,
                         long rows, long columns):
    cdef int type = type_of(g)
    cdef mg_classes classes
    cdef cnp.npy_intp shape[2]
    cdef array out
    if type < 0 or rows == 0 or columns == 0 or not classes_of(target, weight, ignored, type, rows, columns, &classes):
        return None
    cdef bint one = cnp.PyArray_SIZE(<array>g) == 1
    if not one and cnp.PyArray_SIZE(<array>g) != rows:
        return None
    shape[0], shape[1] = rows, columns
    out = empty(2, shape, cnp.PyArray_TYPE(<array>g))
    cdef void *to = cnp.PyArray_DATA(out)
    cdef const void *slope = cnp.PyArray_DATA(<array>g)
    cdef const void *data
    cdef const void *keep
    if kept is None:
        with nogil:
            mg_tables[chosen].of[type].nll_backward(to, slope, one, average, classes, rows, columns)
    else:
        if type_of(x) != type or type_of(kept) != type:
            return None
        data, keep = cnp.PyArray_DATA(<array>x), cnp.PyArray_DATA(<array>kept)
        with nogil:
            mg_tables[chosen].of[type].cross_entropy_backward(to, data, keep, slope, one, average, classes, rows,
                                                              columns)
    return out


def nll(x, target, weight, ignored, bint average, bint reduce):
    """-x[i][target[i]] weight[target[i]]: the losses or, as an array of one element, their sum or mean. None if this is
    not the frequent case.

    A row whose target is `ignored` (if not None) counts for nothing; weight may be None. A mean is over the weights, if
    they do not add up to 0.
    """
    cdef tuple found = loss(x, target, weight, ignored, average, reduce, False)
    return None if found is None else found[0]


def cross_entropy(x, target, weight, ignored, bint average, bint reduce):
    """`nll` of log_softmax(x), and of each row of x the greatest element and sum_j e^(x_j - greatest); or None."""
    return loss(x, target, weight, ignored, average, reduce, True)


def nll_backward(g, target, weight, ignored, bint average, long columns):
    """The gradient of x in `nll` from those of the losses, or of their sum or mean; or None."""
    if not indices(target):
        return None
    return loss_backward(g, None, None, target, weight, ignored, average, cnp.PyArray_SIZE(<array>target), columns)


def cross_entropy_backward(g, x, kept, target, weight, ignored, bint average):
    """The gradient of x in `cross_entropy`, `kept` its second result; or None."""
    if type_of(x) < 0 or cnp.PyArray_NDIM(<array>x) != 2 or type_of(kept) < 0:
        return None
    cdef long rows = cnp.PyArray_DIM(<array>x, 0), columns = cnp.PyArray_DIM(<array>x, 1)
    if cnp.PyArray_SIZE(<array>kept) != 2 * rows:
        return None
    return loss_backward(g, x, kept, target, weight, ignored, average, rows, columns)


# ---------------------------------------------------------------- tables


cdef bint within(object index, long limit):
    cdef const int64_t *number
    cdef long i
    if not indices(index):
        return False
    number = <const int64_t *>cnp.PyArray_DATA(<array>index)
    for i in range(cnp.PyArray_SIZE(<array>index)):
        if <uint64_t>number[i] >= <uint64_t>limit:
            return False
    return True


def take_rows(weight, index):
    """weight[index] for a matrix: a row for each index. None if not the frequent case, or if there is no such row."""
    cdef cnp.npy_intp shape[cnp.NPY_MAXDIMS]
    cdef int type = type_of(weight), ndim, k
    if type < 0 or cnp.PyArray_NDIM(<array>weight) != 2 or not within(index, cnp.PyArray_DIM(<array>weight, 0)):
        return None
    ndim = cnp.PyArray_NDIM(<array>index)
    if ndim + 1 > cnp.NPY_MAXDIMS:
        return None
    for k in range(ndim):
        shape[k] = cnp.PyArray_DIM(<array>index, k)
    shape[ndim] = cnp.PyArray_DIM(<array>weight, 1)
    cdef array out = empty(ndim + 1, shape, cnp.PyArray_TYPE(<array>weight))
    cdef char *to = <char *>cnp.PyArray_DATA(out)
    cdef const char *data = <const char *>cnp.PyArray_DATA(<array>weight)
    cdef const int64_t *number = <const int64_t *>cnp.PyArray_DATA(<array>index)
    cdef size_t width = <size_t>shape[ndim] * (8 if type else 4)
    cdef long i, count = cnp.PyArray_SIZE(<array>index)
    with nogil:
        for i in range(count):
            memcpy(to + i * width, data + number[i] * width, width)
    return out


def spread_rows(x, index, long rows):
    """The adjoint of `take_rows`: a matrix of `rows` rows, each the sum of the rows of x whose index it is; or None."""
    cdef int type = type_of(x)
    cdef cnp.npy_intp shape[2]
    if type < 0 or not within(index, rows):
        return None
    cdef long columns = cnp.PyArray_DIM(<array>x, cnp.PyArray_NDIM(<array>x) - 1)
    cdef long count = cnp.PyArray_SIZE(<array>index)
    if cnp.PyArray_SIZE(<array>x) != count * columns:
        return None
    shape[0], shape[1] = rows, columns
    cdef array out = cnp.PyArray_ZEROS(2, shape, cnp.PyArray_TYPE(<array>x), 0)
    cdef void *to = cnp.PyArray_DATA(out)
    cdef const void *data = cnp.PyArray_DATA(<array>x)
    cdef const int64_t *number = <const int64_t *>cnp.PyArray_DATA(<array>index)
    with nogil:
        mg_tables[chosen].of[type].add_rows(to, data, number, count, columns)
    return out
