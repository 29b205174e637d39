"""The recurrent-network tutorial: one page, read on the web, checked by the tests, or walked through in a terminal.

The page lives here, inside the package, so that an installed copy has it too.
"""

from pathlib import Path

__all__ = ["PAGE", "main"]

PAGE = Path(__file__).with_name("rnn.md")


def main(argv=None):
    """Run ``python -m minigrad tutorial`` with the arguments `argv`, and return its exit status."""
    from minigrad.tutorial.terminal import main

    return main(argv)
