"""Slices of the judged photos, such as those taken indoors: is the classifier worse on some?"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import NormalDist
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from happysad.dataset.path_rows import read_path_rows
from happysad.errors import DatasetError, counted, shown
from happysad.evaluation.metrics import Figure

__all__ = ["FEWEST", "Slice", "read_slices", "score_slices", "thirds", "too_few"]

#: The minimum number of photos, in a slice and beside it, for a comparison.
FEWEST = 30

# A column of numbers with more values than this is cut into thirds; of words it may not have more.
_MOST_VALUES = 12

_LEVEL = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """The accuracy on some of the photos, compared with other ones."""

    name: str
    """The column and its value, such as "light: indoors"."""
    n: int
    others: int
    """The number of photos that it is compared with, in the classes that it has."""
    accuracy: Figure
    """With a 95 % interval."""
    gap: Figure
    """The accuracy on the slice minus that which the others would have with as many of each class
    as the slice; no value if there are too few. With a probability of 95 %, the intervals of all
    slices hold the true gaps (Bonferroni)."""
    p: float | None
    """The probability of a number of mistakes at most as likely, if the slice and the others did
    not differ in any class, corrected for all slices by Holm's method; None if there are too few
    photos."""

    @property
    def verdict(self) -> str:
        """What the figures prove, in words."""
        if self.p is None or self.gap.value is None:
            own = self.n < FEWEST
            few, what = (self.n, "photo") if own else (self.others, "other photo")
            return f"{counted(few, what)} {'is' if few == 1 else 'are'} too few to tell"
        if not self.is_proven:
            return "no difference proven"
        return "worse than the others" if self.gap.value < 0 else "better than the others"

    @property
    def is_proven(self) -> bool:
        """Whether it is proven to differ from the others."""
        return self.p is not None and self.p < 1 - _LEVEL

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> Self:
        """Return the slice from its `asdict`, as read from JSON."""
        figures = {name: Figure.from_json(fields[name]) for name in ("accuracy", "gap")}
        return cls(**{**fields, **figures})


def read_slices(file: Path, table: pd.DataFrame) -> pd.DataFrame:
    """Return the slice of each photo in each column of a table.

    Args:
        file: a CSV with the column path, relative to the data folder, and others. Each value of
            another column is a slice; an empty one is none. Many numbers are cut into thirds.
        table: the files of the data folder, with columns as in `manifest.COLUMNS`.

    Returns:
        As `score_slices` takes it, with the paths of `table` as the index.

    Raises:
        DatasetError: the file cannot be read, names no photo, or a column has too many values.
    """
    columns = [name for name in read_path_rows(file, table, ()).columns if name != "path"]
    rows = read_path_rows(file, table, columns).rows
    if not columns:
        raise DatasetError(f"{file}: needs another column beside path, such as light")
    slices: dict[str, pd.Series[Any]] = {}
    for column in columns:
        values = pd.Series({row.path: row.values[column].strip() for row in rows}, dtype="str")
        values = values.reindex(table["path"], fill_value="")
        named = values[values != ""]
        if named.nunique() > _MOST_VALUES:
            cut = thirds(_numbers(named, f"{file}: {column}"))
            slices[column] = cut.cat.add_categories("").reindex(values.index, fill_value="")
        else:
            slices[column] = values.astype("category")
    return pd.DataFrame(slices)


def thirds(numbers: pd.Series[float], unit: str = "") -> pd.Series[Any]:
    """Return the third that each number lies in, as an ordered category.

    The limits are quantiles, so the thirds are equally large unless numbers are equal.

    Args:
        numbers: of any index; NaN lies in none.
        unit: what stands behind a limit in the names, such as " px".

    >>> thirds(pd.Series([1.0, 2.0, 30.0]), " px").tolist()
    ['up to 1.67 px', '1.67 to 11.3 px', 'above 11.3 px']
    """
    low, high = numbers.quantile([1 / 3, 2 / 3])
    low_name, high_name = f"{low:.3g}{unit}", f"{high:.3g}{unit}"
    names = pd.Index([f"up to {low_name}", f"{low:.3g} to {high_name}", f"above {high_name}"])
    places = np.where(numbers.isna(), -1, np.searchsorted([low, high], numbers.to_numpy()))
    return pd.Series(pd.Categorical.from_codes(places, names, ordered=True), index=numbers.index)


def score_slices(
    values: pd.DataFrame,
    right: NDArray[np.bool_],
    y: NDArray[np.intp],
    groups: Sequence[str],
) -> tuple[Slice, ...]:
    """Compare the accuracy on each slice with that on other photos of the same classes.

    A slice may have more photos of a class that is hard. So the test is exact within each class:
    the number of mistakes in the slice is hypergeometric, and the sum over the classes has the
    convolution of these distributions. With one class, this is Fisher's exact test. The intervals
    are those of Wilson (1927) and, for the gap, of Newcombe (1998, method 10), added up over the
    classes by Zou and Donner (2008). Photos of one group count as one: all counts are divided by
    their design effect (Rao & Scott 1992), as if the answers in a group were always equal. Source
    of the correction: Holm 1979, "A Simple Sequentially Rejective Multiple Test Procedure".
    docs/decisions.md, "When a slice differs".

    Args:
        values: one row for each judged photo, n of them, and columns of categories. A slice is the
            photos with one value in a column. An empty value is no slice, but its photos are
            compared with the slices of the column; those with NaN are not.
        right: whether each answer was right, shape (n,).
        y: the class of each photo, shape (n,).
        groups: the group of each photo, n of them.
    """
    members = np.asarray(groups, dtype=str)

    def part(of: NDArray[np.bool_]) -> _Part:
        return _Part.of(right[of], members[of])

    compared = [
        _Compared(
            name,
            part(inside),
            [
                (part(inside & (y == one)), part(others & (y == one)))
                for one in np.unique(y[inside])
            ],
        )
        for name, inside, others in _slices(values)
    ]
    count = sum(one.is_enough for one in compared)
    found = [one.slice(count) for one in compared]
    corrected = _holm([one.p for one in found])
    return tuple(replace(one, p=p) for one, p in zip(found, corrected, strict=True))


def too_few(slices: Sequence[Slice]) -> bool:
    """Return whether no slice has enough photos for a comparison."""
    return all(one.p is None for one in slices)


def _numbers(values: pd.Series[str], where: str) -> pd.Series[float]:
    numbers = pd.to_numeric(values, errors="coerce")
    if numbers.isna().any():
        first = values[numbers.isna()].iloc[0]
        raise DatasetError(
            f"{where}: has {values.nunique()} values; allowed are {_MOST_VALUES}, or numbers, not "
            f"{shown(first)}"
        )
    return numbers.astype(float)


def _slices(
    values: pd.DataFrame,
) -> Iterator[tuple[str, NDArray[np.bool_], NDArray[np.bool_]]]:
    """Yield the name of each slice, which photos are in it, and which it is compared with."""
    for column in values:
        of = values[column]
        for value in of.cat.categories:
            inside = np.asarray(of == value)
            if value != "" and inside.any():
                yield f"{column}: {value}", inside, np.asarray(of.notna() & ~inside)


@dataclass(frozen=True, slots=True)
class _Part:
    """Right and wrong answers on some photos."""

    n: int
    share: float
    """The share of right answers; NaN without photos."""
    independent: float
    """The number of photos divided by their design effect."""

    @classmethod
    def of(cls, right: NDArray[np.bool_], groups: NDArray[np.intp]) -> Self:
        if not len(right):
            return cls(0, math.nan, 0.0)
        sizes = np.unique(groups, return_counts=True)[1]
        return cls(len(right), float(right.mean()), len(right) ** 2 / float((sizes**2).sum()))

    @property
    def counts(self) -> tuple[int, int]:
        """The numbers of right and wrong answers, divided by the design effect."""
        return round(self.independent * self.share), round(self.independent * (1 - self.share))

    def interval(self, level: float) -> tuple[float, float]:
        """Return Wilson's interval of the share."""
        z, n, share = NormalDist().inv_cdf((1 + level) / 2), self.independent, self.share
        middle = share + z * z / (2 * n)
        half = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
        low, high = ((middle + side * half) / (1 + z * z / n) for side in (-1, 1))
        return max(0.0, low), min(1.0, high)


