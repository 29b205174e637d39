"""Methods of Tensors on their memory and storage, and those that call a Python function for each element."""

import numpy as np

from minigrad import _core
from minigrad._core import Tensor, Variable, array_of, tensor_from_array
from minigrad.ops import arrays, shape
from minigrad.ops.indexing import check_number
from minigrad.tensor import memory, storage
from minigrad.tensor.memory import NO_ELEMENTS
from minigrad.utils.callers import warn


def storage_of(self):
    """storage(): the storage whose memory this tensor looks at."""
    return storage.storage_of(self.array)


def storage_offset(self):
    """storage_offset(): where in the storage the first element lies."""
    return memory.offset_of(array_of(self))


def is_set_to(self, other):
    """is_set_to(other): whether other is the same view of the same storage (False for two tensors with no elements)."""
    if not isinstance(other, Tensor):
        raise TypeError(f"is_set_to: other must be a Tensor, got {type(other).__name__}")
    a, b = self.array, other.array
    return bool(
        type(self) is type(other) and a.size and b.size
        and memory.memory_of(a) is memory.memory_of(b)
        and memory.address_of(a) == memory.address_of(b) and a.shape == b.shape and a.strides == b.strides
    )  # fmt: skip


def checked_sizes(name, sizes):
    """The sizes of a call `f(2, 3)` or `f(Size)` as a tuple; () for the tensor with no elements."""
    if len(sizes) == 1 and isinstance(sizes[0], (tuple, list)):
        sizes = sizes[0]
    elif not sizes:
        raise TypeError(f"{name}: expected sizes (ints) or a Size, got nothing")
    for s in sizes:
        if isinstance(s, bool) or not isinstance(s, (int, np.integer)):
            raise TypeError(shape.not_a_size(name, s, sizes))
        if s < 1 and tuple(sizes) != NO_ELEMENTS:
            raise RuntimeError(
                f"{name}: sizes must be positive, got {tuple(sizes)}; a tensor has no dimension of size 0"
            )
    return () if tuple(sizes) == NO_ELEMENTS else tuple(int(s) for s in sizes)


def resize_(self, *sizes):
    """resize_(*sizes): the size changed, the storage kept as long as it has enough elements.

    More elements than that move this tensor to larger memory, where the old numbers come first and the others are not
    initialised; other tensors on the storage keep the old memory. Raises RuntimeError if the memory is shared with
    NumPy.
    """
    if isinstance(self, Variable):
        return _resize_variable("resize_", self, checked_sizes("resize_", sizes))
    self.array = memory.resized("resize_", self.array, checked_sizes("resize_", sizes))
    return self


def resize_as_(self, other):
    """resize_as_(other): resize_ to the size of other."""
    if not isinstance(other, (Tensor, Variable)):
        raise TypeError(f"resize_as_: other must be a tensor, got {type(other).__name__}")
    shape = array_of(other).shape
    return resize_(self, () if shape == NO_ELEMENTS else shape)


def _resize_variable(name, v, size):
    if v.requires_grad:
        raise RuntimeError(
            f"{name}: a Variable that requires grad cannot be resized in place; use .resize(*sizes) or .view(*sizes)"
        )
    v.data.array = memory.resized(name, array_of(v), size)
    _core.mark_changed(v)
    return v


def set_(self, source=None, storage_offset=0, size=None, stride=None):
    """set_(): no elements; set_(tensor): the same view; set_(storage, storage_offset=0, size=all, stride=contiguous).

    The tensor then shares the memory of its source, which must be of the same type (TypeError). Raises RuntimeError
    for a view that leaves the storage.
    """
    if source is None:
        self.array = np.empty_like(self.array, shape=NO_ELEMENTS)
    elif isinstance(source, Tensor):
        if type(source) is not type(self):
            raise TypeError(f"set_: source must be a {self.kind}, got a {source.kind}")
        self.array = source.array[...]
    elif storage.is_storage(source):
        if type(source) is not self.storage_type():
            raise TypeError(f"set_: source must be a {self.storage_type().kind}, got a {source.kind}")
        self.array = _placed(source, storage_offset, size, stride)
    else:
        raise TypeError(
            f"set_: source must be a {self.kind} or a {self.storage_type().kind}, got {type(source).__name__}"
        )
    return self


def _placed(source, offset, size, stride):
    if not isinstance(offset, (int, np.integer)) or isinstance(offset, bool):
        raise TypeError(f"set_: storage_offset must be an int, got {type(offset).__name__}")
    if offset < 0 or offset > len(source):
        raise RuntimeError(f"set_: storage_offset must be from 0 to {len(source)}, the storage's length, got {offset}")
    size = (len(source) - offset,) if size is None else size
    size = checked_sizes("set_: size", (tuple(size) if isinstance(size, (tuple, list)) else (size,),)) if size else ()
    stride = (
        memory.contiguous_strides(size)
        if stride is None
        else tuple(stride)
        if isinstance(stride, (tuple, list))
        else (stride,)
    )
    if len(stride) != len(size):
        raise RuntimeError(f"set_: stride must have one entry a dimension of size {size}, got {stride}")
    if any(s < 0 for s in stride):
        raise RuntimeError(f"set_: strides must not be negative, got {stride}")
    need = memory.reach(offset, size, stride)
    if need > len(source):
        raise RuntimeError(
            f"set_: size {size} with strides {stride} from {offset} needs {need} elements, the storage has "
            f"{len(source)}"
        )
    return memory.lay_out(source.array, int(offset), size, stride)


