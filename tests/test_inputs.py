"""Networks get exactly the same pixels in training and prediction, for every kind of file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from happysad import Classifier
from happysad.dataset.arrays import load
from happysad.dataset.manifest import Manifest
from happysad.dataset.scan import scan
from happysad.evaluation.evaluator import evaluate
from happysad.images import Pixels, fit, read
from happysad.inputs import CLEAR, FaceCrops, Prepared, WholePhoto, face_weights
from happysad.model_file import LooksAt, ModelFile, Outputs
from happysad.photo import View
from tests.classifiers import brightness_classifier
from tests.pictures import encoded
from tests.test_face_detection import frontal, on_canvas

SIZE = 48
CLASSES = ("happy", "sad")
LARGE = on_canvas(1200, 2000, (50, 50, 900))
CROWD = on_canvas(1200, 2000, (50, 50, 900), (1500, 700, 200))  # the smaller face needs all pixels
SMALL = on_canvas(200, 240, (10, 5, 180))
# The quarter turns of a photo's pixels in the file, by EXIF orientation.
TURNS = {1: 0, 3: 2, 6: 1, 8: -1}


def taken(pixels: Pixels, format_: str, orientation: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"compress_level": 1} if format_ == "png" else {}
    return encoded(np.rot90(pixels, TURNS[orientation]), format_, exif=exif, **options)


FILES = {
    "happy/large.jpg": (LARGE, "jpeg", 1),
    "happy/large-turned.jpg": (LARGE, "jpeg", 6),
    "happy/large-crowd.jpg": (CROWD, "jpeg", 1),
    "happy/small.jpg": (SMALL, "jpeg", 1),
    "happy/small-turned.jpg": (SMALL, "jpeg", 8),
    "sad/bare-wall.jpg": (LARGE[:, 950:], "jpeg", 3),
    "sad/large.png": (LARGE, "png", 1),
    "sad/large-turned.png": (LARGE, "png", 6),
    "sad/small-turned.png": (SMALL, "png", 3),
}


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    root = tmp_path_factory.mktemp("photos")
    for name, (pixels, format_, orientation) in FILES.items():
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_bytes(taken(pixels, format_, orientation))
    table = scan(root, CLASSES, quality=False).table
    assert sorted(table["path"]) == sorted(FILES)
    return Manifest(root, table.assign(group=table["path"], status="used"))


class Asked:
    """Records the inputs of networks."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked: list[Mapping[str, NDArray[Any]]] = []
        run = ModelFile.run

        def kept(file: ModelFile, inputs: Mapping[str, NDArray[Any]]) -> Outputs:
            self.asked.append(inputs)
            return run(file, inputs)

        monkeypatch.setattr(ModelFile, "run", kept)

    def all(self) -> dict[str, NDArray[Any]]:
        """Return the inputs since the last call."""
        asked, self.asked = self.asked, []
        return {name: np.concatenate([one[name] for one in asked]) for name in asked[0]}


@pytest.mark.parametrize(
    ("looks_at", "faces"),
    [
        pytest.param("photo", "find", id="photo"),
        pytest.param("face", "given", id="face crops"),
        pytest.param("both", "find", id="both"),
    ],
)
def test_training_judging_and_prediction_see_the_same(
    looks_at: LooksAt,
    faces: str,
    manifest: Manifest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rows = manifest.table
    file = brightness_classifier(tmp_path / "m.onnx", size=SIZE, channels=1, looks_at=looks_at)
    classifier = Classifier(file)
    learned = load(manifest, rows, classifier.input, tmp_path).inputs
    if looks_at == "both":
        assert (learned["weights"] > 0).any(axis=1).sum() == len(FILES) - 1

    predict = partial(classifier.predict, faces=faces)
    files = manifest.files(rows)
    ways: dict[str, Callable[[], object]] = {
        "paths": lambda: predict(files),
        "bytes": lambda: predict([file.read_bytes() for file in files]),
        "one by one": lambda: [predict(file) for file in files],
        "evaluation": lambda: evaluate(file, manifest.root, faces=faces),
    }
    asked = Asked(monkeypatch)
    for way, ask in ways.items():
        ask()
        came = asked.all()
        assert set(came) == set(learned), way
        for name, values in learned.items():
            np.testing.assert_array_equal(came[name], values, err_msg=f"{way}, {name}")


def test_large_jpegs_are_reduced_for_training(manifest: Manifest, tmp_path: Path) -> None:
    """Otherwise the test above would pass even if photos were always decoded whole."""
    rows = manifest.table
    images = load(manifest, rows, WholePhoto(SIZE, 1), tmp_path).inputs["image"]
    for path, file, image in zip(rows["path"], manifest.files(rows), images, strict=True):
        off = np.abs(image.astype(int) - fit(read(file), SIZE, 1))
        assert (off.max() > 0) == ("large" in path and path.endswith("jpg")), path
        assert off.mean() < 1


# The heights of faces in pixels of the photo, and whether each one decides.
@pytest.mark.parametrize(
    ("heights", "decides"),
    [
        pytest.param([100, 40, CLEAR], [1, 1, 1], id="all are large enough"),
        pytest.param([100, CLEAR - 1, 13], [1, 0, 0], id="small ones beside a large one"),
        pytest.param([CLEAR - 1, 13], [1, 1], id="only small ones"),
        pytest.param([], [], id="none"),
    ],
)
@pytest.mark.parametrize("reduced", [1, 4])
def test_no_small_face_decides_beside_a_larger_one(
    heights: list[int], decides: list[int], reduced: int
) -> None:
    view = View(np.zeros((300 // reduced, 400 // reduced, 3), np.uint8), reduced)
    faces = [frontal((50.0, 50.0), 0.37 * height).scaled(1 / reduced) for height in heights]
    weights = face_weights(view, faces)
    shares = [height * np.sqrt(0.82 / (300 * 400)) for height in heights]
    assert weights == pytest.approx(np.multiply(shares, decides), rel=1e-3)


def test_laughing_people_outvote_blurred_neutral_faces_behind_them() -> None:
    """Eight large faces look happy, three small ones neither."""
    view = View(np.zeros((1200, 2000, 3), np.uint8), 1)
    heights = [200] * 8 + [50] * 3
    faces = [frontal((50.0, 50.0), 0.37 * height) for height in heights]
    prepared = Prepared({}, faces, face_weights(view, faces))
    of_faces = np.array([[0.9, 0.08, 0.02]] * 8 + [[0.02, 0.96, 0.02]] * 3)
    photo, _ = FaceCrops(SIZE, 1).combine(prepared, Outputs(of_faces, None))
    assert photo is not None
    assert photo.argmax() == 0
    assert photo[0] > 0.7
