"""Check that every file gets its row if one in twenty is damaged, locked, broken or deleted.

    python benchmarks/library_damaged.py PHOTOS --count 1000 --write FILE

The script copies the readable photos of PHOTOS into --count files, damages one in twenty in one of
several ways, and predicts all by `happysad predict --out`. Once the first part exists, the script
deletes the files that are meant to vanish. Every file must have one row: with a reason that starts
with its path if the file is damaged, and with an outcome otherwise. The exit status must be 1. If
root runs the script, it drops root's right to read every file (by setpriv of util-linux), so that
locked files are unreadable.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np

from happysad.batch.results import Results
from happysad.batch.tables import path_of
from happysad.errors import ImageError
from happysad.files import write_text
from happysad.images import read

_SHARD = 100
_ONE_IN = 20
_GOES = "deleted during the run"
_ODD = "good photo, name not UTF-8"


def main() -> None:
    """Print and write the table; exit with status 1 if a row is missing or wrong."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="a folder of photos")
    parser.add_argument("--count", type=int, default=1000, help="number of files")
    parser.add_argument("--seed", type=int, default=0, help="seed of the choice of damaged files")
    parser.add_argument("--write", type=Path, help="file to which the table is also written")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        photos, out = Path(folder, "photos"), Path(folder, "out")
        names = _copies(_readable(chosen.data), photos, chosen.count)
        spoilt = _spoil(names, np.random.default_rng(chosen.seed))
        files = {os.fspath(path) for path in photos.iterdir()}
        status = _run(photos, out, [Path(path) for path, how in spoilt.items() if how == _GOES])
        rows = list(Results.open(out).photos())
        text = _table(files, spoilt, {path_of(row): row for row in rows}, len(rows), status)
    print(text, end="")
    if chosen.write:
        write_text(chosen.write, text)
    if "MISSED" in text:
        raise SystemExit(1)


def _readable(data: Path) -> list[Path]:
    """Return the photos that can be read."""
    good = []
    for path in sorted(path for path in data.rglob("*") if path.is_file()):
        try:
            read(path)
        except ImageError:
            continue
        good.append(path)
    return good


def _copies(photos: list[Path], folder: Path, count: int) -> list[Path]:
    folder.mkdir()
    names = []
    for number in range(count):
        photo = photos[number % len(photos)]
        names.append(folder / f"{number:05}{photo.suffix}")
        shutil.copy(photo, names[-1])
    return names


def _spoil(names: list[Path], chance: np.random.Generator) -> dict[str, str]:
    """Damage one file in twenty, in each way in turn; return the way by path."""
    last = names[-_SHARD:]  # these are deleted before they are predicted
    ways = ["empty", "truncated", "bytes overwritten", "text", "locked", "broken link", _GOES, _ODD]
    spoilt: dict[str, str] = {}
    for number in range(len(names) // _ONE_IN):
        how = ways[number % len(ways)]
        among = last if how == _GOES else names[:-_SHARD]
        left = [name for name in among if os.fspath(name) not in spoilt]
        path = left[chance.integers(len(left))]
        data = path.read_bytes()
        if how == "empty":
            path.write_bytes(b"")
        elif how == "truncated":
            path.write_bytes(data[: len(data) // 2])
        elif how == "bytes overwritten":
            path.write_bytes(data[:2] + chance.bytes(len(data) - 2))
        elif how == "text":
            path.write_text("not a photo\n")
        elif how == "locked":
            path.chmod(0)
        elif how == "broken link":
            path.unlink()
            path.symlink_to("nowhere")
        elif how == _ODD:
            odd = Path(os.fsdecode(os.fsencode(path.with_suffix("")) + b"\xff" + b".jpg"))
            path.rename(odd)
            spoilt[os.fspath(path)] = "renamed"  # not chosen again
            path = odd
        spoilt[os.fspath(path)] = how
    return {path: how for path, how in spoilt.items() if how != "renamed"}


def _run(photos: Path, out: Path, vanish: list[Path]) -> int:
    """Predict the photos and delete `vanish` meanwhile; return the exit status."""
    command = [sys.executable, "-m", "happysad", "predict", os.fspath(photos)]
    command += ["--out", os.fspath(out), "--shard", str(_SHARD)]
    if os.geteuid() == 0:
        powers = "-dac_override,-dac_read_search"
        command = ["setpriv", f"--bounding-set={powers}", f"--inh-caps={powers}", *command]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        while process.poll() is None and not list(out.glob("photos/part-*")):
            time.sleep(0.05)
        for path in vanish:
            path.unlink()
        return process.wait()


def _table(
    files: set[str], spoilt: dict[str, str], rows: dict[str, dict[str, object]], n: int, status: int
) -> str:
    lines = ["| files | n | rows | with an outcome | with a reason | example |"]
    lines += ["|---|---|---|---|---|---|"]
    right = n == len(rows) == len(files) and rows.keys() == files and status == 1
    for how, count in {"good": len(files) - len(spoilt), **Counter(spoilt.values())}.items():
        these = [rows[path] for path in sorted(rows) if spoilt.get(path, "good") == how]
        outcomes = [row for row in these if row["error"] is None and row["label"] is not None]
        unreadable = [row for row in these if row["error"] is not None]
        reasons = [str(row["error"]) for row in unreadable]
        good = how in ("good", _ODD)
        right &= len(these) == len(outcomes if good else reasons) == count
        right &= all(str(row["error"]).startswith(path_of(row)) for row in unreadable)
        example = reasons[0].rpartition("/")[2] if reasons else ""
        row = f"| {how} | {count} | {len(these)} | {len(outcomes)} | {len(reasons)} | {example} |"
        lines.append(row)
    lines += ["", f"{len(files):,} files in, {n:,} rows out; exit status {status}."]
    lines += ["Every file has one row with the expected content." if right else "MISSED"]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
