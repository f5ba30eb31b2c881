"""A finite market in a file: as YAML (responses or candidate models), or as one long score sheet.

Both end as the same :class:`Market`, ready for :func:`tuneaccord.settle`. Responses have names when a
score sheet gives them; otherwise they are numbered from 1 in the order of the base.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import Field, field_validator

from tuneaccord.config.loading import RelativePath, Section, load_yaml, spec
from tuneaccord.divergence import KL, Divergence
from tuneaccord.errors import InputError, nearest
from tuneaccord.files import read_text
from tuneaccord.mechanism.payments import Externality, PaymentRule
from tuneaccord.mechanism.reports import Report, check_distinct
from tuneaccord.mechanism.rules import TrainingRule, Welfare
from tuneaccord.mechanism.settlement import Settlement, settle
from tuneaccord.rewards import Scale, TableReward
from tuneaccord.sheets import SHEET_SUFFIXES, Cells, Layout, read_long_sheet, read_sheet
from tuneaccord.spaces.candidates import Candidates
from tuneaccord.spaces.simplex import Simplex

LARGEST = 1e150  #: above this, products of two amounts leave floating point

Numbers = Annotated[list[float], Field(min_length=1)]
Rows = Annotated[list[Numbers], Field(min_length=1)]


class Money(Section):
    """What one unit of payment costs."""

    currency: str = Field("units", min_length=1, examples=["EUR"])
    rate: float = Field(1.0, gt=0, examples=[100])


class GroupSection(Section):
    """One group: its name, its size, and a reward for each response or a score sheet."""

    name: str = Field(min_length=1, examples=["clinic"])
    size: float = Field(1.0, gt=0, examples=[3])
    scores: Numbers | Rows | RelativePath | None = Field(None, examples=["[0.1, 0.9, 0.0]", "clinic.csv"])
    scale: Scale | None = None


class ModelSection(Section):
    """One candidate model: its name, its price, and what it is worth to one member of each group."""

    name: str = Field(min_length=1, examples=["soup-1"])
    price: float = Field(examples=[0.3])
    values: dict[str, float] = Field(min_length=1, examples=["{clinic: 0.9, arcade: 0.2}"])


class MarketSection(Section):
    """The keys of a market file."""

    base: Numbers | Rows | None = Field(None, examples=["[0.4, 0.3, 0.3]"])
    prompt_weights: Numbers | None = None
    divergence: Annotated[Divergence | None, spec(Divergence, optional=True)] = Field(
        None, examples=["{kind: KL, strength: 1.0}"]
    )
    candidates: list[ModelSection] | None = Field(None, min_length=1)
    fixed: bool = True
    rule: Annotated[TrainingRule, spec(TrainingRule)] = Welfare()
    payment: Annotated[PaymentRule, spec(PaymentRule)] = Externality()
    groups: list[GroupSection] = Field(min_length=1, examples=["[{name: clinic, size: 3, scores: [0.1, 0.9, 0.0]}]"])
    money: Money = Money()

    @field_validator("groups")
    @classmethod
    def _distinct(cls, groups: list[GroupSection]) -> list[GroupSection]:
        check_distinct(group.name for group in groups)
        return groups


@dataclass(frozen=True, eq=False)
class Market:
    """A space, the groups' reports, the names of prompts and responses, and the price of a unit."""

    space: Simplex | Candidates
    reports: tuple[Report, ...]
    layout: Layout
    money: Money
    rule: TrainingRule | None = None
    payment: PaymentRule | None = None

    def settle(self) -> Settlement:
        """The settlement of this market with its rule and payment.

        Raises :class:`InputError` when the numbers are too large for floating point.
        """
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            result = settle(self.space, self.reports, self.rule, self.payment)
            by_group = [result.group_values, result.payments]
            if self.space.base_model is not None:
                by_group.append(result.base_values)
            numbers = [result.price, result.gap, *result.sizes, *(one for group in by_group for one in group.values())]
            total = float(np.abs(numbers).sum())
        if not total < LARGEST:
            raise InputError(
                "the scores, sizes and strength are too far apart to compute with. Divide the scores by a common "
                "number, or raise the strength."
            )
        return result


def read_market(path: Path | str, strength: float | None = None, sizes: Mapping[str, float] | None = None) -> Market:
    """The market in a YAML file (``.yaml``, ``.yml``) or a long score sheet (``.csv``, ``.parquet``).

    A sheet has the columns ``group, prompt_id, reply_id, score``; its base is uniform, its divergence KL.
    ``strength`` is needed for a sheet and replaces that of a YAML file; ``sizes`` replaces the sizes of the
    groups that it names (a sheet's groups have size 1).

    Raises :class:`InputError` when the file is not a market, in one line that says where and what to try.
    """
    path, sizes = Path(path), dict(sizes or {})
    suffix = path.suffix.lower()
    if suffix in (".yaml", ".yml"):
        market = _from_yaml(path)
    elif suffix in SHEET_SUFFIXES:
        market = _from_sheet(path, strength)
    else:
        read_text(path, "market file")
        raise InputError(f"market file {path} must end in .yaml, .yml, .csv or .parquet.")
    return _with_sizes(_with_strength(market, strength), sizes)


