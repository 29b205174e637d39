# distutils: language = c
"""The engine: Variables, the graph they record, and the backward pass. It knows no operation.

Three levels of value. An *array* (NumPy, or CuPy) is memory. A `Tensor` is the era's typed class around one array and
never records history. A `Variable` is a Tensor's array with history. An `Operation` serves all three: called with
arrays it returns arrays, with Tensors Tensors, with Variables Variables, and only then is a `Node` recorded.

A derivative is written once. An Operation carries one formula per argument, a plain Python function such as
`lambda g, b: g * b`. The *names* of a formula's parameters say what the node keeps for it: `g` is the gradient of the
output, `b` the argument called b, `b_size` only its size, `out` the result, anything else a parameter of the
operation. In the backward pass the formulas run on raw arrays when nobody wants a second derivative, and the same lines
run on Variables, recording a graph of their own, when `create_graph=True`. First order pays no graph cost.

A fused operation (a whole LSTM layer, say) has one `joint` formula over raw arrays, and a `reference`: the same
function built from primitives. The reference supplies every higher derivative.

The measurement behind this. A chain of h = tanh(h * w), forward and backward, took 1.8 us an operation at size 5 x 200
and 1.0 us at one element; the same two operations written as a user's `Function`, whose backward gets Variables, 10.1
and 9.4 us; PyTorch 2.13 in the same run 5.9 and 4.2 us (2-core AMD Zen 5, one thread, float32). Variables and contexts
cost eight microseconds whatever the size: hence two nodes, `OperationNode` for the table and `PythonNode` for users.

The backward pass is a loop over a heap of nodes, latest recorded first: an edge always points to an older node, so
that order is a topological order and needs no counting pass. Leaves get their sums at the end. Nothing recurses, in the
pass or when a graph is dropped, so a chain of a million operations needs no more stack than one of ten.

Views and in-place changes. Every change of memory in place raises a version that views share, and a node that saved a
value compares versions before it uses it. An in-place operation is the out-of-place one, copied into the target, whose
history is then replaced; written into a view, it gives the *base* a new history (`write_view`), and each view derives
itself from its base anew (`as_strided`) when next asked. What takes nothing from the old value (`zero_`, `normal_`,
`copy_`) leads past the old graph to its leaves, which get zeros (`OverwriteNode`).
"""

cimport cython
from cpython.object cimport PyObject
cimport numpy as cnp

from collections import OrderedDict

import numpy as np

cnp.import_array()

cdef extern from "Python.h":
    object PyObject_Vectorcall(object f, PyObject** args, size_t n, PyObject* names)
    void PyType_Modified(type t)
    void Py_SET_TYPE(object o, type t)
    ctypedef object (*reprfunc)(object)
    ctypedef struct PyTypeObject:
        PyObject* tp_dict
        reprfunc tp_repr
    PyTypeObject PyType_Type

package = "minigrad"    # how type names print: "torch" while an era script runs


# ---------------------------------------------------------------- what the rooms above tell the engine

cdef list numpy_classes = [None] * 64    # Tensor class by NumPy type number
cdef dict other_classes = {}             # (array type, type number) -> Tensor class: CuPy's

# The few operations that the engine itself must record, and the operators' targets, filled in by `configure`.
cdef dict operations = {}
cdef object sum_to_size = None
cdef object geometry = None
cdef object copy_array = None
cdef object accumulate_arrays = None
cdef Operation op_add, op_sub, op_mul, op_div, op_as_strided, op_write_view, op_identity
cdef object getitem_function, setitem_function, text_function
cdef tuple comparison_names = ("lt", "le", "eq", "ne", "gt", "ge")    # by Python's own numbers for them


def register_tensor_class(array_type, dtypes, cls):
    """Make `cls` the Tensor class of arrays of `array_type` with one of `dtypes`."""
    for dtype in dtypes:
        number = np.dtype(dtype).num
        if array_type is np.ndarray:
            numpy_classes[number] = cls
        else:
            other_classes[array_type, number] = cls


