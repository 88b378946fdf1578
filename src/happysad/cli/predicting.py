"""happysad predict: from what stands on the command line to single photos and their answers."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from happysad.cli.answers import write_csv, write_json, write_table
from happysad.cli.libraries import predict_library
from happysad.cli.options import Model, Unsure, here
from happysad.errors import UsageError
from happysad.predictions import Faces

if TYPE_CHECKING:
    from happysad.classifier import Classifier
    from happysad.images import Source
    from happysad.library.tables import Format
    from happysad.predictions import Prediction

__all__ = ["predict"]


def predict(
    paths: Annotated[
        list[str],
        typer.Argument(
            metavar="PATH...",
            help="Photos, folders, globs; - for standard input: a photo, or paths, one a line; "
            "with --out also s3://…, gs://…, https://…",
        ),
    ],
    model: Model = None,
    faces: Annotated[
        Faces,
        typer.Option(
            help="auto: a row a photo; each: a row a face; off: every picture is one face, cut out "
            "already."
        ),
    ] = Faces.auto,
    unsure: Unsure = True,
    drawn: Annotated[
        Path | None,
        typer.Option("--draw", metavar="FILE", help="Draw boxes and outcomes of one photo there."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            parser=here("--out"),
            help="Write tables of photos and faces there, in Parquet. The same command again goes "
            "on where it was stopped, and does what has been added.",
        ),
    ] = None,
    as_json: Annotated[
        bool,
        typer.Option("--json", "--jsonl", help="Print, or with --out write, a JSON object a line."),
    ] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print, or with --out write, CSV.")] = False,
    shard: Annotated[
        int | None,
        typer.Option(
            min=1, metavar="N", help="Photos in a part, with --out; a kill costs so many at most."
        ),
    ] = None,
    cluster: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="With --out: let the workers of a Dask cluster do it; its scheduler's "
            "tcp://HOST:PORT. They must reach photos and FOLDER by the same paths.",
        ),
    ] = None,
) -> None:
    """Tell happy from sad in photos.

    In a folder every file counts, but hidden ones. A file that cannot be read gets a row with the
    reason; the rest is done, and the exit status is 1.
    """
    # numpy's OpenBLAS would begin a thread a core; they spin while they wait: 0.08 s of a core.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from happysad.classifier import SHIPPED, Classifier

    if as_json and as_csv:
        raise UsageError("--json and --csv exclude each other")
    if out is not None:
        format_: Format = "jsonl" if as_json else "csv" if as_csv else "parquet"
        if faces is Faces.each or drawn is not None:
            raise UsageError("--out goes with neither --draw nor --faces each: it has both tables")
        predict_library(paths, out, model, format_, faces is Faces.auto, unsure, shard, cluster)
        return
    if shard is not None or cluster is not None:
        raise UsageError(f"{'--shard' if cluster is None else '--cluster'} goes with --out")
    classifier = Classifier.load(model or SHIPPED)
    looks_at = classifier.details.looks_at
    if looks_at == "photo" and faces is not Faces.auto:
        raise UsageError(f"--faces {faces}: {model} looks at whole photos, not at faces")
    if looks_at == "both" and faces is Faces.off:
        raise UsageError(f"--faces off: {model} looks at whole photos and at their faces")
    answers = _answers(classifier, paths, faces is not Faces.off, unsure)
    if drawn is not None:
        if len(paths) > 1 or not Path(paths[0]).is_file():
            raise UsageError(f"--draw is for one photo's file, not for {' '.join(paths)}")
        answers = _drawing(answers, classifier, Path(paths[0]), drawn)
    write = write_json if as_json else write_csv if as_csv else write_table
    raise typer.Exit(1 if write(answers, faces is Faces.each) else 0)


def _answers(
    classifier: Classifier, paths: list[str], faces: bool, unsure: bool
) -> Iterator[Prediction]:
    for answer in classifier.stream(_sources(paths), faces=faces, unsure=unsure):
        # Only standard input gives bytes, which have no path of their own.
        yield answer if answer.path is not None else replace(answer, path="-")


def _drawing(
    answers: Iterator[Prediction], classifier: Classifier, photo: Path, file: Path
) -> Iterator[Prediction]:
    """Pass the answer for the one photo that there is on, and then draw it."""
    from happysad import drawing

    drawing.check(photo, file)

    def passed() -> Iterator[Prediction]:
        for answer in answers:
            yield answer
            if answer.error is None:
                drawing.write(photo, answer, classifier.details.labels, file)

    return passed()


def _sources(paths: Iterable[str]) -> Iterator[Source]:
    """Turn what stands on the command line into single photos, in order."""
    for path in paths:
        if path == "-":
            yield from _standard_input()
        else:
            yield from _files(path)


def _files(path: str) -> Iterator[str]:
    from happysad.library.listing import expand

    none = True
    for file in expand(path):
        none = False
        yield file
    if none:
        print(f"{path}: no file in it", file=sys.stderr)  # noqa: T201


def _standard_input() -> Iterator[Source]:
    from happysad.library.listing import is_photo, lines

    data = sys.stdin.buffer.read()
    if not data:
        raise UsageError("standard input is empty; give a photo's bytes, or paths, one a line")
    if is_photo(data):
        yield data
    else:
        for line in lines(BytesIO(data)):
            yield from _files(line)
