"""Worker processes that load batches ahead of the loop that consumes them.

Each worker has one pipe to the loop and nothing else in common with anybody: no queue, no lock, no thread. Batch k
goes to worker k % n, and the loop reads the pipes in that order, so batches arrive in order by themselves, a worker
that dies takes nothing down but its own pipe, and killing one at any moment is safe.

Two batches are under way per worker. A worker takes the next order *before* it hands over what it has loaded: so the
loop may write an order of any size at any time and is never left waiting for a worker that waits for the loop.
"""

import contextlib
import multiprocessing
import os
import pickle
import random
import signal
import sys
import time
import traceback
import warnings
import weakref
from collections import deque
from multiprocessing.connection import wait

import numpy as np

from minigrad.ops.threads import set_num_threads
from minigrad.tensor.random import default_generator, get_rng, manual_seed, set_rng
from minigrad.tensor.types import default_tensor_type, set_default_tensor_type

_GRACE = 1.0  # seconds that workers have to finish their batch when the loop ends early

# The loop's ends of all pipes: a forked worker inherits copies, which would keep other workers from seeing the end.
_ends = weakref.WeakSet()


class WorkerTraceback(Exception):
    """The cause of an exception that a dataset raised in a worker process: where it was raised, as text."""

    def __str__(self):
        return f"\n{self.args[0]}"


def fetch(dataset, indices, collate_fn):
    """The batch of these items."""
    try:
        return collate_fn([dataset[k] for k in indices])
    except StopIteration as stop:
        raise RuntimeError(
            "DataLoader: the dataset or collate_fn raised StopIteration, which would end the loop unnoticed"
        ) from stop


def _context():
    """The start method that the program has chosen; else fork, which takes every dataset, where it is safe."""
    chosen = multiprocessing.get_start_method(allow_none=True)
    if chosen is None and sys.platform != "darwin" and "fork" in multiprocessing.get_all_start_methods():
        chosen = "fork"
    return multiprocessing.get_context(chosen)


# ---------------------------------------------------------------- in the worker