def configure(**functions):
    """Give the engine the operations it records itself and the targets of Python's operators."""
    global sum_to_size, geometry, copy_array, accumulate_arrays, op_add, op_sub, op_mul, op_div
    global op_as_strided, op_write_view, op_identity, getitem_function, setitem_function, text_function
    operations.update(functions)
    get = operations.get
    sum_to_size, geometry = get("sum_to_size"), get("geometry")
    copy_array, accumulate_arrays = get("copy_array"), get("accumulate_arrays")
    op_add, op_sub, op_mul, op_div = get("add"), get("sub"), get("mul"), get("div")
    op_as_strided, op_write_view, op_identity = get("as_strided"), get("write_view"), get("identity")
    getitem_function, setitem_function, text_function = get("getitem"), get("setitem"), get("text")


def install(type cls, str name, function):
    """Make `function` the attribute `name` of `cls`, which may be a compiled class."""
    (<dict> (<PyTypeObject*> cls).tp_dict)[name] = function
    PyType_Modified(cls)


cdef inline int type_number(object array):
    if cnp.PyArray_CheckExact(array):
        return cnp.PyArray_TYPE(<cnp.ndarray> array)
    return array.dtype.num


cdef object class_of(object array):
    cdef object cls
    if cnp.PyArray_Check(array):
        cls = numpy_classes[cnp.PyArray_TYPE(<cnp.ndarray> array)]
    else:
        cls = other_classes.get((type(array), array.dtype.num))
    if cls is None:
        raise TypeError(f"no tensor type holds a {type(array).__name__} of dtype {array.dtype}; the types are Float, "
                        "Double, Half (float32, float64, float16), Long, Int, Short, Char (int64 to int8) and Byte "
                        "(uint8)")
    return cls


def type_name(array):
    """Name of the tensor type that holds `array`, as it prints."""
    return f"{package}.{class_of(array).kind}"


cdef inline Tensor wrap_tensor(object array):
    cls = class_of(array)
    cdef Tensor t = cls.__new__(cls)
    t.array = array
    return t


def tensor_from_array(array):
    """The Tensor of the matching type around `array` itself (no copy)."""
    return wrap_tensor(array)


def variable_from_array(array, bint is_volatile=False):
    """A leaf Variable around `array` itself (no copy)."""
    return wrap_variable(array, is_volatile)


def array_of(value):
    """The array of a Tensor or Variable."""
    if isinstance(value, Variable):
        return variable_array(<Variable> value)
    if isinstance(value, Tensor):
        return (<Tensor> value).array
    operations["refuse"](value)


def like(value, array):
    """`array` at the level of `value`: a Tensor beside a Tensor, a constant Variable beside a Variable, else itself."""
    if isinstance(value, Variable):
        return wrap_variable(array, (<Variable> value)._volatile)
    if isinstance(value, Tensor):
        return wrap_tensor(array)
    return array


# ---------------------------------------------------------------- the levels of value

@cython.final
@cython.freelist(64)
cdef class Version:
    """How often a memory was changed in place. Views and `detach()` share one."""


