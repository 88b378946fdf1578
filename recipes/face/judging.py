"""Judge the shipped classifier on the test folder at the end of the recipe."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from happysad.classifier import Classifier
from happysad.dataset.duplicates import RADIUS, hashes, near_groups
from happysad.dataset.manifest import Manifest
from happysad.dataset.scan import scan
from happysad.evaluation.abstention import abstention
from happysad.evaluation.metrics import interval, resamples, score
from happysad.model_file import Details
from happysad.probability import of_second
from recipes.face import robustness
from recipes.face.photos import CLASSES, HAPPY, SAD, Photos, load
from recipes.face.unsure import risk_coverage

__all__ = ["costliest", "curve", "judge"]

_Floats = NDArray[np.float64]
_Ints = NDArray[np.intp]

_BATCH = 64
#: The coverages at which the risk-coverage curve is recorded: 0.01 to 1, the surest faces first.
_SHARES = np.arange(1, 101) / 100


def judge(classifier: Classifier, folder: Path, learned: pd.DataFrame) -> dict[str, Any]:
    """Return every figure of the card, measured on unchanged crops.

    Args:
        classifier: the shipped classifier.
        folder: the folder of FER2013's seven test folders.
        learned: the training photos, as rows of a manifest.

    Returns:
        A dict for JSON:

        - test: the result of `metrics.score` as score, and that of `abstention` as abstention.
        - seen_in_training: the number of happy and sad test faces that are near-duplicates of a
          training photo.
        - unseen: the same figures as test, without these faces.
        - risk_coverage: coverage, risk, and low and high, the 95 % interval of the risk over
          groups; lists of 100.
        - others: for each of the other five classes n and the shares called happy and sad.
        - robustness: the result of `robustness.measure`.
    """
    test = _everything(folder)
    photos = load(test, "test")
    details = classifier.details
    both = photos.only(HAPPY, SAD)
    y = (both.classes == SAD).astype(np.intp)
    p = _p_sad(classifier, both)
    seen = _seen(test.table[test.table["label"].isin(details.classes)], learned)
    new = np.flatnonzero(~seen)
    return {
        "test": _scored(details, y, p, both.groups),
        "seen_in_training": int(seen.sum()),
        "unseen": _scored(details, y[new], p[new], [both.groups[row] for row in new]),
        "risk_coverage": curve(y, p, both.groups, details.threshold),
        "others": {
            name: _called(classifier, photos.only(number))
            for number, name in enumerate(CLASSES)
            if number not in (HAPPY, SAD)
        },
        "robustness": robustness.measure(classifier, np.asarray(both.images), y, both.groups),
    }


def costliest(measured: dict[str, Any], count: int) -> list[dict[str, Any]]:
    """Return the changes with the largest loss, each at its costliest strength.

    A change counts only if the whole interval of its difference lies below 0.

    Args:
        measured: the result of `robustness.measure`.
        count: the maximum number of changes.

    Returns:
        The rows of these changes, the costliest first.
    """
    worst: dict[str, dict[str, Any]] = {}
    for row in measured["rows"]:
        span = row["intervals"]["difference"]
        if row["change"] is None or span is None or span[1] >= 0:
            continue
        known = worst.setdefault(row["change"], row)
        if row["difference"] < known["difference"]:
            worst[row["change"]] = row
    return sorted(worst.values(), key=lambda row: float(row["difference"]))[:count]


def _scored(details: Details, y: _Ints, p: _Floats, groups: Sequence[str]) -> dict[str, Any]:
    probabilities = of_second(p)
    scored = score(y, probabilities, groups, classes=details.classes, threshold=details.threshold)
    labels = [details.label_of(row) for row in probabilities.tolist()]
    truth = [details.classes[place] for place in y]
    chosen = abstention(labels, truth, groups, classes=details.classes)
    return {"score": asdict(scored), "abstention": asdict(chosen)}


def _seen(test: pd.DataFrame, learned: pd.DataFrame) -> NDArray[np.bool_]:
    """Return for each test photo whether it is a near-duplicate or a copy of a training photo."""
    known = np.unique(hashes(learned))
    return np.array([np.bitwise_count(known ^ one).min() <= RADIUS for one in hashes(test)])


def curve(y: _Ints, p: _Floats, groups: Sequence[str], threshold: float) -> dict[str, Any]:
    """Return the risk-coverage curve at every percent of coverage, with its 95 % band."""
    coverage, risk = risk_coverage(y, p, threshold)
    at = np.searchsorted(coverage, _SHARES)
    order = np.argsort(-np.abs(p - threshold), kind="stable")
    wrong = ((p >= threshold) != (y == 1))[order]
    resampled = []
    for weights in resamples(groups, 0):
        sorted_ = weights[:, order].astype(np.float64)
        answered, errors = sorted_.cumsum(axis=1), (sorted_ * wrong).cumsum(axis=1)
        for n, k in zip(answered, errors, strict=True):
            place = np.searchsorted(n, _SHARES * n[-1])
            resampled.append(k[place] / n[place])
    low, high = np.percentile(resampled, [2.5, 97.5], axis=0)
    return {
        "coverage": coverage[at].tolist(),
        "risk": risk[at].tolist(),
        "low": low.tolist(),
        "high": high.tolist(),
    }


def _everything(folder: Path) -> Manifest:
    """Return every readable photo of the folder as the test split, grouped by near-duplicates.

    Happy and sad faces are grouped separately from the others, as in `happysad evaluate`.
    """
    table = scan(folder, CLASSES, quality=False).table
    readable = table[table["pixels"] != ""]
    told = readable["label"].isin((CLASSES[HAPPY], CLASSES[SAD]))
    grouped = [part.assign(group=near_groups(part)) for _, part in readable.groupby(told)]
    rows = pd.concat(grouped).sort_index().assign(split="test", status="used")
    return Manifest(folder, rows)


def _called(classifier: Classifier, photos: Photos) -> dict[str, Any]:
    """Return the shares of the faces of another class that are called happy and sad."""
    details = classifier.details
    assert details.unsure is not None
    p = _p_sad(classifier, photos)
    called = {
        details.classes[0]: p < details.unsure[0],
        details.classes[1]: p >= details.unsure[1],
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


def _p_sad(classifier: Classifier, photos: Photos) -> _Floats:
    images = photos.images
    parts = [
        classifier.run({"image": images[at : at + _BATCH]}).probabilities[:, 1]
        for at in range(0, len(images), _BATCH)
    ]
    return np.concatenate(parts)
