"""How well a classifier agrees with the votes of several people on each photo."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from happysad.dataset.votes import leading_classes
from happysad.evaluation.metrics import Figure, Score, bootstrap, score

__all__ = ["VoteScore", "vote_score"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class VoteScore:
    """The figures of a classifier against the votes on some photos."""

    n: int
    """The number of photos with votes."""
    without: int
    """The number of photos without votes; they are left out."""
    tied: int
    """The number of photos on which two classes lead together; they are left out of `score`."""
    score: Score
    """The figures if the class of a photo is the one with the most votes."""
    distance: Figure
    """The mean distance of the probabilities from the shares of the votes: half the sum of the
    absolute differences (total variation), 0 to 1. Photos without an answer do not count."""

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> Self:
        """Return the figures from their `asdict`, as read from JSON."""
        return cls(
            **{
                **fields,
                "score": Score.from_json(fields["score"]),
                "distance": Figure.from_json(fields["distance"]),
            }
        )


def vote_score(
    p: Floats,
    votes: Floats,
    groups: Sequence[str],
    *,
    classes: Sequence[str],
    threshold: float,
    seed: int,
) -> VoteScore:
    """Return the figures of a classifier against votes.

    Args:
        p: the probabilities, shape (n, classes); NaN for a photo without an answer, as for `score`.
        votes: the number of votes for each class, shape (n, classes); 0 for a photo without votes.
        groups: the group of each photo, n of them.
        classes: the names of the classes.
        threshold: as for `score`.
        seed: the seed of the bootstrap.

    Raises:
        DatasetError: no photo with an answer has votes of which one class leads.
    """
    voted = np.flatnonzero(votes.sum(axis=1) > 0)
    leading = leading_classes(votes)
    decided: NDArray[np.intp] = np.flatnonzero(leading >= 0)
    scored = score(
        leading[decided],
        p[decided],
        [groups[place] for place in decided],
        classes=classes,
        threshold=threshold,
        seed=seed,
    )
    answered = voted[~np.isnan(p[voted]).any(axis=1)]
    shares = votes[answered] / votes[answered].sum(axis=1, keepdims=True)
    distances = np.abs(p[answered] - shares).sum(axis=1) / 2

    def figures(weights: NDArray[Any]) -> dict[str, Floats]:
        return {"distance": np.asarray((weights @ distances) / weights.sum(axis=1))}

    found = bootstrap(figures, [groups[place] for place in answered], seed)
    return VoteScore(
        n=len(voted),
        without=len(votes) - len(voted),
        tied=len(voted) - len(decided),
        score=scored,
        distance=found["distance"],
    )
