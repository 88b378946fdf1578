"""The inputs of networks: a whole photo, face crops, or a photo and its faces.

Training, evaluation and prediction all prepare their inputs here, so that a network predicts on the
same pixels that it was trained on. `network_input` returns the right class for a classifier; no
other module depends on which one it is.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from happysad.errors import UsageError, counted
from happysad.face_crop import crop
from happysad.face_detection import Face
from happysad.images import Pixels, fit, sample
from happysad.model_file import FACES, PHOTO_SIZE, LooksAt, Outputs, Resize, input_shapes
from happysad.photo import Photo, View
from happysad.predictions import Faces
from happysad.probability import mean

__all__ = [
    "CLEAR",
    "CROP_SIDE",
    "FACES",
    "PHOTO_SIZE",
    "FaceCrops",
    "FacesAndPhoto",
    "Focus",
    "NetworkInput",
    "Prepared",
    "WholePhoto",
    "crops",
    "face_weights",
    "network_input",
]

#: Minimum length in pixels of the photo of the longer side of a face that decides beside others; a
#: smaller one decides only if all are smaller.
CLEAR = 20

#: The longest shorter side of pictures that count as face crops, in pixels.
CROP_SIDE = 64

Arrays = dict[str, NDArray[Any]]
Distribution = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Prepared:
    """The network's inputs for one photo."""

    inputs: Arrays
    """The arrays by the names of the network's inputs; the first axis is the photo's rows."""
    faces: Sequence[Face] = ()
    """The faces that were found, the largest first."""
    weights: NDArray[np.float32] | None = None
    """The weight of each face in the photo's answer, if that is a mean over faces; else None."""

    @property
    def rows(self) -> int:
        """The number of rows in `inputs`."""
        return len(next(iter(self.inputs.values())))


@dataclass(frozen=True, slots=True)
class Focus:
    """One picture in a network's inputs, which can be varied while the other inputs stay equal."""

    picture: NDArray[Any]
    """The picture: shape (side, side, channels), of the type of the network's input, 0 to 255."""
    shown: Pixels
    """The picture in colour and enlarged, for people: RGB, uint8, shape (shown, shown, 3)."""
    inputs: Callable[[NDArray[Any]], Arrays]
    """Converts n variants of `picture`, shape (n, side, side, channels), into network inputs."""
    answer: Callable[[Outputs], Distribution]
    """Converts the outputs for these inputs into distributions of shape (n, classes)."""


class NetworkInput(ABC):
    """Prepares a network's inputs for a photo, and combines the network's outputs."""

    looks_at: ClassVar[LooksAt]
    finds_faces: ClassVar[bool] = True
    """Whether the faces of a photo are found first."""
    averages_faces: ClassVar[bool] = False
    """Whether the answer for a photo is the mean over its faces."""

    def __init__(self, size: int, channels: int) -> None:
        """Prepare for a network with an input of this shape.

        Args:
            size: the side of the square input, or of a face crop, in pixels.
            channels: 3 for RGB, 1 for grey.
        """
        self.size = size
        self.channels = channels

    @property
    def shapes(self) -> dict[str, tuple[tuple[int, ...], type[np.generic]]]:
        """The shape and type of one row of each input, by name; see `model_file.input_shapes`."""
        return input_shapes(self.looks_at, self.size, self.channels)

    def check(self, faces: Faces | str) -> None:
        """Refuse face crops if the network takes photos.

        Raises:
            UsageError: `faces` is "given", and the network takes photos.
        """
        if faces == Faces.GIVEN and self.looks_at != FaceCrops.looks_at:
            what = "photos and their faces" if self.finds_faces else "whole photos"
            raise UsageError(f"faces given is for a classifier of faces; this one looks at {what}")

    def prepare(
        self,
        photo: Photo,
        *,
        faces: Faces | str = Faces.FIND,
        found: Sequence[Face] | None = None,
        threads: int = 0,
    ) -> Prepared:
        """Prepare the inputs for one photo, which is decoded only as far as needed.

        Args:
            photo: a newly opened photo; a larger view that is already decoded is used again, and
                its pixels may differ by a level.
            faces: "given" if the picture is a face crop.
            found: the photo's faces, the largest first, if they are already known.
            threads: the number of threads that find faces; 0 for one per core.

        Raises:
            ImageError: the photo cannot be decoded.
        """
        if faces == Faces.GIVEN or not self.finds_faces:
            return Prepared({"image": fit(photo.whole(self.size), self.size, self.channels)[None]})
        found = photo.faces(threads=threads) if found is None else found
        return self._of_faces(found, *photo.close(found, self.size))

    def _of_faces(self, found: Sequence[Face], view: View, there: Sequence[Face]) -> Prepared:
        """Prepare the inputs for a photo from its faces; only if `finds_faces` is True.

        Args:
            found: the faces, the largest first.
            view: a view of the photo that is large enough for their crops.
            there: the faces in pixels of the view.
        """
        raise NotImplementedError

    def row(self, photo: Photo) -> Arrays:
        """Return the photo's training example: one row of each input, without the row axis.

        For a network of face crops, the photo must be a face crop.

        Raises:
            ImageError: the photo cannot be decoded.
        """
        given = Faces.GIVEN if self.averages_faces else Faces.FIND
        inputs = self.prepare(photo, faces=given, threads=1).inputs
        return {name: values[0] for name, values in inputs.items()}

    @abstractmethod
    def combine(
        self, prepared: Prepared, outputs: Outputs
    ) -> tuple[Distribution | None, list[Distribution]]:
        """Combine the outputs for a photo's rows.

        Returns:
            The distribution over classes for the photo, or None if the network needs a face and
            none was found; and the distribution for each face.
        """

    @abstractmethod
    def focus(self, photo: Photo, face: int | None, shown: int) -> Focus:
        """Return the picture that decides the answer for a photo or for one of its faces.

        Args:
            photo: a newly opened photo.
            face: the number of the face, 1 for the largest; None for the whole photo, or for the
                largest face if the network takes only faces.
            shown: the side of `Focus.shown` in pixels.

        Raises:
            ImageError: the photo cannot be decoded.
            UsageError: the photo has no such face, or the network takes whole photos.
        """


