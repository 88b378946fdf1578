"""Analyse a film from its first frame to its last: what `happysad video` does."""

from __future__ import annotations

import contextlib
import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from happysad import drawing
from happysad.classifier import Classifier
from happysad.errors import UsageError
from happysad.fetch import is_web_address
from happysad.files import replacing
from happysad.predictions import FacePrediction, Prediction
from happysad.probability import mean
from happysad.progress import track_time
from happysad.video import timeline
from happysad.video.film_writer import check_name, writing
from happysad.video.films import LONGEST, Film, Frame, open_film
from happysad.video.tracking import Follower, Tracked

__all__ = ["Course", "Moment", "Watched", "columns", "watch"]

# The number of moments of a label, and the seconds between two of one face.
_MOMENTS, _APART = 3, 2.0

_BOX = ("x", "y", "width", "height", "score")


def columns(classes: Sequence[str]) -> list[str]:
    """Return the columns of the CSV, which has a row for each face in each frame.

    A frame without a face keeps a row of its own. ``time`` is in seconds from the first frame,
    ``shot`` is 1 until the first cut, ``p_<class>`` is smoothed over time, and ``p_<class>_now`` is
    of the frame alone.
    """
    smoothed = [f"p_{name}" for name in classes]
    now = [f"{name}_now" for name in smoothed]
    return ["frame", "time", "shot", "track", "label", "probability", *smoothed, *now, *_BOX]


@dataclass
class Course:
    """The answers for one face over a film, or for the film where no faces are looked for.

    The lists have one item for each frame in which the face was seen.
    """

    track: int | None
    """The face's number; None for the whole film."""
    times: list[float] = field(default_factory=list)
    """The times in seconds."""
    probabilities: list[dict[str, float]] = field(default_factory=list)
    """The smoothed probabilities of every class."""
    labels: list[str] = field(default_factory=list)
    """The labels by the smoothed probabilities."""

    @property
    def mean(self) -> dict[str, float]:
        """The mean of the probabilities in log-odds."""
        rows = [list(one.values()) for one in self.probabilities]
        means = mean(rows, np.ones(len(rows))).tolist()
        return dict(zip(self.probabilities[0], means, strict=True))

    def add(self, at: float, label: str, probabilities: dict[str, float]) -> None:
        """Add a frame."""
        self.times.append(at)
        self.probabilities.append(probabilities)
        self.labels.append(label)


@dataclass(frozen=True)
class Moment:
    """A time at which a face, or the film, had a label with a high probability."""

    at: float
    """The time in seconds."""
    track: int | None
    """The face's number; None for the whole film."""
    probability: float
    """The smoothed probability of the label."""


@dataclass(frozen=True)
class Watched:
    """What a film showed."""

    frames: int
    """The number of frames that were looked at."""
    seconds: float
    """The length of the film, as far as it could be read."""
    faceless: int
    """The number of these frames without a face."""
    courses: tuple[Course, ...]
    """The faces, those seen in most frames first."""
    cuts: int
    """The number of cuts; none of the faces is seen on both sides of one."""
    cut_off: str | None
    """Why this is not the whole film; None where it is."""
    content: str | None = None
    """The codecs of the film that was written."""

    def moments(self, label: str) -> list[Moment]:
        """Return the times at which `label` was most probable, the most probable first.

        Args:
            label: a class.

        Returns:
            At most `_MOMENTS`, from different faces or at least `_APART` seconds apart; only times
            at which a face had this label.
        """
        moments = sorted(
            (
                Moment(at, course.track, probabilities[label])
                for course in self.courses
                for at, said, probabilities in zip(
                    course.times, course.labels, course.probabilities, strict=True
                )
                if said == label
            ),
            key=lambda one: -one.probability,
        )
        chosen: list[Moment] = []
        for one in moments:
            if all(
                one.track != other.track or abs(one.at - other.at) >= _APART for other in chosen
            ):
                chosen.append(one)
                if len(chosen) == _MOMENTS:
                    break
        return chosen


