"""Recurrent layers over whole packed sequences, on the CPU.

A layer in one direction is three things: one product for the input side of all steps at once, a loop over time that
only C sees, and in backward one product per weight over all rows. `layer_forward` and `layer_backward` do all of it;
`forward` and `backward` are the loop alone. Everything is packed: an array has one row for each step of each sequence,
time-major, and batch_sizes[t] rows belong to step t (a plain (seq, batch) input is the special case of equal batch
sizes, spelled batch_sizes=None).

The four kinds share every line except the cells, which are in gates.h. What backward needs is kept in a
`SavedSequence`, whose arrays are as laid out by the kernel and of no interest outside.

Memory is taken from and given back to the small store of blocks.h, also that of large results: those are arrays whose
base is a `Block`. Work that is worth it is shared by the threads of threads.h.
"""

cimport cython
from cpython.mem cimport PyMem_Free, PyMem_Malloc
from libc.stdint cimport int64_t
from libc.string cimport memcpy, memset

import operator
import os

import numpy as np

cimport numpy as cnp

cnp.import_array()


cdef extern from *:
    """
    #include "blocks.h"
    #include "recurrent.h"
    #include "threads.h"
    static const mg_recurrent_pair *const mg_tables[MG_SETS] = MG_TABLES(mg_recurrent_table);
    """
    enum:
        MG_SETS
        MG_RNN_TANH
        MG_RNN_RELU
        MG_LSTM
        MG_GRU
        MG_MOST_THREADS
        MG_SMALL_BLOCK

    ctypedef struct mg_sequence:
        int kind, reverse, initial, threads
        long steps, batch, hidden, rows
        const int64_t *batch_sizes
        const int64_t *offsets
        const void *w_hh
        const void *b_hh
        const void *h0
        const void *c0
        const void *gx
        void *gates
        void *b_n
        void *h
        void *c
        void *hn
        void *cn
        const void *d_h
        void *d_b
        void *d_n
        void *d_h0
        void *d_c0

    ctypedef struct mg_product:
        long rows, width, depth
        const void *a
        const void *b
        int a_transposed, b_transposed
        const void *b_rest
        long split
        const void *bias
        void *c

    ctypedef struct mg_recurrent:
        size_t (*forward_scratch)(const mg_sequence *) noexcept nogil
        void (*forward)(const mg_sequence *, void *) noexcept nogil
        size_t (*backward_scratch)(const mg_sequence *) noexcept nogil
        void (*backward)(const mg_sequence *, void *) noexcept nogil
        void (*gather_previous)(const mg_sequence *, void *) noexcept nogil
        size_t (*product_plan)(mg_product *, int) noexcept nogil
        void (*product)(mg_product *, void *) noexcept nogil
        void (*sum_rows)(long, long, const void *, void *, int) noexcept nogil

    ctypedef struct mg_recurrent_pair:
        mg_recurrent of[2]

    long mg_wide(const mg_sequence *s)
    const mg_recurrent_pair *mg_tables[]
    const char *mg_set_names[]
    int mg_supported(int set)
    int mg_find(const char *name)
    int mg_best()
    int mg_can_thread()
    void *mg_take(size_t) noexcept
    void mg_give(void *) noexcept


# Index into the tables; chosen once at import, and again only by a test.
cdef int chosen = -1


def available_instruction_sets():
    """The names of the instruction sets that are compiled in and that this processor has, best last."""
    return tuple([mg_set_names[i].decode() for i in range(MG_SETS) if mg_supported(i)])


def instruction_set():
    """The name of the instruction set in use."""
    return mg_set_names[chosen].decode()


def use_instruction_set(str name):
    """Use the instruction set called `name` from now on. Raises ValueError if it is not available."""
    global chosen
    cdef int found = mg_find(name.encode())
    if found < 0:
        raise ValueError(f"instruction set must be one of {available_instruction_sets()}, got {name!r}")
    chosen = found


if "MINIGRAD_ISA" in os.environ:
    use_instruction_set(os.environ["MINIGRAD_ISA"])
else:
    chosen = mg_best()

# How many threads may share the work of one call.
cdef int threads = 1


