"""`minigrad.cuda` and tensors on a GPU, beyond arithmetic: types, devices, streams, printing, files."""

import copy
import io
import pickle

import numpy as np
import pytest

import minigrad as torch
from minigrad import _core, cuda
from minigrad._core import Variable
from minigrad.ops import arrays


def test_types_and_names(gpu):
    t = torch.cuda.FloatTensor([[1, 2], [3, 4]])
    assert type(t) is torch.cuda.FloatTensor
    assert isinstance(t, cuda.FloatTensor)
    assert not isinstance(t, torch.FloatTensor)
    assert torch.is_tensor(t)
    assert t.is_cuda
    assert not t.cpu().is_cuda
    assert t.type() == "minigrad.cuda.FloatTensor" == torch.typename(t)
    assert repr(cuda.FloatTensor) == "<class 'minigrad.cuda.FloatTensor'>"
    assert t.get_device() == 0
    with pytest.raises(RuntimeError, match="get_device: it is in the CPU's memory"):
        t.cpu().get_device()
    for name in ("Float", "Double", "Half", "Long", "Int", "Short", "Char", "Byte"):
        kind = getattr(cuda, f"{name}Tensor")
        assert type(kind(2, 3)) is kind
        assert kind(2, 3).size() == (2, 3)
        assert type(t.type(f"torch.cuda.{name}Tensor")) is kind
        assert type(t.type(kind)) is type(getattr(t, name.lower())()) is kind
        assert type(t.type(f"torch.{name}Tensor")) is getattr(torch, f"{name}Tensor")
        assert t.type(kind).tolist() == [[1, 2], [3, 4]]
        assert type(kind(2).storage()) is getattr(cuda, f"{name}Storage") is kind.storage_type()
    assert t.type("torch.cuda.FloatTensor") is t
    assert t.cuda() is t
    assert t.float() is t
    assert t.cpu().cpu().tolist() == t.tolist()
    assert type(t.type_as(torch.LongTensor([1]))) is torch.LongTensor
    assert type(torch.LongTensor([1]).type_as(t)) is cuda.FloatTensor
    assert type(t.new(3)) is type(t.new([1, 2])) is cuda.FloatTensor
    assert {cuda.FloatTensor, torch.FloatTensor} <= torch._tensor_classes
    v = Variable(t)
    assert v.is_cuda
    assert v.data is t
    assert v.cpu().data.tolist() == t.tolist()
    assert v.get_device() == 0
    with pytest.raises(AttributeError, match="has no 'sqrt'"):
        cuda.LongTensor([1]).sqrt  # noqa: B018
    with pytest.raises(TypeError, match="stores numbers but does not compute"):
        cuda.HalfTensor([1]) + 1


def test_names_under_an_era_script(gpu, monkeypatch):
    monkeypatch.setattr(_core, "package", "torch")
    t = cuda.FloatTensor([1, 2])
    assert t.type() == "torch.cuda.FloatTensor"
    assert repr(type(t)) == "<class 'torch.cuda.FloatTensor'>"
    assert str(t).endswith("[torch.cuda.FloatTensor of size 2 (GPU 0)]\n")
    assert t.storage().type() == "torch.cuda.FloatStorage"


def test_constructors(gpu):
    t = cuda.FloatTensor([1, 2, 3])
    same = cuda.FloatTensor(t)
    same[0] = 7
    assert t[0] == 7
    assert same.data_ptr() == t.data_ptr()
    assert cuda.FloatTensor(t.storage())[0] == 7
    assert cuda.FloatTensor(np.ones((2, 2))).tolist() == [[1, 1], [1, 1]]
    assert cuda.FloatTensor().size() == () == cuda.FloatTensor([]).size()
    with pytest.raises(TypeError, match="must be of the same type, got FloatTensor"):
        cuda.FloatTensor(torch.ones(2))
    with pytest.raises(RuntimeError, match="takes whole numbers"):
        cuda.LongTensor([1.5])


