"""The API reference: its pages are what the package says of itself, and every name of the era is there, with the era's
arguments in the era's order.

The calls below are written from the documentation of PyTorch 0.3. Names of Tensors, Variables and their functions are
in tests/tensor/test_reference_names.py.
"""

import importlib
import importlib.util
import inspect
import re
from pathlib import Path

import pytest

import minigrad as torch
from minigrad.ops.table import table

spec = importlib.util.spec_from_file_location("reference", Path(__file__).parents[1] / "tools" / "reference.py")
reference = importlib.util.module_from_spec(spec)
spec.loader.exec_module(reference)

CALLS = {
    "minigrad": """
        set_printoptions(precision=None, threshold=None, edgeitems=None, linewidth=None, profile=None)
        eye(n, m=None) linspace(start, end, steps=100) logspace(start, end, steps=100) randperm(n)
    """,
    "minigrad.autograd": """
        backward(variables, grad_variables=None, retain_graph=None, create_graph=None, retain_variables=None)
        grad(outputs, inputs, grad_outputs=None, retain_graph=None, create_graph=None, only_inputs=True,
            allow_unused=False)
        gradgradcheck(func, inputs, grad_outputs=None, eps=1e-6, atol=1e-5, rtol=1e-3)
    """,
    "minigrad.autograd.gradcheck": """
        gradcheck(func, inputs, eps=1e-6, atol=1e-5, rtol=1e-3, raise_exception=True)
        get_numerical_jacobian(fn, input, target, eps=1e-3) make_jacobian(input, num_out)
        iter_tensors(x, only_requiring_grad=False)
    """,
    "minigrad.autograd.function": "InplaceFunction(inplace=False)",
    "minigrad.autograd.profiler": "profile(enabled=True, use_cuda=False)",
    "minigrad.nn": """
        Parameter(data=None, requires_grad=True)
        ModuleList(modules=None) ParameterList(parameters=None)
        Linear(in_features, out_features, bias=True)
        Bilinear(in1_features, in2_features, out_features, bias=True)
        Embedding(num_embeddings, embedding_dim, padding_idx=None, max_norm=None, norm_type=2,
            scale_grad_by_freq=False, sparse=False)
        EmbeddingBag(num_embeddings, embedding_dim, max_norm=None, norm_type=2, scale_grad_by_freq=False, mode='mean')
        BatchNorm1d(num_features, eps=1e-5, momentum=0.1, affine=True)
        Dropout(p=0.5, inplace=False) Dropout2d(p=0.5, inplace=False) Dropout3d(p=0.5, inplace=False)
        AlphaDropout(p=0.5)
        Threshold(threshold, value, inplace=False) ReLU(inplace=False) ReLU6(inplace=False)
        RReLU(lower=0.125, upper=0.3333333333333333, inplace=False)
        Hardtanh(min_val=-1, max_val=1, inplace=False, min_value=None, max_value=None)
        Sigmoid() Tanh() ELU(alpha=1.0, inplace=False) SELU(inplace=False) GLU(dim=-1) Hardshrink(lambd=0.5)
        LeakyReLU(negative_slope=0.01, inplace=False) LogSigmoid() Softplus(beta=1, threshold=20)
        Softshrink(lambd=0.5)
        PReLU(num_parameters=1, init=0.25) Softsign() Tanhshrink() Softmin(dim=None) Softmax(dim=None)
        LogSoftmax(dim=None) Softmax2d() PairwiseDistance(p=2, eps=1e-6) CosineSimilarity(dim=1, eps=1e-8)
        L1Loss(size_average=True, reduce=True) MSELoss(size_average=True, reduce=True)
        SmoothL1Loss(size_average=True, reduce=True) KLDivLoss(size_average=True, reduce=True)
        NLLLoss(weight=None, size_average=True, ignore_index=-100, reduce=True)
        NLLLoss2d(weight=None, size_average=True, ignore_index=-100, reduce=True)
        CrossEntropyLoss(weight=None, size_average=True, ignore_index=-100, reduce=True)
        PoissonNLLLoss(log_input=True, full=False, size_average=True, eps=1e-8)
        BCELoss(weight=None, size_average=True) BCEWithLogitsLoss(weight=None, size_average=True)
        HingeEmbeddingLoss(margin=1.0, size_average=True) MarginRankingLoss(margin=0, size_average=True)
        CosineEmbeddingLoss(margin=0, size_average=True) SoftMarginLoss(size_average=True)
        MultiLabelMarginLoss(size_average=True) MultiLabelSoftMarginLoss(weight=None, size_average=True)
        MultiMarginLoss(p=1, margin=1, weight=None, size_average=True)
        TripletMarginLoss(margin=1.0, p=2, eps=1e-6, swap=False)
        RNNCell(input_size, hidden_size, bias=True, nonlinearity='tanh')
        LSTMCell(input_size, hidden_size, bias=True) GRUCell(input_size, hidden_size, bias=True)
        LSTM(input_size, hidden_size, num_layers=1, bias=True, batch_first=False, dropout=0, bidirectional=False)
        GRU(input_size, hidden_size, num_layers=1, bias=True, batch_first=False, dropout=0, bidirectional=False)
        DataParallel(module, device_ids=None, output_device=None, dim=0)
    """,
    "minigrad.nn.functional": """
        threshold(input, threshold, value, inplace=False) relu(input, inplace=False) relu6(input, inplace=False)
        hardtanh(input, min_val=-1.0, max_val=1.0, inplace=False) elu(input, alpha=1.0, inplace=False)
        selu(input, inplace=False) leaky_relu(input, negative_slope=0.01, inplace=False) prelu(input, weight)
        rrelu(input, lower=0.125, upper=0.3333333333333333, training=False, inplace=False) glu(input, dim=-1)
        logsigmoid(input) hardshrink(input, lambd=0.5) softshrink(input, lambd=0.5) tanhshrink(input) softsign(input)
        softplus(input, beta=1, threshold=20) softmin(input, dim=None) softmax(input, dim=None)
        log_softmax(input, dim=None)
        linear(input, weight, bias=None) bilinear(input1, input2, weight, bias=None)
        embedding(input, embedding_matrix, max_norm=None, norm_type=2, scale_grad_by_freq=False, sparse=False)
        embedding_bag(embedding_matrix, indices, offsets=None, max_norm=None, norm_type=2,
            scale_grad_by_freq=False, mode='mean')
        dropout(input, p=0.5, training=False, inplace=False) alpha_dropout(input, p=0.5, training=False)
        dropout2d(input, p=0.5, training=False, inplace=False) dropout3d(input, p=0.5, training=False, inplace=False)
        normalize(input, p=2, dim=1, eps=1e-12) pairwise_distance(x1, x2, p=2, eps=1e-6)
        cosine_similarity(x1, x2, dim=1, eps=1e-8)
        l1_loss(input, target, size_average=True, reduce=True) mse_loss(input, target, size_average=True, reduce=True)
        smooth_l1_loss(input, target, size_average=True, reduce=True) kl_div(input, target, size_average=True,
            reduce=True)
        nll_loss(input, target, weight=None, size_average=True, ignore_index=-100, reduce=True)
        cross_entropy(input, target, weight=None, size_average=True, ignore_index=-100, reduce=True)
        poisson_nll_loss(input, target, log_input=True, full=False, size_average=True, eps=1e-8)
        binary_cross_entropy(input, target, weight=None, size_average=True)
        binary_cross_entropy_with_logits(input, target, weight=None, size_average=True)
        hinge_embedding_loss(input, target, margin=1.0, size_average=True)
        margin_ranking_loss(input1, input2, target, margin=0, size_average=True)
        cosine_embedding_loss(input1, input2, target, margin=0, size_average=True)
        multilabel_margin_loss(input, target, size_average=True) soft_margin_loss(input, target, size_average=True)
        multilabel_soft_margin_loss(input, target, weight=None, size_average=True)
        multi_margin_loss(input, target, p=1, margin=1, weight=None, size_average=True)
        triplet_margin_loss(anchor, positive, negative, margin=1.0, p=2, eps=1e-6, swap=False)
        relu_(input) threshold_(input, threshold, value) hardtanh_(input, min_val=-1.0, max_val=1.0)
        elu_(input, alpha=1.0) leaky_relu_(input, negative_slope=0.01)
        rrelu_(input, lower=0.125, upper=0.3333333333333333, training=False)
    """,
    "minigrad.nn.init": """
        uniform(tensor, a=0, b=1) normal(tensor, mean=0, std=1) constant(tensor, val) eye(tensor) dirac(tensor)
        xavier_uniform(tensor, gain=1) xavier_normal(tensor, gain=1) kaiming_uniform(tensor, a=0, mode='fan_in')
        kaiming_normal(tensor, a=0, mode='fan_in') orthogonal(tensor, gain=1) sparse(tensor, sparsity, std=0.01)
        calculate_gain(nonlinearity, param=None)
    """,
    "minigrad.nn.utils": """
        clip_grad_norm(parameters, max_norm, norm_type=2) parameters_to_vector(parameters)
        vector_to_parameters(vec, parameters) weight_norm(module, name='weight', dim=0)
        remove_weight_norm(module, name='weight')
    """,
    "minigrad.nn.utils.rnn": """
        PackedSequence(data, batch_sizes) pack_padded_sequence(input, lengths, batch_first=False)
        pad_packed_sequence(sequence, batch_first=False, padding_value=0.0)
    """,
    "minigrad.optim": """
        Adam(params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0)
        Adagrad(params, lr=1e-2, lr_decay=0, weight_decay=0) Adadelta(params, lr=1.0, rho=0.9, eps=1e-6,
            weight_decay=0)
        Adamax(params, lr=2e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0)
        RMSprop(params, lr=1e-2, alpha=0.99, eps=1e-8, weight_decay=0, momentum=0, centered=False)
        ASGD(params, lr=1e-2, lambd=1e-4, alpha=0.75, t0=1e6, weight_decay=0)
        Rprop(params, lr=1e-2, etas=(0.5, 1.2), step_sizes=(1e-6, 50))
        LBFGS(params, lr=1, max_iter=20, max_eval=None, tolerance_grad=1e-5, tolerance_change=1e-9,
            history_size=100, line_search_fn=None)
        Optimizer(params, defaults)
    """,
    "minigrad.optim.lr_scheduler": """
        LambdaLR(optimizer, lr_lambda, last_epoch=-1) StepLR(optimizer, step_size, gamma=0.1, last_epoch=-1)
        MultiStepLR(optimizer, milestones, gamma=0.1, last_epoch=-1) ExponentialLR(optimizer, gamma, last_epoch=-1)
        CosineAnnealingLR(optimizer, T_max, eta_min=0, last_epoch=-1)
        ReduceLROnPlateau(optimizer, mode='min', factor=0.1, patience=10, verbose=False, threshold=1e-4,
            threshold_mode='rel', cooldown=0, min_lr=0, eps=1e-8)
    """,
    "minigrad.utils.data": """
        TensorDataset(data_tensor, target_tensor) ConcatDataset(datasets) default_collate(batch)
        DataLoader(dataset, batch_size=1, shuffle=False, sampler=None, batch_sampler=None, num_workers=0,
            collate_fn=default_collate, pin_memory=False, drop_last=False)
    """,
    "minigrad.utils.data.sampler": """
        SequentialSampler(data_source) RandomSampler(data_source) SubsetRandomSampler(indices)
        WeightedRandomSampler(weights, num_samples, replacement=True) BatchSampler(sampler, batch_size, drop_last)
    """,
    "minigrad.cuda": """
        is_available() device_count() current_device() set_device(device) device(idx) device_of(obj) synchronize()
        empty_cache() get_device_name(device) get_device_capability(device) current_stream() stream(stream)
        manual_seed(seed) manual_seed_all(seed) seed() seed_all()
    """,
    "minigrad.backends.cudnn": "is_acceptable(tensor) version()",
}  # fmt: skip
# Written as names only: their arguments are free (`*sizes`), or nothing but objects.
NAMES = {
    "minigrad": """
        set_default_tensor_type Generator default_generator manual_seed initial_seed get_rng_state set_rng_state
        get_num_threads set_num_threads save load
    """,
    "minigrad.tensor.random": "fork_rng manual_seed initial_seed",
    "minigrad.autograd.function": "Function NestedIOFunction once_differentiable",
    "minigrad.autograd.variable": "Variable",
    "minigrad.autograd.gradcheck": "get_analytical_jacobian zero_gradients contiguous",
    "minigrad.nn": "Module Sequential RNN",
    "minigrad.nn.functional": "tanh sigmoid",
    "minigrad.nn.parameter": "Parameter",
    "minigrad.optim": "SGD",
    "minigrad.serialization": "SourceChangeWarning save load",
    "minigrad.cuda": """
        Stream Event get_rng_state set_rng_state get_rng_state_all set_rng_state_all FloatTensor LongTensor FloatStorage
    """,
    "minigrad.utils.data": "Dataset",
    "minigrad.utils.data.sampler": "Sampler",
    "minigrad.backends.cudnn": "enabled benchmark flags",
    "minigrad.utils.backcompat": "keepdim_warning broadcast_warning",
}
METHODS = {
    "minigrad.nn.Module": """
        forward register_buffer register_parameter add_module parameters named_parameters children named_children
        modules named_modules state_dict load_state_dict apply train eval zero_grad type float double half cpu cuda
        share_memory register_forward_pre_hook register_forward_hook register_backward_hook __call__ __dir__
    """,
    "minigrad.nn.Sequential": "__getitem__ __len__",
    "minigrad.nn.ModuleList": "__getitem__ __setitem__ __len__ __iter__ __iadd__ append extend",
    "minigrad.nn.ParameterList": "__getitem__ __setitem__ __len__ __iter__ __iadd__ append extend",
    "minigrad.nn.LSTM": "all_weights flatten_parameters reset_parameters",
    "minigrad.optim.Optimizer": "add_param_group zero_grad step state_dict load_state_dict",
    "minigrad.autograd.profiler.profile": "table key_averages total_average export_chrome_trace",
    "minigrad.cuda.Stream": "wait_event wait_stream record_event query synchronize",
    "minigrad.cuda.Event": "record wait query synchronize elapsed_time",
    "minigrad.Generator": "get_state set_state manual_seed seed initial_seed",
    "minigrad.FloatStorage": """
        size fill_ copy_ resize_ new clone tolist element_size data_ptr type float double half long int short char byte
        cpu cuda _cdata __len__ __getitem__ __setitem__ is_cuda is_pinned is_shared pin_memory share_memory_
    """,
}