cdef class Value:
    """What Tensors and Variables share: Python's operators. The operations behind them come from the table."""

    def __add__(self, other):
        return NotImplemented if is_stranger(other, "__radd__") else apply_pair(op_add, self, other)

    def __radd__(self, other):
        return apply_pair(op_add, self, other)

    def __sub__(self, other):
        return NotImplemented if is_stranger(other, "__rsub__") else apply_pair(op_sub, self, other)

    def __rsub__(self, other):
        return apply_pair(op_sub, other, self)

    def __mul__(self, other):
        return NotImplemented if is_stranger(other, "__rmul__") else apply_pair(op_mul, self, other)

    def __rmul__(self, other):
        return apply_pair(op_mul, self, other)

    def __truediv__(self, other):
        return NotImplemented if is_stranger(other, "__rtruediv__") else apply_pair(op_div, self, other)

    def __rtruediv__(self, other):
        return apply_pair(op_div, other, self)

    def __neg__(self):
        return operations["neg"](self)

    def __pow__(self, other, modulus):
        if modulus is not None or is_stranger(other, "__rpow__"):
            return NotImplemented
        return operations["pow"](self, other)

    def __rpow__(self, other, modulus):
        return NotImplemented if modulus is not None else operations["pow"](other, self)

    def __mod__(self, other):
        return NotImplemented if is_stranger(other, "__rmod__") else operations["remainder"](self, other)

    def __matmul__(self, other):
        return NotImplemented if is_stranger(other, "__rmatmul__") else operations["matmul"](self, other)

    def __abs__(self):
        return operations["abs"](self)

    def __invert__(self):
        return operations["invert"](self)

    def __and__(self, other):
        return NotImplemented if is_stranger(other, "__rand__") else operations["bitand"](self, other)

    def __or__(self, other):
        return NotImplemented if is_stranger(other, "__ror__") else operations["bitor"](self, other)

    def __xor__(self, other):
        return NotImplemented if is_stranger(other, "__rxor__") else operations["bitxor"](self, other)

    def __lshift__(self, other):
        return NotImplemented if is_stranger(other, "__rlshift__") else operations["lshift"](self, other)

    def __rshift__(self, other):
        return NotImplemented if is_stranger(other, "__rrshift__") else operations["rshift"](self, other)

    def __iadd__(self, other):
        return apply_in_place(op_add, self, (other,))

    def __isub__(self, other):
        return apply_in_place(op_sub, self, (other,))

    def __imul__(self, other):
        return apply_in_place(op_mul, self, (other,))

    def __itruediv__(self, other):
        # The era's Variables had no in-place division under Python 3: `v /= x` made a new one.
        if isinstance(self, Variable):
            return apply_pair(op_div, self, other)
        return apply_in_place(op_div, self, (other,))

    def __ipow__(self, other):
        if isinstance(self, Variable):
            raise NotImplementedError("**= is not defined for Variables; write v = v ** x")
        return apply_in_place(operations["pow"], self, (other,))

    def __hash__(self):
        return <Py_hash_t> (<size_t> <PyObject*> self >> 4)

    def __richcmp__(self, other, int op):
        if isinstance(other, (Value, int, float, np.generic)):
            return operations[comparison_names[op]](self, other)
        return NotImplemented

    def __len__(self):
        return operations["length"](self)

    def __iter__(self):
        return operations["iterate"](self)

    def __contains__(self, value):
        return operations["contains"](self, value)

    def __bool__(self):
        return operations["truth"](self)

    def __int__(self):
        return operations["as_int"](self)

    def __float__(self):
        return operations["as_float"](self)

    def __getitem__(self, index):
        return getitem_function(self, index)

    def __setitem__(self, index, value):
        setitem_function(self, index, value)

    def __repr__(self):
        return text_function(self)


cdef class Tensor(Value):
    """Base of the era's tensor types: one array, no history."""


cdef inline object variable_array(Variable v):
    return v._array if v._tensor is None else v._tensor.array


cdef inline Variable wrap_variable(object array, bint is_volatile):
    cdef Variable v = Variable.__new__(Variable)
    v._array = array
    v._volatile = is_volatile
    return v


