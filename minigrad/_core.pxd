# cython: language_level=3
# What other compiled rooms may see of the engine.

cdef class Version:
    cdef public long long value


cdef class Value:
    pass


cdef class Tensor(Value):
    cdef public object array
    cdef object __weakref__


cdef class Variable(Value):
    cdef object _array             # the array, until .data is asked for; from then on `_tensor` holds it
    cdef Tensor _tensor
    cdef Node _grad_fn
    cdef int _output_nr
    cdef bint _requires_grad       # of a leaf; an inner Variable requires grad because it has a grad_fn
    cdef bint _volatile
    cdef bint _forgot              # had a history and lost it, so that older views must not go on with theirs
    cdef Variable _grad
    cdef Version _counter          # None stands for version 0 that nobody shares yet
    cdef Variable _view_of         # the base whose memory a view shares (never itself a view)
    cdef long long _view_version   # version of the base for which a view's _grad_fn is right
    cdef object _hooks             # OrderedDict or None
    cdef object _name
    cdef object __weakref__


cdef class Operation:
    cdef readonly str name
    cdef readonly object forward
    cdef readonly object inference     # None, or what runs in place of `forward` when nothing is recorded
    cdef readonly object reference
    cdef readonly tuple arguments      # names of the array arguments; ("*",) when any number may come
    cdef readonly tuple parameters     # names of what follows them
    cdef readonly int outputs
    cdef readonly bint view, broadcast, number, variadic
    cdef readonly dict formulas
    cdef readonly str doc              # what it computes, for help() and the reference page
    cdef public unsigned long long accepted    # NumPy type numbers it is made for, as bits; 0 stands for all
    cdef readonly object joint
    cdef readonly long long index_mask  # arguments that are indices or masks: their type need not match
    cdef readonly long long optional_mask  # arguments that may be None
    cdef readonly long long constant_outputs
    cdef readonly object rescue        # None, or called when `forward` refuses its arguments: mends or explains
    cdef long long _differentiable     # arguments that have a formula
    cdef long long _passes             # arguments whose gradient is that of the output as it is
    cdef int _slot_count               # what a node may save:
    cdef int _slot_kind[24]            # VALUE, SIZE, ...
    cdef int _slot_index[24]           # of which argument, parameter or result
    cdef long long _slot_users[24]     # arguments whose formulas use it
    cdef tuple _formulas               # per array argument: (callable, slot numbers) or None


cdef class Node:
    cdef readonly long long sequence
    cdef tuple _edges                  # per input: Node, leaf Variable, None, or False where no Variable was given
    cdef tuple _numbers                # per input: which output of that Node; None when all are 0
    cdef int outputs
    cdef bint _released
    cdef long long _walk               # number of the latest search for leaves that came by here
    cdef list _pre_hooks               # (output number, OrderedDict of hooks)
    cdef object _post_hooks            # OrderedDict of hooks or None
    cdef int replace_pre_hook(self, int number, old, hooks) except -1
    cdef object step(self, object grads, long long mask, bint create_graph)
    cdef int release(self) except -1


cdef class OperationNode(Node):
    cdef readonly Operation operation
    cdef tuple _values                 # one a slot: Saved, plain value or None
    cdef tuple _sizes                  # sizes of the inputs that were broadcast, else None
    cdef long long _needs
    cdef object step_through_reference(self, object grads, long long needs)


cdef class PythonNode(Node):
    cdef public object context
    cdef object __weakref__


cdef object apply(Operation operation, tuple args)
