"""A runnable page in the terminal: prose wrapped to its width, each cell shown, run, and followed by its output."""

import argparse
import contextlib
import os
import re
import shutil
import sys
import textwrap
import traceback

from minigrad.tutorial import PAGE
from minigrad.tutorial.page import blocks, run_cell

__all__ = ["main", "render", "walk"]

PROMPT = "-- Enter: go on, q: quit -- "
BOLD, FAINT, CODE, PLAIN = "\033[1m", "\033[2m", "\033[36m", "\033[0m"


class Quit(Exception):
    """The reader has had enough."""


def main(argv=None):
    parser = argparse.ArgumentParser(
        prog="python -m minigrad tutorial",
        description="Walk through the recurrent-network tutorial; every cell is run as it is shown.",
    )
    parser.add_argument(
        "--no-pause", action="store_true", help="do not wait for Enter (never done when input is piped)"
    )
    options = parser.parse_args(argv)
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="replace")  # a terminal without the page's signs still shows the rest
    pause = None if options.no_pause or not sys.stdin.isatty() else wait
    colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    with contextlib.suppress(Quit, KeyboardInterrupt):
        return walk(PAGE, pause, width=min(shutil.get_terminal_size().columns, 100), colour=colour)
    print()
    return 0


def wait():
    """Wait for Enter; raises `Quit` on q or at the end of input."""
    try:
        answer = input(PROMPT)
    except EOFError:
        raise Quit from None
    if answer.strip().lower() in ("q", "quit"):
        raise Quit


def walk(path, pause=None, width=80, colour=False):
    """Show and run the page at `path`; `pause` is called after every cell and before every section and answer.

    Returns 0, or 1 when a cell fails: its traceback is shown, and the walk ends there, as later cells need it.
    """
    paint = (lambda style, text: f"{style}{text}{PLAIN}") if colour else (lambda style, text: text)
    pause = pause or (lambda: None)
    namespace = {"__name__": "__main__"}
    rest = False  # whether anything has been shown since the last pause
    for block in blocks(path.read_text(encoding="utf-8")):
        if block.info is None:
            if rest and block.text.startswith(("## ", "<details>")):
                pause()
            text = render(block.text, width)
            if text:
                print(paint(BOLD, text) if block.text.startswith("#") else text, end="\n\n", flush=True)
                rest = True
        elif block.info == "python":
            print(paint(CODE, _prompted(block.text)), flush=True)
            try:
                output = run_cell(block, namespace, str(path))
            except Exception:
                traceback.print_exc()
                return 1
            print(f"{output}\n" if output else "", flush=True)
            pause()
            rest = False
        elif block.info != "text":  # the promised outputs are not shown: the real ones just were
            print(paint(FAINT, textwrap.indent(block.text, "    ")), end="\n\n", flush=True)
    return 0


def _prompted(code):
    """The cell the way the Python prompt shows it."""
    starts = lambda line: line[:1].strip() and line[0] not in ")]}"
    return "\n".join(((">>> " if starts(line) else "... ") + line).rstrip() for line in code.splitlines())


def render(paragraph, width):
    """One markdown paragraph as plain text of `width` columns; '' for what only a browser shows.

    Knows what the tutorial uses: headings, lists, tables, figures, links, emphasis, and foldable answers.
    """
    paragraph = re.sub(r"<summary>(.*?)</summary>", r"\1:", paragraph)
    paragraph = re.sub(r"<!--.*?-->|</?details>", "", paragraph, flags=re.DOTALL).strip()
    if not paragraph:
        return ""
    lines = _inline(paragraph).splitlines()
    if lines[0].startswith("#"):
        title = lines[0].lstrip("# ")
        return f"{title}\n{('=' if lines[0].startswith('# ') else '-') * len(title)}"
    if lines[0].startswith("|"):
        return _table(lines, width)
    items = []  # a list item and the lines that go on with it belong together
    for line in lines:
        if items and not MARK.match(line):
            items[-1] += " " + line.strip()
        else:
            items.append(line)
    return "\n".join(_fill(item, width, hang=len(found[0]) if (found := MARK.match(item)) else 0) for item in items)


MARK = re.compile(r"[-*] |\d+\. ")


def _fill(text, width, start="", hang=0):
    indent = " " * (len(start) + hang)
    return textwrap.fill(
        text, width, initial_indent=start, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )


def _inline(text):
    text = re.sub(r"!\[([^\]]*)\]\([^)]*\)", r"[Figure: \1]", text)
    text = re.sub(r"\[([^\]]*)\]\((https?://[^)]*)\)", r"\1 (\2)", text)
    text = re.sub(r"(?<!\w)\[([^\]]*)\]\([^)]*\)", r"\1", text)
    return re.sub(r"(?<![\w*`])(\*\*|\*)(?=\S)([^*`]+?)(?<=\S)\1(?![\w*`])", r"\2", text)


def _table(lines, width):
    """Columns side by side, the last one wrapped; where that leaves it too narrow, one line for each cell."""
    rows = [[cell.strip() for cell in line.strip("| ").split("|")] for line in lines if not RULE.fullmatch(line)]
    widths = [max(map(len, column)) for column in zip(*rows)]
    start = sum(widths[:-1]) + 2 * (len(widths) - 1)
    if start + min(widths[-1], 24) > width:
        cells = [[_fill(cell, width, f"{name}: ") for name, cell in zip(rows[0], row)] for row in rows[1:]]
        return "\n\n".join("\n".join(row) for row in cells)
    shown = [_fill(row[-1], width, "".join(f"{cell:{size}}  " for cell, size in zip(row[:-1], widths))) for row in rows]
    shown.insert(1, "  ".join("-" * size for size in [*widths[:-1], min(widths[-1], width - start)]))
    return "\n".join(shown)


RULE = re.compile(r"[|:\- ]+")
