"""Boxes and labels can be seen in the drawing, and the photo itself stays as it is."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from happysad import drawing
from happysad.colours import colours_of
from happysad.errors import ErrorCode, UsageError
from happysad.face_detection import Face
from happysad.predictions import NO_FACE, UNSURE, FacePrediction, Failure, Prediction


def of(p_sad: float) -> dict[str, float]:
    return {"happy": 1 - p_sad, "sad": p_sad}


def face(x: float, y: float, side: float, label: str, p_sad: float) -> FacePrediction:
    points = [(0.3, 0.4), (0.7, 0.4), (0.5, 0.6), (0.35, 0.75), (0.65, 0.75)]
    landmarks = tuple((x + a * side, y + b * side) for a, b in points)
    place = Face(x=x, y=y, width=side, height=side, landmarks=landmarks, score=0.9)
    return FacePrediction(label=label, probabilities=of(p_sad), face=place)


def answer(*faces: FacePrediction) -> Prediction:
    return Prediction(source="a.jpg", label="sad", probabilities=of(0.75), faces=faces)


@pytest.mark.parametrize("size", [(40, 60), (600, 800), (4000, 3000)])
def test_boxes_stand_where_the_faces_are(size: tuple[int, int]) -> None:
    height, width = size
    photo = np.full((height, width, 3), 255, np.uint8)
    side = min(size) / 2
    place = (width * 0.3, height * 0.35)
    drawn = drawing.draw(photo, answer(face(*place, side, "sad", 0.9)))
    assert (photo == 255).all()
    factor = drawn.shape[0] / height
    assert max(drawn.shape) == max(480, max(size))
    blue = (drawn == (0, 114, 178)).all(axis=2)
    rows = np.flatnonzero(blue.any(axis=1))
    columns = np.flatnonzero(blue[int((place[1] + side * 0.6) * factor) :].any(axis=0))
    low, left = place[1] + side, place[0]
    assert rows.max() == pytest.approx(low * factor, abs=2)
    assert columns.min() == pytest.approx(left * factor, abs=2)
    inside = [round((v + side * 0.5) * factor) for v in place]
    assert (drawn[inside[1], inside[0]] == 255).all()
    assert ((drawn == 255).all(axis=2) & (np.cumsum(blue, axis=0) > 0)).any()  # text on its box


@pytest.mark.parametrize(
    ("prediction", "colour"),
    [
        (Prediction(label="happy", probabilities=of(0.1)), (230, 159, 0)),
        (Prediction(label="sad", probabilities=of(0.9)), (0, 114, 178)),
        (Prediction(label=UNSURE, probabilities=of(0.5)), (90, 90, 90)),
        (Prediction(label=NO_FACE), (90, 90, 90)),
    ],
)
def test_without_faces_the_outcome_stands_in_the_corner(
    prediction: Prediction, colour: tuple[int, ...]
) -> None:
    drawn = drawing.draw(np.full((500, 500, 3), 128, np.uint8), prediction)
    assert tuple(drawn[0, 0]) == colour
    assert (drawn[100:] == 128).all()


@pytest.mark.parametrize("size", [(9000, 1080), (1000, 125), (200, 6000), (6000, 200), (6000, 160)])
@pytest.mark.parametrize(
    "prediction", [Prediction(label=NO_FACE), answer(face(20, 20, 60, UNSURE, 0.5))]
)
def test_text_lies_whole_in_a_long_photo(size: tuple[int, int], prediction: Prediction) -> None:
    drawn = drawing.draw(np.full((*size, 3), 128, np.uint8), prediction)
    written = np.asarray((drawn > 150).all(axis=2))
    assert written.sum() > 50
    written[1:-1, 1:-1] = False
    assert not written.any()  # nothing was cut off at an edge


def test_the_longest_photo_is_drawn_too() -> None:
    assert drawing.draw(np.zeros((1, 2000, 3), np.uint8), answer()).shape == (1, 2000, 3)


def test_a_note_of_a_face_at_the_edge_stays_in_the_photo() -> None:
    photo = np.full((500, 500, 3), 255, np.uint8)
    drawn = drawing.draw(photo, answer(face(460, -30, 80, "happy", 0.1)))
    ground = np.argwhere((drawn == (230, 159, 0)).all(axis=2))
    assert ground[:, 1].min() < 440  # moved left, so that the whole text can be read


def test_three_classes_have_the_colours_of_their_names() -> None:
    photo = np.full((500, 500, 3), 128, np.uint8)
    colours = colours_of(("happy", "neither", "sad"))
    for label, colour in colours.items():
        probabilities = {one: 0.8 if one == label else 0.1 for one in colours}
        drawn = drawing.draw(photo, Prediction(label=label, probabilities=probabilities))
        assert tuple(drawn[0, 0].tolist()) == colour.rgb
        assert (drawn == colour.ink.rgb).all(axis=2).any()


def test_the_photo_is_never_overwritten(tmp_path: Path) -> None:
    photo = tmp_path / "a.png"
    Image.new("RGB", (20, 20)).save(photo)
    prediction = replace(answer(), source=photo)
    before = photo.read_bytes()
    folder = tmp_path / "c.jpg"
    folder.mkdir()
    for file in (photo, tmp_path / "." / "a.png", tmp_path / "b.gif", tmp_path / "b", folder):
        with pytest.raises(UsageError, match=r"the photo itself|end in \.jpg|is a folder"):
            prediction.save(file)
    for file in (photo / "x.png", photo / "deep" / "x.png"):
        with pytest.raises(UsageError, match=r"x\.png: .*a\.png is not a folder; name a file"):
            drawing.check_target(photo, file)
    drawing.check_target(photo, tmp_path / "new" / "deep" / "x.png")
    drawing.check_target(photo, Path("x.png"))
    prediction.save(tmp_path / "b.jpg")
    assert photo.read_bytes() == before
    with Image.open(tmp_path / "b.jpg") as drawn:
        assert drawn.size == (480, 480)


def red() -> Image.Image:
    return Image.new("RGB", (500, 400), (200, 10, 20))


@pytest.mark.parametrize("kind", ["path", "bytes", "file", "PIL", "RGB", "BGR"])
def test_a_prediction_draws_its_source_again(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "red.png"
    red().save(path)
    pixels = np.asarray(red())
    source: Any = {
        "path": path,
        "bytes": path.read_bytes(),
        "file": io.BytesIO(path.read_bytes()),
        "PIL": red(),
        "RGB": pixels,
        "BGR": pixels[..., ::-1],
    }[kind]
    if kind == "file":
        source.read()  # as a classifier does
    drawn = replace(answer(), source=source, bgr=kind == "BGR").draw()
    assert tuple(drawn[-1, -1]) == (200, 10, 20)


@pytest.mark.parametrize(
    ("prediction", "says"),
    [
        (answer(), "no_source"),
        (
            Prediction(source="a.jpg", error=Failure(ErrorCode.EMPTY, "a.jpg: empty")),
            "a.jpg: empty",
        ),
    ],
)
def test_what_cannot_be_drawn_is_refused(prediction: Prediction, says: str) -> None:
    if says == "no_source":
        prediction, says = replace(prediction, source=None), "it has no photo"
    with pytest.raises(UsageError, match=says):
        prediction.draw()
    assert prediction._repr_png_() is None
