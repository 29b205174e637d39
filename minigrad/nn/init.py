"""Initial values, in place, for Tensors and Variables alike; each function returns its argument.

For a Variable the numbers are changed through its data: nothing is recorded, and leaves that require grad are allowed.

Fans: a matrix of size out x in has fan_in = size(1) and fan_out = size(0); further dimensions (a receptive field)
multiply both.
"""

import math

import numpy as np

from minigrad._core import Tensor, Variable, array_of, tensor_from_array
from minigrad.ops import arrays
from minigrad.tensor.sampling import randperm
from minigrad.utils import missing

__all__ = [
    "calculate_gain",
    "constant",
    "dirac",
    "eye",
    "kaiming_normal",
    "kaiming_uniform",
    "normal",
    "orthogonal",
    "sparse",
    "uniform",
    "xavier_normal",
    "xavier_uniform",
]


def calculate_gain(nonlinearity, param=None):
    """The factor by which weights before a nonlinearity are scaled to keep the variance of activations.

    1 for 'linear', 'sigmoid' and the convolutions 'conv1d' ... 'conv_transpose3d'; 5/3 for 'tanh'; sqrt(2) for 'relu';
    sqrt(2 / (1 + s^2)) for 'leaky_relu', s = param or 0.01.

    Raises ValueError for any other name, or a slope that is no number.
    """
    convolutions = {f"conv{kind}{n}d" for kind in ("", "_transpose") for n in (1, 2, 3)}
    if nonlinearity in ("linear", "sigmoid") or nonlinearity in convolutions:
        return 1
    if nonlinearity == "tanh":
        return 5.0 / 3
    if nonlinearity == "relu":
        return math.sqrt(2.0)
    if nonlinearity == "leaky_relu":
        if param is None:
            param = 0.01
        if isinstance(param, bool) or not isinstance(param, (int, float)):
            raise ValueError(f"calculate_gain: param, the negative slope, must be a number, got {param!r}")
        return math.sqrt(2.0 / (1 + param**2))
    raise ValueError(
        "calculate_gain: nonlinearity must be 'linear', 'sigmoid', 'tanh', 'relu', 'leaky_relu' or the name of a "
        f"convolution such as 'conv1d', got {nonlinearity!r}"
    )


def _tensor(name, tensor, dims=None):
    """The Tensor behind the argument, whose number of dimensions must be in `dims`."""
    if not isinstance(tensor, (Tensor, Variable)):
        raise TypeError(f"{name}: tensor must be a Tensor or a Variable, got {type(tensor).__name__}")
    arrays.check_writable(name, array_of(tensor))
    found = array_of(tensor).ndim
    if dims is not None and found not in dims:
        wanted = f"{dims[0]}" if len(dims) == 1 else f"{dims[0]} to {dims[-1]}"
        raise ValueError(
            f"{name}: tensor must have {wanted} dimensions, got {found} (size {tuple(array_of(tensor).shape)})"
        )
    return tensor.data if isinstance(tensor, Variable) else tensor


def uniform(tensor, a=0, b=1):
    """Numbers from the uniform distribution on [a, b)."""
    _tensor("uniform", tensor).uniform_(a, b)
    return tensor


def normal(tensor, mean=0, std=1):
    """Numbers from the normal distribution with that mean and standard deviation."""
    _tensor("normal", tensor).normal_(mean, std)
    return tensor


def constant(tensor, val):
    """The number `val` everywhere."""
    _tensor("constant", tensor).fill_(val)
    return tensor


def eye(tensor):
    """The identity matrix. Raises ValueError unless tensor is 2-D."""
    array = _tensor("eye", tensor, (2,)).array
    arrays.assign(array, np.eye(*array.shape))
    return tensor


