"""The classifier's file: one .onnx with its network, and its details in the metadata.

The graph's inputs are what `happysad.inputs` prepares. Its output ``probabilities`` is float32, of
shape (n, classes) or, if one sigmoid returns the probability of the second of two classes, of shape
(n, 1). A network that also answers for each face has the output ``face_probabilities``, of shape
(n, FACES, classes) or (n, FACES). `ModelFile.run` returns both with one column per class.

In files of happysad 0.1.0, the outputs are named ``p_sad`` and ``face_p_sad``, and the classes
``labels``.
"""

from __future__ import annotations

import hashlib
import json
import os
import reprlib
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from happysad.errors import ClassifierError, UsageError, os_reason, shown, shown_path
from happysad.predictions import UNSURE, check_class
from happysad.probability import of_second
from happysad.runtime import session

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

__all__ = [
    "FACE_PROBABILITIES",
    "KERAS_SUFFIXES",
    "METADATA_KEY",
    "MODEL_NAME",
    "PROBABILITIES",
    "ROWS",
    "SHIPPED",
    "Details",
    "LooksAt",
    "ModelFile",
    "Outputs",
    "Resize",
    "resolve",
]

#: The classifier that comes with happysad.
SHIPPED = Path(__file__).with_name("assets") / "face.onnx"

#: The name of the classifier in a run's folder.
MODEL_NAME = "model.onnx"

#: The key of the metadata that holds `Details` as JSON.
METADATA_KEY = "happysad"

#: The names of the graph's outputs.
PROBABILITIES, FACE_PROBABILITIES = "probabilities", "face_probabilities"

#: Maximum number of rows that go through the network at once; it bounds the memory, whatever the
#: number of faces in a photo. docs/security.md, "Faces".
ROWS = 32

LooksAt = Literal["photo", "face", "both"]
Resize = Literal["area", "bilinear", "nearest"]

#: The suffixes of Keras's files, which `happysad export` turns into classifiers.
KERAS_SUFFIXES = (".h5", ".hdf5", ".keras")

