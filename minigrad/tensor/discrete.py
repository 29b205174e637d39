"""The discrete distributions: Bernoulli, geometric, integers, permutations, multinomial.

As in `minigrad.tensor.distributions`, the numbers are those of PyTorch's CPU code.
"""

import numpy as np

from .distributions import exponential
from .draws import (
    ALL_TYPES,
    FLOAT32,
    FLOAT64,
    FLOATS,
    INT64,
    axes_by_stride,
    broadcast,
    check_generator,
    check_out,
    fill_order,
    integer,
    number,
    store,
    u24,
    u53,
)
from .random import get_rng

__all__ = ["bernoulli", "geometric", "multinomial", "random_", "randperm"]


def bernoulli(out, p=0.5, generator=None):
    """Fill `out` with 1 where a uniform number is below `p`, else 0. `p` is a number, or an array that broadcasts.

    The uniform number is u53; for an array of float32 it is u24. (0.3: always u53, and 1 where u53 <= p.)

    Raises:
        TypeError: if `out` is of no era type, or `p` is neither a number nor an array of float32 or float64.
        RuntimeError: if a probability is outside [0, 1], or `p` does not broadcast to the shape of `out`.
    """
    check_out("bernoulli", out, ALL_TYPES)
    generator = check_generator("bernoulli", generator)
    era = get_rng() == "0.3"
    short = False
    if isinstance(p, np.ndarray):
        if p.dtype not in FLOATS:
            raise TypeError(f"bernoulli: p must be of float32 or float64, got an array of {p.dtype}")
        outside = ~((p >= 0.0) & (p <= 1.0))
        if outside.any():
            raise RuntimeError(f"bernoulli: p must be between 0 and 1 everywhere, got {p[outside][0]}")
        short = p.dtype == FLOAT32 and not era
        p = broadcast("bernoulli", "p", p, out.shape)
        if fill_order(out) is not out:
            p = p.transpose(axes_by_stride(out))
        p = p.reshape(-1)
    else:
        p = number("bernoulli", "p", p)
        if not 0.0 <= p <= 1.0:
            raise RuntimeError(f"bernoulli: p must be between 0 and 1, got {p}")
    u = u24(generator, out.size) if short else u53(generator, out.size)
    return store(out, u <= p if era else u < p)


def geometric(out, p, generator=None):
    """Fill `out` with the number of independent trials up to and including the first success: 1, 2, 3, ...

    ``ceil(log(u53) / log(1 - p))``, where p is the probability of success. By the recipe of 0.3 it is
    ``floor(log(1 - u53) / log(p)) + 1``, where p acts as the probability of failure, though its documentation said
    success.

    Raises:
        TypeError: if `out` is of no era type, or `p` is no number.
        RuntimeError: unless 0 < p < 1.
    """
    check_out("geometric", out, ALL_TYPES)
    generator = check_generator("geometric", generator)
    p = number("geometric", "p", p)
    if not 0.0 < p < 1.0:
        raise RuntimeError(f"geometric: p must be between 0 and 1, both excluded, got {p}")
    u = u53(generator, out.size)
    if get_rng() == "0.3":
        values = np.floor(np.log1p(-u) / np.log(p)) + 1.0
    else:
        # u is 0 once in 2**53 draws; its logarithm then gives the largest count there is.
        with np.errstate(divide="ignore"):
            values = np.ceil(np.log(u) / np.log1p(-p))
    if out.dtype.kind != "f":
        values = np.minimum(values, np.iinfo(out.dtype).max)
    return store(out, values)


def random_(out, low=None, high=None, generator=None):
    """Fill `out` with integers drawn uniformly from low, low + 1, ..., high - 1 (`low` alone missing: from 0).

    Without bounds: from 0 to the largest value of an integer type, or to the last of the consecutive integers that
    the floating type represents, 2**24 or 2**53. A draw is ``low + raw % (high - low)``, where raw has 32 bits, or 64
    for a large range. In a floating type, bounds that are not representable are first moved inwards.

    Raises:
        TypeError: if `out` is of no era type, a bound is no int, or `low` comes without `high`.
        RuntimeError: if low >= high, or the type of `out` cannot hold the range.
    """
    check_out("random_", out, ALL_TYPES)
    generator = check_generator("random_", generator)
    dtype = out.dtype
    if high is None:
        if low is not None:
            raise TypeError(f"random_: low={low} needs a high; one bound alone is high, the lower one is then 0")
        base = 0
        span = 2 ** (np.finfo(dtype).nmant + 1) + 1 if dtype.kind == "f" else np.iinfo(dtype).max + 1
        wide = dtype in (FLOAT64, INT64)
    else:
        base, span = _range(dtype, 0 if low is None else low, high)
        wide = span >= 2 ** (32 if get_rng() == "0.3" else 28)
    draws = generator.draw64(out.size) if wide else generator.draw32(out.size)
    draws %= np.uint64(span)
    # Adding modulo 2**64 and reading the result as a signed number is the addition of a negative base.
    draws += np.uint64(base % 2**64)
    return store(out, draws.view(np.int64))


def _range(dtype, low, high):
    low, high = integer("random_", "low", low), integer("random_", "high", high)
    if low >= high:
        raise RuntimeError(f"random_: low must be less than high, got low={low}, high={high}")
    smallest, largest = (-(2**63), 2**63 - 1) if dtype.kind == "f" else (np.iinfo(dtype).min, np.iinfo(dtype).max)
    if low < smallest or high - 1 > largest or high > 2**63 - 1:
        raise RuntimeError(
            f"random_: the integers from low to high - 1 must fit in {dtype} and high in int64, "
            f"got low={low}, high={high}"
        )
    if dtype.kind == "f" and get_rng() == "modern":
        bounds = low, high
        digits = np.finfo(dtype).nmant + 1
        after, before = int(dtype.type(low + 1)), int(dtype.type(high - 1))
        if after < low:
            low = after + 2 ** (abs(low + 1).bit_length() - digits)
        if before >= high:
            high = before - 2 ** (abs(high - 1).bit_length() - digits)
        if low >= high:
            raise RuntimeError(
                f"random_: no {dtype} number lies between low and high - 1, got low={bounds[0]}, high={bounds[1]}"
            )
    return low, high - low


