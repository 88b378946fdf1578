"""Sort photos into one folder for each label, by links, copies or moves, and undo it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from happysad.batch.photo_sources import PhotoSources
from happysad.batch.remote import is_remote
from happysad.batch.results import Results
from happysad.batch.tables import path_of
from happysad.errors import UsageError
from happysad.moves import Done, How, Journal, Step, refuse_links
from happysad.paths import absolute

__all__ = ["sort", "undo"]

_NAME = "sorted"


def sort(
    results: Results,
    folder: Path,
    how: How = "link",
    *,
    photos: Iterable[str] = (),
    say: Callable[[str], None] = lambda line: None,
) -> Done:
    """Put photos into `folder`/LABEL/…, under their paths relative to their source.

    Photos that could not be read are left out, and so are photos outside of the sources; see
    `PhotoSources`. Repeating an interrupted call continues it; see
    `happysad.moves`.

    Args:
        results: the results of `happysad predict --out`.
        folder: the target folder; created if it does not exist.
        how: "link" for a symbolic link to the photo, "copy" for a copy with its times, "move" to
            move the photo.
        photos: further folders in which the photos may lie, besides the sources of the results.
        say: called with one line for each photo that stays where it is.

    Raises:
        UsageError: `folder` lies in the folder of a source or of the results, or contains one.
        MoveError: another process sorts there, an earlier list is damaged, or links are not allowed
            in `folder`.
    """
    inside = folder.resolve()
    sources = [results.source(source) for source in results.made.sources if source != "-"]
    roots = [absolute(one) for one in sources if os.path.isdir(one)]  # noqa: PTH112
    for root in [*roots, results.folder]:
        whole = root.resolve()
        if inside.is_relative_to(whole) or whole.is_relative_to(inside):
            raise UsageError(f"{folder}: must neither contain {root} nor lie in it")
    if how == "link":
        refuse_links(folder)
    single = len(results.made.sources) == 1
    allowed = PhotoSources(results.made, photos)
    refused = 0

    def steps() -> Iterator[Step]:
        nonlocal refused
        for row in results.photos():
            if row["label"] is None:
                continue
            name = path_of(row)
            if is_remote(name) or not allowed.hold(name):
                refused += 1
                here = "lies outside of the sources of the results; --photos names more"
                say(f"{name}: {'is not a file on this machine' if is_remote(name) else here}")
                continue
            source = absolute(results.source(name))
            below = _below(source, roots, single)
            yield Step(how, source, str(Path(row["label"], below)), row["label"])

    done = Journal(folder, _NAME, roots=allowed.roots, report=say).carry_out(steps())
    return Done(done.done, done.failed + refused)


def undo(
    folder: Path, *, photos: Iterable[str] = (), say: Callable[[str], None] = lambda line: None
) -> Done:
    """Undo everything that `sort` did in `folder`; see `moves.Journal.undo`.

    Args:
        folder: the target folder of `sort`, also of happysad 0.1.0.
        photos: the folders where moved photos were: they go to no other place. Without any, these
            are the sources of the results that this user has sorted into `folder` on this machine.
        say: called with one line for each photo that stays where it is.

    Raises:
        UsageError: `folder` does not contain a list.
        MoveError: a list is damaged, or another process sorts there.
    """
    journal = Journal(folder, _NAME, roots=map(Path, photos), report=say)
    if not journal.exists:
        raise UsageError(f"{folder}: nothing to undo: no {_NAME}-N.csv")
    return journal.undo()


def _below(source: Path, roots: list[Path], single: bool) -> Path:
    """Return the path of a photo relative to the folder of its label.

    With a single source, this is its path relative to the source. With several sources, the number
    and name of the source come first. A photo outside of all sources keeps its whole path.
    """
    within = [root for root in roots if source.is_relative_to(root)]
    if not within:
        return source.relative_to(source.anchor)
    root = max(within, key=lambda one: len(one.parts))
    below = source.relative_to(root)
    return below if single else Path(f"{1 + roots.index(root)}-{root.name}", below)