cdef class Variable(Value):
    """Variable(data, requires_grad=False, volatile=False): a tensor with history.

    data: a Tensor, kept as it is (`v.data is data`). requires_grad: gradients of this Variable are wanted.
    volatile: for inference; everything computed from it is volatile too and records nothing.

    Raises TypeError if data is no Tensor and RuntimeError if both flags are set.

    >>> import minigrad as torch
    >>> from minigrad.autograd import Variable
    >>> w = Variable(torch.ones(2), requires_grad=True)
    >>> (w * 3).sum().backward()
    >>> w.grad.data.tolist()
    [3.0, 3.0]
    """
    __array_priority__ = 1000    # NumPy scalars leave the operators to us

    def __init__(self, data=None, requires_grad=False, *rest, **options):
        # `volatile` is a word of Cython's own in an argument list, so that argument is taken by hand.
        is_volatile = rest[0] if rest else options.pop("volatile", False)
        self._name = options.pop("name", None)
        if len(rest) > 1 or options:
            raise TypeError("Variable takes (data, requires_grad=False, volatile=False), got "
                            + (f"{2 + len(rest)} arguments" if len(rest) > 1 else f"also {', '.join(options)}"))
        if not isinstance(data, Tensor):
            hint = ""
            if isinstance(data, Variable):
                hint = "; it is already a Variable: pass its .data for a new one without history"
            elif isinstance(data, np.ndarray):
                hint = f"; wrap the array first: Variable({package}.from_numpy(array))"
            elif isinstance(data, (int, float, list, tuple)):
                numbers = [data] if np.isscalar(data) else data
                hint = f"; make a tensor of it first: Variable({package}.Tensor({numbers}))"
            raise TypeError(f"Variable: data must be a Tensor, got {type(data).__name__}{hint}")
        if requires_grad and is_volatile:
            raise RuntimeError("Variable: volatile=True and requires_grad=True exclude each other: a volatile Variable "
                               "records no history, so no gradient can reach it")
        self._tensor = data
        self._requires_grad = bool(requires_grad)
        self._volatile = bool(is_volatile)

    # ------------------------------------------------ data and flags

    @property
    def data(self):
        """The tensor itself: the same object each time; changing it records nothing."""
        if self._tensor is None:
            self._tensor = wrap_tensor(self._array)
            self._array = None
        return self._tensor

    @data.setter
    def data(self, value):
        if not isinstance(value, Tensor):
            raise TypeError(f"Variable.data must be a Tensor, got {type(value).__name__}"
                            + ("; take its .data" if isinstance(value, Variable) else ""))
        self._tensor = value
        self._array = None
        if self._view_of is not None:     # other memory: no view any more, and later changes are its own
            grad_fn_of(self)
            self._view_of = None

    @property
    def grad(self):
        """Sum of the gradients that `backward` brought to this leaf, or None (on others: with a warning)."""
        if self._grad is None and self._grad_fn is not None:
            operations["explain_no_grad"](self)
        return self._grad

    @grad.setter
    def grad(self, value):
        if value is None:
            self._grad = None
            return
        if not isinstance(value, Variable):
            raise TypeError(f"Variable.grad must be a Variable or None, got {type(value).__name__}")
        if value is self:
            raise RuntimeError("Variable.grad: a Variable cannot be its own gradient")
        mine, its = variable_array(self), variable_array(value)
        if type_number(mine) != type_number(its) or not together(mine, its):
            raise RuntimeError(f"Variable.grad must have the Variable's type {type_name(mine)}, got {type_name(its)}; "
                               "of one type, they must lie on one GPU")
        if mine.shape != its.shape:
            raise RuntimeError(f"Variable.grad must have the Variable's size {mine.shape}, got {its.shape}")
        self._grad = value

    @property
    def requires_grad(self):
        """Whether gradients of this Variable are wanted; can be changed on leaves only."""
        return requires_grad(self)

    @requires_grad.setter
    def requires_grad(self, value):
        if not isinstance(value, bool):
            raise RuntimeError(f"requires_grad must be True or False, got {value!r}")
        if grad_fn_of(self) is not None:
            raise RuntimeError("requires_grad can be changed on leaf Variables only; this one is the result of "
                               f"{self._grad_fn.name()}. Use .detach() for a Variable without its history")
        if value and self._volatile:
            raise RuntimeError("requires_grad cannot be set on a volatile Variable: it records no history")
        self._requires_grad = value

    @property
    def volatile(self):
        """Whether everything computed from this Variable records nothing; can be changed on leaves only."""
        return self._volatile

    @volatile.setter
    def volatile(self, value):
        if not isinstance(value, bool):
            raise RuntimeError(f"volatile must be True or False, got {value!r}")
        if grad_fn_of(self) is not None:
            raise RuntimeError("volatile can be changed on leaf Variables only; use .detach() first")
        self._volatile = value
        if value:
            self._requires_grad = False

    @property
    def grad_fn(self):
        """The node that computed this Variable; None on a leaf."""
        return shown(grad_fn_of(self))

    @property
    def is_leaf(self):
        """Whether no operation made this Variable."""
        return grad_fn_of(self) is None

    @property
    def output_nr(self):
        """Which result of `grad_fn` this Variable is."""
        return self._output_nr

    @property
    def name(self):
        """The name given to this Variable, or None."""
        return self._name

    @property
    def _base(self):
        return self._view_of

    @property
    def _version(self):
        return 0 if self._counter is None else self._counter.value

    @property
    def _backward_hooks(self):
        return self._hooks

    @_backward_hooks.setter
    def _backward_hooks(self, value):
        if grad_fn_of(self) is not None:
            self._grad_fn.replace_pre_hook(self._output_nr, self._hooks, value)
        self._hooks = value

    # ------------------------------------------------ the graph

    def backward(self, gradient=None, retain_graph=None, create_graph=None, retain_variables=None):
        """Add the gradients of this Variable to the `.grad` of the leaves it was computed from.

        gradient: weight of each element (Tensor or Variable of this size; may be left out for one element).
        retain_graph: keep what the nodes saved, for a further call. create_graph: record the derivative's own graph.
        """
        operations["backward"](self, gradient, retain_graph, create_graph, retain_variables)

    def register_hook(self, hook):
        """Call `hook(grad)` whenever a gradient of this Variable is computed; what it returns replaces the gradient."""
        if self._volatile:
            raise RuntimeError("register_hook: a volatile Variable never gets a gradient")
        if not requires_grad(self):
            raise RuntimeError("register_hook: this Variable doesn't require grad, so it never gets a gradient")
        if not callable(hook):
            raise TypeError(f"register_hook: hook must be callable, got {type(hook).__name__}")
        if self._hooks is None:
            self._hooks = OrderedDict()
            if grad_fn_of(self) is not None:
                self._grad_fn.replace_pre_hook(self._output_nr, None, self._hooks)
        return operations["removable_handle"](self._hooks, hook)

    def retain_grad(self):
        """Keep the gradient of this inner Variable in `.grad` (leaves always do)."""
        if not requires_grad(self):
            raise RuntimeError("retain_grad: this Variable doesn't require grad")
        cdef Node node = grad_fn_of(self)
        if node is not None:
            operations["retain_grad"](self)

    def detach(self):
        """This Variable without its history: shares data and version counter, keeps volatile."""
        cdef Variable v = wrap_variable(variable_array(self), self._volatile)
        v._counter = counter(self)
        return v

    def detach_(self):
        """Forget the history of this Variable itself. Views cannot be detached in place (RuntimeError)."""
        if self._view_of is not None:
            raise RuntimeError("detach_: views cannot be detached in place, their history belongs to their base; "
                               "use .detach()")
        set_history(self, None, 0)
        return self


