"""Abuse: requests that are too large, too slow, too many or not pictures are refused.

Afterwards the server must still answer. Tests of time and connections use a real server.
"""

from __future__ import annotations

import contextlib
import gc
import json
import socket
import struct
import threading
import time
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import anyio
import httpx2
import numpy as np
import pytest

from happysad import images
from happysad.errors import ImageError
from happysad.web.app import create_app
from tests.classifiers import brightness_classifier
from tests.pictures import encoded, photo, portrait
from tests.web import Running, client, rest, running, settings

MIB = 1024 * 1024
GOOD = encoded(photo(1))
OK = b"HTTP/1.1 200 "

Start = Callable[..., Running]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start real servers with given settings; at the end, each must still answer."""
    model = brightness_classifier(tmp_path / "model.onnx")
    with contextlib.ExitStack() as stack:
        started = []

        def starting(**given: Any) -> Running:
            one = stack.enter_context(running(settings(tmp_path, model=model, **given)))
            started.append(one)
            return one

        yield starting
        for one in started:
            assert one.is_well()
            assert one.client.post("/v1/predict", content=GOOD).status_code == 200


def png(width: int, height: int, data: bytes = b"") -> bytes:
    """Return a PNG that declares this size; `data` is its content before compression."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = (chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(data)), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


NO_PICTURES = {
    "empty": (b"", "the file is empty"),
    "text": (b"<svg onload=alert(1)>", "not an image"),
    "bomb": (
        png(20_000, 20_000),
        "20000x20000 pixels are too many: they take 6.4 GB",
    ),
    "line": (png(2_000_000_000, 1), "pixels are too many"),
    "truncated": (portrait()[:9000], "truncated"),
    "damaged": (b"\xff\xd8\xff" + b"\0" * 999, "damaged"),
    "no end": (png(9, 9)[:60], "(png)"),
    "nothing in it": (png(100, 100), "(png)"),
}


@pytest.mark.parametrize("name", NO_PICTURES)
def test_what_is_no_picture(start: Start, name: str) -> None:
    data, says = NO_PICTURES[name]
    one = start()
    for path in ("/v1/predict", "/v1/explain"):
        answer = one.client.post(path, content=data)
        assert answer.status_code == 422
        assert says in answer.json()["error"]
    several = [("files", ("a.png", data)), ("files", ("b.png", GOOD))]
    answer = one.client.post("/v1/predict", files=several)
    bad, good = answer.json()
    assert answer.status_code == 200
    assert says in bad["error"]["text"]
    assert good["error"] is None


def test_a_bomb_is_refused_before_it_is_unpacked() -> None:
    """The pixels would take 243 MB; the allocations of numpy and Python are counted."""
    bomb = png(9_000, 9_000, bytes(9_000 * 27_001))
    assert len(bomb) < MIB
    tracemalloc.start()
    try:
        with pytest.raises(ImageError, match="too many"):
            images.decode(bomb, max_memory=10**9)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 4 * MIB


def test_a_body_that_says_to_be_too_large_is_not_read(start: Start) -> None:
    one = start(max_body=MIB)
    answer = one.send(
        b"POST /v1/predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 9999999999\r\n\r\nx"
    )
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert json.loads(answer.partition(b"\r\n\r\n")[2]) == {
        "error": "the body is too large (at most 1,048,576 bytes)"
    }


@pytest.mark.parametrize("form", [False, True])
def test_a_body_that_turns_out_too_large_is_let_go(tmp_path: Path, form: bool) -> None:
    """Measure how much the app reads and how much it holds at most, without a network."""
    model = brightness_classifier(tmp_path / "model.onnx")
    app = create_app(settings(tmp_path, model=model, max_body=4 * MIB, idle_seconds=5))
    kind = b"multipart/form-data; boundary=x" if form else b"image/png"
    head = b'--x\r\nContent-Disposition: form-data; name="files"; filename="a"\r\n\r\n'
    taken = 0
    answered: list[int] = []

    async def receive() -> dict[str, Any]:
        nonlocal taken
        if answered:  # the app only keeps reading to close the connection
            await anyio.sleep_forever()
        part = head if form and taken == 0 else bytes(MIB)
        taken += len(part)
        return {"type": "http.request", "body": part, "more_body": True}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            answered.append(message["status"])

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "scheme": "http",
        "method": "POST",
        "path": "/v1/predict",
        "raw_path": b"/v1/predict",
        "query_string": b"",
        "root_path": "",
        "headers": [
            (b"host", b"127.0.0.1"),
            (b"transfer-encoding", b"chunked"),
            (b"content-type", kind),
        ],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 8000),
    }

    async def ask() -> None:
        await app(scope, receive, send)

    with client(app):
        gc.collect()
        tracemalloc.start()
        try:
            anyio.run(ask)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert answered == [413]
    assert taken <= 6 * MIB
    assert peak < 12 * MIB