def set_num_threads(n):
    """Let at most `n` threads, the calling one included, share the work of one call. Raises ValueError unless n >= 1.

    Small work is not shared. The number is also the most parts that work is cut into, and sums may be rounded
    differently if they are cut differently; with the same number, the same work gives the same bits every time.
    """
    global threads
    cdef object wanted
    try:
        wanted = operator.index(n)
    except TypeError:
        raise TypeError(f"n must be an int, got {type(n).__name__}") from None
    if isinstance(n, bool):
        raise TypeError("n must be an int, got bool")
    if wanted < 1:
        raise ValueError(f"n must be at least 1, got {n}")
    threads = min(wanted, MG_MOST_THREADS) if mg_can_thread() else 1


def get_num_threads():
    """How many threads may share the work of one call.

    At first the value of the environment variable MINIGRAD_NUM_THREADS, else that of OMP_NUM_THREADS, else the number
    of processors that this process may run on.
    """
    return threads


cdef void first_num_threads() except *:
    text = os.environ.get("MINIGRAD_NUM_THREADS", "").strip()
    if text:
        if not text.isdecimal() or int(text) < 1:
            raise ValueError(f"the environment variable MINIGRAD_NUM_THREADS must be a positive integer, got {text!r}")
        set_num_threads(int(text))
        return
    # A list here is one number for each level of nesting. What else it may hold is not ours to judge.
    text = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()
    if text.isdecimal() and int(text) >= 1:
        set_num_threads(int(text))
    elif hasattr(os, "sched_getaffinity"):
        set_num_threads(len(os.sched_getaffinity(0)))
    else:
        set_num_threads(os.cpu_count() or 1)


first_num_threads()

KINDS = ("RNN_TANH", "RNN_RELU", "LSTM", "GRU")
cdef dict kind_numbers = {"RNN_TANH": MG_RNN_TANH, "RNN_RELU": MG_RNN_RELU, "LSTM": MG_LSTM, "GRU": MG_GRU}


cdef void *scratch_block(size_t bytes) except NULL:
    """Memory to be given back with mg_give."""
    cdef void *block = mg_take(bytes)
    if block == NULL:
        raise MemoryError(f"no memory for {bytes} bytes of scratch")
    return block


@cython.final
@cython.freelist(16)
cdef class Block:
    """Owner of the memory of an array."""
    cdef void *memory

    def __dealloc__(self):
        mg_give(self.memory)


ctypedef cnp.ndarray array


@cython.final
@cython.freelist(16)
cdef class SavedSequence:
    """What backward needs of one layer's forward pass. Opaque, and read only."""
    cdef mg_sequence s
    cdef int type                   # 0 float32, 1 float64
    cdef int64_t *plan              # batch sizes, then offsets
    cdef array x, w_ih              # None if made by `forward`
    cdef array h0, c0, w_hh, b_hh, gates, b_n, h, c
    cdef bint biased_ih, biased_hh

    def __init__(self):
        raise TypeError("SavedSequence is made by forward and layer_forward alone")

    def __dealloc__(self):
        PyMem_Free(self.plan)

    @property
    def kind(self):
        return KINDS[self.s.kind]


cdef inline int gates_of(int kind) noexcept:
    return 4 if kind == MG_LSTM else 3 if kind == MG_GRU else 1


cdef array checked(object value, str name, int typenum):
    """`value` as a contiguous, aligned array in native byte order; it must be an array of the given type."""
    if not isinstance(value, np.ndarray):
        raise TypeError(f"{name} must be a numpy.ndarray, got {type(value).__name__}")
    cdef array a = <array>value
    cdef int got = cnp.PyArray_TYPE(a)
    if got != typenum:
        wanted = cnp.PyArray_DescrFromType(typenum)
        raise TypeError(f"{name} must have dtype {wanted}, got {a.dtype}")
    if type(value) is np.ndarray and cnp.PyArray_ISCARRAY_RO(a):
        return a
    return cnp.PyArray_FROM_OF(
        value, cnp.NPY_ARRAY_CARRAY_RO | cnp.NPY_ARRAY_NOTSWAPPED | cnp.NPY_ARRAY_ENSUREARRAY
    )


