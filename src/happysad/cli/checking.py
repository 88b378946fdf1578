"""happysad check and happysad import: photos before any training."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from happysad.cli.console import say
from happysad.cli.options import CheckFolder, Classes, Groups, check_folder_of, data_folder, need
from happysad.errors import UsageError

if TYPE_CHECKING:
    from happysad.dataset.check import Checked
    from happysad.moves import Done

__all__ = ["check", "import_"]


def check(
    data: Annotated[
        Path | None,
        typer.Argument(metavar="DIR", help="A folder with one folder of photos a class."),
    ] = None,
    classes: Classes = None,
    check_folder: CheckFolder = None,
    groups: Groups = None,
    fractions: Annotated[
        tuple[float, float, float],
        typer.Option(help="The shares of train, val and test."),
    ] = (0.7, 0.2, 0.1),
    radius: Annotated[
        int,
        typer.Option(
            help="Near-duplicates differ in at most so many of a hash's 64 bits; "
            "-1: as --groups says alone."
        ),
    ] = 6,
    quality: Annotated[
        bool, typer.Option(help="Look for blurry, dark, light and empty photos.")
    ] = True,
    quarantine: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Move what is left out there; --restore undoes it."),
    ] = None,
    restore: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Put back what --quarantine FOLDER moved."),
    ] = None,
) -> None:
    """Say what is wrong with the photos of DIR, and split them.

    Nothing in DIR is changed. Photos that are nearly the same never stand on two sides of the
    split; what cannot be used is left out with its reason, in manifest.csv and report.html.
    """
    need("train", "happysad check")
    from happysad.dataset.check import CheckSettings
    from happysad.dataset.check import check as run_check
    from happysad.dataset.quarantine import quarantine as move_away
    from happysad.dataset.quarantine import restore as put_back

    if restore is not None:
        if data is not None or quarantine is not None:
            raise UsageError("--restore FOLDER stands alone: it knows where each file came from")
        _print_moved(put_back(restore, report=say), f"moved back from {restore}")
        return
    if data is None:
        raise UsageError("check needs a DIR, or --restore FOLDER")
    settings = CheckSettings(
        classes=classes, fractions=fractions, radius=radius, groups=groups, quality=quality
    )
    checked = run_check(data_folder(data), check_folder_of(data, check_folder), settings)
    _print_check(checked)
    if quarantine is not None:
        moved = move_away(checked.manifest, quarantine, report=say)
        say(f"undo: happysad check --restore {quarantine}")
        _print_moved(moved, f"moved to {quarantine}")


def _print_moved(moved: Done, where: str) -> None:
    say(f"{moved.done:,} files {where}")
    if moved.failed:
        raise typer.Exit(1)


def _print_check(checked: Checked) -> None:
    for finding, count in checked.counts.items():
        if count:
            say(f"{count:>8,}  {finding.replace('_', ' ')}")
    used = checked.manifest.used
    say()
    say(f"{'':>8}  " + "".join(f"{label:>10}" for label in checked.manifest.labels))
    for split in ("train", "val", "test"):
        rows = checked.manifest.of(split)
        counts = [(rows["label"] == label).sum() for label in checked.manifest.labels]
        say(f"{split:>8}  " + "".join(f"{count:>10,}" for count in counts))
    say(f"{len(used):,} photos are used, in {used['group'].nunique():,} groups")
    say(f"report: {checked.report}")


def import_(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE",
            help="FER2013's CSV; a zip, tar or folder of class folders; an http(s) or Google Drive "
            "link to one; hf:OWNER/NAME.",
        ),
    ],
    target: Annotated[
        Path, typer.Argument(metavar="DIR", help="Where the class folders are made.")
    ],
    mapping: Annotated[
        list[str] | None,
        typer.Option("--map", metavar="THEIRS=OURS", help="A class's name here, e.g. joy=happy."),
    ] = None,
    sha256: Annotated[
        str | None, typer.Option("--sha256", help="What a download must hash to, 64 hex digits.")
    ] = None,
) -> None:
    """Bring another dataset into class folders, DIR/happy and DIR/sad.

    Without --map, classes named happy, happiness, joy, sad or sadness are placed and the others are
    left out. Nothing in DIR is overwritten; the same command again goes on after a stop.
    """
    from happysad.dataset.importing import import_data

    names: dict[str, str] = {}
    for pair in mapping or []:
        theirs, equals, ours = pair.partition("=")
        if not equals or names.setdefault(theirs, ours) != ours:
            raise UsageError(f"--map takes THEIRS=OURS once a class, e.g. joy=happy, not {pair!r}")
    imported = import_data(source, target, mapping=names, sha256=sha256)
    for label, count in imported.counts.items():
        say(f"{count:>8,}  {label}")
    for line in imported.notes:
        say(line)
