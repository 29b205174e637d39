"""The public face of the engine: Variable, Function, backward, grad, gradcheck, gradgradcheck."""

from minigrad.autograd import gradcheck as _gradcheck_module
from minigrad.autograd import profiler
from minigrad.autograd.engine import backward, grad
from minigrad.autograd.function import Function
from minigrad.autograd.gradcheck import gradgradcheck
from minigrad.autograd.variable import Variable
from minigrad.utils import missing

gradcheck = _gradcheck_module  # a module and, called, the function of the same name: the era's import both ways

__all__ = ["Function", "Variable", "backward", "grad", "gradcheck", "gradgradcheck", "profiler"]

__getattr__ = missing.attribute_error(__name__)
