"""Who may import whom: dependencies between the rooms of the package point one way."""

import ast
import re
from graphlib import TopologicalSorter
from pathlib import Path
from typing import NamedTuple

import pytest

PACKAGE = Path(__file__).parents[1] / "minigrad"

# A room is a module or a package of minigrad; a file belongs to the longest name that fits. A room may import itself
# and the rooms named here, at the top of a file or inside a function alike. `minigrad` is the front door: what
# `import minigrad` offers, so importing it means knowing everything behind it.
NOBODY = set()
ENGINE = {"_core", "ops"}
MAY_IMPORT = {
    "_version": NOBODY,
    "_build": NOBODY,
    "_core": NOBODY,
    "kernels": NOBODY,
    "data": NOBODY,
    "backends": NOBODY,
    "version": NOBODY,
    "utils": {"utils.missing"},
    "utils.callers": NOBODY,
    "utils.era_names": NOBODY,
    "utils.hooks": NOBODY,
    "utils.missing": {"_core"},
    "torch_companions": NOBODY,
    "torch_names": {"_core", "_version", "torch_companions", "utils.era_names", "utils.missing"},
    "ops": {"_build", "_core", "kernels", "utils.callers"},
    "tensor": {*ENGINE, "utils.callers", "utils.era_names", "utils.missing"},
    "cuda": {*ENGINE, "tensor", "utils.missing"},
    "autograd": {*ENGINE, "tensor", "utils.callers", "utils.hooks", "utils.missing"},
    "serialization": {*ENGINE, "tensor", "autograd", "nn", "cuda", "utils.callers"},
    "nn": {*ENGINE, "tensor", "autograd", "utils.callers", "utils.hooks", "utils.missing"},
    "optim": {*ENGINE, "tensor", "autograd", "nn", "utils.missing"},
    "_utils": {*ENGINE, "tensor"},
    "distributions": {*ENGINE, "tensor"},
    "multiprocessing": {"tensor", "utils.missing"},
    "testing": {*ENGINE, "tensor", "autograd", "nn"},
    "utils.backcompat": {*ENGINE, "utils.callers"},
    "utils.data": {*ENGINE, "tensor", "autograd", "utils.missing"},
}
MAY_IMPORT["minigrad"] = set(MAY_IMPORT) - {"kernels", "_build"}
MAY_IMPORT["run"] = MAY_IMPORT["tutorial"] = {*MAY_IMPORT["minigrad"], "minigrad"}
MAY_IMPORT["__main__"] = {*MAY_IMPORT["tutorial"], "run", "tutorial"}


class Import(NamedTuple):
    line: int
    module: str  # with dots: what is imported, names after `import` included


def room(module):
    """The room of a dotted name, or None outside minigrad: minigrad.nn.functional -> nn, minigrad.ones -> minigrad."""
    top, _, rest = module.partition(".")
    if top != "minigrad":
        return None
    fitting = [name for name in MAY_IMPORT if rest == name or rest.startswith(f"{name}.")]
    return max(fitting, key=len, default="minigrad")


def module_name(path):
    """minigrad.nn.functional for nn/functional.py; a part of a .pyx counts as that .pyx."""
    parts = ["minigrad", *path.relative_to(PACKAGE).with_suffix("").parts]
    if path.suffix == ".pxi":
        (whole,) = [p for p in path.parent.glob("*.pyx") if f'include "{path.name}"' in p.read_text(encoding="utf-8")]
        parts[-1] = whole.stem
    return ".".join(parts)


def absolute(module, level, names, importer):
    """The dotted names that `from <level dots>module import names` in `importer` (its __init__ included) stands for."""
    base = importer.split(".")[:-level] if level else []
    base = ".".join([*base, *([module] if module else [])])
    return [f"{base}.{name}" for name in names]


def python_imports(source, importer):
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(node.lineno, alias.name)
        elif isinstance(node, ast.ImportFrom):
            for name in absolute(node.module, node.level, [a.name for a in node.names], importer):
                yield Import(node.lineno, name)
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if called in ("import_module", "__import__") and isinstance(node.args[0].value, str):
                yield Import(node.lineno, node.args[0].value)


STRING = re.compile(
    r'"""(?:\\.|[^\\])*?"""|\'\'\'(?:\\.|[^\\])*?\'\'\'|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'|#[^\n]*'
)
FROM = re.compile(r"^[ \t]*from[ \t]+(\.*)([\w.]*)[ \t]+c?import[ \t]+(\([^)]*\)|[^\n;]+)", re.MULTILINE)
PLAIN = re.compile(r"^[ \t]*c?import[ \t]+([^\n;]+)", re.MULTILINE)


