"""save and load: what comes back, what is shared, and where it goes."""

import argparse
import collections
import contextlib
import io
import pathlib
import pickle
import sys

import numpy as np
import pytest
from serialization_cases import Net, again, same_memory

import minigrad as torch
from minigrad import nn, optim
from minigrad.autograd import Variable
from minigrad.serialization import load, save

TYPES = [
    "FloatTensor",
    "DoubleTensor",
    "HalfTensor",
    "LongTensor",
    "IntTensor",
    "ShortTensor",
    "CharTensor",
    "ByteTensor",
]


# ---------------------------------------------------------------- what comes back


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("kind", TYPES)
def test_tensors(kind, protocol):
    tensor = getattr(torch, kind)([[1, 2, 3], [4, 5, 100]])
    made = again(tensor, protocol)
    assert type(made) is type(tensor)
    assert made.size() == (2, 3)
    assert made.tolist() == tensor.tolist()
    assert made.is_contiguous()
    made.array[...] = 7
    assert made.tolist() == [[7] * 3] * 2


def test_layouts():
    base = torch.arange(24).view(4, 6)
    for tensor in (base.t(), base[1:3], base[:, 2], base[::2, 1::3], base[1].expand(3, 6), base[3]):
        made = again(tensor)
        assert made.tolist() == tensor.tolist()
        assert made.stride() == tensor.stride()
        assert made.storage_offset() == tensor.storage_offset()


def test_the_empty_tensor():
    made = again([torch.FloatTensor(), torch.LongTensor()])
    assert [t.type() for t in made] == ["minigrad.FloatTensor", "minigrad.LongTensor"]
    assert [tuple(t.size()) for t in made] == [(), ()]


def test_arrays_in_any_order_of_memory():
    fortran = np.asfortranarray(np.arange(6.0).reshape(2, 3))
    gaps = np.arange(20.0)[3:18:3]
    for array in (fortran, gaps):
        assert again(torch.from_numpy(array)).tolist() == array.tolist()


def test_variables_and_parameters():
    v, w = Variable(torch.randn(2, 3), requires_grad=True), Variable(torch.randn(2), volatile=True)
    p = nn.Parameter(torch.randn(3), requires_grad=False)
    made_v, made_w, made_p = again([v, w, p])
    assert type(made_v) is type(made_w) is Variable
    assert type(made_p) is nn.Parameter
    assert (made_v.requires_grad, made_v.volatile) == (True, False)
    assert (made_w.requires_grad, made_w.volatile) == (False, True)
    assert not made_p.requires_grad
    assert made_v.data.tolist() == v.data.tolist()
    assert made_p.is_leaf


def test_results_come_back_as_leaves():
    v = Variable(torch.ones(2), requires_grad=True)
    for made in (again(v * 2), pickle.loads(pickle.dumps(v * 2))):
        assert made.data.tolist() == [2, 2]
        assert (made.is_leaf, made.requires_grad, made.volatile) == (True, True, False)
    assert again(Variable(torch.ones(2), volatile=True) * 2).volatile


def test_a_state_dict():
    net = Net()
    state = again(net.state_dict())
    assert type(state) is collections.OrderedDict
    assert list(state) == list(net.state_dict())
    other = Net()
    other.load_state_dict(state)
    for a, b in zip(net.parameters(), other.parameters()):
        assert a.data.tolist() == b.data.tolist()


def test_an_optimizers_state():
    net = nn.Linear(2, 2)
    adam = optim.Adam(net.parameters(), lr=0.25)
    net(Variable(torch.ones(1, 2))).sum().backward()
    adam.step()
    state = again({"epoch": 3, "optimizer": adam.state_dict()})
    fresh = optim.Adam(net.parameters())
    fresh.load_state_dict(state["optimizer"])
    assert fresh.param_groups[0]["lr"] == 0.25
    assert state["epoch"] == 3


def test_minigrads_own_modules_need_no_trust():
    net = nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.GRU(3, 2), nn.Embedding(4, 2))
    made = again(net)
    assert repr(made) == repr(net)
    assert [p.data.tolist() for p in made.parameters()] == [p.data.tolist() for p in net.parameters()]
    assert repr(again([net, net][:1])[0]) == repr(net)


