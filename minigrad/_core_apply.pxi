# Part of the engine (_core.pyx): what an operation is, and what happens when one is called.

from cpython.ref cimport Py_INCREF
from cpython.tuple cimport PyTuple_GET_ITEM, PyTuple_GET_SIZE, PyTuple_New, PyTuple_SET_ITEM

cdef enum:
    VALUE, SIZE, DTYPE, OUT, PARAMETER, SIZES, WORKSPACE, NEEDS
    MOST_SLOTS = 24


_pass_on = eval("lambda g: g")    # a plain Python function: one compiled here would have no bytecode


cdef class Operation:
    """Operation(name, forward, arguments, parameters="", **options): one forward and its derivatives.

    forward(*arrays, *parameters) -> array, or a tuple of `outputs` arrays (and one more, the workspace, for formulas).
    arguments, parameters: their names, blank-separated; "*" stands for any number of array arguments.
    derivatives: for each differentiable argument, name -> formula; or `joint`, one function that gets `needs` (a bool
    an argument) and returns a gradient or None for each argument. A formula's parameters are named after what it needs:
    g (gradient of the output; a tuple when there are several), an argument x, `x_size`, `x_dtype`, `out` (`out0`, ...),
    `sizes` (of all arguments), `workspace`, `needs`, or a parameter.
    broadcast: gradients are summed back to their argument's size. view: the result shares the first argument's memory.
    number: on Tensors the result is a Python number. indices: names of arguments that are indices or masks.
    optional: names of arguments that may be None.
    inference: a forward that keeps nothing for formulas, run when no gradient will be wanted.
    reference: the same function made of other operations; gives the derivatives of the derivative.
    rescue(operation, args, error): called when forward refuses; returns the result after mending, or raises.
    """

    def __init__(self, name, forward, arguments, parameters="", *, derivatives=None, joint=None, outputs=1,
                 constant_outputs=(), view=False, broadcast=False, number=False, indices="", optional="",
                 inference=None, reference=None, rescue=None, doc=""):
        self.name = name
        self.forward = forward
        self.variadic = arguments == "*"
        self.arguments = () if self.variadic else tuple(arguments.split())
        self.parameters = tuple(parameters.split())
        self.outputs = outputs
        self.view, self.broadcast, self.number = view, broadcast, number
        self.inference, self.reference, self.rescue = inference, reference, rescue
        self.formulas = dict(derivatives or {})
        self.doc = doc
        self.joint = joint
        self.constant_outputs = sum(1 << k for k in constant_outputs)
        self.index_mask = sum(1 << self.arguments.index(i) for i in indices.split())
        self.optional_mask = sum(1 << self.arguments.index(i) for i in optional.split())
        unknown = set(self.formulas) - set(self.arguments)
        if unknown:
            raise TypeError(f"operation {name}: formulas for unknown arguments {sorted(unknown)}")
        if joint is not None:
            self._differentiable = ~self.index_mask
        else:
            self._differentiable = sum(1 << i for i, a in enumerate(self.arguments) if a in self.formulas)
        self.plan()

    def plan(self):
        """Work out, once, which values each formula needs."""
        slots = {}

        def slot(what, used_by):
            if what not in slots:
                slots[what] = [len(slots), 0]
            slots[what][1] |= used_by
            return slots[what][0]

        def needed(function, used_by):
            code = function.__code__
            names = code.co_varnames[:code.co_argcount]
            first = names[0]
            if first != "g":
                raise TypeError(f"operation {self.name}: a formula's first parameter is g, got {first}")
            return tuple(slot(self.meaning(n), used_by) for n in names[1:])

        if self.joint is not None:
            self._formulas = ((self.joint, needed(self.joint, -1)),)
        else:
            self._formulas = tuple(
                (self.formulas[a], needed(self.formulas[a], 1 << i)) if a in self.formulas else None
                for i, a in enumerate(self.arguments))
            # `lambda g: g`, the commonest formula, needs no call.
            self._passes = sum(1 << i for i, a in enumerate(self.arguments)
                               if a in self.formulas and self.formulas[a].__code__.co_code == _pass_on.__code__.co_code)
        if len(slots) > MOST_SLOTS:
            raise TypeError(f"operation {self.name}: its formulas name {len(slots)} values, {MOST_SLOTS} at most")
        for (kind, index), (number, used) in slots.items():
            self._slot_kind[number], self._slot_index[number], self._slot_users[number] = kind, index, used
        self._slot_count = len(slots)

    def meaning(self, str name):
        arguments, parameters = self.arguments, self.parameters
        if name in arguments:
            return VALUE, arguments.index(name)
        if name in parameters:
            return PARAMETER, parameters.index(name)
        if name.endswith("_size") and name.removesuffix("_size") in arguments:
            return SIZE, arguments.index(name.removesuffix("_size"))
        if name.endswith("_dtype") and name.removesuffix("_dtype") in arguments:
            return DTYPE, arguments.index(name.removesuffix("_dtype"))
        if name == "out":
            return OUT, 0
        if name.startswith("out") and name[3:].isdigit() and int(name[3:]) < self.outputs:
            return OUT, int(name[3:])
        special = {"sizes": SIZES, "workspace": WORKSPACE, "needs": NEEDS}
        if name in special:
            return special[name], 0
        raise TypeError(f"operation {self.name}: a formula names {name!r}, which is no argument, parameter or result")

    def describe_slot(self, Py_ssize_t slot):
        """What a saved value is, for messages."""
        if self._slot_kind[slot] == OUT:
            return "its result"
        return f"its argument '{self.arguments[self._slot_index[slot]]}'"

    def __call__(self, *args):
        return apply(self, args)

    def __get__(self, instance, owner):
        """An operation installed in a class is a method."""
        return self if instance is None else method(self, instance)

    def in_place(self, target, *args):
        """The operation with `target` as first argument, its result written into `target`; returns `target`."""
        return apply_in_place(self, target, args)

    def __repr__(self):
        return f"<operation {self.name}({', '.join(self.arguments + self.parameters)})>"

    def __reduce__(self):
        raise TypeError(f"operation {self.name} cannot be pickled")


