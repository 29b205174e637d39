"""Tensors and NumPy: shared memory, NumPy's functions on tensors, scalars; DLPack with any library."""

import numpy as np
import pytest

import minigrad as torch
from minigrad.autograd import Variable

DTYPES = ["float64", "float32", "float16", "int64", "int32", "int16", "int8", "uint8"]


@pytest.mark.parametrize("dtype", DTYPES)
class TestSharing:
    def test_both_ways(self, dtype):
        array = np.zeros((2, 3), dtype)
        t = torch.from_numpy(array)
        assert t.size() == (2, 3)
        t[0, 1] = 5
        assert array[0, 1] == 5
        array[1, 2] = 7
        assert t[1, 2] == 7
        back = t.numpy()
        assert back.dtype == dtype
        assert np.shares_memory(back, array)

    def test_views_of_arrays(self, dtype):
        array = np.arange(12).reshape(3, 4).astype(dtype)
        t = torch.from_numpy(array.T[1:, ::2])
        assert t.tolist() == array.T[1:, ::2].tolist()
        assert t.stride() == (1, 8)
        assert t.storage_offset() == 1
        t[0, 1] = 100
        assert array[2, 1] == 100

    def test_dlpack(self, dtype):
        t = torch.from_numpy(np.arange(6).reshape(2, 3).astype(dtype))
        seen = np.from_dlpack(t)
        assert np.shares_memory(seen, t.numpy())
        again = torch.from_dlpack(t.transpose(0, 1))
        assert type(again) is type(t)
        assert again.tolist() == t.transpose(0, 1).tolist()
        again[0, 1] = 50
        assert t[1, 0] == 50


@pytest.mark.parametrize(
    ("source", "error", "words"),
    [
        ([1, 2], TypeError, "expected a NumPy array, got list"),
        (np.float32(1), TypeError, "got float32"),
        (np.zeros(2, bool), TypeError, r"no bool tensor; convert.*astype\('uint8'\)"),
        (np.zeros(2, complex), TypeError, "dtype complex128"),
        (np.zeros(2, "U3"), TypeError, "dtype <U3"),
        (np.zeros(2, np.uint32), TypeError, "uint32"),
        (np.zeros((2, 0)), RuntimeError, r"shape \(2, 0\)"),
        (np.zeros(3)[::-1], RuntimeError, r"negative stride.*array\.copy\(\)"),
        (np.zeros(3, ">f4"), TypeError, "another machine's byte order"),
        (np.zeros(3, "u1,f4")["f1"], RuntimeError, "multiples of their size"),
    ],
)
def test_from_numpy_refuses(source, error, words):
    with pytest.raises(error, match=words):
        torch.from_numpy(source)


def test_arrays_without_dimensions_and_subclasses():
    assert torch.from_numpy(np.array(3.0)).tolist() == [3.0]
    t = torch.from_numpy(np.ma.array([1.0, 2.0]))
    assert type(t.numpy()) is np.ndarray
    assert t.storage().tolist() == [1, 2]


def test_read_only_arrays_stay_so():
    array = np.zeros(3)
    array.flags.writeable = False
    t = torch.from_numpy(array)
    with pytest.raises(RuntimeError, match="cannot be written"):
        t.fill_(1)
    with pytest.raises(ValueError, match="read-only"):
        t.view(3, 1).storage().fill_(1)