cdef array matrix(object value, str name, int typenum, long rows, long columns, str symbols):
    cdef array a = checked(value, name, typenum)
    if cnp.PyArray_NDIM(a) != 2 or cnp.PyArray_DIM(a, 0) != rows or cnp.PyArray_DIM(a, 1) != columns:
        raise ValueError(f"{name} must have shape {symbols} = ({rows}, {columns}), got {np.shape(value)}")
    return a


cdef array vector(object value, str name, int typenum, long size, str symbols):
    cdef array a = checked(value, name, typenum)
    if cnp.PyArray_NDIM(a) != 1 or cnp.PyArray_DIM(a, 0) != size:
        raise ValueError(f"{name} must have shape {symbols} = ({size},), got {np.shape(value)}")
    return a


cdef array empty(long rows, long columns, int typenum):
    cdef cnp.npy_intp shape[2]
    shape[0] = rows
    shape[1] = columns
    cdef size_t bytes = <size_t>(rows * columns) * (4 if typenum == cnp.NPY_FLOAT32 else 8)
    cdef Block block
    cdef array out
    if bytes <= MG_SMALL_BLOCK:
        return cnp.PyArray_EMPTY(2, shape, typenum, 0)
    block = Block.__new__(Block)
    block.memory = scratch_block(bytes)
    out = cnp.PyArray_SimpleNewFromData(2, shape, typenum, block.memory)
    cnp.set_array_base(out, block)
    return out


cdef inline array empty_vector(long size, int typenum):
    cdef cnp.npy_intp shape[1]
    shape[0] = size
    return cnp.PyArray_EMPTY(1, shape, typenum, 0)


cdef inline int typenum_of(int type) noexcept:
    return cnp.NPY_FLOAT32 if type == 0 else cnp.NPY_FLOAT64


cdef int floating(object value, str name) except -1:
    """The type number of an array of two dimensions and one of the two types there are kernels for."""
    if not isinstance(value, np.ndarray):
        raise TypeError(f"{name} must be a numpy.ndarray, got {type(value).__name__}")
    cdef int got = cnp.PyArray_TYPE(<array>value)
    if got != cnp.NPY_FLOAT32 and got != cnp.NPY_FLOAT64:
        raise TypeError(f"{name} must have dtype float32 or float64, got {value.dtype}")
    if cnp.PyArray_NDIM(<array>value) != 2:
        raise ValueError(f"{name} must have 2 dimensions (rows, features), got shape {np.shape(value)}")
    return got


cdef SavedSequence start(object kind, object rows_like, str rows_name, object h0, object c0, object w_hh, object b_hh,
                         object batch_sizes, bint reverse):
    """Check what `forward` and `layer_forward` have in common, and lay out the sequence."""
    cdef SavedSequence saved = SavedSequence.__new__(SavedSequence)
    cdef mg_sequence *s = &saved.s
    number = kind_numbers.get(kind) if isinstance(kind, str) else None
    if number is None:
        raise ValueError(f"kind must be one of {KINDS}, got {kind!r}")
    s.kind = number
    s.reverse = reverse
    s.threads = threads
    cdef int typenum = floating(rows_like, rows_name)
    saved.type = typenum == cnp.NPY_FLOAT64
    s.rows = cnp.PyArray_DIM(<array>rows_like, 0)

    cdef array state = checked(h0, "h0", typenum)
    if cnp.PyArray_NDIM(state) != 2 or cnp.PyArray_DIM(state, 1) < 1:
        raise ValueError(f"h0 must have shape (batch, hidden_size >= 1), got {np.shape(h0)}")
    s.batch = cnp.PyArray_DIM(state, 0)
    s.hidden = cnp.PyArray_DIM(state, 1)
    saved.h0 = state
    s.h0 = cnp.PyArray_DATA(state)
    if s.kind == MG_LSTM:
        if c0 is None:
            raise ValueError(f"c0 must have shape (batch, hidden_size) = ({s.batch}, {s.hidden}) for LSTM, got None")
        saved.c0 = matrix(c0, "c0", typenum, s.batch, s.hidden, "(batch, hidden_size)")
        s.c0 = cnp.PyArray_DATA(saved.c0)
    elif c0 is not None:
        raise ValueError(f"c0 must be None for {kind}, which has no cell state")

    cdef long wide = gates_of(s.kind) * s.hidden
    saved.w_hh = matrix(w_hh, "w_hh", typenum, wide, s.hidden, f"({gates_of(s.kind)} * hidden_size, hidden_size)")
    s.w_hh = cnp.PyArray_DATA(saved.w_hh)
    if b_hh is not None:
        saved.b_hh = vector(b_hh, "b_hh", typenum, wide, f"({gates_of(s.kind)} * hidden_size,)")
        s.b_hh = cnp.PyArray_DATA(saved.b_hh)
        saved.biased_hh = True
    plan_steps(saved, batch_sizes, rows_name)
    return saved


