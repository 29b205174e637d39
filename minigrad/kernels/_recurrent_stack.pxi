# Part of _recurrent.pyx: layers on top of each other, each in one direction or in both, forward.
#
# The directions of a layer write their states side by side into one array, which is the input of the next layer, so
# that nothing is joined or split. With several threads both directions run at once.


@cython.final
@cython.freelist(16)
cdef class SavedSequence:
    """What backward needs of a forward pass. Opaque, and read only."""
    cdef mg_sequence *runs          # one for each layer and direction
    cdef int64_t *plan              # batch sizes, then offsets
    cdef int type                   # 0 float32, 1 float64
    cdef int count, directions
    cdef long steps                 # the first dimension of x, or -1 if x has rows
    cdef bint single                # states have no dimension for the run
    cdef bint initial               # an initial state was given
    cdef list kept                  # the arrays that the runs point into

    def __init__(self):
        raise TypeError("SavedSequence is made by forward, layer_forward and stack_forward alone")

    def __dealloc__(self):
        PyMem_Free(self.runs)
        PyMem_Free(self.plan)

    @property
    def kind(self):
        return KINDS[self.runs[0].kind]


cdef SavedSequence begin(object kind, int typenum, int count, int directions):
    cdef SavedSequence saved = SavedSequence.__new__(SavedSequence)
    cdef int k
    number = kind_numbers.get(kind) if isinstance(kind, str) else None
    if number is None:
        raise ValueError(f"kind must be one of {KINDS}, got {kind!r}")
    saved.runs = <mg_sequence *>PyMem_Calloc(count, sizeof(mg_sequence))
    if saved.runs == NULL:
        raise MemoryError()
    saved.type = typenum == cnp.NPY_FLOAT64
    saved.count = count
    saved.directions = directions
    saved.steps = -1
    saved.kept = []
    for k in range(count):
        saved.runs[k].kind = number
        saved.runs[k].reverse = k % directions
        saved.runs[k].threads = threads
        saved.runs[k].near_bytes = near_bytes
    return saved


cdef int plan_steps(SavedSequence saved, object batch_sizes, long rows, long batch, str rows_name) except -1:
    """Lay out the steps, alike for all runs; batch < 0 means whatever batch_sizes starts with."""
    cdef mg_sequence *s = saved.runs
    cdef const int64_t *given = NULL
    cdef long t, steps
    cdef int k
    cdef int64_t offset = 0, size, before
    cdef array sizes
    if batch_sizes is None:
        steps = rows // batch if batch else 0
        if steps == 0 or rows != steps * batch:
            raise ValueError(
                f"{rows_name} must have seq * batch rows, a multiple of the batch {batch} and at least one step, got "
                f"{rows} rows"
            )
    else:
        sizes = checked(batch_sizes, "batch_sizes", cnp.NPY_INT64)
        if cnp.PyArray_NDIM(sizes) != 1 or cnp.PyArray_DIM(sizes, 0) == 0:
            raise ValueError(f"batch_sizes must have shape (seq >= 1,), got {np.shape(batch_sizes)}")
        steps = cnp.PyArray_DIM(sizes, 0)
        given = <const int64_t *>cnp.PyArray_DATA(sizes)
        if batch < 0:
            batch = given[0]
    saved.plan = <int64_t *>PyMem_Malloc(2 * steps * sizeof(int64_t))
    if saved.plan == NULL:
        raise MemoryError()
    before = batch
    for t in range(steps):
        size = batch if given == NULL else given[t]
        if size < 0 or size > before or t == 0 and size != batch:
            raise ValueError(
                f"batch_sizes must start with the batch of the state, {batch}, and never increase, got {size} at step "
                f"{t}"
            )
        saved.plan[t] = size
        saved.plan[steps + t] = offset
        offset += size
        before = size
    if offset != rows:
        raise ValueError(f"batch_sizes must sum to the {rows} rows of {rows_name}, got a sum of {offset}")
    for k in range(saved.count):
        s[k].batch_sizes = saved.plan
        s[k].offsets = saved.plan + steps
        s[k].steps = steps
        s[k].rows = rows
        s[k].batch = batch
    return 0


