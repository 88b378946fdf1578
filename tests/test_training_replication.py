"""Both protocols on a tiny set: which photos each sees, and that nothing is trained twice."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from happysad.dataset.arrays import Arrays
from happysad.errors import DatasetError
from happysad.training.replication import deal, replicate, tutorials_batches
from tests.pictures import folders, photo, save


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """80 photos, one of them in both classes."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    data = folders(tmp_path / "data", each=39)
    for label in ("happy", "sad"):
        save(data / label / "both.png", photo(7777))
    return data


@pytest.mark.parametrize(
    ("photos", "train", "test"),
    [
        (301, 7, 1),  # ../shared/data/scenes: 10 batches, the last of 13 photos
        (305, 7, 1),
        (33, 1, 1),  # the fewest: two batches
        (200, 4, 1),  # 7 batches: 4.9 are 4, and 0.7 are none, but one is needed
        (3200, 70, 10),
    ],
)
def test_the_tutorials_count_batches(photos: int, train: int, test: int) -> None:
    assert tutorials_batches(photos) == (train, test)


def test_dealing_keeps_groups_together_and_classes_even() -> None:
    groups = [f"g{number // 3}" for number in range(300)]
    classes = np.repeat([0.0, 1.0], 150).astype(np.float32)
    photos = Arrays({"image": np.zeros((300, 1, 1, 1), np.uint8)}, classes, groups)
    sides = [deal(photos, seed) for seed in range(4)]
    for train, unseen in sides:
        assert sorted([*train, *unseen]) == list(range(300))
        assert not {groups[i] for i in train} & {groups[i] for i in unseen}
        assert 0.27 <= len(unseen) / 300 <= 0.33
        assert 0.4 <= classes[unseen].mean() <= 0.6
    assert len({tuple(unseen) for _, unseen in sides}) == 4  # each seed deals anew
    assert (deal(photos, 2)[1] == sides[2][1]).all()


@pytest.mark.usefixtures("eager")
def test_it_measures_writes_and_does_nothing_twice(tiny: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    folders_and_size: dict[str, Any] = {
        "out": out,
        "check_folder": tmp_path / "check",
        "size": 32,
    }
    result = replicate(tiny, **folders_and_size, seeds=2, epochs=2)
    written = json.loads((out / "replicate.json").read_text())
    assert written == json.loads(json.dumps(asdict(result)))
    for run in result.protocols["tutorials"].runs:
        assert run.n == 80 - 64  # three batches: the last one is the test
        assert run.trained_on > 64  # two of three batches a pass, others in each
        assert 0 < run.seen_in_training <= 16
    for run in result.protocols["honest"].runs:
        assert run.trained_on + run.n == 78  # without the one in both classes
        assert run.seen_in_training == 0
    for protocol in result.protocols.values():
        assert protocol.interval is not None
        assert protocol.interval[0] <= protocol.accuracy <= protocol.interval[1]
        assert np.mean([run.accuracy for run in protocol.runs]) == protocol.accuracy
    assert len(result.table) == 3
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "data:image/png;base64," in page
    assert "in both classes, 2 files" in page

    picture = (out / "replicate.png").read_bytes()
    kept = {file: file.stat().st_mtime_ns for file in (out / "seeds").iterdir()}
    assert len(kept) == 4
    assert replicate(tiny, **folders_and_size, seeds=2, epochs=2) == result
    assert (out / "replicate.png").read_bytes() == picture
    assert {file: file.stat().st_mtime_ns for file in (out / "seeds").iterdir()} == kept
    replicate(tiny, **folders_and_size, seeds=1, epochs=1)  # other settings: trained anew
    renewed = {file.name for file, time in kept.items() if file.stat().st_mtime_ns != time}
    assert renewed == {"tutorials-0.json", "honest-0.json"}


@pytest.mark.parametrize(("each", "says"), [(8, "more than one batch of 32"), (17, "found 9")])
def test_too_few_photos_are_refused(tmp_path: Path, each: int, says: str) -> None:
    data = folders(tmp_path / "data", each=each)
    if each > 16:  # enough files, but of too few different pictures in one class
        for number in range(9, each):
            save(data / "sad" / f"{number:03}.png", photo(1008, 50 + number, 64))
    with pytest.raises(DatasetError, match=says):
        replicate(data, out=tmp_path / "out", check_folder=tmp_path / "check")
    assert not (tmp_path / "out").exists()
