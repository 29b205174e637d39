"""How an optimiser's step changes arrays: one formula an algorithm, everything in place.

A formula takes arrays and numbers and returns nothing: the parameter and the optimiser's state change where they are.
It is written in operators and NumPy's functions, which hand CuPy arrays to CuPy; its numbers are Python floats, so that
a float32 array stays float32. When training diverges, infinities and nans are values, without NumPy's warnings, as in
the era.

`minigrad.optim` calls the steps made of the formulas (`adam_step` of `adam`, and so on) once a group of parameters:

    adam_step([(p, g, m, v, rate), ...], beta1, beta2, eps, weight_decay)

a tuple for each parameter, of its arrays and the numbers that are its own; then the numbers that all share. Contiguous
arrays are stepped by the compiled kernel called like the formula, in one pass over memory, where `compiled.KERNELS` has
kernels for them: on the CPU, and on a GPU once they are switched on. The formula does all others, and is what the
kernel is tested against.
"""

import math

import numpy as np

from minigrad import kernels
from minigrad.ops import arrays
from minigrad.ops.compiled import KERNELS


def _steps(formula):
    """The step made of a formula: formula(*row, *numbers) for each row, by the kernel where it takes the arrays."""
    name = formula.__name__

    def step(rows, *numbers):
        left = kernels.step(name, rows, *numbers)
        if left:
            left = _by_kernels_elsewhere(name, left, numbers)
            with np.errstate(all="ignore"):
                for row in left:
                    arrays.check_writable(name, row[0])
                    arrays.run(formula, *row, *numbers)

    step.__name__ = step.__qualname__ = f"{name}_step"
    step.__doc__ = f"{name}(*row, *numbers) for each of `rows`, in place."
    return step


def _by_kernels_elsewhere(name, rows, numbers):
    """The rows that are left when the kernels for the first row's kind of array have taken theirs, if there are any."""
    first = rows[0][0]
    module = KERNELS.get(type(first), kernels)
    if module is kernels:  # which left them
        return rows
    return arrays.run(lambda _: module.step(name, rows, *numbers), first)


def add_scaled(x, y, factor):
    """x <- x + factor * y."""
    x += y * factor


def sgd(p, g, buffer, dampening, lr, momentum, nesterov, weight_decay):
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


def adam(p, g, m, v, rate, beta1, beta2, eps, weight_decay):
    """Adam: steps scaled by running means of the gradient and of its square.

        g <- g + weight_decay * p
        m <- beta1 * m + (1 - beta1) * g
        v <- beta2 * v + (1 - beta2) * g^2
        p <- p - rate * m / (sqrt(v) + eps),   rate = `adam_rate`(t, lr, beta1, beta2)

    eps is added before the correction of the bias, as the efficient form at the end of section 2 of Kingma and Ba
    (2015) has it; today's PyTorch adds it after.
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
    t *= rate
    p -= t


def adam_rate(step, lr, beta1, beta2):
    """lr * sqrt(1 - beta2^t) / (1 - beta1^t): both means' bias corrected. t = `step`, counted from 1."""
    return lr * math.sqrt(1 - beta2**step) / (1 - beta1**step)


def adagrad(p, g, total, rate, weight_decay):
    """Adagrad: steps divided by the root of the sum of all squared gradients.

        g     <- g + weight_decay * p
        total <- total + g^2
        p     <- p - rate * g / (sqrt(total) + 1e-10),   rate = lr / (1 + (t - 1) * lr_decay) at step t = 1, 2, ...

    Duchi, Hazan, Singer (2011).
    """
    if weight_decay:
        g = g + p * weight_decay
    t = g * g
    total += t
    np.sqrt(total, out=t)
    t += 1e-10
    np.divide(g, t, out=t)
    t *= rate
    p -= t


def adadelta(p, g, square, change, lr, rho, eps, weight_decay):
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


def adamax(p, g, m, u, rate, beta1, beta2, eps, weight_decay):
    """Adamax: Adam with the largest recent gradient in place of the root of the mean square.

        g <- g + weight_decay * p
        m <- beta1 * m + (1 - beta1) * g
        u <- max(beta2 * u, |g| + eps)
        p <- p - rate * m / u,   rate = lr / (1 - beta1^t) at step t = 1, 2, ...

    Kingma and Ba (2015), section 7.1.
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
    t *= rate
    p -= t


def rmsprop(p, g, square, mean, buffer, lr, alpha, eps, momentum, weight_decay):
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


def asgd(p, g, average, eta, mu, lambd, weight_decay):
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


def rprop(p, g, previous, size, shrink, grow, smallest, largest):
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


sgd_step = _steps(sgd)
adam_step = _steps(adam)
adamax_step = _steps(adamax)
adagrad_step = _steps(adagrad)
adadelta_step = _steps(adadelta)
rmsprop_step = _steps(rmsprop)
asgd_step = _steps(asgd)
rprop_step = _steps(rprop)
add_scaled_step = _steps(add_scaled)


# ---------------------------------------------------------------- norms of gradients


def square_sum(tensors):
    """The sum of the squares of all elements of some arrays. Exploding gradients, whose squares can overflow in single
    precision, are summed in double precision."""
    total = 0.0
    for x in tensors:
        found = kernels.squares(x)
        total += arrays.run(_squares, x) if found is None else found
    return total


def _squares(x):
    flat = x.reshape(-1).astype(np.float64)
    return float(flat @ flat)


def scale(tensors, factor):
    """x <- factor * x for each of some arrays."""
    for x in tensors:
        if not kernels.scale(x, factor):
            with arrays.near(x):
                x *= factor
