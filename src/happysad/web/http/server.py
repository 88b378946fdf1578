"""Listen on an address, open the browser, and answer until the process is stopped."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import webbrowser
from collections import Counter
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import h11
import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import CloseCode

from happysad.errors import UsageError, os_reason
from happysad.web.http.settings import Settings

__all__ = ["Config", "Protocol", "Sockets", "listen", "run"]

# Seconds for which a stopping server waits for running requests.
_GOODBYE = 5
# Seconds for which the server keeps reading from a client that it refused before the headers were
# complete.
_LISTEN = 1.0
# Maximum number of connections that wait to be accepted.
_BACKLOG = 256
# Maximum number of bytes of a WebSocket that are read before the other clients have their turn.
# asyncio reads 256 KiB at once; in empty frames, which have 6 bytes, they take half a second.
_TURN = 4096
# Maximum number of fragments of a message, as in the servers of websockets itself.
_MAX_FRAGMENTS = 4096


def run(
    app: FastAPI,
    settings: Settings,
    *,
    name: str,
    browser: bool,
    say: Callable[[str], None],
    view: str = "",
) -> None:
    """Serve an app until the process is stopped.

    Args:
        app: the app.
        settings: its settings.
        name: the name of the classifier in use.
        browser: whether to open the page in the browser.
        say: called with each line for the user, such as the address.
        view: the view that the page opens with, such as "#live"; "" for the first.

    Raises:
        UsageError: the server cannot listen on the address.
    """
    with listen(settings.host, settings.port) as listening:
        address = _address(settings.host, listening.getsockname()[1])
        say(f"happysad serves {name} on {address}{view}")
        if settings.token is not None:
            say("in a browser, add ?token=TOKEN to the address once")
        say("Ctrl+C ends it")
        if browser:
            query = "" if settings.token is None else "?" + urlencode({"token": settings.token})
            if not _open(address + query + view):
                say("no browser could be opened: open the address in one")
        with contextlib.suppress(KeyboardInterrupt):
            uvicorn.Server(Config(app, settings)).run([listening])


class Config(uvicorn.Config):
    """uvicorn's settings for a server. The access log is off, since it would contain tokens."""

    def __init__(self, app: FastAPI, settings: Settings) -> None:
        """Serve an app."""
        super().__init__(
            app,
            http=Protocol,
            ws=Sockets,
            ws_max_size=settings.max_frame,
            # Pictures are already compressed.
            ws_per_message_deflate=False,
            log_config=None,
            access_log=False,
            server_header=False,
            # Otherwise a client could fake its address.
            proxy_headers=False,
            timeout_graceful_shutdown=_GOODBYE,
        )
        self.settings = settings
        #: The addresses of connections that wait for headers, or for their end; the oldest first.
        self.idle: dict[Protocol, str] = {}


