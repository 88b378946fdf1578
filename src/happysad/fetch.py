"""Fetch one picture from the web, within limits of size and time."""

from __future__ import annotations

import queue
import threading
import time

from happysad.errors import ErrorCode, ImageError, os_reason, shown

__all__ = ["SECONDS", "fetch", "is_web_address"]

#: Maximum size of a picture in bytes, and maximum time for fetching it in seconds.
BYTES, SECONDS = 100_000_000, 30.0

_CHUNK = 1 << 16
# The ASCII signs that are kept in an address; all other signs are written as %XX, as browsers do.
_KEPT = "%/:?#[]@!$&'()*+,;=~"


def is_web_address(source: object) -> bool:
    """Return whether a source is an http or https address.

    >>> is_web_address("https://example.org/a.jpg")
    True
    """
    return isinstance(source, str) and source.lower().startswith(("http://", "https://"))


def fetch(address: str, *, max_bytes: int = BYTES, seconds: float = SECONDS) -> bytes:
    """Return the content of a web address.

    Args:
        address: http or https.
        max_bytes: maximum size of the content in bytes.
        seconds: maximum time for the whole transfer, in seconds.

    Raises:
        ImageError: the address cannot be reached, answers with an error, or is too large or slow.
    """
    # A thread limits the whole time: a timeout applies only to single reads, so a slow server can
    # take any time for the headers of its answer, or for a chain of redirects.
    done: queue.SimpleQueue[bytes | Exception] = queue.SimpleQueue()

    def work() -> None:
        try:
            done.put(_fetched(address, max_bytes, seconds))
        except Exception as error:
            done.put(error)

    threading.Thread(target=work, name="fetch", daemon=True).start()
    try:
        came = done.get(timeout=seconds)
    except queue.Empty:
        raise _too_slow(address, seconds) from None
    if isinstance(came, Exception):
        raise came
    return came


def _fetched(address: str, max_bytes: int, seconds: float) -> bytes:
    # Imported late: docs/decisions.md, "The time of a whole process".
    from http.client import HTTPException
    from urllib.error import HTTPError, URLError
    from urllib.parse import quote
    from urllib.request import Request, urlopen

    end = time.monotonic() + seconds
    parts: list[bytes] = []
    size = 0
    try:
        url = quote(address, safe=_KEPT)
        request = Request(url, headers={"User-Agent": "happysad"})  # noqa: S310 - http(s) alone
        with urlopen(request, timeout=seconds) as answer:  # noqa: S310
            while part := answer.read1(_CHUNK):
                parts.append(part)
                size += len(part)
                if size > max_bytes:
                    raise _failed(address, f"more than {max_bytes:,} bytes")
                if time.monotonic() > end:
                    raise _too_slow(address, seconds)
    except HTTPError as error:
        error.close()  # the error is an open answer, too
        raise _failed(address, f"the server answers {error.code} {error.reason}") from error
    except URLError as error:
        why = os_reason(error.reason) if isinstance(error.reason, OSError) else error.reason
        raise _failed(address, str(why)) from error
    except TimeoutError as error:
        raise _too_slow(address, seconds) from error
    except (OSError, HTTPException, ValueError) as error:
        raise _failed(address, os_reason(error)) from error
    return b"".join(parts)


def _failed(address: str, why: str) -> ImageError:
    return ImageError(shown(why), ErrorCode.CANNOT_FETCH, name=shown(address))


def _too_slow(address: str, seconds: float) -> ImageError:
    return _failed(address, f"takes more than {seconds:g} s")
