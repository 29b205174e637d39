"""Methods without a row in the table: element by element, copying, resizing and views of Variables, threads."""

import numpy as np
import pytest

import minigrad as torch
from minigrad.autograd import Variable, grad
from minigrad.testing import check_gradients


class TestEachElement:
    def test_apply(self):
        t = torch.FloatTensor([[1, 2], [3, 4]]).t()
        seen = []
        assert t.apply_(lambda x: seen.append(x) or x * 10) is t
        assert seen == [1, 3, 2, 4]
        assert t.tolist() == [[10, 30], [20, 40]]
        assert torch.LongTensor([1, 2]).apply_(lambda x: x + np.int64(1)).tolist() == [2, 3]

    def test_map(self):
        t = torch.FloatTensor([1, 2])
        assert t.map_(torch.FloatTensor([10, 20]), lambda x, y: x + y) is t
        assert t.tolist() == [11, 22]
        assert torch.zeros(2, 2).map_(torch.FloatTensor([1, 2]), lambda x, y: y).tolist() == [[1, 2], [1, 2]]
        assert t.map2_(t, torch.ones(2), lambda x, y, z: x + y + z).tolist() == [23, 45]

    def test_equal_counts_are_taken_flat(self):
        with pytest.warns(UserWarning, match="Falling back to pointwise"):
            made = torch.zeros(2, 3).map_(torch.arange(6).view(3, 2), lambda x, y: y)
        assert made.tolist() == [[0, 1, 2], [3, 4, 5]]

    def test_refusals(self):
        t, n = torch.FloatTensor([1, 2]), torch.LongTensor([1, 2])
        for call, error, words in [
            (lambda: t.apply_(lambda x: None), RuntimeError, "must return a number, it returned None .* for 1.0"),
            (lambda: t.map_(t, lambda x, y: "a"), RuntimeError, "it returned 'a' .* for 1.0, 1.0"),
            (lambda: t.map2_(t, t, lambda x, y, z: [1]), RuntimeError, "must return a number"),
            (lambda: n.apply_(lambda x: 0.5), TypeError, "whole numbers only"),
            (lambda: t.apply_(3), TypeError, "expected a function, got int"),
            (lambda: t.map_(n, lambda x, y: x), TypeError, "expected a FloatTensor, got LongTensor"),
            (
                lambda: t.map_(torch.ones(3), lambda x, y: x),
                RuntimeError,
                r"size \(3,\) does not broadcast to size "
                r"\(2,\)",
            ),
        ]:
            with pytest.raises(error, match=words):
                call()
        assert t.tolist() == [1, 2]

    def test_a_failing_function_changes_nothing(self):
        t = torch.FloatTensor([1, 0])
        with pytest.raises(ZeroDivisionError):
            t.apply_(lambda x: 1 / x)
        assert t.tolist() == [1, 0]


class TestCopy:
    def test_converts_and_broadcasts(self):
        t = torch.zeros(2, 2)
        assert t.copy_(torch.LongTensor([1, 2])) is t
        assert t.tolist() == [[1, 2], [1, 2]]
        assert torch.LongTensor(2).copy_(torch.FloatTensor([1.7, -1.7])).tolist() == [1, -1]
        with pytest.warns(UserWarning, match="Falling back"):
            assert torch.zeros(2, 3).copy_(torch.arange(6).view(3, 2)).tolist() == [[0, 1, 2], [3, 4, 5]]

    def test_refusals(self):
        for call, error, words in [
            (lambda: torch.zeros(2).copy_(torch.zeros(3)), RuntimeError, "do not broadcast"),
            (lambda: torch.zeros(2, 2).copy_(torch.zeros(2), broadcast=False), RuntimeError, "without broadcasting"),
            (lambda: torch.zeros(2).copy_([1, 2]), TypeError, "must be a tensor, got list"),
        ]:
            with pytest.raises(error, match=words):
                call()


class TestGeometryInPlace:
    CALLS = [
        ("transpose_", (0, 1)), ("transpose_", (-1, 0)), ("t_", ()), ("unsqueeze_", (1,)), ("unsqueeze_", (-1,)),
        ("squeeze_", ()), ("squeeze_", (0,)),
    ]  # fmt: skip

    @pytest.mark.parametrize(("name", "arguments"), CALLS)
    def test_tensor(self, name, arguments):
        t = torch.FloatTensor([[1, 2, 3]])
        expected = getattr(t, name[:-1])(*arguments)
        other = t.view(3)
        assert getattr(t, name)(*arguments) is t
        assert t.is_set_to(expected)
        t.fill_(7)
        assert other.tolist() == [7, 7, 7]

    @pytest.mark.parametrize(("name", "arguments"), CALLS)
    @pytest.mark.parametrize("view", [False, True])
    def test_variable(self, name, arguments, view, rng):
        leaf = Variable(torch.from_numpy(rng.standard_normal((2, 3))), requires_grad=True)
        results = []
        for in_place in (False, True):
            base = leaf * 2
            v = base[0:1] if view else base[0:1] * 1
            before = v._version
            out = getattr(v, name if in_place else name[:-1])(*arguments)
            if in_place:
                assert out is v
                assert v._version == before + 1
            weight = torch.arange(1, 4).double().view(*out.size())
            results.append((out.data, *grad((out * out * Variable(weight)).sum() + base.sum(), leaf)))
        assert results[0][0].equal(results[1][0])
        assert results[0][1].data.equal(results[1][1].data)

    def test_a_leaf_that_requires_grad_is_refused(self):
        v = Variable(torch.ones(1, 2), requires_grad=True)
        with pytest.raises(RuntimeError, match="leaf Variable that requires grad"):
            v.squeeze_()
        assert v.size() == (1, 2)
        assert Variable(torch.ones(1, 2)).squeeze_().size() == (2,)
        assert Variable(torch.ones(1, 2), volatile=True).squeeze_().volatile