def _portable(error):
    """`error` if it survives a pickle, else a RuntimeError that names it."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error


def _load(dataset, indices, collate_fn):
    try:
        return fetch(dataset, indices, collate_fn), None
    except Exception as error:
        return _portable(error), traceback.format_exc()


def _work(connection, dataset, collate_fn, seed, recipe, tensor_type):
    # Ctrl-C reaches the whole group of processes; the loop decides what becomes of its workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    for end in list(_ends):
        end.close()
    set_num_threads(1)  # the workers share the processors already
    set_rng(recipe)
    set_default_tensor_type(tensor_type)
    manual_seed(seed)
    random.seed(seed)
    np.random.seed([seed & 0xFFFFFFFF, seed >> 32])  # noqa: NPY002 - it is what datasets draw from
    # The loop closed its end: nobody wants more.
    with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):
        indices = connection.recv()
        while indices is not None:
            reply = _load(dataset, indices, collate_fn)
            indices = connection.recv()
            try:
                connection.send(reply)
            except OSError:
                return
            except Exception as error:  # it cannot be pickled; nothing was written yet
                what = f"DataLoader: the batch cannot be sent from the worker: {type(error).__name__}: {error}"
                connection.send((RuntimeError(what), traceback.format_exc()))


# ---------------------------------------------------------------- in the loop's process


def _stop(members, owner):
    """End the workers: by the end of their pipes, then by force. A forked copy of the program leaves them alone."""
    if os.getpid() != owner:
        return
    for _, connection in members:
        connection.close()
    for force in (None, "terminate", "kill"):
        deadline = time.monotonic() + _GRACE
        for process, _ in members:
            if force and process.is_alive():
                getattr(process, force)()
            process.join(max(0.0, deadline - time.monotonic()))
        if not any(process.is_alive() for process, _ in members):
            break
    members.clear()


class WorkerIterator:
    """The batches of `batches`, an iterator of lists of indices, loaded by up to `num_workers` processes in order.

    An exception of the dataset is raised in the place of its batch, with a `WorkerTraceback` as its cause. Workers are
    seeded (minigrad, `random` and `numpy.random`) from one draw of the package's generator, taken after the sampler has
    begun: the order of the first pass is the one without workers. RuntimeError if a worker dies or cannot be started.
    """

    def __init__(self, dataset, collate_fn, num_workers, batches):
        self._batches = batches
        self._members = []
        self._due = deque()  # the worker of each batch under way, in order; or an exception of the sampler
        self.close = weakref.finalize(self, _stop, self._members, os.getpid())
        context = _context()
        self._method = context.get_start_method()
        seed = None
        try:
            for worker in range(num_workers):
                indices = self._next_indices()
                if indices is None:
                    break
                if seed is None:
                    seed = int(default_generator.draw64(1)[0]) % 2**62
                self._start(context, dataset, collate_fn, seed + worker)
                self._order(worker, indices)
            for worker in range(len(self._members)):
                self._order(worker, self._next_indices())
        except BaseException:
            self.close()
            raise

    def _next_indices(self):
        """The next list of indices, or None at the end; an exception of the sampler waits for its turn."""
        try:
            return None if self._batches is None else list(next(self._batches))
        except StopIteration:
            self._batches = None
        except Exception as error:
            self._batches = None
            self._due.append(error)
        return None

    def _start(self, context, dataset, collate_fn, seed):
        ours, theirs = context.Pipe()
        _ends.add(ours)
        name = f"{default_tensor_type().__module__}.{default_tensor_type().__name__}"
        process = context.Process(target=_work, args=(theirs, dataset, collate_fn, seed, get_rng(), name), daemon=True)
        try:
            with warnings.catch_warnings():
                # About locks that other threads may hold. A worker takes none but NumPy's, which is made for forking.
                warnings.filterwarnings("ignore", ".*use of fork", DeprecationWarning)
                process.start()
        except (pickle.PicklingError, AttributeError, TypeError) as error:
            ours.close()
            raise RuntimeError(
                f"DataLoader: with the start method {self._method!r} the dataset and collate_fn must be picklable "
                f"({error}): define their classes and functions at the top level of a module, or use num_workers=0"
            ) from error
        finally:
            theirs.close()
        self._members.append((process, ours))

    def _order(self, worker, indices):
        if indices is not None:
            self._due.append(worker)
        # A worker that is gone is reported when its batch is due.
        with contextlib.suppress(OSError):
            self._members[worker][1].send(indices)

    def __iter__(self):
        return self

    def __next__(self):
        if not self._due or not self.close.alive:
            self.close()
            raise StopIteration
        worker = self._due.popleft()
        if isinstance(worker, Exception):
            raise worker
        try:
            result, trace = self._receive(worker)
            self._order(worker, self._next_indices())
        except BaseException:
            self.close()
            raise
        if trace is None:
            return result
        try:
            raise result from WorkerTraceback(trace)
        finally:
            del result  # else it and this frame, which its traceback holds, would keep each other and the workers alive

    def _receive(self, worker):
        process, connection = self._members[worker]
        wait([connection, process.sentinel])
        try:
            if connection.poll():
                return connection.recv()
        except (EOFError, OSError):
            pass
        process.join(_GRACE)
        code = process.exitcode
        how = f"exit code {code}"
        if code is not None and code < 0:
            how = f"killed by {signal.Signals(-code).name}"
            if -code == getattr(signal, "SIGKILL", None):
                how += ", the system's way to end a process when memory is short"
        if self._method != "fork":
            how += f"; with start method {self._method!r} a program's main part stands under if __name__ == '__main__':"
        who = f"worker {worker} (process {process.pid})"
        raise RuntimeError(f"DataLoader: {who} died before its batch was ready: {how}")
