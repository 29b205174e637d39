"""cuDNN is not used: its switches can be set and change nothing."""

import contextlib

enabled = True
benchmark = False
deterministic = False
fastest = False
verbose = False


def version():
    """cuDNN's version: None, there is none."""
    return None


def is_acceptable(tensor):
    """Whether cuDNN would compute with this tensor: never."""
    return False


@contextlib.contextmanager
def flags(enabled=False, benchmark=False, deterministic=False, verbose=False):
    """Context manager that sets the switches inside of the block."""
    wanted = {"enabled": enabled, "benchmark": benchmark, "deterministic": deterministic, "verbose": verbose}
    before = {name: globals()[name] for name in wanted}
    globals().update(wanted)
    try:
        yield
    finally:
        globals().update(before)
