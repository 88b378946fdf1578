"""Draw a prediction into its photo: boxes, labels and probabilities."""

from __future__ import annotations

import io
import math
import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from happysad.colours import GREY, colours_of
from happysad.errors import UsageError
from happysad.fetch import fetch, is_web_address
from happysad.files import replacing
from happysad.images import Pixels, is_source
from happysad.photo import Photo

if TYPE_CHECKING:
    from happysad.predictions import Prediction

__all__ = ["check_target", "draw", "draw_source", "png", "save"]

_SUFFIXES = (".jpg", ".jpeg", ".png")
# Minimum length in pixels of the photo's longer side; smaller photos are enlarged, so that the text
# can be read.
_LEAST_SIDE = 480
# The height of the text as a share of a face's width, and its minimum as a share of the photo's
# longer side.
_OF_FACE, _OF_PHOTO = 1 / 6, 1 / 110
# Minimum height of the text in pixels, and its maximum as a share of the photo's longer side.
_LEAST_TEXT, _MOST_OF_PHOTO = 11, 1 / 20


def draw(pixels: Pixels, prediction: Prediction) -> Pixels:
    """Return a copy of a photo with a prediction drawn into it.

    Every face gets a box with its answer; a photo without boxes gets its answer in the upper left
    corner. Small photos are enlarged.

    Args:
        pixels: the photo: RGB, uint8, shape (height, width, 3).
        prediction: the prediction for the photo, without an error.

    Returns:
        RGB, uint8, shape (height, width, 3).

    >>> import numpy as np
    >>> from happysad import Prediction
    >>> answer = Prediction(label="happy", probabilities={"happy": 0.9, "sad": 0.1})
    >>> draw(np.zeros((480, 640, 3), np.uint8), answer).shape
    (480, 640, 3)
    """
    import numpy as np
    from PIL import Image, ImageDraw, ImageFont

    image = Image.fromarray(pixels)
    factor = max(1.0, _LEAST_SIDE / max(image.size))
    if factor > 1:
        image = image.resize((round(image.width * factor), round(image.height * factor)))
    canvas = ImageDraw.Draw(image)
    longest = max(image.size)
    least, most = max(_LEAST_TEXT, longest * _OF_PHOTO), longest * _MOST_OF_PHOTO
    colours = colours_of(list(prediction.probabilities or ()))

    def note(text: str, label: str, left: float, bottom: float, height: float, room: float) -> None:
        """Write a text on a filled box, as large as fits, with the box's lower left corner given.

        A text that is wider than `room` is broken at its comma.
        """
        if canvas.textlength(text, ImageFont.load_default(height)) > room:
            text = text.replace(", ", ",\n")
        lines = text.split("\n")
        height = min(height, image.height / (1.5 * len(lines)))
        while True:
            font = ImageFont.load_default(max(1, height))
            wide = max(canvas.textlength(line, font) for line in lines) + height / 2
            if wide <= image.width or height <= 1:
                break
            height *= 0.9
        high = (0.5 + len(lines)) * height
        ground = colours.get(label, GREY)
        x = min(max(left, 0), max(0, image.width - wide))
        y = min(max(bottom - high, 0), max(0, image.height - high))
        canvas.rectangle((x, y, x + wide, y + high), fill=ground.rgb)
        for number, line in enumerate(lines):
            middle = y + (0.75 + number) * height
            canvas.text((x + wide / 2, middle), line, ground.ink.rgb, font, anchor="mm")

    notes = []
    for answer in prediction.faces:
        face = answer.face
        x, y, wide, high = (factor * v for v in (face.x, face.y, face.width, face.height))
        height = min(max(least, wide * _OF_FACE), most)
        line = max(2, round(height / 6))
        colour = colours.get(answer.label, GREY).rgb
        canvas.rectangle((x, y, x + wide, y + high), None, colour, line)
        notes.append((answer.describe(), answer.label, x, y + line, height, wide))
    for one in reversed(notes):  # the largest face last, on top of the others
        note(*one)
    if not notes and prediction.label is not None:
        text = prediction.describe().replace("_", " ")
        note(text, prediction.label, 0, 0, longest / 28, image.width)
    return np.asarray(image)


def draw_source(prediction: Prediction) -> Pixels:
    """Return the photo of a prediction, read again from its source, with the prediction drawn.

    Raises:
        ImageError: the photo cannot be read.
        UsageError: the prediction has an error, or its source is not a photo that can be read
            again.
    """
    source = prediction.source
    if prediction.error is not None or source is None:
        why = "it has no photo" if source is None else prediction.error and prediction.error.text
        raise UsageError(f"the prediction cannot be drawn: {why}")
    if not is_source(source):
        raise UsageError("the prediction cannot be drawn: its source is not a photo")
    if is_web_address(source):
        source = fetch(str(source))
    elif hasattr(source, "read"):
        try:
            source.seek(0)  # type: ignore[attr-defined]
        except (OSError, ValueError, AttributeError) as error:
            raise UsageError("the prediction's file object cannot be read again") from error
    seen = Photo(source, bgr=prediction.bgr).view(math.inf)  # type: ignore[arg-type]
    scaled = (replace(one, face=one.face.scaled(1 / seen.reduced)) for one in prediction.faces)
    return draw(seen.pixels, replace(prediction, faces=tuple(scaled)))


def png(pixels: Pixels) -> bytes:
    """Return a picture as a PNG file."""
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "png")
    return file.getvalue()


def check_target(source: object, file: Path) -> None:
    """Refuse a file to which a drawing cannot be written, or that is the photo itself.

    Raises:
        UsageError: `file` is the photo itself or a folder, lies below a file, or has a suffix
            other than .jpg, .jpeg and .png.
    """
    if file.suffix.lower() not in _SUFFIXES:
        raise UsageError(f"{file}: the name of a drawing must end in {', '.join(_SUFFIXES)}")
    if file.is_dir():
        raise UsageError(f"{file}: is a folder; name a file for the drawing")
    above = next(parent for parent in file.parents if parent.exists())
    if not above.is_dir():
        raise UsageError(f"{file}: {above} is not a folder; name a file in a folder")
    photo = Path(source) if isinstance(source, str | os.PathLike) else None
    if photo is not None and photo.exists() and file.exists() and file.samefile(photo):
        raise UsageError(f"{file}: is the photo itself; name another file for the drawing")


def save(prediction: Prediction, file: Path) -> None:
    """Write a prediction's photo with the prediction drawn into it.

    Args:
        prediction: a prediction with its source, which is never changed.
        file: a .jpg, .jpeg or .png; replaced if it exists.

    Raises:
        UsageError: as `check_target` and `draw_source`.
        ImageError: the photo cannot be read.
        OSError: the file cannot be written.
    """
    from PIL import Image

    check_target(prediction.source, file)
    with replacing(file) as temporary:
        Image.fromarray(draw_source(prediction)).save(temporary, quality=92)
