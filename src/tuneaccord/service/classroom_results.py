"""What a class played: who lied how much, what it brought, and what the truth would have brought instead. Pure.

The mechanism judges a group by its report, because it knows nothing else. In a classroom the server also knows what
each player truly wants, so utilities here are true size times true value minus payment. A player's truth is judged by
settling again with the truth in the place of its report and everybody else as reported. Each comparison is made twice:
with the payments of the session (or the paper's, where the session has none), and with nobody paying.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from tuneaccord.errors import InputError, nearest
from tuneaccord.mechanism.payments import Externality, Free
from tuneaccord.mechanism.reports import Report
from tuneaccord.mechanism.rules import Welfare
from tuneaccord.mechanism.settlement import Settlement, settle
from tuneaccord.rewards import TableReward
from tuneaccord.service.terms import Terms, pool_of, space_of
from tuneaccord.spaces.candidates import Candidates
from tuneaccord.spaces.simplex import Simplex

SAME = 1e-9  #: amounts that differ by less, relative to the largest in the class, are the same to rounding
FACTORS = tuple(float(f"{2 ** (place / 4):.4g}") for place in range(-8, 29, 2))  #: 1/4 to 128, in half octaves
_USUAL = 8.0  #: how far a curve goes where nobody went further


@dataclass(frozen=True)
class Player:
    """One seat: what it truly wants, and what it reported (None: nothing)."""

    name: str
    truth: Mapping[str, Any]  #: size and scores
    report: Mapping[str, Any] | None = None
    bot: bool = False


@dataclass(frozen=True)
class Outcome:
    """What one player gets of one settlement, by its true wishes."""

    value: float  #: true size times true value of the model
    payment: float

    @property
    def utility(self) -> float:
        """Value minus payment."""
        return self.value - self.payment


class Game:
    """A class that has reported: settlements with one report changed, and what they are worth to a player.

    Raises :class:`InputError` when nobody reported.
    """

    def __init__(self, terms: Terms, pool: Mapping[str, Any], players: Sequence[Player]) -> None:
        self.terms, self.players = terms, {one.name: one for one in players}
        self.space = space_of(pool_of(pool), terms)
        self.paid = not isinstance(terms.payment, Free)
        self.payment = terms.payment if self.paid else Externality()
        self.told = {one.name: _report(one.name, one.report) for one in players if one.report is not None}
        if not self.told:
            raise InputError("nobody reported, so there is nothing to settle.")

    @cached_property
    def played(self) -> Settlement:
        """The settlement of the reports as they are, with payments."""
        return self._settled(self.told)

    @cached_property
    def honest(self) -> Settlement:
        """The settlement if everybody had told the truth, those without a report too."""
        return self._settled({name: _report(name, one.truth) for name, one in self.players.items()})

    def with_report(self, name: str, report: Mapping[str, Any]) -> Settlement:
        """The settlement with one report changed and everybody else as reported."""
        return self._settled({**self.told, name: _report(name, report)})

    def _settled(self, reports: Mapping[str, Report]) -> Settlement:
        space = self.space
        if isinstance(space, Candidates):
            space = Candidates(np.zeros((len(space.prices), len(reports))), space.prices, space.names, space.base)
        return settle(space, list(reports.values()), self.terms.rule, self.payment)

    def outcome(self, settlement: Settlement, name: str) -> Outcome:
        """What the settlement is worth to a player, and what it charges it; who did not report pays nothing."""
        truth = self.player(name).truth
        value = truth["size"] * self.worth(settlement.model, truth["scores"])
        return Outcome(value, settlement.payments.get(name, 0.0))

    def by_size(self, name: str, sizes: Sequence[float]) -> list[Outcome]:
        """What the player gets with its true scores and each of these sizes, everybody else as reported.

        Under the paper's rule and payment each takes one solve, ``p_i = h(w without i) - [h(w) - w_i v_i]``, where
        the first part is the same for all: a settlement computes everybody's payment, and is not needed for a curve.
        """
        truth, others = self.player(name).truth, [one for other, one in self.told.items() if other != name]
        usual = self.terms.rule == Welfare() and self.payment == Externality()
        if not (usual and others and isinstance(self.space, Simplex)):
            return [self.outcome(self.with_report(name, {**truth, "size": size}), name) for size in sizes]
        scores = self.space.scores([one.reward for one in others] + [_report(name, truth).reward])
        weights = np.array([one.size for one in others])
        without = self.space.prompt_weights @ self.space.optimum(scores[:, :, :-1], weights).support
        found = []
        for size in sizes:
            best = self.space.optimum(scores, np.append(weights, size))
            own = float(self.space.prompt_weights @ best.values[:, -1])
            whole = self.space.prompt_weights @ best.support
            found.append(Outcome(truth["size"] * own, float(without - (whole - size * own))))
        return found

    def player(self, name: str) -> Player:
        """The player of this name."""
        if name not in self.players:
            raise InputError(f"there is no player {name!r:.90} in this class. {nearest(name, list(self.players))}")
        return self.players[name]

    def worth(self, model: Any, scores: Sequence[Sequence[float]]) -> float:
        """Expected score of a policy or a candidate for one member with these scores."""
        table = np.asarray(scores, dtype=float)
        if isinstance(self.space, Simplex):
            return float(self.space.prompt_weights @ (np.atleast_2d(np.asarray(model)) * table).sum(axis=1))
        return float(table[0][self.space.index(model)])

    def base_worth(self, name: str) -> float | None:
        """True size times true value of the base model; None where the pool names no base."""
        truth = self.player(name).truth
        if self.space.base_model is None:
            return None
        return float(truth["size"] * self.worth(self.space.base, truth["scores"]))

    def net_welfare(self, settlement: Settlement) -> float:
        """What the model is worth to all players by their true wishes, minus its price."""
        return sum(self.outcome(settlement, name).value for name in self.players) - settlement.price


def _report(name: str, told: Mapping[str, Any]) -> Report:
    return Report(name, told["size"], TableReward(np.array(told["scores"], dtype=float)))


def results(terms: Terms, pool: Mapping[str, Any], players: Sequence[Player]) -> dict[str, Any]:
    """Everything that a class sees after the reveal, as plain data; amounts are size times score, not yet money.

    ``players`` come best first. Each has its ``rank`` (equal utilities share one), ``truth``, ``report``, ``value``,
    ``payment``, ``utility``, ``truth_utility`` and ``gain`` (utility minus truth_utility: what the lie brought), and
    the same gain ``gain_charged`` if everybody paid and ``gain_free`` if nobody did.
    """
    game = Game(terms, pool, players)
    rows = [_row(game, one) for one in players]
    played, honest = game.net_welfare(game.played), game.net_welfare(game.honest)
    return {
        "paid": game.paid,
        "rate": terms.money.rate,
        "currency": terms.money.currency,
        "responses": response_names(pool),
        "base": _chances(game, None),
        "chosen": _chances(game, game.played),
        "honest": _chances(game, game.honest),
        "net_welfare": played,
        "honest_net_welfare": honest,
        "players": ranked(rows),
    }


def exaggeration(terms: Terms, pool: Mapping[str, Any], players: Sequence[Player], name: str) -> dict[str, Any]:
    """A player's utility against the factor on its true size, true scores told, everybody else as reported.

    ``factor`` goes from 1/4 to 8, or to the player's own factor if that is larger, and never beyond the largest size
    agreed; ``charged`` is the utility with payments and ``free`` the one without.
    """
    game = Game(terms, pool, players)
    truth, report = game.player(name).truth, game.player(name).report
    own = 1.0 if report is None else report["size"] / truth["size"]
    most = min(max(_USUAL, own), terms.largest_size / truth["size"])
    factors = sorted({own, *(factor for factor in FACTORS if factor <= max(1.0, most))})
    found = game.by_size(name, [factor * truth["size"] for factor in factors])
    return {
        "factor": factors,
        "charged": [one.utility for one in found],
        "free": [one.value for one in found],
    }


def ranked(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows best first, with a rank that equal utilities share; among equals by name.

    >>> rows = ranked([{"name": "b", "utility": 2.0}, {"name": "a", "utility": 2.0}, {"name": "c", "utility": 1.0}])
    >>> [(row["name"], row["rank"]) for row in rows]
    [('a', 1), ('b', 1), ('c', 3)]
    """
    allowed = SAME * max((abs(row["utility"]) for row in rows), default=0.0)
    ordered = sorted(rows, key=lambda row: -row["utility"])
    ranks: list[int] = []
    for place, row in enumerate(ordered):
        level = place > 0 and ordered[place - 1]["utility"] - row["utility"] <= allowed
        ranks.append(ranks[-1] if level else place + 1)
    numbered = [{**row, "rank": rank} for row, rank in zip(ordered, ranks, strict=True)]
    return sorted(numbered, key=lambda row: (row["rank"], row["name"]))


