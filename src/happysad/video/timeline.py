"""A plot of probabilities over the time of a film, with a line for each face.

With two classes it shows the probability of the second, with three a panel for each class.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from happysad.files import replacing
from happysad.model_file import Details
from happysad.predictions import UNSURE
from happysad.probability import log_odds
from happysad.progress import clock

if TYPE_CHECKING:
    from PIL import Image

    from happysad.video.film_analysis import Course

__all__ = ["write"]

# The width of the plot, the height of a single panel, and that of each of several panels.
_WIDTH, _HEIGHT, _LOW = 1200, 480, 320
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
    """Draw the smoothed probabilities of each face, on a scale of log-odds.

    The first faces have a colour and a number each; the others are grey. With two classes, the band
    in the middle is where the label is "unsure". With three, the band is where the label is never
    the panel's class.

    Args:
        file: a .png, replaced where it is there.
        courses: the faces, the most important first.
        details: the classifier's classes and thresholds.
        seconds: the film's length.
    """
    from PIL import Image

    drawn = details.classes if len(details.classes) > 2 else details.classes[-1:]
    height = _HEIGHT if len(drawn) == 1 else _LOW
    size = (_WIDTH, height * len(drawn))
    image = Image.new("RGB", (_OVER * size[0], _OVER * size[1]))
    for number, name in enumerate(drawn):
        panel = _panel(name, courses, details, seconds, height)
        image.paste(panel, (0, _OVER * height * number))
    with replacing(file) as temporary:
        image.resize(size, Image.Resampling.BOX).save(temporary)


def _zones(
    drawn: str, details: Details
) -> tuple[tuple[float, float], list[tuple[str, float, float]]]:
    """Return the ends of the grey band for a class, and each zone's name and ends."""
    if len(details.classes) == 2:
        low, high = details.unsure or (details.threshold,) * 2
        zones = [(details.classes[0], 0.0, low), (UNSURE, low, high), (drawn, high, 1.0)]
        return (low, high), zones
    # The most probable of three classes has at least 1/3.
    least = 0.0 if details.unsure is None else details.unsure[details.classes.index(drawn)]
    low = max(least, 1 / 3)
    return (0.0, low), [(drawn, low, 1.0)]


def _panel(
    drawn: str, courses: Sequence[Course], details: Details, seconds: float, height: int
) -> Image.Image:
    """Return the plot of one class, enlarged by `_OVER`."""
    from PIL import Image, ImageDraw, ImageFont

    image = Image.new("RGB", (_OVER * _WIDTH, _OVER * height), "white")
    canvas = ImageDraw.Draw(image)
    left, top, right, bottom = (
        _OVER * edge for edge in (*_MARGINS[:2], _WIDTH - _MARGINS[2], height - _MARGINS[3])
    )
    font = ImageFont.load_default(_OVER * 15)

    def place(at: float, p: float) -> tuple[float, float]:
        share = min(1.0, at / seconds) if seconds else 0.0
        rise = float(log_odds(p, epsilon=1 - _MOST) / log_odds(_MOST) + 1) / 2
        return left + share * (right - left), bottom - rise * (bottom - top)

    def text(at: tuple[float, float], words: str, anchor: str, colour: str = _INK) -> None:
        canvas.text(at, words, colour, font, anchor)

    (low, high), zones = _zones(drawn, details)
    canvas.rectangle((left, place(0, high)[1], right, place(0, low)[1]), fill=_BAND)
    for p in _TICKS:
        canvas.line((left, place(0, p)[1], right, place(0, p)[1]), _LINES, _OVER)
        text((left - 12 * _OVER, place(0, p)[1]), f"{p:g}", "rm")
    for name, *ends in zones:
        lower, upper = (place(0, p)[1] for p in ends)
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
    return image


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