cdef long hidden_size(int kind, object w_hh, int typenum) except -1:
    cdef array weight = checked(w_hh, "w_hh", typenum)
    cdef int gates = gates_of(kind)
    if (cnp.PyArray_NDIM(weight) != 2 or cnp.PyArray_DIM(weight, 1) < 1
            or cnp.PyArray_DIM(weight, 0) != gates * cnp.PyArray_DIM(weight, 1)):
        raise ValueError(
            f"w_hh must have shape ({gates} * hidden_size, hidden_size) with hidden_size >= 1, got {np.shape(w_hh)}"
        )
    return cnp.PyArray_DIM(weight, 1)


cdef void *part(array a, int k, const mg_sequence *s, int type) noexcept:
    """Of a (runs, batch, hidden_size) array, where run k begins."""
    return cnp.PyArray_BYTES(a) + <size_t>(k * s.batch * s.hidden) * (8 if type else 4)


cdef int initial_states(SavedSequence saved, object h0, object c0, int typenum) except -1:
    """Point the runs to their initial states; without h0, and c0 for LSTM, these are zeros."""
    cdef mg_sequence *s = saved.runs
    cdef long depth = -1 if saved.single else saved.count
    cdef str symbols = "(batch, hidden_size)" if saved.single else "(runs, batch, hidden_size)"
    cdef cnp.npy_intp[2] shape = [s.batch, s.hidden]
    cdef array h, c = None
    cdef int k
    if s.kind != MG_LSTM and c0 is not None:
        raise ValueError(f"c0 must be None for {KINDS[s.kind]}, which has no cell state")
    saved.initial = h0 is not None
    if h0 is None and c0 is None:
        h = c = cnp.PyArray_ZEROS(2, shape, typenum, 0)
    else:
        h = cube(h0, "h0", typenum, depth, s.batch, s.hidden, symbols)
        if s.kind == MG_LSTM:
            if c0 is None:
                raise ValueError("c0 must be given for LSTM if h0 is, got None")
            c = cube(c0, "c0", typenum, depth, s.batch, s.hidden, symbols)
            saved.kept.append(c)
    saved.kept.append(h)
    for k in range(saved.count):
        s[k].at_rest = not saved.initial
        s[k].h0 = part(h, k if saved.initial else 0, s, saved.type)
        if s.kind == MG_LSTM:
            s[k].c0 = part(c, k if saved.initial else 0, s, saved.type)
    return 0


cdef int set_weights(SavedSequence saved, int k, const void *x, long features, object w_ih, object w_hh, object b_ih,
                     object b_hh, int typenum) except -1:
    """The input and the weights of run k; w_ih is None for the loop alone."""
    cdef mg_sequence *s = saved.runs + k
    cdef long wide = mg_wide(s)
    cdef array a
    s.x = x
    s.features = features
    if x != NULL:
        a = matrix(w_ih, "w_ih", typenum, wide, features, "(G * hidden_size, input_size)")
        saved.kept.append(a)
        s.w_ih = cnp.PyArray_DATA(a)
    a = matrix(w_hh, "w_hh", typenum, wide, s.hidden, "(G * hidden_size, hidden_size)")
    saved.kept.append(a)
    s.w_hh = cnp.PyArray_DATA(a)
    if b_ih is not None:
        a = vector(b_ih, "b_ih", typenum, wide, "(G * hidden_size,)")
        saved.kept.append(a)
        s.b_ih = cnp.PyArray_DATA(a)
    if b_hh is not None:
        a = vector(b_hh, "b_hh", typenum, wide, "(G * hidden_size,)")
        saved.kept.append(a)
        s.b_hh = cnp.PyArray_DATA(a)
    return 0


cdef void *keep_states(SavedSequence saved, long rows, long columns) except NULL:
    cdef array a = empty(rows, columns, typenum_of(saved.type))
    saved.kept.append(a)
    return cnp.PyArray_DATA(a)


cdef inline size_t place(long row, long stride, int type) noexcept:
    """Where a row begins, in bytes."""
    return <size_t>(row * stride) * (8 if type else 4)


cdef int run_loop(int type, mg_sequence *s, int count) except -1:
    """All steps of `count` runs, whose gx is there."""
    cdef const mg_recurrent *kernels = &mg_tables[chosen].of[type]
    cdef void *scratch = scratch_block(kernels.forward_scratch(s, count))
    cdef int d
    for d in range(count):
        s[d].done, s[d].until = 0, s[d].steps
    with nogil:
        kernels.prepare_forward(s, count, scratch)
        kernels.forward(s, count, scratch)
    mg_give(scratch)
    return 0


