# What other compiled kernels use of this module.

cimport numpy as cnp

cdef cnp.ndarray product(int type, long rows, long width, long depth, const void *a, bint a_transposed, const void *b,
                         bint b_transposed, const void *bias)
