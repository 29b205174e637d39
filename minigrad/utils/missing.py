"""Names that are not there: an error that says why, and what is near.

`__getattr__ = attribute_error(__name__)` is all that a module needs: Python asks it for every attribute that the module
lacks, also on behalf of `from module import name`, where the message of an AttributeError would be lost.
"""

import difflib
import dis
import importlib
import re
import sys
import types

from minigrad import _core

_IMAGES = (
    r"(?i)(lazy)?_?(conv|deconv|batch_?norm[23]d|max_?(un)?pool|avg_?pool|adaptive_?|fractional|lp_?pool|pad$|\w+pad\d?d|upsampl|interpolate|pixel_?"
    r"(un)?shuffle|grid_sample|affine_grid|instance_?norm|local_?response|lrn|cross_?map|(un)?fold$|reflection|replication)"
)
# Names of later versions, with what the era wrote instead. Others of their kind are told apart by difflib.
_LATER = {
    "tensor": "make tensors by type, such as FloatTensor([1.5]) or LongTensor([1])",
    "as_tensor": "use from_numpy(array), or a type such as FloatTensor(list)",
    "no_grad": "mark the inputs instead, Variable(x, volatile=True)",
    "enable_grad": "history is recorded wherever an input requires it and none is volatile",
    "set_grad_enabled": "mark the inputs instead, Variable(x, volatile=True)",
    "inference_mode": "mark the inputs instead, Variable(x, volatile=True)",
    "device": "move values with .cuda() and .cpu()",
    "dtype": "types are classes, such as FloatTensor",
    "full": "use zeros(...).fill_(value)",
    "full_like": "use zeros_like(x).fill_(value)",
    "empty": "use Tensor(sizes), which is not initialised",
    "empty_like": "use x.new(x.size())",
    "rand_like": "use rand(x.size())",
    "randn_like": "use randn(x.size())",
    "randint": "use LongTensor(sizes).random_(low, high)",
    "argmax": "use _, index = max(x, dim)",
    "argmin": "use _, index = min(x, dim)",
    "where": "use mask * a + (1 - mask) * b",
    "einsum": "use bmm and view",
    "flatten": "use x.view(x.size(0), -1)",
    "Flatten": "use x.view(x.size(0), -1)",
    "pad_sequence": "fill zeros(longest, len(list), *rest) row by row",
    "pack_sequence": "use pack_padded_sequence",
    "one_hot": "use zeros(n, classes).scatter_(1, index, 1)",
    "gelu": "write it out",
    "MultiheadAttention": "write it out with bmm and softmax",
    "Transformer": "write it out with bmm and softmax",
    "Identity": "use Sequential()",
    "T": "use x.t(), or x.transpose(dim0, dim1)",
    "ndim": "use x.dim()",
    "argsort": "use _, index = sort(x, dim)",
    "concat": "use cat",
    "concatenate": "use cat",
    "logsumexp": "subtract the maximum, and use exp, sum and log",
    "LayerNorm": "write it out with mean and std",
    "layer_norm": "write it out with mean and std",
    "gumbel_softmax": "write it out with softmax",
    "item": "a single number is x[0] of a tensor, x.data[0] of a Variable",
    "to": "move values with .cuda() and .cpu(), convert them with .float(), .long() and their like",
    "requires_grad_": "make a Variable of a tensor, Variable(tensor, requires_grad=True)",
    "reshape": "use x.contiguous().view(sizes)",
    "unbind": "index it, or use chunk or split",
    "new_tensor": "use x.new(list)",
    "new_empty": "use x.new(sizes)",
    "new_zeros": "use x.new(sizes).zero_()",
    "new_ones": "use x.new(sizes).fill_(1)",
    "new_full": "use x.new(sizes).fill_(value)",
    "random_split": "use SubsetRandomSampler over randperm(n)",
    "Subset": "use SubsetRandomSampler(indices)",
}  # fmt: skip
for (
    _dtype
) in "float float32 float64 double half int int8 uint8 int16 short int32 int64 long bool float16 bfloat16".split():
    _LATER[_dtype] = "types are classes, such as FloatTensor and LongTensor"

_ELSEWHERE = {"hub", "compile"}
_DENSE = {"SparseAdam"}
# Where a name may be that is asked of another module.
_HOMES = ("autograd", "nn", "nn.functional", "optim", "utils.data")
_OUT_OF_SCOPE = "this part of PyTorch is out of minigrad's scope, recurrent networks"

# Modules of the era that are not here. Programs import them and may never use them: the name is there, using it is not.
_ABSENT = {
    *("contrib", "distributed", "jit", "legacy", "legacy.nn", "legacy.optim", "onnx", "sparse"),
    *("utils.ffi", "utils.model_zoo", "utils.serialization", "utils.trainer"),
    *("cuda.comm", "cuda.nccl", "cuda.nvtx", "cuda.profiler", "cuda.sparse"),
}


