"""minigrad: the Variable-era API (PyTorch 0.3) on current Python, over a small engine that can be read.

import minigrad as torch
from minigrad.autograd import Variable
"""

from minigrad import _core, ops
from minigrad import autograd as _autograd
from minigrad._version import __version__
from minigrad.ops.threads import get_num_threads, set_num_threads
from minigrad.serialization import load, save
from minigrad.tensor import availability as _availability
from minigrad.tensor import interop as _interop
from minigrad.tensor import memory_methods as _memory_methods
from minigrad.tensor import methods as _methods
from minigrad.tensor import random
from minigrad.tensor import sampling as _sampling
from minigrad.tensor import storage as _storage
from minigrad.tensor import types as _types
from minigrad.tensor import variables as _variables
from minigrad.tensor.creation import arange, eye, linspace, logspace, ones, ones_like, range, zeros, zeros_like
from minigrad.tensor.facts import is_tensor, numel, typename
from minigrad.tensor.interop import from_dlpack, from_numpy
from minigrad.tensor.printing import set_printoptions
from minigrad.tensor.random import (
    Generator,
    default_generator,
    fork_rng,
    get_rng_state,
    initial_seed,
    manual_seed,
    set_rng,
    set_rng_state,
)
from minigrad.tensor.sampling import bernoulli, multinomial, normal, rand, randn, randperm
from minigrad.tensor.storage import is_storage
from minigrad.tensor.types import Size, set_default_tensor_type
from minigrad.torch_names import as_torch
from minigrad.utils import missing as _missing

_methods.install()
_memory_methods.install()
_interop.install()
_sampling.install()
_variables.install()
ops.install()
_availability.install()

globals().update(_types.tensor_classes, **_storage.storage_classes)
_tensor_classes = set(_types.every_class)
_storage_classes = set(_storage.every_class)

for _entry in ops.table.values():
    if "torch" in _entry.exported:
        globals()[_entry.name] = _availability.function_form(_entry)
del _entry


__getattr__ = _missing.attribute_error(
    __name__,
    modules={
        **{
            name: f"minigrad.{name}"
            for name in ("autograd", "backends", "cuda", "distributions", "multiprocessing", "nn", "optim")
            + ("_utils", "serialization", "utils", "version")
        },
        "random": "minigrad.tensor.random",
        "save": "minigrad.serialization",
        "load": "minigrad.serialization",
    },
    computed={  # whatever set_default_tensor_type last chose
        "Tensor": _types.default_tensor_type,
        "Storage": lambda: _types.default_tensor_type().storage_type(),
    },
)
