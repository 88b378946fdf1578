"""The residual blocks of plain convolutions that our own networks are made of.

docs/decisions.md, "Plain convolutions".
"""

from __future__ import annotations

from collections.abc import Sequence

from keras import KerasTensor, layers

__all__ = ["features"]

#: The momentum of batch normalisation. docs/decisions.md, "Momentum of batch normalisation".
_MOMENTUM = 0.9


def features(
    image: KerasTensor, widths: Sequence[int], *, stride: int, normalised: bool = True
) -> KerasTensor:
    """Return features of pictures, computed by one residual block per stage.

    The convolutions are named ``stem`` and, in stage k counted from 1, ``stage_k_first``,
    ``stage_k_second`` and ``stage_k_shortcut``.

    Source: residual blocks after He et al. 2016 (arXiv:1512.03385) with type D shortcuts: an
    average pool before the 1x1 convolution (He et al. 2019, arXiv:1812.01187).

    Args:
        image: the network's input, uint8, shape (n, size, size, channels).
        widths: the number of features of each stage; each stage after the first halves the side.
        stride: the stride of the first convolution.
        normalised: True adds batch normalisation after each convolution; False gives the
            convolutions a bias instead, for a network whose normalisations are folded in.

    Returns:
        The mean of each feature over the last stage, float32, shape (n, widths[-1]).
    """
    x = layers.Rescaling(1 / 255)(image)
    x = layers.ReLU()(_convolution(x, widths[0], normalised, "stem", stride=stride))
    for number, width in enumerate(widths, 1):
        x = _block(x, width, normalised, f"stage_{number}", stride=1 if number == 1 else 2)
    return layers.GlobalAveragePooling2D()(x)


def _block(x: KerasTensor, width: int, normalised: bool, name: str, stride: int) -> KerasTensor:
    y = layers.ReLU()(_convolution(x, width, normalised, f"{name}_first", stride=stride))
    y = _convolution(y, width, normalised, f"{name}_second")
    if stride > 1:
        x = layers.AveragePooling2D(stride, padding="same")(x)
    if x.shape[-1] != width:
        x = _convolution(x, width, normalised, f"{name}_shortcut", kernel=1)
    return layers.ReLU()(layers.Add()([x, y]))


def _convolution(
    x: KerasTensor, width: int, normalised: bool, name: str, kernel: int = 3, stride: int = 1
) -> KerasTensor:
    x = layers.Conv2D(
        width,
        kernel,
        strides=stride,
        padding="same",
        use_bias=not normalised,
        kernel_initializer="he_normal",
        name=name,
    )(x)
    if not normalised:
        return x
    return layers.BatchNormalization(momentum=_MOMENTUM, name=f"{name}_normalisation")(x)
