"""Files that minigrad and today's PyTorch write for each other."""

import io
from collections import OrderedDict

import numpy as np
import pytest

import minigrad
from minigrad import nn
from minigrad.serialization import load, save
from minigrad.tensor import memory

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.oracle

TYPES = {
    "FloatTensor": torch.float32, "DoubleTensor": torch.float64, "HalfTensor": torch.float16, "LongTensor": torch.int64,
    "IntTensor": torch.int32, "ShortTensor": torch.int16, "CharTensor": torch.int8, "ByteTensor": torch.uint8,
}  # fmt: skip


def to_torch(obj, **options):
    file = io.BytesIO()
    save(obj, file)
    file.seek(0)
    return torch.load(file, weights_only=True, **options)


def from_torch(obj, **options):
    file = io.BytesIO()
    torch.save(obj, file, **options)
    file.seek(0)
    return load(file)


def test_pytorch_reads_every_type():
    made = to_torch({kind: getattr(minigrad, kind)([[0, 1], [2, 100]]) for kind in TYPES})
    for kind, dtype in TYPES.items():
        assert made[kind].dtype == dtype
        assert made[kind].tolist() == [[0, 1], [2, 100]]


def test_pytorch_reads_a_state_dict_into_its_own_modules():
    minigrad.manual_seed(3)
    mine = nn.LSTM(4, 5, num_layers=2, bidirectional=True)
    theirs = torch.nn.LSTM(4, 5, num_layers=2, bidirectional=True)
    theirs.load_state_dict(to_torch(mine.state_dict()))
    for (name, p), (other, q) in zip(mine.named_parameters(), theirs.named_parameters(), strict=True):
        assert name == other
        np.testing.assert_array_equal(p.data.array, q.detach().numpy())


def test_pytorch_reads_parameters_sizes_and_shared_memory():
    base = minigrad.arange(12).view(3, 4)
    made = to_torch(
        OrderedDict(
            base=base, t=base.t(), part=base[1:, 2:], p=nn.Parameter(base), size=base.size(), e=minigrad.FloatTensor()
        )
    )
    assert type(made) is OrderedDict
    expected = torch.arange(12.0).view(3, 4)
    assert torch.equal(made["base"], expected)
    assert torch.equal(made["t"], expected.t())
    assert torch.equal(made["part"], expected[1:, 2:])
    assert isinstance(made["p"], torch.nn.Parameter)
    assert made["size"] == torch.Size([3, 4])
    assert made["e"].numel() == 0
    assert len({made[k].untyped_storage().data_ptr() for k in ("base", "t", "part", "p")}) == 1


def test_pytorch_maps_the_file_into_memory(tmp_path):
    values = {str(k): minigrad.randn(3, k) for k in (1, 5, 50)}
    save(values, tmp_path / "x.pt")
    made = torch.load(tmp_path / "x.pt", weights_only=True, mmap=True)
    for name, value in values.items():
        assert made[name].tolist() == value.tolist()
        assert made[name].data_ptr() % 64 == 0


@pytest.mark.parametrize("zipped", [True, False])
def test_minigrad_reads_any_layout(zipped, rng):
    base = torch.randn(2, 3, 4, 5, dtype=torch.float64)
    for _ in range(50):
        view = base.permute(*rng.permutation(4).tolist())
        for dim in range(4):
            start = int(rng.integers(view.size(dim)))
            view = view.narrow(dim, start, int(rng.integers(1, view.size(dim) - start + 1)))
            view = view[(slice(None),) * dim + (slice(None, None, int(rng.integers(1, 3))),)]
        a, b = from_torch([view, base], _use_new_zipfile_serialization=zipped)
        np.testing.assert_array_equal(a.array, view.numpy())
        assert a.stride() == view.stride()
        assert memory.memory_of(a.array) is memory.memory_of(b.array)


@pytest.mark.parametrize("zipped", [True, False])
def test_minigrad_reads_a_state_dict_into_its_own_modules(zipped):
    theirs = torch.nn.Sequential(torch.nn.Embedding(5, 4), torch.nn.GRU(4, 3), torch.nn.Linear(3, 2))
    mine = nn.Sequential(nn.Embedding(5, 4), nn.GRU(4, 3), nn.Linear(3, 2))
    mine.load_state_dict(from_torch(theirs.state_dict(), _use_new_zipfile_serialization=zipped))
    for p, q in zip(mine.parameters(), theirs.parameters(), strict=True):
        np.testing.assert_array_equal(p.data.array, q.detach().numpy())


@pytest.mark.parametrize("zipped", [True, False])
def test_both_ways(zipped):
    mine = nn.LSTM(2, 3).state_dict()
    again = from_torch(to_torch(mine), _use_new_zipfile_serialization=zipped)
    assert list(again) == list(mine)
    for name in mine:
        np.testing.assert_array_equal(again[name].array, mine[name].array)
