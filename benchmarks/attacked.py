"""Attack a server in many ways at once, and measure whether it stays quick, small and right.

    python benchmarks/attacked.py --write benchmarks/results/attacked.md

A real `happysad serve` with a token is attacked for half an hour by a second process: with photos,
huge photos, photos of many faces, files that are no pictures, requests that are no HTTP, slow and
idle connections, clients that do not read, Live views, WebSocket fragments and pings, and wrong
tokens. A third process asks for /healthz on a new connection each time, four times a second.

Memory is the resident set size of the server process. It is read every five seconds; the table has
the medians of a minute.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import io
import itertools
import json
import os
import re
import secrets
import socket
import struct
import subprocess
import sys
import tempfile
import time
import urllib.request
import zlib
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from http.client import HTTPException
from pathlib import Path

import numpy as np
from PIL import Image

from happysad.files import write_text

_TOKEN = secrets.token_hex(16)
_CLOSE = b"Connection: close\r\n"
# Seconds for which a client waits for an answer; a request may take 60 s.
_PATIENCE = 90.0


def main() -> None:
    """Attack a server, then print and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument(
        "--settle", type=float, default=5.0, help="minutes until memory is measured first"
    )
    parser.add_argument("--idle", type=int, default=300, help="number of idle connections")
    parser.add_argument("--write", type=Path, help="file to which the tables are also written")
    parser.add_argument("--ask", nargs=2, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.ask:
        _ask(chosen.ask[0], float(chosen.ask[1]))
        return
    with tempfile.TemporaryDirectory() as folder, _server(folder) as (process, address):
        seconds = 60 * chosen.minutes
        asking = subprocess.Popen(
            [sys.executable, __file__, "--ask", address, str(seconds)],
            stdout=subprocess.PIPE,
            text=True,
        )
        attack = _Attack(address, seconds)
        asyncio.run(attack.run(chosen.idle))
        latencies, failed = json.loads(asking.communicate()[0])
        ended = process.poll()
    lines = [*_health(latencies, failed), ""]
    lines += [*_memory(attack.sizes, 60 * chosen.settle), "", *_answers(attack.answers)]
    lines += ["", f"{chosen.minutes:g} minutes, {os.cpu_count()} cores, shared by all processes."]
    if ended is not None:
        lines.append(f"The server ended with status {ended}.")
    text = "\n".join(lines) + "\n"
    print(text, end="")
    if chosen.write:
        write_text(chosen.write, text)


@contextlib.contextmanager
def _server(folder: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Start a server in a separate process; yield the process and the address."""
    command = [sys.executable, "-m", "happysad", "serve", "--no-open", "--port", "0"]
    with Path(folder, "log").open("w") as log:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env={**os.environ, "HAPPYSAD_TOKEN": _TOKEN},
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
        try:
            assert process.stdout
            found = re.search(r"http://[^/\s]+", process.stdout.readline())
            assert found, "the server did not start"
            yield process, found[0]
        finally:
            process.terminate()
            process.communicate()


def _ask(address: str, seconds: float) -> None:
    """Ask for /healthz until the time is over; print the latencies in seconds and the failures."""
    latencies, failed = [], 0
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        began = time.perf_counter()
        try:
            with urllib.request.urlopen(f"{address}/healthz", timeout=30) as answer:  # noqa: S310
                answer.read()
        except (OSError, HTTPException):
            failed += 1
        latencies.append(time.perf_counter() - began)
        time.sleep(0.25)
    print(json.dumps([latencies, failed]))


def _health(latencies: list[float], failed: int) -> list[str]:
    p50, p99, most = np.percentile(latencies, [50, 99, 100]) * 1000
    return [
        "| /healthz | measured | goal |",
        "|---|---|---|",
        f"| requests | {len(latencies):,} | |",
        f"| without an answer | {failed:,} | 0 |",
        f"| median, ms | {p50:,.0f} | |",
        f"| p99, ms | {p99:,.0f} | below 100 |",
        f"| longest, ms | {most:,.0f} | below 1,000 |",
    ]


def _memory(sizes: list[tuple[float, float]], settle: float) -> list[str]:
    """Return a table of the memory.

    Args:
        sizes: the time in seconds and the memory in MB, at any number of times.
        settle: the seconds after which the first minute begins.
    """
    if not sizes:
        return ["The memory of the server could not be read."]
    times, memory = np.array(sizes).T
    settle = min(settle, times[-1] / 2)  # in a short trial
    first = np.median(memory[(times >= settle) & (times < settle + 60)])
    last = np.median(memory[times >= times[-1] - 60])
    return [
        "| memory of the server | MB |",
        "|---|---|",
        f"| after {settle / 60:.1f} minutes | {first:,.0f} |",
        f"| at the end | {last:,.0f} ({last / first - 1:+.1%}; goal: within 5 %) |",
        f"| at most | {memory.max():,.0f} |",
    ]


def _answers(answers: dict[str, Counter[str]]) -> list[str]:
    statuses = sorted({status for counts in answers.values() for status in counts})
    lines = [
        f"| what was sent | {' | '.join(statuses)} |",
        "|---" * (len(statuses) + 1) + "|",
    ]
    for kind, counts in sorted(answers.items()):
        cells = (f"{counts[status]:,}" if counts[status] else "" for status in statuses)
        lines.append(f"| {kind} | {' | '.join(cells)} |")
    wrong = sum(counts[s] for counts in answers.values() for s in statuses if s.startswith("5"))
    return [*lines, "", f"{wrong} answers with a status of 500 or above (goal: 0)."]


def _jpeg(pixels: Image.Image) -> bytes:
    file = io.BytesIO()
    pixels.save(file, "jpeg", quality=85)
    return file.getvalue()


def _pictures() -> dict[str, bytes]:
    """Return good, huge and crowded photos, of the portrait that matplotlib contains."""
    import matplotlib

    portrait = Image.open(Path(matplotlib.get_data_path(), "sample_data", "grace_hopper.jpg"))
    small = portrait.resize((96, 112))
    crowd = Image.new("RGB", (17 * 96, 17 * 112))
    for column, row in itertools.product(range(17), repeat=2):
        crowd.paste(small, (column * 96, row * 112))
    return {
        "photos": _jpeg(portrait.resize((320, 375))),
        "photos of 45 million pixels": _jpeg(portrait.resize((6000, 7500))),
        "photos of 289 faces": _jpeg(crowd),
    }


def _no_pictures() -> list[bytes]:
    """Return bodies that are no pictures, or that would cost too much."""

    def chunk(name: bytes, data: bytes) -> bytes:
        size, check = struct.pack(">I", len(data)), struct.pack(">I", zlib.crc32(name + data))
        return size + name + data + check

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 20_000, 20_000, 8, 2, 0, 0, 0))
    data = chunk(b"IDAT", zlib.compress(bytes(4_000_000)))
    jpeg = _pictures()["photos"]
    return [
        b"",
        b"<svg onload=alert(1)>",
        jpeg[: len(jpeg) // 2],
        b"\xff\xd8" + b"\xff" * 2_000_000,
        b"\x89PNG\r\n\x1a\n" + header + data + chunk(b"IEND", b""),
        np.random.default_rng(0).bytes(1_000_000),
    ]


_NO_HTTP = (
    b"\r\n\r\n",
    bytes(range(256)) * 99,
    b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    b"GET /" + b"x" * 99_999 + b" HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: -1\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 9\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
)


class _Attack:
    """All attackers of one server, the statuses of their answers, and the server's memory."""

    def __init__(self, address: str, seconds: float) -> None:
        self._host, port = address.removeprefix("http://").split(":")
        self._port = int(port)
        self._began = time.monotonic()
        self._until = self._began + seconds
        self.answers: dict[str, Counter[str]] = {}
        self.sizes: list[tuple[float, float]] = []

    async def run(self, idle: int) -> None:
        """Attack until the time is over, with a number of idle connections."""
        bad, get = _no_pictures(), b"GET / HTTP/1.1\r\nX: "
        forms = [b"--x\r\nA: b\r\n" * 9999, b"--x--\r\n", bytes(5_000_000)]
        sent = self._head("POST /v1/predict", "Content-Length: 40000000\r\n")
        unread = self._head("GET /openapi.json", "").replace(_CLOSE, b"") * 400
        # What is sent, how, by how many clients, and the pause of each in seconds.
        kinds: list[tuple[str, Callable[[bytes], Awaitable[str]], list[bytes], int, float]] = [
            ("no pictures", self._post, bad, 2, 0.2),
            ("no forms", self._form, forms, 2, 0.2),
            ("no HTTP", self._raw, list(_NO_HTTP), 2, 0.1),
            ("bodies too large", self._raw, [sent + bytes(1_000_000)], 1, 1.0),
            ("wrong tokens", self._guess, [b""], 4, 0.01),
            ("Live views", self._view, [_pictures()["photos"]], 2, 0.5),
            ("fragments and pings", self._flood, _floods(), 2, 0.5),
            ("slow headers", self._slow, [get], 10, 0.1),
            ("slow bodies", self._slow, [sent[:-11] + b"000\r\n\r\n"], 10, 0.1),
            ("answers that are not read", self._unread, [unread], 4, 0.1),
            ("idle connections", self._raw, [b""], idle, 1.0),
        ]
        for kind, body in _pictures().items():
            many = kind == "photos"
            kinds.append((kind, self._post, [body], 4 if many else 1, 0.05 if many else 1.0))
        clients = [
            self._again(kind, send, bodies, pause)
            for kind, send, bodies, number, pause in kinds
            for _ in range(number)
        ]
        await asyncio.gather(self._watch(), *clients)

    async def _again(
        self,
        kind: str,
        send: Callable[[bytes], Awaitable[str]],
        bodies: list[bytes],
        pause: float,
    ) -> None:
        """Send the bodies in turn until the time is over, and count the statuses."""
        counts = self.answers.setdefault(kind, Counter())
        for body in itertools.cycle(bodies):
            left = self._until - time.monotonic()
            if left <= 0:
                return
            try:
                counts[await asyncio.wait_for(send(body), min(_PATIENCE, left))] += 1
            except TimeoutError:
                if left > _PATIENCE:
                    counts["no answer"] += 1
            except (OSError, EOFError):
                counts["closed"] += 1
            except Exception as error:  # such as an answer that is no HTTP
                counts[type(error).__name__] += 1
            await asyncio.sleep(pause)

    async def _watch(self) -> None:
        """Note the server's memory every five seconds."""
        while time.monotonic() < self._until:
            with contextlib.suppress(OSError, TimeoutError):
                text = await asyncio.wait_for(self._answer(self._head("GET /metrics", "")), 30)
                found = re.search(rb"^process_resident_memory_bytes (\S+)$", text, re.MULTILINE)
                if found:
                    self.sizes.append((time.monotonic() - self._began, float(found[1]) / 1e6))
            await asyncio.sleep(5)

    def _head(self, request: str, headers: str, token: str = _TOKEN) -> bytes:
        return (
            f"{request} HTTP/1.1\r\nHost: {self._host}\r\nConnection: close\r\n"
            f"Authorization: Bearer {token}\r\n{headers}\r\n"
        ).encode()

    @contextlib.asynccontextmanager
    async def _open(self) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        reader, writer = await asyncio.open_connection(self._host, self._port)
        try:
            yield reader, writer
        finally:
            writer.transport.abort()

    async def _answer(self, data: bytes) -> bytes:
        async with self._open() as (reader, writer):
            writer.write(data)
            return await reader.read()

    async def _raw(self, data: bytes) -> str:
        return _status(await self._answer(data))

    async def _post(self, body: bytes) -> str:
        head = self._head("POST /v1/predict", f"Content-Length: {len(body)}\r\n")
        return await self._raw(head + body)

    async def _form(self, body: bytes) -> str:
        headers = (
            f"Content-Type: multipart/form-data; boundary=x\r\nContent-Length: {len(body)}\r\n"
        )
        return await self._raw(self._head("POST /v1/predict", headers) + body)

    async def _guess(self, _: bytes) -> str:
        return await self._raw(self._head("GET /v1/model", "", secrets.token_hex(16)))

    async def _slow(self, head: bytes) -> str:
        async with self._open() as (reader, writer):
            writer.write(head)
            answer = asyncio.ensure_future(reader.read())
            try:
                while not answer.done():
                    writer.write(b"x")
                    await asyncio.wait([answer], timeout=1.0)
                return _status(answer.result())
            finally:
                answer.cancel()

    async def _unread(self, data: bytes) -> str:
        async with self._open() as (_, writer):
            writer.transport.pause_reading()  # type: ignore[attr-defined]
            plain = writer.get_extra_info("socket")
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)  # fills up soon
            while True:
                writer.write(data)
                await writer.drain()

    @contextlib.asynccontextmanager
    async def _socket(
        self,
    ) -> AsyncIterator[tuple[str, asyncio.StreamReader, asyncio.StreamWriter]]:
        upgrade = (
            "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
        )
        head = self._head("GET /v1/live", upgrade).replace(_CLOSE, b"")
        async with self._open() as (reader, writer):
            writer.write(head)
            yield _status(await reader.readuntil(b"\r\n\r\n")), reader, writer

    async def _view(self, photo: bytes) -> str:
        async with self._socket() as (status, reader, writer):
            for _ in range(20 if status == "101" else 0):
                writer.write(_frame(0x82, photo))
                size = (await reader.readexactly(2))[1]
                if size == 126:
                    size = int.from_bytes(await reader.readexactly(2))
                await reader.readexactly(size)
            return status

    async def _flood(self, frames: bytes) -> str:
        async with self._socket() as (status, reader, writer):
            writer.write(frames)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(reader.read(), 10)
            return status


def _status(answer: bytes) -> str:
    return answer[9:12].decode("ascii", "replace") or "closed"


def _frame(head: int, content: bytes) -> bytes:
    """Return a WebSocket frame, masked with zeros."""
    size = len(content)
    length = bytes([0x80 | size]) if size < 126 else b"\xfe" + size.to_bytes(2)
    return bytes([head]) + length + bytes(4) + content


def _floods() -> list[bytes]:
    """Return messages of endless fragments, pings, frames that are no pictures, and no frames."""
    return [
        _frame(0x02, b"") + _frame(0x00, b"") * 200_000,
        _frame(0x02, b"x") + _frame(0x00, b"x") * 200_000,
        _frame(0x89, b"") * 50_000,
        _frame(0x82, b"no picture") * 500,
        b"\xff" * 1000,
    ]


if __name__ == "__main__":
    main()
