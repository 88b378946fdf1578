"""The JavaScript of a published site answers as Python does: node reads what Python writes."""

from __future__ import annotations

import base64
import json
import shutil
from dataclasses import asdict, replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from happysad import Classifier
from happysad.dataset import drawn_faces
from happysad.face_crop import crop
from happysad.face_detection import Face, find, network, resized
from happysad.images import Pixels, fit, sample
from happysad.inputs import face_weights
from happysad.model_file import Details
from happysad.photo import View
from happysad.probability import among, mean
from happysad.runtime import session
from happysad.video.tracking import Follower
from tests.classifiers import brightness_classifier
from tests.node import run_tests

MODULES = Path(str(files("happysad.site") / "static"))
PAGE = Path(str(files("happysad.web") / "static"))
TESTS = Path(__file__).with_name("site") / "modules.test.js"
RNG = np.random.default_rng(7)


def test_as_python_answers(tmp_path: Path) -> None:
    folder = tmp_path / "modules"
    folder.mkdir()
    (folder / "vectors.json").write_text(json.dumps(vectors(tmp_path)))
    shutil.copy(PAGE / "probability.js", folder)
    run_tests(folder, MODULES, [TESTS])


def vectors(folder: Path) -> dict[str, Any]:
    """Return inputs with the answers of Python."""
    noise = RNG.integers(0, 256, (62, 84, 3), dtype=np.uint8)
    photo = np.asarray(cv2.GaussianBlur(noise, (3, 3), 0), np.uint8)
    face = drawn_faces.face("happy", np.random.default_rng(9), 256)
    [found] = find(face)
    return {
        "photo": picture(photo),
        **of_pixels(photo),
        "face": picture(face),
        "found": asdict(found),
        "outputs": outputs(face),
        **of_boxes(),
        "crops": of_crops(photo),
        **of_probabilities(),
        "weights": of_weights(),
        **of_streams(folder, face),
    }


def of_pixels(photo: Pixels) -> dict[str, Any]:
    ways = {"area": cv2.INTER_AREA, "linear": cv2.INTER_LINEAR, "cubic": cv2.INTER_CUBIC}
    # YuNet's boxes move by up to a pixel if a few levels of its input differ by one.
    sizes = [
        ("area", 20, 17, 1),
        ("area", 42, 31, 0),
        ("area", 96, 30, 0),
        ("linear", 60, 50, 0),
        ("cubic", 150, 111, 1),
    ]
    return {
        "resized": [
            {
                "way": way,
                "most": most,
                "expected": picture(cv2.resize(photo, (width, height), interpolation=ways[way])),
            }
            for way, width, height, most in sizes
        ],
        "grey": picture(cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY)),
        "scaled": [
            {"scale": scale, "expected": picture(resized(photo, scale))} for scale in (1, 2)
        ],
        "fitted": [
            {"size": size, "channels": channels, "expected": text(fit(photo, size, channels))}
            for size, channels in [(24, 1), (24, 3), (70, 3), (100, 3)]
        ],
        "sampled": [
            {"way": way, "channels": channels, "expected": text(sample(photo, 16, channels, way))}
            for way in ("bilinear", "nearest")
            for channels in (1, 3)
        ],
        "turned": picture(np.rot90(photo, 3)),
    }


def outputs(image: Pixels) -> dict[str, str]:
    """Return the outputs of YuNet for a picture whose sides are multiples of 32."""
    yunet = session(network(), threads=1)
    planes = np.array(cv2.split(image)[::-1], np.float32)[None]
    names = [one.name for one in yunet.get_outputs()]
    values = yunet.run(names, {yunet.get_inputs()[0].name: planes})
    return {name: text(value[0]) for name, value in zip(names, values, strict=True)}


def of_boxes() -> dict[str, Any]:
    boxes = RNG.uniform(10, 60, (40, 4)).round(2)
    scores = RNG.permutation(40) / 40
    kept = cv2.dnn.NMSBoxes(boxes.tolist(), scores.tolist(), 0.0, 0.3)
    return {
        "boxes": np.column_stack([boxes, scores]).tolist(),
        "kept": np.asarray(kept).ravel().tolist(),
    }


