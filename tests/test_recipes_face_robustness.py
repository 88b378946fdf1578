"""Each change does what its strength says, and the table tells what it cost."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from happysad.classifier import Classifier
from happysad.errors import DatasetError
from happysad.evaluation.metrics import Figure, score
from happysad.images import Pixels
from recipes.face.robustness import CHANGES, Change, Row, costliest, markdown, measure
from tests.classifiers import brightness_classifier, three_class_classifier
from tests.pictures import photo

BY_NAME = {change.name: change for change in CHANGES}


def crop(seed: int = 0, channels: int = 1, side: int = 48) -> Pixels:
    return photo(seed, side, side, channels)[..., :channels].copy()


def applied(name: str, image: Pixels, strength: float, seed: int = 0) -> NDArray[np.float64]:
    changed = BY_NAME[name].apply(image, strength, np.random.default_rng(seed))
    return changed.astype(np.float64)


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.name)
@pytest.mark.parametrize(("side", "channels"), [(48, 1), (48, 3), (64, 3)])
def test_a_change_is_pure_and_seeded(change: Change, side: int, channels: int) -> None:
    image = crop(1, channels, side)
    before = image.copy()
    for strength in change.strengths:
        first, again = (change.apply(image, strength, np.random.default_rng(7)) for _ in range(2))
        assert first.shape == image.shape
        assert first.dtype == np.uint8
        assert np.array_equal(first, again)
        assert not np.array_equal(first, image)
    assert np.array_equal(image, before)


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.name)
def test_later_strengths_are_the_severer_ones(change: Change) -> None:
    # Contrast is first raised, then lowered further and further.
    strengths = change.strengths[1:] if change.name == "contrast" else change.strengths
    images = [crop(seed) for seed in range(20)]
    moved = [
        np.mean([np.abs(applied(change.name, image, s) - image).mean() for image in images])
        for s in strengths
    ]
    assert len(change.strengths) in (2, 3)
    assert moved == sorted(moved)


def test_blur_counts_its_sigma_in_percent_of_the_side() -> None:
    point = np.zeros((101, 101, 1), np.uint8)
    point[50, 50] = 255
    column = cv2.getGaussianKernel(31, 2.02).ravel()
    expected = 255 * np.outer(column, column)
    blurred = applied("blur", point, 2)[35:66, 35:66, 0]
    assert np.abs(blurred - expected).max() < 1


def test_noise_has_its_sigma() -> None:
    grey = np.full((200, 200, 1), 128, np.uint8)
    noise = applied("noise", grey, 16) - 128
    assert noise.std() == pytest.approx(16, rel=0.03)
    assert abs(noise.mean()) < 0.5


def test_jpeg_is_what_cv2_writes_at_that_quality() -> None:
    image = crop(2, 3)
    file = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 10])[1]
    expected = np.asarray(cv2.imdecode(file, cv2.IMREAD_COLOR))
    assert np.array_equal(applied("JPEG", image, 10), expected)


@pytest.mark.parametrize(
    ("name", "strength", "expected"),
    [
        ("darkness", 0.5, [0, 25, 50, 62]),
        ("contrast", 0.5, [34, 59, 84, 96]),  # about the mean, 68.5
        ("contrast", 2, [0, 32, 132, 180]),  # -68.5, 31.5, 131.5, 179.5, to even, kept in range
    ],
)
def test_darkness_and_contrast_are_maps_of_levels(
    name: str, strength: float, expected: list[int]
) -> None:
    image = np.array([[[0], [50]], [[100], [124]]], np.uint8)
    assert applied(name, image, strength).ravel().tolist() == expected


def test_rotation_turns_by_its_degrees_to_both_sides() -> None:
    bar = np.zeros((101, 101, 1), np.uint8)
    bar[20:50, 48:53] = 255  # upwards from the middle
    angles = []
    for seed in range(20):
        rows, columns = np.nonzero(applied("rotation", bar, 20, seed)[..., 0] > 127)
        angles.append(np.degrees(np.arctan2(columns.mean() - 50, 50 - rows.mean())))
    assert np.abs(angles) == pytest.approx(20, abs=1)
    assert min(angles) < 0 < max(angles)


def test_small_size_keeps_no_finer_detail() -> None:
    stripes = np.zeros((48, 48, 1), np.uint8)
    stripes[:, ::2] = 255
    assert np.ptp(applied("small size", stripes, 24)) == 0
    halves = np.zeros((48, 48, 1), np.uint8)
    halves[:, 24:] = 255
    assert applied("small size", halves, 16)[:, :20].max() == 0


@pytest.mark.parametrize(("name", "strength"), [("loose crop", 1.5), ("tight crop", 0.7)])
def test_a_crop_scales_about_the_middle(name: str, strength: float) -> None:
    image = np.full((90, 90, 1), 40, np.uint8)
    image[30:60, 30:60] = 200
    seen = applied(name, image, strength)[..., 0] > 120
    assert seen.any(axis=0).sum() == pytest.approx(30 / strength, abs=1)
    rows, columns = np.nonzero(seen)
    assert (rows.mean(), columns.mean()) == pytest.approx((44.5, 44.5), abs=0.6)


def test_a_loose_crop_repeats_its_border() -> None:
    image = np.zeros((60, 60, 1), np.uint8)
    image[:, :30], image[:, 30:] = 10, 90
    loose = applied("loose crop", image, 1.5)
    assert set(loose[:, 0].ravel()) == {10}
    assert set(loose[:, -1].ravel()) == {90}


def test_occlusion_paints_one_square_that_grows_where_it_is() -> None:
    image = crop(3)
    spots = [applied("occlusion", image, s) != image for s in BY_NAME["occlusion"].strengths]
    for spot, strength in zip(spots, BY_NAME["occlusion"].strengths, strict=True):
        rows, columns, _ = np.nonzero(spot)
        side = round(strength * 48)
        # A pixel may have had the square's shade before.
        assert 0.9 * side**2 < len(rows) <= side**2
        assert max(np.ptp(rows), np.ptp(columns)) < side
    assert (spots[0] & ~spots[2]).sum() <= 0.05 * spots[0].sum()
    elsewhere = applied("occlusion", image, 0.2, seed=1) != image
    assert not np.array_equal(elsewhere, spots[0])


@pytest.fixture
def bright(tmp_path: Path) -> Classifier:
    """Answers the second class where the mean is above 100."""
    return Classifier(brightness_classifier(tmp_path / "b.onnx", size=48, channels=1, middle=100.0))


def crops_of_two_levels(n: int) -> tuple[Pixels, NDArray[np.intp], list[str]]:
    y = np.arange(n) % 2
    levels = np.where(y == 1, 150, 50)[:, None, None, None]
    images = np.broadcast_to(levels, (n, 48, 48, 1)).astype(np.uint8)
    return images, y, [str(number // 2) for number in range(n)]


def by_change(rows: list[Row]) -> dict[tuple[str | None, float | None], Row]:
    return {(row.change, row.strength): row for row in rows}


def test_the_table_tells_what_each_change_costs(bright: Classifier) -> None:
    images, y, groups = crops_of_two_levels(150)
    measured = measure(bright, images, y, groups)
    rows = by_change(measured)
    assert len(rows) == len(measured) == 1 + sum(len(change.strengths) for change in CHANGES)
    perfect, dark = rows[None, None], rows["darkness", 0.5]
    assert (perfect.recall.value, perfect.difference.value) == (1.0, 0.0)
    # At half the light every mean is below 100: only the first class is answered.
    assert (dark.recall.value, dark.difference.value) == (0.5, -0.5)
    assert dark.difference.interval == (-0.5, -0.5)
    assert rows["blur", 6].difference.value == 0.0
    assert dark.words == "darkness, levels times 0.5"


def test_figures_and_paired_intervals(bright: Classifier) -> None:
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 200)
    levels = (np.where(y == 1, 115, 85) + rng.normal(0, 25, 200))[:, None, None, None]
    images = np.broadcast_to(levels, (200, 48, 48, 1)).astype(np.uint8)
    groups = [str(number // 4) for number in range(200)]
    rows = by_change(measure(bright, images, y, groups, seed=3))
    dark, whole = rows["darkness", 0.5], rows[None, None]
    halved = np.rint(images * 0.5).astype(np.uint8)
    scored = score(
        y,
        bright.run({"image": halved}).probabilities,
        groups,
        classes=("happy", "sad"),
        seed=3,
    )
    assert dark.recall == scored.balanced_accuracy
    assert dark.recall.value is not None and whole.recall.value is not None
    assert dark.difference.value == pytest.approx(dark.recall.value - whole.recall.value)
    assert dark.difference.interval is not None
    low, high = dark.difference.interval
    assert low < (dark.difference.value or 0) < high
    # Blurring a plain crop does nothing; pairing shows it without any doubt.
    assert rows["blur", 2].difference.interval == (0.0, 0.0)


def test_the_seed_decides_everything(bright: Classifier) -> None:
    images = np.stack([crop(seed) for seed in range(40)])
    y = (images.mean(axis=(1, 2, 3)) > 125).astype(int)
    groups = [str(number) for number in range(40)]
    tables = [measure(bright, images, y, groups, seed=seed) for seed in (1, 1, 2)]
    assert tables[0] == tables[1]
    assert tables[0] != tables[2]


def test_three_classes_have_a_mean_recall(tmp_path: Path) -> None:
    three = Classifier(three_class_classifier(tmp_path / "three.onnx", size=48))
    images = np.stack([np.full((48, 48, 3), level, np.uint8) for level in (20, 120, 240)] * 10)
    rows = by_change(measure(three, images, np.arange(30) % 3, [str(n) for n in range(30)]))
    assert rows[None, None].recall.value == 1.0
    # At a tenth of the light every face is happy.
    assert rows["darkness", 0.1].recall.value == pytest.approx(1 / 3)
    assert rows["darkness", 0.1].difference.value == pytest.approx(-2 / 3)


def one_class(n: int) -> list[int]:
    return [1] * n


def one_group(n: int) -> list[int]:
    return [number % 2 for number in range(n)]


@pytest.mark.parametrize(
    ("truth", "group", "difference"),
    [
        (one_class, str, None),  # no mean recall without the other class
        (one_group, lambda _: "one", 0.0),  # no interval from one group
    ],
)
def test_what_is_undefined_is_none(
    bright: Classifier,
    truth: Callable[[int], list[int]],
    group: Callable[[int], str],
    difference: float | None,
) -> None:
    images, _, _ = crops_of_two_levels(4)
    measured = measure(bright, images, truth(4), [group(n) for n in range(4)])
    assert measured[1].difference.value == difference
    assert measured[1].difference.interval is None
    assert "blur, sigma 2 % of the side" in markdown(measured, 4, 1)


def test_nothing_to_judge_is_refused(bright: Classifier) -> None:
    with pytest.raises(DatasetError):
        measure(bright, np.zeros((0, 48, 48, 1), np.uint8), [], [])


def test_the_markdown_has_a_line_for_each_strength(bright: Classifier) -> None:
    images, y, groups = crops_of_two_levels(40)
    lines = markdown(measure(bright, images, y, groups), 40, 20).splitlines()
    assert lines[0].startswith("| n = 40 in 20 groups |")
    assert lines[2] == "| as they are | 1.000 (1.000 to 1.000) |  |"
    (dark,) = [line for line in lines if line.startswith("| darkness, levels times 0.5 |")]
    assert dark.endswith("| 0.500 (0.500 to 0.500) | -50.0 (-50.0 to -50.0) |")
    assert len({line.count("|") for line in lines}) == 1


def lost(change: str | None, difference: float | None, high: float = -0.01) -> Row:
    span = None if difference is None else (difference - 0.02, high)
    return Row(
        change=change,
        strength=1,
        meaning="strength 1",
        recall=Figure(0.9, (0.8, 1.0)),
        difference=Figure(difference, span),
    )


def test_the_costliest_changes_come_once_each_at_their_worst() -> None:
    rows = [
        lost(None, 0.0),
        lost("blur", -0.05),
        lost("blur", -0.2),
        lost("blur", -0.1),
        lost("noise", -0.3),
        lost("JPEG", -0.02, high=0.01),  # may cost nothing
        lost("contrast", None),  # a class is missing
        lost("darkness", -0.04),
    ]
    named = [(row.change, row.difference.value) for row in costliest(rows, 9)]
    assert named == [("noise", -0.3), ("blur", -0.2), ("darkness", -0.04)]
    assert [row.change for row in costliest(rows, 1)] == ["noise"]
