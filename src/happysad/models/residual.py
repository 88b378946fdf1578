"""What our own networks are made of: residual blocks of plain convolutions.

Plain convolutions, since separable ones train four times slower on a CPU though they count fewer
operations.
"""

from __future__ import annotations

from collections.abc import Sequence

from keras import KerasTensor, layers

__all__ = ["features"]

#: Batch normalisation forgets faster than Keras's 0.99, for runs of some hundred steps.
_MOMENTUM = 0.9


def features(
    image: KerasTensor, widths: Sequence[int], *, stride: int, normalised: bool = True
) -> KerasTensor:
    """Give features of pictures, one residual block a stage.

    Residual blocks after He et al. 2016 (arXiv:1512.03385), type D shortcuts: an average pool
    before the 1x1 convolution (He et al. 2019, arXiv:1812.01187).

    Args:
        image: the network's input, uint8, shape (n, size, size, channels).
        widths: features of each stage; every stage after the first halves the side.
        stride: of the first convolution.
        normalised: batch normalisation after each convolution; False gives the convolutions a bias
            instead, for a network whose normalisations are folded in.

    Returns:
        The means over the last stage's places, float32, shape (n, widths[-1]).
    """
    x = layers.Rescaling(1 / 255)(image)
    x = layers.ReLU()(_convolution(x, widths[0], normalised, stride=stride))
    for stage, width in enumerate(widths):
        x = _block(x, width, normalised, stride=1 if stage == 0 else 2)
    return layers.GlobalAveragePooling2D()(x)


def _block(x: KerasTensor, width: int, normalised: bool, stride: int) -> KerasTensor:
    y = layers.ReLU()(_convolution(x, width, normalised, stride=stride))
    y = _convolution(y, width, normalised)
    if stride > 1:
        x = layers.AveragePooling2D(stride, padding="same")(x)
    if x.shape[-1] != width:
        x = _convolution(x, width, normalised, kernel=1)
    return layers.ReLU()(layers.Add()([x, y]))


def _convolution(
    x: KerasTensor, width: int, normalised: bool, kernel: int = 3, stride: int = 1
) -> KerasTensor:
    x = layers.Conv2D(
        width,
        kernel,
        strides=stride,
        padding="same",
        use_bias=not normalised,
        kernel_initializer="he_normal",
    )(x)
    return layers.BatchNormalization(momentum=_MOMENTUM)(x) if normalised else x
