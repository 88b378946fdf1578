"""A server's settings: its address, its access control and its limits."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field
from pathlib import Path

from happysad.errors import UsageError
from happysad.images import MAX_MEMORY
from happysad.parallel import thread_count

__all__ = ["Settings", "is_loopback"]

_MIB = 1024 * 1024
# A bearer token by RFC 6750; all of these characters are allowed in a cookie too.
_SHORTEST_TOKEN = 16
_ROOT_PATH = re.compile(r"(/[A-Za-z0-9._~@:-]{1,255}){1,16}")
_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]{1,510}={0,2}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """A server's settings.

    The limits bound the memory: at most `max_held` bytes of bodies, and at most `workers` decoded
    photos. Decoding takes at most `max_memory` bytes, which all photos share.
    """

    host: str = "127.0.0.1"
    """The address to listen on."""
    port: int = 8000
    """The port to listen on; 0 for any free port."""
    token: str | None = field(default=None, repr=False)
    """The token that every request must have; None is allowed only if `host` is a loopback."""
    hosts: tuple[str, ...] = ()
    """Further host names of the server, allowed in the Host header."""
    root_path: str = ""
    """The path below which a proxy serves the page, such as /happysad; empty for the root."""
    folder: Path = Path("happysad-teach")
    """The one folder that Teach writes to."""
    model: Path | None = None
    """An .onnx or a run's folder; None for the classifier that comes with happysad."""
    answers: tuple[str, ...] | None = None
    """The only classes that this classifier may answer with; None for all of them."""
    max_body: int = 96 * _MIB
    """Maximum size of a request's body in bytes."""
    max_memory: int = MAX_MEMORY
    """Maximum memory in bytes that decoding may take."""
    max_files: int = 64
    """Maximum number of photos in a request."""
    max_requests: int = 64
    """Maximum number of concurrent requests with a body."""
    max_held: int = 256 * _MIB
    """Maximum total size of their bodies in bytes."""
    max_live: int = 4
    """Maximum number of concurrent Live views."""
    max_frame: int = 4 * _MIB
    """Maximum size of a Live view's frame in bytes."""
    max_connections: int = 256
    """Maximum number of connections; for one more, one without a request is closed. Each takes
    some kilobytes."""
    headers_seconds: float = 10.0
    """Maximum time for a request's line and headers, in seconds."""
    unread_seconds: float = 20.0
    """A client that does not read its answer for this many seconds is disconnected. The time starts
    when the system's buffers and the server's buffer of 64 KiB are full."""
    idle_seconds: float = 10.0
    """Maximum pause of a client while it sends a request, in seconds."""
    request_seconds: float = 60.0
    """Maximum time for a request in seconds, including its upload."""
    live_seconds: float = 300.0
    """A Live view that sends no frame for this many seconds is closed."""
    wrong_token_seconds: float = 2.0
    """Maximum delay of the answer to a wrong token, in seconds."""
    workers: int = field(default_factory=thread_count)
    """Maximum number of photos that are processed at once."""

    def __post_init__(self) -> None:
        if self.token is not None and len(self.token) < _SHORTEST_TOKEN:
            raise UsageError(
                f"--token must have at least {_SHORTEST_TOKEN} characters, not {len(self.token)}; "
                "for example from: openssl rand -hex 16"
            )
        if self.token is not None and not _TOKEN.fullmatch(self.token):
            raise UsageError("--token may contain letters, digits and . _ ~ + / -, then only =")
        if self.token is None and not is_loopback(self.host):
            raise UsageError(
                f"--host {self.host}: other machines could connect; set --token, or use 127.0.0.1"
            )
        if self.root_path and not _ROOT_PATH.fullmatch(self.root_path):
            raise UsageError(
                "--root-path must be a path such as /happysad, without a slash at its end, not "
                f"{self.root_path[:80]!r}"
            )
        if not 0 <= self.port <= 65535:
            raise UsageError(f"--port must be from 0 to 65535, not {self.port}")


def is_loopback(host: str) -> bool:
    """Return whether an address can only be reached from this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
