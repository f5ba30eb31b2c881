"""The bargaining explorer in sentences."""

from __future__ import annotations

from tuneaccord.bargaining.parties import GENERALIST
from tuneaccord.reporting.formatting import listing, number
from tuneaccord.service.pages.bargaining_state import Deal


def headline(found: dict) -> str:
    """What is played at the shares on the page, and what everybody gets."""
    deal: Deal = found["deal"]
    play = found["play"]
    shares = listing([f"{100 * share:.4g}% of the {name} revenue" for name, share in deal.by_name.items()])
    told = [f"With {shares} the generalist {_built(play)} and ends with {number(play['utilities'][GENERALIST])}."]
    for name in deal.names:
        told.append(f"{name} {_done(play, name)} and ends with {number(play['utilities'][name])}.")
    return "\n".join(told)


def _built(play: dict) -> str:
    base = play["base_performance"]
    return f"builds a base of {number(base)}" if base > 0 else "builds nothing"


def _done(play: dict, name: str) -> str:
    if play["regimes"][name] == "contributes":
        return f"contributes {number(play['improvements'][name])}"
    return play["regimes"][name]


def better(found: dict) -> str:
    """Whether moving the one share would suit both sides, or who would like it moved where."""
    deal: Deal = found["deal"]
    sweep = found["sweep"]
    liked = []
    for name in (GENERALIST, deal.mover):
        heights = sweep["utilities"][name]
        liked.append(f"{name} {number(100 * sweep['share'][heights.index(max(heights))], 1)}%")
    return f"The generalist's share of {deal.mover} that would be best for each alone: {listing(liked)}."


def path_words(path: str) -> str:
    """A side of the map in words.

    >>> path_words("share.medical"), path_words("medical.cost.scale"), path_words("medical.entry_cost")
    ("generalist's share of medical", 'cost of medical: scale', 'entry cost of medical')
    """
    if path.startswith("share."):
        return f"generalist's share of {path.removeprefix('share.')}"
    for field, words in (("entry_cost", "entry cost"), ("outside", "outside option")):
        if path.endswith(f".{field}"):
            return f"{words} of {path.removesuffix(f'.{field}')}"
    for role in ("cost", "revenue"):
        name, found, field = path.rpartition(f".{role}.")
        if found:
            return f"{role} of {name}: {field.removeprefix('curve.')}"
    return path
