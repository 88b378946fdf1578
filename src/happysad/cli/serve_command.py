"""happysad serve: the page and the REST interface."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from happysad.cli.console import say_now
from happysad.cli.options import Answers, Model, Threads, need
from happysad.parallel import use_threads

__all__ = ["serve"]


def serve(
    host: Annotated[
        str,
        typer.Option(help="Address to listen on; one that other machines can reach needs --token."),
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on; 0 for any free port.")] = 8000,
    token: Annotated[
        str | None,
        typer.Option(envvar="HAPPYSAD_TOKEN", help="Token that every request must have."),
    ] = None,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Further host name of the server."),
    ] = None,
    root_path: Annotated[
        str,
        typer.Option(
            metavar="PATH",
            help="Path that a proxy puts before every address, such as /happysad. Not needed if it "
            "removes the path again.",
        ),
    ] = "",
    open_: Annotated[bool, typer.Option("--open/--no-open", help="Open the browser.")] = True,
    folder: Annotated[
        Path, typer.Option(metavar="FOLDER", help="Where Teach keeps photos and runs.")
    ] = Path("happysad-teach"),
    model: Model = None,
    answers: Answers = None,
    threads: Threads = 0,
) -> None:
    """Serve the page and the REST interface on this machine.

    In the browser, try photos, see the webcam live, or teach happy and sad with your own photos.
    """
    need("web", "happysad serve")
    from happysad.web.app import serve as run_serve
    from happysad.web.http.settings import Settings

    use_threads(threads)
    settings = Settings(
        host=host,
        port=port,
        token=token,
        hosts=tuple(allow_host or ()),
        root_path=root_path,
        folder=folder,
        model=model,
        answers=answers,
    )
    run_serve(settings, browser=open_, say=say_now)
