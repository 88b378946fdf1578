r"""100 million photos on 100 workers, reckoned: tasks, loads, sizes, what breaks first.

    python benchmarks/library_scale.py --rate 200 --write FILE

What one machine can measure is measured, small: listing paths, reading the list back, looking
whether a part is there, the size of a part, and the scheduler: a real one, with 100 real workers in
this process, whose tasks only wait, each as long as a part of 1,000 photos takes (`cluster.work`'s
own loop sends them, with paths as long as real ones). What scheduler, client and workers need of
one core is counted together, which is more than the scheduler alone needs. What it cannot is given
by options: photos/s of a worker (library_cluster.py measures it), a photo's bytes, and what the
storage lists and reads. The rest is arithmetic.
"""

from __future__ import annotations

import argparse
import math
import resource
import tempfile
import time
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
    """Measure, reckon, print and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photos", type=float, default=1e8)
    parser.add_argument("--workers", type=int, default=100)
    parser.add_argument("--rate", type=float, default=200, help="photos/s of a worker")
    parser.add_argument("--faces", type=float, default=1.5, help="faces a photo")
    parser.add_argument("--megabytes", type=float, default=3, help="of a photo")
    parser.add_argument("--keys", type=float, default=5_000, help="paths/s the storage lists")
    parser.add_argument("--storage", type=float, default=5, help="GB/s the storage gives in all")
    parser.add_argument("--sample", type=int, default=300_000, help="paths that are listed here")
    parser.add_argument("--rounds", type=int, default=10, help="tasks for each worker here")
    parser.add_argument("--write", type=Path, help="also write the tables to this file")
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
    """Measure what of it one machine can."""
    results = Results.begin(folder / "results", _made(1_000))
    backwards = range(chosen.sample, 0, -1)
    began = time.perf_counter()
    results.add(_PATH.format(number % 7, number) for number in backwards)
    listing = (time.perf_counter() - began) / chosen.sample
    began = time.perf_counter()
    results.add(_PATH.format(number % 7, number) for number in backwards)  # as on going on
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
    """Make rows whose numbers do not compress, as real ones hardly do."""
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
    """Stand in for a task: wait for as long as its list's number says, in microseconds."""
    time.sleep(given[3] / 1e6)
    return {"happy": 1 + given[5].count(b"\0")}


def _scheduled(chosen: argparse.Namespace) -> tuple[float, float]:
    """Send tasks that wait; gives how busy the workers are, and the CPU seconds of a task."""
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
        counts=lambda shard: None,
    )
    with (
        # Each worker would sample what all others in this process do.
        dask.config.set({"distributed.worker.profile.enabled": False}),
        LocalCluster(
            n_workers=chosen.workers,
            threads_per_worker=1,
            processes=False,
            memory_limit=None,  # they share one process
            protocol="tcp://",
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",
            silence_logs=50,
        ) as made,
        mock.patch.object(cluster, "_task", _wait),
        cluster._client(made.scheduler_address) as client,
    ):
        began, cpu = time.perf_counter(), time.process_time()
        work = cluster._Work(results, client, made.scheduler_address)  # type: ignore[arg-type]
        summary = work.done()
        took, cpu = time.perf_counter() - began, time.process_time() - cpu
    if summary.counts.total() != results.files:
        raise SystemExit(f"{summary.counts} of {results.files:,}")
    return chosen.rounds * seconds / took, cpu / tasks


def _given(chosen: argparse.Namespace, one: dict[str, float]) -> list[str]:
    return [
        "| measured here | |",
        "|---|---|",
        f"| sorting {chosen.sample:,} paths into the list | {1 / one['listing']:,.0f} paths/s |",
        f"| sorting them again beside the list, which each later call does | "
        f"{1 / one['again']:,.0f} paths/s |",
        f"| reading the list back | {1 / one['reading']:,.0f} paths/s |",
        f"| the list, packed | {one['list']:.1f} bytes a path of {one['path']:.0f} |",
        f"| looking whether a part is there | {1e3 * one['looking']:.2f} ms |",
        f"| a part, photos and faces | {one['photos']:.0f} and {one['faces']:.0f} bytes a photo |",
        f"| a task of 1,000 paths: scheduler, client and worker | "
        f"{1e3 / one['tasks']:.1f} ms of one core |",
        f"| {chosen.workers} workers, {chosen.rounds} tasks of {1_000 / chosen.rate:.1f} s each: "
        f"busy | {one['busy']:.0%} of the time |",
        f"| memory of scheduler, client and all those workers in one process | "
        f"{one['memory']:,.0f} MB |",
    ]


