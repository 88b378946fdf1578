"""Measure what `happysad train` learns from a hundred photos, and how long it takes.

    python benchmarks/few_photos.py DIR --models classic compact face --write FILE

The script draws whole groups of near-duplicates until it has a hundred photos, with the class
shares of DIR. It links them into a folder, and trains every model on it by `happysad train` with
the model's defaults; the validation and test splits come from the hundred. It evaluates the models
on all other photos of DIR; the answer is a class, never "unsure". Each further draw repeats this
with other photos. Times are those of whole commands, from folder to report.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from paired import table

from happysad.classifier import Classifier
from happysad.dataset.check import check
from happysad.dataset.manifest import Manifest
from happysad.files import write_text


def main() -> None:
    """Train every model on every draw; print and write a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--models", nargs="+", default=["classic", "compact", "face"])
    parser.add_argument("--photos", type=int, default=100)
    parser.add_argument("--draws", type=int, default=5)
    parser.add_argument("--write", type=Path, help="file to which the table is also written")
    chosen = parser.parse_args()

    right: dict[str, list[NDArray[np.bool_]]] = {model: [] for model in chosen.models}
    seconds: dict[str, list[float]] = {model: [] for model in chosen.models}
    judged: list[pd.DataFrame] = []
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        manifest = check(chosen.data, work / "check").manifest
        for number in range(chosen.draws):
            learned = draw(manifest, chosen.photos, number)
            few = work / f"few-{number}"
            link(manifest, learned, few)
            others = manifest.used.drop(learned.index)
            judged.append(others)
            for model in chosen.models:
                run = work / f"{model}-{number}"
                began = time.perf_counter()
                _train(few, model, run)
                seconds[model].append(time.perf_counter() - began)
                answers = Classifier(run).predict(manifest.files(others), unsure=False)
                labels = np.array([answer.label for answer in answers])
                right[model].append(np.asarray(labels == others["label"].to_numpy()))
                said = f"{right[model][-1].mean():.3f} (n = {len(others)})"
                print(f"{run.name}: {said}, {seconds[model][-1]:.0f} s", flush=True)
    answered = {model: np.concatenate(parts) for model, parts in right.items()}
    took = ", ".join(f"{model} {median(times):.0f}" for model, times in seconds.items())
    text = table(answered, pd.concat(judged)["group"])
    text += (
        f"\nTrained on {chosen.photos} photos, {chosen.draws} draws; evaluated on the others. "
        f"Seconds of a whole `happysad train`, median: {took}.\n"
    )
    print(text, end="")
    if chosen.write:
        write_text(chosen.write, text)


def draw(manifest: Manifest, count: int, seed: int, *, equal: bool = False) -> pd.DataFrame:
    """Draw whole groups until each class has its share of `count`, or as many as the others."""
    used = manifest.used
    rng = np.random.default_rng(seed)
    shares = used["label"].value_counts(normalize=True)
    if equal:
        shares[:] = 1 / len(shares)
    wanted = (shares * count).round().astype(int)
    taken: list[str] = []
    have = dict.fromkeys(wanted.index, 0)
    for group in rng.permutation(sorted(set(used["group"]))):
        rows = used[used["group"] == group]
        label = rows["label"].iloc[0]
        if have[label] + len(rows) <= wanted[label]:
            have[label] += len(rows)
            taken.append(group)
    return used[used["group"].isin(taken)]


def link(manifest: Manifest, rows: pd.DataFrame, folder: Path) -> None:
    """Link photos into the class folders of a new folder."""
    for file, label in zip(manifest.files(rows), rows["label"], strict=True):
        link = folder / label / file.name
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(file.resolve())


def _train(photos: Path, model: str, run: Path, *options: str) -> None:
    command = [sys.executable, "-m", "happysad", "train", str(photos), "--model", model]
    command += ["--out", str(run), "--check-folder", str(run.with_name(f"{run.name}-check"))]
    command += options
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr}")


if __name__ == "__main__":
    main()
