"""What the package and the stand-in use of CuPy is there, with these parameters. Needs CuPy installed, but no GPU.

CuPy makes arrays of memory that it does not own without asking for a device, and what such arrays say of themselves
needs none either.
"""

import ast
import contextlib
import inspect
import weakref
from pathlib import Path

import numpy as np
import pytest
import standin

import minigrad

cupy = pytest.importorskip("cupy", reason="CuPy is not installed")
cupyx = pytest.importorskip("cupyx", reason="CuPy is not installed")
PACKAGE = Path(minigrad.__file__).parent


def found(root, path):
    for name in path.split("."):
        root = getattr(root, name)
    return root


@pytest.mark.parametrize("name", standin.FUNCTIONS)
def test_functions_have_the_parameters(name):
    real = found(cupy, name)
    mine = list(standin.FUNCTIONS[name].parameters.values())
    its = list(inspect.signature(real).parameters.values())
    for k, parameter in enumerate(mine):
        if parameter.kind is parameter.KEYWORD_ONLY:
            assert parameter.name in {p.name for p in its}
            continue
        assert its[k].name == parameter.name
        assert (its[k].default is its[k].empty) == (parameter.default is parameter.empty)


@pytest.mark.parametrize("name", sorted(standin.UFUNCS))
def test_ufuncs_are_there(name):
    assert callable(getattr(cupy, name))


@pytest.mark.parametrize("name", standin.SPECIAL)
def test_special_functions_have_the_types(name):
    special = pytest.importorskip("cupyx.scipy.special")
    assert getattr(special, name).types == standin.SPECIAL[name].split()


@pytest.mark.parametrize(
    "name", [n for n in vars(standin.ndarray) if n not in ("__module__", "__slots__", "__doc__", "_host", "__weakref__")
             and n not in ("_new", "_view", "_places", "_scatter")],
)  # fmt: skip
def test_arrays_have_the_attributes(name):
    assert hasattr(cupy.ndarray, name)


def test_classes_have_the_attributes():
    for mine in (standin.Device, standin.Event, standin.Stream, standin.MemoryPointer, standin.UnownedMemory):
        real = getattr(cupy.cuda, mine.__name__)
        public = [n for n in vars(mine) if not n.startswith("_")]
        for name in public:
            if name not in ("recorded", "waited"):
                assert hasattr(real, name), f"{mine.__name__}.{name}"
    for name in ("used_bytes", "total_bytes", "free_all_blocks"):
        assert hasattr(cupy.cuda.MemoryPool, name)
    for name in ("getDeviceCount", "getDevice", "getDeviceProperties", "CUDARuntimeError"):
        assert hasattr(cupy.cuda.runtime, name)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # a stream that was not made
@pytest.mark.parametrize("function", [
    lambda: cupy.cuda.Event(block=False, disable_timing=True, interprocess=False),
    lambda: cupy.cuda.Stream(non_blocking=True, priority=0), lambda: cupyx.empty_pinned((2,), np.float32),
    lambda: cupyx.errstate(linalg="raise"), lambda: cupy.array(np.ones(2), order="C", blocking=True),
    lambda: cupy.cuda.Device(0).synchronize(),
], ids=["Event", "Stream", "empty_pinned", "errstate", "array", "Device"])  # fmt: skip
def test_calls_are_not_refused_for_their_parameters(function):
    """Where there is no GPU they fail, but for that reason."""
    with contextlib.suppress(cupy.cuda.runtime.CUDARuntimeError):
        function()


def uses(tree):
    """(dotted name, keywords of the call) for what a file asks of cupy and cupyx."""

    def path(node):
        if isinstance(node, ast.Attribute):
            inner = path(node.value)
            return inner and [*inner, node.attr]
        if isinstance(node, ast.Name) and node.id in ("cupy", "cupyx"):
            return [node.id]
        if isinstance(node, ast.Call) and isinstance(node.func, (ast.Attribute, ast.Name)):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else node.func.id
            if name == "cupy":
                return ["cupy"]
        return None

    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and (names := path(node)):
            yield names, ()
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and (names := path(node.func)):
            yield names, [k.arg for k in node.keywords if k.arg]


def test_everything_that_the_package_names_is_there():
    names = 0
    for file in PACKAGE.rglob("*.py"):
        for (root, *path), keywords in uses(ast.parse(file.read_text(encoding="utf-8"))):
            real = {"cupy": cupy, "cupyx": cupyx}[root]
            for name in path:
                if name == "__name__" or (real is cupy and name == "cupy"):
                    continue
                assert hasattr(real, name), f"{file.name}: {root}.{'.'.join(path)}"
                real = getattr(real, name)
            names += 1
            try:
                parameters = inspect.signature(real).parameters
            except (TypeError, ValueError):
                continue
            assert set(keywords) <= set(parameters), f"{file.name}: {root}.{'.'.join(path)}({', '.join(keywords)})"
    assert names > 20


def unowned(count=6):
    """An array at an address where nothing is: enough for what needs no GPU."""
    memory = cupy.cuda.UnownedMemory(1 << 20, 4 * count, "the owner", 0)
    return cupy.ndarray((count,), np.float32, cupy.cuda.MemoryPointer(memory, 0))


def test_memory_is_described_as_the_package_reads_it(monkeypatch):
    from minigrad.ops import arrays, devices
    from minigrad.tensor import memory

    monkeypatch.setattr(devices, "_found", (cupy, 1, ""))
    a = unowned()
    assert arrays.address_of(a) == 1 << 20
    assert arrays.device_of(a) == 0
    assert arrays.device_of(a) == a.data.device_id
    assert a[1:].base is a
    assert a.reshape(2, 3).T[1].base is a
    assert np.transpose(a.reshape(2, 3)).base is a
    assert np.broadcast_to(a, (2, 6)).base is a
    assert weakref.ref(a)() is a
    assert arrays.owner_behind(a) == "the owner"
    assert a[...].flags.c_contiguous
    behind = arrays.owner_behind

    def owner_behind(array):
        owner = behind(array)
        return None if isinstance(owner, str) else owner

    monkeypatch.setattr(arrays, "owner_behind", owner_behind)
    view = arrays.as_strided(a[1:], (2, 2), (8, 4))
    assert view.shape == (2, 2)
    assert view.strides == (8, 4)
    assert memory.owner_of(view) is a
    assert memory.memory_of(view.T) is a
    assert memory.offset_of(view) == 1
    assert memory.flat(view) is a
    assert arrays.windows(a, 0, 3, 2).strides == (8, 4)
    assert memory.lay_out(a, 2, (2,), (3,)).strides == (12,)
    span = memory.view_span(a, 2, 3).as_array()
    assert span.shape == (3,)
    assert memory.address_of(span) == (1 << 20) + 8
    assert isinstance(memory.memory_of(span), memory.Span)
    assert arrays.is_writable(a)
    assert not arrays.is_writable(np.broadcast_to(a, (2, 6)))


def test_numpy_is_refused_as_the_stand_in_refuses_it():
    a = unowned()
    for function in (np.asarray, np.ascontiguousarray, lambda a: np.lib.stride_tricks.as_strided(a, (2,), (4,))):
        with pytest.raises(TypeError, match="Implicit conversion to a NumPy array is not allowed"):
            function(a)
    with pytest.raises(TypeError, match="subok is not supported"):
        np.zeros_like(a, subok=False)
    with pytest.raises(NotImplementedError):
        np.maximum.accumulate(a)
    with pytest.raises(ValueError, match=r"numpy.ndarray cannot be used for fill"):
        a[0] = np.ones(2)
