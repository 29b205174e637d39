# Part of _recurrent.pyx: layers on top of each other, each in one direction or in both.
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
    """`count` runs side by side, some steps at a time. What is not kept of gx goes to `room`, which has space for each."""
    cdef const mg_recurrent *kernels = &mg_tables[chosen].of[type]
    cdef long at_once = mg_steps_at_once(s, 8 if type else 4), first
    cdef mg_product p
    cdef void *scratch = scratch_block(kernels.forward_scratch(s, count))
    cdef int d
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
                p = of(mg_last_row(s + d) - first, mg_wide(s), s.features,
                       <char *>s[d].x + place(first, s.features, type), False, s[d].w_ih, True)
                p.c_step = s.stride
                p.bias = s[d].b_ih
                multiply_into(type, &p, <char *>s[d].gx + place(first - s[d].base, s.stride, type))
            with nogil:
                kernels.forward(s, count, scratch)
    finally:
        mg_give(scratch)
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


# ---------------------------------------------------------------- backward


cdef array running(SavedSequence saved, object upstream, str name):
    """A new array with the gradient of a final state, in which backward will leave that of the initial one."""
    cdef mg_sequence *s = saved.runs
    cdef int typenum = typenum_of(saved.type)
    cdef long depth = -1 if saved.single else saved.count
    cdef array given, out = empty_cube(depth, s.batch, s.hidden, typenum)
    if upstream is None:
        memset(cnp.PyArray_DATA(out), 0, cnp.PyArray_NBYTES(out))
    else:
        given = cube(upstream, name, typenum, depth, s.batch, s.hidden,
                     "(batch, hidden_size)" if saved.single else "(runs, batch, hidden_size)")
        memcpy(cnp.PyArray_DATA(out), cnp.PyArray_DATA(given), cnp.PyArray_NBYTES(out))
    return out


cdef tuple running_states(SavedSequence saved, object d_hn, object d_cn):
    if saved.runs.kind == MG_LSTM:
        return running(saved, d_hn, "d_hn"), running(saved, d_cn, "d_cn")
    if d_cn is not None:
        raise ValueError(f"d_cn must be None for {KINDS[saved.runs.kind]}, which has no cell state")
    return running(saved, d_hn, "d_hn"), None


cdef int run_loop_back(int type, mg_sequence *s, int count) except -1:
    """All steps of `count` runs, back to the first."""
    cdef const mg_recurrent *kernels = &mg_tables[chosen].of[type]
    cdef void *scratch = scratch_block(kernels.backward_scratch(s, count))
    cdef int d
    for d in range(count):
        s[d].done, s[d].until = 0, s[d].steps
    with nogil:
        kernels.prepare_backward(s, count, scratch)
        kernels.backward(s, count, scratch)
    mg_give(scratch)
    return 0


cdef int recurrent_weight_gradient(int type, const mg_sequence *s, void *gathered, bint accumulate, void *to) except -1:
    """d_b^T times the states before each row's step. Unless they must be gathered, because steps differ in their batch,
    these are rows of h, those next to the first step of the run h0."""
    cdef long first = mg_first_row(s), rows = mg_last_row(s) - first
    cdef mg_product p = of(mg_wide(s), s.hidden, rows, s.d_b, True, NULL, False)
    p.a_step = s.stride
    p.accumulate = accumulate
    if gathered != NULL:
        mg_tables[chosen].of[type].gather_previous(s, gathered)
        p.b = gathered
    else:
        p.b = <char *>s.h + place(first + (s.batch if s.reverse else -s.batch), s.apart, type)
        p.b_step = s.apart
        if s.done == 0 and s.reverse:
            p.split = rows - s.batch
            p.b_rest = s.h0
            p.rest_step = s.hidden
        elif s.done == 0:
            p.b = s.h0
            p.b_step = s.hidden
            p.split = s.batch
            p.b_rest = s.h
            p.rest_step = s.apart
    return multiply_into(type, &p, to)


cdef int sum_of_rows(int type, const mg_sequence *s, long rows, bint accumulate, void *to) except -1:
    cdef const mg_recurrent *kernels = &mg_tables[chosen].of[type]
    with nogil:
        kernels.sum_rows(rows, mg_wide(s), s.d_b, s.stride, accumulate, to, s.threads)
    return 0