def test_default_type(gpu):
    torch.set_default_tensor_type("torch.cuda.FloatTensor")
    try:
        torch.manual_seed(2)
        made = [torch.zeros(2), torch.ones(2), torch.eye(2), torch.arange(3), torch.linspace(0, 1, 3), torch.rand(3),
                torch.randn(3), torch.Tensor([1, 2]), torch.zeros_like(torch.ones(2)),
                torch.nn.Linear(2, 2).weight.data,
                torch.nn.BatchNorm1d(2).running_var, torch.nn.LSTM(2, 2).weight_hh_l0.data]  # fmt: skip
        assert all(type(t) is cuda.FloatTensor for t in made)
        assert torch.arange(3).tolist() == [0, 1, 2]
        assert torch.zeros(2).tolist() == [0, 0]
        assert torch.Storage is cuda.FloatStorage
    finally:
        torch.set_default_tensor_type("torch.FloatTensor")
    torch.manual_seed(2)
    np.testing.assert_array_equal(torch.rand(3).numpy(), made[5].cpu().numpy())


def test_printing(gpu):
    t = cuda.FloatTensor([[1, 2.5], [-3, 4]])
    body = "\n 1.0000  2.5000\n-3.0000  4.0000\n"
    assert str(t) == f"{body}[minigrad.cuda.FloatTensor of size 2x2 (GPU 0)]\n"
    assert str(Variable(t)) == f"Variable containing:{body}[minigrad.cuda.FloatTensor of size 2x2 (GPU 0)]\n"
    assert str(cuda.LongTensor()) == "[minigrad.cuda.LongTensor with no dimension]\n"
    assert str(cuda.LongTensor([1, 2]).storage()) == " 1\n 2\n[minigrad.cuda.LongStorage of size 2 (GPU 0)]"


MIXED = {
    "add": lambda g, c: g + c, "mm": lambda g, c: c.mm(g), "cat": lambda g, c: torch.cat([g, c]),
    "grad of": lambda g, c: torch.autograd.grad((Variable(g, requires_grad=True) * 1), [], [Variable(c)]),
    "index": lambda g, c: g.index_select(0, torch.LongTensor([0])), "x[index]": lambda g, c: g[torch.LongTensor([0])],
    "gather": lambda g, c: c.gather(0, torch.LongTensor([[0, 1]]).cuda()),
    "embedding": lambda g, c: torch.nn.functional.embedding(Variable(torch.LongTensor([0])), Variable(g)),
    "loss weight": lambda g, c: torch.nn.functional.nll_loss(Variable(g), Variable(cuda.LongTensor([0, 1])), c[0]),
    "mask": lambda g, c: g.masked_select(c > 0),
    "linear": lambda g, c: torch.nn.functional.linear(Variable(c), Variable(g)),
}  # fmt: skip


@pytest.mark.parametrize("what", MIXED)
def test_mixing_memories_names_both(what, gpu):
    both = r"one place, got.*on (the CPU|GPU 0) and .*on (GPU 0|the CPU); use .cuda\(\)"
    with pytest.raises(RuntimeError, match=both):
        MIXED[what](torch.ones(2, 2).cuda(), torch.ones(2, 2))


def test_copies_convert_and_move(gpu):
    there, here = cuda.FloatTensor(2, 2).zero_(), torch.DoubleTensor([[1, 2], [3, 4]])
    assert there.copy_(here).tolist() == here.tolist()
    assert there.is_cuda
    assert here.zero_().copy_(there).tolist() == [[1, 2], [3, 4]]
    there[0] = torch.FloatTensor([8, 9])
    there[:, 1] = torch.cuda.FloatTensor([5, 6])
    there[there > 7] = 0
    assert there.tolist() == [[0, 5], [3, 6]]
    there[cuda.LongTensor([1])] = torch.ones(1, 2)
    assert there.tolist() == [[0, 5], [1, 1]]
    out = cuda.FloatTensor(1)
    assert torch.add(there, 1, out=out) is out
    assert out.tolist() == [[1, 6], [2, 2]]
    with pytest.raises(TypeError, match=r"the result's type minigrad.cuda.FloatTensor, got minigrad.FloatTensor"):
        torch.add(there, 1, out=torch.FloatTensor(2, 2))