cdef int plan_steps(SavedSequence saved, object batch_sizes, str rows_name) except -1:
    cdef mg_sequence *s = &saved.s
    cdef const int64_t *given = NULL
    cdef long t
    cdef int64_t offset = 0, size, before = s.batch
    cdef array sizes
    if batch_sizes is None:
        s.steps = s.rows // s.batch if s.batch else 0
        if s.steps == 0 or s.rows != s.steps * s.batch:
            raise ValueError(
                f"{rows_name} must have seq * batch rows, a multiple of h0's batch {s.batch} and at least one step, "
                f"got {s.rows} rows"
            )
    else:
        sizes = checked(batch_sizes, "batch_sizes", cnp.NPY_INT64)
        if cnp.PyArray_NDIM(sizes) != 1 or cnp.PyArray_DIM(sizes, 0) == 0:
            raise ValueError(f"batch_sizes must have shape (seq >= 1,), got {np.shape(batch_sizes)}")
        s.steps = cnp.PyArray_DIM(sizes, 0)
        given = <const int64_t *>cnp.PyArray_DATA(sizes)
    saved.plan = <int64_t *>PyMem_Malloc(2 * s.steps * sizeof(int64_t))
    if saved.plan == NULL:
        raise MemoryError()
    s.batch_sizes = saved.plan
    s.offsets = saved.plan + s.steps
    for t in range(s.steps):
        size = s.batch if given == NULL else given[t]
        if size < 0 or size > before or t == 0 and size != s.batch:
            raise ValueError(
                f"batch_sizes must start with h0's batch {s.batch} and never increase, got {size} at step {t}"
            )
        saved.plan[t] = size
        saved.plan[s.steps + t] = offset
        offset += size
        before = size
    if offset != s.rows:
        raise ValueError(f"batch_sizes must sum to the {s.rows} rows of {rows_name}, got a sum of {offset}")
    return 0


cdef tuple run(SavedSequence saved, array room, bint save):
    """The loop over time, once gx is known; `room`, perhaps gx itself, takes the gates, or h if there are none."""
    cdef mg_sequence *s = &saved.s
    cdef int typenum = typenum_of(saved.type)
    if s.kind == MG_LSTM or s.kind == MG_GRU:
        if save:
            saved.gates = room
            s.gates = cnp.PyArray_DATA(room)
        saved.h = empty(s.rows, s.hidden, typenum)
    else:
        saved.h = room
    s.h = cnp.PyArray_DATA(saved.h)
    cdef array hn = empty(s.batch, s.hidden, typenum), cn = None
    s.hn = cnp.PyArray_DATA(hn)
    if s.kind == MG_LSTM:
        if save:
            saved.c = empty(s.rows, s.hidden, typenum)
            s.c = cnp.PyArray_DATA(saved.c)
        cn = empty(s.batch, s.hidden, typenum)
        s.cn = cnp.PyArray_DATA(cn)
    elif s.kind == MG_GRU and save:
        saved.b_n = empty(s.rows, s.hidden, typenum)
        s.b_n = cnp.PyArray_DATA(saved.b_n)
    cdef const mg_recurrent *kernels = &mg_tables[chosen].of[saved.type]
    cdef void *scratch = scratch_block(kernels.forward_scratch(s))
    with nogil:
        kernels.forward(s, scratch)
    mg_give(scratch)
    return saved.h, hn, cn, saved if save else None


