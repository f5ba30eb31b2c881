"""``tuneaccord session``: a whole session from terminals at a real server, and the ways to fail."""

import json
import os
import socket
import ssl
import stat
import subprocess
import sys
import threading
import time

import pytest

pytest.importorskip("uvicorn", reason="the service needs the web extra: pip install tuneaccord[web]")

import httpx
import uvicorn
from service_play import POOL, REPORTS, TERMS, play
from test_serve import serving
from typer.testing import CliRunner

from tuneaccord.cli import serve
from tuneaccord.cli.app import app
from tuneaccord.cli.session import keeping, status
from tuneaccord.cli.session.access import access_text, read_access, read_link
from tuneaccord.cli.session.app import session_app
from tuneaccord.cli.session.keeping import claimed, free_name
from tuneaccord.errors import InputError, StorageError
from tuneaccord.service.api.app import build
from tuneaccord.service.client import Client
from tuneaccord.service.client_requests import Requests
from tuneaccord.service.connect import connect
from tuneaccord.service.errors import Unavailable
from tuneaccord.service.session import MOVES
from tuneaccord.service.settings import Settings

RUNNER = CliRunner()


def run(*arguments, given=None, program="session"):
    return RUNNER.invoke(app, [program, *map(str, arguments)], input=given)


def done(*arguments, given=None, program="session"):
    """What a command that succeeds prints."""
    result = run(*arguments, given=given, program=program)
    assert result.exit_code == 0, result.output
    return result.stdout


def refused(*arguments, given=None):
    """The one line of a command that does not."""
    result = run(*arguments, given=given)
    assert (result.exit_code, result.stdout) == (2, ""), result.output
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1
    return result.stderr


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """(address, desk) of the interface of a real server, without pages and jobs."""
    folder = tmp_path_factory.mktemp("served")
    settings = Settings(folder=folder, rate=100_000, trials=100_000)
    desk = connect(settings)
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        server = uvicorn.Server(
            uvicorn.Config(build(desk, settings, pages=False), log_config=None, access_log=False, lifespan="off")
        )
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        while not server.started:
            time.sleep(0.01)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}", desk
        server.should_exit = True
        thread.join(10)
    desk.store.close()


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty folder to work in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def playing(served, here):
    """``playing(state)``: a session in that state, with the session file of each of its parties in ``here``."""
    url, desk = served

    def at(state, **given):
        played = play(desk, state, **given)
        for who, token in played.tokens.items():
            (here / f"{who}.json").write_text(access_text(url, token))
        return played

    return at


@pytest.fixture(scope="module")
def taking(served):
    """A session that takes reports and gets none."""
    return play(served[1], "reporting")


# From the first command to the last


@pytest.mark.slow
def test_a_whole_session_from_terminals(here):
    (here / "terms.yaml").write_text(json.dumps({**TERMS, "divergence": {"kind": "KL", "strength": 0.5}}))
    (here / "pool.yaml").write_text(json.dumps(POOL))
    (here / "server").mkdir()
    with serving(here / "server"):
        link = here / "server" / serve.LINK_FILE
        said = done("create", "terms.yaml", "--operator", link, "--name", "IT", "--session", "provider.json")
        assert "You are the provider IT of session" in said
        us = ("--session", "provider.json")
        done("open", *us)
        links = {one["group"]: one["url"] for one in json.loads(done("invite", *REPORTS, *us, "--json"))}
        assert list(links) == list(REPORTS)
        done("join", links["legal"])  # in session.json, as somebody does who takes part in one
        for name in ("support", "marketing"):
            done("join", "-", "--session", f"{name}.json", given=links[name] + "\n")
        done("freeze", "pool.yaml", *us)
        done("begin", "--deadline", "2035-01-01T18:00:00Z", *us)

        done("sheet", "scores.csv")
        sheet = (here / "scores.csv").read_text().splitlines()
        numbers = REPORTS["legal"]["scores"][0]
        filled = [
            sheet[0],
            *(row.replace(",,", f",{score},", 1) for row, score in zip(sheet[1:], numbers, strict=True)),
        ]
        (here / "scores.csv").write_text("\n".join(filled) + "\n")
        assert "Not sent" in done("report", "scores.csv", "--size", 1, "--dry-run")
        assert "your report: none yet" in done("status")
        done("report", "scores.csv", "--size", 1)
        assert "Add --replace" in refused("report", "scores.csv", "--size", 3)
        assert "session-proof-2.json" in done("report", "scores.csv", "--size", 3, "--replace")
        (here / "support.yaml").write_text(json.dumps(REPORTS["support"]))
        done("report", "support.yaml", "--session", "support.json")
        scores = {"scores": REPORTS["marketing"]["scores"]}
        (here / "marketing.yaml").write_text(json.dumps(scores))
        done("report", "marketing.yaml", "--size", 2, "--session", "marketing.json")
        assert "reported: 3 of 3" in done("status", *us)

        done("close", *us)
        assert "which are not published yet" in done("status", "--wait", "settled", *us)
        assert "error: " in refused("invoice")  # not before it is published
        done("publish", *us)
        assert "published" in done("status", "--wait", "published")
        amounts = {}
        for name in REPORTS:
            mine = () if name == "legal" else ("--session", f"{name}.json")
            done("invoice", f"{name}.csv", *mine)
            done("invoice", f"{name}.html", *mine)
            done("receipt", f"receipt-{name}.json", *mine)
            heading, row = ((here / f"{name}.csv").read_text()).splitlines()
            amounts[name] = dict(zip(heading.split(","), row.split(","), strict=True))["amount"]
            assert amounts[name] in (here / f"{name}.html").read_text()
            assert "All checks hold." in done(f"receipt-{name}.json", program="verify")
            assert f"you pay {amounts[name]} EUR" in done("status", *mine)
        assert len(set(amounts.values())) == 3
        verified = done("session-proof-2.json", "--with", "receipt-legal.json", program="verify")
        assert "is the one that was settled" in verified
        assert run("session-proof.json", "--with", "receipt-legal.json", program="verify").exit_code == 1
        done("receipt", "all.json", *us)
        assert json.loads((here / "all.json").read_text())["record"]["amounts"] == amounts
    assert "cannot be reached" in refused("status")


