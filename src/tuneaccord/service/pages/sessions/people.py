"""Who takes part, for the provider: removals, lost tokens, and tokens for auditors and observers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nicegui import ui

from tuneaccord.errors import TuneaccordError
from tuneaccord.service.pages.parts import text
from tuneaccord.service.pages.sessions.inviting import hand_over
from tuneaccord.service.pages.sessions.live import Live, Part
from tuneaccord.service.pages.sessions.parts import (
    act_button,
    asked,
    cells,
    field,
    options,
    panel,
    plain_table,
    time_of,
)
from tuneaccord.service.pages.sessions.words import ROLES
from tuneaccord.service.reading import Reading
from tuneaccord.service.session import AUDITOR, GROUP, OBSERVER, PROVIDER
from tuneaccord.service.tokens import INVITATION, Caller

MOST_ROWS = 300  #: of groups, of invitations, of tokens


def people_part(live: Live) -> Part:
    """Who was invited, has joined and has reported; what was reported is not known here."""
    replaced: dict[str, str] = {}

    def key(view: dict) -> Any:
        return [view["groups"], view["invited"], view["state"], view["sampling"], len(replaced)]

    def build(view: dict, _: Any) -> None:
        with panel("Groups"):
            groups, waiting = view["groups"], view["invited"]
            if not groups and not waiting:
                text("Nobody has been invited yet.", "p", "soft")
                return
            told = sum(one["reported"] for one in groups)
            text(f"{len(groups)} joined, {len(waiting)} invited, {told} reported.")
            for name, link in replaced.items():
                hand_over(f"New link for {name}, shown only now", link)
            with plain_table("Groups", "group", "joined", "report", ""):
                for one in groups[:MOST_ROWS]:
                    _group_row(live, view, one, replaced)
                for name in waiting[:MOST_ROWS]:
                    cells(name, "invited, not joined", "", lambda name=name: _remove(live, view, name))
            if (left := len(groups) + len(waiting) - 2 * MOST_ROWS) > 0:
                text(f"… and {left} more.", "p", "soft small")

    return Part(key, build)


def _group_row(live: Live, view: dict, one: dict, replaced: dict[str, str]) -> None:
    def joined() -> None:
        time_of(one["joined_at"])

    def offered() -> None:
        if view["state"] == "open":
            _remove(live, view, one["name"])
        elif view["state"] in ("frozen", "reporting") and not one["bot"]:
            _replace(live, view, one["name"], replaced)

    reported = "sealed" if one["reported"] else ("not yet" if view["state"] == "reporting" else "")
    cells(f"{one['name']} (played by the server)" if one["bot"] else one["name"], joined, reported, offered)


def _remove(live: Live, view: dict, name: str) -> None:
    if view["state"] != "open" or view["sampling"]:
        return
    asked(
        "Remove",
        f"Remove {name}?",
        "Yes, remove",
        lambda: live.act(lambda desk, caller: desk.remove(caller, view["id"], name), f"{name} is removed."),
    )


def _replace(live: Live, view: dict, name: str, replaced: dict[str, str]) -> None:
    async def replace() -> None:
        try:
            token = await live.visit.act(lambda desk, caller: desk.replace_token(caller, view["id"], name))
        except TuneaccordError as refusal:
            live.complain(str(refusal))
            return
        replaced[f"{name} ({len(replaced) + 1})" if name in replaced else name] = live.visit.hall.link(
            f"/enter#token={token}"
        )
        await live.refresh(anyway=True)

    asked("Lost token", f"Make the old token of {name} useless and give out a new one?", "Yes, replace", replace)


def issue_part(live: Live) -> Part:
    """Tokens for those who watch."""
    fresh: list[tuple[str, str]] = []

    def build(view: dict, _: Any) -> None:
        with panel("Who else has access"):
            text("An auditor sees everything once it is settled; an observer sees the log and what is published.")
            _issue(live, view, fresh)
            for words, link in fresh:
                hand_over(words, link)

    return Part(lambda view: len(fresh), build)


def _issue(live: Live, view: dict, fresh: list[tuple[str, str]]) -> None:
    given = {"role": AUDITOR, "name": ""}
    with ui.element("div").classes("fields"):
        offered = {AUDITOR: "auditor", OBSERVER: "observer", PROVIDER: "another provider"}
        options("Role", offered, given["role"], lambda value: given.__setitem__("role", value))
        field("Name of the person", "", lambda value: given.__setitem__("name", value), maxlength=80)

    async def issue() -> None:
        role, name = given["role"], given["name"]
        token = await live.act(lambda desk, caller: desk.issue_token(caller, view["id"], role, name))
        if token is not None:
            fresh.append((f"Link for the {role} {name}, shown only now", live.visit.hall.link(f"/enter#token={token}")))
            await live.refresh(anyway=True)

    with ui.element("div").classes("rows"):
        act_button("Make a link", issue)


def tokens_part(live: Live) -> Part:
    """All tokens of the session, each of which can be revoked; read when they are asked for."""
    wanted = {"open": False, "changes": 0}

    def key(view: dict) -> Any:
        return [wanted["changes"], view["entries"]] if wanted["open"] else "closed"

    def load(reading: Reading, caller: Caller, view: dict) -> Any:
        return reading.tokens(caller, view["id"]) if wanted["open"] else None

    async def changed() -> None:
        wanted["open"] = True
        wanted["changes"] += 1
        await live.refresh(anyway=True)

    def build(view: dict, rows: list[dict] | None) -> None:
        with panel("Tokens"):
            text(
                "Every token of this session, without the token itself: made when, still valid, or revoked.",
                "p",
                "soft",
            )
            if rows is None:
                with ui.element("div").classes("rows"):
                    act_button("Show all tokens", changed)
                return
            _all_tokens(live, view, rows[-MOST_ROWS:], changed)

    return Part(key, build, load)


def _all_tokens(live: Live, view: dict, rows: list[dict], changed: Callable) -> None:
    with plain_table("Tokens", "who", "made", "state", ""):
        for row in rows:
            _token_row(live, view, row, changed)


def _token_row(live: Live, view: dict, row: dict, changed: Callable) -> None:
    roles = {**ROLES, INVITATION: "invitation", GROUP: "group"}
    state = "revoked" if row["revoked_at"] else "used" if row["used_at"] else "valid"

    async def revoke() -> None:
        if await live.act(lambda desk, caller: desk.revoke(caller, view["id"], row["id"]), "The token is revoked."):
            await changed()

    def offered() -> None:
        if state == "valid":
            asked("Revoke", f"Make this token of {row['name'] or row['role']} useless?", "Yes, revoke", revoke)

    cells(f"{roles.get(row['role'], row['role'])} {row['name']}", lambda: time_of(row["created_at"]), state, offered)
