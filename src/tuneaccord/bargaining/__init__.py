"""Bargaining: rules that rank vectors of gains. Nothing here knows of models, prompts or payments."""

from tuneaccord.bargaining.solutions import (
    BargainingSolution,
    Egalitarian,
    KalaiSmorodinsky,
    Nash,
    Utilitarian,
    check_solution,
)

__all__ = ["BargainingSolution", "Egalitarian", "KalaiSmorodinsky", "Nash", "Utilitarian", "check_solution"]
