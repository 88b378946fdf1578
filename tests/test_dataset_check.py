"""From a folder to a manifest and a page, without touching the folder."""

from __future__ import annotations

import hashlib
import re
import shutil
from pathlib import Path

import pandas as pd
import pytest

from happysad.dataset import quality
from happysad.dataset.check import CheckSettings, check
from happysad.dataset.findings import FINDINGS
from happysad.dataset.manifest import Manifest
from happysad.dataset.split import refuse_leaks
from happysad.errors import DatasetError, LeakError, UsageError
from tests.pictures import encoded, folders, photo, save

QUICK = CheckSettings(quality=False)


def dirty(root: Path) -> Path:
    """Ten photos a class, and some dirt among them."""
    folders(root, each=10)
    (root / "happy" / "text.jpg").write_text("not an image")
    (root / "happy" / "cut.jpg").write_bytes(encoded(photo(500), "jpeg")[:600])
    save(root / "happy" / "small.png", photo(501, 10, 10))
    save(root / "happy" / "wrong.jpg", photo(502), "png")
    shutil.copy(root / "happy" / "000.png", root / "happy" / "twice.png")
    save(root / "happy" / "both.png", photo(503))
    save(root / "sad" / "both.bmp", photo(503))
    save(root / "sad" / "near.png", photo(1000, 96, 128))  # sad/000.png, larger
    save(root / "sad" / "other.png", photo(1, 96, 128))  # happy/001.png, larger
    save(root / "sad" / "odd.webp", photo(504), "webp")
    (root / "sad" / "broken.png").symlink_to("nowhere")
    return root


