"""A plot of probabilities over the time of a film, with a line for each face."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from happysad.files import replacing
from happysad.model_file import Details
from happysad.predictions import UNSURE
from happysad.probability import log_odds

if TYPE_CHECKING:
    from happysad.video.film_analysis import Course

__all__ = ["clock", "write"]

_SIZE = (1200, 480)
#: Left, upper, right and lower margin.
_MARGINS = (130, 54, 130, 46)
#: The factor by which the plot is drawn larger and then shrunk, which smooths the lines.
_OVER = 2
#: The colours of the faces seen longest (Okabe & Ito 2008, for colour-blind people too).
_COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#d55e00", "#56b4e9")
_OTHERS, _INK, _LINES, _BAND = "#b8b8b8", "#222222", "#d0d0d0", "#efefef"
#: The axis has log-odds as its scale, up to this probability and down to its opposite.
_MOST = 0.995
_TICKS = (0.01, 0.1, 0.5, 0.9, 0.99)
#: A face that was away longer than this, in seconds, and three frames, has a gap in its line.
_GAP = 1.0
#: What may lie between two marks of the time axis, in seconds.
_STEPS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400)


def write(file: Path, courses: Sequence[Course], details: Details, seconds: float) -> None:
    """Draw the smoothed probability of the last class for each face, on a scale of log-odds.

    The first faces have a colour and a number each; the others are grey. The band in the middle is
    where the label is "unsure".

    Args:
        file: a .png, replaced where it is there.
        courses: the faces, the most important first.
        details: the classifier's classes and thresholds.
        seconds: the film's length.
    """
    from PIL import Image, ImageDraw, ImageFont

    image = Image.new("RGB", tuple(_OVER * side for side in _SIZE), "white")  # type: ignore[arg-type]
    canvas = ImageDraw.Draw(image)
    left, top, right, bottom = (
        _OVER * edge for edge in (*_MARGINS[:2], _SIZE[0] - _MARGINS[2], _SIZE[1] - _MARGINS[3])
    )
    font = ImageFont.load_default(_OVER * 15)

    def place(at: float, p: float) -> tuple[float, float]:
        share = min(1.0, at / seconds) if seconds else 0.0
        height = float(log_odds(p, epsilon=1 - _MOST) / log_odds(_MOST) + 1) / 2
        return left + share * (right - left), bottom - height * (bottom - top)

    def text(at: tuple[float, float], words: str, anchor: str, colour: str = _INK) -> None:
        canvas.text(at, words, colour, font, anchor)

    drawn = details.classes[-1]
    two = len(details.classes) == 2
    low, high = (two and details.unsure) or (details.threshold,) * 2
    canvas.rectangle((left, place(0, high)[1], right, place(0, low)[1]), fill=_BAND)
    for p in _TICKS:
        canvas.line((left, place(0, p)[1], right, place(0, p)[1]), _LINES, _OVER)
        text((left - 12 * _OVER, place(0, p)[1]), f"{p:g}", "rm")
    bounds = [place(0, p)[1] for p in (0, low, high, 1)]
    other = details.classes[0] if len(details.classes) == 2 else f"not {drawn}"
    names = (other, UNSURE, drawn)
    for name, lower, upper in zip(names, bounds[:-1], bounds[1:], strict=True):
        if lower > upper:
            text((left - 60 * _OVER, (lower + upper) / 2), name, "rm")
    step = next((step for step in _STEPS if seconds / step <= 10), math.ceil(seconds / 10) or 1)
    for mark in range(int(seconds / step) + 1):
        across, down = place(mark * step, 0)
        canvas.line((across, down, across, down + 5 * _OVER), _INK, _OVER)
        text((across, down + 8 * _OVER), clock(mark * step, step), "ma")
    text((left, 14 * _OVER), f"probability of {drawn} over time, smoothed", "la")

    for number, course in reversed(list(enumerate(courses))):
        colour = _COLOURS[number] if number < len(_COLOURS) else _OTHERS
        for part in _parts(course, drawn):
            points = [place(*point) for point in part]
            canvas.line(points if len(points) > 1 else points * 2, colour, 2 * _OVER, "curve")
            for across, down in (points[0], points[-1]):
                radius = 2 * _OVER
                canvas.ellipse(
                    (across - radius, down - radius, across + radius, down + radius), colour
                )
    for number, course in enumerate(courses[: len(_COLOURS)]):
        words = "the film" if course.track is None else f"face {course.track}"
        at = (right + 16 * _OVER, top + 24 * _OVER * number)
        text(at, words, "lm", _COLOURS[number])
    if len(courses) > len(_COLOURS):
        at = (right + 16 * _OVER, top + 24 * _OVER * len(_COLOURS))
        text(at, f"{len(courses) - len(_COLOURS):,} others", "lm", _OTHERS)
    if not courses:
        text(((left + right) / 2, (top + bottom) / 2), "no face was found", "mm")
    with replacing(file) as temporary:
        image.resize(_SIZE, Image.Resampling.BOX).save(temporary)


def clock(seconds: float, step: float = 1) -> str:
    """Return a time as m:ss or h:mm:ss, with tenths where `step` is below 1 s."""
    tenths = round(seconds * 10)
    minutes, rest = divmod(tenths if step < 1 else 10 * round(seconds), 600)
    shown = f"{rest / 10:04.1f}" if step < 1 else f"{rest // 10:02}"
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{shown}" if hours else f"{minutes}:{shown}"


def _parts(course: Course, drawn: str) -> list[list[tuple[float, float]]]:
    """Split a course where its face was away."""
    gaps = sorted(
        after - before for before, after in zip(course.times, course.times[1:], strict=False)
    )
    longest = max(_GAP, 3 * gaps[len(gaps) // 2]) if gaps else _GAP
    parts: list[list[tuple[float, float]]] = []
    for at, probabilities in zip(course.times, course.probabilities, strict=True):
        if not parts or at - parts[-1][-1][0] > longest:
            parts.append([])
        parts[-1].append((at, probabilities[drawn]))
    return parts
