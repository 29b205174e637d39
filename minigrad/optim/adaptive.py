"""Optimisers that choose a step for each element from the gradients it has seen."""

from minigrad._core import array_of
from minigrad.ops import update
from minigrad.optim.optimizer import Optimizer, check_number, described, zeros_like

__all__ = ["Adadelta", "Adagrad", "Adam", "Adamax", "RMSprop"]


def _floats(group, *options):
    """The options as Python floats: a NumPy float64 would turn float32 arrays into float64."""
    return tuple(float(group[option]) for option in options)


@described(update.adam)
class Adam(Optimizer):
    """Adam(params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0).

    State: ``step``, ``exp_avg``, ``exp_avg_sq``.

    Raises ValueError if lr, eps or weight_decay is negative or a beta is outside [0, 1).
    """

    _average = "exp_avg_sq"
    _update = staticmethod(update.adam_step)
    _rate = staticmethod(update.adam_rate)

    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0):
        name = type(self).__name__
        for option, value in (("lr", lr), ("eps", eps), ("weight_decay", weight_decay)):
            check_number(name, option, value)
        if not isinstance(betas, (tuple, list)) or len(betas) != 2:
            raise ValueError(f"{name}: betas must be a pair of numbers, got {betas!r}")
        for k, beta in enumerate(betas):
            check_number(name, f"betas[{k}]", beta, high=1.0)
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay})

    def _step_group(self, group):
        lr, (beta1, beta2), average = float(group["lr"]), map(float, group["betas"]), self._average
        rows, rated = [], None
        for p, array, grad in self._gradients(group):
            state = self.state[p]
            if not state:
                state["step"] = 0
                state["exp_avg"], state[average] = zeros_like(array), zeros_like(array)
            state["step"] = step = state["step"] + 1
            if step != rated:
                rated, rate = step, self._rate(step, lr, beta1, beta2)
            rows.append((array, grad, state["exp_avg"].array, state[average].array, rate))
        self._update(rows, beta1, beta2, *_floats(group, "eps", "weight_decay"))


@described(update.adamax)
class Adamax(Adam):
    """Adamax(params, lr=2e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0).

    State: ``step``, ``exp_avg``, ``exp_inf``.
    """

    _average = "exp_inf"
    _update = staticmethod(update.adamax_step)
    _rate = staticmethod(lambda step, lr, beta1, beta2: lr / (1 - beta1**step))

    def __init__(self, params, lr=2e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0):
        super().__init__(params, lr, betas, eps, weight_decay)


@described(update.adagrad)
class Adagrad(Optimizer):
    """Adagrad(params, lr=1e-2, lr_decay=0, weight_decay=0).

    State, made at once: ``step``, ``sum``.
    """

    def __init__(self, params, lr=1e-2, lr_decay=0, weight_decay=0):
        for name, value in (("lr", lr), ("lr_decay", lr_decay), ("weight_decay", weight_decay)):
            check_number("Adagrad", name, value)
        super().__init__(params, {"lr": lr, "lr_decay": lr_decay, "weight_decay": weight_decay})

    def add_param_group(self, param_group):
        super().add_param_group(param_group)
        for p in param_group["params"]:
            self.state[p].update(step=0, sum=zeros_like(array_of(p)))

    def share_memory(self):
        """Nothing to do: state can be shared between threads as it is."""

    def _step_group(self, group):
        lr, lr_decay, weight_decay = _floats(group, "lr", "lr_decay", "weight_decay")
        rows = []
        for p, array, grad in self._gradients(group):
            state = self.state[p]
            state["step"] = step = state["step"] + 1
            rows.append((array, grad, state["sum"].array, lr / (1 + (step - 1) * lr_decay)))
        update.adagrad_step(rows, weight_decay)


@described(update.adadelta)
class Adadelta(Optimizer):
    """Adadelta(params, lr=1.0, rho=0.9, eps=1e-6, weight_decay=0).

    State: ``step``, ``square_avg``, ``acc_delta``.
    """

    def __init__(self, params, lr=1.0, rho=0.9, eps=1e-6, weight_decay=0):
        for name, value in (("lr", lr), ("eps", eps), ("weight_decay", weight_decay)):
            check_number("Adadelta", name, value)
        if not 0 <= rho <= 1:
            raise ValueError(f"Adadelta: rho must be in [0, 1], got {rho}")
        super().__init__(params, {"lr": lr, "rho": rho, "eps": eps, "weight_decay": weight_decay})

    def _step_group(self, group):
        rows = []
        for p, array, grad in self._gradients(group):
            state = self.state[p]
            if not state:
                state.update(step=0, square_avg=zeros_like(array), acc_delta=zeros_like(array))
            state["step"] += 1
            rows.append((array, grad, state["square_avg"].array, state["acc_delta"].array))
        update.adadelta_step(rows, *_floats(group, "lr", "rho", "eps", "weight_decay"))


@described(update.rmsprop)
class RMSprop(Optimizer):
    """RMSprop(params, lr=1e-2, alpha=0.99, eps=1e-8, weight_decay=0, momentum=0, centered=False).

    State: ``step``, ``square_avg``, and ``momentum_buffer`` with momentum,
    ``grad_avg`` if centered.
    """

    def __init__(self, params, lr=1e-2, alpha=0.99, eps=1e-8, weight_decay=0, momentum=0, centered=False):
        for name, value in (
            ("lr", lr), ("alpha", alpha), ("eps", eps), ("weight_decay", weight_decay), ("momentum", momentum)
        ):  # fmt: skip
            check_number("RMSprop", name, value)
        super().__init__(
            params,
            {
                "lr": lr,
                "momentum": momentum,
                "alpha": alpha,
                "eps": eps,
                "centered": centered,
                "weight_decay": weight_decay,
            },
        )

    def _step_group(self, group):
        rows = []
        for p, array, grad in self._gradients(group):
            state = self.state[p]
            if not state:
                state.update(step=0, square_avg=zeros_like(array))
            mean = buffer = None
            if group["momentum"] > 0:
                if "momentum_buffer" not in state:
                    state["momentum_buffer"] = zeros_like(array)
                buffer = state["momentum_buffer"].array
            if group["centered"]:
                if "grad_avg" not in state:
                    state["grad_avg"] = zeros_like(array)
                mean = state["grad_avg"].array
            state["step"] += 1
            rows.append((array, grad, state["square_avg"].array, mean, buffer))
        update.rmsprop_step(rows, *_floats(group, "lr", "alpha", "eps", "momentum", "weight_decay"))
