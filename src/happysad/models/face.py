"""The network of the classifier that ships: one face, 48x48 grey. Starts from its weights."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import keras
import numpy as np
from keras import layers
from numpy.typing import NDArray

from happysad.classifier import SHIPPED, Classifier
from happysad.errors import UsageError
from happysad.images import Pixels
from happysad.models.residual import features

if TYPE_CHECKING:
    import onnx

__all__ = ["CHANNELS", "SIZE", "build"]

#: The side of its input in pixels, and its channels: grey.
SIZE, CHANNELS = 48, 1

_WIDTHS = (32, 64, 128, 192)
_STRIDE = 2
# Weights may be stored in 16 bits; its answers may differ by so much from those of the .onnx.
_TOLERANCE = 1e-2


def build(size: int, channels: int, dropout: float, *, pretrained: bool = True) -> keras.Model:
    """Build the network, about 0.9 million parameters.

    Its convolutions have biases where others have batch normalisation, which is folded in.

    Args:
        size: `SIZE`.
        channels: `CHANNELS`.
        dropout: the share of features dropped before the last layer while training.
        pretrained: with the weights of `SHIPPED`; False leaves them random.

    Raises:
        UsageError: another size or colour; or `SHIPPED` is missing or holds another network.
    """
    if (size, channels) != (SIZE, CHANNELS):
        raise UsageError(
            f"the network face takes {SIZE}x{SIZE} pixels in {CHANNELS} channel, "
            f"not {size}x{size} in {channels}"
        )
    image = layers.Input((size, size, channels), dtype="uint8", name="image")
    x = features(image, _WIDTHS, stride=_STRIDE, normalised=False)
    x = layers.Dropout(dropout)(x)
    p_sad = layers.Dense(1, activation="sigmoid", dtype="float32", name="p_sad")(x)
    model = keras.Model(image, p_sad, name="face")
    if pretrained:
        _load(model, SHIPPED)
    return model


def _load(model: keras.Model, file: Path) -> None:
    """Put an .onnx's weights into `model`, and see that both give the same answers."""
    import onnx

    if not file.is_file():
        raise UsageError(
            f"{file}: the classifier that ships with happysad is missing: reinstall it"
        )
    stored = list(_weights(onnx.load(file).graph))
    for layer in model.layers:
        if not layer.weights:
            continue
        # Every order of the branches that a graph may have keeps layers of one shape in order.
        kernel, bias = (tuple(weight.shape) for weight in layer.weights)
        found = [n for n, (k, b) in enumerate(stored) if (k.shape, b.shape) == (kernel, bias)]
        if not found:
            raise UsageError(f"{file}: holds another network: no weights for a layer of {kernel}")
        layer.set_weights(stored.pop(found[0]))
    answers = np.asarray(model(_faces(), training=False))
    if not np.abs(answers - _onnx_answers(file)).max() <= _TOLERANCE:  # NaN is refused as well
        raise UsageError(f"{file}: holds another network: its answers differ")


def _weights(graph: onnx.GraphProto) -> Iterator[tuple[NDArray[np.float32], NDArray[np.float32]]]:
    """Give kernel and bias of each convolution and dense layer, in order, as Keras keeps them."""
    from onnx import numpy_helper

    constants = {one.name: one for one in graph.initializer}
    for node in graph.node:  # 16 bits, cast to 32
        if node.op_type == "Cast" and node.input[0] in constants:
            constants[node.output[0]] = constants[node.input[0]]

    def value(name: str) -> NDArray[np.float32]:
        return np.asarray(numpy_helper.to_array(constants[name]), dtype=np.float32)

    adds = {name: node for node in graph.node if node.op_type == "Add" for name in node.input}
    seen = set()
    for node in graph.node:
        names = list(node.input[1:])
        if node.op_type not in ("Conv", "MatMul", "Gemm") or names[0] in seen:
            continue  # seen: a second look through the same weights
        seen.add(names[0])
        kernel = value(names[0])
        if node.op_type == "Conv":
            kernel = kernel.transpose(2, 3, 1, 0)
        elif node.op_type == "MatMul" and node.output[0] in adds:
            names += [name for name in adds[node.output[0]].input if name in constants]
        bias = np.zeros(kernel.shape[-1], np.float32)
        # One of zeros may have been left out.
        yield kernel, value(names[1]).reshape(-1) if len(names) > 1 else bias


def _faces() -> Pixels:
    """Make pictures that are their own mirror images, since an .onnx may look at both."""
    half = np.random.default_rng(0).integers(0, 256, (8, 6, 3, CHANNELS), dtype=np.uint8)
    coarse = np.concatenate([half, half[:, :, ::-1]], axis=2)
    return coarse.repeat(SIZE // 6, axis=1).repeat(SIZE // 6, axis=2)


def _onnx_answers(file: Path) -> NDArray[np.float32]:
    return Classifier.load(file).p_sad(_faces())[:, None]
