"""Networks, one architecture per file; `build` returns any of them by name.

Every one takes ``image``, uint8 of shape (n, size, size, channels), scales it itself, and ends in
``probabilities``, float32 of shape (n, 1): Dense with a sigmoid. Keras is imported when one is
built.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from happysad.errors import UsageError

if TYPE_CHECKING:
    import keras

__all__ = ["NAMES", "TRANSFER", "build"]

#: Models that start from ImageNet: first with a frozen backbone, then fine-tuned.
TRANSFER = ("vgg16", "resnet50", "mobilenetv3", "efficientnetv2b0")

#: All models that `build` knows.
NAMES = ("face", "classic", "compact", *TRANSFER)


def build(
    name: str,
    *,
    size: int,
    channels: int,
    dropout: float = 0.0,
    weights: Path | None = None,
    pretrained: bool = True,
) -> keras.Model:
    """Return a network with fresh weights, not compiled.

    The backbone of `TRANSFER` has ImageNet's weights, and ``face`` those of the classifier that
    ships.

    Args:
        name: one of `NAMES`.
        size: the side of the square input in pixels, 32 or more.
        channels: 3 for RGB, 1 for grey.
        dropout: the share of features dropped before the last layer in training, 0 to below 1.
        weights: for `TRANSFER`, a local file with the backbone's weights (without top); None
            fetches Keras's own.
        pretrained: False leaves all weights random, for others to be loaded.

    Raises:
        UsageError: an unknown name, or weights that cannot be loaded.
    """
    if name not in NAMES:
        raise UsageError(f"model must be one of {', '.join(NAMES)}, not {name!r}")
    if name in TRANSFER:
        from happysad.models import transfer

        return transfer.build(name, size, channels, dropout, weights, pretrained=pretrained)
    if name == "face":
        from happysad.models import face

        return face.build(size, channels, dropout, pretrained=pretrained)
    module = import_module(f"happysad.models.{name}")
    return module.build(size, channels, dropout)
