"""The best photo of a burst is a sharp one on which most faces are happy."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import cv2
import numpy as np
import pytest

from happysad.batch.bursts import Shot, pick, rate
from happysad.batch.results import Results
from happysad.batch.tagging import Tagged, tag, untag
from tests.command_line import run_command
from tests.file_tree import tree
from tests.pictures import photo, save
from tests.sidecars import SIDECARS
from tests.written_results import answer, face, write_results

START = datetime(2026, 5, 1, 12)


def picture(file: Path, scene: int = 0, blur: float = 0) -> Path:
    """Write a photo of a scene with fine detail, which a blur removes."""
    pixels = photo(scene, 96, 128) // 2
    detail = np.random.default_rng(scene).integers(0, 2, (48, 64), dtype=np.uint8) * 90
    pixels = pixels + np.repeat(np.repeat(detail, 2, 0), 2, 1)[..., None]
    if blur:
        pixels = np.asarray(cv2.GaussianBlur(pixels, (0, 0), blur), np.uint8)
    return save(file, pixels)


def shot(file: Path, seconds: float, happy: int = 0, probability: float = 0.5) -> Shot:
    taken = START + timedelta(seconds=seconds)
    return Shot(photo=file, taken=taken, happy=happy, probability=probability)


# The photos of a folder: scene, blur, seconds, happy faces, probability; then the best of each
# burst.
CASES = {
    "most happy faces": ([(0, 0, 0, 1, 0.5), (0, 0, 1, 2, 0.5), (0, 0, 2, 1, 0.9)], ["1"]),
    "the happiest of two": ([(0, 0, 0, 1, 0.6), (0, 0, 1, 1, 0.9)], ["1"]),
    "no blurred one": ([(0, 0, 0, 1, 0.5), (0, 3, 1, 2, 0.9)], ["0"]),
    "blurred ones alone": ([(0, 3, 0, 1, 0.5), (0, 3, 1, 2, 0.9)], ["1"]),
    "a slow row": ([(0, 0, 3 * n, n, 0.5) for n in range(4)], ["3"]),
    "too slow": ([(0, 0, 0, 1, 0.5), (0, 0, 4, 2, 0.5)], []),
    "another scene": ([(0, 0, 0, 1, 0.5), (1, 0, 1, 2, 0.5)], []),
    "two scenes": ([(0, 0, 0, 1, 0.5), (0, 0, 1, 0, 0.5), (1, 0, 1, 2, 0.5)], ["0"]),
    "two rows": (
        [(0, 0, 0, 1, 0.5), (0, 0, 1, 0, 0.5), (1, 0, 2, 0, 0.5), (1, 0, 3, 2, 0.5)],
        ["0", "3"],
    ),
    "one photo": ([(0, 0, 0, 1, 0.5)], []),
}


@pytest.mark.parametrize(("shots", "best"), CASES.values(), ids=CASES)
def test_bursts_and_their_best(
    shots: list[tuple[int, float, float, int, float]], best: list[str], tmp_path: Path
) -> None:
    made = [
        shot(picture(tmp_path / f"{number}.png", scene, blur), seconds, happy, probability)
        for number, (scene, blur, seconds, happy, probability) in enumerate(shots)
    ]
    assert [one.best.photo.stem for one in pick(reversed(made))] == best


def test_only_photos_of_one_folder_are_a_burst(tmp_path: Path) -> None:
    files = [picture(tmp_path / folder / "a.png") for folder in ("card", "copy")]
    assert list(pick(shot(file, 0) for file in files)) == []


def test_a_photo_that_is_gone_is_named(tmp_path: Path) -> None:
    said: list[str] = []
    files = [picture(tmp_path / "a.png"), tmp_path / "b.png", picture(tmp_path / "c.png")]
    [burst] = pick((shot(file, place) for place, file in enumerate(files)), said.append)
    assert [one.photo for one in burst.shots] == [files[0], files[2]]
    assert said == [f"{files[1]}: no such file or directory"]


def test_sharpness_is_that_of_the_faces(tmp_path: Path) -> None:
    sharp, moved = picture(tmp_path / "a.png"), tmp_path / "b.png"
    pixels = cv2.imread(str(sharp))
    assert pixels is not None
    pixels[20:60, 30:80] = cv2.GaussianBlur(pixels[20:60, 30:80], (0, 0), 3)
    save(moved, np.ascontiguousarray(pixels[..., ::-1], np.uint8))
    boxes = ((30.0, 20.0, 50.0, 40.0), (-9.0, -9.0, 5.0, 5.0))  # the second one lies outside
    shots = [
        Shot(photo=file, taken=START, happy=happy, probability=0.5, boxes=boxes)
        for happy, file in enumerate((sharp, moved))
    ]
    [burst] = pick(shots)
    assert burst.best.photo == sharp


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A burst of three, in which c.png is happiest, and a photo of the next day."""
    for name in "abcd":
        picture(tmp_path / "photos" / f"{name}.png")
    return tmp_path / "photos"


def results(photos: Path, out: str = "out", happiest: str = "c") -> Results:
    """Write results in which the faces of one photo are happy."""
    files = sorted(photos.glob("*.png"))
    answers = [
        answer(file, *[face("happy" if file.stem == happiest else "sad")] * 2) for file in files
    ]
    taken = {str(file): START + timedelta(seconds=place) for place, file in enumerate(files)}
    taken[str(photos / "d.png")] = datetime(2026, 5, 2, 12, tzinfo=UTC)
    return write_results(photos.parent / out, photos, answers, taken)


def rated(photos: Path) -> list[str]:
    return [name for name, data in sorted(tree(photos).items()) if b"Rating>5" in data]


def test_the_best_gets_five_stars_and_loses_them_to_another(photos: Path) -> None:
    before = tree(photos)
    first = results(photos)
    assert rate(first).sidecars == Tagged(1, 3, 0)
    assert rated(photos) == ["c.png.xmp"]
    assert rate(first).sidecars.changed == 0
    second = results(photos, "other", "b")
    tag(second)
    assert rate(second).bursts == 1
    assert rated(photos) == ["b.png.xmp"]
    assert tag(second).changed == 0
    untag(second)
    assert tree(photos) == before


def test_a_rating_of_the_user_stays(photos: Path) -> None:
    (photos / "c.xmp").write_bytes(SIDECARS["lightroom"])
    before = tree(photos)
    said: list[str] = []
    assert rate(results(photos), "lightroom", say=said.append).sidecars.failed == 0
    assert said == [f"{photos / 'c.png'}: the best of its burst; your own rating stays"]
    assert tree(photos) == before


def test_from_the_command_line(photos: Path) -> None:
    out = results(photos).folder
    done = run_command("report", out, "--best")
    assert (done.status, done.lines[-2:]) == (
        0,
        ["1 burst, 1 rating written or taken back", f"happysad report {out} --untag undoes it"],
    )
    library = out / "library.json"
    library.write_text(library.read_text().replace('"happy"', '"glad"'))
    for part in (*out.glob("photos/*"), *out.glob("faces/*")):
        part.write_text(part.read_text().replace('"happy"', '"glad"'))
    done = run_command("report", out, "--best")
    assert done.status == 2
    assert b"the best photos are those of happy faces; the classes are glad, sad" in done.stderr
