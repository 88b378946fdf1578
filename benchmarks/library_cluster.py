r"""Compare a Dask cluster of 1 and 2 workers with threads on the same machine.

    python benchmarks/library_cluster.py PHOTOS --write FILE

The photos are those of library.py: small portraits and large photos, made from the photos in PHOTOS
that show a face. In one run, threads (`happysad predict`), one worker and two workers (`--cluster`)
take turns on the same files. The clusters are started before the measurement, as `happysad cluster`
starts them. Every other turn reverses the order, and the first turn warms up. One worker has all
cores, two workers have half of them each. The time of a side is that of the whole call: listing,
connecting, predicting and writing Parquet. Each ratio is computed within one turn; the table has
the median and the range over the turns.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from library import _library, _sets, _timed
from versus_fer import _turns

from happysad.batch.cluster import local
from happysad.files import write_text


def main() -> None:
    """Measure, then print and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="a folder of photos with faces")
    parser.add_argument("--small", type=int, default=2000, help="number of portraits")
    parser.add_argument("--large", type=int, default=200, help="number of large photos")
    parser.add_argument("--parts", type=int, default=20, help="number of parts per set of photos")
    parser.add_argument("--repeats", type=int, default=5, help="number of turns")
    parser.add_argument("--write", type=Path, help="file to which the table is also written")
    chosen = parser.parse_args()
    lines = [
        "| photos | side | photos/s | speedup over threads (range over turns) |",
        "|---|---|---|---|",
    ]
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        sets = _sets(Path(folder), chosen.data, chosen.small, chosen.large)
        sides: dict[str, str | None] = {"threads": None}
        starts = []
        for workers, name in ((1, "1 worker"), (2, "2 workers")):
            began = time.perf_counter()
            sides[name] = stack.enter_context(local(workers, 0))
            starts.append(f"{name} {time.perf_counter() - began:.1f} s")
        for name, photos in sets.items():
            lines += _rows(name, photos, sides, chosen.parts, chosen.repeats)
    sizes = ", ".join(f"{len(photos):,} {name}" for name, photos in sets.items())
    lines += [
        "",
        f"{os.cpu_count()} cores; {chosen.repeats} turns; {sizes}; {chosen.parts} parts each. "
        f"Time to start a cluster, not counted: {', '.join(starts)}.",
    ]
    text = "\n".join(lines) + "\n"
    print(text, end="")
    if chosen.write:
        write_text(chosen.write, text)


def _rows(
    name: str, photos: list[str], sides: dict[str, str | None], parts: int, repeats: int
) -> list[str]:
    shard = -(-len(photos) // parts)
    asked: dict[str, Callable[..., Any]] = {
        side: _timed(partial(_library, photos, shard=shard, cluster=cluster))
        for side, cluster in sides.items()
    }
    taken = _turns(asked, repeats)
    lines = []
    for side, answers in taken.items():
        rate = median(len(photos) / answer["seconds"] for answer in answers)
        pairs = zip(answers, taken["threads"], strict=True)
        ratios = [threads["seconds"] / ours["seconds"] for ours, threads in pairs]
        span = f"{median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
        lines.append(f"| {name} | {side} | {rate:,.1f} | {'' if side == 'threads' else span} |")
    return lines


if __name__ == "__main__":
    main()
