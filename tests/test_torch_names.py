"""as_torch: `import torch` answered by minigrad inside of a process, and given back."""

import abc
import copy
import importlib
import inspect
import pickle
import subprocess
import sys
import types

import pytest

import minigrad
from minigrad import _core, autograd, cuda, nn, optim
from minigrad.utils import data, era_names


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
        assert torch.__version__.startswith("0.3.0.")
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


def test_the_version_falls_into_numbers():
    with minigrad.as_torch() as torch:
        from torch.version import __version__ as version

        assert version == torch.__version__ == torch.version.__version__
        assert [int(part) for part in torch.__version__.split(".")[:3]] == [0, 3, 0]
        assert torch.version.cuda is None
        assert minigrad.__version__ in torch.__version__
    assert minigrad.version.__version__ == minigrad.__version__


# ---------------------------------------------------------------- how classes print


def public_classes():
    found = set()
    for module in (nn, optim, optim.lr_scheduler, data, nn.utils.rnn, cuda, minigrad):
        for name in dir(module):
            value = getattr(module, name)
            if isinstance(value, type) and not name.startswith("_") and value is not minigrad.as_torch:
                found.add(value)
    return found | {autograd.Variable, autograd.Function, nn.modules.loss._Loss}


OURS_ALONE = {nn.RNNFromCell, _core.Tensor}  # the era had no such names


def test_every_class_is_found_where_its_printed_name_says():
    with minigrad.as_torch():
        for cls in public_classes() - OURS_ALONE:
            text = repr(cls)
            assert text.startswith("<class 'torch."), text
            module, _, name = text[len("<class '") : -2].rpartition(".")
            assert getattr(importlib.import_module(module), name) is cls, text


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda: autograd.Variable, "torch.autograd.variable.Variable"),
        (lambda: nn.Parameter, "torch.nn.parameter.Parameter"),
        (lambda: nn.Linear, "torch.nn.modules.linear.Linear"),
        (lambda: nn.LSTM, "torch.nn.modules.rnn.LSTM"),
        (lambda: nn.Embedding, "torch.nn.modules.sparse.Embedding"),
        (lambda: nn.Dropout, "torch.nn.modules.dropout.Dropout"),
        (lambda: nn.CosineSimilarity, "torch.nn.modules.distance.CosineSimilarity"),
        (lambda: nn.Sequential, "torch.nn.modules.container.Sequential"),
        (lambda: nn.CrossEntropyLoss, "torch.nn.modules.loss.CrossEntropyLoss"),
        (lambda: nn.Module, "torch.nn.modules.module.Module"),
        (lambda: nn.DataParallel, "torch.nn.parallel.data_parallel.DataParallel"),
        (lambda: optim.Adam, "torch.optim.adam.Adam"),
        (lambda: optim.SGD, "torch.optim.sgd.SGD"),
        (lambda: data.DataLoader, "torch.utils.data.dataloader.DataLoader"),
        (lambda: minigrad.Size, "torch.Size"),
        (lambda: minigrad.FloatStorage, "torch.FloatStorage"),
        (lambda: minigrad.LongTensor, "torch.LongTensor"),
        (lambda: cuda.FloatTensor, "torch.cuda.FloatTensor"),
    ],
)
def test_the_eras_names(make, name):
    cls = make()
    outside = repr(cls)
    assert outside.startswith("<class 'minigrad")
    module = cls.__module__
    with minigrad.as_torch() as torch:
        assert repr(cls) == str(cls) == f"{cls}" == f"<class '{name}'>"
        assert torch.typename(cls) == name
        assert cls.__module__ == module
    assert repr(cls) == outside


def test_values_tell_their_types():
    with minigrad.as_torch() as torch:
        v = autograd.Variable(torch.ones(1), requires_grad=True)
        assert str(type(v)) == "<class 'torch.autograd.variable.Variable'>"
        assert str(type(v.data)) == "<class 'torch.FloatTensor'>"
        assert v.data.type() == torch.typename(v.data) == "torch.FloatTensor"
        assert torch.typename(v) == "torch.autograd.variable.Variable"
        assert torch.typename(nn.Linear(1, 1)) == "torch.nn.modules.linear.Linear"
        assert str(type((v * v).grad_fn)) == "<class 'MulBackward1'>"


def test_other_classes_print_as_ever():
    class Net(nn.Module):
        pass

    class Odd:
        __module__ = 3

    kinds = [Net, Odd, int, type, abc.ABC, subprocess.Popen]
    before = [repr(cls) for cls in kinds]
    with minigrad.as_torch() as torch:
        assert [repr(cls) for cls in kinds] == before
        assert torch.typename(Net) == f"{Net.__module__}.{Net.__qualname__}"

        class Meta(type):  # keeps its way of printing when the names are given back
            pass

    assert repr(Meta("Made", (), {})).endswith("Made'>")
    assert [repr(cls) for cls in kinds] == before


def test_a_module_may_have_a_metaclass():
    with minigrad.as_torch():

        class Abstract(nn.Module, abc.ABC):
            @abc.abstractmethod
            def forward(self, x): ...

    with pytest.raises(TypeError, match="abstract"):
        Abstract()


def test_pickles_and_inspection_do_not_see_the_names():
    layer = nn.Linear(2, 3)
    outside = pickle.dumps(layer)
    with minigrad.as_torch():
        inside = pickle.dumps(layer)
        assert inside == outside
        again = pickle.loads(outside)
        assert type(copy.deepcopy(layer)) is nn.Linear
        assert inspect.getmodule(nn.Linear).__name__ == "minigrad.nn.layers"
        assert inspect.getsource(nn.Linear).startswith("class Linear(")
    assert type(pickle.loads(inside)) is type(again) is nn.Linear


