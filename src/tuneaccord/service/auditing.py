"""The audit of a session's settlement: a bounded, seeded search for lies that pay. Pure, from plain data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tuneaccord.errors import InputError
from tuneaccord.mechanism.audit import audit
from tuneaccord.mechanism.audit.outcomes import is_batched
from tuneaccord.mechanism.rules import Welfare
from tuneaccord.mechanism.settlement import Settlement
from tuneaccord.progress import Progress
from tuneaccord.service.settling import settlement_of, terms_for
from tuneaccord.service.terms import Terms, terms_of
from tuneaccord.spaces.candidates import Candidates

MOST_GROUPS = 40
#: the most scores (groups times responses) for which a search takes seconds: in batches, over candidates, one by one
MOST_SCORES = {"batched": 200_000, "candidates": 20_000, "other": 200}
SEED = 0


def audit_data(
    terms: Mapping[str, Any],
    pool: Mapping[str, Any],
    reports: Mapping[str, Mapping[str, Any]],
    seats: Sequence[str] | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """The best lies found for each group at these reports, or ``{"skipped": why}``.

    The reports are taken as the truth; the same data give the same audit.

    >>> pool = {"prompts": [{"id": "p"}], "responses": [[{"id": "a"}, {"id": "b"}]]}
    >>> reports = {"us": {"size": 1, "scores": [[0, 1]]}, "them": {"size": 2, "scores": [[1, 0]]}}
    >>> [one["pays"] for one in audit_data({"title": "ours"}, pool, reports)["groups"]]
    [False, False]
    """
    if reason := too_many(len(reports)):
        return {"skipped": reason}
    agreed = terms_for(terms_of(terms), list(reports) if seats is None else seats, reports)
    settlement = settlement_of(agreed, pool, reports)
    if reason := _too_much(settlement):
        return {"skipped": reason}
    try:
        scale = (agreed.scores.lowest, agreed.scores.highest)
        found = audit(settlement, sizes=_sizes(settlement, agreed), scale=scale, seed=SEED, progress=progress)
    except InputError as error:
        return {"skipped": f"No audit was made: {error}"}
    return found.to_dict()


def in_public(audit: Mapping[str, Any]) -> dict[str, Any]:
    """What everybody may know of an audit: whether it was made, and whether a promise failed."""
    if "skipped" in audit:
        return {"skipped": audit["skipped"]}
    return {"promise_broken": audit["promise_broken"]}


def of_group(audit: Mapping[str, Any], group: str) -> dict[str, Any] | None:
    """What an audit found for one group, for that group; None where none was made."""
    found = next((one for one in audit.get("groups", ()) if one["group"] == group), None)
    if found is None:
        return None
    return {
        "pays": found["pays"],
        "gain": found["best"]["gain"],
        "words": found["best"]["words"],
        "certificate": found["regret"][1],
        "rounding": found["rounding"],
    }


def too_many(groups: int) -> str:
    """Why so many groups are not audited; empty for a number that is."""
    if groups <= MOST_GROUPS:
        return ""
    return f"No audit was made: it is for at most {MOST_GROUPS} groups, and {groups} reported."


def _too_much(settlement: Settlement) -> str:
    kind = "other"
    if is_batched(settlement):
        kind = "batched"
    elif isinstance(settlement.space, Candidates) and type(settlement.rule) is Welfare:
        kind = "candidates"
    if settlement.scores.size > MOST_SCORES[kind]:
        return (
            f"No audit was made: with this rule and payment it is for at most {MOST_SCORES[kind]} scores, and the "
            f"groups reported {settlement.scores.size}."
        )
    return ""


def _sizes(settlement: Settlement, terms: Terms) -> tuple[float, ...]:
    """Half, all and twice the true size, as far as all could claim it."""
    return tuple(factor for factor in (0.5, 1.0, 2.0) if factor * settlement.sizes.max() <= terms.largest_size)
