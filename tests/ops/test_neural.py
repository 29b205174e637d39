"""Activations, embedding and losses: the era's options and values by hand, beyond the table's samples."""

import math

import numpy as np
import pytest

import minigrad as torch
from minigrad.autograd import Variable, gradcheck, gradgradcheck
from minigrad.ops import losses as L
from minigrad.ops import margins as M
from minigrad.ops import neural as N


def variable(values, requires_grad=True):
    return Variable(torch.DoubleTensor(values), requires_grad=requires_grad)


def long(*values):
    return Variable(torch.LongTensor(list(values)))


def value(v):
    assert v.size() == (1,)
    return v.data[0]


SCORES = [[1.0, 2.0, 0.5], [0.1, -1.0, 3.0]]
LOGS = np.log(np.exp(SCORES) / np.exp(SCORES).sum(1, keepdims=True))


# ---------------------------------------------------------------- activations


def test_softmax_of_large_and_masked_scores():
    big = N.softmax(variable([[1000.0, 1000.0, -math.inf]]), 1)
    assert big.data.tolist() == [[0.5, 0.5, 0]]
    assert N.log_softmax(variable([[0.0, -math.inf]]), 1).data.tolist() == [[0, -math.inf]]
    assert np.allclose(
        N.softmin(variable(SCORES), 1).data.numpy(), N.softmax(variable(-np.array(SCORES)), 1).data.numpy()
    )


def test_kinks_belong_to_the_side_that_the_era_chose():
    zero = [0.0]
    for function, slope in [
        (N.leaky_relu, 0.01), (lambda x: N.elu(x, 0.5), 0.5), (lambda x: N.threshold(x, 0, 5), 0),
        (lambda x: N.hardtanh(x, 0, 1), 0), (lambda x: N.prelu(x, variable([0.25], False)), 0.25),
    ]:  # fmt: skip
        x = variable(zero)
        function(x).backward(torch.DoubleTensor([1]))
        assert x.grad.data[0] == slope


def test_large_inputs_keep_their_second_derivative():
    x = variable([800.0, -800.0])
    for function in (N.elu, N.selu, N.softplus, N.logsigmoid):
        (g,) = torch.autograd.grad(function(x).sum(), x, create_graph=True)
        (gg,) = torch.autograd.grad(g.sum(), x, allow_unused=True)
        assert np.all(np.isfinite(g.data.numpy()))
        assert np.all(np.isfinite(gg.data.numpy()))


def test_in_place_forms_write_into_their_input():
    t = torch.FloatTensor([-1, 2])
    assert t.threshold_(0, 9) is t
    assert t.tolist() == [9, 2]


def test_dropout_uses_the_mask_it_is_given():
    x, mask = variable([1.0, 2, 3]), np.array([0.0, 2, 2])
    y = N.dropped(x, mask)
    y.backward(torch.ones(3).double())
    assert y.data.tolist() == [0, 4, 6]
    assert x.grad.data.tolist() == [0, 2, 2]


# ---------------------------------------------------------------- embedding


def test_rows_looked_up_twice_get_both_gradients_and_padding_none():
    w = variable(np.arange(8.0).reshape(4, 2).tolist())
    out = N.embedding(w, Variable(torch.LongTensor([[1, 1], [3, 0]])), padding_idx=3)
    assert out.size() == (2, 2, 2)
    assert out.data.numpy()[1, 0].tolist() == [6, 7]
    out.sum().backward()
    assert w.grad.data.tolist() == [[1, 1], [2, 2], [0, 0], [0, 0]]
    w.grad = None
    N.embedding(w, long(1, 1, 0), padding_idx=-4, scale_grad_by_freq=True).sum().backward()
    assert w.grad.data.tolist() == [[0, 0], [1, 1], [0, 0], [0, 0]]


def test_embedding_twice_differentiable_with_padding():
    index = long(1, 1, 0)
    w = variable([[0.3, -0.7], [1.1, 0.4]])
    (g,) = torch.autograd.grad((N.embedding(w, index, 0) ** 3).sum(), w, create_graph=True)
    (gg,) = torch.autograd.grad(g.sum(), w)
    assert np.allclose(gg.data.numpy(), [[0, 0], [12 * 1.1, 12 * 0.4]])


def test_volatile_indices_make_the_rows_volatile():
    assert N.embedding(variable([[1.0]]), Variable(torch.LongTensor([0]), volatile=True)).volatile


# ---------------------------------------------------------------- losses by hand