def test_names_that_are_not_the_packages_have_no_era_name():
    assert era_names.era_name(int) is None
    assert era_names.era_name(3) is None
    assert era_names.era_name(types.new_class("minigrads")) is None


# ---------------------------------------------------------------- the era's paths

PATHS = """
torch.nn.modules.activation.ReLU torch.nn.modules.batchnorm.BatchNorm1d torch.nn.modules.container.Sequential
torch.nn.modules.distance.PairwiseDistance torch.nn.modules.dropout.Dropout torch.nn.modules.linear.Bilinear
torch.nn.modules.loss._Loss torch.nn.modules.module.Module torch.nn.modules.rnn.LSTMCell
torch.nn.modules.sparse.EmbeddingBag torch.nn.modules.utils._pair torch.nn.modules.Linear torch.nn.functional.relu
torch.nn.init.xavier_uniform torch.nn.parameter.Parameter torch.nn.utils.rnn.PackedSequence
torch.nn.utils.clip_grad.clip_grad_norm torch.nn.utils.convert_parameters.parameters_to_vector
torch.nn.utils.weight_norm.weight_norm torch.nn.parallel.data_parallel.DataParallel
torch.nn.parallel.replicate.replicate
torch.nn.parallel.parallel_apply.parallel_apply torch.nn.parallel.scatter_gather.scatter_kwargs
torch.optim.optimizer.Optimizer torch.optim.adam.Adam torch.optim.adadelta.Adadelta torch.optim.adagrad.Adagrad
torch.optim.adamax.Adamax torch.optim.asgd.ASGD torch.optim.lbfgs.LBFGS torch.optim.rmsprop.RMSprop
torch.optim.rprop.Rprop torch.optim.sgd.SGD torch.optim.lr_scheduler.StepLR torch.autograd.variable.Variable
torch.autograd.function.Function torch.autograd.gradcheck.gradgradcheck torch.autograd.profiler.profile
torch.utils.data.dataloader.default_collate torch.utils.data.dataset.TensorDataset torch.utils.data.sampler.Sampler
torch.utils.backcompat.keepdim_warning torch.functional.stack torch.storage.is_storage torch.serialization.save
torch.random.fork_rng torch._utils._accumulate torch.distributions.Categorical torch.multiprocessing.Process
torch.backends.cudnn.benchmark torch.backends.cudnn.fastest torch.backends.mkl.is_available torch.version.__version__
""".split()


@pytest.mark.parametrize("path", PATHS)
def test_paths(path):
    module, _, name = path.rpartition(".")
    with minigrad.as_torch():
        namespace = {}
        exec(f"from {module} import {name} as found", namespace)
        assert namespace["found"] is getattr(importlib.import_module(module), name)


def test_importing_a_module_takes_away_no_function_of_its_name():
    names = [("nn.utils", "weight_norm"), ("nn.parallel", "data_parallel"), ("nn.parallel", "replicate")]
    before = [getattr(importlib.import_module(f"minigrad.{parent}"), name) for parent, name in names]
    with minigrad.as_torch():
        for parent, name in names:
            importlib.import_module(f"torch.{parent}.{name}")
    after = [getattr(importlib.import_module(f"minigrad.{parent}"), name) for parent, name in names]
    assert after == before
    assert all(inspect.isfunction(f) for f in after)


def test_helpers():
    from minigrad import _utils
    from minigrad.nn.modules.utils import _pair, _triple

    assert (_pair(3), _triple((1, 2)), _pair("ab")) == ((3, 3), (1, 2), "ab")
    assert list(_utils._accumulate([1, 2, 3], lambda a, b: a * b)) == [1, 2, 6]
    assert list(_utils._accumulate([])) == []
    assert _utils._import_dotted_name("collections.abc.Sized") is importlib.import_module("collections.abc").Sized
    t = _utils._rebuild_tensor(minigrad.FloatStorage([1, 2, 3, 4, 5]), 1, (2, 2), (1, 2))
    assert t.tolist() == [[2, 4], [3, 5]]
    assert list(_utils._range(2)) == [0, 1]


# ---------------------------------------------------------------- what is not there

ABSENT = """
torch.sparse torch.distributed torch.onnx torch.jit torch.legacy torch.legacy.nn torch.contrib torch.utils.model_zoo
torch.utils.ffi torch.utils.serialization torch.utils.trainer torch.cuda.nccl torch.cuda.nvtx
""".split()


@pytest.mark.parametrize("module", ABSENT)
def test_absent_modules_can_be_imported_and_not_be_used(module):
    parent, _, name = module.rpartition(".")
    words = f"minigrad has no module '{module}', which 'thing' is asked of: this part of PyTorch is out of"
    with minigrad.as_torch():
        for text in (f"import {module} as m", f"from {parent} import {name} as m", f"import torch\nm = {module}"):
            namespace = {}
            exec(text, namespace)
            with pytest.raises(AttributeError, match=words):
                namespace["m"].thing  # noqa: B018
        with pytest.raises(ImportError, match=f"cannot import name 'thing': {words}"):
            exec(f"from {module} import thing", {})
        with pytest.raises(AttributeError, match=words):
            exec(f"import {module}\n{module}.thing()", {})


def test_modules_that_never_were_are_still_refused():
    with minigrad.as_torch():
        with pytest.raises(ModuleNotFoundError, match=r"No module named 'torch\.kernels'"):
            import torch.kernels
        with pytest.raises(ModuleNotFoundError, match="convolution"):
            import torch.nn.modules.conv  # noqa: F401
