r"""Estimate tasks, loads, sizes and the first limit for 100 million photos on 100 workers.

    python benchmarks/library_scale.py --rate 200 --write FILE

The script measures on a small scale what one machine can measure: sorting paths, reading the list
back, testing whether a part exists, the size of a part, and the scheduler. The scheduler and its
100 workers are real and run in this process. Their tasks only sleep, each as long as a part of
1,000 photos takes; the loop of `cluster.work` sends them, with paths of realistic length. The CPU
time of scheduler, client and workers is counted together, so it is an upper bound for the
scheduler. Options specify what this script does not measure: photos/s of a worker (see
library_cluster.py), the size of a photo, and the speeds at which the storage lists and reads. The
script computes the rest.
"""

from __future__ import annotations

import argparse
import math
import resource
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

from happysad.batch import cluster
from happysad.batch.results import Made, Results, Shard
from happysad.batch.tables import photo_row
from happysad.face_detection import Face
from happysad.files import write_text
from happysad.predictions import FacePrediction, Prediction

_PATH = "/photos/archive/2019/07/camera-{:02}/IMG_{:09}.jpg"
_SHARDS = (100, 1_000, 10_000)
_BOX = ("x", "y", "width", "height", "score")


def main() -> None:
    """Measure and estimate, then print and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photos", type=float, default=1e8)
    parser.add_argument("--workers", type=int, default=100)
    parser.add_argument("--rate", type=float, default=200, help="photos/s per worker")
    parser.add_argument("--faces", type=float, default=1.5, help="faces per photo")
    parser.add_argument("--megabytes", type=float, default=3, help="megabytes per photo")
    parser.add_argument("--keys", type=float, default=5_000, help="paths/s that the storage lists")
    parser.add_argument(
        "--storage", type=float, default=5, help="GB/s that the storage reads in total"
    )
    parser.add_argument(
        "--sample", type=int, default=300_000, help="number of paths sorted in this measurement"
    )
    parser.add_argument(
        "--rounds", type=int, default=10, help="tasks per worker in this measurement"
    )
    parser.add_argument("--write", type=Path, help="file to which the tables are also written")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        one = _measured(Path(folder), chosen)
    text = "\n".join([*_given(chosen, one), "", *_table(chosen, one), "", *_first(chosen, one)])
    print(text)
    if chosen.write:
        write_text(chosen.write, text + "\n")


def _made(shard: int) -> Made:
    return Made(
        sources=("/photos",),
        folder="/",
        classifier="face.onnx",
        sha256="0" * 64,
        classes=("happy", "sad"),
        faces="find",
        unsure=True,
        format="parquet",
        shard=shard,
    )


def _measured(folder: Path, chosen: argparse.Namespace) -> dict[str, float]:
    """Measure what one machine can measure; return the figures by name."""
    results = Results.begin(folder / "results", _made(1_000))
    results.prepare()
    backwards = range(chosen.sample, 0, -1)
    began = time.perf_counter()
    results.add(_PATH.format(number % 7, number) for number in backwards)
    listing = (time.perf_counter() - began) / chosen.sample
    began = time.perf_counter()
    results.add(_PATH.format(number % 7, number) for number in backwards)  # as a resumed call does
    again = (time.perf_counter() - began) / chosen.sample
    began = time.perf_counter()
    shards = list(results.shards())
    reading = (time.perf_counter() - began) / chosen.sample
    shard = shards[0]
    photos, faces = _rows(shard, chosen.faces)
    results.write(shard, photos, faces)
    began = time.perf_counter()
    for _ in range(200):
        assert results.counts(shard)
    looking = (time.perf_counter() - began) / 200
    busy, second = _scheduled(chosen)
    return {
        "listing": listing,
        "again": again,
        "reading": reading,
        "looking": looking,
        "path": sum(len(path) for path in shard.paths) / len(shard.paths),
        "list": (folder / "results" / "files" / "list-0.gz").stat().st_size / chosen.sample,
        "photos": results.part("photos", shard).stat().st_size / len(shard.paths),
        "faces": results.part("faces", shard).stat().st_size / len(shard.paths),
        "busy": busy,
        "tasks": 1 / second,
        "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def _rows(shard: Shard, faces: float) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return rows with random numbers, which compress as badly as real ones."""
    import numpy as np

    random = np.random.default_rng(0)
    photos, found = [], []
    for path in shard.paths:
        seen = tuple(
            FacePrediction(
                label="happy",
                probabilities=_probabilities(float(random.random())),
                face=Face(
                    **{name: float(random.random()) for name in _BOX}, landmarks=((0, 0),) * 5
                ),
            )
            for _ in range(int(random.poisson(faces)))
        )
        answer = Prediction(
            source=path,
            label="happy",
            probabilities=_probabilities(float(random.random())),
            faces=seen,
            classifier="0" * 12,
        )
        photos.append(photo_row(answer, None))
        found += answer.face_rows() if seen else []
    return photos, found


