"""What scripts of 2017 lean on without naming it: behaviour that later documentation would not tell."""

import io

import numpy as np
import pytest

import minigrad as torch
from minigrad import nn
from minigrad.autograd import Function, Variable
from minigrad.nn import functional as F
from minigrad.nn import init
from minigrad.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence
from minigrad.serialization import trusting
from minigrad.utils.data import DataLoader, TensorDataset

# ---------------------------------------------------------------- numbers out of tensors


def test_elements_of_tensors_are_python_numbers():
    topv, topi = torch.Tensor([[0.1, 0.7, 0.2]]).topk(1)
    index = topi[0][0]
    assert type(index) is int
    assert ["a", "b", "c"][index] == {1: "b"}[index] == "b"
    assert chr(torch.LongTensor([97])[0]) == "a"
    assert type(torch.multinomial(torch.Tensor([0, 1, 0]), 1)[0]) is int
    assert [type(x) for x in torch.ones(2)] == [float, float]
    assert index is [1][0]  # small ints are one object, and scripts compare by `is`
    assert type(Variable(torch.LongTensor([[3]])).data[0, 0]) is int
    assert type(topv[0][0]) is float


def test_elements_of_variables_are_variables_of_one_element():
    v = Variable(torch.LongTensor([2, 0]))
    assert v[1].size() == (1,)
    assert all(x.size() == (1,) for x in v)
    loss = nn.NLLLoss()(Variable(torch.Tensor([[-3, -2, -1]])), v[0])
    assert loss.data[0] == 1
    assert sum(Variable(torch.ones(3))).data[0] == 3


def test_full_reductions():
    lengths = torch.LongTensor([3, 1])
    assert torch.zeros(2, lengths.max()).size() == (2, 3)
    assert type(torch.ones(2).sum()) is float
    loss = Variable(torch.ones(2, 2)).mean()
    assert loss.size() == (1,)
    assert loss.data.numpy()[0] == loss.data.tolist()[0] == loss.data.storage().tolist()[0] == 1
    assert list(loss.data.float()) == [1]
    assert loss.data[0] == 1


# ---------------------------------------------------------------- equal counts are enough


def test_sizes_that_do_not_broadcast_are_taken_in_order_with_a_warning():
    a = torch.Tensor([[1], [2]])
    with pytest.warns(UserWarning, match="Falling back"):
        a += torch.Tensor([[10, 20]])
    assert a.tolist() == [[11], [22]]
    v = Variable(torch.Tensor([[1], [2]]), requires_grad=True)
    w = v * 1
    with pytest.warns(UserWarning, match="Falling back"):
        w.mul_(Variable(torch.Tensor([[10, 20]])))
    w.sum().backward()
    assert v.grad.data.tolist() == [[10], [20]]
    with pytest.raises(RuntimeError, match="cannot change the size"):
        a += torch.ones(1, 3)
    output = Variable(torch.Tensor([[0.5], [0.25]]), requires_grad=True)
    with pytest.warns(UserWarning, match="size"):
        assert F.mse_loss(output, Variable(torch.Tensor([1, 1]))).data[0] == pytest.approx((0.25 + 0.5625) / 2)
    with pytest.warns(UserWarning, match="size"):
        loss = nn.BCELoss()(output, Variable(torch.Tensor([1, 0])))
    assert loss.data[0] == pytest.approx(-(np.log(0.5) + np.log(0.75)) / 2, rel=1e-6)
    loss.backward()
    assert output.grad.size() == (2, 1)


def test_assignment_takes_equal_counts():
    x = torch.zeros(2, 3)
    x[:, 0] = torch.Tensor([1, 2])
    y = torch.zeros(2, 3)
    with pytest.warns(UserWarning, match="Falling back"):
        y[0] = torch.Tensor([[1, 2, 3]])
    assert x.tolist() == [[1, 0, 0], [2, 0, 0]]
    assert y.tolist() == [[1, 2, 3], [0, 0, 0]]


def test_a_variable_takes_tensors_by_assignment():
    # the padded batch of many a tutorial: a Variable of zeros, filled row by row from LongTensors
    batch = Variable(torch.zeros(2, 3)).long()
    for row, letters in enumerate([[5, 6, 7], [8, 9]]):
        batch[row, : len(letters)] = torch.LongTensor(letters)
    assert batch.data.tolist() == [[5, 6, 7], [8, 9, 0]]
    w = Variable(torch.ones(2, 2), requires_grad=True)
    y = w * 2
    y[0] = torch.FloatTensor([3, 4])
    y.sum().backward()
    assert y.data.tolist() == [[3, 4], [2, 2]]
    assert w.grad.data.tolist() == [[0, 0], [2, 2]]
    with pytest.raises(TypeError, match=r"x\[\.\.\.\] = value: a Tensor and a Variable do not mix"):
        torch.zeros(2)[:] = Variable(torch.ones(2))


