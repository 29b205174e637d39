"""as_torch: `import torch` answered by minigrad inside of a process, and given back."""

import importlib
import subprocess
import sys
import types

import pytest

import minigrad
from minigrad import _core


@pytest.fixture(autouse=True)
def no_torch(monkeypatch):
    """Nothing called torch is imported, whatever other tests did."""
    for name in [n for n in sys.modules if n == "torch" or n.startswith("torch.")]:
        monkeypatch.delitem(sys.modules, name)


def test_it_holds_inside_of_the_with_only():
    path, version = list(sys.meta_path), minigrad.__version__
    with minigrad.as_torch() as torch:
        import torch.nn.functional as F
        from torch.autograd import Variable

        assert torch is minigrad
        assert importlib.import_module("torch") is minigrad
        assert F is minigrad.nn.functional
        assert Variable is _core.Variable
        assert repr(torch.Size([2])) == "torch.Size([2])"
        assert repr(torch.FloatTensor) == "<class 'torch.FloatTensor'>"
        assert torch.__version__.startswith("0.3.0+")
    assert sys.meta_path == path
    assert minigrad.__version__ == version
    assert repr(minigrad.Size([2])) == "minigrad.Size([2])"
    assert repr(minigrad.FloatTensor) == "<class 'minigrad.FloatTensor'>"
    assert not [n for n in sys.modules if n.split(".")[0] == "torch"]
    assert minigrad.nn.functional.__spec__.name == "minigrad.nn.functional"


def test_an_inner_one_does_not_end_an_outer_one():
    with minigrad.as_torch():
        with minigrad.as_torch():
            pass
        assert importlib.import_module("torch") is minigrad
        assert _core.package == "torch"
    assert _core.package == "minigrad"


def test_it_is_given_back_after_an_error():
    def fail():
        with minigrad.as_torch():
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert _core.package == "minigrad"


def test_a_real_torch_in_the_process_is_refused(monkeypatch):
    real = types.ModuleType("torch")
    real.__version__, real.__file__ = "2.9.1", "/somewhere/torch/__init__.py"
    monkeypatch.setitem(sys.modules, "torch", real)
    with pytest.raises(RuntimeError, match=r"a real PyTorch \(2\.9\.1, /somewhere/torch/__init__\.py\) is already"):
        minigrad.as_torch()
    assert _core.package == "minigrad"


def test_an_installed_torch_is_not_imported(tmp_path):
    for name in ("torch", "torchvision"):
        (tmp_path / name).mkdir()
        for file in ("__init__.py", "extra.py"):
            (tmp_path / name / file).write_text("raise SystemExit('it was imported')", encoding="utf-8")
    text = f"""
import sys
sys.path.insert(0, {str(tmp_path)!r})
import minigrad
minigrad.as_torch()
import torch
for name in ("torch.extra", "torchvision", "torchvision.extra", "torch.nn.extra"):
    try:
        __import__(name)
    except ImportError as error:
        print(error.name)
"""
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("torch.extra\ntorchvision\ntorchvision\ntorch.nn.extra\n", "")


def test_a_plain_call_holds():
    text = "import minigrad; minigrad.as_torch(); import torch; print(torch.zeros(1).type(), torch is minigrad)"
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("torch.FloatTensor True\n", "")


def test_torch_is_a_name_in_modules_too():
    import minigrad

    with minigrad.as_torch() as torch:
        import torch.nn.functional as F

        assert F.torch is torch
    with pytest.raises(AttributeError, match="has no 'torch'"):
        minigrad.nn.functional.torch  # noqa: B018 - it raises
