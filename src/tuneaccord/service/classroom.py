"""What players of a classroom session want, and what the server's own players report.

Each seat's true wishes are drawn from the server's secret and the seat's name, so nobody can compute another's.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tuneaccord.artifacts import seed_of
from tuneaccord.service.admitting import likeness
from tuneaccord.service.terms import CandidatePool, ResponsePool, Terms, shape_of

SIZES = (1, 2, 3, 4, 5)
EXAGGERATION = 2.0


def true_type(secret: str, name: str, pool: ResponsePool | CandidatePool, terms: Terms) -> dict[str, Any]:
    """What the seat ``name`` truly wants: a size, and a score for each response with two digits on the agreed scale.

    >>> from tuneaccord.service.terms import pool_of, terms_of
    >>> pool = pool_of({"prompts": [{"id": "p"}], "responses": [[{"id": "a"}, {"id": "b"}]]})
    >>> sorted(true_type("secret", "ada", pool, terms_of({"title": "class"})))
    ['scores', 'size']
    """
    rng = np.random.default_rng(seed_of("classroom", secret, name))
    low, high = terms.scores.lowest, terms.scores.highest
    scores = low + (high - low) * rng.beta(0.6, 0.6, shape_of(pool))
    step = (high - low) / 100
    rounded = np.clip(low + np.round((scores - low) / step) * step, low, high)
    return {"size": float(min(rng.choice(SIZES), terms.largest_size)), "scores": rounded.round(12).tolist()}


def bot_report(truth: dict[str, Any], terms: Terms) -> dict[str, Any]:
    """What a player of the server reports: the truth, or twice its size where bots exaggerate."""
    factor = EXAGGERATION if terms.classroom is not None and terms.classroom.bots == "exaggerating" else 1.0
    return {**truth, "size": min(truth["size"] * factor, terms.largest_size), "how": "played by the server"}


def bot_names(taken: tuple[str, ...], seats: int) -> list[str]:
    """Names for the empty seats.

    >>> bot_names(("ada", "Bot 1"), 4)
    ['bot 2', 'bot 3']
    """
    free = (f"bot {number}" for number in range(1, seats + len(taken) + 1))
    alike = {likeness(name) for name in taken}
    return [name for name in free if likeness(name) not in alike][: max(0, seats - len(taken))]
