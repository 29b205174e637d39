"""minigrad: the Variable-era API (PyTorch 0.3) on current Python, over a small engine that can be read.

import minigrad as torch
from minigrad.autograd import Variable
"""

import importlib as _importlib

from minigrad import _core, ops
from minigrad import autograd as _autograd
from minigrad._version import __version__
from minigrad.tensor import methods as _methods
from minigrad.tensor import sampling as _sampling
from minigrad.tensor import types as _types
from minigrad.tensor.creation import arange, eye, from_numpy, linspace, logspace, ones, ones_like, range, zeros, zeros_like
from minigrad.tensor.printing import set_printoptions
from minigrad.tensor.random import Generator, default_generator, fork_rng, initial_seed, manual_seed, set_rng
from minigrad.tensor.sampling import bernoulli, get_rng_state, multinomial, normal, rand, randn, randperm, set_rng_state
from minigrad.tensor.types import (
    ByteTensor,
    CharTensor,
    DoubleTensor,
    FloatTensor,
    HalfTensor,
    IntTensor,
    LongTensor,
    ShortTensor,
    Size,
    set_default_tensor_type,
)
from minigrad.torch_names import as_torch
from minigrad.utils import missing as _missing

_methods.install_methods()
_sampling.install_sampling()
ops.install()

for _entry in ops.table.values():
    if "torch" in _entry.exported:
        globals()[_entry.name] = _entry.function
del _entry


def is_tensor(obj):
    """Whether obj is a Tensor (a Variable is not)."""
    return isinstance(obj, _core.Tensor)


def __getattr__(name):
    if name == "Tensor":    # whatever set_default_tensor_type last chose
        return _types.default_tensor_type()
    if name in ("autograd", "backends", "cuda", "nn", "optim", "utils"):
        return _importlib.import_module(f"minigrad.{name}")
    _no_attribute(name)


_no_attribute = _missing.attribute_error(__name__)
