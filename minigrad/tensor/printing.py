"""The text of a tensor, laid out as PyTorch 0.3 laid it out.

Three steps: `_number_format` looks at every value once and picks one number format for the whole tensor; `_vector`,
`_matrix` and `_blocks` lay out 1-D, 2-D and N-d tensors with it; `format_tensor` adds the closing line. Only numbers
that are printed are turned into text, so a large tensor costs a few vectorised passes and no more.

The text is meant to match the printed pages of the era character for character. Blanks at line ends and a few
irregularities are therefore deliberate; each is named where it is made.
"""

import math
import numbers
from dataclasses import dataclass, replace
from itertools import product

import numpy as np

__all__ = ["PrintOptions", "format_storage", "format_tensor", "get_printoptions", "set_printoptions"]

_HORIZONTAL_DOTS = "..."
_VERTICAL_DOTS = "\u22ee"
_DIAGONAL_DOTS = "\u22f1"
# The gap between the column halves of a matrix, without the blanks beside it.
_GAP_WIDTH = 5
# Smallest integer s with 10**s > 0 in double precision: a common factor below it would be zero.
_SMALLEST_LOG_SCALE = math.ceil(math.log10(math.ulp(0.0)))


@dataclass(frozen=True)
class PrintOptions:
    """What `set_printoptions` sets; the defaults are those of the profile `default`.

    precision: digits after the point. threshold: number of elements from which a tensor is shortened.
    edgeitems: how many items a shortened dimension keeps at each end. linewidth: characters a line may take.
    """

    precision: int = 4
    threshold: float = 1000
    edgeitems: int = 3
    linewidth: int = 80


_PROFILES = {
    "default": PrintOptions(),
    "short": PrintOptions(precision=2, edgeitems=2),
    "full": PrintOptions(threshold=math.inf),
}
_options = _PROFILES["default"]


def get_printoptions():
    """The `PrintOptions` in force."""
    return _options


def set_printoptions(precision=None, threshold=None, edgeitems=None, linewidth=None, profile=None):
    """Set how tensors are printed; what is None stays as it is.

    Args:
        precision: digits after the point, an int of at least 0 (default 4).
        threshold: number of elements from which a tensor is shortened to its edges, an int of at least 0 or
            `math.inf` for never (default 1000).
        edgeitems: items kept at each end of a shortened dimension, an int of at least 1 (default 3).
        linewidth: characters a line may take before a matrix is broken into blocks of columns, an int of at least
            1 (default 80).
        profile: `'default'`, `'short'` (2 digits, 2 edge items) or `'full'` (never shortened). It resets all four;
            the other arguments then apply on top of it.

    Raises:
        TypeError: an argument of the wrong type.
        ValueError: a value out of range, or an unknown profile. No option has changed then.
    """
    global _options
    given = {
        "precision": _checked_int("precision", precision, 0),
        "threshold": _checked_threshold(threshold),
        "edgeitems": _checked_int("edgeitems", edgeitems, 1),
        "linewidth": _checked_int("linewidth", linewidth, 1),
    }
    base = _options if profile is None else _checked_profile(profile)
    _options = replace(base, **{name: value for name, value in given.items() if value is not None})


def _checked_int(name, value, least):
    if value is None:
        return None
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, numbers.Integral):
        raise TypeError(f"set_printoptions: {name} must be an int, got {type(value).__name__} ({value!r})")
    if value < least:
        raise ValueError(f"set_printoptions: {name} must be at least {least}, got {value}")
    return int(value)


def _checked_threshold(value):
    if isinstance(value, (float, np.floating)):
        if value == math.inf:
            return math.inf
        raise ValueError(f"set_printoptions: threshold must be an int or math.inf, got {value!r}")
    return _checked_int("threshold", value, 0)


def _checked_profile(profile):
    if not isinstance(profile, str):
        raise TypeError(f"set_printoptions: profile must be a str, got {type(profile).__name__} ({profile!r})")
    if profile not in _PROFILES:
        raise ValueError(f"set_printoptions: profile must be one of {', '.join(map(repr, _PROFILES))}, got {profile!r}")
    return _PROFILES[profile]


