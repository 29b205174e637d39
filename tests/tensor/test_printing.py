"""The printed form of tensors: complete texts, character by character.

Blanks at line ends belong to the text, so expected texts are written as lists of quoted lines where they occur.
"""

import math

import numpy as np
import pytest

from minigrad.tensor import printing
from minigrad.tensor.printing import format_storage, format_tensor, get_printoptions, set_printoptions

FLOAT = "minigrad.FloatTensor"


@pytest.fixture(autouse=True)
def _default_options():
    set_printoptions(profile="default")
    yield
    set_printoptions(profile="default")


def body(array, type_name=FLOAT):
    """The lines between the empty first line and the closing line."""
    text = format_tensor(np.asarray(array), type_name)
    assert text.startswith("\n")
    assert text.endswith("]\n")
    return text[1:].splitlines()[:-1]


def numbers_in(lines):
    """One list of floats for each line that holds numbers."""
    rows = [[float(word) for word in line.split() if word != "..."] for line in lines if "\u22f1" not in line]
    return [row for row in rows if row]


def with_edges(rows, shape, fill):
    """A matrix of `shape`, `fill` inside, whose printed edges are `rows`."""
    matrix = np.full(shape, fill, dtype=np.float32)
    row_at = range(shape[0]) if len(rows) == shape[0] else [0, 1, 2, -3, -2, -1]
    for at, row in zip(row_at, rows, strict=True):
        matrix[at, :3], matrix[at, -3:] = row[:3], row[3:]
    return matrix


# --- Printed pages of the time --------------------------------------------------------------------------------------

WEIGHT_200x200 = [
    " 6.2260 -5.3805  3.5870  ...  -2.2162  6.2760  1.6760",
    "-5.1878 -4.6751 -5.5926  ...  -1.8942  0.1589  1.0725",
    " 3.3236 -3.2726  5.5399  ...   3.3193  0.2117  1.1730",
    "          ...             \u22f1             ...          ",
    " 2.4032 -3.4415  5.1036  ...  -2.2035 -0.1900 -6.4016",
    " 5.2031 -1.5793 -0.0623  ...   0.3424  6.9412  6.3707",
    "-5.4495  4.5280  2.1774  ...   1.8767  2.4968  5.3403",
]
HIDDEN_5x200 = [
    " 0.0136  0.3723  0.1704  ...   0.4306 -0.7909 -0.5306",
    "-0.2681 -0.6261 -0.3926  ...   0.1752  0.5739 -0.2061",
    "-0.4918 -0.7611  0.2787  ...   0.0854 -0.3899  0.0092",
    " 0.6050  0.1852 -0.4261  ...  -0.7220  0.6809  0.1825",
    "-0.6851  0.7273  0.5396  ...  -0.7969  0.6133 -0.0852",
]
HIDDEN_1x5x200 = [
    "  0.2012  0.0517  0.0570  ...   0.2316  0.3615 -0.1247",
    "  0.5307  0.4147  0.7881  ...  -0.4138 -0.1444  0.3602",
    "  0.0882  0.4307  0.3939  ...   0.3244 -0.4629 -0.2315",
    "  0.2868  0.7400  0.6534  ...   0.6631  0.2624 -0.0162",
    "  0.0841  0.6274  0.1840  ...   0.5800  0.8780  0.4301",
]
WEIGHT_60x20 = [
    " 0.0766 -0.0548 -0.2008  ...  -0.0250 -0.1819  0.1453",
    "-0.1676  0.1622  0.0417  ...   0.1905 -0.0071 -0.1038",
    " 0.0444 -0.1516  0.2194  ...  -0.0009  0.0771  0.0476",
    "          ...             \u22f1             ...          ",
    " 0.1698 -0.1707  0.0340  ...  -0.1315  0.1278  0.0946",
    " 0.1936  0.1369 -0.0694  ...  -0.0667  0.0429  0.1322",
    " 0.0870 -0.1884  0.1732  ...  -0.1423 -0.1723  0.2147",
]


