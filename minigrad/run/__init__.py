"""python -m minigrad run: a script or a notebook that was written for PyTorch 0.3, as it is.

`program` runs a script, `notebook` a notebook; `source` reads both; `child` is about processes that a script starts,
`numpy_eases` about today's NumPy. Who answers `import torch` is `minigrad.torch_names`.
"""

import argparse
import os
import sys

from minigrad import cuda, torch_names
from minigrad.run import child, notebook, numpy_eases, program
from minigrad.serialization import trust_from_now_on


def main(argv=None):
    """Run a script or notebook of the PyTorch 0.3 era unmodified: its `import torch` is answered by minigrad."""
    parser = argparse.ArgumentParser(
        prog="python -m minigrad run",
        description=main.__doc__,
        epilog="The program sees itself as Python would run it: sys.argv, __name__, __file__, tracebacks and exit "
        "status are its own. `async` as the name of an argument is accepted; programs of Python 2 are not (see 2to3). "
        "A notebook's code cells run in order, in its own folder; IPython's magics are ignored with a notice.",
    )
    parser.add_argument("--cpu", action="store_true", help="let what asks for a GPU run on the CPU, with one notice")
    parser.add_argument("program", help="the script (.py) or notebook (.ipynb)")
    parser.add_argument("arguments", nargs=argparse.REMAINDER, metavar="...", help="arguments of the program")
    options = parser.parse_args(argv)
    path = options.program
    if os.path.isdir(path) or not os.path.exists(path):
        kind = "is a folder" if os.path.isdir(path) else "does not exist"
        parser.error(f"argument program: {path} {kind}; expected a script (.py) or notebook (.ipynb)")
    torch_names.as_torch()
    numpy_eases.install()
    if options.cpu:
        cuda.use_cpu()
    if sys.platform.startswith("linux") and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        os.environ.setdefault("MPLBACKEND", "Agg")  # plt.show() then shows nothing and does not wait
    run = notebook.run if path.endswith(".ipynb") else program.script
    if run is program.script:
        child.install(path, options.cpu)
    trust_from_now_on()  # of the era: whoever runs a program trusts it, and the modules of its classes that it loads
    run(path, options.arguments)
    return 0
