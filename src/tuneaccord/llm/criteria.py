"""Built-in reward models: three criteria from well-kept text packages, each on the published scale [0, 1].

On replies of a small assistant model ``upbeat`` and ``calm`` pull against each other (correlation about
-0.4 within a prompt), and ``easy`` competes with both only for the divergence that everybody shares.
Packages that download data at run time are avoided: of textstat only the Coleman-Liau grade is used, which
needs no dictionary.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

from tuneaccord.errors import MissingDependencyError


@dataclass(frozen=True)
class Criterion:
    """A named reward model: what it measures, on which scale, and the function over many replies."""

    name: str
    description: str
    scale: tuple[float, float]
    score: Callable[[Sequence[str], Sequence[str]], list[float]]
    package: str

    def digest_data(self) -> dict:
        """What identifies the criterion in a record.

        Raises :class:`MissingDependencyError` when its package is not installed.
        """
        return {"criterion": self.name, "package": self.package, "version": version_of(self.package)}


def version_of(package: str) -> str:
    """The installed version of a package.

    Raises :class:`MissingDependencyError` when it is not installed.
    """
    try:
        return version(package)
    except PackageNotFoundError as error:
        raise _missing(package) from error


@functools.cache
def _vader():
    try:
        from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer
    except ImportError as error:
        raise _missing("vaderSentiment") from error
    return SentimentIntensityAnalyzer()


def upbeat(prompts: Sequence[str], replies: Sequence[str]) -> list[float]:
    """VADER's compound sentiment of each reply, mapped from [-1, 1] to [0, 1]."""
    return [(_vader().polarity_scores(reply)["compound"] + 1.0) / 2.0 for reply in replies]


def calm(prompts: Sequence[str], replies: Sequence[str]) -> list[float]:
    """VADER's share of neutral words in each reply; an empty reply has no emotion in it and scores 1."""
    return [_vader().polarity_scores(reply)["neu"] if reply.strip() else 1.0 for reply in replies]


def easy(prompts: Sequence[str], replies: Sequence[str]) -> list[float]:
    """Ease of reading: ``1 - grade / 20`` with the Coleman-Liau school grade, clipped to [0, 1]."""
    try:
        import textstat
    except ImportError as error:
        raise _missing("textstat") from error
    grades = [textstat.coleman_liau_index(reply) if reply.strip() else 0.0 for reply in replies]
    return [min(1.0, max(0.0, 1.0 - grade / 20.0)) for grade in grades]


def _missing(package: str) -> MissingDependencyError:
    return MissingDependencyError(
        f"this criterion needs the package {package}. Install it with: pip install 'tuneaccord[llm]'"
    )


CRITERIA = {
    criterion.name: criterion
    for criterion in (
        Criterion(
            "upbeat", "cheerful wording: VADER sentiment, mapped to [0, 1]", (0.0, 1.0), upbeat, "vaderSentiment"
        ),
        Criterion("calm", "neutral wording: VADER's share of neutral words", (0.0, 1.0), calm, "vaderSentiment"),
        Criterion("easy", "easy reading: 1 - Coleman-Liau grade / 20, clipped to [0, 1]", (0.0, 1.0), easy, "textstat"),
    )
}
