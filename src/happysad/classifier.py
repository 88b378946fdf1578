"""One .onnx in, predictions out. Needs neither Keras nor TensorFlow.

The file holds the whole classifier. What its graph takes depends on what it looks at:

- a photo, or a face: ``image``, uint8 of shape (n, size, size, channels);
- both: ``faces``, ``weights`` and ``photo``, as `inputs.both` makes them of each photo.

It gives ``p_sad``, float32 of shape (n, 1), calibrated; where it looks at both also
``face_p_sad``, (n, inputs.FACES). What the graph cannot hold stands in its metadata under the key
"happysad", as JSON: see `Details`.
"""

from __future__ import annotations

import json
import os
import reprlib
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args, overload

import numpy as np
from numpy.typing import NDArray

from happysad.errors import ClassifierError, ImageError, UsageError
from happysad.images import Pixels, Source
from happysad.inputs import FACES, crops, of_photo, weights
from happysad.photos import Photo
from happysad.predictions import NO_FACE, TAKEN, UNSURE, FacePrediction, Prediction
from happysad.runtime import session

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

    from happysad.faces import Face

__all__ = ["METADATA_KEY", "SHIPPED", "Classifier", "Details", "LooksAt", "Sources", "together"]

#: The classifier that comes with happysad.
SHIPPED = Path(__file__).with_name("assets") / "face.onnx"