def test_regression_losses():
    x, t = variable([[1.0, 3.0], [0.0, 0.5]]), variable([[0.0, 0.0], [0.0, 0.0]], False)
    assert value(L.mse_loss(x, t)) == (1 + 9 + 0.25) / 4
    assert value(L.mse_loss(x, t, size_average=False)) == 10.25
    assert L.mse_loss(x, t, reduce=False).data.tolist() == [[1, 9], [0, 0.25]]
    assert value(L.l1_loss(x, t, False)) == 4.5
    assert value(L.smooth_l1_loss(x, t, False)) == 0.5 + 2.5 + 0.125
    kl = L.kl_div(variable([math.log(0.5), -7.0]), variable([0.25, 0.0], False), size_average=False)
    assert value(kl) == pytest.approx(0.25 * math.log(0.5))


def test_mse_loss_is_one_node():
    x, t = variable([1.0, 2.0]), variable([0.0, 0.0], False)
    loss = L.mse_loss(x, t)
    assert loss.grad_fn.next_functions[0][0].variable is x
    loss.backward()
    assert x.grad.data.tolist() == [1, 2]


@pytest.mark.parametrize(
    "name", ["mse_loss", "l1_loss", "smooth_l1_loss", "kl_div", "soft_margin_loss", "binary_cross_entropy"]
)
def test_equal_counts_run_and_warn(name):
    x, t = variable([[0.1], [0.5], [0.9]]), variable([1.0, 0.25, 0.5], False)
    with pytest.warns(UserWarning, match=r"size \(3,\) differs from the input's \(3, 1\)"):
        loss = getattr(M if name in vars(M) and not hasattr(L, name) else L, name)(x, t)
    assert value(loss) == value(getattr(M if name in vars(M) and not hasattr(L, name) else L, name)(x, t.view(3, 1)))
    error = ValueError if name == "binary_cross_entropy" else RuntimeError
    with pytest.raises(error, match="same number of elements"):
        getattr(M if name in vars(M) and not hasattr(L, name) else L, name)(x, variable([1.0, 0.5], False))


@pytest.mark.parametrize(("function", "scores"), [(L.nll_loss, LOGS.tolist()), (L.cross_entropy, SCORES)])
def test_class_losses(function, scores):
    x, first, second = variable(scores), -LOGS[0, 1], -LOGS[1, 2]
    assert value(function(x, long(1, 2))) == pytest.approx((first + second) / 2)
    assert value(function(x, long(1, 2), size_average=False)) == pytest.approx(first + second)
    assert np.allclose(function(x, long(1, 2), reduce=False).data.numpy(), [first, second])
    w = torch.DoubleTensor([9, 1, 3])
    assert value(function(x, long(1, 2), w)) == pytest.approx((first + 3 * second) / 4)
    assert value(function(x, long(1, 2), Variable(w), False)) == pytest.approx(first + 3 * second)
    assert value(function(x, long(1, 2), None, True, 1)) == pytest.approx(second)
    assert value(function(x, long(-100, 2))) == pytest.approx(second)
    assert function(x, long(1, -100), reduce=False).data[1] == 0
    assert value(function(x, long(-100, -100))) == 0


def test_cross_entropy_agrees_with_its_reference_to_second_order():
    t, w = Variable(torch.LongTensor([[[1, 0]], [[2, -100]]])), torch.DoubleTensor([0.5, 1, 2])
    numbers = np.random.default_rng(0).normal(size=(2, 3, 1, 2))
    for reduce in (True, False):
        x, y = variable(numbers.tolist()), variable(numbers.tolist())
        fused = L.cross_entropy(x, t, w, reduce=reduce)
        made = L.nll_loss(N.log_softmax(y, 1), t, w, reduce=reduce)
        assert np.allclose(fused.data.numpy(), made.data.numpy())
        up = torch.ones(*made.size()).double()
        fused.backward(up)
        made.backward(up)
        assert np.allclose(x.grad.data.numpy(), y.grad.data.numpy())
        gradcheck(lambda v, r=reduce: L.cross_entropy(v, t, w, reduce=r), (variable(numbers.tolist()),))
        gradgradcheck(
            lambda v, r=reduce: L.cross_entropy(v, t, w, reduce=r),
            (variable(numbers.tolist()),),
            (Variable(up, requires_grad=True),),
        )


def test_cross_entropy_backward_twice_through_a_kept_graph():
    x = variable(SCORES)
    loss = L.cross_entropy(x, long(0, 1))
    loss.backward(retain_graph=True)
    first = x.grad.data.numpy().copy()
    loss.backward()
    assert np.allclose(x.grad.data.numpy(), 2 * first)
    assert np.allclose(first.sum(1), 0)


