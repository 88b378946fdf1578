"""Load a classifier from an .onnx file, and predict photos. Needs neither Keras nor TensorFlow."""

from __future__ import annotations

import os
import reprlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, Self, TypeAlias, overload

import numpy as np
from numpy.typing import NDArray

from happysad.errors import ImageError, UsageError
from happysad.fetch import fetch, is_web_address
from happysad.folder_walk import walk
from happysad.images import Pixels, Source, is_source
from happysad.inputs import NetworkInput, Prepared, network_input
from happysad.model_file import ROWS, SHIPPED, Details, ModelFile, Outputs
from happysad.names import nfc
from happysad.parallel import ordered_map, thread_count
from happysad.photo import Photo
from happysad.predictions import NO_FACE, FacePrediction, Faces, Failure, Prediction
from happysad.probability import among

if TYPE_CHECKING:
    from happysad.face_detection import Face

__all__ = ["BATCH", "Classifier"]

#: A list of photos, as `Classifier.predict` takes it.
Sources: TypeAlias = Sequence[Source] | Sequence[str] | Sequence[bytes] | Sequence[Pixels]

#: The number of photos that go through the network at once.
BATCH = 32
_ID_LENGTH = 12


class Classifier:
    """A classifier of photos. Safe to share between threads, and to pickle.

    A pickle contains the file's bytes, so that it works in other processes and after the file is
    moved.

    >>> classifier = Classifier()
    >>> classifier.classes
    ('happy', 'neither', 'sad')
    """

    def __init__(self, model: str | os.PathLike[str] | None = None, *, threads: int = 0) -> None:
        """Load a classifier.

        Args:
            model: an .onnx that happysad wrote, or a finished run's folder; None for the
                classifier that comes with happysad.
            threads: the number of threads that every call uses; 0 for one per core.

        Raises:
            ClassifierError: there is no such file, or happysad did not write it.
            UsageError: `model` is not a path, or `threads` is not 0 or a positive whole number.
        """
        thread_count(threads)
        self._use(ModelFile.read(SHIPPED if model is None else model, threads=threads), threads)

    @classmethod
    def from_bytes(cls, content: bytes, *, name: str = "the classifier", threads: int = 0) -> Self:
        """Load a classifier from the content of its file.

        Args:
            content: the whole .onnx.
            name: the classifier's name in messages.
            threads: as for `Classifier`.

        Raises:
            ClassifierError: happysad did not write it.
            UsageError: `threads` is not 0 or a positive whole number.
        """
        thread_count(threads)
        classifier = cls.__new__(cls)
        classifier._use(ModelFile(content, name=name, threads=threads), threads)
        return classifier

    def _use(self, file: ModelFile, threads: int) -> None:
        self._file = file
        self._threads = threads
        self._details = details = file.details
        self._input = network_input(
            details.looks_at, details.size, details.channels, details.resize
        )

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the file's content."""
        file = self._file
        return _restored, (type(self), file.content, file.name, self._threads, self.classes)

    def __repr__(self) -> str:
        """Return one line."""
        return f"Classifier({Path(self._file.name).name!r}: {', '.join(self.classes)})"

    @property
    def details(self) -> Details:
        """The metadata of the file; after `answering`, with its answers as the classes."""
        return self._details

    @property
    def classes(self) -> tuple[str, ...]:
        """The two or three classes, in the order of `Prediction.probabilities`."""
        return self._details.classes

    @property
    def id(self) -> str:
        """The first 12 hex digits of the SHA-256 of the file."""
        return self._file.sha256[:_ID_LENGTH]

    @property
    def sha256(self) -> str:
        """The SHA-256 of the file, as 64 hex digits."""
        return self._file.sha256

    @property
    def content(self) -> bytes:
        """The content of the file."""
        return self._file.content

    @property
    def threads(self) -> int:
        """The number of threads that every call uses; 0 for one per core."""
        return self._threads

    @property
    def input(self) -> NetworkInput:
        """The object that prepares the network's inputs and combines its outputs."""
        return self._input

    def answering(self, answers: Sequence[str] | None) -> Self:
        """Return this classifier with some of its classes as the only answers.

        The other classes are left out, and the probabilities of the answers are scaled to the sum
        1: the probability that most people would give this answer, for a face of which these
        answers are equally likely beforehand. Both share the network in memory.

        Args:
            answers: two or more of `classes`, in any order; None for all of them.

        Raises:
            UsageError: `answers` is something else.

        >>> Classifier().answering(("sad", "happy")).classes
        ('happy', 'sad')
        """
        if answers is None:
            return self
        named = list(answers) if isinstance(answers, list | tuple) else []
        own = {nfc(name): name for name in self.classes}
        named = [own.get(nfc(name), name) if isinstance(name, str) else name for name in named]
        if len(named) < 2 or len(set(named)) < len(named) or not set(named) <= set(self.classes):
            raise UsageError(
                f"answers must be two or more of {', '.join(self.classes)}, "
                f"not {reprlib.repr(named or answers)}"
            )
        restricted = type(self).__new__(type(self))
        restricted._use(self._file, self._threads)
        restricted._details = self._details.answering(named)
        return restricted

    @overload
    def predict(  # type: ignore[overload-overlap]
        self,
        source: Source | Photo,
        *,
        faces: str = "find",
        answers: Sequence[str] | None = None,
        unsure: bool = True,
        bgr: bool = False,
    ) -> Prediction: ...
    @overload
    def predict(
        self,
        source: Sources,
        *,
        faces: str = "find",
        answers: Sequence[str] | None = None,
        unsure: bool = True,
        bgr: bool = False,
    ) -> list[Prediction]: ...
    @overload
    def predict(
        self,
        source: Iterator[Source],
        *,
        faces: str = "find",
        answers: Sequence[str] | None = None,
        unsure: bool = True,
        bgr: bool = False,
    ) -> Iterator[Prediction]: ...

    def predict(
        self,
        source: Any,
        *,
        faces: str = "find",
        answers: Sequence[str] | None = None,
        unsure: bool = True,
        bgr: bool = False,
    ) -> Any:
        """Predict one photo, a list of photos, or a stream of them.

        If the classifier looks at faces, the answer for a photo is the mean of the log-odds of its
        faces, weighted by the square root of their areas.

        Args:
            source: a path, an http(s) address, the bytes of a whole file, a file object, a PIL
                image or an array (uint8, as `images.read` takes it); a list or tuple of these; a
                folder, or a generator of these.
            faces: "find" finds the faces in photos; "given" takes every picture as a face crop,
                framed like those of FER2013, and is only for a classifier of faces.
            answers: the only answers that may be given, such as ("happy", "sad"), as for
                `answering`; None for all classes.
            unsure: False to never answer "unsure".
            bgr: True if arrays are in BGR order, as cv2.imread returns them; False for RGB.

        Returns:
            One `Prediction`. For a list or tuple, a list of the same length and order; for a folder
            or a generator, an iterator, which keeps a small batch in memory at a time. In a list or
            an iterator, a photo that cannot be read has an `error`.

        Raises:
            ImageError: the single photo cannot be read.
            UsageError: an argument is none of the above.

        >>> Classifier().predict(np.zeros((64, 64, 3), np.uint8)).label
        'no_face'
        """
        if answers is not None:
            only = self.answering(answers)
            return only.predict(source, faces=faces, unsure=unsure, bgr=bgr)
        if isinstance(source, list | tuple):
            return list(self.stream(source, faces=faces, unsure=unsure, bgr=bgr))
        if isinstance(source, Iterator) and not hasattr(source, "read"):
            return self.stream(source, faces=faces, unsure=unsure, bgr=bgr)
        if isinstance(source, str | os.PathLike) and os.path.isdir(source):  # noqa: PTH112
            return self.stream(walk(os.fsdecode(source)), faces=faces, unsure=unsure, bgr=bgr)
        self._check(faces, unsure=unsure, bgr=bgr)
        photo = source if isinstance(source, Photo) else _opened(_checked(source), bgr)
        prepared = self._input.prepare(photo, faces=faces, threads=self._threads)
        return self._answer([_Ready.of(photo, prepared)], unsure)[0]

    def stream(
        self,
        sources: Iterable[Source],
        *,
        faces: str = "find",
        answers: Sequence[str] | None = None,
        unsure: bool = True,
        bgr: bool = False,
    ) -> Iterator[Prediction]:
        """Predict many photos in order, with a small batch of them in memory at a time.

        Args:
            sources: what `predict` takes for one photo.
            faces: as for `predict`.
            answers: as for `predict`.
            unsure: as for `predict`.
            bgr: as for `predict`.

        Raises:
            UsageError: as for `predict`. A wrong source is refused when it is read, up to 64
                sources ahead; the answers that are not yet yielded are lost.
        """
        self._check(faces, unsure=unsure, bgr=bgr)
        if isinstance(sources, str | bytes) or not isinstance(sources, Iterable):
            raise UsageError(f"sources must be an iterable of photos, not {reprlib.repr(sources)}")
        only = self.answering(answers)
        return only._stream(map(_checked, sources), faces, unsure, bgr)

    def _stream(
        self, sources: Iterator[Source], faces: str, unsure: bool, bgr: bool
    ) -> Iterator[Prediction]:
        one_crowd = Lock()

        def prepare(source: Source) -> _Ready | Prediction:
            try:
                photo = _opened(source, bgr)
                ready = _Ready.of(photo, self._input.prepare(photo, faces=faces, threads=1))
            except ImageError as error:
                return Prediction(source=source, error=Failure.of(error), classifier=self.id)
            if ready.prepared.rows <= ROWS:
                return ready
            with one_crowd:  # many faces are answered at once, so that their crops are not kept
                return self._answer([ready], unsure)[0]

        ready = ordered_map(prepare, sources, threads=self._threads, ahead=2 * BATCH)
        try:
            while batch := list(islice(ready, BATCH)):
                good = [one for one in batch if isinstance(one, _Ready)]
                answers = iter(self._answer(good, unsure))
                for one in batch:
                    yield one if isinstance(one, Prediction) else next(answers)
        finally:
            ready.close()

    def predict_found(
        self, pixels: Pixels, found: Sequence[Face], *, unsure: bool = True
    ) -> Prediction:
        """Predict one photo whose faces are already known.

        Args:
            pixels: RGB, uint8, shape (height, width, 3).
            found: its faces, the largest first; ignored by a classifier of whole photos.
            unsure: as for `predict`.
        """
        photo = Photo(pixels)
        return self._answer([_Ready.of(photo, self._input.prepare(photo, found=found))], unsure)[0]

    def label_of(self, probabilities: Sequence[float], *, unsure: bool = True) -> str:
        """Return the label for probabilities in the order of `classes`."""
        return self.details.label_of(probabilities, unsure=unsure)

    def named(self, probabilities: Iterable[float]) -> dict[str, float]:
        """Return a dictionary from class to probability, from values in the order of `classes`."""
        return dict(zip(self.classes, map(float, probabilities), strict=True))

    def run(self, inputs: Mapping[str, NDArray[Any]]) -> Outputs:
        """Run only the network; see `ModelFile.run`. The columns are those of `classes`."""
        outputs = self._file.run(inputs)
        every = self._file.details.classes
        if self.classes == every:
            return outputs
        places = [every.index(name) for name in self.classes]
        of_faces = None if outputs.of_faces is None else among(outputs.of_faces, places)
        return Outputs(among(outputs.probabilities, places), of_faces)

    def _check(self, faces: str, **flags: bool) -> None:
        """Refuse wrong arguments of a call."""
        if faces not in list(Faces):
            raise UsageError(f'faces must be "find" or "given", not {reprlib.repr(faces)}')
        for name, flag in flags.items():
            if not isinstance(flag, bool | np.bool_):
                raise UsageError(f"{name} must be True or False, not {reprlib.repr(flag)}")
        self._input.check(faces)

    def combined(
        self, prepared: Sequence[Prepared]
    ) -> list[tuple[NDArray[np.float64] | None, list[NDArray[np.float64]]]]:
        """Run the network for several photos together.

        Args:
            prepared: photos as `NetworkInput.prepare` returns them.

        Returns:
            For each photo, the result of `NetworkInput.combine`: the probabilities of the photo, or
            None, and those of its faces.
        """
        starts = np.cumsum([0, *(one.rows for one in prepared)])
        outputs = Outputs(np.zeros((0, len(self.classes))), None)
        if starts[-1]:
            names = prepared[0].inputs
            outputs = self.run(
                {n: np.concatenate([one.inputs[n] for one in prepared]) for n in names}
            )
        found = []
        for one, start, end in zip(prepared, starts[:-1], starts[1:], strict=True):
            of_faces = None if outputs.of_faces is None else outputs.of_faces[start:end]
            own = Outputs(outputs.probabilities[start:end], of_faces)
            found.append(self._input.combine(one, own))
        return found

    def _answer(self, ready: Sequence[_Ready], unsure: bool) -> list[Prediction]:
        combined = self.combined([one.prepared for one in ready])
        return [
            self._prediction(one, *answers, unsure)
            for one, answers in zip(ready, combined, strict=True)
        ]

    def _prediction(
        self,
        ready: _Ready,
        probabilities: NDArray[np.float64] | None,
        of_faces: Sequence[NDArray[np.float64]],
        unsure: bool,
    ) -> Prediction:
        faces = [
            FacePrediction(
                label=self.label_of(p.tolist(), unsure=unsure),
                probabilities=self.named(p.tolist()),
                face=face,
            )
            for face, p in zip(ready.prepared.faces, of_faces, strict=False)
        ]
        told = None if probabilities is None else probabilities.tolist()
        return Prediction(
            source=ready.source,
            label=NO_FACE if told is None else self.label_of(told, unsure=unsure),
            probabilities=None if told is None else self.named(told),
            faces=tuple(faces),
            classifier=self.id,
            notes=ready.notes,
            bgr=ready.bgr,
        )


@dataclass(frozen=True, slots=True)
class _Ready:
    """The network's inputs for a photo, without the photo's pixels."""

    source: object
    notes: tuple[str, ...]
    bgr: bool
    prepared: Prepared

    @classmethod
    def of(cls, photo: Photo, prepared: Prepared) -> Self:
        return cls(photo.source, photo.notes, photo.bgr, prepared)


def _restored(
    kind: type[Classifier], content: bytes, name: str, threads: int, answers: Sequence[str]
) -> Classifier:
    """Load a pickled classifier."""
    return kind.from_bytes(content, name=name, threads=threads).answering(answers)


def _checked(source: Any) -> Any:
    if not is_source(source):
        raise UsageError(
            "a photo is a path, an http(s) address, bytes, a file object, a PIL image or an array; "
            f"not {reprlib.repr(source)}"
        )
    return source


def _opened(source: Source, bgr: bool) -> Photo:
    if is_web_address(source):
        return Photo(fetch(str(source)), name=str(source), source=source)
    return Photo(source, bgr=bgr)
