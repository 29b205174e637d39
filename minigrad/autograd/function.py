"""A user's own differentiable functions: `Function`, in the era's two styles.

New style: static methods `forward(ctx, *args)` on tensors and `backward(ctx, *grads)` on Variables, called through
`Cls.apply(...)`; what backward computes with operations can itself be differentiated.

Old style: an instance is made, then called: `forward(self, *tensors)` and `backward(self, *tensors)` both on tensors;
not twice differentiable.

The instance made for a call is the context `ctx` and stands behind the node recorded in the graph.
"""

import copy
import functools
import types
import weakref

from minigrad import _core
from minigrad._core import PythonNode, Tensor, Variable, array_of
from minigrad.ops import arrays


class _Context:
    """What a call of a Function keeps for its backward."""

    _saved = None  # (Variable, version, number of the result or None) or None, in the order of save_for_backward
    _released = False
    _node = None  # weak reference to the node recorded for the call, which holds this context
    _dirty = ()
    _constant = ()
    needs_input_grad = ()
    _to_save = None

    def save_for_backward(self, *tensors):
        """Keep inputs, outputs or None for backward; call it once. Other tensors: keep them as attributes of ctx."""
        if self._to_save is not None:
            raise RuntimeError(f"{type(self).__name__}: save_for_backward was called a second time")
        self._to_save = tensors

    def mark_dirty(self, *inputs):
        """Declare that these inputs were changed in place; they must be returned as outputs."""
        self._dirty = inputs

    def mark_non_differentiable(self, *outputs):
        """Declare outputs that are constant for gradients (indices, say)."""
        self._constant = outputs

    def mark_shared_storage(self, *pairs):
        """Declare (input, output) pairs that share memory; nothing needs to be done about them here."""

    @property
    def saved_variables(self):
        """The saved values as Variables with their history."""
        return tuple(self._unpack())

    @property
    def saved_tensors(self):
        """The saved values as tensors."""
        return tuple(None if v is None else v.data for v in self._unpack())

    def _unpack(self):
        name = type(self).__name__
        if self._released:
            raise RuntimeError(f"{name}: trying to backward through the graph a second time, but the buffers have "
                               "already been "
                               "freed. Specify retain_graph=True when calling backward the first time")  # fmt: skip
        for saved in self._saved or ():
            if saved is None:
                yield None
                continue
            variable, version, number = saved
            if variable._version != version:
                raise RuntimeError(
                    "one of the variables needed for gradient computation has been modified by an inplace operation: "
                    f"{name} saved a value of size {tuple(array_of(variable).shape)} at version {version}, it is at "
                    f"version {variable._version} now"
                )
            if number is not None:  # a result: kept without its node, which would keep itself alive
                variable = variable.detach()
                node = self._node()
                if node is not None:
                    node.attach(variable, number)
            yield variable

    def _release(self):
        if self._saved:
            self._released = True
        self._saved = ()


class _FunctionMeta(type):
    """Finds out which style a Function is written in."""

    def __init__(cls, name, bases, namespace):
        super().__init__(name, bases, namespace)
        cls._static = any(isinstance(k.__dict__.get("forward"), staticmethod) for k in cls.__mro__)

    def __repr__(cls):
        return _core.class_repr(cls)


class _Apply:
    """A method of the class, and of an instance that stands in a graph: its backward."""

    def __init__(self, run):
        self.run = run
        self.__doc__ = run.__doc__

    def __get__(self, ctx, cls):
        if ctx is not None and ctx._node is not None and cls._static:
            return functools.partial(cls.backward, ctx)
        return types.MethodType(self.run, cls)