def test_modules_with_weight_norm_need_no_trust():
    net = nn.Sequential(nn.utils.weight_norm(nn.Linear(2, 3)), nn.utils.weight_norm(nn.Linear(3, 2), dim=None))
    made = again(net)
    x = Variable(torch.ones(4, 2))
    assert made(x).data.tolist() == net(x).data.tolist()
    made[0].weight_g.data.mul_(2)  # the weight is computed from it before each forward, as in the module saved
    net[0].weight_g.data.mul_(2)
    assert made(x).data.tolist() == net(x).data.tolist()
    nn.utils.remove_weight_norm(made[0])
    assert [name for name, _ in made[0].named_parameters()] == ["bias", "weight"]


def test_packed_sequences():
    packed = nn.utils.rnn.pack_padded_sequence(Variable(torch.randn(3, 2, 1)), [3, 2])
    made = again(packed)
    assert type(made) is type(packed)
    assert made.batch_sizes == packed.batch_sizes
    assert made.data.data.tolist() == packed.data.data.tolist()


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_plain_objects(protocol):
    objects = [
        None, True, False, 0, -1, 255, 256, 65535, 65536, -(2**31), 2**31, 2**70, -(2**2100), 1.5, float("inf"), 2 - 1j,
        "", "täxt", "\ud800", "x" * 300, "y" * 70000, b"", b"\x00\xff" * 200, bytearray(b"ab"), bytearray(),
        (), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4), [], [1], [*range(2000)], {}, {"a": 1}, {k: k for k in range(2000)},
        set(), {1, 2}, frozenset([3]), {(1, (2, "x")): 0}, range(2, 9, 3), slice(1, None, 2),
        collections.OrderedDict(b=1, a=2), collections.Counter("aab"), collections.deque([1, 2], 3), torch.Size([2, 3]),
        argparse.Namespace(lr=0.1, cuda=False), collections.defaultdict(list, a=[1]), float, dict,
    ]  # fmt: skip
    made = again(objects, protocol)
    assert made == objects
    assert [type(m) for m in made] == [type(o) for o in objects]
    assert list(made[-8]) == ["b", "a"]
    assert made[-6].maxlen == 3
    assert made[-3].default_factory is list


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_numpy(protocol):
    arrays = [
        np.arange(6).reshape(2, 3), np.asfortranarray(np.arange(6.0).reshape(2, 3)), np.zeros((0, 2)), np.array(3),
        np.arange(3, dtype=">i4"), np.array([True, False]), np.array([1 + 2j]), np.array(["ab", "c"]), np.array([b"x"]),
        np.arange(10)[::-2],
    ]  # fmt: skip
    scalars = [np.float64(0.5), np.float32(2), np.int64(-3), np.bool_(True), np.str_("s"), np.complex64(1j)]
    made_arrays, made_scalars, dtype = again((arrays, scalars, np.dtype("<i2")), protocol)
    for made, array in zip(made_arrays, arrays, strict=True):
        assert made.dtype == pickle.loads(pickle.dumps(array, protocol)).dtype  # of numbers, in native byte order
        assert made.shape == array.shape
        assert (made == array).all()
    assert made_scalars == scalars
    assert [type(m) for m in made_scalars] == [type(s) for s in scalars]
    assert dtype == np.int16
    made_arrays[0][0] = 9  # they can be written to


def test_a_lone_array_and_a_generator():
    assert again(np.ones(3)).tolist() == [1, 1, 1]
    generator = torch.Generator().manual_seed(4)
    made = again(generator)
    assert made.draw32(5).tolist() == generator.draw32(5).tolist()


# ---------------------------------------------------------------- sharing


def test_memory_stays_shared():
    base = torch.arange(12).view(3, 4)
    other = torch.arange(12)
    a, b, c, d, p = again([base, base[1], base.t(), other, nn.Parameter(base)])
    assert same_memory(a, b)
    assert same_memory(a, c)
    assert same_memory(a, p.data)
    assert not same_memory(a, d)
    b.fill_(-1)
    assert a[1].tolist() == [-1] * 4
    assert c[:, 1].tolist() == [-1] * 4
    assert p.data[1].tolist() == [-1] * 4


def test_memory_shared_with_numpy():
    array = np.arange(6.0)
    a, b = again([torch.from_numpy(array), torch.from_numpy(array[2:4])])
    b.fill_(9)
    assert a.tolist() == [0, 1, 9, 9, 4, 5]


def test_identity():
    t, v = torch.ones(2), Variable(torch.ones(2))
    loop = [t, t, v, v]
    loop.append(loop)
    made = again(loop)
    assert made[0] is made[1]
    assert made[2] is made[3]
    assert made[4] is made


def test_tied_parameters_stay_tied():
    net = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    net[1].weight = net[0].weight
    made = again(net)
    assert made[0].weight is made[1].weight


