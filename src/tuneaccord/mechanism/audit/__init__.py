"""The audit: look for lies that pay, and say what is proved and what was only tried."""

from tuneaccord.mechanism.audit.best_response import BestResponse, best_response_without_payments
from tuneaccord.mechanism.audit.posing import FalseNames, false_names
from tuneaccord.mechanism.audit.report import AuditReport, GroupAudit, Lie, PairAudit
from tuneaccord.mechanism.audit.run import audit

__all__ = [
    "AuditReport",
    "BestResponse",
    "FalseNames",
    "GroupAudit",
    "Lie",
    "PairAudit",
    "audit",
    "best_response_without_payments",
    "false_names",
]