def test_what_a_reduction_no_longer_keeps_is_explained():
    with pytest.raises(IndexError, match=r"2 indices, but x has 1 dimensions .*keepdim=True"):
        torch.rand(3, 4).max(1)[1][0, 0]
    with pytest.raises(RuntimeError, match="same number of elements") as caught:
        torch.nn.MSELoss()(Variable(torch.rand(4, 1)), Variable(torch.rand(4, 4)))
    assert caught.value.__suppress_context__


def test_a_loss_over_one_output_takes_a_target_of_one():
    output = Variable(torch.Tensor([[0.5]]))
    with pytest.warns(UserWarning, match="size"):
        assert nn.MSELoss()(output, Variable(torch.Tensor([1.5]))).data[0] == 1


def test_dot_takes_its_operands_flat():
    a, b = Variable(torch.Tensor([[1, 2], [3, 4]]), requires_grad=True), Variable(torch.Tensor([[1, 1, 1, 1]]))
    score = a.dot(b)
    assert score.data[0] == 10
    energies = Variable(torch.zeros(2))
    energies[0] = score
    F.softmax(energies, 0)[0].backward()
    assert a.grad.size() == (2, 2)
    assert torch.dot(torch.ones(2, 2), torch.ones(4)) == 4


# ---------------------------------------------------------------- recurrent layers


def test_a_hidden_state_of_batch_1_spreads_and_surplus_layers_are_ignored():
    gru = nn.GRU(3, 4)
    x, h = Variable(torch.randn(5, 2, 3)), Variable(torch.randn(1, 1, 4))
    with pytest.warns(UserWarning, match="batch"):
        got = gru(x, h)[0]
    assert torch.equal(got.data, gru(x, h.expand(1, 2, 4).contiguous())[0].data)
    two = Variable(torch.randn(2, 2, 4))
    with pytest.warns(UserWarning, match="layer"):
        got = gru(x, two)[0]
    assert torch.equal(got.data, gru(x, two[:1])[0].data)
    with pytest.warns(UserWarning, match=r"bias|dropout"):
        odd = nn.GRU(3, 4, 2, 0.5)
    assert odd.bias
    assert odd.dropout == 0
    with pytest.raises(RuntimeError):
        gru(x, Variable(torch.randn(1, 3, 4)))


def test_packing_takes_lengths_of_any_kind_and_gives_lists():
    x = Variable(torch.randn(4, 3, 2))
    for lengths in ([4, 2, 1], np.array([4, 2, 1]), torch.LongTensor([4, 2, 1])):
        packed = pack_padded_sequence(x, lengths)
        assert packed.batch_sizes == [3, 2, 1, 1]
        assert type(packed.batch_sizes) is list
        padded, back = pad_packed_sequence(packed)
        assert back == [4, 2, 1]
        assert [type(n) for n in back] == [int] * 3
    assert padded.size() == (4, 3, 2)


# ---------------------------------------------------------------- backward


def test_a_step_invalidates_nothing():
    net = nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 1))
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    loss = net(Variable(torch.randn(4, 2))).sum()
    loss.backward(retain_graph=True)
    optimizer.step()
    loss.backward()
    optimizer.step()


def test_retain_variables_is_retain_graph():
    x = Variable(torch.ones(1), requires_grad=True)
    y = x * x
    with pytest.warns(UserWarning, match="retain_graph"):
        y.backward(retain_variables=True)
    y.backward()
    assert x.grad.data[0] == 4


