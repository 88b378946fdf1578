"""What to tell the user of an exported file: its input, its output, and lines of Python."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from happysad.export import Scaled, input_name
from happysad.model_file import FACE_PROBABILITIES, PROBABILITIES, Details

__all__ = ["Usage", "usage"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """How to use an exported file."""

    takes: str
    """The input: size, order of colours and range."""
    returns: str
    """The meaning of the output."""
    code: tuple[str, str, str]
    """Three lines of Python that predict a photo with the file."""


def usage(file: Path, details: Details, scaled: Scaled = "0..255") -> Usage:
    r"""Return how to use a file that `happysad.export` wrote.

    Args:
        file: the file.
        details: those of the run's classifier.
        scaled: as for `happysad.export.export`.

    >>> from happysad.model_file import SHIPPED, ModelFile
    >>> print(*usage(Path("a.onnx"), ModelFile.read(SHIPPED).details).code, sep="\n")
    from happysad import Classifier
    result = Classifier("a.onnx").predict("photo.jpg")
    print(result.label, result.probabilities)
    """
    path = str(file)
    if file.suffix == ".onnx":
        return Usage(
            takes="a photo of any size and type; happysad prepares it",
            returns=f"the probabilities of {', '.join(details.classes)}",
            code=(
                "from happysad import Classifier",
                f'result = Classifier({json.dumps(path)}).predict("photo.jpg")',
                "print(result.label, result.probabilities)",
            ),
        )
    lite = file.suffix == ".tflite"
    start = "import tensorflow as tf" if lite else "import keras"
    prepared: Sequence[tuple[str, str]]
    if details.looks_at == "photo":
        start = start.replace("import ", "import cv2, ")
        second = f"photo = {_resized(details, scaled, lite=lite)}"
        prepared = [(input_name("image", scaled), "photo[None]")]
    else:
        start += "; from happysad.inputs import network_input; from happysad.photo import Photo"
        shape = f'"{details.looks_at}", {details.size}, {details.channels}'
        second = f'inputs = network_input({shape}).prepare(Photo("photo.jpg")).inputs'
        names = ("image",) if details.looks_at == "face" else ("faces", "weights", "photo")
        prepared = [(input_name(n, scaled), _of_inputs(n, scaled, lite=lite)) for n in names]
    if lite:
        given = ", ".join(f"{name}={value}" for name, value in prepared)
        third = f"print(tf.lite.Interpreter({json.dumps(path)}).get_signature_runner()({given}))"
    else:
        pairs = ", ".join(f'"{name}": {value}' for name, value in prepared)
        given = prepared[0][1] if len(prepared) == 1 else f"{{{pairs}}}"
        third = f"print(keras.saving.load_model({json.dumps(path)}).predict({given}))"
    return Usage(
        takes=_takes(details, scaled),
        returns=_returns(details),
        code=(start, second, third),
    )


def _takes(details: Details, scaled: Scaled) -> str:
    colours = "grey" if details.channels == 1 else "RGB"
    side = f"{details.size}x{details.size} pixels, {colours}"
    between = scaled.replace("..", " to ")
    if details.looks_at == "photo":
        return f"{input_name('image', scaled)}: the whole photo, {side}, {between}"
    if details.looks_at == "face":
        return f"{input_name('image', scaled)}: a face crop, {side}, {between}"
    return (
        f"{input_name('faces', scaled)}: 8 face crops, {side}, {between}; weights: their weights; "
        f"{input_name('photo', scaled)}: the whole photo, 64x64 pixels, RGB, {between}"
    )


def _returns(details: Details) -> str:
    if len(details.classes) > 2:
        return f"the probabilities of {', '.join(details.classes)}"
    first, second = details.classes
    meaning = f"the probability of {second}; the answer is {second} from {details.threshold:.3g} on"
    meaning += f", {first} below"
    if details.looks_at == "both":
        return f"{PROBABILITIES}: {meaning}; {FACE_PROBABILITIES}: the same for each face"
    return meaning


def _resized(details: Details, scaled: Scaled, *, lite: bool) -> str:
    """Return an expression that reads a photo and prepares it."""
    to = "cv2.COLOR_BGR2GRAY" if details.channels == 1 else "cv2.COLOR_BGR2RGB"
    side = f"({details.size}, {details.size})"
    text = f'cv2.resize(cv2.cvtColor(cv2.imread("photo.jpg"), {to}), {side}, '
    text += "interpolation=cv2.INTER_AREA)"
    if details.channels == 1:
        text += "[..., None]"
    if scaled == "0..1":
        text = f'({text} / 255).astype("float32")' if lite else f"{text} / 255"
    return text


def _of_inputs(name: str, scaled: Scaled, *, lite: bool) -> str:
    """Return an expression for one of the prepared inputs."""
    text = f'inputs["{name}"]'
    if lite:
        text += "[:1]"  # the largest face, or the largest eight
    if scaled == "0..1" and name != "weights":
        text = f'({text} / 255).astype("float32")' if lite else f"{text} / 255"
    return text
