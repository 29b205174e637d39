"""Storages, the memory behind tensors, and what happens to it when tensors are resized, copied and pickled."""

import copy
import multiprocessing
import pickle
import sys

import numpy as np
import pytest

import minigrad as torch
from minigrad.autograd import Variable
from minigrad.tensor import memory

KINDS = ["Float", "Double", "Half", "Long", "Int", "Short", "Char", "Byte"]


def storage_class(kind):
    return getattr(torch, f"{kind}Storage")


@pytest.mark.parametrize("kind", KINDS)
class TestEveryType:
    def test_construction(self, kind):
        cls = storage_class(kind)
        assert len(cls()) == 0
        assert cls(5).size() == 5
        assert cls([1, 2, 3]).tolist() == [1, 2, 3]
        assert cls((4, 5)).tolist() == [4, 5]
        assert list(cls(range(3))) == [0, 1, 2]

    def test_facts(self, kind):
        s = storage_class(kind)([1, 2])
        assert s.type() == f"minigrad.{kind}Storage"
        assert s.element_size() == s.dtype.itemsize == getattr(torch, f"{kind}Tensor")().element_size()
        assert getattr(torch, f"{kind}Tensor").storage_type() is type(s)
        assert not s.is_cuda
        assert not s.is_sparse
        assert not s.is_pinned()
        assert torch.is_storage(s)
        assert torch.typename(s) == s.type()
        assert sys.getsizeof(s) > 2 * s.element_size()

    def test_conversions(self, kind):
        s = storage_class(kind)([1, 2, 100])
        for other in KINDS:
            made = getattr(s, other.lower())()
            assert type(made) is storage_class(other)
            assert made.tolist() == [1, 2, 100]
            assert (made is s) == (other == kind)
            assert type(s.type(f"torch.{other}Storage")) is storage_class(other)
            assert storage_class(other)(3).copy_(s).tolist() == [1, 2, 100]

    def test_a_tensor_of_a_storage_is_a_view_of_it(self, kind):
        s = storage_class(kind)([1, 2, 3])
        t = getattr(torch, f"{kind}Tensor")(s)
        assert t.size() == (3,)
        s[1] = 7
        assert t[1] == 7
        assert t.storage()._cdata == s._cdata

    def test_pickle_and_copies(self, kind):
        s = storage_class(kind)([1, 2, 3])
        for made in (pickle.loads(pickle.dumps(s)), copy.deepcopy(s), s.clone()):
            assert type(made) is type(s)
            assert made.tolist() == [1, 2, 3]
            made[0] = 9
            assert s[0] == 1
        copy.copy(s)[0] = 9
        assert s[0] == 9


def test_printing():
    assert str(torch.FloatStorage([1, 2.5])) == " 1.0\n 2.5\n[minigrad.FloatStorage of size 2]"


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: torch.LongStorage([1.5]), RuntimeError, "takes whole numbers only, got 1.5"),
        (lambda: torch.FloatStorage(["a"]), RuntimeError, "expected a number, got 'a'"),
        (lambda: torch.FloatStorage(-1), RuntimeError, "must not be negative, got -1"),
        (lambda: torch.FloatStorage(2, 3), TypeError, r"got \(int, int\)"),
        (lambda: torch.FloatStorage("3"), TypeError, "got str"),
        (lambda: torch.FloatStorage(True), TypeError, "got bool"),
        (lambda: torch.FloatStorage(torch.LongStorage(3)), TypeError, "must be of a FloatStorage, got a LongStorage"),
        (
            lambda: torch.FloatStorage(torch.FloatStorage(3), 2, 2),
            RuntimeError,
            "2 elements from 2 leaves the storage of 3",
        ),
        (lambda: torch.FloatStorage(3)[3], IndexError, "index 3 is out of range for 3 elements"),
        (lambda: torch.FloatStorage(3)[-4], IndexError, "index -4"),
        (lambda: torch.FloatStorage(3)[1.0], TypeError, "got float"),
        (lambda: torch.FloatStorage(4)[::2], RuntimeError, "step 1, got 2"),
        (lambda: torch.LongStorage(4).fill_(0.5), RuntimeError, "whole numbers only"),
        (lambda: torch.FloatStorage(4).copy_(torch.FloatStorage(3)), RuntimeError, "must have 4 elements, got 3"),
        (lambda: torch.FloatStorage(4).copy_([1, 2, 3, 4]), TypeError, "must be a storage, got list"),
        (lambda: torch.FloatStorage(4).resize_(-1), RuntimeError, "must not be negative, got -1"),
        (lambda: torch.FloatStorage(4).resize_(2.0), TypeError, "must be an int, got float"),
        (lambda: torch.FloatStorage(4).type("torch.FloatTensor"), TypeError, "expected a storage type"),
        (
            lambda: torch.FloatStorage(4).type("torch.LongStorage", blocking=True),
            TypeError,
            "keyword argument 'blocking'",
        ),
        (lambda: torch.FloatStorage(4).pin_memory(), RuntimeError, "cuda"),
        (lambda: torch.FloatStorage(4).cuda(), RuntimeError, "cuda"),
        (lambda: torch.IntStorage.from_buffer(b"12345"), ValueError, "5 bytes from offset on are no whole number"),
        (lambda: torch.IntStorage.from_buffer(b"1234", "mixed"), ValueError, "got 'mixed'"),
        (lambda: torch.IntStorage.from_buffer(b"1234", offset=5), ValueError, "from 0 to the buffer's 4 bytes, got 5"),
        (lambda: torch.IntStorage.from_buffer(b"1234", count=2), ValueError, "need 8 bytes, the buffer has 4"),
    ],
)
def test_refusals(call, error, words):
    with pytest.raises(error, match=words):
        call()


