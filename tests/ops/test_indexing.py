"""Square brackets and index operations: the era's rules beyond the table's samples."""

import numpy as np
import pytest

import minigrad as torch
from minigrad.autograd import Variable, gradcheck, gradgradcheck
from minigrad.ops import indexing, subscript, table


def numbers(*size):
    return torch.from_numpy(np.arange(1.0, np.prod(size) + 1).reshape(size))


def variable(*size, requires_grad=True):
    return Variable(numbers(*size), requires_grad=requires_grad)


def data(v):
    return v.data.numpy() if isinstance(v, Variable) else v.numpy()


# ---------------------------------------------------------------- reading


def test_an_element_is_a_number_of_a_tensor_and_a_variable_of_size_1_of_a_variable():
    assert numbers(3)[1] == 2.0
    assert type(numbers(3)[1]) is float
    assert type(torch.LongTensor([5, 6])[-1]) is int
    assert numbers(2, 3)[1, 2] == 6.0
    assert numbers(2, 3)[1][2] == 6.0
    v = variable(2, 3)
    assert v[1, 2].size() == (1,)
    assert v[1][2].data[0] == 6.0
    assert [type(k) for k in torch.LongTensor([5, 6])] == [int, int]


INDICES = [
    1, -1, slice(1, 3), slice(None, None, 2), (slice(None), 1), (Ellipsis, 1), (None, 0), (slice(None), None, 0),
    (0, Ellipsis, 1),
    (1, slice(0, 2)), np.int64(1), (slice(-2, None), slice(1, 100)), (Ellipsis,), (slice(None), slice(None), None),
]  # fmt: skip


@pytest.mark.parametrize("where", INDICES, ids=repr)
def test_basic_indices_are_views_as_in_numpy(where):
    t, v = numbers(3, 4, 2), variable(3, 4, 2, requires_grad=False)
    expected = t.numpy()[where]
    assert np.array_equal(data(t[where]), expected)
    assert np.array_equal(data(v[where]), expected)
    assert np.shares_memory(data(t[where]), t.numpy())
    gradcheck(lambda x: x[where], (variable(3, 4, 2),))


LISTS = [
    [2, 0, 2], ([2, 0, 2],), ([2, 0], [1, 3], [0, 1]), ([0, 2], Ellipsis), (slice(None), [1, 3]), (Ellipsis, [1, 0]),
    (slice(None), [1, 3], [0, 1]), ([0, 1], [[1], [2]]), (range(2), [3, 3]), np.array([1, 1]), [[0, 1], [2, 3]],
    ([[0], [2]], [1, 3]), [slice(None), [0, 1]],
]  # fmt: skip


@pytest.mark.parametrize("where", LISTS, ids=repr)
def test_lists_name_elements_as_in_numpy(where):
    t = numbers(3, 4, 2)
    as_numpy = where
    if isinstance(where, list) and not isinstance(where[0], int):
        as_numpy = tuple(where)
    expected = t.numpy()[as_numpy]
    assert np.array_equal(data(t[where]), expected)
    assert np.array_equal(data(variable(3, 4, 2)[where]), expected)
    assert not np.shares_memory(data(t[where]), t.numpy())
    gradcheck(lambda x: x[where], (variable(3, 4, 2),))
    gradgradcheck(
        lambda x: x[where] * x[where], (variable(3, 4, 2),), (Variable(torch.from_numpy(expected * 0.1), True),)
    )


def test_long_tensors_and_variables_index():
    index = torch.LongTensor([2, 0])
    assert data(numbers(3, 2)[index]).tolist() == [[5, 6], [1, 2]]
    assert data(variable(3, 2)[index]).tolist() == [[5, 6], [1, 2]]
    assert data(variable(3, 2)[Variable(index)]).tolist() == [[5, 6], [1, 2]]
    assert data(numbers(3, 2)[index, torch.LongTensor([1, 0])]).tolist() == [6, 1]
    labels = Variable(torch.LongTensor([1, 0, 1]))
    assert data(variable(3, 2)[range(3), labels]).tolist() == [2, 3, 6]
    assert data(variable(3, 2)[[range(3), labels]]).tolist() == [2, 3, 6]


