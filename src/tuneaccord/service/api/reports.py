"""Reports: a size with scores given one by one, in a sheet, by preference pairs, or as a mix of published criteria."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from tuneaccord.service import sources
from tuneaccord.service.api import answers, models
from tuneaccord.service.api.describing import Routes
from tuneaccord.service.api.errors import Answer
from tuneaccord.service.api.guard import JSON, Ask, Asked, still_valid
from tuneaccord.service.api.sessions import SessionId
from tuneaccord.service.api.uploads import SIZES, Uploaded, form_of, uploaded
from tuneaccord.service.errors import Forbidden, Invalid
from tuneaccord.service.sealing import Proof
from tuneaccord.service.session import GROUP
from tuneaccord.service.terms import GroupReport

routes = Routes("reports")
REPORT = {"size": 3, "scores": [[0.1, 0.9]]}


@routes.add("PUT", "/sessions/{session_id}/report", answers.Proof, takes=GroupReport, example=REPORT)
def report(asked: Asked, session_id: SessionId) -> Any:
    """Seal a report, instead of an earlier one. For groups.

    Nobody in the session can read it before the close. The answer is the group's proof, which is shown only here.
    """
    return _answer(asked.desk.report(asked.caller, session_id, asked.data))


@routes.add(
    "POST",
    "/sessions/{session_id}/report/sheet",
    answers.Proof,
    form=form_of("A score sheet with prompt_id, reply_id, score as CSV or Parquet.", SIZES),
)
async def report_sheet(asked: Asked, session_id: SessionId) -> Any:
    """Report by a score sheet. For groups.

    Its rows may come in any order, and there must be exactly one for each response. The size, or the worth, is a
    field of the form. For candidate models ``prompt_id`` is ``candidates``.
    """

    def scores(file: Uploaded, pool: Mapping[str, Any], terms: Mapping[str, Any]) -> dict[str, Any]:
        most = asked.request.app.state.settings.largest_upload
        return sources.report_from_sheet(file.path, file.name, pool, most)

    return await _from_file(asked, session_id, scores)


@routes.add(
    "POST",
    "/sessions/{session_id}/report/preferences",
    answers.Proof,
    form=form_of("Preference pairs as JSON Lines of prompt, chosen, rejected, about the pool's prompts.", SIZES),
)
async def report_preferences(asked: Asked, session_id: SessionId) -> Any:
    """Report by preference pairs, to which a reward is fitted (Bradley-Terry). For groups.

    The reward is linear in eight published features of a reply. At least ten pairs are needed, better 100.
    """

    def scores(file: Uploaded, pool: Mapping[str, Any], terms: Mapping[str, Any]) -> dict[str, Any]:
        fitted = sources.report_from_pairs(file.path, pool, terms)
        return {"scores": fitted["scores"], "how": fitted["how"]}

    return await _from_file(asked, session_id, scores)


@routes.add(
    "POST",
    "/sessions/{session_id}/report/criteria",
    answers.Proof,
    takes=models.FromCriteria,
    example={"weights": {"calm": 0.5, "easy": 0.5}, "size": 3},
)
def report_criteria(asked: Asked, session_id: SessionId) -> Any:
    """Report a mix of published criteria; see GET /criteria. For groups."""
    told = asked.told(models.FromCriteria)
    _check_sizes({name: value for name in SIZES if (value := getattr(told, name)) is not None})
    pool, terms = _about(asked, session_id)
    mixed = sources.report_from_criteria(told.weights, pool, terms)
    sizes = {name: value for name in SIZES if (value := getattr(told, name)) is not None}
    return _answer(asked.desk.report(asked.caller, session_id, {**mixed, **sizes}))


def _answer(proof: Proof) -> Response:
    return Response(proof.text, media_type=JSON)  # which was written already, to be digested


Scores = Callable[[Uploaded, Mapping[str, Any], Mapping[str, Any]], dict[str, Any]]


async def _from_file(asked: Ask, session_id: str, scores: Scores) -> Answer:
    def sealed(file: Uploaded) -> dict[str, Any]:
        still_valid(asked)
        sizes = file.sizes()
        _check_sizes(sizes)
        return asked.desk.report(asked.caller, session_id, {**scores(file, pool, terms), **sizes})

    pool, terms = await run_in_threadpool(_about, asked, session_id)
    async with uploaded(asked.request, *SIZES) as file:
        return Answer(await run_in_threadpool(sealed, file))


def _about(asked: Ask, session_id: str) -> tuple[dict[str, Any], Mapping[str, Any]]:
    """Pool and terms, once it is known that the caller may report now."""
    if asked.caller.role != GROUP:
        raise Forbidden(f"this is for: {GROUP}. Your role here is {asked.caller.role}.")
    view = asked.reading.view(asked.caller, session_id)
    if "reported" not in view["moves"]:
        asked.desk.report(asked.caller, session_id, {})  # says why not
    return asked.reading.pool(asked.caller, session_id), view["terms"]


def _check_sizes(sizes: Mapping[str, float]) -> None:
    if len(sizes) != 1:
        raise Invalid("give either a size or a worth.")
