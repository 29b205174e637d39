"""What is no operand is refused by the name of the function and of its argument: all over the table, in layers, losses
and operators."""

import inspect
import re
import warnings

import numpy as np
import pytest

import minigrad as torch
from minigrad import _core, nn
from minigrad.autograd import Variable
from minigrad.nn import functional as F
from minigrad.ops.table import T, table

WRONG = {"None": None, "list": [1.0, 2.0], "str": "a"}
OPTIONAL = {("linear", 2), ("bilinear", 3)}  # biases


def forms(row):
    """(form, function of the row's arguments, number of the first argument that a program chooses)."""
    if "torch" in row.exported:
        yield "torch", getattr(torch, row.name), 0
    if "functional" in row.exported and row.name != "embedding":  # which takes its arguments in another order there
        yield "functional", getattr(F, row.name), 0
    if row.method:
        yield "method", lambda x, *args, **kwargs: getattr(x, row.name)(*args, **kwargs), 1
    if row.in_place:
        yield "in place", lambda x, *args, **kwargs: getattr(x * 1, f"{row.name}_")(*args, **kwargs), 1


def levels(row):
    return ["Tensor", "Variable"] if "T" in row.levels else ["Variable"]


CASES = [
    pytest.param(row, sample, form, function, k, wrong, level, id=f"{row.name}-{form}-{k}-{wrong}-{level}")
    for row in table.values()
    for form, function, first in forms(row)
    for sample in row.samples[:1]
    for k, argument in enumerate(sample.args)
    if k >= first and isinstance(argument, T)
    for wrong in WRONG
    if (row.name, k) not in OPTIONAL or wrong != "None"
    for level in levels(row)
    if level == "Variable" or form != "method" or hasattr(torch.Tensor, row.name)
]


def quietly(function, *args, **kwargs):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return function(*args, **kwargs)


def refused(function, *args, **kwargs):
    """The message of the TypeError; there must be no other error behind it."""
    with pytest.raises(TypeError) as caught:
        quietly(function, *args, **kwargs)
    error = caught.value
    assert error.__cause__ is None
    assert error.__context__ is None or error.__suppress_context__, "a traceback of an internal error would be printed"
    return str(error)


@pytest.mark.parametrize(("row", "sample", "form", "function", "k", "wrong", "level"), CASES)
def test_every_argument_of_the_table(row, sample, form, function, k, wrong, level, rng, place):
    wrap = _core.tensor_from_array if level == "Tensor" else _core.variable_from_array
    args, kwargs = sample.build(rng, lambda array, spec: wrap(place(array)), row.types[0])
    args[k] = WRONG[wrong]
    text = refused(function, *args, **kwargs)
    assert re.match(rf"{row.name}_?: ", text), text
    if (row.name, wrong) != ("scatter", "None"):  # "takes either src or value, got neither"
        assert re.search(rf"\b({'|'.join(names_of_argument(row, k))})\b", text), text


def names_of_argument(row, k):
    """What a message about argument number k of a sample may call it."""
    name = documented(row, k)
    by_role = {"src": "source", "A": "the matrix", "u": "the matrix"}
    if row.module.endswith("systems"):
        by_role["input"] = "the right sides"
    return name, by_role.get(name, name), f"the {('first', 'second', 'third', 'fourth')[k]} operand"


def documented(row, k):
    if row.name in ("addmm", "addmv", "addr", "addbmm", "baddbmm"):
        return re.findall(r"\w+", row.doc.partition(":")[0].replace("[beta=1,]", "").replace("[alpha=1,]", ""))[k + 1]
    function = getattr(F, row.name, row.function) if "functional" in row.exported else row.function
    if isinstance(function, _core.Operation):
        return ("input", "other")[k]
    names = list(inspect.signature(function).parameters)
    if row.name in ("add", "sub", "addcmul", "addcdiv"):
        names.remove("value")  # which the sample leaves out
    return names[k]


def layers():
    sizes = {"Linear": (2, 2), "Bilinear": (2, 2, 2), "Embedding": (3, 2), "EmbeddingBag": (3, 2), "Threshold": (0, 0),
             "BatchNorm1d": (2,)}  # fmt: skip
    for name, cls in sorted(vars(nn).items()):
        if not (inspect.isclass(cls) and issubclass(cls, nn.Module)) or issubclass(cls, (nn.RNNBase, nn.RNNCellBase)):
            continue  # the recurrent ones have tests of their own
        parameters = [p.name for p in inspect.signature(cls.forward).parameters.values()
                      if p.kind is p.POSITIONAL_OR_KEYWORD and p.default is p.empty][1:]  # fmt: skip
        if name not in ("Sequential", "Module", "DataParallel", "RNNFromCell"):
            yield from (pytest.param(cls, sizes.get(name, ()), parameters, p, id=f"{name}-{p}") for p in parameters)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize(("cls", "sizes", "parameters", "parameter"), list(layers()))
