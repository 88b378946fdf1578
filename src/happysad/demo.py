"""Every step from photos to predictions, on drawn faces: it needs no data."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from happysad.classifier import Classifier
from happysad.errors import UsageError

__all__ = ["demo"]

_FACES = 600
# Small grey pictures and many short steps: the demo ends within 90 s on two cores.
_SETTINGS = {
    "model": "classic",
    "size": 32,
    "channels": 1,
    "epochs": 12,
    "batch_size": 8,
    "learning_rate": 1e-3,
}
# The seed of the data, and the seed of the new faces to predict.
_SEED, _FRESH_SEED = 0, 1


def demo(folder: Path, *, say: Callable[[str], None]) -> Path:
    """Draw faces, check them, train, evaluate and predict.

    Args:
        folder: a new or empty folder for data/, check/, new/ and run/.
        say: called with one line of text at a time.

    Returns:
        The run's folder.

    Raises:
        UsageError: the folder is not empty.
    """
    from happysad.dataset.check import check
    from happysad.dataset.drawn_faces import write_set
    from happysad.training.config import load
    from happysad.training.trainer import train

    if folder.exists() and any(folder.iterdir()):
        raise UsageError(f"{folder}: must be new or empty; name another: happysad demo FOLDER")
    data, run = folder / "data", folder / "run"

    say(f"1. Draw {_FACES} simple faces, with some bad files among them: {data}")
    write_set(data, _FACES, _SEED)

    say("2. Check them")
    checked = check(data, folder / "check")
    counts, found = checked.counts, checked.counts.findings
    say(
        f"   {counts.files} files, {counts.used} used; left out: "
        f"{found['not_an_image']} not an image, {found['truncated']} truncated, "
        f"{found['exact_duplicates']} exact duplicate, {found['both_classes']} in both classes"
    )
    say(f"   report: {checked.page}")

    config = load(None, _SETTINGS)
    say(f"3. Train the model {config.model}, {config.epochs} epochs")
    trained = train(data, run, config=config, check_folder=folder / "check")

    say("4. Evaluate on the test split, which training never saw")
    assert trained.evaluation is not None
    test = trained.evaluation.test
    accuracy = test.score.accuracy
    low, high = accuracy.interval or (0.0, 1.0)
    say(
        f"   accuracy {accuracy.value:.3f} (95 % interval {low:.3f} to {high:.3f}, "
        f"n = {test.score.n} drawn faces)"
    )
    for name, baseline in test.baselines.items():
        say(f"   {name.replace('_', ' ')}: {baseline.score.accuracy.value:.3f}")
    if trained.evaluation.comparison is not None:
        say(f"   {trained.evaluation.comparison.verdict}")
    say(f"   report: {trained.run.report}")

    say("5. Predict on new drawn faces, and on a file that is no picture")
    for answer in Classifier(run).predict(_new_photos(folder / "new")):
        words = answer.describe() if answer.error else f"{answer.describe():<24}  {answer.path}"
        say(f"   {words}")
    say("The faces are drawn, so these figures say nothing about real faces.")
    say("The classifier that comes with happysad has learned from photos of people.")
    say("Next, with your own photos: happysad predict PHOTO")
    return run


def _new_photos(folder: Path) -> list[Path]:
    from PIL import Image

    from happysad.dataset.drawn_faces import face

    folder.mkdir()
    paths = []
    for number, label in enumerate(("happy", "sad", "happy", "sad")):
        path = folder / f"drawn-{label}-{number}.png"
        Image.fromarray(face(label, np.random.default_rng((_FRESH_SEED, number)))).save(path)
        paths.append(path)
    broken = folder / "broken.jpg"
    broken.write_text("no picture\n", encoding="utf-8")
    return [*paths, broken]
