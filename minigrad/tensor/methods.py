"""Methods that no derivative needs: information, conversion and NumPy, for Tensors and Variables alike.

The arithmetic is installed from the table of operations; this is the rest.
"""

import copy

import numpy as np

from minigrad import _core
from minigrad._core import Tensor, Variable, array_of
from minigrad.ops import arrays, devices, elementwise, moving
from minigrad.tensor import facts, memory, printing, types
from minigrad.tensor.storage import check_async
from minigrad.tensor.types import size_of_shape

# ---------------------------------------------------------------- size and memory


def size(self, dim=None):
    """size(dim=None): the Size, or the size of one dimension."""
    shape = array_of(self).shape
    return size_of_shape(shape) if dim is None else _of_dimension("size", shape, shape, dim)


def _of_dimension(name, shape, numbers, dim):
    ndim = 0 if shape == memory.NO_ELEMENTS else len(shape)
    if isinstance(dim, bool) or not hasattr(dim, "__index__"):
        raise TypeError(f"{name}: dim must be an int, got {type(dim).__name__}")
    if not -ndim <= dim < ndim:
        raise RuntimeError(f"{name}: dim must be from {-ndim} to {ndim - 1} for size {tuple(shape[:ndim])}, got {dim}"
                           if ndim else f"{name}: a tensor with no elements has no dimension {dim}")  # fmt: skip
    return numbers[dim]


def dim(self):
    """dim(): number of dimensions; 0 for the tensor with no elements."""
    array = array_of(self)
    return array.ndim if array.size else 0


def stride(self, dim=None):
    """stride(dim=None): steps in memory from one element to the next along each dimension, in elements."""
    array = array_of(self)
    strides = memory.strides_of(array) if array.size else ()
    return strides if dim is None else _of_dimension("stride", array.shape, strides, dim)


def element_size(self):
    """element_size(): bytes of one element."""
    return int(array_of(self).itemsize)


def data_ptr(self):
    """data_ptr(): address of the first element."""
    return memory.address_of(array_of(self))


def is_contiguous(self):
    """is_contiguous(): whether the elements lie in memory in the order of the dimensions, without gaps."""
    return bool(array_of(self).flags.c_contiguous)


def is_same_size(self, other):
    """is_same_size(other): whether the sizes are equal."""
    return array_of(self).shape == array_of(other).shape


def length(self):
    return array_of(self).shape[0]


def iterate(self):
    return (self[k] for k in range(length(self)))


def truth(self):
    array = array_of(self)
    if array.size > 1:
        raise RuntimeError(
            f"a tensor of size {tuple(array.shape)} has no single truth value; compare it, reduce it with .all() or "
            f".any(), or "
            "take one element"
        )
    return bool(array.size) and bool(array.item())


def _number(self, kind):
    array = array_of(self)
    if array.size != 1:
        raise TypeError(
            f"only a tensor with one element can be made a Python {kind.__name__}, this one has {array.size}"
        )
    return kind(array.item())


def as_int(self):
    return _number(self, int)


def as_float(self):
    return _number(self, float)


def contains(self, value):
    other = array_of(value) if isinstance(value, (Tensor, Variable)) else value
    return arrays.run(lambda array: bool((array == other).any()), array_of(self))


# ---------------------------------------------------------------- types


def type_(self, new_type=None, non_blocking=False, **kwargs):
    """type(new_type=None): the type's name; or this tensor converted to `new_type` (itself, if it is that already).

    new_type: a class, or a name such as 'torch.DoubleTensor'. non_blocking (once called async) matters on a GPU only.
    """
    check_async("type", kwargs)
    if new_type is None:
        return _core.type_name(array_of(self))
    return convert(self, types.class_by_name(new_type))


def convert(self, cls):
    """Converted to the tensor class, and moved where its tensors lie; the same object when it is of that class."""
    if type(self) is cls:
        return self
    if cls.is_cuda != (not isinstance(array_of(self), np.ndarray)):
        self = moving.cuda(self) if cls.is_cuda else moving.cpu(self)
    return self if array_of(self).dtype == cls.dtype else elementwise.cast(self, cls.dtype)


def type_as(self, other):
    """type_as(other): converted to the type of the tensor or Variable `other`."""
    return convert(self, types.class_of(array_of(other)))


def cpu(self):
    """cpu(): this tensor in the CPU's memory: itself if it is there, else a copy."""
    return moving.cpu(self)


