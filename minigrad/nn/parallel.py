"""The era's way to several GPUs, on a machine that has none.

A program that asks how many GPUs there are finds 0: `DataParallel` and `data_parallel` then pass their inputs to the
module, as in the era. The four steps that they consist of (`replicate`, `scatter`, `parallel_apply`, `gather`) do on
the CPU what needs no GPU, and name what is missing (`devices.require`) where they are given the number of one. After
`run --cpu` such numbers stand for the CPU: the batch is divided, computed piece by piece, and joined.
"""

from minigrad._core import Variable, array_of
from minigrad.nn.module import Module
from minigrad.ops import devices
from minigrad.ops.shape import cat, chunk, wrap_dim
from minigrad.utils import missing

__all__ = ["DataParallel", "data_parallel", "gather", "parallel_apply", "replicate", "scatter", "scatter_kwargs"]

__path__ = ()  # the era's submodules (parallel.data_parallel, parallel.scatter_gather ...) are this one module


class DataParallel(Module):
    """Pass every call to `module`, unchanged: without GPUs there is one replica, and it sees the whole batch.

    The wrapped network is `.module`, and the names in `state_dict()` begin with ``module.``, as for any sub-module.
    Raises TypeError if `module` is none; the other arguments choose GPUs and are not looked at.
    """

    def __init__(self, module, device_ids=None, output_device=None, dim=0):
        super().__init__()
        if not isinstance(module, Module):
            raise TypeError(f"DataParallel: module must be a Module, got {type(module).__name__}")
        self.module = module
        self.device_ids = []
        self.output_device = output_device
        self.dim = dim

    def forward(self, *inputs, **kwargs):
        return self.module(*inputs, **kwargs)


def data_parallel(module, inputs, device_ids=None, output_device=None, dim=0, module_kwargs=None):
    """`module(*inputs, **module_kwargs)`: what `DataParallel` does, in one call. `inputs`: one Variable or a tuple."""
    return module(*(inputs if isinstance(inputs, tuple) else (inputs,)), **(module_kwargs or {}))


def _devices(name, argument, devices):
    """A list of device numbers; those of GPUs need GPUs."""
    if isinstance(devices, int) and not isinstance(devices, bool):
        devices = [devices]
    if isinstance(devices, str) or not hasattr(devices, "__iter__"):
        raise TypeError(f"{name}: {argument} must be a list of device numbers, got {type(devices).__name__}")
    devices = list(devices)
    for device in devices:
        _check_device(name, argument, device)
    return devices


def _check_device(name, argument, device):
    if device is None:
        return
    if isinstance(device, bool) or not hasattr(device, "__index__"):
        raise TypeError(f"{name}: {argument} must be device numbers (-1 for the CPU), got {device!r}")
    if device >= 0:
        devices.require()


def replicate(network, devices):
    """One replica of the network for each device: none for an empty list.

    Without GPUs a replica is the network itself, for it would share its parameters' gradients anyway. RuntimeError for
    the number of a GPU that is not there.
    """
    if not isinstance(network, Module):
        raise TypeError(f"replicate: network must be a Module, got {type(network).__name__}")
    return [network] * len(_devices("replicate", "devices", devices))


def scatter(inputs, target_gpus, dim=0):
    """Divide the inputs among the devices: a list with one part for each device (fewer if there is less to divide).

    Variables are cut along dim into pieces of equal size (the last may be smaller); tuples, lists and dicts are divided
    inside, and anything else goes to every device as it is. RuntimeError for the number of a GPU that is not there,
    ValueError for no device, TypeError for a Tensor.
    """
    devices = _devices("scatter", "target_gpus", target_gpus)
    if not devices:
        raise ValueError("scatter: target_gpus is empty; there must be a device to scatter to")
    return _scattered(inputs, len(devices), dim)


def _scattered(obj, count, dim):
    if isinstance(obj, Variable):
        return list(chunk(obj, count, wrap_dim(dim, array_of(obj).ndim, "scatter: dim")))
    if hasattr(obj, "storage_type"):
        raise TypeError("scatter: Tensors are not scattered, Variables are; wrap it: Variable(tensor)")
    if isinstance(obj, tuple) and obj:
        parts = list(zip(*(_scattered(each, count, dim) for each in obj)))
        return [type(obj)(*part) for part in parts] if hasattr(obj, "_fields") else parts
    if isinstance(obj, list) and obj:
        return [list(part) for part in zip(*(_scattered(each, count, dim) for each in obj))]
    if isinstance(obj, dict) and obj:
        values = zip(*(_scattered(each, count, dim) for each in obj.values()))
        return [type(obj)(zip(obj, part)) for part in values]
    return [obj] * count


def scatter_kwargs(inputs, kwargs, target_gpus, dim=0):
    """(inputs, kwargs) of each device, as two tuples of equal length; the shorter one is filled with empty parts."""
    parts = scatter(inputs, target_gpus, dim) if inputs else []
    named = scatter(kwargs, target_gpus, dim) if kwargs else []
    parts += [()] * (len(named) - len(parts))
    named += [{} for _ in range(len(parts) - len(named))]
    return tuple(parts), tuple(named)


def parallel_apply(modules, inputs, kwargs_tup=None, devices=None):
    """What each of modules gives for its part of inputs and of kwargs_tup, as a list; a single input needs no tuple.

    They are computed one after another: on the CPU the operations themselves use all processors. ValueError if the
    numbers of modules, inputs, kwargs and devices differ, RuntimeError for the number of a GPU that is not there.
    """
    lengths = {"modules": len(modules), "inputs": len(inputs)}
    if kwargs_tup is not None:
        lengths["kwargs_tup"] = len(kwargs_tup)
    if devices is not None:
        lengths["devices"] = len(_devices("parallel_apply", "devices", devices))
    if len(set(lengths.values())) > 1:
        raise ValueError(f"parallel_apply: there must be as many of each, got {lengths}")
    kwargs_tup = kwargs_tup or [{}] * len(modules)
    return [
        module(*(given if isinstance(given, (tuple, list)) else (given,)), **(kwargs or {}))
        for module, given, kwargs in zip(modules, inputs, kwargs_tup)
    ]


def gather(outputs, target_device, dim=0):
    """Join the outputs of replicas along dim, on the target device (-1 or None for the CPU).

    outputs: Variables, or tuples, lists and dicts of them, nested alike; None stays None. RuntimeError for the number
    of a GPU that is not there, ValueError for no outputs.
    """
    _check_device("gather", "target_device", target_device)
    outputs = list(outputs)
    if not outputs:
        raise ValueError("gather: outputs is empty; there must be something to join")
    return _gathered(outputs, dim)


def _gathered(outputs, dim):
    first = outputs[0]
    if isinstance(first, Variable):
        return cat(outputs, dim)
    if first is None:
        return None
    if isinstance(first, dict):
        return type(first)((key, _gathered([each[key] for each in outputs], dim)) for key in first)
    if isinstance(first, (tuple, list)):
        joined = [_gathered(list(each), dim) for each in zip(*outputs)]
        return type(first)(*joined) if hasattr(first, "_fields") else type(first)(joined)
    raise TypeError(
        f"gather: outputs must be Variables, or tuples, lists and dicts of them, got {type(first).__name__}"
    )


__getattr__ = missing.attribute_error(__name__)
