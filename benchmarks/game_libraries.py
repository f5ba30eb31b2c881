"""The same game, discretised, in two general libraries: NegMAS for the bargain, Gambit for the tree of investments.

Both are optional: ``pip install "tuneaccord[oracles]"``. They are copyleft (NegMAS 0.16: AGPL 3 or later, Gambit:
GPL 2 or later) and used here and in tests only. Gambit has no wheel for every machine: without one it is built from
source, which takes some minutes.
"""

from __future__ import annotations

import numpy as np
from game_cases import Case

import tuneaccord as ta

PICKS = {"Nash": "nash_points", "KalaiSmorodinsky": "ks_points", "Egalitarian": "kalai_points"}


def discretised(case: Case, shares, points: int = 201):
    """``(U_G, U_D)`` at each share when both invest in steps of ``top / (points - 1)``: backward induction."""
    grid = np.linspace(0.0, case.top, points)
    base, x = grid[:, None], grid[None, :]
    found = []
    for share in shares:
        gain_g, gain_d = (np.broadcast_to(gain, (points, points)) for gain in case.earned(np, share, base, x))
        gain_d = gain_d - case.setup * (x > 0)
        reply = points - 1 - np.argmax(gain_d[:, ::-1], axis=1)
        rows = np.arange(points)
        taken = gain_d[rows, reply] >= 0
        own = np.where(taken, gain_g[rows, reply], -case.cost(np, grid))
        built = points - 1 - np.argmax(own[::-1])
        found.append((float(own[built]), float(max(gain_d[built, reply[built]], 0.0))))
    return np.array(found)


def negmas_pick(shares, utilities, outside, solution: str = "Nash"):
    """The share that NegMAS picks from a list: one issue, one utility function a party, its frontier, its point.

    ``utilities`` has one row a share. The ranges are handed over, because NegMAS replaces an outside option that is
    below all outcomes by the least utility, and it counts a party's range from what is on offer.
    """
    from negmas.outcomes import make_issue
    from negmas.preferences import MappingUtilityFunction, ops

    utilities = np.asarray(utilities, float)
    issue = make_issue([f"{share!r}" for share in np.asarray(shares, float).tolist()], "share")
    outcomes = [(value,) for value in issue.values]
    functions = [
        MappingUtilityFunction(
            dict(zip(outcomes, column.tolist(), strict=True)), issues=[issue], reserved_value=float(own)
        )
        for column, own in zip(utilities.T, outside, strict=True)
    ]
    frontier, places = ops.pareto_frontier(functions, outcomes=outcomes)
    ranges = [(float(own), float(column.max())) for column, own in zip(utilities.T, outside, strict=True)]
    points = getattr(ops, PICKS[solution])(functions, frontier, ranges=ranges, outcomes=outcomes)
    return [float(shares[places[place]]) for _, place in points]


def tree(case: Case, share: float, bases, improvements):
    """The investment game at one share as a Gambit tree: the generalist's base, then the specialist's improvement."""
    import pygambit

    game = pygambit.Game.new_tree(players=["generalist", "medical"])
    game.append_move(game.root, "generalist", [f"{base!r}" for base in bases.tolist()])
    for base, node in zip(bases.tolist(), list(game.root.children), strict=True):
        game.append_move(node, "medical", [f"{x!r}" for x in improvements.tolist()])
        for x, leaf in zip(improvements.tolist(), list(node.children), strict=True):
            payoffs = [float(gain) for gain in case.earned(np, share, base, x)]
            payoffs[1] -= case.setup * (x > 0)
            game.set_outcome(leaf, game.add_outcome(f"{base!r}, {x!r}", payoffs))
    return game


def gambit_play(case: Case, share: float, bases, improvements):
    """``(base, x, regret)`` of Gambit's equilibrium of the tree (its linear complementarity solver).

    ``regret`` is the most that anybody could gain at any node, reached or not, by Gambit's own count: 0 means that the
    equilibrium is subgame-perfect.
    """
    import pygambit

    game = tree(case, share, bases, improvements)
    profile = pygambit.nash.lcp_solve(game, rational=False).equilibria[0]
    regret = max(float(profile.infoset_regret(infoset)) for infoset in game.infosets)
    built = int(np.argmax([float(profile[action]) for action in game.root.infoset.actions]))
    node = list(game.root.children)[built]
    reply = int(np.argmax([float(profile[action]) for action in node.infoset.actions]))
    return float(bases[built]), float(improvements[reply]), regret


def on_grid() -> Case:
    """Costs ``a0**2 / 2`` and ``x**2``, revenue ``a``: at shares of 0, 0.1, ..., 1 a best base is the share, a best
    improvement half the rest."""
    specialist = ta.Specialist("medical", cost=ta.Power(1.0, 2), revenue=ta.Linear(1.0))
    game = ta.FineTuningGame(ta.Generalist(cost=ta.Power(0.5, 2)), [specialist])
    return Case(game, lambda m, a: 0.5 * a**2, lambda m, x, base: x**2, lambda m, a: a, 1.0)
