"""Matrix products of a linear layer, and the squared error, on the CPU.

A training step of a small model is a dozen of these on arrays of a few numbers, so what counts is the way in: each is
one call that checks its operands and runs one C function. The frequent case (NumPy arrays of float32 or float64, of one
type, contiguous) is computed here; for anything else, arrays of other libraries included, a function says None and its
caller in `ops` uses NumPy's functions, which dispatch by the arrays themselves.

Matrix products are those of the recurrent kernels: at the sizes of layers they beat NumPy's BLAS, which spends longer
on the way in.
"""

cimport numpy as cnp

from minigrad.kernels._dispatch cimport chosen
from minigrad.kernels._memory cimport empty
from minigrad.kernels._recurrent cimport product
from minigrad.kernels.arrays cimport same_shape, type_of

cnp.import_array()


ctypedef cnp.ndarray array


cdef extern from *:
    """
    #include "dense.h"
    static const mg_dense_pair *const mg_tables[MG_SETS] = MG_TABLES(mg_dense_table);
    """
    ctypedef struct mg_dense:
        double (*squared_error)(const void *, const void *, long) noexcept nogil
        void (*scaled_difference)(void *, const void *, const void *, double, long) noexcept nogil
        double (*sum)(const void *, long) noexcept nogil
        void (*fill)(void *, const void *, long) noexcept nogil

    ctypedef struct mg_dense_pair:
        mg_dense of[2]

    const mg_dense_pair *mg_tables[]


cdef object with_rows_of(array out, array x, long width):
    """`out`, a matrix, with the leading dimensions of x in place of its rows."""
    cdef cnp.npy_intp shape[cnp.NPY_MAXDIMS]
    cdef cnp.PyArray_Dims dims
    cdef int i, n = cnp.PyArray_NDIM(x)
    if n == 2:
        return out
    for i in range(n - 1):
        shape[i] = cnp.PyArray_DIMS(x)[i]
    shape[n - 1] = width
    dims.ptr, dims.len = shape, n
    return cnp.PyArray_Newshape(out, &dims, cnp.NPY_CORDER)


def linear(x, weight, bias=None):
    """x W^T + b for x (..., I), weight (O, I), bias (O) or None: (..., O); None if this is not the frequent case."""
    cdef int type = type_of(x)
    if type < 0 or type_of(weight) != type or cnp.PyArray_NDIM(<array>weight) != 2:
        return None
    cdef long depth = cnp.PyArray_DIM(<array>weight, 1), width = cnp.PyArray_DIM(<array>weight, 0)
    cdef const void *add = NULL
    if cnp.PyArray_DIM(<array>x, cnp.PyArray_NDIM(<array>x) - 1) != depth or depth == 0 or width == 0:
        return None
    if bias is not None:
        if type_of(bias) != type or cnp.PyArray_NDIM(<array>bias) != 1 or cnp.PyArray_DIM(<array>bias, 0) != width:
            return None
        add = cnp.PyArray_DATA(<array>bias)
    return with_rows_of(product(type, cnp.PyArray_SIZE(<array>x) // depth, width, depth, cnp.PyArray_DATA(<array>x),
                                False, cnp.PyArray_DATA(<array>weight), True, add), <array>x, width)


def linear_input(g, weight):
    """g W for g (..., O), weight (O, I): (..., I); None if this is not the frequent case."""
    cdef int type = type_of(g)
    if type < 0 or type_of(weight) != type or cnp.PyArray_NDIM(<array>weight) != 2:
        return None
    cdef long depth = cnp.PyArray_DIM(<array>weight, 0), width = cnp.PyArray_DIM(<array>weight, 1)
    if cnp.PyArray_DIM(<array>g, cnp.PyArray_NDIM(<array>g) - 1) != depth or depth == 0:
        return None
    return with_rows_of(product(type, cnp.PyArray_SIZE(<array>g) // depth, width, depth, cnp.PyArray_DATA(<array>g),
                                False, cnp.PyArray_DATA(<array>weight), False, NULL), <array>g, width)


def linear_weight(g, x):
    """The sum over all rows of g^T x for g (..., O), x (..., I): (O, I); None if this is not the frequent case."""
    cdef int type = type_of(g)
    if type < 0 or type_of(x) != type or cnp.PyArray_NDIM(<array>g) != cnp.PyArray_NDIM(<array>x):
        return None
    cdef int last = cnp.PyArray_NDIM(<array>g) - 1
    cdef long rows = cnp.PyArray_DIM(<array>g, last), width = cnp.PyArray_DIM(<array>x, last)
    if rows == 0:
        return None
    cdef long depth = cnp.PyArray_SIZE(<array>g) // rows
    if cnp.PyArray_SIZE(<array>x) != depth * width:
        return None
    return product(type, rows, width, depth, cnp.PyArray_DATA(<array>g), True, cnp.PyArray_DATA(<array>x), False, NULL)