def test_of_two_values_for_one_place_the_last_stays(gpu):
    x = cuda.FloatTensor(4).zero_()
    x[cuda.LongTensor([1, 1, 2, 1])] = cuda.FloatTensor([1, 2, 3, 4])
    assert x.tolist() == [0, 4, 3, 0]
    x.scatter_(0, cuda.LongTensor([0, 0]), cuda.FloatTensor([5, 6]))
    assert x.tolist() == [6, 4, 3, 0]


@pytest.mark.parametrize("kind", ["Long", "Int", "Short", "Char", "Byte", "Float", "Double"])
def test_adding_at_places_in_every_type(kind, gpu):
    x, values = [getattr(cuda, f"{kind}Tensor")(n) for n in ([1, 2, 3], [3, 4, 5])]
    assert x.index_add_(0, cuda.LongTensor([2, 0, 2]), values).tolist() == [5, 2, 11]
    if kind == "Byte":
        assert cuda.ByteTensor([250]).index_add_(0, cuda.LongTensor([0]), cuda.ByteTensor([10])).tolist() == [4]


def test_arrays_do_not_mix_with_tensors(gpu):
    t = cuda.FloatTensor([1, 2])
    with pytest.raises(TypeError, match=r"a GPU's array does not mix with a Tensor; convert it first: .*from_dlpack"):
        torch.add(t, t.array)
    with pytest.raises(TypeError, match="other must be a Tensor, a Variable or a number, got str"):
        torch.add(t, "2")


def test_numpy_is_refused_with_the_way_out(gpu):
    t = cuda.FloatTensor([1, 2])
    for refused in (t.numpy, lambda: np.asarray(t), lambda: np.asarray(t, dtype=np.float64)):
        with pytest.raises(RuntimeError, match=r"GPU 0; copy the cuda.FloatTensor to the CPU first: .*cpu\(\)"):
            refused()
    assert t.cpu().numpy().tolist() == [1, 2]


def test_elements(gpu):
    t = cuda.LongTensor([4])
    assert int(t) == 4
    assert float(t) == 4.0
    assert bool(t)
    assert t[0] == 4
    assert 4 in t
    assert 5 not in t
    assert [int(x) for x in cuda.LongTensor([1, 2])] == [1, 2]
    assert t.sum() == 4
    assert t.max() == 4
    assert isinstance(t.sum(), int)
    assert t.clone().apply_(lambda x: x + 1).tolist() == [5]
    assert t.map_(cuda.LongTensor([3]), lambda x, y: x * y).tolist() == [12]


