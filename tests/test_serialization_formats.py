"""Reading what PyTorch wrote: the zip layout of today, and the stream of before 1.6."""

import collections
import io
import pickle
import struct
from pathlib import Path

import numpy as np
import pytest
from crafted_pickles import Call, Name, Outside, archive, crafted, storage, tensor

import minigrad as torch
from minigrad import nn, optim
from minigrad.autograd import Variable
from minigrad.serialization import legacy, load
from minigrad.serialization.archive import Archive, write_archive
from minigrad.tensor import memory

GOLDEN = Path(__file__).parent / "golden"
TYPES = {
    "float32": "FloatTensor", "float64": "DoubleTensor", "float16": "HalfTensor", "int64": "LongTensor",
    "int32": "IntTensor", "int16": "ShortTensor", "int8": "CharTensor", "uint8": "ByteTensor", "bool": "ByteTensor",
}  # fmt: skip
FOUR = np.arange(4, dtype="<f4").tobytes()


@pytest.fixture(params=["checkpoint.pt", "checkpoint_legacy.pt"])
def golden(request):
    return load(GOLDEN / request.param)


def test_all_types(golden):
    assert {name: t.type() for name, t in golden["types"].items()} == {n: f"minigrad.{t}" for n, t in TYPES.items()}
    for name, t in golden["types"].items():
        assert t.tolist() == ([0, 1, 1, 1] if name == "bool" else [0, 1, 2, 100])


def test_views(golden):
    base, row, transposed, block, strided, spread = golden["views"]
    expected = np.arange(24).reshape(4, 6)
    assert base.tolist() == expected.tolist()
    assert row.tolist() == expected[1].tolist()
    assert transposed.tolist() == expected.T.tolist()
    assert block.tolist() == expected[1:3, 2:5].tolist()
    assert strided.tolist() == expected[::2, ::3].tolist()
    assert spread.tolist() == [expected[0].tolist()] * 3
    assert len({id(memory.memory_of(t.array)) for t in golden["views"]}) == 1
    assert golden["storage"].tolist() == list(range(24))
    base.fill_(1)
    assert golden["storage"].tolist() == [1] * 24


def test_what_is_not_of_the_era(golden):
    assert tuple(golden["scalar"].size()) == (1,)
    assert golden["scalar"].tolist() == [2.5]
    assert golden["empty"].dim() == 0
    assert type(golden["variable"]) is Variable
    assert golden["variable"].requires_grad


def test_parameters_and_states(golden):
    assert type(golden["parameter"]) is type(golden["frozen"]) is nn.Parameter
    assert golden["parameter"].requires_grad
    assert not golden["frozen"].requires_grad
    assert golden["parameter"].data.tolist() == [[1, 1], [1, 1]]
    linear = nn.Linear(3, 2)
    linear.load_state_dict(golden["state"])
    assert linear.weight.data.tolist() == golden["state"]["weight"].tolist()
    assert golden["state"]._metadata[""] == {"version": 1}
    assert golden["optimizer"]["param_groups"][0]["lr"] == 0.25
    optim.SGD(linear.parameters(), lr=1.0)


def test_the_rest(golden):
    assert golden["size"] == torch.Size([2, 3])
    assert type(golden["size"]) is torch.Size
    assert golden["number"] == 0.125
    assert type(golden["number"]) is np.float64
    assert golden["array"].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert golden["array"].dtype == np.int16
    assert golden["plain"] == [
        None, True, -5, 2**70, 1.5, 2j, "täxt", b"\x00\xff", (1, (2,)), {3}, frozenset([4]), {"k": []}
    ]  # fmt: skip


def test_the_place_behind(tmp_path):
    stream = io.BytesIO(b"ab" + (GOLDEN / "checkpoint_legacy.pt").read_bytes() + b"cd")
    stream.seek(2)
    load(stream)
    assert stream.read() == b"cd"
    zipped = io.BytesIO(b"ab" + (GOLDEN / "checkpoint.pt").read_bytes())
    zipped.seek(2)
    assert list(load(zipped))[0] == "types"  # noqa: RUF015
    assert zipped.read() == b""


