"""Divergences from the base model: one file a family, all behind one interface."""

from tuneaccord.divergence.fdivergence import FDivergence
from tuneaccord.divergence.interface import Divergence
from tuneaccord.divergence.jensen_shannon import JensenShannon
from tuneaccord.divergence.kl import KL
from tuneaccord.divergence.power import Alpha, ChiSquared, ReverseKL, SquaredHellinger
from tuneaccord.divergence.total_variation import TotalVariation

__all__ = [
    "KL",
    "Alpha",
    "ChiSquared",
    "Divergence",
    "FDivergence",
    "JensenShannon",
    "ReverseKL",
    "SquaredHellinger",
    "TotalVariation",
]
