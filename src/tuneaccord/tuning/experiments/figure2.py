"""Figure 2 of arXiv 2405.16276 on a real language model: what a false size and a polarised reward bring.

Two groups with opposed wishes, three pairs of sizes; each group in turn reports a multiple of its size, or
``beta r + (1 - beta) r_other``. Differences from the paper: a model of 135 million parameters instead of 7 billion, and
rewards of published text criteria instead of trained reward models; both groups are shown, not the first alone; the
soups are mixtures of adapters that were trained on the criteria, before any report; and the same misreports are tried
on the frozen pool, where every policy over the replies is allowed and nothing is trained.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from tuneaccord.progress import Progress
from tuneaccord.reproduce.result import Column, Reproduction, Table
from tuneaccord.tuning.experiments.claims import Claim, Lie, pure, resized, shifted
from tuneaccord.tuning.experiments.outcomes import Outcomes
from tuneaccord.tuning.experiments.panels import panels_of
from tuneaccord.tuning.experiments.setting import Options, Setting, prepare
from tuneaccord.tuning.experiments.truth import Truth, truth_of
from tuneaccord.tuning.experiments.words import (
    about_gains,
    about_soups,
    about_truth,
    change,
    reports_table,
    setting_lines,
    soup_table,
    truth_table,
)

SIZES = ((3, 7), (5, 5), (7, 3))
FACTORS = (0.5, 1.5, 2.0, 3.0, 4.0)
SHIFTS = (0.8, 1.2, 1.5, 2.0)


def reproduce(options: Options, progress: Progress) -> Reproduction:
    """Value, payment and utility of both groups under every misreport, on the pool and on the soups."""
    return result_of(prepare("figure2", 2, options, progress), options)


def result_of(setting: Setting, options: Options) -> Reproduction:
    """The experiment on what was measured."""
    scenes = [pure(setting.names, sizes) for sizes in SIZES]
    strength, matter = setting.soup_strength(scenes)
    spaces = {
        "pool": (setting.pool, setting.pool, setting.held_out_pool),
        "soups": (setting.soup_outcomes(strength), *setting.halves(strength)),
    }
    tables, panels, truths = [], [], {}
    for key, (space, settled, others) in spaces.items():
        tables += [_table(key, space, claims, group) for claims in scenes for group in range(len(claims))]
        panels.append(panels_of(key, _TITLES[key], space, scenes, lies_of))
        truths[key] = [_truths(settled, others, claims) for claims in scenes]
    labels = [_sizes(claims) for claims in scenes]
    tables += [soup_table(setting), truth_table("sizes", labels, truths)]
    rises = {key: _never_falls(space, scenes) for key, (space, _, _) in spaces.items()}
    every = [one for rows in truths.values() for row in rows for one in row]
    holds = all(one.holds for one in every) and all(rises.values())
    return Reproduction(
        name="figure2",
        title="Figure 2 on a real language model: what a false size and a polarised reward bring",
        claim="A larger reported size never lowers the liar's value, and no misreport raises its utility once it pays: "
        "exactly on the space of models that was settled, and within the stated bound on other prompts.",
        setting=(
            ("groups", f"2, {' against '.join(setting.names)}, sizes {', '.join(labels)}"),
            *setting_lines(setting),
            ("soups", about_soups(setting, strength, matter)),
        ),
        tables=tuple(tables),
        verdict=f"{_verdict(every, rises, matter)} {_payments(spaces, scenes)}",
        holds=holds,
        notes=(
            "The paper trains its soups on the reports, and is truthful against the two lies that it plots, not in "
            "general (see heuristics). Here the adapters are trained on published criteria before any report, and a "
            "report only says how the rows of the table are to be valued, so that truth is dominant on the table.",
            about_gains(setting, strength, scenes),
            *about_truth(),
            "The shift mixes in the other group's reward; scores outside [0, 1] are clipped, which the paper leaves "
            "open.",
        ),
        samples=options.samples,
        seed=options.seed,
        panels=tuple(panels),
    )


_TITLES = {"pool": "all policies over the frozen pool", "soups": "soups of two adapters"}
_COLUMNS = (
    Column("value", ".3f"),
    Column("payment", ".3f"),
    Column("utility", ".3f"),
    Column("change", "+.3f"),
    Column("low", "+.3f"),
    Column("high", "+.3f"),
)


def lies_of(claims: Sequence[Claim], group: int) -> list[Lie]:
    """The misreports of one group."""
    sized = [resized(claims[group], factor) for factor in FACTORS]
    return sized + [shifted(claims, group, shift) for shift in SHIFTS]


def _table(key: str, space: Outcomes, claims: Sequence[Claim], group: int) -> Table:
    """Every report of one group, and by how much it changes the utility."""
    honest = space.amounts(claims, group, claims[group])
    rows = [("truth", honest.model, *_estimates(honest), None, None, None)]
    for lie in lies_of(claims, group):
        told = space.amounts(claims, group, lie.claim)
        rows.append((lie.label, told.model, *_estimates(told), *change(told.utility - honest.utility)))
    title = f"{claims[group].name} reports, sizes {_sizes(claims)}, {_TITLES[key]} (change of utility, 95% band)"
    where = "-".join(f"{claim.size:g}" for claim in claims)
    return reports_table(f"{key}-{where}-{group + 1}", title, _COLUMNS, rows)


def _estimates(amounts) -> tuple[float, float, float]:
    return float(amounts.value[0]), float(amounts.payment[0]), float(amounts.utility[0])


def _sizes(claims: Sequence[Claim]) -> str:
    return ":".join(f"{claim.size:g}" for claim in claims)


def _truths(settled: Outcomes, others: Outcomes, claims: Sequence[Claim]) -> list[Truth]:
    cases = len(_TITLES) * len(SIZES) * len(claims)
    return [truth_of(settled, others, claims, i, lies_of(claims, i), cases) for i in range(len(claims))]


def _never_falls(space: Outcomes, scenes: Sequence[Sequence[Claim]]) -> bool:
    """Whether the liar's value never falls as the size that it reports grows."""
    for claims in scenes:
        for group, claim in enumerate(claims):
            factors = sorted((*FACTORS, 1.0))
            values = [space.amounts(claims, group, resized(claim, factor).claim).value[0] for factor in factors]
            if any(after < before - 1e-9 * abs(before) for before, after in pairwise(values)):
                return False
    return True


