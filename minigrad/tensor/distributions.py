"""The continuous distributions: uniform, normal, log-normal, exponential, Cauchy.

Each function fills the NumPy array it is given and returns it. The arithmetic follows PyTorch's CPU code step by step,
since the numbers must be the same: which raw draws are taken, in which order, which of their bits are used, in which
precision the formula is evaluated. Where PyTorch's compiler fuses ``x * a + b`` into one rounding, the same is computed
here: for float32 in float64, for float64 by `_fused`.

`minigrad.tensor.random` has the engine, and a table of the recipes that changed since 0.3.
"""

import numpy as np

from .draws import FLOAT32, FLOAT64, FLOATS, broadcast, check_generator, check_out, number, store, u24, u53
from .random import get_rng

_LARGEST = {dtype: float(np.finfo(dtype).max) for dtype in FLOATS}

__all__ = ["cauchy", "exponential", "log_normal", "normal", "uniform"]


def _fused(x, factor, addend):
    """``x * factor + addend`` in float64 with one rounding, as a fused multiply-add instruction does it.

    The product's and the sum's rounding errors are found exactly (Dekker 1971, Knuth's TAOCP vol. 2, 4.2.2) and added
    back. Where a step could overflow, the two roundings of ordinary arithmetic are kept.
    """
    product = x * factor
    if addend == 0.0:
        return product
    if factor == 1.0 or not 1e-250 < abs(factor) < 1e250:
        return product + addend
    splitter = 2.0**27 + 1.0
    x_high = x * splitter
    x_high -= x_high - x
    x_low = x - x_high
    factor_high = factor * splitter
    factor_high -= factor_high - factor
    factor_low = factor - factor_high
    error = ((x_high * factor_high - product) + x_high * factor_low + x_low * factor_high) + x_low * factor_low
    total = product + addend
    part = total - product
    error += (product - (total - part)) + (addend - part)
    return total + error


def uniform(out, low=0.0, high=1.0, generator=None):
    """Fill `out` from the uniform distribution on [low, high).

    One raw draw an element for float32, two for float64: ``u * (high - low) + low``. A value that rounding carries up
    to `high` is replaced by `low`.

    Raises:
        TypeError: if `out` is not a float32 or float64 array, or a bound is no number.
        RuntimeError: if low > high, or the bounds or their difference are not finite in the type of `out`.

    >>> from minigrad.tensor.random import Generator
    >>> uniform(np.empty(2), generator=Generator().manual_seed(0)).round(4).tolist()
    [0.9701, 0.7078]
    """
    check_out("uniform", out, FLOATS)
    generator = check_generator("uniform", generator)
    given = low, high
    limit = _LARGEST[out.dtype]
    low, high = number("uniform", "low", low), number("uniform", "high", high)
    if not (abs(low) <= limit and abs(high) <= limit and high - low <= limit):
        raise RuntimeError(
            f"uniform: low, high and high - low must be finite in {out.dtype}, got low={given[0]}, high={given[1]}"
        )
    if low > high:
        raise RuntimeError(f"uniform: low must not be greater than high, got low={given[0]}, high={given[1]}")
    if out.dtype == FLOAT64:
        values = _fused(u53(generator, out.size), high - low, low)
    else:
        values = u24(generator, out.size)
        if (low, high) != (0.0, 1.0):
            # The bounds and their difference are rounded to float32 first; from there on float64 holds everything.
            low, high = np.float32(low), np.float32(high)
            values = (values * np.float64(high - low) + np.float64(low)).astype(FLOAT32)
    if (low, high) != (0.0, 1.0):
        values[values == high] = low
    return store(out, values)


def exponential(out, rate=1.0, generator=None):
    """Fill `out` from the exponential distribution, density ``rate * exp(-rate * x)`` for x >= 0.

    ``-1 / rate * log(1 - u53)`` in float64.

    Raises:
        TypeError: if `out` is not a float32 or float64 array, or `rate` is no number.
        RuntimeError: unless rate > 0.
    """
    check_out("exponential", out, FLOATS)
    generator = check_generator("exponential", generator)
    rate = number("exponential", "rate", rate)
    if not rate > 0.0:
        raise RuntimeError(f"exponential: rate must be greater than 0, got {rate}")
    return store(out, -1.0 / rate * np.log1p(-u53(generator, out.size)))


def cauchy(out, median=0.0, sigma=1.0, generator=None):
    """Fill `out` from the Cauchy distribution, density ``sigma / (pi * (sigma**2 + (x - median)**2))``.

    ``median + sigma * tan(pi * (u53 - 0.5))`` in float64.

    Raises:
        TypeError: if `out` is not a float32 or float64 array, or an argument is no number.
        RuntimeError: unless sigma > 0.
    """
    check_out("cauchy", out, FLOATS)
    generator = check_generator("cauchy", generator)
    median, sigma = number("cauchy", "median", median), number("cauchy", "sigma", sigma)
    if not sigma > 0.0:
        raise RuntimeError(f"cauchy: sigma must be greater than 0, got {sigma}")
    return store(out, _fused(np.tan(np.pi * (u53(generator, out.size) - 0.5)), sigma, median))


