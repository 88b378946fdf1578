"""Download files by http(s) into a cache, with limits, several attempts and checks."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import os
import queue
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from email.message import Message
from pathlib import Path
from typing import IO, Any
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urlsplit, urlunsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from happysad import __version__
from happysad.dataset.sources.file_kind import is_page
from happysad.errors import ImportDataError, UsageError, shown
from happysad.files import write_text
from happysad.progress import track_bytes

__all__ = [
    "ATTEMPTS",
    "PAUSE",
    "Allowance",
    "DownloadLimits",
    "cache_path",
    "download",
    "download_file",
    "page_text",
    "verify",
]

#: Seconds before the second attempt; the pause doubles each time.
PAUSE = 0.5
#: Maximum number of attempts in a row without a new byte.
ATTEMPTS = 4

_GIB = 1024**3
_CHUNK = 256 * 1024
# Maximum number of bytes of a web page, and of pages in a row in place of a file.
_PAGE, _PAGES = 16 * 1024**2, 4
_BUSY = (408, 429, 500, 502, 503, 504)
_RANGE = re.compile(r"bytes ([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18}|\*)")


@dataclass(frozen=True, slots=True, kw_only=True)
class DownloadLimits:
    """The limits of a download."""

    size: float = 256.0
    """Maximum size in GiB; that of a folder on Google Drive as a whole."""
    hours: float = 12.0
    """Maximum time in hours, all attempts included."""
    idle: float = 30.0
    """Maximum number of seconds without a byte."""

    def __post_init__(self) -> None:
        for option, value in (
            ("--max-size", self.size),
            ("--max-hours", self.hours),
            ("--max-idle", self.idle),
        ):
            if not 0 < value <= 1_000_000:
                raise UsageError(f"{option} must be above 0, at most 1,000,000, not {value:g}")


class Allowance:
    """What is left of the limits of a download, which may have several files."""

    def __init__(self, link: str, limits: DownloadLimits) -> None:
        """Start the time.

        Args:
            link: the link that errors name.
            limits: the limits of all files together.
        """
        self.link = link
        self._limits = limits
        self._end = time.monotonic() + 3600 * limits.hours
        self._complete = 0

    @property
    def idle(self) -> float:
        """The maximum number of seconds without a byte."""
        return self._limits.idle

    def add(self, size: int) -> None:
        """Count a complete file of `size` bytes."""
        self.refuse_size(size)
        self._complete += size

    def refuse_size(self, size: int) -> None:
        """Raise an error if a further file is too large.

        Raises:
            ImportDataError: with the complete files, the download is larger than its limit.
        """
        if self._complete + size > self._limits.size * _GIB:
            raise ImportDataError(
                f"{self.link}: a download may have at most {self._limits.size:g} GiB (--max-size)"
            )

    def refused(self, why: str) -> ImportDataError:
        """Return the error for a server that does not send a file, for a reason."""
        return ImportDataError(f"{self.link}: {shown(why)}")

    def seconds(self) -> float:
        """Return the seconds that are left.

        Raises:
            ImportDataError: there are none.
        """
        left = self._end - time.monotonic()
        if left <= 0:
            raise ImportDataError(
                f"{self.link}: a download may take at most {self._limits.hours:g} hours "
                "(--max-hours); the same command continues"
            )
        return left


class _DroppedError(Exception):
    """A transfer failed, and may be tried again."""


class _PageError(Exception):
    """The server sent a web page in place of the file."""


def download_file(
    link: str, *, sha256: str | None = None, limits: DownloadLimits | None = None
) -> Path:
    """Download a file, or return it from the cache if it is complete there.

    An interrupted download continues if the server supports it and its file has not changed (Range
    and If-Range, RFC 9110 sections 13.1.5 and 14.2).

    Args:
        link: http:// or https://.
        sha256: 64 lower-case hex digits; None if unknown.
        limits: the limits of size and time; None for the defaults.

    Raises:
        UsageError: `link` is not an http(s) link.
        ImportDataError: the server refuses, sends a web page or a false header, the connection
            fails, a limit is exceeded, or the hash differs.
        OSError: the cache cannot be written.
    """
    url, file = _checked(link), cache_path(link)
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        download(url, file, Allowance(link, limits or DownloadLimits()))
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


def download(
    url: str, file: Path, allowance: Allowance, turn: Callable[[str], str] | None = None
) -> None:
    """Download a file, in several attempts.

    Args:
        url: http:// or https://.
        file: the path to write. While it is incomplete, it has the suffix .part.
        allowance: what is left of the limits; the file is counted.
        turn: called with each web page that comes in place of the file; returns the URL of the
            file. None to take a page as the file.

    Raises:
        ImportDataError: as in `download_file`.
        OSError: the file cannot be written.
    """
    part = file.with_suffix(".part")
    most, attempt, pages = 0, 0, 0
    while True:
        try:
            _transfer(url, part, allowance, pages=turn is not None)
            break
        except _PageError as page:
            pages += 1
            if turn is None or pages > _PAGES:
                raise ImportDataError(f"{allowance.link}: one page leads to the next") from page
            url = turn(str(page))
        except _DroppedError as error:
            size = part.stat().st_size if part.exists() else 0
            attempt = 1 if size > most else attempt + 1
            most = max(most, size)
            if attempt >= ATTEMPTS:
                raise ImportDataError(
                    f"{allowance.link}: {error}; tried {ATTEMPTS} times; the same command continues"
                ) from error
            time.sleep(min(PAUSE * 2 ** (attempt - 1), allowance.seconds()))
    allowance.add(part.stat().st_size)
    part.replace(file)
    _mark(part).unlink(missing_ok=True)


def page_text(url: str, allowance: Allowance) -> str:
    """Return a web page.

    Raises:
        ImportDataError: the server refuses, the page is too large, or as in `download_file`.
    """
    for attempt in range(1, ATTEMPTS + 1):
        try:
            with contextlib.closing(_Transfer(url, {}, allowance)) as transfer:
                _refuse_status(transfer, allowance)
                return _text(transfer, allowance)
        except _DroppedError as error:
            if attempt == ATTEMPTS:
                raise ImportDataError(
                    f"{allowance.link}: {error}; tried {ATTEMPTS} times"
                ) from error
            time.sleep(min(PAUSE * 2 ** (attempt - 1), allowance.seconds()))
    raise AssertionError


class _Transfer:
    """One request and its answer.

    A thread of its own receives them, so that the server cannot hold up the caller by sending the
    headers, the redirects or the sizes of chunks byte by byte: a socket's timeout applies to each
    byte alone.
    """

    def __init__(self, url: str, headers: dict[str, str], allowance: Allowance) -> None:
        """Send a request, and wait for the headers of its answer.

        Raises:
            ImportDataError: the server redirects to a place that is not allowed, or the time is up.
            _DroppedError: the connection fails.
        """
        headers = {
            "User-Agent": f"happysad/{__version__}",
            "Accept-Encoding": "identity",
            **headers,
        }
        self._allowance = allowance
        self._came: queue.Queue[Any] = queue.Queue(4)
        self._closed = threading.Event()
        request = Request(url, headers=headers)  # noqa: S310 - http(s) alone
        threading.Thread(target=self._receive, args=(request,), daemon=True).start()
        self.status: int
        self.reason: str
        self.headers: Message
        try:
            self.status, self.reason, self.headers = self._next()
        except BaseException:
            self.close()
            raise

    def read(self) -> bytes:
        """Return the next bytes; none at the end.

        Raises:
            ImportDataError: the time is up.
            _DroppedError: the connection fails.
        """
        part: bytes = self._next()
        return part

    def close(self) -> None:
        """Let the thread end."""
        self._closed.set()
        with contextlib.suppress(queue.Empty):
            while True:  # the thread may wait for a free place
                self._came.get_nowait()

    def _receive(self, request: Request) -> None:
        try:
            try:
                response = _OPENER.open(request, timeout=self._allowance.idle)
            except HTTPError as error:
                response = error
            with response:
                self._came.put((response.status, response.reason, response.headers))
                while data := response.read1(_CHUNK):
                    self._came.put(data)
                    if self._closed.is_set():
                        return
            self._came.put(b"")
        except Exception as error:
            self._came.put(error)

    def _next(self) -> Any:
        idle = self._allowance.idle
        try:
            came = self._came.get(timeout=min(idle, self._allowance.seconds()))
        except queue.Empty:
            self._allowance.seconds()
            raise _DroppedError(f"the server sent nothing for {idle:g} s (--max-idle)") from None
        match came:
            case ImportDataError():
                raise came
            case TimeoutError():
                raise _DroppedError(f"the server sent nothing for {idle:g} s (--max-idle)")
            case http.client.HTTPException() | OSError():
                raise _DroppedError(_reason(came)) from came
            case Exception():  # such as a redirect to an address that is none
                raise ImportDataError(
                    f"{self._allowance.link}: a false answer: {shown(str(came))}"
                ) from came
        return came


def _transfer(url: str, part: Path, allowance: Allowance, *, pages: bool) -> None:
    """Download the rest of a partial file.

    Raises:
        _DroppedError: the file is still incomplete; `part` contains the bytes received.
        _PageError: a web page came, and `pages` is true; the error contains its text.
    """
    have, mark = _so_far(part)
    headers = {"Range": f"bytes={have}-", "If-Range": mark} if have else {}
    with contextlib.closing(_Transfer(url, headers, allowance)) as transfer:
        if pages and transfer.status == 200 and _is_page(transfer.headers):
            raise _PageError(_text(transfer, allowance))
        if transfer.status == 416 and have:
            if transfer.headers.get("Content-Range", "").replace(" ", "") != f"bytes*/{have}":
                raise _begin_again(part, "the file on the server has changed")
            return  # nothing is left to send
        _refuse_status(transfer, allowance)
        length = _length(transfer.headers, allowance)
        if transfer.status == 206:
            _check_range(transfer.headers, part, have, mark, length)
        start = have if transfer.status == 206 else 0
        _receive(transfer, part, start, length, allowance)


def _is_page(headers: Message) -> bool:
    return headers.get_content_type() == "text/html" and "Content-Disposition" not in headers


def _text(transfer: _Transfer, allowance: Allowance) -> str:
    data = bytearray()
    while part := transfer.read():
        data += part
        if len(data) > _PAGE:
            raise ImportDataError(f"{allowance.link}: a page may have at most {_PAGE:,} bytes")
    return data.decode("utf-8", "replace")


def _refuse_status(transfer: _Transfer, allowance: Allowance) -> None:
    if transfer.status in (200, 206):
        return
    reason = transfer.reason
    if "\n" in reason:  # urllib explains it in several lines
        reason = "redirects without an end"
    said = f"HTTP {transfer.status} {reason}"
    if transfer.status in _BUSY:
        raise _DroppedError(shown(said))
    raise allowance.refused(said)


def _length(headers: Message, allowance: Allowance) -> int | None:
    """Return the number of bytes that will come; None if it is unknown."""
    text = headers.get("Content-Length")
    if text is None or "Transfer-Encoding" in headers:
        return None
    if not re.fullmatch(r"[0-9]{1,18}", text):
        raise ImportDataError(
            f"{allowance.link}: Content-Length must be a number of bytes, not {shown(text)!r}"
        )
    return int(text)


def _check_range(headers: Message, part: Path, have: int, mark: str, length: int | None) -> None:
    """Raise an error, and begin again, if a part of a file does not continue what is there."""
    found = _RANGE.fullmatch(headers.get("Content-Range", ""))
    first, last = (int(found[1]), int(found[2])) if found else (-1, -1)
    whole = found is not None and found[3] in ("*", str(last + 1))
    if not whole or first != have or (length is not None and length != last - first + 1):
        raise _begin_again(part, "the server sent another part of the file than requested")
    if _mark_of(headers) not in ("", mark):
        raise _begin_again(part, "the file on the server has changed")


def _begin_again(part: Path, why: str) -> _DroppedError:
    part.unlink(missing_ok=True)
    return _DroppedError(why)


def _so_far(part: Path) -> tuple[int, str]:
    """Return the size of a partial file, and its mark; (0, "") if either is missing."""
    try:
        return part.stat().st_size, _mark(part).read_text(encoding="utf-8")
    except (FileNotFoundError, UnicodeDecodeError):
        return 0, ""


def _mark(part: Path) -> Path:
    """Return the path of the mark of a partial file: the server's ETag or Last-Modified for it."""
    return part.with_suffix(".mark")


