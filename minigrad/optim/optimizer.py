"""What all optimisers share: groups of parameters, state per parameter, saving and loading both."""

import inspect
from collections import defaultdict
from collections.abc import Iterable, Iterator
from copy import deepcopy

import numpy as np

from minigrad._core import Tensor, Variable, array_of, tensor_from_array
from minigrad.nn.parameter import zero_grad
from minigrad.ops import arrays, moving

__all__ = ["Optimizer", "required"]


class _Required:
    """Default of an option that has none."""

    def __repr__(self):
        return "<required parameter>"


required = _Required()


def described(formula):
    """A decorator that puts the formula's docstring, with the equation of a step, into that of an optimiser."""

    def decorate(cls):
        if cls.__doc__:  # python -OO has none
            head, _, rest = inspect.cleandoc(cls.__doc__).partition("\n\n")
            equation = inspect.getdoc(formula)
            cls.__doc__ = f"{head}\n\n{equation}\n\np: a parameter, g: its gradient. {rest}"
        return cls

    return decorate


def zeros_like(array, value=0):
    """A Tensor for an optimiser's state: the size, type and place of `array`, filled with `value`."""
    return tensor_from_array(arrays.run(np.full_like, array, value))


def check_number(optimizer, name, value, low=0.0, high=None):
    """Refuse a hyperparameter outside [low, high) (no upper limit if high is None)."""
    if value is required:
        return
    try:
        inside = value >= low and (high is None or value < high)
    except TypeError:
        raise TypeError(f"{optimizer}: {name} must be a number, got {type(value).__name__}") from None
    if not inside:
        wanted = f"at least {low:g}" if high is None else f"in [{low:g}, {high:g})"
        raise ValueError(f"{optimizer}: {name} must be {wanted}, got {value}")


def _listed(optimizer, params):
    if not isinstance(params, Iterable):
        hint = "; give model.parameters()" if callable(params) else ""
        raise TypeError(
            f"{optimizer}: params must be an iterable of Variables or of dicts, got {type(params).__name__}{hint}"
        )
    return list(params)