def forward(kind, gx, h0, c0, w_hh, b_hh, batch_sizes=None, bint reverse=False):
    """The recurrent loop of one layer in one direction, given the input side of all its pre-activations.

    `kind` is one of KINDS; G below is its number of gates (1, 1, 4, 3), stacked in the order i, f, g, o or r, z, n.

    gx            (rows, G * hidden_size), W_ih x + b_ih of every row
    h0, c0        (batch, hidden_size); c0 is None except for LSTM
    w_hh, b_hh    (G * hidden_size, hidden_size) and (G * hidden_size,); b_hh may be None
    batch_sizes   int64 (seq,), never increasing, its first element the batch and its sum the rows; None for equal ones
    reverse       run from the last step to the first

    Returns (h, hn, cn, saved): the states of all rows, (rows, hidden_size); the state of each sequence after its own
    last step in the direction of the run, (batch, hidden_size), with cn None except for LSTM; and what `backward`
    takes.

    Inputs must be float32 or float64 arrays, all of one type. They are not modified, but are referred to by `saved`:
    until backward has run, changing them changes the gradients. Raises TypeError for a wrong type, ValueError for a
    wrong shape.
    """
    cdef SavedSequence saved = start(kind, gx, "gx", h0, c0, w_hh, b_hh, batch_sizes, reverse)
    cdef int typenum = typenum_of(saved.type)
    cdef long wide = gates_of(saved.s.kind) * saved.s.hidden
    cdef array given = matrix(gx, "gx", typenum, saved.s.rows, wide, f"(rows, {gates_of(saved.s.kind)} * hidden_size)")
    saved.s.gx = cnp.PyArray_DATA(given)
    return run(saved, empty(saved.s.rows, wide, typenum), True)


cdef array multiply(int type, mg_product *p):
    """The product as a new array."""
    cdef const mg_recurrent *kernels = &mg_tables[chosen].of[type]
    cdef array out = empty(p.rows, p.width, typenum_of(type))
    p.c = cnp.PyArray_DATA(out)
    cdef void *scratch = scratch_block(kernels.product_plan(p, threads))
    with nogil:
        kernels.product(p, scratch)
    mg_give(scratch)
    return out


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
    p.a_transposed = a_transposed
    p.b_transposed = b_transposed
    return p


cdef cnp.ndarray product(int type, long rows, long width, long depth, const void *a, bint a_transposed, const void *b,
                         bint b_transposed, const void *bias):
    """a b + bias as a new array, for other modules; `bias` may be NULL, each factor may be given as its transpose."""
    cdef mg_product p = of(rows, width, depth, a, a_transposed, b, b_transposed)
    p.bias = bias
    return multiply(type, &p)


def layer_forward(kind, x, h0, c0, w_ih, w_hh, b_ih, b_hh, batch_sizes=None, bint reverse=False, bint save=True):
    """One recurrent layer in one direction: `forward` of gx = x W_ih^T + b_ih.

    x             (rows, input_size)
    w_ih, b_ih    (G * hidden_size, input_size) and (G * hidden_size,); b_ih may be None
    save          whether there may be a backward pass; if not, less is computed and kept, and `saved` is None

    Everything else, and what is returned, is as for `forward`; `saved` is for `layer_backward`.
    """
    cdef SavedSequence saved = start(kind, x, "x", h0, c0, w_hh, b_hh, batch_sizes, reverse)
    cdef int typenum = typenum_of(saved.type), gates = gates_of(saved.s.kind)
    cdef long wide = gates * saved.s.hidden, features = cnp.PyArray_DIM(<array>x, 1)
    cdef array bias
    cdef mg_product p
    saved.x = checked(x, "x", typenum)
    saved.w_ih = matrix(w_ih, "w_ih", typenum, wide, features, f"({gates} * hidden_size, input_size)")
    p = of(saved.s.rows, wide, features, cnp.PyArray_DATA(saved.x), False, cnp.PyArray_DATA(saved.w_ih), True)
    if b_ih is not None:
        bias = vector(b_ih, "b_ih", typenum, wide, f"({gates} * hidden_size,)")
        p.bias = cnp.PyArray_DATA(bias)
        saved.biased_ih = True
    cdef array gx = multiply(saved.type, &p)
    saved.s.gx = cnp.PyArray_DATA(gx)
    return run(saved, gx, save)


