"""The tensor types: construction, identity, conversion, Size, the empty tensor, and what each type can do."""

import pickle

import numpy as np
import pytest

import minigrad as torch
from minigrad import _core
from minigrad.autograd import Variable
from minigrad.tensor import types

DTYPES = {
    "FloatTensor": "float32",
    "DoubleTensor": "float64",
    "HalfTensor": "float16",
    "LongTensor": "int64",
    "IntTensor": "int32",
    "ShortTensor": "int16",
    "CharTensor": "int8",
    "ByteTensor": "uint8",
}
ALL = [getattr(torch, kind) for kind in DTYPES]


@pytest.fixture
def default_type():
    """Put the default type back."""
    yield
    torch.set_default_tensor_type("torch.FloatTensor")


@pytest.mark.parametrize("cls", ALL, ids=lambda c: c.kind)
class TestEveryType:
    def test_class_facts(self, cls):
        assert cls.dtype == DTYPES[cls.kind]
        assert not cls.is_cuda
        assert not cls.is_sparse
        assert cls in torch._tensor_classes
        assert cls.storage_type() in torch._storage_classes
        assert cls().is_signed() == (cls.kind not in ("ByteTensor", "CharTensor"))

    def test_sizes(self, cls):
        assert cls().size() == ()
        assert cls(2, 3).size() == (2, 3)
        assert cls(torch.Size([2, 3])).size() == (2, 3)
        assert cls(torch.Size([])).size() == ()
        assert cls(np.int64(2)).size() == (2,)
        assert cls(0).size() == ()

    def test_sequences(self, cls):
        assert cls([]).size() == ()
        assert cls((2, 4)).tolist() == [2, 4]
        assert cls([[1, 2], (3, 4)]).tolist() == [[1, 2], [3, 4]]
        assert cls(range(3)).tolist() == [0, 1, 2]
        assert cls([np.int64(3), True]).tolist() == [3, 1]

    def test_another_tensor_is_a_view(self, cls):
        t = cls([1, 2])
        u = cls(t)
        assert u is not t
        u[0] = 9
        assert t[0] == 9

    def test_arrays(self, cls):
        array = np.array([1, 2], cls.dtype)
        t = cls(array)
        t[0] = 9
        assert array[0] == 9
        other = np.array([[1, 2]], "int16" if cls.kind != "ShortTensor" else "int32")
        t = cls(other)
        t[0, 0] = 9
        assert (t.tolist(), other.tolist()) == ([[9, 2]], [[1, 2]])
        assert cls(np.array(5, cls.dtype)).tolist() == [5]

    def test_names(self, cls):
        t = cls([1])
        assert t.type() == torch.typename(t) == f"minigrad.{cls.kind}"
        for other in ALL:
            for name in (other, f"torch.{other.kind}", f"minigrad.{other.kind}"):
                made = t.type(name)
                assert type(made) is other
                assert (made is t) == (other is cls)
                assert made.tolist() == [1]
            assert t.type_as(other([0])).type() == f"minigrad.{other.kind}"
            assert type(getattr(t, other.kind.removesuffix("Tensor").lower())()) is other

    def test_conversion_takes_the_keywords_of_a_gpu(self, cls):
        t = cls([1])
        assert t.type("torch.LongTensor", non_blocking=True).tolist() == [1]
        assert t.type("torch.LongTensor", **{"async": True}).tolist() == [1]
        assert t.cpu() is t
        with pytest.raises(RuntimeError, match="cuda"):
            t.cuda(0, **{"async": True})
        for call in (lambda: t.type("torch.LongTensor", blocking=True), lambda: t.cuda(blocking=True)):
            with pytest.raises(TypeError, match="unexpected keyword argument 'blocking'"):
                call()

    def test_new(self, cls):
        t = cls([1])
        assert type(t.new()) is cls
        assert t.new(2, 3).size() == (2, 3)
        assert t.new([4, 5]).tolist() == [4, 5]
        assert t.new(t.storage()).is_set_to(t)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: torch.FloatTensor([[1, 2], [3]]), RuntimeError, r"ragged: expected size \(2, 2\)"),
        (lambda: torch.FloatTensor([1, [2]]), RuntimeError, "ragged"),
        (lambda: torch.FloatTensor([[]]), RuntimeError, "inner list is empty"),
        (lambda: torch.LongTensor([1.0]), RuntimeError, "takes whole numbers, got a float"),
        (lambda: torch.FloatTensor(["a"]), RuntimeError, "expected numbers in the list, got 'a'"),
        (lambda: torch.FloatTensor([None]), RuntimeError, "got None"),
        (lambda: torch.FloatTensor([Variable(torch.ones(2))]), RuntimeError, r"got a Variable of size \(2,\); join"),
        (lambda: torch.LongTensor([2**70]), RuntimeError, "too large for int64"),
        (lambda: torch.LongTensor([[1], [2**63]]), RuntimeError, r"too large for int64 in a list of size \(2, 1\)"),
        (lambda: torch.FloatTensor(2.0), TypeError, r"got \(float\)"),
        (lambda: torch.FloatTensor("2"), TypeError, r"got \(str\)"),
        (lambda: torch.FloatTensor(True), TypeError, r"got \(bool\)"),
        (lambda: torch.FloatTensor(None), TypeError, r"got \(NoneType\)"),
        (lambda: torch.FloatTensor([1], [2]), TypeError, r"got \(list, list\)"),
        (lambda: torch.FloatTensor(size=2), TypeError, "positional arguments only, got size"),
        (lambda: torch.FloatTensor(2, 0), RuntimeError, "no dimension of size 0"),
        (lambda: torch.FloatTensor(-1), RuntimeError, "must be positive"),
        (lambda: torch.FloatTensor(torch.LongTensor([1])), TypeError, "must be of the same type, got LongTensor"),
        (lambda: torch.FloatTensor(torch.LongStorage(1)), TypeError, "must be a FloatStorage, got a LongStorage"),
        (lambda: torch.FloatTensor(Variable(torch.ones(1))), TypeError, r"got a Variable; take its \.data"),
        (lambda: torch.FloatTensor(np.zeros((0, 2), np.float32)), RuntimeError, r"shape \(0, 2\) has no elements"),
        (lambda: torch.FloatTensor(np.zeros((0, 2))), RuntimeError, r"shape \(0, 2\) has no elements"),
        (lambda: torch.FloatTensor(np.zeros(3, np.float32)[::-1]), RuntimeError, "negative stride"),
        (lambda: torch.FloatTensor(np.zeros(3, complex)), TypeError, "dtype complex128"),
        (lambda: torch.FloatTensor([1]).type("torch.QuadTensor"), TypeError, "expected a tensor type"),
        (lambda: torch.FloatTensor([1]).type(int), TypeError, "expected a tensor type"),
        (lambda: torch.FloatTensor([1]).type(_core.Tensor), TypeError, "expected a tensor type"),
        (lambda: torch.FloatTensor([1]).type("torch.cuda.FloatTensor"), RuntimeError, "GPU"),
        (lambda: torch.FloatTensor([1]).data, RuntimeError, "has no .data: that is a Variable's"),
        (lambda: torch.FloatTensor([1]).size(1), RuntimeError, "from -1 to 0"),
        (lambda: torch.FloatTensor([1]).size(0.0), TypeError, "dim must be an int, got float"),
        (lambda: torch.FloatTensor([1]).stride(-2), RuntimeError, "from -1 to 0"),
        (lambda: torch.FloatTensor().size(0), RuntimeError, "no elements has no dimension 0"),
    ],
)
def test_refusals(call, error, words):
    with pytest.raises(error, match=words):
        call()


