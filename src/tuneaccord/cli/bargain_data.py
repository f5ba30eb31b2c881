"""Everything that ``tuneaccord bargain`` says, as plain data: the content of ``agreement.json``.

The documents are made from these data alone, so they can be made again at any time.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from tuneaccord.bargaining.agreement import NO_TRADE
from tuneaccord.bargaining.bargain import bargain
from tuneaccord.bargaining.curves import Curve, Fixed, Level, Tabulated
from tuneaccord.bargaining.game import FineTuningGame
from tuneaccord.bargaining.parties import GENERALIST
from tuneaccord.bargaining.plays import REGIMES, Plays
from tuneaccord.bargaining.rules import Rule
from tuneaccord.config.game import GameFile
from tuneaccord.config.game_fields import as_distribution
from tuneaccord.errors import InputError
from tuneaccord.progress import Progress
from tuneaccord.specs import to_data

STEPS = 201  #: shares in the curves of utility
MANY = 12  #: with more specialists no curves of utility are drawn
SWING = 0.1  #: by how much a parameter is moved in the sensitivities


def collect(file: GameFile, progress: Progress, *, everything: bool) -> dict[str, Any]:
    """The agreement beside the other solutions; with ``everything`` also what the documents show."""
    game = file.game
    data = {
        "title": file.title,
        "units": file.units,
        "money": file.money.model_dump(),
        "game": game.to_dict(),
        "players": list(game.players),
        "outside": dict(zip(game.players, game.outside.tolist(), strict=True)),
    }
    with progress.task("bargaining", len(file.solutions) + (file.shares is not None)) as advance:
        if file.shares is not None:
            data["agreement"] = _given(game, file.shares)
            advance()
        data["solutions"] = []
        for rule in file.solutions:
            found = _settled(game, rule)
            chosen = rule == file.solution and file.shares is None
            if chosen:
                if "refused" in found:
                    raise InputError(found["refused"])
                data["agreement"] = found
            data["solutions"].append(_row(found) | {"chosen": chosen})
            advance()
    data["extrapolation"] = _extrapolated(file, data["agreement"])
    return _plain(data | (_more(file, data, progress) if everything else {}))


def _extrapolated(file: GameFile, agreement: dict[str, Any]) -> list[str]:
    """A sentence for each curve that the play uses beyond what was measured; tabulated curves know their own range."""
    play, told = agreement["play"], []
    for party in (file.game.generalist, *file.game.specialists):
        name = getattr(party, "name", GENERALIST)
        if play["regimes"].get(name) == "abstains" or agreement["status"] == NO_TRADE:
            continue
        for curve in ("cost", "revenue") if name != GENERALIST else ("cost",):
            used = _used(play, name, curve, getattr(party, curve))
            low, high = file.measured.get(f"{name}.{curve}") or _own_range(getattr(party, curve))
            if used > 0 and not low * (1 - 1e-9) <= used <= high * (1 + 1e-9):
                told.append(
                    f"Extrapolated: {name}.{curve} is used at {used:.4g}, measured from {low:.4g} to {high:.4g}."
                )
    return told


def _used(play: dict, name: str, curve: str, given: Curve) -> float:
    """Where the play uses a curve: the base, the improvement, or the performance reached."""
    if name == GENERALIST:
        return play["base_performance"]
    inner = given.curve if isinstance(given, Fixed) else given
    by_level = curve == "revenue" or isinstance(inner, Level)
    return (play["performance"] if by_level else play["improvements"])[name]


def _own_range(curve: Curve) -> tuple[float, float]:
    while hasattr(curve, "curve"):
        curve = curve.curve
    return (curve.x[0], curve.x[-1]) if isinstance(curve, Tabulated) else (0.0, math.inf)


def _plain(value: Any) -> Any:
    """Without what JSON lacks: mappings and tuples of other kinds, and numbers that are not."""
    if isinstance(value, Mapping):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _settled(game: FineTuningGame, rule: Rule) -> dict[str, Any]:
    try:
        return bargain(game, rule).to_dict()
    except InputError as error:
        return {"solution": to_data(rule), "refused": str(error)}


def _given(game: FineTuningGame, shares: dict[str, float]) -> dict[str, Any]:
    """A play at given shares in the form of an agreement."""
    play = game.play(shares)
    gains = {name: play.utilities[name] - option for name, option in zip(game.players, game.outside, strict=True)}
    return {
        "solution": None,
        "shares": play.shares,
        "play": play.to_dict(),
        "gains": {name: float(gain) for name, gain in gains.items()},
        "ideal": None,
        "status": "given",
        "error": play.error,
        "search": "",
        "reason": "The shares are given; nothing was bargained over.",
    }


def _row(found: dict) -> dict[str, Any]:
    """A solution's line in the comparison of all."""
    if "refused" in found:
        return {"solution": found["solution"], "refused": found["refused"]}
    play = found["play"]
    return {
        "solution": found["solution"],
        "status": found["status"],
        "shares": found["shares"],
        "gains": found["gains"],
        "utilities": play["utilities"],
        "base_performance": play["base_performance"],
        "performance": play["performance"],
        "regimes": play["regimes"],
        "reason": found["reason"],
    }


