"""How far a fitted report may be from what its group wants: an estimate, and how it was made."""

from __future__ import annotations

from dataclasses import dataclass

#: how sure a statement about what the checks did not see is
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Fit:
    """A fitted report's error.

    ``epsilon`` is in units of the group's scale. It is an estimate from what was looked at, never a proven bound over
    all replies; ``how`` says in one sentence what it is.
    """

    epsilon: float
    how: str
    digest: str  #: a fingerprint of what was fitted

    def to_dict(self) -> dict:
        """Plain data."""
        return {"epsilon": self.epsilon, "how": self.how, "digest": self.digest}


def unseen_share(checks: int) -> float:
    """The share of replies that may be worse than the worst of ``checks`` drawn at random, at 95% confidence.

    The largest of n independent errors is below the q-quantile of the errors with probability ``q^n``.

    >>> round(unseen_share(10), 2)
    0.26
    """
    return 1.0 - (1.0 - CONFIDENCE) ** (1.0 / checks)
