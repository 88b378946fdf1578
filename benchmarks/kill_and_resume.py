"""Check that a killed and resumed training gives bitwise the weights of an uninterrupted one.

    python benchmarks/kill_and_resume.py --kills 5

The script draws photos and trains on them twice without interruption. Then it trains a third time,
kills the training with kill -9 at random moments, and resumes it after each kill. It compares the
hashes of the final weights.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from pictures import write_folders

from happysad.keras_backend import quiet
from happysad.run import Run
from happysad.training.checkpoints import weights_hash

# Runs in a separate process, which can be killed.
_CHILD = """
import sys
from pathlib import Path
from happysad.training.trainer import resume, train
command, run, data, model, epochs = sys.argv[1:]
run, data = Path(run), Path(data)
if command == "resume":
    resume(run)
else:
    check = data.with_name("check")
    train(data, run, check_folder=check, model=model, size=48, epochs=int(epochs))
"""


def main() -> None:
    """Print a table of the comparison; exit with status 1 if a hash differs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--photos", type=int, default=600)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--model", default="compact")
    parser.add_argument(
        "--seed", type=int, default=None, help="seed of the random times of the kills"
    )
    chosen = parser.parse_args()
    moments = np.random.default_rng(chosen.seed)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        write_folders(place / "data", chosen.photos)
        settings = [str(place / "data"), chosen.model, str(chosen.epochs)]

        began = time.perf_counter()
        with _child("train", place / "whole", settings) as process:
            process.wait()
        seconds = time.perf_counter() - began
        with _child("train", place / "again", settings) as process:
            process.wait()

        rows = [("uninterrupted", _hash(place / "whole")), ("again", _hash(place / "again"))]
        killed = place / "killed"
        for kill in range(1, chosen.kills + 1):
            command = "resume" if (killed / "config.toml").exists() else "train"
            wait = moments.uniform(0, seconds / 2)  # so that most kills hit a training
            with _child(command, killed, settings) as process:
                try:
                    process.wait(wait)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
            rows.append((f"kill {kill} after {wait:.1f} s of {command}", _where(killed)))
            if _finished(killed):  # start a new run, so that every kill hits a training
                rows.append(("  ended before the kill", _hash(killed)))
                killed = place / f"killed{kill}"
        if not _finished(killed):
            command = "resume" if (killed / "config.toml").exists() else "train"
            with _child(command, killed, settings) as process:
                process.wait()
            rows.append((f"last {command}", _hash(killed)))
    print("| what | weights (SHA-256) or progress |\n|---|---|")
    for what, result in rows:
        print(f"| {what} | {result} |")
    hashes = {result for _, result in rows if len(result) == 64}
    print(f"\n{'equal' if len(hashes) == 1 else 'NOT EQUAL'}: {len(hashes)} different hashes")
    sys.exit(len(hashes) != 1)


@contextmanager
def _child(command: str, run: Path, settings: list[str]) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        [sys.executable, "-c", _CHILD, command, str(run), *settings], stderr=subprocess.DEVNULL
    )
    with process:
        try:
            yield process
        finally:
            process.kill()
    if process.returncode not in (0, -9):
        sys.exit(f"{command} failed with {process.returncode}")


def _finished(run: Path) -> bool:
    return Run(run).is_finished


def _where(run: Path) -> str:
    epochs = sorted(int(file.stem) for file in (run / "checkpoints").glob("[0-9]*.npz"))
    return f"{epochs[-1]} epochs done" if epochs else "before the first checkpoint"


def _hash(run: Path) -> str:
    quiet()
    import keras

    return weights_hash(keras.saving.load_model(Run(run).network, compile=False))


if __name__ == "__main__":
    main()