def test_masks_pick_elements():
    t = numbers(2, 3)
    assert data(t[t > 3]).tolist() == [4, 5, 6]
    v = variable(2, 3)
    assert data(v[v > 3]).tolist() == [4, 5, 6]
    assert data(v[t > 3]).tolist() == [4, 5, 6]
    assert data(t[torch.ByteTensor([1, 0, 1])]).tolist() == [1, 3, 4, 6]
    assert (t[t > 9]).numel() == 0


REFUSED = [
    (3, IndexError, "index 3 is out of range for dimension 0 of size 3"), (-4, IndexError, "index -4 is out of range"),
    ((0, 4), IndexError, "dimension 1 of size 4"), ((0, 0, 0), IndexError, "3 indices, but x has 2 dimensions"),
    (1.0, TypeError, "1.0"), ("a", TypeError, "'a'"), (slice(0.0, 1), TypeError, "bounds of a slice must be ints"),
    (slice(None, None, -1), ValueError, "step must be positive"), (slice(2, 2), ValueError, "is empty"),
    (slice(5, 9), ValueError, "is empty"), ((Ellipsis, Ellipsis), IndexError, "only one"),
    ([0, 3], IndexError, "index 3"),
    ([-1], IndexError, "index -1"), ([0.5], TypeError, "got \\[0.5\\]"), ((0, [1, 2]), TypeError, "two steps"),
    ((slice(0, 2), [1, 2]), TypeError, "two steps"), ((None, [1, 2]), TypeError, "two steps"),
    (([0, 1], [0, 1, 2]), IndexError, "do not broadcast together"),
    ([[0, 1], [0, 1, 2]], IndexError, "do not broadcast together"),
    (([[0, 1], [2]],), TypeError, "ragged"),
]  # fmt: skip


@pytest.mark.parametrize(("where", "error", "words"), REFUSED, ids=lambda p: repr(p) if not isinstance(p, type) else "")
def test_refused_indices_say_what_is_wrong(where, error, words):
    with pytest.raises(error, match=words):
        numbers(3, 4)[where]
    with pytest.raises(error, match=words):
        variable(3, 4)[where]
    with pytest.raises(error, match=words):
        numbers(3, 4)[where] = 0


def test_refused_index_tensors():
    with pytest.raises(TypeError, match="a LongTensor or lists of ints, got a tensor of float64"):
        numbers(3)[numbers(1)]
    with pytest.raises(TypeError, match=r"index\.data"):
        numbers(3)[Variable(torch.LongTensor([1]))]
    with pytest.raises(IndexError, match="1 dimension"):
        numbers(3)[torch.LongTensor([[1]])]
    with pytest.raises(IndexError, match="index 3 is out of range"):
        numbers(3)[torch.LongTensor([3])]
    with pytest.raises(TypeError, match="adjacent"):
        numbers(2, 2, 2)[[0, 1], :, [0, 1]]
    with pytest.raises(RuntimeError, match="do not broadcast"):
        numbers(3)[torch.ByteTensor([1, 0])]


# ---------------------------------------------------------------- assigning


@pytest.mark.parametrize("where", INDICES, ids=repr)
def test_assignment_to_views(where):
    expected = numbers(3, 4, 2).numpy().copy()
    expected[where] = 7
    for x in (numbers(3, 4, 2), variable(3, 4, 2, requires_grad=False)):
        x[where] = 7
        assert np.array_equal(data(x), expected)
    size = numbers(3, 4, 2).numpy()[where].shape

    def assigned(x, value):
        y = x * 1
        y[where] = value * value
        return y * y

    gradcheck(assigned, (variable(3, 4, 2), variable(*size)))
    gradgradcheck(assigned, (variable(3, 4, 2), variable(*size)), (variable(3, 4, 2),), eps=1e-5, atol=1e-2)


