"""Results as one page: counts, the photos at both ends and in between, and a timeline."""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from happysad.errors import HappysadError
from happysad.images import read
from happysad.library.remote import fetch, is_remote
from happysad.library.results import UNREADABLE, Results
from happysad.library.tables import name_of
from happysad.predictions import NO_FACE, UNSURE
from happysad.reports.page import thumbnail, write_page

__all__ = ["report"]

# So many photos of each kind are shown, and so many files that cannot be read.
_SHOWN = 12
# A timeline that spans more months than this is by year.
_MONTHS = 48

Time = tuple[int, int]


def report(folder: Path) -> Path:
    """Write report.html into a folder of results; gives its path.

    Rows are read part by part; photos are read where their files still are.

    Raises:
        UsageError: there are no results in `folder`.
        LibraryError: they are damaged.
    """
    results = Results.open(folder)
    first, second = results.made.labels
    counts: Counter[str] = Counter()
    times: dict[Time, Counter[str]] = defaultdict(Counter)
    ends = {name: _Least() for name in (first, second, "least sure")}
    unreadable = _Least()
    for number, row in enumerate(results.photos()):
        outcome = row["label"] or UNREADABLE
        counts[outcome] += 1
        if row["taken"] is not None:
            times[_month(row["taken"])][outcome] += 1
        if row["label"] is None:
            unreadable.add(number, number, row)
        if row["p_sad"] is not None:
            ends["least sure"].add(abs(row["p_sad"] - 0.5), number, row)
            if row["label"] in ends:
                p = row["p_sad"] if row["label"] == first else 1 - row["p_sad"]
                ends[row["label"]].add(p, number, row)
    order = [first, UNSURE, second, NO_FACE, UNREADABLE]
    file = folder / "report.html"
    write_page(
        file,
        "library.html",
        made=results.made,
        total=counts.total(),
        files=results.files,
        outcomes=[(name.replace("_", " "), counts[name]) for name in order],
        sheets=[
            (title, list(_photos(results, ends[name].rows())))
            for title, name in (
                (f"The most {first}", first),
                (f"The most {second}", second),
                ("The least sure", "least sure"),
            )
        ],
        columns=_columns(times, order),
        labels=order,
        dated=sum(outcomes.total() for outcomes in times.values()),
        unreadable=[row["error"] for row in unreadable.rows()],
        unread=counts[UNREADABLE],
    )
    return file


class _Least:
    """Keeps the rows of the least keys; among equal ones the first."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, dict[str, Any]]] = []

    def add(self, key: float, number: int, row: dict[str, Any]) -> None:
        one = (-key, -number, row)  # a heap gives its least first: the one to go
        if len(self._heap) < _SHOWN:
            heapq.heappush(self._heap, one)
        else:
            heapq.heappushpop(self._heap, one)

    def rows(self) -> list[dict[str, Any]]:
        return [row for *_, row in sorted(self._heap, key=lambda one: one[:2], reverse=True)]


def _photos(results: Results, rows: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for row in rows:
        shown: dict[str, Any] = {"path": row["path"], "label": row["label"], "p": row["p_sad"]}
        try:
            name = name_of(row)
            source = fetch(name) if is_remote(name) else results.source(name)
            shown["picture"] = thumbnail(read(source))
        except HappysadError as error:
            shown["missing"] = str(error).rpartition(": ")[2]
        yield shown


def _month(taken: datetime) -> Time:
    return taken.year, taken.month


def _columns(times: dict[Time, Counter[str]], order: list[str]) -> list[dict[str, Any]]:
    """Give a column for each month or year, those without photos too; heights in percent."""
    if not times:
        return []
    (from_year, from_month), (to_year, to_month) = min(times), max(times)
    months = 12 * (to_year - from_year) + to_month - from_month + 1
    if months > _MONTHS:
        by_year: dict[Time, Counter[str]] = defaultdict(Counter)
        for (year, _), outcomes in times.items():
            by_year[year, 0].update(outcomes)
        times, spans = by_year, [(year, 0) for year in range(from_year, to_year + 1)]
    else:
        start = 12 * from_year + from_month - 1
        spans = [(at // 12, at % 12 + 1) for at in range(start, start + months)]
    most = max(outcomes.total() for outcomes in times.values())
    columns = []
    for span in spans:
        outcomes = times.get(span, Counter[str]())
        name = f"{span[0]}-{span[1]:02}" if span[1] else f"{span[0]}"
        words = ", ".join(f"{outcomes[one]:,} {one.replace('_', ' ')}" for one in order)
        heights = [100 * outcomes[one] / most for one in order]
        columns.append({"name": name, "words": words, "heights": heights, "n": outcomes.total()})
    return columns
