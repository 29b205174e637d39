from collections.abc import Sequence
from typing import Any, Literal, SupportsIndex, TypeAlias, final

import numpy as np
from numpy.typing import NDArray

_Kind: TypeAlias = Literal["RNN_TANH", "RNN_RELU", "LSTM", "GRU"]
_Array: TypeAlias = NDArray[Any]
_Steps: TypeAlias = NDArray[np.int64] | None

KINDS: tuple[_Kind, ...]

def set_num_threads(n: SupportsIndex) -> None: ...
def get_num_threads() -> int: ...

@final
class SavedSequence:
    @property
    def kind(self) -> _Kind: ...

def forward(
    kind: _Kind,
    gx: _Array,
    h0: _Array,
    c0: _Array | None,
    w_hh: _Array,
    b_hh: _Array | None,
    batch_sizes: _Steps = None,
    reverse: bool = False,
) -> tuple[_Array, _Array, _Array | None, SavedSequence]: ...
def backward(
    kind: _Kind,
    saved: SavedSequence,
    d_h: _Array | None = None,
    d_hn: _Array | None = None,
    d_cn: _Array | None = None,
) -> tuple[_Array, _Array, _Array, _Array | None, _Array]: ...
def layer_forward(
    kind: _Kind,
    x: _Array,
    h0: _Array,
    c0: _Array | None,
    w_ih: _Array,
    w_hh: _Array,
    b_ih: _Array | None,
    b_hh: _Array | None,
    batch_sizes: _Steps = None,
    reverse: bool = False,
    save: bool = True,
) -> tuple[_Array, _Array, _Array | None, SavedSequence | None]: ...
def layer_backward(
    kind: _Kind,
    saved: SavedSequence,
    d_h: _Array | None,
    d_hn: _Array | None,
    d_cn: _Array | None,
    needs: Sequence[bool],
) -> tuple[_Array | None, _Array | None, _Array | None, _Array | None, _Array | None, _Array | None, _Array | None]: ...
def stack_forward(
    kind: _Kind,
    x: _Array,
    h0: _Array | None,
    c0: _Array | None,
    weights: tuple[_Array | None, ...],
    batch_sizes: _Steps = None,
    directions: int = 1,
    save: bool = True,
) -> tuple[_Array, _Array, _Array | None, SavedSequence | None]: ...
def stack_backward(
    saved: SavedSequence,
    d_output: _Array | None,
    d_hn: _Array | None,
    d_cn: _Array | None,
    needs: tuple[bool, ...],
) -> tuple[_Array | None, ...]: ...
