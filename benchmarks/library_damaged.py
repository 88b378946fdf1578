"""Does every file get its row where one in twenty is damaged, locked, broken or goes away?

    python benchmarks/library_damaged.py PHOTOS --count 1000 --write FILE

The photos in PHOTOS that can be read are given so many names, one in twenty of them is spoilt in
some way, and `happysad predict --out` does them all; once its first part is there, the files that
are to vanish do. Every file must have one row, every spoilt one a reason that begins with its path,
all others an outcome; the exit status must be 1. Run by root it gives up root's right to read
everything (setpriv, of util-linux), so that there are unreadable files.
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
_GOES = "vanishes while it runs"
_ODD = "a name that is not UTF-8, the photo good"


def main() -> None:
    """Run it, print and write the table; exits with 1 where a row is missing or wrong."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="a folder of photos")
    parser.add_argument("--count", type=int, default=1000, help="files in all")
    parser.add_argument("--seed", type=int, default=0, help="of which ones are spoilt")
    parser.add_argument("--write", type=Path, help="also write the table to this file")
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
    """List the photos that can be read."""
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
    """Spoil one in twenty, each in the next way; gives how, by path."""
    last = names[-_SHARD:]  # what vanishes must not have had its turn
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
            spoilt[os.fspath(path)] = "renamed"  # is not chosen again
            path = odd
        spoilt[os.fspath(path)] = how
    return {path: how for path, how in spoilt.items() if how != "renamed"}


def _run(photos: Path, out: Path, vanish: list[Path]) -> int:
    """Predict them; gives the exit status."""
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
    lines = ["| files | n | rows | with an outcome | with a reason | such as |"]
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
    lines += ["Every file has one row, and what it should have." if right else "MISSED"]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
