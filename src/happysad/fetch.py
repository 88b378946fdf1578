"""Fetch one picture from the web, within a limit of size and time."""

from __future__ import annotations

import time
from http.client import HTTPException

from happysad.errors import ErrorCode, ImageError, os_reason

__all__ = ["SECONDS", "fetch", "is_web_address"]

#: The largest number of bytes of a picture, and the number of seconds that fetching may take.
BYTES, SECONDS = 100_000_000, 30.0

_CHUNK = 1 << 16


def is_web_address(source: object) -> bool:
    """Return whether a source is an http or https address.

    >>> is_web_address("https://example.org/a.jpg")
    True
    """
    return isinstance(source, str) and source.startswith(("http://", "https://"))


def fetch(address: str, *, max_bytes: int = BYTES, seconds: float = SECONDS) -> bytes:
    """Return the content of a web address.

    Args:
        address: http or https.
        max_bytes: larger files are refused.
        seconds: the whole transfer may take this long.

    Raises:
        ImageError: the address cannot be reached, answers with an error, or is too large or slow.
    """
    from urllib.error import HTTPError, URLError
    from urllib.request import Request, urlopen

    end = time.monotonic() + seconds
    parts: list[bytes] = []
    size = 0
    try:
        request = Request(address, headers={"User-Agent": "happysad"})  # noqa: S310 - http(s) alone
        with urlopen(request, timeout=seconds) as answer:  # noqa: S310
            while part := answer.read1(_CHUNK):
                parts.append(part)
                size += len(part)
                if size > max_bytes:
                    raise _failed(address, f"more than {max_bytes:,} bytes")
                if time.monotonic() > end:
                    raise _failed(address, f"takes more than {seconds:.0f} s")
    except HTTPError as error:
        error.close()  # it is an open answer, too
        raise _failed(address, f"the server answers {error.code} {error.reason}") from error
    except URLError as error:
        why = os_reason(error.reason) if isinstance(error.reason, OSError) else error.reason
        raise _failed(address, str(why)) from error
    except TimeoutError as error:
        raise _failed(address, f"takes more than {seconds:.0f} s") from error
    except (OSError, HTTPException, ValueError) as error:
        raise _failed(address, os_reason(error)) from error
    return b"".join(parts)


def _failed(address: str, why: str) -> ImageError:
    return ImageError(f"{address[:80]}: {why}", ErrorCode.CANNOT_FETCH)
