"""Write small files as PyTorch saves them, for `tests/test_serialization_formats.py`.

    python tests/golden/make_checkpoints.py        # needs torch; writes checkpoint*.pt beside this file

The same objects in the zip layout (`checkpoint.pt`) and in the stream of before 1.6 (`checkpoint_legacy.pt`), and one
file with numbers that minigrad has no type for (`checkpoint_bfloat16.pt`).
"""

from collections import OrderedDict
from pathlib import Path

import numpy as np
import torch

HERE = Path(__file__).parent
DTYPES = ("float32", "float64", "float16", "int64", "int32", "int16", "int8", "uint8", "bool")


def contents():
    torch.manual_seed(0)
    base = torch.arange(24, dtype=torch.float32).reshape(4, 6)
    linear = torch.nn.Linear(3, 2)
    return OrderedDict(
        types={name: torch.tensor([0, 1, 2, 100]).to(getattr(torch, name)) for name in DTYPES},
        views=[base, base[1], base.t(), base[1:3, 2:5], base[::2, ::3], base[0].expand(3, 6)],
        scalar=torch.tensor(2.5),
        empty=torch.tensor([]),
        parameter=torch.nn.Parameter(torch.ones(2, 2)),
        frozen=torch.nn.Parameter(torch.ones(2), requires_grad=False),
        variable=torch.ones(3, requires_grad=True),
        state=linear.state_dict(),
        optimizer=torch.optim.Adam(linear.parameters(), lr=0.25).state_dict(),
        size=torch.Size([2, 3]),
        storage=base.storage(),
        number=np.float64(0.125),
        array=np.arange(6, dtype=np.int16).reshape(2, 3),
        plain=[None, True, -5, 2**70, 1.5, 2j, "täxt", b"\x00\xff", (1, (2,)), {3}, frozenset([4]), {"k": []}],
    )


def main():
    torch.save(contents(), HERE / "checkpoint.pt")
    torch.save(contents(), HERE / "checkpoint_legacy.pt", _use_new_zipfile_serialization=False)
    torch.save({"w": torch.ones(2, dtype=torch.bfloat16)}, HERE / "checkpoint_bfloat16.pt")


if __name__ == "__main__":
    main()