def test_elements_and_slices_share_memory():
    s = torch.FloatStorage([1, 2, 3, 4])
    assert s[-1] == 4.0
    part = s[1:3]
    assert part.tolist() == [2, 3]
    part[0] = 9
    assert s.tolist() == [1, 9, 3, 4]
    part[:] = 0
    assert s.tolist() == [1, 0, 0, 4]
    assert s[3:1].tolist() == []
    assert s.fill_(2).tolist() == [2, 2, 2, 2]


def test_identity():
    s = torch.FloatStorage([1, 2, 3, 4])
    t = torch.FloatTensor(s)
    assert s._cdata == t.storage()._cdata == t.view(2, 2).t().storage()._cdata
    assert t.storage()._cdata != t.clone().storage()._cdata
    view = s[1:3]
    assert view._cdata == view._cdata != s._cdata
    assert view._cdata != s[1:3]._cdata
    root, offset = view._root_storage()
    assert (root._cdata, offset) == (s._cdata, 1)
    assert s._root_storage() == (s, 0)
    # A view of a view is a view of the same root; tensors on a view report it, not the root.
    inner, offset = view[1:]._root_storage()
    assert (inner._cdata, offset) == (s._cdata, 2)
    u = torch.FloatTensor().set_(view, 0, (2,), (1,))
    assert u.storage()._cdata == view._cdata
    assert u.storage_offset() == 0
    u[0] = 8
    assert s[1] == 8


def test_from_buffer_reads_either_byte_order():
    assert torch.ShortStorage.from_buffer(b"\x01\x00\x02\x00", "little").tolist() == [1, 2]
    assert torch.ShortStorage.from_buffer(b"\x01\x00\x02\x00", "big").tolist() == [256, 512]
    assert torch.ShortStorage.from_buffer(b"\x01\x00\x02\x00\x03\x00", "little", 2, 1).tolist() == [2]
    assert torch.ByteStorage.from_buffer(bytearray(b"abc"), "native").tolist() == [97, 98, 99]
    assert len(torch.IntStorage.from_buffer(b"")) == 0


@pytest.mark.parametrize(
    "layout",
    {
        "whole": lambda a: a, "slice": lambda a: a[1:, 1:], "transposed": lambda a: a.T, "steps": lambda a: a[::2, ::3],
        "cube, permuted": lambda a: np.arange(24.0).reshape(2, 3, 4).transpose(1, 2, 0).copy(order="K")[1],
        "windows": lambda a: np.lib.stride_tricks.sliding_window_view(a[0], 2, writeable=True),
        "of another type": lambda a: np.zeros(48, np.uint8)[8:].view(np.float64)[1:],
        "of bytes": lambda a: np.frombuffer(bytearray(80))[2:],
    }.values(),
)  # fmt: skip
def test_storage_and_geometry_describe_any_array(layout):
    array = layout(np.arange(35.0).reshape(5, 7))
    array[...] = np.arange(array.size).reshape(array.shape)
    t = torch.from_numpy(array)
    s = t.storage()
    flat = np.array(s.tolist())
    places = sum(np.ogrid[tuple(map(slice, t.size()))][k] * n for k, n in enumerate(t.stride())) + t.storage_offset()
    assert np.array_equal(flat[places], array)
    u = torch.DoubleTensor().set_(s, t.storage_offset(), t.size(), t.stride())
    assert u.is_set_to(t)
    array[...] = -1
    assert np.all(u.numpy() == -1)


