"""Functions that create tensors, and `out=` of these and of all functions."""

import numpy as np
import pytest

import minigrad as torch
from minigrad._core import Tensor, Variable, array_of
from minigrad.ops.table import table


class TestFromSizes:
    def test_sizes(self):
        for make, value in ((torch.zeros, 0), (torch.ones, 1)):
            for arguments in ((2, 3), ((2, 3),), ([2, 3],), (torch.Size([2, 3]),)):
                t = make(*arguments)
                assert t.size() == (2, 3)
                assert t.tolist() == [[value] * 3] * 2
                assert type(t) is torch.FloatTensor
            assert make(()).size() == make(0).size() == ()

    def test_refusals(self):
        for make in (torch.zeros, torch.ones, torch.rand, torch.randn):
            for arguments, error, words in [
                ((), TypeError, "got nothing"),
                ((2.0,), TypeError, "must be ints, got 2.0"),
                ((True,), TypeError, "got True"),
                ((2, 0), RuntimeError, "must be positive"),
                ((-1,), RuntimeError, "must be positive"),
            ]:
                with pytest.raises(error, match=words):
                    make(*arguments)

    def test_like(self):
        for t in (torch.LongTensor([[1, 2]]), torch.FloatTensor([[1, 2], [3, 4]]).t()):
            for make, value in ((torch.zeros_like, 0), (torch.ones_like, 1)):
                made = make(t)
                assert type(made) is type(t)
                assert (made.size(), made.is_contiguous()) == (t.size(), True)
                assert set(made.view(-1).tolist()) == {value}
                assert isinstance(make(Variable(t)), Variable)
                out = t.new()
                assert make(t, out=out) is out
                assert out.size() == t.size()

    def test_eye(self):
        assert torch.eye(2).tolist() == [[1, 0], [0, 1]]
        assert torch.eye(2, 3).tolist() == [[1, 0, 0], [0, 1, 0]]


class TestRanges:
    def test_arange(self):
        assert torch.arange(3).tolist() == [0, 1, 2]
        assert torch.arange(1, 3).tolist() == [1, 2]
        assert torch.arange(end=2).tolist() == [0, 1]
        assert torch.arange(0, 1, 0.25).tolist() == [0, 0.25, 0.5, 0.75]
        assert torch.arange(3, 0, -1).tolist() == [3, 2, 1]
        assert torch.arange(0, 3, out=torch.LongTensor()).tolist() == [0, 1, 2]

    def test_range_includes_its_end_and_warns(self):
        with pytest.warns(UserWarning, match="deprecated in favour of minigrad.arange"):
            assert torch.range(1, 3).tolist() == [1, 2, 3]

    def test_spaced(self):
        assert torch.linspace(0, 1, 5).tolist() == [0, 0.25, 0.5, 0.75, 1]
        assert torch.linspace(0, 1).size() == (100,)
        assert torch.linspace(2, 2, 1).tolist() == [2]
        assert torch.logspace(0, 2, 3).tolist() == [1, 10, 100]
        assert torch.logspace(0, 400, 3).tolist() == [1, float("inf"), float("inf")]
        assert torch.linspace(0, 1e300, 2).tolist() == [0, float("inf")]

    def test_refusals(self):
        for call, error, words in [
            (lambda: torch.arange(0, 3, 0), RuntimeError, "step must not be 0"),
            (lambda: torch.arange(3, 0), RuntimeError, "no number lies from 3 to 0"),
            (lambda: torch.arange("3"), TypeError, "must be a number, got str"),
            (lambda: torch.arange(0, float("inf")), RuntimeError, "start, end and step must be finite, got 0, inf"),
            (lambda: torch.arange(float("nan")), RuntimeError, "start, end and step must be finite"),
            (lambda: torch.linspace(0, 1, 1), RuntimeError, "steps=1 leaves no room"),
            (lambda: torch.linspace(0, 1, 0), RuntimeError, "steps must be at least 1, got 0"),
            (lambda: torch.linspace(0, 1, 2.0), TypeError, "must be ints"),
        ]:
            with pytest.raises(error, match=words):
                call()


