"""What a session agrees on, what it chooses from, and what a group reports: plain data, checked where it enters.

*Terms* are fixed when the session opens: the rule, the payment rule, the divergence, the money, and the scale on
which everybody scores. The *pool* is what there is to choose from: responses to prompts with the base model's chances,
or candidate models with their prices; it is frozen before anybody reports. A *report* is a size and one score for each
response or candidate. :func:`terms_data`, :func:`pool_data` and :func:`report_data` return the data in the one form
that is stored and digested.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import AfterValidator, Field, field_validator, model_validator

from tuneaccord.config.loading import Section, spec
from tuneaccord.config.market import Money
from tuneaccord.divergence import KL, Divergence
from tuneaccord.errors import InputError
from tuneaccord.mechanism.payments import Externality, PaymentRule
from tuneaccord.mechanism.rules import TrainingRule, Welfare
from tuneaccord.service.errors import Invalid
from tuneaccord.service.forms import LONGEST_NAME, Name, Text, checked, checked_text, plain
from tuneaccord.spaces.candidates import Candidates
from tuneaccord.spaces.simplex import Simplex

MOST_CELLS = 2_000_000  #: prompts times responses of a pool


class ScoreRange(Section):
    """The scale on which every group scores: part of the deal."""

    lowest: float = 0.0
    highest: float = 1.0

    @model_validator(mode="after")
    def _some(self) -> ScoreRange:
        if not self.lowest < self.highest:
            raise ValueError(f"lowest must be below highest, got {self.lowest:g} and {self.highest:g}.")
        return self


class Sampling(Section):
    """How the pool is drawn from a language model, when the server draws it."""

    model: str = Field("embedded", min_length=1, max_length=200)
    prompts: list[Text] = Field(min_length=1, max_length=2000)
    replies: int = Field(16, ge=2, le=512)
    longest: int = Field(48, ge=1, le=1024)  #: tokens of a reply
    temperature: float = Field(1.0, gt=0, le=5)
    seed: int = Field(0, ge=0, le=2**53)


class Classroom(Section):
    """A session for teaching: players join by one code and are told what they want; the server plays empty seats."""

    seats: int = Field(6, ge=2, le=300)
    bots: Literal["truthful", "exaggerating"] = "truthful"


class Terms(Section):
    """What the parties agree on before they report."""

    title: str = Field(min_length=1, max_length=LONGEST_NAME, examples=["One assistant for three departments"])
    description: Text = ""
    divergence: Annotated[Divergence, spec(Divergence)] = KL(1.0)
    rule: Annotated[TrainingRule, spec(TrainingRule)] = Welfare()
    payment: Annotated[PaymentRule, spec(PaymentRule)] = Externality()
    money: Money = Money()
    scores: ScoreRange = ScoreRange()
    largest_size: float = Field(1e6, gt=0, le=1e9)
    sampling: Sampling | None = None
    classroom: Classroom | None = None

    @field_validator("title", "description")
    @classmethod
    def _shown(cls, text: str) -> str:
        return checked_text(text)


class PoolPrompt(Section):
    """One prompt: its name and its text."""

    id: Name
    text: Text = ""


class PoolResponse(Section):
    """One response to a prompt."""

    id: Name
    text: Text = ""


class PoolCandidate(Section):
    """One candidate model: its name, its price (divergence from the base, strength included), a remark."""

    name: Name
    price: float = Field(0.0, examples=[0.3])
    text: Text = ""


class ResponsePool(Section):
    """Responses to prompts, with the base model's chance of each (default: all the same)."""

    kind: Literal["responses"] = "responses"
    prompts: list[PoolPrompt] = Field(min_length=1)
    responses: list[list[PoolResponse]] = Field(min_length=1)
    base: list[list[float]] | None = None
    prompt_weights: list[float] | None = None
    source: dict[str, Any] | None = None  #: where the responses come from: model, sampling, seed

    @model_validator(mode="after")
    def _fits(self) -> ResponsePool:
        if len(self.responses) != len(self.prompts):
            raise ValueError(f"there are {len(self.prompts)} prompts but responses to {len(self.responses)}.")
        width = len(self.responses[0])
        for prompt, row in zip(self.prompts, self.responses, strict=True):
            if len(row) != width or not row:
                raise ValueError(
                    f"prompt {prompt.id!r} has {len(row)} responses, expected {max(width, 1)} as the first."
                )
            _distinct(f"responses of prompt {prompt.id!r}", [one.id for one in row])
        _distinct("prompts", [prompt.id for prompt in self.prompts])
        if len(self.prompts) * width > MOST_CELLS:
            raise ValueError(f"a pool has at most {MOST_CELLS} responses, got {len(self.prompts) * width}.")
        return self


class CandidatePool(Section):
    """Candidate models with prices; ``base`` names the free one that is the untuned model."""

    kind: Literal["candidates"]
    candidates: list[PoolCandidate] = Field(min_length=1, max_length=100_000)
    base: str | None = None
    source: dict[str, Any] | None = None

    @model_validator(mode="after")
    def _fits(self) -> CandidatePool:
        _distinct("candidates", [one.name for one in self.candidates])
        return self


class GroupReport(Section):
    """What one group reports. ``worth`` may stand instead of ``size``: what it would pay at most for its best model."""

    size: float | None = Field(None, gt=0, examples=[3])
    worth: float | None = Field(None, gt=0, examples=[120])
    scores: list[list[float]] = Field(min_length=1, examples=["[[0.1, 0.9, 0.0]]"])
    how: Annotated[str, Field(max_length=400), AfterValidator(lambda text: checked_text(text))] = "given"

    @model_validator(mode="after")
    def _one(self) -> GroupReport:
        if (self.size is None) == (self.worth is None):
            raise ValueError("give either a size or a worth.")
        return self


