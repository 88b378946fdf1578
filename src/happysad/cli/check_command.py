"""happysad check: what is wrong with a folder of photos, and how it is split."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from happysad.cli.console import say, warn
from happysad.cli.options import (
    AllowMissing,
    CheckFolder,
    Classes,
    Groups,
    Threads,
    UseSplits,
    data_folder,
    need,
)
from happysad.errors import UsageError, counted
from happysad.parallel import use_threads

if TYPE_CHECKING:
    from happysad.dataset.manifest import Manifest
    from happysad.label_review import Suspect
    from happysad.moves import Done

__all__ = ["check"]


def check(
    data: Annotated[
        Path | None,
        typer.Argument(metavar="DIR", help="A folder with one folder of photos for each class."),
    ] = None,
    classes: Classes = None,
    check_folder: CheckFolder = None,
    groups: Groups = None,
    allow_missing: AllowMissing = False,
    use_splits: UseSplits = False,
    fractions: Annotated[
        tuple[float, float, float],
        typer.Option(help="The shares of train, val and test."),
    ] = (0.7, 0.2, 0.1),
    radius: Annotated[
        int,
        typer.Option(
            help="Maximum number of bits, of 64, in which the hashes of near-duplicates differ. "
            "-1: no search for near-duplicates; only --groups applies."
        ),
    ] = 6,
    quality: Annotated[
        bool, typer.Option(help="Look for blurry, dark, light and otherwise odd photos.")
    ] = True,
    labels: Annotated[
        bool, typer.Option("--labels", help="Also find photos whose label is probably wrong.")
    ] = False,
    quarantine: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER", help="Move the left-out files to FOLDER; --restore moves them back."
        ),
    ] = None,
    restore: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Move back what --quarantine FOLDER moved. On another machine, or for another "
            "user, also name DIR: files go nowhere else.",
        ),
    ] = None,
    threads: Threads = 0,
) -> None:
    """Find what is wrong with the photos of DIR, and split them.

    Nothing in DIR is changed. Near-duplicates are put into the same split. Files that cannot be
    used are left out; manifest.csv and report.html list them with the reason.
    """
    need("train", "happysad check")
    from happysad.dataset.check import check as run_check
    from happysad.dataset.quarantine import quarantine as move_away, restore as put_back

    if restore is not None:
        if quarantine is not None:
            raise UsageError("--restore FOLDER cannot be combined with --quarantine")
        moved = put_back(restore, data, report=say)
        if moved.outside and data is None:
            say(f"to name the data folder: happysad check DIR --restore {restore}")
        _print_moved(moved, f"moved back from {restore}")
        return
    use_threads(threads)
    if data is None:
        raise UsageError("check needs a DIR, or --restore FOLDER")
    result = run_check(
        data_folder(data),
        check_folder,
        classes=classes,
        fractions=fractions,
        radius=radius,
        groups=groups,
        quality=quality,
        use_splits=use_splits,
        allow_missing=allow_missing,
        say=warn,
        find_suspects=_suspects() if labels else None,
    )
    *lines, report = str(result).split("\n")
    for line in (*lines, *result.examples, report):
        say(line)
    if result.review:
        say(f"next:   {result.review}")
    if quarantine is not None:
        moved = move_away(result.manifest, quarantine, report=say)
        say(f"undo: happysad check --restore {quarantine}")
        _print_moved(moved, f"moved to {quarantine}")


def _suspects() -> Callable[[Manifest], list[Suspect]]:
    """Return the search for wrong labels, whose import takes a second."""
    from happysad.training.label_check import find_suspects

    return find_suspects


def _print_moved(moved: Done, where: str) -> None:
    say(f"{counted(moved.done, 'file')} {where}")
    if moved.failed:
        raise typer.Exit(1)
