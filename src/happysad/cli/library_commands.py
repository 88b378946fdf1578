"""Photo libraries: happysad predict --out, happysad cluster and happysad report."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from happysad.cli.console import fail, say, say_now, warn
from happysad.cli.options import local_folder, need
from happysad.cli.prediction_output import warn_if_faceless
from happysad.errors import UsageError, counted

if TYPE_CHECKING:
    from happysad.batch.tables import Format
    from happysad.folder_walk import LeftOut

__all__ = ["By", "cluster", "predict_library", "report"]

Done = TypeVar("Done")


def predict_library(
    names: list[str],
    listed: Iterator[str],
    out: Path,
    model: Path | None,
    format_: Format,
    faces: str,
    answers: tuple[str, ...] | None,
    unsure: bool,
    shard: int | None,
    cluster: str | None,
    retry_errors: bool,
    left_out: LeftOut,
) -> None:
    """Run happysad predict --out: write the tables of many photos, and print the counts.

    Args:
        names: the arguments PATH of the command; - means `listed`.
        listed: the paths on standard input.
        out: as for `shards.predict`, like the other arguments.
        model: as for `shards.predict`.
        format_: as for `shards.predict`.
        faces: as for `shards.predict`.
        answers: as for `shards.predict`.
        unsure: as for `shards.predict`.
        shard: as for `shards.predict`; None for the default.
        cluster: as for `shards.predict`.
        retry_errors: as for `shards.predict`.
        left_out: counts what is left out.
    """
    if format_ == "parquet" or cluster is not None:
        need("scale", "happysad predict --out" if cluster is None else "happysad predict --cluster")
    from happysad.batch.library import predict
    from happysad.batch.photo_files import expand
    from happysad.batch.remote import is_remote
    from happysad.batch.results import UNREADABLE
    from happysad.batch.shards import SHARD
    from happysad.paths import absolute, plain
    from happysad.predictions import NO_FACE

    def placed(path: str) -> str:
        """Return an absolute path for the workers, which have other working folders."""
        stays = cluster is None or path == "-" or is_remote(path)
        return path if stays else str(absolute(path))

    # In an address, // and a trailing / have a meaning.
    sources = [name if is_remote(name) else placed(plain(name)) for name in names]
    sources = list(dict.fromkeys(sources))

    def files() -> Iterator[str]:
        for source in sources:
            for path in map(placed, listed) if source == "-" else [source]:
                listing = source == "-"
                yield from expand(
                    path, ordered=False, without=out, listed=listing, left_out=left_out
                )

    try:
        summary = predict(
            files(),
            out,
            sources=sources,
            model=model,
            faces=faces,
            answers=answers,
            unsure=unsure,
            format=format_,
            shard=shard or SHARD,
            cluster=cluster,
            retry_errors=retry_errors,
            say=warn,
        )
    except KeyboardInterrupt:
        fail(f"{out}: stopped; run the same command to continue", 130)
    for label, count in summary.counts.items():
        say(f"{count:>12,}  {label}")
    say(f"{summary.counts.total():>12,}  photos, {summary.done:,} of them predicted now")
    say(f"results: {out}")
    if left_out:
        warn(left_out.line)
    warn_if_faceless(summary.counts[NO_FACE], summary.counts.total())
    raise typer.Exit(1 if summary.counts[UNREADABLE] else 0)


def cluster(
    workers: Annotated[
        int, typer.Option(min=1, help="Number of workers; they share the cores.")
    ] = 2,
    port: Annotated[
        int,
        typer.Option(min=0, max=65535, help="Port of the scheduler; 0 for any free port."),
    ] = 8786,
) -> None:
    """Run a small Dask cluster on this machine, to try happysad predict --cluster.

    Only programs on this machine can reach it. Ctrl+C ends it.
    """
    need("scale", "happysad cluster")
    import signal
    from contextlib import suppress

    from happysad.batch.cluster import local

    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with suppress(KeyboardInterrupt), local(workers, port) as address:
        say_now(f"{address} has {workers} workers; Ctrl+C ends it")
        say_now(f"happysad predict PHOTOS --out results --cluster {address}")
        while True:
            time.sleep(3600)


class By(StrEnum):
    """How --sort-into puts photos into folders."""

    link = "link"
    copy = "copy"
    move = "move"


def report(
    results: Annotated[
        Path | None,
        typer.Argument(
            metavar="RESULTS",
            parser=local_folder("RESULTS"),
            help="The folder that happysad predict --out wrote.",
        ),
    ] = None,
    sort_into: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            parser=local_folder("--sort-into"),
            help="Also put the photos into FOLDER/LABEL, such as FOLDER/happy or FOLDER/no_face.",
        ),
    ] = None,
    by: Annotated[
        By | None,
        typer.Option(
            help="With --sort-into: put symbolic links, copies or the photos themselves there.  "
            "[default: link]"
        ),
    ] = None,
    undo: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER", parser=local_folder("--undo"), help="Undo --sort-into FOLDER."
        ),
    ] = None,
    photos: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SOURCE",
            help="Another folder or address in which photos may lie, besides those that predict "
            "was given; photos elsewhere are not touched. With --undo on another machine: where "
            "moved photos go back to. Can be repeated.",
        ),
    ] = None,
    tag: Annotated[
        bool,
        typer.Option(
            "--tag",
            help="Also write labels and faces into XMP sidecars beside the photos, for photo "
            "managers. What is in a sidecar stays.",
        ),
    ] = False,
    best: Annotated[
        bool,
        typer.Option(
            "--best",
            help="Also rate the best photo of each burst, a sharp one on which most faces are "
            "happy, with five stars in its sidecar. Your own ratings stay.",
        ),
    ] = False,
    untag: Annotated[
        bool, typer.Option("--untag", help="Take back what --tag and --best wrote.")
    ] = False,
    sidecar: Annotated[
        str | None,
        typer.Option(
            metavar="PROGRAM",
            help="Who reads the sidecars: digikam or darktable, which read photo.jpg.xmp, or "
            "lightroom, which reads photo.xmp [default: digikam; with --untag, all].",
        ),
    ] = None,
) -> None:
    """Write a page on the results of many photos; sort the photos into folders; tag them.

    The page, report.html, shows counts, the happiest, the saddest and the least sure photos, and a
    timeline. Sorting overwrites nothing, and --undo undoes it. Tagging changes no photo, only the
    sidecars, and --untag undoes it.
    """
    from happysad.batch import sorting

    if sidecar is not None and not (tag or best or untag):
        raise UsageError(f"--sidecar {sidecar} needs --tag, --best or --untag")
    if untag and (tag or best or sort_into is not None):
        raise UsageError("--untag cannot be combined with --tag, --best or --sort-into")
    if undo is not None and (tag or best or untag):
        raise UsageError("--undo FOLDER cannot be combined with --tag, --best or --untag")
    if by is not None and sort_into is None:
        raise UsageError(f"--by {by} needs --sort-into FOLDER")
    if undo is not None:
        if results is not None or sort_into is not None:
            raise UsageError(
                "--undo FOLDER takes no other folder: FOLDER has the list of its photos"
            )
        done = sorting.undo(undo, photos=photos or (), say=say)
        if done.outside and not photos:
            say(f"to name where photos were: happysad report --undo {undo} --photos FOLDER")
        say(f"undone: {counted(done.done, 'photo')} of {undo}")
        raise typer.Exit(1 if done.failed else 0)
    if results is None:
        raise UsageError("report needs RESULTS, or --undo FOLDER")
    need("scale", "happysad report")
    from happysad.batch import tagging
    from happysad.batch.library_page import write_library_page
    from happysad.batch.results import Results

    opened = Results.open(results)
    form = None if sidecar is None else tagging.form_of(sidecar)
    if untag:
        taken = _unbroken(
            results, partial(tagging.untag, opened, form, photos=photos or (), say=say)
        )
        say(f"tags of happysad were taken out of {counted(taken.changed, 'sidecar')}")
        raise typer.Exit(1 if taken.failed else 0)
    say(f"report: {write_library_page(results, photos=photos or ())}")
    failed = 0
    if sort_into is not None:
        by = by or By.link
        done = sorting.sort(opened, sort_into, by.value, photos=photos or (), say=say)
        say(f"put into {sort_into}: {counted(done.done, 'photo')} ({by})")
        if done.done:
            say(f"happysad report --undo {sort_into} undoes it")
        failed += done.failed
    wanted = form or tagging.Form.DIGIKAM
    if tag:
        made = _unbroken(
            results, partial(tagging.tag, opened, wanted, photos=photos or (), say=say)
        )
        say(f"{counted(made.changed, 'sidecar')} written, {made.kept:,} up to date")
        failed += made.failed
    if best:
        from happysad.batch import bursts

        rated = _unbroken(
            results, partial(bursts.rate, opened, wanted, photos=photos or (), say=say)
        )
        changed = counted(rated.sidecars.changed, "rating")
        say(f"{counted(rated.bursts, 'burst')}, {changed} written or taken back")
        failed += rated.sidecars.failed
    if tag or best:
        say(f"happysad report {results} --untag undoes it")
    raise typer.Exit(1 if failed else 0)


def _unbroken(results: Path, work: Callable[[], Done]) -> Done:
    try:
        return work()
    except KeyboardInterrupt:
        fail(f"{results}: stopped; run the same command to continue", 130)
