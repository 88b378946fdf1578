"""happysad review: decide on the labels that check --labels finds."""

from __future__ import annotations

from typing import Annotated

import typer

from happysad.cli.console import say_now
from happysad.cli.options import CheckFolder, DataFolder, data_folder, need

__all__ = ["review"]


def review(
    data: DataFolder,
    check_folder: CheckFolder = None,
    port: Annotated[int, typer.Option(help="Port to listen on; 0 for any free port.")] = 0,
    token: Annotated[
        str | None,
        typer.Option(envvar="HAPPYSAD_TOKEN", help="Token that every request must have."),
    ] = None,
    open_: Annotated[bool, typer.Option("--open/--no-open", help="Open the browser.")] = True,
) -> None:
    """Decide on the labels that happysad check --labels doubts, by key.

    A page on this machine shows one photo at a time: keep the label, change it or leave the photo
    out. The decisions are written to decisions.csv beside the manifest, and the next check and
    train use them. Nothing in DIR is changed.
    """
    for extra in ("train", "web"):
        need(extra, "happysad review")
    from happysad.dataset.check import default_folder
    from happysad.web.http.settings import Settings
    from happysad.web.review import serve_review

    folder = check_folder or default_folder(data_folder(data))
    settings = Settings(port=port, token=token)
    serve_review(data, folder, settings, browser=open_, say=say_now)