METADATA_KEY = "happysad"
LooksAt = Literal["photo", "face", "both"]
Sources: TypeAlias = list[Source] | list[str] | list[Path] | list[bytes] | list[Pixels]
_BATCH = 32
# How far from 0 and 1 a face's probability is kept where several are averaged.
_EPSILON = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class Details:
    """What a classifier says of itself; travels inside the .onnx."""

    labels: tuple[str, str]
    """The two classes, alphabetically: the first below `threshold`, the second from it on."""
    size: int
    """The side of the network's square input in pixels."""
    channels: int
    """3 for RGB, 1 for grey."""
    architecture: str
    """The model's name, such as "compact"."""
    temperature: float
    """Fitted on validation; already folded into the graph, told here for the record."""
    threshold: float
    """Fitted on validation; 0.5 unless validation clearly asks for another."""
    trained_on: int
    """How many photos it was trained on."""
    version: str
    """The happysad that wrote it."""
    looks_at: LooksAt = "photo"
    """What its network takes: the whole photo, a face that was found, or both."""
    unsure: tuple[float, float] | None = None
    """From the first to below the second p_sad the outcome is "unsure"; None never."""
    schema: int = 1

    def __post_init__(self) -> None:
        if taken := [label for label in self.labels if label in TAKEN]:
            raise ValueError(
                f"no class can be called {' or '.join(taken)}; train again with the folder renamed"
            )
        good = (
            len(self.labels) == 2
            and all(isinstance(label, str) for label in self.labels)
            and self.labels[0] < self.labels[1]
            and self.size > 0
            and self.channels in (1, 3)
            and self.temperature > 0
            and 0 < self.threshold < 1
            and self.looks_at in get_args(LooksAt)
            and (
                self.unsure is None
                or (
                    len(self.unsure) == 2
                    and all(isinstance(p, int | float) for p in self.unsure)
                    and 0 <= self.unsure[0] <= self.threshold <= self.unsure[1] <= 1
                )
            )
            and self.schema == 1
        )
        if not good:
            raise ValueError(f"not the details of a classifier: {self}")

    def to_json(self) -> str:
        """Write the details as one JSON object."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> Details:
        """Read what `to_json` wrote.

        Raises:
            ValueError: it is something else, or of a later schema.
        """
        try:
            fields = json.loads(text)
            pairs = {n: tuple(fields[n]) for n in ("labels", "unsure") if fields.get(n) is not None}
            return cls(**{**fields, **pairs})
        except (AttributeError, TypeError) as error:  # no object, or other keys
            raise ValueError(f"not the details of a classifier: {error}") from error


class Classifier:
    """Tells one class from the other in photos. Safe to share between threads."""

    def __init__(self, network: InferenceSession, details: Details) -> None:
        """Use `Classifier.load`."""
        self._network = network
        self.details = details

    @classmethod
    def load(cls, path: str | os.PathLike[str], *, threads: int = 0) -> Classifier:
        """Load a classifier.

        Args:
            path: an .onnx that happysad wrote, or a run's folder with its model.onnx.
            threads: how many threads one prediction may use; 0 for as many as there are cores.

        Raises:
            ClassifierError: there is no such file, or happysad did not write it.
        """
        path = Path(path)
        file = path / "model.onnx" if path.is_dir() else path
        if not file.is_file():
            raise ClassifierError(
                f"{file}: no such file; a model is an .onnx or a finished run's folder"
            )
        try:
            network = session(file.read_bytes(), threads=threads)
        except Exception as error:  # onnxruntime's own exceptions share no public base
            raise ClassifierError(f"{file}: not an .onnx that can be loaded") from error
        metadata = network.get_modelmeta().custom_metadata_map
        if METADATA_KEY not in metadata:
            raise ClassifierError(
                f"{file}: an .onnx, but not written by happysad (no {METADATA_KEY!r} metadata)"
            )
        try:
            details = Details.from_json(metadata[METADATA_KEY])
        except ValueError as error:
            raise ClassifierError(f"{file}: {error}") from error
        return cls(network, details)

    @classmethod
    def default(cls, *, threads: int = 0) -> Classifier:
        """Load the classifier that comes with happysad: it looks at faces, happy or sad.

        Args:
            threads: as in `load`.
        """
        return cls.load(SHIPPED, threads=threads)

    @overload
    def predict(
        self, source: Source, *, faces: bool = True, unsure: bool = True, bgr: bool = False
    ) -> Prediction: ...
    @overload
    def predict(
        self,
        source: Sources,
        *,
        faces: bool = True,
        unsure: bool = True,
        bgr: bool = False,
    ) -> list[Prediction]: ...

    def predict(
        self,
        source: Source | Sources,
        *,
        faces: bool = True,
        unsure: bool = True,
        bgr: bool = False,
    ) -> Prediction | list[Prediction]:
        """Tell the class of one photo or of a list of them.

        Where the classifier looks at faces, a photo's p_sad is the mean over its faces in log-odds,
        larger faces counting more (by their side).

        Args:
            source: a path, a whole file's bytes, or an array (uint8, as `images.read` takes it);
                or a list of these.
            faces: False takes every picture for one face, cut out as FER2013's are; only for a
                classifier that looks at faces.
            unsure: False never answers "unsure".
            bgr: True where arrays are in BGR order, as cv2.imread gives them; else they are RGB.

        Returns:
            One `Prediction`; for a list, a list of the same length and order, in which a photo
            that cannot be read has its reason in `error`.

        Raises:
            ImageError: the one photo given (not in a list) cannot be read.
            UsageError: `faces` is False and the classifier looks at photos, or an argument is none
                of the above.
        """
        if isinstance(source, list):
            return list(self.stream(source, faces=faces, unsure=unsure, bgr=bgr))
        self._check(faces, unsure=unsure, bgr=bgr)
        _check_source(source)
        return self.predict_photo(Photo(source, bgr=bgr), faces=faces, unsure=unsure)

    def predict_photo(self, photo: Photo, *, faces: bool = True, unsure: bool = True) -> Prediction:
        """Tell the class of one photo that is opened already; see `predict`.

        Raises:
            ImageError: it cannot be decoded.
            UsageError: as `predict`.
        """
        self._check(faces, unsure=unsure)
        return self._answer([self._prepare(photo, faces)], unsure)[0]

    def stream(
        self,
        sources: Iterable[Source],
        *,
        faces: bool = True,
        unsure: bool = True,
        bgr: bool = False,
        threads: int = 0,
    ) -> Iterator[Prediction]:
        """Answer many photos in order; see `predict`.

        They are read, and their faces found, by so many `threads`, as many as there are cores where
        it is 0; a small batch of what the network takes of them is in memory at a time.

        Raises:
            UsageError: as `predict`; of a source as soon as it is taken from `sources`, up to 64
                before its turn, and the answers not yet given by then are lost.
        """
        self._check(faces, unsure=unsure, bgr=bgr, threads=threads)

        def prepare(source: Source) -> _Prepared | str:
            try:
                return self._prepare(Photo(source, bgr=bgr), faces, threads=1)
            except ImageError as error:
                return str(error)

        if isinstance(sources, str | bytes) or not isinstance(sources, Iterable):
            raise UsageError(f"sources is a list or any iterable, not {reprlib.repr(sources)}")
        iterator = iter(sources)
        begun: deque[tuple[str | None, Future[_Prepared | str]]] = deque()
        with ThreadPoolExecutor(threads or os.cpu_count()) as pool:

            def begin() -> None:
                for source in islice(iterator, 2 * _BATCH - len(begun)):
                    _check_source(source)
                    begun.append((_name(source), pool.submit(prepare, source)))

            begin()
            while begun:
                batch = [begun.popleft() for _ in range(min(_BATCH, len(begun)))]
                prepared = [one.result() for _, one in batch]
                begin()  # others are read while these go through the network
                good = [one for one in prepared if not isinstance(one, str)]
                answers = iter(self._answer(good, unsure))
                for (name, _), one in zip(batch, prepared, strict=True):
                    yield (
                        Prediction(path=name, error=one) if isinstance(one, str) else next(answers)
                    )

    def predict_found(
        self, pixels: Pixels, found: Sequence[Face], *, unsure: bool = True
    ) -> Prediction:
        """Tell the class of one photo whose faces are found already; see `predict`.

        Args:
            pixels: RGB, uint8, shape (height, width, 3).
            found: its faces, the largest first; of no account where the classifier looks at whole
                photos.
            unsure: as for `predict`.
        """
        return self._answer([self._prepare(Photo(pixels), True, found)], unsure)[0]

    def label_of(self, p_sad: float, *, unsure: bool = True) -> str:
        """Give the outcome for a probability: a class, or "unsure" where `unsure` lets it."""
        low, high = (unsure and self.details.unsure) or (self.details.threshold,) * 2
        return (
            self.details.labels[0]
            if p_sad < low
            else UNSURE
            if p_sad < high
            else self.details.labels[1]
        )

    def p_sad(self, inputs: Pixels) -> NDArray[np.float32]:
        """Run the network alone, where it looks at photos or at faces.

        Args:
            inputs: uint8, shape (n, size, size, channels), as `images.fit` or `inputs.crops` make
                them.

        Returns:
            Calibrated probabilities of the second class, float32, shape (n,).
        """
        return self.run({"image": inputs})["p_sad"][:, 0]

    def run(self, inputs: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[np.float32]]:
        """Run the network alone: its inputs and outputs by name, as this module's page says."""
        names = [output.name for output in self._network.get_outputs()]
        return dict(zip(names, self._network.run(names, dict(inputs)), strict=True))

    def _check(self, faces: bool, *, threads: int = 0, **flags: bool) -> None:
        """Refuse a call that cannot work as given."""
        for name, flag in {"faces": faces, **flags}.items():
            if not isinstance(flag, bool | np.bool_):
                raise UsageError(f"{name} is True or False, not {reprlib.repr(flag)}")
        if not isinstance(threads, int) or threads < 0:
            raise UsageError(
                "threads is 0, for as many as there are cores, or a larger whole number, not "
                f"{reprlib.repr(threads)}"
            )
        if not faces and self.details.looks_at != "face":
            raise UsageError(
                "faces off is for a classifier that looks at faces; this one looks at "
                f"{'photos' if self.details.looks_at == 'photo' else 'photos and their faces'}"
            )

    def _prepare(
        self,
        photo: Photo,
        faces: bool,
        found: Sequence[Face] | None = None,
        *,
        threads: int = 0,
    ) -> _Prepared:
        """Make what the network takes of one photo; `found` are its faces, where they are known."""
        size, channels = self.details.size, self.details.channels
        if self.details.looks_at == "photo" or not faces:
            return _Prepared(photo.name, _one(of_photo(photo, size, channels)))
        if found is None:
            found = photo.faces(threads=threads)
        if self.details.looks_at == "both":
            # Faces past those that it weighs are told by further rows, whose p_sad means nothing.
            starts = range(0, max(1, len(found)), FACES)
            parts = [found[start : start + FACES] for start in starts]
            parts[0] = found  # decides how much of the photo is decoded
            rows = [of_photo(photo, size, channels, faces=part) for part in parts]
            stacked = {key: np.stack([row[key] for row in rows]) for key in rows[0]}
            return _Prepared(photo.name, stacked, found)
        pixels, there = photo.close(found, size)
        cut = crops(pixels, there, size, channels)
        return _Prepared(photo.name, {"image": cut}, found, weights(pixels, there))

    def _answer(self, photos: Sequence[_Prepared], unsure: bool) -> list[Prediction]:
        """Run the network once for all photos, and say what it makes of each."""
        if not photos:
            return []
        keys = photos[0].inputs
        inputs = {key: np.concatenate([photo.inputs[key] for photo in photos]) for key in keys}
        some = len(next(iter(inputs.values()))) > 0
        outputs = {key: iter(value) for key, value in (self.run(inputs) if some else {}).items()}
        predictions = []
        for photo in photos:
            if photo.weights is not None:  # the network looked at the faces alone
                of_faces = [float(next(outputs["p_sad"])[0]) for _ in photo.faces]
                p_sad = together(of_faces, photo.weights) if of_faces else None
            else:
                rows = len(next(iter(photo.inputs.values())))
                p_sad, *_ = [float(next(outputs["p_sad"])[0]) for _ in range(rows)]
                there = range(rows) if "face_p_sad" in outputs else ()
                of_faces = [p for _ in there for p in next(outputs["face_p_sad"]).tolist()]
            answers = [
                FacePrediction(label=self.label_of(p, unsure=unsure), p_sad=p, face=face)
                for face, p in zip(photo.faces, of_faces, strict=False)
            ]
            label = NO_FACE if p_sad is None else self.label_of(p_sad, unsure=unsure)
            predictions.append(
                Prediction(path=photo.name, label=label, p_sad=p_sad, faces=tuple(answers))
            )
        return predictions