cdef int weight_gradients(SavedSequence saved, const mg_sequence *s, list found, int first, tuple needs,
                          void *gathered) except -1:
    """Adds those of these steps of one run to found[first] and the next three, which the steps that come first make.
    Leaves the gradient of the recurrent side in d_b."""
    cdef int type = saved.type, typenum = typenum_of(saved.type)
    cdef long wide = mg_wide(s), row = mg_first_row(s), rows = mg_last_row(s) - row
    cdef bint later = s.until < s.steps
    cdef mg_product p
    if needs[first]:
        if not later:
            found[first] = empty(wide, s.features, typenum)
        p = of(wide, s.features, rows, s.d_b, True, <char *>s.x + place(row, s.features, type), False)
        p.a_step = s.stride
        p.accumulate = later
        multiply_into(type, &p, cnp.PyArray_DATA(<array>found[first]))
    cdef bint needs_b_ih = needs[first + 2] and s.b_ih != NULL, needs_b_hh = needs[first + 3] and s.b_hh != NULL
    if needs_b_ih:
        if not later:
            found[first + 2] = empty_vector(wide, typenum)
        sum_of_rows(type, s, rows, later, cnp.PyArray_DATA(<array>found[first + 2]))
    mg_tables[chosen].of[type].turn_to_recurrent_side(s)
    if needs[first + 1]:
        if not later:
            found[first + 1] = empty(wide, s.hidden, typenum)
        recurrent_weight_gradient(type, s, gathered, later, cnp.PyArray_DATA(<array>found[first + 1]))
    if needs_b_hh:
        if needs_b_ih and s.kind != MG_GRU:
            if s.done == 0:
                found[first + 3] = found[first + 2].copy()
            return 0
        if not later:
            found[first + 3] = empty_vector(wide, typenum)
        sum_of_rows(type, s, rows, later, cnp.PyArray_DATA(<array>found[first + 3]))
    return 0


cdef int run_layer_back(SavedSequence saved, mg_sequence *s, int count, list found, int first, tuple needs,
                        char *block, void *gathered, char *d_x, bint accumulate) except -1:
    """`count` runs side by side, some steps at a time, back to the first: d_b of these steps in `block`, then what
    follows from it. The gradient of the input goes to d_x, unless that is NULL, or is added there."""
    cdef int type = saved.type, d
    cdef const mg_recurrent *kernels = &mg_tables[chosen].of[type]
    cdef long at_once = mg_steps_at_once(s, 8 if type else 4), wide = mg_wide(s)
    cdef mg_product p
    cdef void *scratch = scratch_block(kernels.backward_scratch(s, count))
    for d in range(count):
        s[d].done = s[d].until = s[d].steps
        s[d].d_b = block + place(d * at_once * s.batch, s.stride, type)
    try:
        with nogil:
            kernels.prepare_backward(s, count, scratch)
        while s.done > 0:
            for d in range(count):
                mg_previous_steps(s + d, at_once)
                s[d].base = mg_first_row(s + d)
            with nogil:
                kernels.backward(s, count, scratch)
            for d in range(count):
                if d_x != NULL:
                    p = of(mg_last_row(s + d) - s[d].base, s.features, wide, s[d].d_b, False, s[d].w_ih, False)
                    p.a_step = s.stride
                    p.accumulate = accumulate
                    multiply_into(type, &p, d_x + place(s[d].base, s.features, type))
                weight_gradients(saved, s + d, found, first + 4 * d, needs, gathered)
    finally:
        mg_give(scratch)
    return 0


cdef int lowest_layer(SavedSequence saved, tuple needs) except -1:
    """The lowest layer that any needed gradient lies in; the number of layers if none is needed."""
    cdef int i
    if needs[0] or needs[1] or needs[2]:
        return 0
    for i in range(4 * saved.count):
        if needs[3 + i]:
            return i // 4 // saved.directions
    return saved.count // saved.directions


