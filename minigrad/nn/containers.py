"""Modules that hold others: a chain, a list of modules, a list of parameters."""

import operator
from collections import OrderedDict

from minigrad.nn.module import Module
from minigrad.nn.parameter import Parameter

__all__ = ["ModuleList", "ParameterList", "Sequential"]


def _position(container, idx, count):
    """`idx` counted from the front; IndexError outside, TypeError for anything but an int."""
    try:
        idx = operator.index(idx)
    except TypeError:
        raise TypeError(f"{type(container).__name__}: an index must be an int, got {type(idx).__name__}") from None
    if not -count <= idx < count:
        raise IndexError(f"{type(container).__name__}: index {idx} is out of range, there are {count} entries")
    return idx % count


class Sequential(Module):
    """Sequential(*modules) or Sequential(OrderedDict): modules applied one after the other.

    Positional modules are named by their numbers. ``len(s)`` and ``s[k]`` work as on a list.

    >>> from minigrad import nn
    >>> print(Sequential(nn.Linear(2, 3), nn.ReLU()))
    Sequential(
      (0): Linear(in_features=2, out_features=3)
      (1): ReLU()
    )
    """

    def __init__(self, *args):
        super().__init__()
        if len(args) == 1 and isinstance(args[0], OrderedDict):
            for name, module in args[0].items():
                self.add_module(name, module)
        else:
            for k, module in enumerate(args):
                self.add_module(str(k), module)

    def __getitem__(self, idx):
        modules = list(self._modules.values())
        return modules[_position(self, idx, len(modules))]

    def __len__(self):
        return len(self._modules)

    def forward(self, input):
        for module in self._modules.values():
            input = module(input)
        return input


class _List(Module):
    """What ModuleList and ParameterList share: entries named by their numbers, in one of a Module's tables."""

    _entries: str  # name of the table
    _noun: str

    def __init__(self, entries=None):
        super().__init__()
        if entries is not None:
            self.extend(entries)

    def _add(self, name, entry):
        raise NotImplementedError

    def __getitem__(self, idx):
        table = self.__dict__[self._entries]
        if isinstance(idx, slice):
            return type(self)(list(table.values())[idx])
        return table[str(_position(self, idx, len(table)))]

    def __setitem__(self, idx, entry):
        self._add(str(_position(self, idx, len(self))), entry)

    def __len__(self):
        return len(self.__dict__[self._entries])

    def __iter__(self):
        return iter(self.__dict__[self._entries].values())

    def __iadd__(self, entries):
        return self.extend(entries)

    def append(self, entry):
        """Add one at the end; returns the list."""
        self._add(str(len(self)), entry)
        return self

    def extend(self, entries):
        """Add those of a list (TypeError for anything else) at the end; returns the list."""
        if not isinstance(entries, list):
            raise TypeError(
                f"{type(self).__name__}: extend takes a list of {self._noun}, got {type(entries).__name__}; "
                f"a single one is added with append"
            )
        for entry in entries:
            self.append(entry)
        return self


class ModuleList(_List):
    """ModuleList(modules=None): a list whose modules are registered; it has no forward of its own."""

    _entries, _noun = "_modules", "modules"

    def __init__(self, modules=None):
        super().__init__(modules)

    def _add(self, name, entry):
        self.add_module(name, entry)


class ParameterList(_List):
    """ParameterList(parameters=None): a list whose parameters are registered."""

    _entries, _noun = "_parameters", "parameters"

    def __init__(self, parameters=None):
        super().__init__(parameters)

    def _add(self, name, entry):
        if not isinstance(entry, Parameter):
            raise TypeError(f"ParameterList: entry {name} must be a Parameter, got {type(entry).__name__}")
        self.register_parameter(name, entry)
