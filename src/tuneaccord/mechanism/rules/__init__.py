"""Training rules: which model is chosen, given what everybody reported."""

from tuneaccord.mechanism.rules.fair import Bargained, MaxMin, NashWelfare, SizeShare
from tuneaccord.mechanism.rules.interface import TrainingRule, appraised
from tuneaccord.mechanism.rules.welfare import Welfare

__all__ = ["Bargained", "MaxMin", "NashWelfare", "SizeShare", "TrainingRule", "Welfare", "appraised"]
