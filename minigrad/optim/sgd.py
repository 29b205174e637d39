"""Stochastic gradient descent."""

from minigrad.ops import update
from minigrad.optim.optimizer import Optimizer, check_number, described, required, zeros_like

__all__ = ["SGD"]


@described(update.sgd)
class SGD(Optimizer):
    """SGD(params, lr, momentum=0, dampening=0, weight_decay=0, nesterov=False): stochastic gradient descent.

    Weight decay is added to the gradient in place; the first step with
    momentum takes the gradient undampened. State: ``momentum_buffer``.

    Raises ValueError if lr is missing, a number is negative, or nesterov comes without momentum or with dampening.
    """

    def __init__(self, params, lr=required, momentum=0, dampening=0, weight_decay=0, nesterov=False):
        for name, value in (("lr", lr), ("momentum", momentum), ("weight_decay", weight_decay)):
            check_number("SGD", name, value)
        if nesterov and (momentum <= 0 or dampening != 0):
            raise ValueError(
                f"SGD: nesterov needs momentum > 0 and dampening 0, got momentum={momentum}, dampening={dampening}"
            )
        super().__init__(
            params,
            {
                "lr": lr,
                "momentum": momentum,
                "dampening": dampening,
                "weight_decay": weight_decay,
                "nesterov": nesterov,
            },
        )

    def _step_group(self, group):
        lr, momentum, decay = float(group["lr"]), float(group["momentum"]), float(group["weight_decay"])
        rows, buffer = [], None
        for p, array, grad in self._gradients(group):
            dampening = float(group["dampening"])
            if momentum:
                state = self.state[p]
                if "momentum_buffer" not in state:
                    state["momentum_buffer"] = zeros_like(array)
                    dampening = 0.0
                buffer = state["momentum_buffer"].array
            rows.append((array, grad, buffer, dampening))
        update.sgd_step(rows, lr, momentum, bool(group["nesterov"]), decay)
