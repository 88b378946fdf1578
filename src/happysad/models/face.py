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
from happysad.models.head import head
from happysad.models.residual import features
from happysad.predictions import places_without_neither
from happysad.probability import among

if TYPE_CHECKING:
    import onnx

__all__ = ["CHANNELS", "CLASSES", "SIZE", "WIDTHS", "build", "load_weights"]

#: The side of the input in pixels, and its channels: grey.
SIZE, CHANNELS = 48, 1

#: The classes of the classifier that ships.
CLASSES = ("happy", "sad")

#: The number of features of each stage.
WIDTHS = (32, 64, 128, 192)
_STRIDE = 2
# The maximum difference of an answer from that of the .onnx, whose weights may be in 16 bits.
_TOLERANCE = 1e-2


def build(
    size: int,
    channels: int,
    dropout: float,
    classes: Sequence[str] = CLASSES,
    *,
    pretrained: bool = True,
) -> keras.Model:
    """Return the network, about 0.9 million parameters, not compiled.

    Its convolutions have biases instead of batch normalisation, which is folded into them.

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
    p = head(x, classes)
    model = keras.Model(image, p, name="face")
    if pretrained:
        load_weights(model, SHIPPED, classes)
    return model


def load_weights(model: keras.Model, file: Path, classes: Sequence[str] = CLASSES) -> None:
    """Load the weights of an .onnx that `happysad.export` wrote into the layers of the same names.

    If the network has three classes and the file one sigmoid for two, the network tells these two
    apart as the file does, and still knows nothing of the third.

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
        if not layer.weights:
            continue
        kernel, _ = (tuple(weight.shape) for weight in layer.weights)
        values = stored.get(f"{layer.name}/kernel")
        outputs = 1 if layer.name == PROBABILITIES else kernel[-1]
        if values is None or values.shape != (*kernel[:-1], outputs):
            raise UsageError(f"{file}: holds another network: no weights for {layer.name}")
        # The exporter leaves out a bias of zeros.
        bias = stored.get(f"{layer.name}/bias", np.zeros(outputs, np.float32))
        if outputs != kernel[-1]:  # the log-odds of two of three classes are half up, half down
            share = np.zeros(len(classes), np.float32)
            share[places_without_neither(classes)] = -0.5, 0.5
            values, bias = values * share, bias * share
        layer.set_weights([values, bias])
    expected = ModelFile.read(file).run({"image": _faces()}).probabilities[:, 1]
    answers = np.asarray(model(_faces(), training=False))
    if len(classes) > 2:
        answers = among(answers, places_without_neither(classes))
    answers = answers[:, -1]
    if not np.abs(answers - expected).max() <= _TOLERANCE:  # NaN is refused as well
        raise UsageError(f"{file}: holds another network: its answers differ")


def _weights(graph: onnx.GraphProto) -> Mapping[str, NDArray[np.float32]]:
    """Return the weights by name, laid out as Keras keeps them."""
    from onnx import numpy_helper

    constants = {one.name: one for one in graph.initializer}
    for node in graph.node:  # stored in 16 bits, cast to 32
        if node.op_type == "Cast" and node.input[0] in constants:
            constants[node.output[0]] = constants[node.input[0]]
    weights = {}
    for name, constant in constants.items():
        values = np.asarray(numpy_helper.to_array(constant), dtype=np.float32)
        weights[name] = values.transpose(2, 3, 1, 0) if values.ndim == 4 else values
    return weights


def _faces() -> Pixels:
    """Return symmetric pictures, since an .onnx may average over a face and its mirror image."""
    half = np.random.default_rng(0).integers(0, 256, (8, 6, 3, CHANNELS), dtype=np.uint8)
    coarse = np.concatenate([half, half[:, :, ::-1]], axis=2)
    return coarse.repeat(SIZE // 6, axis=1).repeat(SIZE // 6, axis=2)
