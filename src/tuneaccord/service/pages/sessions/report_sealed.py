"""What a group's own page can say of its sealed report: what the public log tells, and what this browser tab still has.

A sealed report can be read by nobody before the close, and not by this page either. What was sent from a tab of a
browser is kept in that tab's session storage, so that it is still there when the page is loaded again. It goes when
the tab is closed, the session is left, another group enters by the same tab, or the group says so. It is the browser
that keeps it: one that opens closed tabs again, or copies a tab, brings it back.
"""

from __future__ import annotations

import json
from typing import Any

from nicegui import ui

from tuneaccord.errors import TuneaccordError
from tuneaccord.reporting.formatting import size
from tuneaccord.service.chain import commitment
from tuneaccord.service.pages.parts import folded, table_html, text
from tuneaccord.service.pages.sessions.live import Live, Part
from tuneaccord.service.pages.sessions.parts import act_button, digest, panel, time_of
from tuneaccord.service.reading import Reading
from tuneaccord.service.session import GROUP
from tuneaccord.service.tokens import Caller

MOST_KEPT = 200_000  #: characters of a proof that a tab keeps; the connection takes no longer messages back
MOST_SHOWN = 60  #: scores
_WHILE = ("reporting", "closed", "settling", "settled", "failed")
_ANSWER = 5.0  #: seconds that a browser has to say what it kept


class Sealed:
    """A group's reports in the log of one session, and the proofs of those that were sent from this tab."""

    def __init__(self, page: Live) -> None:
        self.page = page
        self.of_session = f"tuneaccord-proof-{page.view['id']}-"
        self.key = f"{self.of_session}{page.view['you']['name']}"
        self.entry: dict | None = None  #: of the log, of the report that counts
        self.times = 0  #: that the group has reported
        self.recalled = 0  #: times that the tab gave back what was sent before the page was loaded
        self.fresh = False  #: sent a moment ago, from this page
        self._proofs: dict[str, dict] = {}
        self._next = 0
        ui.timer(0.05, self._recall, once=True)  # once the browser is there to be asked

    @property
    def number(self) -> int | None:
        """The log entry of the report that counts, if there is one."""
        return None if self.entry is None else self.entry["number"]

    @property
    def proof(self) -> dict[str, Any] | None:
        """The proof of the report that counts, where it was sent from this tab."""
        return None if self.entry is None else self._proofs.get(self.entry["data"]["commitment"])

    def follow(self, reading: Reading, caller: Caller, view: dict) -> None:
        """Look for reports of this group among the log's new entries; runs in a thread."""
        if not any(one["reported"] and one["name"] == view["you"]["name"] for one in view["groups"]):
            return
        own = {"role": GROUP, "name": view["you"]["name"]}
        for entry in reading.log(caller, view["id"], self._next):
            self._next = entry["number"] + 1
            if entry["kind"] == "reported" and entry["by"] == own:
                self.entry, self.times = entry, self.times + 1

    def keep(self, proof: dict[str, Any]) -> None:
        """Remember a proof here, and in the browser's tab."""
        self._proofs, self.fresh = {proof["commitment"]: proof}, True
        kept = json.dumps(proof)
        if len(kept) > MOST_KEPT:
            self._run(f"sessionStorage.removeItem({json.dumps(self.key)})")
        else:
            self._run(f"sessionStorage.setItem({json.dumps(self.key)}, {json.dumps(kept)})")

    async def forget(self) -> None:
        """Take what was sent from this tab out of it."""
        self._proofs = {}
        self._run(f"sessionStorage.removeItem({json.dumps(self.key)})")
        await self.page.refresh(anyway=True)

    def _run(self, code: str) -> None:
        # a browser may refuse to store anything; then nothing is kept
        self.page.client.run_javascript(f"try {{ {code}; }} catch (refused) {{}}")

    async def _recall(self) -> None:
        ours, session = json.dumps(self.key), json.dumps(self.of_session)
        code = (
            "try { for (const key of Object.keys(sessionStorage))"
            f" if (key.startsWith({session}) && key !== {ours}) sessionStorage.removeItem(key);"  # another group's
            f" return sessionStorage.getItem({ours}); }} catch (refused) {{ return null; }}"
        )
        try:
            proof = kept_proof(await self.page.client.run_javascript(code, timeout=_ANSWER))
        except TimeoutError:
            return
        if proof is not None and not self._proofs:
            self._proofs, self.recalled = {proof["commitment"]: proof}, self.recalled + 1
            await self.page.refresh(anyway=True)


