"""Photos that lie elsewhere: s3://, gs://, http(s):// and whatever else fsspec knows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from happysad.errors import ImageError, LibraryError, MissingExtraError, UsageError

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

__all__ = ["expand", "fetch", "is_remote"]


def is_remote(path: str) -> bool:
    """Tell whether a path is an address such as s3://bucket/folder."""
    return "://" in path


def expand(address: str) -> Iterator[str]:
    """Give the addresses of the files that an address stands for: one rule with `listing`.

    A folder stands for all files in it and below it, hidden ones (.name) left out. By http(s) it is
    one where it ends in / (its page's links are its files). The names of a folder and of those
    above it are in memory at a time: fsspec gives no folder's names piece by piece.

    Raises:
        UsageError: no such protocol, or what it needs is not installed.
        LibraryError: it cannot be listed.
    """
    system, root = _system(address)
    web = address.startswith(("http://", "https://"))
    try:
        folder = address.endswith("/") if web else system.isdir(root)
        if not folder:
            yield address
            return
        for _, folders, files in system.walk(root, detail=True, on_error="raise"):
            for name in [name for name in folders if name.startswith(".")]:
                del folders[name]
            for name in sorted(files):
                if name and not name.startswith("."):
                    yield str(system.unstrip_protocol(files[name]["name"]))
            system.invalidate_cache()  # it would keep every folder's names
    except Exception as error:  # each protocol has errors of its own
        raise LibraryError(f"{address}: cannot be listed: {_line(error)}") from error


def fetch(address: str) -> bytes:
    """Fetch a file whole.

    Raises:
        ImageError: it cannot be fetched; the message says why.
        UsageError: as `expand`.
    """
    system, path = _system(address)
    try:
        return bytes(system.cat_file(path))
    except Exception as error:  # each protocol has errors of its own
        raise ImageError(f"{address}: {_line(error)}") from error


def _system(address: str) -> tuple[AbstractFileSystem, str]:
    try:
        from fsspec.core import url_to_fs

        system, path = url_to_fs(address)
    except ImportError as error:
        protocol = address.partition("://")[0]
        raise MissingExtraError(f"{protocol}://", "cloud") from error
    except ValueError as error:
        raise UsageError(f"{address}: {_line(error)}") from error
    return system, str(path)


def _line(error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return "no such file"
    text = str(error).strip()
    return text.splitlines()[0] if text else type(error).__name__
