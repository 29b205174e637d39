"""save and load of classes of the user's own: whom a file is trusted with, and what is said when they have changed."""

import collections
import io
import pickle
import sys
import types

import pytest
from serialization_cases import Net, again, same_memory

import minigrad as torch
from minigrad import nn
from minigrad.autograd import Variable
from minigrad.serialization import SourceChangeWarning, load, save, trusting


def test_a_module_of_ones_own_needs_trust():
    net = Net()
    with pytest.raises(
        pickle.UnpicklingError, match=rf"holds a {Net.__module__}.Net, and making it runs code.*trust=\[TheClass\]"
    ):
        again(net)
    for trust in (True, [Net], (Net,), {Net}):
        made = again(net, trust=trust)
        assert type(made) is Net
        assert made.note == "mine"
        assert [p.data.tolist() for p in made.parameters()] == [p.data.tolist() for p in net.parameters()]
    a, b = again([net, net], trust=True)
    assert a is b


def test_trusting():
    with trusting():
        assert type(again(Net())) is Net
        with pytest.raises(pickle.UnpicklingError):
            again(Net(), trust=False)
        with trusting(False), pytest.raises(pickle.UnpicklingError):
            again(Net())
    with trusting([Net]):
        assert type(again(Net())) is Net
    with pytest.raises(pickle.UnpicklingError):
        again(Net())


def test_trust_names_one_class_only():
    class Other:
        pass

    with pytest.raises(pickle.UnpicklingError, match=rf"holds a {Net.__module__}.Net"):
        again([Net()], trust=[Other])


@pytest.mark.parametrize("trust", [1, "Net", Net, 0, [3], [Net()]])
def test_trust_is_checked(trust):
    with pytest.raises(TypeError, match="trust must be True, False or a list of classes"):
        again([1], trust=trust)


def test_objects_of_ones_own():
    made = again({"p": Point(1, 2), "s": Slotted(3), "e": Special(4)}, trust=[Point, Slotted, Special])
    assert made["p"] == Point(1, 2)
    assert made["s"].x == 3
    assert made["e"].value == 4
    assert again({"p": Point(1, 2), "s": Slotted(3), "e": Special(4)}, trust=True)["p"] == Point(1, 2)


Point = collections.namedtuple("Point", "x y")


class Slotted:
    __slots__ = ("x",)

    def __init__(self, x):
        self.x = x


class Special:
    def __init__(self, value):
        self.value = value

    def __reduce__(self):
        return Special, (None,), {"kept": self.value}

    def __setstate__(self, state):
        self.value = state["kept"]


class MyParameter(nn.Parameter):
    pass


def test_subclasses_of_parameter():
    made = again(MyParameter(torch.ones(2)), trust=[MyParameter])
    assert type(made) is MyParameter
    assert made.data.tolist() == [1, 1]


def test_hooks_are_kept_where_the_file_is_trusted():
    v = Variable(torch.ones(2), requires_grad=True)
    v.register_hook(double)
    with pytest.raises(pickle.UnpicklingError, match="double"):
        again(v)
    made = again(v, trust=[double])
    made.sum().backward()
    assert made.grad.data.tolist() == [2, 2]


def double(grad):
    return grad * 2


def test_a_class_that_was_defined_in_the_main_program(monkeypatch):
    main = types.ModuleType("__main__")
    monkeypatch.setitem(sys.modules, "__main__", main)
    monkeypatch.setattr(Net, "__module__", "__main__")
    main.Net = Net
    file = io.BytesIO()
    save(Net(), file)
    monkeypatch.undo()
    file.seek(0)
    with pytest.raises(pickle.UnpicklingError, match=r"holds a __main__\.Net, which this program does not have"):
        load(file, trust=True)
    file.seek(0)
    assert type(load(file, trust=[Net])) is Net


@pytest.fixture
def module_file(tmp_path, monkeypatch):
    """Define a module `container` with a class Net of the given source, as if the program had been edited."""
    monkeypatch.syspath_prepend(tmp_path)
    path = tmp_path / "container.py"

    def define(body):
        import importlib
        import linecache

        path.write_text(f"from minigrad import nn\n\n\nclass Net(nn.Module):\n    {body}\n")
        linecache.clearcache()
        importlib.invalidate_caches()
        sys.modules.pop("container", None)
        spec = importlib.util.spec_from_file_location("container", path)
        module = importlib.util.module_from_spec(spec)
        sys.modules["container"] = module
        exec(compile(path.read_text(), path, "exec"), module.__dict__)
        return module

    yield define
    sys.modules.pop("container", None)


def test_a_changed_source_is_reported(module_file):
    file = io.BytesIO()
    save([module_file("size = 1").Net()] * 2, file)
    file.seek(0)
    load(file, trust=True)  # nothing has changed: no warning, which would be an error here
    module_file("size = 2")
    file.seek(0)
    with pytest.warns(SourceChangeWarning) as caught:
        load(file, trust=True)
    assert len(caught) == 1
    text = str(caught[0].message)
    assert text.startswith("the source of class container.Net has changed since the module was saved")
    assert "-    size = 1\n+    size = 2" in text
    assert caught[0].filename == __file__


@pytest.mark.parametrize("text", ["x = = 1\n", "\0", "if x:\n  y\n z\n", "x = (\n", "class Net:\nclass Net:\n"])
def test_a_source_that_cannot_be_had_is_not_saved(module_file, tmp_path, text):
    net = module_file("size = 1").Net()
    (tmp_path / "container.py").write_text(text)  # as if edited since
    file = io.BytesIO()
    save(net, file)
    file.seek(0)
    assert type(load(file, trust=True)) is type(net)


def test_another_pickle_module():
    picky = types.SimpleNamespace(Pickler=pickle.Pickler, Unpickler=pickle.Unpickler)
    file = io.BytesIO()
    base = torch.ones(2, 3)
    save([base, base[1], Net(), Variable(torch.ones(2))], file, pickle_module=picky)
    file.seek(0)
    with pytest.raises(ValueError, match="another pickle_module runs whatever the file says: it needs trust=True"):
        load(file, pickle_module=picky)
    for module in (picky, pickle):
        file.seek(0)
        a, b, net, v = load(file, pickle_module=module, trust=True)
        assert same_memory(a, b)
        assert type(net) is Net
        assert v.data.tolist() == [1, 1]
