"""What the bargaining explorer shows, as plain data: a game of one generalist and up to three specialists."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from urllib.parse import parse_qsl, urlencode

import yaml

from tuneaccord.bargaining import FineTuningGame, Generalist, Specialist
from tuneaccord.bargaining.parties import GENERALIST
from tuneaccord.bargaining.rules import Rule
from tuneaccord.config.game import every_rule
from tuneaccord.errors import InputError, nearest
from tuneaccord.reporting.bargain_words import solution_name
from tuneaccord.service.pages.bargaining_families import COSTS, REVENUES, Choice, check_choice, standard, within
from tuneaccord.specs import to_data

MOST = 3  #: specialists
NAME = 30
AMOUNTS = (-1.0, 1.0)  #: outside options
ENTRIES = (0.0, 1.0)  #: entry costs


@dataclass(frozen=True)
class Firm:
    """A specialist."""

    name: str
    cost: Choice
    revenue: Choice
    entry: float = 0.0
    outside: float = 0.0


@dataclass(frozen=True)
class Deal:
    """A game, the generalist's share of each domain, whose share is moved, and what the map is drawn over."""

    cost: Choice
    firms: tuple[Firm, ...]
    shares: tuple[float, ...]
    outside: float = 0.0
    moved: int = 0
    solution: str = "Nash"
    across: str = ""
    upwards: str = ""

    def __post_init__(self) -> None:
        if not 1 <= len(self.firms) <= MOST or len(self.shares) != len(self.firms):
            raise InputError(f"there must be 1 to {MOST} specialists with a share each, got {len(self.firms)}.")
        check_choice(GENERALIST, "cost", self.cost, COSTS)
        for firm in self.firms:
            if not firm.name.strip() or len(firm.name) > NAME:
                raise InputError(f"a specialist's name must have 1 to {NAME} characters, got {firm.name!r:.60}.")
            check_choice(firm.name, "cost", firm.cost, COSTS)
            check_choice(firm.name, "revenue", firm.revenue, REVENUES)
            within(f"{firm.name}: entry cost", firm.entry, ENTRIES)
            within(f"{firm.name}: outside option", firm.outside, AMOUNTS)
        for share in self.shares:
            within("a share", share, (0.0, 1.0))
        within("outside option", self.outside, AMOUNTS)
        within("moved", self.moved, (0, len(self.firms) - 1))
        rules = [rule_name(rule) for rule in self.rules()]
        if self.solution not in rules:
            raise InputError(f"unknown solution {self.solution!r:.40}. {nearest(self.solution, rules)}")
        paths = self.paths()
        usual = {"across": f"share.{self.mover}", "upwards": f"{self.mover}.entry_cost"}
        for key, other in (("across", "upwards"), ("upwards", "across")):
            given = getattr(self, key)
            if not given:
                free = usual[key] != getattr(self, other)
                object.__setattr__(self, key, usual[key if free else other])
            elif given not in paths:
                raise InputError(f"map: there is no parameter {given!r:.60}. Try {usual[key]!r}.")
        if self.across == self.upwards:
            raise InputError(f"map: both sides are {self.across!r}. Give two parameters.")

    @property
    def names(self) -> tuple[str, ...]:
        """The specialists' names."""
        return tuple(firm.name for firm in self.firms)

    @property
    def mover(self) -> str:
        """The specialist whose share is moved."""
        return self.names[self.moved]

    @property
    def by_name(self) -> dict[str, float]:
        """The generalist's shares by domain."""
        return dict(zip(self.names, self.shares, strict=True))

    def game(self) -> FineTuningGame:
        """The game itself; raises :class:`InputError` where a curve cannot serve."""
        firms = [
            Specialist(firm.name, firm.cost.curve(COSTS), firm.revenue.curve(REVENUES), firm.entry, firm.outside)
            for firm in self.firms
        ]
        return FineTuningGame(Generalist(self.cost.curve(COSTS), self.outside), firms)

    def rules(self) -> tuple[Rule, ...]:
        """All solutions that are compared."""
        return every_rule(self.game())

    def rule(self) -> Rule:
        """The chosen solution."""
        return next(rule for rule in self.rules() if rule_name(rule) == self.solution)

    def paths(self) -> list[str]:
        """What the map may be drawn over."""
        return [*(f"share.{name}" for name in self.names), *self.game().parameters()]


