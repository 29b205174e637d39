"""The stream of PyTorch 0.1.10 to 1.5: pickles one after the other, then the storages' bytes.

    magic number, protocol version 1001, facts about the writer, the objects     (four pickles)
    the keys of the storages, in the order of what follows                       (a pickle)
    for each storage: its length as int64, its elements; little-endian

Storages have no bytes yet when the objects are read: they are made empty, and filled at the end.
"""

import numpy as np

from minigrad.ops import arrays
from minigrad.serialization.archive import remaining
from minigrad.serialization.contents import refuse
from minigrad.serialization.storages import StoragePolicy
from minigrad.serialization.unpickler import Policy, Source, read_pickle

MAGIC = 0x1950A86A20F9469CFC6C
_PROTOCOL = 1001

# How the file begins: the pickle of the magic number.
SIGNATURE = b"\x80\x02\x8a\n" + MAGIC.to_bytes(10, "little") + b"."


class LegacyPolicy(StoragePolicy):
    """Makes storages that are filled later; `left` bytes of the file are there to fill them."""

    def __init__(self, trust, map_location, left):
        super().__init__(trust, map_location)
        self.sources = {}
        self._left = left
        self._lengths = {}

    def persistent(self, identity):
        # A class of modules: (class, file, source).
        if isinstance(identity, tuple) and len(identity) == 4 and identity[0] == "module":
            _, cls, _, source = identity
            if not isinstance(cls, type):
                raise refuse("damaged: a module's class that is none")
            if isinstance(source, str):
                self.sources[f"{cls.__module__}.{cls.__qualname__}"] = source
            return cls
        return super().persistent(identity)

    def array(self, key, dtype, length):
        self._left -= length * dtype.itemsize
        if self._left < 0:
            raise refuse(f"storage {key!r} should have {length} elements of {dtype}, more than the file has bytes for")
        if key in self._lengths:
            raise refuse(f"damaged: storage {key!r} has two types")
        self._lengths[key] = length
        return np.zeros(length, dtype)

    def fill(self, source, keys):
        """Read the elements of the storages, in the order of `keys`."""
        placed = {key: storage for (key, _), storage in self._placed.items()}
        if not isinstance(keys, list) or sorted(keys, key=str) != sorted(placed):
            raise refuse("damaged: the list of storages is not the one that the pickle refers to")
        for key in keys:
            length = int.from_bytes(source.read(8), "little", signed=True)
            storage = placed[key]
            if not length == self._lengths[key] == len(storage):
                raise refuse(
                    f"damaged: storage {key!r} has {length} elements where {self._lengths[key]} were announced"
                )
            order = storage.dtype.newbyteorder("<")
            elements = np.frombuffer(source.read(length * order.itemsize), order)
            arrays.assign(storage.array, elements.astype(storage.dtype))


def read_legacy(file, trust, map_location):
    """The object of the stream that begins where `file` stands, and the policy that made it."""
    source = Source(file, remaining(file))
    plain = Policy()
    if read_pickle(source, plain) != MAGIC:
        raise RuntimeError("load: the file does not begin with the magic number of PyTorch's stream format")
    version = read_pickle(source, plain)
    if version != _PROTOCOL:
        raise RuntimeError(f"load: the stream has version {str(version)[:20]}, only {_PROTOCOL} is known")
    read_pickle(source, plain)
    policy = LegacyPolicy(trust, map_location, source.left)
    made = read_pickle(source, policy)
    policy.fill(source, read_pickle(source, plain))
    return made, policy
