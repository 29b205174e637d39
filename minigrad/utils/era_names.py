"""Where the era kept each class: the names by which its programs know and print them.

The package's own division into files is another. These names are what a class prints as while `torch` is answered by
minigrad, and what `typename` says then; `__module__`, and with it pickles and inspection, keep the real ones.
"""

_LAYERS = {
    "linear": "Linear Bilinear",
    "dropout": "Dropout Dropout2d Dropout3d AlphaDropout",
    "sparse": "Embedding EmbeddingBag",
    "distance": "PairwiseDistance CosineSimilarity",
}

# The package's modules -> the era's, both without the package's name; a class by itself where a module was divided.
_MODULES = {
    "nn.activation": "nn.modules.activation",
    "nn.batchnorm": "nn.modules.batchnorm",
    "nn.containers": "nn.modules.container",
    "nn.layers": "nn.modules",
    "nn.loss": "nn.modules.loss",
    "nn.module": "nn.modules.module",
    "nn.parallel": "nn.parallel.data_parallel",
    "nn.recurrent": "nn.modules.rnn",
    "tensor.types": "",
    "tensor.random": "",
}
_CLASSES = {
    "_core.Variable": "autograd.variable.Variable",
    "nn.parameter.Parameter": "nn.parameter.Parameter",
    **{f"nn.layers.{c}": f"nn.modules.{module}.{c}" for module, names in _LAYERS.items() for c in names.split()},
    **{
        f"optim.{module}.{c}": f"optim.{c.lower()}.{c}"
        for module, names in {"adaptive": "Adadelta Adagrad Adam Adamax RMSprop", "averaged": "ASGD Rprop"}.items()
        for c in names.split()
    },
}


def era_name(cls):
    """The era's full name of a class or function of this package; None for any other."""
    module, name = getattr(cls, "__module__", None), getattr(cls, "__qualname__", None)
    if not isinstance(module, str) or not isinstance(name, str) or module.partition(".")[0] != "minigrad":
        return None
    module = module.partition(".")[2]
    full = _CLASSES.get(f"{module}.{name}")
    if full is None:
        full = ".".join(part for part in (_MODULES.get(module, module), name) if part)
    return f"torch.{full}"
