# What kernels ask of an array before they take the short way; inline, for every compiled kernel.

cimport numpy as cnp


cdef inline int type_of(object value) noexcept:
    """0 or 1 for a plain, contiguous array of float32 or float64, else -1. Scalars in an array are left to NumPy."""
    if not cnp.PyArray_CheckExact(value):
        return -1
    cdef int typenum = cnp.PyArray_TYPE(<cnp.ndarray>value)
    if (typenum != cnp.NPY_FLOAT32 and typenum != cnp.NPY_FLOAT64) or cnp.PyArray_NDIM(<cnp.ndarray>value) == 0:
        return -1
    if not cnp.PyArray_ISCARRAY_RO(<cnp.ndarray>value):
        return -1
    return typenum == cnp.NPY_FLOAT64


cdef inline bint same_shape(cnp.ndarray a, cnp.ndarray b) noexcept:
    cdef int i, n = cnp.PyArray_NDIM(a)
    if cnp.PyArray_NDIM(b) != n:
        return False
    for i in range(n):
        if cnp.PyArray_DIMS(a)[i] != cnp.PyArray_DIMS(b)[i]:
            return False
    return True
