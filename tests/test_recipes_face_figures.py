"""The figures of three answers, checked by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from happysad.classifier import Classifier
from recipes.face.figures import curve, figures, reliability
from recipes.face.votes import HAPPY, NEITHER, SAD
from tests.classifiers import three_class_classifier


@pytest.fixture
def classifier(tmp_path: Path) -> Classifier:
    return Classifier(three_class_classifier(tmp_path / "three.onnx", unsure=(0.7, 0.5, 0.55)))


P = np.array(
    [
        # happy, neither, sad
        [0.8, 0.1, 0.1],
        [0.2, 0.5, 0.3],
        [0.1, 0.3, 0.6],
        [0.2, 0.45, 0.35],
        [0.1, 0.4, 0.5],
        [np.nan] * 3,
    ]
)
TRUTH = np.array([HAPPY, HAPPY, SAD, NEITHER, NEITHER, NEITHER])


def test_figures_of_known_answers(classifier: Classifier) -> None:
    found = figures(classifier, P, TRUTH, list("abcdef"))
    recalls = {name: one.recall.value for name, one in found.score.per_class.items()}
    assert recalls == {"happy": 0.5, "neither": pytest.approx(1 / 3), "sad": 1.0}
    assert found.score.balanced_accuracy.value == pytest.approx(11 / 18)
    # Of the neither faces with an answer both are less sad than the sad one.
    assert found.auc_sad_neither is not None and found.auc_sad_neither.value == 1.0
    # Without neither, one of the two happy ones is sadder than happy.
    assert found.happy_or_sad is not None and found.happy_or_sad.value == 0.75
    # Answered: 0.8 happy, 0.5 neither (wrong), 0.6 sad.
    assert found.default.coverage.value == 0.5
    assert found.default.selective_accuracy.value == pytest.approx(2 / 3)
    assert found.default.no_face.value == pytest.approx(1 / 6)
    assert found.default.labels["neither"] == {
        "happy": 0,
        "neither": 0,
        "sad": 0,
        "unsure": 2,
        "no_face": 1,
    }


def test_what_a_set_has_no_faces_for_is_none(classifier: Classifier) -> None:
    some = figures(classifier, P[:3], TRUTH[:3], list("abc"))
    assert some.auc_sad_neither is None
    assert some.calibration == {}


def test_calibration_errors_weigh_every_class_equally(classifier: Classifier) -> None:
    rng = np.random.default_rng(0)
    p = rng.dirichlet((1, 1, 1), 3_000)
    truth = np.array([rng.choice(3, p=row) for row in p])
    few_happy = (truth != HAPPY) | (rng.random(len(p)) < 0.3)
    p, truth = p[few_happy], truth[few_happy]
    groups = (np.arange(len(p)) // 10).astype(str).tolist()
    good = figures(classifier, p, truth, groups).calibration
    assert all(one.value is not None and one.value < 0.05 for one in good.values())
    sharper = p**3 / (p**3).sum(axis=1, keepdims=True)
    bad = figures(classifier, sharper, truth, groups).calibration
    assert all(one.value is not None and one.value > 0.08 for one in bad.values())
    points = reliability(p, truth, groups, HAPPY)
    assert sum(points.n) == len(p) and len(points.n) == 10
    np.testing.assert_allclose(points.probability, points.share, atol=0.12)
    ends = zip(points.low, points.share, points.high, strict=True)
    assert all(low <= share <= high and low < high for low, share, high in ends)


def test_the_curve_by_hand() -> None:
    # Sureness: the first, the second, the fourth (wrong), the third.
    p = np.array([[0.99, 0.005, 0.005], [0.03, 0.02, 0.95], [0.3, 0.4, 0.3], [0.1, 0.1, 0.8]])
    truth = np.array([HAPPY, SAD, NEITHER, HAPPY])
    found = curve(p, truth, ["a", "b", "c", "d"])
    assert len(found.coverage) == 100
    assert [found.coverage[k - 1] for k in (1, 25, 26, 75, 100)] == [0.25, 0.25, 0.5, 0.75, 1]
    assert [found.risk[k - 1] for k in (50, 75, 100)] == [0, pytest.approx(1 / 3), 0.25]
    # At full coverage it is how often one face in four is drawn: 0 to 3 of 4 in the middle 95 %.
    assert [found.low[99], found.high[99]] == pytest.approx([0, 0.75])
    alone = curve(p, truth, ["a"] * 4)
    assert alone.low == alone.high == pytest.approx(alone.risk)
