"""Files that are damaged, or made to harm: never a crash, never code of the file, always an error that says what."""

import io
import os
import pickle
import struct
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from crafted_pickles import Call, Name, archive, crafted, storage, tensor
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import minigrad as torch
from minigrad import nn
from minigrad.autograd import Variable
from minigrad.serialization import load, save

GOLDEN = Path(__file__).parent / "golden"
FOUR = np.arange(4, dtype="<f4").tobytes()
REFUSALS = (RuntimeError, pickle.UnpicklingError)


@pytest.fixture(scope="module", autouse=True)
def little_memory():
    """No file here may make the reader ask for gigabytes."""
    if sys.platform != "linux":
        yield
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + 2**30, hard))
    yield
    resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


@pytest.fixture
def witness(tmp_path, monkeypatch):
    """A file that a command of a hostile pickle would make."""
    monkeypatch.chdir(tmp_path)
    yield "touch here"
    assert not (tmp_path / "here").exists()


# ---------------------------------------------------------------- code

CALLABLES = [
    ("os", "system"), ("posix", "system"), ("nt", "system"), ("subprocess", "Popen"), ("builtins", "eval"),
    ("builtins", "exec"), ("builtins", "getattr"), ("builtins", "__import__"), ("__builtin__", "eval"),
    ("builtins", "object.__reduce_ex__"), ("operator", "attrgetter"), ("functools", "partial"),
    ("copyreg", "_reconstructor"),
    ("types", "FunctionType"), ("numpy", "load"), ("numpy.testing._private.utils", "runstring"), ("torch", "load"),
    ("minigrad", "load"), ("minigrad.serialization", "load"), ("minigrad.serialization", "io.BytesIO"),
    ("pickle", "loads"),
    ("minigrad.nn.module", "functools.partial"), ("minigrad.nn.functional", "relu"),
    ("minigrad.nn", "Linear.__init__"),
    ("minigrad.serialization.contents", "importlib.import_module"), ("collections", "namedtuple"),
    ("builtins", "type"),
    ("collections", "__builtins__"), ("torch._utils", "__builtins__"), ("", ""), (".", "."), ("os\x00", "system"),
]  # fmt: skip


@pytest.mark.parametrize(("module", "name"), CALLABLES)
def test_no_callable_outside_the_list(witness, module, name):
    dangerous = Name(module, name)
    for obj in (Call(dangerous, witness), Call(dangerous, witness, new=True), dangerous, [Call(dangerous)]):
        with pytest.raises(pickle.UnpicklingError, match="load: "):
            load(archive(obj))
    by_stack = b"\x80\x04" + b"".join(b"\x8c%c%s" % (len(t), t) for t in (module.encode(), name.encode())) + b"\x93."
    with pytest.raises(pickle.UnpicklingError, match="load: "):
        load(archive(by_stack))


def test_no_code_through_pythons_own_protocol(witness):
    class Harm:
        def __reduce__(self):
            return os.system, (witness,)

    for protocol in range(6):
        data = pickle.dumps({"weights": Harm()}, protocol)
        with pytest.raises(REFUSALS, match="load: "):
            load(io.BytesIO(data))
        with pytest.raises(pickle.UnpicklingError, match="load: "):
            load(archive(data))
    file = io.BytesIO()
    save(Harm(), file)
    file.seek(0)
    with pytest.raises(pickle.UnpicklingError, match=r"holds a \w+\.system, and making it runs code"):
        load(file)
    # The same refusals where only one class is trusted.
    file.seek(0)
    with pytest.raises(pickle.UnpicklingError):
        load(file, trust=[nn.Linear])


@pytest.mark.parametrize(
    "data",
    [
        b"cos\nsystem\n(S'touch here'\ntR.", b"(S'touch here'\nios\nsystem\n.", b"(cos\nsystem\nS'touch here'\no.",
        b"\x80\x02(X\x0a\x00\x00\x00touch hereios\nsystem\n.", b"\x80\x02\x82\x01.", b"\x80\x02\x83\x01\x00.",
        b"\x80\x02\x84\x01\x00\x00\x00.", b"\x80\x02Pid\n.", b"\x80\x05\x97.", b"\x80\x05\x8c\x01a\x98.",
        b"\x80\x02I01\n.",
    ],
)  # fmt: skip
def test_instructions_outside_the_list(witness, data):
    with pytest.raises(pickle.UnpicklingError, match=r"outside protocols 2 to 5|load: .*\.system"):
        load(archive(data))


