"""FER2013, a CSV of 48x48 grey faces (Goodfellow et al. 2013, arXiv:1307.0414)."""

from __future__ import annotations

import contextlib
import csv
import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import partial
from typing import IO

from happysad.dataset.sources.class_map import ClassMap
from happysad.dataset.sources.tally import Picture, Source, Tally
from happysad.errors import ImageError, ImportDataError
from happysad.progress import track_bytes

__all__ = ["EMOTIONS", "columns", "source"]

#: The names of the emotions 0 to 6; messages show the first of each.
EMOTIONS = (
    ("angry", "anger"),
    ("disgust", "disgusted"),
    ("fear", "fearful"),
    ("happy", "happiness", "joy"),
    ("sad", "sadness"),
    ("surprise", "surprised"),
    ("neutral",),
)

_SIDE = 48
# The maximum number of bytes of a line; the pixels of a row take at most 9,216.
_MAX_LINE = 65_536

Opened = AbstractContextManager[IO[bytes]]


def columns(head: bytes) -> list[str] | None:
    """Return the names of the columns if a file begins like FER2013; None otherwise.

    They are emotion, pixels and optionally Usage, in any order, case and padding. Kaggle has
    published "emotion,pixels,Usage", "emotion,pixels" and "emotion, Usage, pixels".
    """
    line = head.removeprefix(b"\xef\xbb\xbf").partition(b"\n")[0].decode("utf-8", "replace")
    names = [name.strip().strip('"').lower() for name in line.split(",")]
    return (
        names if sorted(names) in (["emotion", "pixels"], ["emotion", "pixels", "usage"]) else None
    )


def source(
    where: str, size: int | None, opened: Callable[[str], Opened], class_map: ClassMap
) -> Source:
    """Return the wanted rows, as PNGs named by split and number: fer2013-training-00001.png.

    Reading them raises an ImportDataError if a row is invalid; the message names its line.

    Args:
        where: the CSV, for messages.
        size: its number of bytes; None if `opened` shows its own progress.
        opened: opens the CSV. Its argument names the work, for the progress bar.
        class_map: the wanted classes.

    Raises:
        UsageError: as `ClassMap.refuse_missing`.
    """
    other_names = {name for names in EMOTIONS for name in names} | {str(n) for n in range(7)}
    class_map.refuse_missing(where, [names[0] for names in EMOTIONS], other_names)
    folders = [class_map.folder_of(str(n), *names) for n, names in enumerate(EMOTIONS)]

    def pictures(tally: Tally, *, reading: bool) -> Iterator[Picture]:
        rows = _rows(where, size, opened, "copying" if reading else "checking")
        for number, (place, row) in enumerate(rows, 1):
            emotion = _emotion(row["emotion"], place)
            folder = folders[emotion]
            if folder is None:
                tally.leave_out_class(EMOTIONS[emotion][0])
                continue
            split = re.sub(r"[^a-z0-9]", "", row.get("usage", "").lower())
            name = "-".join(part for part in ("fer2013", split, f"{number:05}") if part)
            yield Picture(
                folder,
                f"{name}.png",
                EMOTIONS[emotion][0],
                partial(_png, row["pixels"], place),
                same=_same_pixels,
            )

    return pictures


def _rows(
    where: str, size: int | None, opened: Callable[[str], Opened], doing: str
) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield the place of each row, "FILE, line N", and the row."""
    with contextlib.ExitStack() as stack:
        file = stack.enter_context(opened(doing))
        show = None if size is None else stack.enter_context(track_bytes(doing, size))
        names = columns(file.readline(_MAX_LINE)) or []
        lines = iter(partial(file.readline, _MAX_LINE), b"")
        # Bytes that are not UTF-8 become invalid numbers, whose error names the line.
        reader = csv.reader(line.decode("utf-8", "replace") for line in lines)
        try:
            for fields in reader:
                place = f"{where}, line {reader.line_num + 1}"
                if not fields:
                    continue
                if len(fields) != len(names):
                    raise ImportDataError(
                        f"{place}: a row must have {len(names)} fields ({', '.join(names)}), "
                        f"not {len(fields)}"
                    )
                yield place, dict(zip(names, fields, strict=True))
                if show is not None:
                    show(file.tell())
        except csv.Error as error:
            raise ImportDataError(f"{where}, line {reader.line_num + 2}: {error}") from error


def _emotion(text: str, where: str) -> int:
    if text.strip() not in {str(n) for n in range(len(EMOTIONS))}:
        raise ImportDataError(f"{where}: emotion must be 0 to 6, not {text[:40]!r}")
    return int(text)


def _png(text: str, where: str) -> bytes:
    import cv2
    import numpy as np

    values = text.split()
    if len(values) != _SIDE * _SIDE:
        raise ImportDataError(
            f"{where}: pixels must be {_SIDE * _SIDE:,} numbers, not {len(values):,}"
        )
    try:
        pixels = bytes(map(int, values))
    except ValueError:
        wrong = next(v for v in values if not re.fullmatch("[0-9]{1,3}", v) or int(v) > 255)
        raise ImportDataError(f"{where}: pixels must be 0 to 255, not {wrong[:40]!r}") from None
    image = np.frombuffer(pixels, np.uint8).reshape(_SIDE, _SIDE)
    return cv2.imencode(".png", image)[1].tobytes()


def _same_pixels(there: bytes, new: bytes) -> bool:
    """Return whether two PNGs have the same pixels; encoders differ in their compression."""
    import numpy as np

    from happysad.images import decode

    if there == new:
        return True
    try:
        return np.array_equal(decode(there).pixels, decode(new).pixels)
    except ImageError:
        return False