def lie(truth: Mapping[str, Any], report: Mapping[str, Any] | None) -> dict[str, Any]:
    """How far a report is from the truth.

    ``size_factor`` is reported over true size, ``spread`` the reported range of scores over the true one (1: as it
    is; None where the truth is flat), ``moved`` the mean change of a score, and ``lied`` whether anything differs.

    >>> lie({"size": 2, "scores": [[0.25, 0.75]]}, {"size": 4, "scores": [[0.0, 1.0]]})
    {'lied': True, 'size_factor': 2.0, 'spread': 2.0, 'moved': 0.25}
    """
    if report is None:
        return {"lied": False, "size_factor": None, "spread": None, "moved": None}
    true, told = np.asarray(truth["scores"], dtype=float), np.asarray(report["scores"], dtype=float)
    factor, moved = report["size"] / truth["size"], float(np.abs(told - true).mean())
    spread = float(np.ptp(told, axis=1).mean() / np.ptp(true, axis=1).mean()) if np.ptp(true, axis=1).any() else None
    lied = abs(factor - 1) > SAME or bool(np.abs(told - true).max() > SAME)
    return {"lied": lied, "size_factor": float(factor), "spread": spread, "moved": moved}


def response_names(pool: Mapping[str, Any]) -> list[str]:
    """A name for each score of a report, in the order of its rows."""
    if pool["kind"] == "candidates":
        return [one["name"] for one in pool["candidates"]]
    several = len(pool["prompts"]) > 1
    return [
        f"{prompt['id']}: {response['id']}" if several else response["id"]
        for prompt, row in zip(pool["prompts"], pool["responses"], strict=True)
        for response in row
    ]


