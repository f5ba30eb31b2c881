"""All payments from reward tables larger than memory: block sums over Parquet batches.

Under KL and interior chi-squared a prompt's sums grow batch by batch and nothing else is kept, so memory is one
batch and a few numbers for each prompt and group. A second pass, for some prompts only, corrects a centre that
the first batch got wrong. What no sum can give (hot groups, responses that lose all probability, all other
divergences) is solved prompt by prompt, with that prompt's rewards in memory.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from tuneaccord.divergence import Divergence
from tuneaccord.errors import InputError, whole_number
from tuneaccord.kernel.result import AllPayments, prompt_mean_weights
from tuneaccord.progress import Progress, Silent


def payments_from_parquet(
    paths,
    sizes: Mapping[str, float],
    divergence: Divergence,
    prompt_weights: Mapping[str, float] | None = None,
    batch_rows: int = 65_536,
    chunk_prompts: int = 64,
    progress: Progress | None = None,
) -> AllPayments:
    """What :func:`tuneaccord.all_payments` gives, for rewards that lie in one or several Parquet files.

    ``sizes`` names the groups. A table is either long, with the columns ``prompt_id``, ``reply_id``, ``group`` and
    ``score`` and each prompt's rows together, or wide, with ``prompt_id`` and one column a group. An optional
    column ``base`` has the base probability of each reply; without it a prompt's replies count equally. Prompts
    may differ in their number of replies, go on over batches and files, and are reported in the order of their
    first appearance; the result's ``groups`` and ``prompts`` name its axes. Wide tables are not searched for
    replies that occur twice, nor files for replies that occur in another one.

    ``batch_rows`` rows are read at a time. ``chunk_prompts`` whole prompts are in memory at a time where prompts
    must be solved one by one; their rows must then follow one another.

    Raises :class:`InputError` on a missing column, an empty or infinite cell, a missing or doubled score, a base
    that does not sum to one, or scattered rows where they must be together; and
    :class:`MissingDependencyError` without pyarrow.

    Source: arXiv 2405.16276, Proposition 4.4.

    >>> import tempfile, pyarrow as arrow, pyarrow.parquet as parquet
    >>> from tuneaccord import KL
    >>> wide = {"prompt_id": ["p"] * 3, "base": [0.4, 0.3, 0.3], "clinic": [0.1, 0.9, 0.0], "arcade": [0.2, 0.0, 1.0]}
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     parquet.write_table(arrow.table(wide), f"{folder}/scores.parquet")
    ...     found = payments_from_parquet(f"{folder}/scores.parquet", {"clinic": 3, "arcade": 2}, KL(1.0))
    >>> dict(zip(found.groups, found.payments.round(3).tolist()))
    {'clinic': 0.765, 'arcade': 0.291}
    """
    if not isinstance(sizes, Mapping) or not sizes:
        raise InputError(f"sizes must map each group's name to its size, such as {{'clinic': 3}}, got {sizes!r:.80}.")
    if not isinstance(divergence, Divergence):
        raise InputError(f"divergence must be a Divergence such as KL(strength=0.5), got {divergence!r}.")
    numbers = np.array([_size(name, size) for name, size in sizes.items()])
    for name, count in (("batch_rows", batch_rows), ("chunk_prompts", chunk_prompts)):
        whole_number(name, count, least=1)
    from tuneaccord.kernel.parquet import table_of
    from tuneaccord.kernel.passes import payments_of

    table = table_of(paths, tuple(sizes), batch_rows, progress or Silent())
    found, prompts = payments_of(table, numbers, divergence, chunk_prompts)
    return replace(found, groups=tuple(sizes), prompts=prompts, prompt_weights=_weights(prompt_weights, prompts))


def _size(name, size) -> float:
    number = float(size) if isinstance(size, int | float | np.number) and not isinstance(size, bool) else np.nan
    if not 0 <= number < np.inf:
        raise InputError(f"the size of group {name!r} must be a finite number that is not negative, got {size!r}.")
    return number


def _weights(given: Mapping[str, float] | None, prompts: tuple[str, ...]) -> np.ndarray:
    if given is None:
        return prompt_mean_weights(None, len(prompts))
    if not isinstance(given, Mapping):
        raise InputError(f"prompt_weights must map each prompt's identifier to its weight, got {given!r:.80}.")
    absent = sorted(set(prompts) ^ set(given), key=str)
    if absent:
        raise InputError(f"prompt_weights must name the table's prompts; {absent[0]!r} is only in one of the two.")
    return prompt_mean_weights([given[prompt] for prompt in prompts], len(prompts))
