"""Draw a prediction into its photo: boxes, outcomes and probabilities."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

from happysad.errors import UsageError
from happysad.files import replacing
from happysad.images import Pixels, read
from happysad.predictions import Prediction

__all__ = ["check", "draw", "write"]

#: The colours of the first and the second class, and of everything else, each with that of its
#: text (Okabe & Ito 2008: told apart by all eyes).
_COLOURS = (((230, 159, 0), "black"), ((0, 114, 178), "white"), ((90, 90, 90), "white"))
_SUFFIXES = (".jpg", ".jpeg", ".png")
#: Photos whose longer side has fewer pixels are enlarged, so that text can be read.
_LEAST_SIDE = 480
#: The text's height: of a face's width, but at least of the photo's longer side.
_OF_FACE, _OF_PHOTO = 1 / 6, 1 / 110
#: The text's height in pixels where small photos are enlarged, and its largest share of the photo.
_LEAST_TEXT, _MOST_OF_PHOTO = 11, 1 / 20


def draw(pixels: Pixels, prediction: Prediction, labels: tuple[str, str]) -> Pixels:
    """Draw a prediction into a copy of its photo.

    Every face gets a box with its outcome and the probability of the likelier class; a photo
    without faces gets its outcome in the upper left corner. Small photos are enlarged.

    Args:
        pixels: the photo: RGB, uint8, shape (height, width, 3).
        prediction: what the classifier said of it; not an error.
        labels: the classifier's two classes.

    Returns:
        RGB, uint8.
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
    colours = defaultdict(lambda: _COLOURS[2], zip(labels, _COLOURS, strict=False))

    def note(text: str, label: str, left: float, bottom: float, height: float) -> None:
        """Write on a filled ground, as large as fits; its lower left corner is given."""
        wide = canvas.textlength(text, ImageFont.load_default(height)) + height / 2
        height *= min(1, image.width / wide, image.height / (1.5 * height))
        font = ImageFont.load_default(max(1, height))
        ground, ink = colours[label]
        wide, high = canvas.textlength(text, font) + height / 2, 1.5 * height
        x = min(max(left, 0), max(0, image.width - wide))
        y = min(max(bottom - high, 0), max(0, image.height - high))
        canvas.rectangle((x, y, x + wide, y + high), fill=ground)
        canvas.text((x + wide / 2, y + high / 2), text, ink, font, anchor="mm")

    notes = []
    for answer in prediction.faces:
        face = answer.face
        x, y, wide, high = (factor * v for v in (face.x, face.y, face.width, face.height))
        height = min(max(least, wide * _OF_FACE), most)
        line = max(2, round(height / 6))
        canvas.rectangle((x, y, x + wide, y + high), None, colours[answer.label][0], line)
        text = f"{answer.label} {answer.probability:.2f}"
        notes.append((text, answer.label, x, y + line, height))
    for one in reversed(notes):  # the largest face's last, on top
        note(*one)
    if not notes and prediction.label is not None:
        text = prediction.label.replace("_", " ")
        if prediction.probability is not None:
            text += f" {prediction.probability:.2f}"
        note(text, prediction.label, 0, 0, longest / 28)
    return np.asarray(image)


def check(photo: Path, file: Path) -> None:
    """Refuse a drawing that could not be written, or would take the photo's place.

    Raises:
        UsageError: `file` is `photo` itself or a folder, lies below a file, or ends neither in
            .jpg nor in .png.
    """
    if file.suffix.lower() not in _SUFFIXES:
        raise UsageError(f"{file}: a drawing ends in {', '.join(_SUFFIXES)}")
    if file.is_dir():
        raise UsageError(f"{file}: is a folder; name a file for the drawing")
    above = next(parent for parent in file.parents if parent.exists())
    if not above.is_dir():
        raise UsageError(f"{file}: {above} is no folder; name a file in a folder for the drawing")
    if file.exists() and file.samefile(photo):
        raise UsageError(f"{file}: is the photo itself; name another file for the drawing")


def write(photo: Path, prediction: Prediction, labels: tuple[str, str], file: Path) -> None:
    """Draw as `draw` does, into a file of its own.

    Args:
        photo: where it came from; never written.
        prediction: as for `draw`.
        labels: as for `draw`.
        file: a .jpg or .png; replaced where it is there.

    Raises:
        UsageError: as `check`.
        ImageError: the photo cannot be read.
        OSError: the file cannot be written.
    """
    from PIL import Image

    check(photo, file)
    with replacing(file) as temporary:
        Image.fromarray(draw(read(photo), prediction, labels)).save(temporary, quality=92)