def rule_name(rule: Rule) -> str:
    """A solution in a few words."""
    return solution_name(to_data(rule))


def ends_of(deal: Deal, path: str) -> tuple[float, float]:
    """Between what a parameter of the map moves: around where it is, and inside what it may be."""
    if path.startswith("share."):
        return 0.0, 1.0
    field, now = path.rsplit(".", 1)[-1], deal.game().parameters()[path]
    if field == "outside":
        return min(-0.2, 2 * now), max(0.2, 2 * now)
    if field in ("entry_cost", "amount"):
        return 0.0, max(0.3, 2 * now)
    if field == "exponent":
        return (1.05, max(4.0, now)) if ".cost." in path else (0.1, 1.0)
    return now / 4, 2.5 * now


_SQUARE = Choice("Power", (1.0, 2.0))
ONE = Deal(_SQUARE, (Firm("medical", Choice("Power", (2.0, 2.0)), Choice("Linear", (1.0,))),), (0.4,))
REGIMES_GAME = Deal(
    _SQUARE,
    (Firm("legal", Choice("Fixed", (0.05, 0.8, 1.5)), Choice("Linear", (1.0,)), entry=0.1, outside=0.02),),
    (0.4,),
    solution="Kalai-Smorodinsky",
)
RETAIL = Deal(_SQUARE, (Firm("retail", Choice("Linear", (0.9,)), Choice("Capped", (1.0, 1.0))),), (0.4,))
THREE = Deal(
    _SQUARE,
    (
        Firm("medical", Choice("Power", (2.0, 2.0)), Choice("Linear", (1.2,))),
        Firm("legal", Choice("Power", (1.0, 2.0)), Choice("Linear", (1.0,))),
        Firm("finance", Choice("Power", (0.5, 2.0)), Choice("Linear", (0.6,))),
    ),
    (0.5, 0.5, 0.5),
    outside=0.05,
)
PRESETS = {
    "one": ("One specialist, quadratic costs", ONE),
    "regimes": ("Set-up and entry costs", REGIMES_GAME),
    "retail": ("A specialist that may free-ride", RETAIL),
    "three": ("Three domains on one model", THREE),
}


def changed(deal: Deal, **fields) -> Deal:
    """The deal with some fields changed; what no longer exists in it goes back to what is usual.

    That are the sides of the map, which are named after specialists and their curves, and the solution's name.
    """
    game = replace(deal, **{"moved": 0, **_USUAL, **fields})
    kept = {name: getattr(deal, name) for name in ("across", "upwards") if getattr(deal, name) in game.paths()}
    solution = deal.solution if deal.solution in [rule_name(rule) for rule in game.rules()] else "Nash"
    moved = deal.moved if deal.moved < len(game.firms) else 0
    return replace(game, **{"solution": solution, "moved": moved, **_USUAL_MAP, **kept, **fields})


_USUAL_MAP = {"across": "", "upwards": ""}
_USUAL = {"solution": "Nash", **_USUAL_MAP}


def with_firm(deal: Deal) -> Deal:
    """One specialist more, with a new name."""
    name = next(f"domain {i}" for i in range(1, 99) if f"domain {i}" not in deal.names)
    firm = Firm(name, standard(COSTS, "Power"), standard(REVENUES, "Linear"))
    return changed(deal, firms=(*deal.firms, firm), shares=(*deal.shares, 0.4))


def without_firm(deal: Deal, place: int) -> Deal:
    """One specialist less."""
    kept = [i for i in range(len(deal.firms)) if i != place]
    return changed(deal, firms=tuple(deal.firms[i] for i in kept), shares=tuple(deal.shares[i] for i in kept))


