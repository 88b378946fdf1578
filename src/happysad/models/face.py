"""The network of the classifier that ships, for one face of 48x48 grey pixels, with its weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import keras
import numpy as np
from keras import layers
from numpy.typing import NDArray

from happysad.errors import UsageError
from happysad.images import Pixels
from happysad.model_file import PROBABILITIES, SHIPPED, ModelFile
from happysad.models.head import OUTCOMES, head, merged_head
from happysad.models.residual import features
from happysad.predictions import NEITHER, places_without_neither
from happysad.probability import among

if TYPE_CHECKING:
    import onnx

__all__ = [
    "CHANNELS",
    "CLASSES",
    "EMOTIONS",
    "SIZE",
    "WIDTHS",
    "build",
    "constants",
    "load_weights",
]

#: The side of the input in pixels, and its channels: grey.
SIZE, CHANNELS = 48, 1

#: The classes of the classifier that ships.
CLASSES = ("happy", NEITHER, "sad")

#: The outcomes of the network of three classes: the emotions of FER+, in its order.
EMOTIONS = (
    "neutral",
    "happiness",
    "surprise",
    "sadness",
    "anger",
    "disgust",
    "fear",
    "contempt",
)
_HAPPY, _SAD = EMOTIONS.index("happiness"), EMOTIONS.index("sadness")

#: The number of features of each stage.
WIDTHS = (32, 64, 128, 192)
_STRIDE = 2
# The maximum difference of an answer from that of the .onnx, whose weights may be in 16 bits.
_TOLERANCE = 1e-2


def build(
    size: int,
    channels: int,
    dropout: float,
    classes: Sequence[str],
    *,
    pretrained: bool = True,
) -> keras.Model:
    """Return the network, about 0.9 million parameters, not compiled.

    Its convolutions have biases instead of batch normalisation, which is folded into them. With
    three classes, it has a softmax over `EMOTIONS`; all emotions but happiness and sadness add up
    to `NEITHER`.

    Args:
        size: `SIZE`.
        channels: `CHANNELS`.
        dropout: the share of features dropped before the last layer in training.
        classes: the names of the two or three classes; the third of three is `NEITHER`.
        pretrained: True loads the weights of the classifier that ships; False leaves them random.

    Raises:
        UsageError: `size` or `channels` has another value; or the classifier that ships is missing
            or contains another network.
    """
    if (size, channels) != (SIZE, CHANNELS):
        raise UsageError(
            f"the network face takes {SIZE}x{SIZE} pixels in {CHANNELS} channel, "
            f"not {size}x{size} in {channels}"
        )
    image = layers.Input((size, size, channels), dtype="uint8", name="image")
    x = features(image, WIDTHS, stride=_STRIDE, normalised=False)
    x = layers.Dropout(dropout)(x)
    p = head(x, classes) if len(classes) == 2 else merged_head(x, _class_of_emotions(classes))
    model = keras.Model(image, p, name="face")
    if pretrained:
        load_weights(model, SHIPPED, classes)
    return model


def load_weights(model: keras.Model, file: Path, classes: Sequence[str]) -> None:
    """Load the weights of an .onnx that `happysad.export` wrote into the layers of the same names.

    A network with two classes gets from a file with three what tells happiness and sadness apart.

    Args:
        model: the network, as `build` returns it.
        file: the .onnx.
        classes: as for `build`.

    Raises:
        UsageError: the file is missing, or it contains another network.
    """
    import onnx

    if not file.is_file():
        raise UsageError(
            f"{file}: the classifier that ships with happysad is missing: reinstall it"
        )
    stored = _weights(onnx.load(file).graph)
    for layer in model.layers:
        if not layer.trainable_weights:
            continue
        kernel = tuple(layer.weights[0].shape)
        source, outputs = layer.name, kernel[-1]
        merged = len(classes) == 2 and f"{OUTCOMES}/kernel" in stored
        if layer.name == PROBABILITIES and merged:
            source, outputs = OUTCOMES, len(EMOTIONS)
        weights = stored.get(f"{source}/kernel")
        if weights is None or weights.shape != (*kernel[:-1], outputs):
            raise UsageError(f"{file}: holds another network: no weights for {layer.name}")
        # The exporter leaves out a bias of zeros.
        values = [weights, stored.get(f"{source}/bias", np.zeros(outputs, np.float32))]
        if source != layer.name:  # a softmax of two is the sigmoid of their difference
            values = [one[..., [_SAD]] - one[..., [_HAPPY]] for one in values]
        layer.set_weights(values)
    known = ModelFile.read(file)
    expected = known.run({"image": _faces()}).probabilities
    expected = among(expected, places_without_neither(known.details.classes))[:, 1]
    answers = np.asarray(model(_faces(), training=False))
    if len(classes) > 2:
        answers = among(answers, places_without_neither(classes))
    answers = answers[:, -1]
    if not np.abs(answers - expected).max() <= _TOLERANCE:  # NaN is refused as well
        raise UsageError(f"{file}: holds another network: its answers differ")


def _class_of_emotions(classes: Sequence[str]) -> list[int]:
    """Return for each emotion the index of its class."""
    happy, sad = places_without_neither(classes)
    neither = next(place for place in range(len(classes)) if place not in (happy, sad))
    return [{_HAPPY: happy, _SAD: sad}.get(place, neither) for place in range(len(EMOTIONS))]


def constants(graph: onnx.GraphProto) -> dict[str, NDArray[np.float32]]:
    """Return the constants of a graph by name, in 32 bits even if the file stores them in 16."""
    from onnx import numpy_helper

    stored = {one.name: one for one in graph.initializer}
    for node in graph.node:  # stored in 16 bits, cast to 32
        if node.op_type == "Cast" and node.input[0] in stored:
            stored[node.output[0]] = stored[node.input[0]]
    return {
        name: np.asarray(numpy_helper.to_array(one), dtype=np.float32)
        for name, one in stored.items()
    }


def _weights(graph: onnx.GraphProto) -> Mapping[str, NDArray[np.float32]]:
    """Return the weights by name, laid out as Keras keeps them."""
    return {
        name: values.transpose(2, 3, 1, 0) if values.ndim == 4 else values
        for name, values in constants(graph).items()
    }


def _faces() -> Pixels:
    """Return symmetric pictures, since an .onnx may average over a face and its mirror image."""
    half = np.random.default_rng(0).integers(0, 256, (8, 6, 3, CHANNELS), dtype=np.uint8)
    coarse = np.concatenate([half, half[:, :, ::-1]], axis=2)
    return coarse.repeat(SIZE // 6, axis=1).repeat(SIZE // 6, axis=2)