cdef int run_layer(int type, mg_sequence *s, int count, void *room) except -1:
    """`count` runs side by side, some steps at a time. gx goes to `room`, with space for each, if it is not kept."""
    cdef const mg_recurrent *kernels = &mg_tables[chosen].of[type]
    cdef long at_once = mg_steps_at_once(s, 8 if type else 4), first
    cdef long most = at_once * s.batch if at_once < s.steps else 0
    cdef mg_product[2] p
    cdef void *scratch = scratch_block(kernels.forward_scratch(s, count))
    cdef void *packed[2]    # w_ih, if it serves more than once
    cdef int d
    packed[0] = packed[1] = NULL
    for d in range(count):
        p[d] = of(0, mg_wide(s), s.features, NULL, False, s[d].w_ih, True)
        p[d].c_step = s.stride
        p[d].bias = s[d].b_ih
    try:
        with nogil:
            kernels.prepare_forward(s, count, scratch)
        while s.until < s.steps:
            for d in range(count):
                mg_next_steps(s + d, at_once)
                first = mg_first_row(s + d)
                if room != NULL:
                    s[d].base = first
                    s[d].gx = <char *>room + place(d * at_once * s.batch, s.stride, type)
                p[d].rows = mg_last_row(s + d) - first
                p[d].a = <char *>s[d].x + place(first, s.features, type)
                multiply_more(type, p + d, <char *>s[d].gx + place(first - s[d].base, s.stride, type), packed + d,
                              most)
            with nogil:
                kernels.forward(s, count, scratch)
    finally:
        mg_give(scratch)
        mg_give(packed[0])
        mg_give(packed[1])
    return 0


cdef tuple run_stack(SavedSequence saved, array x, object h0, object c0, tuple weights, bint save):
    """(output, hn, cn, saved or None) of a sequence whose steps are planned."""
    cdef mg_sequence *s = saved.runs
    cdef int type = saved.type, typenum = typenum_of(saved.type), directions = saved.directions
    cdef int k, d, top = saved.count - directions
    cdef size_t item = 8 if type else 4
    cdef bint gated = s.kind == MG_LSTM or s.kind == MG_GRU
    # With one thread a direction is finished before the other begins, while its gx is in the cache.
    cdef int together = directions if threads > 1 else 1
    cdef long rows = s.rows, hidden = hidden_size(s.kind, weights[1], typenum)
    cdef long features = cnp.PyArray_DIM(x, cnp.PyArray_NDIM(x) - 1)
    cdef long depth = -1 if saved.single else saved.count
    cdef array out, hn, cn = None
    cdef void *room = NULL
    cdef bint gx_stays = gated and save or not gated and directions == 1
    for k in range(saved.count):
        s[k].hidden = hidden
        s[k].apart = directions * hidden
        s[k].stride = mg_gates_stride(s, item) if gated else hidden
    initial_states(saved, h0, c0, typenum)
    hn = empty_cube(depth, s.batch, hidden, typenum)
    if s.kind == MG_LSTM:
        cn = empty_cube(depth, s.batch, hidden, typenum)
    if not gx_stays:
        room = scratch_block(place(together * mg_steps_at_once(s, item) * s.batch, s.stride, type))
    try:
        for k in range(0, saved.count, directions):
            saved.kept.append(x)
            if k == top and saved.steps >= 0:
                out = empty_cube(saved.steps, s.batch, directions * hidden, typenum)
            else:
                out = empty(rows, directions * hidden, typenum)
            for d in range(directions):
                s = saved.runs + k + d
                set_weights(saved, k + d, cnp.PyArray_DATA(x), features, weights[4 * (k + d)], weights[4 * (k + d) + 1],
                            weights[4 * (k + d) + 2], weights[4 * (k + d) + 3], typenum)
                s.h = cnp.PyArray_BYTES(out) + <size_t>(d * hidden) * item
                s.hn = part(hn, k + d, s, type)
                if s.kind == MG_LSTM:
                    s.cn = part(cn, k + d, s, type)
                    if save:
                        s.c = keep_states(saved, rows, hidden)
                elif s.kind == MG_GRU and save:
                    s.b_n = keep_states(saved, rows, hidden)
                if gated and save:
                    s.gates = keep_states(saved, rows, s.stride)
                s.gx = s.gates if gated else s.h
                if d % together == together - 1:
                    run_layer(type, s - (together - 1), together, room)
            x = out
            features = directions * hidden
    finally:
        mg_give(room)
    saved.kept.append(out)
    return out, hn, cn, saved if save else None