class TestSet:
    def test_forms(self):
        t = torch.FloatTensor([1, 2, 3, 4, 5, 6])
        u = torch.FloatTensor()
        assert u.set_(t) is u
        assert u.is_set_to(t)
        assert u.set_(t.storage()).tolist() == t.tolist()
        assert u.set_(t.storage(), 2).tolist() == [3, 4, 5, 6]
        assert u.set_(t.storage(), 1, (2, 2)).tolist() == [[2, 3], [4, 5]]
        assert u.set_(t.storage(), 0, torch.Size([2, 2]), (1, 2)).tolist() == [[1, 3], [2, 4]]
        assert u.stride() == (1, 2)
        assert u.set_().size() == ()
        assert t.tolist() == [1, 2, 3, 4, 5, 6]

    @pytest.mark.parametrize(
        ("arguments", "error", "words"),
        [
            (lambda t: (t.storage(), 4, (3,)), RuntimeError, "needs 7 elements, the storage has 6"),
            (lambda t: (t.storage(), 7), RuntimeError, "from 0 to 6, the storage's length, got 7"),
            (
                lambda t: (t.storage(), 0, (2, 2), (1,)),
                RuntimeError,
                r"one entry a dimension of size \(2, 2\), got "
                r"\(1,\)",
            ),
            (lambda t: (t.storage(), 3, (2,), (-1,)), RuntimeError, "must not be negative"),
            (lambda t: (t.storage(), 0.0), TypeError, "storage_offset must be an int, got float"),
            (lambda t: (torch.LongStorage(3),), TypeError, "must be a FloatStorage, got a LongStorage"),
            (lambda t: (torch.LongTensor(3),), TypeError, "must be a FloatTensor, got a LongTensor"),
            (lambda t: ([1, 2],), TypeError, "a FloatTensor or a FloatStorage, got list"),
        ],
    )
    def test_refusals(self, arguments, error, words):
        t = torch.FloatTensor([1, 2, 3, 4, 5, 6])
        with pytest.raises(error, match=words):
            torch.FloatTensor([0]).set_(*arguments(t))

    def test_is_set_to(self):
        t = torch.FloatTensor([[1, 2], [3, 4]])
        assert t.is_set_to(t.view(2, 2))
        assert not t.is_set_to(t.t())
        assert not t.is_set_to(t[0])
        assert not t.is_set_to(t.clone())
        assert not torch.FloatTensor().is_set_to(torch.FloatTensor())
        with pytest.raises(TypeError, match="must be a Tensor"):
            t.is_set_to(1)