def test_nested_tensors_of_one_dimension_are_rows():
    assert torch.FloatTensor([torch.FloatTensor([1, 2]), torch.FloatTensor([3, 4])]).tolist() == [[1, 2], [3, 4]]


class TestDefaultType:
    def test_tensor_and_storage_follow_it(self, default_type):
        assert torch.Tensor is torch.FloatTensor
        assert torch.Storage is torch.FloatStorage
        torch.set_default_tensor_type("torch.DoubleTensor")
        assert torch.Tensor is torch.DoubleTensor
        assert torch.Storage is torch.DoubleStorage
        assert type(torch.zeros(2)) is type(torch.randn(2)) is type(torch.arange(3)) is torch.DoubleTensor
        torch.set_default_tensor_type(torch.FloatTensor)
        assert type(torch.zeros(2)) is torch.FloatTensor

    def test_a_default_of_integers(self, default_type):
        torch.set_default_tensor_type("torch.IntTensor")
        assert type(torch.Tensor(2, 3)) is type(torch.Tensor([1])) is type(torch.zeros(2)) is torch.IntTensor
        assert torch.arange(0, 3).tolist() == [0, 1, 2]
        with pytest.raises(TypeError, match="int32"):
            torch.rand(2)

    def test_refusals(self, default_type):
        with pytest.raises(TypeError, match="expected a tensor type"):
            torch.set_default_tensor_type("Float")