def _row(game: Game, player: Player) -> dict[str, Any]:
    away = lie(player.truth, player.report)
    as_played = game.outcome(game.played, player.name)
    told = player.report is not None and not away["lied"]
    as_true = as_played if told else game.outcome(game.with_report(player.name, player.truth), player.name)
    charged, free = as_played.utility - as_true.utility, as_played.value - as_true.value
    payments = (as_played.payment, as_true.payment) if game.paid else (0.0, 0.0)
    return {
        "name": player.name,
        "bot": player.bot,
        "reported": player.report is not None,
        "truth": {"size": player.truth["size"], "scores": player.truth["scores"]},
        "report": None if player.report is None else {key: player.report[key] for key in ("size", "scores")},
        **away,
        "base_value": game.base_worth(player.name),
        "value": as_played.value,
        "payment": payments[0],
        "utility": as_played.value - payments[0],
        "truth_value": as_true.value,
        "truth_payment": payments[1],
        "truth_utility": as_true.value - payments[1],
        "charge": as_played.payment,
        "truth_charge": as_true.payment,
        "gain": charged if game.paid else free,
        "gain_charged": charged,
        "gain_free": free,
    }


def _chances(game: Game, settlement: Settlement | None) -> list[float] | None:
    """How often each response is given, or 1 for the chosen candidate; of the base where there is no settlement."""
    space = game.played.space
    if settlement is None and space.base_model is None:
        return None
    if isinstance(space, Simplex):
        shown = space.base if settlement is None else settlement.model
        return np.asarray(shown, dtype=float).ravel().tolist()
    chosen = space.index(space.base if settlement is None else settlement.model)
    return [float(row == chosen) for row in range(len(space.names))]
