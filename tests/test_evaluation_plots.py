"""Every figure can be drawn for ordinary and odd input, with the same bytes each time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from happysad.evaluation import plots
from happysad.evaluation.metrics import Figure
from happysad.evaluation.slices import Slice
from happysad.images import Pixels, read
from happysad.run import Epoch
from tests.pictures import photo
from tests.test_run import CURVE, point

LABELS = ("happy", "sad")
Y = np.array([0, 1, 1, 0, 1, 0, 1, 1])
P = np.array([0.0, 0.9, 1.0, 0.4, 0.3, 0.6, 0.5, 0.97])


def history(epochs: int) -> list[Epoch]:
    return [
        Epoch(
            epoch=epoch,
            seconds=1.0,
            images_per_second=10.0,
            learning_rate=0.001,
            loss=0.7 / epoch,
            accuracy=1 - 0.35 / epoch,
            val_loss=0.5 + 0.1 * abs(epoch - 2),
            val_accuracy=0.8,
        )
        for epoch in range(1, epochs + 1)
    ]


def mistake(pixels: Pixels, path: str = "happy/one.jpg") -> plots.Mistake:
    return plots.Mistake(pixels, path, "happy", "sad", 0.93)


def images(n: int, channels: int) -> Pixels:
    return np.stack([photo(seed, 32, 32)[..., :channels] for seed in range(n)])


SLICES = [
    Slice(
        name=f"face size: {name}",
        n=120 if p is None else 1200,
        others=1300,
        accuracy=Figure(0.9 + gap, (0.87 + gap, 0.93 + gap)),
        gap=Figure(gap, (gap - 0.05, gap + 0.05)),
        p=p,
    )
    for name, gap, p in (
        ("up to 40 px", -0.08, 0.001),
        ("40 to 80 px", 0.0, 0.5),
        ("above 80 px", 0.06, 0.01),
        ("above 400 px", -0.1, None),
    )
]

CASES: dict[str, Callable[[Path], None]] = {
    "samples in colour": lambda f: plots.samples(images(9, 3), np.arange(9) % 2, LABELS, f),
    "one grey sample": lambda f: plots.samples(images(1, 1), np.zeros(1), LABELS, f),
    "confusion": lambda f: plots.confusion([[7, 2], [1, 1234]], LABELS, f),
    "confusion, one class missing": lambda f: plots.confusion([[0, 0], [1, 2]], LABELS, f),
    "curves": lambda f: plots.roc_pr(Y, P, LABELS, f),
    "curves, one class missing": lambda f: plots.roc_pr(np.ones(8), P, LABELS, f),
    "calibration": lambda f: plots.calibration(Y, P, LABELS, f, ece=0.1, before=P**2),
    "calibration, one photo": lambda f: plots.calibration(Y[:1], P[:1], LABELS, f, ece=0.0),
    "slices": lambda f: plots.slices(SLICES, 0.9, f),
    "worst": lambda f: plots.worst([mistake(photo(s, 40 + s, 60)) for s in range(8)], 20, 99, f),
    "worst, grey": lambda f: plots.worst([mistake(images(1, 1)[0])], 1, 99, f),
    "no mistakes": lambda f: plots.worst([], 0, 99, f),
    # A $ does not start a formula, and a letter that the font lacks is no error.
    "odd names": lambda f: plots.worst([mistake(photo(0), "$\\frac{/開心.jpg$")], 1, 9, f),
    "confusion of three": lambda f: plots.confusion(
        [[7, 2, 0], [1, 9, 3], [0, 0, 4]], ("happy", "neither", "sad"), f
    ),
    "odd labels": lambda f: plots.confusion([[1, 2], [3, 4]], ("$\\sum{$", "開心"), f),
}


@pytest.mark.parametrize("draw", CASES.values(), ids=CASES.keys())
def test_a_picture_comes_the_same_each_time(draw: Callable[[Path], None], tmp_path: Path) -> None:
    draw(tmp_path / "one.png")
    draw(tmp_path / "two.png")
    pixels = read(tmp_path / "one.png")
    assert min(pixels.shape[:2]) >= 200
    assert len(np.unique(pixels)) > 10
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()
    assert b"Software" not in (tmp_path / "one.png").read_bytes()


@pytest.mark.parametrize("kind", ["samples", "mistakes"])
def test_a_grid_shows_every_picture_whole(kind: str, tmp_path: Path) -> None:
    """The 9 pictures have different levels of red, and the same area each."""
    levels = np.arange(20, 200, 20, dtype=np.uint8)
    reds = np.zeros((9, 32, 32, 3), np.uint8)
    reds[..., 0] = levels[:, None, None]
    if kind == "samples":
        plots.samples(reds, np.arange(9) % 2, LABELS, tmp_path / "one.png")
    else:
        plots.worst([mistake(red[:, 8:]) for red in reds], 9, 99, tmp_path / "one.png")
    pixels = read(tmp_path / "one.png")
    areas = [int((pixels == (level, 0, 0)).all(axis=2).sum()) for level in levels]
    expected = 170**2 if kind == "samples" else 236 * 177
    assert areas == pytest.approx([expected] * 9, rel=0.1)


@pytest.mark.parametrize("sizes", [(20, 40), (10, 20, 40, 80, 160, 320, 640, 1500, 3000)])
def test_a_learning_curve_has_both_lines_with_their_bands(
    sizes: tuple[int, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    points = tuple(point(size, 0.3 + 3 / size) for size in sizes)
    curve = replace(CURVE, points=points)
    figures = []
    save = plots.save

    def keep(figure: Any, file: Path) -> None:
        figures.append(figure)
        save(figure, file)

    monkeypatch.setattr(plots, "save", keep)
    plots.learning_curve(curve, tmp_path / "one.png")
    plots.learning_curve(curve, tmp_path / "two.png")
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()
    figure = figures[0]
    assert figure.get_suptitle().startswith("More photos would still help\n")
    for ax, unit in zip(figure.axes, ("share of right", "log loss"), strict=True):
        assert ax.get_xscale() == "log"
        assert [label.get_text() for label in ax.get_xticklabels()] == [f"{s:,}" for s in sizes]
        assert ax.get_ylabel().startswith(unit)
        words = [text.get_text() for text in ax.get_legend().get_texts()]
        assert words == ["photos trained on", "held-out photos"]
        assert len(ax.collections) == 2
        assert all(list(line.get_xdata()) == list(sizes) for line in ax.lines)


@pytest.mark.parametrize("epochs", [1, 2, 40])
def test_the_curves_are_two_files(epochs: int, tmp_path: Path) -> None:
    plots.curves(history(epochs), tmp_path)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["accuracy.png", "loss.png"]


def test_the_kept_epoch_is_the_one_with_the_lowest_validation_loss(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    titles = []
    monkeypatch.setattr(
        plots, "save", lambda figure, file: titles.append(figure.axes[0].get_title(loc="left"))
    )
    plots.curves(history(5), tmp_path)
    assert titles == [
        "Validation loss is lowest (0.500) after epoch 2 of 5, whose weights are kept",
        "At the kept epoch, 2, 80.0 % of the validation photos are right",
    ]


def test_reliability_by_hand() -> None:
    p, share, low, high = plots._reliability(np.array([0, 1, 1]), np.array([0.12, 0.18, 1.0]))
    assert p == pytest.approx([0.15, 1.0])
    assert share == pytest.approx([0.5, 1.0])
    # Wilson's interval of 1 in 2 and of 1 in 1.
    assert low == pytest.approx([0.0945, 0.2065], abs=1e-3)
    assert high == pytest.approx([0.9055, 1.0], abs=1e-3)


def test_no_global_state_of_matplotlib_is_used() -> None:
    source = Path(plots.__file__).read_text(encoding="utf-8")
    assert "import matplotlib.pyplot" not in source
    assert "rcParams" not in source
