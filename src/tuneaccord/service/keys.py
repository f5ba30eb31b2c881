"""Keys of a server: sealing reports so that the part that takes them cannot read them, and encryption at rest.

Reports are sealed to a public key (X25519, HKDF-SHA256, ChaCha20-Poly1305; a new key pair for each report). Only a
process that has the private key, ``seal.key``, can open them, and it does so after the close. Everything else that is
not public is encrypted with ``data.key`` (ChaCha20-Poly1305) for the sake of backups and stolen disks. What a sealed
text belongs to (session, group, number) is authenticated with it, so that it cannot be moved elsewhere.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from tuneaccord.errors import StorageError
from tuneaccord.files import storage_error
from tuneaccord.service.errors import Unavailable

KEY_FILES = ("data.key", "seal.key", "seal.pub")
_BEING_MADE = ".being-made"
_NONCE = bytes(12)  # every sealed report has a key of its own


@dataclass(frozen=True)
class Keys:
    """What a process may seal and open. ``seal_private`` is None where reports may be taken but not read."""

    data: bytes = field(repr=False)
    seal_public: bytes
    seal_private: bytes | None = field(repr=False, default=None)

    @classmethod
    def new(cls) -> Keys:
        """Fresh keys.

        >>> keys = Keys.new()
        >>> keys.open_sealed(keys.seal(b"3", b"s/legal/7"), b"s/legal/7")
        b'3'
        """
        private = X25519PrivateKey.generate()
        return cls(os.urandom(32), private.public_key().public_bytes_raw(), private.private_bytes_raw())

    @classmethod
    def of(cls, data: bytes, private: bytes | None = None, public: bytes | None = None) -> Keys:
        """Keys as they were stored; the public one follows from the private one.

        Raises :class:`StorageError` on keys of another length, or of which none seals.
        """
        if len(data) != 32 or any(len(key) != 32 for key in (private, public) if key is not None):
            raise StorageError("a key must have 32 bytes. Restore the key files from the backup.")
        if private is not None:
            public = X25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw()
        if public is None:
            raise StorageError("a key to seal reports with is missing: seal.pub or seal.key.")
        return cls(data, public, private)

    def seal(self, text: bytes, place: bytes) -> bytes:
        """``text`` for the holder of the private key only, bound to its ``place``."""
        once = X25519PrivateKey.generate()
        ours = once.public_key().public_bytes_raw()
        shared = once.exchange(X25519PublicKey.from_public_bytes(self.seal_public))
        return ours + ChaCha20Poly1305(_derived(shared, ours + self.seal_public)).encrypt(_NONCE, text, place)

    def open_sealed(self, sealed: bytes, place: bytes) -> bytes:
        """What was sealed for this place.

        Raises :class:`Unavailable` without the private key, :class:`StorageError` when the text was changed or moved.
        """
        if self.seal_private is None:
            raise Unavailable("this process has no key to open reports. Start one that has: tuneaccord work")
        ours = sealed[:32]
        try:
            shared = X25519PrivateKey.from_private_bytes(self.seal_private).exchange(
                X25519PublicKey.from_public_bytes(ours)
            )
            return ChaCha20Poly1305(_derived(shared, ours + self.seal_public)).decrypt(_NONCE, sealed[32:], place)
        except (InvalidTag, ValueError):
            raise StorageError(f"the sealed report {place.decode()} was changed, or sealed with another key.") from None

    def encrypt(self, text: bytes, place: bytes) -> bytes:
        """``text`` at rest, bound to its ``place``."""
        nonce = os.urandom(12)
        return nonce + ChaCha20Poly1305(self.data).encrypt(nonce, text, place)

    def decrypt(self, stored: bytes, place: bytes) -> bytes:
        """What was encrypted for this place; :class:`StorageError` when it was changed or moved."""
        try:
            return ChaCha20Poly1305(self.data).decrypt(stored[:12], stored[12:], place)
        except (InvalidTag, ValueError):
            raise StorageError(f"the document {place.decode()} was changed, or another data key wrote it.") from None

    @property
    def fingerprint(self) -> str:
        """What tells these keys from others, and tells nothing else of them."""
        return hashlib.sha256(self.seal_public + self.salt("fingerprint").encode()).hexdigest()

    @classmethod
    def from_texts(cls, texts: Mapping[str, str]) -> Keys:
        """Keys from the texts of their files, by the files' names. Raises :class:`StorageError`."""
        try:
            found = {name: bytes.fromhex(text) for name, text in texts.items()}
        except ValueError:
            raise StorageError("a key is not 64 hexadecimal digits. Restore the key files from the backup.") from None
        if KEY_FILES[0] not in found:
            raise StorageError(f"{KEY_FILES[0]} is missing but other keys are there. Restore it from the backup.")
        return cls.of(*(found.get(name) for name in KEY_FILES))

    def salt(self, place: str) -> str:
        """64 hexadecimal digits that nobody without the data key can guess, the same at every attempt."""
        return hmac.new(self.data, b"salt:" + place.encode(), hashlib.sha256).hexdigest()


