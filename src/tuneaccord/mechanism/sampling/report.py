"""How far a settlement on a pool of drawn responses is from that on the full response set, under KL.

The settlement itself is exact and truthful on its pool, and what it charges is what must be charged. This report
is about something else: the pool's numbers as estimates of the market with all responses.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from tuneaccord.divergence import KL
from tuneaccord.errors import InputError, whole_number
from tuneaccord.mechanism.payments.externality import Externality
from tuneaccord.mechanism.rules import Welfare
from tuneaccord.mechanism.sampling.jackknife import Jackknifed, PoolPolicies, jackknifed
from tuneaccord.mechanism.settlement import Settlement
from tuneaccord.mechanism.uncertainty import Interval, ratio_interval
from tuneaccord.spaces.simplex import Simplex

#: below it intervals are too short: of nominal 95% they covered 84% at an effective size of 6, and 92% at 25
_ENOUGH = 30


@dataclass(frozen=True)
class SampledNumber:
    """One quantity on the pool, as an estimate of the full response set; means over prompts.

    ``corrected`` is a better estimate than ``estimate`` and must not be charged: the jackknife looks at the payer's
    own report, and a group that knows it can gain by lying.

    >>> SampledNumber(1.0, -0.1, 1.1, 0.2, 0.2, Interval(1.1, 0.7, 1.5, 0.95), None).corrected
    1.1
    """

    estimate: float  #: on the pool; for a payment, what is charged
    bias: float  #: of the estimate, to leading order in 1/K
    corrected: float  #: the jackknife's estimate without that bias
    standard_error: float  #: the jackknife's, from the draw of responses, these prompts given
    influence_error: float  #: the same by each response's influence, to leading order
    interval: Interval  #: corrected, plus and minus normal quantiles of the standard error
    prompts_interval: Interval | None  #: bootstrap over prompts: for other prompts and other draws; None for one prompt

    def to_dict(self) -> dict:
        """Plain data."""
        over = self.prompts_interval
        return {
            "estimate": self.estimate,
            "bias": self.bias,
            "corrected": self.corrected,
            "standard_error": self.standard_error,
            "influence_error": self.influence_error,
            "interval": self.interval.to_dict(),
            "prompts_interval": None if over is None else over.to_dict(),
        }


@dataclass(frozen=True, eq=False)
class SamplingReport:
    """What a pool of K drawn responses a prompt says about all responses; see :func:`sampling_report`."""

    responses: int
    values: dict[str, SampledNumber]  #: one member's value, by group
    payments: dict[str, SampledNumber]
    welfare: SampledNumber
    net_welfare: SampledNumber
    effective_sample_size: np.ndarray  #: (prompts,), of the chosen policy
    effective_sample_size_without: dict[str, np.ndarray]  #: of the best policy without each group
    by_prompt: dict[str, Jackknifed]  #: before prompt weights: values, payments, welfare, net_welfare

    @property
    def warning(self) -> str:
        """A sentence where some prompt has too few responses for honest intervals; empty otherwise."""
        sizes = np.stack([self.effective_sample_size, *self.effective_sample_size_without.values()])
        worst = sizes.min(axis=0)
        short = int((worst < _ENOUGH).sum())
        if not short:
            return ""
        needed = int(np.ceil(_ENOUGH * self.responses / worst.min()))
        return (
            f"In {short} of {worst.size} prompts the effective sample size is below {_ENOUGH}, at worst "
            f"{worst.min():.1f} of {self.responses} responses: intervals are too short there. Draw about {needed}."
        )

    def to_dict(self) -> dict:
        """Plain data, means over prompts."""
        return {
            "kind": "SamplingReport",
            "responses": self.responses,
            "values": {name: number.to_dict() for name, number in self.values.items()},
            "payments": {name: number.to_dict() for name, number in self.payments.items()},
            "welfare": self.welfare.to_dict(),
            "net_welfare": self.net_welfare.to_dict(),
            "effective_sample_size": self.effective_sample_size.tolist(),
            "effective_sample_size_without": {
                name: sizes.tolist() for name, sizes in self.effective_sample_size_without.items()
            },
            "warning": self.warning,
        }


def sampling_report(result: Settlement, *, level: float = 0.95, seed: int = 0, draws: int = 2000) -> SamplingReport:
    """How far the values, payments and welfare of ``result`` are from those with all responses.

    ``result`` was settled on a pool whose responses were drawn independently for each prompt, from the base or from a
    proposal with weights ``base / proposal`` (:func:`sample_pool`). Net welfare on a pool comes out low, payments
    as a rule too, by the order of ``1/K``. Biases and standard errors come from the delete-one jackknife in
    closed form and, as a second opinion, from the leading-order formulas; ``prompts_interval`` resamples the
    prompts' corrected numbers ``draws`` times, and so covers both levels. The effective sample sizes say whether to
    believe any of it: below 30 the intervals are too short (see :attr:`SamplingReport.warning`).

    Never charge ``corrected``: the payments that make truth dominant are those of ``result``.

    Raises :class:`InputError` unless the rule is ``Welfare()``, the payment ``Externality()``, the divergence ``KL``,
    and each prompt has two responses of positive weight.

    >>> import tuneaccord as ta
    >>> pool = ta.sample_pool(ta.Simplex([0.5, 0.3, 0.2], ta.KL(1.0)), responses=200, seed=0)
    >>> full = [ta.Report("clinic", 1, ta.TableReward([0, 1, 0])), ta.Report("arcade", 1, ta.TableReward([0, 0, 1]))]
    >>> report = sampling_report(ta.settle(pool.space, pool.reports(full)))
    >>> exact = ta.settle(pool.source, full).payments["clinic"]
    >>> report.payments["clinic"].interval.low < exact < report.payments["clinic"].interval.high
    True
    """
    _check(result, level, seed, draws)
    space = result.space
    at = PoolPolicies.solve(result.scores, result.sizes, space.divergence.strength, space.base_model)
    net = result.optimum.values @ result.sizes - result.optimum.price
    by_prompt = jackknifed(net, result.optimum.values, result.payments_by_prompt, at)

    def numbers(name: str, column=...) -> SampledNumber:
        return _over_prompts(by_prompt[name], column, space.prompt_weights, level, seed, draws)

    columns = list(enumerate(result.names))
    return SamplingReport(
        responses=space.shape[1],
        values={name: numbers("values", (slice(None), group)) for group, name in columns},
        payments={name: numbers("payments", (slice(None), group)) for group, name in columns},
        welfare=numbers("welfare"),
        net_welfare=numbers("net_welfare"),
        effective_sample_size=space.effective_sample_size(np.exp(at.log_policy)),
        effective_sample_size_without={
            name: space.effective_sample_size(np.exp(at.log_without[:, :, group])) for group, name in columns
        },
        by_prompt=by_prompt,
    )


def _over_prompts(of: Jackknifed, column, weights, level: float, seed: int, draws: int) -> SampledNumber:
    corrected = of.corrected[column]
    error = _combined(of.standard_error[column], weights)
    middle = float(weights @ corrected)
    reach = NormalDist().inv_cdf(0.5 + level / 2) * error
    counted = weights > 0
    several = counted.sum() > 1
    return SampledNumber(
        estimate=float(weights @ of.estimate[column]),
        bias=float(weights @ of.bias[column]),
        corrected=middle,
        standard_error=error,
        influence_error=_combined(of.influence_error[column], weights),
        interval=Interval(middle, middle - reach, middle + reach, level),
        prompts_interval=ratio_interval(
            (weights * corrected)[counted], weights[counted], seed=seed, level=level, draws=draws
        )
        if several
        else None,
    )


def _combined(errors: np.ndarray, weights: np.ndarray) -> float:
    """Prompts are drawn for independently, so that variances add."""
    return float(np.sqrt(weights**2 @ errors**2))


def _check(result: Settlement, level: float, seed: int, draws: int) -> None:
    if not isinstance(level, int | float | np.floating) or not 0 < level < 1:
        raise InputError(f"level must be between 0 and 1, got {level!r}. Try 0.95.")
    whole_number("seed", seed, least=0)
    whole_number("draws", draws, least=1)
    if not isinstance(result.space, Simplex) or not isinstance(result.space.divergence, KL):
        raise InputError("the sampling errors are known for a Simplex with KL; other divergences have none here.")
    if result.rule != Welfare() or result.payment != Externality():
        raise InputError(
            f"the sampling errors are those of Welfare() with Externality(), got {result.rule!r} and "
            f"{result.payment!r}. Settle the same pool with these two."
        )
    positive = (result.space.base_model > 0).sum(axis=1)
    if positive.min() < 2:
        raise InputError(
            f"prompt {int(positive.argmin())} has {int(positive.min())} response, which has no spread. Draw more."
        )
