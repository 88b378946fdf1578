"""Judge the classifier that ships on the test folder: once, at the end."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from happysad.classifier import Classifier
from happysad.dataset.manifest import Manifest
from happysad.dataset.scan import scan
from happysad.evaluation import robustness
from happysad.evaluation.judge import near_groups
from happysad.evaluation.metrics import interval, resamples, score
from happysad.evaluation.selective import risk_coverage, selective
from recipes.face.photos import CLASSES, HAPPY, SAD, Photos, load

__all__ = ["judge"]

_BATCH = 64
#: Where the risk-coverage curve is written down.
_COVERAGES = (0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 1.0)


def judge(classifier: Classifier, folder: Path) -> dict[str, Any]:
    """Give every figure of the card, by the crops as they are.

    Args:
        classifier: as it ships.
        folder: with FER2013's seven folders, none of which was learned from.

    Returns:
        A dict for JSON: test (as `metrics.score`, and coverage and selective_accuracy),
        risk_coverage (pairs), others (what the other five classes' faces are called, with n) and
        robustness (as `robustness.measure`).
    """
    photos = _everything(folder)
    details = classifier.details
    both = photos.only(HAPPY, SAD)
    y = (both.classes == SAD).astype(np.intp)
    p = _p_sad(classifier, both)
    assert details.unsure is not None
    chosen = selective(y, p, both.groups, details.unsure)
    scored = score(y, p, both.groups, labels=details.labels, threshold=details.threshold)
    scored["intervals"] |= chosen.pop("intervals")
    coverage, risk = risk_coverage(y, p, details.threshold)
    places = np.searchsorted(coverage, _COVERAGES).clip(max=len(coverage) - 1)
    return {
        "test": {**scored, **chosen},
        "risk_coverage": [[float(coverage[at]), float(risk[at])] for at in places],
        "others": {
            name: _called(classifier, photos.only(number))
            for number, name in enumerate(CLASSES)
            if number not in (HAPPY, SAD)
        },
        "robustness": robustness.measure(classifier, np.asarray(both.images), y, both.groups),
    }


def _everything(folder: Path) -> Photos:
    """Give every readable photo of the folder, in groups of near-duplicates."""
    table = scan(folder, CLASSES, quality=False).table
    readable = table[table["pixels"] != ""]
    rows = readable.assign(group=near_groups(readable), split="test", status="used")
    return load(Manifest(folder, rows), "test")


def _called(classifier: Classifier, photos: Photos) -> dict[str, Any]:
    """Say how often faces of another class get each outcome."""
    details = classifier.details
    assert details.unsure is not None
    p = _p_sad(classifier, photos)
    called = {
        details.labels[0]: p < details.unsure[0],
        details.labels[1]: p >= details.unsure[1],
    }
    spans = {
        name: interval(
            np.concatenate(
                [weights @ said / weights.sum(axis=1) for weights in resamples(photos.groups, 0)]
            )
        )
        for name, said in called.items()
    }
    shares = {name: float(said.mean()) for name, said in called.items()}
    return {"n": len(p), **shares, "intervals": spans}


def _p_sad(classifier: Classifier, photos: Photos) -> np.ndarray[Any, np.dtype[np.float64]]:
    images = photos.images
    parts = [classifier.p_sad(images[at : at + _BATCH]) for at in range(0, len(images), _BATCH)]
    return np.concatenate(parts).astype(np.float64)
