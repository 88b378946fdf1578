"""Automatic slices: what is measured of each photo, and how it is cut into slices."""

from __future__ import annotations

import math

import numpy as np
import pytest

from happysad.evaluation.automatic_slices import PhotoMeasures, automatic_slices, measure, turn
from happysad.face_detection import Face
from happysad.photo import Photo


def face(nose: float, *, tilt: complex = 1) -> Face:
    """Return a face whose nose lies `nose` pixels beside the middle between its eyes."""
    points = [0, 40, 20 + nose + 25j, 5 + 50j, 35 + 50j]
    turned = [100 + 100j + tilt * point for point in points]
    landmarks = tuple((point.real, point.imag) for point in turned)
    return Face(x=90, y=80, width=60, height=80, landmarks=landmarks, score=0.9)


@pytest.mark.parametrize(
    ("nose", "tilt", "degrees"),
    [(0, 1, 0.0), (17.2, 1, 45.0), (-17.2, 1, 45.0), (17.2, 0.6 + 0.8j, 45.0)],
)
def test_the_turn_of_a_head_is_seen_from_its_nose(
    nose: float, tilt: complex, degrees: float
) -> None:
    assert turn(face(nose, tilt=tilt)) == pytest.approx(degrees)


def test_the_largest_face_is_measured_or_the_picture_if_no_face_is_wanted() -> None:
    dark = np.full((300, 300, 3), 51, np.uint8)
    lines = dark.copy()
    lines[::12] = 255
    plain, striped = (measure(Photo(picture), [face(4), face(0)]) for picture in (dark, lines))
    assert (plain.face_size, plain.faces) == (80, 2)
    assert plain.turn == turn(face(4))
    assert plain.brightness == pytest.approx(0.2)
    assert plain.sharpness < striped.sharpness
    whole = measure(Photo(dark), None)
    assert whole.brightness == pytest.approx(0.2)
    assert math.isnan(whole.faces)
    nobody = measure(Photo(dark), [])
    assert nobody.faces == 0
    assert math.isnan(nobody.sharpness)


def test_measures_are_cut_into_thirds_and_numbers_of_faces_are_slices() -> None:
    measures = [
        PhotoMeasures(face_size=size, sharpness=5, brightness=size / 100, faces=size % 5 + 1)
        for size in range(10, 40)
    ]
    found = automatic_slices([*measures, PhotoMeasures(faces=0)])
    assert list(found) == ["face size", "brightness", "number of faces"]  # one sharpness, no turn
    assert found["face size"].value_counts().to_dict() == {
        "up to 19.7 px": 10,
        "19.7 to 29.3 px": 10,
        "above 29.3 px": 10,
    }
    assert found["number of faces"].value_counts().to_dict() == {
        "3 or more": 18,
        "1": 6,
        "2": 6,
        "0": 1,
    }
