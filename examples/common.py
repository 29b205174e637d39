"""What the examples share: options, a training that can be interrupted and goes on, figures, one-line errors.

An example is a list of epochs, in a function `main` under `program`. `train` runs them behind a progress bar; Ctrl-C
lets the epoch that runs finish, saves everything to the file of --checkpoint, and the same command then goes on where
it stopped. Because every epoch draws its data from a generator of its own (`generator`) and the state of minigrad's
generator is saved too, a training that was interrupted ends with exactly the numbers of one that was not.
"""

import argparse
import contextlib
import functools
import math
import os
import pickle
import signal
import sys
import threading
import time
from pathlib import Path

import numpy as np

import minigrad as torch
from minigrad.serialization.files import write_file
from minigrad.tutorial.airline import progress_bar

FORMATS = (".png", ".svg", ".pdf")
SAVE_EVERY = 5.0  # seconds between two saves while training; Ctrl-C and the end save at once


class Failure(Exception):
    """What ends an example with one line."""


def fail(line):
    raise Failure(line)


def program(main):
    """The decorator of main(argv=None): a `Failure` or Ctrl-C ends it with one line and status 2 or 130."""

    @functools.wraps(main)
    def run(argv=None):
        try:
            return main(argv)
        except Failure as failure:
            print(failure, file=sys.stderr)
            sys.exit(2)
        except KeyboardInterrupt:
            print("\nInterrupted.", file=sys.stderr)
            sys.exit(130)

    return run


def whole(least, most=math.inf):
    """A type for argparse: whole numbers of at least `least`, and of at most `most`."""

    def parse(text):
        with contextlib.suppress(ValueError):
            if least <= int(text) <= most:
                return int(text)
        bounds = f"at least {least}" if most == math.inf else f"{least} to {most}"
        raise argparse.ArgumentTypeError(f"expected a whole number of {bounds}, got {text}")

    return parse


count = whole(1)


class _Parser(argparse.ArgumentParser):
    """The parser of argparse, whose complaint is one line instead of the whole usage."""

    def error(self, message):
        self.exit(2, f"{self.prog}: {message}; --help lists the options\n")


