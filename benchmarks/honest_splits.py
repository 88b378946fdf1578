"""Compare the models on few photos by cross-validation over groups, with the same splits for each.

    python benchmarks/honest_splits.py DIR --models classic compact face --write FILE

The folds are stratified and keep groups whole. Each fold is the test split once; half of the next
fold is the validation split, and all other photos are the training split. The script trains every
model with its own defaults, by the same code as `happysad train`. Each model predicts each photo
once, when the photo is in the test split; the answer is a class, never "unsure". Intervals are 95 %
percentile bootstrap intervals over groups, paired for differences. The script does not repeat
finished runs.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from paired import table
from sklearn.model_selection import StratifiedGroupKFold

from happysad.classifier import Classifier
from happysad.dataset.check import check
from happysad.dataset.manifest import Manifest
from happysad.files import write_text
from happysad.run import Run
from happysad.training.trainer import resume, train


def main() -> None:
    """Train every model on every split; print and write a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--models", nargs="+", default=["classic", "compact"])
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("runs/honest-splits"))
    parser.add_argument("--write", type=Path, help="file to which the table is also written")
    chosen = parser.parse_args()

    manifest = check(chosen.data, chosen.out / "check").manifest
    right: dict[str, list[NDArray[np.bool_]]] = {model: [] for model in chosen.models}
    judged: list[pd.DataFrame] = []
    for number, split in enumerate(_splits(manifest, chosen.folds, chosen.seed)):
        judged.append(split.of("test"))
        for model in chosen.models:
            run = chosen.out / f"{model}-{chosen.seed}-{number}"
            _train(split, model, run)
            right[model].append(_right(split, run))
            print(f"{run.name}: {right[model][-1].mean():.3f} (n = {len(judged[-1])})", flush=True)
    answered = {model: np.concatenate(parts) for model, parts in right.items()}
    text = table(answered, pd.concat(judged)["group"])
    print(text, end="")
    if chosen.write:
        write_text(chosen.write, text)


def _splits(manifest: Manifest, folds: int, seed: int) -> list[Manifest]:
    used = manifest.used.sort_values("pixels")
    halves = StratifiedGroupKFold(2 * folds, shuffle=True, random_state=seed)
    parts = [used.index[part] for _, part in halves.split(used, used["label"], used["group"])]
    manifests = []
    for fold in range(folds):
        table = manifest.table.copy()
        table.loc[used.index, "split"] = "train"
        for part in parts[2 * fold : 2 * fold + 2]:
            table.loc[part, "split"] = "test"
        table.loc[parts[(2 * fold + 2) % (2 * folds)], "split"] = "val"
        manifests.append(Manifest(manifest.root, table))
    return manifests


def _train(split: Manifest, model: str, run: Path) -> None:
    if Run(run).is_finished:
        return
    if Run(run).config.exists():
        resume(run)
        return
    own = run.with_name(f"{run.name}-check")
    split.write(own / "manifest.csv")  # `check` keeps the splits of an existing manifest
    train(split.root, run, check_folder=own, model=model)
    trained = Manifest.read(Run(run).manifest, split.root)
    if list(trained.of("test")["path"]) != list(split.of("test")["path"]):
        raise SystemExit(f"{run}: the split was not kept")


def _right(split: Manifest, run: Path) -> NDArray[np.bool_]:
    rows = split.of("test")
    answers = Classifier(run).predict(split.files(rows), unsure=False)
    labels = np.array([answer.label for answer in answers])
    return np.asarray(labels == rows["label"].to_numpy())


if __name__ == "__main__":
    main()
