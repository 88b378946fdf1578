"""Locks between processes."""

from __future__ import annotations

import errno
import fcntl
import os
import sqlite3
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from happysad.errors import BusyError
from happysad.locks import LOCK, Lock, alone, take


def test_one_has_it_until_it_is_closed(tmp_path: Path) -> None:
    file = tmp_path / "folder" / "lock"
    first = take(file)
    assert first is not None
    assert take(file) is None
    first.close()
    again = take(file)
    assert again is not None
    again.close()


def test_a_process_that_is_killed_lets_go(tmp_path: Path) -> None:
    file = tmp_path / "lock"
    code = (
        "import sys, time, pathlib\n"
        "from happysad.locks import take\n"
        "lock = take(pathlib.Path(sys.argv[1]))\n"
        "print('taken', flush=True)\n"
        "time.sleep(60)"
    )
    command = [sys.executable, "-c", code, str(file)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as child:
        assert child.stdout
        child.stdout.readline()
        assert take(file) is None
        child.kill()
    lock = take(file)
    assert lock is not None
    lock.close()


def test_a_folder_that_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(FileExistsError):
        take(tmp_path / "file" / "lock")
    (tmp_path / "lock").mkdir()
    with pytest.raises(IsADirectoryError):
        take(tmp_path / "lock")


def test_nothing_in_the_folder_is_read(tmp_path: Path) -> None:
    """SQLite removes the file that a planted journal names."""
    victim, lock = tmp_path / "victim", tmp_path / ".lock"
    victim.write_text("photo")
    planted = {lock: b"anything", tmp_path / ".lock-journal": super_journal(victim)}
    database = sqlite3.connect(lock)
    database.execute("CREATE TABLE x (y)")
    database.close()
    planted[lock] = lock.read_bytes()
    for file, content in planted.items():
        file.write_bytes(content)
    held = take(lock)
    assert held is not None
    held.close()
    assert victim.read_text() == "photo"
    assert {file: file.read_bytes() for file in planted} == planted


def super_journal(victim: Path) -> bytes:
    """Return a rollback journal of SQLite that names a super-journal, which SQLite removes."""
    magic = bytes.fromhex("d9d505f920a163d7")
    name = os.fsencode(victim)
    head = (magic + struct.pack(">IIIII", 0, 0, 2, 512, 4096)).ljust(512, b"\0")
    page = struct.pack(">I", 0x40000000 // 4096 + 1)
    return head + page + name + struct.pack(">II", len(name), sum(name)) + magic


@pytest.mark.parametrize("kind", ["link", "broken link", "pipe"])
def test_a_link_or_a_pipe_is_refused(tmp_path: Path, kind: str) -> None:
    lock, other = tmp_path / ".lock", tmp_path / "other"
    if kind == "pipe":
        os.mkfifo(lock)
    else:
        lock.symlink_to(other)
    if kind == "link":
        other.write_text("mine")
    with (
        pytest.raises(BusyError, match=r"\.lock must be a regular file, not a link"),
        alone(tmp_path, "writes", BusyError),
    ):
        pass
    assert (other.read_text() if other.exists() else None) == ("mine" if kind == "link" else None)


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EACCES, errno.EOPNOTSUPP])
def test_a_file_system_without_locks_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refuse(*_: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("fcntl.flock", refuse)
    with (
        pytest.raises(BusyError, match=f"{tmp_path}: this file system has no locks .*; mount it"),
        alone(tmp_path, "writes", BusyError),
    ):
        pass


def test_a_file_that_its_holder_removes_is_no_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file is removed, and made anew, between opening and locking it."""
    file = tmp_path / "lock"
    flock, others = fcntl.flock, list[Lock | None]()

    def removed(descriptor: int, how: int) -> None:
        if not others:
            others.append(None)
            file.unlink()
            others.append(take(file))
        flock(descriptor, how)

    monkeypatch.setattr("fcntl.flock", removed)
    assert take(file) is None
    assert isinstance(others[1], Lock)
    others[1].close()


def test_the_file_is_removed_at_the_end(tmp_path: Path) -> None:
    with alone(tmp_path, "writes", BusyError, remove=True):
        assert (tmp_path / LOCK).exists()
    assert not (tmp_path / LOCK).exists()
