"""Compare the accuracies of models on the same photos."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

__all__ = ["table"]

_RESAMPLES = 2000


def table(right: Mapping[str, NDArray[np.bool_]], groups: pd.Series[str]) -> str:
    """Return a Markdown table that compares each model with the first one.

    The intervals are 95 % percentile bootstrap intervals. The bootstrap draws whole groups, the
    same for all models.

    Args:
        right: whether each answer was right, by model, shape (n,); a photo with several answers
            counts each time.
        groups: the group of each photo, shape (n,).
    """
    places, names = pd.factorize(groups)
    rng = np.random.default_rng(0)
    drawn = [rng.integers(0, len(names), len(names)) for _ in range(_RESAMPLES)]
    weights = np.array([np.bincount(one, minlength=len(names)) for one in drawn])[:, places]
    first = next(iter(right))

    def span(values: NDArray[np.float64]) -> tuple[float, float]:
        low, high = np.percentile((weights * values).sum(1) / weights.sum(1), [2.5, 97.5])
        return float(low), float(high)

    lines = [
        f"| model | accuracy (95 %), n = {len(groups)} in {len(names)} groups "
        f"| points above {first} (95 %) |",
        "|---|---|---|",
    ]
    for model, values in right.items():
        low, high = span(values.astype(float))
        difference = values.astype(float) - right[first]
        less, more = span(difference)
        gain = f"{100 * difference.mean():+.1f} ({100 * less:+.1f} to {100 * more:+.1f})"
        lines.append(
            f"| {model} | {values.mean():.3f} ({low:.3f} to {high:.3f}) "
            f"| {'' if model == first else gain} |"
        )
    return "\n".join(lines) + "\n"
