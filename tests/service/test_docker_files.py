"""The image and the composition of services, read and tried as far as that goes without Docker."""

import os
import re
import shutil
import stat
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from tuneaccord.errors import StorageError
from tuneaccord.service.errors import Unavailable
from tuneaccord.service.keys import read_keys
from tuneaccord.service.settings import Settings

ROOT = Path(__file__).parents[2]
COMPOSE_TEXT, PAGE = (ROOT / "compose.yaml").read_text(), (ROOT / "docs" / "running.md").read_text()
COMPOSE = yaml.safe_load(COMPOSE_TEXT)
DOCKERFILE = (ROOT / "Dockerfile").read_text()
INSTRUCTIONS = re.findall(r"^([A-Z]+) (.*(?:\\\n.*)*)", DOCKERFILE, flags=re.MULTILINE)

#: keys of the Compose specification, as far as they are used or likely to be
SERVICE_KEYS = {
    "build", "cap_add", "cap_drop", "command", "configs", "container_name", "cpus", "depends_on", "deploy",
    "entrypoint",
    "env_file", "environment", "expose", "healthcheck", "hostname", "image", "init", "labels", "logging", "mem_limit",
    "network_mode", "networks", "pids_limit", "ports", "profiles", "read_only", "restart", "secrets", "security_opt",
    "stop_grace_period", "stop_signal", "tmpfs", "ulimits", "user", "volumes", "working_dir",
}  # fmt: skip
HEALTH_KEYS = {"disable", "interval", "retries", "start_interval", "start_period", "test", "timeout"}
CONDITIONS = {"service_started", "service_healthy", "service_completed_successfully"}


def test_only_keys_of_the_specification():
    assert set(COMPOSE) <= {"name", "services", "networks", "volumes", "configs", "secrets", "include"}
    for service in COMPOSE["services"].values():
        assert set(service) <= SERVICE_KEYS
        assert set(service.get("healthcheck", {})) <= HEALTH_KEYS
        for needed, how in service.get("depends_on", {}).items():
            assert needed in COMPOSE["services"]
            assert how["condition"] in CONDITIONS


def test_what_services_name_exists():
    for service in COMPOSE["services"].values():
        for volume in service.get("volumes", ()):
            assert volume.split(":")[0] in COMPOSE["volumes"]
        assert set(service.get("secrets", ())) <= set(COMPOSE["secrets"])
    images = {service["image"] for service in COMPOSE["services"].values()}
    assert images == {"postgres:15-bookworm", "tuneaccord"}


def test_every_variable_is_a_setting_and_can_be_read(tmp_path):
    (tmp_path / "database_url").write_text("postgresql://tuneaccord:x@database/tuneaccord\n")
    for name in ("server", "worker"):
        given = {key: str(value) for key, value in COMPOSE["services"][name]["environment"].items()}
        given["TUNEACCORD_DATABASE_FILE"] = given["TUNEACCORD_DATABASE_FILE"].replace("/run/secrets", str(tmp_path))
        if "TUNEACCORD_URL" in given:
            given["TUNEACCORD_URL"] = re.fullmatch(r"\$\{TUNEACCORD_URL:-(.*)\}", given["TUNEACCORD_URL"])[1]
        read = Settings.read(given)
        assert read.database_url.startswith("postgresql://tuneaccord:x@database")
        assert read.keys_folder == Path("/keys/web" if name == "server" else "/keys/worker")
        assert len(given) == sum(hasattr(read, _field(variable)) for variable in given)
        assert read.worker is (name == "worker")


def _field(variable):
    name = variable.removeprefix("TUNEACCORD_").removesuffix("_FILE").lower()
    return "worker" if name == "worker_inside" else name


def test_no_secret_is_written_down():
    assert not re.search(r"PASSWORD:|tac_|postgresql://[^$\s]*:[^$@\s]+@", (ROOT / "compose.yaml").read_text())
    assert "secrets/" in (ROOT / ".gitignore").read_text()


def test_the_secrets_can_be_read_in_the_containers_and_by_nobody_else_here(tmp_path):
    """The page's commands, which the head of compose.yaml repeats, for somebody whose files are private."""
    if shutil.which("openssl") is None:
        pytest.skip("no openssl is installed here (Debian: apt-get install openssl)")
    block = next(one for one in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL) if "postgres_password" in one)
    commands = [line.partition("  #")[0].strip() for line in block.splitlines() if not line.startswith("docker")]
    repeated = [line.removeprefix("#   ").rstrip() for line in COMPOSE_TEXT.splitlines() if line.startswith("#   ")]
    assert commands == repeated
    subprocess.run(["/bin/sh", "-ec", "\n".join(["umask 077", *commands])], cwd=tmp_path, check=True)
    assert stat.S_IMODE((tmp_path / "secrets").stat().st_mode) == 0o700
    for secret in COMPOSE["secrets"].values():
        assert stat.S_IMODE((tmp_path / secret["file"]).stat().st_mode) == 0o644
    url = (tmp_path / COMPOSE["secrets"]["database_url"]["file"]).read_text()
    assert re.fullmatch(r"postgresql://tuneaccord:[0-9a-f]{48}@database/tuneaccord\n", url)


@pytest.mark.slow
def test_the_server_cannot_open_reports_and_the_worker_can(tmp_path):
    """The commands of the service that makes the keys, run here on other folders."""
    (tmp_path / "web").mkdir()
    script = COMPOSE["services"]["keys"]["command"][0].replace("/keys/", f"{tmp_path}/")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    for _ in range(2):  # at the next start nothing changes
        subprocess.run(["/bin/sh", "-ec", script], check=True, env={**os.environ, "PATH": path})
    assert sorted(path.name for path in (tmp_path / "web").iterdir()) == ["data.key", "seal.pub"]
    web, worker = read_keys(tmp_path / "web"), read_keys(tmp_path / "worker")
    sealed = web.seal(b"secret", b"place")
    assert worker.open_sealed(sealed, b"place") == b"secret"
    with pytest.raises((Unavailable, StorageError)):
        web.open_sealed(sealed, b"place")
    assert web.decrypt(worker.encrypt(b"shared", b"place"), b"place") == b"shared"
    assert stat.S_IMODE((tmp_path / "worker" / "seal.key").stat().st_mode) == 0o600


def test_the_volumes_belong_to_the_user_of_the_image():
    """A named volume takes over owner and content of the folder of the image that it hides."""
    made = next(line for kind, line in INSTRUCTIONS if kind == "RUN" and line.startswith("install"))
    mounted = {
        volume.split(":")[1] for name in ("server", "worker", "keys") for volume in COMPOSE["services"][name]["volumes"]
    }
    assert mounted <= set(made.split())
    assert "-o accord" in made


def test_the_image_is_built_from_files_that_are_there_and_let_in():
    let_in = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    for kind, line in INSTRUCTIONS:
        if kind == "COPY" and not line.startswith("--from"):
            for name in line.split()[:-1]:
                assert (ROOT / name).exists()
                assert name in let_in


def test_the_image_has_extras_that_exist_and_pins():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    default = re.search(r"^ARG EXTRAS=(.*)", DOCKERFILE, re.MULTILINE)[1]
    assert set(default.split(",")) <= set(extras)
    assert "--constraint constraints.txt" in DOCKERFILE


def test_the_image_does_not_run_as_root():
    assert [line for kind, line in INSTRUCTIONS if kind == "USER"] == ["10001"]
    assert INSTRUCTIONS[-2:] == [("ENTRYPOINT", '["tuneaccord"]'), ("CMD", '["serve"]')]