def randperm(n, generator=None):
    """A random permutation of 0, 1, ..., n - 1 as an int64 array.

    Fisher and Yates: for i = 0, 1, ..., n - 2 element i is exchanged with element ``i + raw % (n - i)``. PyTorch takes
    another way from about 2**32 / 20 elements on; here it is the same for every n.

    Raises:
        TypeError: if `n` is no int.
        RuntimeError: if n < 1.

    >>> from minigrad.tensor.random import Generator
    >>> randperm(5, generator=Generator().manual_seed(0)).tolist()
    [4, 0, 1, 3, 2]
    """
    generator = check_generator("randperm", generator)
    n = integer("randperm", "n", n)
    if n < 1:
        raise RuntimeError(f"randperm: n must be at least 1, got {n}")
    partners = generator.draw32(n - 1)
    places = np.arange(n - 1, dtype=np.uint64)
    partners %= np.uint64(n) - places
    partners += places
    # A list is more than twice as fast as an array at exchanging single elements.
    result = list(range(n))
    for i, j in enumerate(partners.tolist()):
        result[i], result[j] = result[j], result[i]
    return np.array(result, dtype=np.int64)


def multinomial(weights, n, replacement=False, generator=None):
    """Draw `n` category numbers with probabilities proportional to `weights`.

    With replacement: u53 is looked up in the cumulated weights. Without, or for n = 1: every category i gets
    ``weights[i] / e[i]``, e exponential with rate 1, and the n largest win, which is the same as drawing one after the
    other (Efraimidis and Spirakis 2006). 0.3 looked up u53 in both cases and took the category drawn out of the sum.

    Shapes:
        weights: (categories,) or (rows, categories); the result is (n,) or (rows, n), int64.

    Raises:
        TypeError: if `weights` is not an array of float32 or float64, or `n` is no int.
        RuntimeError: if `weights` has not 1 or 2 dimensions, has no element, an element that is negative or not
            finite, or a row without a positive one; if n < 1; without replacement, if n exceeds the number of positive
            weights in a row.
    """
    if not isinstance(weights, np.ndarray) or weights.dtype not in FLOATS:
        came = f"an array of {weights.dtype}" if isinstance(weights, np.ndarray) else type(weights).__name__
        raise TypeError(f"multinomial: weights must be an array of float32 or float64, got {came}")
    generator = check_generator("multinomial", generator)
    n = integer("multinomial", "n", n)
    _check_weights(weights, n, replacement)
    era = get_rng() == "0.3"
    if not era and (n == 1 or not replacement):
        return _multinomial_race(weights, n, generator)
    rows = weights.reshape(1, -1) if weights.ndim == 1 else weights
    if era:
        rows = rows.astype(FLOAT64)
    u = u53(generator, len(rows) * n).reshape(len(rows), n)
    result = np.empty((len(rows), n), dtype=np.int64)
    for row, row_weights in enumerate(rows):
        if replacement:
            result[row] = np.searchsorted(_cumulated(row_weights), u[row])
        else:
            # The rows are a copy here: 0.3 alone comes this way.
            for j, chance in enumerate(u[row]):
                chosen = np.searchsorted(_cumulated(row_weights), chance)
                row_weights[chosen] = 0.0
                result[row, j] = chosen
    return result[0] if weights.ndim == 1 else result


def _cumulated(weights):
    sums = np.cumsum(weights)
    sums /= sums[-1]
    return sums


def _check_weights(weights, n, replacement):
    if weights.ndim not in (1, 2) or weights.size == 0:
        raise RuntimeError(
            f"multinomial: weights must have shape (categories,) or (rows, categories), not empty, got {weights.shape}"
        )
    if n < 1:
        raise RuntimeError(f"multinomial: n must be at least 1, got {n}")
    bad = ~((weights >= 0.0) & (weights < np.inf))
    if bad.any():
        raise RuntimeError(f"multinomial: weights must be finite and not negative, got {weights[bad][0]}")
    with np.errstate(over="ignore"):
        total = weights.sum(axis=-1)
    if not np.isfinite(total).all():
        raise RuntimeError(f"multinomial: weights must have a finite sum in {weights.dtype}, got {np.max(total)}")
    positive = int(np.min(np.count_nonzero(weights, axis=-1)))
    if positive == 0:
        raise RuntimeError("multinomial: weights must have a positive element in every row, got only zeros")
    if not replacement and n > positive:
        raise RuntimeError(
            f"multinomial: n must not exceed the number of positive weights, {positive}, when drawing without "
            f"replacement, got n={n}"
        )


def _multinomial_race(weights, n, generator):
    # empty_like keeps the memory order of the weights, in which the exponential numbers are then filled in.
    e = exponential(np.empty_like(weights), 1.0, generator)
    # e is 0 once in 2**53 draws: an infinite ratio wins, and a zero weight over it must not.
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        ratio = np.where(weights > 0.0, weights / e, -1.0)
    if n == 1:
        return ratio.argmax(axis=-1)[..., np.newaxis].astype(np.int64)
    return np.argsort(-ratio, axis=-1, kind="stable")[..., :n].astype(np.int64)
