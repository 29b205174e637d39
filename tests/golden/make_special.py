"""Record values of the special functions to twice the precision of a double, for `test_kernel_special.py`.

    python tests/golden/make_special.py        # needs mpmath; writes special.npz beside this file

For each function: the arguments, and each value as the double nearest to it and what that leaves out.
"""

from pathlib import Path

import mpmath
import numpy as np

COUNT = 150
FUNCTIONS = {
    "erf": mpmath.erf,
    "erfinv": mpmath.erfinv,
    "lgamma": lambda x: mpmath.re(mpmath.loggamma(x)),
    "digamma": mpmath.digamma,
    "trigamma": lambda x: mpmath.polygamma(1, x),
}


def arguments(name, rng):
    """Numbers from every part of the function's domain, those that float32 holds among them."""
    if name == "erf":
        parts = [rng.uniform(-r, r, COUNT) for r in (6, 1, 0.1, 1e-5, 1e-300)]
    elif name == "erfinv":
        near_one = 1 - 10 ** rng.uniform(-16, 0, COUNT)
        parts = [rng.uniform(-1, 1, 2 * COUNT), near_one, -near_one, 10 ** rng.uniform(-300, 0, COUNT)]
    else:
        parts = [rng.uniform(*ends, COUNT) for ends in ((0, 3), (3, 100), (-5, 0), (-60, -5))]
        parts.append(10 ** rng.uniform(-10, 200, COUNT))
    x = np.concatenate(parts)
    with np.errstate(over="ignore"):
        x[::2] = x[::2].astype(np.float32)
    if name == "erfinv":
        x = x[np.abs(x) < 1]
    return x[np.isfinite(x)]


def main():
    mpmath.mp.dps = 60
    rng, arrays = np.random.default_rng(0), {}
    for name, function in FUNCTIONS.items():
        x = arguments(name, rng)
        values = [function(mpmath.mpf(float(v))) for v in x]
        nearest = np.array([float(v) for v in values])
        rest = [float(v - mpmath.mpf(float(n))) if np.isfinite(n) else 0.0 for v, n in zip(values, nearest)]
        arrays |= {f"{name}/x": x, f"{name}/nearest": nearest, f"{name}/rest": np.array(rest)}
    np.savez_compressed(Path(__file__).with_name("special.npz"), **arrays)


if __name__ == "__main__":
    main()
