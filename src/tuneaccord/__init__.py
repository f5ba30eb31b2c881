"""tuneaccord: decide together how one language model gets tuned, and who pays what.

The names below are the public interface; the list is also the registry from which configuration files
and JSON are read. Importing the package loads NumPy and nothing heavier: language models, plots and the
command line are imported where they are used.
"""

from tuneaccord.divergence import KL, Divergence
from tuneaccord.errors import (
    InputError,
    MissingDependencyError,
    ModelError,
    RewardError,
    StorageError,
    TuneaccordError,
)
from tuneaccord.mechanism.guarantees import Guarantee
from tuneaccord.mechanism.misreports import RewardMisreport, SizeMisreport, WhatIf, sweep, what_if
from tuneaccord.mechanism.payments import Externality, Free, PaymentRule
from tuneaccord.mechanism.reports import Report
from tuneaccord.mechanism.rules import TrainingRule, Welfare
from tuneaccord.mechanism.settlement import Settlement, settle
from tuneaccord.mechanism.uncertainty import Interval
from tuneaccord.rewards import RewardModel, TableReward
from tuneaccord.spaces.candidates import Candidates
from tuneaccord.spaces.simplex import Simplex
from tuneaccord.spaces.space import ModelSpace, Optimum

__version__ = "0.1.0"

__all__ = [
    "KL",
    "Candidates",
    "Divergence",
    "Externality",
    "Free",
    "Guarantee",
    "InputError",
    "Interval",
    "MissingDependencyError",
    "ModelError",
    "ModelSpace",
    "Optimum",
    "PaymentRule",
    "Report",
    "RewardError",
    "RewardMisreport",
    "RewardModel",
    "Settlement",
    "Simplex",
    "SizeMisreport",
    "StorageError",
    "TableReward",
    "TrainingRule",
    "TuneaccordError",
    "Welfare",
    "WhatIf",
    "settle",
    "sweep",
    "what_if",
]