class TestResize:
    def test_shrinking_and_growing_back_keeps_the_numbers(self):
        t = torch.FloatTensor([1, 2, 3, 4])
        u = t.view(2, 2)
        assert t.resize_(2).tolist() == [1, 2]
        t[0] = 9
        assert u[0, 0] == 9
        assert t.resize_(2, 2).tolist() == [[9, 2], [3, 4]]
        assert t.storage()._cdata == u.storage()._cdata

    def test_growing_moves_this_tensor_and_no_other(self):
        t = torch.FloatTensor([1, 2, 3, 4])
        s, u = t.storage(), t.view(2, 2)
        assert t.resize_(6).size() == (6,)
        assert t.tolist()[:4] == [1, 2, 3, 4]
        t.fill_(0)
        assert u.tolist() == [[1, 2], [3, 4]]
        assert s._cdata == u.storage()._cdata != t.storage()._cdata

    def test_the_offset_stays(self):
        t = torch.FloatTensor([1, 2, 3, 4])[2:]
        t.resize_(5)
        assert (t.storage_offset(), t.tolist()[:2], len(t.storage())) == (2, [3, 4], 7)

    def test_same_size_changes_nothing(self):
        t = torch.FloatTensor([[1, 2], [3, 4]]).t()
        assert t.resize_(2, 2).stride() == (1, 2)

    def test_empty_and_back(self):
        t = torch.FloatTensor([1, 2])
        assert t.resize_(torch.Size([])).size() == ()
        assert len(t.storage()) == 2
        assert t.resize_(2).tolist() == [1, 2]
        assert t.resize_as_(torch.FloatTensor()).dim() == 0
        assert torch.FloatTensor().resize_(2, 3).size() == (2, 3)

    def test_resize_as(self):
        data = torch.FloatTensor(2, 3)
        assert data.new().resize_as_(data).zero_().tolist() == [[0] * 3] * 2
        assert torch.LongTensor().resize_as_(data).size() == (2, 3)

    def test_refusals(self):
        t = torch.FloatTensor(2)
        for call, error, words in [
            (lambda: t.resize_(), TypeError, "got nothing"),
            (lambda: t.resize_(2.0), TypeError, "must be ints, got 2.0"),
            (lambda: t.resize_(2, 0), RuntimeError, "must be positive"),
            (lambda: t.resize_as_([1]), TypeError, "must be a tensor, got list"),
        ]:
            with pytest.raises(error, match=words):
                call()

    def test_a_storage_moves_when_resized(self):
        t = torch.FloatTensor([1, 2, 3])
        s = t.storage().resize_(5)
        assert s.tolist()[:3] == [1, 2, 3]
        s[0] = 7
        assert t.tolist() == [1, 2, 3]
        assert s.resize_(2).tolist() == [7, 2]
        with pytest.raises(RuntimeError, match="a storage view cannot grow"):
            s[0:1].resize_(5)

    def test_variables(self):
        v = Variable(torch.FloatTensor([1, 2]))
        assert v.resize_(3).size() == (3,)
        assert v._version == 1
        with pytest.raises(RuntimeError, match=r"requires grad cannot be resized in place; use \.resize"):
            Variable(torch.FloatTensor(2), requires_grad=True).resize_(3)


class TestMemoryOthersSee:
    @pytest.mark.parametrize(
        "make",
        {
            "from_numpy": lambda: torch.from_numpy(np.zeros(3, np.float32)),
            "constructor": lambda: torch.FloatTensor(np.zeros(3, np.float32)),
            "numpy()": lambda: (lambda t: (t, t.numpy())[0])(torch.zeros(3)),
            "numpy() of a view": lambda: (lambda t: (t, t[1:].numpy())[0])(torch.zeros(3)),
            "np.asarray": lambda: (lambda t: (t, np.asarray(t))[0])(torch.zeros(3)),
            "__dlpack__": lambda: (lambda t: (t, np.from_dlpack(t))[0])(torch.zeros(3)),
            "from_dlpack": lambda: torch.from_dlpack(np.zeros(3, np.float32)),
        }.values(),
    )
    def test_cannot_grow(self, make):
        t = make()
        assert t.resize_(2).size() == (2,)
        assert t.resize_(3).size() == (3,)
        with pytest.raises(
            RuntimeError,
            match=r"resize_: this memory of 3 elements is shared with NumPy.*cannot "
            r"grow to 4",
        ):
            t.resize_(4)
        with pytest.raises(RuntimeError, match="cannot grow to 5"):
            t.storage().resize_(5)
        assert t.clone().resize_(4).size() == (4,)

    def test_the_exported_array_cannot_be_resized(self):
        t = torch.zeros(3)
        array = t.numpy()
        with pytest.raises(ValueError, match="resize"):
            array.resize(10, refcheck=False)
        assert array is not t.array

    def test_a_dead_array_is_forgotten(self):
        before = len(memory._exported)
        t = torch.zeros(3)
        t.numpy()
        assert len(memory._exported) == before + 1
        del t
        assert len(memory._exported) == before