def stack_backward(SavedSequence saved not None, d_output, d_hn, d_cn, tuple needs not None):
    """The gradients of (x, h0, c0, *weights), each None unless `needs`, a tuple of as many bools, asks for it.

    d_output, d_hn and d_cn are the gradients of what the forward pass returned; None stands for zeros. What is not
    needed is not computed. Asking for an argument that was None yields None. May be called again with the same `saved`.
    """
    cdef int type = saved.type, typenum = typenum_of(saved.type), directions = saved.directions
    cdef int d, layer, layers = saved.count // directions, lowest
    cdef mg_sequence[2] s
    cdef mg_sequence *first = saved.runs
    cdef array upstream, d_h0, d_c0, d_x = None
    cdef list found = [None] * (3 + 4 * saved.count)
    cdef size_t item = 8 if type else 4
    if first.x == NULL:
        raise ValueError("saved must come from layer_forward or stack_forward, got one from forward")
    if len(needs) != 3 + 4 * saved.count:
        raise ValueError(f"needs must have {3 + 4 * saved.count} elements, got {len(needs)}")
    lowest = lowest_layer(saved, needs)
    cdef char *above = NULL         # the gradient of the layer's output
    if d_output is not None:
        upstream = cube(d_output, "d_h" if saved.single else "d_output", typenum, saved.steps,
                        first.batch if saved.steps >= 0 else first.rows, first.apart,
                        "(seq, batch, directions * hidden_size)" if saved.steps >= 0 else
                        "(rows, directions * hidden_size)")
        above = cnp.PyArray_BYTES(upstream)
    d_h0, d_c0 = running_states(saved, d_hn, d_cn)

    # One block of scratch: d_b of the steps at once of each direction, their previous states if these must be gathered,
    # the gradient of a layer's input if there is a layer below.
    cdef int together = directions if threads > 1 else 1
    cdef bint gather = first.rows != first.steps * first.batch
    cdef long at_once = mg_steps_at_once(first, item) * first.batch, stride = mg_gates_stride(first, item)
    cdef size_t of_gates = place(together * at_once, stride, type)
    cdef size_t of_states = place(at_once, first.hidden, type) if gather else 0
    cdef size_t of_inputs = place(first.rows, first.apart, type) if lowest < layers - 1 else 0
    cdef char *block = <char *>scratch_block(of_gates + of_states + directions * of_inputs)
    cdef char *gathered = block + of_gates if gather else NULL
    # A layer may write where it reads, unless it is read twice.
    cdef char *below = block + of_gates + of_states
    cdef char *other = below + (of_inputs if directions == 2 else 0)
    cdef char *to
    try:
        for layer in range(layers - 1, lowest - 1, -1):
            for d in range(directions):
                s[d] = first[layer * directions + d]
                s[d].threads = threads
                s[d].stride = stride
                s[d].initial = needs[1] or needs[2]
                s[d].d_h = above + <size_t>(d * first.hidden) * item if above != NULL else NULL
                s[d].d_h0 = part(d_h0, layer * directions + d, first, type)
                if first.kind == MG_LSTM:
                    s[d].d_c0 = part(d_c0, layer * directions + d, first, type)
            if layer == 0 and needs[0]:
                d_x = empty_cube(saved.steps, first.batch if saved.steps >= 0 else first.rows, first.features, typenum)
            to = below if layer > lowest else cnp.PyArray_BYTES(d_x) if d_x is not None else NULL
            # Runs side by side are at different rows, and each adds to what the other may not have reached.
            if to != NULL and together > 1:
                memset(to, 0, place(first.rows, s.features, type))
            for d in range(0, directions, together):
                run_layer_back(saved, s + d, together, found, 3 + 4 * (layer * directions + d), needs, block, gathered, to,
                               d > 0 or together > 1)
            above = to
            below = other
            other = to
    finally:
        mg_give(block)
    if needs[0]:
        found[0] = d_x
    if needs[1] and saved.initial:
        found[1] = d_h0
    if needs[2] and saved.initial:
        found[2] = d_c0
    return tuple(found)


def layer_backward(kind, SavedSequence saved not None, d_h, d_hn, d_cn, needs):
    """The gradients of (x, h0, c0, w_ih, w_hh, b_ih, b_hh), as `stack_backward` of what `layer_forward` saved.

    d_h           (rows, hidden_size), gradient of the states of all rows
    d_hn, d_cn    (batch, hidden_size), gradients of the final states; None stands for zeros, in all three
    """
    check_kind(saved, kind)
    return stack_backward(saved, d_h, d_hn, d_cn, tuple(needs))


cdef int check_kind(SavedSequence saved, object kind) except -1:
    if kind != KINDS[saved.runs.kind]:
        raise ValueError(f"kind must be {KINDS[saved.runs.kind]} as in the forward pass, got {kind!r}")
    return 0
