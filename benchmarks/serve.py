"""Compare the speed of the server with calls in Python, and measure whether its memory grows.

    python benchmarks/serve.py --write benchmarks/results/serve.md

A separate process sends a face photo of about 18 KB to POST /v1/predict of a real `happysad serve`,
over plain sockets. Each connection sends its next request once it has the answer to the previous
one. In alternate turns, a Python process calls Classifier.predict with the same bytes from the same
number of threads. The first turn of each side warms up.

Memory is the resident set size of the server process.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import io
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from happysad.files import write_text

_ROOT = Path(__file__).parents[1]
_CONCURRENCY = (1, 8, 32)
_BYTES = 18_000


def main() -> None:
    """Measure both sides, then print and write a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--photo", type=Path, help="a photo (default: the portrait that matplotlib contains)"
    )
    parser.add_argument("--concurrency", type=int, nargs="+", default=list(_CONCURRENCY))
    parser.add_argument("--seconds", type=float, default=10.0, help="seconds per turn")
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument(
        "--memory",
        type=int,
        nargs=2,
        default=[1000, 10_000],
        help="numbers of requests after which to measure memory (0 0: do not)",
    )
    parser.add_argument("--write", type=Path, help="file to which the tables are also written")
    parser.add_argument("--side", nargs=2, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.side:
        _be(*chosen.side)
        return
    photo = chosen.photo.read_bytes() if chosen.photo else _portrait()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "photo.jpg")
        file.write_bytes(photo)
        with server(folder) as address:
            lines = _compare(address, file, chosen)
        if chosen.memory[1]:
            with server(folder) as address:
                lines += ["", _memory(address, file, *chosen.memory)]
    text = "\n".join(lines) + "\n"
    print(text, end="")
    if chosen.write:
        write_text(chosen.write, text)


def _portrait() -> bytes:
    import matplotlib
    from PIL import Image

    whole = Image.open(Path(matplotlib.get_data_path(), "sample_data", "grace_hopper.jpg"))
    image = whole.resize((320, 375))
    sizes = []
    for quality in range(60, 96):
        file = io.BytesIO()
        image.save(file, "jpeg", quality=quality)
        sizes.append(file.getvalue())
    return min(sizes, key=lambda data: abs(len(data) - _BYTES))


@contextlib.contextmanager
def server(folder: str, *options: str, tree: Path = _ROOT) -> Iterator[str]:
    """Start a checkout's server in a separate process, and yield its address."""
    command = [sys.executable, "-m", "happysad", "serve", "--no-open", "--port", "0", *options]
    process = subprocess.Popen(
        command,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(tree / "src")},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert process.stdout
        found = re.search(r"http://\S+", process.stdout.readline())
        assert found, "the server did not start"
        yield found[0]
    finally:
        process.terminate()
        process.communicate()


