"""Payment rules: what each group is charged, and what each rule promises."""

from tuneaccord.mechanism.payments.checkpoints import early_stopped_payments, intermediate_payments
from tuneaccord.mechanism.payments.externality import Externality, Free
from tuneaccord.mechanism.payments.fees import Fee
from tuneaccord.mechanism.payments.heuristics import EarlyStopped, Intermediate
from tuneaccord.mechanism.payments.interface import PaymentRule
from tuneaccord.mechanism.payments.redistribution import BalancedBudget, Redistribution
from tuneaccord.mechanism.payments.shapley import Shapley, ShapleyValues, shapley_values
from tuneaccord.mechanism.payments.sharing import CostShare

__all__ = [
    "BalancedBudget",
    "CostShare",
    "EarlyStopped",
    "Externality",
    "Fee",
    "Free",
    "Intermediate",
    "PaymentRule",
    "Redistribution",
    "Shapley",
    "ShapleyValues",
    "early_stopped_payments",
    "intermediate_payments",
    "shapley_values",
]