def test_a_body_in_pieces_without_an_end(start: Start) -> None:
    one = start(max_body=MIB)

    def pieces() -> Iterator[bytes]:
        for _ in range(64):
            yield bytes(MIB)

    answer = one.client.post("/v1/predict", content=pieces())
    assert answer.status_code == 413
    assert answer.headers["connection"] == "close"


def test_too_many_files(start: Start) -> None:
    one = start(max_files=3)
    files = [("files", (f"{number}.png", GOOD)) for number in range(4)]
    assert len(one.client.post("/v1/predict", files=files[:3]).json()) == 3
    answer = one.client.post("/v1/predict", files=files)
    assert answer.status_code == 400
    assert "3" in answer.json()["error"]


@pytest.mark.parametrize(
    ("kind", "body", "status"),
    [
        ("multipart/form-data", b"x", 400),  # no boundary
        ("multipart/form-data; boundary=x", b"no form", 400),
        ("multipart/form-data; boundary=x", b"", 422),
        ("multipart/form-data; boundary=x", b"--x\r\n\r\nabc\r\n--x--\r\n", 400),
        ("multipart/form-data; boundary=" + "x" * 9999, b"--x--\r\n", 400),
        (
            "multipart/form-data; boundary=x",
            b'--x\r\nContent-Disposition: form-data; name="files"\r\n\r\nabc\r\n--x--\r\n',
            422,
        ),
        (
            "multipart/form-data; boundary=x",
            b'--x\r\nContent-Disposition: form-data; name="other"; filename="a.png"\r\n\r\n'
            b"abc\r\n--x--\r\n",
            422,
        ),
        ("multipart/form-data; boundary=x", b"--x\r\n" + b"A: b\r\n" * 99_999, 400),
        ("multipart/form-data; boundary=x; charset=\xff", b"--x--\r\n", 422),
        ("\xff/\xfe; =;=", GOOD, 200),
    ],
)
def test_forms_that_are_none(start: Start, kind: str, body: bytes, status: int) -> None:
    one = start()
    headers = {b"Content-Type": kind.encode("latin-1")}
    answer = one.client.post("/v1/predict", content=body, headers=headers)
    assert answer.status_code == status
    if status != 200:
        assert list(answer.json()) == ["error"]