def _compare(address: str, file: Path, chosen: argparse.Namespace) -> list[str]:
    sides = {"server": _Side(address, file), "python": _Side("python", file)}
    lines = [
        f"A photo of {file.stat().st_size:,} bytes, {chosen.turns} turns of "
        f"{chosen.seconds:g} s per side.",
        "",
        "| concurrency | server, requests/s | p50, ms | p99, ms "
        "| Python, calls/s | p50, ms | p99, ms | ratio (95 %) |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for concurrency in chosen.concurrency:
        got: dict[str, list[Any]] = {name: [] for name in sides}
        for turn in range(chosen.turns + 1):
            for name in list(sides) if turn % 2 else list(sides)[::-1]:
                answer = sides[name].turn(concurrency, chosen.seconds if turn else 1.0)
                if turn:  # the first turn warms up
                    got[name].append(answer)
        ours, python = (
            np.array([[one["rate"], one["p50"], one["p99"]] for one in got[name]]) for name in sides
        )
        cells = [
            f"{rate:,.0f} | {p50:,.1f} | {p99:,.1f}"
            for rate, p50, p99 in map(_middle, (ours, python))
        ]
        lines.append(
            f"| {concurrency} | {' | '.join(cells)} | {_ratio(ours[:, 0] / python[:, 0])} |"
        )
    for side in sides.values():
        side.end()
    return lines


def _middle(turns: np.ndarray[Any, Any]) -> list[float]:
    return [float(value) for value in np.median(turns, axis=0)]


def _ratio(ratios: np.ndarray[Any, Any]) -> str:
    picks = np.random.default_rng(0).integers(0, len(ratios), (2000, len(ratios)))
    low, high = np.percentile(np.median(ratios[picks], axis=1), [2.5, 97.5])
    return f"{np.median(ratios):.2f} ({low:.2f}-{high:.2f})"


def _memory(address: str, file: Path, few: int, many: int) -> str:
    side = _Side(address, file)
    sizes = []
    done = 0
    for until in (few, many):
        side.turn(8, 0, until - done)
        done = until
        with urllib.request.urlopen(address + "metrics") as answer:  # noqa: S310
            text = answer.read().decode()
        found = re.search(r"^process_resident_memory_bytes (\S+)$", text, re.MULTILINE)
        assert found
        sizes.append(float(found[1]) / 1e6)
    side.end()
    return (
        f"Memory of the server, concurrency 8: {sizes[0]:,.0f} MB after {few:,} requests, "
        f"{sizes[1]:,.0f} MB after {many:,} ({sizes[1] / sizes[0] - 1:+.1%})."
    )


class _Side:
    """A process that sends requests to a server, or calls Python, one turn at a time."""

    def __init__(self, what: str, file: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, __file__, "--side", what, str(file)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def turn(self, concurrency: int, seconds: float, number: int = 0) -> dict[str, float]:
        """Work for `seconds`, or on `number` photos; return the rate and the latencies."""
        assert self.process.stdin and self.process.stdout
        print(concurrency, seconds, number, file=self.process.stdin, flush=True)
        answer: dict[str, float] = json.loads(self.process.stdout.readline())
        return answer

    def end(self) -> None:
        """Close the input, and wait until the process ends."""
        self.process.communicate()


class _Work:
    """The shared state of all connections or threads of a turn: its end and the latencies."""

    def __init__(self, seconds: float, number: int) -> None:
        self.began = time.perf_counter()
        self._until = self.began + seconds
        self._left = number
        self._counted = number > 0
        self.latencies: list[float] = []

    def goes_on(self) -> bool:
        """Return whether another request is due."""
        self._left -= 1
        return self._left >= 0 if self._counted else time.perf_counter() < self._until

    def result(self) -> str:
        """Return the rate and the latencies as JSON."""
        seconds = time.perf_counter() - self.began
        p50, p99 = np.percentile(self.latencies, [50, 99]) * 1000
        return json.dumps({"rate": len(self.latencies) / seconds, "p50": p50, "p99": p99})


def _be(what: str, photo: str) -> None:
    """Run one side: for each line of input, run a turn and print its result."""
    data = Path(photo).read_bytes()
    turn = _calls(data) if what == "python" else _requests(what, data)
    for line in sys.stdin:
        concurrency, seconds, number = line.split()
        print(turn(int(concurrency), _Work(float(seconds), int(number))), flush=True)


def _calls(data: bytes) -> Any:
    from happysad import Classifier

    classifier = Classifier(threads=1)

    def turn(concurrency: int, work: _Work) -> str:
        def calls() -> None:
            while work.goes_on():
                began = time.perf_counter()
                if not classifier.predict(data).row()["faces"]:
                    raise SystemExit("Python found no face")
                work.latencies.append(time.perf_counter() - began)

        with ThreadPoolExecutor(concurrency) as pool:
            for done in [pool.submit(calls) for _ in range(concurrency)]:
                done.result()
        return work.result()

    return turn


def _requests(address: str, data: bytes) -> Any:
    host, port = address.removeprefix("http://").rstrip("/").split(":")
    head = (
        f"POST /v1/predict HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Type: image/jpeg\r\n"
        f"Content-Length: {len(data)}\r\n\r\n"
    )
    request = head.encode() + data

    async def connection(work: _Work) -> None:
        reader, writer = await asyncio.open_connection(host, int(port))
        while work.goes_on():
            began = time.perf_counter()
            writer.write(request)
            answer = (await reader.readuntil(b"\r\n\r\n")).lower()
            length = re.search(rb"content-length: (\d+)", answer)
            body = await reader.readexactly(int(length[1]) if length else 0)
            if not answer.startswith(b"http/1.1 200") or b'"faces":[{' not in body:
                raise SystemExit(f"the server answered {answer!r} {body!r}")
            work.latencies.append(time.perf_counter() - began)
        writer.close()
        await writer.wait_closed()

    async def connections(concurrency: int, work: _Work) -> None:
        await asyncio.gather(*(connection(work) for _ in range(concurrency)))

    def turn(concurrency: int, work: _Work) -> str:
        asyncio.run(connections(concurrency, work))
        return work.result()

    return turn


if __name__ == "__main__":
    main()
