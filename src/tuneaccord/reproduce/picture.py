"""A reproduction's lines as SVG text. Needs matplotlib, and only when a picture is drawn."""

from __future__ import annotations

from tuneaccord.reproduce.result import Picture

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