def _receive(
    transfer: _Transfer, part: Path, start: int, length: int | None, allowance: Allowance
) -> None:
    total = None if length is None else start + length
    allowance.refuse_size(total or 0)
    done = start
    with part.open("ab" if start else "wb") as out, track_bytes("downloading", total) as show:
        if not start:
            _write_mark(part, _mark_of(transfer.headers))
        while True:
            try:
                data = transfer.read()
            except _DroppedError as error:
                raise _DroppedError(f"{error} after {done:,} bytes") from error
            if not data:
                break
            done += len(data)
            allowance.refuse_size(done)
            out.write(data)
            show(done)
    if total is not None and done != total:
        raise _DroppedError(f"the connection ended after {done:,} of {total:,} bytes")


def _mark_of(headers: Message) -> str:
    etag = headers.get("ETag", "")
    # A weak ETag does not promise equal bytes, and If-Range does not accept one.
    mark: str = headers.get("Last-Modified", "") if etag.startswith("W/") or not etag else etag
    return mark


def _write_mark(part: Path, mark: str) -> None:
    if mark:
        write_text(_mark(part), mark)
    else:
        _mark(part).unlink(missing_ok=True)


def _reason(error: Exception) -> str:
    cause = error.reason if isinstance(error, URLError) else error
    text = getattr(cause, "strerror", None) or str(cause) or type(cause).__name__
    return f"the connection failed: {shown(text.splitlines()[0])}"


class _HttpOnly(HTTPRedirectHandler):
    def http_error_302(self, req: Request, fp: IO[bytes], code: int, msg: str, headers: Any) -> Any:
        try:
            return super().http_error_302(req, fp, code, msg, headers)
        except ValueError:  # an address that is none
            fp.close()
            raise

    http_error_301 = http_error_303 = http_error_307 = http_error_308 = http_error_302

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: Any, newurl: str
    ) -> Request | None:
        if urlsplit(newurl).scheme not in ("http", "https"):
            fp.close()
            raise ImportDataError(
                f"{req.full_url}: redirects to {shown(newurl)}, which is not http(s)"
            )
        return super().redirect_request(req, fp, code, msg, headers, newurl)


_OPENER = build_opener(_HttpOnly)
