"""Random numbers for a GPU: each has a generator of its own, whose draws are made on the host and copied.

The recipes are those of the CPU (`minigrad.tensor.random`), so that after the same seed a GPU gets the numbers that the
CPU would get. Where there is no GPU, seeding does nothing, as in the era.
"""

from minigrad.ops import devices
from minigrad.tensor import random


def _generator(name, device):
    """The generator of the GPU with this number; -1 is the one in use."""
    devices.cupy()
    return random.of_gpu(devices.checked(name, None if device == -1 else device))


def manual_seed(seed):
    """Start the generator of the GPU in use from `seed`. Nothing without a GPU."""
    if devices.is_available():
        random.of_gpu(devices.current()).manual_seed(seed)


def manual_seed_all(seed):
    """Start the generators of all GPUs from `seed`. Nothing without a GPU."""
    if devices.is_available():
        random.seed_gpus(seed)


def seed():
    """Start the generator of the GPU in use from a fresh seed. Nothing without a GPU."""
    if devices.is_available():
        random.of_gpu(devices.current()).seed()


def seed_all():
    """Start the generators of all GPUs from one fresh seed. Nothing without a GPU."""
    if devices.is_available():
        random.seed_gpus(random.Generator().seed())


def initial_seed():
    """The seed that the generator of the GPU in use last started from."""
    return _generator("initial_seed", -1).initial_seed()


def get_rng_state(device=-1):
    """The state of a GPU's generator, a ByteTensor of the CPU. device: the GPU's number, -1 for the one in use."""
    return _generator("get_rng_state", device).get_state()


def get_rng_state_all():
    """The states of all GPUs' generators, as a list."""
    return [get_rng_state(number) for number in range(devices.count())]


def set_rng_state(new_state, device=-1):
    """Set the state of a GPU's generator to what `get_rng_state` returned. device: as there."""
    _generator("set_rng_state", device).set_state(new_state)


def set_rng_state_all(new_states):
    """Set the states of all GPUs' generators, from a list as `get_rng_state_all` returned it."""
    for number, state in enumerate(new_states):
        set_rng_state(state, number)
