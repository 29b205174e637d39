"""The runner of pages, on small pages that need nothing but Python."""

import importlib.util
import traceback
from pathlib import Path

import pytest

from minigrad.tutorial.page import blocks, cells, matches

ROOT = Path(__file__).parents[2]
spec = importlib.util.spec_from_file_location("render", ROOT / "docs" / "render.py")
render = importlib.util.module_from_spec(spec)
spec.loader.exec_module(render)

PAGE = """# A page

Two words
on two lines.

```python
import math
x = 2
```

```python
print("printed")
x * math.pi
```

```text
printed
6.283185307179586
```
Prose right after a fence.

```
h' = tanh(x)
```

```python
for k in range(2):
    print(k)
```

```text
OUTPUT
```

```python
None
```
"""

FILLED = PAGE.replace("OUTPUT", "0\n1")


@pytest.fixture
def page(tmp_path):
    path = tmp_path / "page.md"
    path.write_text(PAGE, encoding="utf-8")
    return path


def test_blocks_know_their_kind_and_lines():
    found = [(block.info, block.line, block.end) for block in blocks(PAGE)]
    assert found[:4] == [(None, 1, 1), (None, 3, 4), ("python", 7, 9), ("python", 12, 14)]
    assert (None, 20, 20) in found
    assert ("", 23, 24) in found


def test_only_a_text_block_right_after_a_cell_is_its_output():
    assert [cell.output and cell.output.text for cell in cells(blocks(PAGE))] == [
        None,
        "printed\n6.283185307179586",
        "OUTPUT",
        None,
    ]
    (cell,) = cells(blocks("```python\n1\n```\nprose\n```text\n1\n```\n"))
    assert cell.output is None


def test_run_page_shares_one_namespace_and_shows_the_last_expression(page):
    ran = render.run_page(page)
    assert ran == [
        ("import math\nx = 2", None, ""),
        ('print("printed")\nx * math.pi', "printed\n6.283185307179586", "printed\n6.283185307179586"),
        ("for k in range(2):\n    print(k)", "OUTPUT", "0\n1"),
        ("None", None, ""),
    ]


def test_each_run_starts_empty(page):
    page.write_text("```python\nfound = 'x' in globals()\nx = 1\nfound\n```\n", encoding="utf-8")
    assert [render.run_page(page)[0].actual for _ in range(2)] == ["False", "False"]


def test_outer_blank_lines_and_trailing_spaces_are_dropped_but_not_the_first_indent(page):
    page.write_text("```python\nprint('\\n  1 \\n\\n 2\\n')\n```\n", encoding="utf-8")
    assert render.run_page(page)[0].actual == "  1\n\n 2"


def test_an_error_passes_through_and_names_the_line_of_the_page(page):
    page.write_text("text\n\n```python\nx = 1\n1 / 0\n```\n", encoding="utf-8")
    with pytest.raises(ZeroDivisionError) as caught:
        render.run_page(page)
    last = traceback.extract_tb(caught.value.__traceback__)[-1]
    assert (last.filename, last.lineno, last.line) == (str(page), 5, "1 / 0")
    page.write_text("text\n\n```python\nx = 1\n1 +\n```\n", encoding="utf-8")
    with pytest.raises(SyntaxError) as caught:
        render.run_page(page)
    assert (caught.value.filename, caught.value.lineno) == (str(page), 5)


def test_an_open_fence_is_refused():
    with pytest.raises(ValueError, match="fenced on line 3 is not closed"):
        blocks("a\n\n```python\nx\n")


def test_check_reports_what_differs_and_write_mends_it(page, capsys):
    assert render.main([str(page)]) == 1
    assert f"{page}:27: the page promises\nOUTPUT\nbut the cell shows\n0\n1" in capsys.readouterr().out
    assert page.read_text(encoding="utf-8") == PAGE
    assert render.main(["--write", str(page)]) == 0
    assert page.read_text(encoding="utf-8") == FILLED
    assert render.main([str(page)]) == 0
    assert render.main(["--write", str(page)]) == 0
    assert page.read_text(encoding="utf-8") == FILLED


def test_write_adds_and_removes_blocks(page):
    page.write_text("```python\n1\n```\nprose\n\n```python\nx = 1\n```\n\n```text\nold\n```\n\nend\n", encoding="utf-8")
    assert len(render.differences(page)) == 2
    assert render.write_outputs(page) == 1
    written = "```python\n1\n```\n\n```text\n1\n```\nprose\n\n```python\nx = 1\n```\n\nend\n"
    assert page.read_text(encoding="utf-8") == written
    assert render.differences(page) == []


@pytest.mark.parametrize(
    ("expected", "actual"),
    [
        (" 0.1234 -0.5000", " 0.1235 -0.5001"),
        ("1.00000e-02 *", "1.00001e-02 *"),
        ("torch.Size([6, 5, 200])", "torch.Size([6, 5, 200])"),
    ],
)
def test_the_last_printed_place_may_differ_by_one(expected, actual):
    assert matches(expected, actual)


@pytest.mark.parametrize(
    ("expected", "actual"),
    [
        (" 0.1234", " 0.1236"),
        ("1.00000e-02 *", "1.00000e-01 *"),
        ("6", "7"),
        ("1.0", "1"),
        ("1.0", "1.00"),
        ("0.5 0.5", "0.5  0.5"),
        ("[torch.FloatTensor of size 5x200]", "[torch.FloatTensor of size 5x201]"),
        ("a", "b"),
        ("1.5", "1.5\n1.5"),
    ],
)
def test_anything_else_must_be_equal(expected, actual):
    assert not matches(expected, actual)
