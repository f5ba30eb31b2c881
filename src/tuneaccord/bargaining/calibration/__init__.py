"""Cost and revenue curves from measured runs and prices, and the game that they make, with their uncertainty."""

from tuneaccord.bargaining.calibration.carrying import CalibratedGame, calibrated_game
from tuneaccord.bargaining.calibration.fit import Fit
from tuneaccord.bargaining.calibration.fitting import fit_cost, fit_revenue
from tuneaccord.bargaining.calibration.transforms import LogOdds, ScoreTransform, Shift, Turned

__all__ = [
    "CalibratedGame",
    "Fit",
    "LogOdds",
    "ScoreTransform",
    "Shift",
    "Turned",
    "calibrated_game",
    "fit_cost",
    "fit_revenue",
]
