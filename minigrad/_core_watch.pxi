# Part of the engine (_core.pyx): who looks on while it works: a profile, a check of calls; and how its classes print.
#
# All of it is off as a rule, and then costs one look at `watched` for each operation and each node.

from threading import get_ident
from time import perf_counter_ns

cdef extern from *:
    """
    #if defined(__GNUC__) || defined(__clang__)
    #define MG_RARELY(x) __builtin_expect(!!(x), 0)
    #else
    #define MG_RARELY(x) (x)
    #endif
    """
    bint rarely "MG_RARELY" (bint)

cdef bint watched = False        # whether any of the following is there
cdef list profiled = None        # where the open profile collects (name, start, end, thread), in nanoseconds
cdef object call_check = None    # called with each operation and its arguments before it runs
# Says to the very next `apply` that its call has been looked at: a function around `apply` would cost every operation.
cdef bint admitted = False

cdef reprfunc plain_repr = PyType_Type.tp_repr
cdef object class_text = None


def watch_events(list events=None):
    """Append (name, start, end, thread) to `events`, in nanoseconds, for each operation on Variables and each node of a
    backward pass as it ends; None: no more. Returns the list that was there before."""
    global watched, profiled
    before = profiled
    profiled = events
    watched = profiled is not None or call_check is not None
    return before


def watch_calls(check=None):
    """Call check(operation, args) before each operation; None: no more."""
    global watched, call_check
    call_check = check
    watched = profiled is not None or call_check is not None


def timed(str name, function, *args):
    """function(*args), an event of this name for the open profile, if there is one."""
    cdef list events = profiled      # the one that is open at the beginning, however long it takes
    if events is None:
        return function(*args)
    start = perf_counter_ns()
    try:
        return function(*args)
    finally:
        events.append((name, start, perf_counter_ns(), get_ident()))


cdef bint admit() noexcept:
    """Whether the call that asks has been looked at; the next one has not."""
    global admitted
    cdef bint was = admitted
    admitted = False
    return was


cdef object apply_watched(Operation operation, tuple args):
    global admitted
    cdef list events = profiled
    args = tuple([a.item() if isinstance(a, np.generic) else a for a in args])      # once, here: no second look
    if call_check is not None:
        call_check(operation, args)
    for a in args:
        if isinstance(a, Variable):
            break
    else:
        events = None
    if events is None:
        admitted = watched
        return apply(operation, args)
    start = perf_counter_ns()
    try:
        admitted = watched           # another thread may have ended the profile meanwhile
        return apply(operation, args)
    finally:
        events.append((operation.name, start, perf_counter_ns(), get_ident()))


cdef list step_watched(Node node, object grads, long long mask, bint create_graph):
    cdef list events = profiled
    if events is None:
        return step_there(node, grads, mask, create_graph)
    start = perf_counter_ns()
    try:
        return step_there(node, grads, mask, create_graph)
    finally:
        events.append((node.name(), start, perf_counter_ns(), get_ident()))


cdef int accumulate_watched(Variable v, Buffer buffer, bint create_graph) except -1:
    cdef list events = profiled
    if events is None:
        return accumulate_leaf(v, buffer, create_graph)
    start = perf_counter_ns()
    try:
        return accumulate_leaf(v, buffer, create_graph)
    finally:
        events.append(("AccumulateGrad", start, perf_counter_ns(), get_ident()))


def print_classes(text=None):
    """Let `text(cls)` say how a class prints; where it says None, and after print_classes(None), Python does.

    A metaclass would do this too, but no class could then be derived from one of ours and from one that has another
    metaclass (an abstract base class, say), and names in pickles would follow what is printed.
    """
    global class_text
    class_text = text
    PyType_Type.tp_repr = plain_repr if text is None else printed_class


cdef object printed_class(object cls):
    # A metaclass made while this was in place keeps it.
    text = None if class_text is None else class_text(cls)
    return plain_repr(cls) if text is None else text


def class_repr(cls):
    """How `cls` prints: for metaclasses, which have their own copy of Python's way."""
    return printed_class(cls)
