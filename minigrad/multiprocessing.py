"""Python's multiprocessing under the era's name: tensors in shared memory go between processes without a copy.

A tensor after `share_memory_()`, or a module after `share_memory()`, that is given to a process or sent through a queue
or a pipe is the same memory there: what one process writes all of them see, however they were started. Other tensors
are sent as copies. The memory goes as an open file, so a process that has sent one through a queue must still be there
when it is received.
"""

import multiprocessing
from multiprocessing import *  # noqa: F403
from multiprocessing import __all__ as _theirs

from minigrad.utils import missing

__all__ = [*_theirs, "get_all_sharing_strategies", "get_sharing_strategy", "set_sharing_strategy"]

_strategies = {"file_descriptor", "file_system"}
_strategy = "file_descriptor"


def set_sharing_strategy(new_strategy):
    """Accept one of `get_all_sharing_strategies()` (AssertionError otherwise). Both send an open file here."""
    global _strategy
    if new_strategy not in _strategies:
        raise AssertionError(
            f"set_sharing_strategy: expected one of {', '.join(sorted(_strategies))}, got {new_strategy!r}"
        )
    _strategy = new_strategy


def get_sharing_strategy():
    """The strategy that was set last."""
    return _strategy


def get_all_sharing_strategies():
    """The names that `set_sharing_strategy` takes."""
    return set(_strategies)


_not_here = missing.attribute_error(__name__)


def __getattr__(name):
    if not name.startswith("__") and hasattr(multiprocessing, name):  # its submodules: pool, queues ...
        return getattr(multiprocessing, name)
    return _not_here(name)
