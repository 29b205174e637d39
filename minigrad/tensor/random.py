"""The random engine and its state: `manual_seed`, `Generator`, `get_rng_state`, `fork_rng`.

Same seed, same numbers as PyTorch on the CPU. The engine is MT19937 (Matsumoto and Nishimura, 1998), initialised from
the low 32 bits of the seed as its authors do; NumPy's legacy seeding is the same recurrence, so NumPy's bit generator
does the work and a state made by `numpy.random.RandomState(seed)` is transplanted into it.

How raw 32-bit draws become numbers of a distribution is in `minigrad.tensor.distributions`. PyTorch changed some of
those recipes after 0.3; `set_rng` chooses which to follow:

=====================  =======================================  ==========================================
draw                   ``'modern'`` (tested against 2.13)       ``'0.3'`` (from its source; not runnable)
=====================  =======================================  ==========================================
normal                 blocks of 16 where contiguous and >= 16  one Box-Muller pair at a time, always
bernoulli              1 where u < p; 24-bit u for float32 p    1 where u <= p; always a 53-bit u
random_                two raw draws if the range is >= 2**28   if it is >= 2**32
geometric              p is the probability of success          p is the probability of failure
multinomial            races of exponentials, or a CDF          always a CDF in float64
not C-contiguous       filled in the order of the memory        filled in the order of the indices
``Generator()``        starts from a fixed seed                 starts from a fresh seed
=====================  =======================================  ==========================================

Uniform draws, and with them the initial weights of linear and recurrent layers, follow one recipe in both. PyTorch
promises nothing across its releases and platforms, and so neither does this module: it states what was tested.
"""

import contextlib
import operator
import os
import struct
import threading

import numpy as np

from minigrad._core import Tensor, tensor_from_array
from minigrad.ops import arrays

__all__ = [
    "Generator",
    "default_generator",
    "fork_rng",
    "get_rng",
    "get_rng_state",
    "initial_seed",
    "manual_seed",
    "set_rng",
    "set_rng_state",
]

# What today's PyTorch gives a `torch.Generator()` that nobody has seeded.
_UNSEEDED = 67280421310721

_WORDS = 624  # the length of MT19937's state
_MAGIC = b"minigrad mt19937"
_VERSION = 1
# magic, version, is there a spare normal, (zero), position, initial seed, spare normal; then the 624 words.
_HEADER = struct.Struct("<16sBBHIQd")
_STATE_SIZE = _HEADER.size + 4 * _WORDS

_RECIPES = ("modern", "0.3")
_recipe = "modern"


def set_rng(name):
    """Choose whose recipes turn raw draws into numbers: ``'modern'`` (today's PyTorch, the default) or ``'0.3'``.

    The module's docstring lists where they differ. The state of the generators is not touched.

    Raises:
        ValueError: for any other name.
    """
    global _recipe
    if name not in _RECIPES:
        raise ValueError(f"set_rng: name must be 'modern' or '0.3', got {name!r}")
    _recipe = name


def get_rng():
    """The name last given to `set_rng`, ``'modern'`` at the start."""
    return _recipe


def _seed_as_uint64(seed):
    # bool is an int to Python, but True as a seed is more likely a misplaced argument.
    if isinstance(seed, (bool, np.bool_)):
        raise TypeError(f"manual_seed: seed must be an int, got {seed!r} of type {type(seed).__name__}")
    try:
        value = operator.index(seed)
    except TypeError:
        raise TypeError(f"manual_seed: seed must be an int, got {seed!r} of type {type(seed).__name__}") from None
    if not -(2**63) <= value < 2**64:
        raise RuntimeError(f"manual_seed: seed must fit in 64 bits, from -2**63 to 2**64 - 1, got {value}")
    return value % 2**64


