"""A reproduction's lines as SVG text. Needs matplotlib, and only when a picture is drawn."""

from __future__ import annotations

from tuneaccord.reproduce.result import Panels, Picture

_CYCLE = ("value", "payment", "utility", "adapter", "ink")
_DASHES = ("-", "--", "-.", ":")


def svg(picture: Picture, key: str) -> str:
    """The picture as SVG; the paper's own numbers are crosses without a line.

    Raises :class:`~tuneaccord.errors.MissingDependencyError` where matplotlib is not installed.

    >>> svg.__name__
    'svg'
    """
    from tuneaccord.reporting.svg import COLOURS, draw

    def paint(figure):
        panel = figure.subplots()
        lines = [curve for curve in picture.curves if not curve.paper]
        for place, curve in enumerate(lines):
            colour = COLOURS[_CYCLE[place % len(_CYCLE)]]
            panel.plot(curve.at, curve.heights, _DASHES[place % len(_DASHES)], color=colour, label=curve.name)
        for place, curve in enumerate(one for one in picture.curves if one.paper):
            colour = COLOURS[_CYCLE[place % len(_CYCLE)]]
            panel.plot(curve.at, curve.heights, "x", color=colour, markersize=6, label=curve.name)
        across, upwards = picture.logarithmic
        panel.set_xscale("log" if across else "linear")
        panel.set_yscale("log" if upwards else "linear")
        for axis, logarithmic in ((panel.xaxis, across), (panel.yaxis, upwards)):
            if logarithmic:  # the default labels are formulas, which these pictures show as they are written
                axis.set_major_formatter(lambda x, _: f"{x:g}")
                axis.set_minor_formatter(lambda x, _: "")
        panel.set_xlabel(picture.across)
        panel.set_ylabel(picture.upwards)
        panel.set_title(picture.title)
        panel.grid(color=COLOURS["grid"], linewidth=0.5, alpha=0.5)
        panel.legend(frameon=False, fontsize=8)

    words = "; ".join(f"{curve.name}: {curve.heights[0]:.3g} to {curve.heights[-1]:.3g}" for curve in picture.curves)
    return draw(6.0, 4.0, paint, picture.title, words, key)


def panels_svg(panels: Panels, key: str) -> str:
    """Panels with bands as SVG.

    >>> panels_svg.__name__
    'panels_svg'
    """
    from tuneaccord.reporting.svg import draw

    return draw(*_extent(panels), _painter(panels), panels.title, _in_words(panels), key)


def panels_png(panels: Panels) -> bytes:
    """The same as a PNG.

    >>> panels_png.__name__
    'panels_png'
    """
    from tuneaccord.reporting.svg import pixels

    return pixels(*_extent(panels), _painter(panels))


def _extent(panels: Panels) -> tuple[float, float]:
    return 2.5 * max(map(len, panels.rows)) + 0.3, 2.0 * len(panels.rows) + 0.7


def _painter(panels: Panels):
    def paint(figure):
        columns = max(map(len, panels.rows))
        axes = figure.subplots(len(panels.rows), columns, squeeze=False, sharex="col")
        for line, (row, pictures) in enumerate(zip(axes, panels.rows, strict=True)):
            for place, (panel, picture) in enumerate(zip(row, pictures, strict=True)):
                _paint_panel(panel, picture)
                panel.set_xlabel(picture.across if line == len(panels.rows) - 1 else "")
                panel.set_ylabel(picture.upwards if place == 0 else "")
        handles, labels = axes[0][0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper right", ncols=len(labels), frameon=False)
        figure.suptitle(panels.title, x=0.01, ha="left", fontsize=11)

    return paint


def _paint_panel(panel, picture: Picture) -> None:
    from tuneaccord.reporting.svg import COLOURS

    for place, curve in enumerate(picture.curves):
        colour, dash = COLOURS[_CYCLE[place]], _DASHES[place]
        panel.plot(
            curve.at, curve.heights, dash, color=colour, marker="o", markersize=3, linewidth=1.5, label=curve.name
        )
        if curve.band is not None:
            panel.fill_between(curve.at, *curve.band, color=colour, alpha=0.2, linewidth=0)
    if picture.logarithmic[0]:
        panel.set_xscale("log", base=2)
        panel.set_xticks(picture.curves[0].at)
        panel.set_xticks([], minor=True)
        panel.xaxis.set_major_formatter(lambda x, _: f"{x:g}")
    panel.axhline(0, color=COLOURS["grid"], linewidth=0.8, zorder=0)
    panel.axvline(1, color=COLOURS["ink"], linewidth=1.0, linestyle=":", zorder=0)
    panel.set_title(picture.title, fontsize=9.5)


def _in_words(panels: Panels) -> str:
    return " ".join(
        f"{picture.title}, {picture.across} {curve.at[-1]:g}: {curve.name} {curve.heights[-1]:+.3f}."
        for row in panels.rows
        for picture in row
        for curve in picture.curves
    )
