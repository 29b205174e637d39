# Part of _recurrent.pyx: the loop over time alone, given the input side of the pre-activations.


def forward(kind, gx, h0, c0, w_hh, b_hh, batch_sizes=None, bint reverse=False):
    """The recurrent loop of one layer in one direction.

    gx            (rows, G * hidden_size), W_ih x + b_ih of every row

    Everything else, and what is returned, is as for `layer_forward`; `saved` is for `backward`.
    """
    cdef int typenum = floating(gx, "gx", 2, "(rows, G * hidden_size)")
    cdef SavedSequence saved = begin(kind, typenum, 1, 1)
    cdef mg_sequence *s = saved.runs
    cdef array given, h, hn, cn = None
    s.reverse = reverse
    saved.single = True
    plan_steps(saved, batch_sizes, cnp.PyArray_DIM(<array>gx, 0), batch_of(h0, typenum), "gx")
    s.hidden = s.apart = hidden_size(s.kind, w_hh, typenum)
    s.stride = mg_wide(s)
    initial_states(saved, h0, c0, typenum)
    set_weights(saved, 0, NULL, 0, None, w_hh, None, b_hh, typenum)
    given = matrix(gx, "gx", typenum, s.rows, mg_wide(s), "(rows, G * hidden_size)")
    s.gx = cnp.PyArray_DATA(given)
    h = empty(s.rows, s.hidden, typenum)
    hn = empty(s.batch, s.hidden, typenum)
    s.h = cnp.PyArray_DATA(h)
    s.hn = cnp.PyArray_DATA(hn)
    saved.kept.append(h)
    if s.kind == MG_LSTM or s.kind == MG_GRU:
        s.gates = keep_states(saved, s.rows, mg_wide(s))
    if s.kind == MG_LSTM:
        s.c = keep_states(saved, s.rows, s.hidden)
        cn = empty(s.batch, s.hidden, typenum)
        s.cn = cnp.PyArray_DATA(cn)
    elif s.kind == MG_GRU:
        s.b_n = keep_states(saved, s.rows, s.hidden)
    run_loop(saved.type, s, 1)
    return h, hn, cn, saved


def backward(kind, SavedSequence saved not None, d_h=None, d_hn=None, d_cn=None):
    """The loop of `forward`, back through time; the upstream gradients are as for `layer_backward`.

    Returns (d_a, d_b, d_h0, d_c0, h_previous): the gradients of the input side gx and of the recurrent side W_hh h +
    b_hh, both (rows, G * hidden_size) and the same array except for GRU; of the initial states (d_c0 None except for
    LSTM); and the state before each row's step, (rows, hidden_size). The gradient of w_hh is d_b^T h_previous, that of
    b_hh the sum of d_b's rows. May be called again with the same `saved`.
    """
    cdef mg_sequence s = saved.runs[0]
    cdef int typenum = typenum_of(saved.type)
    cdef array d_a = empty(s.rows, mg_wide(&s), typenum), d_b = d_a, d_h0, d_c0, upstream
    cdef array h_previous = empty(s.rows, s.hidden, typenum)
    check_kind(saved, kind)
    s.threads = threads
    s.initial = True
    if d_h is not None:
        upstream = matrix(d_h, "d_h", typenum, s.rows, s.hidden, "(rows, hidden_size)")
        s.d_h = cnp.PyArray_DATA(upstream)
    d_h0, d_c0 = running_states(saved, d_hn, d_cn)
    s.d_h0 = cnp.PyArray_DATA(d_h0)
    if s.kind == MG_LSTM:
        s.d_c0 = cnp.PyArray_DATA(d_c0)
    s.d_b = cnp.PyArray_DATA(d_a)
    run_loop_back(saved.type, &s, 1)
    if s.kind == MG_GRU:
        d_b = d_a.copy()
        s.d_b = cnp.PyArray_DATA(d_b)
        mg_tables[chosen].of[saved.type].turn_to_recurrent_side(&s)
    mg_tables[chosen].of[saved.type].gather_previous(&s, cnp.PyArray_DATA(h_previous))
    return d_a, d_b, d_h0, d_c0, h_previous
