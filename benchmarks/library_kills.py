"""Check that repeated kills of `happysad predict --out` lose nothing and repeat no finished part.

    python benchmarks/library_kills.py PHOTOS --kills 20 --write FILE
    python benchmarks/library_kills.py PHOTOS --kills 20 --cluster --write FILE

The script predicts the photos in PHOTOS, kills the process with kill -9 at a random moment, and
starts the same command again, until it has killed it --kills times. The moments are chosen so that
all kills come before the end. Then the last process finishes. The results must have one row for
each file, equal to the rows of an uninterrupted run, and a part that exists after a kill must never
be rewritten.

With --cluster, two workers predict, and every second kill hits a worker first, then the client. A
part that a worker had in progress when its client was killed may be rewritten with the same rows.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from happysad.batch.cluster import local
from happysad.batch.results import Results
from happysad.batch.tables import path_of
from happysad.files import write_text


def main() -> None:
    """Print and write the table; exit with status 1 if anything was lost or repeated."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="a folder of photos")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--shard", type=int, default=20, help="photos per part")
    parser.add_argument(
        "--seed", type=int, default=None, help="seed of the random times of the kills"
    )
    parser.add_argument(
        "--cluster",
        action="store_true",
        help="predict on two workers, and kill one in every second turn",
    )
    parser.add_argument("--write", type=Path, help="file to which the table is also written")
    chosen = parser.parse_args()
    moments = np.random.default_rng(chosen.seed)
    files = {str(path) for path in chosen.data.rglob("*") if path.is_file()}
    lines = ["| process | seconds | parts done | rewritten |", "|---|---|---|---|"]
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        address = stack.enter_context(local(2, 0)) if chosen.cluster else None
        whole, killed = Path(folder, "whole"), Path(folder, "killed")
        seconds = _run(chosen.data, whole, chosen.shard, address)
        lines.append(f"| uninterrupted | {seconds:.1f} | {len(_parts(whole))} | |")
        first = _first_part(chosen.data, Path(folder, "first"), chosen.shard, address)
        again, hits = 0, 0
        before: dict[str, int] = {}
        while hits < chosen.kills:
            # On average half of the startup time and half of an equal share of the work.
            wait = moments.uniform(0, first + (seconds - first) / chosen.kills)
            worker = address is not None and hits % 2 == 1
            if _run(chosen.data, killed, chosen.shard, address, wait, worker) < wait:
                raise SystemExit("the command finished before the last kill: needs more photos")
            hits += 1
            now = _parts(killed)
            rewritten = sum(now.get(name) != at for name, at in before.items())
            who = ", of a worker, then of the client" if worker else ""
            lines.append(f"| kill {hits}{who} | {wait:.2f} | {len(now)} | {rewritten} |")
            again, before = again + rewritten, now
        seconds = _run(chosen.data, killed, chosen.shard, address)
        now = _parts(killed)
        again += sum(now.get(name) != at for name, at in before.items())
        lines.append(f"| last | {seconds:.1f} | {len(now)} | {again} |")
        rows, expected = _rows(killed), _rows(whole)
    paths = [path_of(row) for row in rows]
    good = sorted(paths) == sorted(files) and rows == expected and (chosen.cluster or not again)
    lines += [
        "",
        f"{'equal' if good else 'NOT EQUAL'}: {len(files):,} files, {len(rows):,} rows, "
        f"{len(set(paths)):,} paths; rows {'are' if rows == expected else 'ARE NOT'} those of the "
        f"uninterrupted run; {chosen.kills} kills.",
    ]
    text = "\n".join(lines) + "\n"
    print(text, end="")
    if chosen.write:
        write_text(chosen.write, text)
    sys.exit(not good)


def _run(
    data: Path,
    out: Path,
    shard: int,
    address: str | None,
    wait: float | None = None,
    worker: bool = False,
) -> float:
    """Predict, and kill the process after `wait` seconds; return the seconds that it ran.

    With `worker`, kill a worker after half of this time.
    """
    began = time.perf_counter()
    with _begin(data, out, shard, address) as process:
        if worker and wait is not None:
            time.sleep(wait / 2)
            os.kill(_worker(address), signal.SIGKILL)
        try:
            process.wait(wait)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    if process.returncode not in (0, 1, -9):
        raise SystemExit(f"the command ended with {process.returncode}")
    return time.perf_counter() - began


def _first_part(data: Path, out: Path, shard: int, address: str | None) -> float:
    """Return the seconds until the first part exists."""
    began = time.perf_counter()
    with _begin(data, out, shard, address) as process:
        while process.poll() is None and not _parts(out):
            time.sleep(0.01)
        process.kill()
    return time.perf_counter() - began


def _worker(address: str | None) -> int:
    """Return the process ID of a worker."""
    from distributed import Client

    with Client(address, set_as_default=False) as client:
        return int(next(iter(client.run(os.getpid).values())))


def _begin(data: Path, out: Path, shard: int, address: str | None) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "happysad", "predict", str(data), "--out", str(out)]
    if address is not None:
        command += ["--cluster", address]
    return subprocess.Popen([*command, "--shard", str(shard)], stdout=subprocess.DEVNULL)


def _parts(out: Path) -> dict[str, int]:
    return {file.name: file.stat().st_mtime_ns for file in out.glob("photos/part-*")}


def _rows(out: Path) -> list[dict[str, Any]]:
    return list(Results.open(out).photos())


if __name__ == "__main__":
    main()
