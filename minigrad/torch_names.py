"""`import torch` answered by minigrad, for programs that were written for PyTorch 0.3 and are run as they are.

A finder at the front of `sys.meta_path` answers `torch` and `torch.x.y` with the very modules `minigrad` and
`minigrad.x.y`: one module under two names, so that `torch.nn.Linear is minigrad.nn.Linear`. Packages that need a real
PyTorch below them (`torchvision`, `torchtext` ...) are answered by stand-ins, see `minigrad.torch_companions`.
"""

import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import sys

from minigrad import _core, torch_companions
from minigrad._version import __version__
from minigrad.utils import missing

_PACKAGE = __package__  # "minigrad"

# The era's modules. What minigrad has besides (kernels, operations, this file) is no part of `torch`.
_MODULES = {"autograd", "backends", "cuda", "multiprocessing", "nn", "optim", "random", "serialization", "utils"}
_MODULES |= {"storage", "tensor", "functional", "distributions"}
_ELSEWHERE = {"random": "tensor.random", "storage": "tensor.storage", "functional": ""}

API_VERSION = (
    f"0.3.0+minigrad.{__version__}"  # what `torch.__version__` is: scripts compare it with versions of the API
)


class _Loader(importlib.abc.Loader):
    """Hands out a module that is there already, as it is."""

    def __init__(self, module):
        self.module = module
        self.spec = module.__spec__

    def create_module(self, spec):
        return self.module

    def exec_module(self, module):
        module.__spec__ = self.spec  # the import system put the alias's there


class _Finder(importlib.abc.MetaPathFinder):
    def find_spec(self, fullname, path=None, target=None):
        top, _, rest = fullname.partition(".")
        if top != "torch":
            return torch_companions.find_spec(fullname)
        module = _module(rest)
        if module is None:
            raise ModuleNotFoundError(
                missing.module_message(fullname, _names_in(fullname.rpartition(".")[0])), name=fullname
            )
        return importlib.machinery.ModuleSpec(fullname, _Loader(module))


def _names_in(parent):
    return _MODULES if parent == "torch" else dir(sys.modules.get(parent))


def _module(rest):
    """minigrad's module for `torch.<rest>`; None if there is none."""
    first, _, inner = rest.partition(".")
    if rest and first not in _MODULES:
        return None
    first = _ELSEWHERE.get(first, first)
    name = ".".join(part for part in (_PACKAGE, first, inner) if part)
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not (name + ".").startswith(error.name + "."):
            raise  # something that minigrad's module itself needs
        return None


_finder = _Finder()
_saved = {}  # what was there before: empty while torch's name is not taken


def _refuse_a_real_torch():
    real = sys.modules.get("torch")
    if real is not None and real is not sys.modules[_PACKAGE]:
        version = getattr(real, "__version__", "of unknown version")
        raise RuntimeError(
            f"as_torch: a real PyTorch ({version}, {getattr(real, '__file__', 'no file')}) is already imported in this "
            "process, and programs that hold it would mix its tensors with minigrad's. Start a fresh interpreter (in a "
            "notebook: restart the kernel) and call as_torch() before anything imports torch"
        )


def _take():
    package = sys.modules[_PACKAGE]
    _saved.update(package=_core.package, version=package.__version__)
    _core.package = "torch"
    package.__version__ = API_VERSION
    sys.meta_path.insert(0, _finder)


def _give_back():
    sys.meta_path.remove(_finder)
    for name in [n for n in sys.modules if n == "torch" or n.startswith("torch.")]:
        del sys.modules[name]
    torch_companions.forget()
    _core.package = _saved.pop("package")
    sys.modules[_PACKAGE].__version__ = _saved.pop("version")


class as_torch:
    """From here on, `import torch` means minigrad, and names print with `torch.`.

    A plain call holds for the rest of the process; as a context manager it holds inside of the `with` only. What was
    imported stays imported: it is minigrad's own module, whatever it is called. `torch.__version__` tells the version
    of the API, 0.3.0.

    Raises RuntimeError if a real PyTorch is already imported in this process.

    >>> import minigrad
    >>> with minigrad.as_torch() as torch:
    ...     from torch.autograd import Variable
    ...     import torch.nn.functional as F
    ...     print(torch.zeros(2).size(), F.relu is minigrad.nn.functional.relu)
    torch.Size([2]) True
    """

    def __init__(self):
        _refuse_a_real_torch()
        self._took = not _saved
        if self._took:
            _take()

    def __enter__(self):
        return sys.modules[_PACKAGE]

    def __exit__(self, *exception):
        if self._took:
            self._took = False
            _give_back()
