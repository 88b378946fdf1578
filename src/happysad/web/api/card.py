"""The card of a classifier as HTML for the page."""

from __future__ import annotations

from dataclasses import asdict
from enum import StrEnum
from functools import cache
from pathlib import Path

from markdown_it import MarkdownIt

from happysad.model_file import SHIPPED
from happysad.web.api.in_use import InUse

__all__ = ["CardPicture", "card", "picture"]


class CardPicture(StrEnum):
    """The pictures in the card of the classifier that comes with happysad."""

    calibration = "calibration.png"
    risk_coverage = "risk_coverage.png"
    failures = "failures.png"


def picture(which: CardPicture) -> Path:
    """Return the file of one of these pictures."""
    return SHIPPED.with_name(which.value)


def card(in_use: InUse) -> str:
    """Return a classifier's card as HTML, or a table of its details if it has no card.

    Raw HTML in the card becomes text. Links stay text unless they lead to a web page.
    """
    return _shipped() if in_use.shipped else _render(_details(in_use))


@cache
def _shipped() -> str:
    return _render(SHIPPED.with_name("MODEL_CARD.md").read_text(encoding="utf-8"))


def _render(text: str) -> str:
    markdown = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = markdown.parse(text)
    for part in (part for token in tokens for part in token.children or ()):
        if part.type == "image":
            part.attrs["src"] = f"v1/card/{part.attrs['src']}"
    return str(markdown.renderer.render(tokens, markdown.options, {}))


def _details(in_use: InUse) -> str:
    lines = [f"# {_plain(in_use.name)}", "", "| what | value |", "|---|---|"]
    for name, value in asdict(in_use.classifier.details).items():
        text = ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)
        lines.append(f"| {name.replace('_', ' ')} | {_plain(text)} |")
    return "\n".join(lines)


def _plain(text: str) -> str:
    """Return text with every character escaped that Markdown could interpret."""
    return "".join(
        f"&#{ord(sign)};" if not sign.isalnum() and sign != " " else sign for sign in text
    )