def test_memory_and_storage(gpu):
    t = cuda.FloatTensor([[1, 2, 3], [4, 5, 6]])
    s = t.storage()
    assert type(s) is cuda.FloatStorage
    assert s.is_cuda
    assert len(s) == 6
    assert s.get_device() == 0
    assert t[1].storage_offset() == 3
    assert t[1].storage()._cdata == s._cdata == t.t().storage()._cdata
    s[0] = 9
    s[4:6] = 7
    assert t.tolist() == [[9, 2, 3], [4, 7, 7]]
    assert s[0] == 9
    assert list(s) == [9, 2, 3, 4, 7, 7]
    view = cuda.FloatStorage(s, 1, 2)
    view.fill_(0)
    assert t.tolist() == [[9, 0, 0], [4, 7, 7]]
    assert view._cdata != s._cdata
    assert view._root_storage()[1] == 1
    assert s[1:3].tolist() == [0, 0]
    back = s.cpu()
    assert type(back) is torch.FloatStorage
    assert back.tolist() == s.tolist()
    assert type(back.cuda()) is cuda.FloatStorage
    assert type(s.double()) is cuda.DoubleStorage
    assert type(s.type("torch.LongStorage")) is torch.LongStorage
    assert s.clone().copy_(torch.LongStorage([1] * 6)).tolist() == [1] * 6
    u = cuda.FloatTensor().set_(s, 1, (2, 2), (3, 1))
    assert u.tolist() == [[0, 0], [7, 7]]
    assert u.storage()._cdata == s._cdata
    assert u.is_set_to(u)
    u[0, 0] = 5
    assert t[0, 1] == 5
    grown = cuda.FloatTensor([1, 2]).resize_(3)
    assert grown.is_cuda
    assert grown[0] == 1
    assert grown.size() == (3,)
    assert t.is_shared()
    assert t.share_memory_() is t
    assert not t.is_pinned()
    seen = Variable(t).as_strided((2, 2), (1, 2))
    assert seen.data.tolist() == [[9, 0], [5, 4]]
    assert seen.data.storage()._cdata == s._cdata
    assert t.unfold(1, 2, 1).tolist() == [[[9, 5], [5, 0]], [[4, 7], [7, 7]]]
    t.unfold(1, 2, 1)[0, 0, 0] = 1
    assert t[0, 0] == 1
    with pytest.raises(RuntimeError, match="cannot be written: it is expanded"):
        cuda.FloatTensor([1]).expand(3).zero_()


def test_copies_and_pickles_keep_sharing(gpu):
    t = cuda.FloatTensor([[1, 2], [3, 4]])
    for again in (copy.deepcopy((t, t[1])), pickle.loads(pickle.dumps((t, t[1])))):
        assert all(type(a) is cuda.FloatTensor for a in again)
        again[1].fill_(0)
        assert again[0].tolist() == [[1, 2], [0, 0]]
    assert t.tolist() == [[1, 2], [3, 4]]
    shared = copy.copy(t)
    shared[0, 0] = 8
    assert t[0, 0] == 8
    v = copy.deepcopy(Variable(t, requires_grad=True))
    assert v.is_cuda
    assert v.requires_grad


def test_files(gpu):
    module = torch.nn.LSTM(2, 3).cuda()
    t = cuda.FloatTensor([[1, 2], [3, 4]])
    file = io.BytesIO()
    torch.save([t, t[1], module.state_dict(), Variable(t)], file)

    def load(place=None):
        file.seek(0)
        return torch.load(file, place)

    for place in (None, "cuda:0", "cuda", {"cuda:0": "cuda:0"}, lambda storage, location: storage.cuda()):
        a, b, state, v = load(place)
        assert type(a) is type(b) is cuda.FloatTensor
        assert v.is_cuda
        b.fill_(0)
        assert a.tolist() == [[1, 2], [0, 0]]
        torch.nn.LSTM(2, 3).cuda().load_state_dict(state)
        torch.nn.LSTM(2, 3).load_state_dict(state)
    locations = []
    for place in ("cpu", {"cuda:0": "cpu"}, lambda storage, location: locations.append(location) or storage):
        a, b, state, v = load(place)
        assert type(a) is torch.FloatTensor
        assert not v.is_cuda
        assert not any(p.is_cuda for p in state.values())
        b.fill_(0)
        assert a.tolist() == [[1, 2], [0, 0]]
    assert set(locations) == {"cuda:0"}
    with pytest.raises(RuntimeError, match="saved on 'cuda:7', which is not here"):
        load({"cuda:0": "cuda:7"})


def test_safetensors(gpu, tmp_path):
    pytest.importorskip("safetensors")
    torch.save({"t": cuda.FloatTensor([1, 2])}, tmp_path / "t.safetensors")
    assert torch.load(tmp_path / "t.safetensors")["t"].tolist() == [1, 2]


