"""Self-contained pages: templates/*.html filled in, pictures inlined, nothing from elsewhere."""

from __future__ import annotations

import base64
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from happysad import __version__
from happysad.files import write_text
from happysad.images import Pixels

if TYPE_CHECKING:
    from jinja2 import Environment

__all__ = ["inline_png", "thumbnail", "write_page"]


def write_page(file: Path, template: str, **values: Any) -> None:
    """Fill in a template of templates/ and write it; every value is escaped."""
    page = _environment().get_template(template).render(version=__version__, **values)
    # A file name may hold bytes that are no UTF-8: the page shows them as a replacement character.
    write_text(file, page.encode("utf-8", "replace").decode("utf-8"))


def inline_png(file: Path) -> str:
    """A PNG file as a data: address."""
    return "data:image/png;base64," + base64.b64encode(file.read_bytes()).decode("ascii")


def thumbnail(pixels: Pixels, side: int = 144) -> str:
    """A picture as a small JPEG's data: address; the longer side is at most `side` pixels."""
    import cv2

    height, width = pixels.shape[:2]
    scale = min(1.0, side / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    _, jpeg = cv2.imencode(".jpg", cv2.cvtColor(small, cv2.COLOR_RGB2BGR))
    return "data:image/jpeg;base64," + base64.b64encode(jpeg.tobytes()).decode("ascii")


@cache
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    return Environment(
        loader=PackageLoader("happysad", "reports/templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
