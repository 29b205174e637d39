"""Every module can be imported, and the examples in its docstrings hold; compiled modules are no exception."""

import doctest
import importlib
import pkgutil
import subprocess
import sys

import pytest

import minigrad

OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
MODULES = ["minigrad", *(module.name for module in pkgutil.walk_packages(minigrad.__path__, "minigrad."))]


def examples(module):
    """The module's examples; those of a compiled one are found through `__test__`, which Cython writes."""
    found = {}
    for test in doctest.DocTestFinder(exclude_empty=True).find(module, module.__name__):
        if test.examples:
            found.setdefault(test.docstring, test)  # a method shows up in its class and in __test__
    return list(found.values())


# Its examples answer `import torch`, which is refused where a real one was imported before, as the oracle tests do.
ALONE = "minigrad.torch_names"


@pytest.mark.parametrize("name", [name for name in MODULES if name != ALONE])
def test_examples_hold(name):
    shown = []
    for test in examples(importlib.import_module(name)):
        doctest.DocTestRunner(verbose=False, optionflags=OPTIONS).run(test, out=shown.append)
    assert shown == [], "".join(shown)


def test_examples_hold_in_a_process_of_their_own():
    program = (
        f"import doctest, {ALONE} as module; found = doctest.testmod(module, optionflags={OPTIONS}); "
        "assert found.attempted; raise SystemExit(found.failed)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_examples_are_found_in_python_and_in_compiled_modules():
    for name in ("minigrad._core", "minigrad.autograd.engine"):
        assert examples(importlib.import_module(name))