class TestSharingIsKept:
    @pytest.mark.parametrize(
        "again", [lambda x: pickle.loads(pickle.dumps(x, 2)), lambda x: pickle.loads(pickle.dumps(x, 5)), copy.deepcopy]
    )
    def test_tensors_storages_and_views(self, again):
        t = torch.FloatTensor([[1, 2, 3], [4, 5, 6]])
        view = t.storage()[1:4]
        a, column, s, v, w, alone = again([t, t.t()[1], t.storage(), view, view, torch.FloatTensor([7])])
        assert a.tolist() == t.tolist()
        assert column.tolist() == [2, 5]
        assert (column.stride(), column.storage_offset()) == ((3,), 1)
        a[0, 1] = 50
        assert column[0] == s[1] == v[0] == w[0] == 50
        assert v is w
        assert v._cdata != s._cdata
        assert v._root_storage()[0]._cdata == s._cdata == a.storage()._cdata
        assert t[0, 1] == 2
        assert alone.tolist() == [7]

    @pytest.mark.parametrize("again", [lambda x: pickle.loads(pickle.dumps(x)), copy.deepcopy])
    @pytest.mark.parametrize(
        "array",
        [np.arange(24.0).reshape(2, 3, 4).transpose(2, 0, 1).copy(order="K"), np.arange(12.0).reshape(3, 4)[::2, 1::2],
         np.zeros(88, np.uint8).view(np.float64)[1:]],
    )  # fmt: skip
    def test_of_arrays_in_any_order(self, again, array):
        t = torch.from_numpy(array)
        a, b = again([t, t[1]])
        assert a.tolist() == array.tolist()
        assert a.stride() == t.stride()
        if isinstance(b, torch.DoubleTensor):
            b.fill_(-1)
            assert a[1].tolist() == b.tolist()
            assert -1 not in array

    def test_views_of_their_own_identity_stay_apart(self):
        s = torch.FloatStorage([1, 2, 3, 4, 5])
        t1 = torch.FloatTensor().set_(s[1:4], 0, (3,), (1,))
        t2 = torch.FloatTensor().set_(s[1:4], 0, (3,), (1,))
        a, b, c = pickle.loads(pickle.dumps((t1.storage(), t1.storage(), t2.storage())))
        assert a._cdata == b._cdata != c._cdata
        assert a.tolist() == b.tolist() == c.tolist() == [2, 3, 4]

    def test_variables(self):
        t = torch.FloatTensor([1, 2])
        for again in (copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))):
            a, b = again([Variable(t, requires_grad=True), Variable(t)])
            a.data[0] = 5
            assert b.data[0] == 5
            assert (a.requires_grad, b.requires_grad) == (True, False)
        assert t[0] == 1

    def test_the_empty_tensor(self):
        for again in (copy.deepcopy, copy.copy, lambda x: pickle.loads(pickle.dumps(x))):
            assert again(torch.LongTensor()).size() == ()
            assert type(again(torch.LongTensor())) is torch.LongTensor

    def test_copy_shares(self):
        t = torch.FloatTensor([1, 2])
        u = copy.copy(t)
        u[0] = 5
        assert t[0] == 5
        assert u is not t


def _fill(t):
    t.fill_(3)


class TestSharedMemory:
    def test_moves_the_tensor(self):
        t = torch.FloatTensor([[1, 2], [3, 4]])
        u = t.t()
        assert not u.is_shared()
        assert u.share_memory_() is u
        assert u.is_shared()
        assert u.storage().is_shared()
        assert u.tolist() == [[1, 3], [2, 4]]
        assert u.stride() == (1, 2)
        assert not t.is_shared()
        address = u.data_ptr()
        assert u.share_memory_().data_ptr() == address
        assert torch.FloatStorage([1, 2]).share_memory_().is_shared()
        with pytest.raises(RuntimeError, match="shared between processes and cannot grow"):
            u.resize_(9)

    @pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="needs processes made by fork")
    @pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
    def test_another_process_writes_to_it(self):
        t, private = torch.zeros(3).share_memory_(), torch.zeros(3)
        for tensor in (t, private):
            child = multiprocessing.get_context("fork").Process(target=_fill, args=(tensor,))
            child.start()
            child.join(30)
            assert child.exitcode == 0
        assert t.tolist() == [3, 3, 3]
        assert private.tolist() == [0, 0, 0]


def test_pinned_memory_needs_a_gpu():
    assert not torch.zeros(2).is_pinned()
    with pytest.raises(RuntimeError, match="cuda"):
        torch.zeros(2).pin_memory()
    with pytest.raises(RuntimeError, match="CPU"):
        torch.zeros(2).get_device()
