"""Many photos: happysad predict --out, happysad cluster and happysad report."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from enum import StrEnum
from io import BytesIO
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from happysad.cli.options import here, need
from happysad.cli.saying import fail, say, say_now
from happysad.errors import UsageError

if TYPE_CHECKING:
    from happysad.library.tables import Format

__all__ = ["By", "cluster", "predict_library", "report"]


def predict_library(
    sources: list[str],
    out: Path,
    model: Path | None,
    format_: Format,
    faces: bool,
    unsure: bool,
    shard: int | None,
    cluster: str | None,
) -> None:
    """Do happysad predict --out: write tables of many photos, and say what came of them."""
    if format_ == "parquet":
        need("scale", "happysad predict --out", "pyarrow")
    if cluster is not None:
        need("scale", "happysad predict --cluster", "distributed")
    from happysad.library import remote
    from happysad.library.listing import absolute, expand, lines, plain
    from happysad.library.predicting import SHARD
    from happysad.library.predicting import predict as run_predict
    from happysad.library.results import UNREADABLE

    def placed(path: str) -> str:
        """Other machines have other working folders."""
        stays = cluster is None or path == "-" or remote.is_remote(path)
        return path if stays else str(absolute(path))

    # Of addresses // and a last / are parts.
    sources = [one if remote.is_remote(one) else placed(plain(one)) for one in sources]
    sources = list(dict.fromkeys(sources))

    def files() -> Iterator[str]:
        for source in sources:
            listed = source == "-"
            for path in map(placed, lines(_list_on_standard_input())) if listed else [source]:
                if remote.is_remote(path):
                    yield from remote.expand(path, listed=listed)
                else:
                    yield from expand(path, ordered=False, without=out)

    try:
        summary = run_predict(
            files(),
            out,
            sources=sources,
            model=model,
            faces=faces,
            unsure=unsure,
            format=format_,
            shard=shard or SHARD,
            cluster=cluster,
            say=lambda line: print(line, file=sys.stderr),  # noqa: T201
        )
    except KeyboardInterrupt:
        fail(f"{out}: stopped; the same command goes on", 130)
    for outcome, count in summary.counts.items():
        say(f"{count:>12,}  {outcome}")
    say(f"{summary.counts.total():>12,}  photos, {summary.done:,} of them now")
    say(f"results: {out}")
    raise typer.Exit(1 if summary.counts[UNREADABLE] else 0)


def _list_on_standard_input() -> Iterable[bytes]:
    from happysad.images import kind
    from happysad.library.listing import HEAD, is_photo

    file = sys.stdin.buffer
    first = file.read(HEAD) + file.readline()
    if not first or (is_photo(first) and kind(first)):
        came = "a photo" if first else "nothing"
        raise UsageError(f"with --out, - takes a list of paths, one a line; {came} came")
    return chain(BytesIO(first), file)


def cluster(
    workers: Annotated[int, typer.Option(min=1, help="How many; they share the cores.")] = 2,
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="The scheduler's port; 0 for any that is free.")
    ] = 8786,
) -> None:
    """Run a small Dask cluster on this machine, to try happysad predict --cluster.

    Only programs on this machine reach it. Ctrl+C ends it.
    """
    need("scale", "happysad cluster", "distributed")
    import signal
    from contextlib import suppress

    from happysad.library.cluster import local

    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with suppress(KeyboardInterrupt), local(workers, port) as address:
        say_now(f"{address} has {workers} workers; Ctrl+C ends it")
        say_now(f"happysad predict PHOTOS --out results --cluster {address}")
        while True:
            time.sleep(3600)


class By(StrEnum):
    """How photos are put into folders."""

    link = "link"
    copy = "copy"
    move = "move"


def report(
    results: Annotated[
        Path | None,
        typer.Argument(
            metavar="RESULTS", parser=here("RESULTS"), help="What happysad predict --out wrote."
        ),
    ] = None,
    sort_into: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            parser=here("--sort-into"),
            help="Also put the photos into FOLDER/happy, sad, unsure, no_face.",
        ),
    ] = None,
    by: Annotated[
        By | None,
        typer.Option(
            help="With --sort-into: symbolic links, copies, or the photos themselves.  "
            "[default: link]"
        ),
    ] = None,
    undo: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER", parser=here("--undo"), help="Undo what --sort-into FOLDER did."
        ),
    ] = None,
) -> None:
    """Make a page of the results of many photos; sort them into folders.

    The page, report.html, has counts, the happiest, saddest and least sure photos, and a timeline.
    Sorting overwrites nothing, and lists what it does for --undo first.
    """
    from happysad.library import sorting

    if by is not None and sort_into is None:
        raise UsageError(f"--by {by} goes with --sort-into FOLDER")
    if undo is not None:
        if results is not None or sort_into is not None:
            raise UsageError("--undo FOLDER stands alone: its lists know where each photo is from")
        done = sorting.undo(undo, say=say)
        say(f"{done.done:,} photos of {undo} are as they were")
        raise typer.Exit(1 if done.failed else 0)
    if results is None:
        raise UsageError("report needs RESULTS, or --undo FOLDER")
    need("scale", "happysad report", "pyarrow", "jinja2")
    from happysad.library.report import report as run_report
    from happysad.library.results import Results

    say(f"report: {run_report(results)}")
    if sort_into is not None:
        by = by or By.link
        done = sorting.sort(Results.open(results), sort_into, by.value, say=say)
        say(f"{done.done:,} photos were put into {sort_into} ({by})")
        if done.done:
            say(f"happysad report --undo {sort_into} undoes it")
        raise typer.Exit(1 if done.failed else 0)
