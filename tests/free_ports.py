"""Ports for servers that are stopped and started again, or that cannot be asked which one they took."""

import random
import socket
from pathlib import Path

#: from it on the system gives ports to whoever connects, and takes those that are free for a moment
_SYSTEMS = Path("/proc/sys/net/ipv4/ip_local_port_range")
_LOWEST, _USUAL = 15_000, 32_768


def free_port() -> int:
    """A port of the loopback address that nobody listens at, and that no connection is given meanwhile."""
    draw = random.SystemRandom()  # two processes with the same seed must not come to the same one
    for _ in range(1000):
        port = draw.randrange(_LOWEST, _end())
        with socket.socket() as one:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                one.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError("no port is free")


def _end() -> int:
    try:
        first = int(_SYSTEMS.read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return _USUAL
    return first if first > _LOWEST + 1000 else 65_536  # where the system has them all, any will do