def test_page_matrix_with_a_common_factor():
    rows = np.array(numbers_in(WEIGHT_200x200)) * 1e-2
    matrix = with_edges(rows, (200, 200), 0.03)
    expected = ["", "1.00000e-02 *", *WEIGHT_200x200, "[torch.FloatTensor of size 200x200]", ""]
    assert format_tensor(matrix, "torch.FloatTensor") == "\n".join(expected)


def test_page_matrix_with_many_columns_only():
    matrix = with_edges(numbers_in(HIDDEN_5x200), (5, 200), 0.5)
    expected = ["", *HIDDEN_5x200, "[torch.FloatTensor of size 5x200]", ""]
    assert format_tensor(matrix, "torch.FloatTensor") == "\n".join(expected)


def test_page_three_dimensions():
    matrix = with_edges(numbers_in(HIDDEN_1x5x200), (5, 200), 0.5)
    expected = ["", "( 0 ,.,.) = ", *HIDDEN_1x5x200, "[torch.FloatTensor of size 1x5x200]", ""]
    assert format_tensor(matrix[None], "torch.FloatTensor") == "\n".join(expected)


def test_page_matrix_cut_both_ways():
    matrix = with_edges(numbers_in(WEIGHT_60x20), (60, 20), 0.1)
    expected = ["", *WEIGHT_60x20, "[torch.FloatTensor of size 60x20]", ""]
    assert format_tensor(matrix, "torch.FloatTensor") == "\n".join(expected)


# --- The closing line -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("empty", [np.zeros(0), np.zeros((0, 3)), []])
def test_empty(empty):
    assert format_tensor(empty, FLOAT) == "[minigrad.FloatTensor with no dimension]\n"


def test_gpu_stands_in_the_closing_line():
    text = format_tensor([1.5], "minigrad.cuda.FloatTensor", device=1)
    assert text == "\n 1.5000\n[minigrad.cuda.FloatTensor of size 1 (GPU 1)]\n"


def test_one_number_without_dimensions_prints_as_size_one():
    assert format_tensor(np.float32(2.5), FLOAT) == format_tensor([2.5], FLOAT)


@pytest.mark.parametrize("wrong", [np.array(["a"]), np.array([1j]), np.array([None])])
def test_only_real_numbers(wrong):
    with pytest.raises(TypeError, match=str(wrong.dtype).replace("<", ".")):
        format_tensor(wrong, FLOAT)


# --- Number format --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "lines"),
    [
        # whole numbers: no decimals, one blank beside the widest magnitude
        ([1, 2, 3], [" 1", " 2", " 3"]),
        ([0.0, 0.0], [" 0", " 0"]),
        ([-0.0, 1.0], ["-0", " 1"]),
        ([1, -10, 100], ["   1", " -10", " 100"]),
        ([99999, -1], [" 99999", "    -1"]),
        # whole numbers with more than precision + 1 digits: scientific
        ([100000, -1, 0], [" 1.0000e+05", "-1.0000e+00", " 0.0000e+00"]),
        # fixed: precision decimals, width 7 or digits before the point + 6
        ([0.5, -0.25], [" 0.5000", "-0.2500"]),
        ([9.5, -1], [" 9.5000", "-1.0000"]),
        ([51.25, 512.0, 0.0625], ["  51.2500", " 512.0000", "   0.0625"]),
        ([12345.5, -12345.5], [" 12345.5000", "-12345.5000"]),
        # magnitudes more than 10**precision apart: scientific
        ([10000.5, 0.25], [" 1.0000e+04", " 2.5000e-01"]),
        ([0.5, -2e-6], [" 5.0000e-01", "-2.0000e-06"]),
        ([0.5, -2e-5], [" 0.5000", "-0.0000"]),
        # ... where a zero counts as a one-digit number
        ([0.5, 2e-6, 0.0], [" 0.5000", " 0.0000", " 0.0000"]),
        ([12345.5, 0.0], [" 12345.5000", "     0.0000"]),
        # an exponent beyond 99 takes one more place
        ([1e100, 0.5], [" 1.0000e+100", "  5.0000e-01"]),
        ([1e-120, 0.5], [" 1.0000e-120", "  5.0000e-01"]),
        ([1e98, 0.5], [" 1.0000e+98", " 5.0000e-01"]),
        # ... and already 1e99, a number of a hundred digits
        ([1e99, 0.5], ["  1.0000e+99", "  5.0000e-01"]),
        # a common factor for numbers all large or all small; the rows gain a blank
        ([123456.5, -200000], ["1.00000e+05 *", "  1.2346", " -2.0000"]),
        ([0.0625, -0.03125], ["1.00000e-02 *", "  6.2500", " -3.1250"]),
        ([0.0, 5e-30], ["1.00000e-30 *", "  0.0000", "  5.0000"]),
        # ... but not from 0.1 on
        ([0.125, -0.5], [" 0.1250", "-0.5000"]),
        ([0.1, 0.2], [" 0.1000", " 0.2000"]),
    ],
)
def test_number_format(values, lines):
    assert body(values) == lines