from types import MethodType as method


cdef inline object apply_pair(Operation operation, a, b):
    return apply(operation, (a, b))


cdef inline bint is_stranger(other, str reflected) except -1:
    """Whether an operator leaves its work to the other operand: one of a class that is no kind of value here, with a
    `reflected` operator of its own."""
    if isinstance(other, Value) or type(other) is float or type(other) is int:
        return False
    return look_closer(other, reflected)


cdef bint look_closer(other, str reflected) except -1:
    cdef type cls = type(other)
    return (hasattr(cls, reflected) and not hasattr(cls, "__cuda_array_interface__")
            and not isinstance(other, (int, float, np.ndarray, np.generic, list, tuple, str)))


cdef object refuse_types(Operation operation, Py_ssize_t position, object first, object other, bint variables):
    place = (f"for argument #{position} '{operation.arguments[position]}'" if not operation.variadic
             else f"at position {position} of the sequence")
    if not together(first, other):
        places = [f"a {type_name(a)} on {'the CPU' if cnp.PyArray_Check(a) else f'GPU {a.device.id}'}"
                  for a in (first, other)]
        error = RuntimeError
        text = f"expected all arguments in one place, got {places[0]} and {places[1]}; use .cuda() or .cpu()"
    else:
        wanted, got = type_name(first), type_name(other)
        error = RuntimeError if variables else TypeError
        text = (f"Expected object of type {wanted} but found type {got} {place}; "
                "convert one of them, for example with .type_as() or "
                f".{class_of(first).__name__.removesuffix('Tensor').lower()}()")
    raise error(f"{operations['called'](operation.name) if operation.variadic else operation.name}: {text}")


cdef bint together(object a, object b) except -1:
    """Whether two arrays lie in one memory: the CPU's, or that of one GPU."""
    return type(a) is type(b) and (cnp.PyArray_Check(a) or a.device == b.device)


cdef object run_there(object array, function, tuple args):
    """function(*args) with the GPU of `array` as the one in use, on which results come to lie."""
    with array.device:
        return function(*args)


cdef object there(object array, function):
    """`function` as it is to be called for arrays like `array`, which lies on a GPU."""
    return lambda *args: run_there(array, function, args)


