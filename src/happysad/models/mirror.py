"""A trained network that averages over a photo and its mirror image."""

from __future__ import annotations

import keras
import numpy as np
from keras import layers

__all__ = ["mirrored"]


def mirrored(model: keras.Model) -> keras.Model:
    """Return a network whose logit is the mean of a model's for a photo and its mirror image.

    The mean is taken before the last layer, which is equivalent, since this layer is linear before
    its sigmoid or softmax. A prediction takes twice as long.

    Source: test-time augmentation, Krizhevsky et al. 2012.

    Args:
        model: a network of `happysad.models.build`; its layers are shared, not copied.

    Returns:
        A network with the same input and output; its last layer is `model`'s.
    """
    _, height, width, channels = model.input.shape
    *_, last = model.layers
    features = keras.Model(model.input, last.input, name=f"{model.name}_features")
    image = layers.Input((height, width, channels), dtype="uint8", name="image")
    # Keras's flip is not a layer, and .h5 stores only layers. So columns and channels are swapped,
    # and a 1x1 convolution reverses the channels.
    flip = layers.Conv2D(width, 1, use_bias=False, trainable=False, name="mirror")
    mirror_image = _swapped(flip(_swapped(layers.Rescaling(1.0)(image))))
    flip.set_weights([np.eye(width, dtype=np.float32)[None, None, ::-1]])
    both = layers.Average()([features(image), features(mirror_image)])
    return keras.Model(image, last(both), name=model.name)


def _swapped(x: keras.KerasTensor) -> keras.KerasTensor:
    """Swap columns and channels.

    For a grey picture, a reshape is enough. tf2onnx would export a transposition as different
    graphs, depending on the counters in its names.
    """
    _, rows, columns, channels = x.shape
    if 1 in (columns, channels):
        return layers.Reshape((rows, channels, columns))(x)
    return layers.Permute((1, 3, 2))(x)
