"""Rewrite the demo's results in README.md from runs/assistant/settlement.json: ``make readme``."""

import json
import sys
from pathlib import Path

START, END = "<!-- results of the demo: make readme -->", "<!-- end of results -->"
NAMES = {"base": "base", "policy": "the chosen policy", "adapter": "the adapter"}


def spread(interval: dict, sign: str = "") -> str:
    """An estimate with its interval."""
    return f"{interval['estimate']:{sign}.3f} [{interval['low']:{sign}.3f}, {interval['high']:{sign}.3f}]"


def results(run: dict) -> str:
    """The demo's two tables as Markdown."""
    settled = run["settlement"]
    lines = [
        "| group | wants | size | value under the base | value under the chosen policy | payment | utility |",
        "|---|---|---|---|---|---|---|",
    ]
    for group in run["groups"]:
        numbers = (settled[key][group["name"]] for key in ("base_values", "values", "payments", "utilities"))
        cells = [group["name"], group["reward"], f"{group['size']:g}", *map(spread, numbers)]
        lines.append(f"| {' | '.join(cells)} |")
    held_out = run["held_out"]
    lines += [
        "",
        f"Measured on {run['prompts']['held_out']['count']} held-out prompts (brackets: 95% intervals over prompts; "
        f"net welfare is welfare minus {run['divergence']['strength']:g} times KL):",
        "",
        "| delivered | welfare | KL, nats | net welfare over the base | share of the policy's gain |",
        "|---|---|---|---|---|",
    ]
    for row in held_out["rows"]:
        share = (
            f"{row['share']['estimate']:.0%} [{row['share']['low']:.0%}, {row['share']['high']:.0%}]"
            if row["share"]
            else ""
        )
        gain = spread(row["gain"], "+") if row["name"] != "base" else "0"
        cells = [NAMES[row["name"]], f"{row['welfare']['estimate']:.3f}", f"{row['kl']['estimate']:.3f}", gain, share]
        lines.append(f"| {' | '.join(cells)} |")
    if second := held_out["second_estimate"]:
        lines += ["", f"The adapter's gain by a second route ({second['method']}): {spread(second['gain'], '+')}."]
    lines += ["", f"Recommended by the run: {NAMES[held_out['recommended']]}."]
    return "\n".join(lines)


def main(run_folder: str = "runs/assistant", readme: str = "README.md") -> None:
    """Put the results between the markers."""
    run = json.loads((Path(run_folder) / "settlement.json").read_text())
    text = Path(readme).read_text()
    before, rest = text.split(START)
    _, after = rest.split(END)
    Path(readme).write_text(f"{before}{START}\n\n{results(run)}\n\n{END}{after}")


if __name__ == "__main__":
    main(*sys.argv[1:])
