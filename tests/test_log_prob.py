"""torch.distributions: samples by their statistics and the generator, log_prob by the equation and its gradient."""

import math

import numpy as np
import pytest

import minigrad as torch
from minigrad import distributions as D
from minigrad.autograd import Variable, gradcheck, gradgradcheck

LEVELS = {"T": lambda t: t, "V": Variable}


@pytest.fixture(params=LEVELS.values(), ids=LEVELS)
def wrap(request):
    torch.manual_seed(17)
    return request.param


def numbers(x):
    return (x.data if isinstance(x, Variable) else x).numpy()


def test_the_front_door():
    assert torch.distributions is D
    assert all(issubclass(getattr(D, name), D.Distribution) for name in ("Bernoulli", "Categorical", "Normal"))


@pytest.mark.parametrize("method", ["sample", "sample_n", "log_prob"])
def test_the_base_defines_nothing(method):
    with pytest.raises(NotImplementedError, match=f"must define {method}"):
        getattr(D.Distribution(), method)(*([1] if method != "sample" else []))


# ---------------------------------------------------------------- samples


def test_samples_come_from_the_generator():
    p = torch.Tensor([0.2, 0.3, 0.5])
    mean, std = torch.Tensor([1.0, 2.0]), torch.Tensor([0.5, 3.0])
    cases = [
        (lambda: D.Categorical(p).sample(), lambda: torch.multinomial(p, 1, True)),
        (lambda: D.Categorical(p).sample_n(4), lambda: torch.multinomial(p, 4, True)),
        (lambda: D.Bernoulli(p).sample(), lambda: torch.bernoulli(p)),
        (lambda: D.Bernoulli(p).sample_n(4), lambda: torch.bernoulli(p.expand(4, 3))),
        (lambda: D.Normal(mean, std).sample(), lambda: torch.normal(mean, std)),
        (lambda: D.Normal(mean, 2.0).sample_n(3), lambda: torch.normal(mean.expand(3, 2), 2.0)),
        (lambda: D.Normal(1.0, 2.0).sample_n(3), lambda: torch.normal(torch.ones(3, 1), 2.0)),
    ]
    for ours, plain in cases:
        torch.manual_seed(5)
        got = ours()
        torch.manual_seed(5)
        assert torch.equal(got, plain())


def test_sizes_and_levels(wrap):
    def check(distribution, sample, several):
        for got, size in ((distribution.sample(), sample), (distribution.sample_n(6), several)):
            assert type(got) is type(wrap(torch.ones(1))) or isinstance(got, torch.LongTensor)
            assert isinstance(got, Variable) == isinstance(wrap(torch.ones(1)), Variable)
            assert tuple(got.size()) == size
            assert distribution.log_prob(got).size() == got.size()
        assert tuple(distribution.sample_n(1).size()) == (1, *several[1:])

    check(D.Categorical(wrap(torch.Tensor([1, 2, 3]))), (1,), (6,))
    check(D.Categorical(wrap(torch.Tensor([[1, 2, 3], [1, 1, 1]]))), (2,), (6, 2))
    check(D.Bernoulli(wrap(torch.Tensor([0.2, 0.4]))), (2,), (6, 2))
    check(D.Bernoulli(wrap(torch.Tensor([[0.2, 0.4]]))), (1, 2), (6, 1, 2))
    check(D.Normal(wrap(torch.zeros(2, 3)), wrap(torch.ones(2, 3))), (2, 3), (6, 2, 3))
    check(D.Normal(0.5, wrap(torch.ones(2))), (2,), (6, 2))
    check(D.Normal(wrap(torch.ones(2)), 0.5), (2,), (6, 2))


def test_two_numbers_make_a_tensor():
    assert D.Normal(0, 1).sample().size() == (1,)
    assert D.Normal(0, 1).sample_n(3).size() == (3, 1)
    assert D.Normal(0, 1.0).log_prob(torch.zeros(2)).tolist() == pytest.approx([-0.5 * math.log(2 * math.pi)] * 2)


def test_samples_have_no_history(wrap):
    probs = Variable(torch.Tensor([0.2, 0.8]), requires_grad=True)
    for d in (D.Categorical(probs), D.Bernoulli(probs), D.Normal(probs, probs)):
        assert not d.sample().requires_grad
        assert not d.sample_n(2).requires_grad