def parser(description, epochs, out):
    """The options that every example has; `epochs` and `out` are its defaults."""
    made = _Parser(description=description.partition("\n")[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    made.add_argument("--epochs", type=count, default=epochs, help="epochs to train")
    made.add_argument("--seed", type=whole(0, 2**64 - 1), default=0, help="seed of the initial weights and of the data")
    made.add_argument("--device", choices=["cpu", "cuda"], default="cpu", help="where to train")
    made.add_argument("--out", type=Path, default=Path(out), help="picture to write (png, svg, pdf)")
    made.add_argument("--checkpoint", type=Path, metavar="PATH", help="save here, and go on from here if it is there")
    return made


def parse(made, argv):
    """Parse the command line; a device or folder that is not there ends in one line, before anything is trained."""
    options = made.parse_args(argv)
    if options.device == "cuda" and not torch.cuda.is_available():
        made.error("--device cuda: no GPU that minigrad can use was found")
    if options.out.suffix.lower() not in FORMATS:
        made.error(f"--out: expected a name that ends in {', '.join(FORMATS)}, got {options.out}")
    for name in ("out", "checkpoint"):
        path = getattr(options, name)
        if path is None:
            continue
        folder = path.resolve().parent
        if not folder.is_dir():
            made.error(f"--{name}: there is no folder {folder}")
        if path.is_dir():
            made.error(f"--{name}: expected the name of a file, {path} is a folder")
        if not os.access(folder, os.W_OK):
            made.error(f"--{name}: nothing can be written into the folder {folder}")
    return options


def generator(options, *numbers):
    """NumPy's generator for one purpose, for example for one epoch: the same whatever was drawn before."""
    return np.random.default_rng([options.seed, *numbers])


def placed(thing, options):
    """A tensor or module on the device of --device."""
    return thing.cuda() if options.device == "cuda" else thing


def train(parts, epoch, options, fixed=()):
    """Call epoch(k) for k from 0 to options.epochs - 1; returns the list of what the calls returned.

    parts: {name: Module or Optimizer}, what an epoch changes; with --checkpoint their states are saved, and restored.
    epoch: returns numbers, or dicts and lists of them. fixed: names of the options that the saved states depend on:
    a checkpoint of other values is refused. Ctrl-C ends the program with status 130, after the epoch that runs.
    """
    settings = {name: getattr(options, name) for name in ("seed", *fixed)}
    settings = {name: str(value) if isinstance(value, Path) else value for name, value in settings.items()}
    history = _resumed(parts, options.checkpoint, settings, options.device)
    saved, kept = time.monotonic(), len(history)
    if history:
        print(f"{options.checkpoint}: {kept} of {options.epochs} epochs are done.", file=sys.stderr)

    def save():
        nonlocal saved, kept
        if options.checkpoint:
            _save(parts, history, options.checkpoint, settings)
            saved, kept = time.monotonic(), len(history)

    try:
        # Whatever ends the epochs closes the bar, so that the line that says why starts a line.
        with (
            _Interrupt() as interrupt,
            contextlib.closing(iter(progress_bar(range(len(history), options.epochs)))) as steps,
        ):
            for k in steps:
                history.append(epoch(k))
                if interrupt.came:
                    break
                if time.monotonic() - saved > SAVE_EVERY:
                    save()
            save()
    except KeyboardInterrupt:
        _interrupted(f"Stopped in epoch {len(history) + 1}", kept, options)
    if interrupt.came:
        _interrupted(f"Interrupted after epoch {len(history)}", kept, options)
    return history


def _interrupted(when, kept, options):
    if kept and options.checkpoint:
        saved = f"saved to {options.checkpoint} up to epoch {kept}: the same command goes on from there"
    else:
        saved = "nothing is saved without --checkpoint PATH" if not options.checkpoint else "nothing is saved yet"
    print(f"{when} of {options.epochs}; {saved}.", file=sys.stderr)
    sys.exit(130)


class _Interrupt:
    """While it is open, a first Ctrl-C is only noted in `came`; a second one interrupts as usual."""

    def __init__(self):
        self.came = False
        self._before = None

    def __enter__(self):
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGINT, self._note)
        return self

    def _note(self, number, frame):
        self.came = True
        # Not print: it may be in the middle of a print that the signal came.
        os.write(2, b"\nCtrl-C: this epoch is finished first; once more stops at once.\n")
        signal.signal(signal.SIGINT, self._before)

    def __exit__(self, *error):
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)


def _save(parts, history, path, settings):
    state = {name: part.state_dict() for name, part in parts.items()}
    contents = {"settings": settings, "parts": state, "history": history, "random": torch.get_rng_state()}
    try:
        torch.save(contents, str(path))  # as a whole or not at all: the old file stays until the new one is on the disk
    except OSError as error:
        fail(f"--checkpoint: {error.strerror}")


def _resumed(parts, path, settings, device):
    """The history in the checkpoint, with its states put into `parts`; an empty history where there is no file yet."""
    if path is None or not path.exists():
        return []
    try:
        contents = torch.load(str(path), map_location="cpu" if device == "cpu" else "cuda:0")
        before = contents["settings"]
    except OSError as error:
        fail(f"--checkpoint: {path} cannot be read: {error.strerror or error}")
    except (RuntimeError, pickle.UnpicklingError, KeyError, TypeError, IndexError):
        fail(f"--checkpoint: {path} is not a checkpoint that this example can read; name another file")
    for name, value in settings.items():
        if before.get(name) != value:
            fail(f"--checkpoint: {path} was made with --{name} {before.get(name)}, not {value}; name another file")
    try:
        for name, part in parts.items():
            part.load_state_dict(contents["parts"][name])
        torch.set_rng_state(contents["random"].cpu())
    except (KeyError, RuntimeError, ValueError):
        fail(f"--checkpoint: {path} belongs to another model; name another file")
    return contents["history"]


def figure(width, height):
    """An empty matplotlib Figure, without pyplot: no window, no global state. None where matplotlib is missing."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        print("No plot: matplotlib is missing; install it with  python -m pip install matplotlib", file=sys.stderr)
        return None
    return Figure(figsize=(width, height), layout="constrained")


def save_figure(made, path):
    """Save the figure: the whole of it, or an old one stays."""
    try:
        write_file(path, lambda file: made.savefig(file, format=path.suffix[1:].lower(), dpi=100))
    except OSError as error:
        fail(f"--out: {error.strerror}")
    print(f"Plot saved to {path}")