def read_keys(folder: Path) -> Keys:
    """The keys in ``folder`` (``data.key``, ``seal.key`` or only ``seal.pub``), made on first use.

    Several processes may ask at the same time. Raises :class:`StorageError` when some are there and others are missing:
    new ones could not read the old data.
    """
    data, private, public = (folder / name for name in KEY_FILES)
    found = any(path.exists() for path in (data, private, public))
    if not found or _being_made(folder):  # in this order: what is found was announced before it was made
        _make(folder)
    if not data.exists():
        raise StorageError(f"{data} is missing but other keys are there. Restore it from the backup.")
    return Keys.of(*(_read(path) if path.exists() else None for path in (data, private, public)))


def key_texts(folder: Path) -> dict[str, str]:
    """The key files of a folder: their names and texts."""
    return {name: _read(folder / name).hex() for name in KEY_FILES if (folder / name).exists()}


def write_key_texts(folder: Path, texts: Mapping[str, str]) -> None:
    """Put keys from a backup into a folder that has none."""
    keys = Keys.from_texts(texts)
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with _only_one(folder):
            _write(folder, keys)
    except OSError as error:
        raise storage_error(folder, error) from error


def _make(folder: Path) -> None:
    """Fresh keys, unless another process was quicker. What one that died left half-made is made anew."""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with _only_one(folder):
            if _being_made(folder) or not any((folder / name).exists() for name in KEY_FILES):
                _write(folder, Keys.new())
    except OSError as error:
        raise storage_error(folder, error) from error


def _write(folder: Path, keys: Keys) -> None:
    """Put keys into a folder, readable for this user only; until all are there they do not count."""
    (folder / _BEING_MADE).touch()
    for name, key in zip(KEY_FILES, (keys.data, keys.seal_private, keys.seal_public), strict=True):
        if key is None:
            continue
        (folder / name).unlink(missing_ok=True)
        descriptor = os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(key.hex() + "\n")
            file.flush()
            os.fsync(file.fileno())
    (folder / _BEING_MADE).unlink()


def _being_made(folder: Path) -> bool:
    return (folder / _BEING_MADE).exists()


@contextmanager
def _only_one(folder: Path) -> Iterator[None]:
    """One process after the other; the lock goes with the process that has it."""
    import fcntl

    with open(folder / ".lock", "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _read(path: Path) -> bytes:
    try:
        return bytes.fromhex(path.read_text().strip())
    except (OSError, ValueError):
        raise StorageError(
            f"{path} is not a key: expected 64 hexadecimal digits. Restore it from the backup."
        ) from None


def _derived(shared: bytes, context: bytes) -> bytes:
    return HKDF(SHA256(), 32, None, b"tuneaccord report\0" + context).derive(shared)
