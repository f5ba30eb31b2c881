"""A group's view: what is asked, the report, and afterwards its own part of the settlement."""

from __future__ import annotations

from tuneaccord.service.pages.sessions import common
from tuneaccord.service.pages.sessions.live import Live
from tuneaccord.service.pages.sessions.pool_view import pool_part
from tuneaccord.service.pages.sessions.report_form import report_part
from tuneaccord.service.pages.sessions.report_sealed import Sealed, sealed_part
from tuneaccord.service.pages.sessions.results import share_part


def build(live: Live) -> None:
    """The parts of the page, from top to bottom."""
    sealed = Sealed(live)
    live.add(common.head_part())
    live.add(common.progress_part())
    live.add(share_part())
    live.add(sealed_part(live, sealed))
    live.add(report_part(live, sealed))
    live.add(pool_part(skip_while_reporting=True))
    live.add(common.terms_part())
    live.add(common.groups_part())
    live.add(common.papers_part(live))
    live.add(common.log_part(live))