class TestSize:
    def test_stays_a_size(self):
        s = torch.zeros(2, 3, 4).size()
        assert type(s) is type(s[1:]) is type(s + (1,)) is type(s * 2) is type(2 * s) is torch.Size
        assert (s[1:], s + (1,), torch.Size([1]) * 2) == ((3, 4), (2, 3, 4, 1), (1, 1))
        assert repr(s) == "minigrad.Size([2, 3, 4])"
        assert s == (2, 3, 4) == torch.zeros(2, 3, 4).shape
        assert isinstance(s, tuple)
        a, _, c = s
        assert (a, c, s[-1]) == (2, 4, 4)
        assert type(pickle.loads(pickle.dumps(s))) is torch.Size
        assert torch.Size(np.array([1, 2])) == (1, 2)

    @pytest.mark.parametrize("values", [[1.0], ["a"], [None], [True], [[1]]])
    def test_takes_ints_only(self, values):
        with pytest.raises(TypeError, match="must be an int"):
            torch.Size(values)


class TestEmpty:
    """The only tensor without elements has no dimensions."""

    def test_facts(self):
        for t in (torch.FloatTensor(), torch.FloatTensor([]), torch.zeros(2).new(), Variable(torch.Tensor())):
            assert t.size() == t.shape == t.stride() == ()
            assert t.dim() == t.ndimension() == t.numel() == t.nelement() == len(t) == 0
            assert list(t) == []
            assert not t
            assert t.is_contiguous()

    def test_only_of_tensors(self):
        t = torch.FloatTensor()
        assert t.tolist() == []
        assert t.numpy().shape == (0,)
        assert t.storage_offset() == 0
        assert t.clone().size() == ()
        with pytest.raises(TypeError, match="one element"):
            float(t)
        with pytest.raises(RuntimeError, match="no dimension"):
            t.unsqueeze(0)


