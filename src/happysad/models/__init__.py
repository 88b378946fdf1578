"""Networks, one architecture per file; `build` returns any of them by name.

Every network has the input ``image``, uint8 of shape (n, size, size, channels), which it scales
itself, and the output ``probabilities`` of `happysad.models.head`. Keras is imported when a network
is built.
"""

from __future__ import annotations

from collections.abc import Sequence
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
    classes: Sequence[str] = ("happy", "sad"),
    pretrained: bool = True,
) -> keras.Model:
    """Return a new network, not compiled.

    The backbones of `TRANSFER` start from ImageNet's weights, and ``face`` from those of the
    classifier that ships. All other weights are random.

    Args:
        name: one of `NAMES`.
        size: the side of the square input in pixels, 32 or more.
        channels: 3 for RGB, 1 for grey.
        dropout: the share of features dropped before the last layer in training, 0 to below 1.
        weights: for `TRANSFER`, a local file with the backbone's weights (without top); None
            fetches Keras's own.
        classes: the names of the two classes, or of three, of which one is `NEITHER`.
        pretrained: False leaves all weights random, for others to be loaded.

    Raises:
        UsageError: the name is unknown, the network cannot have three classes, or the weights
            cannot be loaded.
    """
    if name not in NAMES:
        raise UsageError(f"model must be one of {', '.join(NAMES)}, not {name!r}")
    if name in TRANSFER:
        from happysad.models import transfer

        return transfer.build(
            name, size, channels, dropout, weights, classes, pretrained=pretrained
        )
    if name == "face":
        from happysad.models import face

        return face.build(size, channels, dropout, classes, pretrained=pretrained)
    if name == "compact":
        from happysad.models import compact

        return compact.build(size, channels, dropout, classes)
    if len(classes) > 2:
        raise UsageError(f"{name} has one sigmoid, for two classes, not {', '.join(classes)}")
    from happysad.models import classic

    return classic.build(size, channels, dropout)
