"""Whole paths of the optimizers: against PyTorch's where the definitions agree, else against the equation itself."""

import json
import math
import pathlib

import numpy as np
import pytest

import minigrad as torch
from minigrad import nn, optim
from minigrad.autograd import Variable

GOLDEN = json.loads((pathlib.Path(__file__).parents[1] / "golden" / "nn.json").read_text())


def variable(values, **flags):
    return Variable(torch.DoubleTensor(values), **flags)


def network():
    parameters = [nn.Parameter(torch.DoubleTensor(p)) for p in GOLDEN["network"]["parameters"]]
    x, y = variable(GOLDEN["network"]["x"]), variable(GOLDEN["network"]["y"])

    def loss():
        w1, b1, w2, b2 = parameters
        out = torch.mm(torch.tanh(torch.mm(x, w1.t()) + b1), w2.t()) + b2
        return ((out - y) ** 2).mean()

    return parameters, loss


def label(path):
    return path["optimizer"] + " " + " ".join(f"{k}={v}" for k, v in path["options"].items())


@pytest.mark.parametrize("path", GOLDEN["paths"], ids=label)
def test_path_is_pytorchs(path):
    parameters, loss = network()
    optimizer = getattr(optim, path["optimizer"])(parameters, **path["options"])

    def closure():
        optimizer.zero_grad()
        value = loss()
        value.backward()
        return value

    for k in range(1, 101):
        assert optimizer.step(closure).size() == (1,)
        if str(k) in path["after"]:
            expected = path["after"][str(k)]
            for p, q in zip(parameters, expected["parameters"]):
                # Rounding, 1e-16, may do no more than moving the start by 1e-13 does.
                np.testing.assert_allclose(p.data.numpy(), q, rtol=1e-13, atol=1e-13 + expected["spread"])


# ---------------------------------------------------------------- by the equation


def quadratic(optimizer_class, start, matrix, steps, **options):
    """Minimise p.A.p / 2, the gradient A p set by hand; returns the points and the optimizer."""
    p = nn.Parameter(torch.DoubleTensor(start))
    optimizer = optimizer_class([p], **options)
    points = []
    for _ in range(steps):
        p.grad = Variable(torch.from_numpy(matrix @ p.data.numpy()), volatile=True)
        optimizer.step()
        points.append(p.data.numpy().copy())
    return np.array(points), optimizer, p


START, MATRIX = [1.0, -2.0, 0.5], np.array([[3.0, 0.5, 0.1], [0.5, 1.0, 0.2], [0.1, 0.2, 0.3]])


@pytest.mark.parametrize("eps", [1e-8, 0.1])
@pytest.mark.parametrize("weight_decay", [0, 0.05])
def test_adam_adds_eps_before_the_correction(eps, weight_decay):
    got, _, _ = quadratic(optim.Adam, START, MATRIX, 50, lr=0.05, betas=(0.8, 0.95), eps=eps, weight_decay=weight_decay)
    p, m, v = np.array(START), np.zeros(3), np.zeros(3)
    for t in range(1, 51):
        g = MATRIX @ p + weight_decay * p
        m = 0.8 * m + 0.2 * g
        v = 0.95 * v + 0.05 * g * g
        p = p - 0.05 * math.sqrt(1 - 0.95**t) / (1 - 0.8**t) * m / (np.sqrt(v) + eps)
        np.testing.assert_allclose(got[t - 1], p, rtol=1e-12)


