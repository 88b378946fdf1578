"""One .onnx in, predictions out. Needs neither Keras nor TensorFlow.

The file holds the whole classifier. Its graph takes ``image``, uint8 of shape (n, size, size,
channels), and gives ``p_sad``, float32 of shape (n, 1), calibrated. What the graph cannot hold
stands in its metadata under the key "happysad", as JSON: see `Details`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, overload

import numpy as np
from numpy.typing import NDArray

from happysad.errors import ClassifierError, ImageError
from happysad.images import Pixels, Source, fit, read
from happysad.predictions import Prediction

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

__all__ = ["METADATA_KEY", "Classifier", "Details"]

METADATA_KEY = "happysad"
_BATCH = 32


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
    schema: int = 1

    def __post_init__(self) -> None:
        good = (
            len(self.labels) == 2
            and self.labels[0] < self.labels[1]
            and self.size > 0
            and self.channels in (1, 3)
            and self.temperature > 0
            and 0 < self.threshold < 1
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
            return cls(**{**fields, "labels": tuple(fields["labels"])})
        except (TypeError, KeyError) as error:
            raise ValueError(f"not the details of a classifier: {error}") from error


class Classifier:
    """Tells one class from the other in photos. Safe to share between threads."""

    def __init__(self, session: InferenceSession, details: Details) -> None:
        """Use `Classifier.load`."""
        self._session = session
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
        import onnxruntime as ort

        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        try:
            session = ort.InferenceSession(
                file.read_bytes(), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # onnxruntime's own exceptions share no public base
            raise ClassifierError(f"{file}: not an .onnx that can be loaded") from error
        metadata = session.get_modelmeta().custom_metadata_map
        if METADATA_KEY not in metadata:
            raise ClassifierError(
                f"{file}: an .onnx, but not written by happysad (no {METADATA_KEY!r} metadata)"
            )
        try:
            details = Details.from_json(metadata[METADATA_KEY])
        except ValueError as error:
            raise ClassifierError(f"{file}: {error}") from error
        return cls(session, details)

    @overload
    def predict(self, source: Source) -> Prediction: ...
    @overload
    def predict(self, source: list[Source] | list[str] | list[Path]) -> list[Prediction]: ...

    def predict(
        self, source: Source | list[Source] | list[str] | list[Path]
    ) -> Prediction | list[Prediction]:
        """Tell the class of one photo or of a list of them.

        Args:
            source: a path, a whole file's bytes, or an array (uint8, RGB, as `images.read` takes
                it); or a list of these.

        Returns:
            One `Prediction`; for a list, a list of the same length and order, in which a photo
            that cannot be read has its reason in `error`.

        Raises:
            ImageError: the one photo given (not in a list) cannot be read.
        """
        if isinstance(source, list):
            return list(self.stream(source))
        return self._answer([read(source)], [_name(source)])[0]

    def stream(self, sources: Iterable[Source]) -> Iterator[Prediction]:
        """Answer many photos in order, a small batch in memory at a time."""
        iterator = iter(sources)
        while batch := list(islice(iterator, _BATCH)):
            answers: list[Prediction | None] = []
            pictures, names = [], []
            for source in batch:
                name = _name(source)
                try:
                    pictures.append(read(source))
                except ImageError as error:
                    answers.append(Prediction(path=name, error=str(error)))
                else:
                    answers.append(None)
                    names.append(name)
            good = iter(self._answer(pictures, names))
            yield from (answer or next(good) for answer in answers)

    def p_sad(self, inputs: Pixels) -> NDArray[np.float32]:
        """Run the network alone.

        Args:
            inputs: uint8, shape (n, size, size, channels), as `images.fit` makes them.

        Returns:
            Calibrated probabilities of the second class, float32, shape (n,).
        """
        (output,) = self._session.run(None, {"image": inputs})
        return np.asarray(output, dtype=np.float32).reshape(-1)

    def _answer(self, pictures: list[Pixels], names: list[str | None]) -> list[Prediction]:
        if not pictures:
            return []
        details = self.details
        inputs = np.stack([fit(p, details.size, details.channels) for p in pictures])
        return [
            Prediction(path=name, label=details.labels[int(p >= details.threshold)], p_sad=float(p))
            for name, p in zip(names, self.p_sad(inputs), strict=True)
        ]


def _name(source: Source) -> str | None:
    return None if isinstance(source, bytes | np.ndarray) else os.fspath(source)
