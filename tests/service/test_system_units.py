"""The units of docs/running.md: systemd reads them without a word, and they hand over what each process needs."""

import os
import re
import shutil
import subprocess
import sys
from configparser import ConfigParser
from dataclasses import fields
from pathlib import Path

import pytest

from tuneaccord.errors import StorageError
from tuneaccord.service.errors import Unavailable
from tuneaccord.service.keys import read_keys
from tuneaccord.service.settings import Settings, variable_of

PAGE = (Path(__file__).parents[2] / "docs" / "running.md").read_text()
UNITS = dict(re.findall(r"^`/etc/systemd/system/([^`]+)`[^\n]*\n\n```ini\n(.*?)```", PAGE, re.MULTILINE | re.DOTALL))
SERVE, WORK, COMMON = "tuneaccord-serve.service", "tuneaccord-work@.service", "tuneaccord-.service.d/common.conf"


def entries(unit, key):
    """The values of a key in the unit's service, and in what holds for all."""
    found = []
    for name in (COMMON, unit):
        found += re.findall(rf"^{key}=(.*)$", UNITS[name], re.MULTILINE)
    return found


def credentials(unit):
    return dict(one.split(":") for one in entries(unit, "LoadCredential"))


def test_there_are_a_server_a_worker_and_what_they_share():
    assert set(UNITS) == {SERVE, WORK, COMMON}
    for text in UNITS.values():
        sections = ConfigParser(strict=False, interpolation=None)
        sections.read_string(text)
        assert set(sections.sections()) <= {"Unit", "Service", "Install"}


@pytest.mark.slow
def test_systemd_finds_nothing_wrong(tmp_path):
    """With a program that is there; an unknown key or value would be told."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("no systemd-analyze is installed here (Debian: apt-get install systemd)")
    for name, text in UNITS.items():
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(text.replace("/opt/tuneaccord/bin/tuneaccord", sys.executable))
    environment = {**os.environ, "SYSTEMD_UNIT_PATH": f"{tmp_path}:", "SYSTEMD_LOG_LEVEL": "warning"}
    instances = [str(tmp_path / SERVE), str(tmp_path / WORK.replace("@", "@1"))]
    (tmp_path / WORK.replace("@", "@1")).symlink_to(tmp_path / WORK)
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *instances], capture_output=True, text=True, env=environment,
        check=False,
    )  # fmt: skip
    ours = [line for line in (done.stderr + done.stdout).splitlines() if "tuneaccord" in line]
    assert (done.returncode, ours) == (0, [])


def test_every_variable_is_a_setting():
    known = {variable_of(one.name) for one in fields(Settings)}
    for unit in (SERVE, WORK):
        given = [one.split("=")[0] for line in entries(unit, "Environment") for one in line.split()]
        ours = {name.removesuffix("_FILE") for name in given if name.startswith("TUNEACCORD_")}
        assert {"TUNEACCORD_DATABASE", "TUNEACCORD_KEYS", "TUNEACCORD_FOLDER"} <= ours <= known


def test_the_server_gets_no_key_that_opens_reports(tmp_path):
    """The folders of credentials, which cannot be written to, as the units say."""
    made = tmp_path / "made"
    read_keys(made)
    opened = {}
    for unit in (SERVE, WORK):
        folder = tmp_path / unit
        folder.mkdir()
        for name, source in credentials(unit).items():
            if source.startswith("/etc/tuneaccord/keys/"):
                shutil.copy(made / Path(source).name, folder / name)
                (folder / name).chmod(0o400)
        folder.chmod(0o500)
        opened[unit] = read_keys(folder)
    sealed = opened[SERVE].seal(b"secret", b"place")
    assert opened[WORK].open_sealed(sealed, b"place") == b"secret"
    with pytest.raises((Unavailable, StorageError)):
        opened[SERVE].open_sealed(sealed, b"place")
    assert "database-url" in credentials(SERVE).keys() & credentials(WORK).keys()