def terms_of(data: Mapping[str, Any]) -> Terms:
    """The terms in ``data``.

    Raises :class:`Invalid` on anything that is not terms.

    >>> terms_of({"title": "ours"}).money.currency
    'units'
    """
    return checked(Terms, data, "terms")


def terms_data(data: Mapping[str, Any]) -> dict[str, Any]:
    """The terms as they are stored, defaults written out.

    >>> terms_data({"title": "ours"})["divergence"]
    {'kind': 'KL', 'strength': 1.0}
    """
    return plain(terms_of(data))


def pool_of(data: Mapping[str, Any]) -> ResponsePool | CandidatePool:
    """The pool in ``data``; raises :class:`Invalid`."""
    kind = data.get("kind", "responses") if isinstance(data, Mapping) else None
    if kind not in ("responses", "candidates"):
        raise Invalid(f"pool: kind must be 'responses' or 'candidates', got {kind!r:.40}.")
    return checked(CandidatePool if kind == "candidates" else ResponsePool, data, "pool")


def pool_data(data: Mapping[str, Any], terms: Terms) -> dict[str, Any]:
    """The pool as it is stored, once it is known to make a space.

    Raises :class:`Invalid` where base, prices or divergence do not fit.
    """
    pool = pool_of(data)
    space_of(pool, terms)
    return plain(pool)


def space_of(pool: ResponsePool | CandidatePool, terms: Terms) -> Simplex | Candidates:
    """The space of models that a pool is. Raises :class:`Invalid`."""
    try:
        if isinstance(pool, CandidatePool):
            names, prices = [one.name for one in pool.candidates], [one.price for one in pool.candidates]
            return Candidates(np.zeros((len(names), 1)), prices, names, base=pool.base)
        shape = shape_of(pool)
        base = pool.base if pool.base is not None else np.full(shape, 1 / shape[1])
        space = Simplex(base, terms.divergence, pool.prompt_weights)
        if space.shape != shape:
            raise InputError(f"base has the shape {space.shape} but there are (prompts, responses) = {shape}.")
        return space
    except InputError as error:
        raise Invalid(f"pool: {error}") from None


def shape_of(pool: ResponsePool | CandidatePool) -> tuple[int, int]:
    """(prompts, responses); (1, candidates) for candidate models."""
    if isinstance(pool, CandidatePool):
        return 1, len(pool.candidates)
    return len(pool.prompts), len(pool.responses[0])


def report_data(data: Mapping[str, Any], pool: ResponsePool | CandidatePool, terms: Terms) -> dict[str, Any]:
    """A report as it is sealed: size, one score for each response on the agreed scale, and how it was made.

    With ``worth`` (an amount of the session's money) the size is ``worth / (rate * gain)``, where the gain is what
    the group's best model is worth to one member beyond the base: the largest size at which it would pay that much.

    Raises :class:`Invalid` that names the first score that is missing, off the scale, or no number.
    """
    report = checked(GroupReport, data, "report", as_given=True)
    shape, scale = shape_of(pool), terms.scores
    if len(report.scores) != shape[0] or any(len(row) != shape[1] for row in report.scores):
        lengths = sorted({len(row) for row in report.scores})
        raise Invalid(
            f"report: scores must have {shape[0]} rows of {shape[1]} numbers, in the order of the pool; "
            f"got {len(report.scores)} rows of {', '.join(map(str, lengths))}."
        )
    scores = np.array(report.scores, dtype=float)
    off = np.argwhere((scores < scale.lowest) | (scores > scale.highest))
    if len(off):
        row, column = (int(i) for i in off[0])
        raise Invalid(
            f"report: the agreed scale is {scale.lowest:g} to {scale.highest:g}, but the score of "
            f"{cell_name(pool, row, column)} is {scores[row, column]:g}."
        )
    size = report.size if report.size is not None else _size_worth(report.worth, scores, pool, terms)
    if size > terms.largest_size:
        raise Invalid(f"report: the largest size agreed is {terms.largest_size:g}, got {size:g}.")
    given = {} if report.worth is None else {"worth": report.worth}
    return {"size": float(size), "scores": scores.tolist(), "how": report.how, **given}


def _size_worth(worth: float, scores: np.ndarray, pool: ResponsePool | CandidatePool, terms: Terms) -> float:
    space = space_of(pool, terms)
    if space.base_model is None:
        raise Invalid("report: a worth is measured from the base model, and this pool names none. Give a size.")
    if isinstance(space, Simplex):
        best = scores.max(axis=1)
        base = (scores * np.atleast_2d(space.base)).sum(axis=1)
        gain = float(space.prompt_weights @ (best - base))
    else:
        gain = float(scores[0].max() - scores[0][space.index(space.base)])
    if not gain > 0:
        raise Invalid("report: no model is better for you than the base on these scores, so a worth says nothing.")
    return worth / (terms.money.rate * gain)


def cell_name(pool: ResponsePool | CandidatePool, row: int, column: int) -> str:
    """A place of a score table in words."""
    if isinstance(pool, CandidatePool):
        return f"candidate {pool.candidates[column].name!r}"
    return f"response {pool.responses[row][column].id!r} to prompt {pool.prompts[row].id!r}"


def _distinct(what: str, names: list[str]) -> None:
    seen: set[str] = set()
    for name in names:
        checked_text(name)
        if name in seen:
            raise ValueError(f"{what}: {name!r} is there twice.")
        seen.add(name)
