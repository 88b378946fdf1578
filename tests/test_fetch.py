"""Pictures from web servers that are slow, faulty or unreachable."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from happysad.errors import ImageError
from happysad.fetch import fetch, is_web_address


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(302 if self.path == "/away" else 200)
        if self.path == "/away":
            self.send_header("Location", "file:///etc/" + "x" * 500)
        self.end_headers()
        self.wfile.write(self.path.encode())

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def web() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@contextmanager
def endless_head() -> Iterator[str]:
    """Send one client headers that never end, in pieces that arrive before a read times out."""
    done = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            client, _ = server.accept()
            with client:
                client.sendall(b"HTTP/1.1 200 OK\r\n")
                while not done.wait(0.02):
                    client.sendall(b"X")

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        done.set()
        thread.join()


def test_a_head_that_never_ends_takes_no_longer_than_the_limit() -> None:
    with endless_head() as address:
        began = time.monotonic()
        with pytest.raises(ImageError, match=r"takes more than 0\.3 s"):
            fetch(address, seconds=0.3)
        assert time.monotonic() - began < 5


def test_a_redirect_to_a_file_is_refused_in_a_short_line(web: str) -> None:
    with pytest.raises(ImageError, match="the server answers 302") as raised:
        fetch(f"{web}/away")
    assert raised.value.code == "cannot_fetch"
    assert len(str(raised.value)) < 180
    assert "\n" not in str(raised.value)


def test_letters_and_spaces_of_an_address_are_written_as_browsers_do(web: str) -> None:
    assert fetch(f"{web}/caf\u00e9 1.jpg") == b"/caf%C3%A9%201.jpg"
    assert fetch(f"{web}/a%20b?c=d%2F") == b"/a%20b?c=d%2F"


def test_too_many_bytes_are_refused(web: str) -> None:
    with pytest.raises(ImageError, match="more than 3 bytes"):
        fetch(f"{web}/long", max_bytes=3)


def test_the_scheme_may_be_in_capitals(web: str) -> None:
    assert is_web_address("HTTPS://example.org")
    assert fetch(web.replace("http", "HTTP") + "/x") == b"/x"
