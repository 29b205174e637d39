"""The era's helpers for arguments that are one number or several, such as sizes along two dimensions."""

from collections.abc import Iterable
from itertools import repeat


def _ntuple(n):
    """A function that makes an n-tuple of one number, and leaves what is iterable as it is."""

    def parse(x):
        return x if isinstance(x, Iterable) else tuple(repeat(x, n))

    return parse


_single, _pair, _triple, _quadruple = map(_ntuple, (1, 2, 3, 4))
