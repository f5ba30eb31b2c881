"""The short words for why somebody plays as it does, and how numbers stand in the sentences about it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

_ROUNDING = 1e-14  # some fifty roundings of float64

#: what each cause means; the first words of :attr:`tuneaccord.Play.causes`
CAUSES = {
    "marginal": "the next unit would cost as much as it earns",
    "kink": "up to here the next unit earns more than it costs, beyond less",
    "threshold": "just enough for a specialist to take part, or to go on contributing",
    "first unit": "already the first unit costs more than it earns, and no larger investment pays",
    "set-up": "the best investment does not cover the amount paid for starting",
    "flat revenue": "more performance earns nothing more",
    "no share": "somebody else gets all of the revenue",
    "entry cost": "taking part is worth less than the entry cost and the outside option together",
    "outside option": "taking part, even free of the entry cost, is worth less than the outside option",
    "nobody takes part": "no base that could pay for itself brings a specialist in",
    "replaced": "what the generalist builds would only replace what the specialists add",
    "no agreement": "no shares are acceptable to everybody and better for somebody",
    "best": "no other investment leaves more",
}


class Explanation(NamedTuple):
    """Why somebody plays as it does: one of :data:`CAUSES`, and a sentence or two with the numbers."""

    cause: str
    sentence: str


NO_AGREEMENT = Explanation(
    "no agreement",
    "There is no agreement: no shares leave everybody at least the outside option and somebody more than that.",
)


def amount(number: float) -> str:
    """Four significant digits.

    >>> amount(0.1 + 0.2), amount(np.inf), amount(-0.0)
    ('0.3', 'infinitely much', '0')
    """
    number = float(number)
    if np.isinf(number):
        return "infinitely much" if number > 0 else "minus infinity"
    return f"{number + 0.0:.4g}"


def same(first: float, second: float, scale: float = 0.0) -> bool:
    """Equal but for rounding, relative to the numbers and ``scale``."""
    size = max(abs(first), abs(second), abs(scale))
    return bool(np.isfinite(size) and abs(first - second) <= _ROUNDING * size)
