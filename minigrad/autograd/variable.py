"""The era's path to Variable; the class itself is in `minigrad._core`."""

from minigrad._core import Variable

__all__ = ["Variable"]
