"""Record what PyTorch's CPU generator draws, for `tests/tensor/test_random.py`.

    python tests/golden/make_random.py        # needs torch; writes random.npz beside this file

Every entry is named ``seed/draw`` and begins with `torch.manual_seed(seed)`.
"""

import warnings
from pathlib import Path

import numpy as np
import torch

SEEDS = (0, 42, 2**32 + 137)
F32, F64 = torch.float32, torch.float64
SHAPES = {"1": (1,), "5": (5,), "15": (15,), "16": (16,), "17": (17,), "100": (100,), "3x5": (3, 5)}
INTEGERS = {"uint8": 200, "int8": 100, "int16": 30000, "int32": 2**30, "int64": 2**40}

WEIGHTS = torch.arange(1, 21, dtype=F32) % 7
MEANS = torch.arange(40, dtype=F32).reshape(8, 5) / 8
STDS = MEANS.flip(0) / 4


def draws():
    """Name and function of every draw."""
    for suffix, dtype in (("", F32), ("64", F64)):
        for name, shape in SHAPES.items():
            yield f"rand{suffix}_{name}", lambda s=shape, d=dtype: torch.rand(s, dtype=d)
            yield f"randn{suffix}_{name}", lambda s=shape, d=dtype: torch.randn(s, dtype=d)
        empty = lambda *shape, d=dtype: torch.empty(*shape, dtype=d)
        yield f"uniform{suffix}", lambda e=empty: e(50).uniform_(-0.3, 0.7)
        yield f"normal{suffix}", lambda e=empty: e(50).normal_(1.5, 0.7)
        yield f"normal_small{suffix}", lambda e=empty: e(7).normal_(1.5, 0.7)
        yield f"normal_means{suffix}", lambda d=dtype: torch.normal(MEANS.to(d), 0.5)
        yield f"normal_stds{suffix}", lambda d=dtype: torch.normal(0.5, STDS.to(d))
        yield f"normal_means_stds{suffix}", lambda d=dtype: torch.normal(MEANS.to(d), STDS.to(d))
        yield f"exponential{suffix}", lambda e=empty: e(50).exponential_(2.5)
        yield f"cauchy{suffix}", lambda e=empty: e(50).cauchy_(0.5, 2.0)
        yield f"log_normal{suffix}", lambda e=empty: e(50).log_normal_(0.5, 0.3)
        yield f"bernoulli_p{suffix}", lambda d=dtype: torch.bernoulli(torch.arange(50, dtype=d) / 49)
        yield f"random{suffix}", lambda e=empty: e(50).random_()
        yield f"random_to{suffix}", lambda e=empty: e(50).random_(10)
        yield f"random_wide{suffix}", lambda e=empty: e(50).random_(-5, 2**28 - 5)
        yield f"multinomial{suffix}", lambda d=dtype: torch.multinomial(WEIGHTS.to(d), 30, replacement=True)
        yield f"multinomial_without{suffix}", lambda d=dtype: torch.multinomial(WEIGHTS.to(d), 12)
        yield f"multinomial_one{suffix}", lambda d=dtype: torch.multinomial(WEIGHTS.to(d), 1)
        yield f"multinomial_rows{suffix}", lambda d=dtype: torch.multinomial(1 + MEANS.to(d), 9, replacement=True)
        yield f"multinomial_columns{suffix}", lambda d=dtype: torch.multinomial(1 + MEANS.to(d).t(), 3)
        yield f"uniform_transposed{suffix}", lambda e=empty: e(4, 6).t().uniform_()
        yield f"bernoulli_transposed{suffix}", lambda d=dtype: torch.empty(5, 8).t().bernoulli_(MEANS.to(d) / 5)
        yield f"normal_strided{suffix}", lambda e=empty: e(3, 4, 8).permute(2, 0, 1)[:, :, ::2].normal_()
    for name, high in INTEGERS.items():
        dtype = getattr(torch, name)
        yield f"random_{name}", lambda d=dtype: torch.empty(50, dtype=d).random_()
        yield f"random_range_{name}", lambda d=dtype, h=high: torch.empty(50, dtype=d).random_(h // 3, h)
        yield f"geometric_{name}", lambda d=dtype: torch.empty(50, dtype=d).geometric_(0.3)
    yield "bernoulli", lambda: torch.empty(100).bernoulli_(0.3)
    yield "bernoulli_uint8", lambda: torch.empty(100, dtype=torch.uint8).bernoulli_(0.3)
    for n in (1, 5, 100):
        yield f"randperm_{n}", lambda n=n: torch.randperm(n)
    yield "mixed", mixed
    yield "lstm", lambda: parameters(torch.nn.LSTM(10, 20, 2, bidirectional=True))
    yield "gru", lambda: parameters(torch.nn.GRU(10, 20))
    yield "rnn", lambda: parameters(torch.nn.RNN(10, 20, 2))
    yield "rnn64", lambda: parameters(torch.nn.RNN(4, 5, dtype=F64))
    yield "linear", lambda: parameters(torch.nn.Linear(30, 7))


def mixed():
    """Odd numbers of normal values leave one in the generator, which later calls must take."""
    pieces = [torch.randn(5), torch.rand(3), torch.randn(2), torch.randn(17), torch.randn(1), torch.randperm(4)]
    pieces += [torch.randn(3, dtype=F64), torch.empty(3).log_normal_(), torch.rand(2, dtype=F64), torch.randn(15)]
    return torch.cat([piece.to(F64) for piece in pieces])


def parameters(module):
    return torch.cat([parameter.detach().reshape(-1) for parameter in module.parameters()])


def main():
    # torch warns that float32 has gaps between the integers beyond 2**24; the draws are wanted all the same.
    warnings.filterwarnings("ignore", message="to - 1 is out of bounds")
    values = {"torch_version": np.array(torch.__version__)}
    for seed in SEEDS:
        for name, draw in draws():
            torch.manual_seed(seed)
            values[f"{seed}/{name}"] = draw().contiguous().numpy()
    path = Path(__file__).with_name("random.npz")
    np.savez_compressed(path, **values)
    print(f"{path}: {len(values) - 1} draws of torch {torch.__version__}, {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
