"""Activations as modules. Errors are those of the functions of `minigrad.nn.functional`.

``inplace=True`` writes the result over the input.
"""

from minigrad.nn import functional as F
from minigrad.nn.module import Module
from minigrad.nn.parameter import check_sizes, empty
from minigrad.ops.shape import size_of
from minigrad.utils.callers import warn

__all__ = [
    "ELU",
    "GLU",
    "SELU",
    "Hardshrink",
    "Hardtanh",
    "LeakyReLU",
    "LogSigmoid",
    "LogSoftmax",
    "PReLU",
    "RReLU",
    "ReLU",
    "ReLU6",
    "Sigmoid",
    "Softmax",
    "Softmax2d",
    "Softmin",
    "Softplus",
    "Softshrink",
    "Softsign",
    "Tanh",
    "Tanhshrink",
    "Threshold",
]


class _Plain(Module):
    """Base of activations without options; also gives the others their text."""

    def __repr__(self):
        options = list(map(str, self._options()))
        if getattr(self, "inplace", False):
            options.append("inplace")
        return f"{type(self).__name__}({', '.join(options)})"

    def _options(self):
        return ()


class _Dimension(_Plain):
    """Base of the activations along a dimension."""

    def __init__(self, dim=None):
        super().__init__()
        self.dim = dim


class Threshold(_Plain):
    """Threshold(threshold, value, inplace=False): x where x > threshold, else value.

    Input: (*), any size; output: the same size.
    """

    def __init__(self, threshold, value, inplace=False):
        super().__init__()
        self.threshold, self.value, self.inplace = threshold, value, inplace

    def forward(self, input):
        return F.threshold(input, self.threshold, self.value, self.inplace)

    def __repr__(self):
        return f"{type(self).__name__} ({self.threshold}, {self.value}{', inplace' if self.inplace else ''})"


class ReLU(_Plain):
    """ReLU(inplace=False): max(x, 0).

    Input: (*), any size; output: the same size.
    """

    def __init__(self, inplace=False):
        super().__init__()
        self.inplace = inplace

    def forward(self, input):
        return F.relu(input, self.inplace)


class Hardtanh(_Plain):
    """Hardtanh(min_val=-1, max_val=1, inplace=False): x moved to the nearest number in [min_val, max_val].

    Input: (*), any size; output: the same size. min_value and max_value are older names of the bounds. Raises
    AssertionError unless min_val < max_val.
    """

    def __init__(self, min_val=-1, max_val=1, inplace=False, min_value=None, max_value=None):
        super().__init__()
        for old, new, value in (("min_value", "min_val", min_value), ("max_value", "max_val", max_value)):
            if value is not None:
                warn(f"Hardtanh: {old} is deprecated, it is now called {new}")
        self.min_val = min_val if min_value is None else min_value
        self.max_val = max_val if max_value is None else max_value
        self.inplace = inplace
        if not self.max_val > self.min_val:
            raise AssertionError(f"Hardtanh: max_val must be above min_val, got {self.min_val} and {self.max_val}")

    def forward(self, input):
        return F.hardtanh(input, self.min_val, self.max_val, self.inplace)

    def _options(self):
        return f"min_val={self.min_val}", f"max_val={self.max_val}"


class ReLU6(Hardtanh):
    """ReLU6(inplace=False): min(max(x, 0), 6).

    Input: (*), any size; output: the same size.
    """

    def __init__(self, inplace=False):
        super().__init__(0, 6, inplace)

    def _options(self):
        return ()


class RReLU(_Plain):
    """RReLU(lower=1/8, upper=1/3, inplace=False): x where x >= 0, else a x.

    a is drawn for each element from uniform(lower, upper) in training and is their mean otherwise. Xu, Wang, Chen, Li
    (2015). Input: (*), any size; output: the same size.
    """

    def __init__(self, lower=1 / 8, upper=1 / 3, inplace=False):
        super().__init__()
        self.lower, self.upper, self.inplace = lower, upper, inplace

    def forward(self, input):
        return F.rrelu(input, self.lower, self.upper, self.training, self.inplace)

    def _options(self):
        return self.lower, self.upper


class Sigmoid(_Plain):
    """Sigmoid(): 1 / (1 + exp(-x)).

    Input: (*), any size; output: the same size.
    """

    def forward(self, input):
        return F.sigmoid(input)


class Tanh(_Plain):
    """Tanh(): (exp(x) - exp(-x)) / (exp(x) + exp(-x)).

    Input: (*), any size; output: the same size.
    """

    def forward(self, input):
        return F.tanh(input)


class ELU(_Plain):
    """ELU(alpha=1.0, inplace=False): x where x > 0, else alpha (exp(x) - 1). Clevert et al. (2016).

    Input: (*), any size; output: the same size.
    """

    def __init__(self, alpha=1.0, inplace=False):
        super().__init__()
        self.alpha, self.inplace = alpha, inplace

    def forward(self, input):
        return F.elu(input, self.alpha, self.inplace)

    def _options(self):
        return (f"alpha={self.alpha}",)