def test_random_numbers(gpu):
    def drawn(kind):
        return [
            kind(20).uniform_(), kind(20).normal_(1, 2), kind(20).bernoulli_(0.3), kind(20).exponential_(),
            kind(20).random_(5), torch.bernoulli(kind(20).fill_(0.5)), torch.normal(kind(20).fill_(0.5), 2),
            kind([1, 2, 3]).multinomial(2).float(), kind(20).geometric_(0.3), kind(20).cauchy_(),
            kind(20).log_normal_(),
            kind(4).bernoulli_(kind([0, 1, 0, 1])),
        ]  # fmt: skip

    torch.manual_seed(5)
    here = drawn(torch.FloatTensor)
    torch.manual_seed(6)
    cuda.manual_seed(5)
    there = drawn(cuda.FloatTensor)
    assert all(t.is_cuda for t in there)
    for a, b in zip(here, there):
        np.testing.assert_array_equal(a.numpy(), b.cpu().numpy())
    assert cuda.initial_seed() == 5
    state, states = cuda.get_rng_state(), cuda.get_rng_state_all()
    assert type(state) is torch.ByteTensor
    first = cuda.FloatTensor(3).normal_()
    cuda.set_rng_state(state)
    assert cuda.FloatTensor(3).normal_().tolist() == first.tolist()
    cuda.set_rng_state_all(states)
    with torch.random.fork_rng():
        assert cuda.FloatTensor(3).normal_().tolist() == first.tolist()
    assert cuda.FloatTensor(3).normal_().tolist() == first.tolist()
    cuda.manual_seed_all(9)
    assert cuda.initial_seed() == 9
    cuda.seed()
    cuda.seed_all()
    assert cuda.initial_seed() != 9
    torch.manual_seed(3)
    assert cuda.initial_seed() == 3


def test_devices(gpu, real):
    assert cuda.is_available()
    assert cuda.device_count() >= 1
    assert cuda.current_device() == 0
    with cuda.device(-1), cuda.device_of(torch.ones(1)), cuda.device_of(torch.ones(1).cuda()):
        assert cuda.current_device() == 0
    cuda.set_device(0)
    cuda.set_device(-1)
    cuda.synchronize()
    cuda.empty_cache()
    assert isinstance(cuda.get_device_name(0), str)
    assert cuda.get_device_name(0)
    major, minor = cuda.get_device_capability()
    assert major >= 3
    assert minor >= 0
    for number, error in ((99, RuntimeError), ("0", TypeError), (True, TypeError)):
        with pytest.raises(error, match="GPU"):
            torch.ones(1).cuda(number)
    before = cuda.memory_allocated()
    t = cuda.FloatTensor(1000)
    assert cuda.memory_allocated() >= before + 4000 <= cuda.memory_cached()
    del t
    assert cuda.memory_allocated() == before


def test_pinned_memory(gpu):
    t = torch.ones(3)
    pinned = t.pin_memory()
    assert pinned.is_pinned()
    assert not t.is_pinned()
    assert pinned.tolist() == [1, 1, 1]
    assert pinned.pin_memory() is pinned
    assert pinned.storage().is_pinned()
    assert t.storage().pin_memory().is_pinned()
    assert pinned.cuda(non_blocking=True).tolist() == pinned.cuda(**{"async": True}).tolist() == [1, 1, 1]
    with pytest.raises(RuntimeError, match="only the CPU's memory can be pinned"):
        t.cuda().pin_memory()


def test_streams(gpu):
    a, b = cuda.Stream(), cuda.Stream(priority=-1)
    assert a != b
    assert a == a
    assert cuda.current_stream() == cuda.default_stream()
    start, end = (cuda.Event(enable_timing=True) for _ in range(2))
    with cuda.stream(a):
        assert cuda.current_stream() == a
        start.record()
        x = torch.ones(2).cuda() * 2
        assert a.record_event(end) is end
    b.wait_stream(a)
    end.wait(b)
    with cuda.stream(None):
        assert cuda.current_stream() == cuda.default_stream()
    a.synchronize()
    end.synchronize()
    assert a.query()
    assert end.query()
    assert start.elapsed_time(end) >= 0
    assert x.tolist() == [2, 2]
    assert "cuda_stream" in repr(a)
    assert "recorded" in repr(end)
    assert hash(a) != hash(b)
    with pytest.raises(RuntimeError, match="must have been recorded"):
        cuda.Event().elapsed_time(end)


