"""Compare the speed of the server and of a library with those of an older happysad.

    python benchmarks/safety.py PHOTOS --before TREE --write benchmarks/results/safety.md

TREE is a checkout of the older version, with its classifier in src/happysad/assets/face.onnx. The
sides are the older version, this version, and this version with the older classifier: the last one
shows what everything but the network costs. All sides take turns in one run, with the packages of
this Python. Every other turn reverses the order, and the first turn warms up. Ratios are computed
within a turn; the table has their median and the 95 % interval of a bootstrap over turns.

- Server: the portrait of serve.py, sent to POST /v1/predict of a real `happysad serve`.
- Library: `happysad predict FOLDER --out` on the photos of library.py, in a new process. CPU time
  hardly depends on other programs that run at the same time.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from library import _sets
from serve import _CONCURRENCY, _portrait, _ratio, _Side, server
from versus_fer import _fresh, _turns

from happysad.files import write_text

_ROOT = Path(__file__).parents[1]
_SIDES = ("before", "now", "now, older classifier")


def main() -> None:
    """Measure all sides, then print and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="a folder of photos with faces")
    parser.add_argument("--before", type=Path, required=True, help="a checkout of another version")
    parser.add_argument("--concurrency", type=int, nargs="+", default=list(_CONCURRENCY[:2]))
    parser.add_argument("--seconds", type=float, default=6.0, help="seconds of a server's turn")
    parser.add_argument("--small", type=int, default=300, help="number of portraits")
    parser.add_argument("--large", type=int, default=60, help="number of large photos")
    parser.add_argument("--turns", type=int, default=6)
    parser.add_argument("--write", type=Path, help="file to which the table is also written")
    chosen = parser.parse_args()
    before = chosen.before.resolve()
    older = ["--model", str(before / "src/happysad/assets/face.onnx")]
    setups = dict(zip(_SIDES, ((before, []), (_ROOT, []), (_ROOT, older)), strict=True))
    titles = [f"{side} | ratio (95 %)" if side != _SIDES[0] else side for side in _SIDES]
    lines = [f"| measured | {' | '.join(titles)} |", "|---" * (2 * len(_SIDES)) + "|"]
    with tempfile.TemporaryDirectory() as folder:
        for name, photos in _sets(Path(folder), chosen.data, chosen.small, chosen.large).items():
            sides = {side: _library(photos, *setup) for side, setup in setups.items()}
            taken = _turns(sides, chosen.turns)
            lines.append(_row(f"photos/s, {len(photos)} {name}", taken, "rate"))
            lines.append(_row("photos per second of CPU time", taken, "of_cpu"))
        file = Path(folder, "photo.jpg")
        file.write_bytes(_portrait())
        with contextlib.ExitStack() as stack:
            asking = {
                side: _Side(stack.enter_context(server(folder, *options, tree=tree)), file)
                for side, (tree, options) in setups.items()
            }
            for concurrency in chosen.concurrency:
                sides = {
                    side: _requests(one, concurrency, chosen.seconds)
                    for side, one in asking.items()
                }
                taken = _turns(sides, chosen.turns)
                lines.append(_row(f"requests/s, concurrency {concurrency}", taken, "rate"))
            for one in asking.values():
                one.end()
    lines += ["", f"{os.cpu_count()} cores; {chosen.turns} turns."]
    text = "\n".join(lines) + "\n"
    print(text, end="")
    if chosen.write:
        write_text(chosen.write, text)


def _row(what: str, taken: dict[str, list[dict[str, float]]], figure: str) -> str:
    rates = {
        side: np.array([answer[figure] for answer in answers]) for side, answers in taken.items()
    }
    cells = [f"{np.median(rates[_SIDES[0]]):,.1f}"]
    for side in _SIDES[1:]:
        cells += [f"{np.median(rates[side]):,.1f}", _ratio(rates[side] / rates[_SIDES[0]])]
    return f"| {what} | {' | '.join(cells)} |"


def _library(
    photos: list[str], tree: Path, options: list[str]
) -> Callable[[int], dict[str, float]]:
    """Return a function that predicts the photos in a new process and returns the rates."""
    source = Path(photos[0]).parent

    def answer(_: int) -> dict[str, float]:
        with tempfile.TemporaryDirectory(dir=source.parent) as out:
            command = [sys.executable, "-m", "happysad", "predict", str(source), *options]
            environment = {**os.environ, "PYTHONPATH": str(tree / "src")}
            taken = _fresh([*command, "--out", str(Path(out, "results"))], environment)
        return {"rate": len(photos) / taken["seconds"], "of_cpu": len(photos) / taken["cpu"]}

    return answer


def _requests(side: _Side, concurrency: int, seconds: float) -> Callable[[int], dict[str, float]]:
    return lambda turn: side.turn(concurrency, seconds if turn else 1.0)


if __name__ == "__main__":
    main()