@pytest.mark.slow
def test_processes_leave_no_token_where_others_see_it(served, here):
    """Neither in what they print nor in a file that others can read, whatever the umask is."""
    url, desk = served
    played = play(desk, "open")
    link = f"{url}/join/{desk.invite(played.provider, played.id, 'late')}"
    command = f"umask 0; exec {sys.executable} -m tuneaccord session join -"
    result = subprocess.run(["sh", "-c", command], input=link, capture_output=True, text=True, check=True)
    token = read_access(here / "session.json")[1]
    assert token.startswith("tac_")
    assert token not in result.stdout + result.stderr
    assert stat.S_IMODE((here / "session.json").stat().st_mode) == 0o600
    status = subprocess.Popen(
        [sys.executable, "-m", "tuneaccord", "session", "status", "--wait", "published"], stderr=subprocess.PIPE
    )
    try:
        assert b"is open for groups to join" in status.stderr.readline()
        with open(f"/proc/{status.pid}/cmdline", "rb") as running:
            assert b"tac_" not in running.read()
        desk.cancel(played.provider, played.id, "no money")
        assert b"the session is cancelled, not published: no money" in status.stderr.readline()
        assert status.wait(30) == 2
    finally:
        status.kill()
        status.wait()
        status.stderr.close()


def test_the_other_moves_of_the_provider(playing, here):
    played = playing("open")
    us = ("--session", "provider.json")
    assert "name no language model" in refused("freeze", "--sample", *us)
    assert "--sample" in refused("freeze", *us)
    assert "there is no file none.csv" in refused("freeze", "none.csv", *us)
    (here / "pool.yaml").write_text("- a\n")
    assert "pool.yaml is no pool" in refused("freeze", "pool.yaml", *us)
    (here / "pool.csv").write_text("candidate,price,base\nplain,0,1\ntuned,0.5,0\n")
    assert json.loads(done("freeze", "pool.csv", "--json", *us))["kind"] == "frozen"
    done("begin", "--deadline", "2035-01-01T18:00:00Z", "--reveal", "2035-01-02T18:00:00Z", *us)
    assert "deadline must be a time" in refused("deadline", "tomorrow", *us)
    done("deadline", "none", *us)
    assert played.session.deadline is None
    assert "the provider closes" in done("report", *_candidate_scores(here), "--session", "legal.json")
    assert "error: " in refused("try-again", *us)
    done("cancel", "--reason", "no money", *us)
    assert "the reason given: no money" in done("status", "--session", "legal.json")


def _candidate_scores(here):
    """A report on candidate models, once a dry run has shown it."""
    (here / "scores.csv").write_text("prompt_id,reply_id,score\ncandidates,tuned,1\ncandidates,plain,0.25\n")
    shown = done("report", "scores.csv", "--size", 2, "--dry-run", "--session", "legal.json").split()
    assert shown[-6:] == ["candidates", "plain", "0.25", "candidates", "tuned", "1"]
    return "scores.csv", "--size", 2


