"""Linear, Bilinear, Embedding, EmbeddingBag, dropout, distances: values, first numbers, text, errors."""

import json
import pathlib

import numpy as np
import pytest

import minigrad as torch
from minigrad import nn
from minigrad.autograd import Variable
from minigrad.nn import functional as F

GOLDEN = json.loads((pathlib.Path(__file__).parents[1] / "golden" / "nn.json").read_text())


def V(*values, **flags):
    return Variable(torch.Tensor(*values), **flags)


def L(values):
    return Variable(torch.LongTensor(values))


@pytest.mark.parametrize("text", GOLDEN["initial"])
def test_first_numbers_are_pytorchs(text):
    torch.manual_seed(GOLDEN["seed"])
    layer = eval(f"nn.{text}")
    assert [name for name, _ in layer.named_parameters()] == list(GOLDEN["initial"][text])
    # Uniform numbers are bit-equal. Normal ones go through a logarithm and a cosine, whose last digits vary.
    bound = 1e-6 if "Embedding" in text else 0
    for name, p in layer.named_parameters():
        expected = np.array(GOLDEN["initial"][text][name], np.int32).view(np.float32)
        np.testing.assert_allclose(p.data.numpy(), expected, rtol=bound, atol=bound)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("size", [(4,), (3, 4), (2, 3, 4)])
def test_linear(bias, size, rng):
    layer = nn.Linear(4, 5, bias=bias)
    x = rng.normal(size=size).astype("f")
    y = x @ layer.weight.data.numpy().T + (layer.bias.data.numpy() if bias else 0)
    np.testing.assert_allclose(layer(Variable(torch.from_numpy(x))).data.numpy(), y, rtol=1e-5, atol=1e-6)
    assert (layer.bias is None) is not bias
    assert repr(layer) == "Linear(in_features=4, out_features=5)"


def test_linear_names_what_it_wants():
    layer = nn.Linear(100, 5)
    with pytest.raises(RuntimeError, match=r"Linear: input must have in_features=100 as its last size, got \(5, 50\)"):
        layer(V(5, 50))
    with pytest.raises(RuntimeError, match="DoubleTensor"):
        layer(Variable(torch.DoubleTensor(5, 100)))
    with pytest.raises(TypeError, match="Tensor and a Variable do not mix"):
        layer(torch.zeros(5, 100))


@pytest.mark.parametrize(
    ("layer", "sizes"),
    [(nn.Linear(3, 2), [(4, 3)]), (nn.Bilinear(3, 2, 5), [(4, 3), (4, 2)]), (nn.BatchNorm1d(3), [(4, 3)])],
)
def test_layers_say_how_to_convert_their_input_and_not_their_weights(layer, sizes):
    name = type(layer).__name__
    for k, size in enumerate(sizes):
        argument = f"input{k + 1}" if len(sizes) > 1 else "input"
        start = f"^{name}: {argument} must have the type of the weights, minigrad.FloatTensor, got minigrad"
        inputs = [V(*other) for other in sizes]
        for mode in (layer.train, layer.eval):
            mode()
            inputs[k] = Variable(torch.zeros(*size).long())
            with pytest.raises(RuntimeError, match=rf"{start}.LongTensor; convert it with \.float\(\)$") as caught:
                layer(*inputs)
            assert caught.value.__cause__ is None
            assert caught.value.__context__ is None or caught.value.__suppress_context__
            inputs[k] = Variable(torch.zeros(*size).double())
            with pytest.raises(RuntimeError, match=rf"{start}.DoubleTensor; .*\.float\(\), or the module with"):
                layer(*inputs)


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: nn.Linear(0, 5), ValueError, "in_features must be at least 1, got 0"),
        (lambda: nn.Linear(3.0, 5), TypeError, "in_features must be an int, got 3.0"),
        (lambda: nn.Bilinear(3, 4, 0), ValueError, "out_features must be at least 1"),
        (lambda: nn.Embedding(0, 3), ValueError, "num_embeddings"),
        (lambda: nn.Embedding(5, 3, padding_idx=5), ValueError, "padding_idx must be below num_embeddings=5"),
        (lambda: nn.EmbeddingBag(5, 3, mode="max"), ValueError, "'mean' or 'sum', got 'max'"),
        (lambda: nn.PReLU(0), ValueError, "PReLU: num_parameters must be at least 1, got 0"),
        (lambda: nn.Dropout(1.5), ValueError, r"must be in \[0, 1\], got 1.5"),
        (lambda: nn.AlphaDropout(-0.1), ValueError, "AlphaDropout"),
        (lambda: F.dropout(V(3), 2), ValueError, "dropout: p"),
        (lambda: F.dropout2d(V(3), 0.5), ValueError, "at least 2 dimensions"),
    ],
)
def test_refused(make, error, words):
    with pytest.raises(error, match=words):
        make()


def test_a_bool_as_the_probability_of_dropout_is_warned_about():
    x = V(3)
    for drop in (lambda: F.dropout(x, True), lambda: nn.Dropout(False), lambda: F.alpha_dropout(x, False)):
        with pytest.warns(UserWarning, match=r"ropout: p, .* is (True|False), which counts as [01]\..*training="):
            drop()