def _in_place(operation):
    """The in-place form of a view: the tensor itself takes the view's geometry, and with a history its derivative."""
    name = f"{operation.__name__}_"

    def method(self, *args, **kwargs):
        if isinstance(self, Tensor):
            self.array = operation(self, *args, **kwargs).array
            return self
        if not self.volatile:
            _core.check_leaf(self, operation.__name__)
        result = operation(self, *args, **kwargs)
        self.data.array = array_of(result)
        return _core.changed(self, result)

    method.__name__ = name
    method.__doc__ = f"{name}: in place; the numbers stay where they are, this tensor sees them differently."
    return method


transpose_, t_, squeeze_, unsqueeze_ = map(_in_place, (shape.transpose, shape.t, shape.squeeze, shape.unsqueeze))


# ---------------------------------------------------------------- kinds of memory


def share_memory_(self):
    """share_memory_(): moved to memory that other processes can share. Returns self; nothing on a GPU.

    As with resize_, this tensor moves; others on its storage keep the old memory.
    """
    array = self.array
    if not memory.is_shared(array):
        offset, size, stride = memory.offset_of(array), array.shape, memory.strides_of(array)
        self.array = memory.lay_out(memory.shared_copy(memory.flat(array)), offset, size, stride)
    return self


def is_shared(self):
    """is_shared(): whether the memory is one that other processes can share; always true on a GPU, as in the era."""
    return memory.is_shared(array_of(self))


def pin_memory(self):
    """pin_memory(): a copy in pinned memory, which only a GPU's driver can give (RuntimeError without one).

    `.cuda(non_blocking=True)` copies from it while the program goes on.
    """
    made = memory.pinned("pin_memory", self.array)
    return self if made is self.array else tensor_from_array(made)


def is_pinned(self):
    """is_pinned(): whether the memory is pinned: `pin_memory` made it."""
    return memory.is_pinned(array_of(self))


def get_device(self):
    """get_device(): the GPU's number; RuntimeError for a tensor on the CPU."""
    return memory.device_number("get_device", array_of(self))


# ---------------------------------------------------------------- a Python function for each element


def apply_(self, function):
    """apply_(function): every element x replaced by function(x). Slow: a Python call for each element."""
    return _each("apply_", self, function)


def map_(self, tensor, function):
    """map_(tensor, function): every element x replaced by function(x, y), y the element of tensor there."""
    return _each("map_", self, function, tensor)


def map2_(self, tensor1, tensor2, function):
    """map2_(tensor1, tensor2, function): every element x replaced by function(x, y, z)."""
    return _each("map2_", self, function, tensor1, tensor2)


def _each(name, self, function, *others):
    if not callable(function):
        raise TypeError(f"{name}: expected a function, got {type(function).__name__}")
    for other in others:
        if type(other) is not type(self):
            raise TypeError(f"{name}: expected a {self.kind}, got {type(other).__name__}")
    arrays.check_writable(name, self.array)
    numbers = [self.array.reshape(-1).tolist(), *(_beside(name, self, other) for other in others)]
    made = np.empty(self.array.size, self.array.dtype)
    for k, arguments in enumerate(zip(*numbers)):
        value = function(*arguments)
        if not isinstance(value, (int, float, np.number)):
            raise RuntimeError(f"{name}: the function must return a number, it returned {value!r} "
                               f"({type(value).__name__}) "
                               f"for {', '.join(map(repr, arguments))}")  # fmt: skip
        made[k] = check_number(name, value, self)
    arrays.assign(self.array, made.reshape(self.array.shape))
    return self


def _beside(name, self, other):
    """The elements of other next to those of self: broadcast, or taken flat (with a warning) if equally many."""
    try:
        return np.broadcast_to(arrays.to_host(other.array), self.array.shape).reshape(-1).tolist()
    except ValueError:
        if other.array.size != self.array.size:
            raise RuntimeError(
                f"{name}: a tensor of size {other.array.shape} does not broadcast to size {self.array.shape}"
            ) from None
    warn(
        f"{name}: sizes {self.array.shape} and {other.array.shape} do not broadcast, but have the same number of "
        "elements. Falling back to pointwise operation in the order of the elements"
    )
    return other.array.reshape(-1).tolist()


def install():
    """Give Tensors these methods, and Variables those that make sense with a history."""
    for function in (
        resize_, resize_as_, transpose_, t_, squeeze_, unsqueeze_, storage_offset, is_shared, is_pinned, get_device,
    ):  # fmt: skip
        for cls in (Tensor, Variable):
            _core.install(cls, function.__name__, function)
    for name, function in {
        "storage": storage_of, "set_": set_, "is_set_to": is_set_to, "share_memory_": share_memory_,
        "pin_memory": pin_memory, "apply_": apply_, "map_": map_, "map2_": map2_,
    }.items():  # fmt: skip
        _core.install(Tensor, name, function)
