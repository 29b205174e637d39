"""minigrad on a GPU, beside minigrad on the CPU and, if it is there with a GPU, PyTorch.

    python benchmarks/gpu.py [--quick] [--only TEXT] [--write]

Everything is float32. Each time includes waiting for the GPU. What was computed is compared before it is timed. PyTorch
computes matrix products and recurrent layers in full float32, as CuPy does, not in TF32.

Then steps of optimisers: by minigrad's CUDA kernel, by its formulas, and by PyTorch's two ways of stepping all
parameters at once, `fused` (one kernel, where it has one) and `foreach` (one kernel an operation).
"""

import importlib.util
import inspect
import sys
from pathlib import Path

import measure

measure.PAGE = Path(__file__).parents[1] / "docs" / "performance-gpu.md"
CHOSEN = measure.options(__doc__)

import numpy as np  # noqa: E402, after the number of threads is set

import minigrad  # noqa: E402


def pointwise(torch, wrap, layer, size):
    x = wrap(np.linspace(-1, 1, size * size, dtype=np.float32).reshape(size, size), True)

    def run():
        x.grad = None
        y = (x * x + x).tanh()
        y.sum().backward()
        return x.grad

    return run


def product(torch, wrap, layer, size):
    a, b = (wrap(np.random.default_rng(k).uniform(-1, 1, (size, size)).astype(np.float32), False) for k in range(2))
    return lambda: a @ b


def perceptron(torch, wrap, layer, size):
    rng = np.random.default_rng(0)
    net = layer(torch.nn.Sequential(torch.nn.Linear(784, size), torch.nn.Tanh(), torch.nn.Linear(size, 10)), rng)
    x, y = wrap(rng.standard_normal((64, 784), np.float32), False), wrap(rng.integers(0, 10, 64), False)

    def run():
        net.zero_grad()
        loss = torch.nn.functional.cross_entropy(net(x), y)
        loss.backward()
        return loss

    return run


def recurrent(torch, wrap, layer, kind, inputs, hidden, layers, steps, batch):
    rng = np.random.default_rng(0)
    net = layer(getattr(torch.nn, kind)(inputs, hidden, layers), rng)
    x = wrap(rng.standard_normal((steps, batch, inputs), np.float32), False)

    def run():
        net.zero_grad()
        out = net(x)[0]
        out.sum().backward()
        return out

    return run


CASES = {
    "tanh(x * x + x), 1000x1000, with backward": (pointwise, 1000),
    "tanh(x * x + x), 10x10, with backward": (pointwise, 10),
    "matrix product, 1024": (product, 1024),
    "784-256-10 perceptron, 64 samples, with backward": (perceptron, 256),
    **{
        f"{kind}({inputs}, {hidden}, {layers}), {steps}x{batch}, with backward":
            (recurrent, kind, inputs, hidden, layers, steps, batch)
        for kind, inputs, hidden, layers, steps, batch in [
            ("LSTM", 50, 100, 2, 10, 3), ("GRU", 128, 128, 2, 50, 1), ("RNN", 128, 128, 1, 50, 32),
            ("LSTM", 128, 256, 2, 50, 32), ("GRU", 512, 512, 2, 48, 128), ("LSTM", 1024, 1024, 1, 50, 64),
        ]
    },
}  # fmt: skip


def small_layers(torch):
    return torch.nn.Sequential(*(torch.nn.Linear(20, 20) for _ in range(50)))


def stepped(torch, wrap, layer, kind, options, model):
    """run(): one step of the optimiser with the gradients it had before; returns the first parameter."""
    rng = np.random.default_rng(0)
    parameters = list(layer(model(torch), rng).parameters())
    for p in parameters:
        p.grad = wrap(rng.standard_normal(tuple(p.shape), np.float32), False)
    optimizer = getattr(torch.optim, kind)(parameters, **options)

    def run():
        optimizer.step()
        return parameters[0]

    return run


STEPS = {
    f"{kind}, {name}": (kind, options, model)
    for name, model in {
        "100 small parameters, 21 thousand numbers": small_layers,
        "LSTM(128, 256, 2), 0.9 million numbers": lambda torch: torch.nn.LSTM(128, 256, 2),
        "LSTM(1024, 1024, 2), 16.8 million numbers": lambda torch: torch.nn.LSTM(1024, 1024, 2),
    }.items()
    for kind, options in {"SGD": {"lr": 1e-3, "momentum": 0.9}, "Adam": {"lr": 1e-3}, "RMSprop": {"lr": 1e-3}}.items()
}


