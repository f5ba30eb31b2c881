"""A client of a server: one small method for each move and each read, plain data in and out.

A :class:`Client` holds one token, so it is one party. It asks again by itself when the server is busy (429, 503 with
Retry-After), and raises what the desk raised: :class:`~tuneaccord.service.errors.WrongState`, ``Forbidden`` and so on.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from tuneaccord.errors import InputError
from tuneaccord.service import client_waiting as waiting
from tuneaccord.service.client_requests import PATIENCE, Requests
from tuneaccord.service.errors import WrongState

if TYPE_CHECKING:
    import httpx

Data = dict[str, Any]


class Client:
    """One party at a server: ``Client("https://tune.example.org", token)``.

    Methods about a session take it from the token; an operator has none and creates sessions with :meth:`create`.
    ``patience`` is for how many seconds a busy server is asked again, ``transport`` is httpx's, for tests.

    Every method raises a :class:`~tuneaccord.service.errors.ServiceError` of the kind that fits the refusal,
    :class:`~tuneaccord.service.errors.Unavailable` when the server cannot be reached.

    With a server at hand::

        with tuneaccord.Client("http://127.0.0.1:8090", operator_token) as operator:
            begun = operator.create({"title": "One assistant for three departments"})
        provider = tuneaccord.Client("http://127.0.0.1:8090", begun["token"])
        provider.open()
        legal = provider.join(provider.invite("legal")["invitation"])
        provider.freeze({"prompts": [{"id": "p"}], "responses": [[{"id": "a"}, {"id": "b"}]]})
        provider.begin(deadline="2026-12-01T18:00:00Z")
        proof = legal.report(size=3, scores=[[0.1, 0.9]])
        provider.close()
        provider.wait("settled")
        provider.publish()
        print(legal.share()["amount"])
    """

    def __init__(
        self,
        url: str,
        token: str | None = None,
        *,
        patience: float = PATIENCE,
        timeout: float = 60.0,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._requests = Requests(url, token, patience, timeout, transport)
        self._me: Data | None = None

    def __repr__(self) -> str:
        return f"Client({self.url!r})"

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *why: object) -> None:
        self.shut()

    def shut(self) -> None:
        """Give the connections back; the session goes on without. Clients made of this one share them."""
        self._requests.shut()

    def me(self) -> Data:
        """Role, name and session of the token."""
        if self._me is None:
            self._me = self._requests.json("GET", "/me")
        return self._me

    @property
    def url(self) -> str:
        """The server's address."""
        return self._requests.url

    @property
    def session_id(self) -> str:
        """The session that the token is for; raises :class:`WrongState` for an operator's token."""
        session_id = self.me()["session_id"]
        if session_id is None:
            raise WrongState("an operator's token is for no session. Use the token of create(...)['token'].")
        return session_id

    def with_token(self, token: str) -> Client:
        """A client of the same server for somebody else's token."""
        other = copy.copy(self)
        other._requests, other._me = self._requests.with_token(token), None
        return other

    # Moves

    def create(self, terms: Mapping[str, Any], provider: str = "provider") -> Data:
        """Begin a session; what comes back has its provider's ``token``. For operators."""
        return self._requests.json("POST", "/sessions", {"terms": dict(terms), "provider": provider})

    def sessions(self) -> list[Data]:
        """The sessions that the token's holder may know of."""
        return self._requests.json("GET", "/sessions")["sessions"]

    def revise(self, terms: Mapping[str, Any]) -> Data:
        """Other terms, while the session is a draft."""
        return self._requests.json("PUT", self._at("terms"), dict(terms))

    def open(self) -> Data:
        """Fix the terms and let groups be invited."""
        return self._requests.json("POST", self._at("open"))

    def invite(self, group: str, expires_at: str | None = None) -> Data:
        """A one-time ``invitation`` for a group, and the ``url`` of its page."""
        return self._requests.json("POST", self._at("invitations"), {"group": group, "expires_at": expires_at})

    def class_code(self) -> str:
        """The code with which players join a classroom session."""
        return self._requests.json("POST", self._at("code"))["code"]

    def join(self, invitation: str) -> Client:
        """Take the seat of an invitation: a client for the group that holds its new token (see :meth:`token`)."""
        return self.with_token(self._requests.json("POST", "/join", {"invitation": invitation})["token"])

    def join_class(self, code: str, name: str) -> Client:
        """Take a seat of a classroom session: a client for the player."""
        return self.with_token(self._requests.json("POST", "/join", {"code": code, "name": name})["token"])

    @property
    def token(self) -> str | None:
        """The token, to be kept where nobody else can read it."""
        return self._requests.token

    def remove(self, group: str) -> Data:
        """Take a group out before the pool is frozen."""
        return self._requests.json("DELETE", self._at("groups", group))

    def replace_token(self, group: str) -> str:
        """A new token for a group that lost its own."""
        return self._requests.json("POST", self._at("groups/token"), {"group": group})["token"]

    def freeze(self, pool: Mapping[str, Any] | Path | str) -> Data:
        """Freeze the pool: plain data, or a file (CSV, Parquet, JSON Lines, JSON)."""
        if isinstance(pool, Mapping):
            return self._requests.json("PUT", self._at("pool"), dict(pool))
        return self._requests.upload(self._at("pool/file"), Path(pool), {})

    def sample(self) -> Data:
        """Have the server draw the pool from the language model that the terms name."""
        return self._requests.json("POST", self._at("pool/sample"))

    def begin(self, deadline: str | None = None, reveal_at: str | None = None) -> Data:
        """Take reports."""
        return self._requests.json("POST", self._at("begin"), {"deadline": deadline, "reveal_at": reveal_at})

    def move_deadline(self, deadline: str | None) -> Data:
        """Another deadline, or none."""
        return self._requests.json("PATCH", self._at("deadline"), {"deadline": deadline})

    def report(
        self,
        scores: Any = None,
        *,
        size: float | None = None,
        worth: float | None = None,
        sheet: Path | str | None = None,
        preferences: Path | str | None = None,
        criteria: Mapping[str, float] | None = None,
    ) -> Data:
        """Seal a report, instead of an earlier one; what comes back is the proof of it: keep it.

        The size (or worth), with one of: ``scores`` (a list for each prompt), a score ``sheet`` (CSV, Parquet), a file
        of ``preferences`` (JSON Lines), or the weights of published ``criteria``.
        """
        given = [one for one in (scores, sheet, preferences, criteria) if one is not None]
        if len(given) != 1:
            raise InputError("a report needs one of scores, sheet, preferences, criteria.")
        sizes = {name: value for name, value in (("size", size), ("worth", worth)) if value is not None}
        if scores is not None:
            rows = scores.tolist() if hasattr(scores, "tolist") else scores
            return self._requests.json("PUT", self._at("report"), {"scores": rows, **sizes})
        if criteria is not None:
            return self._requests.json("POST", self._at("report/criteria"), {"weights": dict(criteria), **sizes})
        if sheet is not None:
            return self._requests.upload(self._at("report/sheet"), Path(sheet), sizes)
        return self._requests.upload(self._at("report/preferences"), Path(str(preferences)), sizes)

    def close(self) -> Data:
        """Take no more reports; the server then settles. (The client's connections are given back by :meth:`shut`.)"""
        return self._requests.json("POST", self._at("close"))

    def publish(self) -> Data:
        """Show each group its invoice."""
        return self._requests.json("POST", self._at("publish"))

    def try_again(self) -> Data:
        """Settle again after a failure."""
        return self._requests.json("POST", self._at("try-again"))

    def cancel(self, reason: str = "") -> Data:
        """End the session without a settlement."""
        return self._requests.json("POST", self._at("cancel"), {"reason": reason})

    def issue_token(self, role: str, name: str, expires_at: str | None = None) -> str:
        """A token for an auditor or observer."""
        told = {"role": role, "name": name, "expires_at": expires_at}
        return self._requests.json("POST", self._at("tokens"), told)["token"]

    def tokens(self) -> list[Data]:
        """All tokens of the session but not the tokens themselves."""
        return self._requests.json("GET", self._at("tokens"))["tokens"]

    def revoke(self, token_id: str) -> None:
        """Make a token useless."""
        self._requests.json("DELETE", self._at("tokens", token_id))

    # Reads

    def view(self) -> Data:
        """Where the session stands, and what can be done now."""
        return self._requests.json("GET", self._at())

    def pool(self) -> Data:
        """The frozen pool."""
        return self._requests.json("GET", self._at("pool"))

    def sheet(self) -> str:
        """A score sheet to fill in, as CSV."""
        return self._requests.ask("GET", self._at("pool/sheet")).text

    def log(self, after: int = -1, wait: float = 0.0) -> list[Data]:
        """The public log after an entry; with ``wait``, once there is one or after so many seconds."""
        return self._requests.json("GET", self._at("log"), params={"after": after, "wait": wait})["entries"]

    def follow(self, after: int = -1) -> Iterator[Data]:
        """The entries of the log as they come, until the session has ended."""
        while True:
            for entry in self.log(after, wait=20.0):
                after = entry["number"]
                yield entry
                if entry["kind"] in ("published", "cancelled"):
                    return

    def changes(self, timeout: float = math.inf) -> Iterator[Data]:
        """The session as it is, and again whenever it has moved or work in it has gone on.

        Ends with the session, or after ``timeout`` seconds.
        """
        return waiting.changes(self, self._look, timeout)

    def wait(self, state: str, timeout: float = 600.0) -> Data:
        """The session once it is in ``state`` or has passed it.

        Raises :class:`WrongState` when it has failed or was cancelled instead, or after ``timeout`` seconds, and
        :class:`~tuneaccord.errors.InputError` when there is no such state.
        """
        return waiting.wait(self, state, timeout)

    def _look(self, after: int, seconds: float, known: str | None) -> httpx.Response:
        headers = {} if known is None else {"If-None-Match": known}
        return self._requests.ask("GET", self._at("log"), params={"after": after, "wait": seconds}, headers=headers)

    def outcome(self) -> Data:
        """What everybody may know of the settlement."""
        return self._requests.json("GET", self._at("outcome"))

    def share(self, group: str | None = None) -> Data:
        """A group's part of the settlement: its own, or that of the group named."""
        return self._requests.json("GET", self._at("shares", group or self.me()["name"]))

    def invoice(self, group: str | None = None, form: str = "html") -> str:
        """A group's invoice as ``html`` or ``csv``."""
        return self._requests.ask("GET", self._at("invoices", group or self.me()["name"]), params={"format": form}).text

    def explanation(self, group: str | None = None) -> str:
        """What was decided and why a group pays what it pays, as HTML."""
        return self._requests.ask("GET", self._at("explanations", group or self.me()["name"])).text

    def settlement(self, form: str = "html") -> str:
        """The settlement with everybody's payments as ``html`` or ``csv``."""
        return self._requests.ask("GET", self._at("settlement"), params={"format": form}).text

    def record(self) -> Data:
        """Everybody's reports and results."""
        return self._requests.json("GET", self._at("record"))

    def audit(self) -> Data:
        """What the audit after settling found."""
        return self._requests.json("GET", self._at("audit"))

    def receipt(self) -> Data:
        """Everything that the token's holder may have, for ``tuneaccord verify``."""
        return self._requests.json("GET", self._at("receipt"))

    def true_type(self) -> Data:
        """What a player of a classroom session truly wants."""
        return self._requests.json("GET", self._at("true-type"))

    def criteria(self) -> dict[str, str]:
        """The published criteria: name and description."""
        return {one["name"]: one["description"] for one in self._requests.json("GET", "/criteria")["criteria"]}

    def _at(self, what: str = "", name: str | None = None) -> str:
        path = f"/sessions/{self.session_id}" + (f"/{what}" if what else "")
        # a dot is encoded too, since '..' in an address would be taken for the level above
        return path if name is None else f"{path}/{quote(name, safe='').replace('.', '%2E')}"
