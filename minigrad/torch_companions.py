"""PyTorch's companion packages (`torchvision`, `torchtext` ...), which need a real PyTorch below them.

Programs import them at their top, often for one name that they then do not use (`import torchvision.transforms as T` in
an example of reinforcement learning). So the import is answered by an empty stand-in, and the error that says why the
package is not there comes where something of it is used: called, subclassed, iterated over, indexed. A package of that
name that is not installed but lies among the program's own files is the program's, and is imported as any other.
"""

import importlib.machinery
import sys
import types
from pathlib import PurePath

REASONS = {
    "torchvision": "images are out of minigrad's scope; for digits and the like, read the arrays with NumPy and wrap "
    "them in torch.utils.data.TensorDataset",
    "torchtext": "read the text with Python's own open() and make index tensors with torch.LongTensor",
    "torchaudio": "read the samples with the standard library's wave module or SciPy, and use torch.from_numpy",
    "torch_xla": "minigrad computes on the CPU",
    "ignite": "write the training loop out",
    "pytorch_lightning": "write the training loop out",
}
_INSTALLED = {"site-packages", "dist-packages"}


def _refusal(fullname):
    top = fullname.partition(".")[0]
    return ModuleNotFoundError(
        f"{fullname} is not there: {top} is a companion of PyTorch, which minigrad answers for here, and needs the "
        f"real one: {REASONS[top]}",
        name=fullname,
    )


class AbsentName:
    """A name of a companion: it may be held and passed on, and refuses to be used."""

    def __init__(self, fullname):
        self.__fullname = fullname

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return AbsentName(f"{self.__fullname}.{name}")

    def __refuse(self, *arguments, **named):
        raise _refusal(self.__fullname)

    __call__ = __iter__ = __len__ = __getitem__ = __mro_entries__ = __enter__ = __refuse

    def __instancecheck__(self, instance):
        return False

    def __repr__(self):
        return f"<{self.__fullname}, which is not there>"


class AbsentModule(types.ModuleType):
    def __getattr__(self, name):
        if name.startswith("__"):  # the import system, copy and inspect do without
            raise AttributeError(name)
        return AbsentName(f"{self.__name__}.{name}")


class _Loader:
    def create_module(self, spec):
        return AbsentModule(spec.name, _refusal(spec.name).msg)

    def exec_module(self, module):
        pass


def _is_the_programs(fullname):
    spec = importlib.machinery.PathFinder.find_spec(fullname)
    if spec is None:
        return False
    places = [spec.origin] if spec.origin else list(spec.submodule_search_locations)
    return not any(_INSTALLED.intersection(PurePath(place).parts) for place in places)


def find_spec(fullname):
    """The spec of a stand-in for `torchvision`, `torchvision.datasets` ...; None for what is no companion's."""
    top, _, rest = fullname.partition(".")
    if top not in REASONS:
        return None
    if not isinstance(sys.modules.get(top), AbsentModule) if rest else _is_the_programs(top):
        return None
    return importlib.machinery.ModuleSpec(fullname, _Loader(), is_package=True)


def forget():
    """Take the stand-ins out of `sys.modules`."""
    for name in [name for name, module in sys.modules.items() if isinstance(module, AbsentModule)]:
        del sys.modules[name]