def calls(text):
    """The calls in a text: `f(a, b=1) g(x)` gives (name, arguments) pairs."""
    return re.findall(r"(\w+)\(((?:[^()]|\([^()]*\))*)\)", " ".join(text.split()))


def thing(module, name):
    return getattr(importlib.import_module(module), name)


@pytest.mark.parametrize(("module", "name", "arguments"), [(m, *c) for m, text in CALLS.items() for c in calls(text)])
def test_calls(module, name, arguments):
    """Arguments have the era's names, order and defaults; a documented signature stands where Python shows none."""
    found = inspect.signature(thing(module, name)).parameters.values()
    wanted = inspect.signature(eval(f"lambda {arguments}: 0", {"default_collate": torch.utils.data.default_collate}))
    shown = [p for p in found if p.kind in (p.POSITIONAL_OR_KEYWORD, p.POSITIONAL_ONLY)]
    for parameter, expected in zip(shown, wanted.parameters.values()):
        assert parameter.name == expected.name
        assert parameter.default == expected.default or expected.default is expected.empty
    assert len(shown) >= len(wanted.parameters) or any(p.kind is p.VAR_POSITIONAL for p in found)
    assert all(p.default is not p.empty for p in shown[len(wanted.parameters) :])


@pytest.mark.parametrize(("module", "name"), [(m, n) for m, text in NAMES.items() for n in text.split()])
def test_names(module, name):
    assert hasattr(importlib.import_module(module), name)