@pytest.mark.slow
def test_moves_that_leave_groups_out_are_asked_for_twice(playing, here):
    played = playing("open")
    us = ("--session", "provider.json")
    done("invite", "late", *us)
    (here / "pool.csv").write_text("candidate,price,base\nplain,0,1\ntuned,0.5,0\n")
    assert "leaves out late, who did not join yet. Wait for them, or add --anyway" in refused("freeze", "pool.csv", *us)
    assert "the pool is frozen" in done("freeze", "pool.csv", "--anyway", *us)
    done("begin", *us)
    assert "nobody has reported" in refused("close", *us)
    done("report", *_candidate_scores(here), "--session", "legal.json")
    assert "who did not report" in refused("close", *us)
    assert "closed" in done("close", "--anyway", *us)
    assert played.session.state == "closed"


# Becoming a party


@pytest.mark.slow
def test_an_invitation_is_not_used_up_where_its_token_cannot_be_kept(served, here):
    url, desk = served
    played = play(desk, "open")
    link = f"{url}/join/{desk.invite(played.provider, played.id, 'late')}"
    (here / "session.json").write_text("mine")
    assert "session.json is there already" in refused("join", link)
    assert "cannot write" in refused("join", link, "--session", "none/session.json")
    assert "is a folder" in refused("join", link, "--session", here)
    assert (here / "session.json").read_text() == "mine"
    assert "You are the group late" in done("join", link, "--session", "late.json")
    assert "used already" in refused("join", link, "--session", "again.json")
    assert not (here / "again.json").exists()


@pytest.mark.slow
def test_the_provider_invites_removes_admits_and_replaces(playing, here):
    played = playing("open")
    us = ("--session", "provider.json")
    plain = done("invite", "sales", "research", *us).splitlines()
    assert [line.partition(": ")[0] for line in plain] == ["sales", "research"]
    made = run("invite", "late", "legal", "--json", *us)
    assert "has joined already" in made.stderr
    assert [one["group"] for one in json.loads(made.stdout)] == ["late"]  # that link is not lost
    done("remove", "late", *us)
    told = json.loads(done("replace-token", "support", "--json", *us))
    assert "tuneaccord session enter --replace --session support.json" in refused("status", "--session", "support.json")
    (here / "link").write_text(told["url"] + "\n")
    done("enter", "link", "--replace", "--session", "support.json")
    assert "you are the group support" in done("status", "--session", "support.json")
    link = done("admit", "auditor", "works council", *us).splitlines()[0].partition(": ")[2]
    assert "auditor works council" in done("enter", "--session", "council.json", given=link)
    assert set(played.session.seats) == set(REPORTS)


def test_a_class_is_joined_by_code_and_name(served, here):
    url, desk = served
    played = play(desk, "open", {**TERMS, "classroom": {"seats": 3}}, reports={})
    link = f"{url}/class#{desk.class_code(played.provider, played.id)}"
    assert "--name" in refused("join", link)
    assert "group ada" in done("join", link, "--name", "ada")


@pytest.mark.parametrize(
    ("arguments", "given", "words"),
    [
        (["join", "legal"], None, "expected the whole link"),
        (["join", "https://accord.example.org/join/"], None, "expected the whole link"),
        (["join", "ftp://x/join/tac_secret"], None, "got 'ftp://x/join/...'"),
        (["join", "http://127.0.0.1:9/join/tac_secret"], None, "cannot be reached"),
        (["join", "http://127.0.0.1:9/join/tac_secret", "--name", "x"], None, "--name is for a class"),
        (["join", "http://127.0.0.1:9/enter#token=tac_secret"], None, "tuneaccord session enter"),
        (["join", "-"], "\n", "there is no link in standard input"),
        (["enter"], "http://127.0.0.1:9/join/tac_secret\n", "tuneaccord session join"),
        (["enter"], "http://127.0.0.1:9/enter#token=tac_secret\n", "cannot be reached"),
        (["enter", "nowhere.txt"], None, "file with a link nowhere.txt does not exist"),
        (["create", "nowhere.yaml"], None, "nowhere.yaml does not exist"),
        (["status"], None, "there is no session file session.json here"),
        (["status", "--session", "other.json"], None, "other.json is not a session file"),
        (["stat"], None, "Did you mean 'status'"),
        (["status", "--wait", "setled"], None, "Did you mean 'settled'"),
    ],
)
def test_mistakes_are_one_line_without_secrets(here, arguments, given, words):
    (here / "other.json").write_text('{"kind": "receipt"}')
    said = refused(*arguments, given=given)
    assert words in said
    assert "secret" not in said
    assert not (here / "session.json").exists()


