"""The list of reproductions, and the one function that runs any of them."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module

from tuneaccord.errors import InputError, nearest
from tuneaccord.progress import Progress, Silent
from tuneaccord.reproduce.result import Reproduction

MOST_SAMPLES = 100_000_000
MOST_SEED = 2**63 - 1


@dataclass(frozen=True)
class Entry:
    """One reproduction: its file in this folder, one line about it, and how many games it draws by default."""

    module: str
    line: str
    samples: int


CATALOGUE: dict[str, Entry] = {
    "table1": Entry(
        "table1", "Table 1: what a small lie about the reward brings, without and with payments", 1_000_000
    ),
    "theorem-4.2": Entry("theorem_4_2", "Without payments a profitable lie exists in every random market", 20_000),
    "theorem-4.3": Entry("theorem_4_3", "The affine payment makes the same lies lose", 20_000),
    "theorem-4.11": Entry("theorem_4_11", "No truthful payment can charge less, and hardly one can charge more", 200),
    "theorem-4.12": Entry("theorem_4_12", "With noisy rewards a lie gains at most twice size times noise", 20),
    "heuristics": Entry("heuristics", "Payments from checkpoints: which promises survive, measured", 40),
    "implementability": Entry("implementability", "Which training rules any payment can make truthful", 20),
}


def reproduce(name: str, samples: int | None = None, seed: int = 0, progress: Progress | None = None) -> Reproduction:
    """Recompute one table or theorem of the paper.

    ``samples`` is the number of random games (default: the entry's in :data:`CATALOGUE`); the same number and the
    same ``seed`` give the same result. Raises :class:`InputError` for an unknown name, or numbers that cannot be.

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
    run = import_module(f"tuneaccord.reproduce.{entry.module}").reproduce
    return run(count, seed, progress or Silent())
