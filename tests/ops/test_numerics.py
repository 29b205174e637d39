"""The operations at the ends of the number range: no warning, no nan where there is a number, no wider type."""

import warnings

import numpy as np
import pytest

import minigrad as torch
import minigrad.nn.functional as F
from minigrad.autograd import Variable
from minigrad.ops.table import table


def floats(*values, grad=False):
    return Variable(torch.FloatTensor(list(values)), requires_grad=grad)


def numbers(v):
    return v.data.tolist()


EXTREMES = [np.inf, -np.inf, np.nan, 0.0, 3e38, -3e38, 1e-38]


@pytest.mark.parametrize("row", [r for r in table.values() if "float32" in r.types], ids=lambda r: r.name)
def test_infinities_and_nans_pass_silently(row, rng):
    """A forward of extreme numbers gives numbers or refuses, and NumPy says nothing."""

    def wrap(array, spec):
        if spec.dtype is None and spec.values is None:
            array = rng.choice(EXTREMES, array.shape).astype(array.dtype)
        return Variable(torch.from_numpy(array))

    for sample in row.samples:
        args, kwargs = sample.build(rng, wrap, "float32")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            warnings.simplefilter("error", RuntimeWarning)
            try:
                row.function(*args, **kwargs)
            except RuntimeWarning:
                raise
            except (RuntimeError, ValueError):  # a matrix without an inverse, a probability above 1
                pass


@pytest.mark.parametrize(
    "row", [r for r in table.values() if "float32" in r.types and not r.name.endswith(("_layer", "_step"))],
    ids=lambda r: r.name,
)  # fmt: skip
def test_numpys_numbers_do_not_widen(row, rng):
    """float32 in, float32 out, also where a number among the arguments is NumPy's."""
    for sample in row.samples:
        args, kwargs = sample.build(rng, lambda array, spec: Variable(torch.from_numpy(array)), "float32")
        given = [np.float64(a) if type(a) is float else a for a in args]
        named = {k: np.float64(v) if type(v) is float else v for k, v in kwargs.items()}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            out, wanted = row.function(*given, **named), row.function(*args, **kwargs)
        for o, w in zip(*((x if isinstance(x, tuple) else (x,)) for x in (out, wanted))):
            assert type(o) is type(w)
            if isinstance(o, Variable):
                assert o.data.type() == w.data.type()


def test_a_repetition_is_a_copy():
    x = Variable(torch.FloatTensor([[1, 2]]))
    for y in (x.repeat(1, 1), x.expand(3, 2).repeat(1, 1), x.expand(3, 2).repeat(2, 1)):
        y.data.fill_(7)
        assert numbers(x) == [[1, 2]]


def test_power_of_zero_has_a_gradient():
    base, exponent = floats(0, 0, 2, grad=True), floats(2, 0, 3, grad=True)
    (base**exponent).sum().backward()
    assert numbers(base.grad) == [0, 0, 12]
    assert numbers(exponent.grad) == pytest.approx([0, 0, 8 * np.log(2)])
    exponent = floats(2, grad=True)
    (0**exponent).sum().backward()
    assert numbers(exponent.grad) == [0]


def test_sign_of_nan_is_zero():
    assert numbers(floats(np.nan, -2, 0, np.inf).sign()) == [0, -1, 0, 1]


def test_logits_far_out():
    loss = F.binary_cross_entropy_with_logits
    for x, t, expected in [(np.inf, 0.5, np.inf), (np.inf, 0, np.inf), (-np.inf, 1, np.inf), (1e30, 1, 0),
                           (-1e30, 0, 0), (-200, 1, 200), (200, 1, 0), (-200, 0, 0)]:  # fmt: skip
        assert numbers(loss(floats(x), floats(t))) == [np.float32(expected)], (x, t)


def test_an_ignored_target_adds_nothing():
    """Whatever its weight and its score are."""
    x, target = Variable(torch.FloatTensor([[-1, -2], [-3, -np.inf]])), Variable(torch.LongTensor([0, 1]))
    for weight in ([1, 5], [1, np.inf], [1, np.nan]):
        assert numbers(F.nll_loss(x, target, torch.FloatTensor(weight), ignore_index=1)) == [1]


