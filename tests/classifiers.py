"""Classifiers that tests make for themselves: a few operators of ONNX, no training."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import onnx
from onnx import TensorProto, helper

from happysad.classifier import METADATA_KEY, Details

__all__ = ["brightness_classifier"]


def brightness_classifier(
    file: Path,
    *,
    size: int = 16,
    channels: int = 3,
    slope: float = 0.1,
    middle: float = 128.0,
    labels: tuple[str, str] = ("happy", "sad"),
    threshold: float = 0.5,
    temperature: float = 1.0,
    trained_on: int = 10,
    looks_at: Literal["photo", "face"] = "photo",
    unsure: tuple[float, float] | None = None,
) -> Path:
    """Write a whole classifier that looks at brightness alone; gives `file`.

    ``p_sad = sigmoid(slope * (mean - middle))``, with the mean over the input's pixels, 0 to 255:
    a bright picture is of the second class.
    """
    nodes = [
        helper.make_node("Cast", ["image"], ["pixels"], to=TensorProto.FLOAT),
        helper.make_node("Flatten", ["pixels"], ["row"], axis=1),
        helper.make_node("ReduceMean", ["row", "axes"], ["mean"], keepdims=1),
        helper.make_node("Sub", ["mean", "middle"], ["above"]),
        helper.make_node("Mul", ["above", "slope"], ["logit"]),
        helper.make_node("Sigmoid", ["logit"], ["p_sad"]),
    ]
    graph = helper.make_graph(
        nodes,
        "brightness",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["n", size, size, channels])],
        [helper.make_tensor_value_info("p_sad", TensorProto.FLOAT, ["n", 1])],
        [
            helper.make_tensor("axes", TensorProto.INT64, [1], [1]),
            helper.make_tensor("middle", TensorProto.FLOAT, [], [middle]),
            helper.make_tensor("slope", TensorProto.FLOAT, [], [slope]),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    details = Details(
        labels=labels,
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
    helper.set_model_props(model, {METADATA_KEY: details.to_json()})
    file.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(model, file)
    return file