def of_crops(photo: Pixels) -> list[dict[str, Any]]:
    points = np.array([[35, 25], [50, 28], [43, 36], [36, 44], [48, 46]])
    cases = [
        (points, 16),  # reduced
        (points, 48),  # enlarged
        (points - [30, 20], 16),  # partly outside of the photo
        (points @ [[0, 1], [-1, 0]] + [80, -10], 24),  # on its side
        (points * [0.1, 1] + [40, 0], 24),  # a profile
        (points * 0.05 + 40, 24),  # landmarks that contradict the box
    ]
    found = []
    for marks, size in cases:
        x, y = marks.mean(axis=0) - 20
        face = Face(
            x=float(x),
            y=float(y),
            width=38.0,
            height=42.0,
            score=0.9,
            landmarks=tuple((float(a), float(b)) for a, b in marks),
        )
        found.append(
            {"face": asdict(face), "size": size, "expected": text(crop(photo, face, size))}
        )
    return found


def of_probabilities() -> dict[str, Any]:
    rows = [[0.2, 0.3, 0.5], [0.9, 0.1, 0.0], [0.4, 0.4, 0.2]]
    two = Details(
        classes=("happy", "sad"),
        size=16,
        channels=3,
        architecture="",
        temperature=1.0,
        trained_on=1,
        version="",
        unsure=(0.3, 0.6),
    )
    plain = replace(two, unsure=None, threshold=0.4)
    three = replace(two, classes=("happy", "neither", "sad"), unsure=(0.84, 0.55, 0.86))
    asked: list[tuple[Details, tuple[str, ...], list[float]]] = [
        *((two, two.classes, [1 - p, p]) for p in (0.29, 0.3, 0.59, 0.6)),
        *((plain, plain.classes, [1 - p, p]) for p in (0.39, 0.4)),
        *((three, three.classes, row) for row in ([0.85, 0.1, 0.05], [0.6, 0.3, 0.1])),
        *((three, ("happy", "sad"), [1 - p, p]) for p in (0.1, 0.2, 0.8, 0.9)),
    ]
    return {
        "means": [
            {"rows": some, "weights": shares, "expected": mean(some, shares).tolist()}
            for some, shares in ((rows[:1], [0.5]), (rows, [0.5, 0.1, 0.0]))
        ],
        "among": [
            {"values": values, "places": [0, 2], "expected": among(values, [0, 2]).tolist()}
            for values in (rows[0], [0.0, 1.0, 0.0])
        ],
        "labels": [
            {
                "details": asdict(details),
                "answers": answers,
                "values": values,
                "label": details.answering(answers).label_of(values),
            }
            for details, answers, values in asked
        ],
    }


def of_weights() -> list[dict[str, Any]]:
    view = View(np.zeros((50, 80, 3), np.uint8), 2)
    found = []
    for sides in ([30.0, 9.0], [9.0, 5.0], [500.0]):
        faces = [
            Face(x=0, y=0, width=side, height=side, landmarks=((0.0, 0.0),) * 5, score=0.9)
            for side in sides
        ]
        found.append(
            {
                "view": {"pixels": {"width": 80, "height": 50}, "reduced": 2},
                "faces": [asdict(face) for face in faces],
                "expected": face_weights(view, faces).tolist(),
            }
        )
    return found


def of_streams(folder: Path, face: Pixels) -> dict[str, Any]:
    """Return the answers of a classifier of brightness for frames, and for a photo with a face."""
    classifier = Classifier(brightness_classifier(folder / "photo.onnx"))
    follower = Follower(classifier)
    stream = []
    for level, at in [(120, 0.0), (140, 0.1), (140, 0.2), (120, 1.5), (100, 1.4)]:
        follower.step(np.full((24, 32, 3), level, np.uint8), at)
        answer = follower.prediction
        assert answer.probabilities is not None
        stream.append(
            {
                "level": level,
                "at": at,
                "label": answer.label,
                "probabilities": list(answer.probabilities.values()),
            }
        )
    faces = Classifier(brightness_classifier(folder / "face.onnx", looks_at="face"))
    answer = faces.predict(face)
    return {
        "classifier": {"id": classifier.id, "details": asdict(classifier.details)},
        "stream": stream,
        "answer": {"label": answer.label, "probabilities": answer.probabilities},
    }


def picture(pixels: NDArray[Any]) -> dict[str, Any]:
    height, width = pixels.shape[:2]
    channels = 1 if pixels.ndim == 2 else pixels.shape[2]
    return {"data": text(pixels), "width": width, "height": height, "channels": channels}


def text(values: NDArray[Any]) -> str:
    return base64.b64encode(np.ascontiguousarray(values).tobytes()).decode()
