"""Tensors and other libraries' arrays: NumPy's functions on tensors, shared memory both ways, DLPack."""

import numpy as np

from minigrad import _core
from minigrad._core import Tensor
from minigrad.ops import arrays, devices
from minigrad.tensor import memory, types
from minigrad.tensor.types import gpu_array, shared_array

_CPU, _GPU = 1, 2  # DLPack's numbers of kinds of devices


def numpy(self):
    """numpy(): a NumPy array that shares this tensor's memory, which therefore can no longer grow.

    Raises RuntimeError for a tensor on a GPU: NumPy sees the CPU's memory only.
    """
    if self.is_cuda:
        raise RuntimeError(
            f"numpy: NumPy cannot see the memory of GPU {arrays.device_of(self.array)}; copy the {self.kind} to the "
            "CPU first: tensor.cpu().numpy()"
        )
    return memory.export(self.array)[...]


def tolist(self):
    """tolist(): the numbers as nested lists; [] for the tensor with no elements."""
    return self.array.tolist()


def as_array(self, dtype=None, copy=None):
    """The array NumPy's functions work on; it shares memory unless another dtype or a copy is asked for."""
    if self.is_cuda:
        return numpy(self)
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
        hint = "; from_dlpack shares a GPU's array" if hasattr(array, "__cuda_array_interface__") else ""
        raise TypeError(f"from_numpy: expected a NumPy array, got {type(array).__name__}{hint}")
    return _tensor("from_numpy", array)


def _tensor(name, array):
    if array.dtype == bool:
        raise TypeError(f"{name}: there is no bool tensor; convert the array first: array.astype('uint8')")
    if array.dtype.kind not in "biuf":
        raise TypeError(f"{name}: expected an array of numbers, got dtype {array.dtype}")
    return _core.tensor_from_array(shared_array(name, array))


def to_dlpack(self, *, stream=None, max_version=None, dl_device=None, copy=None):
    """A DLPack capsule of this tensor's memory, for another library's from_dlpack."""
    if stream is not None and not self.is_cuda:
        raise ValueError(f"__dlpack__: a tensor on the CPU has no streams, got stream={stream!r}")
    array = self.array if copy else memory.export(self.array)
    options = {"stream": stream, "max_version": max_version, "dl_device": dl_device, "copy": copy}
    return array.__dlpack__(**{k: v for k, v in options.items() if v is not None})


def cuda_interface(self):
    """What other libraries need to see this tensor's memory on the GPU, without a copy."""
    return memory.export(self.array).__cuda_array_interface__


def dlpack_device(self):
    """DLPack's number of the device: (1, 0) is the CPU, (2, n) GPU n."""
    return self.array.__dlpack_device__()


def from_dlpack(source):
    """from_dlpack(source): a tensor that shares the memory of another library's array (any object with `__dlpack__`).

    Raises TypeError if source offers no DLPack or holds a type that no tensor has, RuntimeError if it lies on a device
    that cannot be used here.
    """
    if not hasattr(source, "__dlpack__") or not hasattr(source, "__dlpack_device__"):
        raise TypeError(
            f"from_dlpack: expected an object with __dlpack__ and __dlpack_device__, got {type(source).__name__}"
        )
    kind, number = source.__dlpack_device__()
    if int(kind) == _GPU and devices.is_available():
        return _core.tensor_from_array(gpu_array("from_dlpack", devices.cupy().from_dlpack(source)))
    if int(kind) != _CPU:
        raise RuntimeError(
            f"from_dlpack: the source is on DLPack's device ({int(kind)}, {number}), this one reads the CPU's memory "
            f"only{': ' + devices.missing() if int(kind) == _GPU else ''}"
        )
    return _tensor("from_dlpack", np.from_dlpack(source))


def install():
    """Give Tensors these methods. Variables have none of them: `variable.data` is the tensor."""
    for name, function in {
        "numpy": numpy, "tolist": tolist, "__array__": as_array, "__array_wrap__": from_result, "__dlpack__": to_dlpack,
        "__dlpack_device__": dlpack_device,
    }.items():  # fmt: skip
        _core.install(Tensor, name, function)
    for cls in types.cuda_classes.values():  # only there: it is by having it that an object lies on a GPU
        cls.__cuda_array_interface__ = property(cuda_interface)
