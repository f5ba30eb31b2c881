"""The fine-tuning game that fitted curves make, and the games that their resampled versions make."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tuneaccord.bargaining.calibration.extrapolating import outside_the_data
from tuneaccord.bargaining.calibration.fit import Fit
from tuneaccord.bargaining.curves import Curve, Level
from tuneaccord.bargaining.game import FineTuningGame
from tuneaccord.bargaining.parties import Generalist, Specialist
from tuneaccord.errors import InputError, nearest, whole_number

if TYPE_CHECKING:
    from tuneaccord.bargaining.agreement import Agreement
    from tuneaccord.bargaining.rules import Rule
    from tuneaccord.bargaining.studies.uncertainty import UncertainOutcome

_FIELDS = ("cost", "revenue", "entry_cost", "outside", "by_level")


@dataclass(frozen=True, eq=False)
class CalibratedGame:
    """A game made of fitted curves.

    ``game`` has the fitted curves, ``draws`` are the same game with curves fitted to resampled measurements, one set a
    game. ``fits`` has the fits by party and role; curves that were given and not fitted are not in it, and are taken as
    certain.
    """

    game: FineTuningGame
    draws: tuple[FineTuningGame, ...]
    fits: dict[str, dict[str, Fit]]

    def bargain(self, solution: Rule) -> Agreement:
        """The agreement with the fitted curves."""
        return self.game.bargain(solution)

    def bargain_under_uncertainty(self, solution: Rule | Mapping[str, float]) -> UncertainOutcome:
        """The spread of the outcome over the draws; at shares instead of a solution, what these would bring."""
        from tuneaccord.bargaining.studies.uncertainty import bargain_under_uncertainty

        if not self.draws:
            raise InputError("no fit has draws. Fit with draws=200 to carry the uncertainty into the bargain.")
        numbers = self._numbers()
        if numbers:  # games of one family are solved together
            return bargain_under_uncertainty(self.game, solution, numbers, draws=len(self.draws))
        return bargain_under_uncertainty(list(self.draws), solution)

    def _numbers(self) -> dict[str, list[float]]:
        """What differs between the draws, by its path; nothing if more than numbers does, as with tables of points."""
        rows, fitted = [game.parameters() for game in self.draws], self.game.parameters()
        if any(row.keys() != fitted.keys() for row in rows):
            return {}
        paths = [path for path in fitted if any(row[path] != fitted[path] for row in rows)]
        made = (self.game.with_parameters({path: row[path] for path in paths}) for row in rows)
        if any(one != game for one, game in zip(made, self.draws, strict=True)):
            return {}
        return {path: [row[path] for row in rows] for path in paths}

    def extrapolation(self, agreement: Agreement) -> list[str]:
        """A sentence for each curve that the agreement's play uses beyond what was measured."""
        return outside_the_data(agreement.play, self.fits, {one.name: one.cost for one in self.game.specialists})


