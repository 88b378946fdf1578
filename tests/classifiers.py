"""Classifiers for tests, built from a few ONNX operators without training."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper

from happysad.inputs import FACES, PHOTO_SIZE
from happysad.model_file import FACE_PROBABILITIES, METADATA_KEY, PROBABILITIES, Details, LooksAt

__all__ = [
    "brightness_classifier",
    "change_answer",
    "refuse_more_rows",
    "three_class_classifier",
]


def brightness_classifier(
    file: Path,
    *,
    size: int = 16,
    channels: int = 3,
    slope: float = 0.1,
    middle: float = 128.0,
    classes: tuple[str, str] = ("happy", "sad"),
    threshold: float = 0.5,
    temperature: float = 1.0,
    trained_on: int = 10,
    looks_at: LooksAt = "photo",
    unsure: tuple[float, float] | None = None,
) -> Path:
    """Write a complete classifier that depends only on brightness; return `file`.

    The probability of the second class is ``sigmoid(slope * (mean - middle))``, with the mean over
    the input's pixels, 0 to 255: the label of a bright picture is the second class. If `looks_at`
    is "both", the answer for the photo comes from the reduced photo, and that for each face from
    its crop.
    """
    details = Details(
        classes=classes,
        size=size,
        channels=channels,
        architecture="brightness",
        temperature=temperature,
        threshold=threshold,
        trained_on=trained_on,
        version="0",
        looks_at=looks_at,
        unsure=unsure,
    )
    if looks_at == "both":
        inputs = _of_both(size, channels)
        nodes = [
            *_logit("photo", "axes", "photo_logit"),
            helper.make_node("Reshape", ["photo_logit", "column"], ["photo_column"]),
            helper.make_node("Sigmoid", ["photo_column"], [PROBABILITIES]),
            *_logit("faces", "face_axes", "face_logit"),
            helper.make_node("Sigmoid", ["face_logit"], [FACE_PROBABILITIES]),
        ]
        outputs = {PROBABILITIES: [1], FACE_PROBABILITIES: [FACES]}
    else:
        inputs = {"image": (TensorProto.UINT8, [size, size, channels])}
        nodes = [
            *_logit("image", "axes", "logit"),
            helper.make_node("Reshape", ["logit", "column"], ["logit_column"]),
            helper.make_node("Sigmoid", ["logit_column"], [PROBABILITIES]),
        ]
        outputs = {PROBABILITIES: [1]}
    return _write(file, details, nodes, inputs, outputs, slope, middle)


def three_class_classifier(
    file: Path,
    *,
    size: int = 16,
    channels: int = 3,
    slope: float = 0.1,
    looks_at: LooksAt = "photo",
    unsure: tuple[float, float, float] | None = None,
) -> Path:
    """Write a classifier of brightness with the classes happy, neither and sad; return `file`.

    With ``x = slope * (mean - 128)`` the probabilities are the softmax of -x, 1 and x: dark
    pictures are happy, bright ones sad. If `looks_at` is "both", the answer for the photo comes
    from the reduced photo, and that for each face from its crop.
    """
    details = Details(
        classes=("happy", "neither", "sad"),
        size=size,
        channels=channels,
        architecture="brightness",
        temperature=1.0,
        trained_on=10,
        version="0",
        looks_at=looks_at,
        unsure=unsure,
    )
    if looks_at == "both":
        nodes = [
            *_softmax("photo", "axes", PROBABILITIES),
            *_softmax("faces", "face_axes", "each_face"),
            helper.make_node("Reshape", ["each_face", "rows_of_faces"], [FACE_PROBABILITIES]),
        ]
        inputs = _of_both(size, channels)
        outputs = {PROBABILITIES: [3], FACE_PROBABILITIES: [FACES, 3]}
    else:
        nodes = _softmax("image", "axes", PROBABILITIES)
        inputs = {"image": (TensorProto.UINT8, [size, size, channels])}
        outputs = {PROBABILITIES: [3]}
    return _write(file, details, nodes, inputs, outputs, slope, 128.0)


def refuse_more_rows(file: Path, rows: int) -> Path:
    """Change a classifier of one input, so that it fails for more than `rows` rows at once."""
    return change_answer(
        file,
        helper.make_node("Shape", ["answer"], ["shape"]),
        helper.make_node("Gather", ["shape", "first"], ["rows"]),
        helper.make_node("Sub", ["rows", "one_row"], ["last"]),
        helper.make_node("Gather", ["zeros", "last"], ["nothing"]),  # fails out of bounds
        helper.make_node("Add", ["answer", "nothing"], [PROBABILITIES]),
        zeros=[0.0] * rows,
        first=0,
        one_row=1,
    )


def change_answer(file: Path, *nodes: onnx.NodeProto, **constants: Any) -> Path:
    """Change a classifier of one input by nodes that turn ``answer`` into the probabilities.

    Args:
        file: the classifier.
        nodes: the last one returns the output.
        constants: inputs of the nodes: numbers or lists; int becomes int64, float float32.
    """
    model = onnx.load(file)
    model.graph.node[-1].output[0] = "answer"
    for name, value in constants.items():
        array = np.asarray(value)
        array = array if array.dtype.kind == "i" else array.astype(np.float32)
        model.graph.initializer.append(onnx.numpy_helper.from_array(array, name))
    model.graph.node.extend(nodes)
    onnx.save(model, file)
    return file


def _logit(name: str, axes: str, logit: str) -> list[Any]:
    """Return nodes for ``slope * (mean over axes - middle)``."""
    return [
        helper.make_node("Cast", [name], [f"{name}_pixels"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", [f"{name}_pixels", axes], [f"{name}_mean"], keepdims=0),
        helper.make_node("Sub", [f"{name}_mean", "middle"], [f"{name}_above"]),
        helper.make_node("Mul", [f"{name}_above", "slope"], [logit]),
    ]


def _softmax(name: str, axes: str, probabilities: str) -> list[Any]:
    """Return nodes for the softmax of -x, 1 and x, where x is the logit."""
    bright, dark, even = f"{name}_bright", f"{name}_dark", f"{name}_even"
    return [
        *_logit(name, axes, f"{name}_logit"),
        helper.make_node("Reshape", [f"{name}_logit", "column"], [bright]),
        helper.make_node("Neg", [bright], [dark]),
        helper.make_node("Sub", [bright, bright], [f"{name}_zero"]),
        helper.make_node("Add", [f"{name}_zero", "one"], [even]),
        helper.make_node("Concat", [dark, even, bright], [f"{name}_logits"], axis=1),
        helper.make_node("Softmax", [f"{name}_logits"], [probabilities], axis=1),
    ]


def _of_both(size: int, channels: int) -> dict[str, tuple[int, list[int]]]:
    return {
        "faces": (TensorProto.UINT8, [FACES, size, size, channels]),
        "weights": (TensorProto.FLOAT, [FACES]),
        "photo": (TensorProto.UINT8, [PHOTO_SIZE, PHOTO_SIZE, 3]),
    }


def _write(
    file: Path,
    details: Details,
    nodes: Sequence[Any],
    inputs: dict[str, tuple[int, list[int]]],
    outputs: dict[str, list[int]],
    slope: float,
    middle: float,
) -> Path:
    graph = helper.make_graph(
        nodes,
        "brightness",
        [helper.make_tensor_value_info(n, kind, ["n", *s]) for n, (kind, s) in inputs.items()],
        [
            helper.make_tensor_value_info(n, TensorProto.FLOAT, ["n", *s])
            for n, s in outputs.items()
        ],
        [
            helper.make_tensor("axes", TensorProto.INT64, [3], [1, 2, 3]),
            helper.make_tensor("face_axes", TensorProto.INT64, [3], [2, 3, 4]),
            helper.make_tensor("column", TensorProto.INT64, [2], [-1, 1]),
            helper.make_tensor("rows_of_faces", TensorProto.INT64, [3], [-1, FACES, 3]),
            helper.make_tensor("middle", TensorProto.FLOAT, [], [middle]),
            helper.make_tensor("one", TensorProto.FLOAT, [], [1.0]),
            helper.make_tensor("slope", TensorProto.FLOAT, [], [slope]),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    helper.set_model_props(model, {METADATA_KEY: details.to_json()})
    file.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(model, file)
    return file
