"""Groups: invited, joining, removed, and given a new token when theirs is lost."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Path

from tuneaccord.service.api import answers, models
from tuneaccord.service.api.describing import Routes
from tuneaccord.service.api.errors import Answer
from tuneaccord.service.api.guard import Ask, Asked
from tuneaccord.service.api.sessions import SessionId, entry_answer
from tuneaccord.service.desk import Joined
from tuneaccord.service.errors import Invalid, Unauthenticated

routes = Routes("groups")
Group = Annotated[str, Path(description="The group's name.", max_length=400)]


@routes.add(
    "POST",
    "/sessions/{session_id}/invitations",
    answers.Invited,
    takes=models.Invite,
    status=201,
    example={"group": "legal"},
)
def invite_group(asked: Asked, session_id: SessionId) -> Any:
    """Make a one-time invitation for a group; an earlier one for the same name is void. For the provider."""
    told = asked.told(models.Invite)
    invitation = asked.desk.invite(asked.caller, session_id, told.group, told.expires_at)
    url = f"{asked.request.app.state.settings.public_url}/join/{invitation}"
    return Answer({"group": told.group.strip(), "invitation": invitation, "url": url}, status_code=201)


@routes.add("POST", "/sessions/{session_id}/code", answers.Code, status=201)
def class_code(asked: Asked, session_id: SessionId) -> Any:
    """Make the code with which players join a classroom session; an earlier one is void. For the provider."""
    code = asked.desk.class_code(asked.caller, session_id)
    return Answer({"code": code, "url": f"{asked.request.app.state.settings.public_url}/class"}, status_code=201)


@routes.add(
    "POST", "/join", answers.Seat, takes=models.Joining, status=201, needs=(401, 404, 409), public=True,
    example={"invitation": "tac_..."},
)  # fmt: skip
def join(asked: Asked) -> Any:
    """Take a seat, by a one-time invitation or by a classroom's code with a name.

    The answer has the group's token, which is shown only here.
    """
    told = asked.told(models.Joining)
    asked.request.app.state.limits.trial(asked.request.scope)
    try:
        joined = _joined(asked, told)
    except Unauthenticated:
        asked.request.app.state.limits.refused(asked.request.scope)
        raise
    return Answer(
        {"session_id": joined.session_id, "group": joined.group, "token": joined.token},
        status_code=201,
    )


def _joined(asked: Ask, told: models.Joining) -> Joined:
    if told.invitation is not None and told.code is None and told.name is None:
        return asked.desk.join(told.invitation)
    if told.code is not None and told.name is not None and told.invitation is None:
        return asked.desk.join_class(told.code, told.name)
    raise Invalid("give either an invitation, or a code and a name.")


@routes.add("DELETE", "/sessions/{session_id}/groups/{group:path}", answers.LogEntry)
def remove_group(asked: Asked, session_id: SessionId, group: Group) -> Any:
    """Take a group out before the pool is frozen; its tokens are revoked. For the provider."""
    return entry_answer(asked.desk.remove(asked.caller, session_id, group))


@routes.add(
    "POST",
    "/sessions/{session_id}/groups/token",
    answers.Token,
    takes=models.GroupName,
    status=201,
    needs=(404, 409),
    example={"group": "legal"},
)
def replace_group_token(asked: Asked, session_id: SessionId) -> Any:
    """Make a new token for a group that lost its own; the old ones are revoked. For the provider."""
    token = asked.desk.replace_token(asked.caller, session_id, asked.told(models.GroupName).group)
    return Answer({"token": token}, status_code=201)
