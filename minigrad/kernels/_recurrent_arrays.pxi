# Part of _recurrent.pyx: what the kernels ask of arrays, new arrays and scratch, and products of them.


cdef void *scratch_block(size_t bytes) except NULL:
    """Memory to be given back with mg_give."""
    cdef void *block = mg_take(bytes)
    if block == NULL:
        raise MemoryError(f"no memory for {bytes} bytes of scratch")
    return block


cdef array checked(object value, str name, int typenum):
    """`value` as a contiguous, aligned array in native byte order; it must be an array of the given type."""
    if not isinstance(value, np.ndarray):
        raise TypeError(f"{name} must be a numpy.ndarray, got {type(value).__name__}")
    cdef array a = <array>value
    if cnp.PyArray_TYPE(a) != typenum:
        wanted = cnp.PyArray_DescrFromType(typenum)
        raise TypeError(f"{name} must have dtype {wanted}, got {a.dtype}")
    if cnp.PyArray_CheckExact(value) and cnp.PyArray_ISCARRAY_RO(a):
        return a
    return cnp.PyArray_FROM_OF(
        value, cnp.NPY_ARRAY_CARRAY_RO | cnp.NPY_ARRAY_NOTSWAPPED | cnp.NPY_ARRAY_ENSUREARRAY
    )


# `symbols` is how the documentation writes the shape.

cdef array vector(object value, str name, int typenum, long size, str symbols):
    cdef array a = checked(value, name, typenum)
    if cnp.PyArray_NDIM(a) != 1 or cnp.PyArray_DIM(a, 0) != size:
        raise ValueError(f"{name} must have shape {symbols} = ({size},), got {np.shape(value)}")
    return a


cdef array matrix(object value, str name, int typenum, long rows, long columns, str symbols):
    cdef array a = checked(value, name, typenum)
    if cnp.PyArray_NDIM(a) != 2 or cnp.PyArray_DIM(a, 0) != rows or cnp.PyArray_DIM(a, 1) != columns:
        raise ValueError(f"{name} must have shape {symbols} = ({rows}, {columns}), got {np.shape(value)}")
    return a


cdef array cube(object value, str name, int typenum, long depth, long rows, long columns, str symbols):
    """Of any two dimensions, or three if `depth` is not negative."""
    if depth < 0:
        return matrix(value, name, typenum, rows, columns, symbols)
    cdef array a = checked(value, name, typenum)
    if (cnp.PyArray_NDIM(a) != 3 or cnp.PyArray_DIM(a, 0) != depth or cnp.PyArray_DIM(a, 1) != rows
            or cnp.PyArray_DIM(a, 2) != columns):
        raise ValueError(f"{name} must have shape {symbols} = ({depth}, {rows}, {columns}), got {np.shape(value)}")
    return a


cdef int floating(object value, str name, int dimensions, str symbols) except -1:
    """The type number of an array of so many dimensions and one of the two types there are kernels for."""
    if not isinstance(value, np.ndarray):
        raise TypeError(f"{name} must be a numpy.ndarray, got {type(value).__name__}")
    cdef int got = cnp.PyArray_TYPE(<array>value)
    if got != cnp.NPY_FLOAT32 and got != cnp.NPY_FLOAT64:
        raise TypeError(f"{name} must have dtype float32 or float64, got {value.dtype}")
    if cnp.PyArray_NDIM(<array>value) != dimensions:
        raise ValueError(f"{name} must have {dimensions} dimensions {symbols}, got shape {np.shape(value)}")
    return got


cdef array empty(long rows, long columns, int typenum):
    cdef cnp.npy_intp[2] shape = [rows, columns]
    return result(2, shape, typenum)


cdef array empty_cube(long depth, long rows, long columns, int typenum):
    """Of two dimensions if `depth` is negative."""
    cdef cnp.npy_intp[3] shape = [depth, rows, columns]
    return result(3, shape, typenum) if depth >= 0 else result(2, &shape[1], typenum)


cdef inline array empty_vector(long size, int typenum):
    cdef cnp.npy_intp[1] shape = [size]
    return result(1, shape, typenum)


# ---------------------------------------------------------------- products


cdef inline mg_product of(long rows, long width, long depth, const void *a, bint a_transposed, const void *b,
                          bint b_transposed) noexcept:
    """The product a b; each factor may be given as its transpose."""
    cdef mg_product p
    memset(&p, 0, sizeof(p))
    p.rows = rows
    p.width = width
    p.depth = p.split = depth
    p.a = a
    p.b = b
    p.b_step = depth if b_transposed else width
    p.a_transposed = a_transposed
    p.b_transposed = b_transposed
    p.a_step = rows if a_transposed else depth
    p.c_step = width
    return p


cdef int multiply_into(int type, mg_product *p, void *c) except -1:
    cdef const mg_recurrent *kernels = &mg_tables[chosen].of[type]
    cdef void *scratch = scratch_block(kernels.product_plan(p, threads))
    p.c = c
    with nogil:
        kernels.product(p, scratch)
    mg_give(scratch)
    return 0


cdef int multiply_more(int type, mg_product *p, void *c, void **packed, long most) except -1:
    """As multiply_into, for products with one b, of `most` rows at most; 0 if this is the only one. b is packed only
    once, to *packed, which is NULL at first and to be given back at the end. How threads share the work is planned for
    `most` rows: the first product of packed sequences may have a few."""
    cdef const mg_recurrent *kernels = &mg_tables[chosen].of[type]
    cdef long rows = p.rows
    if most == 0:
        return multiply_into(type, p, c)
    p.kept = packed[0] != NULL
    if not p.kept:
        p.keep = True
        p.rows = most
        packed[0] = scratch_block(kernels.product_plan(p, threads))
        p.rows = rows
    p.c = c
    with nogil:
        kernels.product(p, packed[0])
    return 0


cdef array multiply(int type, mg_product *p):
    """The product as a new array."""
    cdef array out = empty(p.rows, p.width, typenum_of(type))
    multiply_into(type, p, cnp.PyArray_DATA(out))
    return out


cdef cnp.ndarray product(int type, long rows, long width, long depth, const void *a, bint a_transposed, const void *b,
                         bint b_transposed, const void *bias):
    """a b + bias as a new array, for other modules; `bias` may be NULL, each factor may be given as its transpose."""
    cdef mg_product p = of(rows, width, depth, a, a_transposed, b, b_transposed)
    p.bias = bias
    return multiply(type, &p)
