"""What is left of a settlement's promises when a report was fitted, and how models are measured with a sheet.

A group with a fitted report, from preference pairs or answers, has not reported its own reward but one that is off by
some error. The choice is then the best one for a slightly wrong reward, and a report that happens to undo the error
pays: with errors of at most epsilon on every reply a lie gains at most ``2 size epsilon``, and under KL at most
``size^2 epsilon^2 / (2 strength)``. Only the group's own error counts, whatever the others report. In the same way the
group may be worse off than without taking part, by at most ``2 size epsilon``.

Source: arXiv 2405.16276, Theorem 4.12; the square follows from Hoeffding's lemma.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from tuneaccord.artifacts import digest_of
from tuneaccord.llm.scoring import GroupReward
from tuneaccord.mechanism.guarantees import Guarantee
from tuneaccord.tuning.market import Market


def largest_gain(size: float, epsilon: float, strength: float) -> float:
    """The most that a lie gains under KL when the own reward is off by at most ``epsilon``, in units of payments.

    >>> round(largest_gain(size=2.0, epsilon=0.1, strength=0.5), 6)
    0.04
    """
    return min(2.0 * size * epsilon, (size * epsilon) ** 2 / (2.0 * strength))


def promised(market: Market, guarantees: Iterable[Guarantee]) -> tuple[Guarantee, ...]:
    """These guarantees on this market, with what its fitted reports leave of them and where that comes from."""
    return (*with_fits(guarantees, market.groups, market.strength), *fit_errors(market.groups))


def with_fits(guarantees: Iterable[Guarantee], groups: Sequence[GroupReward], strength: float) -> tuple[Guarantee, ...]:
    """The guarantees with what the errors of fitted reports leave of them; unchanged where no report was fitted."""
    fitted = [group for group in groups if group.fit is not None]
    return tuple(_weakened(one, fitted, strength) if fitted else one for one in guarantees)


def fit_errors(groups: Sequence[GroupReward]) -> tuple[Guarantee, ...]:
    """Where the errors of fitted reports come from; nothing where no report was fitted."""
    fitted = [group for group in groups if group.fit is not None]
    if not fitted:
        return ()
    each = "; ".join(f"{group.name} {group.fit.epsilon:.3g}, {group.fit.how}" for group in fitted)
    statement = f"The errors of fitted reports are estimates, no bounds on every reply: {each}."
    return (Guarantee("fits as good as estimated", "not claimed", statement),)


def _weakened(guarantee: Guarantee, fitted: Sequence[GroupReward], strength: float) -> Guarantee:
    about_truth = guarantee.name.startswith("truthful")
    if guarantee.status == "not claimed" or not (about_truth or guarantee.name == "nobody worse off"):
        return guarantee
    exact = guarantee.status == "exact"
    losses = {
        group.name: largest_gain(group.size, group.fit.epsilon, strength)
        if about_truth and exact
        else 2.0 * group.size * group.fit.epsilon
        for group in fitted
    }
    what = "can gain by a lie" if about_truth else "can lose"
    each = "; ".join(
        f"the report of {group.name} is off by an estimated {group.fit.epsilon:.3g}, and if by no more on any reply, "
        f"it {what} at most {losses[group.name]:.3g}{'' if exact else ' more'}"
        for group in fitted
    )
    return replace(
        guarantee,
        status="bounded",
        statement=f"{guarantee.statement} But for fitted reports: {each}.",
        bound=(guarantee.bound or 0.0) + max(losses.values()),
    )


def report_facts(group: GroupReward) -> dict:
    """What a record says of one report besides its scores: the scale's policy, the fit, and one digest of it all."""
    terms = {"reward": group.identity, "scale": list(group.scale), "outside_the_scale": group.scale_policy}
    return {
        "new_texts": group.new_texts,
        "scale_policy": {"outside": group.scale_policy, "normalised": "never"},
        "fit": None if group.fit is None else group.fit.to_dict(),
        "report_digest": digest_of(terms),
    }


def adapter_method(market: Market, effective_sample_size: float | None) -> dict | None:
    """How the adapter's row was measured: by fresh replies, or without any where a report scores no new text.

    ``effective_sample_size`` is that of the importance weights, ``None`` without an adapter.
    """
    if effective_sample_size is None:
        return None
    if market.scores_new_texts:
        return {"method": "fresh replies"}
    return {
        "method": "importance weights on the base's held-out replies",
        "effective_sample_size": effective_sample_size,
        "reason": "A group filled in a score sheet, which scores the frozen replies and no new ones.",
    }
