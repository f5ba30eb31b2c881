"""Two specialists with quadratic costs: the joint solutions and bilateral Nash-in-Nash.

Costs ``c0 = 1`` and ``c = (1, 1.5)``, both revenues ``a_i``. With ``s = 1 / (4 c0)``, ``t_i = 1 / (4 c_i)`` and ``S``
the sum of the shares times the rates,

    U_G = s S**2 + 2 sum_i t_i b_i**2 d_i (1 - d_i)        U_i = 2 s b_i (1 - d_i) S + t_i b_i**2 (1 - d_i)**2

Compared: ``game.bargain``, figures from the closed forms (derived here, for the model of arXiv 2308.04399), and a
search that knows the two formulas only. Nash-in-Nash is Horn and Wolinsky's (RAND Journal 19, 1988).

    python 08_several_specialists.py
"""

import sys

import numpy as np
from _table import Table
from scipy.optimize import minimize, minimize_scalar

import tuneaccord as ta

COSTS, RATES = np.array([1.0, 1.5]), np.array([1.0, 1.0])
NAMES = ("law", "medicine")

#: the shares and utilities that the formulas give, to ten digits
UTILITARIAN = (0.5714285714, 0.8571428571), (0.6734693878, 0.3520408163, 0.1054421769)
EGALITARIAN = (0.3984952365, 0.3466650429), (None, 0.3145607240, 0.3145607240)
BILATERAL = (0.5, 0.5495890726), (0.4829229466, None, None)


def utilities(shares):
    """``(U_G, U_1, U_2)`` with everybody in."""
    shares = np.asarray(shares, float)
    total, t, kept = shares @ RATES, RATES**2 / (4 * COSTS), 1 - shares
    return np.array([0.25 * total**2 + 2 * t @ (shares * kept), *(0.5 * RATES * kept * total + t * kept**2)])


def searched(score):
    """The shares with the largest ``score(utilities)``, by a grid and Nelder and Mead's search."""
    mesh = np.stack(np.meshgrid(*2 * [np.linspace(0, 1, 41)], indexing="ij"), axis=-1).reshape(-1, 2)
    start = max(mesh, key=lambda shares: score(utilities(shares)))
    found = minimize(
        lambda shares: -score(utilities(np.clip(shares, 0, 1))),
        start,
        method="Nelder-Mead",
        options={"xatol": 1e-10, "fatol": 1e-15, "maxiter": 4000},
    )
    return np.clip(found.x, 0, 1)


def bilateral():
    """Nash-in-Nash by repeating each bilateral bargain until nothing moves."""
    shares = np.array([0.5, 0.5])
    for _ in range(60):
        for i in (0, 1):

            def product(own, i=i):
                every = np.where(np.arange(2) == i, own, shares)
                alone = np.where(np.arange(2) == i, 0.0, 1.0)  # the other domain only
                rest = every * alone
                threat = 0.25 * (rest @ RATES) ** 2 + 2 * (RATES**2 / (4 * COSTS)) @ (rest * (1 - rest))
                got = utilities(every)
                return -(got[0] - threat) * got[1 + i]

            best = minimize_scalar(product, bounds=(0, 1), method="bounded", options={"xatol": 1e-12})
            shares[i] = best.x
    return shares


def compare(table, name, agreement, figures, other):
    """One solution three ways."""
    shares, expected = figures
    for who, figure, found in zip(NAMES, shares, other, strict=True):
        table.row(f"{name}: share of {who}", figure, agreement.shares[who], 1e-9)
        table.row(f"{name}: share of {who}, by search", figure, found, 1e-6)  # flat tops: half the digits
    for who, figure in zip(("generalist", *NAMES), expected, strict=True):
        if figure is not None:
            table.row(f"{name}: utility of {who}", figure, agreement.play.utilities[who], 1e-9)


def main(out=None):
    """Compare; 0 if all agree."""
    specialists = [
        ta.Specialist(name, cost=ta.Power(cost, 2), revenue=ta.Linear(rate))
        for name, cost, rate in zip(NAMES, COSTS.tolist(), RATES.tolist(), strict=True)
    ]
    game = ta.FineTuningGame(ta.Generalist(cost=ta.Power(1.0, 2)), specialists)
    table = Table("Two specialists, c0 = 1, c = (1, 1.5)")
    play = game.play(dict(zip(NAMES, (0.3, 0.8), strict=True)))
    for who, figure in zip(("generalist", *NAMES), utilities((0.3, 0.8)), strict=True):
        table.row(f"play at shares 0.3, 0.8: utility of {who}", figure, play.utilities[who])
    compare(table, "utilitarian", game.bargain(ta.Utilitarian()), UTILITARIAN, searched(np.sum))
    compare(table, "egalitarian", game.bargain(ta.Egalitarian()), EGALITARIAN, searched(np.min))
    compare(table, "Nash-in-Nash", game.bargain(ta.NashInNash()), BILATERAL, bilateral())
    nash = game.bargain(ta.Nash())
    best = searched(lambda gains: np.log(np.maximum(gains, 1e-300)).sum())
    for who, figure in zip(NAMES, best, strict=True):
        table.row(f"Nash: share of {who}, against the search", figure, nash.shares[who], 1e-6)
    for i, (name, rule) in enumerate(
        {"generalist": ta.PowerfulGeneralist(), **{who: ta.PowerfulSpecialist(who) for who in NAMES}}.items()
    ):
        most = utilities(searched(lambda gains, i=i: gains[i]))[i]
        table.row(
            f"powerful {name}: its utility, against the search", most, game.bargain(rule).play.utilities[name], 1e-9
        )
    return table.finish()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
