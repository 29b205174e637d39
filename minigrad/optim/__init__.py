"""Optimisers: each changes parameters in place by their gradients. The equations are in `minigrad.ops.update`."""

from minigrad.optim import lr_scheduler
from minigrad.optim.adaptive import Adadelta, Adagrad, Adam, Adamax, RMSprop
from minigrad.optim.averaged import ASGD, Rprop
from minigrad.optim.lbfgs import LBFGS
from minigrad.optim.optimizer import Optimizer
from minigrad.optim.sgd import SGD
from minigrad.utils import missing

__all__ = [
    "ASGD",
    "LBFGS",
    "SGD",
    "Adadelta",
    "Adagrad",
    "Adam",
    "Adamax",
    "Optimizer",
    "RMSprop",
    "Rprop",
    "lr_scheduler",
]

__getattr__ = missing.attribute_error(__name__)