def cuda(self, device=None, non_blocking=False, **kwargs):
    """cuda(device=None, non_blocking=False): this tensor in a GPU's memory: itself if it is there, else a copy.

    device: the GPU's number (None: the one in use). non_blocking, once called async: do not wait for a copy from pinned
    memory. Gradients pass through. Raises RuntimeError where there is no such GPU.
    """
    non_blocking = check_async("cuda", kwargs, non_blocking)
    return moving.cuda(self, device, non_blocking) if devices.require() else self


def new(self, *args):
    """new(*args): a tensor of the same type and on the same device, from any arguments of its constructor."""
    with arrays.near(self.array):
        return type(self)(*args)


def is_signed(self):
    """is_signed(): False for ByteTensor and CharTensor (the era's answer), True for the others."""
    return array_of(self).itemsize > 1  # those two are the types of one byte


# ---------------------------------------------------------------- Python


def text(self):
    array = array_of(self)
    body = printing.format_tensor(arrays.to_host(array), _core.type_name(array), arrays.device_of(array))
    if isinstance(self, Tensor):
        return body
    return f"{getattr(type(self), 'heading', 'Variable')} containing:{body}"


def formatted(self, spec):
    """What format() and str.format give: the text. A format of numbers is refused, a tensor is none."""
    if not spec:
        return str(self)
    element = "variable.data[0]" if isinstance(self, Variable) else "tensor[0]"
    raise TypeError(f"a {type(self).__name__} cannot be formatted by {spec!r}; its elements can, {element} for one")


def deepcopy_variable(self, memo):
    """Leaves only: data and flags are copied, `.grad` is not."""
    if self.grad_fn is not None:
        raise RuntimeError("deepcopy: only leaf Variables can be copied, this one is the result of "
                           f"{self.grad_fn.name()}; use .detach() or .clone()")  # fmt: skip
    if id(self) not in memo:
        copied = copy.deepcopy(self.data, memo)  # Variables on one storage stay so
        memo[id(self)] = type(self)._copy_of(self, copied) if hasattr(type(self), "_copy_of") else Variable(
            copied, self.requires_grad, self.volatile)  # fmt: skip
    return memo[id(self)]


def reduce_variable(self):
    """Data and flags; of a result too, which comes back as a leaf: modules that keep one are saved whole."""
    return _rebuild_variable, (self.data, self.requires_grad, self.volatile, self._backward_hooks)


def _rebuild_variable(data, requires_grad, is_volatile, hooks):
    v = Variable(data, requires_grad, is_volatile)
    v._backward_hooks = hooks
    return v


_SHARED = {
    "size": size, "dim": dim, "ndimension": dim, "numel": facts.numel, "nelement": facts.numel, "stride": stride,
    "element_size": element_size, "data_ptr": data_ptr, "is_contiguous": is_contiguous, "is_same_size": is_same_size,
    "shape": property(lambda self: size_of_shape(array_of(self).shape), doc="size(), as an attribute."),
    "type": type_, "type_as": type_as, "cpu": cpu,
    "cuda": cuda, "is_signed": is_signed,
}  # fmt: skip
for _kind, _cls in types.tensor_classes.items():
    _name = _kind.removesuffix("Tensor").lower()

    def _conversion(self, dtype=_cls.dtype):
        return self if array_of(self).dtype == dtype else elementwise.cast(self, dtype)

    _conversion.__qualname__ = _name  # which Python's errors name
    _conversion.__name__, _conversion.__doc__ = _name, f"{_name}(): converted to {_kind} (itself, if it is one)."
    _SHARED[_name] = _conversion


def install():
    """Give Tensors and Variables these methods."""
    for cls in (Tensor, Variable):
        for name, function in _SHARED.items():
            _core.install(cls, name, function)
        _core.install(cls, "__format__", formatted)
    _core.install(Tensor, "new", new)
    on_gpu = property(lambda self: not isinstance(array_of(self), np.ndarray), doc="Whether it lives on a GPU.")
    _core.install(Variable, "is_cuda", on_gpu)
    _core.install(Variable, "__deepcopy__", deepcopy_variable)
    _core.install(Variable, "__reduce_ex__", lambda self, protocol: reduce_variable(self))
    _core.configure(
        text=text, length=length, iterate=iterate, truth=truth, as_int=as_int, as_float=as_float, contains=contains
    )