def test_layers_and_losses(cls, sizes, parameters, parameter, wrong, training):
    layer = cls(*sizes)
    layer.train(training)
    labels = cls in (nn.MultiLabelMarginLoss, nn.MultiMarginLoss)
    x, y = Variable(torch.ones(2, 2)), Variable(torch.LongTensor([[0, 1], [1, 0]]))
    args = [WRONG[wrong] if p == parameter else y if labels and p == "target" else x for p in parameters]
    text = refused(layer, *args)
    function = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", cls.__name__).lower().replace("2d", "")
    name = text.partition(":")[0]
    assert name == cls.__name__ or name.replace("_", "") in function.replace("_", ""), text
    assert f"{parameter} must be" in text


def test_none_is_explained():
    def forward(x):
        x * 2  # and no return

    y = Variable(torch.ones(2))
    text = refused(nn.MSELoss(), forward(y), y)
    assert text == (
        "MSELoss: input must be a Tensor or a Variable, got NoneType; a function without a return statement gives "
        "None: look at what computed it, a forward() for example"
    )
    text = refused(nn.Sequential(nn.ReLU(), nn.Linear(2, 2)), None)
    assert text.startswith("ReLU: input must be")


def test_what_a_layer_is_given_instead_of_its_input_is_explained():
    x = Variable(torch.ones(4, 1, 2))
    lstm, linear = nn.LSTM(2, 3), nn.Linear(3, 1)
    start = "Linear: input must be a Tensor or a Variable, got "
    pair = "tuple; a recurrent layer returns a pair, output, hidden = rnn(input), and an LSTM's hidden is one, (h, c)"
    assert refused(linear, lstm(x)) == start + pair
    assert refused(linear, lstm(x)[1]) == start + pair
    assert refused(linear, nn.GRU(2, 3)(x)) == start + pair
    packed = nn.utils.rnn.pack_padded_sequence(x, [4])
    unpacked = "PackedSequence; pad_packed_sequence makes a Variable of a PackedSequence, and its .data is one"
    assert refused(linear, lstm(packed)[0]) == start + unpacked
    assert refused(linear, [x, x]) == start + "list; join its tensors with minigrad.stack or minigrad.cat"
    made = refused(linear, nn.ReLU(x))
    assert made == start + "ReLU; a layer is made, and then called with the input: ReLU()(input)"


@pytest.mark.parametrize("wrap", [lambda t: t, Variable])
def test_operators_name_the_kinds(wrap):
    t = wrap(torch.ones(2))
    for operator in (
        lambda: t + None, lambda: None + t, lambda: t - None, lambda: t * None, lambda: t / None, lambda: t**None,
        lambda: t % None, lambda: t + [1, 2], lambda: t * [1, 2], lambda: "a" + t,
    ):  # fmt: skip
        assert re.match(r"\w+: (input|other) must be a Tensor, a Variable or a number, got \w+", refused(operator))
    assert (t == None) is False  # noqa: E711 what a program may well ask
    for compare in (torch.eq, torch.ne, torch.lt):
        assert "other must be" in refused(compare, t, None)


def test_operators_leave_it_to_classes_of_their_own():
    class Right:
        def answer(self, other):
            return "answered"

        __radd__ = __rsub__ = __rmul__ = __rtruediv__ = __rpow__ = __rmod__ = __rmatmul__ = answer
        __rand__ = __ror__ = __rxor__ = __rlshift__ = __rrshift__ = answer

    class Refusing:
        def __radd__(self, other):
            return NotImplemented

    for t in (torch.ones(2), Variable(torch.ones(2))):
        r = Right()
        for answer in (t + r, t - r, t * r, t / r, t**r, t % r, t @ r, t & r, t | r, t ^ r, t << r, t >> r):
            assert answer == "answered"
        assert re.search(r"unsupported operand.* for \+: '[\w.]*(FloatTensor|Variable)' and 'Refusing'",
                         refused(lambda t=t: t + Refusing()))  # fmt: skip
        with pytest.raises(TypeError, match="a NumPy array does not mix"):
            t + np.ones(2, "f")


