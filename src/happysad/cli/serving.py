"""happysad serve: the page and the REST interface."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from happysad.cli.options import Model, need
from happysad.cli.saying import say_now

__all__ = ["serve"]


def serve(
    host: Annotated[
        str, typer.Option(help="The address to listen on; others than this machine's need --token.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="The port; 0 for any that is free.")] = 8000,
    token: Annotated[
        str | None,
        typer.Option(envvar="HAPPYSAD_TOKEN", help="Let in only who knows it."),
    ] = None,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="A further name that the server goes by."),
    ] = None,
    open_: Annotated[bool, typer.Option("--open/--no-open", help="Open the browser.")] = True,
    folder: Annotated[
        Path, typer.Option(metavar="FOLDER", help="Where Teach keeps its photos and runs.")
    ] = Path("happysad-teach"),
    model: Model = None,
) -> None:
    """Serve the page and the REST interface on this machine.

    Try photos, the webcam live, or teach it two classes of your own, in the browser.
    """
    need("web", "happysad serve", "fastapi", "uvicorn", "websockets", "prometheus_client")
    from happysad.web.server import serve as run_serve
    from happysad.web.settings import Settings

    settings = Settings(
        host=host,
        port=port,
        token=token,
        hosts=tuple(allow_host or ()),
        folder=folder,
        model=model,
    )
    run_serve(settings, browser=open_, say=say_now)
