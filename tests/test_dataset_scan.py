"""The scan has one row for each file, by its content."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from happysad.dataset.manifest import COLUMNS, Manifest
from happysad.dataset.scan import pixels_hash, scan
from happysad.errors import UsageError
from happysad.images import read
from tests.pictures import encoded, folders, photo, save
from tests.test_decoding_cost import scans
from tests.test_images import png_header


def rows(root: Path, **options: Any) -> dict[str, Any]:
    table = scan(root, **options).table
    assert table.dtypes.astype(str).to_dict() == COLUMNS
    assert table["path"].tolist() == sorted(table["path"])
    return {row["path"]: row for _, row in table.iterrows()}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return folders(tmp_path / "data", each=2)


def test_a_row_tells_all_of_a_photo(root: Path) -> None:
    file = save(root / "happy" / "deep" / "er" / "a.png", photo(7, 30, 50))
    row = rows(root)["happy/deep/er/a.png"]
    status = file.stat()
    assert row["label"] == "happy"
    assert (row["width"], row["height"], row["channels"]) == (50, 30, 3)
    assert (row["bytes"], row["modified"]) == (status.st_size, status.st_mtime_ns)
    assert (row["type"], row["reason"]) == ("png", "")
    assert row["pixels"] == pixels_hash(read(file))
    assert len(row["phash"]) == 16


@pytest.mark.parametrize(
    ("name", "data", "code", "reason"),
    [
        ("text.jpg", b"I am a text", "not_an_image", "not an image"),
        ("empty.jpg", b"", "empty", "the file is empty"),
        ("cut.jpg", encoded(photo(5), "jpeg")[:500], "truncated", "truncated"),
        ("small.png", encoded(photo(5, 15, 100)), "too_small", "too small: 100x15 pixels"),
        ("huge.png", png_header(30_000, 30_000), "too_large", "30000x30000 pixels are too many"),
        ("scans.jpg", scans(101), "too_complex", "more than 100 scans"),
        ("bytes.bmp", b"BM" + b"\0" * 200, "damaged", "damaged"),
    ],
)
def test_bad_files_have_a_code_and_a_reason(
    root: Path, name: str, data: bytes, code: str, reason: str
) -> None:
    (root / "sad" / name).write_bytes(data)
    row = rows(root)[f"sad/{name}"]
    assert row["code"] == code
    assert row["reason"].startswith(reason)


@pytest.mark.parametrize(
    ("name", "type_", "notes"),
    [
        ("a.jpg", "jpeg", []),
        ("a.JPEG", "jpeg", []),
        ("a.png", "jpeg", ["named .png, is a jpeg"]),
        ("noname", "png", ["named without an extension, is a png"]),
        ("a.webp", "webp", ["webp: not one of jpeg, png, bmp"]),
        ("a.jpg", "gif", ["named .jpg, is a gif", "gif: not one of jpeg, png, bmp"]),
    ],
)
def test_names_that_mislead_are_noted(root: Path, name: str, type_: str, notes: list[str]) -> None:
    save(root / "sad" / name, photo(9), type_)
    row = rows(root)[f"sad/{name}"]
    assert (row["type"], row["notes"], row["reason"]) == (type_, "; ".join(notes), "")


def test_links_and_things_that_are_no_files(root: Path) -> None:
    outside = save(root.parent / "outside.png", photo(50))
    os.mkfifo(root / "sad" / "pipe.jpg")
    (root / "sad" / "link.png").symlink_to(outside)
    (root / "sad" / "broken.png").symlink_to("nowhere.png")
    (root / "sad" / "folder").symlink_to(root)  # it holds sad, so it is a loop
    (root / "sad" / ".hidden.png").write_bytes(outside.read_bytes())
    (root / "sad" / ".git").mkdir()
    (root / "sad" / ".git" / "a.png").write_bytes(outside.read_bytes())
    found = {path: row for path, row in rows(root).items() if "0" not in path}
    assert {path: (row["code"], row["reason"]) for path, row in found.items()} == {
        "sad/broken.png": ("cannot_open", "a link that leads nowhere"),
        "sad/link.png": ("", ""),
        "sad/pipe.jpg": ("not_a_file", "not a regular file"),
    }


def test_names_that_are_no_utf8(root: Path) -> None:
    file = os.fsencode(root / "sad") + b"/caf\xe9.png"
    try:
        with open(file, "wb") as out:
            out.write(encoded(photo(8)))
    except OSError:
        pytest.skip("this file system refuses such names")
    assert rows(root)["sad/caf\\xe9.png"]["reason"] == "a name that is not UTF-8; rename the file"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_files_that_may_not_be_read(root: Path) -> None:
    (root / "sad" / "000.png").chmod(0)
    assert rows(root)["sad/000.png"]["reason"] == "permission denied"


def test_grey_is_told_from_colour(root: Path) -> None:
    save(root / "happy" / "grey.jpg", photo(9, channels=1))
    found = rows(root)
    assert found["happy/grey.jpg"]["channels"] == 1
    assert found["happy/000.png"]["channels"] == 3


@pytest.mark.parametrize(
    ("names", "classes", "words"),
    [
        ([], None, r"needs two or three class folders \(such as happy and sad\); found none"),
        (["happy"], None, r"needs two or three class folders .*; found happy$"),
        (["a", "b", "c", "d"], None, "found a, b, c, d; choose two or three with classes"),
        (["happy", "sad"], ("happy", "sda"), "no class folder sda; found happy, sad"),
        (["happy", "sad"], ("sad", "sad"), "two or more different folders"),
        (["happy", "sad"], ("happy", ".."), r"no class folder \.\."),
    ],
)
def test_other_class_folders_are_refused(
    tmp_path: Path, names: list[str], classes: tuple[str, ...] | None, words: str
) -> None:
    for name in [*names, ".hidden"]:
        (tmp_path / name).mkdir()
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match=words):
        scan(tmp_path, classes)


def test_a_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such file"):
        scan(tmp_path / "none")


def test_two_of_three_folders(tmp_path: Path) -> None:
    folders(tmp_path, each=1, labels=("angry", "happy", "sad"))
    assert list(rows(tmp_path, classes=("sad", "happy"))) == ["happy/000.png", "sad/000.png"]


def test_unchanged_files_are_not_read_again(root: Path) -> None:
    (root / "sad" / "broken.jpg").write_bytes(b"text")
    first = scan(root)
    kept, touched = root / "happy" / "000.png", root / "happy" / "001.png"
    # The same size and time but other bytes: only reading the file would show the difference.
    status = kept.stat()
    kept.write_bytes(b"\0" * status.st_size)
    os.utime(kept, ns=(status.st_atime_ns, status.st_mtime_ns))
    save(touched, photo(77))
    again = scan(root, earlier=Manifest(root, first.table))
    same = again.table["path"] == "happy/000.png"
    pd.testing.assert_frame_equal(again.table[same], first.table[same])
    assert again.measures.index.tolist() == ["happy/001.png"]
    row = again.table.set_index("path").loc["happy/001.png"]
    assert row["pixels"] == pixels_hash(photo(77))


def test_one_shape_is_not_another() -> None:
    flat = np.zeros((20, 30, 3), np.uint8)
    assert pixels_hash(flat) != pixels_hash(flat.reshape(30, 20, 3))


def test_the_folder_stays_as_it_was(root: Path) -> None:
    copy = shutil.copytree(root, root.parent / "copy")
    scan(root)
    before = {p.relative_to(copy): p.stat().st_size for p in copy.rglob("*")}
    assert {p.relative_to(root): p.stat().st_size for p in root.rglob("*")} == before
