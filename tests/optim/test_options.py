"""Every option of every optimizer, alone and with the others: a hundred steps on a small network.

Two witnesses. `era` writes the equations of PyTorch 0.3 once more, in plain NumPy and element by element of the manual;
it decides. Today's PyTorch is asked too where its definition is the era's: everywhere but for Adam's eps, which it adds
after the correction of the bias (with eps = 0 there is no difference), for L-BFGS, which now stops by largest elements
where the era took sums (with tolerances 0 there is no difference), and where a centred variance is rounded below 0,
which PyTorch makes NaN (not on these paths).

The rates are ones at which a path does not amplify rounding: with Adadelta(lr=1, eps=1e-3) 1e-16 becomes 1e-9.
"""

import itertools
import math

import numpy as np
import pytest

import minigrad as torch
from minigrad import nn, optim
from minigrad.autograd import Variable

# How far 100 steps may part from a witness.
BOUNDS = {"float32": 1e-6, "float64": 1e-12}
STEPS = 100


def choices(**options):
    return [dict(zip(options, values)) for values in itertools.product(*options.values())]


CASES = [
    *[("SGD", {"lr": 0.05, **o}) for o in choices(momentum=[0, 0.9], dampening=[0, 0.3], weight_decay=[0, 0.01])],
    *[("SGD", {"lr": 0.05, "momentum": 0.9, "nesterov": True, **o}) for o in choices(weight_decay=[0, 0.01])],
    *[("Adam", {"lr": 0.01, **o})
      for o in choices(betas=[(0.9, 0.999), (0.8, 0.95)], eps=[0, 0.02], weight_decay=[0, 0.01])],
    *[("Adagrad", {"lr": 0.1, **o}) for o in choices(lr_decay=[0, 0.05], weight_decay=[0, 0.01])],
    *[("Adadelta", {"lr": 0.2, **o}) for o in choices(rho=[0.9, 0.6], eps=[1e-6, 1e-3], weight_decay=[0, 0.01])],
    *[("Adamax", {"lr": 0.005, **o})
      for o in choices(betas=[(0.9, 0.999), (0.8, 0.95)], eps=[1e-8, 0.02], weight_decay=[0, 0.01])],
    *[("RMSprop", {"lr": 0.005, "eps": 0.05, **o})
      for o in choices(alpha=[0.99, 0.9], weight_decay=[0, 0.01], momentum=[0, 0.5], centered=[False, True])],
    *[("ASGD", {"lr": 0.05, **o})
      for o in choices(lambd=[1e-4, 0.05], alpha=[0.75, 0.5], t0=[1e6, 20], weight_decay=[0, 0.01])],
    *[("Rprop", {"lr": 0.005, **o})
      for o in choices(etas=[(0.5, 1.2), (0.4, 1.1)], step_sizes=[(1e-6, 50), (2e-3, 0.01)])],
]  # fmt: skip


def fits_float32(case):
    """Whether float32 itself can follow the path to 1e-6.

    A factor 1 - lambd * eta = 1 - 5e-6 moves a number by some fifty of its last places: what each step rounds away has
    one sign and adds up. So does what Rprop's step sizes lose, each made of the one before, until a limit is met.
    """
    name, options = case
    return options.get("lambd") != 1e-4 and (name != "Rprop" or options["step_sizes"] != (1e-6, 50))


RUNS = [(case, dtype) for case in CASES for dtype in BOUNDS if dtype == "float64" or fits_float32(case)]


def run_label(run):
    return f"{run[1]} {label(run[0])}"


def label(case):
    return case[0] + " " + " ".join(f"{k}={v}" for k, v in case[1].items() if k != "lr")


# ---------------------------------------------------------------- the problem


def problem(dtype):
    """Weights and biases of a network of two layers, inputs, targets."""
    rng = np.random.default_rng(0)
    start = [rng.normal(size=size).astype(dtype) for size in ((6, 3), (6,), (2, 6), (2,))]
    return start, rng.normal(size=(8, 3)).astype(dtype), rng.normal(size=(8, 2)).astype(dtype)


def slopes(parameters, x, y):
    """The gradients of mean((tanh(x W1' + b1) W2' + b2 - y)^2), by hand."""
    w1, b1, w2, b2 = parameters
    hidden = np.tanh(x @ w1.T + b1)
    apart = (hidden @ w2.T + b2 - y) * (2 / y.size)
    back = (apart @ w2) * (1 - hidden * hidden)
    return [back.T @ x, back.sum(0), apart.T @ hidden, apart.sum(0)]


