"""Rewrite docs/reproductions.md by running every reproduction: ``python tools/reproductions.py`` (a minute or two)."""

import sys
from pathlib import Path

from tuneaccord.reproduce import CATALOGUE, reproduce

MOST_ROWS = 15
START = """# The paper, recomputed

Every number here was computed by the command above it, with the default seed. This page is written by
`python tools/reproductions.py`. Long tables are cut: the command prints all rows, and `--out FOLDER` writes them as
CSV, with JSON and a picture. `--samples N` draws more or fewer games, `--seed N` others. The exit status is 1 when a
claim is not reproduced. In Python: `tuneaccord.reproduce.reproduce("table1").table("valuation")`.

The paper is arXiv 2405.16276. Where the wording of a theorem could not be checked, the section says what was tested
instead.
"""


def page() -> str:
    """The whole page."""
    parts = [START]
    for name in CATALOGUE:
        print(name, file=sys.stderr)
        result = reproduce(name)
        parts.append(f"## {name}\n\n**{result.title}**\n\n```sh\ntuneaccord reproduce {name}\n```\n")
        parts.append(result.to_markdown(MOST_ROWS) + "\n")
    return "\n".join(parts)


if __name__ == "__main__":
    Path(sys.argv[1] if len(sys.argv) > 1 else "docs/reproductions.md").write_text(page())