cdef inline int layout(object value, int type, bint *transposed) noexcept:
    """Whether `value` is a matrix of the type whose memory, or whose transpose's, is in order."""
    if not cnp.PyArray_CheckExact(value) or cnp.PyArray_NDIM(<array>value) != 2:
        return 0
    if cnp.PyArray_TYPE(<array>value) != (<int> cnp.NPY_FLOAT64 if type else <int> cnp.NPY_FLOAT32):
        return 0
    if not cnp.PyArray_ISALIGNED(<array>value) or not cnp.PyArray_ISNOTSWAPPED(<array>value):
        return 0
    transposed[0] = not cnp.PyArray_IS_C_CONTIGUOUS(<array>value)
    return not transposed[0] or cnp.PyArray_IS_F_CONTIGUOUS(<array>value)


def matmul(a, b):
    """a b for matrices, each in order or transposed; None if this is not the frequent case."""
    cdef bint a_transposed = False, b_transposed = False
    if not cnp.PyArray_CheckExact(a):
        return None
    cdef int type = cnp.PyArray_TYPE(<array>a) == cnp.NPY_FLOAT64
    if not layout(a, type, &a_transposed) or not layout(b, type, &b_transposed):
        return None
    cdef long rows = cnp.PyArray_DIM(<array>a, 0), depth = cnp.PyArray_DIM(<array>a, 1)
    cdef long width = cnp.PyArray_DIM(<array>b, 1)
    if cnp.PyArray_DIM(<array>b, 0) != depth or rows == 0 or depth == 0 or width == 0:
        return None
    return product(type, rows, width, depth, cnp.PyArray_DATA(<array>a), a_transposed, cnp.PyArray_DATA(<array>b),
                   b_transposed, NULL)


def squared_error(a, b, bint average):
    """The sum, or the mean, of (a - b)^2 as an array of one element; None if this is not the frequent case."""
    cdef int type = type_of(a)
    if type < 0 or type_of(b) != type or not same_shape(<array>a, <array>b):
        return None
    cdef long n = cnp.PyArray_SIZE(<array>a)
    cdef double total = mg_tables[chosen].of[type].squared_error(cnp.PyArray_DATA(<array>a),
                                                                 cnp.PyArray_DATA(<array>b), n)
    cdef cnp.npy_intp one = 1
    cdef array out = empty(1, &one, cnp.PyArray_TYPE(<array>a))
    if average:
        total /= n
    if type:
        (<double *> cnp.PyArray_DATA(out))[0] = total
    else:
        (<float *> cnp.PyArray_DATA(out))[0] = <float> total
    return out


def scaled_difference(a, b, g, double factor):
    """(a - b) * g * factor for a gradient g of one element; None if this is not the frequent case."""
    cdef int type = type_of(a)
    if type < 0 or type_of(b) != type or type_of(g) != type or not same_shape(<array>a, <array>b):
        return None
    if cnp.PyArray_SIZE(<array>g) != 1:
        return None
    factor *= (<double *> cnp.PyArray_DATA(<array>g))[0] if type else (<float *> cnp.PyArray_DATA(<array>g))[0]
    cdef array out = empty(cnp.PyArray_NDIM(<array>a), cnp.PyArray_DIMS(<array>a), cnp.PyArray_TYPE(<array>a))
    mg_tables[chosen].of[type].scaled_difference(cnp.PyArray_DATA(out), cnp.PyArray_DATA(<array>a),
                                                 cnp.PyArray_DATA(<array>b), factor, cnp.PyArray_SIZE(<array>a))
    return out


def total(x):
    """The sum of all elements, added up in double precision, as an array of one; None if x is not the frequent case."""
    cdef int type = type_of(x)
    cdef cnp.npy_intp one = 1
    if type < 0:
        return None
    cdef array out = empty(1, &one, cnp.PyArray_TYPE(<array>x))
    cdef double found = mg_tables[chosen].of[type].sum(cnp.PyArray_DATA(<array>x), cnp.PyArray_SIZE(<array>x))
    if type:
        (<double *> cnp.PyArray_DATA(out))[0] = found
    else:
        (<float *> cnp.PyArray_DATA(out))[0] = <float> found
    return out


def filled(x, tuple size):
    """An array of `size` with the only element of x everywhere; None if x is not of the frequent case."""
    cdef int type = type_of(x), i
    cdef cnp.npy_intp shape[cnp.NPY_MAXDIMS]
    if type < 0 or cnp.PyArray_SIZE(<array>x) != 1 or len(size) > cnp.NPY_MAXDIMS:
        return None
    for i in range(len(size)):
        shape[i] = size[i]
    cdef array out = empty(<int> len(size), shape, cnp.PyArray_TYPE(<array>x))
    mg_tables[chosen].of[type].fill(cnp.PyArray_DATA(out), cnp.PyArray_DATA(<array>x), cnp.PyArray_SIZE(out))
    return out