class Generator:
    """A stream of random numbers with a state of its own.

    Every random function takes one as ``generator=``; without it they use `default_generator`. A copy or a pickle has
    the same state and is then independent. Where a method needs several steps it holds `lock`, so threads may share a
    generator (which of them gets which number is then up to chance).

    >>> g = Generator().manual_seed(137)
    >>> g.draw32(3).tolist()
    [4053805790, 2173880614, 380293709]
    """

    __slots__ = ("__weakref__", "_bits", "_seed", "lock", "spare")

    def __init__(self):
        self._bits = np.random.MT19937(0)
        #: Held by methods of several steps. Our own, because NumPy's is reentrant only since 2.3.
        self.lock = threading.RLock()
        #: The second value of the last Box-Muller pair while nobody has taken it, else None.
        self.spare = None
        if _recipe == "modern":
            self.manual_seed(_UNSEEDED)
        else:
            self.seed()

    def manual_seed(self, seed):
        """Start again from `seed`; returns the generator.

        Only the low 32 bits of the seed reach the engine, as in PyTorch: seeds 2**32 apart give the same numbers.

        Raises:
            TypeError: if `seed` is not an integer.
            RuntimeError: if it is outside -2**63 ... 2**64 - 1. A negative one stands for itself plus 2**64.
        """
        seed = _seed_as_uint64(seed)
        state = np.random.RandomState(seed & 0xFFFFFFFF).get_state(legacy=False)
        with self.lock:
            self._bits.state = state
            self._seed = seed
            self.spare = None
        return self

    def seed(self):
        """Start again from a fresh seed taken from the operating system; returns that seed."""
        seed = int.from_bytes(os.urandom(8), "little")
        self.manual_seed(seed)
        return seed

    def initial_seed(self):
        """The seed the generator last started from, as a number from 0 to 2**64 - 1."""
        return self._seed

    def get_state(self):
        """The whole state as a 1-D ByteTensor: engine, position, initial seed and the spare normal.

        The format is minigrad's own, the same on every machine.
        """
        with self.lock:
            state = self._bits.state["state"]
            spare = self.spare
            seed = self._seed
        header = _HEADER.pack(_MAGIC, _VERSION, spare is not None, 0, state["pos"], seed, spare or 0.0)
        return tensor_from_array(np.frombuffer(header + state["key"].astype("<u4").tobytes(), dtype=np.uint8).copy())

    def set_state(self, state):
        """Continue from a state that `get_state` returned. A refused state leaves the generator as it was.

        Raises:
            TypeError: if `state` is neither a ByteTensor nor an array of uint8.
            RuntimeError: if its shape or its content is not that of such a state.
        """
        if isinstance(state, Tensor):
            state = arrays.to_host(state.array)
        if not isinstance(state, np.ndarray) or state.dtype != np.uint8:
            came = f"an array of {state.dtype}" if isinstance(state, np.ndarray) else type(state).__name__
            raise TypeError(f"set_state: state must be a ByteTensor, got {came}")
        if state.shape != (_STATE_SIZE,):
            raise RuntimeError(
                f"set_state: state must have shape ({_STATE_SIZE},), got {state.shape}; "
                "states saved by other libraries cannot be read"
            )
        data = state.tobytes()
        magic, version, has_spare, zero, position, seed, spare = _HEADER.unpack_from(data)
        if magic != _MAGIC:
            raise RuntimeError(f"set_state: state must begin with {_MAGIC!r}, got {magic!r}: not a state of minigrad")
        if version != _VERSION:
            raise RuntimeError(f"set_state: state must have format version {_VERSION}, got {version}")
        key = np.frombuffer(data, dtype="<u4", offset=_HEADER.size).astype(np.uint32)
        # Of the first word only the top bit counts; with all other bits zero the engine would yield zeros for ever.
        alive = bool(key[0] >> 31) or bool(key[1:].any())
        if has_spare > 1 or zero or position > _WORDS or not np.isfinite(spare) or not alive:
            raise RuntimeError(
                f"set_state: state is damaged: position {position} (0 to {_WORDS}), spare flag {has_spare} (0 or 1), "
                f"spare {spare}, reserved {zero} (0), engine {'valid' if alive else 'all zero'}"
            )
        with self.lock:
            self._bits.state = {"bit_generator": "MT19937", "state": {"key": key, "pos": position}}
            self._seed = seed
            self.spare = spare if has_spare else None

    def __reduce__(self):
        return type(self), (), self.get_state()

    __setstate__ = set_state

    def __repr__(self):
        return f"<{type(self).__name__} mt19937, initial seed {self._seed}>"

    def draw32(self, n):
        """The next `n` raw draws: integers from 0 to 2**32 - 1 in a new uint64 array."""
        return self._bits.random_raw(n)

    def draw64(self, n):
        """`n` 64-bit integers of two raw draws each, the first of which is the high half."""
        raw = self._bits.random_raw(2 * n)
        high = raw[0::2] << np.uint64(32)
        high |= raw[1::2]
        return high


