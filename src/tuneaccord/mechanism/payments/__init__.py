"""Payment rules: what each group is charged, and what each rule promises."""

from tuneaccord.mechanism.payments.externality import Externality, Free
from tuneaccord.mechanism.payments.interface import PaymentRule

__all__ = ["Externality", "Free", "PaymentRule"]
