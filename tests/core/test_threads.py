"""Threads with graphs of their own share the engine."""

import gc
import os
import threading
import warnings
import weakref

import numpy as np
import pytest

import minigrad as torch
from minigrad.autograd import Function, Variable


class Squared(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_variables
        return g * x * 2


def together(*programs):
    """Run the programs at once, each in a thread; what one raises is raised here."""
    start, errors = threading.Barrier(len(programs)), []

    def run(program):
        start.wait()
        try:
            program()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(p,)) for p in programs]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    if errors:
        raise errors[0]


@pytest.fixture(autouse=True)
def often():
    import sys

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)


def test_two_threads_with_graphs_of_their_own():
    def program(scale):
        def run():
            w = Variable(torch.DoubleTensor([scale]), requires_grad=True)
            for _ in range(60):
                h = w
                for _ in range(20):
                    h = Squared.apply(h.tanh()) + h * w
                    h.register_hook(lambda g: g * 1)
                h.backward()
                found, w.grad = float(w.grad), None
                assert found == wanted[scale]

        return run

    wanted = {}
    for scale in (0.3, 0.7):
        w = Variable(torch.DoubleTensor([scale]), requires_grad=True)
        h = w
        for _ in range(20):
            h = Squared.apply(h.tanh()) + h * w
        h.backward()
        wanted[scale] = float(w.grad)
    assert np.isfinite(list(wanted.values())).all()
    together(program(0.3), program(0.7))


def test_deep_graphs_released_at_once():
    def program():
        for _ in range(5):
            h = Variable(torch.DoubleTensor([1]), requires_grad=True)
            for _ in range(20000):
                h = h * 1
            del h

    together(program, program)


def test_a_graph_made_in_one_thread_and_run_in_another():
    x = Variable(torch.DoubleTensor([3]), requires_grad=True)
    made = []
    together(lambda: made.append(x * x))
    together(lambda: made[0].backward())
    assert x.grad.data.tolist() == [6]


class Holding(Function):
    """Its context holds what is put here."""

    held = None

    @staticmethod
    def forward(ctx, x):
        ctx.held = Holding.held
        return x * 1

    @staticmethod
    def backward(ctx, g):
        return g


class Lingering:
    """Takes its time when it is let go of."""

    def __init__(self):
        self.reached, self.go_on = threading.Event(), threading.Event()

    def __del__(self):
        self.reached.set()
        self.go_on.wait()


def recorded(held):
    Holding.held = held
    out = Holding.apply(Variable(torch.DoubleTensor([3]), requires_grad=True))
    Holding.held = None
    return out


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_child_forked_while_another_thread_lets_go_of_a_graph_lets_go_of_its_own():
    lingering = Lingering()
    reached, go_on = lingering.reached, lingering.go_on
    graphs = [recorded(lingering)]
    del lingering
    other = threading.Thread(target=graphs.clear)
    other.start()
    reached.wait()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # newer Pythons warn of a fork beside threads
        child = os.fork()
    if child == 0:
        status = 1
        try:
            held = Squared()
            gone = weakref.ref(held)
            recorded(held)
            del held
            gc.collect()
            status = 0 if gone() is None else 2
        finally:
            os._exit(status)
    go_on.set()
    other.join()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
