"""Elementwise functions of small arrays, on the CPU.

For a thousand numbers NumPy spends ten times longer finding the right loop than running it. Here the frequent case
(arrays of float32 or float64, of one type and shape, contiguous; or one such array and a Python number) goes straight
to a C loop, and everything else, arrays of other libraries included, to the NumPy function of the same name. Either way
the values are NumPy's, and floating-point exceptions pass silently: 1 / 0 is inf.

The special functions at the end (erf and its like, written in `special.h`) are another matter: NumPy has none of them.
They take NumPy arrays of float32 or float64 in any layout, and nothing else.
"""

from cpython.float cimport PyFloat_AS_DOUBLE, PyFloat_CheckExact
from cpython.long cimport PyLong_CheckExact
from libc.stdint cimport uintptr_t

import numpy as np

cimport numpy as cnp

from minigrad.kernels._dispatch cimport chosen
from minigrad.kernels._memory cimport empty
from minigrad.kernels.arrays cimport same_shape, type_of

cnp.import_array()


ctypedef cnp.ndarray array


cdef extern from *:
    """
    #include "elementwise.h"
    static const mg_elementwise *const mg_tables[MG_SETS] = MG_TABLES(mg_elementwise_table);
    """
    enum:
        MG_ADD, MG_SUBTRACT, MG_MULTIPLY, MG_DIVIDE, MG_TANH_BACKWARD, MG_SIGMOID_BACKWARD, MG_RELU_BACKWARD
        MG_NEGATIVE, MG_EXP, MG_TANH, MG_SIGMOID, MG_RELU
        MG_BOTH_ARRAYS, MG_LEFT_NUMBER, MG_RIGHT_NUMBER

    ctypedef void mg_binary_loop(void *, const void *, const void *, long, int) noexcept nogil
    ctypedef void mg_unary_loop(void *, const void *, long) noexcept nogil

    ctypedef struct mg_elementwise:
        mg_binary_loop *binary[2][7]
        mg_unary_loop *unary[2][5]

    const mg_elementwise *mg_tables[]


# Above this many elements the loop is worth letting other threads run.
cdef long RELEASE_ABOVE = 32768


cdef inline bint number(object value, double *out) noexcept:
    """Whether `value` is a Python number that a double holds exactly."""
    cdef long long whole
    if PyFloat_CheckExact(value):
        out[0] = PyFloat_AS_DOUBLE(value)
        return True
    if PyLong_CheckExact(value) and -9007199254740992 <= value <= 9007199254740992:
        whole = value
        out[0] = <double>whole
        return True
    return False


cdef inline void run(int type, int function, array out, const void *a, const void *b, int operands) noexcept:
    cdef mg_binary_loop *loop = mg_tables[chosen].binary[type][function]
    cdef long n = cnp.PyArray_SIZE(out)
    cdef void *to = cnp.PyArray_DATA(out)
    if n > RELEASE_ABOVE:
        with nogil:
            loop(to, a, b, n, operands)
    else:
        loop(to, a, b, n, operands)


cdef inline array fast(int function, object a, object b):
    """The result if the operands are of the frequent case, else None."""
    cdef int left = type_of(a), right = type_of(b)
    cdef array out
    cdef double wide
    cdef float narrow
    if left >= 0 and left == right:
        if not same_shape(<array>a, <array>b):
            return None
        out = empty(cnp.PyArray_NDIM(<array>a), cnp.PyArray_DIMS(<array>a), cnp.PyArray_TYPE(<array>a))
        run(left, function, out, cnp.PyArray_DATA(<array>a), cnp.PyArray_DATA(<array>b), MG_BOTH_ARRAYS)
        return out
    if left >= 0 and number(b, &wide):
        out = empty(cnp.PyArray_NDIM(<array>a), cnp.PyArray_DIMS(<array>a), cnp.PyArray_TYPE(<array>a))
        narrow = <float>wide
        run(left, function, out, cnp.PyArray_DATA(<array>a), <void *>&narrow if left == 0 else <void *>&wide,
            MG_RIGHT_NUMBER)
        return out
    if right >= 0 and number(a, &wide):
        out = empty(cnp.PyArray_NDIM(<array>b), cnp.PyArray_DIMS(<array>b), cnp.PyArray_TYPE(<array>b))
        narrow = <float>wide
        run(right, function, out, <void *>&narrow if right == 0 else <void *>&wide,
            cnp.PyArray_DATA(<array>b), MG_LEFT_NUMBER)
        return out
    return None


cdef inline array fast_unary(int function, object a):
    cdef int kind = type_of(a)
    cdef array out
    cdef long n
    cdef void *to
    cdef const void *data
    if kind < 0:
        return None
    out = empty(cnp.PyArray_NDIM(<array>a), cnp.PyArray_DIMS(<array>a), cnp.PyArray_TYPE(<array>a))
    n = cnp.PyArray_SIZE(out)
    to = cnp.PyArray_DATA(out)
    data = cnp.PyArray_DATA(<array>a)
    if n > RELEASE_ABOVE // 16:
        with nogil:
            mg_tables[chosen].unary[kind][function](to, data, n)
    else:
        mg_tables[chosen].unary[kind][function](to, data, n)
    return out


cdef object slow(function, tuple operands):
    with np.errstate(all="ignore"):
        return function(*operands)


def add(a, b):
    """a + b, elementwise."""
    cdef array out = fast(MG_ADD, a, b)
    return out if out is not None else slow(np.add, (a, b))


