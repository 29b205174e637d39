"""Running a notebook: its code cells in order, in one namespace, with the values of last expressions printed."""

import ast
import json
import linecache
import os
import re
import sys

from minigrad.run import ipython_names, program, source

_MAGIC = re.compile(r"(\s*)(%{1,2}[A-Za-z_]\w*|!+|\?{1,2}\w)(.*)")
_HELP = re.compile(r"(\s*)([\w.]+\?{1,2})()\s*$")
_TO_OTHERS = (
    "bash cmd html javascript js latex markdown perl ruby script sh svg system sx writefile file timeit".split()
)


def code_cells(path):
    """The text of each code cell of the notebook at `path`, format 3 or 4. ValueError if it is not a notebook."""
    with open(path, encoding="utf-8") as file:
        try:
            book = json.load(file)
        except ValueError as error:
            raise ValueError(f"{path}: not a notebook: {error}") from None
    cells = book.get("cells") if isinstance(book, dict) else None
    if cells is None and isinstance(book, dict) and "worksheets" in book:
        cells = [cell for sheet in book["worksheets"] for cell in sheet["cells"]]
    if cells is None:
        raise ValueError(f"{path}: not a notebook: it has neither cells nor worksheets")
    texts = [c.get("source", c.get("input", "")) for c in cells if c.get("cell_type") == "code"]
    return [text if isinstance(text, str) else "".join(text) for text in texts]


def notice(where, text):
    print(f"minigrad run: {where}: {text}", file=sys.stderr)


def without_magics(text, where):
    """The cell with lines that only IPython understands taken out, line for line, and a notice for each of them.

    `%time statement` and `%%time` keep the statement. A line is looked at only where Python cannot parse it, so that
    `% name` on a line of its own inside of an expression stays.
    """
    lines = text.split("\n")
    first = next((k for k, line in enumerate(lines) if line.strip()), 0)
    if lines[first].startswith("%%"):
        name = lines[first][2:].split(None, 1)[0] if lines[first][2:].strip() else ""
        if name in _TO_OTHERS:
            notice(where, f"the cell is not run: it is for %%{name}")
            return ""
        notice(where, f"%%{name} is ignored, the rest of the cell is run")
        lines[first] = ""
    while True:
        text = "\n".join(lines)
        try:
            ast.parse(source.respelled(text))
            return text
        except SyntaxError as error:
            row = (error.lineno or 0) - 1
            found = (_MAGIC.match(lines[row]) or _HELP.match(lines[row])) if 0 <= row < len(lines) else None
            if not found:
                return text  # compiling it shows what is wrong
        indent, magic, rest = found.groups()
        if magic == "%time" and rest.strip():
            lines[row] = indent + rest.strip()
            notice(where, "%time is ignored, its statement is run")
        else:
            lines[row] = f"{indent}pass"
            notice(where, f"'{(magic + rest).strip()}' is ignored")


def compiled_cell(text, filename):
    """The cell's code in two parts: its statements, and its last expression (None if it shows no value)."""
    respelled = source.respelled(text)
    try:
        tree = ast.parse(respelled, filename)
        last = None
        if tree.body and isinstance(tree.body[-1], ast.Expr):
            end = tree.body[-1]
            tail = text.encode("utf-8").split(b"\n")[end.end_lineno - 1][end.end_col_offset :].strip()
            if not (tail.startswith(b";") and not tail[1:].split(b"#")[0].strip()):
                last = compile(ast.Expression(tree.body.pop().value), filename, "eval", dont_inherit=True)
        return compile(tree, filename, "exec", dont_inherit=True), last
    except SyntaxError as error:
        raise source.explained(error, text) from None


@program.runner
def run(path, argv):
    """Run the notebook at `path` in its own folder. An error's traceback names the cell and shows its lines."""
    cells = code_cells(path)
    module = program.main_module(path, argv)
    del module.__file__  # a notebook has none
    os.environ.setdefault("MPLBACKEND", "Agg")  # figures are drawn, not shown: nothing waits for a window
    os.chdir(os.path.dirname(os.path.realpath(path)))
    namespace = module.__dict__
    ipython_names.install()
    namespace.update(display=ipython_names.display, get_ipython=ipython_names.get_ipython)
    name = os.path.basename(path)
    try:
        for number, text in enumerate(cells, 1):
            where = f"{name}, cell {number}"
            text = without_magics(text, where)
            linecache.cache[where] = (len(text), None, text.splitlines(keepends=True), where)
            statements, last = compiled_cell(text, where)
            exec(statements, namespace)
            if last is not None:
                value = eval(last, namespace)
                if value is not None:
                    namespace["_"] = value
                    print(repr(value))
    except BaseException:
        program.show_the_program_only(by_name=True)
        raise
