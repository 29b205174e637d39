# Part of the engine (_core.pyx): in-place changes, versions, and the histories of views and their bases.

cdef object apply_in_place(Operation operation, target, tuple args):
    """Run the operation with `target` first, write the result into `target`'s memory and replace its history."""
    return call_in_place(operation.name, operation, target, args, {})


def call_in_place(str name, function, target, tuple args, dict kwargs):
    """The same for any function of `target`: an in-place operation is the out-of-place one, written into its target."""
    cdef Variable v
    cdef Node old, written
    if isinstance(target, Tensor):
        result = function(target, *args, **kwargs)
        if isinstance(result, Tensor) and (<Tensor> result).array.shape != (<Tensor> target).array.shape:
            result = operations["fit_target"](name, function, target, args, kwargs, result)
        write_into(name, (<Tensor> target).array, result)
        return target
    if not isinstance(target, Variable):
        raise TypeError(f"{name}_: expected a Tensor or a Variable, got {type(target).__name__}")
    v = <Variable> target
    check_writable_leaf(v, name)
    result = function(target, *args, **kwargs)
    if isinstance(result, Variable):
        if variable_array(<Variable> result).shape != variable_array(v).shape:
            result = operations["fit_target"](name, function, target, args, kwargs, result)
        keep_overwritten(v, result)
    write_into(name, variable_array(v), result)
    # A view follows its base, whose history `write_view` extends, unless it alone has one: as what a Function returned.
    old = grad_fn_of(v) if v._view_of is None or not requires_grad(v._view_of) else None
    replace_history(v, result)
    if old is not None and not v._volatile and v._view_version >= 0:
        written = (<Variable> result)._grad_fn
        if is_independent(written):
            set_history(v, record_overwriting(name, old, written, (<Variable> result)._output_nr), 0)
    return target


cdef bint is_independent(Node node):
    """Whether an in-place operation recorded as `node` takes nothing from the old value of its target."""
    return node is None or (isinstance(node, OperationNode) and not (<OperationNode> node).operation.variadic
                            and not (<OperationNode> node).operation._differentiable & 1)


cdef int keep_overwritten(Variable v, Variable result) except -1:
    """A node that saved the target itself needs the value that is about to be overwritten, and gets a copy of it."""
    cdef Saved saved
    cdef Variable copy = None
    if not isinstance(result._grad_fn, OperationNode):
        return 0
    for value in (<OperationNode> result._grad_fn)._values:
        if type(value) is Saved and (<Saved> value).source is v:
            saved = <Saved> value
            if copy is None:
                copy = wrap_variable(copy_array(saved.array), False)
                copy._grad_fn, copy._output_nr = grad_fn_of(v), v._output_nr
            saved.source, saved.array, saved.expected = copy, variable_array(copy), 0
    return 0


cdef int check_writable_leaf(Variable v, str name) except -1:
    cdef Variable base = v if v._view_of is None else v._view_of
    if base._requires_grad and base._grad_fn is None:
        raise RuntimeError(f"{name}_: a leaf Variable that requires grad has been used in an in-place operation. Its "
                           "value would no longer be the leaf that gradients are wanted for; use the out-of-place "
                           "form, or change its .data, which records nothing")
    return 0


cdef int write_into(str name, object array, object value) except -1:
    value = array_of(value) if isinstance(value, Value) else value
    size = getattr(value, "shape", None)
    if size is not None and array.shape != size:
        raise RuntimeError(f"{name}_: an in-place operation cannot change the size of its target: it has size "
                           f"{array.shape}, the result has {size}")
    if not (array.flags.writeable if cnp.PyArray_Check(array) else operations["is_writable"](array)):
        operations["refuse_write"](f"{name}_")
    if cnp.PyArray_Check(array):
        array[...] = value
    else:
        run_there(array, array.__setitem__, (Ellipsis, value))
    return 0


def changed(Variable target, Variable result):
    """After `target`'s memory was overwritten with `result`'s value: bump the version, take over the history."""
    replace_history(target, result)
    return target


def check_leaf(Variable target, str name):
    """Refuse an in-place change of a leaf that requires grad."""
    check_writable_leaf(target, name)


cdef int replace_history(Variable v, Variable result) except -1:
    cdef Variable base = v._view_of
    cdef OperationNode node
    cdef long long needs
    bump(v)
    if result._volatile:
        for target in (v, base):
            if target is not None:
                set_history(<Variable> target, None, 0)
                (<Variable> target)._volatile = True
        if base is not None:
            v._view_version = counter(base).value
        return 0
    if base is None:
        set_history(v, result._grad_fn, result._output_nr)
        adopt(result, v)
        return 0
    needs = (1 if requires_grad(base) else 0) | (2 if result._grad_fn is not None else 0)
    if needs:
        arrays = (variable_array(base), variable_array(result)) + place_in_base(v)
        node = record(op_write_view, (base, result) + arrays[2:], arrays, (base,), None, needs)
        set_history(base, node, 0)
        v._view_version = -1          # derive this view from the base when next asked
    else:
        v._view_version = counter(base).value
    return 0


cdef tuple place_in_base(Variable v):
    """Where a view lies in its base's memory: nowhere if the base was given other memory (`.data = ...`) since."""
    base, view = variable_array(v._view_of), variable_array(v)
    cdef tuple where = geometry(base, view)
    base_size, base_stride, size, stride, offset = where
    low = sum([(n - 1) * s for n, s in zip(base_size, base_stride) if s < 0])
    high = sum([(n - 1) * s for n, s in zip(base_size, base_stride) if s > 0])
    first = offset + sum([(n - 1) * s for n, s in zip(size, stride) if s < 0])
    last = offset + sum([(n - 1) * s for n, s in zip(size, stride) if s > 0])
    if type_number(base) != type_number(view) or first < low or last > high:
        raise RuntimeError("a view no longer shares its base's memory, because the base's .data was replaced after the "
                           "view was made; make the view again from the base")
    return where


cdef int adopt(Variable result, Variable v) except -1:
    """A node that saved its result now means the target: same memory, and later changes of it must be noticed."""
    cdef Saved saved
    if result._grad_fn is None or not isinstance(result._grad_fn, OperationNode):
        return 0
    for value in (<OperationNode> result._grad_fn)._values:
        if type(value) is Saved and (<Saved> value).source is None:
            saved = <Saved> value
            saved.array = variable_array(v)
            saved.version = counter(v)
            saved.expected = saved.version.value
    return 0


def check_usable(Variable v, str name):
    """Refuse a view that was made before its base came to require grad (or became volatile) by an in-place change."""
    if v._view_of is not None:
        check_view(v, name)


def mark_changed(Variable target):
    """Count an in-place change that was made outside the engine."""
    bump(target)


def alias(Variable v):
    """A view of all of `v`: another Variable on the same memory, whose history can become another."""
    cdef Variable same = wrap_variable(variable_array(v), v._volatile)
    share_memory((same,), v)
    return same
