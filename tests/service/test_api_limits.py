"""Too many, too large, too deep, from elsewhere: refused in the one shape, and nothing is read that need not be."""

import json

import pytest
from service_http import API, asking, told

from tuneaccord.errors import InputError
from tuneaccord.service.api.limits import Buckets, Limits
from tuneaccord.service.errors import TooMany
from tuneaccord.service.plain_json import strict_json
from tuneaccord.service.settings import Settings


class Ticking:
    """A clock that is moved by hand."""

    now = 0.0

    def __call__(self):
        return self.now


def test_a_bucket_fills_evenly_and_never_over_its_rim():
    clock = Ticking()
    buckets = Buckets(60, clock)
    assert [buckets.take("a") for _ in range(60)] == [0.0] * 60
    assert buckets.take("a") == pytest.approx(1.0, abs=1e-9)  # one a second
    assert buckets.take("b") == 0.0
    clock.now = 1.0
    assert [buckets.take("a"), buckets.take("a") > 0] == [0.0, True]
    clock.now = 1e6
    assert sum(buckets.take("a") == 0.0 for _ in range(200)) == 60


def test_buckets_do_not_grow_without_end():
    clock = Ticking()
    buckets = Buckets(2, clock, most=100)
    buckets.take("first"), buckets.take("first")
    for number in range(99):
        buckets.take(f"{number}")
    assert buckets.take("first") > 0  # still known among a hundred
    for number in range(500):
        clock.now += 0.001
        buckets.take(f"more {number}")
    assert len(buckets._full) <= 101


def scope(client, *forwarded):
    return {"client": (client, 1), "headers": [(b"x-forwarded-for", text.encode()) for text in forwarded]}


def test_only_proxies_that_were_named_are_believed():
    limits = Limits(Settings(folder=None, proxies="10.0.0.1, 172.16.0.0/12"))
    assert limits.address(scope("10.0.0.1", "1.2.3.4")) == "1.2.3.4"
    assert limits.address(scope("10.0.0.1", "9.9.9.9, 1.2.3.4, 172.16.5.5")) == "1.2.3.4"
    assert limits.address(scope("10.0.0.1", "9.9.9.9", "1.2.3.4")) == "1.2.3.4"
    assert limits.address(scope("8.8.8.8", "1.2.3.4")) == "8.8.8.8"
    assert limits.address(scope("10.0.0.1", "not an address")) == "10.0.0.1"
    assert Limits(Settings(folder=None)).address(scope("127.0.0.1", "1.2.3.4")) == "127.0.0.1"
    assert limits.address(scope("2001:db8::1:2:3:4")) == limits.address(scope("2001:db8::5"))
    assert limits.address(scope("::ffff:10.2.3.4")) == "10.2.3.4"
    with pytest.raises(InputError, match="proxies must be addresses"):
        Limits(Settings(folder=None, proxies="nginx"))


def standing_still(ask):
    """The same while no time passes: on a slow machine buckets would fill between two requests."""
    limits = ask.http.app.state.limits
    for buckets in (limits._tokens, limits._addresses, limits._mistakes):
        buckets._clock = Ticking()
    return ask


def test_one_token_may_ask_so_often_and_others_still_can(desk):
    ask = standing_still(asking(desk, "open", rate=5))
    statuses = [ask("legal", "GET", f"{API}/me").status_code for _ in range(7)]
    assert statuses == [200] * 5 + [429] * 2
    refused = ask("legal", "GET", f"{API}/me")
    assert "too many requests from this token" in told(refused, 429, "too_many_requests")
    assert 1 <= int(refused.headers["retry-after"]) <= 12
    assert ask("support", "GET", f"{API}/me").status_code == 200


def test_guessing_codes_ends_but_valid_tokens_from_the_same_place_go_on(desk):
    ask = standing_still(asking(desk, "open", trials=3))
    wrong = [ask(None, "POST", f"{API}/join", json={"code": "abcdefgh", "name": "eve"}) for _ in range(5)]
    assert [one.status_code for one in wrong] == [401] * 3 + [429] * 2
    right = desk.invite(ask.played.provider, ask.played.id, "late")
    told(ask(None, "POST", f"{API}/join", json={"invitation": right}), 429)  # not looked at, so it is still good
    assert ask("legal", "GET", f"{API}/me").status_code == 200
    assert ask("tac_wrong", "GET", f"{API}/me").status_code == 429
    assert desk.join(right).group == "late"


