"""Turn a network of seven classes into the shipped one: happy or sad, small, calibrated."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import onnx
from keras import layers
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from happysad import __version__
from happysad.evaluation.calibration import EPSILON, fit_threshold
from happysad.export import to_onnx
from happysad.files import replacing
from happysad.model_file import Details, ModelFile
from happysad.models import face
from happysad.probability import log_odds
from recipes.face.photos import HAPPY, SAD, SIZE, Photos
from recipes.face.unsure import fit_unsure

__all__ = ["RISK", "happy_or_sad", "ship"]

#: The maximum share of wrong answers.
RISK = 0.02


def happy_or_sad(network: keras.Model) -> keras.Model:
    """Return a network that outputs only the probability of sad.

    Batch normalisations are folded into the convolutions before them. The last layer becomes the
    difference of the layers of sad and happy: its sigmoid equals the softmax over these two.

    Args:
        network: a network of `training.network` with the widths of the shipped one.

    Returns:
        A network of `happysad.models.face.build`.
    """
    shipped = face.build(SIZE, 1, 0.0, ("happy", "sad"), pretrained=False)
    trained = [layer for layer in network.layers if layer.weights]
    convolutions = [layer for layer in trained if isinstance(layer, layers.Conv2D)]
    norms = [layer for layer in trained if isinstance(layer, layers.BatchNormalization)]
    targets = [layer for layer in shipped.layers if isinstance(layer, layers.Conv2D)]
    for convolution, norm, target in zip(convolutions, norms, targets, strict=True):
        gamma, beta, mean, variance = norm.get_weights()
        scale = gamma / np.sqrt(variance + norm.epsilon)
        target.set_weights([convolution.get_weights()[0] * scale, beta - mean * scale])
    kernel, bias = network.layers[-1].get_weights()
    shipped.layers[-1].set_weights(
        [(kernel[:, SAD] - kernel[:, HAPPY])[:, None], (bias[SAD] - bias[HAPPY])[None]]
    )
    return shipped


def ship(model: keras.Model, validation: Photos, trained_on: int, file: Path) -> Details:
    """Calibrate the network on validation photos, and write the .onnx file with 16-bit weights.

    Args:
        model: the result of `happy_or_sad`; its weights are changed.
        validation: photos of all seven classes that are not training photos.
        trained_on: the number of training photos.
        file: the file to write.

    Returns:
        The details in the file.

    Raises:
        SystemExit: 16-bit weights change an answer.
    """
    both = validation.only(HAPPY, SAD)
    y = (both.classes == SAD).astype(np.intp)
    slope, shift = _platt(_p_sad(model, both), y)
    last = model.layers[-1]
    kernel, bias = last.get_weights()
    last.set_weights([kernel * slope, bias * slope + shift])
    model.set_weights([w.astype(np.float16).astype(np.float32) for w in model.get_weights()])
    p = _p_sad(model, both)
    threshold = fit_threshold(p, y, both.groups, seed=0)
    details = Details(
        classes=("happy", "sad"),
        size=SIZE,
        channels=1,
        architecture="face",
        temperature=1 / slope,
        threshold=threshold,
        trained_on=trained_on,
        version=__version__,
        looks_at="face",
        unsure=fit_unsure(p, y, RISK, threshold),
    )
    samples = {"image": np.asarray(both.images[:100])}
    with replacing(file) as temporary:
        to_onnx(model, temporary, details, samples)
        before = ModelFile.read(temporary).run(samples).probabilities
        _store_in_16_bits(temporary)
        if (ModelFile.read(temporary).run(samples).probabilities != before).any():
            raise SystemExit(f"{file}: weights in 16 bits give other answers")
    return details


def _platt(p: NDArray[np.float32], y: NDArray[np.intp]) -> tuple[float, float]:
    """Return the slope and the shift that calibrate the log-odds (Platt 1999).

    A temperature alone could not move the threshold, which depends on the sizes of the seven
    classes in training.
    """
    fitted = LogisticRegression(C=np.inf).fit(log_odds(p, epsilon=EPSILON)[:, None], y)
    return float(fitted.coef_[0, 0]), float(fitted.intercept_[0])


def _p_sad(model: keras.Model, photos: Photos) -> NDArray[np.float32]:
    p = model.predict(photos.images, batch_size=256, verbose=0)
    return np.asarray(p, dtype=np.float32)[:, 0]


def _store_in_16_bits(file: Path) -> None:
    """Halve the file: store weights that fit 16 bits exactly as such, and cast them on loading."""
    model = onnx.load(file)
    casts = []
    for weight in model.graph.initializer:
        values = onnx.numpy_helper.to_array(weight)
        if values.dtype != np.float32 or (values.astype(np.float16) != values).any():
            continue
        name = weight.name
        half = onnx.numpy_helper.from_array(values.astype(np.float16), f"{name}_16")
        weight.CopyFrom(half)
        casts.append(
            onnx.helper.make_node(
                "Cast", [half.name], [name], f"Cast_{name}", to=onnx.TensorProto.FLOAT
            )
        )
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    onnx.checker.check_model(model)
    onnx.save(model, file)
