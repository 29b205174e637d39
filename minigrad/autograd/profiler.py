"""Where the time goes: `profile` lists what ran inside of a `with`, and how long it took.

Recorded are operations on Variables, by their names (``mul``), calls of Functions by the names of their classes, and,
during a backward pass, its nodes by theirs (``MulBackward1``, ``AccumulateGrad``). Events nest: what runs inside of
another one is counted in both. Times are wall-clock, in microseconds from the beginning of the profile.
"""

import itertools
import json
import threading
import time
from collections import OrderedDict

from minigrad import _core
from minigrad.ops import devices
from minigrad.utils import missing

__all__ = ["EventList", "FunctionEvent", "FunctionEventAvg", "Interval", "emit_nvtx", "profile"]


class Interval:
    """From `start` to `end`, in microseconds."""

    def __init__(self, start, end):
        self.start = start
        self.end = end

    def elapsed_us(self):
        """Its length in microseconds."""
        return self.end - self.start

    def __repr__(self):
        return f"Interval({self.start:.3f}, {self.end:.3f})"


def _text(name):
    return property(lambda self: f"{getattr(self, name):.3f}us", doc=f"`{name}` as text.")


class _Times:
    """Averages over `count` and texts, for one event and for many."""

    cpu_time_str, cuda_time_str = _text("cpu_time"), _text("cuda_time")
    cpu_time_total_str, cuda_time_total_str = _text("cpu_time_total"), _text("cuda_time_total")

    @property
    def cpu_time(self):
        """Mean time on the CPU, in microseconds; 0 of nothing."""
        return self.cpu_time_total / self.count if self.count else 0.0

    @property
    def cuda_time(self):
        """Mean time on the GPU, in microseconds."""
        return self.cuda_time_total / self.count if self.count else 0.0


class FunctionEvent(_Times):
    """One call: its `name`, `cpu_interval`, `thread` (numbered from 0 as they appear) and `id`.

    `key` is what calls are grouped by, the name; `count` is 1; `kernels` are the calls of the GPU, of which there are
    none.
    """

    count = 1
    cuda_time_total = 0.0

    def __init__(self, id, name, thread, cpu_start, cpu_end):
        self.id = id
        self.name = name
        self.thread = thread
        self.cpu_interval = Interval(cpu_start, cpu_end)
        self.kernels = []

    @property
    def key(self):
        return self.name

    @property
    def cpu_time_total(self):
        """Time on the CPU, in microseconds."""
        return self.cpu_interval.elapsed_us()

    def __repr__(self):
        return (f"<FunctionEvent id={self.id} cpu_time={self.cpu_time_str} cuda_time={self.cuda_time_str} "
                f"name={self.name} thread={self.thread}>")  # fmt: skip


class FunctionEventAvg(_Times):
    """Many calls: `count` of them, their total times and (`cpu_time`, `cuda_time`) their means. `+=` adds a call."""

    def __init__(self):
        self.key = None
        self.count = 0
        self.cpu_time_total = self.cuda_time_total = 0.0

    def __iadd__(self, other):
        if not isinstance(other, (FunctionEvent, FunctionEventAvg)):
            return NotImplemented
        if self.key is None:
            self.key = other.key
        self.count += other.count
        self.cpu_time_total += other.cpu_time_total
        self.cuda_time_total += other.cuda_time_total
        return self

    def __repr__(self):
        return (f"<FunctionEventAvg cpu_time={self.cpu_time_str} cuda_time={self.cuda_time_str} key={self.key} "
                f"count={self.count}>")  # fmt: skip


_COLUMNS = ("Name", "CPU time", "CUDA time", "Calls", "CPU total", "CUDA total")
_SORT_KEYS = ("key", "count", "cpu_time", "cuda_time", "cpu_time_total", "cuda_time_total")


