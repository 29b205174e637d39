"""Check, or refresh, the API reference in docs/reference: made from the table of operations and the docstrings.

    python tools/reference.py [--write]

Exit status 1 when a page is not what the package says of itself. Nothing on these pages is written by hand: what a
page lists stands in PAGES, what it says of a name is the name's own docstring.
"""

import argparse
import importlib
import inspect
import sys
from dataclasses import dataclass
from pathlib import Path

import minigrad
from minigrad import _core
from minigrad.ops.table import ALL, FLOATING, table

FOLDER = Path(__file__).parents[1] / "docs" / "reference"
KINDS = {cls.dtype.name: cls.kind.removesuffix("Tensor") for cls in minigrad._tensor_classes if not cls.is_cuda}


@dataclass(frozen=True)
class Page:
    """One page: its file, title, opening line, and its sections: a line `heading | module` each, then the names, or
    none for the module's __all__."""

    file: str
    title: str
    about: str
    contents: str = ""

    def sections(self):
        """(heading, module, names) of each section."""
        place, names = None, []
        for line in [*self.contents.strip().splitlines(), "|"]:
            if "|" in line:
                if place:
                    yield *place, names or place[1].__all__
                heading, _, module = line.partition("|")
                place = heading.strip() and (heading.strip(), importlib.import_module(module.strip()))
                names = []
            else:
                names += line.split()


PAGES = (
    Page("operations.md", "Operations", "What computes: functions of the module and of `nn.functional`, and methods."),
    Page(
        "tensors.md",
        "Tensors, storages, creation",
        "The typed arrays of the era. What computes with them is on the page of the operations.",
        """
        Types | minigrad
            FloatTensor FloatStorage Size
        Creation | minigrad
            zeros ones zeros_like ones_like eye arange range linspace logspace from_numpy from_dlpack
        Facts | minigrad
            is_tensor is_storage numel typename set_default_tensor_type set_printoptions
        Threads | minigrad
            get_num_threads set_num_threads
        Saving | minigrad
            save load
        Saving, beyond the era | minigrad.serialization
            save_safetensors load_safetensors SourceChangeWarning
        Running scripts | minigrad
            as_torch
        """,
    ),
    Page(
        "random.md",
        "Random numbers",
        "From the same seed the same numbers as PyTorch draws on the CPU.",
        """
        Tensors of random numbers | minigrad
            rand randn randperm normal bernoulli multinomial
        Generators | minigrad
            manual_seed initial_seed get_rng_state set_rng_state fork_rng set_rng Generator
        """,
    ),
    Page(
        "autograd.md",
        "Variables and derivatives",
        "Values with history, and what is computed from it.",
        """
        Variables | minigrad.autograd
            Variable
        Derivatives | minigrad.autograd
            backward grad
        Operations of one's own | minigrad.autograd.function
            Function InplaceFunction NestedIOFunction once_differentiable
        Where the time goes | minigrad.autograd.profiler
            profile
        Distributions | minigrad.distributions
            Bernoulli Categorical Normal
        Proving gradients | minigrad.autograd.gradcheck
            gradcheck gradgradcheck get_numerical_jacobian get_analytical_jacobian make_jacobian iter_tensors
            zero_gradients
        Proving gradients, beyond the era | minigrad.testing
            check_gradients
        """,
    ),
    Page(
        "nn.md",
        "nn: modules and layers",
        "The functions behind them are on the page of the operations.",
        """
        Modules | minigrad.nn
            Module Parameter Sequential ModuleList ParameterList
        Recurrent layers | minigrad.nn
            RNN LSTM GRU RNNCell LSTMCell GRUCell
        Recurrent layers of any cell, beyond the era | minigrad.nn
            RNNFromCell
        Layers | minigrad.nn
            Linear Bilinear Embedding EmbeddingBag BatchNorm1d Dropout Dropout2d Dropout3d AlphaDropout
        Activations | minigrad.nn.activation
        Distances | minigrad.nn
            PairwiseDistance CosineSimilarity
        Losses | minigrad.nn.loss
        nn.parallel | minigrad.nn.parallel
        """,
    ),
    Page(
        "nn-functions.md",
        "nn.functional, nn.init, nn.utils",
        "Functions that are no operations of their own, but made of them.",
        """
        nn.functional | minigrad.nn.functional
        nn.init | minigrad.nn.init
        nn.utils | minigrad.nn.utils
        nn.utils.rnn | minigrad.nn.utils.rnn
        """,
    ),
    Page(
        "optim.md",
        "optim: optimisers and schedules",
        "What changes parameters, by their gradients.",
        """
        Optimisers | minigrad.optim
        optim.lr_scheduler | minigrad.optim.lr_scheduler
        """,
    ),
    Page(
        "data.md",
        "utils.data: samples and batches",
        "From single samples to batches of tensors.",
        """
        utils.data | minigrad.utils.data
        """,
    ),
    Page(
        "cuda.md",
        "cuda",
        "What concerns a GPU. Without one all of it can be imported, and `is_available()` is False.",
        """
        Devices | minigrad.cuda
            is_available device_count current_device set_device device device_of synchronize empty_cache
            get_device_name get_device_capability memory_allocated memory_cached use_kernels
        Streams | minigrad.cuda
            Stream Event stream current_stream
        Random numbers | minigrad.cuda
            manual_seed manual_seed_all seed seed_all initial_seed get_rng_state set_rng_state get_rng_state_all
            set_rng_state_all
        """,
    ),
)
HEAD = "<!-- made by tools/reference.py: change the docstrings, then run it with --write -->\n\n"


