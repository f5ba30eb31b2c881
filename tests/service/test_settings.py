"""Settings by variable, by file and by option; each one is in the page about running a server."""

import re
from dataclasses import fields
from pathlib import Path

import pytest

from tuneaccord.errors import InputError
from tuneaccord.service.settings import Settings, variable_of

PAGE = Path(__file__).parents[2] / "docs" / "running.md"


def test_what_is_given_goes_before_the_environment_and_that_before_the_default():
    environment = {"TUNEACCORD_PORT": "9000", "TUNEACCORD_RATE": "5", "TUNEACCORD_WORKER_INSIDE": "0"}
    read = Settings.read(environment, port=9100, host=None)
    assert (read.port, read.rate, read.worker, read.host) == (9100, 5, False, "127.0.0.1")
    assert Settings.read(environment, worker=True).worker


def test_several_values():
    read = Settings.read({"TUNEACCORD_REPORTS": "/runs/a:/runs/b", "TUNEACCORD_MODELS": "embedded, owner/model"})
    assert read.reports == (Path("/runs/a"), Path("/runs/b"))
    assert read.models == ("embedded", "owner/model")


def test_a_secret_comes_from_a_file(tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("postgresql://us:hidden@db/accord\n")
    read = Settings.read({"TUNEACCORD_DATABASE_FILE": str(secret)})
    assert read.database_url == "postgresql://us:hidden@db/accord"
    assert "hidden" not in repr(read)


def test_a_token_is_not_shown():
    assert "sixteen-letters-x" not in repr(Settings(metrics_token="sixteen-letters-x"))


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({"TUNEACCORD_PORT": "high"}, "TUNEACCORD_PORT must be a whole number, got 'high'"),
        ({"TUNEACCORD_PORT": "65536"}, "port must be 0 to 65535, got 65536"),
        ({"TUNEACCORD_RATE": "0"}, "rate must be at least 1"),
        ({"TUNEACCORD_WORKER_INSIDE": "yes"}, "TUNEACCORD_WORKER_INSIDE must be 0 or 1, got 'yes'"),
        ({"TUNEACCORD_LOG": "jsn"}, "Did you mean 'json'?"),
        ({"TUNEACCORD_METRICS_TOKEN": "short"}, "metrics_token must have at least 16 characters"),
        ({"TUNEACCORD_DATABASE_FILE": "/no/such/file"}, "TUNEACCORD_DATABASE_FILE: cannot read '/no/such/file'"),
        ({"TUNEACCORD_LOG": "json", "TUNEACCORD_LOG_FILE": "/x"}, "are both set"),
        ({"TUNEACCORD_URL": "accord.example.org"}, "url must be an address without a path"),
        ({"TUNEACCORD_URL": "https://us:word@example.org"}, "url must be"),
        ({"TUNEACCORD_URL": "https://example.org/accord"}, "url must be"),
        ({"TUNEACCORD_URL": "https://example.org:port"}, "url must be"),
    ],
)
def test_a_wrong_value_is_named(environment, words):
    with pytest.raises(InputError, match=re.escape(words)) as raised:
        Settings.read(environment)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("content", [b"", b"\n", b"\xff\xfe", b"x" * 70_000])
def test_a_file_that_is_no_setting_is_refused(tmp_path, content):
    file = tmp_path / "secret"
    file.write_bytes(content)
    with pytest.raises(InputError, match="TUNEACCORD_EXECUTOR_FILE"):
        Settings.read({"TUNEACCORD_EXECUTOR_FILE": str(file)})


@pytest.mark.parametrize(
    ("host", "local"),
    [("127.0.0.1", True), ("127.0.0.9", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("::", False),
     ("192.168.1.5", False), ("accord.example.org", False)],
)  # fmt: skip
def test_which_addresses_only_this_machine_can_reach(host, local):
    assert Settings(host=host).local is local


def test_addresses_in_links():
    assert Settings(port=9000).public_url == "http://127.0.0.1:9000"
    assert Settings(host="::1").public_url == "http://[::1]:8090"
    assert Settings(url="https://accord.example.org/").public_url == "https://accord.example.org"


def test_each_setting_is_in_the_page_and_nothing_else():
    rows = set(re.findall(r"^\| `(TUNEACCORD_[A-Z_]+)`", PAGE.read_text(), flags=re.MULTILINE))
    assert rows == {variable_of(one.name) for one in fields(Settings)}


def test_each_field_names_its_variable():
    source = Path(__file__).parents[2].joinpath("src/tuneaccord/service/settings.py").read_text()
    named = re.findall(r"#: (TUNEACCORD_[A-Z_]+)", source)
    assert named == [variable_of(one.name) for one in fields(Settings)]