@pytest.mark.parametrize(
    ("values", "lines"),
    [
        ([1.0, math.inf, -math.inf, math.nan], ["  1", "inf", "-inf", "nan"]),
        ([math.nan, math.inf], ["nan", "inf"]),
        ([0.5, math.nan, -math.inf], [" 0.5000", "    nan", "   -inf"]),
        ([math.nan, 1e-8, 0.5], ["        nan", " 1.0000e-08", " 5.0000e-01"]),
        ([math.inf, 0.0625], ["1.00000e-02 *", "     inf", "  6.2500"]),
        ([math.inf, 1000.0], ["  inf", " 1000"]),
    ],
)
def test_inf_and_nan_do_not_decide_the_format(values, lines):
    assert body(values) == lines


def test_the_smallest_number_has_a_factor_that_is_not_zero():
    smallest = math.ulp(0.0)
    assert body([smallest]) == ["9.88131e-324 *", "  0.5000"]


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_floating_types_print_alike(dtype):
    assert body(np.array([[0.5, -1.25], [2, 3]], dtype)) == [" 0.5000 -1.2500", " 2.0000  3.0000"]


@pytest.mark.parametrize("dtype", ["int8", "int16", "int32", "int64", "uint8"])
def test_integer_types_print_alike(dtype):
    assert body(np.array([[1, 12], [100, 0]], dtype)) == ["   1   12", " 100    0"]


@pytest.mark.parametrize(
    ("dtype", "line"),
    [("int8", "-128"), ("int16", "-32768"), ("int32", "-2.1475e+09"), ("int64", "-9.2234e+18")],
)
def test_least_integer_of_each_type(dtype, line):
    assert body(np.array([np.iinfo(dtype).min], dtype)) == [line]


def test_mask_prints_as_zeros_and_ones():
    assert body(np.array([[True, False]])) == [" 1  0"]


def test_format_is_chosen_from_all_values_also_those_not_printed():
    matrix = np.full((50, 50), 0.5)
    matrix[25, 25] = 1e-6
    assert body(matrix)[0] == " 5.0000e-01  5.0000e-01  5.0000e-01  ...   5.0000e-01  5.0000e-01  5.0000e-01"
    vector = np.ones(1000)
    vector[500] = 1234
    assert body(vector) == ["    1"] * 3 + ["  \u22ee  "] + ["    1"] * 3


# --- One and two dimensions -----------------------------------------------------------------------------------------


def test_vector_is_cut_from_the_threshold_on():
    assert len(body(np.ones(999))) == 999
    assert body(np.arange(1000)) == ["   0", "   1", "   2", " \u22ee  ", " 997", " 998", " 999"]


def test_cut_vector_with_factor_indents_the_dots_too():
    vector = np.full(2000, 0.0625)
    assert body(vector) == ["1.00000e-02 *"] + ["  6.2500"] * 3 + ["    \u22ee   "] + ["  6.2500"] * 3


def test_vector_that_fits_its_edges_is_whole_whatever_the_threshold():
    set_printoptions(threshold=0)
    assert body(np.arange(6)) == [" 0", " 1", " 2", " 3", " 4", " 5"]
    assert body(np.arange(7)) == [" 0", " 1", " 2", "\u22ee ", " 4", " 5", " 6"]