def format_tensor(array, type_name, device=None):
    """The printed form of a tensor: an empty line, the numbers, and a line with type and size.

    Args:
        array: real numbers; a NumPy array or what `np.asarray` takes.
        type_name: such as `'minigrad.FloatTensor'`.
        device: None, or the number of the GPU that holds the tensor.

    Raises:
        TypeError: `array` does not hold real numbers.

    >>> print(format_tensor([[1, 2.5], [-3, 4]], "minigrad.FloatTensor"), end="")
    <BLANKLINE>
     1.0000  2.5000
    -3.0000  4.0000
    [minigrad.FloatTensor of size 2x2]
    """
    array = _real_array(array)
    if array.size == 0:
        return f"[{type_name} with no dimension]\n"
    array = np.atleast_1d(array)
    lines = {1: _vector, 2: _matrix}.get(array.ndim, _blocks)(array)
    size = "x".join(map(str, array.shape))
    gpu = "" if device is None else f" (GPU {device})"
    return "\n".join(["", *lines, f"[{type_name} of size {size}{gpu}]", ""])


def format_storage(array, type_name, device=None):
    """The printed form of a storage: one element a line at full precision, then a line with type and size.

    >>> print(format_storage(np.float32([1, 2.5]), "minigrad.FloatStorage"))
     1.0
     2.5
    [minigrad.FloatStorage of size 2]
    """
    values = _real_array(array).ravel().tolist()
    gpu = "" if device is None else f" (GPU {device})"
    return "\n".join([*(f" {value}" for value in values), f"[{type_name} of size {len(values)}{gpu}]"])


def _real_array(array):
    array = np.asarray(array)
    if array.dtype.kind not in "biuf":
        raise TypeError(f"cannot print an array of {array.dtype}: expected integers or floating-point numbers")
    return array


# --- One format for all numbers -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _NumberFormat:
    spec: str  # as in format(value, spec)
    width: int  # of a column
    factor: float = 1.0  # printed once above the numbers, which are divided by it

    def row(self, values):
        return " ".join(format(value / self.factor, self.spec) for value in values.tolist())

    @property
    def heading(self):
        return [] if self.factor == 1 else [f"{self.factor:.5e} *"]

    @property
    def indent(self):
        return "" if self.factor == 1 else " "


def _number_format(array, least_width=2):
    """The format for all numbers of `array`, chosen from every value, printed or not."""
    smallest, largest, integral, finite = _statistics(array)
    low, high = _digits_before_point(smallest), _digits_before_point(largest)
    precision = _options.precision
    if not finite:
        least_width = max(least_width, 3)
    if integral:
        if high > precision + 1:
            return _NumberFormat(f"11.{precision}e", max(least_width, precision + 7))
        width = max(least_width, high + 1)
        return _NumberFormat(f"{width}.0f", width)
    if high - low > precision:
        three_digit_exponent = max(abs(low), abs(high)) > 99
        width = max(least_width, precision + 7 + three_digit_exponent)
        return _NumberFormat(f"{width}.{precision}e", width)
    if high > precision + 1 or high < 0:
        width = max(least_width, 7)
        factor = math.pow(10, max(high - 1, _SMALLEST_LOG_SCALE))
        return _NumberFormat(f"{width}.{precision}f", width, factor)
    width = max(least_width, 7, high + 6)
    return _NumberFormat(f"{width}.{precision}f", width)


def _statistics(array):
    """Smallest and largest magnitude, whether all are whole numbers (of the finite values), whether all are finite."""
    if array.dtype.kind == "f":
        magnitude = np.abs(array)
        finite = np.isfinite(magnitude)
        all_finite = bool(finite.all())
        if not all_finite:
            magnitude = magnitude[finite]
        if magnitude.size == 0:
            return 0.0, 0.0, True, all_finite
        integral = bool((np.floor(magnitude) == magnitude).all())
    else:
        # In double precision, because the magnitude of the least integer does not fit its own type.
        magnitude = np.abs(array, dtype=np.float64) if array.dtype.kind != "b" else array
        integral = all_finite = True
    return float(magnitude.min()), float(magnitude.max()), integral, all_finite


def _digits_before_point(magnitude):
    """floor(log10) + 1, which for 0.05 is -1; a zero counts as a one-digit number."""
    return 1 if magnitude == 0 else math.floor(math.log10(magnitude)) + 1


# --- Layout ---------------------------------------------------------------------------------------------------------


def _is_shortened(array):
    return array.size >= _options.threshold


def _is_cut(size):
    return size > 2 * _options.edgeitems


def _centred(text, width):
    # str.center puts an odd blank on the other side.
    return f"{text:^{width}}"


