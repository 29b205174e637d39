"""What course code of 2017 expects of NumPy and today's NumPy refuses, given back for a program that is run as it is.

Three things, none with another meaning in today's NumPy:

- `'%.3f' % loss.data.numpy()` and `float(loss.data.numpy())`: an array of one element, in a dimension, as a number.
  `Tensor.numpy()` gives such arrays (only those of one element) of a subclass that converts as before.
- `print([np.mean(losses)])`: NumPy's numbers inside lists and dicts print as numbers.
- names that NumPy has dropped and that were other names of what is still there: `np.float`, `np.int`, `np.Inf` ...
"""

import numpy as np

from minigrad import _core

_NAMES = {
    "float": float,
    "int": int,
    "object": object,
    "str": str,
    "unicode": str,
    "complex": complex,
    "bool8": np.bool_,
    "float_": np.float64,
    "complex_": np.complex128,
    "Inf": np.inf,
    "Infinity": np.inf,
    "infty": np.inf,
    "PINF": np.inf,
    "NINF": -np.inf,
    "NaN": np.nan,
    "NAN": np.nan,
    "product": np.prod,
    "cumproduct": np.cumprod,
    "sometrue": np.any,
    "alltrue": np.all,
    "round_": np.round,
    "row_stack": np.vstack,
    "asscalar": lambda a: np.asarray(a).item(),
}


class OneElement(np.ndarray):
    """An array of one element that converts to a number as NumPy's arrays did before version 2.4."""

    # Known by ndarray's name, and a plain ndarray to pickle and to repr: the program cannot tell.
    def __float__(self):
        return float(_one(self))

    def __int__(self):
        return int(_one(self))

    def __complex__(self):
        return complex(_one(self))

    def __repr__(self):
        return repr(self.view(np.ndarray))

    def __reduce__(self):
        return self.view(np.ndarray).__reduce__()

    def __array_wrap__(self, array, context=None, return_scalar=False):
        # What is computed from it is a plain array again, or a number, unless it is one element in a dimension again.
        if return_scalar:
            return array[()]
        return as_one_element(np.asarray(array))

    def __array_finalize__(self, source):
        pass

    def __getitem__(self, index):
        got = self.view(np.ndarray)[index]
        return as_one_element(got) if isinstance(got, np.ndarray) else got


OneElement.__name__ = OneElement.__qualname__ = "ndarray"
OneElement.__module__ = "numpy"


def _one(array):
    if array.size != 1:
        raise TypeError("only arrays of size 1 can be converted to Python scalars")
    return array.view(np.ndarray).reshape(-1)[0]


def as_one_element(array):
    """The array itself, or, if it has one element in a dimension, a view of it that converts to a number."""
    return array.view(OneElement) if array.size == 1 and array.ndim else array


def install():
    """Ease NumPy for the rest of this process."""
    for name, value in _NAMES.items():
        if name not in vars(np):
            setattr(np, name, value)
    np.set_printoptions(legacy="1.25")  # numbers in lists print as 0.5, not as np.float64(0.5)
    plain = _core.Tensor.numpy

    def numpy(self):
        return as_one_element(plain(self))

    numpy.__doc__ = plain.__doc__
    _core.install(_core.Tensor, "numpy", numpy)
