"""Tables 2 to 6 of arXiv 2405.16276 on a real language model: three groups, some of which want a mix of criteria.

The paper's five tables list what one group gets under several reports. The values of the candidate models behind them
(Table 6 of arXiv 2406.18853) were not available, so these are five tables of the same kind: in three each group wants
one criterion and each in turn is the liar, in two the liar, or everybody, wants a mix. Reports are other sizes, other
weights of the criteria, and the polarised shift. Within a table the others' reports stay, so that the liar's utility
must be the true net welfare of what is chosen minus one constant: the others' best without it, computed on its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tuneaccord.progress import Progress
from tuneaccord.reproduce.result import Column, Reproduction, Table
from tuneaccord.tuning.experiments.claims import Claim, Lie, resized, shifted, wanting
from tuneaccord.tuning.experiments.outcomes import Outcomes
from tuneaccord.tuning.experiments.setting import Options, Setting, prepare
from tuneaccord.tuning.experiments.truth import ROUNDING, Truth, truth_of
from tuneaccord.tuning.experiments.words import (
    about_gains,
    about_soups,
    about_truth,
    reports_table,
    setting_lines,
    soup_table,
    truth_table,
)

FACTORS = (0.5, 2.0, 4.0)
SHIFTS = (0.8, 1.5, 2.0)
THIRD = 1.0 / 3.0


@dataclass(frozen=True)
class Scene:
    """One table: who wants what at which size, and who lies."""

    number: int
    groups: tuple[tuple[float, tuple[float, float, float]], ...]  #: (size, weights of the three criteria)
    liar: int

    def claims(self, names: Sequence[str]) -> tuple[Claim, ...]:
        """The truth."""
        return tuple(Claim(_who(wants, names), size, wants) for size, wants in self.groups)


_PURE = ((5.0, (1.0, 0.0, 0.0)), (3.0, (0.0, 1.0, 0.0)), (2.0, (0.0, 0.0, 1.0)))
SCENES = (
    Scene(2, _PURE, 0),
    Scene(3, _PURE, 1),
    Scene(4, _PURE, 2),
    Scene(5, ((5.0, (0.5, 0.0, 0.5)), *_PURE[1:]), 0),
    Scene(6, ((4.0, (0.7, 0.0, 0.3)), (4.0, (0.0, 0.7, 0.3)), (2.0, (0.5, 0.5, 0.0))), 0),
)


def reproduce(options: Options, progress: Progress) -> Reproduction:
    """Five tables of reports, on the pool and on the soups, and the constants in them."""
    return result_of(prepare("tables2-6", 3, options, progress), options)


def result_of(setting: Setting, options: Options) -> Reproduction:
    """The experiment on what was measured."""
    truths_told = [scene.claims(setting.names) for scene in SCENES]
    strength, matter = setting.soup_strength(truths_told)
    spaces = {
        "pool": (setting.pool, setting.pool, setting.held_out_pool),
        "soups": (setting.soup_outcomes(strength), *setting.halves(strength)),
    }
    tables = [
        _table(key, space, scene, claims, setting.names)
        for scene, claims in zip(SCENES, truths_told, strict=True)
        for key, (space, _, _) in spaces.items()
    ]
    truths = {
        key: [
            [_truth(settled, others, scene, claims, setting.names)]
            for scene, claims in zip(SCENES, truths_told, strict=True)
        ]
        for key, (_, settled, others) in spaces.items()
    }
    constants = _constants(tables, spaces, truths_told)
    labels = [f"table {scene.number}" for scene in SCENES]
    every = [case[0] for cases in truths.values() for case in cases]
    same = all(constants.column("same"))
    return Reproduction(
        name="tables2-6",
        title="Tables 2 to 6 on a real language model: three groups, mixed wishes included",
        claim="Within each table the liar's utility is the true net welfare of the chosen model minus a constant that "
        "its report does not move, so that no report beats the truth: exactly on the space that was settled, and "
        "within the stated bound on other prompts.",
        setting=(*setting_lines(setting), ("soups", about_soups(setting, strength, matter))),
        tables=(*tables, constants, soup_table(setting), truth_table("table", labels, truths)),
        verdict=_verdict(every, same, matter),
        holds=same and all(one.holds for one in every),
        notes=(
            "The paper's own tables satisfy the identity to their printed digits, with constants 2.51, 6.51, 6.01, "
            "4.58 and 2.40. The values of the models behind them were not available, so the numbers here are of other "
            "models and other groups, and only the kind of table and the identity are the paper's.",
            "A group's wish is a weighted sum of published criteria, and the adapters are trained on the criteria: no "
            "report moves the set of models.",
            about_gains(setting, strength, truths_told),
            *about_truth(),
        ),
        samples=options.samples,
        seed=options.seed,
    )


_TITLES = {"pool": "all policies over the frozen pool", "soups": "soups of three adapters"}
_COLUMNS = (
    Column("value", ".3f"),
    Column("payment", ".3f"),
    Column("utility", ".4f"),
    Column("net welfare", ".4f"),
    Column("minus utility", ".4f"),
)


def lies_of(scene: Scene, claims: Sequence[Claim], names: Sequence[str]) -> list[Lie]:
    """The liar's other reports: sizes, weights of the criteria, shifts."""
    claim = claims[scene.liar]
    unit = [tuple(float(i == j) for j in range(len(names))) for i in range(len(names))]
    mixes = [*zip(names, unit, strict=True), ("all", (THIRD,) * 3)]
    mixes += [(f"{a}, {b}", _halves(i, j)) for i, a in enumerate(names) for j, b in enumerate(names) if i < j]
    return [
        *(resized(claim, factor) for factor in FACTORS),
        *(wanting(claim, f"wants {label}", wants) for label, wants in mixes if wants != claim.wants),
        *(shifted(claims, scene.liar, shift) for shift in SHIFTS),
    ]


