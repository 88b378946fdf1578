"""happysad predict: predict the photos that the command line names, and print the predictions."""

from __future__ import annotations

import gc
import os
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from io import BytesIO
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from happysad.cli.console import warn
from happysad.cli.library_commands import predict_library
from happysad.cli.options import Answers, Model, Threads, Unsure, local_folder
from happysad.cli.prediction_output import warn_if_faceless, write_csv, write_json, write_table
from happysad.errors import ErrorCode, ImageError, LibraryError, UsageError, counted
from happysad.folder_walk import LIVE_FILM, LeftOut, live_films
from happysad.parallel import use_threads
from happysad.predictions import NO_FACE, Faces, Rows

if TYPE_CHECKING:
    from happysad.batch.tables import Format
    from happysad.classifier import Classifier
    from happysad.images import Source
    from happysad.predictions import Prediction

__all__ = ["predict"]


def predict(
    paths: Annotated[
        list[str],
        typer.Argument(
            metavar="PATH...",
            help="Photos, folders, globs and http(s) addresses; s3://... and gs://... need "
            'pip install "happysad[cloud]". - is standard input: a photo, or paths, one per line.',
        ),
    ],
    model: Model = None,
    faces: Annotated[
        Faces,
        typer.Option(help="find: find the faces in photos; given: every picture is a face crop."),
    ] = Faces.FIND,
    rows: Annotated[Rows, typer.Option(help="Print one row for each photo or face.")] = Rows.PHOTO,
    answers: Answers = None,
    unsure: Unsure = True,
    drawing: Annotated[
        Path | None,
        typer.Option(
            "--draw", metavar="FILE", help="Write a single photo with boxes and labels to FILE."
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            parser=local_folder("--out"),
            help="Write tables of photos and faces to FOLDER, in Parquet. Run the same command "
            "again to continue after an interruption, or to predict added photos.",
        ),
    ] = None,
    as_json: Annotated[
        bool,
        typer.Option("--json", "--jsonl", help="Print, or with --out write, JSON lines."),
    ] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print, or with --out write, CSV.")] = False,
    shard: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help="With --out: photos per part. An interruption redoes at most one part.  "
            "[default: 1000]",
        ),
    ] = None,
    cluster: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="With --out: predict on the workers of a Dask cluster with the scheduler "
            "tcp://HOST:PORT. The workers must reach the photos and FOLDER by the same paths.",
        ),
    ] = None,
    retry_errors: Annotated[
        bool,
        typer.Option(
            "--retry-errors",
            help="With --out: try all photos again that could not be read. Without it, the same "
            "command tries those again that could not be opened or fetched, or whose format is not "
            "supported.",
        ),
    ] = False,
    threads: Threads = 0,
) -> None:
    """Predict whether the people in photos look happy or sad.

    A folder means all files in it and below it. Hidden files, and what systems keep beside photos,
    such as @eaDir and Thumbs.db, are left out and counted in one line; linked folders are read
    once. A file that cannot be read gets a row with the reason, and the exit status is 1. If at
    least 10 photos, and a quarter of all, show no face, the last line of standard error says what
    to do.
    """
    # docs/decisions.md, "One thread of OpenBLAS".
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    if as_json and as_csv:
        raise UsageError("--json and --csv exclude each other")
    if threads and cluster is not None:
        raise UsageError("--threads cannot be combined with --cluster: each worker has its own")
    use_threads(threads)
    films = live_films(paths)  # a shell has replaced a pattern by all names
    left_out = LeftOut({LIVE_FILM: len(films)} if films else {})
    paths = [path for path in paths if path not in films]
    if out is not None:
        if rows == Rows.FACE or drawing is not None:
            raise UsageError(
                "--out cannot be combined with --draw or --rows face: it writes both tables"
            )
        format_: Format = "jsonl" if as_json else "csv" if as_csv else "parquet"
        listed = _standard_input() if "-" in paths else iter(())
        if isinstance(listed, bytes):
            raise UsageError("with --out, - must be paths, one per line, not a photo or NULs")
        predict_library(
            paths,
            listed,
            out,
            model,
            format_,
            faces,
            answers,
            unsure,
            shard,
            cluster,
            retry_errors,
            left_out,
        )
        return
    for option, value in (
        ("--cluster", cluster),
        ("--shard", shard),
        ("--retry-errors", retry_errors or None),
    ):
        if value is not None:
            raise UsageError(f"{option} needs --out")
    if drawing is not None:
        _check_drawing(paths, drawing)
    classifier = _loaded(model).answering(answers)
    classifier.input.check(faces)  # before folders are read
    sources = _counted_first(_sources(paths, left_out), paths)
    predictions = classifier.stream(sources, faces=faces, unsure=unsure)
    if drawing is not None:
        predictions = _drawing(predictions, drawing)
    counts: Counter[str | None] = Counter()
    predictions = _counted(predictions, counts)
    write = write_json if as_json else write_csv if as_csv else write_table
    failed = write(predictions, classifier.classes, rows)
    if left_out:
        warn(left_out.line)
    warn_if_faceless(counts[NO_FACE], counts.total())
    raise typer.Exit(1 if failed else 0)


