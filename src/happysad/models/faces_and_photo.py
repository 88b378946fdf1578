"""A network whose inputs are a photo and its faces, in one graph.

The network of `happysad.models.face` answers for each face, and a few figures summarise these
answers. More figures measure the photo's look: its colours, and where it has detail. The last layer
weighs all figures: one neuron for two classes, one for each of three. If the network of faces keeps
neither beside two learned classes, the photo's probability of it is that of the faces alone.
"""

from __future__ import annotations

from collections.abc import Sequence

import keras
from keras import KerasTensor, layers, ops

from happysad.inputs import FACES, PHOTO_SIZE
from happysad.model_file import FACE_PROBABILITIES, PROBABILITIES
from happysad.models.head import head
from happysad.predictions import NEITHER, places_without_neither

__all__ = ["FROM_LOOK", "build"]

#: The number of figures that come from the photo's look; those of the faces precede them.
FROM_LOOK = 32

# A face's probability is clipped to this distance from 0 and 1, which limits its log-odds to 9.2,
# so that no single face decides everything.
_LEAST = 1e-4
# Detail is averaged over this many parts of the photo in each direction.
_PARTS = 4
# These keep denominators and the arguments of roots and logarithms away from 0.
_DARK, _TINY, _NOTHING = 0.05, 1e-4, 1e-9


def build(face: keras.Model, classes: Sequence[str], *, keeps_neither: bool = False) -> keras.Model:
    """Return the network, not compiled; the weights of its last layer are still random.

    Args:
        face: a network of `happysad.models.face`.
        classes: its two or three classes; the third of three is `NEITHER`.
        keeps_neither: whether the last layer tells only two of three classes apart, so that
            `NEITHER` is what the faces say of it.

    Returns:
        A network with the inputs ``faces``, uint8 (n, FACES, size, size, channels), ``weights``,
        float32 (n, FACES), above 0 where there is a face, and ``photo``, uint8 (n, PHOTO_SIZE,
        PHOTO_SIZE, 3). Its outputs are ``probabilities`` and ``face_probabilities``: of two classes
        (n, 1) and (n, FACES), of three (n, 3) and (n, FACES, 3). The output of the layer
        ``figures`` is the input of the last layer. Its width is `FROM_LOOK` more than the number of
        figures of the faces: 7, or 15 if the last layer tells three classes apart.
    """
    _, size, _, channels = face.input.shape
    faces = layers.Input((FACES, size, size, channels), dtype="uint8", name="faces")
    weights = layers.Input((FACES,), dtype="float32", name="weights")
    photo = layers.Input((PHOTO_SIZE, PHOTO_SIZE, 3), dtype="uint8", name="photo")
    face.trainable = False
    p = face(ops.reshape(faces, (-1, size, size, channels)))
    if len(classes) == 2:
        p = ops.reshape(p, (-1, FACES))
        answers = [p]
    else:
        p = ops.reshape(p, (-1, FACES, len(classes)))
        answers = [p[:, :, place] for place in range(len(classes))]
    told = list(classes)
    if keeps_neither:
        told = [classes[place] for place in places_without_neither(classes)]
        first, second = (answers[classes.index(name)] + _NOTHING for name in told)
        answers = [second / (first + second)]
    figures = layers.Concatenate(name="figures")([_of_faces(answers, weights), _of_look(photo)])
    whole = head(figures, told)
    if keeps_neither:
        neither = _mean_of_faces(p, weights)[:, classes.index(NEITHER), None]
        of_told = dict(zip(told, (1 - whole, whole), strict=True))
        shares = [(1 - neither) * of_told[name] if name in of_told else neither for name in classes]
        whole = layers.Concatenate()(shares)
    inputs = {"faces": faces, "weights": weights, "photo": photo}
    return keras.Model(inputs, {PROBABILITIES: whole, FACE_PROBABILITIES: p}, name="fused")


def _of_faces(answers: Sequence[KerasTensor], weights: KerasTensor) -> KerasTensor:
    """Summarise the faces: their number, the largest one, their answers; 0 without a face.

    Args:
        answers: of each class that is told apart, or of the second of two: the probability for each
            face, shape (n, FACES).
        weights: shape (n, FACES).
    """
    there = ops.cast(weights > 0, "float32")
    some = ops.max(there, axis=1)
    figures = [
        some,
        ops.sum(there, axis=1),
        ops.max(weights, axis=1),
    ]
    for p in answers:
        clipped = ops.clip(p, _LEAST, 1 - _LEAST)
        logits = ops.log(clipped) - ops.log(1 - clipped)
        figures += [
            logits[:, 0] * there[:, 0],  # the largest
            ops.sum(logits * weights, axis=1) / (ops.sum(weights, axis=1) + _TINY),
            ops.min(ops.where(there > 0, logits, 99.0), axis=1) * some,
            ops.max(ops.where(there > 0, logits, -99.0), axis=1) * some,
        ]
    return ops.stack(figures, axis=1)


def _mean_of_faces(p: KerasTensor, weights: KerasTensor) -> KerasTensor:
    """Return the weighted geometric mean of the faces' probabilities; 0 without a face.

    It is how the classifier that ships combines several faces; `happysad.probability.mean`.
    """
    each = ops.expand_dims(weights, axis=-1)
    total = ops.sum(each, axis=1)
    logs = ops.sum(ops.log(p + _NOTHING) * each, axis=1) / (total + _NOTHING)
    return ops.softmax(logs) * ops.cast(total > 0, "float32")


def _of_look(photo: KerasTensor) -> KerasTensor:
    """Measure colours (mean and deviation of eight channels) and the detail in 4x4 parts.

    The channels: lightness; red against green, yellow against blue; the largest of R, G and B,
    chroma, saturation; hue as a vector whose length is the chroma. Detail: the absolute Laplacian.
    """
    rgb = layers.Rescaling(1 / 255)(photo)
    red, green, blue = (rgb[:, :, :, place] for place in range(3))
    light = (red + green + blue) / 3
    to_red, to_yellow = red - green, (red + green) / 2 - blue
    largest = ops.max(rgb, axis=-1)
    chroma = largest - ops.min(rgb, axis=-1)
    length = ops.sqrt(ops.square(to_red) + ops.square(to_yellow) + _TINY)
    channels = ops.stack(
        [
            light,
            to_red,
            to_yellow,
            largest,
            chroma,
            chroma / (largest + _DARK),
            chroma * to_red / length,
            chroma * to_yellow / length,
        ],
        axis=-1,
    )
    mean = ops.mean(channels, axis=(1, 2), keepdims=True)
    deviation = ops.sqrt(ops.mean(ops.square(channels - mean), axis=(1, 2)) + _TINY**2)
    around = light[:, :-2, 1:-1] + light[:, 2:, 1:-1] + light[:, 1:-1, :-2] + light[:, 1:-1, 2:]
    detail = ops.expand_dims(ops.abs(4 * light[:, 1:-1, 1:-1] - around), axis=-1)
    side = detail.shape[1] // _PARTS
    detail = layers.AveragePooling2D(side)(detail)
    return layers.Concatenate()(
        [layers.Flatten()(mean), deviation, layers.Flatten()(detail)],
    )