def _from_yaml(path: Path) -> Market:
    section = load_yaml(path, MarketSection)
    if section.candidates is not None:
        return _from_candidates(path, section, section.candidates)
    if not section.fixed:
        raise InputError(f"{path}: fixed: false is for candidates that were trained from the reports. Leave it out.")
    if section.divergence is None:
        raise InputError(f"{path}: the key 'divergence' is missing. Try divergence: {{kind: KL, strength: 1.0}}.")
    for group in section.groups:
        if group.scores is None:
            raise InputError(f"{path}: group {group.name!r} has no scores. Try scores: [0.1, 0.9, 0.0].")
    sheets = {group.name: read_sheet(group.scores) for group in section.groups if isinstance(group.scores, Path)}
    layout = _layout(path, section, sheets)
    tables = {name: cells.table(layout) for name, cells in sheets.items()}
    base = section.base if section.base is not None else np.full(layout.shape, 1 / layout.shape[1])
    try:
        space = Simplex(base, section.divergence, section.prompt_weights)
        if layout.shape != space.shape:
            raise InputError(
                f"base has (prompts, responses) = {space.shape} but the score sheets have {layout.shape}. "
                "Give base one row a prompt, or leave it out for equal chances."
            )
        reports = tuple(_report(group, tables.get(group.name, group.scores), layout.shape) for group in section.groups)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    return Market(space, reports, layout, section.money, section.rule, section.payment)


def _from_candidates(path: Path, section: MarketSection, models: list[ModelSection]) -> Market:
    if section.base is not None or section.divergence is not None or section.prompt_weights is not None:
        raise InputError(f"{path}: candidates have prices of their own. Leave base, divergence and prompt_weights out.")
    names = [group.name for group in section.groups]
    for model in models:
        for name in [*model.values, *names]:
            if name not in names:
                raise InputError(f"{path}: model {model.name!r} has a value for {name!r}. {nearest(name, names)}")
            if name not in model.values:
                raise InputError(f"{path}: model {model.name!r} has no value for group {name!r}. Add it to its values.")
    table = [[model.values[name] for name in names] for model in models]
    try:
        free = [model.name for model in models if model.name == "base" and model.price == 0]
        prices = [model.price for model in models]
        if free and min(prices) < 0:
            raise InputError(
                f"a divergence from the model 'base' is never negative, but a price is {min(prices):g}. "
                "If prices are other costs, give that model another name."
            )
        names = [model.name for model in models]
        space = Candidates(table, prices, names, base=free[0] if free else None, fixed=section.fixed)
        reports = tuple(_candidate_report(group, space) for group in section.groups)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    return Market(space, reports, Layout(("1",), (space.names,)), section.money, section.rule, section.payment)


def _candidate_report(group: GroupSection, space: Candidates) -> Report:
    if group.scores is None:
        if group.scale is not None:
            raise InputError(f"group {group.name!r} has a scale but no scores to divide. Leave scale out.")
        return Report(group.name, group.size)
    if isinstance(group.scores, Path):
        raise InputError(f"the scores of group {group.name!r} must be a list, one number a model.")
    return _report(group, group.scores, space.shape)


def _layout(path: Path, section: MarketSection, sheets: dict[str, Cells]) -> Layout:
    if sheets:
        return next(iter(sheets.values())).layout()
    if section.base is None:
        raise InputError(
            f"{path}: the key 'base' is missing. It may be left out only when score sheets name the responses. "
            "Try base: [0.4, 0.3, 0.3]."
        )
    rows = section.base if isinstance(section.base[0], list) else [section.base]
    numbers = tuple(tuple(str(one + 1) for one in range(len(row))) for row in rows)
    return Layout(tuple(str(row + 1) for row in range(len(rows))), numbers)


def _report(group: GroupSection, scores: list | np.ndarray, shape: tuple[int, int]) -> Report:
    try:
        reward = TableReward(scores, group.scale)
        reward.on(shape)
    except InputError as error:
        raise InputError(f"the scores of group {group.name!r}: {error}") from None
    return Report(group.name, group.size, reward)


def _from_sheet(path: Path, strength: float | None) -> Market:
    sheets = read_long_sheet(path)
    if strength is None:
        raise InputError("a score sheet does not say how strongly the base is kept. Try --strength 1.")
    layout = next(iter(sheets.values())).layout()
    space = Simplex.uniform(*layout.shape, KL(strength))
    reports = tuple(Report(name, 1.0, TableReward(cells.table(layout))) for name, cells in sheets.items())
    return Market(space, reports, layout, Money())


def _with_strength(market: Market, strength: float | None) -> Market:
    if strength is None:
        return market
    if not isinstance(market.space, Simplex):
        raise InputError("--strength changes a divergence, and candidates have prices of their own. Leave it out.")
    divergence = replace(market.space.divergence, strength=strength)
    return replace(market, space=replace(market.space, divergence=divergence))


def _with_sizes(market: Market, sizes: dict[str, float]) -> Market:
    names = [report.name for report in market.reports]
    for name in sizes:
        if name not in names:
            raise InputError(f"there is no group {name!r} to give a size. {nearest(name, names)}")
    reports = tuple(replace(report, size=sizes.get(report.name, report.size)) for report in market.reports)
    return replace(market, reports=reports)