def test_terms_are_checked_with_their_line_before_anybody_is_asked(here):
    (here / "terms.yaml").write_text("title: ours\ncolour: red\n")
    assert "terms.yaml, line 2: " in refused("create", "terms.yaml", "--operator", "nobody")
    assert not (here / "session.json").exists()


# Reporting


SHEET = "prompt_id,reply_id,score\np,b,0.9\np,a,0.1\np,c,0\n"


@pytest.mark.slow
def test_a_dry_run_shows_what_is_then_sealed(playing, here):
    played = playing("reporting")
    (here / "sheet.csv").write_text(SHEET)
    mine = ("--session", "legal.json")
    shown = json.loads(done("report", "sheet.csv", "--size", 3, "--dry-run", "--json", *mine))
    assert "0.9" in done("report", "sheet.csv", "--size", 3, "--dry-run", *mine)
    assert played.session.reported == ()
    told = json.loads(done("report", "sheet.csv", "--size", 3, "--json", *mine))
    proof = json.loads((here / "legal-proof.json").read_text())
    assert shown == proof["report"]
    assert shown["scores"] == REPORTS["legal"]["scores"]
    assert told["proof"] == "legal-proof.json"
    assert played.session.seats["legal"].commitment == told["commitment"] == proof["commitment"]
    assert stat.S_IMODE((here / "legal-proof.json").stat().st_mode) == 0o600
    assert "All checks" in done("legal-proof.json", program="verify")


@pytest.mark.slow
def test_every_form_of_a_report(playing, here):
    texts = [{"id": "a", "text": "Of course! Happy to help, enjoy."}, {"id": "b", "text": "No. That is bad."}]
    playing("reporting", pool={"prompts": [{"id": "p", "text": "May I?"}], "responses": [texts]})
    (here / "s.jsonl").write_text(
        12 * (json.dumps({"prompt": "May I?", "chosen": texts[0]["text"], "rejected": texts[1]["text"]}) + "\n")
    )
    (here / "s.yaml").write_text("worth: 120\nscores:\n  - [0.25, 0.75]\n")
    (here / "c.json").write_text('{"size": 2, "criteria": {"upbeat": 1.0}}')
    mine = ("--replace", "--json", "--session", "legal.json")
    proofs = [
        json.loads(done("report", *given, *mine))["proof"]
        for given in (["s.yaml"], ["c.json"], ["--criterion", "upbeat=1", "--size", "2"], ["s.jsonl", "--size", "2"])
    ]
    sealed = [json.loads((here / proof).read_text())["report"] for proof in proofs]
    assert proofs == ["legal-proof.json", *(f"legal-proof-{number}.json" for number in (2, 3, 4))]
    assert sealed[0]["worth"] == 120
    assert sealed[0]["scores"] == [[0.25, 0.75]]
    assert sealed[1] == sealed[2]
    for proof, report_of in zip(proofs[1:], sealed[1:], strict=True):
        assert report_of["scores"][0][0] > report_of["scores"][0][1], proof


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "give one file"),
        (["sheet.csv", "--criterion", "calm=1"], "give one file"),
        (["--criterion", "calm"], "--criterion must be NAME=W"),
        (["sheet.csv"], "either --size N, or --worth N"),
        (["sheet.csv", "--size", "3", "--worth", "3"], "either --size N, or --worth N"),
        (["sheet.csv", "--size", "-1"], "above zero"),
        (["sheet.csv", "--size", "nan"], "above zero"),
        (["none.csv", "--size", "3"], "there is no file none.csv"),
        (["sheet.txt", "--size", "3"], "does not tell what it is"),
        (["both.yaml", "--size", "3"], "both.yaml has a size already. Leave --size out"),
        (["neither.yaml", "--size", "3"], "either scores or criteria"),
        (["typo.yaml"], "typo.yaml, line 1: "),
        (["off.csv", "--size", "3"], "agreed scale is 0 to 1"),
        (["sheet.csv", "--size", "3", "--proof", "sheet.csv"], "sheet.csv is there already"),
    ],
)
def test_a_report_that_cannot_be_sent(served, taking, here, arguments, words):
    (here / "legal.json").write_text(access_text(served[0], taking.tokens["legal"]))
    for name, text in {
        "sheet.csv": SHEET,
        "sheet.txt": SHEET,
        "off.csv": SHEET.replace("0.9", "9"),
        "both.yaml": "size: 3\nscores: [[0, 0, 1]]\n",
        "neither.yaml": "size: 3\n",
        "typo.yaml": "sise: 3\nscores: [[0, 0, 1]]\n",
    }.items():
        (here / name).write_text(text)
    assert words in refused("report", *arguments, "--session", "legal.json")
    assert taking.session.reported == ()
    assert not list(here.glob("*proof*"))