def _probabilities(second: float) -> dict[str, float]:
    return {"happy": 1 - second, "sad": second}


def _wait(*given: Any) -> dict[str, int]:
    """Replace `cluster._task`: sleep; the list's number is the time in microseconds."""
    time.sleep(given[3] / 1e6)
    return {"happy": 1 + given[5].count(b"\0")}


def _scheduled(chosen: argparse.Namespace) -> tuple[float, float]:
    """Send tasks that sleep; return the busy share of the workers and the CPU seconds per task."""
    import dask
    from distributed import LocalCluster

    tasks, seconds = chosen.rounds * chosen.workers, 1_000 / chosen.rate

    paths = tuple(_PATH.format(number % 7, number) for number in range(1_000))

    def shards() -> Iterator[Shard]:
        for number in range(tasks):
            yield Shard(int(seconds * 1e6), number, paths)

    results = SimpleNamespace(
        folder=Path("/results"),
        files=tasks * 1_000,
        made=_made(1_000),
        fingerprint=lambda: "0" * 64,
        shards=shards,
        missing=lambda shard, errors: (Counter(), set(shard.paths)),
    )
    with (
        # Each worker would profile all other workers in this process.
        dask.config.set({"distributed.worker.profile.enabled": False}),
        LocalCluster(
            n_workers=chosen.workers,
            threads_per_worker=1,
            processes=False,
            memory_limit=None,  # the workers share one process
            protocol="tcp://",
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",
            silence_logs=50,
        ) as made,
        mock.patch.object(cluster, "_task", _wait),
        cluster._client(made.scheduler_address) as client,
    ):
        began, cpu = time.perf_counter(), time.process_time()
        work = cluster._Work(
            results,  # type: ignore[arg-type]
            client,
            made.scheduler_address,
            retry_errors=False,
        )
        summary = work.done()
        took, cpu = time.perf_counter() - began, time.process_time() - cpu
    if summary.counts.total() != results.files:
        raise SystemExit(f"{summary.counts} of {results.files:,}")
    return chosen.rounds * seconds / took, cpu / tasks


def _given(chosen: argparse.Namespace, one: dict[str, float]) -> list[str]:
    return [
        "| measured on this machine | |",
        "|---|---|",
        f"| sorting {chosen.sample:,} paths into the list | {1 / one['listing']:,.0f} paths/s |",
        f"| sorting them again and comparing with the list, as each resumed call does | "
        f"{1 / one['again']:,.0f} paths/s |",
        f"| reading the list back | {1 / one['reading']:,.0f} paths/s |",
        f"| size of the compressed list, for paths of {one['path']:.0f} bytes | "
        f"{one['list']:.1f} bytes/path |",
        f"| testing whether a part exists | {1e3 * one['looking']:.2f} ms |",
        f"| size of a part: photos, faces | {one['photos']:.0f}, {one['faces']:.0f} bytes/photo |",
        f"| CPU time of a task of 1,000 paths: scheduler, client and worker | "
        f"{1e3 / one['tasks']:.1f} ms of one core |",
        f"| busy time of {chosen.workers} workers with {chosen.rounds} tasks of "
        f"{1_000 / chosen.rate:.1f} s each | {one['busy']:.0%} |",
        f"| memory of scheduler, client and all workers, in one process | "
        f"{one['memory']:,.0f} MB |",
    ]