def cython_imports(source, importer):
    """Imports and cimports; strings and comments are blanked out first, line for line."""
    source = STRING.sub(lambda found: "\n" * found[0].count("\n"), source).replace("\\\n", " ")
    for found in FROM.finditer(source):
        line = source.count("\n", 0, found.start()) + 1
        names = [name.split()[0] for name in found[3].strip("() \t").split(",") if name.split()]
        for name in absolute(found[2], len(found[1]), names, importer):
            yield Import(line, name)
    for found in PLAIN.finditer(source):
        for name in found[1].split(","):
            yield Import(source.count("\n", 0, found.start()) + 1, name.split()[0])


def violations(source, importer, cython=False):
    """A line for every import in `source`, the file of module `importer`, that its room may not make."""
    here = room(importer.removesuffix(".__init__"))
    found = (cython_imports if cython else python_imports)(source, importer)
    for line, module in sorted(found):
        there = room(module)
        if there is not None and there != here and there not in MAY_IMPORT[here]:
            yield f"{importer}:{line}: {here} may not import {there} ({module})"


FILES = sorted(p for p in PACKAGE.rglob("*") if p.suffix in (".py", ".pyi", ".pyx", ".pxd", ".pxi"))


def test_every_import_points_the_allowed_way():
    assert len(FILES) > 20
    found = []
    for path in FILES:
        found += violations(path.read_text(encoding="utf-8"), module_name(path), path.suffix not in (".py", ".pyi"))
    assert found == [], "\n" + "\n".join(found)


def test_every_file_has_a_room_of_its_own():
    front = [p.name for p in FILES if room(module_name(p)) == "minigrad"]
    assert front == ["__init__.py"], "a new room needs a row in MAY_IMPORT"


def test_the_rule_is_one_way():
    TopologicalSorter(MAY_IMPORT).prepare()  # raises CycleError


@pytest.mark.parametrize(
    ("importer", "source"),
    [
        ("minigrad.nn.layers", "from minigrad import kernels"),
        ("minigrad.nn.layers", "import minigrad.kernels._elementwise as e"),
        ("minigrad.nn.layers", "from ..kernels import tanh"),
        ("minigrad.nn.__init__", "from ..kernels import tanh"),
        ("minigrad.tensor.methods", "def f():\n    from minigrad.autograd import Variable"),
        ("minigrad.tensor.methods", "import importlib\nimportlib.import_module('minigrad.nn')"),
        ("minigrad.autograd.engine", "import minigrad as torch"),
        ("minigrad.autograd.engine", "from minigrad import ones"),
        ("minigrad.autograd.engine", "from minigrad.utils.data import Dataset"),
        ("minigrad.utils.__init__", "from minigrad.utils import data"),
        ("minigrad.kernels.__init__", "from .. import _core"),
        ("minigrad.kernels.__init__", "from minigrad.ops import table"),
        ("minigrad.ops.shape", "if True:\n    from minigrad.tensor.types import Size"),
        ("minigrad.nn.module", "from minigrad.optim import SGD"),
        ("minigrad.__init__", "from minigrad import kernels"),
    ],
)
def test_forbidden_imports_are_found(importer, source):
    assert list(violations(source, importer))


@pytest.mark.parametrize(
    ("importer", "source"),
    [
        ("minigrad._core", "from minigrad.ops cimport table"),
        ("minigrad._core", "cimport numpy as cnp, minigrad.kernels._elementwise"),
        ("minigrad.kernels._elementwise", '"""Text."""  # from x\nfrom minigrad._core cimport (\n    Variable,\n)'),
        ("minigrad.kernels._elementwise", "cdef f():\n    from minigrad import _core"),
        ("minigrad.kernels._elementwise", "from .. cimport _core"),
        ("minigrad.kernels._elementwise", "from minigrad \\\n    import _core"),
    ],
)
def test_forbidden_imports_are_found_in_cython(importer, source):
    assert list(violations(source, importer, cython=True))


@pytest.mark.parametrize(
    ("importer", "source", "cython"),
    [
        ("minigrad.ops.elementwise", "from minigrad import _core, kernels\nfrom minigrad.ops.table import row", False),
        ("minigrad.ops.elementwise", "import numpy\nfrom . import shape\nfrom .table import row", False),
        ("minigrad.kernels.__init__", "from . import _elementwise\nfrom ._elementwise import tanh", False),
        ("minigrad.nn.module", "from minigrad.utils.hooks import register", False),
        ("minigrad.autograd.engine", '"""\n>>> import minigrad as torch\n"""', False),
        ("minigrad._core", "'''\nfrom minigrad import nn\n'''\n# import minigrad\ncimport numpy as cnp", True),
        ("minigrad._core", 'cdef extern from "Python.h":\n    int f()\nfrom libc.stdlib cimport free', True),
    ],
)
def test_allowed_imports_and_prose_pass(importer, source, cython):
    assert list(violations(source, importer, cython)) == []


def test_lines_are_counted_where_they_stand():
    (found,) = violations('"""a\nb"""\n\nimport minigrad.nn\n', "minigrad._core", cython=True)
    assert found == "minigrad._core:4: _core may not import nn (minigrad.nn)"
