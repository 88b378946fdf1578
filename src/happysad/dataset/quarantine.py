"""Move the files that a check left out into a folder of their own, and back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from happysad.dataset.manifest import is_outside
from happysad.errors import UsageError, os_reason
from happysad.moves import Done, Journal, Step, exists, is_copy, stamp

if TYPE_CHECKING:  # restoring needs no pandas
    from happysad.dataset.manifest import Manifest

__all__ = ["quarantine", "restore"]

_NAME = "quarantine"
_LIST_OF_0_1_0 = "quarantine.csv"


def quarantine(
    manifest: Manifest, folder: Path, *, report: Callable[[str], None] = lambda line: None
) -> Done:
    """Move the left-out files to `folder`/CLASS/…, and no other files.

    Nothing is overwritten: a file whose name is taken gets a number. After an interruption, the
    same call continues; see `happysad.moves`.

    Args:
        manifest: the checked photos.
        folder: created if it does not exist.
        report: called with one line for each file that is not moved.

    Raises:
        UsageError: `folder` lies in the data folder or contains it.
        MoveError: `folder` cannot be written, or its list is damaged.
    """
    root, inside = manifest.root.resolve(), folder.resolve()
    if inside.is_relative_to(root) or root.is_relative_to(inside):
        raise UsageError(f"{folder}: must neither contain the data folder {root} nor lie in it")
    journal = Journal(folder, _NAME, roots=[root], former=_LIST_OF_0_1_0, report=report)
    stayed = 0

    def steps() -> Iterator[Step]:
        nonlocal stayed
        earlier = journal.targets()
        taken = {target for targets in earlier.values() for target in targets}
        rows = manifest.table[manifest.table["status"] == "left_out"]
        rows = rows[~rows["path"].map(is_outside).astype(bool)]
        for path, size, modified, reason in rows[
            ["path", "bytes", "modified", "reason"]
        ].itertuples(index=False):
            source = root / path
            planned = earlier.get(str(source), [])
            try:
                if not exists(source):
                    if any(exists(folder / target) for target in planned):
                        continue
                    why = "no such file"
                elif modified and stamp(source) != (size, modified):
                    why = "the file has changed since it was checked"
                else:
                    target = _planned(source, folder, planned) or _free(folder, path, taken)
                    taken.add(target)
                    yield Step("move", source, target, reason)
                    continue
            except OSError as error:  # no permission to enter a folder
                why = os_reason(error)
            stayed += 1
            report(f"{path}: {why}")

    done = journal.carry_out(steps(), links=True)
    return Done(done.done, done.failed + stayed)


def restore(
    folder: Path, data: Path | None = None, *, report: Callable[[str], None] = lambda line: None
) -> Done:
    """Move the files of a quarantine back to where they were.

    Nothing is overwritten. The list keeps the files that could not be moved back. When all are
    back, the list is removed, and so are folders that became empty.

    Args:
        folder: the folder of `quarantine`, also one of happysad 0.1.0.
        data: the data folder, where the files were: files go to no other place. None for the one
            that this user has quarantined into `folder` on this machine.
        report: called with one line for each file that is not moved.

    Raises:
        UsageError: `folder` contains no list of a quarantine.
        MoveError: the list is damaged.
    """
    roots = [] if data is None else [data]
    journal = Journal(folder, _NAME, roots=roots, former=_LIST_OF_0_1_0, report=report)
    if not journal.exists:
        raise UsageError(f"{folder}: nothing to restore: no {_NAME}-N.csv")
    done = journal.undo()
    with suppress(OSError):  # not empty
        folder.rmdir()
    return done


def _planned(source: Path, folder: Path, targets: list[str]) -> str | None:
    """Return the target that an interrupted call planned for a file; None if there is none."""
    begun = [target for target in targets if is_copy(source, folder / target)]
    begun += [target for target in targets if not exists(folder / target)]
    return begun[0] if begun else None


def _free(folder: Path, path: str, taken: set[str]) -> str:
    """Return a free path below `folder`: `path`, or `path` with a number before its extension."""
    name, number = path, 1
    while name in taken or exists(folder / name):
        number += 1
        plain = Path(path)
        name = plain.with_name(f"{plain.stem} ({number}){plain.suffix}").as_posix()
    return name
