"""A cut and a fade are told from motion, light and noise."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from happysad.video.cuts import CutDetector, difference

RNG = np.random.default_rng(0)


def room() -> NDArray[np.uint8]:
    """A grey picture of patches, 96x96: each crop of 64x64 is a view of the room."""
    patches = RNG.integers(20, 200, (12, 12)).astype(np.uint8)
    return np.kron(patches, np.ones((8, 8), np.uint8))


ONE, OTHER = room(), room()
VIEW = ONE[16:80, 16:80]


@pytest.mark.parametrize(
    ("now", "cut"),
    [
        pytest.param(VIEW, False, id="the same"),
        pytest.param(ONE[18:82, 13:77], False, id="a pan"),
        pytest.param((VIEW * 1.2).astype(np.uint8), False, id="more light"),
        pytest.param((VIEW * 0.8).astype(np.uint8), False, id="less light"),
        pytest.param((VIEW + RNG.integers(0, 9, (64, 64))).astype(np.uint8), False, id="noise"),
        pytest.param(OTHER[16:80, 16:80], True, id="another room"),
        pytest.param(VIEW[:, ::-1], True, id="the other side"),
    ],
)
def test_a_cut(now: NDArray[np.uint8], cut: bool) -> None:
    detector = CutDetector()
    assert [detector.step_small(picture) for picture in (VIEW, now, now)] == [False, cut, False]


def test_another_face_before_the_same_wall_is_a_cut_where_nothing_else_moves() -> None:
    swapped = VIEW.copy()
    swapped[20:44, 20:44] = OTHER[20:44, 20:44]
    assert 0.1 < difference(VIEW, swapped) < 0.3
    detector = CutDetector()
    pictures = [VIEW] * 10 + [swapped] * 3
    assert [detector.step_small(picture) for picture in pictures] == [False] * 10 + [True] + [
        False
    ] * 2


@pytest.mark.parametrize("frames", [8, 12, 24])
@pytest.mark.parametrize("other", [OTHER[16:80, 16:80], np.zeros_like(VIEW)], ids=["room", "black"])
def test_a_fade_ends_the_shot(frames: int, other: NDArray[np.uint8]) -> None:
    shares = [0.0] * 20 + [*np.linspace(0, 1, frames)] + [1.0] * 20
    detector = CutDetector()
    mixed = [((1 - share) * VIEW + share * other).astype(np.uint8) for share in shares]
    cuts = [at for at, one in enumerate(mixed) if detector.step_small(one)]
    assert shares[cuts[-1]] > 0.4  # the last one comes when little is left of the first shot
    assert cuts[-1] < 20 + frames + 6


def test_a_long_pan_is_no_fade() -> None:
    detector = CutDetector()
    assert not any(detector.step_small(ONE[16:80, at : at + 64]) for at in range(32))
