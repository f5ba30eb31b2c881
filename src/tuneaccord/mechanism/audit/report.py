"""What an audit found, as frozen plain data with its verdicts in words.

A verdict never says more than is known: a search that finds nothing proves nothing, and a certificate speaks of
the reports that were settled.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass

from tuneaccord.mechanism.audit.best_response import BestResponse
from tuneaccord.mechanism.audit.posing import FalseNames


@dataclass(frozen=True)
class Lie:
    """One false report and what it gains over the truth, each measured by settling the market again."""

    family: str  #: "size", "shift", "spread", "gradient", "table" (the general attack) or "truth"
    words: str
    gain: float  #: in utility, at the settlement's own payments
    value_gain: float  #: in group value: the gain if nobody paid
    size: float
    table: tuple[tuple[float, ...], ...] | None = None  #: the rewards it reports; left out except for the best lie


@dataclass(frozen=True, eq=False)
class GroupAudit:
    """One group: its truthful utility, its best lies, and what is proved."""

    group: str
    utility: float
    lies: tuple[Lie, ...]  #: the best of each family
    best: Lie  #: the best of all, possibly the truth
    certificate: float  #: no lie can gain more at these reports; infinity where nothing is proved
    rounding: float
    #: in group value, of the best report at its true size if nobody paid; of the lies tried where none is known
    gain_without_payments: float
    gain_without_payments_any_size: float  #: the same with the largest size it may claim
    best_response: BestResponse | None  #: that report at its true size; None where the rule has no known one

    @property
    def regret(self) -> tuple[float, float]:
        """The most that a lie can gain lies between the best lie found and the certificate."""
        return max(self.best.gain, 0.0), self.certificate

    @property
    def pays(self) -> bool:
        """Whether a lie was found that gains more than rounding."""
        return self.best.gain > self.rounding

    @property
    def promise_broken(self) -> bool:
        """Whether a lie gained more than the certificate allows."""
        return self.best.gain > self.certificate + self.rounding

    @property
    def verdict(self) -> str:
        """One sentence or two."""
        found = self.best
        if self.promise_broken:
            return (
                f"The certificate fails for {self.group}: no lie should gain more than {_amount(self.certificate)}, "
                f"but this one gains {_amount(found.gain)}: {found.words}."
            )
        if math.isfinite(self.certificate):
            most = _amount(self.certificate) if self.certificate > self.rounding else "rounding"
            proved = f"at these reports no lie can gain more than {most}"
            if self.pays:
                return f"A lie that pays {self.group} {_amount(found.gain)}: {found.words}; {proved}."
            return f"No lie tried pays {self.group}; {proved}."
        if self.pays:
            lie = f"{_amount(found.gain)}: {found.words}"
            return f"A lie that pays {self.group} {lie}. Nothing bounds what other lies gain."
        return f"No lie tried pays {self.group}, but nothing is proved: the search may have missed one that does."

    def to_dict(self) -> dict:
        """Plain data."""
        return {
            "group": self.group,
            "utility": self.utility,
            "lies": [asdict(lie) for lie in self.lies],
            "best": asdict(self.best),
            "regret": [self.regret[0], _finite(self.certificate)],
            "rounding": self.rounding,
            "pays": self.pays,
            "promise_broken": self.promise_broken,
            "gain_without_payments": self.gain_without_payments,
            "gain_without_payments_any_size": self.gain_without_payments_any_size,
            "best_response": None if self.best_response is None else self.best_response.to_dict(),
            "verdict": self.verdict,
        }


@dataclass(frozen=True)
class PairAudit:
    """Two groups that lie together: the most that was found for the sum of their utilities."""

    groups: tuple[str, str]
    gain: float
    words: str
    rounding: float

    @property
    def verdict(self) -> str:
        """One sentence."""
        names = " and ".join(self.groups)
        if self.gain > self.rounding:
            return f"{names} gain {_amount(self.gain)} together by lying together: {self.words}."
        return f"No joint lie tried pays {names} together; nothing is proved about joint lies."

    def to_dict(self) -> dict:
        """Plain data."""
        return {"groups": list(self.groups), "gain": self.gain, "words": self.words, "verdict": self.verdict}


@dataclass(frozen=True, eq=False)
class AuditReport:
    """What :func:`audit` found. ``verdicts`` says it in sentences; :meth:`to_dict` is plain JSON data."""

    groups: tuple[GroupAudit, ...]
    pairs: tuple[PairAudit, ...]
    pairs_skipped: int  #: pairs that a quick audit did not try
    false_names: tuple[FalseNames, ...]
    effort: str
    seed: int
    sizes: tuple[float, ...]  #: the claimed sizes that were tried, in units of the true one
    scale: tuple[float, float]  #: the range of rewards without a divisor

    def __str__(self) -> str:
        return "\n".join(self.verdicts)

    @property
    def promise_broken(self) -> bool:
        """Whether a lie of one group gained more than the settlement certifies, beyond rounding."""
        return any(group.promise_broken for group in self.groups)

    @property
    def largest_gain(self) -> float:
        """The best lie of any one group."""
        return max((group.best.gain for group in self.groups), default=0.0)

    @property
    def verdicts(self) -> tuple[str, ...]:
        """One sentence for each group, each pair, and each group that could pose as several."""
        return (
            *(group.verdict for group in self.groups),
            *(pair.verdict for pair in self.pairs),
            *_about_false_names(self.false_names, self.groups),
        )

    def group(self, name: str) -> GroupAudit:
        """The audit of one group."""
        return next(one for one in self.groups if one.group == name)

    def to_dict(self) -> dict:
        """Plain data."""
        return {
            "kind": "AuditReport",
            "effort": self.effort,
            "seed": self.seed,
            "sizes": list(self.sizes),
            "scale": list(self.scale),
            "promise_broken": self.promise_broken,
            "groups": [group.to_dict() for group in self.groups],
            "pairs": [pair.to_dict() for pair in self.pairs],
            "pairs_skipped": self.pairs_skipped,
            "false_names": [asdict(one) for one in self.false_names],
            "verdicts": list(self.verdicts),
        }


def _about_false_names(found: tuple[FalseNames, ...], groups: tuple[GroupAudit, ...]) -> list[str]:
    rounding = {group.group: group.rounding for group in groups}
    sentences = []
    for name in dict.fromkeys(one.group for one in found):
        rows = [one for one in found if one.group == name]
        best = max(rows, key=lambda one: one.gain)
        single = next((one.payment for one in rows if one.count == 1), None)
        if best.gain > rounding[name] and single is not None:
            sentences.append(
                f"{name} registered as {best.count} groups would pay {_amount(best.payment)} in total instead of "
                f"{_amount(single)} and gain {_amount(best.gain)}: check who is who outside the mechanism."
            )
    return sentences


def _amount(number: float) -> str:
    return f"{number:.3g}"


def _finite(number: float) -> float | None:
    return number if math.isfinite(number) else None
