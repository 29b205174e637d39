"""What operations do with integers: they keep their type, or refuse them, or give what the era gave."""

import re

import pytest
from test_operands import forms, levels, quietly

import minigrad as torch
from minigrad import _core, nn
from minigrad._core import Tensor, Variable, array_of
from minigrad.autograd import Variable as V
from minigrad.nn import functional as F
from minigrad.ops.table import FLOATING, INTEGRAL, table

# The types that results have beside, or in place of, that of the input.
ALSO = dict.fromkeys("eq ne lt le gt ge equal".split(), "uint8")
ALSO |= dict.fromkeys("max min median mode kthvalue sort topk nonzero".split(), "int64")
FORMS = [pytest.param(row, form, function, level, id=f"{row.name}-{form}-{level}") for row in table.values()
         for form, function, _ in forms(row) for level in levels(row)]  # fmt: skip


REFUSALS = re.compile(
    "not defined for|floating types only|whole numbers|has no|cannot change the size|divided by 0|does not fit|"
    "to the negative power|ByteTensors only"
)


def outcome(function, args, kwargs):
    """(results, None) or ((), message)."""
    try:
        result = quietly(function, *args, **kwargs)
    except (TypeError, RuntimeError, ValueError, AttributeError) as error:
        return (), f"{type(error).__name__}: {error}"
    return result if isinstance(result, tuple) else (result,), None


@pytest.mark.parametrize("dtype", INTEGRAL)
@pytest.mark.parametrize(("row", "form", "function", "level"), FORMS)
def test_type_is_kept_or_refused(row, form, function, dtype, level, rng, place):
    wrap = _core.tensor_from_array if level == "Tensor" else _core.variable_from_array
    for sample in row.samples:
        args, kwargs = sample.build(rng, lambda array, spec: wrap(place(array)), dtype)
        if form in ("method", "in place") and not isinstance(args[0], (Tensor, Variable)):
            continue
        result, refusal = outcome(function, args, kwargs)
        assert refusal is None or REFUSALS.search(refusal), refusal
        for found in result:
            if isinstance(found, (Tensor, Variable)):
                assert array_of(found).dtype.name in (dtype, ALSO.get(row.name)), f"{sample}"
            else:
                assert isinstance(found, (int, bool)), f"{sample}: {found!r}"


X = [[1, 2], [3, 4]]
CALLS = {
    "mse_loss": lambda a: F.mse_loss(a, a * 2), "l1_loss": lambda a: F.l1_loss(a, a),
    "kl_div": lambda a: F.kl_div(a, a),
    "cross_entropy": lambda a: nn.CrossEntropyLoss()(a, like(a, torch.LongTensor([0, 1]))),
    "nll_loss": lambda a: F.nll_loss(a, like(a, torch.LongTensor([0, 1]))),
    "smooth_l1_loss": lambda a: nn.SmoothL1Loss()(a, a), "soft_margin_loss": lambda a: F.soft_margin_loss(a, a),
    "binary_cross_entropy_with_logits": lambda a: nn.BCEWithLogitsLoss()(a, a), "softmax": lambda a: F.softmax(a, 1),
    "log_softmax": lambda a: F.log_softmax(a, 1), "softmin": lambda a: F.softmin(a, 1), "elu": F.elu, "selu": F.selu,
    "softplus": F.softplus, "softsign": F.softsign, "logsigmoid": F.logsigmoid, "elu_": F.elu_, "relu6": F.relu6,
    "leaky_relu_": F.leaky_relu_, "rrelu_": F.rrelu_, "hardtanh": lambda a: F.hardtanh(a, 0, 1), "relu": F.relu,
    "threshold": lambda a: F.threshold(a, 1, 0), "glu": F.glu, "tanhshrink": nn.Tanhshrink(),
}  # fmt: skip


def like(a, tensor):
    return Variable(tensor) if isinstance(a, Variable) else tensor


@pytest.mark.parametrize("name", CALLS)
def test_floating_functions_say_what_to_do(name):
    for a, error in ((V(torch.LongTensor(X)), RuntimeError), (torch.LongTensor(X), TypeError)):
        with pytest.raises(error) as caught:
            CALLS[name](a)
        assert str(caught.value).startswith(f"{name}: not defined for minigrad.LongTensor, but for FloatTensor and")
        assert "for example with .float()" in str(caught.value)
        assert (a == like(a, torch.LongTensor(X))).all(), "refused in place, too"


@pytest.mark.parametrize("function", [F.dropout, F.alpha_dropout, F.rrelu])
def test_draws_of_floating_types_only(function):
    with pytest.raises(TypeError, match="defined for floating types only, got int64"):
        function(V(torch.LongTensor(X)), training=True)


def test_rows_that_check_by_their_operations():
    for row in table.values():
        for operation in row.checks:
            assert row.types == FLOATING
            assert operation.name in table