class Optimizer:
    """Optimizer(params, defaults): base of all optimisers.

    params: an iterable of Variables, or of dicts ``{'params': Variables, option: value, ...}``, one a group.
    defaults: option -> value for groups that do not set it; `required` for an option that must be given.

    ``param_groups`` is a list of dicts (``group['lr']`` may be changed at any time), ``state`` maps a parameter to a
    dict of what the algorithm remembers about it. A subclass defines ``step``.

    Raises TypeError if params is a single Variable or Tensor, or holds anything but Variables; ValueError if it is
    empty, a required option is missing, a parameter is no leaf or does not require grad, or occurs twice.
    """

    def __init__(self, params, defaults):
        if isinstance(params, (Variable, Tensor)):
            raise TypeError(
                f"{type(self).__name__}: params must be an iterable of Variables or of dicts, got a single "
                f"{'Variable' if isinstance(params, Variable) else 'Tensor'}; put it in a list: [parameter]"
            )
        self.defaults = defaults
        self.state = defaultdict(dict)
        self.param_groups = []
        groups = _listed(type(self).__name__, params)
        if not groups:
            raise ValueError(
                f"{type(self).__name__}: params is empty. If it is model.parameters(): a generator is used up by its "
                "first loop, and layers kept in a plain list are not registered (use nn.ModuleList)"
            )
        if not isinstance(groups[0], dict):
            groups = [{"params": groups}]
        for group in groups:
            self.add_param_group(group)

    def add_param_group(self, param_group):
        """Add a group of parameters, a dict with 'params' and any options that differ from the defaults."""
        name = type(self).__name__
        if not isinstance(param_group, dict):
            raise TypeError(f"{name}: a parameter group must be a dict, got {type(param_group).__name__}")
        params = param_group["params"]
        if isinstance(params, Variable):
            params = [params]
        elif isinstance(params, (set, frozenset)):
            raise TypeError(f"{name}: params must have an order, got a set; a list has one")
        params = _listed(name, params)
        for k, p in enumerate(params):
            if not isinstance(p, Variable):
                hint = ""
                if isinstance(p, Iterator):
                    hint = "; add lists of them up: list(a.parameters()) + list(b.parameters())"
                elif hasattr(p, "parameters"):
                    hint = "; give its .parameters()"
                raise TypeError(f"{name}: params must be Variables, got {type(p).__name__} at position {k}{hint}")
            if not p.is_leaf:
                raise ValueError(
                    f"{name}: params must be leaf Variables; the one at position {k} is the result of "
                    f"{p.grad_fn.name()}, so its .grad stays None"
                )
            if not p.requires_grad:
                raise ValueError(
                    f"{name}: params must require grad; the one at position {k} does not. Leave it out: "
                    "filter(lambda p: p.requires_grad, model.parameters())"
                )
        for option, value in self.defaults.items():
            if param_group.get(option, value) is required:
                raise ValueError(f"{name}: the option {option} is required, and this parameter group does not give it")
        seen = {id(p) for group in self.param_groups for p in group["params"]}
        for k, p in enumerate(params):
            if id(p) in seen:
                raise ValueError(
                    f"{name}: the parameter at position {k} occurs a second time; it can be in one group only"
                )
            seen.add(id(p))
        param_group["params"] = params
        for option, value in self.defaults.items():
            param_group.setdefault(option, value)
        self.param_groups.append(param_group)

    def zero_grad(self):
        """Set the gradients of all parameters to 0 (those that are None stay so)."""
        for group in self.param_groups:
            zero_grad(group["params"])

    def step(self, closure=None):
        """Change every parameter that has a gradient once; returns closure()'s loss, or None.

        closure: computes the loss and the gradients first.
        """
        loss = None if closure is None else closure()
        for group in self.param_groups:
            self._step_group(group)
        return loss

    def _step_group(self, group):
        """Change each parameter of one group; a subclass defines this, or `step` itself."""
        raise NotImplementedError(f"{type(self).__name__} does not implement step()")

    def _gradients(self, group):
        """(parameter, its array, its gradient's array) for each parameter of `group` that has a gradient."""
        return [(p, array_of(p), array_of(p.grad)) for p in group["params"] if p.grad is not None]

    # ------------------------------------------------ saving and loading

    def state_dict(self):
        """{'state': by id of the parameter, 'param_groups': the groups, ids in place of parameters}."""
        groups = [{**g, "params": [id(p) for p in g["params"]]} for g in self.param_groups]
        state = {id(k) if isinstance(k, Variable) else k: v for k, v in self.state.items()}
        return {"state": state, "param_groups": groups}

    def load_state_dict(self, state_dict):
        """Take over a copy of what `state_dict()` gave; parameters correspond by their position.

        State takes the type and place of its parameter. Raises ValueError if the numbers of groups or of parameters in
        a group differ.
        """
        name = type(self).__name__
        state_dict = deepcopy(state_dict)
        old, new = self.param_groups, state_dict["param_groups"]
        if len(old) != len(new):
            raise ValueError(f"{name}: the state dict has {len(new)} parameter groups, this optimizer has {len(old)}")
        for k, (mine, its) in enumerate(zip(old, new)):
            if len(mine["params"]) != len(its["params"]):
                raise ValueError(
                    f"{name}: parameter group {k} has {len(its['params'])} parameters in the state dict and "
                    f"{len(mine['params'])} in this optimizer"
                )
        mine = [p for group in old for p in group["params"]]
        parameter = dict(zip([key for group in new for key in group["params"]], mine))
        self.state = defaultdict(dict)
        for key, entries in state_dict["state"].items():
            p = parameter.get(key)
            if p is None:
                self.state[key] = entries
            else:
                self.state[p] = {entry: _fitted(value, array_of(p)) for entry, value in entries.items()}
        self.param_groups = [{**its, "params": group["params"]} for group, its in zip(old, new)]

    def __getstate__(self):
        return {"defaults": self.defaults, "state": self.state, "param_groups": self.param_groups}

    def __setstate__(self, state):
        self.__dict__.update(state)


def _fitted(value, array):
    """State `value` in the floating type and the place of its parameter's `array`; other values as they are."""
    if not isinstance(value, Tensor) or value.array.dtype.kind != "f":
        return value
    moved = moving.to(value, arrays.device_of(array))
    return tensor_from_array(arrays.run(lambda state: state.astype(array.dtype, copy=False), moved.array))