def subtract(a, b):
    """a - b, elementwise."""
    cdef array out = fast(MG_SUBTRACT, a, b)
    return out if out is not None else slow(np.subtract, (a, b))


def multiply(a, b):
    """a * b, elementwise."""
    cdef array out = fast(MG_MULTIPLY, a, b)
    return out if out is not None else slow(np.multiply, (a, b))


def divide(a, b):
    """a / b, elementwise; division by zero gives inf or nan, silently."""
    cdef array out = fast(MG_DIVIDE, a, b)
    return out if out is not None else slow(np.divide, (a, b))


def negative(a):
    """-a, elementwise."""
    cdef array out = fast_unary(MG_NEGATIVE, a)
    return out if out is not None else slow(np.negative, (a,))


def exp(a):
    """e^a, elementwise."""
    cdef array out = fast_unary(MG_EXP, a)
    return out if out is not None else slow(np.exp, (a,))


def tanh(a):
    """tanh(a), elementwise."""
    cdef array out = fast_unary(MG_TANH, a)
    return out if out is not None else slow(np.tanh, (a,))


def _sigmoid(a):
    # exp of a non-positive number only, so that neither tail overflows nor loses its digits.
    e = np.exp(np.negative(np.abs(a)))
    return np.where(a < 0, e, 1) / (1 + e)


def sigmoid(a):
    """1 / (1 + e^-a), elementwise, to full relative precision in both tails."""
    cdef array out = fast_unary(MG_SIGMOID, a)
    return out if out is not None else slow(_sigmoid, (a,))


def relu(a):
    """max(a, 0), elementwise; nan stays nan."""
    cdef array out = fast_unary(MG_RELU, a)
    return out if out is not None else slow(np.maximum, (a, 0))


def _tanh_backward(g, y):
    return g * (1 - y * y)


def tanh_backward(g, y):
    """g (1 - y^2): the gradient at x of a function whose gradient at y = tanh(x) is g."""
    cdef array out = fast(MG_TANH_BACKWARD, g, y)
    return out if out is not None else slow(_tanh_backward, (g, y))


def _sigmoid_backward(g, y):
    return g * (y * (1 - y))


def sigmoid_backward(g, y):
    """g y (1 - y): the gradient at x of a function whose gradient at y = sigmoid(x) is g."""
    cdef array out = fast(MG_SIGMOID_BACKWARD, g, y)
    return out if out is not None else slow(_sigmoid_backward, (g, y))


def _relu_backward(g, y):
    return np.where(y > 0, g, 0)


def relu_backward(g, y):
    """g where y > 0, else 0: the gradient at x of a function whose gradient at y = relu(x) is g; 0 at x = 0."""
    cdef array out = fast(MG_RELU_BACKWARD, g, y)
    return out if out is not None else slow(_relu_backward, (g, y))


def _accumulate(to, what):
    np.add(to, what, out=to)


def accumulate(to, what):
    """to += what, in place; `what` is broadcast to the shape of `to`. Raises ValueError if `to` is read-only."""
    cdef int kind = type_of(to)
    cdef uintptr_t first, second
    if kind >= 0 and kind == type_of(what) and same_shape(<array>to, <array>what):
        first = <uintptr_t>cnp.PyArray_DATA(<array>to)
        second = <uintptr_t>cnp.PyArray_DATA(<array>what)
        # NumPy copies what overlaps, the loop does not.
        if cnp.PyArray_ISWRITEABLE(<array>to) and (
            first == second or first + cnp.PyArray_NBYTES(<array>to) <= second
            or second + cnp.PyArray_NBYTES(<array>to) <= first
        ):
            run(kind, MG_ADD, <array>to, <void *>first, <void *>second, MG_BOTH_ARRAYS)
            return
    slow(_accumulate, (to, what))


# ---------------------------------------------------------------- special functions

cdef extern from "special.h":
    enum:
        MG_ERF, MG_ERFINV, MG_LGAMMA, MG_DIGAMMA, MG_TRIGAMMA
    void mg_special_loop(int function, int narrow, void *out, const void *a, long n) noexcept nogil


cdef array special(int function, object a):
    cdef array given = np.ascontiguousarray(a), out
    cdef int kind = type_of(given)
    cdef long n
    if kind < 0:
        raise TypeError(f"expected an array of float32 or float64, got {a!r}")
    out = empty(cnp.PyArray_NDIM(given), cnp.PyArray_DIMS(given), cnp.PyArray_TYPE(given))
    n = cnp.PyArray_SIZE(out)
    with nogil:
        mg_special_loop(function, kind == 0, cnp.PyArray_DATA(out), cnp.PyArray_DATA(given), n)
    return out


def erf(a):
    """2/sqrt(pi) times the integral of e^(-t^2) from 0 to a, elementwise."""
    return special(MG_ERF, a)


def erfinv(a):
    """The number whose erf is a, elementwise: infinite at -1 and 1, nan beyond."""
    return special(MG_ERFINV, a)


def lgamma(a):
    """log |gamma(a)|, elementwise: inf at 0, at the negative whole numbers and at both infinities."""
    return special(MG_LGAMMA, a)


def digamma(a):
    """The derivative of log |gamma(a)|, elementwise: nan at the negative whole numbers, infinite at 0."""
    return special(MG_DIGAMMA, a)


def trigamma(a):
    """The second derivative of log |gamma(a)|, elementwise: inf at 0 and at the negative whole numbers."""
    return special(MG_TRIGAMMA, a)
