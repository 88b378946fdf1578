"""FER2013, a CSV of 48x48 grey faces (Goodfellow et al. 2013, arXiv:1307.0414)."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from pathlib import Path

from happysad.dataset.importing.classes import ClassMap
from happysad.dataset.importing.meter import meter
from happysad.dataset.importing.placing import Placing
from happysad.errors import ImageError, ImportDataError

__all__ = ["EMOTIONS", "columns", "place"]

#: The emotions 0 to 6, by the names that each goes by; the first is the one that is shown.
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


def columns(head: bytes) -> list[str] | None:
    """Give the columns' names where a file begins as FER2013 does; else None.

    They are emotion, pixels and at will Usage, in any order, case and padding: Kaggle has had
    "emotion,pixels,Usage", "emotion,pixels" and "emotion, Usage, pixels".
    """
    line = head.removeprefix(b"\xef\xbb\xbf").partition(b"\n")[0].decode("utf-8", "replace")
    names = [name.strip().strip('"').lower() for name in line.split(",")]
    return (
        names if sorted(names) in (["emotion", "pixels"], ["emotion", "pixels", "usage"]) else None
    )


def place(file: Path, classes: ClassMap, placing: Placing) -> None:
    """Write each wanted row as a PNG named by its split and number: fer2013-training-00001.png.

    Raises:
        UsageError: as `ClassMap.refuse_missing`.
        ImportDataError: a row is not as it should be; says the line.
        OSError: a picture cannot be written.
    """
    other_names = {name for names in EMOTIONS for name in names} | {str(n) for n in range(7)}
    classes.refuse_missing(str(file), [names[0] for names in EMOTIONS], other_names)
    labels = [classes.folder_of(str(n), *names) for n, names in enumerate(EMOTIONS)]
    for number, (where, row) in enumerate(_rows(file), 1):
        emotion = _emotion(row["emotion"], where)
        label = labels[emotion]
        if label is None:
            placing.leave_out_class(EMOTIONS[emotion][0])
            continue
        split = re.sub(r"[^a-z0-9]", "", row.get("usage", "").lower())
        name = "-".join(part for part in ("fer2013", split, f"{number:05}") if part)
        placing.place(label, f"{name}.png", _png(row["pixels"], where), same=_same_pixels)


def _rows(file: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """Each row with where it stands, "FILE, line N"; one at a time."""
    with file.open("rb") as opened, meter("reading", file.stat().st_size) as show:
        names = columns(opened.read(4096)) or []
        opened.seek(0)
        # what is no UTF-8 fails as a number does, and its line is known
        text = io.TextIOWrapper(opened, "utf-8", errors="replace", newline="")
        reader = csv.reader(text)
        try:
            next(reader)
            for fields in reader:
                where = f"{file}, line {reader.line_num}"
                if not fields:
                    continue
                if len(fields) != len(names):
                    raise ImportDataError(
                        f"{where}: a row has {len(names)} fields ({', '.join(names)}), "
                        f"not {len(fields)}"
                    )
                yield where, dict(zip(names, fields, strict=True))
                show(opened.tell())
        except csv.Error as error:
            raise ImportDataError(f"{file}, line {reader.line_num + 1}: {error}") from error


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
    """Tell whether a file shows the same face; encoders of other versions pack it otherwise."""
    import numpy as np

    from happysad.images import decode

    if there == new:
        return True
    try:
        return np.array_equal(decode(there).pixels, decode(new).pixels)
    except ImageError:
        return False
