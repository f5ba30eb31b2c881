"""Stage two: what the generalist builds, knowing the replies.

All games at once. Where every revenue is a straight line the answer is a closed form; otherwise a branch and bound
over the base that no second local optimum can fool, and that says by how much its answer may fall short.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np

from tuneaccord.bargaining.curves import Linear
from tuneaccord.bargaining.engine.bends import bend, unwrapped
from tuneaccord.bargaining.engine.closed import straight_plays
from tuneaccord.bargaining.engine.repliers import Replier
from tuneaccord.bargaining.engine.stacking import stacked
from tuneaccord.bargaining.parties import Generalist, Specialist, games, take
from tuneaccord.bargaining.plays import Plays, joined

Groups = list[tuple[list[int], Replier]]
_NUMBERS = 2**20  # in one array: memory stays below some 200 MB


def play_many(generalist: Generalist, specialists: Sequence[Specialist], shares) -> Plays:
    """The subgame-perfect outcome at ``shares`` (games, specialists), the generalist's shares of each revenue.

    The generalist maximises ``sum_i share_i * revenue_i(base + x_i(base)) - cost(base)`` over ``base >= 0``, where
    ``x_i(base)`` is the best reply; of equally good bases it takes the largest. Parameters of the parties are
    numbers, or arrays with one number a game. Raises :class:`InputError` where no best base or reply exists.

    >>> from tuneaccord import Linear, Power
    >>> medical = Specialist("medical", cost=Power(2.0, 2), revenue=Linear(1.0))
    >>> play_many(Generalist(cost=Power(1.0, 2)), [medical], [[0.4], [1.0]]).base.tolist()
    [0.2, 0.5]

    Source: arXiv 2308.04399, backward induction.
    """
    with np.errstate(all="ignore"):  # infinite slopes and their products are meant
        return _play_many(generalist, specialists, np.asarray(shares, float))


def _play_many(generalist, specialists, shares) -> Plays:
    specialists = tuple(specialists)
    varying = [] if _plain(specialists) else [one for one in specialists if games(one)]
    rows = max([len(shares), *(size for party in (generalist, *varying) for size in games(party))])
    shares = np.broadcast_to(shares, (rows, len(specialists)))
    chunk = max(1, _NUMBERS // (len(specialists) * _points(specialists)))
    if rows <= chunk:
        return _play(generalist, specialists, shares)
    parts = []
    for start in range(0, rows, chunk):
        here = slice(start, start + chunk)
        several = tuple(_part(one, here, rows) for one in specialists) if varying else specialists
        parts.append(_play(_part(generalist, here, rows), several, shares[here]))
    return joined(parts)


def _plain(specialists: tuple[Specialist, ...]) -> bool:
    """Whether all parameters are numbers: arrays have no hash."""
    try:
        hash(specialists)
    except TypeError:
        return False
    return True


def _part(party, here: slice, rows: int):
    return take(party, here) if games(party) == (rows,) else party


def _points(specialists) -> int:
    """About how many bases of one game are looked at together."""
    return 1 if all(type(one.revenue) is Linear for one in specialists) else 128


def _play(generalist, specialists, shares) -> Plays:
    setup, cost, _ = unwrapped(generalist.cost)
    groups = _groups_of(tuple(specialists), len(shares))
    for places, group in groups:
        group.refuse_unbounded(shares[:, places])
    if all(group.revenue.straight and group.depends == "none" for _, group in groups):
        return straight_plays(bend(cost), setup, groups, shares)
    from tuneaccord.bargaining.engine.bases import searched_plays

    return searched_plays(bend(cost), setup, groups, shares)


def _groups_of(specialists: tuple[Specialist, ...], rows: int) -> Groups:
    """A bargain asks for the same game many times: groups that do not depend on the rows are kept."""
    return _kept_groups(specialists) if _plain(specialists) else _grouped(specialists, rows)


@functools.lru_cache(maxsize=32)
def _kept_groups(specialists: tuple[Specialist, ...]) -> Groups:
    return _grouped(specialists, 1)


def _grouped(specialists, rows: int) -> Groups:
    alike = stacked(specialists, rows)
    return [(places, Replier.of(group, tuple(specialists[i].name for i in places))) for places, group in alike]
