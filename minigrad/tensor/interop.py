"""Tensors and other libraries' arrays: NumPy's functions on tensors, shared memory both ways, DLPack."""

import numpy as np

from minigrad import _core
from minigrad._core import Tensor
from minigrad.tensor import memory
from minigrad.tensor.types import shared_array


def numpy(self):
    """numpy(): a NumPy array that shares this tensor's memory, which therefore can no longer grow."""
    return memory.export(self.array)[...]


def tolist(self):
    """tolist(): the numbers as nested lists; [] for the tensor with no elements."""
    return self.array.tolist()


def as_array(self, dtype=None, copy=None):
    """The array NumPy's functions work on; it shares memory unless another dtype or a copy is asked for."""
    if dtype is not None and np.dtype(dtype) != self.array.dtype:
        if copy is False:
            raise ValueError(f"a {type(self).__name__} cannot be seen as an array of {np.dtype(dtype)} without copying")
        return self.array.astype(dtype)
    return self.array.copy() if copy else numpy(self)


def from_result(self, array, context=None, return_scalar=False):
    """What a NumPy function of tensors returns: a tensor (of bools a ByteTensor), or a Python number."""
    if array.ndim == 0:
        return array.item()
    if array.dtype == bool:
        array = array.view(np.uint8)
    return _core.tensor_from_array(array)


def from_numpy(array):
    """from_numpy(array): a tensor that shares the array's memory, its type chosen by dtype.

    Raises TypeError for anything but an ndarray of float64/32/16, int64/32/16/8 or uint8, and RuntimeError for arrays
    with a dimension of size 0 or a negative stride.

    >>> a = np.zeros(2)
    >>> t = from_numpy(a)
    >>> a[0] = 5
    >>> t[0]
    5.0
    """
    if not isinstance(array, np.ndarray):
        raise TypeError(f"from_numpy: expected a NumPy array, got {type(array).__name__}")
    return _tensor("from_numpy", array)


def _tensor(name, array):
    if array.dtype == bool:
        raise TypeError(f"{name}: there is no bool tensor; convert the array first: array.astype('uint8')")
    if array.dtype.kind not in "biuf":
        raise TypeError(f"{name}: expected an array of numbers, got dtype {array.dtype}")
    return _core.tensor_from_array(shared_array(name, array))


def to_dlpack(self, *, stream=None, max_version=None, dl_device=None, copy=None):
    """A DLPack capsule of this tensor's memory, for another library's from_dlpack."""
    if stream is not None:
        raise ValueError(f"__dlpack__: a tensor on the CPU has no streams, got stream={stream!r}")
    array = self.array if copy else memory.export(self.array)
    options = {"max_version": max_version, "dl_device": dl_device, "copy": copy}
    return array.__dlpack__(**{k: v for k, v in options.items() if v is not None})


def dlpack_device(self):
    """DLPack's number of the device: (1, 0) is the CPU."""
    return self.array.__dlpack_device__()


def from_dlpack(source):
    """from_dlpack(source): a tensor that shares the memory of another library's array (any object with `__dlpack__`).

    Raises TypeError if source offers no DLPack or holds a type that no tensor has, RuntimeError if it is not on the
    CPU.
    """
    if not hasattr(source, "__dlpack__") or not hasattr(source, "__dlpack_device__"):
        raise TypeError(
            f"from_dlpack: expected an object with __dlpack__ and __dlpack_device__, got {type(source).__name__}"
        )
    kind, number = source.__dlpack_device__()
    if int(kind) != 1:
        raise RuntimeError(
            f"from_dlpack: the source is on DLPack's device ({int(kind)}, {number}), this one reads the CPU's memory "
            f"only"
        )
    return _tensor("from_dlpack", np.from_dlpack(source))


def install():
    """Give Tensors these methods. Variables have none of them: `variable.data` is the tensor."""
    for name, function in {
        "numpy": numpy, "tolist": tolist, "__array__": as_array, "__array_wrap__": from_result, "__dlpack__": to_dlpack,
        "__dlpack_device__": dlpack_device,
    }.items():  # fmt: skip
        _core.install(Tensor, name, function)
