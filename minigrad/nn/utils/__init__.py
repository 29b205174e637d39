"""Helpers around parameters: clipping gradients, flattening, weight normalisation; `rnn` has packed sequences."""

from minigrad.nn.utils import rnn
from minigrad.nn.utils.clip_grad import clip_grad_norm
from minigrad.nn.utils.convert_parameters import parameters_to_vector, vector_to_parameters
from minigrad.nn.utils.weight_norm import remove_weight_norm, weight_norm
from minigrad.utils import missing

__all__ = [
    "clip_grad_norm",
    "parameters_to_vector",
    "remove_weight_norm",
    "rnn",
    "vector_to_parameters",
    "weight_norm",
]

__getattr__ = missing.attribute_error(__name__)