def test_rows_are_joined_by_one_blank():
    assert body([[1, -2], [3, 4]]) == [" 1 -2", " 3  4"]
    assert body([[0.0625, -0.03125]]) == ["1.00000e-02 *", "  6.2500 -3.1250"]


@pytest.mark.parametrize(("shape", "width"), [((6, 6), 2), ((7, 1), 5), ((1, 7), 5)])
def test_least_width_of_a_matrix(shape, width):
    assert body(np.ones(shape)) == [" ".join(["1".rjust(width)] * shape[1])] * shape[0]


def test_columns_are_broken_into_blocks():
    assert body(np.arange(10, 38).reshape(1, 28)) == [
        "",
        "Columns 0 to 12 ",
        "   10    11    12    13    14    15    16    17    18    19    20    21    22",
        "",
        "Columns 13 to 25 ",
        "   23    24    25    26    27    28    29    30    31    32    33    34    35",
        "",
        "Columns 26 to 27 ",
        "   36    37",
    ]


def test_a_line_takes_exactly_the_columns_that_fit():
    fits, breaks = np.full((1, 10), 0.5), np.full((1, 11), 0.5)
    assert body(fits) == [" ".join([" 0.5000"] * 10)]
    assert body(breaks)[1] == "Columns 0 to 9 "
    assert body(breaks)[4:] == ["Columns 10 to 10 ", " 0.5000"]


def test_each_block_of_columns_repeats_the_factor():
    assert body(np.full((2, 11), 0.0625)) == [
        "",
        "Columns 0 to 9 ",
        "1.00000e-02 *",
        *["  6.2500" + "  6.2500" * 9] * 2,
        "",
        "Columns 10 to 10 ",
        "1.00000e-02 *",
        "  6.2500",
        "  6.2500",
    ]


def test_a_line_too_narrow_for_one_column_still_takes_one():
    set_printoptions(linewidth=1)
    assert body([[1, 2]]) == ["", "Columns 0 to 0 ", " 1", "", "Columns 1 to 1 ", " 2"]


def test_matrix_with_many_rows_only():
    # Centred in the row and its line end: 15 blanks, the dots, 16 blanks.
    row = " 0.5000  0.5000  0.5000  0.5000"
    assert body(np.full((300, 4), 0.5)) == [row] * 3 + [" " * 15 + "\u22ee" + " " * 16] + [row] * 3


def test_cut_rows_do_not_gain_a_blank_from_the_factor():
    row = " 6.2500  6.2500  6.2500  6.2500"
    dots = " " * 15 + "\u22ee" + " " * 16
    assert body(np.full((300, 4), 0.0625)) == ["1.00000e-02 *", row, row, row, dots, row, row, row]


def test_matrix_of_whole_numbers_cut_both_ways():
    matrix = np.arange(64 * 64).reshape(64, 64)
    assert body(matrix, "minigrad.LongTensor") == [
        "    0     1     2  ...     61    62    63",
        "   64    65    66  ...    125   126   127",
        "  128   129   130  ...    189   190   191",
        "       ...          \u22f1          ...       ",
        " 3904  3905  3906  ...   3965  3966  3967",
        " 3968  3969  3970  ...   4029  4030  4031",
        " 4032  4033  4034  ...   4093  4094  4095",
    ]


def test_matrix_of_many_elements_within_its_edges_is_broken_into_columns():
    set_printoptions(threshold=0, edgeitems=20)
    assert body(np.ones((1, 30)))[:2] == ["", "Columns 0 to 25 "]


# --- More dimensions ------------------------------------------------------------------------------------------------


def test_three_dimensions():
    array = np.arange(-6, 6).reshape(2, 2, 3)
    assert body(array) == [
        "(0 ,.,.) = ",
        " -6 -5 -4",
        " -3 -2 -1",
        "",
        "(1 ,.,.) = ",
        "  0  1  2",
        "  3  4  5",
    ]


def test_four_dimensions():
    array = np.arange(1, 9).reshape(2, 2, 1, 2)
    assert body(array) == [
        "(0 ,0 ,.,.) = ",
        "  1  2",
        "",
        "(0 ,1 ,.,.) = ",
        "  3  4",
        "",
        "(1 ,0 ,.,.) = ",
        "  5  6",
        "",
        "(1 ,1 ,.,.) = ",
        "  7  8",
    ]


