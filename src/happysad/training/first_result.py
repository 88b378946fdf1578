"""Teach's first result: a logistic regression on what the network that ships sees in faces.

1. The network that ships computes the features of each face, without Keras.
2. Each face is answered by a regression that has learned from faces of other groups alone.
3. A regression on all faces becomes the last layer of a copy of the network.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from happysad import __version__
from happysad.dataset import arrays
from happysad.dataset.manifest import Manifest
from happysad.errors import ExportError
from happysad.evaluation.calibration import fit_temperature, fit_unsure, groups_lacking
from happysad.evaluation.comparison import Comparison, compare
from happysad.evaluation.metrics import answers_of, caution, score
from happysad.files import replacing, write_text
from happysad.images import Pixels
from happysad.model_file import (
    METADATA_KEY,
    MODEL_NAME,
    PROBABILITIES,
    SHIPPED,
    Details,
    ModelFile,
)
from happysad.models.face_features import FaceFeatures, features_name
from happysad.probability import among, from_log_odds, of_second, with_temperature
from happysad.progress import step
from happysad.run import Run
from happysad.training.label_check import STRENGTH, out_of_fold
from happysad.training.logistic_regression import Regression, fit

__all__ = ["learn_first"]

# The maximum difference of a probability in the written file from that of the regression.
_TOLERANCE = 1e-4
_BATCH, _SEED, _THRESHOLD = 64, 0, 0.5

Floats = NDArray[np.float64]
Places = NDArray[np.intp]


def learn_first(manifest: Manifest, run: Run, notes: list[str]) -> None:
    """Write a classifier of two classes, and its cross-validated figures.

    Args:
        manifest: the checked and split face crops; all used ones are learned from.
        run: the run in whose folder classifier, figures and notes are written, the figures last.
        notes: sentences about the photos.

    Raises:
        DatasetError: a photo has changed since the check.
        ExportError: the written classifier does not agree with the regression.
    """
    shipped, rows, network = ModelFile.read(SHIPPED).details, manifest.used, FaceFeatures()
    loaded = arrays.load(manifest, rows, network.input)
    faces, y, groups = loaded.images, loaded.classes.astype(np.intp), loaded.groups
    with step(f"learning a first result from {len(rows):,} faces"):
        features, built_in = network.of(faces)
        p = out_of_fold(features, y, groups)
        temperature = fit_temperature(p[:, 1], y)
        p = of_second(with_temperature(p[:, 1], temperature, epsilon=1e-6))
        head = fit(features, loaded.classes, STRENGTH, balanced=True)
        head = Regression(head.kernel / temperature, head.bias / temperature)
        details = Details(
            classes=manifest.classes,
            size=shipped.size,
            channels=shipped.channels,
            architecture=shipped.architecture,
            temperature=temperature,
            unsure=fit_unsure(p, y, groups, _THRESHOLD),
            unsure_lacks=groups_lacking(y, groups, len(manifest.classes)),
            trained_on=len(rows),
            version=__version__,
            looks_at="face",
        )
        _write(run.folder / MODEL_NAME, head, details)
        expected = from_log_odds(head.logits(features)[:, 1])
        _check_file(run.folder / MODEL_NAME, faces[:_BATCH], expected[:_BATCH])
    comparison = _comparison(manifest, p, y, groups, built_in)
    said = [*notes, comparison.summary, *filter(None, [caution(len(rows))])]
    write_text(run.notes, json.dumps(said) + "\n")
    figures = score(y, p, groups, classes=manifest.classes, threshold=_THRESHOLD, seed=_SEED)
    write_text(run.metrics, json.dumps({"test": {"score": asdict(figures)}}) + "\n")


def _comparison(
    manifest: Manifest, p: Floats, y: Places, groups: Sequence[str], built_in: Floats
) -> Comparison:
    """Compare cross-validated answers with those of the network that ships and the largest class.

    Args:
        manifest: the faces.
        p: the cross-validated probabilities, shape (n, 2).
        y: the class of each face, shape (n,).
        groups: the group of each, n of them.
        built_in: the probabilities of the network that ships, shape (n, classes).
    """
    classes = ModelFile.read(SHIPPED).details.classes
    names = [name.casefold() for name in manifest.classes]
    its = None
    if set(names) <= set(classes):
        known = [classes.index(name) for name in names]
        its = _hits(among(built_in, known), y)
    largest = int(np.bincount(y).argmax())
    return compare(
        _hits(p, y),
        groups,
        built_in=its,
        no_face=0,
        largest_class=(y == largest).astype(np.float64),
        largest=manifest.classes[largest],
        seed=_SEED,
    )


def _hits(p: Floats, y: Places) -> Floats:
    """Return 1.0 for each right answer, else 0.0, shape (n,)."""
    return np.asarray(answers_of(p, _THRESHOLD) == y, dtype=np.float64)


def _write(file: Path, head: Regression, details: Details) -> None:
    """Write the network that ships with another last layer.

    Args:
        file: the .onnx.
        head: the layer, for two classes.
        details: the metadata.
    """
    import onnx
    from onnx import helper, numpy_helper

    shipped = onnx.load(SHIPPED)
    features = features_name(shipped)
    width, neurons = head.kernel.shape
    shape = helper.make_tensor_value_info(features, onnx.TensorProto.FLOAT, ["n", width])
    shipped.graph.value_info.append(shape)
    model = onnx.utils.Extractor(shipped).extract_model(["image"], [features])
    graph = model.graph
    for name, values in (("kernel", head.kernel), ("bias", head.bias)):
        weights = numpy_helper.from_array(values.astype(np.float32), f"{PROBABILITIES}/{name}")
        graph.initializer.append(weights)
    graph.node.extend(
        [
            helper.make_node("MatMul", [features, f"{PROBABILITIES}/kernel"], ["weighed"]),
            helper.make_node("Add", ["weighed", f"{PROBABILITIES}/bias"], ["logits"]),
            helper.make_node("Sigmoid", ["logits"], [PROBABILITIES]),
        ]
    )
    del graph.output[:], graph.value_info[:]
    graph.output.append(
        helper.make_tensor_value_info(PROBABILITIES, onnx.TensorProto.FLOAT, ["n", neurons])
    )
    helper.set_model_props(model, {METADATA_KEY: details.to_json()})
    onnx.checker.check_model(model)
    with replacing(file) as temporary:
        onnx.save(model, temporary)


def _check_file(file: Path, faces: Pixels, expected: Floats) -> None:
    """Raise an error if the written classifier gives other answers than the regression.

    Args:
        file: the .onnx.
        faces: shape (n, size, size, channels).
        expected: the probability of the second class, shape (n,).

    Raises:
        ExportError: an answer differs.
    """
    answers = ModelFile.read(file).run({"image": faces}).probabilities[:, 1]
    difference = float(np.abs(answers - expected).max())
    if not difference <= _TOLERANCE:  # NaN is refused as well
        raise ExportError(f"{file}: differs from the regression by {difference:.2g}")