def test_adamax_takes_the_larger_gradient():
    got, optimizer, p = quadratic(optim.Adamax, START, MATRIX, 30, lr=0.1, betas=(0.9, 0.5), eps=1e-3)
    q, m, u = np.array(START), np.zeros(3), np.zeros(3)
    for t in range(1, 31):
        g = MATRIX @ q
        m = 0.9 * m + 0.1 * g
        u = np.maximum(0.5 * u, abs(g) + 1e-3)
        q = q - 0.1 / (1 - 0.9**t) * m / u
        np.testing.assert_allclose(got[t - 1], q, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(optimizer.state[p]["exp_inf"].numpy(), u)


def test_asgd_averages_after_t0():
    got, optimizer, p = quadratic(optim.ASGD, START, MATRIX, 30, lr=0.1, lambd=1e-2, alpha=0.75, t0=5)
    q, average, eta, mu = np.array(START), np.zeros(3), 0.1, 1
    for t in range(1, 31):
        g = MATRIX @ q
        q = q * (1 - 1e-2 * eta) - eta * g
        average = average + mu * (q - average)
        eta = 0.1 / (1 + 1e-2 * 0.1 * t) ** 0.75
        mu = 1 / max(1, t - 5)
        np.testing.assert_allclose(got[t - 1], q, rtol=1e-12)
    np.testing.assert_allclose(optimizer.state[p]["ax"].numpy(), average, rtol=1e-12)


def test_sgd_first_momentum_step_is_undampened_and_decay_stays_in_the_gradient():
    p = nn.Parameter(torch.DoubleTensor([2.0]))
    optimizer = optim.SGD([p], lr=0.1, momentum=0.5, dampening=0.25, weight_decay=0.5)
    p.grad = variable([1.0], volatile=True)
    optimizer.step()
    assert p.grad.data[0] == 1 + 0.5 * 2
    assert optimizer.state[p]["momentum_buffer"][0] == 2
    assert p.data[0] == pytest.approx(2 - 0.1 * 2)
    p.grad.data.fill_(1)
    optimizer.step()
    g = 1 + 0.5 * 1.8
    assert optimizer.state[p]["momentum_buffer"][0] == pytest.approx(0.5 * 2 + 0.75 * g)


def test_rmsprop_centered_stays_finite_for_a_constant_gradient():
    p = nn.Parameter(torch.ones(3))
    optimizer = optim.RMSprop([p], centered=True)
    for _ in range(300):
        p.grad = Variable(torch.Tensor([0.1, 0.7, 0.3]), volatile=True)
        optimizer.step()
    assert np.isfinite(p.data.numpy()).all()


STATE = {
    "SGD": ({"lr": 0.1, "momentum": 0.9}, {"momentum_buffer"}),
    "Adam": ({}, {"step", "exp_avg", "exp_avg_sq"}),
    "Adagrad": ({}, {"step", "sum"}),
    "Adadelta": ({}, {"step", "square_avg", "acc_delta"}),
    "Adamax": ({}, {"step", "exp_avg", "exp_inf"}),
    "RMSprop": ({"momentum": 0.1, "centered": True}, {"step", "square_avg", "momentum_buffer", "grad_avg"}),
    "ASGD": ({}, {"step", "eta", "mu", "ax"}),
    "Rprop": ({}, {"step", "prev", "step_size"}),
}


@pytest.mark.parametrize("name", STATE)
def test_names_of_the_state(name):
    options, entries = STATE[name]
    _, optimizer, p = quadratic(getattr(optim, name), START, MATRIX, 2, **options)
    assert set(optimizer.state[p]) == entries
    for entry in entries - {"step", "eta", "mu"}:
        assert optimizer.state[p][entry].type() == "minigrad.DoubleTensor"


@pytest.mark.parametrize("name", STATE)
def test_layout_and_size_change_nothing(name):
    """A large parameter, and one that is not contiguous, take the step of their elements."""
    options, _ = STATE[name]
    rng = np.random.default_rng(3)
    values, grads = rng.normal(size=(200, 250)), rng.normal(size=(3, 200, 250))

    def run(wrap):
        p = nn.Parameter(wrap(torch.from_numpy(values.copy())))
        optimizer = getattr(optim, name)([p], **options)
        for g in grads:
            p.grad = Variable(wrap(torch.from_numpy(g.copy())), volatile=True)
            optimizer.step()
        return p.data

    whole = run(lambda t: t).numpy()
    turned = run(lambda t: t.t()).numpy().T
    pieces = np.empty_like(values)
    for k in range(0, 200, 50):
        part = nn.Parameter(torch.from_numpy(values[k : k + 50].copy()))
        optimizer = getattr(optim, name)([part], **options)
        for g in grads:
            part.grad = Variable(torch.from_numpy(g[k : k + 50].copy()), volatile=True)
            optimizer.step()
        pieces[k : k + 50] = part.data.numpy()
    np.testing.assert_array_equal(whole, pieces)
    # What is not contiguous goes through NumPy, which rounds a product before it adds; the kernels need not.
    np.testing.assert_allclose(whole, turned, rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("name", STATE)
def test_numpy_hyperparameters_leave_float32_alone(name):
    options, _ = STATE[name]
    results = []
    for number in (float, np.float64):
        p = nn.Parameter(torch.Tensor(START))
        optimizer = getattr(optim, name)([p], **{**options, "lr": number(0.1)})
        for _ in range(3):
            p.grad = Variable(torch.Tensor([0.3, -0.2, 0.1]), volatile=True)
            optimizer.step()
        results.append(p.data.tolist())
    assert results[0] == results[1]


def test_lbfgs_solves_rosenbrock():
    p = nn.Parameter(torch.DoubleTensor([-1.2, 1.0]))
    optimizer = optim.LBFGS([p], lr=0.5, max_iter=200, max_eval=1000, tolerance_grad=1e-10, tolerance_change=1e-14)

    def closure():
        optimizer.zero_grad()
        x, y = p[0], p[1]
        loss = (1 - x) ** 2 + 100 * (y - x * x) ** 2
        loss.backward()
        return loss

    first = optimizer.step(closure)
    assert float(first) == pytest.approx(24.2)
    np.testing.assert_allclose(p.data.numpy(), [1, 1], atol=1e-6)
    small = optim.LBFGS([p], tolerance_grad=1.0).step(closure)
    assert isinstance(small, float)


def test_lbfgs_refuses():
    p, q = nn.Parameter(torch.ones(1)), nn.Parameter(torch.ones(1))
    with pytest.raises(ValueError, match="one group only"):
        optim.LBFGS([{"params": [p]}, {"params": [q]}])
    with pytest.raises(TypeError, match="closure"):
        optim.LBFGS([p]).step()
    with pytest.raises(RuntimeError, match="line_search_fn must be None"):
        optim.LBFGS([p], line_search_fn="backtracking").step(lambda: 0)


def test_lbfgs_counts_evaluations():
    parameters, loss = network()
    optimizer = optim.LBFGS(parameters, max_iter=8, tolerance_grad=0)
    calls = []

    def closure():
        calls.append(1)
        optimizer.zero_grad()
        value = loss()
        value.backward()
        return value

    optimizer.step(closure)
    state = optimizer.state[parameters[0]]
    assert len(calls) == state["func_evals"] == 8  # the last of the 8 iterations needs no evaluation after it
    assert state["n_iter"] == 8
    assert optimizer.param_groups[0]["max_eval"] == 10
