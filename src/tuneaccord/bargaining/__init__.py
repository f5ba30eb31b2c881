"""Bargaining: how a generalist and its specialists share revenue, and rules that rank vectors of gains.

Nothing here knows of language models, prompts or payments.
"""

from tuneaccord.bargaining.agreement import Agreement
from tuneaccord.bargaining.calibration import (
    CalibratedGame,
    Fit,
    LogOdds,
    ScoreTransform,
    Shift,
    Turned,
    calibrated_game,
    fit_cost,
    fit_revenue,
)
from tuneaccord.bargaining.curves import (
    Capped,
    Curve,
    Fixed,
    Function,
    Level,
    Linear,
    Log,
    Logistic,
    Power,
    Saturating,
    Sqrt,
    Tabulated,
)
from tuneaccord.bargaining.family import FamilyAgreements, GameFamily
from tuneaccord.bargaining.game import FineTuningGame
from tuneaccord.bargaining.parties import Generalist, Specialist
from tuneaccord.bargaining.play import Play
from tuneaccord.bargaining.plays import Plays
from tuneaccord.bargaining.rules import (
    MaxPerformance,
    NashInNash,
    PowerfulGeneralist,
    PowerfulSpecialist,
    ShareRule,
    rubinstein_power,
)
from tuneaccord.bargaining.several.subsidy import subsidies
from tuneaccord.bargaining.solutions import (
    BargainingSolution,
    Egalitarian,
    KalaiSmorodinsky,
    Nash,
    Utilitarian,
    check_solution,
)
from tuneaccord.bargaining.studies.distributions import Distribution, LogNormal, Normal, Triangular, Uniform
from tuneaccord.bargaining.studies.regime_map import RegimeMap, regime_map
from tuneaccord.bargaining.studies.scenarios import scenarios, share_floor
from tuneaccord.bargaining.studies.sensitivity import Sensitivities, sensitivities
from tuneaccord.bargaining.studies.uncertainty import UncertainOutcome, bargain_under_uncertainty

__all__ = [
    "Agreement",
    "BargainingSolution",
    "CalibratedGame",
    "Capped",
    "Curve",
    "Distribution",
    "Egalitarian",
    "FamilyAgreements",
    "FineTuningGame",
    "Fit",
    "Fixed",
    "Function",
    "GameFamily",
    "Generalist",
    "KalaiSmorodinsky",
    "Level",
    "Linear",
    "Log",
    "LogNormal",
    "LogOdds",
    "Logistic",
    "MaxPerformance",
    "Nash",
    "NashInNash",
    "Normal",
    "Play",
    "Plays",
    "Power",
    "PowerfulGeneralist",
    "PowerfulSpecialist",
    "RegimeMap",
    "Saturating",
    "ScoreTransform",
    "Sensitivities",
    "ShareRule",
    "Shift",
    "Specialist",
    "Sqrt",
    "Tabulated",
    "Triangular",
    "Turned",
    "UncertainOutcome",
    "Uniform",
    "Utilitarian",
    "bargain_under_uncertainty",
    "calibrated_game",
    "check_solution",
    "fit_cost",
    "fit_revenue",
    "regime_map",
    "rubinstein_power",
    "scenarios",
    "sensitivities",
    "share_floor",
    "subsidies",
]
