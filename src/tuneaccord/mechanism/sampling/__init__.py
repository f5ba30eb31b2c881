"""Responses that are sampled before anybody reports: the pool, and what it says about the whole space."""

from tuneaccord.mechanism.sampling.pool import SampledPool, sample_pool
from tuneaccord.mechanism.sampling.report import SamplingReport, sampling_report

__all__ = ["SampledPool", "SamplingReport", "sample_pool", "sampling_report"]