def reason(name, there):
    """Why `name` is not among the names `there`, and the nearest one that is: a text to put after a colon, or ''."""
    if re.match(_IMAGES, name):
        return "convolution, pooling, padding and other image layers are out of minigrad's scope, recurrent networks"
    if name in _LATER:
        return f"it belongs to later versions of PyTorch than 0.3; {_LATER[name]}"
    if name in _ELSEWHERE:
        return _OUT_OF_SCOPE
    if name in _DENSE:
        return "gradients are dense here, those of nn.Embedding(sparse=True) too; use the optimiser without 'Sparse'"
    public = [n for n in there if not n.startswith("_")]
    if name.endswith("_") and name[:-1] in public:
        return f"the name with an underscore belongs to later versions; here it is '{name[:-1]}'"
    lower = {n.lower(): n for n in public}
    near = [lower[name.lower()]] if name.lower() in lower else difflib.get_close_matches(name, public, n=1, cutoff=0.7)
    if not near:  # written in the other case, perhaps
        near = [lower[n] for n in difflib.get_close_matches(name.lower(), lower, n=1, cutoff=0.7)]
    if near:
        return f"the nearest name is '{near[0]}'"
    for home in _HOMES:
        if callable(vars(sys.modules.get(f"minigrad.{home}", object)).get(name)):
            return f"it is {home}.{name}"
    return ""


def printed(module_name):
    """A module's name as it prints: under `as_torch`, torch.nn for minigrad.nn."""
    return module_name.replace("minigrad", _core.package, 1)


def attribute_error(module_name, modules=None, computed=None):
    """A `__getattr__` for the module of this name.

    modules: names that come from a module which is imported when the first of them is asked for: {name: module},
    where a module stands for itself by its own name ({"data": "minigrad.utils.data"}). computed: functions of no
    argument that give the value of a name anew each time.
    """
    modules, computed = modules or {}, computed or {}

    def __getattr__(name):
        if name in computed:
            return computed[name]()
        if name == "torch" == _core.package:  # the era's modules had imported torch, and scripts write F.torch.cat
            return sys.modules["minigrad"]
        if name in modules:
            module = importlib.import_module(modules[name])
            value = module if modules[name].endswith(f".{name}") else getattr(module, name)
            setattr(sys.modules[module_name], name, value)
            return value
        absent = absent_module(f"{module_name}.{name}".partition(".")[2])
        if absent is not None:
            return absent
        module = sys.modules[module_name]
        if name.startswith("__"):  # the import system and copy ask for such names, and do without
            raise AttributeError(f"module '{printed(module_name)}' has no attribute '{name}'")
        why = reason(name, {*dir(module), *modules, *computed})
        text = f"minigrad's '{printed(module_name)}' has no '{name}'{why and ': '}{why}"
        if _importing(sys._getframe(1)):
            raise ImportError(f"cannot import name '{name}': {text}", name=printed(module_name))
        # obj=None: with it, Python would append a guess of its own to ours.
        raise AttributeError(text, name=name, obj=None)

    return __getattr__


class _AbsentModule(types.ModuleType):
    """A module of the era that minigrad does not have: it can be imported, and says so as soon as it is used."""

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(f"module '{self.__name__}' has no attribute '{name}'")
        below = absent_module(f"{self.__name__}.{name}".partition(".")[2])
        if below is not None:
            return below
        text = f"minigrad has no module '{self.__name__}', which '{name}' is asked of: {_OUT_OF_SCOPE}"
        if _importing(sys._getframe(1)):
            raise ImportError(f"cannot import name '{name}': {text}", name=self.__name__)
        raise AttributeError(text, name=name, obj=None)

    def __repr__(self):
        return f"<module '{self.__name__}', which minigrad does not have>"


_absent = {}


def absent_module(name):
    """The stand-in for a module of the era that minigrad does not have, such as onnx or legacy.nn; else None."""
    if name not in _ABSENT:
        return None
    if name not in _absent:
        _absent[name] = _AbsentModule(f"torch.{name}")
        if any(other.startswith(f"{name}.") for other in _ABSENT):
            _absent[name].__path__ = ()
    return _absent[name]


def _importing(frame):
    """Whether the frame stands at `from module import name`: there an AttributeError's text would not be seen."""
    return dis.opname[frame.f_code.co_code[frame.f_lasti]] == "IMPORT_FROM"


def module_message(fullname, there):
    """Why there is no module `fullname`, such as torch.jit, among the names `there` of its parent."""
    why = reason(fullname.rpartition(".")[2], there)
    return f"No module named '{fullname}': minigrad does not have it{why and '; '}{why}"