CLASSES = [
    Name("collections", "OrderedDict"), Name("minigrad", "FloatTensor"), Name("torch", "FloatStorage"),
    Name("numpy", "ndarray"),
    Name("builtins", "float"), Name("torch._utils", "_rebuild_tensor_v2"), Name("argparse", "Namespace"),
]  # fmt: skip


@pytest.mark.parametrize("cls", CLASSES)
def test_what_may_be_named_may_not_be_used_otherwise(cls):
    for obj in (
        Call(cls, 1, 2, 3, 4, 5, 6, 7, 8), Call(cls, -1, new=True), Call(cls, state=3), Call([], 1), Call(1, 1),
        Call("os.system", 1),
        Call({}, 1, new=True), Call(cls, (), new=True, state=({"__class__": 1}, {"a": 1}, 3)),
    ):  # fmt: skip
        with pytest.raises(REFUSALS, match="load: "):
            load(archive(obj))


def test_state_goes_only_to_objects_that_take_it():
    named = Name("builtins", "float"), Name("minigrad.nn.module", "Module"), Name("argparse", "Namespace")
    for target in (*named, [], {}, "x", 1):
        data = crafted(target)[:-1] + crafted({"__call__": 1})[2:-1] + b"b."
        with pytest.raises(pickle.UnpicklingError, match="sets the state of a"):
            load(archive(data))
    assert not hasattr(nn.Module, "x")


def test_own_modules_hold_what_they_are_given_and_nothing_runs():
    linear = Call(Name("minigrad.nn.layers", "Linear"), new=True, state={"forward": Name("os", "system")})
    with pytest.raises(pickle.UnpicklingError, match=r"holds a os\.system"):
        load(archive(linear))
    with pytest.raises(pickle.UnpicklingError, match="damaged state"):
        load(archive(Call(Name("minigrad.nn.layers", "Linear"), new=True, state={1: 2})))


# ---------------------------------------------------------------- memory and stacks


@pytest.mark.parametrize(
    "data",
    [
        b"X\xff\xff\xff\xff", b"\x8d" + b"\xff" * 8, b"\x8e" + b"\xff" * 8, b"\x96" + b"\x00" * 7 + b"\x7f",
        b"\x8b\xff\xff\xff\x7f",
        b"B\xff\xff\xff\xff", b"T\xff\xff\xff\xff", b"\x8e\x00\x00\x00\x00\x04\x00\x00\x00",
    ],
)  # fmt: skip
def test_sizes_are_compared_with_what_is_there(data):
    with pytest.raises(pickle.UnpicklingError, match="cut short"):
        load(archive(b"\x80\x05" + data + b"abc."))


def test_a_large_number_in_the_memo_costs_nothing():
    assert load(archive(b"\x80\x02]r\xff\xff\xff\xffj\xff\xff\xff\xff.")) == []


def test_long_lines():
    with pytest.raises(pickle.UnpicklingError, match="longer than 1024 bytes"):
        load(archive(b"\x80\x02c" + b"a" * 5000 + b"\nb\n."))


DEEP = 100000


@pytest.mark.parametrize(
    "use",
    [
        b"}KEYNs.", b"}(KEYNu.", b"(KEY\x91.", b"\x8f(KEY\x90.", b"c__builtin__\nset\n](KEYe\x85R.",
        b"ccollections\nOrderedDict\n]KEYN\x86a\x85R.",
    ],
)  # fmt: skip
def test_deep_tuples_as_keys_do_not_exhaust_the_stack(use):
    data = b"\x80\x04" + use.replace(b"KEY", b")" + b"\x85" * DEEP)
    with pytest.raises(pickle.UnpicklingError, match="a tuple that serves as a key has more than 1000 parts"):
        load(archive(data))


