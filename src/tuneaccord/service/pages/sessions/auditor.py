"""What auditors and observers see: the log as it grows, digests, and the record once they may."""

from __future__ import annotations

from tuneaccord.service.pages.sessions import common
from tuneaccord.service.pages.sessions.live import Live
from tuneaccord.service.pages.sessions.pool_view import pool_part
from tuneaccord.service.pages.sessions.results import outcome_part, record_part
from tuneaccord.service.session import AUDITOR


def build(live: Live) -> None:
    """The parts of the page, from top to bottom."""
    live.add(common.head_part())
    live.add(common.progress_part())
    if live.view["you"]["role"] == AUDITOR:
        live.add(record_part())
    else:
        live.add(outcome_part())
    live.add(common.log_part(live, always=True))
    live.add(common.groups_part())
    if live.view["you"]["role"] == AUDITOR:
        live.add(pool_part())
    live.add(common.terms_part())
    live.add(common.papers_part(live))