def kept_proof(given: Any) -> dict[str, Any] | None:
    """A proof as a tab gave it back; None for what is none, or was changed: its report must fit its commitment.

    >>> kept_proof('{"report": {"size": 1}, "salt": "00", "commitment": "sha256:0"}') is None
    True
    """
    try:
        proof = json.loads(given)
        fits = proof["commitment"] == commitment(proof["salt"], proof["report"])
        return (
            proof if fits and {"size", "scores", "how"} <= set(proof["report"]) and "number" in proof["entry"] else None
        )
    except (TypeError, ValueError, KeyError, TuneaccordError):
        return None


def sealed_part(page: Live, sealed: Sealed) -> Part:
    """What can be said of the group's sealed report, as soon as there is one."""

    def shown(view: dict) -> bool:
        after = view["state"] in _WHILE or (view["state"] == "published" and sealed.proof is not None)
        return after and sealed.entry is not None

    def key(view: dict) -> Any:
        return [shown(view), view["state"], view["deadline"], sealed.number, sealed.proof is not None]

    def load(reading: Reading, caller: Caller, view: dict) -> Any:
        return reading.pool(caller, view["id"]) if shown(view) else None

    def build(view: dict, pool: dict | None) -> None:
        if pool is None:
            return
        taken = view["state"] == "reporting"
        with panel("Your report is sealed" if taken else "Your sealed report", element_id="sealed"):
            if taken:
                _until(view["deadline"])
            _what_is_sealed(sealed, pool, view["state"] in ("reporting", "closed"))
        if sealed.fresh:
            sealed.fresh = False
            page.focus("sealed")

    return Part(key, build, load, sealed.follow)


def _until(deadline: str | None) -> None:
    with ui.element("p"):
        text("You can replace it until " + ("" if deadline else "the provider closes the reports."), "span")
        if deadline:
            time_of(deadline)


def _what_is_sealed(sealed: Sealed, pool: dict, closed: bool) -> None:
    """When a report was sealed, its commitment, and as far as this tab knows it what is in it, with its proof."""
    with ui.element("p"):
        text("Sealed on ", "span")
        time_of(sealed.entry["at"])
        nobody = ", and nobody what is in it" if closed else ""
        text(f". Everybody can see its commitment in the log{nobody}: ", "span")
        digest(sealed.entry["data"]["commitment"])
    if sealed.times > 1:
        text(f"It is number {sealed.times} of your reports; only the last counts.", "p", "soft small")
    if sealed.proof is None:
        why = "nobody can read it before the close, and this browser tab" if closed else "this browser tab"
        text(
            f"This page cannot show what is in it: {why} has no copy. The proof file that you could download when you "
            "sent it has one."
        )
    else:
        _proof(sealed, pool)


def _proof(sealed: Sealed, pool: dict) -> None:
    proof = sealed.proof
    with folded("What you reported, as this browser tab remembers it"), ui.element("div").classes("stack"):
        _content(proof["report"], pool)
        text(
            "Kept by this browser for this tab. It goes when you close the tab, unless the browser opens it again.",
            "p",
            "soft small",
        )
        with ui.element("div").classes("rows"):
            act_button("Forget it now", sealed.forget)
    text(
        "Keep the proof file. It has your report with the random number that hides it, and only this browser tab can "
        "give it to you: with it you can show later that exactly this report was settled, or that it was not.",
    )
    name = f"proof-{proof['entry']['number']}.json"
    content = json.dumps(proof, ensure_ascii=False, indent=1).encode()
    with ui.element("div").classes("rows"):
        act_button("Download the proof", lambda: ui.download.content(content, name), True)
    text(f"Check it against your receipt: tuneaccord verify {name} --with receipt.json", "p", "soft small")


def _content(report: dict, pool: dict) -> None:
    said = f"Size {size(report['size'])}"
    text(f"{said}, from a worth of {size(report['worth'])}." if "worth" in report else f"{said}.")
    names = _names(pool)
    scores = [score for row in report["scores"] for score in row]
    if len(scores) > MOST_SHOWN or len(scores) != len(names):
        text(f"{len(scores)} scores, taken from: {report['how']}.")
        return
    rows = [[name, f"{score:.6g}"] for name, score in zip(names, scores, strict=True)]
    ui.html(table_html("Your scores", ["choice", "score"], rows), sanitize=False)


def _names(pool: dict) -> list[str]:
    if pool["kind"] == "candidates":
        return [one["name"] for one in pool["candidates"]]
    several = len(pool["prompts"]) > 1
    return [
        f"{prompt['id']}: {one['id']}" if several else one["id"]
        for prompt, row in zip(pool["prompts"], pool["responses"], strict=True)
        for one in row
    ]