def dirac(tensor):
    """The delta function: as weights of a convolution it passes on as many channels as it can.

    tensor: out x in x kernel sizes; entry (k, k, centre) is 1 for k < min(out, in), the rest 0. Raises ValueError
    unless tensor is 3-D to 5-D.
    """
    array = _tensor("dirac", tensor, (3, 4, 5)).array
    made = np.zeros(array.shape)
    centre = tuple(n // 2 for n in array.shape[2:])
    for k in range(min(array.shape[:2])):
        made[(k, k, *centre)] = 1
    arrays.assign(array, made)
    return tensor


def _fans(name, tensor):
    size = array_of(tensor).shape
    if len(size) < 2:
        raise ValueError(f"{name}: fan in and fan out need a tensor of at least 2 dimensions, got size {tuple(size)}")
    field = math.prod(size[2:])
    return size[1] * field, size[0] * field


def xavier_uniform(tensor, gain=1):
    """Uniform in +-gain * sqrt(6 / (fan_in + fan_out)). Glorot and Bengio (2010). ValueError below 2 dimensions."""
    _tensor("xavier_uniform", tensor)
    std = gain * math.sqrt(2.0 / sum(_fans("xavier_uniform", tensor)))
    bound = math.sqrt(3.0) * std
    return uniform(tensor, -bound, bound)


def xavier_normal(tensor, gain=1):
    """Normal with standard deviation gain * sqrt(2 / (fan_in + fan_out)); otherwise as `xavier_uniform`."""
    _tensor("xavier_normal", tensor)
    return normal(tensor, 0, gain * math.sqrt(2.0 / sum(_fans("xavier_normal", tensor))))


def _kaiming_std(name, tensor, a, mode):
    _tensor(name, tensor)
    if not isinstance(mode, str) or mode.lower() not in ("fan_in", "fan_out"):
        raise ValueError(f"{name}: mode must be 'fan_in' or 'fan_out', got {mode!r}")
    fan = _fans(name, tensor)[mode.lower() == "fan_out"]
    return calculate_gain("leaky_relu", a) / math.sqrt(fan)


def kaiming_uniform(tensor, a=0, mode="fan_in"):
    """Uniform in +-sqrt(6 / ((1 + a^2) fan)), a the negative slope after the layer. He, Zhang, Ren, Sun (2015).

    mode: 'fan_in' keeps the variance forward, 'fan_out' backward. Raises ValueError for another mode or below 2-D.
    """
    bound = math.sqrt(3.0) * _kaiming_std("kaiming_uniform", tensor, a, mode)
    return uniform(tensor, -bound, bound)


def kaiming_normal(tensor, a=0, mode="fan_in"):
    """Normal with standard deviation sqrt(2 / ((1 + a^2) fan)); arguments as in `kaiming_uniform`."""
    return normal(tensor, 0, _kaiming_std("kaiming_normal", tensor, a, mode))


def orthogonal(tensor, gain=1):
    """gain times a (semi-)orthogonal matrix, uniformly distributed. Saxe, McClelland, Ganguli (2014).

    A tensor of more than 2 dimensions is taken as the matrix size(0) x the rest. Raises ValueError below 2-D.
    """
    array = _tensor("orthogonal", tensor).array
    if array.ndim < 2:
        raise ValueError(f"orthogonal: tensor must have at least 2 dimensions, got size {tuple(array.shape)}")
    rows, columns = array.shape[0], math.prod(array.shape[1:])
    flat = arrays.to_host(tensor_from_array(np.empty_like(array, shape=(rows, columns))).normal_(0, 1).array)
    # Q of the QR decomposition is uniformly distributed once the signs of R's diagonal are taken out (Mezzadri 2007).
    q, r = np.linalg.qr(flat.T if rows < columns else flat)
    q = q * np.sign(np.diagonal(r))
    arrays.assign(array, (q.T if rows < columns else q).reshape(array.shape) * gain)
    return tensor


def sparse(tensor, sparsity, std=0.01):
    """Normal with standard deviation std, with ceil(rows * sparsity) zeros in each column at random. Martens (2010).

    Raises ValueError unless tensor is 2-D and 0 <= sparsity <= 1.
    """
    target = _tensor("sparse", tensor, (2,))
    if not 0 <= sparsity <= 1:
        raise ValueError(f"sparse: sparsity, the share of zeros, must be in [0, 1], got {sparsity}")
    target.normal_(0, std)
    made = arrays.to_host(target.array)
    zeros = math.ceil(made.shape[0] * sparsity)
    for column in range(made.shape[1]):
        made[randperm(made.shape[0]).array[:zeros], column] = 0
    if made is not target.array:
        arrays.assign(target.array, made)
    return tensor


__getattr__ = missing.attribute_error(__name__)