def test_bilinear(rng):
    layer = nn.Bilinear(3, 4, 2)
    a, b = rng.normal(size=(5, 3)).astype("f"), rng.normal(size=(5, 4)).astype("f")
    y = layer(Variable(torch.from_numpy(a)), Variable(torch.from_numpy(b)))
    expected = np.einsum("ni,oij,nj->no", a, layer.weight.data.numpy(), b) + layer.bias.data.numpy()
    np.testing.assert_allclose(y.data.numpy(), expected, rtol=1e-4, atol=1e-5)
    assert repr(layer) == "Bilinear(in1_features=3, in2_features=4, out_features=2)"
    with pytest.raises(RuntimeError, match="bilinear"):
        layer(V(5, 4), V(5, 4))


# ---------------------------------------------------------------- Embedding


def test_embedding_looks_up_and_sums_gradients():
    layer = nn.Embedding(5, 3)
    x = L([[1, 4], [1, 0]])
    y = layer(x)
    assert y.size() == (2, 2, 3)
    assert y.data.tolist() == layer.weight.data.numpy()[[[1, 4], [1, 0]]].tolist()
    y.sum().backward()
    assert layer.weight.grad.data.numpy()[:, 0].tolist() == [1, 2, 0, 0, 1]
    assert layer(L([2, 2])).size() == (2, 3)


def test_embedding_padding():
    layer = nn.Embedding(5, 3, padding_idx=-1)
    assert layer.padding_idx == 4
    assert layer.weight.data[4].tolist() == [0, 0, 0]
    layer(L([4, 1, 4])).sum().backward()
    assert layer.weight.grad.data.numpy()[:, 0].tolist() == [0, 1, 0, 0, 0]


def test_embedding_scale_grad_by_freq():
    layer = nn.Embedding(5, 3, scale_grad_by_freq=True)
    layer(L([1, 1, 2, 1])).sum().backward()
    np.testing.assert_allclose(layer.weight.grad.data.numpy()[:, 0], [0, 1, 1, 0, 0], rtol=1e-6)


def test_embedding_max_norm_changes_used_rows_only():
    layer = nn.Embedding(4, 2, max_norm=1.0)
    layer.weight.data.copy_(torch.Tensor([[3, 4], [0.3, 0.4], [6, 8], [0, 5]]))
    y = layer(L([0, 1, 0]))
    np.testing.assert_allclose(layer.weight.data.numpy(), [[0.6, 0.8], [0.3, 0.4], [6, 8], [0, 5]], rtol=1e-6)
    np.testing.assert_allclose(y.data.numpy(), [[0.6, 0.8], [0.3, 0.4], [0.6, 0.8]], rtol=1e-6)
    nn.Embedding(2, 2, max_norm=1, norm_type=1)


def test_embedding_max_norm_is_noticed_by_what_saved_the_table():
    """The product was made with other weights than its derivative would read."""
    table, index = Variable(torch.ones(3, 4), requires_grad=True), Variable(torch.LongTensor([1]))
    h = Variable(torch.ones(2, 4), requires_grad=True)
    scores = F.linear(h, table)
    F.embedding(index, table, max_norm=3)  # no row is longer: nothing changes
    scores.sum().backward(retain_graph=True)
    F.embedding(index, table, max_norm=1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation: linear saved its argument 'weight'"):
        scores.sum().backward()


def test_embedding_refuses():
    layer = nn.Embedding(5, 3)
    with pytest.raises(TypeError, match=r"LongTensor of indices, got minigrad.FloatTensor; convert it with .long"):
        layer(V([1.0]))
    with pytest.raises(ValueError, match="at most 2 dimensions"):
        layer(L([[[1]]]))
    for wrong in (5, -1):
        with pytest.raises(RuntimeError, match=f"indices from 0 to 4.*got {wrong}"):
            layer(L([0, wrong]))
    with pytest.raises(TypeError, match="Variable of a LongTensor, got list"):
        layer([1, 2])


@pytest.mark.parametrize(
    ("layer", "text"),
    [
        (lambda: nn.Embedding(10, 3), "Embedding(10, 3)"),
        (
            lambda: nn.Embedding(10, 3, padding_idx=0, max_norm=2, norm_type=1, scale_grad_by_freq=True, sparse=True),
            "Embedding(10, 3, padding_idx=0, max_norm=2, norm_type=1, scale_grad_by_freq=True, sparse=True)",
        ),
        (lambda: nn.EmbeddingBag(10, 3), "EmbeddingBag(10, 3, mode=mean)"),
        (lambda: nn.EmbeddingBag(10, 3, max_norm=1, mode="sum"), "EmbeddingBag(10, 3, max_norm=1, mode=sum)"),
        (lambda: nn.Dropout(), "Dropout(p=0.5)"),
        (lambda: nn.Dropout(0.2, inplace=True), "Dropout(p=0.2, inplace)"),
        (lambda: nn.Dropout2d(), "Dropout2d(p=0.5)"),
        (lambda: nn.AlphaDropout(), "AlphaDropout(p=0.5)"),
        (lambda: nn.BatchNorm1d(3), "BatchNorm1d(3, eps=1e-05, momentum=0.1, affine=True)"),
    ],
)
def test_text(layer, text):
    assert repr(layer()) == text


@pytest.mark.parametrize("mode", ["mean", "sum"])
def test_embedding_bag(mode):
    layer = nn.EmbeddingBag(6, 3, mode=mode)
    table = layer.weight.data.numpy()
    reduce = np.mean if mode == "mean" else np.sum
    flat = [1, 4, 4, 0, 2]
    y = layer(L(flat), L([0, 2, 2, 5]))
    expected = [reduce(table[[1, 4]], 0), np.zeros(3), reduce(table[[4, 0, 2]], 0), np.zeros(3)]
    np.testing.assert_allclose(y.data.numpy(), expected, rtol=1e-5, atol=1e-6)
    y.sum().backward()
    shares = [1, 1, 1, 1, 1] if mode == "sum" else [1 / 2, 1 / 2, 1 / 3, 1 / 3, 1 / 3]
    expected = np.zeros(6)
    np.add.at(expected, flat, shares)
    np.testing.assert_allclose(layer.weight.grad.data.numpy()[:, 0], expected, rtol=1e-6)
    y = layer(L([[1, 4], [2, 2]]))
    expected = [reduce(table[[1, 4]], 0), reduce(table[[2, 2]], 0)]
    np.testing.assert_allclose(y.data.numpy(), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (([1, 2],), "1-D input needs offsets"),
        (([[1, 2]], [0]), "offsets must not be given for 2-D input"),
        (([1, 2], [1]), "offsets must start at 0"),
        (([1, 2], [0, 3]), "offsets must be at most 2"),
        (([1, 2], [0, 2, 1]), "offsets must not decrease"),
        (([1, 2], [[0]]), "1-D LongTensor"),
        (([1, 2], []), "1-D LongTensor"),
        (([[[1]]],), "1 or 2 dimensions"),
    ],
)
def test_embedding_bag_refuses(args, words):
    with pytest.raises(ValueError, match=words):
        nn.EmbeddingBag(6, 3)(*map(L, args))