def _table(chosen: argparse.Namespace, one: dict[str, float]) -> list[str]:
    """Reckon for each size of parts."""
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
        "seconds a task, which is what a killed worker costs",
        *(f"{shard / chosen.rate:,.1f}" for shard in _SHARDS),
    )
    row("tasks/s", *(f"{rate / shard:,.1f}" for shard in _SHARDS))
    row(
        "of a core: scheduler, client, workers' talk",
        *(f"{_load(rate, shard, one):.0%}" for shard in _SHARDS),
    )
    row("paths through the scheduler, MB/s", *(f"{rate * one['path'] / 1e6:,.1f}",) * len(_SHARDS))
    flight = cluster._EACH * chosen.workers
    row("in the scheduler at a time, tasks", *(f"{flight:,}",) * len(_SHARDS))
    row(
        "in the scheduler at a time, MB of paths",
        *(f"{flight * shard * one['path'] / 1e6:,.1f}" for shard in _SHARDS),
    )
    row(
        "a part of photos, of faces, KB",
        *(
            f"{shard * one['photos'] / 1e3:,.0f}, {shard * one['faces'] / 1e3:,.0f}"
            for shard in _SHARDS
        ),
    )
    row(
        "going on when all is done but one part, after listing and sorting, minutes",
        *(f"{_resuming(chosen.photos, shard, one) / 60:,.1f}" for shard in _SHARDS),
    )
    return lines


def _load(rate: float, shard: int, one: dict[str, float]) -> float:
    """Give the share of one core; a task's cost grows with its paths beyond 1,000."""
    return rate / shard / one["tasks"] * max(1.0, shard / 1_000)


def _resuming(photos: float, shard: int, one: dict[str, float]) -> float:
    return photos * one["reading"] + photos / shard * one["looking"]


def _first(chosen: argparse.Namespace, one: dict[str, float]) -> list[str]:
    """Say what breaks first: at how many workers each is used up."""
    bound = {
        f"the storage, at {chosen.storage:g} GB/s and {chosen.megabytes:g} MB a photo": (
            1e3 * chosen.storage / chosen.megabytes / chosen.rate
        ),
        "the scheduler, --shard 100": one["tasks"] * 100 / chosen.rate,
        "the scheduler, --shard 1,000": one["tasks"] * 1_000 / chosen.rate,
    }
    lines = ["| what is used up first | at so many workers |", "|---|---|"]
    lines += [f"| {what} | {n:,.0f} |" for what, n in sorted(bound.items(), key=lambda it: it[1])]
    # Sorting costs n log n; what was measured is n of the sample.
    more = math.log(chosen.photos) / math.log(chosen.sample)
    sorting, again = (chosen.photos * one[what] * more / 60 for what in ("listing", "again"))
    return [
        *lines,
        "",
        f"Before the first task of each call, on the client alone: listing at the storage's "
        f"{chosen.keys:,.0f} paths/s {chosen.photos / chosen.keys / 3600:.1f} hours; sorting "
        f"{sorting:,.0f} minutes, {again:,.0f} where the call goes on, "
        f"{chosen.photos * (one['path'] + 12) / 1e9:,.0f} GB or more on the temporary disk; "
        f"the list, {chosen.photos * one['list'] / 1e9:.1f} GB. Results: "
        f"{chosen.photos * one['photos'] / 1e9:.1f} GB of photos, "
        f"{chosen.photos * one['faces'] / 1e9:.1f} GB of faces.",
    ]


if __name__ == "__main__":
    main()
