"""Kill a process at every call that changes a file, then finish its work in another process.

    python -m tests.move_kills USER HOW FIRST THEN DISKS HOME AWAY

USER is "journal", "quarantine" or "old" (a quarantine with a list of 0.1.0). HOW is "move", "copy"
or "link". FIRST is the killed operation, "do" or "undo", and THEN is the operation that follows.
DISKS is "simulated" to let renames between the folders HOME and AWAY fail as between two disks, or
"as they are". The program prints the number of calls at which it killed a process. It has a single
thread, so that it can fork.
"""

from __future__ import annotations

import errno
import os
import shutil
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any, cast

from happysad.errors import UsageError
from happysad.moves import How, Journal, Step
from tests.file_tree import tree

# Calls that change files. A kill during sendfile leaves half a copy.
_OF_OS = ("rename", "replace", "unlink", "symlink", "rmdir", "mkdir", "fsync", "sendfile")
_OF_SHUTIL = ("copyfile", "copystat")

_PHOTOS = {"happy/a.jpg": b"photo a", "sad/a.jpg": b"photo b"}
_LINK = "sad/link.jpg"


class Case:
    """The files of one case, and the calls that move them and bring them back."""

    def __init__(self, user: str, how: How, home: Path, away: Path) -> None:
        self.user, self.how, self.home, self.away = user, how, home, away
        self.paths = [_LINK, *_PHOTOS]
        for folder in (home, away):
            shutil.rmtree(folder, ignore_errors=True)
        for path, content in _PHOTOS.items():
            (home / path).parent.mkdir(parents=True)
            (home / path).write_bytes(content)
        (home / _LINK).symlink_to("a.jpg" if how == "copy" else "nowhere")
        if how == "link":
            self.paths.remove(_LINK)
        self.before = tree(home)
        if user == "quarantine":  # imported here only, since forks are faster without pandas
            import pandas as pd

            from happysad.dataset.manifest import Manifest

            rows = [(path, 0, 0, "not an image", "left_out") for path in self.paths]
            columns = ["path", "bytes", "modified", "reason", "status"]
            self.manifest = Manifest(home, pd.DataFrame(rows, columns=columns, dtype=object))

    def do_before(self) -> None:
        """Move the files, so that a process that brings them back can be killed."""
        if self.user != "old":
            self.do()
            return
        rows = [f"{self.home / path},{path},not an image" for path in self.paths]
        self.away.mkdir()
        (self.away / "quarantine.csv").write_text("\n".join(["from,to,reason", *rows, ""]))
        for path in self.paths:
            (self.away / path).parent.mkdir(exist_ok=True)
            shutil.move(self.home / path, self.away / path)
        # The state after a kill of 0.1.0 between two disks: half of a file.
        shutil.move(self.away / "sad/a.jpg", self.home / "sad/a.jpg")
        (self.away / "sad/a.jpg").write_text("pho")

    def do(self) -> None:
        """Move, copy or link the files."""
        if self.user == "journal":
            steps = [Step(self.how, self.home / path, path) for path in self.paths]
            Journal(self.away, "moved", roots=[self.home]).carry_out(steps, links=True)
        else:
            from happysad.dataset.quarantine import quarantine

            quarantine(self.manifest, self.away)

    def undo(self) -> None:
        """Bring the files back."""
        if self.user == "journal":
            Journal(self.away, "moved").undo()
        else:
            from happysad.dataset.quarantine import restore

            with suppress(UsageError):  # no list: nothing was moved, or everything is back
                restore(self.away, self.home if self.user == "old" else None)

    def check(self, then: str) -> None:
        """Assert that every file is where `then` puts it, and that there are no other files."""
        home, away = tree(self.home), tree(self.away)
        if then == "undo":
            assert home == self.before, home
            # Files of the journal, left by a kill before the first move or after the last one.
            own = (".lock", ".quarantine-1-")
            away = {path: to for path, to in away.items() if not path.startswith(own)}
            assert not away, away
            return
        if self.how == "move":
            expected = self.before
        elif self.how == "copy":
            expected = {path: (self.home / path).read_bytes() for path in self.paths}
        else:
            expected = {path: b"-> " + os.fsencode(self.home / path) for path in self.paths}
        placed = {path: content for path, content in away.items() if not path.endswith(".csv")}
        assert placed == expected, placed
        assert home == ({} if self.how == "move" else self.before), home


def in_child(work: Callable[[], object], end_at: int) -> int:
    """Run a function in a fork of this process, and return the fork's exit status.

    Args:
        work: the function.
        end_at: the number, from 0, of the file-changing call at which the fork ends with status 9.
    """
    if process := os.fork():
        return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    status = 1
    try:
        _count_calls(end_at)
        work()
        status = 0
    except BaseException:
        traceback.print_exc()
    os._exit(status)


def _count_calls(left: int) -> None:
    """End this process at the file-changing call after the first `left` ones."""
    sendfile = getattr(os, "sendfile", None)  # only some systems have it

    def counted(function: Callable[..., Any]) -> Callable[..., Any]:
        def called(*arguments: Any, **options: Any) -> Any:
            nonlocal left
            if left == 0:
                if function is sendfile:
                    function(*arguments[:3], 2)
                os._exit(9)
            left -= 1
            return function(*arguments, **options)

        return called

    for module, names in ((os, _OF_OS), (shutil, _OF_SHUTIL)):
        for name in names:
            if hasattr(module, name):
                setattr(module, name, counted(getattr(module, name)))


def separate_disks(home: Path) -> None:
    """Let renames into or out of a folder fail, as between two disks."""
    rename = os.rename

    def refuse(source: Any, target: Any, **options: Any) -> None:
        if Path(source).is_relative_to(home) != Path(target).is_relative_to(home):
            raise OSError(errno.EXDEV, "Invalid cross-device link", str(source))
        rename(source, target, **options)

    os.rename = cast("Any", refuse)


def main(user: str, how: str, first: str, then: str, disks: str, *folders: str) -> None:
    """Kill a process at each call in turn, and check the files after the following operation."""
    home, away = map(Path, folders)
    if disks == "simulated":
        separate_disks(home)
    if user != "journal":
        import happysad.dataset.quarantine  # noqa: F401  # once, instead of in every fork
    os.fsync = cast("Any", lambda descriptor: None)  # not needed: a kill loses no written data
    for number in count():
        case = Case(user, cast("How", how), home, away)
        calls = {"do": case.do, "undo": case.undo}
        if first == "undo":
            case.do_before()
        status = in_child(calls[first], end_at=number)
        assert status in (0, 9), status
        calls[then]()
        case.check(then)
        if status == 0:
            break
    print(number)  # noqa: T201


if __name__ == "__main__":
    main(*sys.argv[1:])