class TestPython:
    def test_numbers(self):
        for t in (torch.FloatTensor([[2.5]]), Variable(torch.FloatTensor([2.5]))):
            assert (int(t), float(t), bool(t)) == (2, 2.5, True)
            assert type(int(t)) is int
            assert type(float(t)) is float
        assert not torch.FloatTensor([0])
        with pytest.raises(TypeError, match="one element"):
            int(torch.FloatTensor([1, 2]))
        with pytest.raises(RuntimeError, match="no single truth value"):
            bool(torch.FloatTensor([1, 2]))

    def test_iteration(self):
        assert list(torch.LongTensor([1, 2])) == [1, 2]
        assert all(type(n) is int for n in torch.LongTensor([1, 2]))
        assert [r.tolist() for r in torch.FloatTensor([[1, 2], [3, 4]])] == [[1, 2], [3, 4]]
        assert [v.size() for v in Variable(torch.ones(2))] == [(1,), (1,)]
        assert len(torch.zeros(3, 2)) == 3

    def test_hash_is_identity_and_equality_is_elementwise(self):
        a, b = torch.FloatTensor([1, 2]), torch.FloatTensor([1, 3])
        assert {a: 1, b: 2}[a] == 1
        assert hash(a) != hash(a.clone())
        assert (a == b).tolist() == [1, 0]
        assert type(a == b) is torch.ByteTensor

    def test_in_place_operators_keep_the_object(self):
        for write in (
            lambda t: t.__iadd__(3), lambda t: t.__isub__(3), lambda t: t.__imul__(3), lambda t: t.__itruediv__(3),
            lambda t: t.__imod__(3), lambda t: t.__iand__(3), lambda t: t.__ior__(3), lambda t: t.__ixor__(3),
            lambda t: t.__ilshift__(1), lambda t: t.__irshift__(1),
        ):  # fmt: skip
            t = torch.LongTensor([7, 8])
            before = t.view(2)
            assert write(t) is t
            assert before.tolist() == t.tolist() != [7, 8]
        t = torch.FloatTensor([2, 3])
        u = t
        u **= 2
        assert (t.tolist(), u is t) == ([4, 9], True)

    def test_reflected_operators(self):
        t = torch.FloatTensor([1, 2])
        assert (2**t).tolist() == [2, 4]
        assert (1 - t).tolist() == [0, -1]
        assert (2 / t).tolist() == [2, 1]
        assert (1 + t).tolist() == [2, 3]
        assert (2 * t).tolist() == [2, 4]
        with pytest.raises(TypeError, match="unsupported operand"):
            1 % t
        with pytest.raises(TypeError, match="unsupported operand"):
            t // 2

    def test_facts_about_objects(self):
        t, v = torch.ones(2), Variable(torch.ones(2))
        assert torch.is_tensor(t)
        assert not torch.is_tensor(v)
        assert not torch.is_tensor([1])
        assert torch.is_storage(t.storage())
        assert not torch.is_storage(t)
        assert torch.numel(t) == torch.numel(v) == 2
        assert torch.typename(3) == "int"
        assert torch.typename(int) == "int"
        assert torch.typename(v).endswith("Variable")
        assert torch.typename(TestPython) == f"{__name__}.TestPython"
        assert torch.equal(t, torch.ones(2))
        assert not t.equal(torch.zeros(2))
        assert not torch.equal(t, torch.ones(2, 1))
        with pytest.raises(TypeError, match="Expected object of type"):
            torch.equal(t, t.double())


