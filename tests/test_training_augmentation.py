"""Augmentation: each setting has its effect and no other."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import pytest

from happysad.images import Pixels
from happysad.training.augmentation import DRAWS, augment
from happysad.training.config import TrainConfig

NOTHING = TrainConfig(flip=False, rotation=0, shift=0, zoom=0, light=0, erasing=0, worsening=0)


def draws(**values: float) -> Any:
    """Return the middle of every range, which changes nothing, except for draws given by name."""
    names = ["flip", "turn", "zoom", "right", "down", "contrast", "brightness", "erased"]
    names += ["worsened", "which", "much", "tall", "wide", "top", "left", "shade"]
    assert len(names) == DRAWS
    return np.array([values.get(name, 0.5) for name in names], dtype=np.float32)


def picture(channels: int = 3, side: int = 33) -> Pixels:
    shape = (side, side, channels)
    return np.random.default_rng(0).integers(20, 230, shape, dtype=np.uint8)


@pytest.mark.parametrize("channels", [1, 3])
def test_nothing_asked_for_changes_nothing(channels: int) -> None:
    image = picture(channels)
    assert (augment(image, draws(flip=0.1, turn=0.9, erased=0.1), NOTHING) == image).all()
    # The middle of every range changes nothing either.
    everything = replace(TrainConfig(), erasing=0.3)
    assert (augment(image, draws(), everything) == image).all()


@pytest.mark.parametrize(
    ("setting", "drawn", "expected"),
    [
        ({"flip": True}, {"flip": 0.2}, lambda i: i[:, ::-1]),
        ({"rotation": 90.0}, {"turn": 1.0}, lambda i: np.rot90(i)),
        ({"rotation": 90.0}, {"turn": 0.0}, lambda i: np.rot90(i, -1)),
        # Moved by a third of 33 pixels, with a reflected border.
        ({"shift": 1 / 3}, {"right": 1.0}, lambda i: np.hstack([i[:, 11:], i[:, -2:-13:-1]])),
        ({"shift": 1 / 3}, {"down": 1.0}, lambda i: np.vstack([i[11:], i[-2:-13:-1]])),
        # Full light: the highest contrast doubles the distance from the middle.
        (
            {"light": 1.0},
            {"contrast": 1.0},
            lambda i: np.clip((i.astype(int) - 127.5) * 2 + 127.5, 0, 255),
        ),
        ({"light": 1.0}, {"brightness": 1.0}, lambda i: np.clip(i.astype(int) + 63.75, 0, 255)),
    ],
)
def test_each_change(setting: dict[str, Any], drawn: dict[str, float], expected: Any) -> None:
    image = picture()
    changed = augment(image, draws(**drawn), replace(NOTHING, **setting))
    wanted = expected(image).astype(np.float64)
    assert (changed != image).any()
    assert np.abs(changed - wanted).max() <= 1


def test_zoom_enlarges_about_the_middle() -> None:
    ring = np.zeros((33, 33, 1), np.uint8)
    ring[12:21, 12:21] = 200
    larger = augment(ring, draws(zoom=1.0), replace(NOTHING, zoom=0.3))
    smaller = augment(ring, draws(zoom=0.0), replace(NOTHING, zoom=0.3))
    assert (larger > 100).sum() > 1.4 * (ring > 100).sum() > 1.8 * (smaller > 100).sum()
    assert larger[16, 16] == smaller[16, 16] == 200


def test_erasing_paints_one_rectangle() -> None:
    image = picture()
    config = replace(NOTHING, erasing=0.3)
    assert (augment(image, draws(erased=0.31), config) == image).all()
    changed = augment(image, draws(erased=0.29, tall=0.0, wide=1.0, top=0.0, left=0.0), config)
    touched = np.argwhere((changed != image).any(axis=2))
    assert touched.min() == 0
    assert tuple(touched.max(axis=0) + 1) == (4, 13)  # 12 % and 38 % of 33 pixels
    assert len(np.unique(changed[:4, :13].reshape(-1, 3), axis=0)) == 1


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("which", [0.1, 0.3, 0.6, 0.9], ids=["blur", "shrink", "jpeg", "noise"])
def test_worsening_is_seen_and_grows(which: float, channels: int) -> None:
    coarse = cv2.resize(picture(channels, 9), (48, 48), interpolation=cv2.INTER_NEAREST)
    image = np.asarray(coarse, np.uint8).reshape(48, 48, channels)
    config = replace(NOTHING, worsening=0.5)
    assert (augment(image, draws(worsened=0.6, which=which), config) == image).all()
    amounts = (1.0, 0.5, 0.0) if which in (0.3, 0.6) else (0.0, 0.5, 1.0)
    changed = [augment(image, draws(worsened=0.4, which=which, much=m), config) for m in amounts]
    far = [float(np.abs(one.astype(int) - image).mean()) for one in changed]
    assert 1 < far[0] < far[1] < far[2] < 60


@pytest.mark.parametrize("channels", [1, 3])
def test_random_changes_keep_shape_and_leave_the_photo_alone(channels: int) -> None:
    image = picture(channels)
    kept = image.copy()
    for row in np.random.default_rng(1).random((50, DRAWS), dtype=np.float32):
        changed = augment(image, row, TrainConfig(erasing=1.0, worsening=1.0))
        assert changed.shape == image.shape
        assert changed.dtype == np.uint8
        assert (augment(image, row, TrainConfig(erasing=1.0, worsening=1.0)) == changed).all()
    assert (image == kept).all()
