"""Move the files that a check left out to a folder of their own, and back: only when asked to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from happysad.dataset.manifest import Manifest
from happysad.errors import UsageError
from happysad.moves import Done, Journal, Step, exists, is_copy, stamp

__all__ = ["quarantine", "restore"]

_NAME = "quarantine"


def quarantine(
    manifest: Manifest, folder: Path, *, report: Callable[[str], None] = lambda line: None
) -> Done:
    """Move the left-out files to `folder`/CLASS/…, and nothing else.

    Nothing is overwritten: a file whose name is taken gets a number. `folder`/quarantine-N.csv
    lists every move before the first file is touched; see `happysad.moves`.

    Args:
        manifest: the checked photos.
        folder: created if it does not exist.
        report: is called with one line for each file that stays where it is.

    Raises:
        UsageError: `folder` lies in the data folder, or the data folder in it.
        MoveError: `folder` cannot be written, or its list is damaged.
    """
    root, inside = manifest.root.resolve(), folder.resolve()
    if inside.is_relative_to(root) or root.is_relative_to(inside):
        raise UsageError(f"{folder}: the quarantine must lie apart from the data folder {root}")
    journal = Journal(folder, _NAME, report=report)
    earlier = journal.targets()
    stayed = 0

    def steps() -> Iterator[Step]:
        nonlocal stayed
        taken = set(earlier.values())
        rows = manifest.table[manifest.table["status"] == "left_out"]
        for path, size, modified, reason in rows[
            ["path", "bytes", "modified", "reason"]
        ].itertuples(index=False):
            source = root / path
            begun = earlier.get(str(source))
            if not exists(source):
                if begun is None or not exists(folder / begun):
                    stayed += 1
                    report(f"{path}: no such file")
            elif modified and stamp(source) != (size, modified):
                stayed += 1
                report(f"{path}: the file has changed since it was checked")
            else:
                if begun is None or not is_copy(source, folder / begun):
                    begun = _free(folder, path, taken)
                    taken.add(begun)
                yield Step("move", source, begun, reason)

    done = journal.carry_out(steps(), links=True)
    return Done(done.done, done.failed + stayed)


def restore(folder: Path, *, report: Callable[[str], None] = lambda line: None) -> Done:
    """Move the files of a quarantine back to where they were.

    Nothing is overwritten. The list keeps what could not be moved back. When nothing is left, the
    list is removed, and so are folders that became empty.

    Args:
        folder: of `quarantine`, also of happysad 0.1.0.
        report: is called with one line for each file that stays where it is.

    Raises:
        UsageError: `folder` holds no list of a quarantine.
        MoveError: the list is damaged.
    """
    journal = Journal(folder, _NAME, report=report)
    if not journal.exists:
        raise UsageError(f"{folder}: nothing to restore: no {_NAME}-N.csv")
    done = journal.undo()
    with suppress(OSError):  # something is in it
        folder.rmdir()
    return done


def _free(folder: Path, path: str, taken: set[str]) -> str:
    """Return a path below `folder` that no file has: `path`, or numbered before its extension."""
    name, number = path, 1
    while name in taken or exists(folder / name):
        number += 1
        plain = Path(path)
        name = plain.with_name(f"{plain.stem} ({number}){plain.suffix}").as_posix()
    return name
