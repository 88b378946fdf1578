"""Figures of a classifier that may answer "unsure" or "no_face"."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from happysad.evaluation.metrics import Figure, bootstrap
from happysad.predictions import NO_FACE, UNSURE

__all__ = ["Abstention", "abstention"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Abstention:
    """How often a classifier answers, and how often it is right when it does."""

    n: int
    """The number of photos."""
    coverage: Figure
    """The share of the photos that get a class."""
    selective_accuracy: Figure
    """The share of these answers that is right."""
    called: dict[str, Figure]
    """The share of the photos with each label: a class of the classifier, or "unsure"."""
    no_face: Figure
    """The share of the photos in which no face is found."""
    labels: dict[str, dict[str, int]]
    """The number of photos by class and by label; "no_face" is one of the labels."""

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> Self:
        """Return the figures from their `asdict`, as read from JSON."""
        figures = ("coverage", "selective_accuracy", "no_face")
        return cls(
            n=fields["n"],
            **{name: Figure.from_json(fields[name]) for name in figures},
            called={name: Figure.from_json(one) for name, one in fields["called"].items()},
            labels=fields["labels"],
        )


def abstention(
    labels: Sequence[str],
    truth: Sequence[str],
    groups: Sequence[str],
    *,
    classes: Sequence[str],
    seed: int = 0,
) -> Abstention:
    """Return the figures of a classifier's labels; the intervals are those of `metrics.score`.

    Source: El-Yaniv & Wiener 2010, "On the Foundations of Noise-free Selective Classification".

    Args:
        labels: the label of each photo, n of them: one of `classes`, "unsure" or "no_face".
        truth: the class of each photo, n of them.
        groups: the group of each photo, n of them.
        classes: the classes of the classifier.
        seed: the seed of the bootstrap.
    """
    names = (*classes, UNSURE, NO_FACE)
    given = np.array([[label == name for name in names] for label in labels], dtype=float)
    hit = np.array([label == one for label, one in zip(labels, truth, strict=True)], dtype=float)

    def figures(weights: NDArray[Any]) -> dict[str, Floats]:
        with np.errstate(invalid="ignore"):
            total, by_label = weights.sum(axis=1), weights @ given
            answers = by_label[:, : len(classes)].sum(axis=1)
            shares = {f"called {name}": by_label[:, k] / total for k, name in enumerate(names)}
            return {
                "coverage": np.asarray(answers / total),
                "selective_accuracy": np.asarray((weights @ hit) / answers),
                **shares,
            }

    found = bootstrap(figures, groups, seed)
    pairs = Counter(zip(truth, labels, strict=True))
    return Abstention(
        n=len(hit),
        coverage=found["coverage"],
        selective_accuracy=found["selective_accuracy"],
        called={name: found[f"called {name}"] for name in names if name != NO_FACE},
        no_face=found[f"called {NO_FACE}"],
        labels={
            one: {name: pairs[one, name] for name in names}
            for one in classes
            if any(pairs[one, name] for name in names)
        },
    )
