"""Measure whether the memory of `happysad predict --out` grows with the number of photos.

    python benchmarks/library_memory.py PHOTOS --counts 1000 10000 50000 --write FILE

For each count, the script makes that many files from the photos in PHOTOS, in folders of a
thousand: hard links where the file system allows them, copies otherwise. Then a separate process
predicts all files. The system reports its peak memory (the largest resident set; Linux).
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from happysad.batch.results import Results
from happysad.files import write_text

_FOLDER = 1000


def main() -> None:
    """Measure, then print and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="a folder of photos")
    parser.add_argument("--counts", type=int, nargs="+", default=[1000, 10_000, 50_000])
    parser.add_argument("--write", type=Path, help="file to which the table is also written")
    chosen = parser.parse_args()
    photos = sorted(path for path in chosen.data.rglob("*") if path.is_file())
    rows, peaks = [], []
    for count in chosen.counts:
        with tempfile.TemporaryDirectory() as folder:
            place = Path(folder)
            _name(photos, place / "photos", count)
            peak, seconds = _peak(place)
            done = sum(1 for _ in Results.open(place / "results").photos())
        if done != count:
            raise SystemExit(f"{done:,} rows for {count:,} photos")
        peaks.append(peak)
        rows.append(f"| {count:,} | {peak:,.0f} | {count / seconds:,.0f} |")
    lines = ["| photos | peak memory, MB | photos/s |", "|---|---|---|", *rows, ""]
    lines.append(
        f"Largest peak / smallest peak: {max(peaks) / min(peaks):.3f} (goal: 1.10); "
        f"made from {len(photos):,} files; {os.cpu_count()} cores."
    )
    text = "\n".join(lines) + "\n"
    print(text, end="")
    if chosen.write:
        write_text(chosen.write, text)


def _name(photos: list[Path], folder: Path, count: int) -> None:
    """Make `count` files from the photos, each used about equally often."""
    first = []
    folder.mkdir()
    (folder.parent / "once").mkdir()
    for number, photo in enumerate(photos):  # on the file system of the links
        first.append(folder.parent / "once" / f"{number}{photo.suffix}")
        shutil.copy(photo, first[-1])
    for number in range(count):
        part = folder / f"{number // _FOLDER:04}"
        part.mkdir(exist_ok=True)
        photo = first[number % len(first)]
        name = part / f"{number:07}{photo.suffix}"
        try:
            name.hardlink_to(photo)
        except OSError:  # the file system limits the links per file
            shutil.copy(photo, name)
            first[number % len(first)] = name


def _peak(place: Path) -> tuple[float, float]:
    """Predict place/photos into place/results; return megabytes and seconds."""
    command = [sys.executable, "-m", "happysad", "predict", str(place / "photos")]
    began = time.perf_counter()
    process = subprocess.Popen(
        [*command, "--out", str(place / "results")], stdout=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in (0, 1):  # 1: some files cannot be read
        raise SystemExit(f"{command} ended with {process.returncode}")
    return usage.ru_maxrss / 1024, time.perf_counter() - began


if __name__ == "__main__":
    main()