class Function(_Context, metaclass=_FunctionMeta):
    """Base of differentiable functions written by users.

    >>> import minigrad as torch
    >>> class Square(Function):
    ...     @staticmethod
    ...     def forward(ctx, x):
    ...         ctx.save_for_backward(x)
    ...         return x * x
    ...     @staticmethod
    ...     def backward(ctx, grad_output):
    ...         x, = ctx.saved_variables
    ...         return grad_output * 2 * x
    >>> x = Variable(torch.Tensor([3]), requires_grad=True)
    >>> Square.apply(x).backward()
    >>> x.grad.data[0]
    6.0
    """

    def __init__(self, *args, **kwargs):
        pass

    def forward(self, *args):
        """The value: from tensors, tensors."""
        raise NotImplementedError(f"{type(self).__name__} must define forward")

    def backward(self, *grads):
        """The gradient of each argument of forward from those of its results."""
        raise NotImplementedError(f"{type(self).__name__} must define backward")

    @_Apply
    def apply(cls, *args):
        """Run a Function with static methods on Variables (other arguments are passed as they are).

        Of a result's grad_fn it is the other direction, as in the era: `y.grad_fn.apply(grad)` runs backward.
        """
        if not cls._static:
            raise TypeError(f"{cls.__name__}.apply: forward and backward must be static methods; a Function with "
                            f"instance methods is called as {cls.__name__}()(...)")  # fmt: skip
        ctx = cls.__new__(cls)
        return _core.timed(cls.__name__, _call, ctx, cls.forward, args)

    def __call__(self, *args):
        if type(self)._static:
            raise TypeError(f"{type(self).__name__} has static methods: call {type(self).__name__}.apply(...)")
        for a in args:
            if not isinstance(a, Variable):
                raise TypeError(f"{type(self).__name__}: all arguments must be Variables, got {type(a).__name__}; "
                                "options belong "
                                "into the constructor")  # fmt: skip
        ctx = self
        if self._node is not None:  # a second call: the first one's graph keeps its own context
            ctx = copy.copy(self)
            ctx._saved, ctx._released = None, False
        return _core.timed(type(self).__name__, _call, ctx, lambda ctx, *tensors: ctx.forward(*tensors), args)

    # An old-style instance is itself the grad_fn of its results.

    def name(self):
        """The class's name."""
        return type(self).__name__

    @property
    def next_functions(self):
        """((node or None, number of its output), ...), one for each argument."""
        node = None if self._node is None else self._node()
        return () if node is None else node.next_functions

    def register_hook(self, hook):
        """Call `hook(grad_inputs, grad_outputs)` after backward; what it returns replaces grad_inputs."""
        node = None if self._node is None else self._node()
        if node is None:
            raise RuntimeError(
                f"{self.name()}: register_hook needs a call whose result requires grad and is still alive"
            )
        return node.register_hook(hook)

    def _step(self, grads, create_graph):
        """One gradient (Variable or None) for each argument; called by the engine."""
        name = type(self).__name__
        filled = [self._zeros(k, create_graph) if g is None else g for k, g in enumerate(grads)]
        if type(self)._static:
            result = type(self).backward(self, *filled)
        else:
            result = self.backward(*(g.data for g in filled))
        result = result if isinstance(result, tuple) else (result,)
        count = len(self.needs_input_grad)
        while len(result) > count and result[-1] is None:
            result = result[:-1]
        if len(result) != count:
            raise RuntimeError(f"{name}.backward: returned {len(result)} gradients, expected {count}, one for each "
                               "argument of "
                               "forward (None where there is none)")  # fmt: skip
        return [self._checked(k, g, filled, create_graph) for k, g in enumerate(result)]

    def _checked(self, k, g, grads, create_graph):
        name = type(self).__name__
        size = self._input_sizes[k]
        if g is None:
            if size is None or not self.needs_input_grad[k]:
                return None
            return _core.variable_from_array(arrays.zeros(size, *self._input_types[k]), not create_graph)
        if size is None:
            raise RuntimeError(
                f"{name}.backward: returned a gradient for argument {k}, which is not a Variable; return None"
            )
        if isinstance(g, Tensor):
            if type(self)._static:
                raise TypeError(f"{name}.backward: must return Variables or None, got a Tensor for argument {k}")
            g = _once(self, g, grads) if create_graph else Variable(g, volatile=True)
        if not isinstance(g, Variable):
            raise TypeError(f"{name}.backward: must return Variables or None, got {type(g).__name__} for argument {k}")
        if tuple(array_of(g).shape) != size:
            raise RuntimeError(
                f"{name}.backward: the gradient of argument {k} must have its size {size}, got "
                f"{tuple(array_of(g).shape)}"
            )
        if arrays.type_of(array_of(g)) != self._input_types[k]:
            wanted, number = self._input_types[k]
            raise RuntimeError(f"{name}.backward: the gradient of argument {k} must have its type, {wanted}"
                               f"{'' if number is None else f' on GPU {number}'}, got {_core.type_name(array_of(g))} "
                               f"on {arrays.place_name(array_of(g))}")  # fmt: skip
        return g if self.needs_input_grad[k] else None

    def _zeros(self, k, create_graph):
        size, kind = self._output_sizes[k]
        return _core.variable_from_array(arrays.zeros(size, *kind), not create_graph)


