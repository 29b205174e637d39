"""The devices of the stand-in for CuPy: which one is in use, streams and events whose work is done at once, and memory
that belongs to a device and is counted."""

import ctypes
import itertools
import threading
import weakref

import numpy as np

DEVICES = 2


class CUDARuntimeError(RuntimeError):
    """What CUDA complains of."""


# ---------------------------------------------------------------- devices

state = threading.local()


def devices_in_use():
    """Of this thread; the last one is the current one, those before it are come back to."""
    if not hasattr(state, "devices"):
        state.devices, state.streams = [0], []
    return state.devices


class Device:
    """A GPU, by its number. As a context manager: the one in use."""

    def __init__(self, device=None):
        self.id = devices_in_use()[-1] if device is None else int(device)

    def __enter__(self):
        devices_in_use().append(self.id)
        return self

    def __exit__(self, *exception):
        devices_in_use().pop()

    def __eq__(self, other):
        return isinstance(other, Device) and self.id == other.id

    def __hash__(self):
        return hash(self.id)

    def use(self):
        if not 0 <= self.id < DEVICES:
            raise CUDARuntimeError("cudaErrorInvalidDevice: invalid device ordinal")
        devices_in_use()[-1] = self.id

    def synchronize(self):
        pass


class Event:
    """A place in a stream, reached at once."""

    def __init__(self, block=False, disable_timing=False, interprocess=False):
        self.disable_timing, self.done, self.recorded = disable_timing, True, None

    def record(self, stream=None):
        self.recorded = stream

    def synchronize(self):
        pass


class Stream:
    """A queue whose work is done when it is asked for."""

    _numbers = itertools.count(1)

    def __init__(self, null=False, non_blocking=False, ptds=False, *, priority=0):
        self.ptr, self.done, self.waited = 0 if null else next(self._numbers), True, []

    def __enter__(self):
        devices_in_use()
        state.streams.append(self)
        return self

    def __exit__(self, *exception):
        state.streams.pop()

    def wait_event(self, event):
        self.waited.append(event)

    def synchronize(self):
        pass


Stream.null = Stream(null=True)


def get_current_stream(device_id=-1):
    devices_in_use()
    return state.streams[-1] if state.streams else Stream.null


def get_elapsed_time(start_event, end_event):
    if start_event.disable_timing or end_event.disable_timing:
        raise CUDARuntimeError("cudaErrorInvalidResourceHandle: invalid resource handle")
    return 0.5


# ---------------------------------------------------------------- memory

_held = [0] * DEVICES


class Memory:
    """Bytes on a device."""

    def __init__(self, size, device_id):
        self.size, self.device_id = size, device_id
        self._bytes = np.empty(max(size, 1), np.uint8)
        self.ptr = self._bytes.ctypes.data
        _held[device_id] += size
        weakref.finalize(self, self._free, size, device_id)

    @staticmethod
    def _free(size, device_id):
        _held[device_id] -= size

    @property
    def device(self):
        return Device(self.device_id)


class UnownedMemory:
    """Bytes that another object owns."""

    def __init__(self, ptr, size, owner, device_id=-1):
        self.ptr, self.size, self._owner, self.device_id = ptr, size, owner, device_id
        self._bytes = np.frombuffer((ctypes.c_uint8 * max(size, 1)).from_address(ptr), np.uint8)

    device = Memory.device


class MemoryPointer:
    """A place in a memory."""

    def __init__(self, mem, offset):
        self.mem, self.ptr, self.device_id, self.device = mem, mem.ptr + offset, mem.device_id, mem.device


class PinnedMemoryPointer(bytearray):
    """Stands for pinned memory: the base of what `empty_pinned` makes."""


class MemoryPool:
    def used_bytes(self):
        return _held[devices_in_use()[-1]]

    total_bytes = used_bytes

    def free_all_blocks(self):
        pass
