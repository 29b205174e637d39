"""Warnings that point at the line of the user's program, however deep below it they arise."""

import sys
import warnings

# What can stand between this package's frames: NumPy's errstate and contextlib's decorators call back into it.
NOT_THE_USER = {"minigrad", "numpy", "contextlib"}


def warn(text, category=UserWarning):
    """A warning at the line that led here: that of the first frame outside of this package."""
    level, frame = 2, sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").split(".")[0] in NOT_THE_USER:
        level, frame = level + 1, frame.f_back
    warnings.warn(text, category, stacklevel=level)
