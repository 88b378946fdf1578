"""The learning curve of a fit: how good it is with a part of the photos, and with all of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from happysad.evaluation.metrics import bootstrap
from happysad.progress import track
from happysad.run import CurvePoint, LearningCurve
from happysad.training.logistic_regression import Regression, log_losses, most_probable

__all__ = ["Fit", "learning_curve"]

Floats = NDArray[np.float64]
Classes = NDArray[np.float32]
Places = NDArray[np.intp]

#: Fits a logistic regression to figures, shape (n, width), and classes, shape (n,).
Fit = Callable[[Floats, Classes], Regression]

# Every photo is held out once a repeat: docs/decisions.md, "What a learning curve says".
_FOLDS, _REPEATS = 5, 6
# The smallest number of photos, which is doubled again and again.
_FIRST = 10
# The minimum number of groups of each class that a regression is fitted to.
_GROUPS = 2
# The smallest share of a number of photos that whole groups must reach, in a draw and in a fold.
_NEARLY = 0.9

_PARTS = ("train", "held_out")


def learning_curve(
    figures: Floats, classes: Classes, groups: Sequence[str], fit: Fit, *, seed: int
) -> LearningCurve | None:
    """Return the learning curve of a logistic regression.

    Cross-validation over groups, repeated with other folds, holds out each photo equally often. A
    regression is fitted to 10, 20, 40, … of the other photos, to half of them and to all. They are
    drawn in whole groups, with the shares of the classes. Each regression is judged on the photos
    that it is fitted to, and on the held-out ones. The intervals are those of `metrics.bootstrap`.

    Args:
        figures: shape (n, width).
        classes: 0, 1, …, each at least once, shape (n,).
        groups: the group of each photo, n of them.
        fit: fits the regression.
        seed: of all random numbers.

    Returns:
        The curve; None if the photos form too few groups, or too large ones.
    """
    from sklearn.model_selection import StratifiedGroupKFold

    names = np.asarray(groups)
    folds = min(_FOLDS, *(len(set(names[classes == place])) for place in np.unique(classes)))
    if folds <= _GROUPS:
        return None
    splits: list[tuple[Places, Places]] = []
    for repeat in range(_REPEATS):
        dealt = StratifiedGroupKFold(folds, shuffle=True, random_state=(seed + repeat) % 2**32)
        splits += dealt.split(figures, classes, names)
    draws = _draws(classes, names, [rest for rest, _ in splits], seed)
    if draws is None:
        return None
    jobs = [(size, number) for size in draws for number in range(len(splits))]
    # Of each photo, for each size: in how many fits it was judged, and the sums of its terms.
    sums = {(size, part): np.zeros((len(classes), 3)) for size in draws for part in _PARTS}
    for size, number in track(jobs, "learning curve", len(jobs)):
        learned, held_out = draws[size][number], splits[number][1]
        found = fit(figures[learned], classes[learned])
        for part, places in zip(_PARTS, (learned, held_out), strict=True):
            logits, truth = found.logits(figures[places]), classes[places]
            right = most_probable(logits) == truth
            terms = [np.ones(len(places)), right, log_losses(logits, truth)]
            sums[size, part][places] += np.stack(terms, axis=1)
    half, every = list(draws)[-2:]
    table = np.concatenate(list(sums.values()), axis=1)

    def judged(weights: NDArray[np.float32]) -> Mapping[str, Floats]:
        found = {}
        totals = np.split(weights.astype(np.float64) @ table, len(sums), axis=1)
        with np.errstate(invalid="ignore"):
            for (size, part), total in zip(sums, totals, strict=True):
                found[f"{part}_accuracy {size}"] = total[:, 1] / total[:, 0]
                found[f"{part}_log_loss {size}"] = total[:, 2] / total[:, 0]
        gain = found[f"held_out_log_loss {half}"] - found[f"held_out_log_loss {every}"]
        return {**found, "gain": gain}

    intervals = {
        name: (one.value, *one.interval)
        for name, one in bootstrap(judged, groups, seed).items()
        if one.value is not None and one.interval is not None
    }
    points = []
    for size in draws:
        row: dict[str, float] = {}
        for key in (f"{part}_{name}" for part in _PARTS for name in ("accuracy", "log_loss")):
            row[key], row[f"{key}_low"], row[f"{key}_high"] = intervals[f"{key} {size}"]
        points.append(CurvePoint(photos=size, **row))
    gain, low, high = intervals["gain"]
    return LearningCurve(
        held_out=len(classes), points=tuple(points), gain=gain, gain_low=low, gain_high=high
    )


def _draws(
    classes: Classes, groups: NDArray[np.str_], rests: Sequence[Places], seed: int
) -> dict[int, list[Places]] | None:
    """Return the photos to fit to, by their number and for each rest; None if half is too few."""
    every = min(len(rest) for rest in rests)
    half = every // 2
    if half < _FIRST or every < _NEARLY * max(len(rest) for rest in rests):
        return None
    if any(len(set(classes[rest])) < len(set(classes)) for rest in rests):
        return None
    sizes = [_FIRST * 2**power for power in range(32) if _FIRST * 2**power * 1.4 <= half]
    draws: dict[int, list[Places]] = {}
    for size in (*sizes, half):
        drawn = [
            _draw(classes, groups, rest, size, np.random.default_rng((seed, number)))
            for number, rest in enumerate(rests)
        ]
        if all(one is not None for one in drawn):
            draws[size] = [one for one in drawn if one is not None]
    return {**draws, every: list(rests)} if half in draws else None


def _draw(
    classes: Classes,
    groups: NDArray[np.str_],
    rest: Places,
    size: int,
    rng: np.random.Generator,
) -> Places | None:
    """Return about `size` photos of `rest` in whole groups; None if its groups do not allow it."""
    of_each = np.unique(classes)[:, None] == classes[rest]
    shares = of_each[1:].mean(axis=1, dtype=np.float32)
    wanted = np.rint(size * np.append(1 - shares.sum(), shares))
    names, member = np.unique(groups[rest], return_inverse=True)
    counts = np.stack([np.bincount(member, one) for one in of_each], axis=1)
    taken, have, formed = np.zeros(len(names), bool), np.zeros(len(wanted)), np.zeros(len(wanted))
    for place in rng.permutation(len(names)):
        if (have == wanted).all():
            break
        if (have + counts[place] <= wanted).all():
            taken[place] = True
            have += counts[place]
            formed += counts[place] > 0
    if have.sum() < _NEARLY * size or formed.min() < _GROUPS:
        return None
    return rest[taken[member]]