def test_types_that_are_missing_here():
    with pytest.raises(
        pickle.UnpicklingError, match=r"holds tensors of bfloat16.*convert them in PyTorch.*\.float\(\)"
    ):
        load(GOLDEN / "checkpoint_bfloat16.pt")
    for kind, name in (("ComplexFloatStorage", "complex64"), ("QInt8Storage", "qint8")):
        with pytest.raises(pickle.UnpicklingError, match=f"holds tensors of {name}"):
            load(archive(tensor(storage(kind=kind)), data_0=FOUR))


def test_whole_modules_of_pytorch_are_refused():
    module = Call(Name("torch.nn.modules.linear", "Linear"), new=True, state={})
    with pytest.raises(pickle.UnpicklingError, match=r"PyTorch's torch\.nn\.modules\.linear\.Linear.*state_dict"):
        load(archive(module))


def test_programs_of_pytorch_are_refused():
    with pytest.raises(RuntimeError, match="TorchScript program"):
        load(archive([], **{"constants.pkl": b""}))
    file = io.BytesIO()
    write_archive(file, [("other", b"")])
    file.seek(0)
    with pytest.raises(RuntimeError, match=r"zip archive without data\.pkl"):
        load(file)


def test_numbers_of_the_other_byte_order():
    data = np.arange(4, dtype=">f4").tobytes()
    assert load(archive(tensor(storage()), byteorder=b"big", data_0=data)).tolist() == [0, 1, 2, 3]
    assert load(archive(tensor(storage()), byteorder=b"little", data_0=FOUR)).tolist() == [0, 1, 2, 3]
    assert load(archive(tensor(storage()), data_0=FOUR)).tolist() == [0, 1, 2, 3]
    with pytest.raises(RuntimeError, match="record 'byteorder' must be little or big, got b'middle'"):
        load(archive(tensor(storage()), byteorder=b"middle", data_0=FOUR))


def test_one_memory_seen_as_two_types():
    a, b = load(archive([tensor(storage()), tensor(storage(kind="IntStorage"))], data_0=FOUR))
    assert a.tolist() == [0, 1, 2, 3]
    assert b.tolist() == np.arange(4, dtype="f4").view("i4").tolist()
    a.fill_(0)
    assert b.tolist() == [0] * 4


def test_an_archive_of_its_own_knows_its_end():
    first, second = archive([1]).getvalue(), archive([2]).getvalue()
    file = io.BytesIO(first + second)
    assert Archive(file).end == len(first)


# ---------------------------------------------------------------- the stream, as 0.3 and Python 2 wrote it


def stream(obj, storages=(), *, magic=legacy.MAGIC, version=1001, keys=None, tail=b""):
    """storages: (key, array) of each."""
    info = {"protocol_version": 1001, "little_endian": True, "type_sizes": {"short": 2, "int": 4, "long": 8}}
    keys = [key for key, _ in storages] if keys is None else keys
    data = b"".join(map(crafted, (magic, version, info, obj, keys)))
    for _, array in storages:
        data += struct.pack("<q", array.size) + array.astype(array.dtype.newbyteorder("<")).tobytes()
    return io.BytesIO(data + tail)


def old_tensor(key="7", length=4, size=(4,), stride=(1,), kind="FloatStorage", view=None, offset=0, module="torch"):
    held = storage(key, length, kind, module=module, view=(view,))
    return Call(Name("torch._utils", "_rebuild_tensor"), held, offset, size, stride)


def test_tensors_of_0_3():
    values = np.arange(4, dtype=np.float32)
    made = load(stream([old_tensor(), old_tensor(offset=2, size=(2,))], [("7", values)]))
    assert [t.tolist() for t in made] == [[0, 1, 2, 3], [2, 3]]
    assert memory.memory_of(made[0].array) is memory.memory_of(made[1].array)


def test_the_empty_tensor_of_0_3():
    assert load(stream(old_tensor(length=0, size=(), stride=()), [("7", np.zeros(0, "f4"))])).dim() == 0


