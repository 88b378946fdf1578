"""Locks between processes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from happysad.locks import take


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
    with pytest.raises(OSError, match="unable to open") as raised:
        take(tmp_path / "lock")
    assert raised.value.filename == str(tmp_path)