#: The generator of every random function that is given no other. It starts from a fresh seed.
default_generator = Generator()
default_generator.seed()


# ---------------------------------------------------------------- a GPU's draws

# Number of a GPU -> the generator of what is drawn for it: on the host, by the same recipes, and then copied.
_of_gpus = {}
_seed_of_gpus = None  # what a generator starts from that is made later; None: a fresh seed


def of_gpu(number):
    """The generator of draws for the GPU of this number."""
    if number not in _of_gpus:
        made = _of_gpus[number] = Generator()
        made.seed() if _seed_of_gpus is None else made.manual_seed(_seed_of_gpus)
    return _of_gpus[number]


def seed_gpus(seed):
    """Start the generators of all GPUs from `seed`, also of those that are first used later."""
    global _seed_of_gpus
    _seed_of_gpus = _seed_as_uint64(seed)
    for generator in _of_gpus.values():
        generator.manual_seed(seed)


def near(array, generator=None):
    """The generator of draws for `array`: the given one, or that of the array's GPU; None is the default one."""
    number = arrays.device_of(array)
    return of_gpu(number) if generator is None and number is not None else generator


# ---------------------------------------------------------------- the default generator


def manual_seed(seed):
    """Seed `default_generator` and the generators of all GPUs; returns the former.

    Draws for a GPU are made on the host, by a generator of that GPU's own, and copied: after the same seed a GPU gets
    the numbers that the CPU would get.

    Raises: as `Generator.manual_seed`.

    >>> manual_seed(0).initial_seed()
    0
    """
    seed_gpus(seed)
    return default_generator.manual_seed(seed)


def initial_seed():
    """The seed that `default_generator` last started from."""
    return default_generator.initial_seed()


def get_rng_state():
    """The state of `default_generator`: see `Generator.get_state`."""
    return default_generator.get_state()


def set_rng_state(state):
    """Set the state of `default_generator`: see `Generator.set_state`."""
    default_generator.set_state(state)


@contextlib.contextmanager
def fork_rng(devices=None, enabled=True):
    """Let the body draw, or seed, as it likes: on the way out the generators are what they were on the way in.

    Args:
        devices: the GPUs whose generators to keep too, as a sequence of device numbers; None keeps those of all.
        enabled: False makes the whole thing do nothing.

    Raises:
        TypeError: if `devices` is not a sequence of ints.
        ValueError: if one of them is negative.

    >>> _ = manual_seed(1)
    >>> with fork_rng():
    ...     _ = manual_seed(2)
    >>> initial_seed()
    1
    """
    if devices is not None:
        try:
            numbers = [operator.index(device) for device in devices]
        except TypeError:
            raise TypeError(f"fork_rng: devices must be a sequence of ints or None, got {devices!r}") from None
        if any(number < 0 for number in numbers):
            raise ValueError(f"fork_rng: devices must be numbers >= 0, got {devices!r}")
    if not enabled:
        yield
        return
    kept = [default_generator, *(_of_gpus.values() if devices is None else map(of_gpu, numbers))]
    states = [generator.get_state() for generator in kept]
    try:
        yield
    finally:
        for generator, state in zip(kept, states):
            generator.set_state(state)
