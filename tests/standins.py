"""Stand-ins for the check, the arrays and the judge, so that training is tested alone and quickly.

And for the classifier that ships: `face_asset`.

``python -m tests.standins RUN [SETTING=VALUE ...]`` trains as happysad does, with the stand-ins, up
to the judging: there it waits for its standard input to end. A test kills it with SIGKILL.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd

from happysad.classifier import Details
from happysad.dataset.manifest import COLUMNS, Manifest
from happysad.files import write_text

__all__ = ["FACE_DETAILS", "PHOTOS", "face_asset", "manifest", "modules"]

FACE_DETAILS = Details(
    labels=("happy", "sad"),
    size=48,
    channels=1,
    architecture="face",
    temperature=1.0,
    threshold=0.5,
    trained_on=20,
    version="0",
    looks_at="face",
)

#: How many photos of each split there are; every second one is "sad", and brighter.
PHOTOS = {"train": 20, "val": 8, "test": 4}


def manifest(root: Path, side: int = 40, channels: int = 1) -> Manifest:
    """A manifest of photos that exist in no file."""
    rows = [
        {
            "path": f"{label}/{split}{number}.png",
            "label": label,
            "width": side,
            "height": side + 10,
            "channels": channels,
            "group": f"{split}{number}",
            "split": split,
            "status": "used",
        }
        for split, count in PHOTOS.items()
        for number in range(count)
        for label in [("happy", "sad")[number % 2]]
    ]
    empty = {name: "" if dtype == "str" else 0 for name, dtype in COLUMNS.items()}
    table = pd.DataFrame([{**empty, **row} for row in rows]).astype(COLUMNS)
    return Manifest(root, table.sort_values("path", ignore_index=True))


def face_asset(file: Path) -> Path:
    """Write a classifier with random weights to replace the shipped one; return `file`.

    Its answers are spread over 0 to 1.
    """
    import keras

    from happysad.export import to_onnx
    from happysad.models import build

    keras.utils.set_random_seed(0)
    model = build("face", size=48, channels=1, pretrained=False)
    for layer in model.layers:
        if isinstance(layer, keras.layers.Conv2D):
            kernel, bias = layer.get_weights()
            layer.set_weights([kernel, np.random.default_rng(0).normal(0, 0.1, bias.shape)])
    images = np.random.default_rng(1).integers(0, 256, (20, 48, 48, 1), dtype=np.uint8)
    p = model.predict(images, verbose=0).astype(np.float64)
    logits = np.log(p / (1 - p))
    last = model.get_layer("p_sad")
    kernel, bias = last.get_weights()
    last.set_weights([kernel / logits.std(), (bias - logits.mean()) / logits.std()])
    to_onnx(model, file, FACE_DETAILS, images)
    return file


def modules() -> dict[str, ModuleType]:
    """The stand-ins by the names they go by in sys.modules."""

    def check(data: Path, out: Path, **settings: Any) -> Any:
        return SimpleNamespace(manifest=manifest(data))

    def load(manifest: Manifest, rows: pd.DataFrame, size: int, channels: int) -> Any:
        labels = (rows["label"] == manifest.classes[1]).to_numpy(np.float32)
        noise = np.random.default_rng(len(rows)).integers(
            0, 200, (len(rows), size, size, channels), dtype=np.uint8
        )
        images = noise + (labels * 55).astype(np.uint8)[:, None, None, None]
        return SimpleNamespace(images=images, labels=labels, groups=list(rows["group"]))

    def load_both(manifest: Manifest, rows: pd.DataFrame, size: int, channels: int) -> Any:
        seen = load(manifest, rows, 64, 3)
        weights = np.zeros((len(rows), 8), np.float32)
        weights[::2, 0] = 0.4  # every second photo of each class has a face
        weights[1::4, :2] = 0.2
        faces = np.random.default_rng(0).integers(
            0, 256, (len(rows), 8, size, size, channels), dtype=np.uint8
        )
        return SimpleNamespace(
            inputs={"faces": faces, "weights": weights, "photo": seen.images}, **vars(seen)
        )

    def samples(images: Any, labels: Any, names: Any, file: Path) -> None:
        write_text(file, f"{images.shape}")

    def judge_run(run: Path) -> dict[str, Any]:
        write_text(run / "metrics.json", "{}")
        return {}

    return {
        "happysad.dataset.check": _module(check=check),
        "happysad.dataset.split": _module(refuse_leaks=lambda manifest, radius: None),
        "happysad.dataset.arrays": _module(load=load, load_both=load_both),
        "happysad.evaluation.plots": _module(samples=samples),
        "happysad.evaluation.judge": _module(judge_run=judge_run),
    }


def _module(**members: Callable[..., Any]) -> ModuleType:
    module = ModuleType("stand-in")
    vars(module).update(members)
    return module


def _wait(run: Path) -> dict[str, Any]:
    """Judge nothing until standard input ends: a test kills the process before that."""
    sys.stdin.read()
    return {}


if __name__ == "__main__":
    replaced = modules()
    vars(replaced["happysad.evaluation.judge"])["judge_run"] = _wait
    sys.modules.update(replaced)
    from happysad.training import fit
    from happysad.training.config import load as load_config

    given: dict[str, Any] = {}
    for setting in sys.argv[2:]:
        name, value = setting.split("=")
        given[name] = int(value) if value.isdecimal() else value
    config = load_config(None, given)
    fit.train(Path("nowhere"), config, out=Path(sys.argv[1]), check_out=Path("nowhere"))
