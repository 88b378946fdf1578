"""Watch a film through: what `happysad video` does."""

from __future__ import annotations

import contextlib
import csv
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from happysad import drawing
from happysad.classifier import Classifier, together
from happysad.errors import UsageError
from happysad.files import replacing
from happysad.progress import bar
from happysad.video import timeline
from happysad.video.films import Film, Frame, codec_of, writing
from happysad.video.following import Follower, Tracked

__all__ = ["COLUMNS", "Course", "Watched", "watch"]

#: What stands in the CSV, a row a face a frame; a frame without a face keeps a row of its own.
COLUMNS = (
    "frame",
    "time",
    "track",
    "label",
    "p_sad",
    "p_sad_now",
    "x",
    "y",
    "width",
    "height",
    "score",
)


@dataclass
class Course:
    """What was said of one face in the course of a film, or of the film where none are looked at.

    The lists have an item a frame in which it was seen.
    """

    track: int | None
    """The face's number; None for the whole film."""
    times: list[float] = field(default_factory=list)
    """When, in seconds."""
    p_sad: list[float] = field(default_factory=list)
    """The smoothed probabilities."""
    labels: Counter[str] = field(default_factory=Counter)
    """In how many frames it had which outcome."""

    @property
    def mean(self) -> float:
        """Their mean in log-odds, as a probability."""
        return together(self.p_sad, np.ones(len(self.p_sad)))

    def add(self, at: float, p_sad: float, label: str) -> None:
        """Take a frame in."""
        self.times.append(at)
        self.p_sad.append(p_sad)
        self.labels[label] += 1


@dataclass(frozen=True)
class Watched:
    """What a film showed."""

    frames: int
    """How many frames were looked at."""
    seconds: float
    """How long the film is, as far as it could be read."""
    faceless: int
    """In how many of them no face was found."""
    courses: tuple[Course, ...]
    """The faces, those seen in most frames first."""
    cut_off: str | None
    """Why this is not the whole film; None where it is."""


def watch(
    path: Path,
    classifier: Classifier,
    *,
    every: int = 1,
    unsure: bool = True,
    table: Path | None = None,
    out: Path | None = None,
    plot: Path | None = None,
) -> Watched:
    """Look at a film's faces from the first frame to the last.

    What is written is written whole or not at all; a film that is cut off gives what it has.

    Args:
        path: the film.
        classifier: what tells the outcomes.
        every: look at every so many-th frame, from 1.
        unsure: False never says "unsure".
        table: a CSV to write, with `COLUMNS`.
        out: a film to write, its boxes drawn: as films.codec_of allows. Frames that were not
            looked at show the one before them.
        plot: a .png to write: outcomes over time.

    Raises:
        VideoError: the film cannot be read, or `out` not written.
        UsageError: `every` or a file's name is not allowed; one file is to be two things.
    """
    if every < 1:
        raise UsageError(f"every must be at least 1 frame, not {every}")
    _check(path, table, out, plot)
    follower = Follower(classifier, unsure=unsure)
    courses: dict[int | None, Course] = {}
    faces = classifier.details.looks_at != "photo"
    looked = faceless = 0
    with contextlib.ExitStack() as stack:
        film = stack.enter_context(Film(path))
        rows = stack.enter_context(_table(table)) if table else None
        writer = stack.enter_context(writing(out, film.rate)) if out else None
        progress = stack.enter_context(bar())
        total = None if film.total is None else -(-film.total // every)
        task = progress.add_task(path.name, total=total, note="")
        for frame in film.frames(every):
            tracked = follower.step(frame.pixels, frame.at)
            answer = follower.prediction
            looked += 1
            faceless += faces and not tracked
            for one in tracked:
                course = courses.setdefault(one.track, Course(one.track))
                course.add(frame.at, one.p_sad, one.label)
            if not faces and answer.p_sad is not None and answer.label is not None:
                course = courses.setdefault(None, Course(None))
                course.add(frame.at, answer.p_sad, answer.label)
            if rows is not None:
                rows.writerows(_rows(frame, tracked, follower))
            if writer is not None:
                drawn = drawing.draw(frame.pixels, answer, classifier.details.labels)
                writer.show(drawn, frame.at)
            progress.advance(task)
        if writer is not None:
            writer.end(film.end)
        ordered = sorted(courses.values(), key=lambda course: -len(course.times))
        if plot is not None:
            timeline.write(plot, ordered, classifier.details, film.end)
    cut_off = f"only {film.read:,} of its {film.total:,} frames can be read"
    return Watched(looked, film.end, faceless, tuple(ordered), cut_off if film.cut_off else None)


def _check(path: Path, table: Path | None, out: Path | None, plot: Path | None) -> None:
    if out is not None:
        codec_of(out)
    if plot is not None and plot.suffix.lower() != ".png":
        raise UsageError(f"{plot}: a plot ends in .png")
    taken = {path.resolve(): "the film itself"}
    for file, what in ((table, "the table"), (out, "the film drawn"), (plot, "the plot")):
        if file is not None and (other := taken.setdefault(file.resolve(), what)) != what:
            raise UsageError(f"{file}: is {other}; name another file for {what}")


@contextlib.contextmanager
def _table(file: Path) -> Iterator[csv.DictWriter[str]]:
    with replacing(file) as temporary, temporary.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, COLUMNS, lineterminator="\n")
        writer.writeheader()
        yield writer


def _rows(frame: Frame, tracked: list[Tracked], follower: Follower) -> Iterator[dict[str, Any]]:
    of_frame = {"frame": frame.number, "time": round(frame.at, 3)}
    answer, now = follower.prediction, follower.unsmoothed
    if not tracked:
        yield {**of_frame, "label": answer.label, "p_sad": answer.p_sad, "p_sad_now": now.p_sad}
    for one, by_itself, smoothed in zip(tracked, now.faces, answer.faces, strict=True):
        yield {**of_frame, "track": one.track, **smoothed.row(), "p_sad_now": by_itself.p_sad}