def test_log_of_a_sigmoid_far_out():
    x = floats(-1e30, -200, 200, np.inf, -np.inf, grad=True)
    y = F.logsigmoid(x)
    assert numbers(y) == [np.float32(-1e30), -200, 0, 0, -np.inf]
    y.sum().backward()
    assert numbers(x.grad) == [1, 1, 0, 0, 1]
    assert numbers(F.softplus(floats(-200, 0, 200, np.inf))) == pytest.approx([0, np.log(2), 200, np.inf])


@pytest.mark.parametrize("function", [F.elu, F.selu])
def test_the_slope_of_an_exponential_unit_far_out(function):
    """Where the value has rounded to its limit the slope is small, not 0, and right to the last digits before."""
    x = floats(-0.01, -6, -20.5, -80, grad=True)
    function(x).sum().backward()
    limit = -function(floats(-200)).data[0]
    assert numbers(x.grad) == pytest.approx(limit * np.exp(x.data.tolist()), rel=1e-6)


@pytest.mark.parametrize(("function", "slope"), [(F.elu, 1), (F.leaky_relu, np.float32(0.01)), (F.softplus, np.nan)])
def test_a_nan_is_on_one_side_of_a_kink(function, slope):
    x = floats(np.nan, grad=True)
    function(x).sum().backward()
    assert numbers(x.grad) == pytest.approx([slope], nan_ok=True)


@pytest.mark.parametrize("function", [torch.max, torch.min])
def test_nobody_loses_against_a_nan(function):
    """As in the era: the gradient reaches the nan, and is not 0 on both sides."""
    a, b = floats(np.nan, 1, 1, 1, grad=True), floats(1, np.nan, 1, 2, grad=True)
    function(a, b).sum().backward()
    assert [x + y for x, y in zip(numbers(a.grad), numbers(b.grad))] == [2, 2, 1, 1]


def test_the_angle_of_the_origin_has_no_slope():
    a, b = floats(0, 0, 1, grad=True), floats(0, 2, 0, grad=True)
    torch.atan2(a, b).sum().backward()
    assert (numbers(a.grad), numbers(b.grad)) == ([0, 0.5, 0], [0, 0, -1])


def test_variance_of_numbers_far_from_zero():
    x = torch.FloatTensor([1e4 + k % 2 for k in range(1000)])
    assert x.var() == pytest.approx(0.25025025, rel=1e-7)
    assert x.var(0)[0] == pytest.approx(0.25025025, rel=1e-6)


@pytest.mark.parametrize("name", ["add", "sub", "mul", "div", "remainder", "fmod", "clamp"])
def test_numbers_that_do_not_fit_are_refused(name):
    refused = {"max": -1} if name == "clamp" else {}
    numbers = () if refused else (300,)
    with pytest.raises(RuntimeError, match="does not fit elements of uint8, which go from 0 to 255"):
        getattr(torch.ByteTensor([1, 2, 3]), name)(*numbers, **refused)


def test_integers_wrap_around_and_divide_towards_zero():
    big = 2**62
    assert (torch.LongTensor([big, -big]) * 4).tolist() == [0, 0]
    assert (torch.CharTensor([127, -128]) + torch.CharTensor([1, -1])).tolist() == [-128, 127]
    assert (torch.LongTensor([7, -7, 7, -7]) / torch.LongTensor([2, 2, -2, -2])).tolist() == [3, -3, -3, 3]
    assert (torch.LongTensor([7, -7]) % 3).tolist() == [1, 2]
    assert (torch.LongTensor([-(2**63)]) / -1).tolist() == [-(2**63)]


def test_clamp_keeps_integers_whole():
    x = torch.LongTensor([-3, 0, 3])
    assert x.clamp(-1, 1).tolist() == [-1, 0, 1]
    with pytest.raises(TypeError, match="bounds of an integer tensor must be whole numbers, got min=None and max"):
        x.clamp(max=1.5)