def _counted_first(sources: Iterator[Source], paths: list[str]) -> Iterable[Source]:
    """Return the sources, and print their number unless a list or an address has them."""
    from happysad.batch.remote import is_remote

    if any(path == "-" or is_remote(path) for path in paths):
        return sources
    found = list(sources)
    if len(found) > 1 or (found and os.path.isdir(paths[0])):  # noqa: PTH112
        warn(counted(len(found), "photo"))
    return found


def _loaded(model: Path | None) -> Classifier:
    """Load a classifier without searching the imported modules for garbage.

    docs/decisions.md, "The time of a whole process".
    """
    collects = gc.isenabled()
    gc.disable()
    try:
        from happysad.classifier import Classifier

        return Classifier(model)
    finally:
        gc.freeze()
        if collects:
            gc.enable()


def _sources(paths: Iterable[str], left_out: LeftOut) -> Iterator[Source]:
    """Yield the photos that the command line names, in order."""
    from happysad.batch.photo_files import PhotoFile

    for path in paths:
        if path != "-":
            yield from _files(path, left_out)
        elif isinstance(came := _standard_input(), bytes):
            yield PhotoFile("-", came)
        else:
            for line in came:
                yield from _files(line, left_out, listed=True)


def _files(path: str, left_out: LeftOut, *, listed: bool = False) -> Iterator[Source]:
    """Yield the photos that a path, a folder, a glob or an address expands to."""
    from happysad.batch.photo_files import PhotoFile, expand
    from happysad.batch.remote import is_remote
    from happysad.fetch import is_web_address

    empty = True
    try:
        for file in expand(path, listed=listed, left_out=left_out):
            empty = False
            yield PhotoFile(file) if is_remote(file) and not is_web_address(file) else file
    except LibraryError as error:  # an address that cannot be listed gets a row, too
        yield PhotoFile(path, error=ImageError(str(error), ErrorCode.CANNOT_FETCH))
    else:
        if empty:
            warn(f"{path}: no file in it")


def _counted(
    predictions: Iterable[Prediction], counts: Counter[str | None]
) -> Iterator[Prediction]:
    """Yield the predictions, and count their labels."""
    for prediction in predictions:
        counts[prediction.label] += 1
        yield prediction


def _check_drawing(paths: list[str], drawing: Path) -> None:
    """Refuse a drawing unless there is exactly one photo and the file can be written."""
    from happysad.drawing import check_target
    from happysad.fetch import is_web_address

    photo = paths[0]
    if len(paths) > 1 or not (is_web_address(photo) or Path(photo).is_file()):
        raise UsageError(f"--draw needs the file or address of one photo, not {' '.join(paths)}")
    check_target(photo, drawing)


def _drawing(answers: Iterator[Prediction], file: Path) -> Iterator[Prediction]:
    """Yield the answer for the single photo, and then draw it."""
    for answer in answers:
        yield answer
        if answer.error is None:
            answer.save(file)


def _standard_input() -> bytes | Iterator[str]:
    """Return standard input: the bytes of a photo, or the paths of a list, one per line.

    Raises:
        UsageError: it is empty.
    """
    from happysad.paths import is_photo, lines
    from happysad.picture_type import HEAD

    file = sys.stdin.buffer
    first = file.read(HEAD) + file.readline()
    if not first:
        raise UsageError("standard input is empty; it must be a photo, or paths, one per line")
    if is_photo(first):
        return first + file.read()
    return lines(chain(BytesIO(first), file))