class EventList(list):
    """A list of events, in the order of their beginnings, that prints as a table."""

    def __str__(self):
        return self.table()

    def table(self, sort_by=None):
        """The events as a table with a line each.

        sort_by: None for the order they have; or key, count, cpu_time, cuda_time, cpu_time_total or cuda_time_total,
        smallest first. Other names: ValueError.
        """
        events = self
        if sort_by is not None:
            if sort_by not in _SORT_KEYS:
                raise ValueError(f"table: sort_by must be one of {', '.join(_SORT_KEYS)}, got {sort_by!r}")
            events = sorted(self, key=lambda event: getattr(event, sort_by))
        width = max((len(event.key) for event in events), default=len("Name")) + 4
        row = f"{{:<{width}}}" + "  {:>15}" * 5
        rule = "-" * width + ("  " + "-" * 15) * 5
        lines = [rule, row.format(*_COLUMNS), rule]
        for e in events:
            times = e.cpu_time_str, e.cuda_time_str, e.count, e.cpu_time_total_str, e.cuda_time_total_str
            lines.append(row.format(e.key, *times))
        return "\n".join([*lines, ""])

    def key_averages(self):
        """The calls of each name as one FunctionEventAvg, in an EventList."""
        found = OrderedDict()
        for event in self:
            found.setdefault(event.key, FunctionEventAvg())
            found[event.key] += event
        return EventList(found.values())

    def total_average(self):
        """All calls as one FunctionEventAvg, with the key 'Total'. What is nested counts again."""
        total = FunctionEventAvg()
        total.key = "Total"
        for event in self:
            total += event
        return total

    def export_chrome_trace(self, path):
        """Write the events to the file `path`, which chrome://tracing and Perfetto show as a picture over time."""
        trace = [
            {
                "name": e.name,
                "ph": "X",  # an event with a duration
                "ts": e.cpu_interval.start,
                "dur": e.cpu_interval.elapsed_us(),
                "tid": e.thread,
                "pid": "CPU functions",
                "args": {"id": e.id},
            }
            for e in self
        ]
        with open(path, "w", encoding="utf-8") as file:
            json.dump(trace, file)


_lock = threading.Lock()


class profile:
    """profile(enabled=True, use_cuda=False): record what runs inside of the `with`, in all threads.

    enabled=False: nothing is recorded. use_cuda: times of the GPU as well, for which there must be one (RuntimeError).
    After the block, `function_events` is an EventList of FunctionEvents; `table`, `key_averages`, `total_average` and
    `export_chrome_trace` are its methods (RuntimeError before). Raises RuntimeError when entered a second time, and
    while another profile is open.

    >>> import minigrad as torch
    >>> from minigrad.autograd import Variable, profiler
    >>> x = Variable(torch.ones(3), requires_grad=True)
    >>> with profiler.profile() as prof:
    ...     (x * x).sum().backward()
    >>> [event.name for event in prof.function_events]
    ['mul', 'sum', 'SumBackward', 'MulBackward1', 'AccumulateGrad']
    """

    def __init__(self, enabled=True, use_cuda=False):
        self.enabled = enabled
        self.use_cuda = use_cuda
        self.function_events = None
        self.entered = False
        self._recorded = []

    def __enter__(self):
        if not self.enabled:
            return self
        if self.entered:
            raise RuntimeError("profile: this profile was used before; make a new one for each `with`")
        if self.use_cuda:
            devices.require()
        with _lock:
            before = _core.watch_events(self._recorded)
            if before is not None:
                _core.watch_events(before)
                raise RuntimeError("profile: another profile is open; profiles do not nest")
            self.entered = True
        self._began = time.perf_counter_ns()
        return self

    def __exit__(self, *exception):
        if self.enabled:
            _core.watch_events(None)
            # A call that another thread is still in ends later and is not in the list any more.
            self.function_events = _events(self._recorded, self._began)
            self._recorded = []
        return False

    def _finished(self, name):
        if self.function_events is None:
            why = "nothing was recorded (enabled=False)" if not self.enabled else "the profile has not ended yet"
            raise RuntimeError(f"profile.{name}: {why}")
        return self.function_events

    def table(self, sort_by=None):
        return self._finished("table").table(sort_by)

    table.__doc__ = EventList.table.__doc__

    def key_averages(self):
        return self._finished("key_averages").key_averages()

    key_averages.__doc__ = EventList.key_averages.__doc__

    def total_average(self):
        return self._finished("total_average").total_average()

    total_average.__doc__ = EventList.total_average.__doc__

    def export_chrome_trace(self, path):
        return self._finished("export_chrome_trace").export_chrome_trace(path)

    export_chrome_trace.__doc__ = EventList.export_chrome_trace.__doc__

    def __repr__(self):
        if self.function_events is None:
            return f"<unfinished {_core.package}.autograd.profiler.profile>"
        return str(self.function_events)


def _events(recorded, began):
    """FunctionEvents, by their beginnings; of two that began at once the one that contains the other first."""
    ordered = sorted(recorded, key=lambda event: (event[1], -event[2]))
    threads, ids = {}, itertools.count()
    return EventList(
        FunctionEvent(
            next(ids), name, threads.setdefault(thread, len(threads)), (start - began) / 1000, (end - began) / 1000
        )
        for name, start, end, thread in ordered
    )


class emit_nvtx:
    """emit_nvtx(enabled=True): mark operations for NVIDIA's profilers. It needs a GPU: entering it raises RuntimeError.

    After `run --cpu` it does nothing instead.
    """

    def __init__(self, enabled=True):
        self.enabled = enabled

    def __enter__(self):
        if self.enabled:
            devices.require()
        return self

    def __exit__(self, *exception):
        return False


__getattr__ = missing.attribute_error(__name__)