@dataclass(frozen=True, slots=True)
class _Prepared:
    """A photo, ready for the network."""

    name: str | None
    """Its path, where it has one."""
    inputs: Mapping[str, NDArray[Any]]
    """By name; the first axis counts rows: one for a photo, or for each face where the network
    looks at faces alone; where it looks at both, one for every `inputs.FACES` faces."""
    faces: Sequence[Face] = ()
    """That were found."""
    weights: NDArray[np.float32] | None = None
    """How much each face counts, where the network looks at faces alone."""


def _check_source(source: object) -> None:
    if not isinstance(source, str | os.PathLike | bytes | np.ndarray):
        raise UsageError(
            "a source is a path, a file's bytes or an array, and predict takes a list of them, "
            f"stream any iterable; not {reprlib.repr(source)}"
        )


def _one(inputs: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Make a batch of one photo."""
    return {key: value[None] for key, value in inputs.items()}


def together(p_sad: Sequence[float], weights: NDArray[np.floating[Any]]) -> float:
    """Average probabilities in log-odds.

    Args:
        p_sad: n probabilities, 0 to 1; not none.
        weights: how much each counts, shape (n,), above 0.
    """
    if len(p_sad) == 1:
        return p_sad[0]
    p = np.clip(np.array(p_sad), _EPSILON, 1 - _EPSILON)
    return float(1 / (1 + np.exp(-np.average(np.log(p / (1 - p)), weights=weights))))


def _name(source: Source) -> str | None:
    return None if isinstance(source, bytes | np.ndarray) else os.fspath(source)
