"""A Keras network from elsewhere, such as one that a tutorial made, as a happysad classifier.

The .onnx contains the whole way from a photo to the network's answer: the order of its colours, its
range, and the order of its classes. The photo is resized as Keras resizes it. Loading the file runs
none of its code: a network with a Lambda or another layer of its own is refused.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from happysad import __version__
from happysad.errors import ExportError, UsageError, shown, shown_path
from happysad.export import to_onnx
from happysad.model_file import KERAS_SUFFIXES, Details, Resize

if TYPE_CHECKING:
    import keras

__all__ = ["Range", "Written", "to_classifier"]

#: The range of the pictures that the network takes.
Range = Literal["0..1", "0..255", "-1..1"]

# The factor and the offset that turn levels, 0 to 255, into each range.
_SCALING: dict[Range, tuple[float, float]] = {
    "0..1": (1 / 255, 0.0),
    "0..255": (1.0, 0.0),
    "-1..1": (1 / 127.5, -1.0),
}
# The number of pictures on which the network is tried.
_TRIED = 16
# Layers that contain code, or load other files.
_WITH_CODE = ("Lambda", "TFSMLayer", "TorchModuleWrapper", "JaxLayer", "FlaxLayer")


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """A classifier that was made of a Keras file."""

    details: Details
    difference: float
    """The largest difference from Keras in any output on the pictures that were tried."""
    spread: float
    """The largest difference between the answers for these pictures; near 0 for a network that
    gives every picture the same answer, as one that gets the wrong range does."""


def to_classifier(
    source: Path,
    file: Path,
    *,
    classes: Sequence[str],
    scaled: Range,
    size: int | None = None,
    resize: Resize = "bilinear",
    bgr: bool = False,
) -> Written:
    """Write a classifier of whole photos, made of a Keras network.

    The network is tried on a few pictures, and its outputs are compared with those of Keras, before
    the file stays.

    Args:
        source: a whole network, as ``model.save`` writes it: .keras, .h5 or .hdf5. It has one input
            of pictures, and one sigmoid or a softmax over the classes.
        file: the .onnx to write.
        classes: the two or three classes in the order of the network's outputs; with one sigmoid, 0
            means the first and 1 the second. Keras orders folders by the alphabet.
        scaled: the range of the pictures that the network takes; "0..255" if it scales inside.
        size: the side in pixels to which photos are resized; None to read it from the file.
        resize: "bilinear" or "nearest", as for `happysad.images.sample`.
        bgr: True if the network learned from pictures in BGR order, as cv2.imread returns them.

    Returns:
        What was written.

    Raises:
        UsageError: an argument is wrong, or the network is not one of these.
        ExportError: the network cannot be loaded without running its code, or the file does not
            agree with Keras and is not kept.

    >>> to_classifier(Path("a.h5"), Path("a.onnx"), classes=("b", "a"), scaled="0..2")
    Traceback (most recent call last):
    happysad.errors.UsageError: scaled must be one of 0..1, 0..255, -1..1, not '0..2'
    """
    if scaled not in get_args(Range):
        raise UsageError(
            f"scaled must be one of {', '.join(get_args(Range))}, not {shown(scaled)!r}"
        )
    if resize not in ("bilinear", "nearest"):
        raise UsageError(f"resize must be bilinear or nearest, not {shown(resize)!r}")
    if file.suffix != ".onnx":
        raise UsageError(f"{shown(str(file))}: a classifier is an .onnx, not {file.suffix!r}")
    name = shown_path(str(source))
    model = _load(source, name)
    size, channels = _shape(model, name, size)
    softmax = _answers(model, name, classes)
    try:
        details = Details(
            classes=tuple(sorted(classes)),
            size=size,
            channels=channels,
            architecture=source.name,
            temperature=1.0,
            trained_on=None,
            version=__version__,
            resize=resize,
            sigmoid_class=None if softmax else classes[1],
        )
    except ValueError as error:
        raise UsageError(str(error)) from error
    pictures = _pictures(size, channels)
    whole = _with_preparation(model, details, classes, scaled, bgr=bgr)
    p = np.asarray(whole.predict(pictures, verbose=0), dtype=np.float64)
    _check_probabilities(p, name)
    difference = to_onnx(whole, file, details, {"image": pictures})
    return Written(
        details=details, difference=difference, spread=float(np.ptp(p, axis=0).max(initial=0.0))
    )


def _load(source: Path, name: str) -> keras.Model:
    """Load a network, after a look at its description."""
    from happysad.keras_backend import quiet, without_native_stderr

    if source.suffix not in KERAS_SUFFIXES:
        raise UsageError(f"{name}: must be one of {', '.join(KERAS_SUFFIXES)}")
    if not source.is_file():
        raise UsageError(f"{name}: no such file")
    _check_description(_description(source, name), name)
    quiet()
    import keras

    try:
        with without_native_stderr():
            model = keras.saving.load_model(source, compile=False, safe_mode=True)
    except Exception as error:  # Keras raises nearly anything for a network it does not know
        line = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ExportError(
            f"{name}: Keras {keras.__version__} cannot load it: {shown(line)}"
        ) from error
    return model


def _description(source: Path, name: str) -> Any:
    """Return the description of the network in a file, as Keras wrote it in JSON."""
    if zipfile.is_zipfile(source):
        try:
            with zipfile.ZipFile(source) as archive:
                return json.loads(archive.read("config.json"))
        except Exception as error:  # zipfile raises nearly anything for a damaged file
            raise ExportError(f"{name}: not a network that Keras saved") from error
    import h5py

    try:
        with h5py.File(source, "r") as stored:
            weights = stored.get("model_weights", stored)
            if _text(weights.attrs.get("backend", "")) == "theano":
                raise ExportError(f"{name}: its convolutions are Theano's, which Keras 3 misreads")
            if "model_config" not in stored.attrs:
                raise ExportError(
                    f"{name}: holds weights without the network; save the whole network where it "
                    'was made: model.save("model.h5")'
                )
            return json.loads(_text(stored.attrs["model_config"]))
    except ExportError:
        raise
    except Exception as error:  # h5py raises nearly anything for a damaged file
        raise ExportError(f"{name}: not a network that Keras saved") from error


def _text(stored: Any) -> str:
    return stored.decode() if isinstance(stored, bytes) else str(stored)


def _check_description(description: Any, name: str) -> None:
    """Refuse a network that contains code, that needs other packages, or whose channels come first.

    Raises:
        ExportError: it does.
    """
    for part in _parts(description):
        kind, module = part.get("class_name"), part.get("module")
        if kind in (*_WITH_CODE, "__lambda__"):
            shown_kind = "Lambda" if kind == "__lambda__" else kind
            raise ExportError(
                f"{name}: a layer {shown_kind} contains code of its own, which happysad does not "
                "run; replace it by layers of Keras"
            )
        if isinstance(module, str) and module.split(".")[0] not in ("keras", "builtins"):
            raise ExportError(
                f"{name}: {shown(str(kind))} comes from {shown(module)}, which happysad does not "
                "run; replace it by layers of Keras"
            )
        if part.get("data_format") == "channels_first":
            raise ExportError(f"{name}: its channels come first (channels_first); must come last")


def _parts(description: Any) -> Iterator[dict[str, Any]]:
    """Yield every dictionary in a description."""
    waiting = [description]
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict):
            yield part
            waiting.extend(part.values())
        elif isinstance(part, list):
            waiting.extend(part)


def _shape(model: keras.Model, name: str, size: int | None) -> tuple[int, int]:
    """Return the side of the network's input and the number of its channels."""
    shapes = [tuple(one.shape[1:]) for one in getattr(model, "inputs", None) or []]
    if len(shapes) != 1 or len(shapes[0]) != 3 or shapes[0][2] not in (1, 3):
        raise ExportError(
            f"{name}: must have one input of shape (side, side, 1 or 3), not {shown(str(shapes))}"
        )
    height, width, channels = shapes[0]
    sides = {one for one in (height, width) if one is not None}
    if len(sides) > 1:
        raise ExportError(f"{name}: must take square pictures, not {height}x{width} pixels")
    if not sides and size is None:
        raise UsageError(
            f"{name}: takes pictures of any size; give the size that it learned, such as --size 256"
        )
    if size is not None and (size < 1 or sides - {size}):
        wanted = f"{min(sides)}, as in the file" if sides else "above 0"
        raise UsageError(f"size must be {wanted}, not {size}")
    return size or min(sides), channels


