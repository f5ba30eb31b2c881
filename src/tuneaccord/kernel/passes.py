"""The passes over a reward table that turn it into payments, with sums where they suffice."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields

import numpy as np

from tuneaccord.divergence import Divergence
from tuneaccord.errors import InputError
from tuneaccord.kernel.parquet import RewardTable
from tuneaccord.kernel.payments import all_payments
from tuneaccord.kernel.result import AllPayments, prompt_mean_weights
from tuneaccord.kernel.totals import FAMILIES, Totals, check_base


def payments_of(
    table: RewardTable, sizes: np.ndarray, divergence: Divergence, chunk: int
) -> tuple[AllPayments, tuple[str, ...]]:
    """The payments of the table's prompts, and those prompts in the order of their first appearance.

    ``chunk`` whole prompts are held at a time where sums do not suffice.
    """
    family = FAMILIES.get(type(divergence))
    if family is None:
        return _solve(table, sizes, divergence, chunk, None)
    return _by_sums(table, sizes, divergence, family(sizes, divergence.strength), chunk)


def _by_sums(table: RewardTable, sizes, divergence, family, chunk):
    totals = _read(table, Totals(family))
    prompts = tuple(totals.numbers)
    found, missing, centre = family.finish(totals)
    again = np.flatnonzero((missing & (centre != totals.sums.centre[: len(prompts)])).any(axis=1))
    if len(again):  # once more around the values, which the first rows did not show
        second = _read(table, Totals(family, {prompts[p]: centre[p] for p in again}))
        order = np.array([totals.numbers[prompt] for prompt in second.numbers])
        better, missing[order], _ = family.finish(second)
        found = found.with_prompts(order, better)
    wanted = {prompts[p] for p in np.flatnonzero(missing.any(axis=1))}
    if wanted:
        solved, names = _solve(table, sizes, divergence, chunk, wanted)
        found = found.with_prompts(np.array([totals.numbers[name] for name in names]), solved)
    return found, prompts


def _read(table: RewardTable, totals: Totals) -> Totals:
    for piece in table.pieces():
        for runs in _alike(piece.runs):
            runs = [run for run in runs if totals.centres is None or run[0] in totals.centres]
            if runs:
                prompts = [prompt for prompt, _, _ in runs]
                totals.add(prompts, *_cut(piece, runs))
    return totals


def _alike(runs) -> Iterator[list[tuple[str, int, int]]]:
    """The runs in lots of one length in which no prompt occurs twice."""
    lots: dict[tuple[int, int], list] = {}
    seen: dict[str, int] = {}
    for run in runs:
        seen[run[0]] = seen.get(run[0], 0) + 1
        lots.setdefault((run[2] - run[1], seen[run[0]]), []).append(run)
    yield from lots.values()


def _cut(piece, runs):
    """Scores (runs, groups, replies) and base (runs, replies) of runs of one length."""
    rows = np.array([start for _, start, _ in runs])[:, None] + np.arange(runs[0][2] - runs[0][1])
    scores = np.ascontiguousarray(np.swapaxes(piece.scores[:, rows], 0, 1))
    return scores, None if piece.base is None else piece.base[rows]


def _solve(table: RewardTable, sizes, divergence, chunk: int, wanted: set[str] | None):
    """Payments of whole prompts, by :func:`all_payments`; of those in ``wanted``, in the order of the table."""
    order: dict[str, int] = {}
    lots: dict[tuple, list] = {}
    parts: list[tuple[list[str], AllPayments]] = []
    complaint = None

    def flush(lot):
        names, scores, bases = zip(*lot, strict=True)
        base = None if bases[0] is None else np.stack(bases)
        parts.append((names, all_payments(np.stack(scores), sizes, divergence, base, tier="portable")))

    for prompt, scores, base in _whole_prompts(table, wanted):
        order[prompt] = len(order)
        try:
            check_base(prompt, np.nan if base is None else base.sum())
        except InputError as error:  # scattered rows look like this too, and the end of the table tells
            complaint = complaint or error
            continue
        lot = lots.setdefault((scores.shape[1], base is None), [])
        lot.append((prompt, scores, base))
        if sum(map(len, lots.values())) >= chunk:
            for full in lots.values():
                flush(full)
            lots = {}
    if complaint:
        raise complaint
    for rest in lots.values():
        flush(rest)
    if not parts:
        raise InputError("the reward table has no rows.")
    places = np.argsort([order[name] for names, _ in parts for name in names])
    columns = {
        field.name: np.concatenate([getattr(part, field.name) for _, part in parts])[places]
        for field in fields(AllPayments)
        if field.name.endswith("_by_prompt")
    }
    return AllPayments(sizes=sizes, prompt_weights=prompt_mean_weights(None, len(order)), **columns), tuple(order)


def _whole_prompts(table: RewardTable, wanted):
    held, current, finished = [], None, set()
    for piece in table.pieces():
        for run in piece.runs:
            if run[0] != current:
                if held:
                    yield _glue(current, held)
                finished.add(current)
                current, held = run[0], []
                if current in finished and (wanted is None or current in wanted):
                    raise InputError(
                        f"the rows of prompt {current!r} do not follow one another, and it cannot be solved from sums. "
                        "Sort the table by prompt_id."
                    )
            if wanted is None or current in wanted:
                scores, base = _cut(piece, [run])
                held.append((scores[0], None if base is None else base[0]))
    if held:
        yield _glue(current, held)


def _glue(prompt, held):
    scores, bases = zip(*held, strict=True)
    return prompt, np.concatenate(scores, axis=1), None if bases[0] is None else np.concatenate(bases)
