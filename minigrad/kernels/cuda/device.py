"""The card that CuPy has: arrays, and ways to launch.

A resident kernel is one cooperative launch. The kernels of single steps are launched from a CUDA graph, which is
captured once for each shape: a launch's arguments are the address of the layer's table, which belongs to the graph, and
the number of the step, so another layer of the same shape only has another table copied there. Copy and launches go to
the caller's stream in this order; a graph belongs to one stream, so a table is not overwritten while it is read.

The graph holds launches of our own kernels and nothing else (CuPy refuses cuBLAS while capturing), and they allocate
nothing.

Other launches get a table of their own from CuPy's `asarray`: it copies the numbers to pinned memory of the host, from
there to new memory of the device in the order of the caller's stream, and nobody waits. The one is used again when that
copy has been made, the other for what comes later in the stream, so no table is overwritten before it was read.
"""

import functools
import threading
from collections import OrderedDict

import numpy as np

from .layer import FIELDS
from .optim import THREADS as STEP_THREADS
from .plan import THREADS
from .source import ENTRY, OPTIONS, STEP_ENTRY, source, step_source

_MOST_GRAPHS = 32


class CupyDevice:
    """The current CUDA device; one instance for each, from `current`."""

    def __init__(self, cupy, number):
        self.xp, self._number = cupy, number
        runtime = cupy.cuda.runtime
        self.multiprocessors = runtime.deviceGetAttribute(runtime.cudaDevAttrMultiProcessorCount, number)
        self.shared_limit = runtime.deviceGetAttribute(runtime.cudaDevAttrMaxSharedMemoryPerBlockOptin, number)
        if not runtime.deviceGetAttribute(runtime.cudaDevAttrCooperativeLaunch, number):
            self.multiprocessors = 0  # nothing is resident
        self._kernel = functools.cache(self._compiled)
        self._step_kernel = functools.cache(
            lambda rule, item: cupy.RawKernel(step_source(rule, item), STEP_ENTRY, OPTIONS)
        )
        self._graphs = OrderedDict()
        self._lock = threading.Lock()

    def address(self, array):
        return array.data.ptr

    def holds(self, array):
        return array.data.device_id == self._number

    def _compiled(self, configuration):
        kernel = self.xp.RawKernel(
            source(configuration), ENTRY, OPTIONS, enable_cooperative_groups=configuration.resident
        )
        if configuration.resident:
            kernel.max_dynamic_shared_size_bytes = self.shared_limit
        return kernel

    def run(self, configuration, plan, table, iterations):
        kernel = self._kernel(configuration)
        if configuration.resident:
            place = self.xp.asarray(table)
            arguments = place, np.int64(0), np.int64(iterations)
            kernel((plan.blocks,), (THREADS,), arguments, shared_mem=plan.shared)
            return
        stream = self.xp.cuda.get_current_stream()
        with self._lock:
            graph, place = self._graph(kernel, configuration, plan, iterations, stream)
            place.set(table, stream=stream)  # in the stream's order: an earlier layer may still be reading
            graph.launch(stream)

    def step(self, rule, item, table, rows, chunks):
        self._step_kernel(rule, item)((chunks,), (STEP_THREADS,), (self.xp.asarray(table), np.int64(rows)))

    def _graph(self, kernel, configuration, plan, iterations, stream):
        key = configuration, plan.blocks, plan.shared, iterations, stream.ptr
        if key in self._graphs:
            self._graphs.move_to_end(key)
            return self._graphs[key]
        place = self.xp.empty(len(FIELDS), np.int64)
        kernel.attributes  # noqa: B018, loads the kernel, which may not happen while capturing
        capturing = self.xp.cuda.Stream(non_blocking=True)
        with capturing:
            capturing.begin_capture()
            for i in range(iterations):
                arguments = place, np.int64(i), np.int64(i + 1)
                kernel((plan.blocks,), (THREADS,), arguments, shared_mem=plan.shared)
            graph = capturing.end_capture()
        self._graphs[key] = graph, place
        if len(self._graphs) > _MOST_GRAPHS:
            self._graphs.popitem(last=False)
        return self._graphs[key]


@functools.cache
def _device(number):
    import cupy

    return CupyDevice(cupy, number)


def current():
    """The device that CuPy uses now."""
    import cupy

    return _device(cupy.cuda.runtime.getDevice())