def test_blocks_share_one_format_and_repeat_the_factor():
    array = np.array([[[0.0625]], [[0.03125]]])
    assert body(array) == ["(0 ,.,.) = ", "1.00000e-02 *", "   6.2500", "", "(1 ,.,.) = ", "1.00000e-02 *", "   3.1250"]


def test_index_is_centred_in_the_width_of_the_largest_size():
    assert body(np.ones((1, 1, 100)))[0] == "( 0 ,.,.) = "
    assert body(np.ones((1, 1, 1, 1000)))[0] == "( 0  , 0  ,.,.) = "
    assert body(np.ones((12, 1, 1)))[-2] == "(11,.,.) = "
    # an odd blank goes to the right
    assert "(10 ,.,.) = " in body(np.ones((100, 1, 1)))


def test_least_width_in_more_dimensions():
    assert body(np.ones((1, 2, 7)))[1:] == ["   1   1   1   1   1   1   1"] * 2
    assert body(np.ones((1, 2, 6)))[1:] == ["  1  1  1  1  1  1"] * 2
    # only the last two dimensions count
    assert body(np.ones((7, 1, 1)))[1] == "  1"


def test_blocks_of_columns_indent_their_first_line_once_more():
    line = "   0.5000" + "  0.5000" * 8
    assert body(np.full((1, 3, 10), 0.5)) == [
        "(0 ,.,.) = ",
        "",
        "Columns 0 to 8 ",
        line,
        line[1:],
        line[1:],
        "",
        "Columns 9 to 9 ",
        "   0.5000",
        "  0.5000",
        "  0.5000",
    ]
    assert body(np.full((1, 2, 10), 0.0625))[:5] == [
        "(0 ,.,.) = ",
        "",
        "Columns 0 to 8 ",
        " 1.00000e-02 *",
        "   6.2500" + "  6.2500" * 8,
    ]


def test_cut_leading_index():
    array = np.arange(500).repeat(2).reshape(500, 1, 2)
    assert body(array) == [
        "( 0 ,.,.) = ",
        "    0    0",
        "",
        "( 1 ,.,.) = ",
        "    1    1",
        "",
        "( 2 ,.,.) = ",
        "    2    2",
        "... ",
        "",
        "(497,.,.) = ",
        "  497  497",
        "",
        "(498,.,.) = ",
        "  498  498",
        "",
        "(499,.,.) = ",
        "  499  499",
    ]


def test_four_dimensions_cut_everywhere():
    set_printoptions(edgeitems=1, threshold=10)
    array = np.arange(3**4).reshape(3, 3, 3, 3)
    lines = body(array)
    assert lines[:12] == [
        "(0 ,0 ,.,.) = ",
        "   0  ...    2",
        " ...   \u22f1   ...",
        "   6  ...    8",
        "   ...",
        "",
        "(0 ,2 ,.,.) = ",
        "  18  ...   20",
        " ...   \u22f1   ...",
        "  24  ...   26",
        "...   ",
        "     \u22ee ",
    ]
    assert lines[12:15] == ["", "(2 ,0 ,.,.) = ", "  54  ...   56"]
    assert lines[-5:] == ["", "(2 ,2 ,.,.) = ", "  72  ...   74", " ...   \u22f1   ...", "  78  ...   80"]


def test_an_index_of_size_one_starts_again_every_time():
    array = np.ones((2, 1, 1, 500))
    row = "   1   1   1  ...    1   1   1"
    assert body(array) == ["( 0 , 0 ,.,.) = ", row, "      \u22ee  ", "", "( 1 , 0 ,.,.) = ", row]


def test_five_dimensions_mark_every_index_that_starts_again():
    set_printoptions(threshold=0)
    lines = body(np.ones((2, 2, 2, 1, 1)))
    assert lines[1:4] == ["  1", "", "(0 ,0 ,1 ,.,.) = "]
    assert lines[4:8] == ["  1", "        \u22ee ", "", "(0 ,1 ,0 ,.,.) = "]
    assert lines[11:14] == ["  1", "     \u22ee  \u22ee ", ""]


