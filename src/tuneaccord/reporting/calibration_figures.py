"""Measured points with the curve fitted to them, and the band of the curves fitted to resampled points."""

from __future__ import annotations

from tuneaccord.reporting.formatting import number
from tuneaccord.reporting.pictures import Picture
from tuneaccord.reporting.svg import COLOURS

_COLOUR = {"cost": COLOURS["payment"], "revenue": COLOURS["utility"]}


def calibration_picture(data: dict) -> Picture:
    """A panel for each fit: points, curve (dashed where nothing was measured) and band.

    ``data`` is what ``tuneaccord calibrate --json`` prints.
    """
    fits = data["fits"]

    def paint(figure):
        panels = figure.subplots(1, len(fits), squeeze=False)[0]
        for panel, fit in zip(panels, fits, strict=True):
            _panel(panel, fit, data["level"])

    words = " ".join(_in_words(fit, data["level"]) for fit in fits)
    return Picture(4.4 * len(fits) + 0.4, 3.4, paint, "Fitted " + " and ".join(fit["role"] for fit in fits), words)


def _panel(panel, fit: dict, level: float) -> None:
    drawn, (_, most), colour = fit["drawn"], fit["range"], _COLOUR[fit["role"]]
    x, y = drawn["performance"], drawn["money"]
    if fit["draws"]:
        panel.fill_between(
            x, drawn["low"], drawn["high"], color=colour, alpha=0.18, linewidth=0,
            label=f"{level:.0%} of {fit['draws']} resamples",
        )  # fmt: skip
    inside = sum(place <= most for place in x)
    panel.plot(x[:inside], y[:inside], color=colour, linewidth=1.7, label=fit["kind"])
    panel.plot(x[inside - 1 :], y[inside - 1 :], color=colour, linewidth=1.7, linestyle=(0, (3, 2)),
               label="beyond the data")  # fmt: skip
    panel.plot(*zip(*fit["points"], strict=True), "o", markersize=4, color=COLOURS["ink"], label="measured", alpha=0.75,
               markeredgewidth=0)  # fmt: skip
    # the band of a steep curve must not flatten the points
    panel.set_ylim(0, 1.25 * max([money for _, money in fit["points"]] + y[:inside]))
    panel.set_xlim(0, x[-1])
    panel.set_title(fit["role"])
    panel.set_xlabel("performance")
    panel.set_ylabel("money")
    panel.legend(frameon=False, fontsize=8)


def _in_words(fit: dict, level: float) -> str:
    values = ", ".join(f"{name} {number(value)}" for name, value in fit["parameters"].items()) or "a table of points"
    low, high = fit["range"]
    return (
        f"{fit['role']}: {fit['kind']}, {values}, fitted to {len(fit['points'])} points from performance "
        f"{number(low)} to {number(high)}; R2 {fit['r_squared']:.3f}."
    )