def test_a_tuple_of_itself_twice_and_so_on():
    doubling = b"".join(b"q%c0h%ch%c\x86" % (k, k, k) for k in range(60))
    with pytest.raises(pickle.UnpicklingError, match="more than 1000 parts"):
        load(archive(b"\x80\x02}N\x85" + doubling + b"Ns."))
    load(archive(b"\x80\x02N\x85" + doubling + b"."))  # it is small, as long as nobody walks through it


def test_deep_nesting():
    tuples = load(archive(b"\x80\x02)" + b"\x85" * DEEP + b"."))
    for _ in range(10):
        (tuples,) = tuples
    lists = load(archive(b"\x80\x02" + b"]" * DEEP + b"a" * (DEEP - 1) + b"."))
    assert len(lists) == 1


def test_deep_nesting_of_objects():
    for name in (b"collections\nOrderedDict\n)R", b"argparse\nNamespace\n)\x81"):
        opened = b"".join((b"c", name, b"}X\x01\x00\x00\x00a"))
        made = load(archive(b"\x80\x02" + opened * 20000 + b"N" + b"sb" * 20000 + b"."))
        assert made is not None
        del made


# ---------------------------------------------------------------- tensors


@pytest.mark.parametrize(
    "bad",
    [
        tensor(storage(), size=(5,)), tensor(storage(), 1), tensor(storage(), -1),
        tensor(storage(), 0, (2, 3), (3, 1)),
        tensor(storage(), 0, (2, 2), (-2, 1)), tensor(storage(), 3, (4,), (-1,)),
        tensor(storage(), 0, (2,), (2**62,)),
        tensor(storage(), 0, (2**40, 2**40), (0, 0)), tensor(storage(), 0, (2**61,), (0,)),
        tensor(storage(), 2**70, (1,), (1,)),
        tensor(storage(), 0, (2, 2), (1,)), tensor(storage(), 0, [4], [1]), tensor(storage(), 0.0, (4,), (1,)),
        tensor(storage(), 0, (True,), (1,)), tensor(storage(), 0, (4.0,), (1,)),
        tensor(storage(), 0, (1,) * 65, (1,) * 65),
        tensor(storage(), 0, (-4,), (1,)), tensor(storage(), 4, (1,), (1,)), tensor(None), tensor([1.0] * 4),
        tensor("0"),
        tensor(storage(), requires_grad=1), tensor(storage(), hooks={0: 1}), tensor(storage(length=5)),
        tensor(storage(length=3)),
        tensor(storage(length=-1)), tensor(storage(length=2**62)), tensor(storage(length="4")), tensor(storage("1")),
        tensor(storage("../data.pkl")), tensor(storage(0)), tensor(storage(location=3)),
        tensor(storage(kind="DoubleStorage")),
        tensor(storage(view=(("0", 2, 3),))), tensor(storage(view=(("0", -1, 1),))),
        tensor(storage(view=((0, 0, 1),))),
        tensor(storage(view=("0",))), tensor(tensor(storage())), Call(Name("torch._utils", "_rebuild_tensor_v2")),
        Call(Name("torch._utils", "_rebuild_parameter"), storage(), True, {}),
        Call(Name("torch._utils", "_rebuild_parameter"), tensor(storage()), "yes", {}),
        Call(Name("minigrad.autograd", "Variable"), tensor(storage()), True, True, {}),
        Call(Name("minigrad.autograd", "Variable"), 3, True, False, {}),
        Call(Name("torch.autograd.variable", "Variable"), tensor(storage()), state=(1, 2)),
        Call(Name("minigrad.nn.parameter", "_rebuild"), Name("builtins", "float"), tensor(storage()), True),
    ],
)  # fmt: skip
def test_bad_tensors(bad):
    with pytest.raises(REFUSALS, match="load: "):
        load(archive(bad, data_0=FOUR))


def test_sizes_without_elements():
    with pytest.raises(RuntimeError, match=r"size \(0, 3\) has no elements"):
        load(archive(tensor(storage(), 0, (0, 3), (3, 1)), data_0=FOUR))


def dtype(text="i4", state=(3, "<", None, None, None, -1, -1, 0)):
    return Call(Name("numpy", "dtype"), text, False, True, state=state)


def array(state, module="numpy._core.multiarray"):
    return Call(Name(module, "_reconstruct"), Name("numpy", "ndarray"), (0,), b"b", state=state)


