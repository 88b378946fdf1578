"""Find bursts in a photo library, and rate the best photo of each.

A burst is a row of photos of one folder of which each was taken seconds after the one before it,
and looks nearly the same. The best photo is a sharp one on which most faces are happy.
docs/decisions.md, "The best photo of a burst".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from happysad.batch.results import Made, Results
from happysad.batch.sidecar import Sidecar
from happysad.batch.tagging import Form, Tagged, Tally, files_of, form_of
from happysad.errors import ImageError, UsageError
from happysad.photo import Photo
from happysad.predictions import NO_FACE

__all__ = ["Burst", "Rated", "Shot", "pick", "rate"]

#: The class whose faces are counted.
HAPPY = "happy"
#: The rating of the best photo: the most that photo managers give.
RATING = 5

# docs/decisions.md, "The best photo of a burst": the maximum time between two photos; the maximum
# number of bits, of 64, in which their perceptual hashes differ; the minimum share of the largest
# sharpness in the burst; and the side in pixels at which photos are compared.
_GAP = timedelta(seconds=3)
_RADIUS, _SHARP, _SIDE = 20, 0.7, 1000
# The standard deviation in pixels of the blur that removes noise before sharpness is measured.
_NOISE = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Shot:
    """A photo that may belong to a burst."""

    photo: Path
    taken: datetime
    """EXIF's DateTimeOriginal."""
    happy: int
    """Number of happy faces; without faces, 1 if the label of the photo is happy."""
    probability: float
    """The mean probability of happy over the faces, or that of the photo; 0 to 1."""
    boxes: tuple[tuple[float, float, float, float], ...] = ()
    """The faces in pixels of the photo: x, y, width, height."""


@dataclass(frozen=True, slots=True)
class Burst:
    """Photos that were taken in a row."""

    shots: tuple[Shot, ...]
    """Two or more photos, in the order in which they were taken."""
    best: Shot
    """The sharp one of them on which most faces are happy."""


@dataclass(frozen=True, slots=True)
class Rated:
    """What `rate` did."""

    bursts: int
    """Number of bursts."""
    sidecars: Tagged
    """What became of the sidecars."""


@dataclass(frozen=True, slots=True)
class _Look:
    """What is measured in the pixels of a photo."""

    shot: Shot
    phash: NDArray[np.bool_]
    sharpness: float


def rate(
    results: Results,
    form: Form | str = Form.DIGIKAM,
    *,
    photos: Iterable[str] = (),
    say: Callable[[str], None] = lambda line: None,
) -> Rated:
    """Rate the best photo of each burst with five stars, and take back former ratings of others.

    A rating of the user stays. Every photo with a time takes about 1 kB of memory.

    Args:
        results: the results of `happysad predict --out`, with the class happy.
        form: as for `tagging.tag`.
        photos: as for `tagging.tag`.
        say: called with one line for each best photo that the user has rated, and for each photo
            for which something failed.

    Raises:
        UsageError: the results have no class happy, or `form` is unknown.
        LibraryError: as for `tagging.tag`.
    """
    if HAPPY not in results.made.classes:
        classes = ", ".join(results.made.classes)
        raise UsageError(f"the best photos are those of happy faces; the classes are {classes}")
    form, tally = form_of(form), Tally(say)

    def stars(photo: Path, sidecar: Sidecar) -> None:
        if not sidecar.rate(RATING):
            say(f"{photo}: the best of its burst; your own rating stays")

    with results.locked():
        found = (_shot(*one, results.made) for one in files_of(results, photos, tally.fail))
        bursts = list(pick((one for one in found if one is not None), tally.fail))
        best = {one.best.photo for one in bursts}
        for _, _, photo in files_of(results, photos, lambda line: None):
            if photo in best:
                tally.change(photo, form.beside(photo), partial(stars, photo))
            else:
                tally.change(photo, form.beside(photo), Sidecar.unrate, create=False)
    return Rated(len(bursts), tally.result)


def pick(shots: Iterable[Shot], fail: Callable[[str], None] = lambda line: None) -> Iterator[Burst]:
    """Yield the bursts among photos.

    Args:
        shots: the photos, in any order.
        fail: called with one line for each photo that cannot be read.
    """
    for near in _in_seconds(shots):
        for looks in _alike(near, fail):
            least = _SHARP * max(one.sharpness for one in looks)
            best = max(
                (one for one in looks if one.sharpness >= least),
                key=lambda one: (one.shot.happy, one.shot.probability, one.sharpness),
            )
            yield Burst(tuple(one.shot for one in looks), best.shot)


def _shot(
    row: Mapping[str, Any], faces: Sequence[Mapping[str, Any]], photo: Path, made: Made
) -> Shot | None:
    """Return a photo of the results; None if it has no time, or nobody is found in it."""
    if row["taken"] is None or row["label"] in (None, NO_FACE):
        return None
    answers = faces or [row]
    return Shot(
        photo=photo,
        taken=row["taken"].replace(tzinfo=None),
        happy=sum(one["label"] == HAPPY for one in answers),
        probability=sum(one[f"p_{HAPPY}"] for one in answers) / len(answers),
        boxes=tuple((one["x"], one["y"], one["width"], one["height"]) for one in faces),
    )


def _in_seconds(shots: Iterable[Shot]) -> Iterator[list[Shot]]:
    """Yield the photos of a folder that were taken one shortly after the other, two or more."""
    row: list[Shot] = []
    for shot in sorted(shots, key=lambda one: (one.photo.parent, one.taken, one.photo.name)):
        follows = row and shot.photo.parent == row[-1].photo.parent
        if not follows or shot.taken - row[-1].taken > _GAP:
            if len(row) > 1:
                yield row
            row = []
        row.append(shot)
    if len(row) > 1:
        yield row


def _alike(shots: Iterable[Shot], fail: Callable[[str], None]) -> Iterator[list[_Look]]:
    """Yield the photos of which each looks like the one before it, two or more."""
    row: list[_Look] = []
    for shot in shots:
        try:
            look = _look(shot)
        except ImageError as error:
            fail(str(error))
            continue
        if row and np.count_nonzero(look.phash != row[-1].phash) > _RADIUS:
            if len(row) > 1:
                yield row
            row = []
        row.append(look)
    if len(row) > 1:
        yield row


def _look(shot: Shot) -> _Look:
    """Measure a photo.

    Sources: Zauner 2010, "Implementation and Benchmarking of Perceptual Image Hash Functions" (the
    hash); Pech-Pacheco et al. 2000, "Diatom autofocusing in brightfield microscopy" (the variance
    of the Laplacian).

    Raises:
        ImageError: the photo cannot be read.
    """
    import cv2

    seen = Photo(shot.photo).view(_SIDE)
    grey = cv2.cvtColor(seen.pixels, cv2.COLOR_RGB2GRAY)
    scale = min(1.0, _SIDE / max(grey.shape))
    if scale < 1:
        grey = cv2.resize(grey, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    small = cv2.resize(grey, (32, 32), interpolation=cv2.INTER_AREA)
    low = cv2.dct(small.astype(np.float32))[:8, :8]
    edges = cv2.Laplacian(cv2.GaussianBlur(grey, (0, 0), _NOISE), cv2.CV_32F)
    parts = []
    for box in shot.boxes:
        x, y, width, height = (side * scale / seen.reduced for side in box)
        top, left = max(0, int(y)), max(0, int(x))
        part = edges[top : max(0, int(y + height)), left : max(0, int(x + width))]
        parts += [part] if part.size else []
    sharpness = float(np.mean([part.var() for part in parts or [edges]]))
    return _Look(shot, (low > np.median(low)).ravel(), sharpness)
