"""Photo libraries: each file has exactly one row, after interruptions and errors too."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from happysad.batch.library import predict
from happysad.batch.results import Results
from happysad.batch.shards import Summary
from happysad.batch.tables import path_of
from happysad.classifier import Classifier
from happysad.errors import LibraryError, UsageError
from happysad.paths import expand
from happysad.predictions import flat
from tests.classifiers import brightness_classifier, three_class_classifier
from tests.pictures import photo, save


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return brightness_classifier(tmp_path / "model.onnx")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    for number in range(10):
        save(folder / str(number % 2) / f"{number:03}.png", photo(number, 8, 8))
    return folder


def run(photos: Path, out: Path, model: Path, **options: Any) -> Summary:
    given = {"shard": 4, **options}
    files = expand(str(photos), ordered=False, without=out)
    return predict(files, out, sources=[str(photos)], model=model, **given)


def rows(out: Path) -> dict[str, dict[str, Any]]:
    """Return all rows by path; check that no path occurs twice."""
    found = list(Results.open(out).photos())
    by_path = {path_of(row): row for row in found}
    assert len(by_path) == len(found)
    return by_path


def parts(out: Path) -> dict[str, int]:
    return {
        str(file.relative_to(out)): file.stat().st_mtime_ns
        for table in ("photos", "faces")
        for file in (out / table).iterdir()
    }


@pytest.mark.parametrize("format_", ["parquet", "csv", "jsonl"])
def test_rows_are_those_of_predict(photos: Path, model: Path, tmp_path: Path, format_: str) -> None:
    out = tmp_path / "out"
    summary = run(photos, out, model, format=format_)
    assert (summary.done, summary.parts, summary.counts.total()) == (10, 3, 10)
    found = rows(out)
    for answer in Classifier(model).stream(list(map(str, photos.rglob("*.png")))):
        assert answer.path
        row = found.pop(answer.path)
        assert (row["label"], row["error"], row["classifier"]) == (
            answer.label,
            None,
            answer.classifier,
        )
        assert {"happy": row["p_happy"], "sad": row["p_sad"]} == answer.probabilities
    assert found == {}
    assert len(parts(out)) == 6
    before = parts(out)
    again = run(photos, out, model, format=format_)
    assert (again.done, again.counts) == (0, summary.counts)
    assert parts(out) == before


def test_faces_have_a_table(tmp_path: Path) -> None:
    """With a real portrait, which is part of matplotlib."""
    import matplotlib

    from happysad.batch import tables

    portrait = Path(matplotlib.get_data_path(), "sample_data", "grace_hopper.jpg")
    model = brightness_classifier(tmp_path / "m.onnx", looks_at="face", unsure=(0.1, 0.9))
    run(portrait, tmp_path / "out", model)
    (part,) = (tmp_path / "out" / "faces").iterdir()
    (face,) = tables.read(part, ("happy", "sad"), "face")
    (row,) = Classifier(model).predict(portrait).face_rows()
    assert face == flat(row, ("happy", "sad"))
    assert rows(tmp_path / "out")[str(portrait)]["faces"] == 1


def test_what_is_wrong_gets_a_row_with_a_reason(
    photos: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = (photos / "0" / "000.png").read_bytes()
    wrong = {
        "empty.jpg": "the file is empty",
        "cut.png": "truncated",
        "notes.txt": "not an image",
        "broken.jpg": "a broken link, to nowhere",
        "pipe": "not a regular file",
        "locked.png": "permission denied",
        "vanishes.png": "no such file",
    }
    for name in wrong:
        (photos / name).write_bytes(whole)
    (photos / "empty.jpg").write_bytes(b"")
    (photos / "cut.png").write_bytes(whole[:60])
    (photos / "notes.txt").write_text("text")
    for name in ("broken.jpg", "pipe"):
        (photos / name).unlink()
    (photos / "broken.jpg").symlink_to("nowhere")
    os.mkfifo(photos / "pipe")
    odd = os.fsdecode(os.fsencode(photos) + b"/\xff.png")
    Path(odd).write_bytes(whole)
    stat = Path.stat

    def read(file: Path, *, follow_symlinks: bool = True) -> os.stat_result:
        if file.name == "locked.png":  # root may read everything
            raise PermissionError(13, "Permission denied", str(file))
        if file.name == "vanishes.png":  # between `look` and the reading
            file.unlink()
        return stat(file, follow_symlinks=follow_symlinks)

    monkeypatch.setattr(Path, "stat", read)  # with which reading begins
    summary = run(photos, tmp_path / "out", model)
    assert summary.counts["unreadable"] == len(wrong)
    found = rows(tmp_path / "out")
    assert len(found) == 10 + len(wrong) + 1
    assert found[odd]["label"] == found[str(photos / "0" / "000.png")]["label"]
    for name, reason in wrong.items():
        error = found[str(photos / name)]["error"]
        assert error.startswith(str(photos / name))
        assert reason in error
    assert sum(row["error"] is None for row in found.values()) == 11


def test_a_fault_that_one_photo_brings_out_costs_no_other(
    photos: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import happysad.inputs
    from happysad.images import fit

    def fails(pixels: Any, *rest: Any) -> Any:
        if pixels.shape[0] == 9:
            raise MemoryError("no room")
        return fit(pixels, *rest)

    save(photos / "0" / "odd.png", photo(5, 9, 9))
    monkeypatch.setattr(happysad.inputs, "fit", fails)
    assert run(photos, tmp_path / "out", model, shard=8).counts["unreadable"] == 1
    found = rows(tmp_path / "out")
    assert len(found) == 11
    assert found[str(photos / "0" / "odd.png")]["error"].endswith(": MemoryError: no room")


def test_what_was_added_is_done_and_what_is_gone_keeps_its_row(
    photos: Path, model: Path, tmp_path: Path
) -> None:
    out = photos / "out"  # inside the folder of the photos
    said: list[str] = []
    run(photos, out, model, say=said.append)
    before = parts(out)
    (photos / "0" / "000.png").unlink()
    for number in range(5):
        save(photos / f"new{number}.png", photo(number, 8, 8))
    assert said == ["10 photos"]
    summary = run(photos, out, model, say=said.append)
    assert summary.done == 5
    (_, again, line) = said
    assert again == "15 photos"
    assert "5 new files, also predicted" in line
    assert "1 file gone, rows kept" in line
    assert before.items() <= parts(out).items()
    found = rows(out)
    assert len(found) == 15
    assert found[str(photos / "0" / "000.png")]["error"] is None
    assert (out / "files" / "list-1.gz").exists()


def test_another_photo_of_the_same_path_is_done_once_its_part_is_removed(
    photos: Path, model: Path, tmp_path: Path
) -> None:
    """Only the paths decide what is already done; see README."""
    out, changed = tmp_path / "out", photos / "0" / "000.png"
    run(photos, out, model)
    before = rows(out)
    changed.write_bytes(b"no photo any more")
    assert run(photos, out, model).done == 0
    assert rows(out) == before
    next((out / "photos").glob("part-0-000000-*")).unlink()
    assert run(photos, out, model).done == 4
    assert "not an image" in rows(out)[str(changed)]["error"]


def test_a_file_that_went_before_its_turn_has_a_row(
    photos: Path, model: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    run(photos, out, model)
    next((out / "photos").glob("part-0-000000-*")).unlink()
    (photos / "0" / "000.png").unlink()
    assert run(photos, out, model).counts["unreadable"] == 1
    assert "no such file" in rows(out)[str(photos / "0" / "000.png")]["error"]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"unsure": False}, "with --unsure on, not off"),
        ({"shard": 5}, "with --shard 4, not 5"),
        ({"format": "csv"}, "with the format parquet, not csv"),
        ({"faces": "given"}, "with --faces find, not given"),
        ({"answers": ("happy", "sad")}, "with --answers happy,neither,sad, not happy,sad"),
    ],
)
def test_another_option_is_refused(
    tmp_path: Path, photos: Path, changed: dict[str, Any], said: str
) -> None:
    model = three_class_classifier(tmp_path / "model.onnx", looks_at="face")
    run(photos, tmp_path / "out", model)
    before = parts(tmp_path / "out")
    with pytest.raises(UsageError, match=said):
        run(photos, tmp_path / "out", model, **changed)
    assert parts(tmp_path / "out") == before


def test_another_classifier_or_other_sources_are_refused(
    photos: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    run(photos, out, model)
    with pytest.raises(UsageError, match="was made with the photos of"):
        run(photos / "0", out, model)
    brightness_classifier(model, slope=0.2)  # another one of the same name
    with pytest.raises(UsageError, match=r"the classifier model.onnx \(sha256 [0-9a-f]{12}\), not"):
        run(photos, out, model)
    monkeypatch.chdir(photos.parent)
    relative = tmp_path / "relative"
    run(Path("photos"), relative, model)
    monkeypatch.chdir(photos)
    with pytest.raises(UsageError, match="photos named from"):
        run(Path("photos"), relative, model)


def test_a_folder_that_holds_something_else_is_left_alone(
    photos: Path, model: Path, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=r"contains 0 and no results"):
        run(photos, photos, model)
    with pytest.raises(UsageError, match="must be a folder"):
        run(photos, model, model)
    with pytest.raises(UsageError, match="no results of happysad predict"):
        Results.open(photos)


@pytest.mark.parametrize("format_", ["parquet", "jsonl"])
def test_a_damaged_part_is_done_again(
    photos: Path, model: Path, tmp_path: Path, format_: str
) -> None:
    out = tmp_path / "out"
    run(photos, out, model, format=format_)
    whole = rows(out)
    part = next((out / "photos").glob("part-0-000001-*"))
    part.write_bytes(part.read_bytes()[:150])
    (out / "photos" / ".part-0-000002-abc.parquet").write_text("begun and killed")
    assert run(photos, out, model, format=format_).done == 4
    assert rows(out) == whole
    assert not list((out / "photos").glob(".*"))


def test_two_processes_do_not_write_to_one_folder(
    photos: Path, model: Path, tmp_path: Path
) -> None:
    run(photos, tmp_path / "out", model)
    with (
        Results.open(tmp_path / "out").locked(),
        pytest.raises(LibraryError, match="another process writes there"),
    ):
        run(photos, tmp_path / "out", model)


def test_rows_that_are_not_the_files_are_never_written(
    photos: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The check can fail: a lost answer is noticed before the part is written."""
    stream = Classifier.stream

    def loses(*given: Any, **options: Any) -> Iterator[Any]:
        yield from list(stream(*given, **options))[1:]

    monkeypatch.setattr(Classifier, "stream", loses)
    with pytest.raises(LibraryError, match="rows differ from files"):
        run(photos, tmp_path / "out", model)
    assert list((tmp_path / "out" / "photos").iterdir()) == []


