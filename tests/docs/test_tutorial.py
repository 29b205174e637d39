"""The recurrent-network tutorial: it runs, shows what it promises, and its figures are there."""

from pathlib import Path
from xml.etree import ElementTree

import pytest

from minigrad.tutorial import PAGE
from minigrad.tutorial.page import blocks, cells, differences

ROOT = Path(__file__).parents[2]
TEXT = PAGE.read_text(encoding="utf-8")


def test_every_output_is_as_shown(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert differences(PAGE) == []
    assert (tmp_path / "airline-forecast.png").read_bytes().startswith(b"\x89PNG"), "the last cell saves a picture"


def test_no_output_is_missing():
    assert "OUTPUT" not in [cell.output and cell.output.text for cell in cells(blocks(TEXT))]


@pytest.mark.parametrize("name", ["rnn", "lstm", "gru"])
def test_figures_are_valid_and_describe_themselves(name):
    root = ElementTree.parse(ROOT / "docs" / "images" / f"{name}-cell.svg").getroot()
    space = "{http://www.w3.org/2000/svg}"
    assert root.tag == f"{space}svg"
    assert name.upper() in root.find(f"{space}title").text
    assert len(root.find(f"{space}desc").text) > 80
    # A background of its own, so that dark pages do not swallow the lines.
    assert root.find(f"{space}rect").get("class") == "page"
