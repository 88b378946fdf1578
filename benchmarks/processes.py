"""Compare commands as whole processes with the same commands of another checkout.

    python benchmarks/processes.py OTHER PHOTOS --write FILE

OTHER is a checkout of happysad whose dependencies this Python has, for example the worktree of an
earlier commit; PHOTOS is a folder of photos with faces. The two sides take turns, and every other
pair reverses the order; one pair warms up. The table has the median of the ratios of the pairs,
this checkout divided by the other, with the 95 % percentile bootstrap interval of that median. CPU
seconds include those of child processes.

The script needs happysad[scale].
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from happysad.files import write_text
from happysad.progress import track

_HERE = Path(__file__).parent.parent
_RESAMPLES = 10_000


def main() -> None:
    """Measure, then print and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("other", type=Path, help="the other checkout")
    parser.add_argument("photos", type=Path, help="a folder of photos with faces")
    parser.add_argument("--pairs", type=int, default=20, help="number of pairs")
    parser.add_argument("--write", type=Path, help="file to which the table is also written")
    chosen = parser.parse_args()
    photos = sorted(str(path) for path in chosen.photos.resolve().rglob("*") if path.is_file())
    commands = {
        "happysad --help": ["-m", "happysad", "--help"],
        "import happysad": ["-c", "import happysad"],
        "happysad predict PHOTO": ["-m", "happysad", "predict", photos[0]],
        f"happysad predict PHOTOS --out NEW ({len(photos)} photos)": [
            *("-m", "happysad", "predict", str(chosen.photos.resolve()), "--out")
        ],
    }
    lines = [
        "| command | this checkout, s | the other, s | ratio of seconds (95 %) "
        "| ratio of CPU seconds (95 %) |",
        "|---|---|---|---|---|",
    ]
    for name, arguments in commands.items():
        taken = _pairs(arguments, chosen.other.resolve(), chosen.pairs, name)
        wall = np.median(taken[:, :, 0], axis=0)
        ratios = (_interval(taken[:, 0, figure] / taken[:, 1, figure]) for figure in (0, 1))
        lines.append(f"| `{name}` | {wall[0]:.3f} | {wall[1]:.3f} | {' | '.join(ratios)} |")
    text = "\n".join([*lines, "", f"{chosen.pairs} pairs; {os.cpu_count()} cores."]) + "\n"
    print(text, end="")
    if chosen.write:
        write_text(chosen.write, text)


def _pairs(arguments: list[str], other: Path, pairs: int, name: str) -> NDArray[np.float64]:
    """Return seconds and CPU seconds by pair and side, shape (pairs, 2, 2)."""
    taken = np.empty((pairs + 1, 2, 2))
    for pair in track(range(pairs + 1), name, pairs + 1):
        for side in (0, 1) if pair % 2 else (1, 0):
            taken[pair, side] = _run(arguments, (_HERE, other)[side])
    return taken[1:]


def _run(arguments: list[str], checkout: Path) -> tuple[float, float]:
    """Return the seconds and the CPU seconds of one process."""
    with tempfile.TemporaryDirectory() as folder:
        out = [str(Path(folder, "results"))] if arguments[-1] == "--out" else []
        before = os.times()
        began = time.perf_counter()
        subprocess.run(
            [sys.executable, *arguments, *out],
            env={**os.environ, "PYTHONPATH": str(checkout / "src")},
            cwd=folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=True,
        )
        seconds = time.perf_counter() - began
        after = os.times()
    used = after.children_user + after.children_system
    return seconds, used - before.children_user - before.children_system


def _interval(ratios: NDArray[np.float64]) -> str:
    rng = np.random.default_rng(0)
    medians = np.median(rng.choice(ratios, (_RESAMPLES, len(ratios))), axis=1)
    low, high = np.percentile(medians, [2.5, 97.5])
    return f"{np.median(ratios):.3f} ({low:.3f} to {high:.3f})"


if __name__ == "__main__":
    main()
