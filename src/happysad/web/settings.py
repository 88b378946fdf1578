"""What a server is told: where it listens, who may come in, and how much it takes."""

from __future__ import annotations

import ipaddress
import os
import re
from dataclasses import dataclass, field
from pathlib import Path

from happysad.errors import UsageError

__all__ = ["Settings", "is_loopback"]

_MIB = 1024 * 1024
# What RFC 6750 lets a bearer token be; all of it may stand in a cookie too.
_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """A server's settings.

    The limits bound its memory: at most `max_held` bytes of bodies are held at once, and at most
    `workers` photos of `max_pixels` pixels are decoded (up to 16 bytes for each, by their format).
    """

    host: str = "127.0.0.1"
    """The address to listen on."""
    port: int = 8000
    """The port to listen on; 0 for any that is free."""
    token: str | None = field(default=None, repr=False)
    """Who knows it may come in; None where only this machine can."""
    hosts: tuple[str, ...] = ()
    """Further names that the server goes by, as they stand in a request's Host."""
    folder: Path = Path("happysad-teach")
    """The one folder that Teach writes in."""
    model: Path | None = None
    """The classifier; None for the one that comes with happysad."""
    max_body: int = 32 * _MIB
    """The largest body of a request in bytes."""
    max_pixels: int = 50_000_000
    """The largest photo in pixels: what the largest phone cameras give."""
    max_files: int = 64
    """The most photos in a request."""
    max_requests: int = 64
    """The most requests with a body at once."""
    max_held: int = 256 * _MIB
    """The most bytes of their bodies together."""
    max_live: int = 4
    """The most Live views at once."""
    max_frame: int = 4 * _MIB
    """The largest frame of a Live view in bytes."""
    idle_seconds: float = 10.0
    """The longest pause of a client while it sends a request."""
    request_seconds: float = 60.0
    """The longest time for a request, sending and all."""
    live_seconds: float = 300.0
    """A Live view that sends no frame for so long is closed."""
    workers: int = os.cpu_count() or 1
    """How many photos are worked on at once."""

    def __post_init__(self) -> None:
        if self.token is not None and not _TOKEN.fullmatch(self.token):
            raise UsageError("--token takes letters, digits and . _ ~ + / - with = at the end")
        if self.token is None and not is_loopback(self.host):
            raise UsageError(
                f"--host {self.host}: others could come in; set --token, or stay on 127.0.0.1"
            )
        if not 0 <= self.port <= 65535:
            raise UsageError(f"--port must be from 0 to 65535, not {self.port}")


def is_loopback(host: str) -> bool:
    """Tell whether an address can only be reached from this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
