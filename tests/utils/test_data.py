"""Datasets, samplers, collation and the loader without workers."""

import collections
import itertools

import numpy as np
import pytest

import minigrad as torch
from minigrad.autograd import Variable
from minigrad.utils.data import (
    BatchSampler,
    ConcatDataset,
    DataLoader,
    Dataset,
    RandomSampler,
    Sampler,
    SequentialSampler,
    SubsetRandomSampler,
    TensorDataset,
    WeightedRandomSampler,
    default_collate,
)


def pairs(n=10):
    return TensorDataset(data_tensor=torch.randn(n, 3), target_tensor=torch.LongTensor(list(range(n))))


def flat(lists):
    return list(itertools.chain(*lists))


def targets(loader):
    return [batch[1].tolist() for batch in loader]


# ---------------------------------------------------------------- datasets


def test_a_dataset_must_define_its_items_and_its_length():
    with pytest.raises(NotImplementedError, match="Dataset must define __getitem__"):
        Dataset()[0]
    with pytest.raises(NotImplementedError, match="Dataset must define __len__"):
        len(Dataset())


def test_tensor_dataset_gives_rows():
    data, target = torch.randn(4, 2, 3), torch.randn(4)
    dataset = TensorDataset(data, target)
    assert len(dataset) == 4
    x, y = dataset[2]
    assert (x.array == data[2].array).all()
    assert y == target[2]
    assert isinstance(y, float)


def test_tensor_dataset_refuses_what_does_not_fit():
    with pytest.raises(AssertionError, match=r"equally many rows, got sizes \(3, 2\) and \(4,\)"):
        TensorDataset(torch.ones(3, 2), torch.ones(4))
    with pytest.raises(TypeError, match=r"target_tensor must be a Tensor, got Variable; take its \.data"):
        TensorDataset(torch.ones(3), Variable(torch.ones(3)))
    with pytest.raises(TypeError, match="data_tensor must be a Tensor, got ndarray"):
        TensorDataset(np.ones(3), torch.ones(3))


def test_concatenation():
    a, b, c = list("abc"), list("d"), list("ef")
    whole = ConcatDataset([a, b, c])
    assert len(whole) == 6
    assert [whole[k] for k in range(6)] == list("abcdef")
    assert [whole[k] for k in range(-6, 0)] == list("abcdef")
    assert whole[np.int64(3)] == "d"
    for k in (6, -7):
        with pytest.raises(IndexError, match=f"index must be from -6 to 5, got {k}"):
            whole[k]
    with pytest.raises(AssertionError, match="at least one dataset"):
        ConcatDataset([])


def test_datasets_add_up():
    whole = pairs(3) + pairs(2)
    assert isinstance(whole, ConcatDataset)
    assert [whole[k][1] for k in range(5)] == [0, 1, 2, 0, 1]


# ---------------------------------------------------------------- samplers


def test_sampler_base_says_what_is_missing():
    with pytest.raises(NotImplementedError, match="__iter__"):
        iter(Sampler(range(3)))
    with pytest.raises(NotImplementedError, match="__len__"):
        len(Sampler(range(3)))


def test_orders():
    assert list(SequentialSampler(range(4))) == [0, 1, 2, 3]
    torch.manual_seed(5)
    order = list(RandomSampler(range(30)))
    subset = list(SubsetRandomSampler(range(100, 130)))
    torch.manual_seed(5)
    assert order == torch.randperm(30).tolist()
    assert subset == [100 + k for k in torch.randperm(30).tolist()]
    assert len(RandomSampler(range(30))) == len(SubsetRandomSampler(range(30))) == 30
    assert list(RandomSampler([])) == list(SubsetRandomSampler([])) == []


def test_weighted_order():
    torch.manual_seed(0)
    drawn = list(WeightedRandomSampler([0.0, 1.0, 3.0], 4000))
    assert len(drawn) == len(WeightedRandomSampler([1.0], 4000)) == 4000
    assert 0 not in drawn
    # The share of index 2 is 3/4 with a standard deviation of 0.0068: six of them.
    assert abs(drawn.count(2) / 4000 - 0.75) < 0.041
    torch.manual_seed(0)
    assert list(WeightedRandomSampler(torch.FloatTensor([0, 1, 3]), 4000)) == drawn
    assert sorted(WeightedRandomSampler([2, 0, 1, 5], 3, replacement=False)) == [0, 2, 3]


@pytest.mark.parametrize(
    ("args", "error", "text"),
    [
        (([1, 2], 0), ValueError, "num_samples must be at least 1, got 0"),
        (([1, 2], 1.5), TypeError, "num_samples must be an int, got 1.5"),
        (([1, 2], 1, 3), TypeError, "replacement must be True or False, got 3"),
        (([1, -1], 1), ValueError, "numbers >= 0"),
        (([0, 0], 1), ValueError, "at least one of them > 0"),
        (([], 1), ValueError, "at least one of them > 0"),
        (([1.0, float("nan")], 1), ValueError, "numbers >= 0"),
        (([[1.0]], 1), ValueError, "a row of numbers"),
        (([1, 0, 1], 3, False), ValueError, "num_samples must be at most 2"),
    ],
)
def test_weighted_order_refuses(args, error, text):
    with pytest.raises(error, match=text):
        WeightedRandomSampler(*args)


