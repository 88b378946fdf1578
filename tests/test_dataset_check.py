"""From a folder to a manifest and a page, without touching the folder."""

from __future__ import annotations

import hashlib
import inspect
import re
import shutil
from pathlib import Path

import pandas as pd
import pytest

from happysad.cli import check_command
from happysad.dataset import quality
from happysad.dataset.check import check
from happysad.dataset.check_result import CheckResult, CheckSettings
from happysad.dataset.findings import FINDINGS
from happysad.dataset.manifest import Manifest
from happysad.dataset.split import refuse_leaks
from happysad.errors import DatasetError, LeakError, UsageError
from tests.pictures import encoded, folders, photo, save


def dirty(root: Path) -> Path:
    """Ten photos in each class, and some bad files among them."""
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
    """Return a hash of the names, times and bytes in a folder."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        status = path.lstat()
        digest.update(f"{path}{status.st_size}{status.st_mtime_ns}{status.st_mode}".encode())
        if path.is_file():
            digest.update(path.read_bytes())
    return digest.hexdigest()


@pytest.fixture(scope="module")
def dirty_check(tmp_path_factory: pytest.TempPathFactory) -> CheckResult:
    """The check of `dirty`; tests may read it, and copy its folder."""
    root = tmp_path_factory.mktemp("dirty")
    return check(dirty(root / "data"), root / "out")


def test_everything_is_found(dirty_check: CheckResult) -> None:
    counts, manifest = dirty_check.counts, dirty_check.manifest
    assert (counts.files, counts.readable, counts.used, counts.left_out) == (31, 27, 24, 7)
    assert counts.groups == 22
    assert counts.near_duplicate_pairs == 4  # both, twice, near, other
    found = {key: n for key, n in counts.findings.items() if n and key not in quality.ISSUES}
    assert found == {
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
    assert list(counts.findings) == [finding.key for finding in FINDINGS]
    read = Manifest.read(dirty_check.folder / "manifest.csv", manifest.root)
    pd.testing.assert_frame_equal(read.table, manifest.table)
    refuse_leaks(read, 6)


def test_nothing_is_changed_and_nothing_is_printed(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    data = dirty(tmp_path / "data")
    before = state(data)
    check(data, tmp_path / "out", quality=False)
    assert state(data) == before
    assert capfd.readouterr().out == ""


def test_the_page_shows_what_was_found(dirty_check: CheckResult) -> None:
    page = dirty_check.page.read_text()
    for words in (
        "In several classes: 2",
        "Truncated: 1",
        "happy/both.png",
        "exact duplicate of happy/000.png",
        "Nothing in the folder was changed",
        "What to look at",
    ):
        assert words in page
    assert "did not look for blurry" not in page
    pictures = re.findall(r'src="(data:image/jpeg;base64,[^"]+)"', page)
    assert len(pictures) >= 8
    assert "http" not in page


def test_a_result_reads_as_lines_of_text(dirty_check: CheckResult) -> None:
    lines = str(dirty_check).splitlines()
    assert lines[:2] == ["      31  files", "      27  readable"]
    assert "       2  in several classes" in lines
    assert lines[-2:] == [
        "24 photos are used, in 22 groups",
        f"report: {dirty_check.folder / 'report.html'}",
    ]
    split = [line.split() for line in lines[lines.index("") + 1 : -2]]
    assert split[0] == ["happy", "sad"]
    assert [name for name, *_ in split[1:]] == ["train", "val", "test"]
    assert sum(int(count) for _, *counts in split[1:] for count in counts) == 24
    assert repr(dirty_check).startswith("CheckResult(31 files, 24 used, page=")


def test_the_first_files_of_each_finding_are_named(dirty_check: CheckResult) -> None:
    lines = dirty_check.examples
    assert "not an image, left out of training: happy/text.jpg" in lines
    assert "in several classes, left out of training: happy/both.png, sad/both.bmp" in lines
    [near] = [line for line in lines if line.startswith("near-duplicates in another class")]
    assert near == "near-duplicates in another class, noted: happy/001.png, sad/other.png"
    found = [one for one in FINDINGS if dirty_check.counts.findings[one.key]]
    for line, one in zip(lines, found, strict=True):
        assert line.startswith(f"{one.title.lower()}, ")
    assert dirty_check.left_out["Not an image"] == 1
    assert sum(dirty_check.left_out.values()) == dirty_check.counts.left_out


def test_the_folder_of_a_check_is_named_by_the_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = check(folders(tmp_path / "photos", each=4), quality=False)
    assert result.folder == Path("photos-check")
    assert result.page.is_file()


def test_three_classes(tmp_path: Path) -> None:
    data = folders(tmp_path / "data", each=5, labels=("happy", "neither", "sad"))
    for name in ("happy", "sad"):
        save(data / name / "both.png", photo(503))
    save(data / "neither" / "near.png", photo(1, 96, 128))  # happy/001.png, larger
    manifest = check(data, tmp_path / "out", quality=False).manifest
    assert manifest.classes == ("happy", "neither", "sad")
    assert (manifest.used.groupby("split")["label"].nunique() == 3).all()
    rows = manifest.table.set_index("path")
    assert rows.at["happy/both.png", "reason"] == "in several classes: also sad/both.png"
    note = "near-duplicate in another class: happy/001.png"
    assert rows["notes"].str.endswith(note)["neither/near.png"]


def test_the_page_stays_small(tmp_path: Path) -> None:
    data = folders(tmp_path / "data", each=5)
    for number in range(60):
        save(data / "sad" / f"webp{number}.webp", photo(2000 + number), "webp")
    page = check(data, tmp_path / "out", quality=False).page.read_text()
    assert page.count("data:image/jpeg") == 24
    assert "did not look for blurry" in page
    assert "The first 24 are shown" in page


def test_names_are_escaped_on_the_page(tmp_path: Path) -> None:
    data = folders(tmp_path / "data", each=5)
    (data / "sad" / "<script>alert(1)<").write_text("text")
    assert "<script>" not in check(data, tmp_path / "out", quality=False).page.read_text()


def test_renamed_files_have_the_same_split(tmp_path: Path) -> None:
    one = check(folders(tmp_path / "one"), tmp_path / "out1", quality=False).manifest.table
    two = folders(tmp_path / "two")
    for number, file in enumerate(sorted(two.rglob("*.png"), reverse=True)):
        file.rename(file.with_name(f"renamed{number}.png"))
    other = check(two, tmp_path / "out2", quality=False).manifest.table
    columns = ["pixels", "split", "group"]
    pd.testing.assert_frame_equal(
        one[columns].sort_values("pixels", ignore_index=True),
        other[columns].sort_values("pixels", ignore_index=True),
    )


def test_photos_added_later_move_no_old_one(tmp_path: Path) -> None:
    data, out = folders(tmp_path / "data"), tmp_path / "out"
    before = check(data, out, quality=False).manifest.used.set_index("pixels")["split"]
    for number in range(0, 12, 2):
        save(data / "happy" / f"a{number}.png", photo(number, 96, 128))
        save(data / "sad" / f"a{number}.png", photo(5000 + number))
    (data / "sad" / "001.png").unlink()
    (data / "sad" / "002.png").rename(data / "sad" / "zzz.png")
    after = check(data, out, quality=False).manifest.used.set_index("pixels")["split"]
    stayed = before.index.intersection(after.index)
    assert len(stayed) == 23
    assert (before[stayed] == after[stayed]).all()
    assert len(after) == 35


def test_a_second_check_finds_the_same(tmp_path: Path, dirty_check: CheckResult) -> None:
    out = shutil.copytree(dirty_check.folder, tmp_path / "out")
    again = check(dirty_check.manifest.root, out)
    pd.testing.assert_frame_equal(dirty_check.manifest.table, again.manifest.table)
    assert dirty_check.counts == again.counts


def test_a_manifest_of_0_1_0_is_continued(tmp_path: Path, dirty_check: CheckResult) -> None:
    """happysad 0.1.0 wrote only the texts, without codes."""
    data, out = dirty_check.manifest.root, tmp_path / "out"
    out.mkdir()
    table = dirty_check.manifest.table
    table.drop(columns=["code", "note_codes"]).to_csv(out / "manifest.csv", index=False)
    pd.testing.assert_frame_equal(check(data, out).manifest.table, table)


def test_persons_stay_together(tmp_path: Path) -> None:
    data = folders(tmp_path / "data")
    listed = tmp_path / "people.csv"
    lines = [f"happy/{n:03}.png,Ann" for n in range(6)] + ["sad\\000.png,Ann", "./sad/001.png,Ann"]
    listed.write_text("\n".join(["group,path", *[",".join(x.split(",")[::-1]) for x in lines]]))
    listed.write_text(listed.read_text() + "\nBob,sad/gone.png\n,sad/002.png\n")
    with pytest.raises(DatasetError, match=r"1 of its paths are no files of .*: sad/gone\.png; "):
        check(data, tmp_path / "out", groups=listed, quality=False)
    checked = check(data, tmp_path / "out", groups=listed, allow_missing=True, quality=False)
    table = checked.manifest.table.set_index("path")
    ann = [f"happy/{n:03}.png" for n in range(6)] + ["sad/000.png", "sad/001.png"]
    assert table.loc[ann, "group"].nunique() == 1
    assert table.loc[ann, "split"].nunique() == 1
    assert (checked.counts.groups, checked.counts.unknown_paths) == (17, 1)


def test_a_copy_hands_its_person_on(tmp_path: Path) -> None:
    data = folders(tmp_path / "data")
    shutil.copy(data / "sad" / "000.png", data / "sad" / "copy.png")
    listed = tmp_path / "people.csv"
    listed.write_text("path,group\nsad/copy.png,Ann\nsad/005.png,Ann\n")
    table = check(data, tmp_path / "out", groups=listed, quality=False).manifest.table
    table = table.set_index("path")
    assert table.at["sad/copy.png", "status"] == "left_out"
    assert table.loc[["sad/000.png", "sad/005.png"], "group"].nunique() == 1


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "no such file"),
        ("", "needs the columns path and group; found none"),
        ("file,person\na,b\n", "found file, person"),
        ("path,group\n001.png,Ann\n", "none of its paths is a file of the data folder"),
    ],
)
def test_a_list_of_groups_that_is_none(tmp_path: Path, text: str | None, words: str) -> None:
    listed = tmp_path / "people.csv"
    if text is not None:
        listed.write_text(text)
    with pytest.raises(DatasetError, match=words):
        check(folders(tmp_path / "data", each=4), tmp_path / "out", groups=listed)


def test_an_edited_split_is_refused(tmp_path: Path, dirty_check: CheckResult) -> None:
    data, out = dirty_check.manifest.root, tmp_path / "out"
    table = dirty_check.manifest.table.copy()
    near = table["path"] == "sad/near.png"
    side = table.loc[near, "split"].iloc[0]
    table.loc[near, "split"] = "val" if side != "val" else "test"
    Manifest(data, table).write(out / "manifest.csv")
    with pytest.raises(LeakError, match=r"sad/000\.png .* sad/near\.png"):
        check(data, out, quality=False)
    table.loc[near, "split"] = "Train"
    Manifest(data, table).write(out / "manifest.csv")
    with pytest.raises(DatasetError, match=r"split 'Train'; allowed are train, val, test"):
        check(data, out, quality=False)


@pytest.mark.parametrize(
    ("each", "bad", "words"),
    [
        (2, 0, r"happy: needs at least 3 groups of different photos; found 2 in 2 files$"),
        (2, 4, r"sad: needs .*; found 2 in 6 files; left out: not an image \(4\)$"),
    ],
)
def test_a_class_too_small_is_refused(tmp_path: Path, each: int, bad: int, words: str) -> None:
    data = folders(tmp_path / "data", each=each)
    for number in range(bad):
        (data / "sad" / f"{number}.txt").write_text("text")
        save(data / "happy" / f"more{number}.png", photo(3000 + number))
    with pytest.raises(DatasetError, match=words):
        check(data, tmp_path / "out", quality=False)
    assert not (tmp_path / "out" / "manifest.csv").exists()


def test_many_photos_that_are_nearly_equal_are_too_few(tmp_path: Path) -> None:
    data = folders(tmp_path / "data", each=4)
    for number in range(4):  # one photo in four sizes: a single group
        save(data / "sad" / f"{number:03}.png", photo(1, 48 + 2 * number, 64))
    with pytest.raises(DatasetError, match=r"sad: needs .*; found 1 in 4 files; .*other light$"):
        check(data, tmp_path / "out", quality=False)


def test_an_empty_class_is_refused(tmp_path: Path) -> None:
    data = folders(tmp_path / "data", each=5, labels=("happy",))
    (data / "sad").mkdir()
    with pytest.raises(DatasetError, match="sad: needs photos; found no files"):
        check(data, tmp_path / "out", quality=False)


@pytest.mark.parametrize(
    ("names", "classes", "words"),
    [
        (("face", "no_face"), None, "no class may be named no_face"),
        (("a", "error", "unreadable"), ("unreadable", "error"), "named unreadable"),
        (("happy", "sad", "unsure"), ("happy", "unsure"), "named unsure"),
    ],
)
def test_a_class_is_not_called_as_answers_without_one_are(
    tmp_path: Path, names: tuple[str, ...], classes: tuple[str, str] | None, words: str
) -> None:
    data = folders(tmp_path / "data", each=4, labels=names)
    with pytest.raises(UsageError, match=words):
        check(data, tmp_path / "out", classes=classes, quality=False)


@pytest.mark.parametrize("out", [".", "out", "sad/../check"])
def test_nothing_is_written_in_the_data_folder(tmp_path: Path, out: str) -> None:
    data = folders(tmp_path, each=3)
    with pytest.raises(UsageError, match="must lie outside the data folder"):
        check(data, data / out)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"fractions": (0.7, 0.2, 0.2)}, "with the sum 1"),
        ({"fractions": (1.0, 0.0, 0.0)}, "three numbers above 0"),
        ({"fractions": (float("nan"), 0.5, 0.5)}, "three numbers above 0"),
        ({"radius": -2}, "radius must be from 0 to 16"),
        ({"radius": 64}, "radius must be from 0 to 16"),
        ({"radius": -1}, "radius -1 needs groups"),
        ({"classes": ("sad", "sad")}, "two or three different folders, not sad, sad"),
        ({"classes": tuple("abcd")}, "two or three different folders, not a, b, c, d"),
    ],
)
def test_settings_check_themselves(options: dict[str, object], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        CheckSettings(**options)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["fractions", "radius", "quality"])
def test_the_command_has_the_defaults_of_the_function(name: str) -> None:
    """The command repeats them, since its help is shown without the modules of a check."""
    command = inspect.signature(check_command.check).parameters[name]
    assert command.default == getattr(CheckSettings, name)


REAL = Path(__file__).parents[2] / "shared" / "data"


@pytest.mark.real
@pytest.mark.skipif(not REAL.is_dir(), reason="the real pictures are not here")
def test_real_scenes(tmp_path: Path) -> None:
    before = state(REAL / "scenes")
    checked = check(REAL / "scenes", tmp_path, quality=False)
    assert state(REAL / "scenes") == before
    counts = checked.counts
    assert counts.files == counts.readable == 301
    assert counts.findings["both_classes"] == 2
    assert counts.findings["exact_duplicates"] == 1
    assert counts.near_duplicate_pairs >= 60
    assert 225 <= counts.groups <= 235
