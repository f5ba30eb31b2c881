"""Cells and sentences that the experiments share."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tuneaccord.mechanism.uncertainty import interval
from tuneaccord.reproduce.result import Column, Table
from tuneaccord.tuning.experiments.claims import Claim, scores_of, sizes_of
from tuneaccord.tuning.experiments.setting import SHARES, Setting
from tuneaccord.tuning.experiments.truth import CHANCE, Truth

LEVEL = 0.95


def band(draws: np.ndarray) -> tuple[float, float]:
    """The 95% band of resampled numbers.

    >>> [round(end, 6) for end in band(np.arange(41.0))]
    [1.0, 39.0]
    """
    low, high = np.quantile(draws, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def change(moved: np.ndarray) -> tuple[float, float, float]:
    """A difference with its band: the estimate is the first number, the rest are resamples."""
    return float(moved[0]), *band(moved[1:])


def setting_lines(setting: Setting) -> tuple[tuple[str, str], ...]:
    """Model, prompts, pool and rule, in words."""
    market, settings = setting.market, setting.market.settings
    return (
        ("model", f"{market.ref.name}, {market.ref.dtype}"),
        ("criteria", "; ".join(f"{group.name}: {group.description}" for group in market.groups)),
        ("prompts", f"{len(market.prompts)} to settle and train on, {len(market.held_out)} others to measure on"),
        (
            "pool",
            f"{settings.pool.replies} replies a prompt of at most {settings.pool.new_tokens} tokens, "
            f"temperature {settings.pool.temperature:g}",
        ),
        ("divergence", f"KL; on the pool with strength {market.strength:g}"),
        ("values", "size times the mean score, in units of size times reward"),
    )


def about_soups(setting: Setting, strength: float, matter: bool) -> str:
    """The rows of the table and where its strength comes from."""
    table, most = setting.soups, max(row.kl.mean() for row in setting.soups.rows)
    tried = ", ".join(f"{share * setting.market.strength:g}" for share in SHARES)
    chosen = (
        f"strength {strength:g}, the largest of {tried} at which truthful reports always get a soup and not the base"
        if matter
        else f"strength {strength:g}, the smallest tried: the base is somewhere the best row at each of them"
    )
    return (
        f"{len(table.names) - 1} mixtures of one adapter a criterion ({':'.join(table.groups)}) and the base, measured "
        f"with {table.rows[-1].replies} fresh replies a held-out prompt, KL up to {most:.2f} nats; {chosen}"
    )


def soup_table(setting: Setting) -> Table:
    """Every row of the table of soups, as it was measured: by how much each criterion rises above the base, and KL."""
    table, seed = setting.soups, setting.market.settings.seed
    base, rows = table.rows[0].values, []
    for row in table.rows:
        rises = [interval(row.values[:, i] - base[:, i], seed) for i in range(len(table.groups))]
        cells = [cell for one in rises for cell in (one.estimate, (one.high - one.low) / 2)]
        rows.append((row.name, *cells, float(row.kl.mean())))
    named = [column for name in table.groups for column in (Column(name, "+.3f"), Column(f"{name} ±", ".3f"))]
    title = f"The soups as measured: weights {':'.join(table.groups)}, values above the base (± 95%), KL"
    return Table("soups", title, (Column("model"), *named, Column("KL", ".3f")), tuple(rows), 1)


def about_gains(setting: Setting, strength: float, scenes: Sequence[Sequence[Claim]]) -> str:
    """Whether the soups that truthful reports get are better than the base beyond the noise of measurement."""
    outcomes, sure = setting.soup_outcomes(strength), 0
    table, gains = outcomes.table, []
    for claims in scenes:
        row = table.rows[table.names.index(outcomes.amounts(claims, 0, claims[0]).model)]
        lift = scores_of(row.values, claims) - scores_of(table.rows[0].values, claims)
        gain = interval(lift @ sizes_of(claims) - strength * row.kl, setting.market.settings.seed)
        gains.append(gain.estimate)
        sure += gain.low > 0
    said = (
        f"The soups that truthful reports get are {min(gains):+.3f} to {max(gains):+.3f} above the base in net welfare"
    )
    if sure == len(scenes):
        return f"{said}, each with an interval clear of zero."
    return (
        f"{said}; in {len(scenes) - sure} of {len(scenes)} cases the interval contains zero. There the choice of the "
        "row is partly the luck of its measurement: exact on the table as it was frozen, and no evidence that the "
        "model is better."
    )


def about_truth() -> tuple[str, ...]:
    """What the two columns of gains are."""
    return (
        "\"Gain, settled\" is the best misreport's utility minus the truth's on the space that was settled, never "
        "above 0 but for rounding. "
        '"Gain, delivered" charges the same payments and values the model on other prompts: held-out '
        "ones for the pool; for the soups, chosen and charged on half of the held-out prompts, the other half. Its "
        f"bound is an estimate by resampling both sets of prompts, with a chance of {CHANCE:.0%} that any of the "
        "bounds is too small.",
        "A market must fix the strength, like the models, before anybody reports. The strength of the soups was "
        "chosen for the experiment after they were measured, by a rule that looks at truthful reports.",
    )


def reports_table(key: str, title: str, columns: Sequence[Column], rows: Sequence[Sequence]) -> Table:
    """Rows of a report, the model it leads to, and numbers; without the model where none has a name."""
    if rows[0][1] is None:
        return Table(key, title, (Column("report"), *columns), tuple((row[0], *row[2:]) for row in rows), 1)
    return Table(key, title, (Column("report"), Column("model"), *columns), tuple(map(tuple, rows)), 2)


def truth_table(what: str, labels: Sequence[str], truths: dict[str, Sequence[Sequence[Truth]]]) -> Table:
    """What the best lie brings, case by case."""
    columns = (
        Column("space"),
        Column(what),
        Column("liar"),
        Column("gain, settled", "+.1e"),
        Column("gain, delivered", "+.3f"),
        Column("bound", ".3f"),
        Column("within"),
    )
    rows = [
        (key, label, one.group, one.gain, one.delivered, one.bound, one.holds)
        for key, cases in truths.items()
        for label, case in zip(labels, cases, strict=True)
        for one in case
    ]
    return Table("truth", "Whether the best misreport tried pays", columns, tuple(rows), 3)
