from collections.abc import Sequence
from typing import Any, Literal, TypeAlias, final

import numpy as np
from numpy.typing import NDArray

Kind: TypeAlias = Literal["RNN_TANH", "RNN_RELU", "LSTM", "GRU"]
Array: TypeAlias = NDArray[Any]
Steps: TypeAlias = NDArray[np.int64] | None

KINDS: tuple[Kind, ...]

def available_instruction_sets() -> tuple[str, ...]: ...
def instruction_set() -> str: ...
def use_instruction_set(name: str) -> None: ...

@final
class SavedSequence:
    @property
    def kind(self) -> Kind: ...

def forward(
    kind: Kind,
    gx: Array,
    h0: Array,
    c0: Array | None,
    w_hh: Array,
    b_hh: Array | None,
    batch_sizes: Steps = None,
    reverse: bool = False,
) -> tuple[Array, Array, Array | None, SavedSequence]: ...
def backward(
    kind: Kind,
    saved: SavedSequence,
    d_h: Array | None = None,
    d_hn: Array | None = None,
    d_cn: Array | None = None,
) -> tuple[Array, Array, Array, Array | None, Array]: ...
def layer_forward(
    kind: Kind,
    x: Array,
    h0: Array,
    c0: Array | None,
    w_ih: Array,
    w_hh: Array,
    b_ih: Array | None,
    b_hh: Array | None,
    batch_sizes: Steps = None,
    reverse: bool = False,
) -> tuple[Array, Array, Array | None, SavedSequence]: ...
def layer_backward(
    kind: Kind,
    saved: SavedSequence,
    d_h: Array | None,
    d_hn: Array | None,
    d_cn: Array | None,
    needs: Sequence[bool],
) -> tuple[Array | None, Array | None, Array | None, Array | None, Array | None, Array | None, Array | None]: ...
