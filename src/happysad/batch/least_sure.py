"""The photos of a library of which its classifier is least sure."""

from __future__ import annotations

import heapq
from pathlib import Path
from typing import Any

from happysad.batch.photo_sources import PhotoSources
from happysad.batch.remote import is_remote
from happysad.batch.results import Results
from happysad.batch.tables import path_of

__all__ = ["least_sure"]


def least_sure(folder: Path, count: int) -> list[Path]:
    """Return the files of the photos with the smallest margins, the smallest first.

    The margin is the difference of the two largest probabilities. Photos without an answer, and
    photos that lie elsewhere than the sources of the results, are left out.

    Args:
        folder: the folder of results.
        count: the maximum number of photos.

    Raises:
        UsageError: there are no results in `folder`.
        LibraryError: the results are damaged.
    """
    results = Results.open(folder)
    sources = PhotoSources(results.made)

    def margin(row: dict[str, Any]) -> float:
        *_, second, first = sorted(row[f"p_{name}"] for name in results.made.classes)
        return float(first - second)

    answered = (
        row
        for row in results.photos()
        if row["probability"] is not None
        and not is_remote(path_of(row))
        and sources.hold(path_of(row))
    )
    return [results.source(path_of(row)) for row in heapq.nsmallest(count, answered, key=margin)]
