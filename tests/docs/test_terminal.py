"""The walk through a page in the terminal."""

import pytest

from minigrad.tutorial import terminal

PAGE = """# Title

Some **bold
words** with a [link](https://example.org), [another](page.md) and `x[0](*a, **b)`.

![A figure](a.svg)

```python
for k in range(2):
    k

[k,
]
```

```text
promised
```

## Next

<details>
<summary>Answer</summary>

Because.

</details>
"""

SHOWN = """Title
=====

Some bold words with a link
(https://example.org), another and
`x[0](*a, **b)`.

[Figure: A figure]

>>> for k in range(2):
...     k
...
>>> [k,
... ]
[1]

Next
----

Answer:

Because.

"""


@pytest.fixture
def page(tmp_path):
    path = tmp_path / "page.md"
    path.write_text(PAGE, encoding="utf-8")
    return path


def test_walk_shows_prose_code_and_the_output_that_came(page, capsys):
    assert terminal.walk(page, width=36) == 0
    assert capsys.readouterr().out == SHOWN


def test_walk_pauses_after_cells_and_before_answers(page, capsys):
    seen = []
    terminal.walk(page, pause=lambda: seen.append(capsys.readouterr().out.rstrip().splitlines()[-1]))
    assert seen == ["[1]", "----"]


def test_walk_ends_at_a_cell_that_fails(page, capsys):
    page.write_text("```python\n1 / 0\n```\n\nlater\n", encoding="utf-8")
    assert terminal.walk(page) == 1
    shown = capsys.readouterr()
    assert "ZeroDivisionError" in shown.err
    assert f'"{page}", line 2' in shown.err
    assert "later" not in shown.out


def test_colours_only_when_asked(page, capsys):
    terminal.walk(page, colour=True)
    assert "\033[1mTitle" in capsys.readouterr().out


@pytest.mark.parametrize("answer", ["q", " Q ", "quit"])
def test_q_quits_the_walk(page, capsys, monkeypatch, answer):
    monkeypatch.setattr(terminal, "PAGE", page)
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", lambda prompt: answer)
    assert terminal.main([]) == 0
    shown = capsys.readouterr().out
    assert "[1]" in shown
    assert "Next" not in shown


@pytest.mark.parametrize("argv", [[], ["--no-pause"]])
def test_no_pause_without_a_terminal_or_when_told(page, capsys, monkeypatch, argv):
    def refuse(prompt):
        raise AssertionError("asked for Enter")

    monkeypatch.setattr(terminal, "PAGE", page)
    monkeypatch.setattr("sys.stdin.isatty", lambda: bool(argv), raising=False)
    monkeypatch.setattr("builtins.input", refuse)
    assert terminal.main(argv) == 0
    assert "Because." in capsys.readouterr().out


TABLE = "| a | effect |\n|---|:--|\n| `one` | words that need more than one line |\n| 2 | few |"


def test_table_wraps_its_last_column():
    assert terminal.render(TABLE, 35) == (
        "a      effect\n"
        "-----  ----------------------------\n"
        "`one`  words that need more than\n"
        "       one line\n"
        "2      few"
    )


def test_table_too_wide_becomes_a_list():
    assert terminal.render(TABLE, 28).startswith("a: `one`\neffect: words that need more\n")


def test_list_items_hang():
    assert terminal.render("- one two three\n  four\n- five\n10. six seven", 12) == (
        "- one two\n  three four\n- five\n10. six\n    seven"
    )
