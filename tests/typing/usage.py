"""What a type checker must know of the engine: this file is read by mypy, not run.

A line that ends in `type: ignore[...]` must be an error: mypy reports an ignore that is not needed.
"""

from typing import Any

from typing_extensions import assert_type

import minigrad as torch
from minigrad._core import Node, Operation, Tensor, Variable


def operators(v: Variable, t: Tensor) -> None:
    assert_type(v + 1, Variable)
    assert_type(2 * v, Variable)
    assert_type(t @ t, Tensor)
    assert_type(-t / 3, Tensor)
    v += v
    assert_type(v, Variable)
    for size in (len(v), int(v), hash(v)):
        assert_type(size, int)
    assert_type(float(v), float)


def history(v: Variable) -> None:
    assert_type(v.data, Tensor)
    assert_type(v.grad, Variable | None)
    assert_type(v.grad_fn, Node | None)
    assert_type(v.requires_grad, bool)
    v.backward(create_graph=True)
    print(v.grad.data)  # type: ignore[union-attr]  # there may be no gradient yet
    v.backward(gradient=1.0)  # type: ignore[arg-type]
    v.is_leaf = True  # type: ignore[misc]
    v.register_hook(lambda grad: grad * 2).remove()


def methods(v: Variable, t: Tensor) -> None:
    assert_type(v.tanh(), Variable)
    assert_type(t.tanh().tanh_(), Tensor)
    assert_type(v.clamp(min=0, max=1), Variable)
    assert_type(v.numel(), int)
    assert_type(t.float(), Tensor)
    assert_type(v.chunk(2, dim=0), tuple[Variable, ...])
    assert_type(v.size(0), Any)
    v.tanh(1)  # type: ignore[call-arg]
    v.clamp(low=0)  # type: ignore[call-arg]
    v.no_such_method()  # type: ignore[attr-defined]
    t.backward()  # type: ignore[attr-defined]


def construction(t: Tensor) -> None:
    Variable(t, requires_grad=True)
    Variable([1, 2])  # type: ignore[arg-type]
    Variable(t, grad=True)  # type: ignore[call-arg]
    Operation("square", lambda x: x * x, "x", derivatives={"x": lambda g, x: 2 * g * x})
    Operation("square", lambda x: x * x)  # type: ignore[call-arg]
    torch.manual_seed(0)
