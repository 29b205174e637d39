"""Safetensors files: named tensors and nothing else, readable by any library. Needs the package safetensors."""

import os

import numpy as np

from minigrad._core import Tensor, Variable, array_of, tensor_from_array
from minigrad.ops import arrays
from minigrad.serialization.files import check_file, opened, write_file


def is_safetensors(f):
    return isinstance(f, (str, os.PathLike)) and os.fsdecode(f).endswith(".safetensors")


def _package():
    try:
        import safetensors.numpy
    except ImportError as error:
        raise ImportError(
            "save and load of .safetensors files need the package safetensors: python -m pip install safetensors"
        ) from error
    return safetensors


def save_safetensors(tensors, f, metadata=None):
    """Write a dict of Tensors (or Variables) by name as a safetensors file: numbers only, for any library.

    Tensors that share memory no longer do so when loaded.
    f: a path, replaced as a whole, or a binary file open for writing. metadata: a dict of strings to strings.

    Raises TypeError for anything else, ImportError if the package safetensors is not installed.
    """
    check_file("save_safetensors", f, "write")
    if not isinstance(tensors, dict):
        raise TypeError(f"save_safetensors: tensors must be a dict of names to tensors, got {type(tensors).__name__}")
    found = {}
    for name, value in tensors.items():
        if not isinstance(name, str) or not isinstance(value, (Tensor, Variable)):
            raise TypeError(f"save_safetensors: expected names and tensors, got {name!r}: {type(value).__name__}")
        found[name] = np.ascontiguousarray(arrays.to_host(array_of(value)))
    data = _package().numpy.save(found, metadata)
    write_file(f, lambda file: file.write(data))


def load_safetensors(f):
    """The dict of Tensors by name in a safetensors file; bool tensors become ByteTensors.

    Raises RuntimeError for damaged files and for numbers that no tensor type holds, ImportError if the package
    safetensors is not installed.
    """
    check_file("load_safetensors", f, "read")
    package = _package()
    with opened(f) as file:
        data = file.read()
    try:
        found = package.numpy.load(data)
    except Exception as error:
        raise RuntimeError(f"load: the safetensors file cannot be read: {error}") from error
    return {name: _as_tensor(name, array) for name, array in found.items()}


def _as_tensor(name, array):
    if array.dtype == bool:
        array = array.view(np.uint8)
    if array.size == 0 and array.shape != (0,):
        raise RuntimeError(f"load: tensor {name!r} of size {array.shape} has no elements; here no dimension has size 0")
    array = array.reshape(array.shape or (1,))
    try:
        return tensor_from_array(array if array.flags.writeable else array.copy())
    except TypeError as error:
        raise RuntimeError(f"load: tensor {name!r}: {error}") from error
