"""Source text of 2017: read, made to parse where one word stands in the way, and compiled.

`async` became a keyword of Python 3.7, and the era's `x.cuda(async=True)` no longer parses. Where the word is not
followed by `def`, `for` or `with` it cannot be the keyword, so it is respelled with a full-width first letter. Python
reads such a letter as the plain one (identifiers are normalised, PEP 3131), so that the argument is still called
`async`, and no line and no column moves. Nothing else is changed.
"""

import importlib.machinery
import importlib.util
import io
import itertools
import os
import re
import sys
import tokenize

_WORD = "ａsync"


def respelled(text):
    """`text` with `async` as a plain name respelled; as it is if it does not even fall into tokens."""
    if "async" not in text:
        return text
    lines = text.splitlines(keepends=True)
    try:
        tokens = list(tokenize.generate_tokens(io.StringIO(text).readline))
    except (tokenize.TokenError, SyntaxError):
        return text  # compiling it shows what is wrong
    for token, after in reversed(list(itertools.pairwise(tokens))):
        if token.string == "async" and token.type != tokenize.STRING and after.string not in ("def", "for", "with"):
            row, column = token.start
            line = lines[row - 1]
            lines[row - 1] = line[:column] + _WORD + line[column + len(_WORD) :]
    return "".join(lines)


# Statements of Python 2 only, by how the line that does not parse begins.
_PYTHON_2 = re.compile(
    r"\s*(print\b(?!\s*\()|exec\s+\w|raise\s+\w+\s*,|except\s+[\w.]+\s*,\s*\w+\s*:)|.*(<>|\bur?'|\b0\d+\b|`)"
)


def compiled(text, filename):
    """The code of a program's text. A SyntaxError over a statement of Python 2 says how to convert the program."""
    try:
        return compile(respelled(text), filename, "exec", dont_inherit=True)
    except SyntaxError as error:
        raise explained(error, text) from None


def explained(error, text):
    """The SyntaxError with the program's own line in it and, over a statement of Python 2, with the way out."""
    lines = text.splitlines()
    line = lines[error.lineno - 1] if error.lineno and error.lineno <= len(lines) else ""
    if line:
        error.text = line + "\n"
    if _PYTHON_2.match(line) or "Missing parentheses" in error.msg:
        error.msg += (
            " [this is a statement of Python 2, and minigrad runs Python 3: convert the program first, with "
            f"'2to3 -w {os.path.basename(error.filename or 'script.py')}' (2to3 comes with Python up to 3.12)]"
        )
    return error.with_traceback(None)  # the compiler's own frames


def read(path):
    """The text of a program, decoded as Python does: by its coding line, UTF-8 without one."""
    with open(path, "rb") as file:
        return importlib.util.decode_source(file.read())


class _Loader(importlib.machinery.SourceFileLoader):
    def get_code(self, fullname):
        text = importlib.util.decode_source(self.get_data(self.path))
        if respelled(text) != text:  # not written to __pycache__: plain Python must not find it there
            return compiled(text, self.path)
        try:
            return super().get_code(fullname)
        except SyntaxError as error:
            raise explained(error, text) from None


class NeighbourFinder:
    """Modules that lie beside the program are of its era too, and are read as it is."""

    def __init__(self, folder):
        self.folder = os.path.join(os.path.realpath(folder), "")

    def find_spec(self, fullname, path=None, target=None):
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        if spec is None or type(spec.loader) is not importlib.machinery.SourceFileLoader:
            return None
        origin = os.path.realpath(spec.origin)
        if not origin.startswith(self.folder) or "site-packages" in origin[len(self.folder) :]:
            return None
        spec.loader = _Loader(fullname, spec.origin)
        return spec


def install(folder):
    """Read the modules in `folder` and below it in this way."""
    sys.meta_path.insert(0, NeighbourFinder(folder))
