"""Download files by http(s) into a cache, with several attempts and checks of size and hash."""

from __future__ import annotations

import hashlib
import http.client
import os
import time
from email.message import Message
from pathlib import Path
from typing import IO, Any
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urlsplit, urlunsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from happysad import __version__
from happysad.dataset.sources.file_kind import is_page
from happysad.errors import ImportDataError, UsageError
from happysad.files import write_text
from happysad.progress import track_bytes

__all__ = [
    "ATTEMPTS",
    "MAX_DOWNLOAD",
    "PAUSE",
    "TIMEOUT",
    "cache_path",
    "download_file",
    "refuse_size",
    "verify",
]

#: Seconds before the second attempt; the pause doubles each time.
PAUSE = 0.5
#: Maximum number of seconds without a byte.
TIMEOUT = 30.0
#: Maximum number of attempts in a row without a new byte.
ATTEMPTS = 4
#: Maximum number of bytes of a download, as of an unpacked archive.
MAX_DOWNLOAD = 256 * 1024**3

_CHUNK = 256 * 1024
_BUSY = (408, 429, 500, 502, 503, 504)


class _DroppedError(Exception):
    """A transfer failed, and may be tried again."""


def download_file(link: str, *, sha256: str | None = None) -> Path:
    """Download a file, or return it from the cache if it is complete there.

    An interrupted download continues if the server supports it and its file has not changed (Range
    and If-Range, RFC 9110 sections 13.1.5 and 14.2).

    Args:
        link: http:// or https://.
        sha256: 64 lower-case hex digits; None if unknown.

    Raises:
        UsageError: `link` is not an http(s) link.
        ImportDataError: the server refuses or sends a web page, the connection fails, the file is
            larger than `MAX_DOWNLOAD`, or the hash differs.
        OSError: the cache cannot be written.
    """
    url, file = _checked(link), cache_path(link)
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        _download(url, file)
    if is_page(file):
        file.unlink()
        raise ImportDataError(f"{link}: must be a link to a file, not to an HTML page")
    verify(file, link, sha256)
    return file


def cache_path(key: str) -> Path:
    """Return the path of a download in the cache, happysad/downloads in XDG_CACHE_HOME or ~/.cache.

    Args:
        key: determines the name of the file, such as the link.
    """
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    name = hashlib.sha256(key.encode("utf-8", "replace")).hexdigest()[:32]
    return Path(home) / "happysad" / "downloads" / name


def refuse_size(link: str, size: int) -> None:
    """Raise an error if a download is too large.

    Raises:
        ImportDataError: it has more than `MAX_DOWNLOAD` bytes.
    """
    if size > MAX_DOWNLOAD:
        raise ImportDataError(f"{link}: a download may have at most {MAX_DOWNLOAD:,} bytes")


def verify(file: Path, link: str, sha256: str | None) -> None:
    """Check the SHA-256 of a download, and delete the file if it differs.

    Raises:
        ImportDataError: the hash differs.
    """
    if sha256 is None:
        return
    with file.open("rb") as opened:
        hashed = hashlib.file_digest(opened, "sha256").hexdigest()
    if hashed != sha256:
        file.unlink()
        raise ImportDataError(
            f"{link}: its sha256 must be {sha256}, not {hashed}; the download is deleted"
        )


def _checked(link: str) -> str:
    """Return a link with the quoting that servers expect."""
    try:
        parts = urlsplit(link)
        _ = parts.port
    except ValueError as error:
        raise UsageError(f"{link[:80]}: not a link: {error}") from error
    if parts.scheme.lower() not in ("http", "https") or not parts.hostname:
        raise UsageError(f"a link must begin with http:// or https:// and a host, not {link[:80]}")
    safe = "%/:?@!$&'()*+,;=~"
    return urlunsplit(
        (parts.scheme, parts.netloc, quote(parts.path, safe), quote(parts.query, safe), "")
    )


def _download(url: str, file: Path) -> None:
    part = file.with_suffix(".part")
    most, attempt = 0, 0
    while True:
        try:
            _transfer(url, part)
            break
        except _DroppedError as error:
            size = part.stat().st_size if part.exists() else 0
            attempt = 1 if size > most else attempt + 1
            most = max(most, size)
            if attempt >= ATTEMPTS:
                raise ImportDataError(
                    f"{url}: {error}; tried {ATTEMPTS} times; the same command continues"
                ) from error
            time.sleep(PAUSE * 2 ** (attempt - 1))
    part.replace(file)
    _mark(part).unlink(missing_ok=True)