def stack_forward(kind, x, h0, c0, tuple weights not None, batch_sizes=None, int directions=1, bint save=True):
    """Recurrent layers on top of each other.

    `kind` is one of KINDS; G below is its number of gates (1, 1, 4, 3), stacked in the order i, f, g, o or r, z, n. A
    run is one layer in one direction; of `runs` runs, those of layer 0 come first, the forward one before the reverse
    one.

    x             (seq, batch, input_size); (rows, input_size) with batch_sizes
    h0, c0        (runs, batch, hidden_size), or None for zeros; c0 is None except for LSTM
    weights       for each run w_ih (G * hidden_size, input_size or, above layer 0, directions * hidden_size), w_hh
                  (G * hidden_size, hidden_size), b_ih and b_hh (G * hidden_size,), each of which may be None
    batch_sizes   int64 (seq,), never increasing, its sum the rows; None for equal ones
    directions    1, or 2 for a second run through each layer in reverse
    save          whether there may be a backward pass; if not, less is computed and kept, and `saved` is None

    Returns (output, hn, cn, saved): the states of the last layer, (seq, batch, directions * hidden_size) or, with
    batch_sizes, (rows, directions * hidden_size); the state of each sequence after its own last step in the direction
    of the run, (runs, batch, hidden_size), with cn None except for LSTM; and what `stack_backward` takes.

    Inputs must be float32 or float64 arrays, all of one type. They are not modified, but are referred to by `saved`:
    until backward has run, changing them changes the gradients. Raises TypeError for a wrong type, ValueError for a
    wrong shape.
    """
    cdef int typenum, count = <int>(len(weights) // 4)
    cdef SavedSequence saved
    cdef array given
    if directions not in (1, 2):
        raise ValueError(f"directions must be 1 or 2, got {directions}")
    if count == 0 or len(weights) != 4 * count or count % directions:
        raise ValueError(
            f"weights must have four elements for each layer and each of {directions} directions, got {len(weights)}"
        )
    if batch_sizes is None:
        typenum = floating(x, "x", 3, "(seq, batch, input_size)")
    else:
        typenum = floating(x, "x", 2, "(rows, input_size)")
    given = checked(x, "x", typenum)
    saved = begin(kind, typenum, count, directions)
    if batch_sizes is None:
        saved.steps = cnp.PyArray_DIM(given, 0)
        plan_steps(saved, None, saved.steps * cnp.PyArray_DIM(given, 1), cnp.PyArray_DIM(given, 1), "x")
    else:
        plan_steps(saved, batch_sizes, cnp.PyArray_DIM(given, 0), -1, "x")
    return run_stack(saved, given, h0, c0, weights, save)


cdef long batch_of(object h0, int typenum) except -1:
    cdef array state = checked(h0, "h0", typenum)
    if cnp.PyArray_NDIM(state) != 2 or cnp.PyArray_DIM(state, 1) < 1:
        raise ValueError(f"h0 must have shape (batch, hidden_size >= 1), got {np.shape(h0)}")
    return cnp.PyArray_DIM(state, 0)


def layer_forward(kind, x, h0, c0, w_ih, w_hh, b_ih, b_hh, batch_sizes=None, bint reverse=False, bint save=True):
    """One layer in one direction, as `stack_forward` but for the shapes.

    x             (rows, input_size), with or without batch_sizes
    h0, c0        (batch, hidden_size); c0 is None except for LSTM
    reverse       run from the last step to the first

    Returns (h, hn, cn, saved): (rows, hidden_size), (batch, hidden_size) twice, and what `layer_backward` takes.
    """
    cdef int typenum = floating(x, "x", 2, "(rows, features)")
    cdef SavedSequence saved = begin(kind, typenum, 1, 1)
    cdef array given = checked(x, "x", typenum)
    saved.runs.reverse = reverse
    saved.single = True
    plan_steps(saved, batch_sizes, cnp.PyArray_DIM(given, 0), batch_of(h0, typenum), "x")
    return run_stack(saved, given, h0, c0, (w_ih, w_hh, b_ih, b_hh), save)