cdef array running(object upstream, str name, int typenum, mg_sequence *s):
    """A new array with the gradient of a final state, in which backward will leave that of the initial one."""
    cdef cnp.npy_intp shape[2]
    cdef array given, out
    if upstream is None:
        shape[0] = s.batch
        shape[1] = s.hidden
        return cnp.PyArray_ZEROS(2, shape, typenum, 0)
    given = matrix(upstream, name, typenum, s.batch, s.hidden, "(batch, hidden_size)")
    out = empty(s.batch, s.hidden, typenum)
    memcpy(cnp.PyArray_DATA(out), cnp.PyArray_DATA(given), cnp.PyArray_NBYTES(out))
    return out


cdef tuple back(object kind, SavedSequence saved, mg_sequence *s, object d_h, object d_hn, object d_cn, bint initial):
    """The loop over time, into s.d_b and s.d_n; returns (d_h0, d_c0), which are right only if `initial`."""
    cdef int typenum = typenum_of(saved.type)
    cdef array upstream, d_h0, d_c0 = None
    if kind != KINDS[s.kind]:
        raise ValueError(f"kind must be {KINDS[s.kind]} as in the forward pass, got {kind!r}")
    s.initial = initial
    s.d_h = NULL
    if d_h is not None:
        upstream = matrix(d_h, "d_h", typenum, s.rows, s.hidden, "(rows, hidden_size)")
        s.d_h = cnp.PyArray_DATA(upstream)
    d_h0 = running(d_hn, "d_hn", typenum, s)
    s.d_h0 = cnp.PyArray_DATA(d_h0)
    if s.kind == MG_LSTM:
        d_c0 = running(d_cn, "d_cn", typenum, s)
        s.d_c0 = cnp.PyArray_DATA(d_c0)
    elif d_cn is not None:
        raise ValueError(f"d_cn must be None for {kind}, which has no cell state")
    cdef const mg_recurrent *kernels = &mg_tables[chosen].of[saved.type]
    s.threads = threads
    cdef void *scratch = scratch_block(kernels.backward_scratch(s))
    with nogil:
        kernels.backward(s, scratch)
    mg_give(scratch)
    return d_h0, d_c0


cdef void turn_to_input_side(const mg_sequence *s, void *d_b, size_t item) noexcept:
    """Make the gradient of GRU's recurrent side that of its input side, which differs in the n part alone."""
    cdef size_t part = <size_t>s.hidden * item
    cdef char *to = <char *>d_b + 2 * part
    cdef long row
    for row in range(s.rows):
        memcpy(to + <size_t>row * 3 * part, <char *>s.d_n + <size_t>row * part, part)


def backward(kind, SavedSequence saved not None, d_h=None, d_hn=None, d_cn=None):
    """The loop of `forward`, back through time.

    d_h           (rows, hidden_size), gradient of the states of all rows
    d_hn, d_cn    (batch, hidden_size), gradients of the final states; None stands for zeros, in all three

    Returns (d_a, d_b, d_h0, d_c0, h_previous): the gradients of the input side gx and of the recurrent side W_hh h +
    b_hh, both (rows, G * hidden_size) and the same array except for GRU; of the initial states (d_c0 None except for
    LSTM); and the state before each row's step, (rows, hidden_size). The gradient of w_hh is d_b^T h_previous, that of
    b_hh the sum of d_b's rows. May be called again with the same `saved`.
    """
    cdef mg_sequence s = saved.s
    cdef int typenum = typenum_of(saved.type)
    cdef array d_b = empty(s.rows, mg_wide(&s), typenum), d_a = d_b, d_n
    cdef array h_previous = empty(s.rows, s.hidden, typenum)
    s.d_b = cnp.PyArray_DATA(d_b)
    if s.kind == MG_GRU:
        d_n = empty(s.rows, s.hidden, typenum)
        s.d_n = cnp.PyArray_DATA(d_n)
    d_h0, d_c0 = back(kind, saved, &s, d_h, d_hn, d_cn, True)
    if s.kind == MG_GRU:
        d_a = d_b.copy()
        turn_to_input_side(&s, cnp.PyArray_DATA(d_a), 8 if saved.type else 4)
    mg_tables[chosen].of[saved.type].gather_previous(&s, cnp.PyArray_DATA(h_previous))
    return d_a, d_b, d_h0, d_c0, h_previous


