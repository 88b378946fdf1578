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
import math
import os
import reprlib
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from happysad.errors import (
    ClassifierError,
    UsageError,
    one_line,
    os_reason,
    shown,
    shown_path,
)
from happysad.predictions import UNSURE, check_class
from happysad.probability import of_second
from happysad.runtime import run_briefly, session

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

__all__ = [
    "FACES",
    "FACE_PROBABILITIES",
    "KERAS_SUFFIXES",
    "MAX_BYTES",
    "METADATA_KEY",
    "MODEL_NAME",
    "PHOTO_SIZE",
    "PROBABILITIES",
    "ROWS",
    "SHIPPED",
    "Details",
    "LooksAt",
    "ModelFile",
    "Outputs",
    "Resize",
    "input_shapes",
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

#: Number of faces in a row of a network that looks at both; the first row has the largest ones.
FACES = 8
#: The side in pixels of the small photo in such a row.
PHOTO_SIZE = 64

LooksAt = Literal["photo", "face", "both"]
Resize = Literal["area", "bilinear", "nearest"]

#: The suffixes of Keras's files, which `happysad export` turns into classifiers.
KERAS_SUFFIXES = (".h5", ".hdf5", ".keras")

# The current names of the outputs and fields that happysad 0.1.0 named differently.
_FORMER_OUTPUTS = {"p_sad": PROBABILITIES, "face_p_sad": FACE_PROBABILITIES}
_FORMER_FIELDS = {"labels": "classes"}


# The limits are explained in docs/security.md, "Classifiers".
MAX_BYTES = 2**30
_LARGEST_SIZE, _LONGEST, _LONGEST_DETAILS = 1024, 64, 10_000
_SECONDS = 20.0
# Probabilities in single precision may exceed 1 by their rounding.
_ROUNDING = 1e-3
# onnxruntime's names of the types of inputs.
_TYPES: dict[type[np.generic], str] = {np.uint8: "tensor(uint8)", np.float32: "tensor(float)"}


def input_shapes(
    looks_at: LooksAt, size: int, channels: int, resize: Resize = "area"
) -> dict[str, tuple[tuple[int, ...], type[np.generic]]]:
    """Return the shape and type of one row of each input of a network, by name.

    A network of one picture takes ``image``: shape (size, size, channels), uint8, or float32 if
    `resize` is another than "area". A network that looks at both takes ``faces``: uint8, shape
    (FACES, size, size, channels), black for missing faces; ``weights``: float32, shape (FACES,), as
    `inputs.face_weights` returns them, 0 for missing faces; and ``photo``: uint8, shape
    (PHOTO_SIZE, PHOTO_SIZE, 3).

    Args:
        looks_at: as for `Details`, like the others.
        size: the side of the input, or of a face crop, in pixels.
        channels: 3 for RGB, 1 for grey.
        resize: how a whole photo is resized.

    >>> input_shapes("photo", 96, 3)["image"][0]
    (96, 96, 3)
    """
    if looks_at != "both":
        return {"image": ((size, size, channels), np.uint8 if resize == "area" else np.float32)}
    return {
        "faces": ((FACES, size, size, channels), np.uint8),
        "weights": ((FACES,), np.float32),
        "photo": ((PHOTO_SIZE, PHOTO_SIZE, 3), np.uint8),
    }


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
    unsure_lacks: int = 0
    """About how many more photos of the class with the fewest it takes to choose `unsure`; 0 if it
    is chosen, or if that is unknown."""
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
        if not _whole(self.size) or not 1 <= self.size <= _LARGEST_SIZE:
            raise ValueError(
                f"size must be 1 to {_LARGEST_SIZE:,} pixels, not {reprlib.repr(self.size)}"
            )
        if not _whole(self.channels) or self.channels not in (1, 3):
            raise ValueError(f"channels must be 1 or 3, not {reprlib.repr(self.channels)}")
        for name in ("architecture", "version"):
            text = getattr(self, name)
            if not isinstance(text, str) or len(text) > _LONGEST or not text.isprintable():
                raise ValueError(
                    f"{name} must be at most {_LONGEST} printable characters, "
                    f"not {reprlib.repr(text)}"
                )
        if not _number(self.temperature) or not 0 < self.temperature < math.inf:
            raise ValueError(f"temperature must be above 0, not {reprlib.repr(self.temperature)}")
        if not _number(self.threshold) or not 0 < self.threshold < 1:
            raise ValueError(
                f"threshold must lie between 0 and 1, not {reprlib.repr(self.threshold)}"
            )
        if self.trained_on is not None and not (_whole(self.trained_on) and self.trained_on >= 0):
            raise ValueError(f"trained_on must be 0 or more, not {reprlib.repr(self.trained_on)}")
        if not isinstance(self.keeps_neither, bool):
            raise ValueError(
                f"keeps_neither must be true or false, not {reprlib.repr(self.keeps_neither)}"
            )
        if self.looks_at not in get_args(LooksAt):
            allowed = ", ".join(get_args(LooksAt))
            raise ValueError(
                f"looks_at must be one of {allowed}, not {reprlib.repr(self.looks_at)}"
            )
        if self.resize not in get_args(Resize):
            allowed = ", ".join(get_args(Resize))
            raise ValueError(f"resize must be one of {allowed}, not {reprlib.repr(self.resize)}")
        if self.resize != "area" and self.looks_at != "photo":
            raise ValueError(
                f"resize must be area for a network of faces, not {reprlib.repr(self.resize)}"
            )
        if self.sigmoid_class not in (None, *self.classes):
            raise ValueError(
                f"sigmoid_class must be one of {', '.join(self.classes)}, "
                f"not {reprlib.repr(self.sigmoid_class)}"
            )
        if len(self.classes) > 2 and self.threshold != 0.5:
            raise ValueError(f"threshold must be 0.5 with 3 classes, not {self.threshold!r}")
        if self.unsure is not None:
            self._check_unsure(self.unsure)
        if not _whole(self.unsure_lacks) or self.unsure_lacks < 0:
            raise ValueError(
                f"unsure_lacks must be 0 or more, not {reprlib.repr(self.unsure_lacks)}"
            )
        if self.schema != 2:
            raise ValueError(
                f"schema must be 1 or 2, not {reprlib.repr(self.schema)}; "
                "a later happysad wrote the file"
            )

    def _check_unsure(self, unsure: tuple[float, ...]) -> None:
        allowed = f"two probabilities on either side of the threshold {self.threshold!r}"
        good = len(unsure) == len(self.classes)
        good = good and all(_number(p) and 0 <= p <= 1 for p in unsure)
        if len(self.classes) == 2:
            good = good and unsure[0] <= self.threshold <= unsure[1]
        else:
            allowed = "three probabilities, one for each class"
        if not good:
            raise ValueError(f"unsure must be {allowed}, not {reprlib.repr(unsure)}")

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
        if len(text) > _LONGEST_DETAILS:
            raise ValueError(f"its details have more than {_LONGEST_DETAILS:,} characters")
        try:
            fields = dict(json.loads(text))
            if fields.get("schema") == 1:
                fields = {_FORMER_FIELDS.get(name, name): value for name, value in fields.items()}
                fields["schema"] = 2
            for name in ("classes", "unsure"):
                if fields.get(name) is not None:
                    fields[name] = tuple(fields[name])
            return cls(**fields)
        except json.JSONDecodeError as error:
            raise ValueError(f"its details are not JSON: {error}") from error
        except RecursionError as error:
            raise ValueError("its details are nested too deeply") from error
        except (AttributeError, TypeError) as error:  # not an object, or other keys
            raise ValueError(f"not the details of a classifier: {shown(str(error))}") from error


class Outputs(NamedTuple):
    """The outputs of a network."""

    probabilities: NDArray[np.float64]
    """Shape (n, classes); each row sums to 1."""
    of_faces: NDArray[np.float64] | None
    """Shape (n, FACES, classes); None if the network does not answer for each face."""


class ModelFile:
    """A classifier's file in memory, its network ready to run. Safe to share between threads."""

    def __init__(
        self,
        content: bytes,
        *,
        name: str = "the classifier",
        threads: int = 0,
        seconds: float = _SECONDS,
    ) -> None:
        """Load a file; unless it comes with happysad, try its network on two rows.

        Args:
            content: the whole .onnx.
            name: its name in messages.
            threads: the number of threads that one run uses; 0 for one per core.
            seconds: maximum time of the trial.

        Raises:
            ClassifierError: it is not an .onnx, happysad did not write it, or the trial failed.
        """
        if len(content) > MAX_BYTES:
            raise _too_large(name, len(content))
        self.content = content
        self.name = name
        self.sha256 = hashlib.sha256(content).hexdigest()
        network = self._session(threads) if self._ships() else self._session(1, limited=True)
        try:
            metadata = network.get_modelmeta().custom_metadata_map
        except UnicodeDecodeError as error:
            raise self._error("its metadata are not UTF-8") from error
        if METADATA_KEY not in metadata:
            raise self._error(
                f"an .onnx, but not written by happysad (no {METADATA_KEY!r} metadata)"
            )
        try:
            self.details = Details.from_json(metadata[METADATA_KEY])
        except ValueError as error:
            raise self._error(str(error)) from error
        self._outputs = [output.name for output in network.get_outputs()]
        if not self._ships():
            self._try(network, seconds)
            network = self._session(threads)
        self._network = network

    def _session(self, threads: int, *, limited: bool = False) -> InferenceSession:
        try:
            return session(self.content, threads=threads, limited=limited)
        except Exception as error:  # onnxruntime's own exceptions share no public base
            raise self._error("not an .onnx that can be loaded") from error

    def _ships(self) -> bool:
        """Return whether this is the classifier that comes with happysad."""
        return SHIPPED.stat().st_size == len(self.content) and SHIPPED.read_bytes() == self.content

    def _try(self, network: InferenceSession, seconds: float) -> None:
        """Refuse a network that has other inputs or outputs, never ends, or needs gigabytes."""
        details = self.details
        expected = input_shapes(details.looks_at, details.size, details.channels, details.resize)
        wanted = {
            name: f"{_TYPES[dtype]}{list(shape)}" for name, (shape, dtype) in expected.items()
        }
        found = {one.name: f"{one.type}{one.shape[1:]}" for one in network.get_inputs()}
        if found != wanted:
            raise self._error(f"the network's inputs must be {wanted}, not {shown(str(found))}")
        rng = np.random.default_rng(0)
        inputs = {
            name: rng.integers(0, 2 if name == "weights" else 256, (2, *shape)).astype(dtype)
            for name, (shape, dtype) in expected.items()
        }
        try:
            self._check(run_briefly(network, inputs, seconds=seconds), inputs)
        except ClassifierError:
            raise
        except Exception as error:
            raise self._fails(error) from error

    def _check(self, values: Sequence[Any], inputs: Mapping[str, NDArray[Any]]) -> None:
        """Refuse outputs that are missing, have another shape, or are no probabilities.

        Args:
            values: the outputs in the order of the network.
            inputs: what the network ran on.
        """
        named = self._named(values)
        classes, rows = len(self.details.classes), len(next(iter(inputs.values())))
        leading: dict[str, tuple[int, ...]] = {PROBABILITIES: (rows,)}
        if self.details.looks_at == "both":
            leading[FACE_PROBABILITIES] = (rows, FACES)
        for name, shape in leading.items():
            value = named.get(name)
            if value is None:
                raise self._error(f"the network must have the output {name}")
            allowed = {(*shape, classes)}
            if classes == 2:  # one sigmoid
                allowed.add((*shape, 1) if name == PROBABILITIES else shape)
            if not isinstance(value, np.ndarray) or value.dtype.kind != "f":
                raise self._error(f"the output {name} must be numbers")
            if value.shape not in allowed:
                raise self._error(
                    f"the output {name} must have the shape {(*shape, classes)}, not {value.shape}"
                )
            # Equal to 0 for every class, they could not be scaled to the sum 1.
            good = (value >= 0) & (value <= 1 + _ROUNDING)  # both are false for NaN
            if not good.all() or (value.shape == (*shape, classes) and not value.any(-1).all()):
                raise self._error(f"the output {name} must have numbers from 0 to 1")

    def _named(self, values: Sequence[Any]) -> dict[str, Any]:
        """Return outputs in the order of the network by their current names."""
        names = (_FORMER_OUTPUTS.get(name, name) for name in self._outputs)
        return dict(zip(names, values, strict=True))

    def _error(self, reason: str) -> ClassifierError:
        return ClassifierError(f"{shown_path(self.name)}: {one_line(reason)}")

    def _fails(self, error: Exception) -> ClassifierError:
        """Return the error of a run that failed; onnxruntime's exceptions share no base."""
        if isinstance(error, TimeoutError):
            return self._error(f"the network {error}")
        if "requested bytes" in str(error):
            return self._error("the network needs more than 3 GiB of memory")
        # Behind the message's code and the place in onnxruntime's source is the reason.
        reason = str(error).splitlines()[0].rpartition("Status Message: ")[2]
        return self._error(f"the network fails: {shown(reason)}")

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
            if (size := file.stat().st_size) > MAX_BYTES:
                raise _too_large(str(file), size)
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
        try:
            chunks = [
                self._network.run(
                    self._outputs, {name: value[at : at + ROWS] for name, value in inputs.items()}
                )
                for at in range(0, max(1, rows), ROWS)
            ]
            joined = [np.concatenate(values) for values in zip(*chunks, strict=True)]
        except Exception as error:
            raise self._fails(error) from error
        self._check(joined, inputs)
        named = self._named(joined)
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


def _too_large(name: str, size: int) -> ClassifierError:
    return ClassifierError(f"{shown_path(name)}: too large: {size:,} bytes (at most {MAX_BYTES:,})")


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _normalised(probabilities: NDArray[Any]) -> NDArray[np.float64]:
    """Return probabilities in double precision, scaled to the sum 1 to the last digit."""
    values = probabilities.astype(np.float64)
    return np.asarray(values / values.sum(axis=-1, keepdims=True))
