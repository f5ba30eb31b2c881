"""How the time of a bargain grows with the number of specialists."""

from __future__ import annotations

import time

import numpy as np
from game_baselines import quadratic_best
from game_cases import crowd

import tuneaccord as ta
from tuneaccord.bargaining.several.joint import searched

QUADRATIC, GENERAL = (10, 30, 100, 300, 1000), (2, 3, 5, 7, 10)
PATIENCE = 60.0  #: seconds; larger games than one that took longer are left out
RULES = {
    "utilitarian": lambda game: ta.Utilitarian(),
    "egalitarian": lambda game: ta.Egalitarian(),
    "Nash": lambda game: ta.Nash(),
    "Kalai-Smorodinsky": lambda game: ta.KalaiSmorodinsky(),
    "powerful generalist": lambda game: ta.PowerfulGeneralist(),
    "powerful specialist": lambda game: ta.PowerfulSpecialist(game.names[0]),
    "maximal performance": lambda game: ta.MaxPerformance(),
    "Nash-in-Nash": lambda game: ta.NashInNash(),
}
#: what SciPy maximises for the smallest game of a kind, to see whether ours is as good
SCORES = {"utilitarian": np.sum, "egalitarian": np.min, "Nash": lambda gains: np.log(gains).sum()}
_COLOURS = ("#139a72", "#b8629b", "#d2610f", "#a08a00", "#1f82c6", "#5d67c9", "#7d858d", "#c0392b")


def measure(quick: bool) -> list[dict]:
    """Seconds of one bargain: quadratic games under every rule, games of mixed revenues under some."""
    rows = []
    for kind, sizes, names in (
        ("quadratic", QUADRATIC[:2] if quick else QUADRATIC, list(RULES)),
        ("general", GENERAL[:1] if quick else GENERAL, ["Nash"] if quick else ["utilitarian", "egalitarian", "Nash"]),
    ):
        for name in names:
            for size in sizes:
                rows.append({"kind": kind, "rule": name, "specialists": size, **_one(kind, name, size)})
                print(f"  {kind}, {name}, {size}: {rows[-1]['seconds']:.3g} s", flush=True)
                if rows[-1]["seconds"] > PATIENCE:
                    break
    return rows


def _one(kind, name, size):
    game = crowd(size, general=kind == "general")
    rule, times = RULES[name](game), []
    for _ in range(3):
        searched.cache_clear()  # a second solution of one game starts where the first one's search began
        start = time.perf_counter()
        agreement = game.bargain(rule)
        times.append(time.perf_counter() - start)
        if sum(times) > 2.0:
            break
    row = {"seconds": float(np.median(times)), "error": agreement.error, "status": agreement.status}
    if kind == "quadratic" and size == QUADRATIC[0] and name in SCORES:
        best, ours = quadratic_best(game, name), SCORES[name](np.array(list(agreement.gains.values())))
        row["missed"] = float(best - ours) / max(1.0, abs(best))
    return row


def exponent(rows: list[dict]) -> float | None:
    """``p`` of ``seconds ~ specialists ** p`` over the larger half of the sizes."""
    rows = sorted(rows, key=lambda row: row["specialists"])[-3:]
    if len(rows) < 2:
        return None
    sizes, seconds = (np.log([row[key] for row in rows]) for key in ("specialists", "seconds"))
    return float(np.polyfit(sizes, seconds, 1)[0])


def draw(rows: list[dict], out) -> None:
    """Seconds against the number of specialists, as SVG; nothing without matplotlib."""
    try:
        from tuneaccord.reporting.svg import draw as svg
    except ImportError:
        return

    def paint(figure):
        axes = figure.subplots(1, 2, sharey=True)
        for panel, kind in zip(axes, ("quadratic", "general"), strict=True):
            _panel(panel, [row for row in rows if row["kind"] == kind])
        axes[0].set_title("quadratic costs, linear revenues")
        axes[1].set_title("powers of 1.6, four kinds of revenue")
        axes[0].set_ylabel("seconds for one bargain")

    words = "Time of one bargain against the number of specialists"
    (out / "games-growth.svg").write_text(svg(9.5, 4.2, paint, words, words + ", by solution.", "growth"))


def _panel(panel, rows):
    for colour, name in zip(_COLOURS, RULES, strict=True):
        line = sorted((row["specialists"], row["seconds"]) for row in rows if row["rule"] == name)
        if line:
            panel.loglog(*zip(*line, strict=True), "o-", color=colour, markersize=3.5, linewidth=1.5, label=name)
    sizes = sorted({row["specialists"] for row in rows})
    panel.set_xticks(sizes, [str(size) for size in sizes])
    panel.set_xticks([], minor=True)
    panel.yaxis.set_major_formatter(lambda y, _: f"{y:g}")
    panel.set_xlabel("specialists")
    panel.legend(frameon=False, fontsize=8)
