"""The era's paths to single modules, such as `nn.modules.module.Module` and `nn.modules.loss._Loss`."""

import sys

from minigrad.nn import activation, batchnorm, containers, layers, loss, module, recurrent
from minigrad.nn.modules import utils
from minigrad.utils import missing

_PATHS = {
    "activation": activation,
    "batchnorm": batchnorm,
    "container": containers,
    "distance": layers,
    "dropout": layers,
    "linear": layers,
    "loss": loss,
    "module": module,
    "rnn": recurrent,
    "sparse": layers,
}

for _name, _module in _PATHS.items():
    globals()[_name] = sys.modules[f"{__name__}.{_name}"] = _module
    globals().update({name: getattr(_module, name) for name in _module.__all__})

__getattr__ = missing.attribute_error(__name__)