class TestVariablesOnly:
    def test_resize(self):
        v = Variable(torch.DoubleTensor([[1, 2, 3], [4, 5, 6]]), requires_grad=True)
        assert v.resize(3, 2).data.tolist() == [[1, 2], [3, 4], [5, 6]]
        assert v.t().resize(6).data.tolist() == [1, 4, 2, 5, 3, 6]
        assert v.resize_as(Variable(torch.ones(6))).size() == (6,)
        check_gradients(lambda v: v.resize(3, 2).t().resize(6), [v])
        with pytest.raises(RuntimeError, match="invalid for an input with 6 elements"):
            v.resize(4)
        with pytest.raises(TypeError, match="must be a Variable, got FloatTensor"):
            v.resize_as(torch.ones(6))
        for name in ("resize", "resize_as", "as_strided"):
            assert not hasattr(torch.ones(1), name)

    @pytest.mark.parametrize(
        "geometry",
        [
            ((2, 2), (4, 1)),
            ((3, 4), (4, 1)),
            ((2, 3), (1, 1)),
            ((2, 2), (0, 3)),
            ((3,), (5,)),
            ((2, 2), (4, 1), 3),
            ((1,), (1,), 11),
        ],
    )
    @pytest.mark.parametrize("transposed", [False, True])
    def test_as_strided(self, geometry, transposed, rng):
        array = rng.standard_normal((3, 4))
        v = Variable(torch.from_numpy(array.T.copy().T if transposed else array), requires_grad=True)
        out = v.as_strided(*geometry)
        size, stride, offset = (*geometry, 0)[:3]
        flat = v.data.storage().tolist()
        places = offset + sum(np.ogrid[tuple(map(slice, size))][k] * s for k, s in enumerate(stride))
        assert out.data.tolist() == np.array(flat)[places].tolist()
        assert out._base is v
        check_gradients(lambda v: v.as_strided(*geometry), [v], rng=rng)

    def test_writing_to_a_strided_view(self):
        leaf = Variable(torch.ones(4), requires_grad=True)
        v = leaf * 1
        v.as_strided((2,), (3,)).mul_(5)
        assert v.data.tolist() == [5, 1, 1, 5]
        v.sum().backward()
        assert leaf.grad.data.tolist() == [5, 1, 1, 5]

    def test_as_strided_refuses(self):
        v = Variable(torch.ones(3, 4))
        for call, words in [
            (lambda: v.as_strided((4, 4), (4, 1)), "reaches elements 0 to 15 from input's first, but input has 12"),
            (lambda: v[1:].as_strided((2,), (1,), 0), "reaches elements -4 to -3"),
            (lambda: v.as_strided((2,), (1, 1)), "one int of at least 0 for each dimension"),
            (lambda: v.as_strided((2,), (-1,)), "one int of at least 0"),
            (lambda: v[0:1].expand(3, 4).as_strided((2,), (1,)), "is expanded"),
        ]:
            with pytest.raises(RuntimeError, match=words):
                call()

    def test_a_windows_gradient_adds_up_where_windows_overlap(self):
        # An in-place change of the base makes the engine derive the view from it anew, by stride.
        leaf = Variable(torch.ones(4), requires_grad=True)
        base = leaf * 1
        windows = base.unfold(0, 2, 1)
        base.mul_(3)
        windows.sum().backward()
        assert leaf.grad.data.tolist() == [3, 6, 6, 3]


def test_dir_lists_what_is_there():
    for value in (Variable(torch.ones(2)), torch.ones(2), torch.LongTensor([1]), torch.HalfTensor([1])):
        listed = [n for n in dir(value) if n != "data" or isinstance(value, Variable)]
        assert "size" in listed
        assert all(hasattr(value, n) for n in listed)


def test_threads():
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        assert torch.get_num_threads() == 1
        for number, error in [(0, RuntimeError), (-1, RuntimeError), (1.0, TypeError), (True, TypeError)]:
            with pytest.raises(error, match="set_num_threads: number must be"):
                torch.set_num_threads(number)
    finally:
        torch.set_num_threads(before)


def test_addresses():
    t = torch.FloatTensor([[1, 2], [3, 4]])
    assert t[1].data_ptr() == t.data_ptr() + 8
    assert t.storage().data_ptr() == t.data_ptr()
    assert (t.t().stride(), t.stride(-1), t[1].storage_offset()) == ((1, 2), 1, 2)
    assert Variable(t)[1].storage_offset() == 2
    assert not t.t().is_contiguous()
    assert torch.zeros(1, 3).t().is_contiguous()
    assert t.is_same_size(torch.LongTensor(2, 2))
    assert not t.is_same_size(torch.FloatTensor(4))