def test_storages():
    storage = torch.arange(6).storage()
    view = torch.FloatStorage(storage, 2, 3)
    equal_view = torch.FloatStorage(storage, 2, 3)
    tensor = torch.FloatTensor(view)
    s, t, v, same, other, on_view = again([storage, torch.FloatTensor(storage), view, view, equal_view, tensor])
    assert s.tolist() == storage.tolist()
    assert t.storage()._cdata == s._cdata
    assert v.tolist() == [2, 3, 4]
    assert v._cdata == same._cdata == on_view.storage()._cdata
    assert v is same
    assert v._cdata != other._cdata
    on_view.fill_(7)
    assert s.tolist() == [0, 1, 7, 7, 7, 5]
    assert other.tolist() == [7, 7, 7]


# ---------------------------------------------------------------- map_location


def cuda_file():
    """A file whose storages say that they were on a GPU."""
    from minigrad.serialization.archive import write_archive

    file = io.BytesIO()
    save([torch.ones(3), torch.zeros(2)], file)
    import zipfile

    with zipfile.ZipFile(file) as archive:
        records = [(name.partition("/")[2], archive.read(name)) for name in archive.namelist()][1:]
    # 'cpu' is written with its length before it.
    changed = [(n, d.replace(b"X\x03\x00\x00\x00cpu", b"X\x06\x00\x00\x00cuda:0")) for n, d in records]
    assert changed != records
    file = io.BytesIO()
    write_archive(file, changed)
    file.seek(0)
    return file


@pytest.mark.parametrize("place", [lambda storage, location: storage, {"cuda:0": "cpu"}, "cpu"])
def test_from_a_gpu_to_the_cpu(place):
    assert [t.tolist() for t in load(cuda_file(), map_location=place)] == [[1, 1, 1], [0, 0]]


def test_without_that_gpu():
    for place in (None, {"cpu": "cpu"}, lambda storage, location: None, "cuda:1"):
        with pytest.raises(RuntimeError, match=r"saved on 'cuda:[01]', which is not here; .*map_location=lambda"):
            load(cuda_file(), place)


def test_map_location_sees_every_storage_once():
    seen = []
    base = torch.arange(4)

    def place(storage, location):
        seen.append((storage.tolist(), location))
        return storage.clone() if len(storage) == 4 else None

    a, b, c = again([base, base[1:3], torch.ones(2)], map_location=place)
    assert seen == [([0, 1, 2, 3], "cpu"), ([1, 1], "cpu")]
    assert same_memory(a, b)
    assert c.tolist() == [1, 1]


def test_map_location_is_checked():
    with pytest.raises(TypeError, match=r"map_location must be a function of .* got int"):
        again([1], map_location=0)
    with pytest.raises(RuntimeError, match="map_location must return a storage or None, got a int from it"):
        again(torch.ones(1), map_location=lambda storage, location: 3)


# ---------------------------------------------------------------- safetensors


def test_safetensors_that_are_not_installed(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "safetensors", None)
    monkeypatch.setitem(sys.modules, "safetensors.numpy", None)
    for call in (lambda p: save({"a": torch.ones(1)}, p), lambda p: (p.touch(), load(p))):
        with pytest.raises(ImportError, match=r"need the package safetensors: python -m pip install safetensors"):
            call(tmp_path / "x.safetensors")


def test_safetensors(tmp_path):
    pytest.importorskip("safetensors")
    from minigrad.serialization import load_safetensors, save_safetensors

    path = tmp_path / "x.safetensors"
    base = torch.arange(6).view(2, 3)
    tensors = {k: getattr(torch, k)([1, 2]) for k in TYPES} | {"t": base.t(), "p": nn.Parameter(torch.ones(2))}
    save(tensors, path)
    made = load(path)
    assert {k: v.type() for k, v in made.items() if k in TYPES} == {k: f"minigrad.{k}" for k in TYPES}
    assert made["t"].tolist() == base.t().tolist()
    assert made["p"].tolist() == [1, 1]
    made["t"].fill_(0)
    file = io.BytesIO()
    save_safetensors({"a": torch.ones(2)}, file, {"note": "x"})
    file.seek(0)
    assert load_safetensors(file)["a"].tolist() == [1, 1]
    for wrong in ([torch.ones(1)], {"a": 3}, {1: torch.ones(1)}):
        with pytest.raises(TypeError, match="save_safetensors: "):
            save(wrong, path)
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(RuntimeError, match="the safetensors file cannot be read"):
        load(path)
    with contextlib.suppress(FileNotFoundError):
        pathlib.Path(path).unlink()