def types_of(row):
    """The types that a row is made for, in words."""
    if set(ALL) <= set(row.types):
        return "all types"
    if set(row.types) == set(FLOATING):
        return "floating types"
    return ", ".join(KINDS[t] for t in row.types)


def derivatives_of(row):
    if row.order >= 2:
        return "differentiable any number of times"
    return f"{'once differentiable' if row.order else 'no derivative'}: {row.why}"


def places_of(row):
    """Where an operation is found: the module, nn.functional, methods of which class."""
    places = [f"`{'torch' if e == 'torch' else 'nn.functional'}.{row.name}`" for e in row.exported]
    if row.method:
        places.append(f"method of {'Tensors and Variables' if 'T' in row.levels else 'Variables'}")
    if row.in_place:
        places.append(f"in place `{row.name}_`")
    return ", ".join(places)


def subjects():
    """The table's rows by the file they stand in: {first line of the file's docstring: rows}."""
    found = {}
    for row in table.values():
        if row.exported or row.method or row.in_place:
            found.setdefault(inspect.getdoc(sys.modules[row.module]).partition("\n")[0], []).append(row)
    return found


def operations():
    for heading, rows in subjects().items():
        subject = heading.partition(":")[0].rstrip(".")
        yield f"## {subject}\n\n"
        for row in rows:
            yield f"### {row.name}\n\n{block(row.doc)}{places_of(row)}; {types_of(row)}; {derivatives_of(row)}.\n\n"


def block(text):
    return f"```text\n{inspect.cleandoc(text).strip()}\n```\n\n"


def signature(name, thing):
    try:
        return f"{name}{inspect.signature(thing)}"
    except (TypeError, ValueError):  # a compiled class: its docstring begins with it
        return ""


def sections(page):
    for heading, module, names in page.sections():
        yield f"## {heading}\n\n"
        for name in names:
            yield from entry(name, getattr(module, name))


def entry(name, thing):
    doc = inspect.getdoc(thing)
    if not doc:
        raise SystemExit(f"tools/reference.py: {name} has no docstring")
    yield f"### {name}\n\n"
    first = doc.partition("\n")[0]
    if not first.startswith(f"{name}("):
        called = signature(name, thing)
        yield f"```python\n{called}\n```\n\n" if called and "<" not in called else ""
    yield block(doc)
    if isinstance(thing, type):
        own = list(methods(thing))
        if own:
            yield "\n".join(f"- `{text}`: {line}" for text, line in own) + "\n\n"


def methods(cls):
    """(name with arguments, first line) of a class's own methods and properties that are no operations."""
    names = dir(cls) if issubclass(cls, _core.Value) else vars(cls)
    for name in sorted(names):
        operation = name in table or name.removesuffix("_") in table
        if name.startswith("_") or (operation and issubclass(cls, _core.Value)):
            continue
        thing = inspect.getattr_static(cls, name)
        doc = inspect.getdoc(thing)
        if not doc or not (callable(thing) or inspect.isdatadescriptor(thing) or hasattr(thing, "__func__")):
            continue
        if type(thing).__name__ == "Missing" or inspect.getdoc(getattr(cls.__mro__[1], name, None)) == doc:
            continue
        yield opening(name, doc, thing)


def opening(name, doc, thing):
    """(name with arguments, what it does) from the first paragraph of a docstring."""
    paragraphs = doc.split("\n\n")
    if type(thing).__name__ == "cython_function_or_method":
        paragraphs = paragraphs[1:]  # the first is the signature, which Cython puts there
    line = " ".join(paragraphs[0].split())
    if line.startswith(f"{name}("):
        called, _, does = line.partition("): ")
        return f"{called})", does
    return signature(name, thing).replace("(self, ", "(").replace("(self)", "()") if callable(thing) else name, line


def text_of(page):
    body = operations() if page.file == "operations.md" else sections(page)
    return f"{HEAD}# {page.title}\n\n{page.about}\n\n" + "".join(body).rstrip() + "\n"


def index():
    rows = "".join(f"| [{p.title}]({p.file}) | {p.about} |\n" for p in PAGES)
    return f"{HEAD}# API reference\n\n| page | |\n|---|---|\n{rows}"


def pages():
    """{file: what it must contain}."""
    return {"README.md": index(), **{page.file: text_of(page) for page in PAGES}}


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--write", action="store_true", help="write the pages")
    options = parser.parse_args(argv)
    made = pages()
    if options.write:
        FOLDER.mkdir(exist_ok=True)
        for stray in set(FOLDER.glob("*.md")) - {FOLDER / file for file in made}:
            stray.unlink()
        for file, text in made.items():
            (FOLDER / file).write_text(text, encoding="utf-8")
        return 0
    differing = [f for f, text in made.items() if not (FOLDER / f).exists() or (FOLDER / f).read_text("utf-8") != text]
    for file in differing:
        print(f"docs/reference/{file} is not what the package says: run  python tools/reference.py --write")
    return int(bool(differing))


if __name__ == "__main__":
    sys.exit(main())
