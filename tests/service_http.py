"""A server's application with a session of three groups in it, asked over HTTP without a network."""

from dataclasses import dataclass

from service_play import POOL, REPORTS, Played, play
from starlette.testclient import TestClient

from tuneaccord.service.api.app import build
from tuneaccord.service.settings import Settings

API = "/api/v1"


@dataclass
class Asking:
    """Requests to one application; ``who`` is a role or a group of the played session, or a token itself."""

    http: TestClient
    played: Played

    def __call__(self, who, method, path, **given):
        """``path`` begins with ``/api`` or is one of the session."""
        at = path if path.startswith("/") else f"{API}/sessions/{self.played.id}/{path}".rstrip("/")
        token = self.played.tokens.get(who, who)
        headers = {**({} if token is None else {"Authorization": f"Bearer {token}"}), **given.pop("headers", {})}
        return self.http.request(method, at, headers=headers, **given)


def asking(desk, state="reporting", *, pages=False, terms=None, pool=POOL, reports=REPORTS, **settings) -> Asking:
    """The application of ``desk`` with a session in ``state``; its limits are wide unless given."""
    given = Settings(folder=None, **{"rate": 100_000, "trials": 100_000, **settings})
    app = build(desk, given, pages=pages)
    http = TestClient(app, base_url=given.public_url, raise_server_exceptions=False)
    more = {} if terms is None else {"terms": terms}
    return Asking(http, play(desk, state, pool=pool, reports=reports, **more))


def told(answer, status, code=None):
    """The message of a refusal, once its shape and status are known to be right."""
    assert answer.status_code == status, (answer.status_code, answer.text[:300])
    error = answer.json()["error"]
    assert set(answer.json()) == {"error"}
    assert set(error) == {"code", "message", "status", "request_id"}
    assert error["status"] == status
    assert error["request_id"] == answer.headers["x-request-id"]
    assert code is None or error["code"] == code
    assert "Traceback" not in answer.text
    return error["message"]
