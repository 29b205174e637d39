"""Processes that a program starts afresh (the start methods spawn and forkserver): they read the program again.

Python has such a process run the program's file, as a module `__mp_main__`, to find its functions there. Here it runs
`child_program` in that file's place, which answers `import torch` first and reads the program as `run` does.
"""

import os

_PROGRAM, _CPU = "MINIGRAD_RUN_PROGRAM", "MINIGRAD_RUN_CPU"


def install(path, cpu):
    """Let processes that are started afresh run the script at `path` as this process does."""
    from multiprocessing import spawn

    os.environ[_PROGRAM] = os.path.abspath(path)
    os.environ[_CPU] = "1" if cpu else ""
    plain = spawn.get_preparation_data

    def get_preparation_data(name):
        data = plain(name)
        if data.pop("init_main_from_path", None) is not None:
            data["init_main_from_name"] = "minigrad.run.child_program"
        return data

    spawn.get_preparation_data = get_preparation_data


def main(namespace):
    """Run the program in `namespace`, that of the module that stands for it."""
    from minigrad import cuda, torch_names
    from minigrad.run import numpy_eases, source
    from minigrad.serialization import trust_from_now_on

    path = os.environ[_PROGRAM]
    install(path, os.environ[_CPU])  # for processes of its own
    torch_names.as_torch()
    numpy_eases.install()
    if os.environ[_CPU]:
        cuda.use_cpu()
    trust_from_now_on()
    source.install(os.path.dirname(os.path.realpath(path)))
    namespace["__file__"] = path
    exec(source.compiled(source.read(path), path), namespace)
