"""The list of reproductions, and the one function that runs any of them."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from tuneaccord.errors import InputError, nearest
from tuneaccord.progress import Progress, Silent
from tuneaccord.reproduce.result import Reproduction

MOST_SAMPLES = 100_000_000
MOST_SEED = 2**63 - 1


@dataclass(frozen=True)
class Entry:
    """One reproduction: its module, one line about it, and how much it draws by default.

    ``unit`` is what is drawn: random games, or replies a prompt where ``model`` says that a language model replies.
    """

    module: str
    line: str
    samples: int
    unit: str = "games"
    model: bool = False


CATALOGUE: dict[str, Entry] = {
    "table1": Entry(
        "tuneaccord.reproduce.table1",
        "Table 1: what a small lie about the reward brings, without and with payments",
        1_000_000,
    ),
    "theorem-4.2": Entry(
        "tuneaccord.reproduce.theorem_4_2", "Without payments a profitable lie exists in every random market", 20_000
    ),
    "theorem-4.3": Entry("tuneaccord.reproduce.theorem_4_3", "The affine payment makes the same lies lose", 20_000),
    "theorem-4.11": Entry(
        "tuneaccord.reproduce.theorem_4_11", "No truthful payment can charge less, and hardly one can charge more", 200
    ),
    "theorem-4.12": Entry(
        "tuneaccord.reproduce.theorem_4_12", "With noisy rewards a lie gains at most twice size times noise", 20
    ),
    "heuristics": Entry(
        "tuneaccord.reproduce.heuristics", "Payments from checkpoints: which promises survive, measured", 40
    ),
    "implementability": Entry(
        "tuneaccord.reproduce.implementability", "Which training rules any payment can make truthful", 20
    ),
    "figure2": Entry(
        "tuneaccord.tuning.experiments.figure2",
        "Figure 2 on a language model: value, payment and utility against the report of two groups",
        24,
        "replies a prompt",
        model=True,
    ),
    "tables2-6": Entry(
        "tuneaccord.tuning.experiments.tables",
        "Tables 2 to 6 on a language model: three groups, mixed wishes included",
        24,
        "replies a prompt",
        model=True,
    ),
}


def reproduce(
    name: str,
    samples: int | None = None,
    seed: int = 0,
    progress: Progress | None = None,
    market: Path | None = None,
    folder: Path | None = None,
    workers: int | None = None,
) -> Reproduction:
    """Recompute one table, figure or theorem of the paper.

    ``samples`` is the number of random games, or of replies a prompt where a language model is asked (default: the
    entry's in :data:`CATALOGUE`); the same number and the same ``seed`` give the same result. Only with a language
    model: ``market`` is a tune file in place of the shipped one, ``folder`` is where finished steps are kept
    (default: in the cache), so that a stopped run continues, and ``workers`` how many processes work.

    Raises :class:`InputError` for an unknown name, numbers that cannot be, or a market where none is asked.

    Source: arXiv 2405.16276.

    >>> reproduce("table1", samples=100).name
    'table1'
    """
    if not isinstance(name, str) or name not in CATALOGUE:
        raise InputError(f"there is no reproduction {name!r}. {nearest(name, CATALOGUE)}")
    entry = CATALOGUE[name]
    count = entry.samples if samples is None else samples
    for what, number, least, most in (("samples", count, 1, MOST_SAMPLES), ("seed", seed, 0, MOST_SEED)):
        if isinstance(number, bool) or not isinstance(number, int) or not least <= number <= most:
            raise InputError(f"{what} must be a whole number from {least} to {most}, got {number!r}.")
    run = import_module(entry.module).reproduce
    if entry.model:
        from tuneaccord.tuning.experiments.setting import Options

        return run(Options(count, seed, market, folder, workers), progress or Silent())
    if market is not None or workers is not None:
        asked = [one for one in CATALOGUE if CATALOGUE[one].model]
        raise InputError(
            f"{name} asks no language model, so it takes no market and no workers. {' and '.join(asked)} do."
        )
    return run(count, seed, progress or Silent())