class TestWhatATypeLacks:
    def test_methods_of_integer_types(self):
        t = torch.LongTensor([1, 2])
        for name in ("sqrt", "exp_", "mean", "pow", "pow_", "inverse", "uniform_", "normal_", "std", "norm", "floor"):
            assert not hasattr(t, name)
            assert name not in dir(t)
            assert name in dir(torch.FloatTensor(1))
            with pytest.raises(AttributeError, match=f"a LongTensor has no '{name}'.*FloatTensor"):
                getattr(t, name)

    @pytest.mark.parametrize("value", [torch.ones(1), torch.LongTensor([1]), torch.autograd.Variable(torch.ones(1))])
    def test_methods_of_later_versions_say_what_the_era_wrote(self, value):
        for name, instead in {
            "item": r"x\.data\[0\] of a Variable", "argmax": r"_, index = max\(x, dim\)", "reshape": "view",
            "to": r"\.cuda\(\)", "new_zeros": r"x\.new\(sizes\)\.zero_", "T": r"x\.t\(\)", "ndim": r"x\.dim\(\)",
        }.items():  # fmt: skip
            assert not hasattr(value, name)
            assert name not in dir(value)
            with pytest.raises(AttributeError, match=f"has no '{name}': it belongs to later versions .*{instead}"):
                getattr(value, name)

    def test_functions_name_the_type_and_the_function(self):
        t = torch.LongTensor([1, 2])
        for call, name in [
            (torch.sqrt, "sqrt"),
            (torch.mean, "mean"),
            (lambda t: t**2, "pow"),
            (lambda t: 2**t, "pow"),
            (lambda t: torch.pow(2, t), "pow"),
            (lambda t: -t.byte(), "neg"),
            (lambda t: abs(t.byte()), "abs"),
            (lambda t: torch.pow(t, 2), "pow"),
        ]:
            with pytest.raises(TypeError, match=f"{name}: not defined for minigrad.(Long|Byte)Tensor"):
                call(t)
            with pytest.raises(RuntimeError, match=f"{name}: not defined for minigrad.(Long|Byte)Tensor"):
                call(Variable(t))
        for call in (lambda v: v.sqrt(), lambda v: v.sqrt_(), lambda v: v.mean()):
            with pytest.raises(RuntimeError, match=r"not defined for minigrad\.LongTensor"):
                call(Variable(t))

    def test_every_operation_for_every_type_of_its_row(self):
        for entry in torch.ops.table.values():
            if not entry.method or "T" not in entry.levels:
                continue
            for cls in ALL:
                expected = str(cls.dtype) in entry.types and entry.name not in {
                    "index_add", "index_copy", "index_fill", "scatter", "scatter_add", "masked_fill", "masked_scatter",
                }  # fmt: skip
                if cls is not torch.HalfTensor:
                    assert hasattr(cls(), entry.name) == expected, (cls.kind, entry.name)

    def test_out_of_place_forms_that_only_variables_have(self):
        for name in (
            "index_add",
            "index_copy",
            "index_fill",
            "scatter",
            "scatter_add",
            "masked_fill",
            "masked_scatter",
        ):
            assert hasattr(Variable, name)
            assert hasattr(torch.FloatTensor(1), f"{name}_")
            with pytest.raises(AttributeError, match=f"in place only, {name}_"):
                getattr(torch.FloatTensor(1), name)

    def test_half(self):
        t = torch.HalfTensor([[1, 2], [3, 4]])
        assert t[0, 1] == 2
        assert t[1].tolist() == [3, 4]
        assert t.view(4).narrow(0, 1, 2).tolist() == [2, 3]
        assert t.select(1, 0).tolist() == [1, 3]
        assert t.float().tolist() == torch.HalfTensor(2, 2).copy_(t).tolist() == t.numpy().tolist()
        assert t.storage().tolist() == [1, 2, 3, 4]
        t[0] = 7
        assert t.tolist() == [[7, 7], [3, 4]]
        assert t.clone().fill_(2)[1, 1] == 2
        assert t.clone().zero_()[1, 1] == 0
        for name in ("t", "add", "add_", "sum", "mm", "exp", "normal_", "random_", "eq", "max"):
            assert not hasattr(t, name), name
        for call in (
            lambda: t + 1,
            lambda: 1 + t,
            lambda: t * t,
            lambda: -t,
            lambda: t**2,
            lambda: t @ t,
            lambda: t.__iadd__(1),
            lambda: abs(t),
            lambda: 2 / t,
        ):
            with pytest.raises(TypeError, match="a HalfTensor stores numbers but does not compute"):
                call()
        with pytest.raises(TypeError, match=r"add: not defined for minigrad\.HalfTensor"):
            torch.add(t, 1)


def test_classes_by_array():
    for cls in ALL:
        assert types.class_of(np.zeros(1, cls.dtype)) is cls
    with pytest.raises(TypeError, match="no tensor type holds"):
        _core.tensor_from_array(np.zeros(1, np.uint32))
