"""save and load: tensors, parameters, dicts of them, whole modules and plain Python objects in one file.

What `save` writes is laid out as PyTorch lays out its files since 1.6 (`minigrad.serialization.archive`), so PyTorch
reads the tensors, parameters and state dicts in it. `load` reads that layout, whoever wrote it, and the older stream
format of PyTorch 0.1.10 to 1.5 (`minigrad.serialization.legacy`), without PyTorch.

**Loading a file does not run code from it.** A pickle is a program, and Python's own reader would run it. Plain `load`
reads it by a machine of its own that makes tensors, storages, Variables, Parameters, minigrad's own modules and what
they are made of, NumPy arrays and numbers, and Python's plain containers and values: nothing else, whatever the file
says. It raises `pickle.UnpicklingError` for everything else and for damaged pickles, RuntimeError for damaged files.

A module of a class of your own is made by that class's code. Say that you want this::

    load("model.pkl", trust=[Net])    # this class too, and nothing beyond
    load("model.pkl", trust=True)     # whatever the file names: only for files that you know

    with trusting():                  # load(...) in here means load(..., trust=True)
        run_a_script_of_2017()

The class itself is not in the file: it must be defined, or imported, where it was when the module was saved. Its source
is, and a class whose source has changed since is reported by a `SourceChangeWarning`.
"""

import contextlib
import contextvars
import difflib
import io
import json
import pickle

from minigrad.serialization import legacy
from minigrad.serialization.archive import SIGNATURE, Archive, write_archive
from minigrad.serialization.contents import NAMES
from minigrad.serialization.files import check_file, opened, write_file
from minigrad.serialization.pickler import pickler_class, source_of
from minigrad.serialization.safetensors import is_safetensors, load_safetensors, save_safetensors
from minigrad.serialization.storages import ArchivePolicy, Numbering, check_map_location
from minigrad.serialization.unpickler import Source, read_pickle
from minigrad.utils.callers import warn

__all__ = ["SourceChangeWarning", "load", "load_safetensors", "save", "save_safetensors", "trusting"]

_trust = contextvars.ContextVar("minigrad.serialization.trust", default=None)  # None outside of any `trusting`
_trust_everywhere = False


class SourceChangeWarning(Warning):
    """The source of a module's class is not what it was when the module was saved."""


@contextlib.contextmanager
def trusting(trust=True):
    """Let `load` without a trust argument mean load(..., trust=trust) inside the block, in this thread."""
    token = _trust.set(_checked_trust(trust))
    try:
        yield
    finally:
        _trust.reset(token)


def trust_from_now_on():
    """Let `load` without a trust argument mean load(..., trust=True) for the rest of this process, in every thread."""
    global _trust_everywhere
    _trust_everywhere = True


def _trust_here():
    here = _trust.get()
    return _trust_everywhere if here is None else here


def _checked_trust(trust):
    if isinstance(trust, bool):
        return trust
    if isinstance(trust, (list, tuple, set, frozenset)):
        return tuple(trust)
    raise TypeError(f"load: trust must be True, False or a list of classes, got {type(trust).__name__}")


# ---------------------------------------------------------------- save


def save(obj, f, pickle_module=pickle, pickle_protocol=2):
    """Write an object to a file.

    obj: anything that can be pickled. Tensors that share memory do so again when loaded, and what is referred to twice
    stays one object. f: a path, or a binary file open for writing, from its place on (more may be before and behind).
    A path is replaced only when the new file is complete; one that ends in ``.safetensors`` is a case for
    `save_safetensors`. pickle_module: another module with a Pickler. pickle_protocol: 2 to 5; PyTorch reads 2.

    Raises TypeError for another f, ValueError for another protocol, OSError, in one line, if the file cannot be
    written, and what pickling raises: pickle.PicklingError, AttributeError or TypeError.

    >>> import io
    >>> from minigrad import FloatTensor
    >>> f = io.BytesIO()
    >>> save({"w": FloatTensor([1, 2])}, f)
    >>> _ = f.seek(0)
    >>> load(f)["w"].tolist()
    [1.0, 2.0]
    """
    check_file("save", f, "write")
    if is_safetensors(f):
        save_safetensors(obj, f)
        return
    if isinstance(pickle_protocol, bool) or pickle_protocol not in (2, 3, 4, 5):
        raise ValueError(f"save: pickle_protocol must be 2, 3, 4 or 5, got {pickle_protocol!r}")
    numbering, sources, data = Numbering(), {}, io.BytesIO()
    base = pickle._Pickler if pickle_module is pickle else pickle_module.Pickler
    pickler = pickler_class(base, pickle_module is pickle, numbering, sources)(data, pickle_protocol)
    pickler.dump(obj)
    records = [("data.pkl", data.getvalue()), ("byteorder", b"little"), ("version", b"3\n"), *numbering.records()]
    if sources:
        records.append(("sources.json", json.dumps(sources, indent=1).encode()))
    write_file(f, lambda file: write_archive(file, records))


