"""The era's way to several GPUs, with the one replica that there is: inputs pass through to the module."""

from minigrad.nn.module import Module
from minigrad.utils import missing

__all__ = ["DataParallel", "data_parallel"]


class DataParallel(Module):
    """Pass every call to `module`, unchanged: without GPUs there is one replica, and it sees the whole batch.

    The wrapped network is `.module`, and the names in `state_dict()` begin with ``module.``, as for any sub-module.
    Raises TypeError if `module` is none; the other arguments choose GPUs and are not looked at.
    """

    def __init__(self, module, device_ids=None, output_device=None, dim=0):
        super().__init__()
        if not isinstance(module, Module):
            raise TypeError(f"DataParallel: module must be a Module, got {type(module).__name__}")
        self.module = module
        self.device_ids = []
        self.output_device = output_device
        self.dim = dim

    def forward(self, *inputs, **kwargs):
        return self.module(*inputs, **kwargs)


def data_parallel(module, inputs, device_ids=None, output_device=None, dim=0, module_kwargs=None):
    """`module(*inputs, **module_kwargs)`: what `DataParallel` does, in one call. `inputs`: one Variable or a tuple."""
    return module(*(inputs if isinstance(inputs, tuple) else (inputs,)), **(module_kwargs or {}))


__getattr__ = missing.attribute_error(__name__)
