"""Running a program as its own main program: what it sees of itself, and what is seen of it when it fails."""

import os
import sys
import traceback
import types

from minigrad import torch_companions, torch_names
from minigrad.run import source
from minigrad.utils import missing

_HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "")
_OURS = {torch_companions.__file__, torch_names.__file__, missing.__file__}


_RUNNERS = set()


def runner(function):
    """Mark a function that runs a program's code: what is above it in a traceback is not the program's."""
    _RUNNERS.add(function.__code__)
    return function


def main_module(path, argv):
    """A fresh `__main__` for the program at `path`, with `sys.argv` and `sys.path[0]` as Python sets them."""
    module = types.ModuleType("__main__")
    module.__builtins__ = sys.modules["builtins"]
    module.__file__ = os.path.abspath(path)
    module.__cached__ = None
    sys.modules["__main__"] = module
    sys.argv[:] = [path, *argv]
    folder = os.path.dirname(os.path.realpath(path))
    # `python -m` put the working directory there; with -P or -I it put nothing.
    if not getattr(sys.flags, "safe_path", False):
        sys.path[0] = folder
    source.install(folder)
    return module


@runner
def script(path, argv):
    """Run the Python program at `path`. What it raises goes on, without the runner's frames in what is shown."""
    module = main_module(path, argv)
    try:
        exec(source.compiled(source.read(path), module.__file__), module.__dict__)
    except BaseException:
        show_the_program_only()
        raise


def show_the_program_only(by_name=False):
    """Let the hook that shows an uncaught exception, the program's own if it set one, see the program's frames alone.

    `by_name`: show by the traceback module, which knows of lines that are in no file; older Pythons' own hook does not.
    """
    show = sys.excepthook
    if by_name and show is sys.__excepthook__:
        show = traceback.print_exception

    def hook(kind, error, trace):
        strip(error)
        show(kind, error, error.__traceback__)

    sys.excepthook = hook


def strip(error, seen=None):
    """Take the runner's frames out of the traceback of `error` and of those that led to it."""
    seen = set() if seen is None else seen
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        error.__traceback__ = _without(error.__traceback__)
        if error.__cause__ is not None:
            strip(error.__context__, seen)
            error = error.__cause__
        else:
            error = error.__context__


def _without(trace):
    """The traceback from the program's first frame on, without the import system's and the runner's among them."""
    frames = []
    while trace is not None:
        filename = trace.tb_frame.f_code.co_filename
        if trace.tb_frame.f_code in _RUNNERS:
            frames.clear()
        elif not (filename in _OURS or filename.startswith((_HERE, "<frozen importlib."))):
            frames.append(trace)
        trace = trace.tb_next
    for trace, following in zip(frames, [*frames[1:], None]):
        trace.tb_next = following
    return frames[0] if frames else None
