"""Graphs of a million operations: neither the backward pass nor letting go of a graph uses the stack."""

import gc
import threading
import tracemalloc
import weakref

import pytest

import minigrad as torch
from minigrad.autograd import Function, Variable

LONG = 1_000_000
DEEP = 20_000  # a release that recursed would need some hundred bytes a level: several times a stack of 512 KiB


def leaf():
    return Variable(torch.DoubleTensor([1]), requires_grad=True)


class Same(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * 1

    @staticmethod
    def backward(ctx, g):
        return g * 1


class OldSame(Function):
    def forward(self, x):
        out = x * 1
        self.save_for_backward(x, out)
        return out

    def backward(self, g):
        return g


def by_view(h, x):
    return h.view(1)


def in_place_through_views(h, x):
    h = h * 1
    h.view(1).mul_(1)
    return h


CHAINS = {
    "number": lambda h, x: h + 0,
    "saved input": lambda h, x: h * x,
    "saved result": lambda h, x: h.tanh(),
    "used twice": lambda h, x: (h + h) * 0.5,
    "used twice and saved": lambda h, x: h * h,
    "used by two": lambda h, x: h * 0.5 + h * 0.5,
    "skipping": lambda h, x: h.tanh() + h,
    "view": by_view,
    "in place": lambda h, x: (h * 1).add_(x).sub_(x),
    "in place through a view": in_place_through_views,
    "Function": lambda h, x: Same.apply(h),
    "old-style Function": lambda h, x: OldSame()(h),
    "cat of two": lambda h, x: torch.cat([h, x]).narrow(0, 0, 1),
}


def in_small_stack(function):
    """Run function in a thread with a stack of 512 KiB; what it raises is raised here."""
    caught = []

    def run():
        try:
            function()
        except BaseException as error:
            caught.append(error)

    before = threading.stack_size(512 * 1024)
    try:
        thread = threading.Thread(target=run)
        thread.start()
        thread.join()
    finally:
        threading.stack_size(before)
    if caught:
        raise caught[0]


def in_main(function):
    function()


def chain(step, length, x):
    h = x
    for _ in range(length):
        h = step(h, x)
    return h


@pytest.mark.parametrize("run", [in_main, in_small_stack])
@pytest.mark.parametrize("with_backward", [True, False])
def test_a_million_operations(run, with_backward):
    def program():
        x = leaf()
        h = chain(lambda h, x: h + 1, LONG, x)
        first = h.grad_fn.next_functions
        assert len(first) == 1
        if with_backward:
            h.backward()
            assert x.grad.data.tolist() == [1]
        del h, first

    run(program)


@pytest.mark.parametrize("ending", ["backward", "retained", "dropped", "dropped by a collection"])
@pytest.mark.parametrize("name", CHAINS)
def test_deep_chains(name, ending):
    def program():
        x = leaf()
        near = CHAINS[name](x * 1, x)
        watch = weakref.ref(near)
        h = chain(CHAINS[name], DEEP, near)
        del near
        if ending in ("backward", "retained"):
            h.backward(retain_graph=ending == "retained")
            assert x.grad is not None
        if ending == "dropped by a collection":
            h.register_hook(lambda g, h=h: h)
            del h
            gc.collect()
        else:
            gc.disable()
            try:
                del h
            finally:
                gc.enable()
        assert watch() is None

    in_small_stack(program)


@pytest.mark.parametrize("name", CHAINS)
def test_memory_is_given_back(name):
    """Without help of the garbage collector: a graph that was run or dropped leaves nothing behind."""

    def use(with_backward):
        x = leaf()
        h = chain(CHAINS[name], 3000, x * 1)
        if with_backward:
            h.backward()

    gc.collect()
    gc.disable()
    tracemalloc.start()
    try:
        for with_backward in (True, False):
            grown = []
            for _ in range(5):  # the first ones fill lists of objects kept for reuse; a leak grows every time
                before = tracemalloc.get_traced_memory()[0]
                use(with_backward)
                grown.append(tracemalloc.get_traced_memory()[0] - before)
            assert min(grown) < 10_000, "a few bytes for each of the 3000 operations would already be a leak"
    finally:
        tracemalloc.stop()
        gc.enable()


def test_a_million_deep_dropped_from_inside_a_pass():
    """A hook drops the only reference to another deep graph while a pass is releasing its own."""
    held = [chain(lambda h, x: h * x, DEEP, leaf() * 1)]
    watch = weakref.ref(held[0])

    def program():
        x = leaf()
        h = x * x
        h.register_hook(lambda g: held.clear())
        chain(lambda h, x: h * x, 1000, h).backward()
        assert watch() is None

    in_small_stack(program)


def test_double_backward_of_a_deep_chain():
    def program():
        x = leaf()
        h = chain(lambda h, x: h * x, 10_000, x)
        (g,) = torch.autograd.grad(h, x, create_graph=True)
        (second,) = torch.autograd.grad(g, x)
        assert g.data.tolist() == [10_001]
        assert second.data.tolist() == [10_001 * 10_000]

    in_small_stack(program)