def test_whole_tensor_has_no_dots_between_blocks():
    lines = body(np.ones((10, 2, 2, 2)))
    assert len(lines) == 20 * 4 - 1
    assert not any("." in line for line in lines if not line.startswith("("))


def test_dots_of_a_cut_block_count_the_indent():
    row = "  0.5000  0.5000"
    assert body(np.full((1, 600, 2), 0.5))[1:] == [row] * 3 + ["        \u22ee        "] + [row] * 3


# --- Options --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("profile", "options"),
    [("default", (4, 1000, 3, 80)), ("short", (2, 1000, 2, 80)), ("full", (4, math.inf, 3, 80))],
)
def test_profiles(profile, options):
    set_printoptions(precision=7, threshold=1, edgeitems=9, linewidth=33)
    set_printoptions(profile=profile)
    assert get_printoptions() == printing.PrintOptions(*options)


def test_options_apply_on_top_of_the_profile():
    set_printoptions(profile="short", precision=3)
    assert get_printoptions() == printing.PrintOptions(3, 1000, 2, 80)
    set_printoptions(linewidth=40)
    assert get_printoptions() == printing.PrintOptions(3, 1000, 2, 40)


def test_profile_short_in_print():
    set_printoptions(profile="short")
    row = "   0.50    0.50  ...     0.50    0.50"
    assert body(np.full((2, 500), 0.5)) == [row] * 2


def test_profile_full_in_print():
    set_printoptions(profile="full")
    assert len(body(np.ones(1500))) == 1500


def test_precision_in_print():
    set_printoptions(precision=8)
    # The width does not grow with the precision, so long numbers stick out.
    assert body([0.5, 123456.5]) == ["  0.50000000", "123456.50000000"]
    set_printoptions(precision=0)
    assert body([1.25, 2.5]) == ["      1", "      2"]


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"precision": 2.0}, TypeError, "precision must be an int, got float"),
        ({"precision": True}, TypeError, "precision must be an int, got bool"),
        ({"precision": -1}, ValueError, "precision must be at least 0, got -1"),
        ({"threshold": "9"}, TypeError, "threshold must be an int, got str"),
        ({"threshold": 10.5}, ValueError, "threshold must be an int or math.inf, got 10.5"),
        ({"threshold": math.nan}, ValueError, "threshold must be an int or math.inf, got nan"),
        ({"threshold": -math.inf}, ValueError, "threshold must be an int or math.inf, got -inf"),
        ({"threshold": -1}, ValueError, "threshold must be at least 0, got -1"),
        ({"edgeitems": 0}, ValueError, "edgeitems must be at least 1, got 0"),
        ({"edgeitems": [3]}, TypeError, "edgeitems must be an int, got list"),
        ({"linewidth": 0}, ValueError, "linewidth must be at least 1, got 0"),
        ({"profile": "long"}, ValueError, "profile must be one of 'default', 'short', 'full', got 'long'"),
        ({"profile": 1}, TypeError, "profile must be a str, got int"),
    ],
)
def test_bad_options_change_nothing(arguments, error, message):
    set_printoptions(precision=5, edgeitems=4)
    before = get_printoptions()
    with pytest.raises(error, match=message):
        set_printoptions(**{"linewidth": 70, **arguments})
    assert get_printoptions() == before


def test_numpy_numbers_are_options_too():
    set_printoptions(precision=np.int64(3), threshold=np.float32(math.inf))
    assert get_printoptions() == printing.PrintOptions(3, math.inf, 3, 80)


# --- Storages -------------------------------------------------------------------------------------------------------


def test_storage():
    assert format_storage(np.float32([1, -2.5, 3]), "minigrad.FloatStorage") == (
        " 1.0\n -2.5\n 3.0\n[minigrad.FloatStorage of size 3]"
    )
    assert format_storage([7], "minigrad.LongStorage") == " 7\n[minigrad.LongStorage of size 1]"
    assert format_storage(np.zeros(0), "minigrad.FloatStorage") == "[minigrad.FloatStorage of size 0]"