def test_too_many_requests_at_once(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    one = start(max_requests=3)
    released, inside = threading.Event(), threading.Semaphore(0)
    original = images.decode

    def waiting(*args: Any, **options: Any) -> Any:
        inside.release()
        assert released.wait(20)
        return original(*args, **options)

    monkeypatch.setattr("happysad.photo.decode", waiting)
    with ThreadPoolExecutor(3) as pool:
        try:
            busy = [pool.submit(one.client.post, "/v1/predict", content=GOOD) for _ in range(3)]
            # As many requests as there are workers are processed; the others wait.
            assert inside.acquire(timeout=20)
            one.wait_for("happysad_requests_busy 3.0")
            answer = one.client.post("/v1/predict", content=GOOD)
            assert answer.status_code == 429
            assert answer.json() == {"error": "too many requests at once; try again"}
            assert int(answer.headers["retry-after"]) >= 1
            assert one.is_well()
            assert one.client.get("/v1/model").status_code == 200
        finally:
            released.set()
        assert [request.result().status_code for request in busy] == [200] * 3
    # Each slot is free again.
    with ThreadPoolExecutor(3) as pool:
        answers = pool.map(lambda _: one.client.post("/v1/predict", content=GOOD), range(3))
        assert [answer.status_code for answer in answers] == [200] * 3


def test_too_much_at_once(start: Start) -> None:
    """Each body is small enough, but all together are too large."""
    one = start(max_body=MIB, max_held=MIB + MIB // 2)
    head = f"POST /v1/predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {MIB}\r\n\r\n".encode()
    with one.connect() as first:
        first.sendall(head + bytes(MIB - 1))
        one.wait_for("happysad_requests_held_bytes 1.048575e+06")
        answer = one.client.post("/v1/predict", content=bytes(MIB))
        assert (answer.status_code, answer.headers["retry-after"]) == (429, "1")
        first.sendall(b"\0")
        assert first.recv(65536).startswith(b"HTTP/1.1 422 ")
    for _ in range(3):  # the bodies of earlier requests are released
        assert one.client.post("/v1/predict", content=bytes(MIB)).status_code == 422


def test_no_more_photos_are_decoded_at_once_than_there_are_workers(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = start(workers=2, max_requests=8)
    now, most, lock = 0, 0, threading.Lock()
    two = threading.Barrier(2, timeout=20)
    original = images.decode

    def counting(*args: Any, **options: Any) -> Any:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        try:
            two.wait()
            return original(*args, **options)
        finally:
            with lock:
                now -= 1

    monkeypatch.setattr("happysad.photo.decode", counting)
    files = [("files", (f"{number}.png", GOOD)) for number in range(8)]
    with ThreadPoolExecutor(4) as pool:
        answers = pool.map(lambda _: one.client.post("/v1/predict", files=files), range(4))
        assert [len(answer.json()) for answer in answers] == [8] * 4
    assert most == 2


def test_an_answer_that_takes_too_long(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """The photo that is being processed is finished; the others are not started."""
    one = start(request_seconds=0.3, workers=1)
    begun = []
    original = images.decode

    def slow(*args: Any, **options: Any) -> Any:
        begun.append(args)
        time.sleep(1)  # longer than the request may take; nothing is asserted about it
        return original(*args, **options)

    monkeypatch.setattr("happysad.photo.decode", slow)
    files = [("files", (f"{number}.png", GOOD)) for number in range(8)]
    answer = one.client.post("/v1/predict", files=files)
    assert answer.status_code == 503
    assert answer.json() == {"error": "the answer took too long"}
    assert "retry-after" in answer.headers
    assert len(begun) == 1
    monkeypatch.undo()


HEAD = b"POST /v1/predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000\r\n\r\n"


def test_a_client_that_stops_sending(start: Start) -> None:
    one = start(idle_seconds=0.3)
    answer = one.send(HEAD + b"a few bytes")
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"connection: close" in answer.lower()
    assert json.loads(answer.partition(b"\r\n\r\n")[2]) == {
        "error": "the request arrived too slowly"
    }


def test_a_client_that_sends_a_byte_at_a_time(start: Start) -> None:
    one = start(idle_seconds=5, request_seconds=0.5)
    with one.connect() as connection:
        connection.sendall(HEAD)
        stop = threading.Event()

        def trickle() -> None:
            while not stop.wait(0.05):
                try:
                    connection.sendall(b"x")
                except OSError:
                    return

        thread = threading.Thread(target=trickle)
        thread.start()
        try:
            answer = rest(connection)
        finally:
            stop.set()
            thread.join()
    assert answer.startswith(b"HTTP/1.1 408 ")


@pytest.mark.parametrize("sent", [b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX: "])
def test_headers_that_do_not_come(start: Start, sent: bytes) -> None:
    answer = start(headers_seconds=0.5).send(sent)
    assert answer.startswith(b"HTTP/1.1 408 ")


def test_headers_that_do_not_come_after_an_answer(start: Start) -> None:
    one = start(headers_seconds=0.5)
    with one.connect() as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")
        connection.sendall(b"GET /healthz HT")
        assert b"HTTP/1.1 408 " in rest(connection)


@pytest.mark.parametrize(
    "sent",
    [
        b"\r\n\r\n",
        b"no http at all\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",  # no Host
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"GET /" + b"x" * 999_999 + b" HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX: " + b"x" * 999_999 + b"\r\n\r\n",
        bytes(range(256)) * 9,
    ],
)
def test_what_is_no_http(start: Start, sent: bytes) -> None:
    one = start()
    answer = one.send(sent)
    assert answer.startswith(b"HTTP/1.1 4")
    assert list(json.loads(answer.partition(b"\r\n\r\n")[2])) == ["error"]


def test_a_client_that_goes_away_leaves_nothing_behind(start: Start) -> None:
    one = start(max_requests=1)
    gone = 'happysad_requests_total{method="POST",route="/v1/predict",status="499"}'
    for number in (1, 2, 3):
        with one.connect() as connection:
            connection.sendall(HEAD + b"a few bytes")
        one.wait_for(f"{gone} {number}.0")
    assert one.client.post("/v1/predict", content=GOOD).status_code == 200


def test_idle_connections_are_closed_for_others_and_busy_ones_are_not(start: Start) -> None:
    one = start(max_connections=2)
    with contextlib.ExitStack() as stack:
        for _ in range(6):
            stack.enter_context(one.connect()).sendall(b"GET / HTTP/1.1\r\n")
        assert one.send(b"GET /healthz HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n").startswith(OK)
        busy = [stack.enter_context(one.connect()) for _ in range(2)]
        for connection in busy:
            connection.sendall(HEAD.replace(b"\r\n\r\n", b"\r\nExpect: 100-continue\r\n\r\n"))
            assert connection.recv(65536).startswith(b"HTTP/1.1 100 ")
        assert one.send(b"").startswith(b"HTTP/1.1 503 ")
        for connection in busy:
            connection.sendall(bytes(1000))
            assert connection.recv(65536).startswith(b"HTTP/1.1 422 ")


def test_a_request_with_two_lengths_is_refused_and_its_connection_closed(tmp_path: Path) -> None:
    app = create_app(settings(tmp_path, model=brightness_classifier(tmp_path / "model.onnx")))
    for path in ("/v1/predict", "/healthz"):
        headers = {"Transfer-Encoding": "chunked", "Content-Length": "1"}
        answer = client(app).post(path, content=b"x", headers=headers)
        assert answer.status_code == 400
        assert answer.headers["connection"] == "close"
        assert answer.json() == {
            "error": "a request may have Content-Length or Transfer-Encoding, not both"
        }


HANDSHAKE = (
    b"GET /v1/live HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


@pytest.mark.parametrize(
    ("first", "again"),
    [
        (b"", b"GET /openapi.json HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"),
        (HANDSHAKE, b"\x89\xfd\0\0\0\0" + b"x" * 125),  # a ping, which also gets an answer
    ],
    ids=["requests", "pings"],
)
def test_a_client_that_does_not_read_is_cut_off(start: Start, first: bytes, again: bytes) -> None:
    one = start(max_live=1, unread_seconds=0.3)
    with socket.socket() as connection:
        connection.settimeout(20)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)  # fills up soon
        connection.connect(("127.0.0.1", one.port))
        if first:
            connection.sendall(first)
            assert connection.recv(65536).startswith(b"HTTP/1.1 101 ")
        with pytest.raises(ConnectionError):
            while True:
                connection.sendall(again * 100)
    one.wait_for("happysad_live_views 0.0")


def test_a_message_of_too_many_fragments_is_ended(start: Start) -> None:
    one = start(max_live=1)
    for content in (b"", b"x"):
        rest_of_frame = bytes([0x80 | len(content)]) + bytes(4) + content
        with one.connect() as connection:
            connection.sendall(HANDSHAKE)
            assert connection.recv(65536).startswith(b"HTTP/1.1 101 ")
            connection.sendall(b"\x02" + rest_of_frame + (b"\x00" + rest_of_frame) * 4096)
            assert b"\x03\xf1too many fragments" in rest(connection)  # 1009, "too big"
        one.wait_for("happysad_live_views 0.0")


def test_memory_is_what_it_was_after_large_and_bad_requests(tmp_path: Path) -> None:
    """The allocations of Python and numpy that remain after all answers are counted."""
    model = brightness_classifier(tmp_path / "model.onnx")
    large = encoded(np.zeros((1500, 1500, 3), np.uint8))
    bodies = [large, png(20_000, 20_000), portrait()[:9000], b"\0" * 2 * MIB]
    with client(create_app(settings(tmp_path, model=model, max_body=MIB))) as one:

        def ask() -> None:
            for body in bodies:
                one.post("/v1/predict", content=body)
                one.post("/v1/predict", files=[("files", ("a", body))] * 3)

        ask()
        gc.collect()
        tracemalloc.start()
        try:
            ask()
            gc.collect()
            before, _ = tracemalloc.get_traced_memory()
            for _ in range(5):
                ask()
            gc.collect()
            after, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert one.get("/healthz").status_code == 200
    assert after - before < MIB


def test_keep_alive_goes_on_after_a_refusal_that_was_sent_whole(start: Start) -> None:
    one = start()
    with httpx2.Client(base_url=one.client.base_url) as alone:
        assert alone.post("/v1/predict", content=b"no picture").status_code == 422
        assert alone.post("/v1/predict", content=GOOD).headers.get("connection") is None
