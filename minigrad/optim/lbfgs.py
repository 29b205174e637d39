"""L-BFGS: a quasi-Newton method that remembers the last few steps in place of the inverse Hessian."""

import numpy as np

from minigrad._core import Tensor, Variable, array_of, tensor_from_array
from minigrad.ops import arrays, update
from minigrad.optim.optimizer import Optimizer, check_number

__all__ = ["LBFGS"]


class LBFGS(Optimizer):
    """LBFGS(params, lr=1, max_iter=20, max_eval=None, tolerance_grad=1e-5, tolerance_change=1e-9, history_size=100,
    line_search_fn=None).

    One `step(closure)` makes up to max_iter iterations, calling closure, which must zero the gradients, compute the
    loss, call backward and return the loss, up to max_eval (default 5 * max_iter // 4) times. With s the step made and
    y the change of the gradient, iteration k goes along d = -H g, H g computed by the two-loop recursion (Nocedal 1980;
    Nocedal and Wright, algorithm 7.4) from H_0 = y.s / y.y and the pairs with y.s > 1e-10:

        p <- p + t d,   t = lr; at the very first iteration lr * min(1, 1 / sum |g|)

    It ends early when sum |g| <= tolerance_grad, d.g > -tolerance_change, sum |t d| <= tolerance_change, or the loss
    changes by less than tolerance_change.

    State, kept under the first parameter: ``func_evals n_iter d t old_dirs old_stps ro H_diag prev_flat_grad
    prev_loss``.

    Raises ValueError for more than one parameter group; RuntimeError at step if there is a line_search_fn (no line
    search exists).
    """

    def __init__(
        self, params, lr=1, max_iter=20, max_eval=None, tolerance_grad=1e-5, tolerance_change=1e-9, history_size=100,
        line_search_fn=None,
    ):  # fmt: skip
        check_number("LBFGS", "lr", lr)
        super().__init__(
            params,
            {
                "lr": lr,
                "max_iter": max_iter,
                "max_eval": max_iter * 5 // 4 if max_eval is None else max_eval,
                "tolerance_grad": tolerance_grad,
                "tolerance_change": tolerance_change,
                "history_size": history_size,
                "line_search_fn": line_search_fn,
            },
        )

    def add_param_group(self, param_group):
        if self.param_groups:
            raise ValueError(
                "LBFGS: all parameters share one approximation of the Hessian, so there can be one group only"
            )
        super().add_param_group(param_group)

    @property
    def _params(self):
        return self.param_groups[0]["params"]

    def _flat_gradient(self):
        parts = []
        for p in self._params:
            array = array_of(p)
            parts.append((np.zeros_like(array) if p.grad is None else array_of(p.grad)).reshape(-1))
        return np.concatenate(parts)

    def _move(self, t, direction):
        start, rows = 0, []
        for p in self._params:
            array = array_of(p)
            rows.append((array, direction[start : start + array.size].reshape(array.shape)))
            start += array.size
        update.add_scaled_step(rows, t)

    def step(self, closure=None):
        """Iterate; returns the first loss, or its Number if the gradient is small enough already."""
        with arrays.near(array_of(self._params[0])):
            return self._iterate(closure)

    def _iterate(self, closure):
        if closure is None:
            raise TypeError(
                "LBFGS: step needs a closure that zeroes the gradients, computes the loss, calls backward and returns "
                "the loss"
            )
        group = self.param_groups[0]
        if group["line_search_fn"] is not None:
            raise RuntimeError(
                f"LBFGS: line_search_fn must be None, there is no line search; got {group['line_search_fn']!r}"
            )
        lr, tolerance = float(group["lr"]), group["tolerance_change"]
        state = self.state[self._params[0]]
        state.setdefault("func_evals", 0)
        state.setdefault("n_iter", 0)

        first_loss = closure()
        loss = _number(first_loss)
        evaluations = 1
        state["func_evals"] += 1
        gradient = self._flat_gradient()
        total = float(np.abs(gradient).sum())
        if total <= group["tolerance_grad"]:
            return loss

        for iteration in range(1, group["max_iter"] + 1):
            state["n_iter"] += 1
            if state["n_iter"] == 1:
                state.update(old_dirs=[], old_stps=[], ro=[], H_diag=1)
                direction = -gradient
                t = min(1.0, 1.0 / total) * lr
            else:
                self._remember(state, gradient, group["history_size"])
                direction = _two_loops(state, gradient)
                t = lr
            state.update(
                d=tensor_from_array(direction), t=t, prev_flat_grad=tensor_from_array(gradient), prev_loss=loss
            )
            slope = float(gradient @ direction)
            self._move(t, direction)
            if iteration == group["max_iter"]:
                break
            previous, loss = loss, _number(closure())
            evaluations += 1
            state["func_evals"] += 1
            gradient = self._flat_gradient()
            total = float(np.abs(gradient).sum())
            if (
                evaluations >= group["max_eval"]
                or total <= group["tolerance_grad"]
                or slope > -tolerance
                or float(np.abs(direction).sum()) * t <= tolerance
                or abs(loss - previous) < tolerance
            ):
                break
        return first_loss

    @staticmethod
    def _remember(state, gradient, room):
        """Append the last step and the change of the gradient it made, if the curvature along it is positive."""
        if len(state.get("ro", ())) != len(state["old_dirs"]):  # a state that was saved without it
            state["ro"] = [1.0 / float(y.array @ s.array) for s, y in zip(state["old_stps"], state["old_dirs"])]
        y = gradient - state["prev_flat_grad"].array
        s = state["d"].array * state["t"]
        curvature = float(y @ s)
        if curvature > 1e-10:
            if len(state["old_dirs"]) == room:
                del state["old_dirs"][0], state["old_stps"][0], state["ro"][0]
            state["old_dirs"].append(tensor_from_array(y))
            state["old_stps"].append(tensor_from_array(s))
            state["ro"].append(1.0 / curvature)
            state["H_diag"] = curvature / float(y @ y)


def _two_loops(state, gradient):
    """-H g from the remembered pairs (s, y)."""
    pairs = [(s.array, y.array) for s, y in zip(state["old_stps"], state["old_dirs"])]
    rho = state["ro"]
    alpha = [0.0] * len(pairs)
    d = -gradient
    for i in reversed(range(len(pairs))):
        s, y = pairs[i]
        alpha[i] = float(s @ d) * rho[i]
        update.add_scaled_step([(d, y)], -alpha[i])
    d *= state["H_diag"]
    for i, (s, y) in enumerate(pairs):
        update.add_scaled_step([(d, s)], alpha[i] - float(y @ d) * rho[i])
    return d


def _number(loss):
    if isinstance(loss, (Variable, Tensor)):
        return float(loss)
    if not isinstance(loss, (int, float, np.number)):
        raise TypeError(f"LBFGS: the closure must return the loss, got {type(loss).__name__}")
    return float(loss)
