"""A trained network that averages over a photo and its mirror image."""

from __future__ import annotations

import keras
import numpy as np
from keras import layers

from happysad.model_file import PROBABILITIES
from happysad.models.head import OUTCOMES

__all__ = ["mirrored"]


def mirrored(model: keras.Model) -> keras.Model:
    """Return a network whose logits are the mean of a model's for a photo and its mirror image.

    The mean is taken before the layer of the sigmoid or softmax, which is equivalent, since this
    layer is linear before it. A prediction takes twice as long.

    Source: test-time augmentation, Krizhevsky et al. 2012.

    Args:
        model: a network of `happysad.models.build`; its layers but the last are shared.

    Returns:
        A network with the same input and output.
    """
    _, height, width, channels = model.input.shape
    names = [layer.name for layer in model.layers]
    *_, first = (names.index(name) for name in (PROBABILITIES, OUTCOMES) if name in names)
    last = model.layers[first:]
    features = keras.Model(model.input, last[0].input, name=f"{model.name}_features")
    image = layers.Input((height, width, channels), dtype="uint8", name="image")
    # Keras's flip is not a layer, and .h5 stores only layers. So columns and channels are swapped,
    # and a 1x1 convolution reverses the channels.
    flip = layers.Conv2D(width, 1, use_bias=False, trainable=False, name="mirror")
    mirror_image = _swapped(flip(_swapped(layers.Rescaling(1.0)(image))))
    flip.set_weights([np.eye(width, dtype=np.float32)[None, None, ::-1]])
    x = layers.Average()([features(image), features(mirror_image)])
    for layer in last:
        copy = layer.from_config(layer.get_config())
        x = copy(x)
        copy.set_weights(layer.get_weights())
    return keras.Model(image, x, name=model.name)


def _swapped(x: keras.KerasTensor) -> keras.KerasTensor:
    """Swap columns and channels.

    For a grey picture, a reshape is enough. tf2onnx would export a transposition as different
    graphs, depending on the counters in its names.
    """
    _, rows, columns, channels = x.shape
    if 1 in (columns, channels):
        return layers.Reshape((rows, channels, columns))(x)
    return layers.Permute((1, 3, 2))(x)
