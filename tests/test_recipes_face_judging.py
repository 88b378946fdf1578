"""Every figure of the card is of the faces that it names."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest

from happysad.classifier import Classifier
from happysad.dataset.drawn_faces import face
from happysad.models.face import EMOTIONS
from recipes.face import judging
from recipes.face.judging import judge
from recipes.face.packed_faces import Faces
from tests.classifiers import three_class_classifier
from tests.made_up_faces import faces_by_light
from tests.pictures import save


@pytest.fixture
def by_light(tmp_path: Path) -> Classifier:
    """Dark faces are happy, grey ones neither, bright ones sad."""
    return Classifier(
        three_class_classifier(tmp_path / "three.onnx", size=48, looks_at="face", channels=1)
    )


def test_votes_decide_and_ties_are_counted(by_light: Classifier, tmp_path: Path) -> None:
    test = faces_by_light(60)
    test.votes[:2] = -1  # without votes
    test.votes[2:5] = 1  # ties
    # A face labelled happy, which people call neutral and which is grey.
    test.folders[6], test.votes[6], test.images[6] = "happy", 0, 128
    test.votes[6, EMOTIONS.index("neutral")] = 10
    seen = np.zeros(60, bool)
    seen[10:13] = True
    found = judge(by_light, replace(test, seen=seen), tmp_path)
    assert (found.n, found.without_votes, found.tied, found.seen) == (60, 2, 3, 3)
    assert found.all_folders.score.n == 55
    assert found.three.score.n == sum(
        folder in ("happy", "neutral", "sad") for folder in test.folders[5:]
    )
    assert found.unseen is not None and found.unseen.score.n == found.three.score.n - 3
    assert found.three.score.balanced_accuracy.value == 1.0
    assert found.emotions["neutral"].labels["neither"]["neither"] == found.emotions["neutral"].n
    assert found.neutral is not None and found.neutral.n < found.all_folders.score.n
    assert found.by_labels_n == sum(folder in ("happy", "sad") for folder in test.folders)
    assert found.by_labels.value is not None and found.by_labels.value > 0.9
    assert found.generated is found.studio is found.scenes is None and found.people == ()


def test_photos_and_people_are_judged_like_a_users(
    by_light: Classifier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(0)
    for label in ("happy", "neutral"):
        for number in range(3):
            file = tmp_path / "colour" / "studio" / label / f"london_00{number}_08.png"
            save(file, face("happy", rng, 200) // 8)  # dark: happy
    save(tmp_path / "scenes" / "sad" / "empty.png", np.zeros((64, 64, 3), np.uint8))
    save(tmp_path / "scenes" / "happy" / "one.png", face("happy", rng, 200))
    save(tmp_path / "scenes" / "sad" / "two.png", face("sad", rng, 200))
    (tmp_path / "colour" / "people.csv").write_text(
        "person,age,sex,ethnicity\nlondon_000,20,female,white\nlondon_001,40,male,white\n"
        "london_002,,male,black\n"
    )
    seen = tmp_path / "seen.csv"
    known = sha256((tmp_path / "scenes" / "happy" / "one.png").read_bytes()).hexdigest()[:16]
    seen.write_text(f"seen,sha256\npeople with glasses,{known}\nbabies and small children,0\n")
    monkeypatch.setattr(judging, "SEEN_BY_EYE", seen)
    found = judge(by_light, faces_by_light(30), tmp_path)
    assert [(one.name, one.n) for one in found.seen_by_eye] == [
        ("people with glasses", 1),
        ("babies and small children", 0),
    ]
    assert found.seen_by_eye[0].right.value in (0, 1)
    assert found.studio is not None and found.studio.score.n == 6
    assert found.scenes is not None
    assert found.scenes.score.n + found.scenes_without_face == 3 and found.scenes_without_face >= 1
    rows = {(one.kind, one.name): one for one in found.people}
    assert {(kind, name): one.people for (kind, name), one in rows.items()} == {
        ("sex", "female"): 1,
        ("sex", "male"): 2,
        ("age", "18 to 24"): 1,
        ("age", "35 and more"): 1,
        ("ethnicity", "black"): 1,
        ("ethnicity", "white"): 2,
    }
    called = found.studio.score.per_class
    shares = [rows["sex", name].smiles.value for name in ("female", "male")]
    assert None not in shares
    assert sum(n * share for n, share in zip((1, 2), shares, strict=True) if share is not None) == (
        pytest.approx(3 * (called["happy"].recall.value or 0))
    )


def test_made_up_faces_are_what_their_votes_say(by_light: Classifier) -> None:
    test: Faces = faces_by_light(30)
    p = by_light.run({"image": test.images}).probabilities
    assert p.argmax(axis=1).tolist() == [place % 3 for place in range(30)]
