"""The kind of a file, by its content and not by its name."""

from __future__ import annotations

import tarfile
from pathlib import Path
from typing import Literal

from happysad.dataset.sources import fer2013
from happysad.picture_type import HEAD, kind

__all__ = ["describe", "is_page", "kind_of"]

_COMPRESSED = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ\0")
_ZIP = (b"PK\3\4", b"PK\5\6")  # with members; empty


def kind_of(file: Path) -> Literal["zip", "tar", "fer2013"] | None:
    """Return the kind of a file, by its first bytes; every compressed file counts as a tar."""
    head = _head(file)
    if head.startswith(_ZIP):
        return "zip"
    if head.startswith(_COMPRESSED) or _is_tar(head):
        return "tar"
    return "fer2013" if fer2013.columns(head) else None


def describe(file: Path) -> str:
    """Return a description, for messages, of a file whose kind is unknown."""
    head = _head(file)
    if not head:
        return "an empty file"
    if _is_html(head):
        return "an HTML page"
    if kind(head):
        return f"one {kind(head)} picture"
    first = head.splitlines()[0][:60].decode("utf-8", "replace")
    if b"\0" not in head and first.isprintable():
        return f"a text that begins with {first!r}"
    return f"a file that begins with the bytes {head[:8].hex(' ')}"


def is_page(file: Path) -> bool:
    """Return whether a file is an HTML page."""
    return _is_html(_head(file))


def _is_html(head: bytes) -> bool:
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    return text.startswith((b"<!doctype html", b"<html"))


def _head(file: Path) -> bytes:
    with file.open("rb") as opened:
        return opened.read(HEAD)


def _is_tar(head: bytes) -> bool:
    try:
        tarfile.TarInfo.frombuf(head[:512], "utf-8", "surrogateescape")
    except tarfile.HeaderError:
        return False
    return True
