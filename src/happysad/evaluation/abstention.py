"""Figures of a classifier that may answer "unsure" or "no_face"."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from happysad.evaluation.metrics import Figure, bootstrap

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
    no_face: Figure
    """The share of the photos in which no face is found."""

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> Self:
        """Return the figures from their `asdict`, as read from JSON."""
        figures = ("coverage", "selective_accuracy", "no_face")
        return cls(n=fields["n"], **{name: Figure.from_json(fields[name]) for name in figures})


def abstention(
    right: ArrayLike, answered: ArrayLike, no_face: ArrayLike, groups: Sequence[str], seed: int = 0
) -> Abstention:
    """Return the figures of a classifier's labels; the intervals are those of `metrics.score`.

    Source: El-Yaniv & Wiener 2010, "On the Foundations of Noise-free Selective Classification".

    Args:
        right: whether the label is the photo's class, shape (n,).
        answered: whether the label is a class, shape (n,).
        no_face: whether no face was found, shape (n,).
        groups: the group of each photo, n of them.
        seed: the seed of the bootstrap.
    """
    hit, given, none = (np.asarray(one).astype(float) for one in (right, answered, no_face))

    def figures(weights: NDArray[Any]) -> dict[str, Floats]:
        with np.errstate(invalid="ignore"):
            total, answers = weights.sum(axis=1), weights @ given
            return {
                "coverage": np.asarray(answers / total),
                "selective_accuracy": np.asarray((weights @ hit) / answers),
                "no_face": np.asarray((weights @ none) / total),
            }

    return Abstention(n=len(hit), **bootstrap(figures, groups, seed))
