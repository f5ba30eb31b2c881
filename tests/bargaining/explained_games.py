"""Small games, each with the shares at which one regime or degenerate case shows."""

from __future__ import annotations

import tuneaccord as ta


def game(cost, *specialists, outside=0.0) -> ta.FineTuningGame:
    return ta.FineTuningGame(ta.Generalist(cost, outside), specialists)


def medical(cost, revenue, **rest) -> ta.Specialist:
    return ta.Specialist("medical", cost=cost, revenue=revenue, **rest)


def legal(cost, revenue, **rest) -> ta.Specialist:
    return ta.Specialist("legal", cost=cost, revenue=revenue, **rest)


SQUARE = ta.Power(1.0, 2)
UNIT = ta.Linear(1.0)
DEAR = ta.Linear(2.0)  # a unit costs twice what it earns

GAMES = {
    "contributes: power costs, linear revenue": (game(SQUARE, medical(ta.Power(2.0, 2), UNIT)), [0.4]),
    "contributes: a linear cost against a revenue that flattens": (
        game(SQUARE, medical(ta.Linear(0.5), ta.Log(1.0, 1.0))),
        [0.25],
    ),
    "contributes: the first unit earns infinitely much": (game(SQUARE, medical(UNIT, ta.Sqrt(4.0))), [0.0]),
    "contributes: up to the cap of its revenue": (
        game(SQUARE, medical(ta.Power(0.25, 2), ta.Capped(1.0, UNIT))),
        [0.4],
    ),
    "contributes: covers its set-up amount": (game(SQUARE, medical(ta.Fixed(0.02, SQUARE), UNIT)), [0.4]),
    "contributes: not for its first unit": (
        game(SQUARE, medical(ta.Linear(0.5), ta.Logistic(4.0, 2.0, 0.25))),
        [0.25],
    ),
    "contributes: covers its entry cost": (game(SQUARE, medical(SQUARE, UNIT, entry_cost=0.1)), [0.4]),
    "contributes: better than its outside option": (game(SQUARE, medical(SQUARE, UNIT, outside=0.125)), [0.4]),
    "contributes: where its revenue bends": (
        game(SQUARE, medical(SQUARE, ta.Tabulated([0.0, 1.0, 2.0], [0.0, 3.0, 3.5]))),
        [0.5],
    ),
    "contributes: any function of Python": (
        game(SQUARE, medical(SQUARE, ta.Function(lambda x: 2.0 * x**0.5 + 0.0 * x))),
        [0.5],
    ),
    "free-rides: a first unit that costs more than it earns": (game(SQUARE, medical(DEAR, UNIT)), [0.4]),
    "free-rides: exponent 1 against a flattening revenue": (
        game(ta.Power(0.2, 1), medical(ta.Power(0.5, 1), ta.Sqrt(2.0))),
        [0.5],
    ),
    "free-rides: a first unit and all others of an S-shaped revenue": (
        game(SQUARE, medical(UNIT, ta.Logistic(1.0, 3.0, 0.5))),
        [0.5],
    ),
    "free-rides: a set-up amount too large": (game(SQUARE, medical(ta.Fixed(0.5, SQUARE), UNIT)), [0.4]),
    "free-rides: its revenue is flat at the base": (
        game(SQUARE, medical(SQUARE, ta.Capped(0.1, UNIT)), legal(SQUARE, UNIT)),
        [0.25, 0.5],
    ),
    "free-rides: the generalist's share is 1": (game(SQUARE, medical(SQUARE, UNIT)), [1.0]),
    "abstains: its entry cost": (game(SQUARE, medical(SQUARE, UNIT, entry_cost=0.9), legal(SQUARE, UNIT)), [0.4, 0.4]),
    "abstains: its outside option": (
        game(SQUARE, medical(SQUARE, UNIT, outside=0.75), legal(SQUARE, UNIT)),
        [0.4, 0.4],
    ),
    "abstains: both together": (
        game(SQUARE, medical(SQUARE, UNIT, entry_cost=0.375, outside=0.25), legal(SQUARE, UNIT)),
        [0.0, 0.4],
    ),
    "abstains: its outside option alone would do, with an entry cost": (
        game(SQUARE, medical(SQUARE, UNIT, entry_cost=0.25, outside=0.75), legal(SQUARE, UNIT)),
        [0.25, 0.4],
    ),
    "generalist: to bring a specialist in does not pay": (game(SQUARE, medical(SQUARE, UNIT, entry_cost=3.0)), [0.5]),
    "generalist: no base brings a specialist in": (
        game(SQUARE, medical(SQUARE, ta.Saturating(1.0, 1.0), entry_cost=3.0)),
        [0.5],
    ),
    "generalist: builds just enough for a specialist to take part": (
        game(SQUARE, medical(DEAR, UNIT, entry_cost=0.2)),
        [0.5],
    ),
    "generalist: builds no more, lest a specialist stop contributing": (
        game(ta.Power(0.1, 2), medical(ta.Fixed(0.5, ta.Power(0.1, 2)), ta.Log(2.0, 1.0))),
        [0.5],
    ),
    "generalist: builds up to the cap of a revenue": (
        game(ta.Power(0.1, 2), medical(DEAR, ta.Capped(1.0, UNIT))),
        [0.5],
    ),
    "generalist: its first unit costs more than it brings": (game(UNIT, medical(SQUARE, UNIT)), [0.4]),
    "generalist: a set-up amount too large": (game(ta.Fixed(1.0, SQUARE), medical(SQUARE, UNIT)), [0.4]),
    "generalist: covers its set-up amount": (game(ta.Fixed(0.01, SQUARE), medical(SQUARE, UNIT)), [0.4]),
    "generalist: what it builds is replaced": (
        game(SQUARE, medical(ta.Level(SQUARE), UNIT)),
        [0.4],
    ),
    "generalist: its share is 0": (game(SQUARE, medical(SQUARE, UNIT)), [0.0]),
    "zero surplus: nothing earns anything": (game(SQUARE, medical(SQUARE, ta.Linear(0.0))), [0.5]),
    "nobody invests: both first units cost too much": (game(DEAR, medical(DEAR, UNIT)), [0.5]),
    "exponent 1 on both sides": (
        game(ta.Power(0.2, 1), medical(ta.Power(0.3, 1), ta.Saturating(1.0, 1.0))),
        [0.5],
    ),
    "exponent near 1": (game(SQUARE, medical(ta.Power(1.0, 1.001), UNIT)), [0.4]),
    "huge asymmetry: the specialist's cost": (game(SQUARE, medical(ta.Power(1e12, 2), UNIT)), [0.4]),
    "huge asymmetry: the generalist's cost": (game(ta.Power(1e12, 2), medical(SQUARE, UNIT)), [0.4]),
    "tie: contributing and free-riding": (game(SQUARE, medical(ta.Fixed(0.0625, SQUARE), UNIT)), [0.5]),
    "tie: taking part and abstaining": (game(SQUARE, medical(DEAR, UNIT, entry_cost=0.125)), [0.5]),
    "tie: a base and none": (game(SQUARE, medical(DEAR, UNIT, entry_cost=0.25)), [0.5]),
    "three specialists, one of each": (
        game(
            SQUARE,
            medical(SQUARE, UNIT),
            legal(DEAR, UNIT),
            ta.Specialist("finance", cost=SQUARE, revenue=UNIT, entry_cost=5.0),
        ),
        [0.4, 0.5, 0.6],
    ),
    "a share of 0 beside another": (game(SQUARE, medical(SQUARE, UNIT), legal(SQUARE, UNIT)), [0.0, 0.5]),
    "a share of 1 beside another": (game(SQUARE, medical(SQUARE, UNIT), legal(SQUARE, UNIT)), [1.0, 0.5]),
}
