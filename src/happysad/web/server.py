"""Run the app: listen, say where, open the browser, answer until it is stopped."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import socket
import webbrowser
from collections.abc import Callable
from urllib.parse import urlencode

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from happysad.errors import UsageError, os_reason
from happysad.web.app import create_app
from happysad.web.settings import Settings

__all__ = ["Protocol", "Sockets", "config", "listen", "serve"]

# A server that is stopped waits for the requests that run, but no longer.
_GOODBYE = 5
# A client has so many seconds to send a request's line and headers.
_HEADERS_SECONDS = 10.0
# One that is refused before is listened to for so many seconds more.
_LISTEN = 1.0
# One that does not read is cut off when what it is sent has waited for so many seconds, beyond the
# buffers of the system and one of 64 KiB.
_UNREAD_SECONDS = 20.0
# More connections than this are closed at once. Each costs some kilobytes.
_CONNECTIONS = 256


def serve(settings: Settings, *, browser: bool, say: Callable[[str], None], view: str = "") -> None:
    """Serve until the process is told to end.

    Args:
        settings: where to listen, and so on.
        browser: whether to open the page.
        say: told the address.
        view: what of the page is opened: "#live", or "" for its first view.

    Raises:
        UsageError: the address cannot be listened on.
        ClassifierError: there is none at `settings.model`.
    """
    _log()
    app = create_app(settings)
    with listen(settings.host, settings.port) as listening:
        address = _address(settings.host, listening.getsockname()[1])
        say(f"happysad serves {app.state.serving.in_use.name} on {address}")
        if settings.token is not None:
            say("a browser comes in by adding ?token=TOKEN to the address, once")
        say("Ctrl+C ends it")
        if browser:
            query = "" if settings.token is None else "?" + urlencode({"token": settings.token})
            webbrowser.open(address + query + view)
        with contextlib.suppress(KeyboardInterrupt):
            uvicorn.Server(config(app, settings)).run([listening])


def config(app: object, settings: Settings) -> uvicorn.Config:
    """Give uvicorn's settings: no log of its own, since that would hold the token."""
    return uvicorn.Config(
        app,  # type: ignore[arg-type]
        http=Protocol,
        ws=Sockets,
        ws_max_size=settings.max_frame,
        # Pictures are compressed already.
        ws_per_message_deflate=False,
        log_config=None,
        access_log=False,
        server_header=False,
        # A client could make up its address.
        proxy_headers=False,
        timeout_graceful_shutdown=_GOODBYE,
    )


class _Read(asyncio.Protocol):
    """Cuts off a client that does not read what it is sent."""

    loop: asyncio.AbstractEventLoop
    transport: asyncio.Transport
    _unread: asyncio.TimerHandle | None = None

    def pause_writing(self) -> None:
        """Begin to wait for the client."""
        super().pause_writing()
        self._unread = self.loop.call_later(_UNREAD_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        """Wait no more."""
        self._read()
        super().resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        self._read()
        super().connection_lost(exc)

    def _read(self) -> None:
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None


class Sockets(_Read, WebSocketsSansIOProtocol):
    """uvicorn's WebSockets, for clients that read."""

    def pause_writing(self) -> None:
        """Take no more either: each ping would be answered into a buffer without an end."""
        super().pause_writing()
        self.transport.pause_reading()

    def resume_writing(self) -> None:
        """Go on."""
        super().resume_writing()
        if not self.read_paused:
            self.transport.resume_reading()


class Protocol(_Read, H11Protocol):
    """uvicorn's HTTP, with a limit on the time for headers and on connections.

    What comes before a request is whole is beyond the reach of limits.py.
    """

    _timer: asyncio.TimerHandle | None = None
    _ended = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a request."""
        super().connection_made(transport)
        if len(self.connections) > _CONNECTIONS:
            self._end(503, "too many connections; try again")
        else:
            self._wait(_HEADERS_SECONDS, self._late)

    def data_received(self, data: bytes) -> None:
        """Wait on for as long as the headers are not whole."""
        if self._ended:
            return
        super().data_received(data)
        if self._ended:
            return
        if self.conn.their_state is not h11.IDLE:
            self._stop()
        elif self._timer is None:
            self._wait(_HEADERS_SECONDS, self._late)

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        self._stop()
        super().connection_lost(exc)

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP."""
        self._end(400, msg)

    def _wait(self, seconds: float, then: Callable[[], None]) -> None:
        self._timer = self.loop.call_later(seconds, then)

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _late(self) -> None:
        self._timer = None
        if self.conn.their_state is h11.IDLE and self.conn.our_state is h11.IDLE:
            self._end(408, "the request came too slowly")

    def _end(self, status: int, error: str) -> None:
        """Answer, and listen on for a moment: else the client would find a broken connection."""
        self._ended = True
        if self.transport.is_closing():
            return
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            body = json.dumps({"error": error}).encode()
            headers = [
                (b"content-type", b"application/json"),
                (b"content-length", str(len(body)).encode()),
                (b"connection", b"close"),
            ]
            for event in (
                h11.Response(status_code=status, headers=headers),
                h11.Data(data=body),
                h11.EndOfMessage(),
            ):
                self.transport.write(self.conn.send(event) or b"")
            self.transport.write_eof()
        self._stop()
        self._wait(_LISTEN, self.transport.close)


def listen(host: str, port: int) -> socket.socket:
    """Give a socket that listens.

    Raises:
        UsageError: the address is not this machine's, or the port is taken.
    """
    with contextlib.ExitStack() as stack:
        try:
            # All that getaddrinfo says is kept: where the protocol is not named, as
            # socket.create_server leaves it, asyncio does not switch Nagle's algorithm off, and
            # every answer takes 40 ms more.
            kinds = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            family, type_, proto, _, address = kinds[0]
            listening = stack.enter_context(socket.socket(family, type_, proto))
            if os.name == "posix":  # elsewhere it would let two servers share a port
                listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind(address)
            listening.listen(_CONNECTIONS)
        except OSError as error:
            raise UsageError(f"--host {host} --port {port}: {os_reason(error)}") from error
        stack.pop_all()
        return listening


def _address(host: str, port: int) -> str:
    shown = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104
    return f"http://{f'[{shown}]' if ':' in shown else shown}:{port}/"


def _log() -> None:
    """Write what the server says to standard error; uvicorn says only what went wrong."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    for name, level in (("happysad.web", logging.INFO), ("uvicorn", logging.WARNING)):
        logger = logging.getLogger(name)
        logger.handlers[:] = [handler]
        logger.setLevel(level)
        logger.propagate = False
