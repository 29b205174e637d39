"""How an optimiser's step changes arrays: one function an algorithm, everything in place.

Arrays in, nothing out: the parameter and the optimiser's state change where they are. The functions know neither
Variables nor groups; `minigrad.optim` calls them once a parameter, by position. When training diverges, infinities and
nans are values, without NumPy's warnings, as in the era. The formulas use operators and NumPy's functions, which hand
CuPy arrays to CuPy, and the numbers among their arguments are Python floats, so that a float32 array stays float32.

A large array is worked through in blocks that fit the processor's cache: the passes of a formula then read main memory
once instead of once each, and a temporary is never larger than a block.
"""

import functools
import math

import numpy as np

from minigrad import kernels
from minigrad.ops import arrays

# Elements of a block: five float32 arrays (Adam's) fill a third of a megabyte, and second-level caches are larger.
_BLOCK = 16384


def _in_blocks(count, kernel=None):
    """Run a step, whose first `count` arguments are arrays (or None), on blocks of them where that pays.

    kernel: the step compiled, for the arrays that it takes (it returns False for others).
    """

    def decorate(step):
        quiet = np.errstate(all="ignore")(step)

        @functools.wraps(step)
        def stepped(*args):
            if kernel is not None and kernel(*args):
                return
            operands, numbers = args[:count], args[count:]
            if args[0].size <= _BLOCK or not all(
                a is None or (isinstance(a, np.ndarray) and a.flags.c_contiguous) for a in operands
            ):
                arrays.run(quiet, *args)
                return
            flat = [None if a is None else a.reshape(-1) for a in operands]
            for start in range(0, args[0].size, _BLOCK):
                quiet(*[None if a is None else a[start : start + _BLOCK] for a in flat], *numbers)

        return stepped

    return decorate


@_in_blocks(2)
def add_scaled(x, y, factor):
    """x <- x + factor * y."""
    x += y * factor


@_in_blocks(3, kernels.sgd_step)
def sgd_step(p, g, buffer, lr, momentum=0.0, dampening=0.0, nesterov=False, weight_decay=0.0):
    """Stochastic gradient descent, with momentum if there is a `buffer`.

        g      <- g + weight_decay * p                          (in place: the gradient itself changes)
        buffer <- momentum * buffer + (1 - dampening) * g
        p      <- p - lr * d,   d = g + momentum * buffer if nesterov else buffer; g without a buffer

    Sutskever, Martens, Dahl, Hinton (2013), with the learning rate outside the buffer.
    """
    if weight_decay:
        g += p * weight_decay
    if buffer is not None:
        buffer *= momentum
        buffer += g * (1 - dampening) if dampening else g
        if nesterov:
            d = buffer * momentum
            d += g
            d *= lr
            p -= d
            return
        g = buffer
    p -= g * lr


def _adam_rate(step, lr, beta1, beta2):
    """The learning rate with the correction of both means' bias in it."""
    return lr * math.sqrt(1 - beta2**step) / (1 - beta1**step)


def _adam_kernel(p, g, m, v, step, lr, beta1, beta2, eps, weight_decay=0.0):
    return kernels.adam_step(p, g, m, v, _adam_rate(step, lr, beta1, beta2), beta1, beta2, eps, weight_decay)


@_in_blocks(4, _adam_kernel)
def adam_step(p, g, m, v, step, lr, beta1, beta2, eps, weight_decay=0.0):
    """Adam: steps scaled by running means of the gradient and of its square.

        g <- g + weight_decay * p
        m <- beta1 * m + (1 - beta1) * g
        v <- beta2 * v + (1 - beta2) * g^2
        p <- p - lr * sqrt(1 - beta2^t) / (1 - beta1^t) * m / (sqrt(v) + eps)

    t = `step`, counted from 1. eps is added before the correction of the bias, as the efficient form at the end of
    section 2 of Kingma and Ba (2015) has it; today's PyTorch adds it after.
    """
    if weight_decay:
        g = g + p * weight_decay
    t = g * (1 - beta1)
    m *= beta1
    m += t
    np.multiply(g, g, out=t)
    t *= 1 - beta2
    v *= beta2
    v += t
    np.sqrt(v, out=t)
    t += eps
    np.divide(m, t, out=t)
    t *= _adam_rate(step, lr, beta1, beta2)
    p -= t


@_in_blocks(3)
def adagrad_step(p, g, total, step, lr, lr_decay=0.0, weight_decay=0.0):
    """Adagrad: steps divided by the root of the sum of all squared gradients.

        g     <- g + weight_decay * p
        total <- total + g^2
        p     <- p - lr / (1 + (t - 1) * lr_decay) * g / (sqrt(total) + 1e-10)

    t = `step`, counted from 1. Duchi, Hazan, Singer (2011).
    """
    if weight_decay:
        g = g + p * weight_decay
    t = g * g
    total += t
    np.sqrt(total, out=t)
    t += 1e-10
    np.divide(g, t, out=t)
    t *= lr / (1 + (step - 1) * lr_decay)
    p -= t


