"""happysad review: decide on labels that are probably wrong, or label photos that have none."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from happysad.cli.console import say_now
from happysad.cli.options import CheckFolder, DataFolder, data_folder, local_folder, need
from happysad.errors import UsageError

if TYPE_CHECKING:
    from happysad.web.review import Review

__all__ = ["review"]

# The number of photos among which the most useful are chosen.
_LOOKED_AT = 2000


def review(
    data: DataFolder,
    from_: Annotated[
        Path | None,
        typer.Option(
            "--from",
            metavar="LIBRARY",
            parser=local_folder("--from"),
            help="Instead, label photos of LIBRARY, a folder of photos without labels or the "
            "results of happysad predict --out.",
        ),
    ] = None,
    most_useful: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help="With --from: the number of photos, those that would teach most.  [default: 50]",
        ),
    ] = None,
    check_folder: CheckFolder = None,
    port: Annotated[int, typer.Option(help="Port to listen on; 0 for any free port.")] = 0,
    token: Annotated[
        str | None,
        typer.Option(envvar="HAPPYSAD_TOKEN", help="Token that every request must have."),
    ] = None,
    open_: Annotated[bool, typer.Option("--open/--no-open", help="Open the browser.")] = True,
) -> None:
    """Decide on labels that happysad check --labels doubts, or label new photos, by key.

    A page on this machine shows one photo at a time: keep the label, change it or leave the photo
    out. With --from, the photos come from LIBRARY and have no label yet; train adds them to its
    training photos. The decisions are written to decisions.csv beside the manifest, and the next
    check and train use them. Nothing in DIR or LIBRARY is changed.
    """
    for extra in ("train", "web"):
        need(extra, "happysad review")
    from happysad.dataset.check_result import default_folder
    from happysad.web.http.settings import Settings
    from happysad.web.review import Review, serve_review

    if most_useful is not None and from_ is None:
        raise UsageError(f"--most-useful {most_useful} needs --from LIBRARY")
    folder = check_folder or default_folder(data_folder(data))
    settings = Settings(port=port, token=token)
    if from_ is None:
        shown = Review.of_suspects(data, folder)
    else:
        shown = _of_useful(data, folder, from_, most_useful or 50)
    serve_review(shown, settings, browser=open_, say=say_now)


def _of_useful(data: Path, folder: Path, library: Path, count: int) -> Review:
    """Return the review of the photos of a library that would teach most."""
    from happysad.dataset.manifest import Manifest
    from happysad.label_review import DECISIONS, read_decisions
    from happysad.training.useful_photos import find_useful
    from happysad.web.review import Review

    if not (folder / "manifest.csv").is_file():
        raise UsageError(f"{folder}: has no manifest.csv; first run happysad train {data}")
    manifest = Manifest.read(folder / "manifest.csv", data)
    decided = read_decisions(folder / DECISIONS)
    photos = find_useful(manifest, _photos(library), count, decided.keys())
    return Review(data, folder, photos, manifest.classes)


def _photos(library: Path) -> list[Path]:
    """Return photos of a library: of results the least sure, of a folder a sample."""
    if (library / "library.json").is_file():
        need("scale", "happysad review --from RESULTS")
        from happysad.batch.least_sure import least_sure

        return least_sure(library, _LOOKED_AT)
    import random

    from happysad.folder_walk import walk

    if not library.is_dir():
        raise UsageError(f"--from {library}: must be a folder of photos or of results")
    files = [Path(path) for path in walk(str(library))]
    if len(files) > _LOOKED_AT:
        say_now(f"{len(files):,} photos: chosen among {_LOOKED_AT:,} of them, drawn at random")
        files = random.Random(0).sample(files, _LOOKED_AT)  # noqa: S311 - no secret
    return files
