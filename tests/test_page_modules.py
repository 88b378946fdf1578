"""The modules of the page that need no browser; node reads what Python writes about films."""

from __future__ import annotations

import base64
import csv
import json
from importlib.resources import files
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from happysad.classifier import Classifier
from happysad.video.cuts import difference
from happysad.video.film_analysis import watch
from tests.classifiers import three_class_classifier
from tests.films import film, party
from tests.node import run_tests

TESTS = Path(__file__).with_name("page").glob("*.test.js")
RNG = np.random.default_rng(5)
UNSURE = (0.5, 0.6, 0.7)
BOX = ("x", "y", "width", "height", "score")


def test_in_node(tmp_path: Path) -> None:
    folder = tmp_path / "modules"
    folder.mkdir()
    shots = [shot(), shot()]
    vectors = {
        "film": of_film(tmp_path),
        "differences": of_cuts(shots[0]),
        "shots": [text(one) for one in shots],
    }
    (folder / "vectors.json").write_text(json.dumps(vectors))
    run_tests(folder, Path(str(files("happysad.web") / "static")), TESTS)


def of_film(folder: Path) -> dict[str, Any]:
    """Return the table that Python writes for a film, and its answers as the page has them."""
    model = three_class_classifier(
        folder / "model.onnx", looks_at="face", slope=0.02, unsure=UNSURE
    )
    table = folder / "film.csv"
    scene = film(folder / "film.avi", party(9, [4, 5]))
    watch(scene, Classifier(model, threads=1), every=2, table=table)
    classes = ["happy", "neither", "sad"]
    with table.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    only = folder / "only.csv"
    asked = Classifier(model, threads=1).answering(["happy", "sad"])
    watch(scene, asked, every=2, table=only)
    looked: list[dict[str, Any]] = []
    for number, some in groupby(rows, lambda row: row["frame"]):
        answers = [answer(row, classes) for row in some]
        [first, *_] = answers
        faces = [one for one in answers if "track" in one]
        row = next(row for row in rows if row["frame"] == number)
        looked.append(
            {
                "number": int(number),
                "at": float(row["time"]),
                "shot": int(row["shot"]),
                "answer": {**first, "faces": faces},
            }
        )
    assert [len(one["answer"]["faces"]) for one in looked] == [1, 1, 0, 1, 1]
    return {
        "looked": looked,
        "classes": classes,
        "unsure": UNSURE,
        "table": table.read_text(encoding="utf-8"),
        "only": only.read_text(encoding="utf-8"),
    }


def answer(row: dict[str, str], classes: list[str]) -> dict[str, Any]:
    if not row["track"]:
        none = {"probability": None, "probabilities": None, "now": None}
        return {"label": row["label"], **none}
    return {
        "track": int(row["track"]),
        "label": row["label"],
        "probability": float(row["probability"]),
        "probabilities": {name: float(row[f"p_{name}"]) for name in classes},
        "now": {name: float(row[f"p_{name}_now"]) for name in classes},
        **{name: float(row[name]) for name in BOX},
    }


def shot() -> NDArray[np.uint8]:
    """Return a grey picture of patches, 64x64."""
    patches = RNG.integers(20, 200, (8, 8)).astype(np.uint8)
    return np.asarray(np.kron(patches, np.ones((8, 8), np.uint8)), np.uint8)


def of_cuts(picture: NDArray[np.uint8]) -> list[dict[str, Any]]:
    """Return pairs of pictures with their differences."""
    noise = RNG.integers(0, 9, picture.shape).astype(np.uint8)
    others = [picture + noise, np.roll(picture, (2, -3), (0, 1)), picture[:, ::-1], shot()]
    return [
        {"before": text(picture), "now": text(one), "expected": difference(picture, one)}
        for one in others
    ]


def text(values: NDArray[np.uint8]) -> str:
    return base64.b64encode(np.ascontiguousarray(values).tobytes()).decode()