def test_class_losses_do_not_overflow():
    x = variable([[1000.0, 0.0]])
    loss = L.cross_entropy(x, long(1))
    loss.backward()
    assert value(loss) == 1000
    assert x.grad.data.tolist() == [[1, -1]]


def test_binary_losses():
    x, t = variable([0.5, 0.25]), variable([1.0, 0.0], False)
    assert value(L.binary_cross_entropy(x, t)) == pytest.approx(-(math.log(0.5) + math.log(0.75)) / 2)
    w = variable([2.0, 0.0], False)
    assert value(L.binary_cross_entropy(x, t, w, False)) == pytest.approx(-2 * math.log(0.5))
    with pytest.raises(RuntimeError, match=r"from 0 to 1, got -0.2 to 0.5; apply a sigmoid"):
        L.binary_cross_entropy(variable([0.5, -0.2]), t)
    edge = variable([1.0, 0.0])
    L.binary_cross_entropy(edge, t).backward()
    assert edge.grad.data.tolist() == [0, 0]
    z = variable([800.0, -800.0])
    assert value(L.binary_cross_entropy_with_logits(z, t)) == 0
    assert value(L.binary_cross_entropy_with_logits(z, variable([0.0, 0.0], False), size_average=False)) == 800
    with pytest.raises(ValueError, match="one size"):
        L.binary_cross_entropy_with_logits(z, variable([[0.0, 0.0]], False))


def test_margin_losses():
    x = variable([[0.1, 0.2, 0.4, 0.8]])
    targets = Variable(torch.LongTensor([[3, 0, -1, 1]]))
    assert value(M.multilabel_margin_loss(x, targets)) == pytest.approx((0.4 + 0.6 + 1.1 + 1.3) / 4)
    assert value(M.multi_margin_loss(x, long(3))) == pytest.approx((0.3 + 0.4 + 0.6) / 4)
    assert value(M.multi_margin_loss(x, long(3), 2)) == pytest.approx((0.09 + 0.16 + 0.36) / 4)
    assert value(M.multi_margin_loss(x, long(3), weight=torch.DoubleTensor([1, 1, 1, 2]))) == pytest.approx(2 * 1.3 / 4)
    y = variable([1.0, -1.0], False)
    assert value(M.hinge_embedding_loss(variable([0.5, 0.25]), y)) == (0.5 + 0.75) / 2
    assert value(M.margin_ranking_loss(variable([1.0, 1.0]), variable([0.5, 0.5]), y, 0.25)) == (0 + 0.75) / 2
    assert value(M.soft_margin_loss(variable([0.0, 800.0]), y, False)) == pytest.approx(math.log(2) + 800)
    same, other = variable([[1.0, 0.0], [1.0, 0.0]]), variable([[2.0, 0.0], [0.0, 1.0]])
    assert value(M.cosine_embedding_loss(same, other, y)) == pytest.approx(0)
    assert value(M.poisson_nll_loss(variable([0.0]), variable([2.0], False))) == 1
    stirling = 2 * math.log(2) - 2 + 0.5 * math.log(4 * math.pi)
    assert value(M.poisson_nll_loss(variable([0.0]), variable([2.0], False), full=True)) == pytest.approx(1 + stirling)


@pytest.mark.parametrize("t", [1.0, -1.0])
def test_equal_scores_are_ranked_apart(t):
    """With the margin 0, which is the default, equal scores have a loss of 0 and would else stay equal for ever."""
    x1, x2 = variable([0.5]), variable([0.5])
    M.margin_ranking_loss(x1, x2, variable([t], False)).backward()
    assert (x1.grad.data[0], x2.grad.data[0]) == (-t, t)


def test_a_distance_of_the_margin_still_grows():
    x = variable([1.0, 1.0])
    M.hinge_embedding_loss(x, variable([-1.0, 1.0], False), size_average=False).backward()
    assert x.grad.data.tolist() == [-1, 1]


def test_distances():
    a, b = variable([[0.0, 0.0], [1.0, 1.0]]), variable([[3.0, 4.0], [1.0, 1.0]])
    assert np.allclose(M.pairwise_distance(a, b, eps=0).data.numpy(), [[5], [0]])
    assert M.cosine_similarity(b, b).size() == (2,)
    assert np.allclose(M.cosine_similarity(b, b).data.numpy(), 1)
    assert np.allclose(M.normalize(b).data.numpy()[0], [0.6, 0.8])
    assert M.normalize(a).data.tolist()[0] == [0, 0]
    swapped = M.triplet_margin_loss(a, b, b * 2, swap=True)
    assert value(swapped) >= value(M.triplet_margin_loss(a, b, b * 2))
