"""What the era's layers computed with, under the paths that scripts with layers of their own import it from."""

from minigrad.nn._functions import rnn, thnn

__all__ = ["rnn", "thnn"]
