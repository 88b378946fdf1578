"""Labels that are probably wrong: the answers to unseen photos, and the choice among them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from happysad.dataset.check import check
from happysad.dataset.manifest import Manifest
from happysad.label_review import SUSPECTS, Suspect
from happysad.training.label_check import find_suspects, out_of_fold, ranked
from tests.command_line import run_command
from tests.pictures import folders


def test_each_answer_comes_from_photos_of_other_groups() -> None:
    """A copy of a photo in its own group is no help: features that are noise give chance."""
    rng = np.random.default_rng(0)
    labels = np.arange(100) % 2
    noise = rng.normal(size=(100, 1000))
    features, twice = np.repeat(noise, 2, axis=0), np.repeat(labels, 2)
    groups = [str(place) for place in np.repeat(np.arange(100), 2)]
    apart = out_of_fold(features, twice, groups).argmax(axis=1) == twice
    together = out_of_fold(features, twice, [str(place) for place in range(200)])
    assert apart.mean() < 0.65 < 0.8 < (together.argmax(axis=1) == twice).mean()


@pytest.mark.parametrize("classes", [2, 3])
def test_wrong_labels_are_found_and_the_worst_comes_first(classes: int) -> None:
    rng = np.random.default_rng(1)
    right = np.arange(120) % classes
    features = np.repeat(6 * np.eye(classes)[right], 20, axis=1)
    features += rng.normal(size=features.shape)
    labels = right.copy()
    wrong = [3, 40, 77]
    labels[wrong] = (labels[wrong] + 1) % classes
    p = out_of_fold(features, labels, [str(place) for place in range(120)])
    assert p.sum(axis=1) == pytest.approx(np.ones(120))
    order = ranked(labels, p)
    assert sorted(order[:3]) == wrong
    margins = p[order, labels[order]] - p[order].max(axis=1)
    assert (np.diff(margins) >= 0).all()


def test_a_check_writes_suspects_and_shows_them(tmp_path: Path) -> None:
    data = folders(tmp_path / "data", each=4)

    def first(manifest: Manifest) -> list[Suspect]:
        row = manifest.used.iloc[0]
        return [Suspect(row["path"], row["pixels"], "happy", "sad", 0.1, 0.9)]

    result = check(data, tmp_path / "out", quality=False, find_suspects=first)
    assert result.counts.suspects == 1
    assert "1  labels that are probably wrong" in str(result)
    [line] = [line for line in result.examples if "probably wrong" in line]
    assert line == "labels that are probably wrong, used until you decide: happy/000.png (sad?)"
    [_, row] = (tmp_path / "out" / SUSPECTS).read_text(encoding="utf-8").splitlines()
    assert row.startswith("happy/000.png,") and row.endswith(",happy,sad,0.1,0.9")
    page = result.page.read_text(encoding="utf-8")
    assert "labelled happy (0.10); the answer is sad (0.90)" in page
    command = f"happysad review {data} --check-folder {tmp_path / 'out'}"
    assert result.review == command
    assert f"<code>{command}</code>" in page


def test_a_check_names_the_command_that_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders(tmp_path / "my photos", each=4)
    found: list[Suspect] = []
    monkeypatch.setattr("happysad.training.label_check.find_suspects", lambda manifest: found)
    done = run_command("check", "my photos", "--labels", "--no-quality", cwd=tmp_path)
    assert (done.status, b"happysad review" in done.stdout) == (0, False)
    found.append(Suspect("happy/000.png", "1", "happy", "sad", 0.1, 0.9))
    done = run_command("check", "my photos", "--labels", "--no-quality", cwd=tmp_path)
    assert done.status == 0, done.stderr
    assert done.stdout.decode().endswith("\nnext:   happysad review 'my photos'\n")


def test_photos_are_measured_and_their_labels_checked(tmp_path: Path) -> None:
    """From small pictures, as the network of faces measures them, to suspects."""
    data = folders(tmp_path / "data", each=8)
    manifest = check(data, tmp_path / "out", quality=False).manifest
    found = find_suspects(manifest)
    assert all(one.label != one.suggested and one.p_label < one.p_suggested for one in found)
    assert {one.path for one in found} <= set(manifest.used["path"])
