"""Slices that need no table: by the size of the face, sharpness, brightness, turn and number."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from happysad.dataset.quality import brightness, sharpness
from happysad.evaluation.slices import thirds
from happysad.face_crop import crop
from happysad.face_detection import Face
from happysad.images import Pixels, fit
from happysad.photo import Photo

__all__ = ["PhotoMeasures", "automatic_slices", "measure", "turn"]

# The side in pixels at which sharpness and brightness are measured: that of the crops of the
# classifier that comes with happysad.
_SIDE = 48
# The distance of the tip of the nose from the line between the eyes, in distances of the eyes.
# docs/decisions.md, "Automatic slices".
_NOSE = 0.43
# This number of faces and more form one slice.
_MANY = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class PhotoMeasures:
    """What the automatic slices go by; NaN is unknown."""

    face_size: float = math.nan
    """The longer side of the largest face, in pixels of the photo."""
    sharpness: float = math.nan
    """As `quality.sharpness`, of the crop of the largest face; of the whole picture if the
    classifier does not look for faces."""
    brightness: float = math.nan
    """As `quality.brightness`, of the same crop or picture."""
    turn: float = math.nan
    """As `turn`, of the largest face."""
    faces: float = math.nan
    """The number of faces."""


def measure(photo: Photo, found: Sequence[Face] | None) -> PhotoMeasures:
    """Return the measures of a photo.

    Args:
        photo: the photo; a view that is already decoded is used again.
        found: its faces, the largest first; None if the classifier does not look for faces.

    Raises:
        ImageError: the photo cannot be decoded.
    """
    if found is None:
        return _of_picture(fit(photo.whole(_SIDE), _SIDE, 3))
    if not found:
        return PhotoMeasures(faces=0)
    view, [face] = photo.close(found[:1], _SIDE)
    return _of_picture(
        crop(view.pixels, face, _SIDE),
        face_size=max(found[0].width, found[0].height),
        turn=turn(face),
        faces=len(found),
    )


def turn(face: Face) -> float:
    """Return how far a head is turned to a side, in degrees, 0 to 90.

    The tip of the nose stands out from the face, so it moves aside between the eyes as the head
    turns. The tilt of the head does not change the result.
    docs/decisions.md, "Automatic slices".

    >>> points = ((0, 0), (40, 0), (20, 25), (5, 50), (35, 50))
    >>> turn(Face(x=0, y=0, width=60, height=80, landmarks=points, score=0.9))
    0.0
    """
    left, right, nose, *_ = (complex(*point) for point in face.landmarks)
    if left == right:
        return 90.0
    aside = ((nose - (left + right) / 2) / (right - left)).real
    return math.degrees(math.atan(abs(aside) / _NOSE))


def automatic_slices(measures: Sequence[PhotoMeasures]) -> pd.DataFrame:
    """Return the slice of each photo in each measure, as `score_slices` takes it.

    A measure that is unknown or the same for all photos has no column.

    Args:
        measures: of each photo, n of them.
    """
    numbers = pd.DataFrame(
        {
            name: np.array([getattr(one, name) for one in measures], dtype=float)
            for name in PhotoMeasures.__dataclass_fields__
        }
    )
    columns = {
        "face size": thirds(numbers["face_size"], " px"),
        "sharpness": thirds(numbers["sharpness"]),
        "brightness": thirds(100 * numbers["brightness"], " %"),
        "turn of the head": thirds(numbers["turn"], "°"),
        "number of faces": _numbers_of_faces(numbers["faces"]),
    }
    return pd.DataFrame({name: of for name, of in columns.items() if of.nunique() > 1})


def _numbers_of_faces(faces: pd.Series[float]) -> pd.Series[str]:
    names = pd.Index([*map(str, range(_MANY)), f"{_MANY} or more"])
    places = faces.clip(upper=_MANY).fillna(-1).astype(int)
    return pd.Series(pd.Categorical.from_codes(places.to_numpy(), names, ordered=True))


def _of_picture(picture: Pixels, **known: float) -> PhotoMeasures:
    """Return the measures of a picture, with others that are known."""
    from PIL import Image

    image = Image.fromarray(picture)
    return PhotoMeasures(sharpness=sharpness(image), brightness=brightness(image), **known)