def ours(name, options, dtype):
    start, x, y = problem(dtype)
    parameters = [nn.Parameter(torch.from_numpy(p.copy())) for p in start]
    optimizer = getattr(optim, name)(parameters, **options)
    for _ in range(STEPS):
        for p, g in zip(parameters, slopes([p.data.numpy() for p in parameters], x, y)):
            p.grad = Variable(torch.from_numpy(np.ascontiguousarray(g)), volatile=True)
        optimizer.step()
    return [p.data.numpy() for p in parameters]


def close(found, wanted, dtype):
    for a, b in zip(found, wanted):
        assert a.dtype == dtype
        np.testing.assert_allclose(a, b, rtol=0, atol=BOUNDS[dtype] * max(1.0, float(np.abs(b).max())))


# ---------------------------------------------------------------- the era's equations


def sgd(p, g, s, t, lr, momentum=0, dampening=0, weight_decay=0, nesterov=False):
    g = g + weight_decay * p
    if momentum:
        s["b"] = g if t == 1 else momentum * s["b"] + (1 - dampening) * g
        g = g + momentum * s["b"] if nesterov else s["b"]
    return p - lr * g


def adam(p, g, s, t, lr, betas, eps, weight_decay):
    g = g + weight_decay * p
    s["m"] = betas[0] * s.get("m", 0) + (1 - betas[0]) * g
    s["v"] = betas[1] * s.get("v", 0) + (1 - betas[1]) * g * g
    return p - lr * math.sqrt(1 - betas[1] ** t) / (1 - betas[0] ** t) * s["m"] / (np.sqrt(s["v"]) + eps)


def adagrad(p, g, s, t, lr, lr_decay, weight_decay):
    g = g + weight_decay * p
    s["sum"] = s.get("sum", 0) + g * g
    return p - lr / (1 + (t - 1) * lr_decay) * g / (np.sqrt(s["sum"]) + 1e-10)


def adadelta(p, g, s, t, lr, rho, eps, weight_decay):
    g = g + weight_decay * p
    s["v"] = rho * s.get("v", 0) + (1 - rho) * g * g
    step = np.sqrt(s.get("u", 0) + eps) / np.sqrt(s["v"] + eps) * g
    s["u"] = rho * s.get("u", 0) + (1 - rho) * step * step
    return p - lr * step


def adamax(p, g, s, t, lr, betas, eps, weight_decay):
    g = g + weight_decay * p
    s["m"] = betas[0] * s.get("m", 0) + (1 - betas[0]) * g
    s["u"] = np.maximum(betas[1] * s.get("u", 0), np.abs(g) + eps)
    return p - lr / (1 - betas[0] ** t) * s["m"] / s["u"]


def rmsprop(p, g, s, t, lr, eps, alpha, weight_decay, momentum, centered):
    g = g + weight_decay * p
    s["v"] = alpha * s.get("v", 0) + (1 - alpha) * g * g
    variance = s["v"]
    if centered:
        s["m"] = alpha * s.get("m", 0) + (1 - alpha) * g
        variance = variance - s["m"] ** 2
    step = g / (np.sqrt(variance) + eps)
    if momentum:
        s["b"] = step = momentum * s.get("b", 0) + step
    return p - lr * step


def asgd(p, g, s, t, lr, lambd, alpha, t0, weight_decay):
    eta = lr / (1 + lambd * lr * (t - 1)) ** alpha
    return p * (1 - lambd * eta) - eta * (g + weight_decay * p)


def rprop(p, g, s, t, lr, etas, step_sizes):
    agree = np.sign(g * s.get("g", 0))
    factor = np.where(agree > 0, etas[1], np.where(agree < 0, etas[0], 1))
    s["size"] = np.clip(s.get("size", lr) * factor, *step_sizes)
    s["g"] = np.where(agree < 0, 0, g)
    return p - np.sign(s["g"]) * s["size"]


def era(name, options, dtype):
    """The path in double precision, from the same start."""
    start, x, y = (np.float64(a) if isinstance(a, np.ndarray) else [np.float64(p) for p in a] for a in problem(dtype))
    parameters, states = start, [{} for _ in start]
    for t in range(1, STEPS + 1):
        gradients = slopes(parameters, x, y)
        parameters = [globals()[name.lower()](p, g, s, t, **options) for p, g, s in zip(parameters, gradients, states)]
    return parameters