def with_firm_fields(deal: Deal, place: int, **fields) -> Deal:
    """One specialist's fields changed."""
    return changed(deal, firms=_replaced(deal.firms, place, replace(deal.firms[place], **fields)))


def with_share(deal: Deal, place: int, share: float) -> Deal:
    """One share changed."""
    return replace(deal, shares=_replaced(deal.shares, place, share))


def _replaced(given: tuple, place: int, new) -> tuple:
    return (*given[:place], new, *given[place + 1 :])


def game_yaml(deal: Deal) -> str:
    """The game as the file that ``tuneaccord bargain`` reads, with the chosen solution and the map."""
    data = deal.game().to_dict()
    axes = {}
    for side, path in (("x", deal.across), ("y", deal.upwards)):
        low, high = ends_of(deal, path)
        axes[side] = {"parameter": path, "low": low, "high": high}
    parties = {"generalist": _party(data["generalist"]), "specialists": [_party(one) for one in data["specialists"]]}
    whole = {**parties, "solution": to_data(deal.rule()), "map": axes}
    return yaml.safe_dump(_lists(whole), sort_keys=False, allow_unicode=True)


def _lists(value):
    if isinstance(value, dict):
        return {key: _lists(one) for key, one in value.items()}
    return [_lists(one) for one in value] if isinstance(value, list | tuple) else value


def _party(data: dict) -> dict:
    return {key: one for key, one in data.items() if key != "kind"}


def query_of(deal: Deal) -> str:
    """The deal as the part of an address after the question mark.

    >>> deal_of(parse_qsl(query_of(THREE))) == THREE
    True
    """
    pairs = [("cost", _written(deal.cost)), ("outside", f"{deal.outside:.12g}")]
    for firm, share in zip(deal.firms, deal.shares, strict=True):
        numbers = f"{share:.12g}:{firm.entry:.12g}:{firm.outside:.12g}"
        pairs.append(("specialist", f"{_written(firm.cost)}:{_written(firm.revenue)}:{numbers}:{firm.name}"))
    pairs += [("moved", str(deal.moved)), ("solution", deal.solution)]
    return urlencode([*pairs, ("across", deal.across), ("upwards", deal.upwards)])


def query_pairs(query: str) -> list[tuple[str, str]]:
    """The pairs of a query, in order."""
    return parse_qsl(query, keep_blank_values=True, max_num_fields=40)


def deal_of(pairs: Sequence[tuple[str, str]]) -> Deal:
    """The deal that :func:`query_of` wrote; the first preset where there is no game in the address.

    Raises :class:`InputError` where a part is not what it should be.
    """
    given = dict(pairs)
    firms = [_firm(words) for key, words in pairs if key == "specialist"]
    if not firms:
        return ONE
    return Deal(
        _read(given.get("cost", "Power,1,2")),
        tuple(firm for firm, _ in firms),
        tuple(share for _, share in firms),
        _number(given.get("outside", "0")),
        int(_number(given.get("moved", "0"))),
        given.get("solution", "Nash"),
        given.get("across", ""),
        given.get("upwards", ""),
    )


def _firm(words: str) -> tuple[Firm, float]:
    cost, revenue, share, entry, outside, name = [*words.split(":", 5), *[""] * 5][:6]
    return Firm(name, _read(cost), _read(revenue), _number(entry), _number(outside)), _number(share)


def _written(choice: Choice) -> str:
    return ",".join([choice.family, *(f"{one:.12g}" for one in choice.numbers)])


def _read(words: str) -> Choice:
    family, *numbers = words.split(",")
    return Choice(family, tuple(_number(one) for one in numbers[:6]))


def _number(words: str) -> float:
    try:
        found = float(words)
    except ValueError:
        raise InputError(f"expected a number, got {words!r:.40}.") from None
    if not math.isfinite(found):
        raise InputError(f"expected a finite number, got {words!r:.40}.")
    return found