def _call(ctx, forward, args):
    """Run forward on tensors, wrap its outputs and record the node."""
    name = type(ctx).__name__
    variables = [a for a in args if isinstance(a, Variable)]
    for v in variables:
        _core.check_usable(v, name)
    is_volatile = any(v.volatile for v in variables)
    ctx.needs_input_grad = tuple(isinstance(a, Variable) and a.requires_grad and not is_volatile for a in args)
    ctx._input_sizes = tuple(tuple(array_of(a).shape) if isinstance(a, Variable) else None for a in args)
    ctx._input_types = tuple(arrays.type_of(array_of(a)) if isinstance(a, Variable) else None for a in args)
    ctx._to_save, ctx._dirty, ctx._constant = None, (), ()  # also what an earlier call left that recorded nothing
    tensors = tuple(a.data if isinstance(a, Variable) else a for a in args)
    result = forward(ctx, *tensors)
    single = not isinstance(result, tuple)
    results = (result,) if single else result
    for r in results:
        if not isinstance(r, Tensor):
            raise TypeError(f"{name}.forward: must return tensors, got {type(r).__name__}")
    ctx._output_sizes = [(r.array.shape, arrays.type_of(r.array)) for r in results]
    by_tensor = {id(t): a for t, a in zip(tensors, args) if isinstance(a, Variable)}
    for d in ctx._dirty:
        if id(d) not in by_tensor:
            raise RuntimeError(f"{name}: mark_dirty takes arguments of forward only, got another {type(d).__name__}")
        _core.check_leaf(by_tensor[id(d)], name)
        if not any(r is d for r in results):
            _core.mark_changed(by_tensor[id(d)])
    for c in ctx._constant:
        if not any(r is c for r in results):
            raise RuntimeError(
                f"{name}: mark_non_differentiable takes results of forward only, got another {type(c).__name__}"
            )
    node = PythonNode(ctx, args, len(results)) if any(ctx.needs_input_grad) else None
    outputs = []
    for k, r in enumerate(results):
        source = by_tensor.get(id(r))
        differentiable = node is not None and not any(r is c for c in ctx._constant)
        if any(r is d for d in ctx._dirty):
            value = Variable(r, volatile=is_volatile)
            if differentiable:
                node.attach(value, k)
            outputs.append(_core.changed(source, value))
            continue
        out = Variable(r, volatile=is_volatile) if source is None else _core.alias(source)
        if is_volatile and not out.volatile:
            out.volatile = True
        if differentiable:
            node.attach(out, k)
        outputs.append(out)
    if node is not None:
        ctx._node = weakref.ref(node)
        ctx._saved = _saved(ctx, name, tensors, args, results, outputs)
    ctx._to_save = None
    return outputs[0] if single else tuple(outputs)


def _saved(ctx, name, tensors, args, results, outputs):
    """What save_for_backward was given, as ctx._saved keeps it."""
    saved = []
    for t in ctx._to_save or ():
        entry = None
        if t is not None:
            dirty = any(t is d for d in ctx._dirty)
            for x, a in zip(tensors, args):
                if x is t and isinstance(a, Variable) and not dirty:
                    entry = a, a._version, None
            for k, (r, out) in enumerate(zip(results, outputs)):
                if r is t and entry is None:
                    # a result that is constant is nobody's: it is kept as it is
                    entry = (
                        (out, out._version, None)
                        if any(r is c for c in ctx._constant)
                        else (out.detach(), out._version, k)
                    )
            if entry is None:
                raise RuntimeError(f"{name}: save_for_backward takes inputs and outputs of forward (and None); keep "
                                   "other values "
                                   "as attributes of ctx")  # fmt: skip
        saved.append(entry)
    return saved


# ---------------------------------------------------------------- limits on derivatives