def watch(
    source: Path | str,
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
        source: the film: a file, or an http or https address.
        classifier: answers for the faces.
        every: 1 to look at every frame, 2 at every second one, and so on.
        unsure: False never says "unsure".
        table: a CSV to write, with `columns`.
        out: a film to write, with its boxes drawn and its sound: .mp4 or .webm. Frames that were
            not looked at show the one before them.
        plot: a .png to write: probabilities over time.

    Raises:
        VideoError: the film cannot be read, or `out` not written.
        UsageError: `every` or a file's name is not allowed; one file is to be two things.
        MissingExtraError: PyAV is not installed.
    """
    if every < 1:
        raise UsageError(f"every must be at least 1 frame, not {every}")
    _check(source, table, out, plot)
    follower = Follower(classifier, unsure=unsure)
    courses: dict[int | None, Course] = {}
    faces = classifier.input.finds_faces
    looked = faceless = cuts = 0
    with contextlib.ExitStack() as stack:
        film = stack.enter_context(open_film(source))
        rows = stack.enter_context(_table(table, classifier.classes)) if table else None
        writer = stack.enter_context(writing(out, film.rate, film.sound)) if out else None
        show = stack.enter_context(track_time(Path(source).name, film.length))
        for frame in film.frames(every, on_sound=writer.add_sound if writer else None):
            if frame.cut:
                cuts += 1
                follower.forget()
            tracked = follower.step(frame.pixels, frame.at)
            answer = follower.prediction
            looked += 1
            faceless += faces and not tracked
            for one in tracked:
                course = courses.setdefault(one.track, Course(one.track))
                course.add(frame.at, one.label, one.probabilities)
            if not faces and answer.probabilities is not None and answer.label is not None:
                course = courses.setdefault(None, Course(None))
                course.add(frame.at, answer.label, answer.probabilities)
            if rows is not None:
                rows.writerows(_rows(frame, cuts + 1, tracked, follower))
            if writer is not None:
                writer.show(drawing.draw(frame.pixels, answer), frame.at, film.start)
            show(film.end)
        if writer is not None:
            writer.end(film.end)
        ordered = sorted(courses.values(), key=lambda course: -len(course.times))
        if plot is not None:
            timeline.write(plot, ordered, classifier.details, film.end)
    return Watched(
        frames=looked,
        seconds=film.end,
        faceless=faceless,
        courses=tuple(ordered),
        cuts=cuts,
        cut_off=_why_cut_off(film),
        content=writer.content if writer else None,
    )


def _why_cut_off(film: Film) -> str | None:
    if film.too_long:
        return f"only the first {LONGEST / 3600:g} hours were analysed"
    if film.cut_off and film.length is not None:
        return f"only {film.end:,.1f} of its {film.length:,.1f} s can be read"
    return None


def _check(source: Path | str, table: Path | None, out: Path | None, plot: Path | None) -> None:
    if out is not None:
        check_name(out)
    if plot is not None and plot.suffix.lower() != ".png":
        raise UsageError(f"{plot}: a plot ends in .png")
    taken = {} if is_web_address(source) else {Path(source).resolve(): "the film itself"}
    for file, what in ((table, "the table"), (out, "the film drawn"), (plot, "the plot")):
        if file is not None and (other := taken.setdefault(file.resolve(), what)) != what:
            raise UsageError(f"{file}: is {other}; name another file for {what}")


@contextlib.contextmanager
def _table(file: Path, classes: Sequence[str]) -> Iterator[csv.DictWriter[str]]:
    with replacing(file) as temporary, temporary.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, columns(classes), lineterminator="\n")
        writer.writeheader()
        yield writer


def _rows(
    frame: Frame, shot: int, tracked: list[Tracked], follower: Follower
) -> Iterator[dict[str, Any]]:
    of_frame = {"frame": frame.number, "time": round(frame.at, 3), "shot": shot}
    answer, now = follower.prediction, follower.unsmoothed
    if not tracked:
        yield {**of_frame, **_cells(answer, now)}
    for one, by_itself, smoothed in zip(tracked, now.faces, answer.faces, strict=True):
        box = {name: getattr(one.face, name) for name in _BOX}
        yield {**of_frame, "track": one.track, **_cells(smoothed, by_itself), **box}


def _cells(
    smoothed: Prediction | FacePrediction, now: Prediction | FacePrediction
) -> dict[str, Any]:
    return {
        "label": smoothed.label,
        "probability": smoothed.probability,
        **{f"p_{name}": p for name, p in (smoothed.probabilities or {}).items()},
        **{f"p_{name}_now": p for name, p in (now.probabilities or {}).items()},
    }