class _Read(asyncio.Protocol):
    """Disconnects a client that does not read what the server sends."""

    config: uvicorn.Config
    loop: asyncio.AbstractEventLoop
    transport: asyncio.Transport
    _unread: asyncio.TimerHandle | None = None

    def pause_writing(self) -> None:
        """Start the timer for the client."""
        super().pause_writing()
        self._unread = self.loop.call_later(self._settings.unread_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        """Stop the timer."""
        self._read()
        super().resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the timer."""
        self._read()
        super().connection_lost(exc)

    @property
    def _settings(self) -> Settings:
        assert isinstance(self.config, Config)
        return self.config.settings

    def _read(self) -> None:
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None


class Sockets(_Read, WebSocketsSansIOProtocol, asyncio.BufferedProtocol):
    """uvicorn's WebSockets, with small reads and a limit on the fragments of a message.

    They stop reading from a client that does not read.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        """Start without data."""
        super().__init__(*args, **options)
        self._buffer = memoryview(bytearray(_TURN))

    def get_buffer(self, sizehint: int) -> memoryview:
        """Return the buffer for the next bytes."""
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Take bytes from the buffer, and end a message of too many fragments."""
        self.data_received(bytes(self._buffer[:nbytes]))
        if len(self.frames) > _MAX_FRAGMENTS and not self.close_sent:
            self.conn.fail(CloseCode.MESSAGE_TOO_BIG, "too many fragments")
            self.handle_parser_exception()

    def pause_writing(self) -> None:
        """Stop reading too; otherwise the answers to pings would fill a buffer without limit."""
        super().pause_writing()
        self.transport.pause_reading()

    def resume_writing(self) -> None:
        """Resume reading."""
        super().resume_writing()
        if not self.read_paused:
            self.transport.resume_reading()


class Protocol(_Read, H11Protocol):
    """uvicorn's HTTP, with a limit on the time for headers and on connections.

    If there are too many connections, one without a request is closed, so that idle clients cannot
    keep others out: the oldest one of the address that has the most. `limits` sees a request only
    once its headers are complete.
    """

    _timer: asyncio.TimerHandle | None = None
    _ended = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the timer for the first request."""
        super().connection_made(transport)
        if len(self.connections) > self._settings.max_connections and not self._close_idle():
            self._end(503, "too many connections; try again")
        else:
            self._wait(self._settings.headers_seconds, self._late)

    def data_received(self, data: bytes) -> None:
        """Stop the timer once the headers are complete."""
        if self._ended:
            return
        super().data_received(data)
        if self._ended:
            return
        if self.conn.their_state is not h11.IDLE:
            self._stop()
        elif self._timer is None:
            self._wait(self._settings.headers_seconds, self._late)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the timer."""
        self._stop()
        super().connection_lost(exc)

    def on_response_complete(self) -> None:
        """Start the timer for the next request."""
        super().on_response_complete()
        if self.conn.their_state is h11.IDLE and not self.transport.is_closing():
            self._wait(self._settings.headers_seconds, self._late)

    def send_400_response(self, msg: str) -> None:
        """Answer bytes that are not HTTP."""
        self._end(400, msg)

    def _close_idle(self) -> bool:
        """Close a connection without a request; return whether there is one."""
        if not self._idle:
            return False
        [(address, _)] = Counter(self._idle.values()).most_common(1)
        oldest = next(one for one, its in self._idle.items() if its == address)
        oldest._stop()
        oldest.transport.abort()
        return True

    @property
    def _idle(self) -> dict[Protocol, str]:
        assert isinstance(self.config, Config)
        return self.config.idle

    def _wait(self, seconds: float, then: Callable[[], None]) -> None:
        self._stop()
        self._timer = self.loop.call_later(seconds, then)
        self._idle[self] = self.client[0] if self.client else ""

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
            self._idle.pop(self, None)

    def _late(self) -> None:
        self._stop()
        if self.conn.their_state is h11.IDLE and self.conn.our_state is h11.IDLE:
            self._end(408, "the request arrived too slowly")

    def _end(self, status: int, error: str) -> None:
        """Send an error, and keep reading for a moment, so that the client gets no broken pipe."""
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
        self._wait(_LISTEN, self.transport.close)


def listen(host: str, port: int) -> socket.socket:
    """Return a listening socket.

    Raises:
        UsageError: the address does not belong to this machine, or the port is taken.
    """
    with contextlib.ExitStack() as stack:
        try:
            # The protocol is named, which socket.create_server does not do: otherwise asyncio
            # leaves Nagle's algorithm on, and every answer takes 40 ms more.
            kinds = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            family, type_, proto, _, address = kinds[0]
            listening = stack.enter_context(socket.socket(family, type_, proto))
            if os.name == "posix":  # on Windows it would let two servers share a port
                listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind(address)
            listening.listen(_BACKLOG)
        except OSError as error:
            raise UsageError(f"--host {host} --port {port}: {os_reason(error)}") from error
        stack.pop_all()
        return listening


def _open(address: str) -> bool:
    """Open an address in the browser, and return whether there is one."""
    try:
        return webbrowser.open(address)
    except webbrowser.Error:
        return False


def _address(host: str, port: int) -> str:
    shown = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104
    return f"http://{f'[{shown}]' if ':' in shown else shown}:{port}/"
