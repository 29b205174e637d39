"""nn.parallel without GPUs: what passes through, what the steps do on the CPU, and what needs a GPU."""

import subprocess
import sys
from collections import OrderedDict, namedtuple

import numpy as np
import pytest

import minigrad as torch
from minigrad import nn
from minigrad.autograd import Variable
from minigrad.nn import parallel

NO_GPU = "cuda: tensors live on the CPU only"


def numbers(*size):
    return Variable(torch.arange(0, float(np.prod(size))).view(*size), requires_grad=True)


def test_data_parallel_passes_through():
    layer, x = nn.Linear(3, 2), numbers(4, 3)
    wrapped = nn.DataParallel(layer, device_ids=[0, 1])
    assert torch.equal(wrapped(x).data, layer(x).data)
    assert list(wrapped.state_dict()) == ["module.weight", "module.bias"]
    assert torch.equal(parallel.data_parallel(layer, x, range(torch.cuda.device_count())).data, layer(x).data)
    with pytest.raises(TypeError, match="DataParallel: module must be a Module, got int"):
        nn.DataParallel(3)


def test_replicate():
    layer = nn.Linear(3, 2)
    assert parallel.replicate(layer, range(torch.cuda.device_count())) == []
    assert parallel.replicate(layer, [-1]) == [layer]
    with pytest.raises(RuntimeError, match=NO_GPU):
        parallel.replicate(layer, [0, 1])
    with pytest.raises(TypeError, match="network must be a Module, got list"):
        parallel.replicate([layer], [-1])


def test_parallel_apply():
    layer, x = nn.Linear(3, 2), numbers(4, 3)
    first, second = parallel.parallel_apply([layer, nn.Tanh()], [x, (x,)])
    assert torch.equal(first.data, layer(x).data)
    assert torch.equal(second.data, torch.tanh(x).data)
    bag = nn.EmbeddingBag(5, 2)
    index, offsets = Variable(torch.LongTensor([1, 2, 3])), Variable(torch.LongTensor([0, 1]))
    (out,) = parallel.parallel_apply([bag], [index], [{"offsets": offsets}], devices=[-1])
    assert torch.equal(out.data, bag(index, offsets).data)
    assert parallel.parallel_apply([], []) == []
    with pytest.raises(ValueError, match=r"as many of each, got {'modules': 1, 'inputs': 2}"):
        parallel.parallel_apply([layer], [x, x])
    with pytest.raises(RuntimeError, match=NO_GPU):
        parallel.parallel_apply([layer], [x], devices=[0])


Pair = namedtuple("Pair", "left right")


def test_scatter():
    x = numbers(5, 2)
    three = parallel.scatter(x, [-1, -1, -1])
    assert [part.size(0) for part in three] == [2, 2, 1]
    assert torch.equal(torch.cat(three).data, x.data)
    torch.cat(three).sum().backward()
    assert x.grad.data.eq(1).all()
    assert [part.size(1) for part in parallel.scatter(numbers(3, 4), [-1, -1], dim=-1)] == [2, 2]
    nested = parallel.scatter(([x, 7], {"a": x}, "text", None), [-1, -1])
    assert len(nested) == 2
    for part, rows in zip(nested, (3, 2)):
        (inner, seven), named, text, nothing = part
        assert (inner.size(0), named["a"].size(0), seven, text, nothing) == (rows, rows, 7, "text", None)
    assert isinstance(parallel.scatter(Pair(x, x), [-1, -1])[1], Pair)
    ordered = parallel.scatter(OrderedDict(b=x, a=1), [-1, -1])[0]
    assert list(ordered) == ["b", "a"]
    assert isinstance(ordered, OrderedDict)
    assert parallel.scatter((), [-1, -1]) == [(), ()]


def test_scatter_refuses():
    with pytest.raises(RuntimeError, match=NO_GPU):
        parallel.scatter(numbers(4), [0])
    with pytest.raises(ValueError, match="target_gpus is empty"):
        parallel.scatter(numbers(4), [])
    with pytest.raises(TypeError, match=r"Variables are; wrap it: Variable\(tensor\)"):
        parallel.scatter(torch.ones(4), [-1])
    with pytest.raises(TypeError, match="target_gpus must be a list of device numbers, got str"):
        parallel.scatter(numbers(4), "0")
    with pytest.raises(TypeError, match=r"target_gpus must be device numbers \(-1 for the CPU\), got '0'"):
        parallel.scatter(numbers(4), ["0"])


def test_scatter_kwargs_fills_the_shorter():
    x = numbers(4, 2)
    inputs, kwargs = parallel.scatter_kwargs((x,), {}, [-1, -1])
    assert len(inputs) == 2
    assert kwargs == ({}, {})
    inputs, kwargs = parallel.scatter_kwargs((), {"x": x}, [-1, -1])
    assert inputs == ((), ())
    assert [k["x"].size(0) for k in kwargs] == [2, 2]


def test_gather():
    a, b = numbers(2, 3), numbers(1, 3)
    assert torch.equal(parallel.gather([a, b], -1).data, torch.cat([a, b]).data)
    assert parallel.gather((a, a), None, dim=1).size() == (2, 6)
    nested = parallel.gather([(a, [a], {"k": a}, None), (b, [b], {"k": b}, None)], -1)
    assert [nested[0].size(0), nested[1][0].size(0), nested[2]["k"].size(0), nested[3]] == [3, 3, 3, None]
    assert isinstance(parallel.gather([Pair(a, a), Pair(b, b)], -1), Pair)
    with pytest.raises(RuntimeError, match=NO_GPU):
        parallel.gather([a, b], 0)
    with pytest.raises(ValueError, match="outputs is empty"):
        parallel.gather([], -1)
    with pytest.raises(TypeError, match=r"outputs must be Variables.*, got int"):
        parallel.gather([1, 2], -1)


def test_on_the_cpu_by_choice_the_numbers_of_gpus_are_the_cpu():
    text = """
import minigrad as torch
from minigrad import cuda, nn
from minigrad.autograd import Variable
cuda.use_cpu()
from minigrad.nn.parallel import gather, parallel_apply, replicate, scatter
layer, x = nn.Linear(3, 2), Variable(torch.randn(5, 3))
out = gather(parallel_apply(replicate(layer, [0, 1]), scatter(x, [0, 1])), 0)
out.sum().backward()
whole = nn.Linear(3, 2)
whole.load_state_dict(layer.state_dict())
whole(x).sum().backward()
print((out.data - whole(x).data).abs().max() < 1e-6)
print((layer.weight.grad.data - whole.weight.grad.data).abs().max() < 1e-5)
"""
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, timeout=60)
    assert done.stdout == "True\nTrue\n", done.stderr
    assert done.stderr.count("continues on the CPU") == 1