@pytest.mark.parametrize(("path", "name"), [(p, n) for p, text in METHODS.items() for n in text.split()])
def test_methods(path, name):
    assert hasattr(thing(*path.rsplit(".", 1)), name)


def test_every_public_name_says_what_it_does():
    for module in {*CALLS, *NAMES}:
        for name, _ in calls(CALLS.get(module, "")):
            assert inspect.getdoc(thing(module, name)), f"{module}.{name} has no docstring"


@pytest.mark.parametrize("name", [name for name, _ in calls(CALLS["minigrad.nn"])] + ["RNN", "Sequential"])
def test_layers_say_what_goes_in_and_out(name):
    """Sizes, such as `(N, C)` or `(*)`; what only holds other things, and parameters, have none."""
    if name not in ("Parameter", "ModuleList", "ParameterList", "DataParallel", "Sequential"):
        assert re.search(r"\([\w*]+(, ?[\w* ]+)*\)| x \w", inspect.getdoc(getattr(torch.nn, name)).partition(": ")[2])


@pytest.mark.parametrize("row", table.values(), ids=lambda row: row.name)
def test_rows(row):
    """Each row of the table says what it computes and of what sizes, has samples, and is proven to second order or says
    why not."""
    assert row.doc
    assert row.samples
    assert row.order == 2 or row.why


def test_pages(capsys):
    assert reference.main([]) == 0, capsys.readouterr().out


def test_a_changed_docstring_is_noticed(monkeypatch, capsys):
    monkeypatch.setattr(torch.nn.Linear, "__doc__", "Linear(in_features, out_features, bias=True): something else.")
    assert reference.main([]) == 1
    assert "docs/reference/nn.md" in capsys.readouterr().out
