"""Check what learning curves say: train on half of the photos, then on all, and compare.

    python benchmarks/learning_curve.py DIR --draws 3 --write FILE

Each draw holds out a third of the groups of DIR. It trains by `happysad train` with the defaults on
half of the other groups, and on all of them, and evaluates both classifiers on the held-out photos.
The learning curve of the first training says whether more photos would help; the second shows it.
The gain is the fall in log loss on the held-out photos, with a 95 % interval over groups.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from happysad import train
from happysad.dataset.check import check
from happysad.dataset.manifest import Manifest
from happysad.evaluation.metrics import Figure, bootstrap
from happysad.files import write_text
from happysad.run import LearningCurve


def main() -> None:
    """Train on half and on all in every draw; print and write a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--draws", type=int, default=3)
    parser.add_argument("--write", type=Path, help="file to which the table is also written")
    chosen = parser.parse_args()
    lines = [
        "| photos trained on | the curve of the half says | its last gain (95 %) "
        "| right (half, all) | gain on held-out photos (95 %) | held-out photos |",
        "|---|---|---|---|---|---|",
    ]
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        manifest = check(chosen.data, work / "check").manifest
        for draw in range(chosen.draws):
            lines.append(_draw(manifest, work / str(draw), draw))
            print(lines[-1], flush=True)
    text = "\n".join(lines) + "\n"
    print(text, end="")
    if chosen.write:
        write_text(chosen.write, text)


def _draw(manifest: Manifest, folder: Path, seed: int) -> str:
    used = manifest.used
    groups = np.random.default_rng(seed).permutation(sorted(set(used["group"])))
    third = len(groups) // 3
    held_out, half = set(groups[:third]), set(groups[third : 2 * third])
    judged = used[used["group"].isin(held_out)]
    rest = used[~used["group"].isin(held_out)]
    losses, right, counts, curves = [], [], [], []
    for name, rows in (("half", rest[rest["group"].isin(half)]), ("all", rest)):
        _link(manifest, rows, folder / name)
        trained = train(
            folder / name, folder / f"{name}-run", check_folder=folder / f"{name}-check"
        )
        assert trained.evaluation is not None
        assert trained.evaluation.fusion is not None
        curves.append(trained.evaluation.fusion.learning_curve)
        answers = trained.classifier().predict(manifest.files(judged), unsure=False)
        pairs = list(zip(answers, judged["label"], strict=True))
        p = np.array([(answer.probabilities or {})[label] for answer, label in pairs])
        losses.append(-np.log(np.clip(p, 1e-6, 1)))
        right.append(float(np.mean([answer.label == label for answer, label in pairs])))
        counts.append(len(rows))
    curve = curves[0]
    said = "no curve" if curve is None else str(curve.verdict)
    gained = bootstrap(lambda w: _gain(w, losses[0] - losses[1]), judged["group"].tolist(), seed)
    return (
        f"| {counts[0]}, then {counts[1]} | {said} | {_last(curve)} | "
        f"{right[0]:.3f}, {right[1]:.3f} | {_words(gained['gain'])} | {len(judged)} |"
    )


def _gain(
    weights: NDArray[np.float32], gains: NDArray[np.float64]
) -> Mapping[str, NDArray[np.float64]]:
    return {"gain": weights @ gains / weights.sum(axis=1)}


def _last(curve: LearningCurve | None) -> str:
    if curve is None:
        return ""
    return f"{curve.gain:.3f} ({curve.gain_low:.3f} to {curve.gain_high:.3f})"


def _words(figure: Figure) -> str:
    assert figure.value is not None
    assert figure.interval is not None
    return f"{figure.value:.3f} ({figure.interval[0]:.3f} to {figure.interval[1]:.3f})"


def _link(manifest: Manifest, rows: pd.DataFrame, folder: Path) -> None:
    for file, label in zip(manifest.files(rows), rows["label"], strict=True):
        link = folder / label / file.name
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(file.resolve())


if __name__ == "__main__":
    main()
