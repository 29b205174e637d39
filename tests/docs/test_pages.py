"""The repository's own pages: links lead somewhere, README's example and commands are what they promise."""

import re
from pathlib import Path

from minigrad.tutorial.page import blocks, differences

ROOT = Path(__file__).parents[2]
PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_links_inside_the_repository_lead_somewhere():
    links = [
        (page, link)
        for page in PAGES
        for link in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text(encoding="utf-8"))
        if "://" not in link
    ]
    assert len(links) >= 12
    assert [(page.name, link) for page, link in links if not (page.parent / link).exists()] == []


def test_the_first_example_shows_what_it_promises():
    assert differences(ROOT / "README.md") == []
    assert "OUTPUT" not in [block.text for block in blocks(README)]


def test_two_commands_work_on_a_fresh_machine():
    commands = [block.text for block in blocks(README) if block.info == ""]
    assert commands == [
        "python -m pip install -e '.[examples]' && python -m minigrad tutorial",
        "python -m pip install -e '.[test]' && python -m pytest",
    ], "change the commands in .ci/run, and try them in a fresh clone, too"


def test_no_page_names_a_distribution_that_is_not_ours():
    for page in PAGES:
        assert not re.search(r"pip3? install\s+(-\S+\s+)*minigrad", page.read_text(encoding="utf-8")), page.name
