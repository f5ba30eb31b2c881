"""A figure that can be had as SVG, as PNG or as Matplotlib's own object, and the small parts that figures share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from tuneaccord.reporting.formatting import short
from tuneaccord.reporting.needs import need
from tuneaccord.reporting.svg import COLOURS, draw, pixels


@dataclass(frozen=True)
class Picture:
    """``paint(figure)`` fills ``width`` by ``height`` inches; title and description are what a screen reader says."""

    width: float
    height: float
    paint: Callable
    title: str
    description: str

    def svg(self, key: str) -> str:
        """As SVG text; ``key`` keeps the ids of several figures on one page apart."""
        return draw(self.width, self.height, self.paint, self.title, self.description, key)

    def png(self) -> bytes:
        """As PNG, on white."""
        return pixels(self.width, self.height, self.paint)

    def figure(self):
        """As a Matplotlib figure, to be changed further."""
        made = need("matplotlib.figure").Figure(figsize=(self.width, self.height), layout="constrained")
        self.paint(made)
        return made


#: the generalist first, then the specialists in turn
PLAYER_COLOURS = [COLOURS[name] for name in ("value", "payment", "utility", "adapter", "base")]
MARKERS = ["o", "s", "D", "^", "v"]


def colour_of(place: int) -> str:
    """The colour of a player: the generalist's, then the specialists' in turn."""
    return PLAYER_COLOURS[0] if place == 0 else PLAYER_COLOURS[1 + (place - 1) % (len(PLAYER_COLOURS) - 1)]


def spread(places: Sequence[float], gap: float, low: float = 0.0, high: float = 1.0) -> list[float]:
    """The same places moved apart to at least ``gap``, their order kept, inside ``[low, high]`` where there is room.

    >>> [round(place, 3) for place in spread([0.5, 0.5, 0.1], 0.1)]
    [0.45, 0.55, 0.1]
    """
    order = sorted(range(len(places)), key=lambda i: places[i])
    moved = [places[i] for i in order]
    for _ in range(200):
        for i in range(len(moved) - 1):
            missing = gap - (moved[i + 1] - moved[i])
            if missing > 1e-9:
                moved[i] -= missing / 2
                moved[i + 1] += missing / 2
        if len(moved) * gap <= high - low and moved:
            moved[0], moved[-1] = max(moved[0], low), min(moved[-1], high)
    found = [0.0] * len(places)
    for i, place in zip(order, moved, strict=True):
        found[i] = place
    return found


def label_ends(panel, x: float, ends: Mapping[str, tuple[float, str]], gap: float = 0.075) -> None:
    """Write each curve's name, in its colour, to the right of where it ends: name -> (height, colour)."""
    low, high = panel.get_ylim()
    places = spread([(y - low) / (high - low) for y, _ in ends.values()], gap)
    for (name, (_, colour)), place in zip(ends.items(), places, strict=True):
        spot, how = (x, place), ("data", "axes fraction")
        panel.annotate(
            short(name), spot, (7, 0), how, "offset points", va="center", color=colour, annotation_clip=False
        )


def grouped(labels: Sequence[str], spots: Sequence[tuple[float, ...]], closeness: float) -> list[tuple[str, tuple]]:
    """Labels of (almost) one spot joined.

    >>> grouped(["a", "b", "c"], [(0.1,), (0.9,), (0.1,)], 0.01)
    [('a, c', (0.1,)), ('b', (0.9,))]
    """
    found: list[tuple[str, tuple]] = []
    for label, spot in zip(labels, spots, strict=True):
        for i, (names, there) in enumerate(found):
            if max(abs(a - b) for a, b in zip(spot, there, strict=True)) <= closeness:
                found[i] = (f"{names}, {label}", there)
                break
        else:
            found.append((label, tuple(spot)))
    return found