def test_functions_of_both_styles():
    class Square(Function):
        def forward(self, x):
            self.save_for_backward(x)
            return x * x

        def backward(self, g):
            (x,) = self.saved_tensors
            return 2 * x * g

    class Cube(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x**3

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_variables
            return 3 * x * x * g

    x = Variable(torch.Tensor([2]), requires_grad=True)
    square = Square()
    square(x).backward()
    assert x.grad.data[0] == 4
    Cube.apply(x).backward()
    assert x.grad.data[0] == 16


def test_volatile_inputs_among_ordinary_parameters():
    net = nn.LSTM(2, 3)
    out, (h, _) = net(Variable(torch.randn(4, 1, 2), volatile=True))
    assert out.volatile
    assert h.volatile
    assert not out.requires_grad
    assert out.grad_fn is None
    assert not Variable(torch.ones(1)).volatile
    mixed = out.sum() * Variable(torch.ones(1), requires_grad=True)
    assert mixed.volatile
    with pytest.raises(RuntimeError, match="volatile"):
        mixed.backward()


# ---------------------------------------------------------------- masks and types


def test_masks_are_bytes():
    x = torch.Tensor([-1, 2, -3])
    mask = x > 0
    assert mask.type() == "minigrad.ByteTensor"
    assert (1 - mask).tolist() == [1, 0, 1]
    assert ((x > 0.5) * 1).sum() == 1
    assert (mask * (x < 3)).tolist() == [0, 1, 0]
    assert mask.nonzero()[:, 0].tolist() == [1]
    assert torch.masked_select(x, torch.ByteTensor([1, 0, 1])).tolist() == [-1, -3]
    assert (torch.LongTensor([1, 2]) == torch.LongTensor([1, 3])).sum() == 1
    x[x < 0] = 0
    assert x.tolist() == [0, 2, 0]
    h = Variable(torch.ones(3), requires_grad=True) * 2
    v = Variable(torch.Tensor([1, 0, 1])) > 0
    assert v.data.type() == "minigrad.ByteTensor"
    assert not v.requires_grad
    h[v] = 0
    assert h.data.tolist() == [0, 2, 0]
    assert (v.float() * h).sum().data[0] == 0
    assert (v == Variable(torch.ByteTensor([1, 1, 1]))).sum().data[0] == 2


def test_ranges_are_floats_and_integers_floor():
    assert Variable(torch.arange(0, 3), requires_grad=True).data.type() == "minigrad.FloatTensor"
    with pytest.warns(UserWarning, match="range"):
        assert torch.range(1, 3).tolist() == [1, 2, 3]
    assert (torch.LongTensor([7]) / 2)[0] == 3
    assert (torch.LongTensor([-1, 5]) % 4).tolist() == [3, 1]


# ---------------------------------------------------------------- data


def test_loaders():
    x, y = torch.arange(0, 6).view(6, 1), torch.arange(0, 6)
    dataset = TensorDataset(data_tensor=x, target_tensor=y)
    loader = DataLoader(dataset, 4, False, num_workers=4)
    batches = iter(loader)
    first = batches.next()
    # Rows are tensors and stay what they are; the elements of a vector are numbers, and Python's floats are doubles.
    assert [type(part).__name__ for part in first] == ["FloatTensor", "DoubleTensor"]
    assert first[1].tolist() == [0, 1, 2, 3]
    assert next(batches)[1].tolist() == [4, 5]
    with pytest.raises(StopIteration):
        batches.next()
    assert list(DataLoader([], shuffle=True)) == []
    names, numbers = next(iter(DataLoader([("a", 1), ("b", 2)], 2)))
    assert names == ["a", "b"]
    assert numbers.type() == "minigrad.LongTensor"
    assert [b.size() for b in DataLoader(torch.ones(5, 2), 2)] == [(2, 2), (2, 2), (1, 2)]


# ---------------------------------------------------------------- files


def test_files_of_modules_lists_and_arrays(tmp_path):
    net = nn.Sequential(nn.Linear(2, 1))
    path = str(tmp_path / "net.pkl")
    with trusting():
        torch.save(net, path)
        assert torch.equal(torch.load(path)[0].weight.data, net[0].weight.data)
        torch.save([net, net], path)
        first, second = torch.load(path)
        assert first is second
        file = io.BytesIO()
        torch.save(np.arange(3), file)
        file.seek(0)
        assert torch.load(file).tolist() == [0, 1, 2]
    torch.save(net.state_dict(), path)
    other = nn.Sequential(nn.Linear(2, 1))
    other.load_state_dict(torch.load(path, map_location=lambda storage, loc: storage))
    assert torch.equal(other[0].weight.data, net[0].weight.data)


# ---------------------------------------------------------------- parameters under the knife


def test_data_can_be_replaced_also_by_another_type():
    w = Variable(torch.ones(2), requires_grad=True)
    other = torch.zeros(3)
    w.data = other
    assert w.data is other
    w.data = torch.DoubleTensor([1])
    assert w.data.type() == "minigrad.DoubleTensor"
    embed = nn.Embedding(2, 3)
    embed.weight.data = torch.Tensor(np.arange(6).reshape(2, 3))
    assert embed(Variable(torch.LongTensor([1]))).data.tolist() == [[3, 4, 5]]
    embed.weight.data.copy_(torch.from_numpy(np.ones((2, 3))))
    assert embed.weight.data.sum() == 6


def test_initialisers_return_what_they_change():
    gru = nn.GRU(2, 3)
    before = gru.weight_hh_l0
    gru.weight_hh_l0 = init.xavier_uniform(gru.weight_hh_l0)
    assert gru.weight_hh_l0 is before
    init.constant(gru.state_dict()["weight_ih_l0"], 2)
    assert gru.weight_ih_l0.data.sum() == 2 * 9 * 2
    assert gru(Variable(torch.ones(1, 1, 2)))[0].size() == (1, 1, 3)


def test_gradients_can_be_set():
    p = nn.Parameter(torch.ones(2))
    p.grad = Variable(torch.Tensor([1, 2]))
    torch.optim.SGD([p], lr=1).step()
    assert p.data.tolist() == [0, -1]
    data = torch.ones(2, 3)
    made = data.new().resize_as_(data).zero_()
    assert made.size() == (2, 3)
    assert made.sum() == 0


# ---------------------------------------------------------------- construction and indexing


def test_float_tensor_of_an_array_shares_memory_if_the_types_agree():
    a = np.zeros(2, np.float32)
    t = torch.FloatTensor(a)
    a[0] = 5
    assert t[0] == 5
    b = np.zeros(2)
    u = torch.FloatTensor(b)
    b[0] = 5
    assert u[0] == 0
    assert torch.Tensor.numpy(t) is not None
    assert np.shares_memory(torch.Tensor.numpy(t), a)


def test_sizes_in_every_form():
    x = torch.ones(2, 3)
    assert torch.Tensor(x.size()).size() == torch.FloatTensor(x.size()).size() == (2, 3)
    assert torch.zeros((3, 2)).size() == (3, 2)
    assert torch.zeros(*x.size()).size() == torch.zeros(x.size()).size() == (2, 3)
    assert x.view((1, -1)).size() == (1, 6)
    assert torch.Tensor((2, 4)).tolist() == [2, 4]
    assert x[None].size() == (1, 2, 3)


def test_indices_in_every_form():
    x = torch.arange(0, 27).view(3, 3, 3)
    rows = torch.arange(0, 6).view(2, 3)
    assert rows[[1, 0, 1, 1]].tolist() == [rows[1].tolist(), rows[0].tolist(), rows[1].tolist(), rows[1].tolist()]
    assert rows[torch.LongTensor([1])].tolist() == [[3, 4, 5]]
    assert x[[1, 2], [1, 2], [2, 0]].tolist() == [14, 24]
    assert x[[0, 2], ...].size() == (2, 3, 3)
    v = Variable(rows)
    labels = Variable(torch.LongTensor([2, 0]))
    assert v[range(2), labels].data.tolist() == [2, 3]


def test_what_is_computed_is_contiguous_whatever_its_operands_are():
    # the accuracy of many a training script: a slice of a comparison of transposed values, seen by .view(-1)
    scores, target = torch.FloatTensor([[0.1, 0.9, 0.5], [0.7, 0.2, 0.1]]), torch.LongTensor([1, 2])
    _, pred = scores.topk(2, 1, True, True)
    pred = pred.t()
    correct = pred.eq(target.view(1, -1).expand_as(pred))
    assert [correct[:k].view(-1).float().sum(0)[0] for k in (1, 2)] == [1, 1]
    assert not pred.is_contiguous()
    computed = [
        lambda x: x + 1, lambda x: x * x, lambda x: x > 0.5, lambda x: x.exp(), lambda x: x.clone(),
        lambda x: x.double(), lambda x: torch.cat([x, x], 1), lambda x: x.topk(2, 1)[1], lambda x: x - x.mean(0),
        lambda x: x.cumsum(1),
        lambda x: x.unsqueeze(0).expand(2, 3, 4).sum(0), lambda x: torch.max(x, x), lambda x: x.kthvalue(2, 1, True)[1],
    ]  # fmt: skip
    for transposed in (torch.rand(4, 3).t(), Variable(torch.rand(4, 3), requires_grad=True).t()):
        for function in computed:
            assert function(transposed).is_contiguous()
        assert not transposed.is_contiguous()
        assert not transposed.unsqueeze(0).is_contiguous()  # a view stays one
    w = Variable(torch.rand(4, 3), requires_grad=True)
    (F.relu(w.t() * 2).view(2, 6) * 3).sum().backward()
    assert w.grad.data.tolist() == [[6] * 3] * 4
    assert w.grad.is_contiguous()


# ---------------------------------------------------------------- printing is content


def test_printing():
    net = nn.Sequential(nn.Linear(2, 1), nn.LSTM(3, 4, num_layers=2))
    assert str(net) == ("Sequential(\n  (0): Linear(in_features=2, out_features=1)\n  (1): LSTM(3, 4, num_layers=2)\n)")
    assert str(torch.LongTensor([[1, 2]])) == "\n 1  2\n[minigrad.LongTensor of size 1x2]\n"
    assert str(Variable(torch.ones(1))) == "Variable containing:\n 1\n[minigrad.FloatTensor of size 1]\n"
    assert str(nn.Parameter(torch.ones(1))) == "Parameter containing:\n 1\n[minigrad.FloatTensor of size 1]\n"
