"""Files are whole or untouched, and a file that cannot be read or written says why."""

import errno
import os

import pytest

from tuneaccord import InputError, StorageError
from tuneaccord.files import read_text, write_atomically


def test_what_was_written_is_read_again(tmp_path):
    path = write_atomically(tmp_path / "new" / "folder" / "a.txt", "dépôt\n")
    assert read_text(path, "note") == "dépôt\n"
    write_atomically(path, b"\xef\xbb\xbfwith a mark")
    assert read_text(path, "note") == "with a mark"
    assert os.listdir(path.parent) == ["a.txt"]


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (errno.ENOSPC, "no room on disk to write .*kept.txt. Free some space"),
        (errno.EDQUOT, "no room on disk"),
        (errno.EACCES, "cannot write .*kept.txt: Permission denied. Check the folder"),
    ],
)
def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch, code, message):
    path = write_atomically(tmp_path / "kept.txt", "old")

    def fail(*_):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr("tuneaccord.files.os.replace", fail)
    with pytest.raises(StorageError, match=message):
        write_atomically(path, "new")
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["kept.txt"]


def test_a_folder_that_is_a_file_is_refused(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match=r"cannot write .*Check the folder"):
        write_atomically(tmp_path / "file" / "a.txt", "text")


def test_what_cannot_be_read_says_why(tmp_path):
    (tmp_path / "latin").write_bytes(b"d\xe9p\xf4t")
    for name, message in [
        ("missing", "prompt file .*missing does not exist"),
        (".", "prompt file .* is a folder, expected a file"),
        ("latin", r"prompt file .*latin is not UTF-8 text \(byte 1 is 0xe9\). Save it as UTF-8"),
        ("latin/below", "cannot read prompt file .*below: Not a directory"),
    ]:
        with pytest.raises(InputError, match=message):
            read_text(tmp_path / name, "prompt file")