def state(folder: Path) -> str:
    """A hash over a folder's names, times and bytes."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        status = path.lstat()
        digest.update(f"{path}{status.st_size}{status.st_mtime_ns}{status.st_mode}".encode())
        if path.is_file():
            digest.update(path.read_bytes())
    return digest.hexdigest()


def test_everything_is_found_and_nothing_is_changed(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    data = dirty(tmp_path / "data")
    before = state(data)
    checked = check(data, tmp_path / "out")
    assert state(data) == before
    assert capfd.readouterr().out == ""
    counts = checked.counts.items()
    found = {key: number for key, number in counts if number and key not in quality.ISSUES}
    assert found == {
        "files": 31,
        "readable": 27,
        "used": 24,
        "left_out": 7,
        "groups": 22,
        "near_duplicate_pairs": 4,  # both, twice, near, other
        "not_an_image": 1,
        "truncated": 1,
        "too_small": 1,
        "both_classes": 2,
        "exact_duplicates": 1,
        "unreadable": 1,
        "near_other_class": 2,
        "wrong_extension": 1,
        "other_type": 1,
    }
    assert set(checked.counts) >= {finding.key for finding in FINDINGS}
    manifest = Manifest.read(tmp_path / "out" / "manifest.csv", data)
    pd.testing.assert_frame_equal(manifest.table, checked.manifest.table)
    refuse_leaks(manifest, 6)


def test_the_page_shows_what_was_found(tmp_path: Path) -> None:
    checked = check(dirty(tmp_path / "data"), tmp_path / "out", QUICK)
    page = checked.report.read_text()
    for words in (
        "In both classes: 2",
        "Truncated: 1",
        "happy/both.png",
        "exact duplicate of happy/000.png",
        "Nothing in the folder was changed",
        "were not looked for",
    ):
        assert words in page
    pictures = re.findall(r'src="(data:image/jpeg;base64,[^"]+)"', page)
    assert len(pictures) >= 8
    assert "http" not in page


def test_the_page_stays_small(tmp_path: Path) -> None:
    data = folders(tmp_path / "data", each=5)
    for number in range(60):
        save(data / "sad" / f"webp{number}.webp", photo(2000 + number), "webp")
    page = check(data, tmp_path / "out", QUICK).report.read_text()
    assert page.count("data:image/jpeg") == 24
    assert "The first 24 are shown" in page


def test_names_are_escaped_on_the_page(tmp_path: Path) -> None:
    data = folders(tmp_path / "data", each=5)
    (data / "sad" / "<script>alert(1)<").write_text("text")
    assert "<script>" not in check(data, tmp_path / "out", QUICK).report.read_text()


def test_renamed_files_have_the_same_split(tmp_path: Path) -> None:
    one = check(folders(tmp_path / "one"), tmp_path / "out1", QUICK).manifest.table
    two = folders(tmp_path / "two")
    for number, file in enumerate(sorted(two.rglob("*.png"), reverse=True)):
        file.rename(file.with_name(f"renamed{number}.png"))
    other = check(two, tmp_path / "out2", QUICK).manifest.table
    columns = ["pixels", "split", "group"]
    pd.testing.assert_frame_equal(
        one[columns].sort_values("pixels", ignore_index=True),
        other[columns].sort_values("pixels", ignore_index=True),
    )


def test_photos_added_later_move_no_old_one(tmp_path: Path) -> None:
    data, out = folders(tmp_path / "data"), tmp_path / "out"
    before = check(data, out, QUICK).manifest.used.set_index("pixels")["split"]
    for number in range(0, 12, 2):
        save(data / "happy" / f"a{number}.png", photo(number, 96, 128))
        save(data / "sad" / f"a{number}.png", photo(5000 + number))
    (data / "sad" / "001.png").unlink()
    (data / "sad" / "002.png").rename(data / "sad" / "zzz.png")
    after = check(data, out, QUICK).manifest.used.set_index("pixels")["split"]
    stayed = before.index.intersection(after.index)
    assert len(stayed) == 23
    assert (before[stayed] == after[stayed]).all()
    assert len(after) == 35


def test_the_second_check_says_the_same(tmp_path: Path) -> None:
    data, out = dirty(tmp_path / "data"), tmp_path / "out"
    first, again = check(data, out), check(data, out)
    pd.testing.assert_frame_equal(first.manifest.table, again.manifest.table)
    assert first.counts == again.counts


def test_persons_stay_together(tmp_path: Path) -> None:
    data = folders(tmp_path / "data")
    listed = tmp_path / "people.csv"
    lines = [f"happy/{n:03}.png,Ann" for n in range(6)] + ["sad\\000.png,Ann", "./sad/001.png,Ann"]
    listed.write_text("\n".join(["group,path", *[",".join(x.split(",")[::-1]) for x in lines]]))
    listed.write_text(listed.read_text() + "\nBob,sad/gone.png\n,sad/002.png\n")
    checked = check(data, tmp_path / "out", CheckSettings(groups=listed, quality=False))
    table = checked.manifest.table.set_index("path")
    ann = [f"happy/{n:03}.png" for n in range(6)] + ["sad/000.png", "sad/001.png"]
    assert table.loc[ann, "group"].nunique() == 1
    assert table.loc[ann, "split"].nunique() == 1
    assert (checked.counts["groups"], checked.counts["groups_without_photo"]) == (17, 1)


def test_a_copy_hands_its_person_on(tmp_path: Path) -> None:
    data = folders(tmp_path / "data")
    shutil.copy(data / "sad" / "000.png", data / "sad" / "copy.png")
    listed = tmp_path / "people.csv"
    listed.write_text("path,group\nsad/copy.png,Ann\nsad/005.png,Ann\n")
    settings = CheckSettings(groups=listed, quality=False)
    table = check(data, tmp_path / "out", settings).manifest.table.set_index("path")
    assert table.at["sad/copy.png", "status"] == "left_out"
    assert table.loc[["sad/000.png", "sad/005.png"], "group"].nunique() == 1


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "no such file"),
        ("", "needs the columns path and group, has none"),
        ("file,person\na,b\n", "has file, person"),
        ("path,group\n001.png,Ann\n", "none of its paths is a file of the folder"),
    ],
)
def test_a_list_of_groups_that_is_none(tmp_path: Path, text: str | None, words: str) -> None:
    listed = tmp_path / "people.csv"
    if text is not None:
        listed.write_text(text)
    with pytest.raises(DatasetError, match=words):
        check(folders(tmp_path / "data", each=4), tmp_path / "out", CheckSettings(groups=listed))


def test_an_edited_split_is_refused(tmp_path: Path) -> None:
    data, out = dirty(tmp_path / "data"), tmp_path / "out"
    table = check(data, out, QUICK).manifest.table
    near = table["path"] == "sad/near.png"
    side = table.loc[near, "split"].iloc[0]
    table.loc[near, "split"] = "val" if side != "val" else "test"
    Manifest(data, table).write(out / "manifest.csv")
    with pytest.raises(LeakError, match=r"sad/000\.png .* sad/near\.png"):
        check(data, out, QUICK)
    table.loc[near, "split"] = "Train"
    Manifest(data, table).write(out / "manifest.csv")
    with pytest.raises(DatasetError, match=r"split 'Train'; allowed are train, val, test"):
        check(data, out, QUICK)


@pytest.mark.parametrize(
    ("each", "bad", "words"),
    [
        (2, 0, r"happy: 2 files in 2 usable groups of different photos, at least 3 are needed$"),
        (2, 4, r"sad: 6 files in 2 usable groups .*; left out: not an image \(4\)$"),
    ],
)
def test_a_class_too_small_is_refused(tmp_path: Path, each: int, bad: int, words: str) -> None:
    data = folders(tmp_path / "data", each=each)
    for number in range(bad):
        (data / "sad" / f"{number}.txt").write_text("text")
        save(data / "happy" / f"more{number}.png", photo(3000 + number))
    with pytest.raises(DatasetError, match=words):
        check(data, tmp_path / "out", QUICK)
    assert not (tmp_path / "out" / "manifest.csv").exists()


def test_many_photos_that_are_nearly_equal_are_too_few(tmp_path: Path) -> None:
    data = folders(tmp_path / "data", each=4)
    for number in range(4):  # one photo in four sizes: a single group
        save(data / "sad" / f"{number:03}.png", photo(1, 48 + 2 * number, 64))
    with pytest.raises(DatasetError, match=r"sad: 4 files in 1 usable groups .*other light$"):
        check(data, tmp_path / "out", QUICK)


def test_an_empty_class_is_refused(tmp_path: Path) -> None:
    data = folders(tmp_path / "data", each=5, labels=("happy",))
    (data / "sad").mkdir()
    with pytest.raises(DatasetError, match="needs photos of two classes"):
        check(data, tmp_path / "out", QUICK)


@pytest.mark.parametrize(
    ("names", "classes", "words"),
    [
        (("face", "no_face"), None, "no class may be named no_face"),
        (("a", "error", "unreadable"), ("unreadable", "error"), "named error or unreadable"),
        (("happy", "sad", "unsure"), ("happy", "unsure"), "named unsure"),
    ],
)
def test_a_class_is_not_called_as_answers_without_one_are(
    tmp_path: Path, names: tuple[str, ...], classes: tuple[str, str] | None, words: str
) -> None:
    data = folders(tmp_path / "data", each=4, labels=names)
    with pytest.raises(UsageError, match=words):
        check(data, tmp_path / "out", CheckSettings(classes=classes, quality=False))


@pytest.mark.parametrize("out", [".", "out", "sad/../check"])
def test_nothing_is_written_in_the_data_folder(tmp_path: Path, out: str) -> None:
    data = folders(tmp_path, each=3)
    with pytest.raises(UsageError, match="must lie outside the data folder"):
        check(data, data / out)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"fractions": (0.7, 0.2, 0.2)}, "sum to 1"),
        ({"fractions": (1.0, 0.0, 0.0)}, "above 0"),
        ({"fractions": (float("nan"), 0.5, 0.5)}, "above 0"),
        ({"radius": -2}, "radius must be from 0 to 16"),
        ({"radius": 64}, "radius must be from 0 to 16"),
        ({"radius": -1}, "radius -1 needs --groups"),
    ],
)
def test_settings_check_themselves(options: dict[str, object], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        CheckSettings(**options)  # type: ignore[arg-type]


REAL = Path(__file__).parents[2] / "shared" / "data"


@pytest.mark.real
@pytest.mark.skipif(not REAL.is_dir(), reason="the real pictures are not here")
def test_real_scenes(tmp_path: Path) -> None:
    before = state(REAL / "scenes")
    checked = check(REAL / "scenes", tmp_path, QUICK)
    assert state(REAL / "scenes") == before
    assert checked.counts["files"] == checked.counts["readable"] == 301
    assert checked.counts["both_classes"] == 2
    assert checked.counts["exact_duplicates"] == 1
    assert checked.counts["near_duplicate_pairs"] >= 60
    assert 225 <= checked.counts["groups"] <= 235
