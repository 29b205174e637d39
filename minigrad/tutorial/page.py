"""Markdown pages whose Python cells run like a notebook.

A page is ordinary markdown. Each block fenced as ``python`` is a cell; all cells run top to bottom in one namespace
that starts empty. What a cell prints, followed by the repr of its last line where that is an expression whose value
is not None, is its output; a block fenced as ``text`` right after the cell holds the output that the page promises.

Nothing here imports the engine, so a page about anything can be checked.
"""

import ast
import contextlib
import io
import re
from pathlib import Path
from typing import NamedTuple

__all__ = ["Block", "Cell", "Ran", "blocks", "cells", "differences", "matches", "run_cell", "run_page", "write_outputs"]


class Block(NamedTuple):
    """A paragraph (`info` None) or a fenced block (`info`: what stands after the opening fence).

    `line` and `end` count from 1: the first line of the text, and the last line of the block, closing fence included.
    """

    info: str | None
    text: str
    line: int
    end: int


class Cell(NamedTuple):
    """A ``python`` block and the ``text`` block that follows it, if any."""

    code: Block
    output: Block | None


class Ran(NamedTuple):
    """One cell after a run: its source, the output the page promises (or None), and the output that came."""

    source: str
    expected: str | None
    actual: str


def blocks(text):
    """The page as a list of `Block`: prose paragraphs (separated by blank lines) and fenced blocks, in order.

    Raises ValueError, naming the line, when a fence is not closed.
    """
    found, lines, info, start = [], [], None, 0
    for number, line in enumerate([*text.splitlines(), ""], 1):
        if info is not None:
            if line.rstrip() == "```":
                found.append(Block(info, "\n".join(lines), start, number))
                lines, info = [], None
            else:
                lines.append(line)
            continue
        opens = line.startswith("```")
        if lines and (opens or not line.strip()):
            found.append(Block(None, "\n".join(lines), start, number - 1))
            lines = []
        if opens:
            info, start = line[3:].strip(), number + 1
        elif line.strip():
            start = start if lines else number
            lines.append(line)
    if info is not None:
        raise ValueError(f"the block fenced on line {start - 1} is not closed by a line ```")
    return found


def cells(page):
    """The cells among the blocks of a page."""
    return [
        Cell(block, after if after and after.info == "text" else None)
        for block, after in zip(page, [*page[1:], None])
        if block.info == "python"
    ]


def run_cell(code, namespace, filename="<page>"):
    """Run one `Block` of Python in `namespace` and return its output without outer blank lines and trailing spaces.

    Errors pass through; their traceback shows the line of `filename` on which the cell's statement stands.
    """
    # Blank lines in front keep the page's line numbers, in syntax errors too.
    tree = ast.parse("\n" * (code.line - 1) + code.text, filename)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(tree, filename, "exec"), namespace)
        if last is not None:
            value = eval(compile(ast.Expression(last.value), filename, "eval"), namespace)
            if value is not None:
                print(repr(value))
    return "\n".join(line.rstrip() for line in printed.getvalue().splitlines()).strip("\n")


def run_page(path):
    """Run the cells of the page at `path`, and return a list of `Ran`, one for each cell."""
    return [ran for _, ran in _run(path)]


def _run(path):
    namespace = {"__name__": "__main__"}
    return [
        (cell, Ran(cell.code.text, cell.output and cell.output.text, run_cell(cell.code, namespace, str(path))))
        for cell in cells(blocks(_read(path)))
    ]


NUMBER = re.compile(r"-?\d+(?:\.(?P<decimals>\d+))?(?:[eE](?P<exponent>[+-]\d+))?")


def matches(expected, actual):
    """Whether an output is what the page promises.

    Text and whole numbers must be equal. A number with decimals may differ by one in its last place, because the last
    bit of a matrix product depends on the machine's BLAS.
    """
    if NUMBER.sub("0", expected) != NUMBER.sub("0", actual):
        return False
    for want, got in zip(NUMBER.finditer(expected), NUMBER.finditer(actual)):
        digits = want["decimals"] or ""
        last_place = 10.0 ** (int(want["exponent"] or 0) - len(digits)) if digits else 0.0
        if len(digits) != len(got["decimals"] or "") or abs(float(want[0]) - float(got[0])) > 1.001 * last_place:
            return False
    return True


def differences(path):
    """Run the page at `path` and return a list of texts, one for each cell whose output is not as promised."""
    found = []
    for cell, ran in _run(path):
        where = f"{path}:{cell.code.line}: "
        if cell.output is None:
            if ran.actual:
                found.append(f"{where}the cell shows output, but no text block follows it:\n{ran.actual}")
        elif not matches(ran.expected, ran.actual):
            found.append(f"{where}the page promises\n{ran.expected}\nbut the cell shows\n{ran.actual}")
    return found


def write_outputs(path):
    """Run the page at `path` and put each cell's output into the text block after it.

    A block is added where a cell shows something and none follows, and removed where the cell shows nothing.
    Returns the number of outputs on the page.
    """
    lines = _read(path).splitlines()
    found = _run(path)
    for cell, ran in reversed(found):  # from the end, so that the line numbers above stay true
        end, info = (cell.output.end, cell.output.info) if cell.output else (cell.code.end, "text")
        lines[cell.code.end : end] = ["", f"```{info}", *ran.actual.splitlines(), "```"] if ran.actual else []
    Path(path).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return sum(bool(ran.actual) for _, ran in found)


def _read(path):
    return Path(path).read_text(encoding="utf-8")