class WholePhoto(NetworkInput):
    """The input of a network for whole photos, each resized to a square."""

    looks_at = "photo"
    finds_faces = False

    def __init__(self, size: int, channels: int, resize: Resize = "area") -> None:
        """Prepare for a network with an input of this shape.

        Args:
            size: as for `NetworkInput`.
            channels: as for `NetworkInput`.
            resize: as for `Details`.
        """
        super().__init__(size, channels)
        self.resize = resize

    @property
    def shapes(self) -> dict[str, tuple[tuple[int, ...], type[np.generic]]]:
        """Return ``image``: uint8, or float32 if photos are resized by `images.sample`."""
        return input_shapes(self.looks_at, self.size, self.channels, self.resize)

    def prepare(
        self,
        photo: Photo,
        *,
        faces: Faces | str = Faces.FIND,
        found: Sequence[Face] | None = None,
        threads: int = 0,
    ) -> Prepared:
        """Prepare the whole photo; the other arguments have no effect."""
        if self.resize == "area":
            return super().prepare(photo)
        return Prepared(
            {"image": sample(photo.full(), self.size, self.channels, self.resize)[None]}
        )

    def combine(
        self, prepared: Prepared, outputs: Outputs
    ) -> tuple[Distribution | None, list[Distribution]]:
        """Return the network's answer."""
        return outputs.probabilities[0], []

    def focus(self, photo: Photo, face: int | None, shown: int) -> Focus:
        """Return the whole photo."""
        if face is not None:
            raise UsageError(f"face={face}: this classifier looks at whole photos, not at faces")
        picture = self.prepare(photo).inputs["image"][0]
        return Focus(picture, fit(photo.whole(shown), shown, 3), _image, _probabilities)


class FaceCrops(NetworkInput):
    """The input of a network for single faces; a photo's answer is the mean over its faces."""

    looks_at = "face"
    averages_faces = True

    def _of_faces(self, found: Sequence[Face], view: View, there: Sequence[Face]) -> Prepared:
        """Prepare one row for each face."""
        cut = crops(view.pixels, there, self.size, self.channels)
        return Prepared({"image": cut}, found, face_weights(view, there))

    def combine(
        self, prepared: Prepared, outputs: Outputs
    ) -> tuple[Distribution | None, list[Distribution]]:
        """Return the mean over the faces, weighted by `face_weights`; see `probability.mean`."""
        if prepared.weights is None:  # the picture was a face crop
            return outputs.probabilities[0], []
        of_faces = list(outputs.probabilities)
        return (mean(of_faces, prepared.weights) if of_faces else None), of_faces

    def focus(self, photo: Photo, face: int | None, shown: int) -> Focus:
        """Return the crop of one face."""
        found, which = _chosen(photo, 1 if face is None else face)
        view, there = photo.close(found, self.size)
        picture = crops(view.pixels, [there[which]], self.size, self.channels)[0]
        return Focus(picture, _close_up(photo, found[which], shown), _image, _probabilities)