@pytest.mark.slow
def test_only_groups_report_and_only_while_reports_are_taken(playing, here):
    playing("frozen")
    (here / "sheet.csv").write_text(SHEET)
    assert "groups report, and provider.json is that of the provider" in refused(
        "report", "sheet.csv", "--size", 3, "--session", "provider.json"
    )
    refused("report", "sheet.csv", "--size", 3, "--session", "legal.json")
    shown = run("report", "sheet.csv", "--size", 3, "--dry-run", "--session", "legal.json")
    assert shown.exit_code == 0
    assert "no reports are taken now" in shown.stderr


def test_a_proof_that_cannot_be_written_is_printed(playing, here, monkeypatch):
    played = playing("reporting")
    (here / "sheet.csv").write_text(SHEET)

    def full(path, content, secret):
        raise StorageError("no room.")

    monkeypatch.setattr(keeping, "write_atomically", full)
    result = run("report", "sheet.csv", "--size", 3, "--session", "legal.json")
    assert result.exit_code == 2
    assert "the report is sealed, but no room." in result.stderr
    assert json.loads(result.stdout)["commitment"] == played.session.seats["legal"].commitment


# Looking and waiting


def test_status_names_commands_that_are_there(playing):
    names = {command.name or command.callback.__name__ for command in session_app.registered_commands}
    assert {words.split()[0] for words in status.COMMANDS.values()} <= names
    assert set(status.COMMANDS) <= set(MOVES)
    playing("open")
    said = done("status", "--session", "provider.json")
    assert "you can now: tuneaccord session invite NAME --session provider.json" in said
    assert json.loads(done("status", "--json", "--session", "observer.json"))["you"]["role"] == "observer"


def test_waiting_for_what_has_passed_returns_at_once(playing):
    playing("published")
    assert "published" in done("status", "--wait", "settled", "--session", "legal.json")


def test_waiting_goes_on_while_the_server_is_away(playing, monkeypatch):
    """It may only be restarting; a server that never answered is an error."""
    playing("published")
    changes, asked = Client.changes, []

    def restarted(client, *given):
        asked.append(1)
        view = next(iter(changes(client)))
        if len(asked) == 1:
            yield {**view, "state": "settling"}
            raise Unavailable("away")
        yield view

    monkeypatch.setattr(status, "AGAIN", 0.01)
    monkeypatch.setattr(Client, "changes", restarted)
    result = run("status", "--wait", "published", "--session", "legal.json")
    assert result.exit_code == 0
    assert "the server does not answer; asked again" in result.stderr
    monkeypatch.setattr(Client, "changes", lambda client: (_ for _ in ()).throw(Unavailable("never there")))
    assert "never there" in refused("status", "--wait", "published", "--session", "legal.json")


def test_time_left_is_by_the_servers_clock():
    view = {"state": "reporting", "deadline": "2026-01-01T03:00:30.000Z", "now": "2026-01-01T00:00:00.000Z"}
    assert status._left_words(view) == ", 3 h left"
    assert status._left_words({**view, "received": time.monotonic() - 7200}) == ", 1 h left"  # and half a minute
    assert status._left_words({**view, "now": "2026-01-01T04:00:00.000Z"}) == ", which has passed"


def test_names_cannot_steer_the_terminal(playing):
    playing("open", terms={"title": "a\x1b[31mb\nc"})
    assert "a\\x1b[31mb\\nc: the session is open" in done("status", "--session", "provider.json")


# What is taken home