@pytest.mark.parametrize("where", LISTS, ids=repr)
def test_assignment_to_lists(where):
    as_numpy = tuple(where) if isinstance(where, list) and not isinstance(where[0], int) else where
    expected = numbers(3, 4, 2).numpy().copy()
    size = expected[as_numpy].shape
    values = -numbers(*size)
    expected[as_numpy] = values.numpy()
    for x, y in ((numbers(3, 4, 2), values), (variable(3, 4, 2, requires_grad=False), Variable(values))):
        x[where] = y
        assert np.array_equal(data(x), expected)

    def assigned(x, value):
        y = x * 1
        y[where] = value
        y[0:2][:, [0, 1]] = 3.0
        return y * y

    gradcheck(assigned, (variable(3, 4, 2), variable(*size)))


def test_assignment_by_mask():
    for level in (lambda t: t, Variable):
        x = level(numbers(2, 3))
        x[x > 4] = 0
        assert data(x).tolist() == [[1, 2, 3], [4, 0, 0]]
        x[x < 1] = level(numbers(3))
        assert data(x).tolist() == [[1, 2, 3], [4, 1, 2]]
        with pytest.raises(RuntimeError, match="source has 3 elements, but the mask picks 6"):
            x[x > 0] = level(numbers(3))

    def assigned(x, value):
        y = x * 2
        y[x > 3.5] = value
        y[1][torch.ByteTensor([1, 0, 0])] = 5
        return y * x

    gradcheck(assigned, (variable(2, 3), variable(4)))


def test_assignment_converts_types_and_fits_equal_counts_with_a_warning():
    x = torch.zeros(2, 3)
    x[0] = torch.LongTensor([1, 2, 3])
    assert x.numpy()[0].tolist() == [1, 2, 3]
    x[:, 0] = torch.DoubleTensor([7, 8])
    with pytest.warns(UserWarning, match="Falling back"):
        x[1] = torch.ones(3, 1)
    with pytest.warns(UserWarning, match="Falling back"):
        x[0] = torch.ones(1, 3)
    assert x.numpy().tolist() == [[1, 1, 1], [1, 1, 1]]
    v = Variable(torch.zeros(3))
    v[1] = Variable(torch.DoubleTensor([[4]]), requires_grad=True)  # one element is one element
    assert data(v).tolist() == [0, 4, 0]
    assert v.requires_grad


def test_refused_assignments():
    with pytest.raises(TypeError, match="takes a number"):
        numbers(3)[0] = numbers(1)
    with pytest.raises(TypeError, match=r"value\.data"):
        numbers(3)[0:2] = variable(2)
    with pytest.raises(TypeError, match="got list; make a tensor"):
        numbers(3)[0:2] = [1, 2]
    with pytest.raises(TypeError, match="whole numbers"):
        torch.LongTensor([1, 2])[0] = 1.5
    with pytest.raises(RuntimeError, match="do not broadcast"):
        numbers(3)[0:2] = numbers(3)
    with pytest.raises(RuntimeError, match="names elements of size"):
        numbers(3)[[0, 1]] = numbers(3)
    with pytest.raises(RuntimeError, match="leaf Variable"):
        variable(3)[0] = 1
    with pytest.raises(RuntimeError, match="leaf Variable"):
        variable(3)[[0, 1]] = 1


def test_volatile_spreads_through_indices():
    v = variable(3, 2)
    index = Variable(torch.LongTensor([0, 1]), volatile=True)
    assert v[index].volatile
    assert v[index, [0, 1]].volatile
    assert v.index_select(0, index).volatile
    assert v[Variable(torch.ByteTensor([1, 0]), volatile=True)].volatile


def test_a_changed_index_is_noticed():
    v, index = variable(3, 2), Variable(torch.LongTensor([0, 1]))
    out = v.index_select(0, index).sum() if hasattr(v, "sum") else v.index_select(0, index)[0, 0]
    index.fill_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        out.backward()


