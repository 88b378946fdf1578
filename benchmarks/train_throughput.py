"""Compare the speed of a training with bare Keras, and measure the time to its first batch.

    python benchmarks/train_throughput.py --write benchmarks/results/train_throughput.md

The ratio compares happysad's training (feed, augmentation, progress, history, TensorBoard,
checkpoints, deterministic operations) with a bare Keras fit of the same model, optimizer, batch
size and validation on uint8 arrays in memory. Each side runs in a separate process; the sides take
turns.

The time to the first batch runs from the start of Python to the first training step on 48x48 JPEGs:
once cold (every file is read, hashed and decoded), and once with the check's manifest and the cache
of arrays. Both times the files are in the system's file cache, because they were just written.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import numpy as np
from pictures import write_folders

from happysad.files import write_text
from happysad.run import Run

if TYPE_CHECKING:
    from happysad.training.learner_base import Learner

# The first epoch of each turn is left out, because it builds the graph.
_EPOCHS = 4
#: Side in pixels, channels and number of training photos, by model.
_MODELS = {"classic": (256, 3, 320), "compact": (48, 1, 1600)}

_FIRST_BATCH = """
import os, sys
from pathlib import Path
from happysad.keras_backend import quiet
from happysad.training.trainer import train
quiet()
from happysad.training.callbacks import Bookkeeper
Bookkeeper.on_train_batch_begin = lambda *_, **__: os._exit(0)
data, run = Path(sys.argv[1]), Path(sys.argv[2])
train(data, run, check_folder=data.with_name("check"), model="compact")
"""


def main() -> None:
    """Measure both sides, then print and write a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="+", choices=_MODELS, default=list(_MODELS))
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument(
        "--share", type=float, default=1.0, help="share of the photos to use, 0 to 1"
    )
    parser.add_argument(
        "--files",
        type=int,
        default=12_000,
        help="number of files for the first batch (0: do not measure)",
    )
    parser.add_argument("--write", type=Path, help="file to which the tables are also written")
    parser.add_argument("--side", nargs=3, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.side:
        _work(*chosen.side)
        return
    lines = [
        "| model | photos | happysad, images/s | bare Keras, images/s | ratio (95 %) | turns |",
        "|---|---|---|---|---|---|",
    ]
    lines += [_compare(model, chosen.repeats, chosen.share) for model in chosen.models]
    if chosen.files:
        cold, cached = _first_batch(chosen.files)
        lines += [
            "",
            f"First batch on {chosen.files:,} files: {cold:.1f} s cold, {cached:.1f} s cached.",
        ]
    text = "\n".join(lines) + "\n"
    print(text, end="")
    if chosen.write:
        write_text(chosen.write, text)


def _compare(model: str, repeats: int, share: float) -> str:
    size, channels, photos = _MODELS[model]
    photos = round(photos * share)
    sides = {name: _Side(name, model, photos) for name in ("happysad", "bare")}
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for turn in range(repeats + 1):
        order = list(sides) if turn % 2 else list(sides)[::-1]
        for name in order:
            answer = sides[name].turn()
            if turn:  # the first turn warms up
                seconds[name].append(answer)
    for side in sides.values():
        side.end()
    ours, bare = (np.array(seconds[name]) for name in ("happysad", "bare"))
    ratios = bare / ours
    picks = np.random.default_rng(0).integers(0, repeats, (2000, repeats))
    low, high = np.percentile(np.median(ratios[picks], axis=1), [2.5, 97.5])
    return (
        f"| {model} {size}x{size}x{channels} | {photos:,} | {photos / np.median(ours):,.0f} "
        f"| {photos / np.median(bare):,.0f} "
        f"| {np.median(ratios):.3f} ({low:.3f}-{high:.3f}) | {repeats} |"
    )


class _Side:
    """A process that trains one side, one turn at a time."""

    def __init__(self, name: str, model: str, photos: int) -> None:
        self.process = subprocess.Popen(
            [sys.executable, __file__, "--side", name, model, str(photos)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def turn(self) -> float:
        """Train for `_EPOCHS` epochs; return the median seconds per epoch, including validation."""
        print("go", file=_open(self.process.stdin), flush=True)
        return float(_open(self.process.stdout).readline())

    def end(self) -> None:
        """Close the input, and wait until the process ends."""
        self.process.communicate()


def _open(stream: Any) -> TextIO:
    assert stream is not None
    return stream  # type: ignore[no-any-return]


def _work(name: str, model: str, photos: str) -> None:
    """Run one side: for each line of input, train and print the seconds per epoch."""
    from happysad.keras_backend import deterministic, quiet
    from happysad.training.config import load
    from happysad.training.learner import learner
    from happysad.training.learner_base import Photos

    quiet()
    size, channels, _ = _MODELS[model]
    config = load(None, {"model": model, "size": size, "channels": channels, "epochs": _EPOCHS})
    train, val = (_photos(n, size, channels) for n in (int(photos), int(photos) // 4))
    if name == "happysad":
        deterministic(config.seed)
    learns = learner(config, Photos(train, val))
    network = learns.build()
    for _ in sys.stdin:
        begins = _ours(network, learns) if name == "happysad" else _bare(network, learns)
        print(np.median(np.diff(begins)[1:]), flush=True)


def _ours(network: Any, learns: Learner) -> list[float]:
    from happysad.training import checkpoints
    from happysad.training.callbacks import Bookkeeper

    begins: list[float] = []
    original = Bookkeeper.on_epoch_begin

    def noting(self: Any, epoch: int, logs: Any = None) -> None:
        begins.append(time.perf_counter())
        original(self, epoch, logs)

    Bookkeeper.on_epoch_begin = noting  # type: ignore[method-assign]
    try:
        with tempfile.TemporaryDirectory() as folder:
            run = Run(Path(folder))
            learns.begin(network)
            checkpoints.save(run.checkpoints, checkpoints.State(), network)
            learns.learn(network, run, None)
    finally:
        Bookkeeper.on_epoch_begin = original  # type: ignore[method-assign]
    return begins


def _bare(network: Any, learns: Learner) -> list[float]:
    import keras

    begins: list[float] = []
    note = keras.callbacks.LambdaCallback(
        on_epoch_begin=lambda *_: begins.append(time.perf_counter())
    )
    learns.begin(network)
    train, val = learns.photos.train, learns.photos.val
    network.fit(
        train.images,
        train.classes[:, None],
        batch_size=learns.config.batch_size,
        validation_data=(val.images, val.classes[:, None]),
        epochs=learns.config.epochs,
        callbacks=[note],
        verbose=0,
    )
    return begins


def _photos(n: int, size: int, channels: int) -> Any:
    from happysad.dataset.arrays import Arrays

    rng = np.random.default_rng(n)
    images = rng.integers(0, 256, (n, size, size, channels), dtype=np.uint8)
    classes = (np.arange(n) % 2).astype(np.float32)
    groups = [str(number) for number in range(n)]
    return Arrays(inputs={"image": images}, classes=classes, groups=groups)


def _first_batch(files: int) -> tuple[float, float]:
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        write_folders(place / "data", files)
        environment = {**os.environ, "XDG_CACHE_HOME": str(place / "cache")}
        seconds = []
        for run in ("cold", "cached"):
            began = time.perf_counter()
            subprocess.run(
                [sys.executable, "-c", _FIRST_BATCH, str(place / "data"), str(place / run)],
                env=environment,
                stderr=subprocess.DEVNULL,
                check=True,
            )
            seconds.append(time.perf_counter() - began)
    return seconds[0], seconds[1]


if __name__ == "__main__":
    main()