def test_requests_without_a_token_count_for_the_address(desk):
    ask = standing_still(asking(desk, "open", rate=3))
    assert [ask(None, "GET", f"{API}/criteria").status_code for _ in range(4)] == [200, 200, 200, 429]
    with pytest.raises(TooMany):
        ask.http.app.state.limits.by_address({"client": ("testclient", 0), "headers": []})


def test_a_body_is_bounded_with_and_without_its_length(desk):
    ask = asking(desk, "reporting", largest_body=1000)
    told(ask("legal", "PUT", "report", content=b" " * 1001), 413, "too_large")
    told(ask("legal", "PUT", "report", content=(b" " * 100 for _ in range(1000))), 413, "too_large")
    told(ask(None, "POST", f"{API}/join", content=(b" " * 100 for _ in range(1000))), 413, "too_large")
    told(ask("legal", "PUT", "report", content=b"{}", headers={"Content-Length": "9" * 30}), 413)
    assert ask("legal", "PUT", "report", json={"size": 1, "scores": [[0, 0, 1]]}).status_code == 200


def test_an_upload_is_bounded_too(desk):
    ask = asking(desk, "reporting", largest_body=1000, largest_upload=5000)
    fits = {"file": ("s.csv", b"prompt_id,reply_id,score\np,a,0\np,b,0\np,c,0\n")}
    assert ask("legal", "POST", "report/sheet", files=fits, data={"size": "2"}).status_code == 200
    told(ask("legal", "POST", "report/sheet", files={"file": ("s.csv", b"x" * 80_000)}), 413, "too_large")


def test_nobody_without_a_token_makes_the_server_read_a_body(desk):
    ask, read = asking(desk, "reporting"), []

    def content():
        for number in range(50):
            read.append(number)
            yield b" " * 1000

    told(ask("tac_wrong", "PUT", "report", content=content()), 401)
    # the test's transport collects a body before it sends it; what counts is that the answer does not depend on it
    told(ask("tac_wrong", "PUT", "report", content=b"{" * 100_000), 401)


def test_compressed_bodies_are_refused(desk):
    ask = asking(desk, "reporting")
    for coding in ("gzip", "br", "deflate", "identity, gzip"):
        answer = ask("legal", "PUT", "report", content=b"x", headers={"Content-Encoding": coding})
        assert "compressed bodies" in told(answer, 415, "unsupported_media_type")


def test_a_body_must_say_that_it_is_json(desk):
    ask = asking(desk, "reporting")
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):
        told(ask("legal", "PUT", "report", content=b"{}", headers={"Content-Type": kind}), 415)
    told(ask("legal", "PUT", "report"), 422)


BAD_JSON = {
    b"[" * 65 + b"]" * 65: "nested deeper than 64",
    b"[" * 200_000: "nested too deeply",
    b'{"size": NaN, "scores": [[0,0,0]]}': "NaN, which is not a number",
    b'{"size": Infinity}': "Infinity, which is not a number",
    b'{"size": 1e999}': "too large",
    b'{"size": ' + b"1" * 5000 + b"}": "too long",
    b'{"how": "\\ud800"}': "half a surrogate pair",
    b'{"size": 1': "is not JSON",
    b"\xff\xfe": "not UTF-8",
    b'"text"': "expected a mapping",
    b"[1, 2]": "expected a mapping",
    b'{"size": "3", "scores": [[0,0,0]]}': "size",
    b'{"size": true, "scores": [[0,0,0]]}': "size",
    b'{"size": 1, "scores": [[0,0,0]], "more": 1}': "more",
    b'{"size": 1, "scores": [[0,0]]}': "1 rows of 3",
    b'{"size": 1, "scores": [[0,0,7]]}': "agreed scale",
    b'{"size": 1e300, "scores": [[0,0,1]]}': "largest size",
    b'{"size": 1, "scores": [[0,0,1]], "how": "\\u0000"}': "zero character",
}