def _more(file: GameFile, data: dict, progress: Progress) -> dict[str, Any]:
    game, agreement = file.game, data["agreement"]
    extra: dict[str, Any] = {"share_curves": _share_curves(game, _known(agreement["shares"]))}
    with progress.task("tracing the Pareto set", 1) as advance:
        extra["frontier"] = game.frontier().to_dict()
        advance()
    if agreement["status"] != NO_TRADE:
        extra["sensitivity"] = _sensitivity(file, progress)
    if file.map is not None:
        extra["map"] = _map(file, agreement["shares"], progress)
    if file.uncertainty is not None:
        extra["uncertainty"] = _uncertainty(file, progress)
    return extra


def _known(shares: dict[str, float]) -> dict[str, float]:
    """Shares to hold fixed: without an agreement there are none, and 0 stands in."""
    return {name: share if math.isfinite(share) else 0.0 for name, share in shares.items()}


def _share_curves(game: FineTuningGame, shares: dict[str, float]) -> dict[str, Any]:
    """What everybody gets as one share moves from 0 to 1 and the others stay, by specialist."""
    if len(game.names) > MANY:
        return {}
    steps = np.linspace(0.0, 1.0, STEPS)
    curves = {}
    for place, name in enumerate(game.names):
        rows = np.tile([shares[one] for one in game.names], (STEPS, 1))
        rows[:, place] = steps
        curves[name] = _traced(game, game.play_many(rows), steps, place)
    return curves


def _traced(game: FineTuningGame, plays: Plays, steps: np.ndarray, place: int) -> dict[str, Any]:
    return {
        "share": steps.tolist(),
        "base": plays.base.tolist(),
        "performance": plays.performance[:, place].tolist(),
        "improvement": plays.improvement[:, place].tolist(),
        "regime": [REGIMES[code] for code in plays.regime[:, place]],
        "utilities": {name: plays.utilities[:, i].tolist() for i, name in enumerate(game.players)},
    }


def _sensitivity(file: GameFile, progress: Progress) -> dict[str, Any]:
    from tuneaccord.bargaining.studies.sensitivity import sensitivities

    at = file.solution if file.shares is None else file.shares
    with _steps(progress, "moving each parameter") as step:
        return sensitivities(file.game, at, change=SWING, step=None, progress=step).to_dict()


def _map(file: GameFile, shares: dict[str, float], progress: Progress) -> dict[str, Any]:
    from tuneaccord.bargaining.studies.regime_map import regime_map

    axes = {axis.parameter: np.linspace(axis.low, axis.high, axis.steps) for axis in (file.map.x, file.map.y)}
    moved = [path.removeprefix("share.") for path in axes if path not in file.game.parameters()]
    at: dict[str, Any] = {"solution": file.solution}
    if file.shares is not None or moved:
        at = {"shares": {name: share for name, share in shares.items() if name not in moved}}
    with _steps(progress, "mapping the regimes") as step:
        found = regime_map(file.game, axes, progress=step, **at).to_dict()
    return {**found, "outputs": {name: found["outputs"][name] for name in ("base", "total utility")}}


def _uncertainty(file: GameFile, progress: Progress) -> dict[str, Any]:
    from tuneaccord.bargaining.studies.uncertainty import bargain_under_uncertainty

    asked = file.uncertainty
    at = file.solution if file.shares is None else file.shares
    drawn = {path: as_distribution(given) for path, given in asked.parameters.items()}
    with _steps(progress, "drawing games") as step:
        found = bargain_under_uncertainty(file.game, at, drawn, draws=asked.draws, seed=asked.seed, progress=step)
    return {**found.to_dict(), "parameters": {path: _spread(given) for path, given in asked.parameters.items()}}


def _spread(given: Any) -> Any:
    return given if isinstance(given, (int, float, list)) else to_data(given)


@contextmanager
def _steps(progress: Progress, label: str) -> Iterator[Callable[[int, int], None]]:
    """A task of a hundred steps that a callback with (done, total) advances."""
    with progress.task(label, 100) as advance:
        told = 0

        def step(done: int, total: int) -> None:
            nonlocal told
            while told < 100 * done // max(total, 1):
                advance()
                told += 1

        yield step


def replaced(file: GameFile, rule: Rule | None, shares: dict[str, float] | None, compare: bool) -> GameFile:
    """The file with what the command line says in its place."""
    if rule is not None and shares is not None:
        raise InputError("--solution bargains and --shares says what was bargained. Give one of them.")
    if shares is not None:
        file = dataclasses.replace(file, shares=shares)
    if rule is not None:
        others = file.solutions if rule in file.solutions else (rule, *file.solutions)
        file = dataclasses.replace(file, solution=rule, solutions=others, shares=None)
    if not compare:
        file = dataclasses.replace(file, solutions=() if file.shares is not None else (file.solution,))
    return file