cdef array sum_rows(int type, long rows, long width, const void *a):
    cdef array out = empty_vector(width, typenum_of(type))
    cdef const mg_recurrent *kernels = &mg_tables[chosen].of[type]
    cdef void *to = cnp.PyArray_DATA(out)
    with nogil:
        kernels.sum_rows(rows, width, a, to, threads)
    return out


def layer_backward(kind, SavedSequence saved not None, d_h, d_hn, d_cn, needs):
    """The gradients of (x, h0, c0, w_ih, w_hh, b_ih, b_hh), each None unless the tuple `needs` asks for it.

    d_h, d_hn and d_cn are as for `backward`. What is not needed is not computed. `saved` must come from
    `layer_forward`. Asking for an argument that was None (a bias, or c0) yields None.
    """
    cdef bint need_x, need_h0, need_c0, need_w_ih, need_w_hh, need_b_ih, need_b_hh
    cdef mg_sequence s = saved.s
    cdef mg_product p
    cdef int type = saved.type
    cdef long wide = mg_wide(&s), features
    cdef array d_x = None, d_w_ih = None, d_w_hh = None, d_b_ih = None, d_b_hh = None
    if saved.x is None:
        raise ValueError("saved must come from layer_forward, got one from forward")
    need_x, need_h0, need_c0, need_w_ih, need_w_hh, need_b_ih, need_b_hh = needs
    features = cnp.PyArray_DIM(saved.x, 1)

    # One block of scratch holds d_b, d_n and the previous states, as far as they are needed. If all steps have the same
    # batch, the previous states are h0 and all but the last rows of h (or the other way about). What needs the gradient
    # of the recurrent side comes first, so that it can then be turned into that of the input side where it lies.
    cdef bint distinct = s.kind == MG_GRU, gather = need_w_hh and s.rows != s.steps * s.batch
    cdef size_t item = 8 if type else 4
    cdef size_t of_gates = <size_t>(s.rows * wide) * item, of_states = <size_t>(s.rows * s.hidden) * item
    cdef char *block = <char *>scratch_block(of_gates + of_states * (distinct + gather))
    s.d_b = block
    s.d_n = block + of_gates
    try:
        d_h0, d_c0 = back(kind, saved, &s, d_h, d_hn, d_cn, need_h0 or need_c0)
        if need_w_hh:
            p = of(wide, s.hidden, s.rows, s.d_b, True, s.h0, False)
            if gather:
                p.b = block + of_gates + of_states * distinct
                mg_tables[chosen].of[type].gather_previous(&s, <void *>p.b)
            elif s.reverse:
                p.b = <char *>s.h + <size_t>(s.batch * s.hidden) * item
                p.split = s.rows - s.batch
                p.b_rest = s.h0
            else:
                p.split = s.batch
                p.b_rest = s.h
            d_w_hh = multiply(type, &p)
        if need_b_hh and saved.biased_hh:
            d_b_hh = sum_rows(type, s.rows, wide, s.d_b)
        if distinct:
            turn_to_input_side(&s, s.d_b, item)
        if need_x:
            p = of(s.rows, features, wide, s.d_b, False, cnp.PyArray_DATA(saved.w_ih), False)
            d_x = multiply(type, &p)
        if need_w_ih:
            p = of(wide, features, s.rows, s.d_b, True, cnp.PyArray_DATA(saved.x), False)
            d_w_ih = multiply(type, &p)
        if need_b_ih and saved.biased_ih:
            d_b_ih = d_b_hh.copy() if d_b_hh is not None and not distinct else sum_rows(type, s.rows, wide, s.d_b)
    finally:
        mg_give(block)
    return d_x, d_h0 if need_h0 else None, d_c0 if need_c0 else None, d_w_ih, d_w_hh, d_b_ih, d_b_hh