@pytest.mark.slow
def test_what_each_party_can_save(playing, here):
    playing("published")
    us, legal, auditor = (("--session", f"{who}.json") for who in ("provider", "legal", "auditor"))
    for name, mine in (("pool", legal), ("log", legal), ("explanation", legal), ("settlement", auditor)):
        path = next(here / one for one in done(name, *mine).split() if one.startswith(name)).name.rstrip(":")
        assert stat.S_IMODE((here / path).stat().st_mode) == 0o600
        assert f"{path} is there already" in refused(name, *mine)
        done(name, "--replace", *mine)
    assert json.loads((here / "pool.json").read_text())["base"] == POOL["base"]
    assert "whose it is" in refused("invoice", *us)
    done("invoice", "support.csv", "--group", "support", *us)
    assert ",support," in (here / "support.csv").read_text()
    assert "another group" in refused("invoice", "no.csv", "--group", "support", *legal)
    assert "must end in .html or .csv" in refused("invoice", "support.pdf", *legal)
    done("receipt", *legal)
    assert "the same as the other log" in done("receipt.json", "--log", "log.json", program="verify")
    assert not (here / "no.csv").exists()


def test_a_claimed_file_is_whole_or_as_it_was(tmp_path):
    path = tmp_path / "x"
    with pytest.raises(ZeroDivisionError), claimed(path):
        raise ZeroDivisionError
    assert not path.exists()
    with claimed(path) as keep:
        with pytest.raises(InputError, match="is there already"), claimed(path):
            pass  # two who want the same name: the second is refused, before it asks a server for anything
        keep("one")
    with pytest.raises(ZeroDivisionError), claimed(path, replace=True):
        raise ZeroDivisionError
    assert path.read_text() == "one"
    assert [one.name for one in tmp_path.iterdir()] == ["x"]
    assert free_name(path).name == "x-2"


def test_links_are_read_whatever_stands_around_them():
    link = read_link("  https://accord.example.org/join/tac_x\n")
    assert (link.server, link.kind, link.secret) == ("https://accord.example.org", "invitation", "tac_x")
    assert "tac_x" not in repr(link)
    assert read_link("http://h:1/class#k3m8%20p2qa").secret == "k3m8 p2qa"


# Servers that are not what they should be


def answering(monkeypatch, answer):
    """Every server answers like this."""
    made = Requests.__init__

    def init(requests, url, token, patience, timeout, transport):
        made(requests, url, token, patience, timeout, httpx.MockTransport(answer))

    monkeypatch.setattr(Requests, "__init__", init)


def timed_out(request):
    raise httpx.ReadTimeout("slow", request=request)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda request: httpx.Response(200, text="<html>"), "is no server of tuneaccord"),
        (lambda request: httpx.Response(404, text="<html>"), "the server answered with status 404"),
        (lambda request: httpx.Response(301, headers={"Location": "https://there/"}), "'https://there/'"),
        (timed_out, "did not answer in time"),
    ],
)
def test_what_answers_is_something_else(here, monkeypatch, answer, words):
    answering(monkeypatch, answer)
    assert words in refused("join", "http://accord.example.org/join/tac_x")
    assert not (here / "session.json").exists()


@pytest.mark.slow
def test_a_certificate_that_is_not_trusted(here, monkeypatch):
    made = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "key.pem", "-out", "cert.pem", "-days", "2"]
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
    try:
        subprocess.run(["openssl", *made, *names], capture_output=True, check=True)
    except FileNotFoundError:
        pytest.skip("no openssl is installed here to make a certificate")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain("cert.pem", "key.pem")
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def greet():
            for _ in range(2):
                connection, _ = listening.accept()
                try:
                    with context.wrap_socket(connection, server_side=True) as secured:
                        asked = part = secured.recv(4096)
                        while part and not asked.endswith(b"}"):  # what is left unread would reset the connection
                            part = secured.recv(4096)
                            asked += part
                        secured.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                except OSError:
                    connection.close()

        thread = threading.Thread(target=greet, daemon=True)
        thread.start()
        link = f"https://127.0.0.1:{listening.getsockname()[1]}/join/tac_x"
        assert "is not trusted here (self-signed certificate)" in refused("join", link)
        monkeypatch.setenv("SSL_CERT_FILE", os.fspath(here / "cert.pem"))
        assert "status 404" in refused("join", link)
        thread.join(10)
    monkeypatch.setenv("SSL_CERT_FILE", "nowhere.pem")
    assert "cannot read the certificates in SSL_CERT_FILE" in refused("join", link)


# Help


@pytest.mark.slow
def test_help_lists_every_command_and_loads_no_client():
    code = (
        "import sys; from tuneaccord.cli.app import app\n"
        "try: app(['session', '--help'])\n"
        "except SystemExit: print([name for name in ('httpx', 'rich', 'yaml', 'numpy.fft') if name in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.splitlines()[-1] == "[]"
    assert done() == done("--help")
