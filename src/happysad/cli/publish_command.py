"""happysad publish: the page as static files that anyone can host."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from happysad.cli.console import say
from happysad.cli.options import Model, need

__all__ = ["publish"]


def publish(
    site: Annotated[
        Path,
        typer.Argument(
            metavar="SITE",
            help="The folder to write: a new or empty one, or an earlier site, which is renewed.",
        ),
    ],
    model: Model = None,
) -> None:
    """Write a site that tells happy from sad in the visitor's browser.

    It has Try, Live and About, and needs no server: photos stay on the visitor's device. Any web
    host can serve it, such as GitHub Pages.
    """
    need("web", "happysad publish")
    from happysad.site.static_site import publish as write

    size = write(site, model)
    say(f"{site}: {size / 1e6:.1f} MB; to see it: python -m http.server --directory {site}")
