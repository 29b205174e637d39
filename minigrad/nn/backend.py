"""`Module._backend`: the functions behind layers, which scripts with layers of their own call on `self`.

`self._backend.LSTMCell(x, (h, c), w_ih, w_hh, b_ih, b_hh)` and
`self._backend.Embedding.apply(indices, weight, padding_idx, max_norm, norm_type, scale_grad_by_freq, sparse)`.
"""

from minigrad.nn import functional
from minigrad.nn._functions.rnn import GRUCell, LSTMCell, RNNReLUCell, RNNTanhCell
from minigrad.nn.module import Module


class Embedding:
    """The lookup of nn.Embedding with its options in order; a padding_idx below 0 means none."""

    @staticmethod
    def apply(indices, weight, padding_idx=-1, max_norm=None, norm_type=2, scale_grad_by_freq=False, sparse=False):
        """Row indices[i] of weight for each i."""
        padding_idx = None if padding_idx is None or padding_idx < 0 else padding_idx
        return functional._looked_up("Embedding", indices, weight, padding_idx, max_norm, norm_type, scale_grad_by_freq)


class Backend:
    """The functions by the names that the era gave them."""

    Embedding = Embedding
    RNNReLUCell, RNNTanhCell = staticmethod(RNNReLUCell), staticmethod(RNNTanhCell)
    LSTMCell, GRUCell = staticmethod(LSTMCell), staticmethod(GRUCell)

    def __getattr__(self, name):
        there = [n for n in dir(type(self)) if not n.startswith("_")]
        raise AttributeError(f"_backend has no {name!r} here, only {', '.join(there)}; see torch.nn.functional")


Module._backend = Backend()
