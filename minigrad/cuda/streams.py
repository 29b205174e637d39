"""Queues of a GPU's work, and places in them: CuPy's, by the era's names.

After `use_cpu` there is no queue and nothing to wait for: every one of these calls does nothing.
"""

from minigrad.ops import devices


class Stream:
    """Stream(device=None, priority=0): a queue of a GPU's work. Work of two streams may run at the same time.

    device: the GPU's number (None: the one in use). priority: 0, or negative for more urgent work.
    """

    def __init__(self, device=None, priority=0):
        self.device, self._queue = None, None
        if devices.require():
            self.device = devices.checked("Stream", device)
            with devices.use(self.device):
                self._queue = devices.cupy().cuda.Stream(non_blocking=True, priority=priority)

    @classmethod
    def _of(cls, queue, device):
        made = cls.__new__(cls)
        made.device, made._queue = device, queue
        return made

    def wait_event(self, event):
        """Let the queue wait for the event."""
        if self._queue is not None:
            self._queue.wait_event(event._place)

    def wait_stream(self, stream):
        """Let the queue wait for what is in another one now."""
        self.wait_event(stream.record_event())

    def record_event(self, event=None):
        """An event at this place of the queue: a new one, or the given one moved here."""
        event = Event() if event is None else event
        event.record(self)
        return event

    def query(self):
        """Whether all its work is done."""
        return self._queue is None or bool(self._queue.done)

    def synchronize(self):
        """Wait until all its work is done."""
        if self._queue is not None:
            self._queue.synchronize()

    @property
    def cuda_stream(self):
        """The address by which CUDA knows the queue; 0 is the default one."""
        return 0 if self._queue is None else int(self._queue.ptr)

    def __eq__(self, other):
        return (
            isinstance(other, Stream) and (self.device, self.cuda_stream) == (other.device, other.cuda_stream)
        )  # fmt: skip

    def __hash__(self):
        return hash((self.device, self.cuda_stream))

    def __repr__(self):
        return f"<cuda.Stream device={self.device} cuda_stream={self.cuda_stream:#x}>"


class Event:
    """Event(enable_timing=False, blocking=False, interprocess=False): a place in a queue of a GPU's work.

    enable_timing: for `elapsed_time`. blocking: `synchronize` sleeps instead of spinning. interprocess: for other
    processes too (without timing). An event is made on the GPU on whose queue it is first recorded.
    """

    def __init__(self, enable_timing=False, blocking=False, interprocess=False, _handle=None):
        devices.require()
        self._options = {"block": blocking, "disable_timing": not enable_timing, "interprocess": interprocess}
        self._place = None

    def record(self, stream=None):
        """Put it at this place of the stream (None: the one in use)."""
        stream = current_stream() if stream is None else stream
        if stream._queue is None:
            return
        with devices.use(stream.device):
            if self._place is None:
                self._place = devices.cupy().cuda.Event(**self._options)
            self._place.record(stream._queue)

    def wait(self, stream=None):
        """Let the stream (None: the one in use) wait for it."""
        if self._place is not None:
            (current_stream() if stream is None else stream).wait_event(self)

    def query(self):
        """Whether it has been reached."""
        return self._place is None or bool(self._place.done)

    def elapsed_time(self, end_event):
        """Milliseconds from here to another event; both must have been made with enable_timing, and be reached."""
        if self._place is None or end_event._place is None:
            raise RuntimeError("elapsed_time: both events must have been recorded on a GPU first")
        return float(devices.cupy().cuda.get_elapsed_time(self._place, end_event._place))

    def synchronize(self):
        """Wait until it is reached."""
        if self._place is not None:
            self._place.synchronize()

    def __repr__(self):
        return f"<cuda.Event {'not recorded' if self._place is None else 'recorded'}>"


class stream:
    """Context manager: what is asked of the GPU goes to this queue, on its GPU; nothing for None."""

    def __init__(self, stream):
        self.stream = stream
        self._entered = []

    def __enter__(self):
        if self.stream is not None and self.stream._queue is not None:
            self._entered = [devices.use(self.stream.device), self.stream._queue]
            for context in self._entered:
                context.__enter__()
        return self

    def __exit__(self, *exception):
        while self._entered:
            self._entered.pop().__exit__(*exception)


def current_stream():
    """The queue in use."""
    if not devices.require():
        return Stream._of(None, None)
    return Stream._of(devices.cupy().cuda.get_current_stream(), devices.current())


def default_stream():
    """The queue that is in use where no other one was chosen."""
    if not devices.require():
        return Stream._of(None, None)
    return Stream._of(devices.cupy().cuda.Stream.null, devices.current())