@_in_blocks(4)
def adadelta_step(p, g, square, change, lr, rho, eps, weight_decay=0.0):
    """Adadelta: steps in the unit of the parameter, from running means of squared gradients and squared steps.

        g      <- g + weight_decay * p
        square <- rho * square + (1 - rho) * g^2
        d      =  sqrt(change + eps) / sqrt(square + eps) * g
        change <- rho * change + (1 - rho) * d^2
        p      <- p - lr * d

    Zeiler (2012).
    """
    if weight_decay:
        g = g + p * weight_decay
    t = g * g
    t *= 1 - rho
    square *= rho
    square += t
    np.add(square, eps, out=t)
    np.sqrt(t, out=t)
    d = change + eps
    np.sqrt(d, out=d)
    d /= t
    d *= g
    np.multiply(d, d, out=t)
    t *= 1 - rho
    change *= rho
    change += t
    d *= lr
    p -= d


@_in_blocks(4)
def adamax_step(p, g, m, u, step, lr, beta1, beta2, eps, weight_decay=0.0):
    """Adamax: Adam with the largest recent gradient in place of the root of the mean square.

        g <- g + weight_decay * p
        m <- beta1 * m + (1 - beta1) * g
        u <- max(beta2 * u, |g| + eps)
        p <- p - lr / (1 - beta1^t) * m / u

    t = `step`, counted from 1. Kingma and Ba (2015), section 7.1.
    """
    if weight_decay:
        g = g + p * weight_decay
    t = g * (1 - beta1)
    m *= beta1
    m += t
    np.abs(g, out=t)
    t += eps
    u *= beta2
    np.maximum(u, t, out=u)
    np.divide(m, u, out=t)
    t *= lr / (1 - beta1**step)
    p -= t


@_in_blocks(5)
def rmsprop_step(p, g, square, mean, buffer, lr, alpha, eps, momentum=0.0, weight_decay=0.0):
    """RMSprop; centred if there is a `mean`, with momentum if there is a `buffer`.

        g      <- g + weight_decay * p
        square <- alpha * square + (1 - alpha) * g^2
        mean   <- alpha * mean + (1 - alpha) * g
        d      =  g / (sqrt(square - mean^2) + eps)              (without mean: sqrt(square))
        buffer <- momentum * buffer + d
        p      <- p - lr * buffer                               (without buffer: d)

    Tieleman and Hinton (2012), lecture 6.5; centred: Graves (2013), equations 38 to 45.
    """
    if weight_decay:
        g = g + p * weight_decay
    t = g * g
    t *= 1 - alpha
    square *= alpha
    square += t
    if mean is None:
        np.sqrt(square, out=t)
    else:
        np.multiply(g, 1 - alpha, out=t)
        mean *= alpha
        mean += t
        np.multiply(mean, mean, out=t)
        np.subtract(square, t, out=t)
        np.maximum(t, 0, out=t)  # a variance: rounding alone makes it negative
        np.sqrt(t, out=t)
    t += eps
    np.divide(g, t, out=t)
    if buffer is not None:
        buffer *= momentum
        buffer += t
        np.multiply(buffer, lr, out=t)
    else:
        t *= lr
    p -= t


@_in_blocks(3)
def asgd_step(p, g, average, eta, mu, lambd, weight_decay=0.0):
    """Averaged stochastic gradient descent.

        g       <- g + weight_decay * p
        p       <- (1 - lambd * eta) * p - eta * g
        average <- average + mu * (p - average)                 (mu = 1: average <- p)

    Polyak and Juditsky (1992); the schedule of eta and mu is Bottou's and lives in the optimiser.
    """
    if weight_decay:
        g = g + p * weight_decay
    p *= 1 - lambd * eta
    p -= g * eta
    if mu == 1:
        average[...] = p
    else:
        t = p - average
        t *= mu
        average += t


@_in_blocks(4)
def rprop_step(p, g, previous, size, shrink, grow, smallest, largest):
    """Resilient backpropagation: only the signs of the gradient count.

        size     <- size * (grow where g * previous > 0, shrink where < 0), within [smallest, largest]
        g        <- 0 where g * previous < 0
        p        <- p - sign(g) * size
        previous <- g

    Riedmiller and Braun (1993), without weight backtracking.
    """
    sign = g * previous
    turned = sign < 0
    t = np.ones_like(sign)
    t[sign > 0] = grow
    t[turned] = shrink
    size *= t
    np.clip(size, smallest, largest, out=size)
    previous[...] = g
    previous[turned] = 0
    np.sign(previous, out=t)
    t *= size
    p -= t
