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
    packages = tmp_path / "site-packages"
    for name in ("torch", "torchvision"):
        (packages / name).mkdir(parents=True)
        for file in ("__init__.py", "extra.py"):
            (packages / name / file).write_text("raise SystemExit('it was imported')", encoding="utf-8")
    text = f"""
import sys
sys.path.insert(0, {str(packages)!r})
import minigrad
minigrad.as_torch()
import torch
for name in ("torch.extra", "torchvision", "torchvision.extra", "torch.nn.extra"):
    try:
        __import__(name)
    except ImportError as error:
        print(error.name)
print(type(sys.modules["torchvision.extra"]).__name__)
"""
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, timeout=60)
    assert done.stderr == ""
    assert done.stdout == "torch.extra\ntorch.nn.extra\nAbsentModule\n"


def test_a_plain_call_holds():
    text = "import minigrad; minigrad.as_torch(); import torch; print(torch.zeros(1).type(), torch is minigrad)"
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("torch.FloatTensor True\n", "")


# ---------------------------------------------------------------- companions


def test_a_companion_can_be_imported_and_refuses_to_be_used():
    with minigrad.as_torch():
        import torchvision.transforms as T
        from torchtext import data
        from torchvision import datasets, transforms

        assert T is transforms
        assert not isinstance(3, data.Field)
        assert not hasattr(T, "__wrapped__")
        assert repr(datasets.MNIST) == "<torchvision.datasets.MNIST, which is not there>"
        uses = [
            lambda: transforms.ToTensor(),
            lambda: list(datasets.all),
            lambda: data.items["train"],
            lambda: len(data.items),
        ]
        for use in uses:
            with pytest.raises(
                ModuleNotFoundError, match=r"torch\w+\.\w+\.\w+ is not there: torch\w+ is a companion of"
            ):
                use()
        with pytest.raises(ModuleNotFoundError, match=r"^torchtext\.data\.Dataset is not there: .* open\(\)"):

            class Mine(data.Dataset):
                pass

    assert "torchvision" not in sys.modules
    assert "torchvision.transforms" not in sys.modules


def test_a_companion_among_the_programs_own_files_is_the_programs(tmp_path, monkeypatch):
    (tmp_path / "torchvision.py").write_text("digits = 10", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    with minigrad.as_torch():
        import torchvision

        assert torchvision.digits == 10
        with pytest.raises(ModuleNotFoundError, match=r"No module named 'torchvision\.datasets'"):
            import torchvision.datasets
    del sys.modules["torchvision"]


def test_torch_is_a_name_in_modules_too():
    import minigrad

    with minigrad.as_torch() as torch:
        import torch.nn.functional as F

        assert F.torch is torch
    with pytest.raises(AttributeError, match="has no 'torch'"):
        minigrad.nn.functional.torch  # noqa: B018 - it raises
