"""Figure: the generalist's share under each solution, for specialists from a tenth to ten times as costly as it is.

Drawn from ``game.bargain`` (quadratic costs, linear revenue); every plotted share is compared with its closed form.
With a folder, the figure is written there as SVG and PNG with the numbers as CSV; it needs
``pip install "tuneaccord[plots]"``.

    python 03_shares_by_cost_ratio.py [FOLDER]
"""

import csv
import sys
from pathlib import Path

import numpy as np
from _quadratic import SOLUTIONS, closed, game
from _table import Table

RATIOS = np.unique(np.r_[np.geomspace(0.1, 10, 25), 1 - 1e-6, 1.0, 1 + 1e-6])  #: c1 / c0, and both sides of the jump
STYLES = {  # colours told apart with every common colour blindness, brought to middle lightness
    "powerful generalist": ("#1f82c6", "-"),
    "maximal performance": ("#7d858d", ":"),
    "utilitarian": ("#139a72", "-"),
    "Kalai-Smorodinsky": ("#a08a00", "--"),
    "Nash": ("#d2610f", "-"),
    "egalitarian": ("#b8629b", "--"),
    "powerful specialist": ("#5d67c9", "-"),
}


def shares():
    """The computed share of each solution at every ratio."""
    return {
        name: [game(1 / float(ratio)).bargain(solution).shares["medical"] for ratio in RATIOS]
        for name, solution in SOLUTIONS.items()
    }


def paint(figure, found):
    """The lines, each named at its right end."""
    axes = figure.subplots()
    for name, (colour, line) in STYLES.items():
        axes.plot(RATIOS, found[name], line, color=colour, linewidth=1.8, label=name)
    axes.set_xscale("log")
    axes.set_xticks([0.1, 0.2, 0.5, 1, 2, 5, 10], ["0.1", "0.2", "0.5", "1", "2", "5", "10"])
    axes.set_xticks([], minor=True)
    axes.set_ylim(-0.03, 1.03)
    axes.set_xlabel("specialist's cost ÷ generalist's cost, c1 / c0 (log scale)")
    axes.set_ylabel("the generalist's share of revenue")
    axes.axvline(1, color="#9aa1a9", linewidth=0.8, zorder=0)
    axes.axhline(0.5, color="#9aa1a9", linewidth=0.8, zorder=0)
    ends = {name: found[name][-1] for name in STYLES}
    places, below = {}, np.inf
    for name in sorted(ends, key=lambda one: (-ends[one], list(STYLES).index(one))):
        below = min(ends[name], below - 0.055)
        places[name] = below
    for name, place in places.items():
        axes.annotate(name, (1.02, (place + 0.03) / 1.06), xycoords="axes fraction", va="center", color=STYLES[name][0])


def write(found, out):
    """The figure as SVG and PNG, and its numbers."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    from tuneaccord.reporting.svg import draw

    out.mkdir(parents=True, exist_ok=True)
    words = "Shares under each bargaining solution by the ratio of costs"
    svg = draw(7.2, 4.2, lambda figure: paint(figure, found), words, words + ", quadratic costs.", "shares")
    (out / "shares-by-cost-ratio.svg").write_text(svg)
    figure = Figure(figsize=(7.2, 4.2), layout="constrained")
    FigureCanvasAgg(figure)
    paint(figure, found)
    figure.savefig(out / "shares-by-cost-ratio.png", dpi=160, metadata={"Software": None})
    with (out / "shares-by-cost-ratio.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["c1/c0", *found])
        writer.writerows(zip(RATIOS.tolist(), *found.values(), strict=True))


def main(out=None):
    """Compare, and draw if ``out`` is a folder; 0 if all agree."""
    table, found = Table("Shares by the ratio of costs: the largest difference to the closed form"), shares()
    for name, computed in found.items():
        expected = np.array([closed(name, 1 / float(ratio)) for ratio in RATIOS])
        worst = int(np.abs(np.array(computed) - expected).argmax())
        table.row(f"{name}, worst at c1/c0 = {RATIOS[worst]:.3g}", expected[worst], computed[worst])
        if name != "maximal performance":  # that one jumps from 0 to 1
            table.fact(f"{name}: the share grows with c1/c0", bool((np.diff(computed) >= -1e-12).all()))
    if out is not None:
        write(found, Path(out))
    return table.finish()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