def calibrated_game(
    generalist: Fit | Curve,
    specialists: Mapping[str, Mapping[str, Any]],
    *,
    outside: float = 0.0,
    games: int = 200,
    seed: int = 0,
) -> CalibratedGame:
    """The game whose curves were fitted, with ``games`` versions of it that differ as the measurements might have.

    ``generalist`` is its cost. ``specialists`` gives each by its name a ``"cost"`` and a ``"revenue"``, each a fit or,
    if it is taken as certain, a curve; and, if wanted, ``"entry_cost"``, ``"outside"``, and ``"by_level"``: True takes
    the cost of an improvement to be the difference of the fitted cost at its two ends (:class:`Level`). All fits must
    count performance in the same unit. The fits' draws are paired at random, since they are of different measurements.

    Raises :class:`InputError` on a field that is missing, misspelt or of the wrong role.

    >>> from tuneaccord.bargaining import Linear
    >>> from tuneaccord.bargaining.calibration import Shift, fit_cost
    >>> cost = fit_cost([1, 4, 9, 16], [0.1, 0.2, 0.3, 0.4], transform=Shift(0.0), draws=5)
    >>> made = calibrated_game(cost, {"medical": {"cost": cost, "revenue": Linear(50.0)}}, games=10)
    >>> len(made.draws), round(made.game.generalist.cost.exponent, 6)
    (10, 2.0)
    """
    games, seed = whole_number("games", games, least=1), whole_number("seed", seed, least=0)
    if not isinstance(specialists, Mapping) or not specialists:
        raise InputError(f"specialists must map each name to its cost and revenue, got {specialists!r:.60}.")
    for name, fields in specialists.items():
        _check_fields(name, fields)
    given = {"generalist": {"cost": generalist}}
    given |= {name: {role: fields[role] for role in ("cost", "revenue")} for name, fields in specialists.items()}
    for name, roles in given.items():
        for role, curve in roles.items():
            _check_role(name, role, curve)
    _check_units(given)
    rng = np.random.default_rng(seed)
    drawn = {name: {role: _drawn(one, games, rng) for role, one in roles.items()} for name, roles in given.items()}
    fits = {name: {role: one for role, one in roles.items() if isinstance(one, Fit)} for name, roles in given.items()}
    uncertain = any(fit.draws for roles in fits.values() for fit in roles.values())

    def game(number: int | None) -> FineTuningGame:
        def curve(name: str, role: str) -> Curve:
            one = given[name][role]
            if number is not None:
                return drawn[name][role][number]
            return one.curve if isinstance(one, Fit) else one

        parties = [_specialist(name, fields, curve) for name, fields in specialists.items()]
        return FineTuningGame(Generalist(curve("generalist", "cost"), outside), parties)

    return CalibratedGame(game(None), tuple(game(k) for k in range(games)) if uncertain else (), fits)


def _specialist(name: str, fields: Mapping[str, Any], curve) -> Specialist:
    cost = curve(name, "cost")
    return Specialist(
        name,
        cost=Level(cost) if fields.get("by_level", False) else cost,
        revenue=curve(name, "revenue"),
        entry_cost=fields.get("entry_cost", 0.0),
        outside=fields.get("outside", 0.0),
    )


def _drawn(one: Fit | Curve, games: int, rng: np.random.Generator) -> list[Curve]:
    """A curve for each game: the fit's draws in an order of their own, again from the start if there are too few."""
    if not isinstance(one, Fit) or not one.draws:
        return [one.curve if isinstance(one, Fit) else one] * games
    order = rng.permutation(len(one.draws))
    return [one.draws[order[k % len(order)]] for k in range(games)]


def _check_fields(name: str, fields: object) -> None:
    if not isinstance(fields, Mapping):
        raise InputError(f"{name}: expected {{'cost': ..., 'revenue': ...}}, got {fields!r:.60}.")
    for key in fields:
        if key not in _FIELDS:
            raise InputError(f"{name} has no field {key!r}. {nearest(key, _FIELDS)}")
    for role in ("cost", "revenue"):
        if role not in fields:
            raise InputError(f"{name} has no {role}. Give it a fit or a curve.")


def _check_role(name: str, role: str, one: object) -> None:
    if isinstance(one, Fit) and one.role != role:
        raise InputError(f"{name}: {role} was given the fit of a {one.role}. Try fit_{role}(...).")
    if not isinstance(one, (Fit, Curve)):
        raise InputError(f"{name}: {role} must be a fit or a curve, got {one!r:.60}.")


def _check_units(given: Mapping[str, Mapping[str, object]]) -> None:
    scales = {
        (type(one.transform).__name__, one.transform.unit): f"the {role} of {name}"
        for name, roles in given.items()
        for role, one in roles.items()
        if isinstance(one, Fit)
    }
    if len(scales) > 1:
        first, second = list(scales.items())[:2]
        raise InputError(
            f"performance must mean the same everywhere, but {first[1]} counts it by {first[0][0]} in units of "
            f"{first[0][1]:g} and {second[1]} by {second[0][0]} in units of {second[0][1]:g}."
        )