@pytest.mark.parametrize(
    "bad",
    [
        array((1, (3,), dtype(), False, b"12345678")), array((1, (2**61,), dtype(), False, b"")),
        array((1, (-1,), dtype(), False, b"")), array((1, (2,), dtype("O"), False, [1, 2])),
        array((1, (2,), dtype(), False, [1, 2])), array((1, (1,) * 65, dtype(), False, b"1234")), array((1, 2, 3)),
        array(3),
        array((1, (1,), "i4", False, b"1234")), dtype("M8[s]"), dtype("V8"), dtype("O"), dtype([("a", "i4")]),
        dtype(None),
        dtype("i4", (3, "<", ("a",), {"a": 1}, None, 4, 1, 0)), dtype("i4", (3, "<", None, None, None, 400, 1, 0)),
        dtype("i4", (3, "<", None, None, None, -1, -1, 255)), dtype("i4", (9,)), dtype("i4", "x"),
        dtype("U99999999999"),
        Call(Name("numpy._core.multiarray", "scalar"), dtype(), b"123"),
        Call(Name("numpy._core.multiarray", "scalar"), dtype("O"), 3),
        Call(Name("numpy._core.multiarray", "scalar"), "i4", b"1234"),
        Call(Name("numpy._core.numeric", "_frombuffer"), b"12", dtype(), (1,), "C"),
        Call(Name("numpy._core.numeric", "_frombuffer"), b"1234", dtype(), (1,), "K"),
        Call(Name("numpy._core.multiarray", "_reconstruct"), Name("builtins", "float"), (0,), b"b"),
        Call(Name("numpy", "ndarray"), (2**40,)),
    ],
)  # fmt: skip
def test_bad_arrays(bad):
    with pytest.raises(REFUSALS, match="load: "):
        load(archive(bad))


@pytest.mark.parametrize(
    "bad",
    [
        Call(Name("builtins", "range"), 1.5), Call(Name("builtins", "slice"), Call(Name("builtins", "slice"), 1)),
        Call(Name("builtins", "bytearray"), 2**40), Call(Name("builtins", "bytes"), 2**40),
        Call(Name("builtins", "complex"), "1"),
        Call(Name("builtins", "set"), "ab"), Call(Name("collections", "OrderedDict"), [(1, 2, 3)]),
        Call(Name("collections", "OrderedDict"), 3), Call(Name("collections", "deque"), [], -1),
        Call(Name("collections", "defaultdict"), Name("argparse", "Namespace")), Call(Name("torch", "Size"), (1.5,)),
        Call(Name("torch", "Size"), 3), Call(Name("_codecs", "encode"), "x", "rot13"),
        Call(Name("_codecs", "encode"), "\u20ac", "latin1"),
        Call(Name("minigrad.tensor.random", "Generator"), state=3), Call(Name("builtins", "dict"), [[[], 1]]),
        Call(Name("minigrad.nn.utils.rnn", "PackedSequence"), 1, new=True), Call(Name("builtins", "float"), "1"),
    ],
)  # fmt: skip
def test_bad_values(bad):
    with pytest.raises(REFUSALS, match="load: "):
        load(archive(bad))


# ---------------------------------------------------------------- archives


def zipped(*entries, compression=zipfile.ZIP_STORED):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as made:
        for name, data in entries:
            made.writestr(name, data)
    file.seek(0)
    return file


def test_archives_that_grow():
    bomb = zipped(("a/data.pkl", crafted([])), ("a/data/0", bytes(10**7)), compression=zipfile.ZIP_DEFLATED)
    with pytest.raises(RuntimeError, match=r"record 'a/data\.pkl' is compressed or encrypted"):
        load(bomb)


def test_records_that_overlap():
    file = zipped(("a/data.pkl", crafted([])), *((f"a/data/{k}", bytes([k]) * 1000) for k in range(20)))
    data = bytearray(file.getvalue())
    # Every entry of the directory is told to be the first storage, which is told to be as long as the file.
    directory = data.index(b"PK\x01\x02")
    at = directory
    while data[at : at + 4] == b"PK\x01\x02":
        struct.pack_into("<LL", data, at + 20, directory - 100, directory - 100)
        at += 46 + sum(struct.unpack_from("<HHH", data, at + 28))
    with pytest.raises(RuntimeError, match=r"claim \d+ bytes, the archive has \d+: it is damaged"):
        load(io.BytesIO(data))


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_archives_of_another_kind():
    for entries in (
        [("data.pkl", b"")],
        [("a/data.pkl", crafted([])), ("b/data/0", b"")],
        [("a/data.pkl", b"")] * 2,
        [],
    ):
        with pytest.raises(RuntimeError, match="load: "):
            load(zipped(*entries))