def test_weighted_order_refuses_variables():
    with pytest.raises(TypeError, match=r"take its \.data"):
        WeightedRandomSampler(Variable(torch.ones(2)), 1)


def test_batches_of_indices():
    for n in range(8):
        for drop_last in (False, True):
            sampler = BatchSampler(SequentialSampler(range(n)), 3, drop_last)
            batches = list(sampler)
            assert len(sampler) == len(batches)
            assert flat(batches) == list(range(n - n % 3 if drop_last else n))
            assert all(len(b) == 3 for b in batches[:-1])


@pytest.mark.parametrize(
    ("size", "drop_last", "error", "text"),
    [
        (0, False, ValueError, "batch_size must be at least 1, got 0"),
        (-1, False, ValueError, "batch_size must be at least 1, got -1"),
        (2.0, False, TypeError, "batch_size must be an int, got 2.0"),
        (True, False, TypeError, "batch_size must be an int, got True"),
        (2, None, TypeError, "drop_last must be True or False, got None"),
    ],
)
def test_batches_of_indices_refuse(size, drop_last, error, text):
    with pytest.raises(error, match=text):
        BatchSampler(range(3), size, drop_last)


# ---------------------------------------------------------------- collation


def test_collate_numbers():
    ints, floats = default_collate([1, 2, 3]), default_collate([0.5, 1])
    assert ints.type() == "minigrad.LongTensor"
    assert ints.tolist() == [1, 2, 3]
    assert floats.type() == "minigrad.DoubleTensor"
    assert floats.tolist() == [0.5, 1.0]
    assert default_collate([True, False]).type() == "minigrad.LongTensor"


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1"])
def test_collate_numpy_numbers_and_arrays(dtype):
    numbers = default_collate([np.dtype(dtype).type(k) for k in (1, 2)])
    zero_d = default_collate([np.array(k, dtype) for k in (1, 2)])
    arrays = default_collate([np.full((2, 3), k, dtype) for k in (1, 2)])
    for made, size in ((numbers, (2,)), (zero_d, (2,)), (arrays, (2, 2, 3))):
        assert made.array.dtype == dtype
        assert made.size() == size
        assert made.array[1].max() == 2


def test_collate_tensors_copies():
    rows = [torch.randn(2, 3) for _ in range(4)]
    made = default_collate(rows)
    assert made.size() == (4, 2, 3)
    made.array[0] = 7
    assert rows[0].array.max() != 7


def test_collate_reversed_array():
    assert default_collate([np.arange(3)[::-1]] * 2).tolist() == [[2, 1, 0], [2, 1, 0]]


def test_collate_structures():
    item = collections.namedtuple("item", "x y")
    strings = ["a", "b"]
    assert default_collate(strings) is strings
    assert default_collate([b"a", b"b"]) == [b"a", b"b"]
    made = default_collate([{"n": 1, "s": "x", "deep": (1.0, [2])}, {"n": 2, "s": "y", "deep": (3.0, [4])}])
    assert made["n"].tolist() == [1, 2]
    assert made["s"] == ["x", "y"]
    assert made["deep"][0].tolist() == [1.0, 3.0]
    assert made["deep"][1][0].tolist() == [2, 4]
    assert type(default_collate([item(1, 2)])) is list


@pytest.mark.parametrize(
    ("batch", "error", "text"),
    [
        ([object()], TypeError, "must be tensors, numbers, strings, dicts or lists, found <class 'object'>"),
        ([None], TypeError, "NoneType"),
        ([{1, 2}], TypeError, "set"),
        ([np.array(["a"])], TypeError, "hold numbers, got one of dtype <U1"),
        ([np.array([object()])], TypeError, "dtype object"),
        ([np.bool_(True)], TypeError, "dtype bool"),
        ([np.float32(1), np.float64(1)], RuntimeError, "same dtype and shape"),
        ([np.ones(2), np.ones(3)], RuntimeError, "same dtype and shape"),
        ([np.ones((2, 0))], RuntimeError, r"no elements, its shape is \(2, 0\)"),
        ([torch.ones(2), torch.ones(3)], RuntimeError, r"same size, got \(2,\) and \(3,\): pad them"),
        ([torch.ones(2), [1.0, 2.0]], TypeError, "of one type, got FloatTensor and list"),
        ([[1, 2], [3]], RuntimeError, "same length, got 2 and 1"),
        ([{"a": 1}, {"b": 1}], RuntimeError, "same keys"),
        ([1, 2.5], RuntimeError, "whole numbers"),
        ([], ValueError, "at least one item"),
    ],
)
def test_collate_refuses(batch, error, text):
    with pytest.raises(error, match=text):
        default_collate(batch)


def test_collate_refuses_variables():
    with pytest.raises(TypeError, match=r"take its \.data"):
        default_collate([Variable(torch.ones(2))])