cdef inline Version counter(Variable v):
    """The version counter of `v`, made on first need."""
    if v._counter is None:
        v._counter = Version.__new__(Version)
    return v._counter


cdef inline void bump(Variable v):
    cdef Version version = counter(v)
    version.value += 1


cdef int set_history(Variable v, Node node, int number) except -1:
    """Make `node` the history of `v`. Hooks stay with the value they were registered for: with the old history."""
    if v._grad_fn is not None:
        v._hooks = None
        v._forgot |= node is None
    v._grad_fn, v._output_nr, v._requires_grad = node, number, False
    return 0


cdef bint requires_grad(Variable v) except -1:
    return v._requires_grad or grad_fn_of(v) is not None


cdef Node grad_fn_of(Variable v):
    """The node behind `v`; a view whose base was changed in place since then derives itself from the base anew."""
    cdef Variable base = v._view_of
    if base is not None and v._view_version != base._counter.value:
        if (v._grad_fn is not None or v._view_version < 0) and requires_grad(base):
            arrays = (variable_array(base),) + place_in_base(v)
            set_history(v, record(op_as_strided, (base,) + arrays[1:], arrays, (v,), None, 1), 0)
            v._view_version = base._counter.value
        elif v._grad_fn is not None and base._forgot:      # the view's old history is of values overwritten since
            set_history(v, None, 0)
    return v._grad_fn


cdef int check_view(Variable v, str name) except -1:
    """Refuse a view that was made before its base came to require grad (or became volatile) by an in-place change."""
    cdef Variable base = v._view_of
    if v._view_version == base._counter.value or v._view_version < 0:
        return 0
    if base._volatile and not v._volatile:
        raise RuntimeError(f"{name}: this view's is_volatile is False, but its base became volatile by an "
                           "in-place change after the view was made; make the view again from the base")
    if v._grad_fn is None and not v._volatile and requires_grad(base):
        raise RuntimeError(f"{name}: this view's requires_grad is False, but its base came to require grad by "
                           "an in-place change after the view was made; make the view again from the base")
    return 0


include "_core_watch.pxi"       # who looks on: profiles, warnings, how classes print
include "_core_apply.pxi"       # what an operation is, and what a call of one does
include "_core_graph.pxi"       # the nodes that a call records
include "_core_inplace.pxi"     # in-place changes, views
include "_core_backward.pxi"    # the backward pass
