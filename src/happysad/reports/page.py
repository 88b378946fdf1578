"""Pages for people: filled-in templates that contain all their pictures and load nothing."""

from __future__ import annotations

import base64
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from happysad import __version__
from happysad.errors import counted
from happysad.files import write_text
from happysad.images import Pixels

if TYPE_CHECKING:
    from jinja2 import Environment

__all__ = ["inline_png", "small_jpeg", "thumbnail", "write_page"]


def write_page(file: Path, template: str, **values: Any) -> None:
    """Fill in a template and write the page.

    Args:
        file: the page, replaced where it exists.
        template: the name of a file in templates/.
        values: the template's variables; HTML in them is escaped.
    """
    page = _environment().get_template(template).render(version=__version__, **values)
    # Bytes of file names that are not UTF-8 are shown as a replacement character.
    write_text(file, page.encode("utf-8", "replace").decode("utf-8"))


def inline_png(file: Path) -> str:
    """Return a PNG file as a data: address."""
    return "data:image/png;base64," + base64.b64encode(file.read_bytes()).decode("ascii")


def thumbnail(pixels: Pixels, side: int = 144) -> str:
    """Return a picture as the data: address of a JPEG, at most `side` pixels high and wide."""
    return "data:image/jpeg;base64," + base64.b64encode(small_jpeg(pixels, side)).decode("ascii")


def small_jpeg(pixels: Pixels, side: int) -> bytes:
    """Return a picture as a JPEG, at most `side` pixels high and wide."""
    import cv2

    height, width = pixels.shape[:2]
    scale = min(1.0, side / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    _, jpeg = cv2.imencode(".jpg", cv2.cvtColor(small, cv2.COLOR_RGB2BGR))
    return jpeg.tobytes()


@cache
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("happysad", "reports/templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["counted"] = counted
    return environment
