"""Find photos whose label is probably wrong: confident learning on out-of-fold probabilities.

1. The network of the default training computes the features of each photo.
2. A logistic regression answers for each photo. It has learned from photos of other groups alone.
3. Confident learning compares these answers with the labels. Source: Northcutt, Jiang and Chuang
   2021, "Confident Learning: Estimating Uncertainty in Dataset Labels", arXiv:1911.00068.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from happysad.dataset import arrays
from happysad.dataset.manifest import SPLITS, Manifest
from happysad.label_review import Suspect
from happysad.progress import step
from happysad.training.photo_features import feature_network

__all__ = ["STRENGTH", "find_suspects", "measure", "out_of_fold", "ranked"]

#: The inverse strength of the L2 penalty: docs/decisions.md, "Labels that are probably wrong".
STRENGTH = 0.01

_FOLDS, _SEED = 5, 0

Floats = NDArray[np.float64]
Places = NDArray[np.intp]


def find_suspects(manifest: Manifest) -> list[Suspect]:
    """Return the used photos whose label is probably wrong, the most suspicious first.

    Args:
        manifest: the checked and split photos.

    Raises:
        DatasetError: a photo has changed since the check.
    """
    rows, features = measure(manifest)
    with step(f"checking the labels of {len(rows):,} photos"):
        classes = manifest.classes
        labels = np.array([classes.index(name) for name in rows["label"]], dtype=np.intp)
        p = out_of_fold(features, labels, rows["group"].tolist())
        order = ranked(labels, p)
    chosen = rows.iloc[order]
    names = zip(chosen["path"], chosen["pixels"], chosen["label"], strict=True)
    return [
        Suspect(
            path=path,
            pixels=pixels,
            label=label,
            suggested=classes[p[place].argmax()],
            p_label=round(float(p[place, labels[place]]), 4),
            p_suggested=round(float(p[place].max()), 4),
        )
        for place, (path, pixels, label) in zip(order, names, strict=True)
    ]


def measure(manifest: Manifest) -> tuple[pd.DataFrame, Floats]:
    """Return the used photos, and the features that the default training computes of each.

    Args:
        manifest: the checked and split photos.

    Returns:
        Rows of the manifest's table, n of them, and features of shape (n, width).

    Raises:
        DatasetError: a photo has changed since the check.
    """
    network = feature_network(manifest.of("train"))
    # One split at a time, as in training, which then finds the decoded photos in the cache.
    splits = [rows for split in SPLITS if len(rows := manifest.of(split))]
    loaded = [arrays.load(manifest, rows, network.input) for rows in splits]
    with step(f"measuring {len(manifest.used):,} photos"):
        parts = [network.of(one) for one in loaded]
    return pd.concat(splits), np.concatenate(parts)


def out_of_fold(features: Floats, labels: Places, groups: Sequence[str]) -> Floats:
    """Return for each photo the answer of a logistic regression to the photos of other groups.

    Args:
        features: shape (n, width).
        labels: the class of each photo, shape (n,): 0, 1, …; each class has two groups or more.
        groups: the group of each photo, n of them.

    Returns:
        Probabilities, shape (n, classes).
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedGroupKFold
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    names = np.asarray(groups)
    fewest = min(len(set(names[labels == one])) for one in set(labels))
    folds = StratifiedGroupKFold(min(_FOLDS, fewest), shuffle=True, random_state=_SEED)
    p = np.zeros((len(labels), labels.max() + 1))
    for others, held_out in folds.split(features, labels, names):
        head = LogisticRegression(C=STRENGTH, class_weight="balanced", max_iter=1000)
        head = make_pipeline(StandardScaler(), head).fit(features[others], labels[others])
        p[np.ix_(held_out, head.classes_)] = head.predict_proba(features[held_out])
    return p


def ranked(labels: Places, p: Floats) -> Places:
    """Return the places of the labels that are probably wrong, the most suspicious first.

    Confident learning estimates how many photos of each class belong to another. It takes as many:
    those with the largest differences between the probabilities of the other class and the label.

    Args:
        labels: the class of each photo, shape (n,).
        p: the answer of a classifier that did not learn from it, shape (n, classes).
    """
    from cleanlab.filter import find_label_issues

    return np.asarray(
        find_label_issues(labels, p, return_indices_ranked_by="normalized_margin", n_jobs=1),
        dtype=np.intp,
    )