@pytest.mark.parametrize("run", RUNS, ids=run_label)
def test_path_is_the_eras(run):
    case, dtype = run
    close(ours(*case, dtype), era(*case, dtype), dtype)


@pytest.mark.parametrize("run", [r for r in RUNS if r[0][0] != "Adam" or r[0][1]["eps"] == 0], ids=run_label)
def test_path_is_pytorchs(run, oracle):
    (name, options), dtype = run
    start, x, y = problem(dtype)
    parameters = [oracle.nn.Parameter(oracle.from_numpy(p.copy())) for p in start]
    before = oracle.get_default_dtype()
    oracle.set_default_dtype(getattr(oracle, dtype))  # ASGD keeps its step size in the default type
    try:
        optimizer = getattr(oracle.optim, name)(parameters, **options)
        for _ in range(STEPS):
            for p, g in zip(parameters, slopes([p.detach().numpy() for p in parameters], x, y)):
                p.grad = oracle.from_numpy(np.ascontiguousarray(g))
            optimizer.step()
    finally:
        oracle.set_default_dtype(before)
    close(ours(name, options, dtype), [p.detach().numpy() for p in parameters], dtype)


# ---------------------------------------------------------------- saving in the middle


@pytest.mark.parametrize("case", CASES, ids=label)
def test_training_goes_on_bit_by_bit(case):
    """Ten steps, saved and loaded, ten more: as twenty without a break; the first group with options of its own."""
    name, options = case
    start, x, y = problem("float32")

    def begin():
        parameters = [nn.Parameter(torch.from_numpy(p.copy())) for p in start]
        groups = [{"params": parameters[:2], "lr": options["lr"] / 2}, {"params": parameters[2:3]}]
        optimizer = getattr(optim, name)(groups, **options)
        optimizer.add_param_group({"params": parameters[3:]})
        return parameters, optimizer

    def train(parameters, optimizer, steps):
        for _ in range(steps):
            gradients = slopes([p.data.numpy() for p in parameters], x, y)
            for p, g in zip(parameters, gradients):
                p.grad = Variable(torch.from_numpy(np.ascontiguousarray(g)), volatile=True)
            parameters[1].grad = None if optimizer.state[parameters[0]].get("step", 0) % 2 else parameters[1].grad
            optimizer.step()

    whole, optimizer = begin()
    train(whole, optimizer, 10)
    saved = optimizer.state_dict()
    again, other = begin()
    for p, q in zip(again, whole):
        p.data.copy_(q.data)
    other.load_state_dict(saved)
    train(whole, optimizer, 10)
    train(again, other, 10)
    for p, q in zip(whole, again):
        np.testing.assert_array_equal(p.data.numpy(), q.data.numpy())


# ---------------------------------------------------------------- L-BFGS, which calls the closure itself


LBFGS = choices(lr=[1, 0.5], max_iter=[1, 4], max_eval=[None, 3], history_size=[2, 100])


@pytest.mark.parametrize("options", LBFGS, ids=str)
def test_lbfgs_is_pytorchs(options, oracle):
    start, x, y = problem("float64")
    closing = {"tolerance_grad": 0.0, "tolerance_change": 0.0}

    def run(parameters, optimizer, values, to):
        def closure():
            now = [values(p) for p in parameters]
            for p, g in zip(parameters, slopes(now, x, y)):
                p.grad = to(np.ascontiguousarray(g))
            w1, b1, w2, b2 = now
            return float(np.mean((np.tanh(x @ w1.T + b1) @ w2.T + b2 - y) ** 2))

        for _ in range(5):  # further on, the path amplifies rounding
            optimizer.step(closure)
        return [values(p) for p in parameters]

    mine = [nn.Parameter(torch.from_numpy(p.copy())) for p in start]
    found = run(mine, optim.LBFGS(mine, **options, **closing), lambda p: p.data.numpy(),
                lambda g: Variable(torch.from_numpy(g), volatile=True))  # fmt: skip
    its = [oracle.nn.Parameter(oracle.from_numpy(p.copy())) for p in start]
    wanted = run(its, oracle.optim.LBFGS(its, **options, **closing), lambda p: p.detach().numpy(), oracle.from_numpy)
    for a, b in zip(found, wanted):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-9)