class TestOut:
    def test_of_creation(self):
        out = torch.LongTensor(4)
        memory = out.storage()._cdata
        assert torch.ones(2, 2, out=out) is out
        assert out.tolist() == [[1, 1], [1, 1]]
        assert out.storage()._cdata == memory
        for make in (
            lambda out: torch.zeros(3, out=out),
            lambda out: torch.rand(3, out=out),
            lambda out: torch.randn(3, out=out),
            lambda out: torch.eye(3, out=out),
            lambda out: torch.linspace(0, 1, 3, out=out),
        ):
            out = torch.DoubleTensor()
            assert make(out) is out
            assert out.size(0) == 3
            with pytest.raises(TypeError, match="out must be a Tensor, got list"):
                make([])
        assert torch.randperm(3, out=torch.LongTensor()).size() == (3,)

    def test_writes_into_the_memory_of_out(self):
        a, out = torch.FloatTensor([1, 2]), torch.FloatTensor([0, 0])
        other = out.view(2, 1)
        assert torch.add(a, 1, out=out) is out
        assert other.tolist() == [[2], [3]]
        assert torch.mul(out, out, out=out).tolist() == [4, 9]
        assert torch.cat([a, a], out=out).tolist() == [1, 2, 1, 2]
        assert torch.add(a, 1, out=torch.FloatTensor()).tolist() == [2, 3]
        values, places = torch.FloatTensor(), torch.LongTensor()
        assert torch.max(torch.FloatTensor([[1, 2], [4, 3]]), 1, out=(values, places)) is not None
        assert (values.tolist(), places.tolist()) == ([2, 4], [1, 0])
        assert torch.sort(a, descending=True, out=(values, places))[0] is values
        assert torch.sqrt(torch.FloatTensor([4]), out=out) is out

    def test_refusals(self):
        a = torch.FloatTensor([1, 2])
        for call, error, words in [
            (
                lambda: torch.add(a, 1, out=torch.DoubleTensor()),
                TypeError,
                "must have the result's type minigrad.FloatTensor, got ",
            ),
            (
                lambda: torch.eq(a, 1, out=torch.FloatTensor()),
                TypeError,
                "must have the result's type minigrad.ByteTensor",
            ),
            (lambda: torch.add(a, 1, out=[]), TypeError, "must be a Tensor as the operands are, got list"),
            (lambda: torch.add(a, 1, out=Variable(a)), TypeError, "must be a Tensor as the operands are, got Variable"),
            (lambda: torch.max(a, 0, out=a), TypeError, "a tuple of 2 tensors, one for each result, got FloatTensor"),
            (lambda: torch.max(a, 0, out=(a,)), TypeError, "a tuple of 2 tensors, one for each result, got 1 tensors"),
            (lambda: torch.sum(a, out=a), ValueError, "this one is the number 3.0"),
            (lambda: torch.matmul(a, a, out=a), ValueError, "this one is the number 5.0"),
            (
                lambda: torch.cat([a, a], out=torch.from_numpy(np.zeros(2, np.float32))),
                RuntimeError,
                "cat: out: .*cannot grow",
            ),
        ]:
            with pytest.raises(error, match=words):
                call()

    def test_of_variables(self):
        a, w = Variable(torch.FloatTensor([1, 2])), Variable(torch.ones(2), requires_grad=True)
        out = Variable(torch.FloatTensor())
        assert torch.add(a, 1, out=out) is out
        assert out.data.tolist() == [2, 3]
        assert out._version == 1
        for call, words in [
            (lambda: torch.add(a, w, out=out), "an operand requires grad"),
            (lambda: torch.add(a, a, out=w), "out requires grad"),
            (lambda: torch.add(a, 1, out=Variable(torch.DoubleTensor())), "must have the result's type"),
        ]:
            with pytest.raises(RuntimeError, match=words):
                call()
        with pytest.raises(TypeError, match="must be a Variable"):
            torch.add(a, 1, out=torch.FloatTensor())

    @pytest.mark.parametrize(
        "entry", [r for r in table.values() if "torch" in r.exported and "T" in r.levels], ids=lambda r: r.name
    )
    @pytest.mark.filterwarnings("ignore")
    def test_of_every_function(self, entry):
        """Every function of the package with a tensor result takes out=, from whatever size it has."""
        function = getattr(torch, entry.name)
        dtype = entry.types[0]
        for sample in entry.samples[:3]:

            def arguments(sample=sample):
                return sample.build(np.random.default_rng(3), lambda array, spec: torch.from_numpy(array), dtype)

            args, kwargs = arguments()
            expected = entry.function(*args, **kwargs)
            if isinstance(expected, list) or not isinstance(expected, (Tensor, tuple)):
                continue
            many = isinstance(expected, tuple)
            out = tuple(e.new(1) for e in expected) if many else expected.new(1)
            args, kwargs = arguments()
            made = function(*args, out=out, **kwargs)
            for o, m, e in zip(*((out, made, expected) if many else ((out,), (made,), (expected,)))):
                assert m is o
                assert np.array_equal(array_of(o), array_of(e), equal_nan=e.dtype.kind == "f")


def test_functions_can_be_pickled_and_inspected():
    import inspect
    import pickle

    assert pickle.loads(pickle.dumps(torch.sqrt)) is torch.sqrt
    assert pickle.loads(pickle.dumps(torch.add)) is torch.add
    for entry in table.values():
        if "torch" in entry.exported:
            function = getattr(torch, entry.name)
            assert "out" in inspect.signature(function).parameters
            assert function.__name__ == entry.name
