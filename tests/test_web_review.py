"""Decisions on labels: made on the page, kept beside the manifest, and used by the next check."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from happysad.dataset.check import check
from happysad.dataset.manifest import Manifest
from happysad.dataset.quarantine import quarantine
from happysad.dataset.scan import pixels_hash
from happysad.errors import DatasetError, UsageError
from happysad.images import decode, read
from happysad.label_review import (
    DECISIONS,
    SUSPECTS,
    Decision,
    Suspect,
    Unlabelled,
    read_decisions,
    read_suspects,
    write_decisions,
    write_suspects,
)
from happysad.web.review import Review, create_review
from tests.pictures import folders, photo, save
from tests.web import client, settings


@pytest.fixture
def checked(tmp_path: Path) -> Path:
    """A checked folder of twelve photos, of which the first three are suspects."""
    data = folders(tmp_path / "data", each=6)
    used = check(data, tmp_path / "check", quality=False).manifest.used.iloc[:3]
    write_suspects(
        tmp_path / "check" / SUSPECTS,
        [
            Suspect(path, pixels, "happy", "sad", 0.1, 0.9)
            for path, pixels in zip(used["path"], used["pixels"], strict=True)
        ],
    )
    return tmp_path


def review_of(folder: Path) -> Review:
    return Review.of_suspects(folder / "data", folder / "check")


def page(folder: Path) -> TestClient:
    return client(create_review(review_of(folder), settings(folder)))


def test_decisions_are_kept_and_the_next_check_uses_them(checked: Path) -> None:
    with page(checked) as one:
        found = one.get("/v1/review").json()
        assert found["classes"] == ["happy", "sad"]
        assert [row["decided"] for row in found["photos"]] == [None] * 3
        for row, label in zip(found["photos"], ("happy", "sad", ""), strict=True):
            assert one.put(f"/v1/review/{row['pixels']}", json={"label": label}).status_code == 204
        decided = [row["decided"] for row in one.get("/v1/review").json()["photos"]]
        assert decided == ["happy", "sad", ""]
    suspects = read_suspects(checked / "check" / SUSPECTS)
    new = replace(suspects[0], pixels="new", path="happy/005.png")
    result = check(
        checked / "data",
        checked / "check",
        quality=False,
        find_suspects=lambda manifest: [*suspects, new],
    )
    rows = result.manifest.table.set_index("path")
    assert rows["label"].iloc[:3].tolist() == ["happy", "sad", "happy"]
    assert rows["code"].iloc[:3].tolist() == ["", "", "decided"]
    line = "decisions on labels: 1 kept, 1 changed, 1 photo left out"
    assert result.counts.decisions == line
    assert line in str(result)
    assert read_suspects(checked / "check" / SUSPECTS) == [new]


def test_a_photo_that_was_moved_to_another_class_is_judged_by_its_folder(checked: Path) -> None:
    one, *_ = read_suspects(checked / "check" / SUSPECTS)
    file = checked / "check" / DECISIONS
    write_decisions(file, {one.pixels: Decision(one.pixels, one.path, one.label, "")})
    (checked / "data" / one.path).rename(checked / "data" / "sad" / "moved.png")
    result = check(checked / "data", checked / "check", quality=False)
    rows = result.manifest.table.set_index("path")
    assert rows.loc["sad/moved.png", "status"] == "used"
    assert result.counts.decisions == ""


def test_photos_without_labels_are_labelled_and_join_the_training_photos(tmp_path: Path) -> None:
    data, check_folder = folders(tmp_path / "data", each=6), tmp_path / "check"
    before = check(data, check_folder, quality=False).manifest
    tests = before.of("test")["path"].tolist()
    new = [save(tmp_path / "library" / f"{seed}.png", photo(seed)) for seed in (50, 51, 52, 53)]
    near = read(data / tests[0])[:, :-1]
    new.append(save(tmp_path / "library" / "near.png", near))
    photos = [Unlabelled(file.as_posix(), pixels_hash(read(file))) for file in new]
    review = Review(data, check_folder, photos, before.classes)
    with client(create_review(review, settings(tmp_path))) as one:
        shown = one.get("/v1/review").json()
        assert [(row["label"], row["decided"]) for row in shown["photos"]] == [("", None)] * 5
        assert one.get(f"/v1/review/{photos[0].pixels}").status_code == 200
        for row, label in zip(photos, ("happy", "sad", "", "sad", "happy"), strict=True):
            assert one.put(f"/v1/review/{row.pixels}", json={"label": label}).status_code == 204
    save(new[3], photo(99))
    result = check(data, check_folder, quality=False)
    manifest = Manifest.read(check_folder / "manifest.csv", data)
    assert manifest.of("test")["path"].tolist() == tests
    rows = manifest.table.set_index("path").loc[[new[at].as_posix() for at in (0, 1, 3, 4)]]
    assert rows["label"].tolist() == ["happy", "sad", "sad", "happy"]
    assert rows["split"].tolist() == ["train", "train", "", ""]
    assert rows["code"].tolist() == ["", "", "changed", "leaks"]
    assert result.counts.decisions == "2 photos labelled in a review, for training"
    assert quarantine(result.manifest, tmp_path / "aside").done == 0
    again = check(data, check_folder, quality=False)
    assert again.manifest.table.equals(result.manifest.table)
    save(data / "sad" / "moved.png", photo(50))
    moved = check(data, check_folder, quality=False).manifest.table.set_index("path")
    assert moved.loc["sad/moved.png", "status"] == "used"
    assert new[0].as_posix() not in moved.index


def test_a_decision_can_be_taken_back(checked: Path) -> None:
    review = review_of(checked)
    pixels = next(iter(review.photos))
    review.decide(pixels, "sad")
    assert read_decisions(review.file)[pixels].label == "sad"
    with page(checked) as one:
        assert one.delete(f"/v1/review/{pixels}").status_code == 204
    assert read_decisions(review.file) == {}


def test_photos_are_written_anew_and_others_are_refused(checked: Path) -> None:
    pixels = next(iter(review_of(checked).photos))
    with page(checked) as one:
        assert "review.js" in one.get("/").text
        answer = one.get(f"/v1/review/{pixels}")
        assert decode(answer.content, "photo").type == "jpeg"
        assert one.get("/v1/review/other").status_code == 404
        assert one.put(f"/v1/review/{pixels}", json={"label": "angry"}).status_code == 422
        assert one.get("/", headers={"Host": "elsewhere.example"}).status_code == 421
        headers = {"Origin": "http://elsewhere.example"}
        assert one.delete(f"/v1/review/{pixels}", headers=headers).status_code == 403


def test_bad_files_are_refused(checked: Path) -> None:
    file = checked / "check" / SUSPECTS
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace("happy/000.png", "../secret.png"), encoding="utf-8")
    with pytest.raises(DatasetError, match="path must lie in the data folder"):
        review_of(checked)
    file.write_text("path\nhappy/000.png\n", encoding="utf-8")
    with pytest.raises(DatasetError, match="row 2: needs the columns path, pixels"):
        review_of(checked)
    file.unlink()
    with pytest.raises(UsageError, match=r"first run happysad check .* --labels"):
        review_of(checked)
