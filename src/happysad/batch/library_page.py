"""The page of a photo library's results: counts, the surest and least sure photos, a timeline."""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from happysad.batch.photo_sources import PhotoSources
from happysad.batch.remote import fetch, is_remote
from happysad.batch.results import UNREADABLE, Results
from happysad.batch.tables import path_of
from happysad.colours import colours_of
from happysad.errors import HappysadError
from happysad.images import read
from happysad.predictions import NO_FACE, UNSURE, describe
from happysad.reports.page import thumbnail, write_page

__all__ = ["write_library_page"]

# Maximum number of photos shown of each kind, and of errors.
_SHOWN = 12
# Maximum number of months in a timeline; a longer one has one column per year.
_MONTHS = 48

# A year and a month; the month is 0 for the whole year.
Time = tuple[int, int]


def write_library_page(folder: Path, *, photos: Iterable[str] = ()) -> Path:
    """Write report.html into a folder of results, and return its path.

    Rows are read part by part. Photos whose files are gone, or lie outside of the sources, are
    shown without their picture; see `PhotoSources`.

    Args:
        folder: the folder of results.
        photos: further folders or addresses in which the photos may lie.

    Raises:
        UsageError: there are no results in `folder`.
        LibraryError: the results are damaged.
    """
    results = Results.open(folder)
    sources = PhotoSources(results.made, photos)
    classes = results.made.classes
    counts: Counter[str] = Counter()
    times: dict[Time, Counter[str]] = defaultdict(Counter)
    surest = {name: _Least() for name in classes}
    least_sure, unreadable = _Least(), _Least()
    for number, row in enumerate(results.photos()):
        label = row["label"] or UNREADABLE
        counts[label] += 1
        if row["taken"] is not None:
            times[row["taken"].year, row["taken"].month][label] += 1
        if row["label"] is None:
            unreadable.add(number, number, row)
        if row["probability"] is not None:
            least_sure.add(row["probability"], number, row)
        if label in surest:
            surest[label].add(-row[f"p_{label}"], number, row)
    labels = [*classes, UNSURE, NO_FACE, UNREADABLE]
    file = folder / "report.html"
    sheets = [(f"The most {name}", least) for name, least in surest.items()]
    sheets.append(("The least sure", least_sure))
    write_page(
        file,
        "library.html",
        made=results.made,
        total=counts.total(),
        files=results.files,
        labels=[(name.replace("_", " "), _style(name, classes), counts[name]) for name in labels],
        sheets=[(title, list(_photos(results, sources, least.rows()))) for title, least in sheets],
        columns=_columns(times, labels),
        styles=[_style(name, classes) for name in labels],
        colours=[colour.hex for colour in colours_of(classes).values()],
        dated=sum(labelled.total() for labelled in times.values()),
        unreadable=[row["error"] for row in unreadable.rows()],
        unread=counts[UNREADABLE],
    )
    return file


def _style(label: str, classes: tuple[str, ...]) -> str:
    """Return the name of a label's colour on the page."""
    return f"class-{classes.index(label)}" if label in classes else label


class _Least:
    """Keeps the rows with the smallest keys; among equal keys, the first ones."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, dict[str, Any]]] = []

    def add(self, key: float, number: int, row: dict[str, Any]) -> None:
        one = (-key, -number, row)  # the heap's smallest item is the one to drop
        if len(self._heap) < _SHOWN:
            heapq.heappush(self._heap, one)
        else:
            heapq.heappushpop(self._heap, one)

    def rows(self) -> list[dict[str, Any]]:
        return [row for *_, row in sorted(self._heap, key=lambda one: one[:2], reverse=True)]


def _photos(
    results: Results, sources: PhotoSources, rows: Iterable[dict[str, Any]]
) -> Iterator[dict[str, Any]]:
    for row in rows:
        probabilities = {name: row[f"p_{name}"] for name in results.made.classes}
        shown: dict[str, Any] = {
            "path": row["path"],
            "answer": describe(row["label"], probabilities),
        }
        name = path_of(row)
        if not sources.hold(name):
            yield {**shown, "missing": "outside of the sources of the results"}
            continue
        try:
            source = fetch(name) if is_remote(name) else results.source(name)
            shown["picture"] = thumbnail(read(source))
        except HappysadError as error:
            shown["missing"] = str(error).rpartition(": ")[2]
        yield shown


def _columns(times: dict[Time, Counter[str]], labels: list[str]) -> list[dict[str, Any]]:
    """Return a column for each month or year, even one without photos; heights in percent."""
    if not times:
        return []
    (from_year, from_month), (to_year, to_month) = min(times), max(times)
    months = 12 * (to_year - from_year) + to_month - from_month + 1
    if months > _MONTHS:
        by_year: dict[Time, Counter[str]] = defaultdict(Counter)
        for (year, _), counts in times.items():
            by_year[year, 0].update(counts)
        times, spans = by_year, [(year, 0) for year in range(from_year, to_year + 1)]
    else:
        start = 12 * from_year + from_month - 1
        spans = [(at // 12, at % 12 + 1) for at in range(start, start + months)]
    most = max(counts.total() for counts in times.values())
    columns = []
    for span in spans:
        counts = times.get(span, Counter[str]())
        name = f"{span[0]}-{span[1]:02}" if span[1] else f"{span[0]}"
        words = ", ".join(f"{counts[one]:,} {one.replace('_', ' ')}" for one in labels)
        heights = [100 * counts[one] / most for one in labels]
        columns.append({"name": name, "words": words, "heights": heights, "n": counts.total()})
    return columns