def _vector(vector):
    style = _number_format(vector)
    edge = _options.edgeitems

    def rows(part):
        return [style.indent + style.row(part[i : i + 1]) for i in range(len(part))]

    if not (_is_shortened(vector) and _is_cut(len(vector))):
        return style.heading + rows(vector)
    dots = style.indent + _centred(_VERTICAL_DOTS, style.width)
    return [*style.heading, *rows(vector[:edge]), dots, *rows(vector[-edge:])]


def _matrix(matrix):
    cut = any(map(_is_cut, matrix.shape))
    style = _number_format(matrix, least_width=5 if cut else 2)
    return _matrix_lines(matrix, style, "", _is_shortened(matrix) and cut)


def _matrix_lines(matrix, style, indent, shortened):
    return _shortened_matrix(matrix, style, indent) if shortened else _whole_matrix(matrix, style, indent)


def _whole_matrix(matrix, style, indent):
    """All columns, broken into headed blocks when a line cannot hold them."""
    columns = matrix.shape[1]
    per_line = max(1, (_options.linewidth - len(indent)) // (style.width + 1))
    lines = []
    for first in range(0, columns, per_line):
        block = matrix[:, first : first + per_line]
        block_lines = style.heading + [indent + style.indent + style.row(row) for row in block]
        if per_line < columns:
            lines += ["", f"Columns {first} to {first + block.shape[1] - 1} "]
            # The era indented once more whatever followed the heading, so that in an N-d tensor the first row of
            # each block stands one blank to the right of the others.
            block_lines[0] = indent + block_lines[0]
        lines += block_lines
    return lines


def _shortened_matrix(matrix, style, indent):
    """The edges of a matrix. Here, unlike in a whole one, a common factor does not indent the rows."""
    edge = _options.edgeitems
    cut_rows, cut_columns = map(_is_cut, matrix.shape)

    def line(row):
        if not cut_columns:
            return indent + style.row(row)
        return indent + style.row(row[:edge]) + f" {_centred(_HORIZONTAL_DOTS, _GAP_WIDTH)} " + style.row(row[-edge:])

    if not cut_rows:
        return style.heading + [line(row) for row in matrix]
    top, bottom = [[line(row) for row in part] for part in (matrix[:edge], matrix[-edge:])]
    if cut_columns:
        half = _centred(_HORIZONTAL_DOTS, (style.width + 1) * edge - 1)
        dots = indent + " ".join([half, _centred(_DIAGONAL_DOTS, _GAP_WIDTH), half])
    else:
        # The era counted the line end as part of the row when it centred these dots.
        dots = _centred(_VERTICAL_DOTS, len(top[0]) + 1)
    return [*style.heading, *top, dots, *bottom]


def _blocks(array):
    """The matrices of an N-d tensor, one after the other, each under its leading indices."""
    leading = array.shape[:-2]
    shortened = _is_shortened(array)
    style = _number_format(array, least_width=3 if any(map(_is_cut, array.shape[-2:])) else 2)
    index_width = max(2, *(len(str(size)) for size in array.shape))
    lines, previous = [], None
    for index in product(*(_kept_indices(size, shortened) for size in leading)):
        if previous is not None:
            lines += _dots_between(previous, index, index_width) if shortened else []
            lines.append("")
        lines.append(f"({','.join(_centred(i, index_width) for i in index)},.,.) = ")
        lines += _matrix_lines(array[index], style, " ", shortened)
        previous = index
    return lines


def _kept_indices(size, shortened):
    if not (shortened and _is_cut(size)):
        return range(size)
    edge = _options.edgeitems
    return [*range(edge), *range(size - edge, size)]


def _dots_between(previous, index, index_width):
    """The lines between two blocks of a shortened tensor: `...` under an index that jumped over others, then a
    vertical ellipsis under each index that ran out and started again (one of size 1 does so every time)."""
    advanced = next(i for i, (old, new) in enumerate(zip(previous, index)) if old != new)
    restarted = range(advanced + 1, len(index))

    def line(mark, positions):
        return "".join(_centred(mark if i in positions else "", index_width + 1) for i in range(len(index)))

    lines = []
    if index[advanced] > previous[advanced] + 1:
        lines.append(line(_HORIZONTAL_DOTS, [advanced]))
    if restarted:
        lines.append(" " + line(_VERTICAL_DOTS, restarted))
    return lines
