"""Warnings for programs that were written before version 0.2 and may mean something else: off unless switched on.

`keepdim_warning.enabled = True`: reductions along a dimension that leave `keepdim` to its default, which was True
before 0.2 and is False since. `broadcast_warning.enabled = True`: operations whose operands have different sizes and
equally many elements, and broadcast; before 0.2 their elements were taken in order.
"""

import functools
import inspect
import math
import sys

from minigrad import _core
from minigrad._core import Tensor, Variable, array_of
from minigrad.ops.table import table
from minigrad.utils.callers import warn

_REDUCTIONS = "kthvalue max mean median min mode norm prod std sum var".split()


class _Switch:
    """A warning that can be switched by its attribute `enabled`."""

    def __init__(self, name, change):
        self._name = name
        self._change = change
        self._enabled = False

    @property
    def enabled(self):
        """Whether the warning is given."""
        return self._enabled

    @enabled.setter
    def enabled(self, value):
        if not isinstance(value, bool):
            raise TypeError(f"{self._name}.enabled must be True or False, got {value!r}")
        if value != self._enabled:
            self._change(value)
        self._enabled = value


def _leaves_keepdim(signature, args, kwargs):
    """Whether a call of a reduction is along a dimension and does not say keepdim."""
    given = signature.bind_partial(*args, **{k: v for k, v in kwargs.items() if k != "out"}).arguments
    dim = given.get("dim", signature.parameters["dim"].default)
    return "keepdim" not in given and isinstance(dim, int) and not isinstance(dim, bool)


def _warning(name, function):
    """The reduction `function`, which warns where keepdim is left to its default."""
    signature = inspect.signature(table[name].function)

    @functools.wraps(function)
    def reduction(*args, **kwargs):
        result = function(*args, **kwargs)  # first: a wrong call is an error, not a warning
        if _leaves_keepdim(signature, args, kwargs):
            warn(f"backwards compatibility: {name} is left to choose keepdim, which is False since version 0.2 and was "
                 "True before; say keepdim=False (or True)")  # fmt: skip
        return result

    return reduction


_plain = []  # (owner, name, function) that the keepdim warning has replaced


def _set(owner, name, function):
    if isinstance(owner, type):
        _core.install(owner, name, function)
    else:
        setattr(owner, name, function)


def _switch_keepdim(on):
    if on:
        for owner in (Tensor, Variable, sys.modules["minigrad"]):
            for name in _REDUCTIONS:
                _plain.append((owner, name, vars(owner)[name]))
                _set(owner, name, _warning(name, vars(owner)[name]))
    else:
        while _plain:
            _set(*_plain.pop())


def _check_broadcast(operation, args):
    row = table.get(operation.name)
    if not (operation.broadcast or (row is not None and row.pointwise)):
        return
    sizes = [tuple(array_of(a).shape) for a in args if isinstance(a, (Tensor, Variable))]
    if len(set(sizes)) < 2 or len({math.prod(size) for size in sizes}) > 1:
        return
    for extents in zip(*((1,) * (max(map(len, sizes)) - len(size)) + size for size in sizes)):
        if len(set(extents) - {1}) > 1:
            return  # they do not broadcast: the operation itself warns
    warn(f"backwards compatibility: {operation.name} broadcasts sizes {' and '.join(map(str, sizes))}, which have "
         "equally many elements; before version 0.2 these were taken in order. Give both the same size")  # fmt: skip


keepdim_warning = _Switch("keepdim_warning", _switch_keepdim)
broadcast_warning = _Switch("broadcast_warning", lambda on: _core.watch_calls(_check_broadcast if on else None))