def _answers(model: keras.Model, name: str, classes: Sequence[str]) -> bool:
    """Return whether the network has a softmax; refuse what fits neither it nor one sigmoid."""
    shapes = [tuple(one.shape[1:]) for one in model.outputs]
    if len(shapes) != 1 or len(shapes[0]) != 1 or shapes[0][0] not in (1, 2, 3):
        raise ExportError(
            f"{name}: must have one sigmoid, or a softmax of 2 or 3 classes; its outputs have the "
            f"shapes {shown(str(shapes))}"
        )
    outputs = shapes[0][0]
    wanted = max(2, outputs)
    if len(classes) != wanted or len(set(classes)) < wanted:
        raise UsageError(
            f"classes must be {wanted} different names, one for each answer of {name}, "
            f"not {shown(', '.join(classes))}"
        )
    last = model.layers[-1]
    if outputs == 1 and getattr(getattr(last, "activation", None), "__name__", "") == "linear":
        raise ExportError(f"{name}: must end in a sigmoid; its last layer has no activation")
    return bool(outputs > 1)


def _with_preparation(
    model: keras.Model, details: Details, classes: Sequence[str], scaled: Range, *, bgr: bool
) -> keras.Model:
    """Return a network that takes levels of RGB, and returns probabilities in `details`'s order."""
    import keras
    from keras import layers, ops

    shape = (details.size, details.size, details.channels)
    image = layers.Input(shape, dtype="float32", name="image")
    x = image[:, :, :, ::-1] if bgr and details.channels == 3 else image
    x = layers.Rescaling(*_SCALING[scaled], dtype="float32")(x)
    if "int" in str(model.inputs[0].dtype):
        x = ops.round(x)
    p = ops.cast(model(x, training=False), "float32")
    if tuple(classes) != details.classes:
        order = [list(classes).index(one) for one in details.classes]
        p = ops.stack([p[:, place] for place in order], axis=1) if p.shape[1] > 1 else 1.0 - p
    return keras.Model(image, p)


def _pictures(size: int, channels: int) -> NDArray[np.float32]:
    """Return pictures on which a network is tried: from dark to light, coarse and fine."""
    rng = np.random.default_rng(0)
    pictures = np.zeros((_TRIED, size, size, channels), np.float32)
    for number, picture in enumerate(pictures):
        cells = 2 ** (number % 4 + 1)
        drawn = rng.uniform(0, 255 * (number + 1) / _TRIED, (cells, cells, channels))
        places = np.arange(size) * cells // size
        picture[:] = drawn[np.ix_(places, places)]
    return pictures


def _check_probabilities(p: NDArray[np.float64], name: str) -> None:
    """Refuse outputs that are no probabilities.

    Raises:
        ExportError: they are below 0 or above 1, or those of a softmax do not sum to 1.
    """
    good = bool(((p >= 0) & (p <= 1)).all())  # NaN is refused as well
    if good and p.shape[1] > 1:
        good = bool(np.abs(p.sum(axis=1) - 1).max() < 1e-3)
    if not good:
        raise ExportError(
            f"{name}: its outputs are no probabilities (0 to 1, with sum 1); it must end in a "
            "sigmoid or a softmax"
        )
