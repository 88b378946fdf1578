"""Slices of the judged photos, such as those taken indoors: is the classifier worse on some?"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from happysad.dataset.path_rows import read_path_rows
from happysad.errors import DatasetError, shown
from happysad.evaluation.metrics import Figure, interval, resamples

__all__ = ["FEWEST", "Slice", "read_slices", "score_slices"]

#: The minimum number of photos, in a slice and beside it, for a comparison.
FEWEST = 30

# A column of numbers with more values than this is cut into thirds; of words it may not have more.
_MOST_VALUES = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """The accuracy on some of the photos, compared with all other ones."""

    name: str
    """The column and its value, such as "light: indoors"."""
    n: int
    accuracy: Figure
    gap: Figure
    """The accuracy on the slice minus that on the other photos; no value if there are too few."""
    p: float | None
    """The probability of a gap at least as large if there were none, corrected for all slices by
    Holm's method; None if there are too few photos."""

    @property
    def verdict(self) -> str:
        """What the figures prove, in words."""
        if self.p is None or self.gap.value is None:
            return f"too few to tell: needs {FEWEST} photos in it and {FEWEST} others"
        if self.p >= 0.05:
            return "no difference proven"
        return "worse than the others" if self.gap.value < 0 else "better than the others"

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> Self:
        """Return the slice from its `asdict`, as read from JSON."""
        figures = {name: Figure.from_json(fields[name]) for name in ("accuracy", "gap")}
        return cls(**{**fields, **figures})


def read_slices(file: Path, table: pd.DataFrame) -> dict[str, frozenset[str]]:
    """Return the paths of the photos of each slice, by its name.

    Args:
        file: a CSV with the column path, relative to the data folder, and others. Each value of
            another column is a slice; an empty one is none. Many numbers are cut into thirds.
        table: the files of the data folder, with columns as in `manifest.COLUMNS`.

    Raises:
        DatasetError: the file cannot be read, names no photo, or a column has too many values.
    """
    columns = [name for name in read_path_rows(file, table, ()).columns if name != "path"]
    rows = read_path_rows(file, table, columns).rows
    if not columns:
        raise DatasetError(f"{file}: needs another column beside path, such as light")
    slices: dict[str, frozenset[str]] = {}
    for column in columns:
        values = pd.Series({row.path: row.values[column].strip() for row in rows}, dtype="str")
        values = values[values != ""]
        if values.nunique() > _MOST_VALUES:
            values = _thirds(values, f"{file}: {column}")
        for value, members in values.groupby(values):
            slices[f"{column}: {value}"] = frozenset(map(str, members.index))
    return slices


def score_slices(
    slices: Mapping[str, frozenset[str]],
    paths: Sequence[str],
    right: NDArray[np.bool_],
    groups: Sequence[str],
    *,
    seed: int,
) -> tuple[Slice, ...]:
    """Compare the accuracy on each slice with that on all other photos.

    The intervals and the standard error of the gap come from a bootstrap over groups. Source of the
    correction: Holm 1979, "A Simple Sequentially Rejective Multiple Test Procedure".

    Args:
        slices: the paths of the photos of each slice, by its name.
        paths: the path of each judged photo, n of them.
        right: whether each answer was right, shape (n,).
        groups: the group of each photo, n of them.
        seed: the seed of the bootstrap.
    """
    members = {name: np.array([path in of for path in paths]) for name, of in slices.items()}
    members = {name: inside for name, inside in members.items() if inside.any()}
    found = [_compared(name, one, right, groups, seed) for name, one in members.items()]
    corrected = _holm([p for _, p in found])
    return tuple(replace(one, p=p) for (one, _), p in zip(found, corrected, strict=True))


def _thirds(values: pd.Series[str], where: str) -> pd.Series[str]:
    numbers = pd.to_numeric(values, errors="coerce")
    if numbers.isna().any():
        first = values[numbers.isna()].iloc[0]
        raise DatasetError(
            f"{where}: has {values.nunique()} values; allowed are {_MOST_VALUES}, or numbers, not "
            f"{shown(first)}"
        )
    low, high = numbers.quantile([1 / 3, 2 / 3])
    names = [f"up to {low:g}", f"{low:g} to {high:g}", f"above {high:g}"]
    thirds = np.searchsorted([low, high], numbers.to_numpy())
    return pd.Series([names[place] for place in thirds], index=values.index, dtype="str")


def _compared(
    name: str,
    inside: NDArray[np.bool_],
    right: NDArray[np.bool_],
    groups: Sequence[str],
    seed: int,
) -> tuple[Slice, float | None]:
    """Return a slice without its p, and the uncorrected p."""
    masks = np.stack([inside, ~inside], axis=1).astype(float)

    def shares(weights: NDArray[Any]) -> NDArray[np.float64]:
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(weights @ (masks * right[:, None]) / (weights @ masks))

    [[own, others]] = shares(np.ones((1, len(right))))
    drawn = np.concatenate([shares(weights) for weights in resamples(groups, seed)])
    several = len(set(np.asarray(groups)[inside])) > 1
    n = int(inside.sum())
    accuracy = Figure(float(own), interval(drawn[:, 0]) if several else None)
    if min(n, len(right) - n) < FEWEST:
        return Slice(name=name, n=n, accuracy=accuracy, gap=Figure(None, None), p=None), None
    gaps = drawn[:, 0] - drawn[:, 1]
    error = float(np.nanstd(gaps))
    gap = float(own - others)
    p = math.erfc(abs(gap) / error / math.sqrt(2)) if error else float(gap == 0)
    figure = Figure(gap, interval(gaps))
    return Slice(name=name, n=n, accuracy=accuracy, gap=figure, p=None), p


def _holm(p: Sequence[float | None]) -> list[float | None]:
    """Return corrected p values; None where there is none."""
    known = sorted((one, place) for place, one in enumerate(p) if one is not None)
    corrected: list[float | None] = [None] * len(p)
    largest = 0.0
    for rank, (one, place) in enumerate(known):
        largest = max(largest, min(1.0, (len(known) - rank) * one))
        corrected[place] = largest
    return corrected
