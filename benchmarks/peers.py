"""The libraries that benchmarks/rnn.py times. Each takes a case, PyTorch's weights by name, the input and the threads.

`forward()` and `train()` run once; `result(part)` says what that computed, as NumPy arrays by name.
"""

import os

import numpy as np


class Minigrad:
    def __init__(self, case, weights, x, threads):
        import minigrad
        from minigrad import nn
        from minigrad.autograd import Variable

        self.net = getattr(nn, case.kind)(
            case.input_size, case.hidden_size, case.layers, bidirectional=case.bidirectional
        )
        for name, p in self.net.named_parameters():
            p.data.copy_(minigrad.from_numpy(weights[name]))
        self.x = Variable(minigrad.from_numpy(x))
        self.volatile = Variable(minigrad.from_numpy(x), volatile=True)
        self.parameters = list(self.net.parameters())

    def forward(self):
        return self.net(self.volatile)[0]

    def train(self):
        for p in self.parameters:
            p.grad = None
        self.net(self.x)[0].sum().backward()

    def result(self, part):
        if part == "forward":
            return {"output": self.forward().data.numpy()}
        self.train()
        return {name: p.grad.data.numpy() for name, p in self.net.named_parameters()}


class Torch:
    needs = ("torch",)

    def __init__(self, case, weights, x, threads):
        import torch

        torch.set_num_threads(threads)
        self.torch = torch
        self.net = getattr(torch.nn, case.kind)(
            case.input_size, case.hidden_size, case.layers, bidirectional=case.bidirectional
        )
        self.net.load_state_dict({name: torch.from_numpy(w) for name, w in weights.items()})
        self.x = torch.from_numpy(x)
        self.parameters = list(self.net.parameters())

    def forward(self):
        with self.torch.no_grad():
            return self.net(self.x)[0]

    def train(self):
        for p in self.parameters:
            p.grad = None
        self.net(self.x)[0].sum().backward()

    def result(self, part):
        if part == "forward":
            return {"output": self.forward().numpy()}
        self.train()
        return {name: p.grad.numpy() for name, p in self.net.named_parameters()}


class Jax:
    """jit of lax.scan over the steps, the input's projection outside of it."""

    needs = ("jax",)

    def __init__(self, case, weights, x, threads):
        if threads == 1:
            os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false")
        import jax

        self.jax, jnp = jax, jax.numpy
        sigmoid, tanh = jax.nn.sigmoid, jnp.tanh

        def lstm(carry, gates):
            i, f, g, o = jnp.split(gates(carry[0]), 4, -1)
            c = sigmoid(f) * carry[1] + sigmoid(i) * tanh(g)
            return sigmoid(o) * tanh(c), c

        def layer(w, suffix, x, reverse):
            w_ih, w_hh, b_ih, b_hh = (w[f"{n}_{suffix}"] for n in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"))
            h0 = jnp.zeros((x.shape[1], w_hh.shape[1]), x.dtype)
            if case.kind == "GRU":
                projected = x @ w_ih.T + b_ih

                def step(h, p):
                    (r, z, n), (hr, hz, hn) = jnp.split(p, 3, -1), jnp.split(h @ w_hh.T + b_hh, 3, -1)
                    z = sigmoid(z + hz)
                    h = (1 - z) * tanh(n + sigmoid(r + hr) * hn) + z * h
                    return h, h

                return jax.lax.scan(step, h0, projected, reverse=reverse)[1]
            projected = x @ w_ih.T + (b_ih + b_hh)
            if case.kind == "RNN":

                def step(h, p):
                    h = tanh(p + h @ w_hh.T)
                    return h, h

                return jax.lax.scan(step, h0, projected, reverse=reverse)[1]

            def step(carry, p):
                carry = lstm(carry, lambda h: p + h @ w_hh.T)
                return carry, carry[0]

            return jax.lax.scan(step, (h0, h0), projected, reverse=reverse)[1]

        def net(w, x):
            for k in range(case.layers):
                out = [layer(w, f"l{k}", x, False)]
                if case.bidirectional:
                    out.append(layer(w, f"l{k}_reverse", x, True))
                x = jnp.concatenate(out, -1)
            return x

        self.weights, self.x = jax.device_put(weights), jax.device_put(x)
        self.net = jax.jit(net)
        self.gradient = jax.jit(jax.grad(lambda w, x: net(w, x).sum()))

    def forward(self):
        return self.jax.block_until_ready(self.net(self.weights, self.x))

    def train(self):
        return self.jax.block_until_ready(self.gradient(self.weights, self.x))

    def result(self, part):
        if part == "forward":
            return {"output": np.asarray(self.forward())}
        return {name: np.asarray(g) for name, g in self.train().items()}


class OnnxRuntime:
    """Inference only."""

    needs = ("onnxruntime", "onnx")

    def __init__(self, case, weights, x, threads):
        import onnx
        import onnxruntime
        from onnx import TensorProto, helper, numpy_helper

        suffixes = ["", "_reverse"][: 1 + case.bidirectional]
        nodes, constants, source = [], [], "x"
        constants.append(numpy_helper.from_array(np.array([0, 0, -1], np.int64), "flat"))
        options = {"direction": "bidirectional"} if case.bidirectional else {}
        if case.kind == "GRU":
            options["linear_before_reset"] = 1
        for k in range(case.layers):
            parts = {
                name: np.stack([_gates(case.kind, weights[f"{name}_l{k}{s}"]) for s in suffixes])
                for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
            }
            bias = np.concatenate([parts.pop("bias_ih"), parts.pop("bias_hh")], 1)
            names = [f"W{k}", f"R{k}", f"B{k}"]
            constants += map(numpy_helper.from_array, [*parts.values(), bias], names)
            nodes += [
                helper.make_node(case.kind, [source, *names], [f"steps{k}"], hidden_size=case.hidden_size, **options),
                helper.make_node("Transpose", [f"steps{k}"], [f"turned{k}"], perm=[0, 2, 1, 3]),
                helper.make_node("Reshape", [f"turned{k}", "flat"], [f"out{k}"]),
            ]
            source = f"out{k}"
        value = lambda name, size: helper.make_tensor_value_info(name, TensorProto.FLOAT, size)
        graph = helper.make_graph(nodes, "net", [value("x", x.shape)], [value(source, [None] * 3)], constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        onnx.checker.check_model(model)
        settings = onnxruntime.SessionOptions()
        settings.intra_op_num_threads, settings.inter_op_num_threads = threads, 1
        self.session = onnxruntime.InferenceSession(
            model.SerializeToString(), settings, providers=["CPUExecutionProvider"]
        )
        self.feed = {"x": x}

    def forward(self):
        return self.session.run(None, self.feed)[0]

    def result(self, part):
        return {"output": self.forward()}


def _gates(kind, weight):
    """PyTorch's gates in ONNX's order: i f g o as i o f g, r z n as z r n."""
    order = {"RNN": [0], "GRU": [1, 0, 2], "LSTM": [0, 3, 1, 2]}[kind]
    parts = np.split(weight, len(order))
    return np.concatenate([parts[k] for k in order])
