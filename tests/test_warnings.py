"""Every warning of the package points at the line of the program that led to it, whatever lies in between."""

import ast
import inspect
import io
import re
import sys
import textwrap
import warnings
from pathlib import Path

import pytest

import minigrad as torch
import minigrad.nn.functional as F
from minigrad import nn
from minigrad.autograd import Variable, gradcheck

PACKAGE = Path(torch.__file__).parent


def ones(*size, **flags):
    return Variable(torch.ones(*size), **flags)


def inner_grad():
    x = ones(1, requires_grad=True) * 2
    x.sum().backward()
    return x.grad


def changed_source():
    text = "class Net(nn.Module):\n    pass\n"
    namespace = {"nn": nn, "__name__": "changed_source"}
    module = type(sys)("changed_source")
    sys.modules["changed_source"] = module
    file = io.BytesIO()
    import linecache

    try:
        for version in (text, text.replace("pass", "changed = 1")):
            linecache.cache["changed_source.py"] = (len(version), None, version.splitlines(True), "changed_source.py")
            module.__file__ = "changed_source.py"
            exec(compile(version, "changed_source.py", "exec"), namespace)
            module.Net = namespace["Net"]
            if version is text:
                torch.save(module.Net(), file)
        file.seek(0)
        return torch.load(file, trust=[module.Net])
    finally:
        del sys.modules["changed_source"], linecache.cache["changed_source.py"]


BY = {
    "the sum of bytes wraps": lambda: Variable(torch.ByteTensor([200, 200])).sum(),
    "the product of bytes wraps, by name": lambda: torch.prod(Variable(torch.ByteTensor([200, 200]))),
    "flat fallback of an operator": lambda: ones(2, 3) + ones(6),
    "flat fallback of a function": lambda: torch.add(torch.ones(2, 3), torch.ones(6)),
    "flat fallback in place": lambda: torch.ones(2, 3).add_(torch.ones(6)),
    "flat fallback in place, in Python's operator": lambda: torch.ones(2, 1).__iadd__(torch.ones(1, 2)),
    "flat fallback of map_": lambda: torch.ones(2, 3).map_(torch.ones(6), lambda a, b: a),
    "assignment of as many elements": lambda: torch.ones(2, 3).__setitem__(0, torch.ones(3, 1)),
    "a mask of other size": lambda: torch.ones(6).masked_fill_(torch.ones(2, 3).byte(), 0),
    "range": lambda: torch.range(0, 3),
    "mse_loss": lambda: F.mse_loss(ones(3, 1), ones(3)),
    "MSELoss": lambda: nn.MSELoss()(ones(3, 1), ones(3)),
    "BCELoss": lambda: nn.BCELoss()(ones(3, 1) * 0.5, ones(3)),
    "softmax": lambda: F.softmax(ones(2, 3)),
    "softmin": lambda: F.softmin(ones(2, 3)),
    "log_softmax": lambda: F.log_softmax(ones(2, 3)),
    "Softmax": lambda: nn.Softmax()(ones(2, 3)),
    "Softmax in a container in a container": lambda: nn.Sequential(nn.Sequential(nn.LogSoftmax()))(ones(2, 3)),
    "Hardtanh": lambda: nn.Hardtanh(min_value=-2),
    "a state of batch 1": lambda: nn.GRU(2, 3)(ones(4, 5, 2), ones(1, 1, 3)),
    "a state of batch 1, deep in a container": lambda: nn.Sequential(nn.GRUCell(2, 3)).__getitem__(0)(
        ones(4, 2), ones(1, 3)
    ),
    "a number for bias": lambda: nn.GRU(2, 3, 1, 0.5),
    "retain_variables": lambda: ones(1, requires_grad=True).sum().backward(retain_variables=True),
    "retain_variables, by name": lambda: torch.autograd.backward(
        ones(1, requires_grad=True).sum(), retain_variables=True
    ),
    "the gradient of an inner Variable": inner_grad,
    "gradcheck in single precision": lambda: gradcheck(lambda x: x, [ones(1, requires_grad=True)], eps=1e-2),
    "a class that has changed": changed_source,
}


@pytest.mark.parametrize("call", BY.values(), ids=BY)
def test_it_points_here(call):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        call()
    assert caught, "no warning came"
    lines, first = inspect.getsourcelines(call)
    for warning in caught:
        assert warning.filename == __file__, str(warning.message)
        assert first <= warning.lineno < first + len(lines)


class Net(nn.Module):
    def forward(self, x):
        return F.softmax(x)


def test_it_points_into_the_users_module_not_at_its_call():
    with pytest.warns(UserWarning, match="implicit dimension") as caught:
        nn.Sequential(Net())(ones(2, 3))
    (warning,) = caught
    assert (warning.filename, warning.lineno) == (__file__, inspect.getsourcelines(Net.forward)[1] + 1)


def test_each_line_of_the_program_is_warned_of_once():
    text = textwrap.dedent("""
        for k in range(3):
            F.softmax(x)
        F.softmax(x)
    """)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        exec(compile(text, "program.py", "exec"), {"F": F, "x": ones(2, 3), "__name__": "__main__"})
    assert [(w.filename, w.lineno) for w in caught] == [("program.py", 3), ("program.py", 4)]


def test_nothing_in_the_package_counts_frames_itself():
    for path in PACKAGE.rglob("*.p*"):
        if path.suffix in (".py", ".pyx", ".pxi") and path.name != "callers.py":
            text = path.read_text(encoding="utf-8")
            assert not re.search(r"warnings\.warn\b|stacklevel", text), path
            if path.suffix == ".py":
                names = {a.name for n in ast.walk(ast.parse(text)) if isinstance(n, ast.ImportFrom)
                         and n.module == "warnings" for a in n.names}  # fmt: skip
                assert "warn" not in names, path