class TestFunctions:
    def test_one_argument(self):
        t = torch.FloatTensor([0.5, 1])
        made = np.sin(t)
        assert type(made) is torch.FloatTensor
        np.testing.assert_allclose(made.numpy(), np.sin(t.numpy()))
        assert type(np.exp(torch.DoubleTensor([1]))) is torch.DoubleTensor

    def test_two_arguments(self):
        t = torch.FloatTensor([1, 2])
        for made in (np.add(t, 1), np.add(1, t), np.add(t, torch.ones(2)), np.add(t, np.ones(2, np.float32))):
            assert type(made) is torch.FloatTensor
            assert made.tolist() == [2, 3]

    def test_bools_are_bytes_and_no_dimension_is_a_number(self):
        t = torch.FloatTensor([1, 2])
        made = np.greater(t, 1)
        assert type(made) is torch.ByteTensor
        assert made.tolist() == [0, 1]
        assert type(t.__array_wrap__(np.array(3.0))) is float
        assert type(t.__array_wrap__(np.array(3))) is int
        assert t.__array_wrap__(np.array(True)) is True

    def test_arrays_of_tensors(self):
        t = torch.FloatTensor([[1, 2], [3, 4]])
        assert np.shares_memory(np.asarray(t), t.numpy())
        assert not np.shares_memory(np.array(t), t.numpy())
        assert np.array(t).tolist() == t.tolist()
        assert np.asarray(t, dtype=np.float64).dtype == np.float64
        assert np.asarray(t, dtype=np.int64).tolist() == [[1, 2], [3, 4]]
        assert np.concatenate([t, t]).shape == (4, 2)
        assert np.shares_memory(t.__array__(np.float32), t.numpy())
        with pytest.raises(ValueError, match="without copying"):
            t.__array__(np.float64, copy=False)

    def test_variables_are_no_arrays(self):
        v = Variable(torch.ones(2))
        for name in ("numpy", "tolist", "storage", "apply_", "map_", "map2_", "set_", "new"):
            assert not hasattr(v, name)
        with pytest.raises(AttributeError, match=r"a Variable has no 'numpy'; its tensor has: variable\.data\.numpy"):
            v.numpy()

    @pytest.mark.parametrize("use", [np.array, np.exp, lambda v: np.mean([v, v]), lambda v: np.add(v, 1), np.stack])
    def test_numpy_is_told_where_the_numbers_of_a_variable_are(self, use):
        with pytest.raises(TypeError, match=r"a Variable is no NumPy array; .*\.data\.numpy\(\), .*loss\.data\[0\]"):
            use(Variable(torch.ones(2), requires_grad=True))

    def test_numpy_scalars_keep_the_type(self):
        t = torch.FloatTensor([1, 2])
        for number in (np.float64(2), np.float32(2), np.int64(2)):
            for made in (number * t, t * number):
                assert type(made) is torch.FloatTensor
                assert made.tolist() == [2, 4]
            assert (number < t).tolist() == [0, 0]
            assert (number - t).tolist() == [1, 0]
            assert (number * Variable(t)).data.tolist() == [2, 4]

    def test_an_array_beside_a_tensor_is_refused(self):
        t = torch.FloatTensor([1, 2])
        for call in (lambda: t + np.ones(2), lambda: np.ones(2) + t):
            with pytest.raises(TypeError, match="a NumPy array does not mix with a Tensor"):
                call()


class TestDLPack:
    def test_device(self):
        assert tuple(map(int, torch.ones(2).__dlpack_device__())) == (1, 0)

    def test_copy(self):
        t = torch.ones(2)
        made = torch.from_dlpack(np.from_dlpack(t, copy=True))
        made[0] = 5
        assert t[0] == 1

    def test_refusals(self):
        class Elsewhere:
            def __dlpack__(self, **options):
                raise AssertionError("must not be asked")

            def __dlpack_device__(self):
                return (2, 0)

        with pytest.raises(TypeError, match="got list"):
            torch.from_dlpack([1])
        with pytest.raises(RuntimeError, match=r"device \(2, 0\)"):
            torch.from_dlpack(Elsewhere())
        with pytest.raises(TypeError, match="no bool tensor"):
            torch.from_dlpack(np.zeros(2, bool))
        with pytest.raises(ValueError, match="no streams"):
            torch.ones(2).__dlpack__(stream=1)

    def test_with_pytorch(self):
        theirs = pytest.importorskip("torch")
        mine = torch.FloatTensor([[1, 2], [3, 4]])
        seen = theirs.from_dlpack(mine)
        seen[0, 1] = 9
        assert mine[0, 1] == 9
        back = torch.from_dlpack(theirs.arange(6.0).reshape(2, 3).t())
        assert back.tolist() == [[0, 3], [1, 4], [2, 5]]
        assert back.storage().tolist() == [0, 1, 2, 3, 4, 5]
