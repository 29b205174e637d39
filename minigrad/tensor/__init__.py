"""The era's Tensor types over one array each: construction, printing, indexing, random numbers."""

from minigrad.tensor.types import Size, default_tensor_type, set_default_tensor_type, tensor_classes

__all__ = ["Size", "default_tensor_type", "set_default_tensor_type", "tensor_classes"]