def test_frequencies(wrap):
    n = 4000
    drawn = numbers(D.Categorical(wrap(torch.Tensor([[1, 2, 5], [3, 0, 1]]))).sample_n(n))
    for column, expected in zip(drawn.T, ([1 / 8, 2 / 8, 5 / 8], [3 / 4, 0, 1 / 4])):
        np.testing.assert_allclose(np.bincount(column, minlength=3) / n, expected, atol=4 * 0.5 / math.sqrt(n))
    drawn = numbers(D.Bernoulli(wrap(torch.Tensor([0.0, 0.3, 1.0]))).sample_n(n))
    np.testing.assert_allclose(drawn.mean(0), [0, 0.3, 1], atol=4 * 0.5 / math.sqrt(n))
    drawn = numbers(D.Normal(wrap(torch.Tensor([1.0, -2.0])), wrap(torch.Tensor([0.5, 2.0]))).sample_n(n))
    np.testing.assert_allclose(drawn.mean(0), [1, -2], atol=4 * 2 / math.sqrt(n))
    np.testing.assert_allclose(drawn.std(0), [0.5, 2], rtol=0.08)


# ---------------------------------------------------------------- log_prob


def test_categorical_log_prob(wrap):
    weights = torch.DoubleTensor([[1, 2, 5], [3, 4, 1]])
    p = weights.numpy() / weights.numpy().sum(1, keepdims=True)
    d = D.Categorical(wrap(weights))
    np.testing.assert_allclose(numbers(d.log_prob(wrap(torch.LongTensor([2, 0])))), np.log([p[0, 2], p[1, 0]]))
    several = torch.LongTensor([[0, 1], [2, 2], [1, 0]])
    expected = [[math.log(p[r, k]) for r, k in enumerate(row)] for row in several.tolist()]
    np.testing.assert_allclose(numbers(d.log_prob(wrap(several))), expected)
    one = D.Categorical(wrap(weights[0]))
    np.testing.assert_allclose(numbers(one.log_prob(wrap(torch.LongTensor([2, 0, 0, 1])))), np.log(p[0, [2, 0, 0, 1]]))


def test_bernoulli_log_prob(wrap):
    d = D.Bernoulli(wrap(torch.DoubleTensor([0.2, 0.7])))
    for value in (torch.DoubleTensor([1, 0]), torch.LongTensor([1, 0]), torch.Tensor([1, 0])):
        np.testing.assert_allclose(numbers(d.log_prob(wrap(value))), np.log([0.2, 0.3]))
    several = d.log_prob(wrap(torch.DoubleTensor([[1, 1], [0, 1], [0, 0]])))
    np.testing.assert_allclose(numbers(several), np.log([[0.2, 0.7], [0.8, 0.7], [0.8, 0.3]]))


def test_normal_log_prob(wrap):
    mean, std, x = np.array([1.0, -1.0]), np.array([0.5, 3.0]), np.array([[0.3, 2.0], [1.0, 1.0], [0.0, -9.0]])
    d = D.Normal(wrap(torch.from_numpy(mean)), wrap(torch.from_numpy(std)))
    expected = -((x - mean) ** 2) / (2 * std**2) - np.log(std) - 0.5 * np.log(2 * np.pi)
    np.testing.assert_allclose(numbers(d.log_prob(wrap(torch.from_numpy(x)))), expected)


def test_gradients(rng):
    def leaf(*size):
        return Variable(torch.from_numpy(rng.uniform(0.2, 0.8, size)), requires_grad=True)

    rows, ones = Variable(torch.LongTensor([[0, 2], [1, 1], [2, 0]])), Variable(torch.DoubleTensor([1, 0, 1]))
    x = Variable(torch.from_numpy(rng.normal(size=(2, 3))), requires_grad=True)
    cases = [
        (lambda p: D.Categorical(p).log_prob(rows), [leaf(2, 3)]),
        (lambda p: D.Categorical(p).log_prob(rows[0]), [leaf(2, 3)]),
        (lambda p: D.Categorical(p).log_prob(rows[0]), [leaf(3)]),
        (lambda p: D.Bernoulli(p).log_prob(ones), [leaf(3)]),
        (lambda m, s, x: D.Normal(m, s).log_prob(x), [leaf(3), leaf(3), x]),
        (lambda s: D.Normal(0.3, s).log_prob(x), [leaf(3)]),
        (lambda m: D.Normal(m, 0.7).log_prob(x), [leaf(3)]),
    ]
    for function, inputs in cases:
        assert gradcheck(function, inputs)
        assert gradgradcheck(function, inputs)


