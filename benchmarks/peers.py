"""The libraries that benchmarks/rnn.py times. Each takes a case, PyTorch's weights by name, the input and the threads.

`forward()`, `train()` and `train_input()` run once; `result(part)` says what that computed, as NumPy arrays by name;
`takes(case)` whether the library has such a thing.
"""

import os

import numpy as np


class _Eager:
    """minigrad and PyTorch: networks whose parameters have a grad, and the same calls."""

    def __init__(self, case, weights, x, threads):
        self.case = case
        self.net = self.network(case)
        for name, p in self.net.named_parameters():
            p.data.copy_(self.tensor(weights[name if "_l" in name else f"{name}_l0"]))
        self.parameters = list(self.net.parameters())
        self.plain, self.wanted = self.given(x, False), self.given(x, True)

    @staticmethod
    def takes(case):
        return True

    def network(self, case):
        if case.form == "cell":
            zeros = self.leaf(np.zeros((case.batch, case.hidden_size), case.dtype), False)
            self.start = (zeros, zeros) if case.kind == "LSTM" else zeros
            net = getattr(self.nn, f"{case.kind}Cell")(case.input_size, case.hidden_size)
        else:
            net = getattr(self.nn, case.kind)(
                case.input_size, case.hidden_size, case.layers, bidirectional=case.bidirectional
            )
        return net.double() if case.dtype == "float64" else net

    def named_grads(self):
        return {name if "_l" in name else f"{name}_l0": p.grad for name, p in self.net.named_parameters()}

    def given(self, x, requires_grad):
        """(the leaf, what the network is called with)."""
        if self.case.form == "packed":
            rows = np.concatenate([x[t, : self._alive(t)] for t in range(self.case.steps)])
            leaf = self.leaf(rows, requires_grad)
            return leaf, self.packed(leaf, [self._alive(t) for t in range(self.case.steps)])
        leaf = self.leaf(x, requires_grad)
        return leaf, leaf

    def _alive(self, step):
        return sum(length > step for length in self.case.lengths())

    def call(self, x):
        if self.case.form == "cell":
            return self.loop(x)
        output = self.net(x)[0]
        return output.data if self.case.form == "packed" else output

    def loop(self, x):
        """The cell over the steps; the sum of what it gives is that of the states."""
        hidden, total = self.start, None
        for step in x:
            hidden = self.net(step, hidden)
            h = hidden[0] if self.case.kind == "LSTM" else hidden
            total = h if total is None else total + h
        return total

    def _train(self, given):
        leaf, x = given
        for p in self.parameters:
            p.grad = None
        leaf.grad = None
        self.call(x).sum().backward()

    def train(self):
        self._train(self.plain)

    def train_input(self):
        self._train(self.wanted)

    def result(self, part):
        if part == "forward":
            return {"output": self.numbers(self.forward())}
        getattr(self, part)()
        found = {name: self.numbers(g) for name, g in self.named_grads().items()}
        if part == "train_input":
            found["x"] = self.numbers(self.wanted[0].grad)
        return found


class Minigrad(_Eager):
    def __init__(self, case, weights, x, threads):
        import minigrad
        from minigrad.autograd import Variable

        self.minigrad, self.nn, self.Variable = minigrad, minigrad.nn, Variable
        super().__init__(case, weights, x, threads)

    def tensor(self, array):
        return self.minigrad.from_numpy(array)

    def leaf(self, array, requires_grad):
        return self.Variable(self.tensor(array), requires_grad=requires_grad)

    def packed(self, rows, batch_sizes):
        from minigrad.nn.utils.rnn import PackedSequence

        return PackedSequence(rows, batch_sizes)

    def forward(self):
        if not hasattr(self, "volatile"):
            rows = self.Variable(self.plain[0].data, volatile=True)
            self.volatile = self.packed(rows, self.plain[1].batch_sizes) if self.case.form == "packed" else rows
        return self.call(self.volatile)

    @staticmethod
    def numbers(v):
        return v.data.numpy()


class Torch(_Eager):
    needs = ("torch",)

    def __init__(self, case, weights, x, threads):
        import torch

        torch.set_num_threads(threads)
        self.torch, self.nn = torch, torch.nn
        super().__init__(case, weights, x, threads)

    def tensor(self, array):
        return self.torch.from_numpy(array)

    def leaf(self, array, requires_grad):
        return self.tensor(array.copy()).requires_grad_(requires_grad)

    def packed(self, rows, batch_sizes):
        return self.torch.nn.utils.rnn.PackedSequence(rows, self.torch.tensor(batch_sizes))

    def forward(self):
        with self.torch.no_grad():
            return self.call(self.plain[1])

    @staticmethod
    def numbers(v):
        return v.detach().numpy()


class Jax:
    """jit of lax.scan over the steps, the input's projection outside of it."""

    needs = ("jax",)

    @staticmethod
    def takes(case):
        return not case.form

    def __init__(self, case, weights, x, threads):
        if threads == 1:
            os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false")
        import jax

        if case.dtype == "float64":
            jax.config.update("jax_enable_x64", True)
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
        self.both_gradients = jax.jit(jax.grad(lambda w, x: net(w, x).sum(), argnums=(0, 1)))

    def forward(self):
        return self.jax.block_until_ready(self.net(self.weights, self.x))

    def train(self):
        return self.jax.block_until_ready(self.gradient(self.weights, self.x))

    def train_input(self):
        return self.jax.block_until_ready(self.both_gradients(self.weights, self.x))

    def result(self, part):
        if part == "forward":
            return {"output": np.asarray(self.forward())}
        if part == "train_input":
            weights, x = self.train_input()
            return {"x": np.asarray(x), **{name: np.asarray(g) for name, g in weights.items()}}
        return {name: np.asarray(g) for name, g in self.train().items()}


class OnnxRuntime:
    """Inference only."""

    needs = ("onnxruntime", "onnx")

    @staticmethod
    def takes(case):
        return not case.form and case.dtype == "float32"

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
