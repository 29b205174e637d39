"""NVIDIA's run-time compiler, called directly: it needs neither a card nor a driver."""

import ctypes
import importlib.util
import platform
import re
from pathlib import Path
from typing import NamedTuple


class Resources(NamedTuple):
    """What ptxas says a kernel uses, in bytes but for the registers of a thread."""

    registers: int
    stack: int
    spill_stores: int
    spill_loads: int
    shared: int


def find():
    """The library of the package nvidia-cuda-nvrtc-cu12, or that of a later one if there is no other, or None."""
    if platform.system() != "Linux":
        return None
    package = importlib.util.find_spec("nvidia")
    for folder in package.submodule_search_locations if package else ():
        for path in sorted(Path(folder).glob("*/lib/libnvrtc.so.1[0-9]"), key=lambda path: path.name):
            # It opens this by its name alone, which not every package's library finds beside itself.
            for builtins in path.parent.glob("libnvrtc-builtins.so.*"):
                ctypes.CDLL(str(builtins), mode=ctypes.RTLD_GLOBAL)
            return ctypes.CDLL(str(path))
    return None


def compile_kernel(library, source, architecture, options):
    """(cubin, log) of a source for, say, sm_90. Raises ValueError with the log if it does not compile."""
    return _compiled(library, source, architecture, options, "CUBIN")


def compile_ptx(library, source, architecture, options):
    """The text of a source in PTX for, say, compute_90."""
    return _compiled(library, source, architecture, options, "PTX")[0].decode()


def _compiled(library, source, architecture, options, form):
    def checked(function, *arguments):
        status = getattr(library, function)(*arguments)
        assert status == 0, f"{function}: status {status}"

    program = ctypes.c_void_p()
    checked("nvrtcCreateProgram", ctypes.byref(program), source.encode(), b"layer.cu", 0, None, None)
    try:
        wanted = [f"--gpu-architecture={architecture}".encode(), *(option.encode() for option in options)]
        status = library.nvrtcCompileProgram(program, len(wanted), (ctypes.c_char_p * len(wanted))(*wanted))
        size = ctypes.c_size_t()
        checked("nvrtcGetProgramLogSize", program, ctypes.byref(size))
        log = ctypes.create_string_buffer(size.value)
        checked("nvrtcGetProgramLog", program, log)
        if status:
            raise ValueError(log.value.decode())
        checked(f"nvrtcGet{form}Size", program, ctypes.byref(size))
        code = ctypes.create_string_buffer(size.value)
        checked(f"nvrtcGet{form}", program, code)
        return code.raw, log.value.decode()
    finally:
        checked("nvrtcDestroyProgram", ctypes.byref(program))


def resources(log):
    """The Resources of the one kernel of a log of --ptxas-options=-v."""
    (frame,) = re.findall(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads", log)
    (registers,) = re.findall(r"Used (\d+) registers", log)
    shared = re.findall(r"(\d+) bytes smem", log)
    return Resources(int(registers), *map(int, frame), int(shared[0]) if shared else 0)
