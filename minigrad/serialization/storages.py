"""Where a loaded storage goes: map_location, and the storages of one file by their keys."""

import numpy as np

from minigrad import cuda
from minigrad.ops import arrays
from minigrad.serialization.contents import PlainPolicy, refuse
from minigrad.serialization.unpickler import foreign
from minigrad.tensor.storage import is_storage, storage_classes


def check_map_location(map_location):
    """Raise TypeError unless it is None, a callable, a dict or a name of a location."""
    if map_location is not None and not callable(map_location) and not isinstance(map_location, (dict, str)):
        raise TypeError(
            "load: map_location must be a function of (storage, location), a dict of locations, a name or None, got "
            f"{type(map_location).__name__}"
        )


def _default_place(storage, location):
    if location == "cpu":
        return storage
    kind, _, number = location.partition(":") if isinstance(location, str) else ("", "", "")
    if kind == "cuda" and cuda.is_available():
        device = int(number) if number.isdecimal() else cuda.current_device()
        if device < cuda.device_count():
            return storage.cuda(device)
    raise RuntimeError(
        f"load: a tensor was saved on {location!r}, which is not here; to have everything on the CPU, "
        "load(f, map_location=lambda storage, location: storage)"
    )


def place(storage, location, map_location):
    """The storage where it belongs: on `location`, or where map_location says."""
    if callable(map_location):
        placed = foreign(map_location, storage, location)
        if placed is None:
            return _default_place(storage, location)
        if not is_storage(placed):
            raise RuntimeError(
                f"load: map_location must return a storage or None, got a {type(placed).__name__} from it"
            )
        return placed
    if isinstance(map_location, dict):
        location = map_location.get(location, location)
    elif map_location is not None:
        location = map_location
    return _default_place(storage, location)


class StoragePolicy(PlainPolicy):
    """Finds the storages that a pickle refers to: ('storage', class, key, location, length[, view]).

    view: None, or (key, offset, length) of a storage that shows part of the one with the first key.
    """

    def __init__(self, trust, map_location):
        super().__init__(trust)
        self.map_location = map_location
        self._placed = {}  # (key, class) -> storage
        self._views = {}

    def persistent(self, identity):
        if not isinstance(identity, tuple) or len(identity) not in (5, 6) or identity[0] != "storage":
            raise refuse("damaged: the pickle refers to something that is no storage")
        _, cls, key, location, length, *view = identity
        if not any(cls is known for known in storage_classes.values()):
            raise refuse("damaged: a storage of no known type")
        if type(key) is not str or type(location) is not str or type(length) is not int or length < 0:
            raise refuse(f"damaged: a storage with key {key!r}, location {location!r} and length {length!r}")
        storage = self._placed.get((key, cls))
        if storage is None:
            storage = place(cls._of(self.array(key, cls.dtype, length)), location, self.map_location)
            self._placed[key, cls] = storage
        return storage if not view or view[0] is None else self._view(storage, key, view[0])

    def _view(self, storage, key, view):
        if not isinstance(view, tuple) or len(view) != 3 or type(view[0]) is not str:
            raise refuse("damaged: a storage view")
        name, offset, length = view
        if type(offset) is not int or type(length) is not int or offset < 0 or not 0 <= length <= len(storage) - offset:
            raise refuse(f"a storage view of {length} elements from {offset} leaves its storage of {len(storage)}")
        found = self._views.setdefault(key, {}).get(name)
        if found is None:
            found = self._views[key][name] = type(storage)(storage, offset, length)
        return found

    def array(self, key, dtype, length):
        """The flat array of `length` elements with this key."""
        raise NotImplementedError


class ArchivePolicy(StoragePolicy):
    """Finds them among the records of an archive."""

    def __init__(self, trust, map_location, archive):
        super().__init__(trust, map_location)
        self._archive = archive
        self._arrays = {}
        order = archive.read("byteorder") if "byteorder" in archive else b"little"
        if order not in (b"little", b"big"):
            raise RuntimeError(f"load: record 'byteorder' must be little or big, got {order[:20]!r}")
        self._order = "<" if order == b"little" else ">"

    def array(self, key, dtype, length):
        record = f"data/{key}"
        if record not in self._archive:
            raise refuse(f"the pickle refers to storage {key[:40]!r}, and the archive has none of that name")
        size = self._archive.size(record)
        if size != length * dtype.itemsize:
            raise refuse(f"storage {key!r} should have {length} elements of {dtype}, its record has {size} bytes")
        seen = self._arrays.get(key)
        if seen is not None:  # seen as another type: PyTorch lets tensors of several types share memory
            return seen.view(dtype)
        data = np.frombuffer(self._archive.read(record), dtype.newbyteorder(self._order))
        self._arrays[key] = data.astype(dtype)
        return self._arrays[key]


class Numbering:
    """The keys under which `save` writes storages: one for each memory and type."""

    def __init__(self):
        self._storages = {}
        self._views = {}

    def identity(self, storage):
        """What stands for a storage in the pickle; its type as a class."""
        root, start = storage._root_storage()
        key, _ = self._storages.setdefault((root._cdata, type(root)), (str(len(self._storages)), root))
        location = f"cuda:{root.get_device()}" if root.is_cuda else "cpu"
        named = ("storage", storage_classes[type(root).__name__], key, location, len(root))
        if root is storage:
            return named
        view, _ = self._views.setdefault(storage._cdata, (str(len(self._views)), storage))
        return (*named, (view, start, len(storage)))

    def records(self):
        """(name, bytes) of each storage."""
        for key, root in self._storages.values():
            array = np.ascontiguousarray(arrays.to_host(root.array), root.dtype.newbyteorder("<"))
            yield f"data/{key}", array.view(np.uint8)