def _transfer(url: str, part: Path) -> None:
    """Download the rest of a partial file.

    Raises:
        _DroppedError: the file is still incomplete; `part` contains the bytes received.
    """
    have, mark = _so_far(part)
    headers = {"User-Agent": f"happysad/{__version__}", "Accept-Encoding": "identity"}
    if have:
        headers |= {"Range": f"bytes={have}-", "If-Range": mark}
    try:
        response = _OPENER.open(Request(url, headers=headers), timeout=TIMEOUT)  # noqa: S310
    except HTTPError as error:
        with error:
            if error.code == 416 and have:
                _take_416(error, part, have)
                return
            # urllib describes an endless redirect in several lines.
            said = " ".join(f"HTTP {error.code} {error.reason}".splitlines())
        if error.code in _BUSY:
            raise _DroppedError(said) from error
        raise ImportDataError(f"{url}: {said}") from error
    except (URLError, http.client.HTTPException, OSError) as error:
        raise _DroppedError(_reason(error)) from error
    with response:
        start = have if response.status == 206 else 0
        if start and not response.headers.get("Content-Range", "").startswith(f"bytes {start}-"):
            part.unlink()
            raise _DroppedError("the server sent another part of the file than requested")
        _receive(url, response, part, start)


def _so_far(part: Path) -> tuple[int, str]:
    """Return the size of a partial file, and its mark; (0, "") if either is missing."""
    try:
        return part.stat().st_size, _mark(part).read_text(encoding="utf-8")
    except (FileNotFoundError, UnicodeDecodeError):
        return 0, ""


def _mark(part: Path) -> Path:
    """Return the path of the mark of a partial file: the server's ETag or Last-Modified for it."""
    return part.with_suffix(".mark")


def _take_416(error: HTTPError, part: Path, have: int) -> None:
    """Handle HTTP 416, nothing left to send: `part` is complete, or the file has changed."""
    if error.headers.get("Content-Range", "").replace(" ", "") != f"bytes*/{have}":
        part.unlink()
        raise _DroppedError("the file on the server has changed") from error


def _receive(link: str, response: Any, part: Path, start: int) -> None:
    length = response.headers.get("Content-Length", "")
    total = start + int(length) if length.isdecimal() else None
    refuse_size(link, total or 0)
    done = start
    with part.open("ab" if start else "wb") as out, track_bytes("downloading", total) as show:
        if not start:
            _write_mark(part, response.headers)
        while total is None or done < total:
            try:
                data = response.read1(_CHUNK if total is None else min(_CHUNK, total - done))
            except (http.client.HTTPException, OSError) as error:
                raise _DroppedError(f"{_reason(error)} after {done:,} bytes") from error
            if not data:
                break
            done += len(data)
            refuse_size(link, done)
            out.write(data)
            show(done)
    if total is not None and done != total:
        raise _DroppedError(f"the connection ended after {done:,} of {total:,} bytes")


def _write_mark(part: Path, headers: Message) -> None:
    etag = headers.get("ETag", "")
    # A weak ETag does not promise equal bytes, and If-Range does not accept one.
    mark = headers.get("Last-Modified", "") if etag.startswith("W/") or not etag else etag
    if mark:
        write_text(_mark(part), mark)
    else:
        _mark(part).unlink(missing_ok=True)


def _reason(error: Exception) -> str:
    cause = error.reason if isinstance(error, URLError) else error
    text = (getattr(cause, "strerror", None) or str(cause) or type(cause).__name__).splitlines()[0]
    return f"the connection failed: {text}"


class _HttpOnly(HTTPRedirectHandler):
    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: Any, newurl: str
    ) -> Request | None:
        if urlsplit(newurl).scheme not in ("http", "https"):
            fp.close()
            raise ImportDataError(
                f"{req.full_url}: redirects to {newurl[:80]}, which is not http(s)"
            )
        return super().redirect_request(req, fp, code, msg, headers, newurl)


_OPENER = build_opener(_HttpOnly)
