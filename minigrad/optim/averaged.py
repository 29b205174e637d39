"""Optimisers whose steps do not come from a running mean of gradients: ASGD averages weights, Rprop counts signs."""

from minigrad.ops import update
from minigrad.optim.optimizer import Optimizer, check_number, described, zeros_like

__all__ = ["ASGD", "Rprop"]


@described(update.asgd)
class ASGD(Optimizer):
    """ASGD(params, lr=1e-2, lambd=1e-4, alpha=0.75, t0=1e6, weight_decay=0): averaged stochastic gradient descent.

    After step t

        eta = lr / (1 + lambd * lr * t)^alpha,   mu = 1 / max(1, t - t0)

    State: ``step``, ``eta``, ``mu`` and the average itself, ``ax``.
    """

    def __init__(self, params, lr=1e-2, lambd=1e-4, alpha=0.75, t0=1e6, weight_decay=0):
        for name, value in (("lr", lr), ("weight_decay", weight_decay)):
            check_number("ASGD", name, value)
        super().__init__(params, {"lr": lr, "lambd": lambd, "alpha": alpha, "t0": t0, "weight_decay": weight_decay})

    def _step_group(self, group):
        lr, lambd = float(group["lr"]), float(group["lambd"])
        rows = []
        for p, array, grad in self._gradients(group):
            state = self.state[p]
            if not state:
                state.update(step=0, eta=lr, mu=1, ax=zeros_like(array))
            state["step"] += 1
            rows.append((array, grad, state["ax"].array, float(state["eta"]), float(state["mu"])))
            state["eta"] = lr / (1 + lambd * lr * state["step"]) ** group["alpha"]
            state["mu"] = 1 / max(1, state["step"] - group["t0"])
        update.asgd_step(rows, lambd, float(group["weight_decay"]))


@described(update.rprop)
class Rprop(Optimizer):
    """Rprop(params, lr=1e-2, etas=(0.5, 1.2), step_sizes=(1e-6, 50)): resilient backpropagation.

    Every step size starts at lr. For whole-batch gradients: the signs
    of small batches contradict each other. State: ``step``, ``prev``, ``step_size``.
    """

    def __init__(self, params, lr=1e-2, etas=(0.5, 1.2), step_sizes=(1e-6, 50)):
        check_number("Rprop", "lr", lr)
        if not 0 < etas[0] < 1 < etas[1]:
            raise ValueError(f"Rprop: etas must be (shrink, grow) with 0 < shrink < 1 < grow, got {etas}")
        super().__init__(params, {"lr": lr, "etas": etas, "step_sizes": step_sizes})

    def _step_group(self, group):
        rows = []
        for p, array, grad in self._gradients(group):
            state = self.state[p]
            if not state:
                state.update(step=0, prev=zeros_like(array), step_size=zeros_like(array, group["lr"]))
            state["step"] += 1
            rows.append((array, grad, state["prev"].array, state["step_size"].array))
        update.rprop_step(rows, *map(float, (*group["etas"], *group["step_sizes"])))
