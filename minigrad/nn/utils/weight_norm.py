"""Weight normalisation: length and direction of weights as parameters of their own. Salimans and Kingma (2016)."""

from minigrad.nn.parameter import Parameter
from minigrad.ops.shape import wrap_dim

__all__ = ["remove_weight_norm", "weight_norm"]


def _norm(v, dim):
    """Norm of v over all dimensions but `dim`, which keeps its place; over all of them if dim is None."""
    if dim is None:
        return v.norm()
    count = v.dim()
    dim = wrap_dim(dim, count, "weight_norm: dim")
    order = (dim, *(d for d in range(count) if d != dim))
    size = [1] * count
    size[dim] = v.size(dim)
    return v.permute(*order).contiguous().view(v.size(dim), -1).norm(2, 1).view(*size)


class WeightNorm:
    """The forward pre-hook that computes the weight: w = g v / |v|."""

    def __init__(self, name, dim):
        self.name, self.dim = name, dim

    def compute_weight(self, module):
        g, v = getattr(module, f"{self.name}_g"), getattr(module, f"{self.name}_v")
        return v * (g / _norm(v, self.dim))

    def __call__(self, module, inputs):
        setattr(module, self.name, self.compute_weight(module))


def _hooks(module, name):
    return [(k, h) for k, h in module._forward_pre_hooks.items() if isinstance(h, WeightNorm) and h.name == name]


def weight_norm(module, name="weight", dim=0):
    """Replace the parameter `name` of `module` by ``name_g``, its norm, and ``name_v``, its direction; returns module.

    w = g v / |v| is computed anew before each forward. dim: the norm is taken over all other dimensions (so 0 gives
    each output of a Linear its own); None: over all, one number.

    Raises ValueError if module has no parameter `name`, or it is normalised already; RuntimeError for a dim that the
    parameter does not have.

    >>> from minigrad import nn
    >>> m = weight_norm(nn.Linear(20, 40))
    >>> m.weight_g.size(), m.weight_v.size()
    (minigrad.Size([40, 1]), minigrad.Size([40, 20]))
    """
    kind = type(module).__name__
    if _hooks(module, name):
        raise ValueError(f"weight_norm: {name!r} of {kind} is normalised already")
    if module._parameters.get(name) is None:
        raise ValueError(
            f"weight_norm: {kind} has no parameter {name!r}; it has {', '.join(module._parameters) or 'none'}"
        )
    weight = module._parameters[name]
    hook = WeightNorm(name, dim)
    norm = _norm(weight.detach(), dim)
    del module._parameters[name]
    module.register_parameter(f"{name}_g", Parameter(norm.data))
    module.register_parameter(f"{name}_v", Parameter(weight.data))
    setattr(module, name, hook.compute_weight(module))
    module.register_forward_pre_hook(hook)
    return module


def remove_weight_norm(module, name="weight"):
    """Make the current weight a parameter `name` again, in place of ``name_g`` and ``name_v``; returns module.

    Raises ValueError if `name` is not normalised.
    """
    hooks = _hooks(module, name)
    if not hooks:
        raise ValueError(f"remove_weight_norm: {name!r} of {type(module).__name__} is not normalised by weight_norm")
    for key, hook in hooks:
        weight = hook.compute_weight(module)
        delattr(module, name)
        del module._parameters[f"{name}_g"], module._parameters[f"{name}_v"], module._forward_pre_hooks[key]
        module.register_parameter(name, Parameter(weight.data))
    return module
