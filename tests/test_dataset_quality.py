"""cleanvision's findings become notes."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from happysad.dataset import quality
from happysad.dataset.manifest import Manifest
from happysad.dataset.scan import scan
from happysad.images import Pixels
from tests.pictures import photo, save


def noise(height: int, width: int, low: int = 0, high: int = 255) -> Pixels:
    return np.random.default_rng(0).integers(low, high, (height, width, 3), dtype=np.uint8)


def ramp() -> Pixels:
    """Return a picture with many greys from left to right and no edge."""
    y, x = np.mgrid[:64, :64]
    return np.repeat((40 + 2 * x + y // 32).astype(np.uint8)[..., None], 3, axis=2)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Ten ordinary photos, and one photo with each issue."""
    for number in range(5):
        save(tmp_path / "happy" / f"{number}.png", noise(64 + number, 64))
        save(tmp_path / "sad" / f"{number}.png", noise(64, 64 + number))
    odd = {
        "dark": noise(64, 64, 0, 30),
        "light": noise(64, 64, 250, 255),
        "low information": np.full((64, 64, 3), 127, np.uint8),
        "odd aspect ratio": noise(30, 130),
        "odd size": noise(900, 900),
        "blurry": ramp(),
    }
    for name, pixels in odd.items():
        save(tmp_path / "sad" / f"{name}.png", pixels)
    return tmp_path


def notes(table: pd.DataFrame) -> dict[str, str]:
    return dict(zip(table["path"], table["notes"], strict=True))


def test_each_oddity_is_noted_and_leaves_nothing_out(root: Path) -> None:
    scanned = scan(root)
    flagged = quality.flag(scanned.table, scanned.measures)
    found = notes(flagged)
    assert {path: text for path, text in found.items() if path[-5].isdigit() and text} == {}
    for path, text in found.items():
        assert path[-5].isdigit() or Path(path).stem in text.split("; "), path
    assert (flagged["reason"] == "").all()


def test_it_says_what_imagelab_says(root: Path) -> None:
    from cleanvision import Imagelab

    scanned = scan(root)
    flagged = quality.flag(scanned.table, scanned.measures)
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        lab = Imagelab(filepaths=[str(root / path) for path in flagged["path"]], verbose=False)
        lab.find_issues({issue: {} for issue in quality.ISSUES}, n_jobs=1, verbose=False)
    for issue in quality.ISSUES:
        ours = [issue in codes.split() for codes in flagged["note_codes"]]
        assert ours == lab.issues[f"is_{issue}_issue"].tolist(), issue


def test_photos_known_before_keep_their_notes(
    root: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    first = scan(root)
    flagged = quality.flag(first.table, first.measures)
    again = scan(root, earlier=Manifest(root, flagged))
    assert again.measures.empty
    assert notes(quality.flag(again.table, again.measures)) == notes(flagged)
    assert capfd.readouterr().out == ""


def test_an_odd_size_is_judged_anew(root: Path) -> None:
    first = scan(root)
    flagged = quality.flag(first.table, first.measures)
    for path in root.rglob("[0-9].png"):
        path.unlink()
    for number in range(10):
        save(root / "happy" / f"large{number}.png", np.full((900, 900, 3), number, np.uint8))
    again = scan(root, earlier=Manifest(root, flagged))
    assert "odd size" not in notes(quality.flag(again.table, again.measures))["sad/odd size.png"]


def test_photos_that_were_not_audited_are_read_again(root: Path) -> None:
    first = scan(root, quality=False)
    assert first.measures.empty
    assert set(notes(first.table).values()) == {"quality not audited"}
    assert scan(root, earlier=Manifest(root, first.table), quality=False).measures.empty
    again = scan(root, earlier=Manifest(root, first.table))
    assert len(again.measures) == len(first.table)
    assert set(notes(again.table).values()) == {""}


def test_large_photos_are_shrunk_alone() -> None:
    assert quality.shrink(photo(1, 1023, 700)).size == (700, 1023)
    assert quality.shrink(photo(1, 1024, 700)).size == (350, 512)
    bits = [int(quality.phash(quality.shrink(photo(1, side, side))), 16) for side in (300, 3000)]
    assert (bits[0] ^ bits[1]).bit_count() <= 2
