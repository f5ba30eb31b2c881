"""Rewrite the comparison of ways in docs/language-models.md from runs/assistant: ``make ways``."""

import json
import sys
from pathlib import Path

from tuneaccord.reporting.ways_report import ways_markdown

START, END = "<!-- results of the comparison: make ways -->", "<!-- end of results -->"


def results(folder: Path) -> str:
    """The tables, and what the run was."""
    record = json.loads((folder / "comparison.json").read_text())
    costs = json.loads((folder / "costs.json").read_text())
    groups = ", ".join(f"{group['name']} ({group['reward']}, size {group['size']:g})" for group in record["groups"])
    prompts, replies = record["prompts"], record["pool"]["replies"]
    intro = (
        f"{groups}; strength {record['divergence']['strength']:g}; {prompts['tune']} prompts settled on, "
        f"{prompts['held_out']} held out, {replies} replies each; the base's welfare is "
        f"{record['base']['welfare']['estimate']:.3f}. Brackets are 95% intervals over prompts."
    )
    return f"{intro}\n\n{ways_markdown(record, costs)}"


def main(folder: str = "runs/assistant", page: str = "docs/language-models.md") -> None:
    """Put the results between the markers."""
    text = Path(page).read_text()
    before, rest = text.split(START)
    _, after = rest.split(END)
    Path(page).write_text(f"{before}{START}\n\n{results(Path(folder))}\n\n{END}{after}")


if __name__ == "__main__":
    main(*sys.argv[1:])
