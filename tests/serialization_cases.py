"""What the tests of saving and loading share: a module, there and back, and whether memory is one."""

import io

from minigrad import nn
from minigrad.serialization import load, save
from minigrad.tensor import memory


class Net(nn.Module):
    """A module of the user's own."""

    def __init__(self):
        super().__init__()
        self.hidden = nn.Linear(2, 3)
        self.recurrent = nn.LSTM(3, 2)
        self.note = "mine"


def again(obj, protocol=2, **options):
    file = io.BytesIO()
    save(obj, file, pickle_protocol=protocol)
    file.seek(0)
    made = load(file, **options)
    assert file.read() == b""
    return made


def same_memory(a, b):
    return memory.memory_of(a.array) is memory.memory_of(b.array)
