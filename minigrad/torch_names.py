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
import types

from minigrad import _core, torch_companions
from minigrad._version import __version__
from minigrad.utils import missing
from minigrad.utils.era_names import era_name

_PACKAGE = __package__  # "minigrad"

# The era's modules. What minigrad has besides (kernels, operations, this file) is no part of `torch`.
_MODULES = {"autograd", "backends", "cuda", "distributions", "multiprocessing", "nn", "optim", "random"}
_MODULES |= {"_utils", "functional", "serialization", "storage", "tensor", "utils", "version"}
# Where the package keeps modules that the era had elsewhere; what was several modules may be one.
_ELSEWHERE = {"random": "tensor.random", "storage": "tensor.storage", "functional": ""}
_ELSEWHERE |= {f"optim.{name}": "optim.adaptive" for name in ("adadelta", "adagrad", "adam", "adamax", "rmsprop")}
_ELSEWHERE |= {f"optim.{name}": "optim.averaged" for name in ("asgd", "rprop")}
_ELSEWHERE |= {
    f"nn.parallel.{name}": "nn.parallel" for name in ("data_parallel", "parallel_apply", "replicate", "scatter_gather")
}

# What `torch.__version__` is: scripts compare it with versions of the API, and take its parts between dots for numbers.
API_VERSION = f"0.3.0.post4+minigrad.{__version__}"


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
        module = missing.absent_module(rest) or _module(rest)
        if module is None:
            raise ModuleNotFoundError(
                missing.module_message(fullname, _names_in(fullname.rpartition(".")[0])), name=fullname
            )
        _keep_what_is_there(fullname, module)
        return importlib.machinery.ModuleSpec(fullname, _Loader(module))


class _Parent(types.ModuleType):
    """A module in which a function has the name of a submodule, nn.utils.weight_norm for one, and keeps it."""

    def __setattr__(self, name, value):
        if not (isinstance(value, types.ModuleType) and callable(vars(self).get(name))):
            super().__setattr__(name, value)


def _keep_what_is_there(fullname, module):
    """See to it that the import system, which makes each submodule its parent's attribute, takes no function away."""
    parent, _, name = fullname.rpartition(".")
    parent = sys.modules.get(parent)
    if type(parent) is types.ModuleType and vars(parent).get(name, module) is not module:
        parent.__class__ = _Parent


def _names_in(parent):
    return _MODULES if parent == "torch" else dir(sys.modules.get(parent))


def _module(rest):
    """minigrad's module for `torch.<rest>`; None if there is none."""
    if rest and rest.partition(".")[0] not in _MODULES:
        return None
    name = ".".join(part for part in (_PACKAGE, _ELSEWHERE.get(rest, rest)) if part)
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not (name + ".").startswith(error.name + "."):
            raise  # something that minigrad's module itself needs
        return None


def _printed(cls):
    """How a class of the package prints as one of torch's; None for any other."""
    name = era_name(cls)
    if name is None:
        return None
    if issubclass(cls, _core.Node):  # the era's nodes were classes without a module
        name = cls.__name__
    return f"<class '{name}'>"


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
    _core.print_classes(_printed)
    sys.meta_path.insert(0, _finder)


def _give_back():
    sys.meta_path.remove(_finder)
    for name in [n for n in sys.modules if n == "torch" or n.startswith("torch.")]:
        del sys.modules[name]
    torch_companions.forget()
    _core.print_classes(None)
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
