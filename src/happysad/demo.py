"""The whole job on drawn faces, so that everything can be tried without any data."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from happysad.classifier import Classifier
from happysad.errors import UsageError

__all__ = ["demo"]

_FACES = 600
#: Small and quick, so that the demo ends within 90 s on two cores: many short steps on small grey
#: pictures, changed only a little, since the drawn faces vary a lot already.
_SETTINGS = {
    "model": "classic",
    "size": 32,
    "channels": 1,
    "epochs": 12,
    "batch_size": 8,
    "learning_rate": 1e-3,
    "rotation": 5.0,
    "shift": 0.04,
    "zoom": 0.08,
    "erasing": 0.0,
}
#: Fresh faces for the prediction come from another seed than the set's.
_SEED, _FRESH_SEED = 0, 1


def demo(folder: Path, *, say: Callable[[str], None]) -> Path:
    """Draw faces, check them, train, evaluate and predict.

    Args:
        folder: gets data/, check/, new/ and run/; it must be new or empty.
        say: is given one line of text at a time.

    Returns:
        The run's folder.

    Raises:
        UsageError: the folder is in use.
    """
    from happysad.dataset.check import check
    from happysad.dataset.drawn_faces import write_set
    from happysad.evaluation.judge import evaluate
    from happysad.training.config import load
    from happysad.training.fit import train

    if folder.exists() and any(folder.iterdir()):
        raise UsageError(f"{folder}: must be new or empty; name another: happysad demo FOLDER")
    data, run = folder / "data", folder / "run"

    say(f"1. Draw {_FACES} faces, plainly drawn, with some dirt among them: {data}")
    write_set(data, _FACES, _SEED)

    say("2. Check them")
    checked = check(data, folder / "check")
    found = checked.counts
    say(
        f"   {found['files']} files, {found['used']} used; left out: "
        f"{found['not_an_image']} not an image, {found['truncated']} truncated, "
        f"{found['exact_duplicates']} exact duplicate, {found['both_classes']} in both classes"
    )
    say(f"   report: {checked.report}")

    config = load(None, _SETTINGS)
    say(f"3. Train the model {config.model}, {config.epochs} epochs")
    train(data, config, out=run, check_out=folder / "check")

    say("4. Evaluate on the test split, which training never saw")
    scores = evaluate(run)
    low, high = scores["intervals"]["accuracy"]
    say(
        f"   accuracy {scores['accuracy']:.3f} (95 % interval {low:.3f} to {high:.3f}, "
        f"n = {scores['n']} drawn faces)"
    )
    for name, baseline in scores["baselines"].items():
        say(f"   {name.replace('_', ' ')}: {baseline['accuracy']:.3f}")
    say(f"   report: {run / 'report.html'}")

    say("5. Predict on new drawn faces, and on a file that is no picture")
    for answer in Classifier.load(run).predict(_new_photos(folder / "new")):
        shown = answer.error or f"{answer.label:<6} p_sad {answer.p_sad:.3f}  {answer.path}"
        say(f"   {shown}")
    say("The faces are drawn: these figures say nothing of real ones.")
    say(f"Now with photos of your own: happysad predict PHOTO --model {run}")
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