def _table(chosen: argparse.Namespace, one: dict[str, float]) -> list[str]:
    """Return the estimates for each part size."""
    rate = chosen.rate * chosen.workers
    lines = [
        f"{chosen.photos:,.0f} photos, {chosen.workers} workers of {chosen.rate:,.0f} photos/s: "
        f"{chosen.photos / rate / 3600:.1f} hours of predicting.",
        "",
        "| --shard | " + " | ".join(f"{shard:,}" for shard in _SHARDS) + " |",
        "|---|" + "---|" * len(_SHARDS),
    ]

    def row(what: str, *cells: str) -> None:
        lines.append(f"| {what} | " + " | ".join(cells) + " |")

    row(
        "tasks, and files in each of photos/ and faces/",
        *(f"{math.ceil(chosen.photos / shard):,}" for shard in _SHARDS),
    )
    row(
        "seconds per task, which a killed worker loses",
        *(f"{shard / chosen.rate:,.1f}" for shard in _SHARDS),
    )
    row("tasks/s", *(f"{rate / shard:,.1f}" for shard in _SHARDS))
    row(
        "load of scheduler, client and messages, of one core",
        *(f"{_load(rate, shard, one):.0%}" for shard in _SHARDS),
    )
    row("paths through the scheduler, MB/s", *(f"{rate * one['path'] / 1e6:,.1f}",) * len(_SHARDS))
    flight = cluster._EACH * chosen.workers
    row("tasks in the scheduler at a time", *(f"{flight:,}",) * len(_SHARDS))
    row(
        "MB of paths in the scheduler at a time",
        *(f"{flight * shard * one['path'] / 1e6:,.1f}" for shard in _SHARDS),
    )
    row(
        "size of a part: photos, faces, KB",
        *(
            f"{shard * one['photos'] / 1e3:,.0f}, {shard * one['faces'] / 1e3:,.0f}"
            for shard in _SHARDS
        ),
    )
    row(
        "minutes to resume with one part left, after listing and sorting",
        *(f"{_resuming(chosen.photos, shard, one) / 60:,.1f}" for shard in _SHARDS),
    )
    return lines


def _load(rate: float, shard: int, one: dict[str, float]) -> float:
    """Return the load in cores; from 1,000 paths on, a task's cost grows with its paths."""
    return rate / shard / one["tasks"] * max(1.0, shard / 1_000)


def _resuming(photos: float, shard: int, one: dict[str, float]) -> float:
    return photos * one["reading"] + photos / shard * one["looking"]


def _first(chosen: argparse.Namespace, one: dict[str, float]) -> list[str]:
    """Return the limits in the order in which a growing number of workers reaches them."""
    bound = {
        f"the storage, at {chosen.storage:g} GB/s and {chosen.megabytes:g} MB a photo": (
            1e3 * chosen.storage / chosen.megabytes / chosen.rate
        ),
        "the scheduler, --shard 100": one["tasks"] * 100 / chosen.rate,
        "the scheduler, --shard 1,000": one["tasks"] * 1_000 / chosen.rate,
    }
    lines = ["| limit | number of workers that reaches it |", "|---|---|"]
    lines += [f"| {what} | {n:,.0f} |" for what, n in sorted(bound.items(), key=lambda it: it[1])]
    # Sorting costs n log n; the measurement sorted `sample` paths.
    more = math.log(chosen.photos) / math.log(chosen.sample)
    sorting, again = (chosen.photos * one[what] * more / 60 for what in ("listing", "again"))
    return [
        *lines,
        "",
        f"Before the first task of each call, the client alone lists the paths, at "
        f"{chosen.keys:,.0f} paths/s in {chosen.photos / chosen.keys / 3600:.1f} hours, and sorts "
        f"them in {sorting:,.0f} minutes ({again:,.0f} in a resumed call), with at least "
        f"{chosen.photos * (one['path'] + 12) / 1e9:,.0f} GB on the temporary disk. "
        f"The list takes {chosen.photos * one['list'] / 1e9:.1f} GB, the results "
        f"{chosen.photos * one['photos'] / 1e9:.1f} GB for photos and "
        f"{chosen.photos * one['faces'] / 1e9:.1f} GB for faces.",
    ]


if __name__ == "__main__":
    main()
