"""The proxies of docs/running.md, started as they stand there: only ports, certificate and folders are ours."""

import os
import re
import shutil
import socket
import ssl
import subprocess
import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

NAME = "accord.example.org"
PAGE = Path(__file__).parents[1] / "docs" / "running.md"
PROXIES = ("nginx", "caddy")


def example(proxy: str) -> str:
    """The configuration that the page gives."""
    blocks = re.findall(r"```\w*\n(.*?)```", PAGE.read_text(), re.DOTALL)
    start = {"nginx": "map $http_upgrade", "caddy": f"{NAME} {{"}[proxy]
    (found,) = [block for block in blocks if block.startswith(start)]
    return found


def program(proxy: str) -> str | None:
    """Where it is installed; Debian's nginx is where only root's path leads."""
    return shutil.which(proxy, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")


def certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate for the name, signed by itself, and its key."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, NAME)])
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=2))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    files = folder / "accord.pem", folder / "accord.key"
    files[0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
    plain = serialization.NoEncryption()
    files[1].write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain))
    return files


def replaced(text: str, *pairs: tuple[str, str]) -> str:
    """``text`` with each of these replaced; each has to be there once."""
    for old, new in pairs:
        assert text.count(old) == 1, f"{old!r} is in the example {text.count(old)} times"
        text = text.replace(old, new)
    return text


def _nginx(folder: Path, port: int, server: int) -> list[str]:
    site = replaced(
        example("nginx"),
        ("listen 443 ssl", f"listen 127.0.0.1:{port} ssl"),
        ("127.0.0.1:8090", f"127.0.0.1:{server}"),
        ("/etc/ssl/accord.pem", f"{folder}/accord.pem"),
        ("/etc/ssl/accord.key", f"{folder}/accord.key"),
    )
    kept = "".join(
        f"{kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    file = folder / "nginx.conf"
    file.write_text(
        f"daemon off; master_process off; pid {folder}/pid; error_log {folder}/log info;\n"
        f"events {{}}\nhttp {{\n{kept}\n{site}}}\n"
    )
    return [program("nginx"), "-e", str(folder / "log"), "-p", str(folder), "-c", str(file)]


def _caddy(folder: Path, port: int, server: int) -> list[str]:
    site = replaced(
        example("caddy"),
        (
            f"{NAME} {{",
            f"https://{NAME}:{port} {{\n    bind 127.0.0.1\n    tls {folder}/accord.pem {folder}/accord.key",
        ),
        ("127.0.0.1:8090", f"127.0.0.1:{server}"),
    )
    file = folder / "Caddyfile"
    file.write_text(f"{{\n    admin off\n    auto_https disable_redirects\n}}\n{site}")
    return [program("caddy"), "run", "--adapter", "caddyfile", "--config", str(file)]


@contextmanager
def running(proxy: str, folder: Path, port: int, server: int):
    """The proxy at ``port``, in front of the server at another one."""
    folder.mkdir()
    certificate(folder)
    command = {"nginx": _nginx, "caddy": _caddy}[proxy](folder, port, server)
    home = {"HOME": str(folder), "XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(
            command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, env={**os.environ, **home}
        )
    try:
        end = time.monotonic() + 90
        while not _answers(port):
            assert process.poll() is None, (folder / "log").read_text()
            assert time.monotonic() < end, (folder / "log").read_text()
            time.sleep(0.05)
        yield folder
    finally:
        process.terminate()
        process.wait(20)


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


class ThroughProxy(httpx.HTTPTransport):
    """To the loopback address under the proxy's name, which its certificate has to be for.

    ``address`` is the one that requests come from: any that begins with 127 is this machine's.
    """

    def __init__(self, folder: Path, address: str = "127.0.0.1") -> None:
        trusted = ssl.create_default_context(cafile=folder / "accord.pem")
        super().__init__(verify=trusted, local_address=address)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Ask for the name and connect to the address."""
        request.extensions["sni_hostname"] = NAME
        request.url = request.url.copy_with(host="127.0.0.1")
        return super().handle_request(request)