# ---------------------------------------------------------------- load


def load(f, map_location=None, pickle_module=pickle, trust=None):
    """The object in a file of `save`, or of PyTorch.

    f: a path, or a seekable binary file open for reading, from its place on; it is left behind what was read (at its
    end, for one of PyTorch's archives). map_location: where storages go, a function of (storage, location) that returns
    a storage, or None for its own place; or a dict from locations to locations; or a location. Locations are 'cpu' and
    'cuda:0', .... trust: what the file may name beyond plain contents: False for nothing, a list of classes and
    functions, or True for anything; None for what `trusting` says, else False. pickle_module: another module with an
    Unpickler, which needs trust=True.

    Of PyTorch's tensors, those of bool become ByteTensors, those without dimensions have size (1,), and those that
    require grad become Variables; bfloat16 and complex numbers are refused.

    Raises pickle.UnpicklingError for contents that are refused, RuntimeError for files that are damaged, of another
    kind or saved on a device that is not here, and TypeError and ValueError for wrong arguments. Warns with
    SourceChangeWarning.
    """
    check_file("load", f, "read")
    check_map_location(map_location)
    trust = _trust_here() if trust is None else _checked_trust(trust)
    if pickle_module is not pickle and trust is not True:
        raise ValueError("load: another pickle_module runs whatever the file says: it needs trust=True")
    if is_safetensors(f):
        return load_safetensors(f)
    with opened(f) as file:
        start = file.tell()
        head = file.read(512)
        file.seek(start)
        if head.startswith(SIGNATURE):
            made, policy, sources = _load_archive(file, () if trust is False else trust, map_location, pickle_module)
        elif head.startswith(legacy.SIGNATURE):
            made, policy = legacy.read_legacy(file, () if trust is False else trust, map_location)
            sources = policy.sources
        else:
            raise RuntimeError(f"load: {_what_it_is(head)}")
    _warn_of_changes(policy.found, sources)
    return made


def _load_archive(file, trust, map_location, pickle_module):
    archive = Archive(file)
    if "data.pkl" not in archive:
        raise RuntimeError("load: the file is a zip archive without data.pkl: not one of save (a NumPy .npz, perhaps?)")
    if "constants.pkl" in archive:
        raise RuntimeError("load: the file is a TorchScript program of PyTorch; save its state_dict() to load that")
    policy = ArchivePolicy(trust, map_location, archive)
    data = io.BytesIO(archive.read("data.pkl"))
    if pickle_module is pickle:
        made = read_pickle(Source(data, len(data.getvalue())), policy)
    else:
        made = _unpickler_class(pickle_module.Unpickler, policy)(data).load()
    sources = _read_sources(archive)
    file.seek(archive.end)
    return made, policy, sources


def _unpickler_class(base, policy):
    class Unpickler(base):
        def persistent_load(self, identity):
            return policy.persistent(identity)

        def find_class(self, module, name):
            return NAMES[module, name] if (module, name) in NAMES else super().find_class(module, name)

    return Unpickler


def _read_sources(archive):
    if "sources.json" not in archive:
        return {}
    try:
        sources = json.loads(archive.read("sources.json"))
    except (ValueError, RecursionError) as error:
        raise RuntimeError(f"load: record sources.json is damaged: {error}") from error
    if not isinstance(sources, dict) or not all(isinstance(text, str) for text in sources.values()):
        raise RuntimeError("load: record sources.json is damaged: it must map names of classes to their sources")
    return sources


def _warn_of_changes(classes, sources):
    for name, saved in sources.items():
        cls = classes.get(name)
        current = None if cls is None else source_of(cls)
        if current is None or current == saved:
            continue
        lines = difflib.unified_diff(saved.splitlines(), current.splitlines(), "when saved", "now", lineterm="", n=1)
        warn(
            f"the source of class {name} has changed since the module was saved:\n" + "\n".join(list(lines)[:30]),
            SourceChangeWarning,
        )


def _what_it_is(head):
    if not head:
        return "the file is empty: there is nothing (more) to load"
    if head[257:262] == b"ustar":
        return "the file is a tar archive, PyTorch's format before 0.1.10, which is not read here"
    if head.startswith(b"\x93NUMPY"):
        return "the file is an array of NumPy; numpy.load reads it"
    if head.startswith((b"\x1f\x8b", b"BZh", b"\xfd7zXZ")):
        return "the file is compressed; open it with gzip, bz2 or lzma and give load the open file"
    if head.startswith(b"\x80"):
        return (
            "the file is a bare pickle, not one of save; the pickle module reads it (never for a file you do not trust)"
        )
    return f"the file is not one of save: it begins with {head[:8]!r}"
