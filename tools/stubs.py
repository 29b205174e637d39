"""Check, or refresh, the methods in minigrad/_core.pyi that are installed from the table of operations.

    python tools/stubs.py [--write]

The rest of the stub is written by hand. A method's parameters are those of the installed function; its result is the
type that it was seen to return: for a row of the table on all its samples, for other methods when called without
arguments.
Exit status 1 when the stub is not what the package has.
"""

import argparse
import difflib
import inspect
import sys
import warnings
from pathlib import Path

import numpy as np

import minigrad as torch
from minigrad import _core
from minigrad._core import Operation, Tensor, Variable
from minigrad.ops.table import table

STUB = Path(_core.__file__).with_name("_core.pyi")
BEGIN, END = "    # ---- installed by the rooms above, as tools/stubs.py found them", "    # ---- end"
LEVELS = {Tensor: _core.tensor_from_array, Variable: _core.variable_from_array}


def annotation(value):
    """The type of `value` as the stub writes it; builtins by full name, because methods are called float and int."""
    if isinstance(value, Variable):
        return "Variable"
    if isinstance(value, Tensor):
        return "Tensor"
    if isinstance(value, np.ndarray):
        return "np.ndarray[Any, Any]"
    if isinstance(value, tuple):
        parts = sorted({annotation(element) for element in value})
        return f"tuple[{parts[0]}, ...]" if len(parts) == 1 else "tuple[Any, ...]"
    if isinstance(value, list):
        return "list[Any]"
    if value is None:
        return "None"
    return f"builtins.{type(value).__name__}" if type(value).__module__ == "builtins" else "Any"


def returned(cls, name, method):
    """The types that the method was seen to return, or Any where it was never seen to."""
    row = table.get(name)
    if name.endswith("__"):
        return "Any"
    if name.endswith("_"):
        return "Self"
    wrap, seen = LEVELS[cls], set()
    calls = [(method, lambda: ([wrap(np.ones((2, 2)))], {}))]
    if row is not None:
        calls = [
            (row.function, lambda s=s: s.build(np.random.default_rng(0), lambda array, spec: wrap(array)))
            for s in row.samples
        ]
    for function, arguments in calls:
        args, kwargs = arguments()
        try:
            seen.add(annotation(function(*args, **kwargs)))
        except Exception:  # arguments that are needed, a level that is not supported: nothing was learnt
            continue
    if not seen <= {"Tensor", "Variable"} and (len(seen) > 1 or (row is None and len(parameters(method)) > 1)):
        return "Any"  # depends on the arguments: a number or a tensor, say
    return " | ".join(sorted(seen)) or "Any"


def declaration(cls, name, method):
    """The lines of the stub for one attribute of `cls`."""
    if isinstance(method, property):
        return [f"    @property\n    def {name}(self) -> {annotation(method.fget(LEVELS[cls](np.ones((2, 2)))))}: ..."]
    source = table[name[:-1]].function if name.endswith("_") and name[:-1] in table and name not in table else method
    return [f"    def {name}({', '.join(parameters(source))}) -> {returned(cls, name, method)}: ..."]


def parameters(function):
    """The parameters of a method the way a stub writes them; the first one is called self whatever its real name."""
    if isinstance(function, Operation):
        return ["self", *function.arguments[1:], *function.parameters, "/"]
    written, star = [], False
    for p in inspect.signature(function).parameters.values():
        if p.kind is p.KEYWORD_ONLY and not star:
            written.append("*")
        star = star or p.kind in (p.KEYWORD_ONLY, p.VAR_POSITIONAL)
        prefix = {p.VAR_POSITIONAL: "*", p.VAR_KEYWORD: "**"}.get(p.kind, "")
        written.append(prefix + p.name + ("" if p.default is p.empty else "=..."))
    return ["self", *written[1:]] if not written[0].startswith("*") else ["self", *written]


def installed(cls):
    """The attributes of `cls` that do not come from the compiled module, by name."""
    kinds = (type(installed), Operation, property)
    return {name: method for name, method in sorted(vars(cls).items()) if isinstance(method, kinds)}


def expected(text):
    """The stub with the installed methods as they are now."""
    lines, out, cls = text.splitlines(), [], None
    skipping = False
    for line in lines:
        if line.startswith("class "):
            cls = {"Tensor": Tensor, "Variable": Variable}.get(line[6:].split("(")[0])
        if line == END:
            skipping = False
        if not skipping:
            out.append(line)
        if line == BEGIN:
            skipping = True
            out += [text for name, method in installed(cls).items() for text in declaration(cls, name, method)]
    return "\n".join(out) + "\n"


def main(argv=None):
    parser = argparse.ArgumentParser(description="Check the installed methods in the stub of minigrad._core.")
    parser.add_argument("--write", action="store_true", help="refresh them")
    options = parser.parse_args(argv)
    now = STUB.read_text(encoding="utf-8")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.manual_seed(0)
        wanted = expected(now)
    if options.write:
        STUB.write_text(wanted, encoding="utf-8")
    elif now != wanted:
        sys.stdout.writelines(
            difflib.unified_diff(now.splitlines(True), wanted.splitlines(True), "stub", "package", n=0)
        )
        print(f"{STUB.name} is not what the package has: python tools/stubs.py --write")
        return 1
    print(f"{STUB.name}: {sum(len(installed(cls)) for cls in LEVELS)} installed methods are as found")
    return 0


if __name__ == "__main__":
    sys.exit(main())
