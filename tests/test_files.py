"""Files are written completely or not at all, and errors name the file that was requested."""

from __future__ import annotations

import errno
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from happysad.files import replacing, write_text


def _into_a_folder(file: Path) -> None:
    file.mkdir()
    write_text(file, "new")


def _full(file: Path) -> None:
    with replacing(file):
        raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize(
    ("fail", "number"),
    [
        (_into_a_folder, errno.EISDIR),
        (lambda _: write_text("/proc/a.txt", "new"), errno.ENOENT),
        (_full, errno.ENOSPC),
    ],
)
def test_an_error_names_the_file_that_was_asked_for(
    tmp_path: Path, fail: Callable[[Path], None], number: int
) -> None:
    file = tmp_path / "a.txt"
    with pytest.raises(OSError, match=r"'[^']*/a\.txt'$") as raised:
        fail(file)
    assert (raised.value.errno, raised.value.filename2) == (number, None)
    assert Path(raised.value.filename).name == "a.txt"
    assert [entry.name for entry in tmp_path.iterdir()] in ([], ["a.txt"])


@pytest.mark.parametrize(
    ("name", "begins", "ends"),
    [
        ("a.txt", ".a-", ".txt"),
        ("a" * 251 + ".txt", f".{'a' * 30}-", ".txt"),
        ("\N{GRINNING FACE}" * 62 + "aaa.txt", f".{chr(0x1F600) * 30}-", ".txt"),
        ("a." + "\N{GRINNING FACE}" * 63, ".a-", "." + "\N{GRINNING FACE}" * 29),
    ],
)
def test_a_name_may_be_as_long_as_the_system_allows(
    tmp_path: Path, name: str, begins: str, ends: str
) -> None:
    file = tmp_path / name
    with replacing(file) as temporary:
        temporary.write_text("new")
        assert temporary.name.startswith(begins)
        assert temporary.name.endswith(ends)
    assert file.read_text() == "new"
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize(
    "error", [FileNotFoundError(errno.ENOENT, "No such file", "other.txt"), OSError("no errno")]
)
def test_other_errors_stay_as_they_are(tmp_path: Path, error: OSError) -> None:
    file = tmp_path / "a.txt"
    file.write_text("old")
    with pytest.raises(OSError) as raised, replacing(file) as temporary:
        temporary.write_text("new")
        raise error
    assert raised.value is error
    assert file.read_text() == "old"
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize(("platform", "pauses"), [("win32", 2), ("linux", 0)])
def test_windows_is_given_time_to_let_go_of_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, platform: str, pauses: int
) -> None:
    slept: list[float] = []
    replace = Path.replace

    def held(path: Path, new: Path) -> Path:
        if len(slept) < pauses or not pauses:
            raise PermissionError(errno.EACCES, "Access is denied", str(path))
        return replace(path, new)

    monkeypatch.setattr(Path, "replace", held)
    monkeypatch.setattr(time, "sleep", slept.append)
    monkeypatch.setattr(sys, "platform", platform)
    file = tmp_path / "a.txt"
    if pauses:
        write_text(file, "new")
        assert file.read_text() == "new"
    else:
        with pytest.raises(PermissionError):
            write_text(file, "new")
    assert len(slept) == pauses
