"""A new classifier beside the one that ships, the largest class and the run before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from happysad.errors import counted
from happysad.evaluation.metrics import Figure, bootstrap

__all__ = ["Comparison", "Outcome", "Rival", "compare"]

# The fewest groups in which two classifiers must differ before one can be better:
# docs/decisions.md, "When a new classifier is better".
_FEWEST = 6

Hits = NDArray[np.float64]


class Outcome(StrEnum):
    """What a comparison of two classifiers shows."""

    BETTER = "better"
    WORSE = "worse"
    NOT_PROVEN = "not proven better"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rival:
    """Another way to answer, and how it does on the photos of a `Comparison`."""

    accuracy: Figure
    difference: Figure
    """The accuracy of the new classifier minus this accuracy, with the interval of the paired
    bootstrap over groups."""
    different_groups: int
    """The number of groups in which one of both has more right answers than the other."""
    no_face: int = 0
    """The number of photos without the face that it needs; they count as wrong."""

    @property
    def outcome(self) -> Outcome:
        """Whether the new classifier is better: docs/decisions.md has the rule."""
        span = self.difference.interval
        if span is None or self.different_groups < _FEWEST:
            return Outcome.NOT_PROVEN
        low, high = span
        if low > 0:
            return Outcome.BETTER
        return Outcome.WORSE if high < 0 else Outcome.NOT_PROVEN

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> Self:
        """Return the rival from its `asdict`, as read from JSON."""
        figures = {name: Figure.from_json(fields[name]) for name in ("accuracy", "difference")}
        return cls(**{**fields, **figures})


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """A new classifier beside its rivals, on the same test photos.

    Every answer is one of the classes; a photo without an answer counts as wrong.
    """

    n: int
    """The number of photos."""
    groups: int
    """The number of groups that they form."""
    accuracy: Figure
    """That of the new classifier."""
    built_in: Rival | None
    """The classifier that comes with happysad; None if it does not answer these classes."""
    largest_class: Rival
    """Always the largest class of the training photos."""
    largest: str
    """The name of this class."""
    before: Rival | None = None
    """The classifier of the run before; None if there is none, it has other classes, or it has
    learned from one of these photos."""
    before_name: str = ""
    """The name of this run."""

    @property
    def rivals(self) -> dict[str, Rival]:
        """The rivals by their names."""
        built_in = {} if self.built_in is None else {"built-in classifier": self.built_in}
        before = {} if self.before is None else {"run before": self.before}
        return {**built_in, f"always {self.largest}": self.largest_class, **before}

    @property
    def verdict(self) -> str:
        """One sentence: which classifier to use."""
        always = f"always answering {self.largest}"
        beats_largest = self.largest_class.outcome is Outcome.BETTER
        if self.built_in is None:
            if beats_largest:
                return f"It is better than {always}; the built-in classifier has other classes."
            return f"It is {self.largest_class.outcome} than {always}: add photos."
        outcome = self.built_in.outcome
        if outcome is not Outcome.BETTER:
            return (
                f"It is {outcome} than the built-in classifier: keep the built-in one, or add "
                "photos."
            )
        if beats_largest:
            return "It is better than the built-in classifier."
        return f"It is better than the built-in classifier, but not proven better than {always}."

    @property
    def summary(self) -> str:
        """The verdict, and the difference that it rests on with n and its interval."""
        return f"{self.verdict} {self._difference(self.built_in or self.largest_class)}"

    @property
    def gain(self) -> str:
        """What it gains over the run before, with n and the interval; "" without such a run."""
        if self.before is None:
            return ""
        return (
            f"It is {self.before.outcome} than the run before ({self.before_name}). "
            f"{self._difference(self.before)}"
        )

    def _difference(self, rival: Rival) -> str:
        """Return the difference from a rival as a sentence."""
        assert rival.difference.value is not None  # there is a photo
        span = "too few groups for an interval"
        if rival.difference.interval is not None:
            low, high = (100 * value for value in rival.difference.interval)
            span = f"95 % interval: {low:+.1f} to {high:+.1f}" if low < high else "no spread seen"
        return (
            f"The difference in accuracy is {100 * rival.difference.value:+.1f} "
            f"points of 100 on the same {counted(self.n, 'photo')} ({span})."
        )

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> Self:
        """Return the comparison from its `asdict`, as read from JSON."""
        return cls(
            **{
                **fields,
                "accuracy": Figure.from_json(fields["accuracy"]),
                "built_in": fields["built_in"] and Rival.from_json(fields["built_in"]),
                "largest_class": Rival.from_json(fields["largest_class"]),
                "before": fields.get("before") and Rival.from_json(fields["before"]),
            }
        )


def compare(
    hits: Hits,
    groups: Sequence[str],
    *,
    built_in: Hits | None,
    no_face: int,
    largest_class: Hits,
    largest: str,
    seed: int,
    before: Hits | None = None,
    before_name: str = "",
) -> Comparison:
    """Compare a new classifier with its rivals on the same photos.

    Each resample of the bootstrap draws whole groups, and judges both classifiers on the photos
    that it has drawn. Source: Efron & Tibshirani 1993, "An Introduction to the Bootstrap".

    Args:
        hits: 1.0 for each photo that the new classifier answers rightly, else 0.0, shape (n,).
        groups: the group of each photo, n of them.
        built_in: as `hits`, of the classifier that comes with happysad; None if it does not answer
            these classes.
        no_face: the number of photos in which it finds no face.
        largest_class: as `hits`, for always the largest class.
        largest: the name of the largest class.
        seed: the seed of the bootstrap.
        before: as `hits`, of the run before; None if it cannot be compared.
        before_name: the name of this run.

    >>> yes, no = np.ones(8), np.zeros(8)
    >>> found = compare(yes, list("abcdefgh"), built_in=no, no_face=0, largest_class=no,
    ...                 largest="sad", seed=0)
    >>> found.verdict
    'It is better than the built-in classifier.'
    """
    _, member = np.unique(np.asarray(groups, dtype=str), return_inverse=True)

    def rival(its: Hits, no_face: int = 0) -> Rival:
        def figures(weights: NDArray[Any]) -> dict[str, Hits]:
            total = weights.sum(axis=1)
            return {
                "accuracy": np.asarray(weights @ its / total),
                "difference": np.asarray(weights @ (hits - its) / total),
            }

        return Rival(
            **bootstrap(figures, groups, seed),
            different_groups=int(np.count_nonzero(np.bincount(member, hits - its))),
            no_face=no_face,
        )

    def accuracy(weights: NDArray[Any]) -> dict[str, Hits]:
        return {"accuracy": np.asarray(weights @ hits / weights.sum(axis=1))}

    return Comparison(
        n=len(hits),
        groups=len(set(groups)),
        accuracy=bootstrap(accuracy, groups, seed)["accuracy"],
        built_in=None if built_in is None else rival(built_in, no_face),
        largest_class=rival(largest_class),
        largest=largest,
        before=None if before is None else rival(before),
        before_name=before_name,
    )