def test_other_libraries_share_the_memory(gpu):
    t = cuda.FloatTensor([1, 2, 3])
    assert t.__dlpack_device__() == (2, 0)
    seen = gpu.from_dlpack(t)
    seen[0] = 7
    assert t[0] == 7
    again = torch.from_dlpack(seen)
    again[1] = 8
    assert t.tolist() == [7, 8, 3]
    assert type(again) is cuda.FloatTensor
    interface = gpu.asarray(t)
    interface[2] = 9
    assert t[2] == 9
    assert t.__cuda_array_interface__["data"][0] == t.data_ptr()
    shared = cuda.FloatTensor(interface)
    shared[0] = 1
    assert t[0] == 1
    assert cuda.DoubleTensor(interface).tolist() == [1, 8, 9]
    assert not hasattr(torch.ones(1), "__cuda_array_interface__")
    with pytest.raises(RuntimeError, match="cannot grow"):
        t.resize_(10)
    with pytest.raises(TypeError, match=r"cuda.FloatTensor can share it"):
        torch.FloatTensor(interface)
    with pytest.raises(TypeError, match="from_dlpack shares a GPU's array"):
        torch.from_numpy(interface)


def test_arrays_of_two_memories_do_not_become_gradients_of_each_other(gpu):
    v = Variable(torch.ones(2).cuda(), requires_grad=True)
    with pytest.raises(RuntimeError, match=r"must have the Variable's type minigrad.cuda.FloatTensor"):
        v.grad = Variable(torch.ones(2))
    with pytest.raises(RuntimeError, match="got the Variable on GPU 0 and its gradient on the CPU"):
        (v * 2).backward(torch.ones(2))
    (v * 2).backward(torch.ones(2).cuda())
    assert v.grad.is_cuda
    v.grad.data.zero_()
    (v * 2).backward(torch.ones(2).cuda())
    assert v.grad.data.tolist() == [2, 2]


# ---------------------------------------------------------------- a second GPU


def test_work_is_done_where_the_tensors_are(two_gpus):
    """GPU 0 is in use throughout; what lies on GPU 1 is computed, and stays, there."""
    x = Variable(torch.randn(4, 3).cuda(1), requires_grad=True)
    assert x.get_device() == 1
    layer = torch.nn.LSTM(3, 2).cuda(1)
    optimizer = torch.optim.Adam(layer.parameters(), 0.1)
    out, _ = layer(x.view(4, 1, 3))
    loss = torch.nn.functional.cross_entropy(out.view(4, 2), Variable(torch.LongTensor([0, 1, 1, 0]).cuda(1)))
    loss.backward()
    optimizer.step()
    assert x.grad.get_device() == 1 == loss.get_device()
    (x * x + x).sum().backward()
    total = x.data.sum() + x.data.mean() + x.data.norm() + x.data.max() + x.data.view(-1).dot(x.data.view(-1))
    assert isinstance(total, float)
    assert x.data.new(2).get_device() == 1
    assert x.data.clone().get_device() == 1
    x.data[0] = 5
    x.data[x.data > 4] = 1
    assert x.data[0].tolist() == [1, 1, 1]
    assert "(GPU 1)" in str(x)
    assert x.data[torch.LongTensor([0]).cuda(1)].get_device() == 1
    with cuda.device_of(x):
        assert cuda.current_device() == 1
        assert cuda.FloatTensor(1).get_device() == 1
    assert cuda.current_device() == 0
    assert x.cuda().get_device() == 0
    assert x.cuda(0).cuda(1).data.tolist() == x.data.tolist()
    with pytest.raises(RuntimeError, match=r"on GPU 1 and a minigrad.cuda.FloatTensor on GPU 0; use"):
        x + x.cuda(0)
    x.cuda(0).sum().backward()
    cuda.manual_seed_all(1)
    assert x.data.normal_().tolist() == torch.cuda.FloatTensor(4, 3).normal_().tolist()
    torch.nn.functional.dropout(x, training=True)
    file = io.BytesIO()
    torch.save(x.data, file)
    file.seek(0)
    assert torch.load(file).get_device() == 1
    y = Variable(x.data.double(), requires_grad=True)
    assert torch.autograd.gradcheck(lambda y: (y * y).tanh(), [y])