class Error:
    """Context of a node that stands behind a derivative which cannot be differentiated again."""

    _node_name = "Error"

    def __init__(self, function):
        self.function = function

    def _step(self, grads, create_graph):
        raise RuntimeError(
            f"trying to differentiate twice a function that is once differentiable: {self.function}. Its backward "
            "computes on "
            "tensors; write it as a static method that computes on Variables"
        )

    def _release(self):
        pass


def _once(ctx, tensor, grads):
    """`tensor`, a gradient that was computed without a graph, as a Variable whose differentiation raises."""
    out = Variable(tensor)
    PythonNode(Error(type(ctx).__name__), grads, 1, ctx._node()).attach(out, 0)
    return out


def once_differentiable(backward):
    """Decorator for a static `backward` that computes on tensors: its result cannot be differentiated again."""

    @functools.wraps(backward)
    def wrapper(ctx, *grads):
        result = backward(ctx, *(g.data if isinstance(g, Variable) else g for g in grads))
        differentiable = any(isinstance(g, Variable) and not g.volatile for g in grads)
        results = result if isinstance(result, tuple) else (result,)
        wrapped = tuple(
            r if not isinstance(r, Tensor) else _once(ctx, r, grads) if differentiable else Variable(r, volatile=True)
            for r in results
        )
        return wrapped if isinstance(result, tuple) else wrapped[0]

    return wrapper


class InplaceFunction(Function):
    """An old-style Function with an option `inplace`."""

    def __init__(self, inplace=False):
        super().__init__()
        self.inplace = inplace


class NestedIOFunction(Function):
    """An old-style Function whose arguments and results may be nested lists and tuples, with None in them.

    Define `forward_extended(*args)` and `backward_extended(*grads)`: both get and return tensors, nested as the
    caller's arguments and forward's results are.
    """

    def __call__(self, *args):
        # A second call: the first one's graph keeps its own nesting.
        ctx = self if self._node is None else copy.copy(self)
        ctx._nesting = {"arguments": args}
        results = Function.__call__(ctx, *_flat(args, type(self).__name__))
        return _nested_like(ctx._nesting["results"], iter(results))

    def forward(self, *tensors):
        results = self.forward_extended(*_nested_like(self._nesting["arguments"], iter(tensors)))
        self._nesting["results"] = results
        return tuple(_flat(results, type(self).__name__))

    def backward(self, *grads):
        nested = _nested_like(self._nesting["results"], iter(grads))
        result = self.backward_extended(*(nested if isinstance(nested, tuple) else (nested,)))
        return tuple(_flat_like(self._nesting["arguments"], result if isinstance(result, tuple) else (result,)))

    def forward_extended(self, *args):
        """The value: from nested tensors, nested tensors."""
        raise NotImplementedError(f"{type(self).__name__} must define forward_extended")

    def backward_extended(self, *grads):
        """The gradients, nested as the arguments of forward_extended."""
        raise NotImplementedError(f"{type(self).__name__} must define backward_extended")


def _flat(nested, name):
    if isinstance(nested, (list, tuple)):
        for part in nested:
            yield from _flat(part, name)
    elif isinstance(nested, (Tensor, Variable)):
        yield nested
    elif nested is not None:
        raise TypeError(f"{name}: expected Variables, None and lists or tuples of them, got {type(nested).__name__}")


def _nested_like(pattern, values):
    if isinstance(pattern, (list, tuple)):
        return type(pattern)(_nested_like(part, values) for part in pattern)
    return None if pattern is None else next(values)


def _flat_like(pattern, nested):
    """The gradients in `nested`, one for each Variable in `pattern`; a None stands for all below it."""
    if isinstance(pattern, (list, tuple)):
        nested = (None,) * len(pattern) if nested is None else nested
        for k, part in enumerate(pattern):
            yield from _flat_like(part, nested[k] if k < len(nested) else None)
    elif pattern is not None:
        yield nested


_REMOVED = (
    "StochasticFunction and .reinforce() were removed in 0.3: multiply the log-probability of the sampled action by "
    "its reward "
    "and call backward on that"
)


class StochasticFunction(Function):
    """Removed from the era's API in 0.3."""

    def __init__(self):
        raise RuntimeError(_REMOVED)


def _reinforce(self, reward):
    """Removed from the era's API in 0.3."""
    raise RuntimeError(_REMOVED)


_core.install(Variable, "reinforce", _reinforce)
