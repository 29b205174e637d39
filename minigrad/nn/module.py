"""Module: the base of all layers. It keeps parameters, buffers and sub-modules by name, and calls `forward`."""

import functools
import types
from collections import OrderedDict

from minigrad import _core
from minigrad._core import Tensor, Variable, array_of
from minigrad.nn.parameter import Parameter, zero_grad
from minigrad.utils.hooks import register

__all__ = ["Module"]

_TABLES = ("_parameters", "_buffers", "_modules")


def indented(text):
    """`text` with all lines but the first moved right by two blanks."""
    return text.replace("\n", "\n  ")


def _kind(value):
    return type(value).__name__


class Module:
    """Base of all layers and networks.

    A subclass calls ``super().__init__()`` first, assigns `Parameter`s and other Modules to attributes, which registers
    them, and defines ``forward``. The module is then called like a function.

    >>> from minigrad import nn
    >>> class Net(nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.hidden = nn.Linear(2, 3)
    ...         self.out = nn.Linear(3, 1)
    ...
    ...     def forward(self, x):
    ...         return self.out(nn.functional.relu(self.hidden(x)))
    >>> [name for name, p in Net().named_parameters()]
    ['hidden.weight', 'hidden.bias', 'out.weight', 'out.bias']
    """

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        # A class of the package with an inherited constructor has a copy of it, because Python's messages on arguments
        # have the name of the class that the constructor was written for, which may be a private one.
        if cls.__module__.startswith("minigrad.") and "__init__" not in vars(cls):
            known = cls.__init__
            copy = types.FunctionType(
                known.__code__, known.__globals__, known.__name__, known.__defaults__, known.__closure__
            )
            copy.__kwdefaults__, copy.__doc__, copy.__module__ = known.__kwdefaults__, known.__doc__, cls.__module__
            copy.__qualname__ = f"{cls.__qualname__}.__init__"
            cls.__init__ = copy

    def __init__(self):
        # Past __setattr__, which asks for these very tables.
        self.__dict__.update(
            training=True,
            _parameters=OrderedDict(),
            _buffers=OrderedDict(),
            _modules=OrderedDict(),
            _forward_pre_hooks=OrderedDict(),
            _forward_hooks=OrderedDict(),
            _backward_hooks=OrderedDict(),
        )

    def forward(self, *input):
        """The result of the layer; to be defined by each subclass."""
        raise NotImplementedError(f"{_kind(self)} must define forward(self, ...)")

    def __call__(self, *input, **kwargs):
        if self._forward_pre_hooks or self._forward_hooks or self._backward_hooks:
            return self._call_with_hooks(input, kwargs)
        return self.forward(*input, **kwargs)

    # ------------------------------------------------ registration

    def _table(self, name):
        table = self.__dict__.get(name)
        if table is None:
            raise AttributeError(
                f"cannot assign {name[1:]} before Module.__init__() call: begin {_kind(self)}.__init__ "
                "with super().__init__()"
            )
        return table

    def _check_name(self, name, table, what):
        if not isinstance(name, str):
            raise TypeError(f"{_kind(self)}: the name of a {what} must be a string, got {_kind(name)}")
        if self.__dict__.get(name, name) is None:
            del self.__dict__[name]  # an attribute that holds nothing gives way
        if hasattr(self, name) and name not in table:
            raise KeyError(f"{_kind(self)}: attribute {name!r} already exists, so no {what} can have that name")

    def register_buffer(self, name, tensor):
        """Keep `tensor` (a Tensor or None) as part of the module's state that is not learned, such as running means.

        KeyError if something else has the name, TypeError for a wrong kind.
        """
        buffers = self._table("_buffers")
        # A Tensor or Variable kept under the name already, often of the same memory, stays in front.
        if not isinstance(self.__dict__.get(name), (Tensor, Variable)):
            self._check_name(name, buffers, "buffer")
        if tensor is not None and not isinstance(tensor, Tensor):
            raise TypeError(f"{_kind(self)}: buffer {name!r} must be a Tensor or None, got {_kind(tensor)}")
        buffers[name] = tensor

    def register_parameter(self, name, param):
        """Add a Parameter, or None for one that is not used.

        KeyError if something else has the name, TypeError for a wrong kind, ValueError for a Parameter with a history.
        """
        parameters = self._table("_parameters")
        self._check_name(name, parameters, "parameter")
        if param is not None and not isinstance(param, Parameter):
            raise TypeError(
                f"cannot assign {_kind(param)} object to parameter {name!r} of {_kind(self)}: a Parameter or None is "
                f"expected{_wrapping(param)}"
            )
        if param is not None and not param.is_leaf:
            raise ValueError(
                f"cannot assign non-leaf Variable to parameter {name!r} of {_kind(self)}: it is the result of "
                f"{param.grad_fn.name()}. Parameters are made of data; compute from them in forward()"
            )
        parameters[name] = param

    def add_module(self, name, module):
        """Add a sub-module (or None). KeyError if something else has the name, TypeError for a wrong kind."""
        modules = self._table("_modules")
        self._check_name(name, modules, "module")
        if module is not None and not isinstance(module, Module):
            raise TypeError(
                f"{module!r} is not a Module subclass: {_kind(self)} needs a Module or None for {name!r}, "
                f"got {_kind(module)}"
            )
        modules[name] = module

    def __getattr__(self, name):
        # Reached only when the name is no ordinary attribute.
        tables = self.__dict__
        for table in _TABLES:
            entries = tables.get(table)
            if entries is not None and name in entries:
                return entries[name]
        hint = "" if "_modules" in tables else f" (begin {_kind(self)}.__init__ with super().__init__())"
        raise AttributeError(f"{_kind(self)!r} object has no attribute {name!r}{hint}")

    def __setattr__(self, name, value):
        tables = self.__dict__
        if isinstance(value, Parameter):
            self._table("_parameters")
            self._forget(name, "_parameters")
            self.register_parameter(name, value)
        elif isinstance(value, Module):
            self._table("_modules")
            self._forget(name, "_modules")
            tables["_modules"][name] = value
        elif name in tables.get("_parameters", ()):
            self.register_parameter(name, value)
        elif name in tables.get("_modules", ()):
            if value is not None:
                raise TypeError(
                    f"cannot assign {_kind(value)} as child module {name!r} of {_kind(self)}: a Module or None is "
                    "expected"
                )
            tables["_modules"][name] = None
        elif name in tables.get("_buffers", ()):
            self.register_buffer(name, value)
        else:
            object.__setattr__(self, name, value)

    def _forget(self, name, kept):
        """Remove `name` wherever it is, except in the table it is about to enter: there it keeps its place."""
        for table in (self.__dict__, *(self.__dict__[t] for t in _TABLES if t != kept)):
            table.pop(name, None)

    def __delattr__(self, name):
        for table in _TABLES:
            if name in self.__dict__.get(table, ()):
                del self.__dict__[table][name]
                return
        object.__delattr__(self, name)

    def __dir__(self):
        names = {*dir(type(self)), *self.__dict__}
        for table in _TABLES:
            names.update(self.__dict__.get(table, ()))
        return sorted(n for n in names if not n[0].isdigit())

    # ------------------------------------------------ what a module consists of

    def parameters(self):
        """All parameters, own ones before those of sub-modules, each once."""
        for _, p in self.named_parameters():
            yield p

    def named_parameters(self, memo=None, prefix=""):
        """(name, parameter) for each of `parameters()`; names are dotted paths."""
        memo = set() if memo is None else memo
        for name, p in self._parameters.items():
            if p is not None and p not in memo:
                memo.add(p)
                yield f"{prefix}.{name}" if prefix else name, p
        for name, module in self.named_children():
            yield from module.named_parameters(memo, f"{prefix}.{name}" if prefix else name)

    def _all_buffers(self, memo=None):
        memo = set() if memo is None else memo
        for b in self._buffers.values():
            if b is not None and b not in memo:
                memo.add(b)
                yield b
        for module in self.children():
            yield from module._all_buffers(memo)

    def children(self):
        """The direct sub-modules, each once."""
        for _, module in self.named_children():
            yield module

    def named_children(self):
        """(name, module) for each direct sub-module."""
        memo = set()
        for name, module in self._modules.items():
            if module is not None and module not in memo:
                memo.add(module)
                yield name, module

    def modules(self):
        """This module and all below it, each once."""
        for _, module in self.named_modules():
            yield module

    def named_modules(self, memo=None, prefix=""):
        """(name, module) for each of `modules()`; this module's own name is `prefix`."""
        memo = set() if memo is None else memo
        if self not in memo:
            memo.add(self)
            yield prefix, self
            for name, module in self._modules.items():
                if module is not None:
                    yield from module.named_modules(memo, f"{prefix}.{name}" if prefix else name)

    # ------------------------------------------------ state

    def state_dict(self, destination=None, prefix="", keep_vars=False):
        """OrderedDict of all parameters and buffers by dotted name.

        The values are the very tensors of the module, not copies (the Variables with keep_vars); a shared module
        appears under each of its names.
        """
        destination = OrderedDict() if destination is None else destination
        for name, p in self._parameters.items():
            if p is not None:
                destination[prefix + name] = p if keep_vars else p.data
        for name, b in self._buffers.items():
            if b is not None:
                destination[prefix + name] = b
        for name, module in self._modules.items():
            if module is not None:
                module.state_dict(destination, f"{prefix}{name}.", keep_vars=keep_vars)
        return destination

    def load_state_dict(self, state_dict, strict=True):
        """Copy the values of `state_dict` into this module's parameters and buffers.

        Values are Tensors or Parameters; their type is converted, their size must be that of the target. Nothing is
        copied if anything does not fit. Raises KeyError for unexpected and missing names unless strict is False, and
        RuntimeError, naming both sizes, for a size that differs.
        """
        own = self.state_dict()
        name = _kind(self)
        if not hasattr(state_dict, "items"):
            hint = "; read the file first, with load(path)" if isinstance(state_dict, str) else ""
            if isinstance(state_dict, Module):
                hint = "; give its .state_dict()"
            raise TypeError(f"{name}: state_dict must be a dict of Tensors by name, got {_kind(state_dict)}{hint}")
        if strict:
            unexpected = [key for key in state_dict if key not in own]
            if unexpected:
                hint = ""
                if any(key == f"module.{mine}" for key in unexpected for mine in own):
                    hint = "; 'module.' begins the names of a model that was saved inside of DataParallel"
                elif any(f"module.{key}" in own for key in unexpected):
                    hint = "; load them into the model inside of this one, its .module"
                raise KeyError(
                    f"{name}: unexpected key {', '.join(map(repr, unexpected))} in state_dict, which this module "
                    f"lacks{hint}"
                )
            missing = [key for key in own if key not in state_dict]
            if missing:
                raise KeyError(f"{name}: missing keys in state_dict: {', '.join(map(repr, missing))}")
        pairs = []
        for key, value in state_dict.items():
            if key in own:
                if not isinstance(value, (Tensor, Variable)):
                    raise TypeError(f"{name}: the value of {key!r} in state_dict must be a Tensor, got {_kind(value)}")
                mine, its = tuple(own[key].array.shape), tuple(array_of(value).shape)
                if mine != its:
                    raise RuntimeError(
                        f"{name}: while copying the parameter named {key}: its size in the model is {mine}, in the "
                        f"state_dict it is {its}"
                    )
                pairs.append((own[key], value.data if isinstance(value, Variable) else value))
        for target, value in pairs:
            target.copy_(value)

    def zero_grad(self):
        """Set the gradients of all parameters to 0 (those that are None stay so)."""
        zero_grad(self.parameters())

    def train(self, mode=True):
        """Set training mode (dropout active, batch statistics used) here and below; returns self."""
        self.training = mode
        for module in self.children():
            module.train(mode)
        return self

    def eval(self):
        """Set evaluation mode here and below; returns self."""
        return self.train(False)

    def apply(self, fn):
        """Call fn(module) on all sub-modules, children first, then on this one; returns self."""
        for module in self.children():
            module.apply(fn)
        fn(self)
        return self

    # ------------------------------------------------ type and place

    def _apply(self, fn):
        for module in self.children():
            module._apply(fn)
        for p in self._parameters.values():
            if p is not None:
                p.data = fn(p.data)
                if p.grad is not None:
                    p.grad.data = fn(p.grad.data)
        for name, b in self._buffers.items():
            if b is not None:
                self._buffers[name] = fn(b)
        return self

    def type(self, dst_type):
        """Convert all parameters and buffers to a tensor type (a class or its name); returns self."""
        return self._apply(lambda t: t.type(dst_type))

    def float(self):
        """Convert all parameters and buffers to FloatTensor; returns self."""
        return self._apply(lambda t: t.float())

    def double(self):
        """Convert all parameters and buffers to DoubleTensor; returns self."""
        return self._apply(lambda t: t.double())

    def half(self):
        """Convert all parameters and buffers to HalfTensor; returns self."""
        return self._apply(lambda t: t.half())

    def cuda(self, device=None):
        """Move all parameters and buffers to a GPU (the current one, or number `device`); returns self."""
        return self._apply(lambda t: t.cuda(device))

    def cpu(self):
        """Move all parameters and buffers to the CPU; returns self."""
        return self._apply(lambda t: t.cpu())

    def share_memory(self):
        """Move all parameters and buffers to memory that processes share; returns self."""
        return self._apply(lambda t: t.share_memory_())

    # ------------------------------------------------ hooks

    def register_forward_pre_hook(self, hook):
        """Call hook(module, input) before each forward; it must return None. Returns a handle with ``remove()``."""
        return register(self._forward_pre_hooks, hook)

    def register_forward_hook(self, hook):
        """Call hook(module, input, output) after each forward; it must return None. Returns a handle to remove it."""
        return register(self._forward_hooks, hook)

    def register_backward_hook(self, hook):
        """Call hook(module, grad_input, grad_output) when the *last* operation of forward is differentiated.

        Both are tuples of Variables, of that operation alone. What the hook returns, if not None, replaces grad_input
        and must have its length. Returns a handle with ``remove()``.
        """
        return register(self._backward_hooks, hook)

    def _call_with_hooks(self, input, kwargs):
        for hook in self._forward_pre_hooks.values():
            _refuse_result("forward pre-hooks", hook, hook(self, input))
        result = self.forward(*input, **kwargs)
        for hook in self._forward_hooks.values():
            _refuse_result("forward hooks", hook, hook(self, input, result))
        if self._backward_hooks:
            variable = result
            while not isinstance(variable, Variable):
                if isinstance(variable, dict):
                    variable = next(v for v in variable.values() if isinstance(v, Variable))
                else:
                    variable = variable[0]
            if variable.grad_fn is not None:
                for hook in self._backward_hooks.values():
                    variable.grad_fn.register_hook(functools.partial(hook, self))
        return result

    # ------------------------------------------------ printing

    def __repr__(self):
        lines = [f"  ({name}): {indented(repr(module))}\n" for name, module in self._modules.items()]
        return f"{_kind(self)}(\n{''.join(lines)})"


def _wrapping(value):
    if isinstance(value, Tensor):
        return f"; wrap the Tensor: {_core.package}.nn.Parameter(tensor)"
    if isinstance(value, Variable):
        return f"; a Parameter is made of the Variable's data: {_core.package}.nn.Parameter(variable.data)"
    return ""


def _refuse_result(kinds, hook, result):
    if result is not None:
        raise RuntimeError(
            f"{kinds} must not return anything, but {getattr(hook, '__name__', hook)!r} didn't return None: it "
            f"returned {_kind(result)}"
        )
