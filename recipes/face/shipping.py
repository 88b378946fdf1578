"""Turn trained networks into .onnx files: the network of happy and sad, and the one that ships."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import onnx
from keras import layers
from scipy import special

from happysad import __version__
from happysad.evaluation.calibration import equal_weights, fit_vector
from happysad.export import to_onnx
from happysad.files import replacing
from happysad.model_file import Details, ModelFile
from happysad.models import face
from happysad.models.head import merged_head, softmax_of
from happysad.models.mirror import mirrored
from recipes.face.networks import convolutions, folded, logits
from recipes.face.packed_faces import Faces
from recipes.face.photos import HAPPY, SAD, SIZE, Photos
from recipes.face.unsure import fit_unsure
from recipes.face.votes import CLASS_OF, true_classes

__all__ = ["RISK", "THREE", "happy_or_neither_or_sad", "happy_or_sad", "ship", "write_happy_or_sad"]

#: The maximum share of wrong answers.
RISK = 0.05
#: The folders of FER2013 on whose mix of faces the thresholds are chosen.
#: docs/decisions.md, "When an answer is unsure".
THREE = ("happy", "neutral", "sad")
_COMPARED = 100


def happy_or_sad(network: keras.Model) -> keras.Model:
    """Return a network that outputs only the probability of sad.

    The last layer becomes the difference of the layers of sad and happy: its sigmoid equals the
    softmax over these two.

    Args:
        network: a network of `label_training.network` with the widths of the shipped one.

    Returns:
        A network of `happysad.models.face.build`.
    """
    shipped = face.build(SIZE, 1, 0.0, ("happy", "sad"), pretrained=False)
    _fold(network, shipped)
    kernel, bias = network.layers[-1].get_weights()
    shipped.layers[-1].set_weights(
        [(kernel[:, SAD] - kernel[:, HAPPY])[:, None], (bias[SAD] - bias[HAPPY])[None]]
    )
    return shipped


def write_happy_or_sad(network: keras.Model, validation: Photos, file: Path) -> None:
    """Write the result of `happy_or_sad` as an .onnx, neither calibrated nor with thresholds."""
    details = Details(
        classes=("happy", "sad"),
        size=SIZE,
        channels=1,
        architecture="face",
        temperature=1.0,
        trained_on=1,
        version=__version__,
        looks_at="face",
    )
    to_onnx(happy_or_sad(network), file, details, {"image": validation.images[:_COMPARED]})


def happy_or_neither_or_sad(network: keras.Model) -> keras.Model:
    """Return a network that adds up the probabilities of the emotions to those of three classes.

    Args:
        network: a network of `networks`.

    Returns:
        A network with the layers of `happysad.models.face.build`; only the widths and the stride
        may differ.
    """
    same = folded(network)
    pooled = next(one for one in same.layers if isinstance(one, layers.GlobalAveragePooling2D))
    merged = keras.Model(same.input, merged_head(pooled.output, CLASS_OF.tolist()), name="face")
    softmax_of(merged)[0].set_weights(same.layers[-1].get_weights())
    return merged


def ship(network: keras.Model, validation: Faces, trained_on: int, file: Path) -> Details:
    """Calibrate a network on validation faces, and write the .onnx file with 16-bit weights.

    The network that is written averages over a face and its mirror image. The truth is the emotion
    with the most votes; faces on which two lead together are left out.

    Args:
        network: as for `happy_or_neither_or_sad`.
        validation: faces with votes that are not training faces.
        trained_on: the number of training faces.
        file: the file to write.

    Returns:
        The details in the file.

    Raises:
        SystemExit: 16-bit weights change an answer.
    """
    _, truth = true_classes(validation.votes)
    decided = truth >= 0
    faces, y = validation.rows(decided), truth[decided]
    model = happy_or_neither_or_sad(network)
    softmax, share = softmax_of(model)
    chosen = np.isin(faces.folders, THREE)
    # Three folders weigh as much as all: docs/decisions.md, "What was tried for three answers".
    weights = equal_weights(y, len(face.CLASSES))
    weights[chosen] += equal_weights(y[chosen], len(face.CLASSES))
    p = special.softmax(logits(network, faces.images), axis=1)
    temperature, biases = fit_vector(p, y, share, weights)
    kernel, bias = softmax.get_weights()
    softmax.set_weights([kernel / temperature, bias / temperature + share @ biases])
    model.set_weights([w.astype(np.float16).astype(np.float32) for w in model.get_weights()])
    both = mirrored(model)
    shown = both.predict(faces.images[chosen], batch_size=256, verbose=0)
    details = Details(
        classes=face.CLASSES,
        size=SIZE,
        channels=1,
        architecture="face",
        temperature=temperature,
        trained_on=trained_on,
        version=__version__,
        looks_at="face",
        unsure=fit_unsure(shown, y[chosen], RISK),
    )
    samples = {"image": faces.images[:_COMPARED]}
    with replacing(file) as temporary:
        to_onnx(both, temporary, details, samples)
        before = ModelFile.read(temporary).run(samples).probabilities
        _store_in_16_bits(temporary)
        if (ModelFile.read(temporary).run(samples).probabilities != before).any():
            raise SystemExit(f"{file}: weights in 16 bits give other answers")
    return details


def _fold(network: keras.Model, shipped: keras.Model) -> None:
    """Copy a network's convolutions to `shipped`, with their batch normalisations folded in."""
    targets = [layer for layer in shipped.layers if isinstance(layer, layers.Conv2D)]
    for target, weights in zip(targets, convolutions(network), strict=True):
        target.set_weights(weights)


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