def test_json_that_is_none_or_too_much_is_told_in_one_line(desk):
    ask = asking(desk, "reporting")
    for body, expected in BAD_JSON.items():
        answer = ask("legal", "PUT", "report", content=body, headers={"Content-Type": "application/json"})
        message = told(answer, 422, "invalid")
        assert expected in message, body[:40]
        assert "\n" not in message
        assert len(message) <= 1000


def test_strict_json_reads_what_json_reads():
    data = {"a": [1, 2.5, -3e-7, True, None, ']]\\"[{'], "b": {"c": [[[]]], "ü": "\u2028"}}
    assert strict_json(json.dumps(data).encode()) == data
    assert strict_json(json.dumps(data, ensure_ascii=False).encode()) == data
    assert strict_json(b"[" * 64 + b"]" * 64)


def test_unknown_addresses_and_methods_have_the_one_shape(desk):
    ask = asking(desk, "open")
    told(ask("legal", "GET", f"{API}/nothing"), 404, "not_found")
    told(ask("legal", "GET", "/api/v2/sessions"), 404, "not_found")
    told(ask("legal", "GET", "/nothing"), 404, "not_found")
    answer = ask("legal", "PATCH", "")
    assert "use GET" in told(answer, 405, "method_not_allowed")
    assert answer.headers["allow"] == "GET"
    told(ask("legal", "TRACE", ""), 405)
    told(ask("legal", "GET", "log?after=x"), 422, "invalid")
    told(ask("legal", "GET", "log?wait=26"), 422, "invalid")
    told(ask("legal", "GET", f"{API}/sessions/%00/log"), 403, "forbidden")
    told(ask("provider", "DELETE", "groups/%00"), 422)
    told(ask("provider", "GET", "shares/%00%ff"), 409)


def test_a_bug_tells_nothing_but_its_number(desk, caplog):
    ask = asking(desk, "open")
    ask.http.app.state.reading.view = lambda caller, session_id: 1 / 0
    message = told(ask("legal", "GET", ""), 500, "internal")
    assert "division" not in message
    assert "ZeroDivisionError" in caplog.text
    assert message.split("request ")[1].rstrip(".") in caplog.text


def test_every_answer_has_headers_that_keep_browsers_safe(desk):
    ask = asking(desk, "published", url="https://tune.example.org")
    for path in (f"{API}/criteria", f"{API}/docs", f"{API}/nothing", "/nothing"):
        headers = ask(None, "GET", path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["strict-transport-security"].startswith("max-age=")
        assert "frame-ancestors" in headers["content-security-policy"]
        assert "http" not in headers["content-security-policy"]
        assert len(headers["x-request-id"]) == 16
    assert ask("legal", "GET", "").headers["cache-control"] == "no-store"
    page = ask(None, "GET", f"{API}/docs").text
    assert "<script" not in page
    assert "://" not in page


def test_the_server_answers_under_its_own_names_only(desk):
    ask = asking(desk, "open", url="https://tune.example.org")
    for host, status in {
        "tune.example.org": 200,
        "tune.example.org:443": 200,
        "localhost:8090": 200,
        "[::1]:8090": 200,
        "evil.example": 421,
        "tune.example.org.evil.example": 421,
        "": 421,
        "[": 421,
    }.items():
        answer = ask(None, "GET", f"{API}/criteria", headers={"Host": host})
        assert answer.status_code == status, host
    told(ask(None, "GET", f"{API}/criteria", headers={"Host": "evil.example"}), 421, "misdirected")
    anywhere = asking(desk, "draft", host="0.0.0.0")
    assert anywhere(None, "GET", f"{API}/criteria", headers={"Host": "192.0.2.7"}).status_code == 200


def test_a_page_of_another_site_cannot_post_to_pages(desk):
    ask = asking(desk, "open")
    for origin in ("https://evil.example", "null", "http://127.0.0.1:1", "["):
        told(ask(None, "POST", "/enter", headers={"Origin": origin}), 403, "forbidden")
    own = ask(None, "POST", "/enter", headers={"Origin": "http://127.0.0.1:8090"})
    assert own.status_code == 404  # there are no pages in this application
