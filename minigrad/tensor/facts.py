"""Questions about objects (is it a tensor, what is its type called), and the number of threads."""

from minigrad import _core
from minigrad._core import Tensor, Variable, array_of
from minigrad.tensor.storage import is_storage


def is_tensor(obj):
    """Whether obj is a Tensor (a Variable is not)."""
    return isinstance(obj, Tensor)


def typename(obj):
    """The name of an object's type with its module: 'torch.FloatTensor' of a tensor or storage; of a class its own name.

    >>> typename([])
    'list'
    """
    if is_tensor(obj) or is_storage(obj):
        return obj.type()
    named = obj if hasattr(obj, "__qualname__") else type(obj)
    module = getattr(named, "__module__", None)
    return named.__qualname__ if module in (None, "builtins") else f"{module}.{named.__qualname__}"


def numel(input):
    """numel(input): number of elements of a Tensor or Variable."""
    return int(array_of(input).size)


def equal(input, other):
    """equal(input, other): whether two tensors of one type have the same size and the same values.

    Raises TypeError (of Variables RuntimeError) if the types differ, TypeError for a Tensor beside a Variable.
    """
    for name, value in (("input", input), ("other", other)):
        if not isinstance(value, (Tensor, Variable)):
            raise TypeError(f"equal: {name} must be a tensor, got {type(value).__name__}")
    if isinstance(input, Tensor) != isinstance(other, Tensor):
        raise TypeError("equal: a Tensor and a Variable do not mix; take the Variable's tensor, variable.data")
    a, b = array_of(input), array_of(other)
    if a.dtype != b.dtype:
        error = TypeError if isinstance(input, Tensor) else RuntimeError
        raise error(
            f"equal: Expected object of type {_core.type_name(a)} but found type {_core.type_name(b)} for argument #1 'other'"
        )
    return a.shape == b.shape and bool((a == b).all())


_threads = 1


def get_num_threads():
    """The number of threads last set by set_num_threads; 1 before that, which is what minigrad's own kernels use."""
    return _threads


def set_num_threads(number):
    """Note a number of threads. minigrad's own kernels work in the calling thread whatever the number is.

    Matrix products run in NumPy's BLAS, whose threads its environment variables set before Python starts
    (OPENBLAS_NUM_THREADS, MKL_NUM_THREADS). Raises TypeError unless number is an int, RuntimeError below 1.
    """
    global _threads
    if isinstance(number, bool) or not isinstance(number, int):
        raise TypeError(f"set_num_threads: expected an int, got {type(number).__name__}")
    if number < 1:
        raise RuntimeError(f"set_num_threads: expected a positive int, got {number}")
    _threads = number