def test_killed_at_any_moment_it_goes_on(model: Path, tmp_path: Path) -> None:
    photos, out = tmp_path / "photos", tmp_path / "out"
    for number in range(240):
        save(photos / f"{number:03}.png", photo(number, 8, 8))
    (photos / "bad.png").write_bytes(b"no picture")
    command = [sys.executable, "-m", "happysad", "predict", str(photos), "--out", str(out)]
    command += ["--model", str(model), "--shard", "8", "--jsonl"]
    moments = random.Random(0)
    for _ in range(3):
        there = len(list(out.glob("photos/part-*")))
        with subprocess.Popen(command, stdout=subprocess.DEVNULL) as child:
            while child.poll() is None and len(list(out.glob("photos/part-*"))) <= there:
                time.sleep(0.002)
            time.sleep(moments.uniform(0, 0.03))
            child.kill()
    killed = parts(out)
    assert 0 < len(list(out.glob("photos/part-*"))) < 31
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1  # one of them cannot be read
    assert done.stderr == "241 photos\n"
    complete = {name for name in killed if "/." not in name and name.startswith("photos")}
    assert {name: parts(out)[name] for name in complete} == {
        name: killed[name] for name in complete
    }
    assert set(rows(out)) == {str(file) for file in photos.iterdir()}
    labels = Counter(row["label"] for row in rows(out).values())
    assert labels[None] == 1
    assert f"{labels['sad']:>12,}  sad" in done.stdout.splitlines()
