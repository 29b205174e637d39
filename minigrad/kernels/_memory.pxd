# Memory of results, for every compiled kernel.

cimport numpy as cnp

cdef enum:
    LEFT_TO_MALLOC = 1024    # MG_LEFT_TO_MALLOC


cdef cnp.ndarray from_store(int dimensions, cnp.npy_intp *shape, int typenum, size_t bytes)


cdef inline cnp.ndarray empty(int dimensions, cnp.npy_intp *shape, int typenum):
    """A C-contiguous array of float32 or float64 with any content."""
    cdef size_t bytes = 4 if typenum == cnp.NPY_FLOAT32 else 8
    cdef int i
    for i in range(dimensions):
        bytes *= shape[i]
    if bytes < LEFT_TO_MALLOC:
        return cnp.PyArray_EMPTY(dimensions, shape, typenum, 0)
    return from_store(dimensions, shape, typenum, bytes)