# ---------------------------------------------------------------- dropout


@pytest.mark.parametrize("p", [0.2, 0.5, 0.9])
def test_dropout_keeps_the_mean(p):
    torch.manual_seed(1)
    x = Variable(torch.ones(20000), requires_grad=True)
    y = nn.Dropout(p)(x)
    values = y.data.numpy()
    np.testing.assert_allclose(np.unique(values), [0, 1 / (1 - p)], rtol=1e-6)
    # 5 standard deviations of a mean of 20000
    assert abs(values.mean() - 1) < 5 * np.sqrt(p / (1 - p) / 20000)
    y.sum().backward()
    assert x.grad.data.tolist() == values.tolist()


def test_dropout_edges():
    x = Variable(torch.ones(5))
    assert nn.Dropout(1)(x).data.tolist() == [0] * 5
    inner = Variable(torch.ones(5), requires_grad=True) * 2
    for layer in (nn.Dropout(0), nn.Dropout(0.5).eval(), F.dropout, F.alpha_dropout):
        assert layer(inner) is inner
        assert layer(x).data.data_ptr() == x.data.data_ptr()
    assert nn.AlphaDropout(1)(x).data.tolist() == [0] * 5


def test_dropout_in_place():
    torch.manual_seed(0)
    t = torch.ones(100)
    x = Variable(t)
    assert F.dropout(x, 0.5, True, True) is x
    assert set(t.tolist()) == {0.0, 2.0}


@pytest.mark.parametrize(("layer", "extra"), [(nn.Dropout2d, 2), (nn.Dropout3d, 3)])
def test_dropout_of_channels(layer, extra):
    torch.manual_seed(3)
    y = layer(0.5)(Variable(torch.ones(*(8, 6) + (2,) * extra))).data.numpy().reshape(8, 6, -1)
    assert (y == y[:, :, :1]).all()
    assert set(y.ravel().tolist()) == {0.0, 2.0}


def test_alpha_dropout_keeps_mean_and_variance():
    torch.manual_seed(5)
    y = nn.AlphaDropout(0.3)(Variable(torch.randn(40000))).data.numpy()
    assert abs(y.mean()) < 0.03
    assert abs(y.std() - 1) < 0.03


# ---------------------------------------------------------------- distances


def test_distances(rng):
    a, b = rng.normal(size=(2, 5, 3)).astype("f")
    va, vb = Variable(torch.from_numpy(a)), Variable(torch.from_numpy(b))
    expected = ((np.abs(a - b) + 1e-6) ** 3).sum(1, keepdims=True) ** (1 / 3)
    np.testing.assert_allclose(nn.PairwiseDistance(3)(va, vb).data.numpy(), expected, rtol=1e-4)
    expected = (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
    got = nn.CosineSimilarity()(va, vb)
    assert got.size() == (5,)
    np.testing.assert_allclose(got.data.numpy(), expected, rtol=1e-4, atol=1e-6)
    assert nn.CosineSimilarity(dim=2)(va.view(1, 5, 3), vb.view(1, 5, 3)).size() == (5,)
