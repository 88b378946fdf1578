"""Photos in remote storage: http(s)://, s3://, gs:// and every other protocol of fsspec."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from happysad import fetch as web
from happysad.errors import (
    ErrorCode,
    ImageError,
    LibraryError,
    MissingExtraError,
    UsageError,
    shown,
)
from happysad.folder_walk import LIVE_FILM, LeftOut, live_films, reason_left_out

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

__all__ = ["expand", "fetch", "is_remote"]

# The protocols whose packages the extra cloud installs; fsspec's others need further packages.
_CLOUD = ("s3", "s3a", "gs", "gcs", "http", "https")


def is_remote(path: str) -> bool:
    """Return whether a path is an address such as s3://bucket/folder.

    >>> is_remote("s3://bucket/folder")
    True
    """
    return "://" in path


def expand(address: str, *, listed: bool = False, left_out: LeftOut | None = None) -> Iterator[str]:
    """Yield the addresses of the files that an address expands to.

    A folder expands to all files in it and below it; see `folder_walk` for what is left out. An
    http(s) address is a folder if it ends in /, and the links of its page are its files. fsspec
    lists whole folders, so the names in a folder and in those above it are in memory at the same
    time.

    Args:
        address: s3://bucket/folder and so on.
        listed: True for an address from a list, which may have millions of them. The address is
            then a folder if it ends in /, without a request to the storage. An address that cannot
            be listed is yielded as it is, so that fetching it fails with the reason.
        left_out: counts what is left out.

    Raises:
        UsageError: there is no such protocol, or its packages are not installed. Not raised if
            `listed` is True.
        MissingExtraError: packages that happysad[cloud] installs are missing.
        LibraryError: the address cannot be listed. Not raised if `listed` is True.
    """
    counts = LeftOut() if left_out is None else left_out
    if listed:
        try:
            yield from _expand(address, counts, ask=False)
        except MissingExtraError:
            raise
        except (UsageError, LibraryError):
            yield address
    else:
        yield from _expand(address, counts, ask=True)


def _expand(address: str, left_out: LeftOut, *, ask: bool) -> Iterator[str]:
    page = web.is_web_address(address)
    if page and not address.endswith("/"):
        yield address
        return
    system, root = _system(address)
    try:
        folder = system.isdir(root) if ask and not page else address.endswith("/")
        if not folder:
            yield address
            return
        for above, folders, files in system.walk(root, detail=True, on_error="raise"):
            for found in (folders, files):
                for name in list(found):
                    link = page and _is_no_file(found[name]["name"].removeprefix(above))
                    kind = reason_left_out(name, folder=found is folders)
                    if kind:
                        left_out[kind] += 1
                    if not name or kind or link:
                        del found[name]
            films = live_films(files)
            if films:
                left_out[LIVE_FILM] += len(films)
            for name in sorted(files.keys() - films):
                yield str(system.unstrip_protocol(files[name]["name"]))
            system.invalidate_cache()  # the cache would keep the names in every folder
    except Exception as error:  # each protocol has errors of its own
        raise LibraryError(f"{address}: cannot be listed: {_reason(error)}") from error


def _is_no_file(link: str) -> bool:
    """Return whether a link of a folder's page is not a file; ?C=N;O=D, for one, sorts the page."""
    return link.lstrip("/").startswith(("?", "#", "mailto:"))


def fetch(address: str) -> bytes:
    """Return the content of a file; http(s) within the limits of `happysad.fetch`.

    Raises:
        ImageError: the file cannot be fetched; the message has the reason.
        MissingExtraError: packages that happysad[cloud] installs are missing.
    """
    if web.is_web_address(address):
        return web.fetch(address)
    try:
        system, path = _system(address)
        return bytes(system.cat_file(path))
    except MissingExtraError:
        raise
    except (UsageError, LibraryError) as error:
        raise ImageError(str(error), ErrorCode.CANNOT_FETCH) from error
    except Exception as error:  # each protocol has errors of its own
        raise ImageError(_reason(error), ErrorCode.CANNOT_FETCH, name=shown(address)) from error


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
        raise UsageError(f"{address}: {_reason(error)}") from error
    except ValueError as error:
        raise UsageError(f"{address}: {_reason(error)}") from error
    except Exception as error:  # some protocols already connect, or load a library, here
        raise LibraryError(f"{address}: {_reason(error)}") from error
    return system, str(path)


def _reason(error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return "no such file"
    text = str(error).strip()
    return text.splitlines()[0] if text else type(error).__name__