# ---------------------------------------------------------------- without one


def missing(monkeypatch, cupy):
    """What is missing where importing CuPy gives `cupy`: a module, or an error."""
    from minigrad.ops import devices

    def load(name):
        if isinstance(cupy, Exception):
            raise cupy
        return cupy

    monkeypatch.setattr(devices, "_found", None)
    monkeypatch.setattr(devices.importlib, "import_module", load)
    assert not cuda.is_available()
    assert cuda.device_count() == 0
    with pytest.raises(RuntimeError) as caught:
        torch.ones(1).cuda()
    return str(caught.value)


class Unanswered:
    def __init__(self, text):
        self.cuda = self.runtime = self
        self.text = text

    def getDeviceCount(self):
        raise RuntimeError(self.text)


@pytest.mark.parametrize(
    ("cupy", "words"),
    [
        (ModuleNotFoundError("No module named 'cupy'", name="cupy"),
         r'CuPy is not installed: python -m pip install cupy-cuda12x'),
        (ModuleNotFoundError("No module named 'x'", name="x"), "CuPy cannot be imported"),
        (ImportError("libnvrtc.so"), r"CuPy cannot be imported \(ImportError: libnvrtc.so\)"),
        (Unanswered("cudaErrorInsufficientDriver: old"), "NVIDIA's driver is missing or older"),
        (Unanswered("cudaErrorNoDevice: none"), "no GPU was found"),
        (Unanswered("cudaErrorUnknown: ?"), "the GPU does not answer"),
    ],
    ids=["no CuPy", "half of CuPy", "broken CuPy", "no driver", "no GPU", "other"],
)  # fmt: skip
def test_what_is_missing_is_said(cupy, words, monkeypatch):
    import re

    text = missing(monkeypatch, cupy)
    assert re.search(words, text)
    assert "run --cpu" in text
    cuda.manual_seed(1)
    cuda.manual_seed_all(1)
    cuda.seed()
    cuda.seed_all()
    cuda.empty_cache()
    assert cuda.memory_allocated() == 0


def test_the_gpu_can_be_left_alone(gpu, monkeypatch, capsys):
    """`run --cpu` where there is a GPU."""
    from minigrad.ops import devices

    monkeypatch.setattr(devices, "_cpu_instead", True)
    assert not cuda.is_available()
    assert type(torch.ones(1).cuda()) is type(cuda.FloatTensor([1])) is torch.FloatTensor
    assert type(cuda.FloatStorage([1])) is torch.FloatStorage
    with cuda.device(0), cuda.stream(cuda.Stream()):
        cuda.Event().record()
    assert "it continues on the CPU" in capsys.readouterr().err


def test_importing_does_not_look_for_the_gpu():
    import subprocess
    import sys

    code = "import sys, minigrad; minigrad.nn.Linear(1, 1); minigrad.cuda.FloatTensor; print('cupy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "False\n"


def test_the_helper_arrays_say_where_they_are(gpu):
    there = torch.ones(2).cuda().array
    assert arrays.place_name(there) == "GPU 0"
    assert arrays.place_name(np.ones(1)) == "the CPU"
    assert arrays.library_of(there) is gpu
    assert arrays.library_of(np.ones(1)) is np