def _payments(spaces: dict, scenes: Sequence[Sequence[Claim]]) -> str:
    """What truthful groups pay."""
    said = []
    for key, (space, _, _) in spaces.items():
        paid = [space.amounts(claims, i, claim).payment[0] for claims in scenes for i, claim in enumerate(claims)]
        said.append(f"{min(paid):.3f} to {max(paid):.3f} ({key})")
    return f"Truthful groups pay {' and '.join(said)}."


def _verdict(truths: Sequence[Truth], rises: dict[str, bool], matter: bool) -> str:
    paying = [one for one in truths if one.gain > one.rounding]
    beyond = [one for one in truths if one.delivered > one.bound + one.rounding]
    count = f"{len(truths)} cases (space, sizes, liar)"
    said = (
        f"In none of {count} a misreport raised the liar's utility where it was settled"
        if not paying
        else f"In {len(paying)} of {count} a misreport raised the liar's utility where it was settled"
    )
    said += (
        "; on other prompts none gained more than its bound"
        if not beyond
        else f"; on other prompts {len(beyond)} gained more than their bounds"
    )
    said += ". " + (
        "A larger size never lowered the liar's value."
        if all(rises.values())
        else "A larger size lowered the liar's value somewhere."
    )
    if not matter:
        said += " The base was the best row of the table of soups at some sizes, whatever the strength."
    return said
