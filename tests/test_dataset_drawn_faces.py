from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from happysad.dataset.drawn_faces import face, write_set
from happysad.errors import ImageError, UsageError
from happysad.images import read


def test_the_same_seed_draws_the_same_face_and_another_another() -> None:
    first, again, other = (face("happy", np.random.default_rng(seed), 64) for seed in (0, 0, 1))
    assert first.shape == (64, 64, 3)
    assert first.dtype == np.uint8
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_the_label_changes_the_face() -> None:
    happy, sad = (face(label, np.random.default_rng(3), 64) for label in ("happy", "sad"))
    assert not np.array_equal(happy, sad)


def test_another_label_is_refused() -> None:
    with pytest.raises(UsageError, match="label must be happy, sad, neither, not 'angry'"):
        face("angry", np.random.default_rng(0))


def test_the_dirt_lies_where_it_is_said(tmp_path: Path) -> None:
    dirt = write_set(tmp_path / "data", 20)
    root = tmp_path / "data"
    with pytest.raises(ImageError, match="not an image"):
        read(root / dirt.not_an_image)
    with pytest.raises(ImageError, match="truncated"):
        read(root / dirt.truncated)
    assert np.array_equal(read(root / dirt.duplicate), read(root / "happy/drawn-0000.jpg"))
    one, other = (read(root / path) for path in dirt.both_classes)
    assert np.array_equal(one, other)
    assert len(list((root / "happy").glob("drawn-*.jpg"))) == 10
    assert len(list((root / "sad").glob("drawn-*.jpg"))) == 10


def test_a_folder_in_use_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(UsageError, match="must be new or empty"):
        write_set(tmp_path, 20)
    assert [p.name for p in tmp_path.iterdir()] == ["mine.txt"]
