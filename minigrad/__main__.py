"""The commands: python -m minigrad COMMAND."""

import argparse
import os
import platform
import sys

import numpy as np

from minigrad import __version__, cuda, run, tutorial
from minigrad.ops import build


def info(argv=None):
    """Print what this minigrad is and what it computes with: the first thing to put into a bug report."""
    argparse.ArgumentParser(prog="python -m minigrad info", description=info.__doc__).parse_args(argv)
    try:
        cuda.require()
        gpu = f"usable, {cuda.device_count()} found"
    except RuntimeError as error:
        reason = str(error).removeprefix("cuda: ").split(". ")[0]  # what to do about it comes after
        gpu = f"not usable: {reason}"
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    facts = {
        "minigrad": f"{__version__}, {os.path.dirname(os.path.abspath(__file__))}",
        "Python": f"{platform.python_version()} ({platform.python_implementation()}), {platform.platform()}",
        "NumPy": np.__version__,
        **build.facts(),
        "CPU": f"{platform.machine()}, {cores} cores for this process",
        "GPU": gpu,
    }
    for name, text in facts.items():
        print(f"{name + ':':14}{text}")
    return 0


COMMANDS = {"info": info, "run": run.main, "tutorial": tutorial.main}


def main(argv=None):
    """Run the command named in `argv` (default: the command line) and return its exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m minigrad",
        description="minigrad: the Variable-era (PyTorch 0.3) API over a small autograd engine.",
        epilog="info: versions, build, instruction set, BLAS, GPU. run: a PyTorch 0.3 script or notebook, unmodified. "
        "tutorial: recurrent networks, step by step. "
        "`python -m minigrad COMMAND --help` says more.",
    )
    parser.add_argument("--version", action="version", version=f"minigrad {__version__}")
    parser.add_argument("command", choices=COMMANDS, metavar="COMMAND", help=f"one of: {', '.join(COMMANDS)}")
    parser.add_argument("arguments", nargs=argparse.REMAINDER, metavar="...", help="arguments of the command")
    options = parser.parse_args(argv)
    return COMMANDS[options.command](options.arguments)


if __name__ == "__main__":
    sys.exit(main())
