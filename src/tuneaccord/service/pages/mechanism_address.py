"""The mechanism explorer's market and lie as an address, as a file for ``tuneaccord settle``, and as plain data."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict
from urllib.parse import parse_qsl, urlencode

import yaml

from tuneaccord.errors import InputError
from tuneaccord.service.pages.mechanism_state import BENDS, README, RESPONSES, Group, Scene
from tuneaccord.specs import to_data


def market_yaml(scene: Scene) -> str:
    """The market, all telling the truth, as the file that ``tuneaccord settle`` reads."""
    total = math.fsum(scene.base)
    data = {
        "base": [chance / total for chance in scene.base],
        "divergence": {"kind": scene.divergence, "strength": scene.strength},
        "groups": [{"name": one.name, "size": one.size, "scores": list(one.rewards)} for one in scene.groups],
        "payment": to_data(scene.payment_rule),
    }
    return yaml.safe_dump(data, sort_keys=False, allow_unicode=True, default_flow_style=None)


def scene_json(scene: Scene) -> dict:
    """The scene as plain data."""
    return asdict(scene)


def query_of(scene: Scene) -> str:
    """The scene as the part of an address after the question mark.

    >>> scene_of(query_pairs(query_of(README))) == README
    True
    """
    pairs = [("base", _numbers(scene.base))]
    pairs += [("group", f"{one.size:.12g}:{_numbers(one.rewards)}:{one.name}") for one in scene.groups]
    pairs += [("divergence", scene.divergence), ("strength", f"{scene.strength:.12g}"), ("liar", str(scene.liar))]
    pairs += [("alpha", f"{scene.factor:.12g}"), ("bend", scene.bend), ("amount", f"{scene.amount:.12g}")]
    return urlencode([*pairs, ("payment", scene.payment)])


def query_pairs(query: str) -> list[tuple[str, str]]:
    """The pairs of a query, in order."""
    return parse_qsl(query, keep_blank_values=True, max_num_fields=40)


def scene_of(pairs: Sequence[tuple[str, str]]) -> Scene:
    """The scene that :func:`query_of` wrote; the first preset where there is no market in the address.

    Raises :class:`InputError` where a part is not what it should be.
    """
    given: dict[str, str] = {}
    groups = []
    for key, words in pairs:
        if key == "group":
            groups.append(_group_of(words))
        elif key in ("base", "divergence", "strength", "liar", "alpha", "bend", "amount", "payment"):
            given[key] = words
    if not groups:
        return README
    if "base" not in given:
        raise InputError("the address has groups but no base. Try base=0.4,0.3,0.3.")
    bend = given.get("bend", "shift")
    truth = BENDS[bend].truth if bend in BENDS else 0.0
    return Scene(
        _numbers_of("base", given["base"]),
        tuple(groups),
        given.get("divergence", "KL"),
        _number_of("strength", given.get("strength", "1")),
        int(_number_of("liar", given.get("liar", "0"))),
        _number_of("alpha", given.get("alpha", "1")),
        bend,
        _number_of("amount", given.get("amount", str(truth))),
        given.get("payment", "Externality"),
    )


def _group_of(words: str) -> Group:
    size, rewards, name = [*words.split(":", 2), "", ""][:3]
    return Group(name, _number_of("a group's size", size), _numbers_of("a group's rewards", rewards))


def _numbers(numbers: Sequence[float]) -> str:
    return ",".join(f"{one:.12g}" for one in numbers)


def _numbers_of(what: str, words: str) -> tuple[float, ...]:
    return tuple(_number_of(what, one) for one in words.split(",")[: RESPONSES[1] + 1])


def _number_of(what: str, words: str) -> float:
    try:
        found = float(words)
    except ValueError:
        raise InputError(f"{what} must be a number, got {words!r:.40}.") from None
    if not math.isfinite(found):
        raise InputError(f"{what} must be a finite number, got {words!r:.40}.")
    return found