def test_arrays_are_operands_as_ever():
    x = np.array([[1.0, 2.0], [3.0, 5.0]], np.float32)
    for name, args in (("exp", ()), ("sum", (1,)), ("mm", (x,)), ("softmax", (1,)), ("clamp", (0, 2)), ("add", (1.5,))):
        for function in {table[name].function, getattr(torch, name, table[name].function)}:
            assert isinstance(function(x, *args), np.ndarray)


@pytest.mark.parametrize("call", [lambda: torch.exp(2.0), lambda: torch.mul(2, 3), lambda: F.sigmoid(np.float32(1))])
def test_numbers_alone_are_no_operands(call):
    assert "expected a Tensor or a Variable, got numbers only" in refused(call)


@pytest.mark.parametrize("bounds", [{"min": "a"}, {"max": [1.0, 2.0]}, {"min": 0, "max": torch.ones(2)}])
def test_bounds_of_clamp_are_numbers(bounds):
    name, bound = list(bounds.items())[-1]
    for x in (torch.ones(2), Variable(torch.ones(2))):
        assert f"clamp: {name} must be a number, got {type(bound).__name__}" in refused(x.clamp, **bounds)
        assert f"clamp: {name} must be a number" in refused(torch.clamp, x, **bounds)


@pytest.mark.parametrize(("parameters", "got"), [([1.0], "float"), (3, "int"), (None, "NoneType"), (iter("a"), "str")])
def test_clip_grad_norm_takes_variables(parameters, got):
    text = refused(nn.utils.clip_grad_norm, parameters, 1)
    assert text == f"clip_grad_norm: parameters must be Variables, as model.parameters() gives them, got {got}"


def test_a_value_that_was_no_argument():
    with pytest.raises(TypeError, match=r"^expected a Tensor or a Variable, got int$"):
        _core.array_of(3)
    layer = nn.Linear(2, 2)
    layer.weight = None
    assert refused(layer, Variable(torch.ones(1, 2))).startswith("linear: weight must be a Tensor or a Variable, got N")


@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("stack", lambda t, v: torch.stack([t, v])),
        ("cat", lambda t, v: torch.cat([t, v])),
        ("lerp", lambda t, v: torch.lerp(t, v, 0.5)),
        ("addcmul", lambda t, v: torch.addcmul(t, v, v)),
        ("margin_ranking_loss", lambda t, v: F.margin_ranking_loss(v, t, v)),
        ("add", lambda t, v: t + v),
    ],
)
def test_mixtures_name_what_was_called(name, call):
    t = torch.ones(2)
    assert refused(call, t, Variable(t)).startswith(f"{name}: a Tensor and a Variable do not mix in one operation")


@pytest.mark.parametrize(
    ("name", "argument", "call"),
    [
        ("Linear", "input", lambda t, v: nn.Linear(2, 2)(t)),
        ("Embedding", "input", lambda t, v: nn.Embedding(2, 2)(t.long())),
        ("CrossEntropyLoss", "target", lambda t, v: nn.CrossEntropyLoss()(v.view(2, 1), t.long() - 1)),
        ("MSELoss", "input", lambda t, v: nn.MSELoss()(t, v)),
        ("mse_loss", "target", lambda t, v: F.mse_loss(v, t)),
        ("mm", "mat2", lambda t, v: torch.mm(v.view(1, 2), t.view(2, 1))),
    ],
)
def test_a_tensor_among_variables_is_named(name, argument, call):
    text = refused(call, torch.ones(2), Variable(torch.ones(2)))
    assert text.startswith(f"{name}: a Tensor and a Variable do not mix in one operation: {argument} is a Tensor")
    assert text.endswith(f"wrap it: Variable({argument})")


def test_types_in_a_stack_and_numbers_in_a_loss():
    wanted = r"^stack: Expected object of type minigrad\.FloatTensor but found .*DoubleTensor at position 1 of the sequ"
    with pytest.raises(RuntimeError, match=wanted):
        torch.stack([Variable(torch.ones(2)), Variable(torch.ones(2).double())])
    x = Variable(torch.LongTensor([[1, 2]]))
    assert refused(F.pairwise_distance, x, x).startswith("pairwise_distance: a minigrad.LongTensor takes whole numbers")


@pytest.mark.parametrize("wrap", [lambda t: t, Variable])
def test_a_modulus_of_pow_is_refused(wrap):
    x = wrap(torch.ones(2))
    for arguments in ((x, 2, 3), (2, x, 3)):
        with pytest.raises(TypeError, match="unsupported operand"):
            pow(*arguments)