def test_variables_and_parameters_of_0_3():
    hooks = collections.OrderedDict()
    parameter = Call(Name("torch.nn.parameter", "Parameter"), old_tensor(), state=(True, False, hooks))
    frozen = Call(Name("torch.nn.parameter", "Parameter"), old_tensor(), state=(False, False, hooks))
    variable = Call(Name("torch.autograd.variable", "Variable"), old_tensor(), state=(False, True, None))
    p, f, v = load(stream([parameter, frozen, variable], [("7", np.ones(4, "f4"))]))
    assert type(p) is nn.Parameter
    assert (p.requires_grad, f.requires_grad, v.requires_grad) == (True, False, False)
    assert (type(v), v.volatile) == (Variable, True)
    assert p.data.tolist() == [1, 1, 1, 1]


def test_storage_views_of_0_3():
    held = [old_tensor(view=("9", 1, 2), size=(2,)), old_tensor()]
    part, whole = load(stream(held, [("7", np.arange(4, dtype="f4"))]))
    assert part.tolist() == [1, 2]
    part.fill_(5)
    assert whole.tolist() == [0, 5, 5, 3]


def test_tensors_of_0_3_from_a_gpu():
    held = storage("7", 4, module="torch.cuda", location="cuda:0", view=(None,))
    obj = Call(Name("torch._utils", "_rebuild_tensor"), held, 0, (4,), (1,))
    file = stream(obj, [("7", np.ones(4, "f4"))])
    assert load(file, map_location=lambda storage, location: storage).tolist() == [1] * 4
    file.seek(0)
    with pytest.raises(RuntimeError, match="saved on 'cuda:0', which is not here"):
        load(file)


def test_names_that_python_2_wrote():
    # An OrderedDict as a list of lists, and str as bytes of text.
    data = crafted(legacy.MAGIC) + crafted(1001) + crafted({})
    data += b"\x80\x02ccollections\nOrderedDict\n](](U\x06weightK\x01e](U\x04biasK\x02ee\x85R."
    data += crafted([])
    made = load(io.BytesIO(data))
    assert made == collections.OrderedDict(weight=1, bias=2)
    assert load(archive(b"\x80\x02c__builtin__\nset\n](K\x01e\x85R.")) == {1}


@pytest.mark.filterwarnings("ignore::minigrad.serialization.SourceChangeWarning")
def test_a_module_in_the_stream_needs_trust():
    cls = Outside("module", Name(__name__, "Own"), "file.py", "class Own: pass")
    file = stream(Call(cls, new=True, state={"x": 3}))
    with pytest.raises(pickle.UnpicklingError, match=f"holds a {__name__}.Own"):
        load(file)
    file.seek(0)
    assert load(file, trust=True).x == 3


class Own:
    pass


@pytest.mark.parametrize(
    ("file", "error", "text"),
    [
        (stream(1, version=1000), RuntimeError, "version 1000, only 1001 is known"),
        (stream(old_tensor(), [("8", np.ones(4, "f4"))]), pickle.UnpicklingError, "list of storages is not the one"),
        (stream(old_tensor(), []), pickle.UnpicklingError, "list of storages is not the one"),
        (stream(old_tensor(), [("7", np.ones(3, "f4"))], tail=b"0" * 9), pickle.UnpicklingError, "3 elements where 4"),
        (stream(old_tensor(length=2**60), []), pickle.UnpicklingError, "more than the file has bytes for"),
        (stream(old_tensor(view=("9", 3, 2)), [("7", np.ones(4, "f4"))]), pickle.UnpicklingError, "view of 2"),
        (stream(old_tensor(view=("9", -1, 2)), [("7", np.ones(4, "f4"))]), pickle.UnpicklingError, "view of 2"),
        (stream([old_tensor(), old_tensor(kind="IntStorage")], [("7", np.ones(4, "f4"))], tail=b"0" * 99),
         pickle.UnpicklingError, "has two types"),
        (stream(1, keys=3), pickle.UnpicklingError, "list of storages"),
    ],
)  # fmt: skip
def test_damaged_streams(file, error, text):
    with pytest.raises(error, match=text):
        load(file)


def test_every_truncation_of_a_stream_is_an_error():
    whole = stream([old_tensor()], [("7", np.ones(4, "f4"))]).getvalue()
    for length in range(len(whole)):
        with pytest.raises((RuntimeError, pickle.UnpicklingError), match="load: "):
            load(io.BytesIO(whole[:length]))
