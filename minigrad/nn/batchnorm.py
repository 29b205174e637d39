"""Batch normalisation of features. Ioffe and Szegedy (2015)."""

from minigrad._core import array_of, like, tensor_from_array
from minigrad.nn.module import Module
from minigrad.nn.parameter import check_sizes, empty, other_type
from minigrad.ops import arrays
from minigrad.ops.elementwise import sqrt
from minigrad.ops.shape import size_of
from minigrad.tensor.random import get_rng
from minigrad.tensor.types import default_tensor_type

__all__ = ["BatchNorm1d"]


def batch_norm(input, running_mean, running_var, weight=None, bias=None, training=False, momentum=0.1, eps=1e-5):
    """y = (x - mean) / sqrt(var + eps) * weight + bias, for each channel (dimension 1).

    input: N x C or N x C x *. In training, mean and var (biased) are those of the batch, gradients pass through them,
    and the Tensors running_mean and running_var move towards mean and *unbiased* var by the factor momentum; otherwise
    the running ones are used.

    Raises ValueError for an input of fewer than 2 dimensions, in training if there is only one value a channel, and
    otherwise without running_mean and running_var.
    """
    size = size_of(input)
    if len(size) < 2:
        raise ValueError(f"batch_norm: input must have at least 2 dimensions (N, C), got size {size}")
    if not training and (running_mean is None or running_var is None):
        raise ValueError("batch_norm: running_mean and running_var must be given unless training is True")
    count = array_of(input).size // size[1]
    shape = (1, size[1]) + (1,) * (len(size) - 2)
    if training:
        if count == 1:
            raise ValueError(
                f"batch_norm: in training there must be more than 1 value for each of the {size[1]} channels, got "
                f"input of size {size}; call .eval() to use the running mean and variance"
            )
        # Channels last, so that one reduction over dimension 0 serves any number of dimensions.
        rows = input
        if len(size) > 2:
            rows = input.permute(0, *range(2, len(size)), 1).contiguous().view(-1, size[1])
        mean = rows.mean(0)
        centred = rows - mean
        var = (centred * centred).mean(0)
        for running, new, factor in ((running_mean, mean, 1), (running_var, var, count / (count - 1))):
            if running is not None:
                running.add_(momentum, new.data * factor - running)
        mean, var = mean.view(*shape), var.view(*shape)
    else:
        # Copies, because the graph may outlive the next change of the buffers.
        mean = like(input, arrays.copy(running_mean.array.reshape(shape)))
        var = like(input, arrays.copy(running_var.array.reshape(shape)))
    y = (input - mean) / sqrt(var + eps)
    if weight is not None:
        y = y * weight.view(*shape)
    return y if bias is None else y + bias.view(*shape)


class BatchNorm1d(Module):
    """BatchNorm1d(num_features, eps=1e-5, momentum=0.1, affine=True): each feature with mean 0 and variance 1 over the
    batch.

    Input and output: (N, num_features) or (N, num_features, L). In training with the batch's own mean and variance,
    while the buffers running_mean and running_var move towards them by the factor momentum; in evaluation with the
    buffers. affine: then scaled by `weight` and shifted by `bias`, both learned.

    `bias` starts at 0, `weight` at 1, as in today's PyTorch; after ``set_rng('0.3')`` uniform in [0, 1), as PyTorch 0.3
    had it.

    Raises ValueError for input of another size, or of one value a feature in training.
    """

    def __init__(self, num_features, eps=1e-5, momentum=0.1, affine=True):
        super().__init__()
        check_sizes("BatchNorm1d", num_features=num_features)
        self.num_features, self.eps, self.momentum, self.affine = num_features, eps, momentum, affine
        if affine:
            self.weight, self.bias = empty(num_features), empty(num_features)
        else:
            self.register_parameter("weight", None)
            self.register_parameter("bias", None)
        for name in ("running_mean", "running_var"):
            self.register_buffer(name, tensor_from_array(default_tensor_type().empty(num_features)))
        self.reset_parameters()

    def reset_parameters(self):
        """Start again: parameters and running statistics."""
        self.running_mean.fill_(0)
        self.running_var.fill_(1)
        if self.affine:
            if get_rng() == "0.3":
                self.weight.data.uniform_()
            else:
                self.weight.data.array.fill(1)
            self.bias.data.array.fill(0)

    def forward(self, input):
        size = size_of(input)
        if len(size) not in (2, 3) or size[1] != self.num_features:
            n = self.num_features
            raise ValueError(
                f"BatchNorm1d: input must be (N, num_features={n}) or (N, num_features={n}, L), got {size}"
            )
        if array_of(input).dtype != self.running_mean.array.dtype:
            raise RuntimeError(other_type("BatchNorm1d", "input", array_of(input), self.running_mean.array))
        return batch_norm(
            input, self.running_mean, self.running_var, self.weight, self.bias, self.training, self.momentum, self.eps
        )

    def __repr__(self):
        options = f"eps={self.eps}, momentum={self.momentum}, affine={self.affine}"
        return f"{type(self).__name__}({self.num_features}, {options})"