# ---------------------------------------------------------------- functions


def test_values_by_hand():
    t = numbers(2, 3)
    assert data(t.gather(1, torch.LongTensor([[0, 2], [1, 1]]))).tolist() == [[1, 3], [5, 5]]
    assert data(t.gather(1, torch.LongTensor([[2]]))).tolist() == [[3]]
    one_hot = torch.zeros(2, 3)
    one_hot.scatter_(1, torch.LongTensor([[2], [0]]), 1)
    assert data(one_hot).tolist() == [[0, 0, 1], [1, 0, 0]]
    counts = torch.zeros(3)
    counts.scatter_add_(0, torch.LongTensor([0, 0, 2]), torch.ones(3))
    assert data(counts).tolist() == [2, 0, 1]
    counts.index_add_(0, torch.LongTensor([1, 1]), torch.ones(2))
    assert data(counts).tolist() == [2, 2, 1]
    assert data(t.take(torch.LongTensor([[0, -1]]))).tolist() == [[1, 6]]
    t.put_(torch.LongTensor([0, 0]), torch.DoubleTensor([3, 4]), accumulate=True)
    assert data(t)[0, 0] == 8
    assert data(torch.nonzero(torch.ByteTensor([0, 1, 1]))).tolist() == [[1], [2]]
    assert data(numbers(5).unfold(0, 2, 2)).tolist() == [[1, 2], [3, 4]]
    assert torch.nonzero(torch.zeros(3)).numel() == 0


def test_a_place_named_twice_passes_the_gradient_to_the_value_that_stays():
    source = variable(3)
    variable(4).index_copy(0, Variable(torch.LongTensor([1, 1, 2])), source).backward(numbers(4))
    assert data(source.grad).tolist() == [0, 2, 3]


def test_in_place_through_unfolded_windows():
    t = numbers(4)
    t.unfold(0, 2, 2)[0].fill_(9)
    assert data(t).tolist() == [9, 9, 3, 4]


def test_copy_converts_broadcasts_and_falls_back():
    t = torch.zeros(2, 2)
    t.copy_(torch.LongTensor([1, 2]))
    assert data(t).tolist() == [[1, 2], [1, 2]]
    with pytest.warns(UserWarning, match="Falling back"):
        t.copy_(numbers(4))
    assert data(t).tolist() == [[1, 2], [3, 4]]
    target = Variable(torch.zeros(2, 2).double())
    source = variable(2)
    target.copy_(source)
    (target * target).backward(numbers(2, 2))
    assert data(source.grad).tolist() == [2 * 1 * (1 + 3), 2 * 2 * (2 + 4)]
    with pytest.raises(RuntimeError, match="without broadcasting"):
        t.copy_(numbers(2), broadcast=False)


def test_fill_and_zero():
    t = torch.ByteTensor([1, 2])
    assert t.fill_(255) is t
    with pytest.raises(RuntimeError, match="256 is out of the type's range, 0 to 255"):
        t.fill_(256)
    assert data(t.zero_()).tolist() == [0, 0]
    with pytest.raises(TypeError, match="must be a number"):
        t.fill_("a")


def test_integer_indices_of_other_types_are_refused():
    with pytest.raises(TypeError, match="must be a LongTensor, got one of int32"):
        numbers(3).take(torch.IntTensor([0]))
    with pytest.raises(RuntimeError, match="must be a LongTensor"):
        variable(3).take(Variable(torch.IntTensor([0])))


def test_the_rows_are_there():
    for name in (
        "index_select",
        "gather",
        "scatter",
        "masked_select",
        "take",
        "put",
        "nonzero",
        "unfold",
        "copy",
        "fill",
    ):
        assert table[name].samples
    assert indexing.rows.read.name == "index_select"
    assert subscript.getitem(numbers(2), 0) == 1.0
