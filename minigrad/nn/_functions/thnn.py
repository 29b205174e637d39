"""Where the era's CUDA-only kernels for fused cells were; scripts import the name at their top and use it on a GPU."""

from minigrad.utils import missing


class _OnlyOnCuda:
    def __getattr__(self, name):
        raise AttributeError(
            f"rnnFusedPointwise.{name} ran on CUDA tensors only, and minigrad has no such kernel; "
            "nn.LSTMCell, nn.GRUCell and the functions of nn._functions.rnn are fused here as they are"
        )


rnnFusedPointwise = _OnlyOnCuda()

__getattr__ = missing.attribute_error(__name__)