# ---------------------------------------------------------------- the loader


def test_batches_in_order():
    dataset = pairs()
    loader = DataLoader(dataset, batch_size=4)
    x, y = next(iter(loader))
    assert x.size() == (4, 3)
    assert (x.array == dataset.data_tensor.array[:4]).all()
    assert y.type() == "minigrad.LongTensor"
    assert targets(loader) == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    assert len(loader) == 3
    assert targets(DataLoader(dataset, batch_size=4, drop_last=True)) == [[0, 1, 2, 3], [4, 5, 6, 7]]
    assert [t for (t,) in targets(DataLoader(dataset))] == list(range(10))


def test_shuffling_follows_the_seed():
    loader = DataLoader(pairs(), batch_size=4, shuffle=True)
    torch.manual_seed(3)
    first, second = targets(loader), targets(loader)
    assert first != second
    assert sorted(flat(first)) == list(range(10))
    torch.manual_seed(3)
    assert flat(targets(loader)) == flat(first)
    torch.manual_seed(3)
    assert torch.randperm(10).tolist() == flat(first)


def test_length_follows_the_dataset():
    items = [1, 2, 3]
    loader = DataLoader(items, 2, True)
    assert len(loader) == 2
    items += [4, 5]
    assert len(loader) == len(iter(loader)) == 3
    assert sum(len(batch) for batch in loader) == 5


def test_own_samplers():
    dataset = list(range(10))
    assert [b.tolist() for b in DataLoader(dataset, 2, sampler=[3, 1, 4])] == [[3, 1], [4]]
    loader = DataLoader(dataset, batch_sampler=[[1], [2, 3]])
    assert [b.tolist() for b in loader] == [[1], [2, 3]]
    assert len(loader) == 2


def test_own_collate():
    assert list(DataLoader([1, 2, 3], 2, collate_fn=sum)) == [3, 3]


def test_plain_tensors_strings_and_empty_datasets():
    assert [b.tolist() for b in DataLoader(torch.arange(3), 2)] == [[0.0, 1.0], [2.0]]
    assert [tuple(b.size()) for b in DataLoader(torch.ones(3, 2), 2, True)] == [(2, 2), (1, 2)]
    assert list(DataLoader(["a", "b", "c"], 2)) == [["a", "b"], ["c"]]
    assert list(DataLoader([], 2, shuffle=True)) == []
    assert len(DataLoader([], 2, shuffle=True)) == 0


def test_the_eras_next():
    batches = iter(DataLoader(pairs(), 128, False, pin_memory=True))
    x, _ = batches.next()
    assert x.size() == (10, 3)
    with pytest.raises(StopIteration):
        batches.next()


class Faulty(Dataset):
    def __init__(self, error):
        self.error = error

    def __len__(self):
        return 6

    def __getitem__(self, k):
        if k == 2:
            raise self.error
        return k


def test_an_error_of_the_dataset_passes_and_iteration_goes_on():
    batches = iter(DataLoader(Faulty(KeyError("no such word")), 2))
    assert next(batches).tolist() == [0, 1]
    with pytest.raises(KeyError, match="no such word"):
        next(batches)
    assert next(batches).tolist() == [4, 5]


def test_stop_iteration_in_a_dataset_does_not_shorten_the_loop():
    with pytest.raises(RuntimeError, match="raised StopIteration"):
        list(DataLoader(Faulty(StopIteration()), 2))


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"batch_sampler": [[0]], "batch_size": 2}, ValueError, "mutually exclusive.*got also batch_size$"),
        ({"batch_sampler": [[0]], "shuffle": True, "drop_last": True}, ValueError, "got also shuffle, drop_last$"),
        ({"batch_sampler": [[0]], "sampler": [0]}, ValueError, "got also sampler$"),
        ({"sampler": [0], "shuffle": True}, ValueError, "sampler is mutually exclusive with shuffle"),
        ({"num_workers": -1}, ValueError, "num_workers must not be negative, got -1"),
        ({"num_workers": 1.0}, TypeError, "num_workers must be an int, got 1.0"),
        ({"batch_size": 0}, ValueError, "batch_size must be at least 1"),
        ({"batch_size": None}, TypeError, "batch_size must be an int, got None"),
        ({"shuffle": RandomSampler([1])}, TypeError, "shuffle must be True or False, got <.*RandomSampler"),
        ({"collate_fn": 3}, TypeError, "collate_fn must be callable, got int"),
        ({"pin_memory": "no"}, TypeError, "pin_memory must be True or False"),
    ],
)
def test_options_that_are_refused(options, error, text):
    with pytest.raises(error, match=text):
        DataLoader([1, 2, 3], **options)


def test_datasets_that_are_refused():
    with pytest.raises(TypeError, match="items by index"):
        DataLoader(iter([1, 2]))

    class Endless:
        def __getitem__(self, k):
            return k

    with pytest.raises(TypeError, match="must have a length"):
        DataLoader(Endless())
    assert [b.tolist() for b in DataLoader(Endless(), sampler=[9])] == [[9]]
