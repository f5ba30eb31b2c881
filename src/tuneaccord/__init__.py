"""tuneaccord: decide together how one language model gets tuned, and who pays what.

The names below are the public interface; the list is also the registry from which configuration files
and JSON are read. Importing the package loads NumPy and nothing heavier: language models, plots and the
command line are imported where they are used.
"""

from tuneaccord.bargaining import BargainingSolution, Egalitarian, KalaiSmorodinsky, Nash, Utilitarian
from tuneaccord.divergence import (
    KL,
    Alpha,
    ChiSquared,
    Divergence,
    FDivergence,
    JensenShannon,
    ReverseKL,
    SquaredHellinger,
    TotalVariation,
)
from tuneaccord.errors import (
    InputError,
    MissingDependencyError,
    ModelError,
    RewardError,
    StorageError,
    TuneaccordError,
)
from tuneaccord.kernel.pairs import leave_two_out, leave_two_out_solved
from tuneaccord.kernel.payments import all_payments
from tuneaccord.kernel.result import AllPayments
from tuneaccord.kernel.streaming import payments_from_parquet
from tuneaccord.mechanism.audit import (
    AuditReport,
    BestResponse,
    FalseNames,
    GroupAudit,
    Lie,
    PairAudit,
    audit,
    best_response_without_payments,
    false_names,
)
from tuneaccord.mechanism.budget import CostRecovery, RevenueCurve, cost_recovery, revenue_curve
from tuneaccord.mechanism.guarantees import Guarantee
from tuneaccord.mechanism.implementability import Implementability, implementability, payment_equivalence, type_grid
from tuneaccord.mechanism.misreports import (
    GradientMisreport,
    Misreport,
    RewardMisreport,
    SizeMisreport,
    SpreadMisreport,
    TableMisreport,
    WhatIf,
    sweep,
    what_if,
)
from tuneaccord.mechanism.noise import NoiseExperiment, NoiseGain, noise_experiment
from tuneaccord.mechanism.payments import (
    BalancedBudget,
    CostShare,
    EarlyStopped,
    Externality,
    Fee,
    Free,
    Intermediate,
    PaymentRule,
    Redistribution,
    Shapley,
    ShapleyValues,
    early_stopped_payments,
    intermediate_payments,
    shapley_values,
)
from tuneaccord.mechanism.reports import Report
from tuneaccord.mechanism.rules import Bargained, MaxMin, NashWelfare, SizeShare, TrainingRule, Welfare
from tuneaccord.mechanism.sampling import SampledPool, SamplingReport, sample_pool, sampling_report
from tuneaccord.mechanism.settlement import Settlement, settle
from tuneaccord.mechanism.uncertainty import Interval
from tuneaccord.rewards import RewardModel, TableReward
from tuneaccord.spaces.candidates import Candidates
from tuneaccord.spaces.simplex import Simplex
from tuneaccord.spaces.space import ModelSpace, Optimum

__version__ = "0.1.0"

__all__ = [
    "KL",
    "AllPayments",
    "Alpha",
    "AuditReport",
    "BalancedBudget",
    "Bargained",
    "BargainingSolution",
    "BestResponse",
    "Candidates",
    "ChiSquared",
    "CostRecovery",
    "CostShare",
    "Divergence",
    "EarlyStopped",
    "Egalitarian",
    "Externality",
    "FDivergence",
    "FalseNames",
    "Fee",
    "Free",
    "GradientMisreport",
    "GroupAudit",
    "Guarantee",
    "Implementability",
    "InputError",
    "Intermediate",
    "Interval",
    "JensenShannon",
    "KalaiSmorodinsky",
    "Lie",
    "MaxMin",
    "Misreport",
    "MissingDependencyError",
    "ModelError",
    "ModelSpace",
    "Nash",
    "NashWelfare",
    "NoiseExperiment",
    "NoiseGain",
    "Optimum",
    "PairAudit",
    "PaymentRule",
    "Redistribution",
    "Report",
    "RevenueCurve",
    "ReverseKL",
    "RewardError",
    "RewardMisreport",
    "RewardModel",
    "SampledPool",
    "SamplingReport",
    "Settlement",
    "Shapley",
    "ShapleyValues",
    "Simplex",
    "SizeMisreport",
    "SizeShare",
    "SpreadMisreport",
    "SquaredHellinger",
    "StorageError",
    "TableMisreport",
    "TableReward",
    "TotalVariation",
    "TrainingRule",
    "TuneaccordError",
    "Utilitarian",
    "Welfare",
    "WhatIf",
    "all_payments",
    "audit",
    "best_response_without_payments",
    "cost_recovery",
    "early_stopped_payments",
    "false_names",
    "implementability",
    "intermediate_payments",
    "leave_two_out",
    "leave_two_out_solved",
    "noise_experiment",
    "payment_equivalence",
    "payments_from_parquet",
    "revenue_curve",
    "sample_pool",
    "sampling_report",
    "settle",
    "shapley_values",
    "sweep",
    "type_grid",
    "what_if",
]
