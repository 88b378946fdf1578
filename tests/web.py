"""Servers for tests: called in the test's process, or running on a free port of this machine."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import uvicorn
from fastapi import FastAPI
from starlette.testclient import TestClient

from happysad.web.app import create_app
from happysad.web.http.server import Config, listen
from happysad.web.http.settings import Settings

__all__ = ["ADDRESS", "LIVE", "Running", "client", "running", "serving", "settings"]

#: The server's address in the requests of `client`.
ADDRESS = "http://127.0.0.1:8000"
LIVE = "ws://127.0.0.1:8000/v1/live"


def settings(folder: Path, **given: Any) -> Settings:
    """Return settings of a server whose Teach writes to a test's folder."""
    return Settings(**{"folder": folder / "teach", **given})


def client(app: FastAPI) -> TestClient:
    """Return a test client of `app`; a `with` statement starts and stops the app."""
    return TestClient(app, base_url=ADDRESS)


@dataclass(frozen=True)
class Running:
    """A real server, its client and its address."""

    app: FastAPI
    client: httpx2.Client
    port: int

    def send(self, data: bytes) -> bytes:
        """Send raw bytes; return the answer, up to the end of the connection."""
        with self.connect() as connection:
            connection.sendall(data)
            return rest(connection)

    def connect(self) -> socket.socket:
        """Return a plain TCP connection."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=20)

    def is_well(self) -> bool:
        """Return whether the server still answers."""
        return bool(self.client.get("/healthz").json() == {"status": "ok"})

    def wait_for(self, line: str) -> None:
        """Wait until the server's metrics contain a line."""
        for _ in range(1000):
            if f"{line}\n" in (text := self.client.get("/metrics").text):
                return
            time.sleep(0.01)
        raise AssertionError(f"no {line!r} in {text}")


def rest(connection: socket.socket) -> bytes:
    """Return all bytes that arrive until the other side closes the connection."""
    parts = []
    while part := connection.recv(65536):
        parts.append(part)
    return b"".join(parts)


@contextlib.contextmanager
def running(settings: Settings) -> Iterator[Running]:
    """Run uvicorn on a free port as `happysad serve` does, until the context is left."""
    app = create_app(settings)
    with (
        serving(app, settings) as port,
        httpx2.Client(base_url=f"http://127.0.0.1:{port}", timeout=20) as client,
    ):
        yield Running(app, client, port)


@contextlib.contextmanager
def serving(app: FastAPI, settings: Settings) -> Iterator[int]:
    """Serve an app with uvicorn until the context is left; yield the port."""
    with listen("127.0.0.1", 0) as listening:
        server = uvicorn.Server(Config(app, settings))
        thread = threading.Thread(target=server.run, args=([listening],))
        thread.start()
        try:
            while not server.started and thread.is_alive():
                time.sleep(0.01)
            yield listening.getsockname()[1]
        finally:
            server.should_exit = True
            thread.join()
