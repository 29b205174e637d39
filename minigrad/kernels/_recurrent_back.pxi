# Part of _recurrent.pyx: layers on top of each other, back through time, and the gradients of what they were given.
#
# Of every layer some steps are done at a time: back through the loop, and then everything that follows from the
# gradient of these steps' gates, which is not kept.


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
    these are rows of h, those next to the first step of the run h0, or nothing where that is zeros."""
    cdef long first = mg_first_row(s), rows = mg_last_row(s) - first, start
    cdef mg_product p = of(mg_wide(s), s.hidden, rows, s.d_b, True, NULL, False)
    p.a_step = s.stride
    p.accumulate = accumulate
    if gathered != NULL:
        mg_tables[chosen].of[type].gather_previous(s, gathered)
        p.b = gathered
        return multiply_into(type, &p, to)
    p.b = <char *>s.h + place(first + (s.batch if s.reverse else -s.batch), s.apart, type)
    p.b_step = s.apart
    if s.done > 0:
        return multiply_into(type, &p, to)
    start = rows - s.batch if s.reverse else 0
    # Zero times what is not finite is not zero.
    cdef char *d_b = <char *>s.d_b + place(start, s.stride, type)
    if s.at_rest and mg_tables[chosen].of[type].finite(s.batch, mg_wide(s), d_b, s.stride):
        p.depth = p.split = rows - s.batch
        if not s.reverse:
            p.a = <char *>s.d_b + place(s.batch, s.stride, type)
            p.b = s.h
    elif s.reverse:
        p.split = rows - s.batch
        p.b_rest = s.h0
        p.rest_step = s.hidden
    else:
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
    cdef long most = at_once * s.batch if at_once < s.steps else 0
    cdef mg_product[2] p
    cdef void *scratch = scratch_block(kernels.backward_scratch(s, count))
    cdef void *packed[2]    # w_ih, if it serves more than once
    packed[0] = packed[1] = NULL
    for d in range(count):
        p[d] = of(0, s.features, wide, NULL, False, s[d].w_ih, False)
        p[d].a_step = s.stride
        p[d].accumulate = accumulate
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
                    p[d].rows = mg_last_row(s + d) - s[d].base
                    p[d].a = s[d].d_b
                    multiply_more(type, p + d, d_x + place(s[d].base, s.features, type), packed + d, most)
                weight_gradients(saved, s + d, found, first + 4 * d, needs, gathered)
    finally:
        mg_give(scratch)
        mg_give(packed[0])
        mg_give(packed[1])
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
                run_layer_back(saved, s + d, together, found, 3 + 4 * (layer * directions + d), needs, block, gathered,
                               to, d > 0 or together > 1)
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