class SELU(_Plain):
    """SELU(inplace=False): 1.0507 ELU(x, 1.6733). Klambauer, Unterthiner, Mayr, Hochreiter (2017).

    Input: (*), any size; output: the same size.
    """

    def __init__(self, inplace=False):
        super().__init__()
        self.inplace = inplace

    def forward(self, input):
        return F.selu(input, self.inplace)

    def __repr__(self):
        return f"{type(self).__name__}{' (inplace)' if self.inplace else ''}"


class GLU(_Dimension):
    """GLU(dim=-1): a sigmoid(b), a and b the halves of x along dim. Dauphin, Fan, Auli, Grangier (2017).

    Input: (*, 2 n, *) with the even size along dim; output: (*, n, *).
    """

    def __init__(self, dim=-1):
        super().__init__(dim)

    def forward(self, input):
        return F.glu(input, self.dim)

    def __repr__(self):
        return f"{type(self).__name__} (dim={self.dim})"


class Hardshrink(_Plain):
    """Hardshrink(lambd=0.5): x where abs(x) > lambd, else 0.

    Input: (*), any size; output: the same size.
    """

    def __init__(self, lambd=0.5):
        super().__init__()
        self.lambd = lambd

    def forward(self, input):
        return F.hardshrink(input, self.lambd)

    def _options(self):
        return (self.lambd,)


class LeakyReLU(_Plain):
    """LeakyReLU(negative_slope=0.01, inplace=False): x where x > 0, else negative_slope x.

    Input: (*), any size; output: the same size.
    """

    def __init__(self, negative_slope=1e-2, inplace=False):
        super().__init__()
        self.negative_slope, self.inplace = negative_slope, inplace

    def forward(self, input):
        return F.leaky_relu(input, self.negative_slope, self.inplace)

    def _options(self):
        return (self.negative_slope,)


class LogSigmoid(_Plain):
    """LogSigmoid(): log(1 / (1 + exp(-x))).

    Input: (*), any size; output: the same size.
    """

    def forward(self, input):
        return F.logsigmoid(input)


class Softplus(_Plain):
    """Softplus(beta=1, threshold=20): log(1 + exp(beta x)) / beta, and x itself where beta x > threshold.

    Input: (*), any size; output: the same size.
    """

    def __init__(self, beta=1, threshold=20):
        super().__init__()
        self.beta, self.threshold = beta, threshold

    def forward(self, input):
        return F.softplus(input, self.beta, self.threshold)

    def _options(self):
        return f"beta={self.beta}", f"threshold={self.threshold}"


class Softshrink(_Plain):
    """Softshrink(lambd=0.5): x moved by lambd towards 0, and 0 where abs(x) <= lambd.

    Input: (*), any size; output: the same size.
    """

    def __init__(self, lambd=0.5):
        super().__init__()
        self.lambd = lambd

    def forward(self, input):
        return F.softshrink(input, self.lambd)

    def _options(self):
        return (self.lambd,)


class PReLU(_Plain):
    """PReLU(num_parameters=1, init=0.25): x where x > 0, else a x with a learned a, one, or one a channel (dim 1).

    Input: (N, *), or (N, C, *) for C = num_parameters; output: the same size. Parameter: weight (num_parameters).
    Do not combine with weight decay, which would pull a to 0. He, Zhang, Ren, Sun (2015).
    """

    def __init__(self, num_parameters=1, init=0.25):
        super().__init__()
        check_sizes("PReLU", num_parameters=num_parameters)
        self.num_parameters = num_parameters
        self.weight = empty(num_parameters)
        self.weight.data.fill_(init)

    def forward(self, input):
        return F.prelu(input, self.weight)

    def _options(self):
        return (self.num_parameters,)


class Softsign(_Plain):
    """Softsign(): x / (1 + abs(x)).

    Input: (*), any size; output: the same size.
    """

    def forward(self, input):
        return F.softsign(input)


class Tanhshrink(_Plain):
    """Tanhshrink(): x - tanh(x).

    Input: (*), any size; output: the same size.
    """

    def forward(self, input):
        return F.tanhshrink(input)


class Softmin(_Dimension):
    """Softmin(dim=None): exp(-x) / sum(exp(-x)) along dim.

    Input: (*), any size; output: the same size. dim=None warns, and takes 0 for 1-D and 3-D input, 1 for any other.
    """

    def forward(self, input):
        return F.softmin(input, self.dim)


class Softmax(_Dimension):
    """Softmax(dim=None): exp(x) / sum(exp(x)) along dim.

    Input: (*), any size; output: the same size. dim=None warns, and takes 0 for 1-D and 3-D input, 1 for any other.
    """

    def forward(self, input):
        return F.softmax(input, self.dim)


class LogSoftmax(_Dimension):
    """LogSoftmax(dim=None): x - log(sum(exp(x))) along dim.

    Input: (*), any size; output: the same size. dim=None warns, and takes 0 for 1-D and 3-D input, 1 for any other.
    """

    def forward(self, input):
        return F.log_softmax(input, self.dim)


class Softmax2d(_Plain):
    """Softmax2d(): softmax over the channels of input of size N x C x H x W. AssertionError unless input is 4-D."""

    def forward(self, input):
        size = size_of(input)
        if len(size) != 4:
            raise AssertionError(f"Softmax2d: input must have 4 dimensions (N, C, H, W), got {size}")
        return F.softmax(input, 1)
