"""What a file holds, judged by its content and not by its name."""

from __future__ import annotations

import tarfile
from pathlib import Path
from typing import Literal

from happysad.dataset.sources import fer2013
from happysad.images import kind

__all__ = ["describe", "is_html", "kind_of"]

_COMPRESSED = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ\0")
_ZIP = (b"PK\3\4", b"PK\5\6")  # with members, without


def kind_of(file: Path) -> Literal["zip", "tar", "fer2013"] | None:
    """Return what a file is by its first bytes; a compressed file counts as a tar."""
    head = _head(file)
    if head.startswith(_ZIP):
        return "zip"
    if head.startswith(_COMPRESSED) or _is_tar(head):
        return "tar"
    return "fer2013" if fer2013.columns(head) else None


def describe(file: Path) -> str:
    """Return a few words on a file that `kind_of` does not know."""
    head = _head(file)
    if not head:
        return "an empty file"
    if is_html(head):
        return "an HTML page"
    if kind(head):
        return f"one {kind(head)} picture"
    first = head.splitlines()[0][:60].decode("utf-8", "replace")
    if b"\0" not in head and first.isprintable():
        return f"a text that begins with {first!r}"
    return f"a file that begins with the bytes {head[:8].hex(' ')}"


def is_html(head: bytes) -> bool:
    """Return whether the first bytes of a file are those of a web page."""
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    return text.startswith((b"<!doctype html", b"<html"))


def _head(file: Path) -> bytes:
    with file.open("rb") as opened:
        return opened.read(4096)


def _is_tar(head: bytes) -> bool:
    try:
        tarfile.TarInfo.frombuf(head[:512], "utf-8", "surrogateescape")
    except tarfile.HeaderError:
        return False
    return True