def step_runs(kind, options, model):
    """{name: (run, wait, numbers)} of the ways to step on a GPU."""
    torch, wrap, layer, wait, numbers = of_minigrad(True)

    def switched(on):
        run = stepped(torch, wrap, layer, kind, options, model)

        def with_or_without_kernels():
            minigrad.cuda.use_kernels(on)  # some microseconds, each time since the two take turns
            return run()

        return with_or_without_kernels

    runs = {name: (switched(on), wait, numbers) for name, on in (("minigrad", True), ("minigrad, formulas", False))}
    if torch_has_a_gpu():
        torch, wrap, layer, wait, numbers = of_torch()
        accepted = inspect.signature(getattr(torch.optim, kind)).parameters
        for way in ("fused", "foreach"):
            if way in accepted:
                run = stepped(torch, wrap, layer, kind, {**options, way: True}, model)
                runs[f"torch, {way}"] = run, wait, numbers
    return runs


def filled(torch, net, rng):
    """The module with parameters that are the same in every library."""
    for p in net.parameters():
        p.data.copy_(torch.from_numpy(rng.uniform(-0.1, 0.1, tuple(p.size())).astype(np.float32)))
    return net


def of_minigrad(on_gpu):
    def wrap(array, requires_grad):
        t = minigrad.from_numpy(array)
        return minigrad.autograd.Variable(t.cuda() if on_gpu else t, requires_grad=requires_grad)

    def layer(net, rng):
        net = filled(minigrad, net, rng)
        return net.cuda() if on_gpu else net

    return minigrad, wrap, layer, minigrad.cuda.synchronize if on_gpu else None, lambda v: v.data.cpu().numpy()


def of_torch():
    import torch

    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False

    def wrap(array, requires_grad):
        return torch.from_numpy(array).cuda().requires_grad_(requires_grad)

    def layer(net, rng):
        return filled(torch, net, rng).cuda()

    return torch, wrap, layer, torch.cuda.synchronize, lambda v: v.detach().cpu().numpy()


def torch_has_a_gpu():
    if importlib.util.find_spec("torch") is None:
        return False
    import torch

    return torch.cuda.is_available()


def add_case(table, case, runs):
    """Time {name: (run, wait, numbers)} once all have computed the same."""
    found = {name: numbers(run()) for name, (run, _, numbers) in runs.items()}
    for name, array in found.items():
        scale = max(1.0, float(np.abs(array).max()))
        if not np.allclose(array, found["minigrad"], rtol=0, atol=1e-3 * scale):
            raise SystemExit(f"{case}: {name} computes something else")
    timed = {
        name: run if wait is None else lambda run=run, wait=wait: (run(), wait())
        for name, (run, wait, _) in runs.items()
    }  # fmt: skip
    table.add(case, measure.compare(timed, CHOSEN.quick))


def main():
    try:
        minigrad.cuda.require()
    except RuntimeError as error:
        return f"gpu: nothing measured: {error}"
    libraries = {"minigrad": of_minigrad(True), "minigrad, CPU": of_minigrad(False)}
    if torch_has_a_gpu():
        libraries["torch"] = of_torch()
    table = measure.Table(libraries)
    for case, (make, *sizes) in CASES.items():
        if CHOSEN.only not in case:
            continue
        add_case(table, case, {
            name: (make(torch, wrap, layer, *sizes), wait, numbers)
            for name, (torch, wrap, layer, wait, numbers) in libraries.items()
        })  # fmt: skip
    steps = measure.Table(["minigrad", "minigrad, formulas", "torch, fused", "torch, foreach"])
    for case, arguments in STEPS.items():
        if CHOSEN.only in case:
            add_case(steps, case, step_runs(*arguments))
    print(f"GPU: {minigrad.cuda.get_device_name(0)}")
    measure.report("gpu", table, CHOSEN)
    measure.report("gpu-steps", steps, CHOSEN)
    return None


if __name__ == "__main__":
    sys.exit(main())