# The current names of the outputs and fields that happysad 0.1.0 named differently.
_FORMER_OUTPUTS = {"p_sad": PROBABILITIES, "face_p_sad": FACE_PROBABILITIES}
_FORMER_FIELDS = {"labels": "classes"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Details:
    """The properties of a classifier, stored as JSON in the metadata of its file."""

    classes: tuple[str, ...]
    """The two or three classes, in alphabetical order."""
    size: int
    """The side of the network's square input in pixels."""
    channels: int
    """3 for RGB, 1 for grey."""
    architecture: str
    """The model's name, such as "compact"."""
    temperature: float
    """Fitted on validation, already part of the graph; kept for the record."""
    threshold: float = 0.5
    """With two classes, the lowest probability of the second for which it is the answer; fitted on
    validation. With three, the answer is the most probable class, and `threshold` is 0.5."""
    trained_on: int | None
    """The number of photos it was trained on; None for a Keras file from elsewhere."""
    version: str
    """The version of happysad that wrote the file."""
    looks_at: LooksAt = "photo"
    """The network's input: a whole photo, a face crop, or a photo and its faces."""
    unsure: tuple[float, ...] | None = None
    """With two classes, the answer is "unsure" if the probability of the second class is at least
    the first and below the second of these. With three, there is one of these for each class: the
    answer is "unsure" if the probability of the most probable class is below that of this class.
    They are chosen jointly on validation. None: the answer is never "unsure"."""
    keeps_neither: bool = False
    """Whether the class neither was not learned from photos, but taken over from the classifier
    that comes with happysad."""
    resize: Resize = "area"
    """How a whole photo becomes the network's input. "area": uint8, as `images.fit` resizes it.
    "bilinear" and "nearest": float32, as `images.sample` resizes it, for networks that learned from
    photos resized by TensorFlow or Keras."""
    sigmoid_class: str | None = None
    """The class that 1 means, for a Keras file from elsewhere with one sigmoid."""
    schema: int = 2

    def __post_init__(self) -> None:
        if not 2 <= len(self.classes) <= 3:
            raise ValueError(f"classes must be 2 or 3 names, not {reprlib.repr(self.classes)}")
        for one in self.classes:
            check_class(one)
        if list(self.classes) != sorted(set(self.classes)):
            raise ValueError(f"classes must be in alphabetical order, not {self.classes!r}")
        if not self.size > 0:
            raise ValueError(f"size must be above 0 pixels, not {self.size!r}")
        if self.channels not in (1, 3):
            raise ValueError(f"channels must be 1 or 3, not {self.channels!r}")
        if not self.temperature > 0:
            raise ValueError(f"temperature must be above 0, not {self.temperature!r}")
        if not 0 < self.threshold < 1:
            raise ValueError(f"threshold must lie between 0 and 1, not {self.threshold!r}")
        if self.looks_at not in get_args(LooksAt):
            allowed = ", ".join(get_args(LooksAt))
            raise ValueError(f"looks_at must be one of {allowed}, not {self.looks_at!r}")
        if self.resize not in get_args(Resize):
            allowed = ", ".join(get_args(Resize))
            raise ValueError(f"resize must be one of {allowed}, not {self.resize!r}")
        if self.resize != "area" and self.looks_at != "photo":
            raise ValueError(f"resize must be area for a network of faces, not {self.resize!r}")
        if self.sigmoid_class not in (None, *self.classes):
            raise ValueError(
                f"sigmoid_class must be one of {', '.join(self.classes)}, "
                f"not {self.sigmoid_class!r}"
            )
        if len(self.classes) > 2 and self.threshold != 0.5:
            raise ValueError(f"threshold must be 0.5 with 3 classes, not {self.threshold!r}")
        if self.unsure is not None:
            self._check_unsure(self.unsure)
        if self.schema != 2:
            raise ValueError(
                f"schema must be 1 or 2, not {self.schema!r}; a later happysad wrote the file"
            )

    def _check_unsure(self, unsure: tuple[float, ...]) -> None:
        allowed = f"two probabilities on either side of the threshold {self.threshold!r}"
        good = len(unsure) == len(self.classes)
        good = good and all(isinstance(p, int | float) and 0 <= p <= 1 for p in unsure)
        if len(self.classes) == 2:
            good = good and unsure[0] <= self.threshold <= unsure[1]
        else:
            allowed = "three probabilities, one for each class"
        if not good:
            raise ValueError(f"unsure must be {allowed}, not {unsure!r}")

    def label_of(self, probabilities: Sequence[float], *, unsure: bool = True) -> str:
        """Return the label for probabilities in the order of `classes`.

        Args:
            probabilities: one for each class; they sum to 1.
            unsure: False never returns "unsure".
        """
        if len(self.classes) > 2:
            first = int(np.argmax(probabilities))
            sure = not unsure or self.unsure is None or probabilities[first] >= self.unsure[first]
            return self.classes[first] if sure else UNSURE
        low, high = (unsure and self.unsure) or (self.threshold, self.threshold)
        second = probabilities[1]
        if second < low:
            return self.classes[0]
        return UNSURE if second < high else self.classes[1]

    def answering(self, answers: Sequence[str]) -> Details:
        """Return the details of the same classifier with some of its classes as the only answers.

        The probabilities of two of three classes are scaled to the sum 1. Each class keeps the
        probability from which on it is sure, at least 0.5: calibrated answers of this probability
        are as often wrong among two classes as among three.

        Args:
            answers: two or more of `classes`, in any order.
        """
        kept = tuple(one for one in self.classes if one in answers)
        if kept == self.classes:
            return self
        unsure = None
        if self.unsure is not None:
            first, second = (max(0.5, self.unsure[self.classes.index(one)]) for one in kept)
            unsure = None if first == second == 0.5 else (1 - first, second)
        return replace(self, classes=kept, unsure=unsure)

    def to_json(self) -> str:
        """Return the details as one JSON object."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> Details:
        """Return the details that `to_json`, or happysad 0.1.0, wrote.

        Raises:
            ValueError: the text is something else, or of a later schema.
        """
        try:
            fields = dict(json.loads(text))
            if fields.get("schema") == 1:
                fields = {_FORMER_FIELDS.get(name, name): value for name, value in fields.items()}
                fields["schema"] = 2
            for name in ("classes", "unsure"):
                if fields.get(name) is not None:
                    fields[name] = tuple(fields[name])
            return cls(**fields)
        except (AttributeError, TypeError) as error:  # not an object, or other keys
            raise ValueError(f"not the details of a classifier: {error}") from error


class Outputs(NamedTuple):
    """The outputs of a network."""

    probabilities: NDArray[np.float64]
    """Shape (n, classes); each row sums to 1."""
    of_faces: NDArray[np.float64] | None
    """Shape (n, FACES, classes); None if the network does not answer for each face."""


class ModelFile:
    """A classifier's file in memory, its network ready to run. Safe to share between threads."""

    def __init__(self, content: bytes, *, name: str = "the classifier", threads: int = 0) -> None:
        """Load a file.

        Args:
            content: the whole .onnx.
            name: its name in messages.
            threads: the number of threads that one run uses; 0 for one per core.

        Raises:
            ClassifierError: it is not an .onnx, or happysad did not write it.
        """
        try:
            self._network: InferenceSession = session(content, threads=threads)
        except Exception as error:  # onnxruntime's own exceptions share no public base
            raise ClassifierError(f"{shown_path(name)}: not an .onnx that can be loaded") from error
        metadata = self._network.get_modelmeta().custom_metadata_map
        if METADATA_KEY not in metadata:
            raise ClassifierError(
                f"{shown_path(name)}: an .onnx, but not written by happysad "
                f"(no {METADATA_KEY!r} metadata)"
            )
        try:
            self.details = Details.from_json(metadata[METADATA_KEY])
        except ValueError as error:
            raise ClassifierError(f"{shown_path(name)}: {error}") from error
        self.content = content
        self.name = name
        self.sha256 = hashlib.sha256(content).hexdigest()
        self._outputs = [output.name for output in self._network.get_outputs()]

    @classmethod
    def read(cls, path: str | os.PathLike[str], *, threads: int = 0) -> ModelFile:
        """Load the classifier at a path.

        Args:
            path: an .onnx, or a finished run's folder.
            threads: as for `ModelFile`.

        Raises:
            ClassifierError: the file cannot be read, or happysad did not write it; the message for
                a Keras file or a .tflite names the command that makes a classifier.
            UsageError: `path` is not a path.
        """
        file = resolve(path)
        _refuse_other_formats(file)
        try:
            content = file.read_bytes()
        except OSError as error:
            raise ClassifierError(f"{shown_path(str(file))}: {os_reason(error)}") from error
        return cls(content, name=str(file), threads=threads)

    def run(self, inputs: Mapping[str, NDArray[Any]]) -> Outputs:
        """Run the network, on at most `ROWS` rows at once.

        Args:
            inputs: by name, as `happysad.inputs` prepares them, each with n rows.
        """
        rows = len(next(iter(inputs.values())))
        chunks = [
            self._network.run(
                self._outputs, {name: value[at : at + ROWS] for name, value in inputs.items()}
            )
            for at in range(0, max(1, rows), ROWS)
        ]
        named = {
            _FORMER_OUTPUTS.get(name, name): np.concatenate(values)
            for name, values in zip(self._outputs, zip(*chunks, strict=True), strict=True)
        }
        probabilities, of_faces = named[PROBABILITIES], named.get(FACE_PROBABILITIES)
        if probabilities.shape[1] == 1:  # one sigmoid
            second = probabilities[:, 0]
            return Outputs(of_second(second), None if of_faces is None else of_second(of_faces))
        of_faces = None if of_faces is None else _normalised(of_faces)
        return Outputs(_normalised(probabilities), of_faces)


def resolve(path: str | os.PathLike[str]) -> Path:
    """Return the .onnx that a path names: the file itself, or the one in a run's folder.

    Raises:
        ClassifierError: there is no such file.
        UsageError: `path` is not a path.
    """
    what = "a classifier is an .onnx or a finished run's folder"
    if not isinstance(path, str | os.PathLike):
        raise UsageError(f"{what}, not {reprlib.repr(path)}")
    # pathlib would turn https://host into https:/host, and raise for names that are too long.
    file = os.fsdecode(path)
    if os.path.isdir(file):  # noqa: PTH112
        file = os.path.join(file, MODEL_NAME)  # noqa: PTH118
    if not os.path.isfile(file):  # noqa: PTH113
        raise ClassifierError(f"{shown(file) or repr(file)}: no such file; {what}")
    return Path(file)


def _refuse_other_formats(file: Path) -> None:
    """Raise a ClassifierError if a file's suffix is that of Keras or .tflite."""
    if file.suffix in KERAS_SUFFIXES:
        raise ClassifierError(
            f"{shown_path(str(file))}: a Keras file; make a classifier of it: happysad export "
            f"{shlex.quote(str(file))} model.onnx --classes happy,sad --scaled 0..1"
        )
    if file.suffix == ".tflite":
        raise ClassifierError(
            f"{shown_path(str(file))}: a .tflite; make a classifier of the run or the Keras file "
            "that it came from: happysad export RUN model.onnx, or happysad export FILE.h5 "
            "model.onnx --classes happy,sad --scaled 0..1"
        )


def _normalised(probabilities: NDArray[Any]) -> NDArray[np.float64]:
    """Return probabilities in double precision, scaled to the sum 1 to the last digit."""
    values = probabilities.astype(np.float64)
    return np.asarray(values / values.sum(axis=-1, keepdims=True))
