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
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from versus_fer import _turns

from happysad.evaluation.metrics import interval
from happysad.files import write_text

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
        sides: dict[str, Callable[..., Any]] = {
            side: partial(_run, arguments, checkout)
            for side, checkout in (("this", _HERE), ("other", chosen.other.resolve()))
        }
        taken = _turns(sides, chosen.pairs)
        by_figure = {
            figure: [np.array([one[figure] for one in taken[side]]) for side in sides]
            for figure in ("seconds", "cpu_seconds")
        }
        wall = [float(np.median(seconds)) for seconds in by_figure["seconds"]]
        ratios = " | ".join(_ratio(this / other) for this, other in by_figure.values())
        lines.append(f"| `{name}` | {wall[0]:.3f} | {wall[1]:.3f} | {ratios} |")
    text = "\n".join([*lines, "", f"{chosen.pairs} pairs; {os.cpu_count()} cores."]) + "\n"
    print(text, end="")
    if chosen.write:
        write_text(chosen.write, text)


def _run(arguments: list[str], checkout: Path, _: int) -> dict[str, float]:
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
    return {
        "seconds": seconds,
        "cpu_seconds": used - before.children_user - before.children_system,
    }


def _ratio(ratios: NDArray[np.float64]) -> str:
    rng = np.random.default_rng(0)
    span = interval(np.median(rng.choice(ratios, (_RESAMPLES, len(ratios))), axis=1))
    assert span is not None
    return f"{np.median(ratios):.3f} ({span[0]:.3f} to {span[1]:.3f})"


if __name__ == "__main__":
    main()
