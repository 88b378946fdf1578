"""Photos that differ from each other."""

from __future__ import annotations

import numpy as np

from happysad.dataset.k_center import k_center


def test_chosen_photos_lie_far_from_each_other() -> None:
    heaps = np.repeat([[0.0, 0.0], [9.0, 9.0], [50.0, 50.0]], 5, axis=0)
    assert k_center(heaps, 3).tolist() == [5, 10, 0]


def test_photos_chosen_before_count() -> None:
    line = np.array([[0.0], [50.0], [49.0], [1.0], [20.0]])
    assert k_center(line, 3, chosen=2).tolist() == [4, 2, 3]


def test_each_photo_comes_once_even_among_equal_ones() -> None:
    equal = np.zeros((6, 2))
    assert sorted(k_center(equal, 6).tolist()) == list(range(6))
    assert sorted(k_center(equal, 4, chosen=2).tolist()) == [2, 3, 4, 5]