class FacesAndPhoto(NetworkInput):
    """The input of a network for the largest faces of a photo together with the whole photo."""

    looks_at = "both"

    def _of_faces(self, found: Sequence[Face], view: View, there: Sequence[Face]) -> Prepared:
        """Prepare one row for every `FACES` faces; the first row decides the photo's answer."""
        starts = range(0, max(1, len(found)), FACES)
        rows = [self._row(view, there[start : start + FACES]) for start in starts]
        return Prepared({name: np.stack([row[name] for row in rows]) for name in rows[0]}, found)

    def _row(self, view: View, faces: Sequence[Face]) -> Arrays:
        row = {name: np.zeros(shape, dtype) for name, (shape, dtype) in self.shapes.items()}
        row["faces"][: len(faces)] = crops(view.pixels, faces, self.size, self.channels)
        row["weights"][: len(faces)] = face_weights(view, faces)
        row["photo"] = fit(view.pixels, PHOTO_SIZE, 3)
        return row

    def combine(
        self, prepared: Prepared, outputs: Outputs
    ) -> tuple[Distribution | None, list[Distribution]]:
        """Return the network's answer for the first row, and its answers for the faces."""
        assert outputs.of_faces is not None
        classes = outputs.probabilities.shape[1]
        of_faces = outputs.of_faces.reshape(-1, classes)[: len(prepared.faces)]
        return outputs.probabilities[0], list(of_faces)

    def focus(self, photo: Photo, face: int | None, shown: int) -> Focus:
        """Return the small photo or the crop of one face; the other inputs stay the same."""
        if face is None:
            row = self.row(photo)

            def with_photo(variants: Pixels) -> Arrays:
                return {**_repeated(row, len(variants)), "photo": variants}

            return Focus(
                row["photo"], fit(photo.whole(shown), shown, 3), with_photo, _probabilities
            )
        found, which = _chosen(photo, face)
        # The output for a face does not depend on the others, so the chosen one may come first.
        view, there = photo.close([found[which], *found], self.size)
        row = self._row(view, there[:FACES])

        def with_face(variants: Pixels) -> Arrays:
            same = _repeated(row, len(variants))
            same["faces"][:, 0] = variants
            return same

        def of_first(outputs: Outputs) -> Distribution:
            assert outputs.of_faces is not None
            return np.asarray(outputs.of_faces[:, 0])

        return Focus(row["faces"][0], _close_up(photo, found[which], shown), with_face, of_first)


def network_input(
    looks_at: LooksAt, size: int, channels: int, resize: Resize = "area"
) -> NetworkInput:
    """Return the object that prepares the inputs of a network.

    Args:
        looks_at: "face", "photo" or "both".
        size: as for `NetworkInput`.
        channels: as for `NetworkInput`.
        resize: as for `WholePhoto`; the others ignore it.

    >>> network_input("photo", 96, 3).shapes["image"][0]
    (96, 96, 3)
    """
    if looks_at == WholePhoto.looks_at:
        return WholePhoto(size, channels, resize)
    return (FaceCrops if looks_at == FaceCrops.looks_at else FacesAndPhoto)(size, channels)


def crops(pixels: Pixels, faces: Sequence[Face], size: int, channels: int) -> Pixels:
    """Return the crops of faces, as `face_crop.crop` cuts them.

    Args:
        pixels: the photo: RGB, uint8, shape (height, width, 3).
        faces: n faces in pixels of the photo.
        size: the side of the crops in pixels.
        channels: 3 for RGB, 1 for grey.

    Returns:
        uint8, shape (n, size, size, channels).
    """
    import cv2

    if not faces:
        return np.zeros((0, size, size, channels), np.uint8)
    if channels == 1:
        pixels = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)  # type: ignore[assignment]
    return np.stack([crop(pixels, face, size) for face in faces])


def face_weights(view: View, faces: Sequence[Face]) -> NDArray[np.float32]:
    """Return the weight of each face: the square root of its share of the photo's area.

    Beside a face of at least `CLEAR` pixels, smaller ones have weight 0.

    Args:
        view: a view of the photo.
        faces: n faces in pixels of the view.

    Returns:
        float32, shape (n,), 0 to 1; if n is at least 1, one or more are above 0.
    """
    whole = view.pixels.shape[0] * view.pixels.shape[1]
    shares = np.array([min(1.0, face.width * face.height / whole) for face in faces], np.float32)
    clear = np.array([max(face.width, face.height) * view.reduced >= CLEAR for face in faces], bool)
    return np.sqrt(np.where(clear, shares, 0.0) if clear.any() else shares)


def _image(variants: NDArray[Any]) -> Arrays:
    return {"image": variants}


def _probabilities(outputs: Outputs) -> Distribution:
    return outputs.probabilities


def _chosen(photo: Photo, number: int) -> tuple[list[Face], int]:
    found = photo.faces()
    if not 1 <= number <= len(found):
        there = counted(len(found), "face") if found else "no face"
        raise UsageError(f"face={number}: the photo has {there}")
    return found, number - 1


def _close_up(photo: Photo, face: Face, side: int) -> Pixels:
    view, [there] = photo.close([face], side)
    return crop(view.pixels, there, side)


def _repeated(row: Mapping[str, NDArray[Any]], times: int) -> Arrays:
    return {name: np.repeat(value[None], times, axis=0) for name, value in row.items()}
