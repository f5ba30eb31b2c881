"""Divergences from the base model: one file a family, all behind one interface."""

from tuneaccord.divergence.interface import Divergence
from tuneaccord.divergence.kl import KL

__all__ = ["KL", "Divergence"]
