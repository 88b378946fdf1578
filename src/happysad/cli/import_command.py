"""happysad import: copy another dataset into class folders."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from happysad.cli.console import say, say_now
from happysad.cli.options import Classes
from happysad.errors import UsageError

__all__ = ["import_"]


def import_(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE",
            help="A folder, zip or tar with class folders, with photos named by class, or with "
            "FER2013's CSV; this CSV; an http(s) or Google Drive link to one of these; or "
            "hf:OWNER/NAME.",
        ),
    ],
    target: Annotated[
        Path, typer.Argument(metavar="DIR", help="The folder that gets the class folders.")
    ],
    classes: Classes = None,
    mapping: Annotated[
        list[str] | None,
        typer.Option(
            "--map",
            metavar="THEIRS=OURS",
            help="A class of SOURCE and its name here, such as joy=happy; several are allowed.",
        ),
    ] = None,
    neither: Annotated[
        bool,
        typer.Option(
            "--neither",
            help="Also copy neutral, surprise, anger, fear, disgust and contempt, as the class "
            "neither.",
        ),
    ] = False,
    sha256: Annotated[
        str | None, typer.Option("--sha256", help="The SHA-256 of the download, 64 hex digits.")
    ] = None,
    max_size: Annotated[
        float | None,
        typer.Option(metavar="GIB", help="Maximum size of the download in GiB [default: 256]."),
    ] = None,
    max_hours: Annotated[
        float | None,
        typer.Option(metavar="HOURS", help="Maximum time of the download [default: 12]."),
    ] = None,
    max_idle: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS",
            help="Maximum time without a byte, after which the download is tried again "
            "[default: 30].",
        ),
    ] = None,
    table: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="A CSV with the path and the class of each photo of SOURCE, on disk or in SOURCE.",
        ),
    ] = None,
    path_column: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="With --table: the column of paths [default: guessed]."),
    ] = None,
    class_column: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="With --table: the column of classes [default: guessed]."
        ),
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Print what would be copied, and write nothing to DIR."),
    ] = False,
) -> None:
    """Copy another dataset into class folders, such as DIR/happy and DIR/sad.

    Prints what it found before it copies. Without --map and --classes, the classes happy,
    happiness, joy, sad and sadness are copied. Nothing in DIR is overwritten. Run the same command
    again to continue after an interruption.
    """
    from happysad.dataset.sources import DownloadLimits, import_data
    from happysad.dataset.sources.tally import listed

    names: dict[str, str] = {}
    for pair in mapping or []:
        theirs, equals, ours = pair.partition("=")
        if not equals or names.setdefault(theirs, ours) != ours:
            raise UsageError(
                f"--map must be THEIRS=OURS, such as joy=happy, once for each class, not "
                f"{pair[:80]!r}"
            )
    given = {"size": max_size, "hours": max_hours, "idle": max_idle}
    limits = {name: value for name, value in given.items() if value is not None}
    imported = import_data(
        source,
        target,
        classes=classes,
        mapping=names,
        neither=neither,
        sha256=sha256,
        limits=DownloadLimits(**limits) if limits else None,
        table=table,
        path_column=path_column,
        class_column=class_column,
        dry_run=dry_run,
        say=say_now,
    )
    for label, count in imported.counts.items():
        parts = imported.sources[label]
        came = "" if list(parts) == [label] else f" (from {listed(parts)})"
        say(f"{count:>8,}  {label}{came}")
    for line in imported.notes:
        say(line)
    if dry_run:
        say(f"nothing was written to {target} (--dry-run)")
