"""Operations on the bits of integers: what the operators & | ^ << >> and ~ do. None has a derivative."""

import numpy as np

from minigrad._core import Operation
from minigrad.ops.elementwise import flat_fallback


def _integers(name, function):
    def forward(a, b):
        for x in (a, b):
            if hasattr(x, "dtype") and x.dtype.kind not in "iu":
                raise TypeError(f"{name}: defined for integer tensors only, got {x.dtype}")
        return function(a, b)

    return Operation(name, forward, "a b", rescue=flat_fallback)


bitand, bitor = _integers("bitand", np.bitwise_and), _integers("bitor", np.bitwise_or)
bitxor = _integers("bitxor", np.bitwise_xor)
lshift, rshift = _integers("lshift", np.left_shift), _integers("rshift", np.right_shift)


def _complement(x):
    if x.dtype != np.uint8:
        raise RuntimeError(f"~ is defined for ByteTensors only (1 - mask), got {x.dtype}")
    return np.subtract(1, x, dtype=np.uint8)


invert = Operation("invert", _complement, "x")
