"""Check, or refresh, the outputs shown on the pages that run.

    python docs/render.py [--write] [PAGE ...]

runs the Python cells of each page as a notebook would and compares what they show with the ``text`` blocks of the
page; exit status 1 when anything differs. With ``--write`` the blocks are filled from the run. Without a PAGE, the
recurrent-network tutorial. The rules of a page are in `minigrad.tutorial.page`.
"""

import argparse
import sys

from minigrad.tutorial import PAGE
from minigrad.tutorial.page import differences, run_page, write_outputs

__all__ = ["differences", "main", "run_page", "write_outputs"]


def main(argv=None):
    parser = argparse.ArgumentParser(description="Check the outputs shown on pages whose Python cells run.")
    parser.add_argument("--write", action="store_true", help="fill the text blocks from the run")
    parser.add_argument(
        "pages", nargs="*", default=[str(PAGE)], metavar="PAGE", help="markdown page (default: the tutorial)"
    )
    options = parser.parse_args(argv)
    failed = False
    for page in options.pages:
        if options.write:
            print(f"{page}: {write_outputs(page)} outputs written")
            continue
        found = differences(page)
        print(*found, sep="\n\n", end="\n\n" if found else "")
        print(f"{page}: {len(found)} outputs differ" if found else f"{page}: all outputs are as shown")
        failed = failed or bool(found)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