@dataclass(frozen=True, slots=True)
class _Compared:
    """A slice beside the photos that it is compared with."""

    name: str
    whole: _Part
    """The answers on the slice."""
    of_classes: list[tuple[_Part, _Part]]
    """The answers on the slice and on the others, for each class of the slice."""

    @property
    def others(self) -> int:
        """The number of photos that it is compared with."""
        return sum(other.n for _, other in self.of_classes)

    @property
    def is_enough(self) -> bool:
        """Whether there are enough photos for a comparison."""
        return min(self.whole.n, self.others) >= FEWEST

    def slice(self, compared: int) -> Slice:
        """Return the slice with its uncorrected p.

        Args:
            compared: the number of slices that are compared.
        """
        accuracy = Figure(self.whole.share, self.whole.interval(_LEVEL))
        gap, p = Figure(None, None), None
        if self.is_enough:
            both = [(own, other) for own, other in self.of_classes if other.n]
            gap, p = _gap(both, 1 - (1 - _LEVEL) / compared), _exact(both)
        return Slice(
            name=self.name, n=self.whole.n, others=self.others, accuracy=accuracy, gap=gap, p=p
        )


def _gap(both: Sequence[tuple[_Part, _Part]], level: float) -> Figure:
    """Return the difference of accuracies with an interval, each class weighted as in the slice.

    Args:
        both: the answers on the slice and on the others, for each class that both have.
        level: the probability with which the interval holds the difference.
    """
    n = sum(own.n for own, _ in both)
    difference = below = above = 0.0
    for own, other in both:
        weight = own.n / n
        (low, high), (other_low, other_high) = own.interval(level), other.interval(level)
        difference += weight * (own.share - other.share)
        below = math.hypot(below, weight * (own.share - low), weight * (other_high - other.share))
        above = math.hypot(above, weight * (high - own.share), weight * (other.share - other_low))
    return Figure(difference, (difference - below, difference + above))


def _exact(both: Sequence[tuple[_Part, _Part]]) -> float:
    """Return the two-sided p of the number of mistakes in the slice, given those of each class."""
    from scipy.stats import hypergeom

    chances, observed = np.ones(1), 0
    for (right, wrong), (other_right, other_wrong) in (
        (own.counts, other.counts) for own, other in both
    ):
        drawn, mistakes, correct = right + wrong, wrong + other_wrong, right + other_right
        fewest = max(0, drawn - correct)
        possible = np.arange(fewest, min(mistakes, drawn) + 1)
        chances = np.convolve(chances, hypergeom.pmf(possible, mistakes + correct, mistakes, drawn))
        observed += wrong - fewest
    # Equal probabilities may differ by rounding.
    return min(1.0, float(chances[chances <= chances[observed] * (1 + 1e-7)].sum()))


def _holm(p: Sequence[float | None]) -> list[float | None]:
    """Return corrected p values; None where there is none."""
    known = sorted((one, place) for place, one in enumerate(p) if one is not None)
    corrected: list[float | None] = [None] * len(p)
    largest = 0.0
    for rank, (one, place) in enumerate(known):
        largest = max(largest, min(1.0, (len(known) - rank) * one))
        corrected[place] = largest
    return corrected
