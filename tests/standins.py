"""Stand-ins for the check, the arrays and the judge, so that training is tested alone and quickly.

``python -m tests.standins train RUN [SETTING=VALUE ...]`` and ``... resume RUN`` train as happysad
does, on 32 made photos, in a process that a test may kill.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd

from happysad.dataset.manifest import COLUMNS, Manifest
from happysad.files import write_text

__all__ = ["PHOTOS", "manifest", "modules"]

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


def modules() -> dict[str, ModuleType]:
    """The stand-ins by the names they go by in sys.modules."""

    def check(data: Path, out: Path, settings: Any) -> Any:
        return SimpleNamespace(manifest=manifest(data))

    def load(manifest: Manifest, rows: pd.DataFrame, size: int, channels: int) -> Any:
        labels = (rows["label"] == manifest.labels[1]).to_numpy(np.float32)
        noise = np.random.default_rng(len(rows)).integers(
            0, 200, (len(rows), size, size, channels), dtype=np.uint8
        )
        images = noise + (labels * 55).astype(np.uint8)[:, None, None, None]
        return SimpleNamespace(images=images, labels=labels, groups=list(rows["group"]))

    def samples(images: Any, labels: Any, names: Any, file: Path) -> None:
        write_text(file, f"{images.shape}")

    def judge_run(run: Path) -> dict[str, Any]:
        write_text(run / "metrics.json", "{}")
        return {}

    return {
        "happysad.dataset.check": _module(check=check, CheckSettings=SimpleNamespace),
        "happysad.dataset.split": _module(refuse_leaks=lambda manifest, radius: None),
        "happysad.dataset.arrays": _module(load=load),
        "happysad.evaluation.plots": _module(samples=samples),
        "happysad.evaluation.judge": _module(judge_run=judge_run),
    }


def _module(**members: Callable[..., Any]) -> ModuleType:
    module = ModuleType("stand-in")
    vars(module).update(members)
    return module


if __name__ == "__main__":
    sys.modules.update(modules())
    from happysad.training import fit
    from happysad.training.config import load as load_config

    command, run, *settings = sys.argv[1:]
    if command == "resume":
        fit.resume(Path(run))
    else:
        given: dict[str, Any] = {}
        for setting in settings:
            name, value = setting.split("=")
            given[name] = int(value) if value.isdecimal() else value
        config = load_config(None, given)
        fit.train(Path("nowhere"), config, out=Path(run), check_out=Path("nowhere"))
