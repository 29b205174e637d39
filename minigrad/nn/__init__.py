"""Layers, losses and what they are made of: everything of the era's `nn` that is not about images."""

# ruff: noqa: F403 - this module is the sum of what the others list in their __all__
from minigrad.nn import functional, init, parallel, utils
from minigrad.nn.activation import *
from minigrad.nn.batchnorm import *
from minigrad.nn.containers import *
from minigrad.nn.layers import *
from minigrad.nn.loss import *
from minigrad.nn.module import *
from minigrad.nn.parallel import DataParallel
from minigrad.nn.parameter import *
from minigrad.nn.recurrent import *
from minigrad.utils import missing

# isort: split
from minigrad.nn import backend, modules

__getattr__ = missing.attribute_error(__name__)