def normal(out, mean=0.0, std=1.0, generator=None):
    """Fill `out` from the normal distribution with `mean` and standard deviation `std`, numbers or arrays.

    Box-Muller: ``sqrt(-2 * log(1 - u2)) * cos(2 * pi * u1)``, and with sin for the second value of the pair. Fewer than
    16 elements, or elements that are not contiguous, are computed in float64 one after the other, and a second value
    left over waits in the generator for the next such call. From 16 on they come in blocks of 16 in the type of `out`
    (cos in the first eight, sin in the last); the last 16 are drawn anew where they make no whole block.

    Where `mean` or `std` is an array, standard normal numbers are drawn and then scaled and shifted.

    Raises:
        TypeError: if `out` is not a float32 or float64 array, an argument is neither number nor array, or an array is
            not of the type of `out`.
        RuntimeError: if a std is negative or NaN, or an array does not broadcast to the shape of `out`.

    >>> from minigrad.tensor.random import Generator
    >>> normal(np.empty(3), generator=Generator().manual_seed(0)).round(4).tolist()
    [1.541, -0.2934, -2.1788]
    """
    check_out("normal", out, FLOATS)
    generator = check_generator("normal", generator)
    means = _parameter("mean", mean, out)
    stds = _parameter("std", std, out)
    smallest = stds.min(initial=np.inf) if isinstance(stds, np.ndarray) else stds
    if not smallest >= 0.0:
        raise RuntimeError(f"normal: std must not be negative, got {smallest}")
    if not isinstance(means, np.ndarray) and not isinstance(stds, np.ndarray):
        return _normal(out, means, stds, generator)
    if isinstance(stds, np.ndarray):
        _normal(out, 0.0, 1.0, generator)
        out *= stds
    else:
        _normal(out, 0.0, stds, generator)
    out += means
    return out


def _parameter(name, value, out):
    if not isinstance(value, np.ndarray):
        return number("normal", name, value)
    if value.dtype != out.dtype:
        raise TypeError(f"normal: {name} must be of the type of out, {out.dtype}, got an array of {value.dtype}")
    return broadcast("normal", name, value, out.shape)


def _normal(out, mean, std, generator):
    n = out.size
    if n >= 16 and out.flags.c_contiguous and get_rng() == "modern":
        return _normal_blocks(out, mean, std, generator)
    return store(out, _fused(_normal_pairs(n, generator), std, mean))


def _normal_pairs(n, generator):
    """`n` standard normal numbers in float64, beginning with the spare one, and leaving one if it is left over."""
    values = np.empty(n)
    with generator.lock:
        start = 0
        if generator.spare is not None and n > 0:
            values[0] = generator.spare
            generator.spare = None
            start = 1
        cosines = (n - start + 1) // 2
        if cosines == 0:
            return values
        u = u53(generator, 2 * cosines)
        u1, u2 = u[0::2], u[1::2]
        radius = np.sqrt(-2.0 * np.log1p(-u2))
        theta = (2.0 * np.pi) * u1
        values[start::2] = radius * np.cos(theta)
        second = radius * np.sin(theta)
        sines = (n - start) // 2
        values[start + 1 :: 2] = second[:sines]
        if sines < cosines:
            generator.spare = float(second[-1])
    return values


def _normal_blocks(out, mean, std, generator):
    n = out.size
    whole = n - n % 16
    uniform_numbers = u24 if out.dtype == FLOAT32 else u53
    u = uniform_numbers(generator, n if n == whole else n + 16)
    if n != whole:
        # The draws of an incomplete last block are passed over: the last 16 elements have a block of their own.
        u = np.concatenate((u[:whole], u[n:]))
    u = u.reshape(-1, 2, 8)
    radius = np.sqrt(-2.0 * np.log(1.0 - u[:, 0]))
    theta = (2.0 * np.pi) * u[:, 1]
    z = np.empty_like(u)
    np.multiply(radius, np.cos(theta), out=z[:, 0])
    np.multiply(radius, np.sin(theta), out=z[:, 1])
    if out.dtype == FLOAT64:
        z = _fused(z, std, mean)
    elif (mean, std) != (0.0, 1.0):
        with np.errstate(over="ignore"):
            z = (z * np.float64(np.float32(std)) + np.float64(np.float32(mean))).astype(FLOAT32)
    flat = out.reshape(-1)
    flat[:whole] = z[: whole // 16].reshape(-1)
    if n != whole:
        flat[n - 16 :] = z[-1].reshape(-1)
    return out


def log_normal(out, mean=1.0, std=2.0, generator=None):
    """Fill `out` with ``exp(x)``, x normal with `mean` and `std` (those of x, not of the result).

    The normal numbers come in pairs, in float64, whatever the size of `out`.

    Raises:
        TypeError: if `out` is not a float32 or float64 array, or an argument is no number.
        RuntimeError: unless std > 0.
    """
    check_out("log_normal", out, FLOATS)
    generator = check_generator("log_normal", generator)
    mean, std = number("log_normal", "mean", mean), number("log_normal", "std", std)
    if not std > 0.0:
        raise RuntimeError(f"log_normal: std must be greater than 0, got {std}")
    exponents = _fused(_normal_pairs(out.size, generator), std, mean)
    with np.errstate(over="ignore"):
        return store(out, np.exp(exponents))
