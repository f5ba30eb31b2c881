"""Rewrite docs/reproductions.md: ``python tools/reproductions.py``, or with names only those sections.

The random games take a minute or two; with a language model (``figure2``, ``tables2-6``) the first time takes some
more, and what is in the cache is read back.
"""

import re
import sys
from pathlib import Path

from tuneaccord.cli.progress import TerminalProgress
from tuneaccord.files import write_atomically
from tuneaccord.reproduce import CATALOGUE, reproduce
from tuneaccord.reproduce.picture import panels_svg

MOST_ROWS = 15
PAGE = Path("docs/reproductions.md")
START = """# The paper, recomputed

Every number here was computed by the command above it, with the default seed. This page is written by
`python tools/reproductions.py`. Long tables are cut: the command prints all rows, and `--out FOLDER` writes them as
CSV, with JSON and pictures. `--samples N` draws more or fewer games, `--seed N` others. The exit status is 1 when a
claim is not reproduced. In Python: `tuneaccord.reproduce.reproduce("table1").table("valuation")`.

Two ask a language model: `figure2` and `tables2-6`. There `--samples N` is the number of replies a prompt in the
frozen pools, `--market FILE` takes a tune file of your own with its model and rewards, and `--workers N` sets the
processes. Their steps are kept in the cache (`TUNEACCORD_CACHE`), so that a stopped run continues and a second run
takes seconds; on another kind of processor the numbers differ a little, as the model's own rounding does.

The paper is arXiv 2405.16276. Where the wording of a theorem could not be checked, the section says what was tested
instead.
"""


def section(name: str) -> str:
    """One reproduction, with its panels drawn beside the page."""
    print(name, file=sys.stderr)
    result = reproduce(name, progress=TerminalProgress() if CATALOGUE[name].model else None)
    parts = [f"## {name}\n\n**{result.title}**\n\n```sh\ntuneaccord reproduce {name}\n```\n"]
    for panels in result.panels:
        file = f"figures/{name}-{panels.key}.svg"
        write_atomically(PAGE.parent / file, panels_svg(panels, f"{name}-{panels.key}"))
        parts.append(f"![{panels.title}]({file})\n")
    return "\n".join([*parts, result.to_markdown(MOST_ROWS) + "\n"])


def sections_of(text: str) -> dict[str, str]:
    """The sections that are on the page now, by name."""
    found = re.split(r"^(?=## )", text, flags=re.MULTILINE)[1:]
    return {part.splitlines()[0].removeprefix("## "): part.rstrip("\n") + "\n" for part in found}


def page(names: list[str]) -> str:
    """The whole page, with the sections of these names made anew."""
    kept = sections_of(PAGE.read_text()) if PAGE.exists() else {}
    made = {name: section(name) for name in names or CATALOGUE}
    return "\n".join([START, *((kept | made).get(name, "") for name in CATALOGUE)])


if __name__ == "__main__":
    write_atomically(PAGE, page(sys.argv[1:]))