def test_certain_outcomes_have_finite_gradients():
    p = Variable(torch.DoubleTensor([0, 1]), requires_grad=True)
    out = D.Bernoulli(p).log_prob(Variable(torch.DoubleTensor([0, 1])))
    assert out.data.tolist() == [0, 0]
    out.sum().backward()
    assert p.grad.data.tolist() == [-1, 1]
    q = Variable(torch.DoubleTensor([0, 1]), requires_grad=True)
    D.Categorical(q).log_prob(Variable(torch.LongTensor([1]))).backward()
    assert np.isfinite(q.grad.data.numpy()).all()


def test_the_policy_gradient_is_that_of_the_expected_reward():
    """E[reward(a) d log p(a)] = d E[reward]: exactly, over all actions."""
    reward = torch.DoubleTensor([1.0, -2.0, 0.5])
    w = Variable(torch.DoubleTensor([0.3, -0.1, 0.7]), requires_grad=True)
    probs = torch.nn.functional.softmax(w, 0)
    (probs * Variable(reward)).sum().backward(retain_graph=True)
    expected, w.grad = w.grad.data.clone(), None
    log_p = D.Categorical(probs).log_prob(Variable(torch.LongTensor([0, 1, 2])))
    (log_p * Variable(reward) * probs.detach()).sum().backward()
    np.testing.assert_allclose(w.grad.data.numpy(), expected.numpy(), rtol=1e-12)


# ---------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: D.Categorical([0.5, 0.5]), TypeError, "Categorical: probs must be a Tensor or a Variable, got list"),
        (lambda: D.Categorical(torch.ones(1, 2, 3)), ValueError, r"1 or 2 dimensions, got size \(1, 2, 3\)"),
        (lambda: D.Categorical(torch.LongTensor([1, 2])), TypeError, "floating type, got minigrad.LongTensor"),
        (lambda: D.Bernoulli(torch.Tensor([1.5])), ValueError, r"probs must be in \[0, 1\]"),
        (lambda: D.Bernoulli(torch.Tensor([float("nan")])), ValueError, r"probs must be in \[0, 1\]"),
        (lambda: D.Bernoulli(torch.Tensor([0.5])).log_prob(torch.Tensor([2])), ValueError, "must be 0 or 1"),
        (lambda: D.Bernoulli(torch.Tensor([0.5])).log_prob(1), TypeError, "value must be a Tensor or a Variable"),
        (lambda: D.Normal("0", 1), TypeError, "Normal: mean must be"),
        (lambda: D.Normal(0, -1), ValueError, "std must not be negative"),
        (lambda: D.Normal(0, 0).log_prob(torch.zeros(1)), ValueError, "Normal.log_prob: std is 0"),
        (lambda: D.Normal(0, torch.Tensor([1, -1])), ValueError, "std must not be negative"),
        (lambda: D.Normal(torch.ones(2), torch.ones(3)), ValueError, r"same size, got \(2,\) and \(3,\)"),
        (lambda: D.Normal(torch.ones(2), Variable(torch.ones(2))), TypeError, "both be Tensors or both be Variables"),
        (lambda: D.Normal(0, 1).sample_n(0), ValueError, "n must be at least 1, got 0"),
        (lambda: D.Normal(0, 1).sample_n(1.0), TypeError, "n must be an int, got float"),
        (lambda: D.Categorical(torch.ones(3)).log_prob(torch.LongTensor([[1]])), ValueError, r"size \(n\)"),
        (lambda: D.Categorical(torch.ones(2, 3)).log_prob(torch.LongTensor([1])), ValueError, "rows = 2"),
    ],
)
def test_refusals(make, error, words):
    with pytest.raises(error, match=words):
        make()
