"""Photos that lie elsewhere: s3://, gs://, http(s):// and whatever else fsspec knows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from happysad.errors import ErrorCode, ImageError, LibraryError, MissingExtraError, UsageError

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

__all__ = ["expand", "fetch", "is_remote"]

# What the extra is for; others of fsspec's protocols need what it does not install.
_CLOUD = ("s3", "s3a", "gs", "gcs", "http", "https")


def is_remote(path: str) -> bool:
    """Tell whether a path is an address such as s3://bucket/folder."""
    return "://" in path


def expand(address: str, *, listed: bool = False) -> Iterator[str]:
    """Give the addresses of the files that an address stands for: one rule with `listing`.

    A folder stands for all files in it and below it, hidden ones (.name) left out. By http(s) it is
    one where it ends in / (its page's links are its files). The names of a folder and of those
    above it are in memory at a time: fsspec gives no folder's names piece by piece.

    Args:
        address: s3://bucket/folder and so on.
        listed: it is one of a list of perhaps millions. Then the storage is not asked what it is:
            a folder is what ends in /. What cannot be listed is given back as it is: fetching it
            will say why.

    Raises:
        UsageError: no such protocol, or what it needs is not installed.
        MissingExtraError: that would be part of happysad[cloud]; so, too, where `listed`.
        LibraryError: it cannot be listed.
    """
    if listed:
        try:
            yield from _expand(address, asking=False)
        except MissingExtraError:
            raise
        except (UsageError, LibraryError):
            yield address
    else:
        yield from _expand(address, asking=True)


def _expand(address: str, asking: bool) -> Iterator[str]:
    system, root = _system(address)
    web = address.startswith(("http://", "https://"))
    try:
        folder = system.isdir(root) if asking and not web else address.endswith("/")
        if not folder:
            yield address
            return
        for above, folders, files in system.walk(root, detail=True, on_error="raise"):
            for found in (folders, files):
                for name in list(found):
                    link = web and _leads_to_no_file(found[name]["name"].removeprefix(above))
                    if not name or name.startswith(".") or link:
                        del found[name]
            for name in sorted(files):
                yield str(system.unstrip_protocol(files[name]["name"]))
            system.invalidate_cache()  # it would keep every folder's names
    except Exception as error:  # each protocol has errors of its own
        raise LibraryError(f"{address}: cannot be listed: {_line(error)}") from error


def _leads_to_no_file(link: str) -> bool:
    """Tell what else stands in a folder's page: Apache's has ?C=N;O=D, which sorts its columns."""
    return link.lstrip("/").startswith(("?", "#", "mailto:"))


def fetch(address: str) -> bytes:
    """Fetch a file whole.

    Raises:
        ImageError: it cannot be fetched; the message says why.
        MissingExtraError: what it needs is part of happysad[cloud], which is not installed.
    """
    try:
        system, path = _system(address)
        return bytes(system.cat_file(path))
    except MissingExtraError:
        raise
    except (UsageError, LibraryError) as error:
        raise ImageError(str(error), ErrorCode.CANNOT_FETCH) from error
    except Exception as error:  # each protocol has errors of its own
        raise ImageError(f"{address}: {_line(error)}", ErrorCode.CANNOT_FETCH) from error


def _system(address: str) -> tuple[AbstractFileSystem, str]:
    protocol = address.partition("://")[0]
    try:
        from fsspec.core import url_to_fs
    except ImportError as error:
        raise MissingExtraError(f"{protocol}://", "cloud") from error
    try:
        system, path = url_to_fs(address)
    except ImportError as error:
        if protocol in _CLOUD:
            raise MissingExtraError(f"{protocol}://", "cloud") from error
        raise UsageError(f"{address}: {_line(error)}") from error
    except ValueError as error:
        raise UsageError(f"{address}: {_line(error)}") from error
    except Exception as error:  # some connect, or load a library, already here
        raise LibraryError(f"{address}: {_line(error)}") from error
    return system, str(path)


def _line(error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return "no such file"
    text = str(error).strip()
    return text.splitlines()[0] if text else type(error).__name__