def _halves(i: int, j: int) -> tuple[float, ...]:
    return tuple(0.5 if one in (i, j) else 0.0 for one in range(3))


def _table(key: str, space: Outcomes, scene: Scene, claims: Sequence[Claim], names: Sequence[str]) -> Table:
    liar, rows = claims[scene.liar], []
    truth = Lie("truth", liar, "truth")
    for lie in [truth, *lies_of(scene, claims, names)]:
        told = space.amounts(claims, scene.liar, lie.claim)
        value, payment, welfare = float(told.value[0]), float(told.payment[0]), float(told.net_welfare[0])
        utility = value - payment
        rows.append((lie.label, told.model, value, payment, utility, welfare, welfare - utility))
    wishes = ", ".join(f"{claim.name} ({claim.size:g})" for claim in claims)
    title = f"Table {scene.number}, {_TITLES[key]}. Groups (sizes): {wishes}. Reporting: {liar.name}"
    return reports_table(f"{scene.number}-{key}", title, _COLUMNS, rows)


def _who(wants: Sequence[float], names: Sequence[str]) -> str:
    """A group by its wish.

    >>> _who((0.7, 0.0, 0.3), ("a", "b", "c")), _who((0.0, 1.0, 0.0), ("a", "b", "c"))
    ('0.7 a + 0.3 c', 'b')
    """
    parts = [(weight, name) for weight, name in zip(wants, names, strict=True) if weight]
    return parts[0][1] if len(parts) == 1 else " + ".join(f"{weight:g} {name}" for weight, name in parts)


def _truth(settled: Outcomes, others: Outcomes, scene: Scene, claims: Sequence[Claim], names: Sequence[str]) -> Truth:
    return truth_of(settled, others, claims, scene.liar, lies_of(scene, claims, names), len(_TITLES) * len(SCENES))


def _constants(tables: Sequence[Table], spaces: dict, truths_told: Sequence[Sequence[Claim]]) -> Table:
    """Net welfare minus utility: how far apart within a table, and the others' best in a market without the liar."""
    columns = (
        Column("table"),
        Column("space"),
        Column("constant", ".6f"),
        Column("others' best without the liar", ".6f"),
        Column("largest difference", ".0e"),
        Column("same"),
    )
    rows = []
    by_key = {table.key: table for table in tables}
    for scene, claims in zip(SCENES, truths_told, strict=True):
        for key, (space, _, _) in spaces.items():
            differences = by_key[f"{scene.number}-{key}"].column("minus utility")
            without = space.best_without(claims, scene.liar)
            furthest = max(abs(one - without) for one in differences)
            same = furthest <= ROUNDING * max(abs(without), 1.0)
            rows.append((f"table {scene.number}", key, differences[0], without, furthest, same))
    return Table("constants", "Net welfare minus utility, table by table", columns, tuple(rows), 2)


def _verdict(truths: Sequence[Truth], same: bool, matter: bool) -> str:
    paying = sum(one.gain > one.rounding for one in truths)
    beyond = sum(one.delivered > one.bound + one.rounding for one in truths)
    said = (
        f"Utility is net welfare minus {'one' if same else 'more than one'} constant in "
        f"{'each' if same else 'some'} of {len(truths)} tables; a report other than the truth has a higher utility "
        f"where it was settled in {paying} of them, and gains more than its bound on other prompts in {beyond}."
    )
    return said if matter else f"{said} The base was the best row of the table of soups in some table."