def test_sources_that_are_damaged():
    for data in (b"[1]", b"{", b'{"a": 1}', b"\xff", b"[" * 100000):
        with pytest.raises(RuntimeError, match=r"record sources\.json is damaged"):
            load(archive([], **{"sources.json": data}))


# ---------------------------------------------------------------- any damage at all


def own_file():
    file = io.BytesIO()
    base = torch.arange(6).view(2, 3)
    state = nn.Sequential(nn.Linear(2, 2), nn.GRU(2, 2)).state_dict()
    save({"w": base, "t": base.t(), "v": Variable(base), "s": state, "a": np.ones((2, 2)), "m": nn.Linear(1, 1)}, file)
    return file.getvalue()


FILES = {"own": own_file(), **{p: (GOLDEN / p).read_bytes() for p in ("checkpoint.pt", "checkpoint_legacy.pt")}}
FUZZ = settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))


def survives(data):
    text = "load: "
    try:
        load(io.BytesIO(data))
    except REFUSALS as error:
        text = str(error)
    assert text.startswith("load: ")


@pytest.mark.parametrize("name", FILES)
@FUZZ
@given(data=st.data())
def test_cut_files(name, data):
    whole = FILES[name]
    length = data.draw(st.integers(0, len(whole) - 1))
    with pytest.raises(REFUSALS, match="load: "):
        load(io.BytesIO(whole[:length]))


@pytest.mark.parametrize("name", FILES)
@FUZZ
@given(changes=st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), min_size=1, max_size=8))
def test_changed_bytes(name, changes):
    data = bytearray(FILES[name])
    for place, value in changes:
        data[place % len(data)] = value
    survives(bytes(data))


PICKLES = {}
for _name in ("own", "checkpoint.pt"):
    with zipfile.ZipFile(io.BytesIO(FILES[_name])) as _zip:
        PICKLES[_name] = _zip.read(next(n for n in _zip.namelist() if n.endswith("data.pkl")))


@pytest.mark.parametrize("name", PICKLES)
@FUZZ
@given(changes=st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), min_size=1, max_size=4))
def test_changed_pickles_behind_a_right_check_sum(name, changes):
    data = bytearray(PICKLES[name])
    for place, value in changes:
        data[place % len(data)] = value
    survives(archive(bytes(data), data_0=FOUR, data_1=FOUR).getvalue())


INSTRUCTIONS = [bytes([code]) for code in b"().012NaeuRbQ]}ts\x81\x85\x86\x87\x88\x89\x8f\x90\x91\x92\x93\x94"]
NAMED = [
    b"ctorch\nFloatStorage\n", b"ctorch._utils\n_rebuild_tensor_v2\n", b"ccollections\nOrderedDict\n",
    b"cos\nsystem\n",
    b"cnumpy\nndarray\n", b"cnumpy\ndtype\n", b"c__builtin__\nset\n", b"cminigrad.nn.layers\nLinear\n",
    b"cargparse\nNamespace\n",
]  # fmt: skip
VALUES = [
    b"K\x00",
    b"K\x04",
    b"X\x07\x00\x00\x00storage",
    b"X\x01\x00\x00\x000",
    b"X\x03\x00\x00\x00cpu",
    b"q\x00",
    b"h\x00",
]


@FUZZ
@given(parts=st.lists(st.sampled_from(INSTRUCTIONS + NAMED + VALUES), max_size=40))
def test_any_program_of_pickle_instructions(parts):
    survives(archive(b"\x80\x04" + b"".join(parts) + b".", data_0=FOUR).getvalue())


@FUZZ
@given(data=st.binary(max_size=200))
def test_any_bytes(data):
    for start in (b"", b"PK\x03\x04", b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."):
        survives(start + data)