cdef object apply(Operation operation, tuple args):
    """Run `operation` at the level of its arguments; record a node if they are Variables and any requires grad."""
    cdef Py_ssize_t n = PyTuple_GET_SIZE(args), count, i
    cdef int level = 0, first_number = -1, number
    cdef bint is_volatile = False, floating_number = False, on_gpu = False
    cdef long long needs = 0
    cdef object a, array, first = None, forward, result, workspace = None
    cdef tuple arrays, outs
    cdef Variable v
    if rarely(watched):
        if not admit():
            return apply_watched(operation, args)
    count = n - PyTuple_GET_SIZE(operation.parameters)
    if count < 0 or not operation.variadic and count != PyTuple_GET_SIZE(operation.arguments):
        raise TypeError(f"{operation.name} takes ({', '.join(operation.arguments + operation.parameters)}), got {n} "
                        "arguments")
    for i in range(count):
        a = <object> PyTuple_GET_ITEM(args, i)
        if isinstance(a, Variable):
            level |= 4
        elif isinstance(a, Tensor):
            level |= 2
        elif type(a) is float:
            floating_number = True
        elif a is None:
            if not (i < 63 and operation.optional_mask >> i & 1):
                operations["refuse_operand"](operation, args, i)
        elif cnp.PyArray_Check(a):
            level |= 1
        elif not (type(a) is int or type(a) is bool):
            if isinstance(a, np.generic):
                return apply(operation, args[:i] + (a.item(),) + args[i + 1:])
            if not hasattr(type(a), "__cuda_array_interface__"):
                operations["refuse_operand"](operation, args, i)
            level |= 1
    if level <= 1:
        if level == 0 and count:
            operations["refuse_operand"](operation, args, -1)
        result = operation.forward(*args)
        return result[0] if operation.outputs == 1 and type(result) is tuple else result
    if level != 4 and level != 2:
        operations["refuse_mixture"](operation, args[:count])

    arrays = PyTuple_New(n)
    for i in range(n):
        a = <object> PyTuple_GET_ITEM(args, i)
        if i < count and isinstance(a, Value):
            if level == 4:
                v = <Variable> a
                if v._view_of is not None:
                    check_view(v, operation.name)
                is_volatile |= v._volatile
                if requires_grad(v):
                    needs |= <long long> 1 << min(i, 62)  # a bare 1 is C's int, which has no bit 32
                array = variable_array(v)
            else:
                array = (<Tensor> a).array
            if not (i < 63 and operation.index_mask >> i & 1):
                number = type_number(array)
                if first is None:
                    first, first_number = array, number
                    on_gpu = not cnp.PyArray_CheckExact(array) and not cnp.PyArray_Check(array)
                elif number != first_number or type(array) is not type(first) or on_gpu and not together(first, array):
                    refuse_types(operation, i, first, array, level == 4)
            elif first is not None and (type(array) is not type(first) or on_gpu and not together(first, array)):
                refuse_types(operation, i, first, array, level == 4)
        else:
            array = a
        Py_INCREF(array)
        PyTuple_SET_ITEM(arrays, i, array)
    if operation.accepted and first_number >= 0 and not operation.accepted >> first_number & 1:
        operations["refuse_type"](operation, first, level == 4)
    if floating_number and first_number < cnp.NPY_FLOAT and first_number >= 0:
        raise TypeError(f"{operations['called'](operation.name)}: a {type_name(first)} takes whole numbers only, got a "
                        "float; convert the tensor first, for example with .float()")

    needs = 0 if is_volatile else needs & operation._differentiable
    forward = operation.forward if needs or operation.inference is None else operation.inference
    if on_gpu:
        forward = there(first, forward)
    try:
        result = forward(*arrays)
    except Exception as error:
        if operation.rescue is None:
            raise
        return operation.rescue(operation, args, error)

    if operation.outputs == 1:
        if type(result) is tuple:
            result, workspace = result
        if out_of_order(operation, result):
            result = in_order(arrays, result)
        if level == 2:
            return result.item() if operation.number else wrap_tensor(result)
        v = wrap_variable(result, is_volatile)
        if operation.view:
            share_memory((v,), <Variable> args[0])
        if needs:
            v._grad_fn = record(operation, args, arrays, (v,), workspace, needs)
        return v
    else:
        result = tuple([in_order(arrays, array) if out_of_order(operation, array) else array for array in result])
        if level == 2:
            return tuple([wrap_tensor(array) for array in (<tuple> result)[:operation.outputs]])
        if PyTuple_GET_SIZE(result) > operation.outputs:
            workspace = result[operation.outputs]
        outs = tuple([None if array is None else wrap_variable(array, is_volatile)
                      for array in (<tuple> result)[:operation.outputs]])
    if operation.view:
        share_memory(outs, <Variable> args[0])
    if needs:
        attach(record(operation, args, arrays, outs, workspace, needs), outs, operation.constant_outputs)
    return outs


cdef inline bint out_of_order(Operation operation, object array):
    return (not operation.view and cnp.PyArray_CheckExact(array)
            and not cnp.PyArray_IS_C_CONTIGUOUS(<cnp.ndarray> array))


cdef object in_order(tuple arrays, object array):
    """What an operation has computed, in the order of its dimensions. NumPy lays results out as their operands lie,
    transposed ones too; in the era they were contiguous, and programs lean on it with .view()."""
    cdef bint follows = False
    for a in arrays:
        if cnp.PyArray_Check(a) and not cnp.PyArray_IS_C_CONTIGUOUS(<cnp.ndarray> a):
            if np.may_share_memory(a, array):  # an operand that was handed on as it is
                return array
            follows = True
    if not follows:  # chosen by the operation: what LAPACK computes is column-major, as it was in the era
        return array
    return cnp.PyArray_NewCopy(<cnp.ndarray> array, cnp.NPY_CORDER)


cdef int share_memory(tuple outs, Variable base) except -1:
    if base._view_of is not None:
        base = base._view_of
    cdef Version version = counter(base)
    cdef Variable v
    for v in outs:
        v._view_of = base
        v._counter = version
        v._view_version = version.value
    return 0


cdef int attach(Node node, tuple outs, long long constant) except -1:
    cdef Variable v
    cdef int k = 0
    for v in outs:
        if v is not None and not constant >> k & 1:
            v._grad_fn = node
            v._output_nr = k
        k += 1
    return 0
