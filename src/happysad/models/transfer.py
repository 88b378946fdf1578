"""Networks of keras.applications pretrained on ImageNet, with a new last layer."""

from __future__ import annotations

import contextlib
import sys
import warnings
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import keras
from keras import applications, layers

from happysad.errors import UsageError
from happysad.models.head import head

__all__ = ["BACKBONES", "backbone", "build", "free"]

# docs/decisions.md, "The larger MobileNetV3".
#: The backbones by name.
BACKBONES = {
    "vgg16": applications.VGG16,
    "resnet50": applications.ResNet50,
    "mobilenetv3": applications.MobileNetV3Large,
    # Without its own Normalization, whose constants become inputs of an .onnx.
    "efficientnetv2b0": partial(applications.EfficientNetV2B0, include_preprocessing=False),
}

# The scale and the offsets with which the levels of RGB, 0 to 255, become a backbone's input, as in
# keras.applications; other backbones scale their input themselves.
_CENTRED: tuple[Any, Any] = (1.0, [-123.68, -116.779, -103.939])
_MEAN, _DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
# The backbones that expect BGR order.
_BGR = ("vgg16", "resnet50")
_SCALING = {
    **dict.fromkeys(_BGR, _CENTRED),
    "efficientnetv2b0": (
        [1 / (255 * deviation) for deviation in _DEVIATION],
        [-mean / deviation for mean, deviation in zip(_MEAN, _DEVIATION, strict=True)],
    ),
}


def build(
    name: str,
    size: int,
    channels: int,
    dropout: float,
    weights: Path | None,
    classes: Sequence[str],
    *,
    pretrained: bool,
) -> keras.Model:
    """Return a frozen backbone with average pooling, dropout and `head`, not compiled.

    Args:
        name: one of `happysad.models.TRANSFER`.
        size: the side of the input in pixels.
        channels: 3 for RGB, 1 for grey, which is repeated for the backbone's three channels.
        dropout: the share of features dropped before the last layer in training.
        weights: a local file with the backbone's weights; None lets Keras fetch them.
        classes: the names of the two or three classes.
        pretrained: False leaves all weights random.

    Raises:
        UsageError: the weights cannot be fetched, or the file does not fit.
    """
    base = _backbone(name, size, weights, pretrained=pretrained)
    image = layers.Input((size, size, channels), dtype="uint8", name="image")
    x = layers.Concatenate()([image, image, image]) if channels == 1 else image
    x = layers.Rescaling(*_SCALING.get(name, (1.0, 0.0)))(x)
    x = base(x)
    x = layers.Dropout(dropout)(x)
    p = head(x, classes)
    model = keras.Model(image, p, name=name)
    free(model, False)
    return model


def backbone(model: keras.Model) -> keras.Model:
    """Return the part of a network built here that is pretrained on ImageNet."""
    return next(layer for layer in model.layers if isinstance(layer, keras.Model))


def free(model: keras.Model, freed: bool) -> None:
    """Unfreeze the backbone, or freeze it; compile afterwards.

    Its batch normalisation stays frozen either way and so keeps ImageNet's statistics, as
    https://keras.io/guides/transfer_learning/ advises. The guide's ``training=False`` in the call
    is not enough, since ``fit`` overrides it.
    """
    base = backbone(model)
    base.trainable = freed
    for layer in base.layers:
        if isinstance(layer, layers.BatchNormalization):
            layer.trainable = False


def _backbone(name: str, size: int, weights: Path | None, *, pretrained: bool) -> keras.Model:
    def make(source: str | None) -> Any:
        return BACKBONES[name](
            include_top=False, weights=source, input_shape=(size, size, 3), pooling="avg"
        )

    def in_rgb(base: Any) -> Any:
        # Reversing the first kernel from BGR to RGB equals reversing the picture, and needs no
        # operation that HDF5 files cannot hold.
        if name in _BGR:
            first = next(layer for layer in base.layers if isinstance(layer, layers.Conv2D))
            kernel, *bias = first.get_weights()
            first.set_weights([kernel[:, :, ::-1], *bias])
        return base

    if not pretrained:
        return make(None)
    if weights is None:
        try:
            # Keras shows its download on standard output, which is for results.
            with warnings.catch_warnings(), contextlib.redirect_stdout(sys.stderr):
                warnings.filterwarnings("ignore", message=r"(?s).*for input shape \(224, 224\)")
                return in_rgb(make("imagenet"))
        except Exception as error:  # get_file raises bare Exception if a download fails
            raise UsageError(
                f"the ImageNet weights of {name} could not be fetched ({_first_line(error)}): "
                "let this machine reach storage.googleapis.com once, or give a local file, "
                f"{name} without top, with --weights PATH"
            ) from error
    if not weights.is_file():
        raise UsageError(
            f"weights: no such file: {weights}; give a file with the weights of {name} without "
            "top, or leave --weights out to let Keras fetch them"
        )
    base = make(None)
    try:
        base.load_weights(weights)
    except Exception as error:  # its class depends on what is wrong: suffix, format or shapes
        raise UsageError(
            f"weights: {weights} does not fit {name} without top: {_first_line(error)}"
        ) from error
    return in_rgb(base)


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
