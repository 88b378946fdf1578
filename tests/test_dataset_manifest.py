"""A manifest is the same after it is written and read; other files are refused."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pandas as pd
import pytest

from happysad.dataset.manifest import COLUMNS, Manifest
from happysad.errors import DatasetError


def table(*rows: Mapping[str, object]) -> pd.DataFrame:
    """Return a manifest's table; the values that a row leaves out are unknown."""
    empty = {name: 0 if dtype == "int64" else "" for name, dtype in COLUMNS.items()}
    return pd.DataFrame({name: [row.get(name, empty[name]) for row in rows] for name in COLUMNS})


@pytest.mark.parametrize(
    "path",
    [
        "happy/a.jpg",
        "happy/with, a comma.jpg",
        'happy/with "quotes".jpg',
        "happy/two\nlines.jpg",
        "happy/déjà vu 😀.jpg",
        "happy/NA",  # pandas takes it for a missing value unless told otherwise
        "happy/ spaces ",
    ],
)
def test_what_is_written_is_read(tmp_path: Path, path: str) -> None:
    rows = table(
        {"path": path, "label": "happy", "bytes": 2**40, "pixels": "00ff", "phash": "0" * 16},
        {"path": "sad/001", "label": "sad", "modified": 1_700_000_000_123_456_789},
    )
    Manifest(tmp_path, rows).write(tmp_path / "manifest.csv")
    pd.testing.assert_frame_equal(Manifest.read(tmp_path / "manifest.csv", tmp_path).table, rows)


def test_used_rows_by_split(tmp_path: Path) -> None:
    manifest = Manifest(
        tmp_path,
        table(
            {"path": "sad/a", "label": "sad", "split": "train", "status": "used"},
            {"path": "happy/b", "label": "happy", "split": "test", "status": "used"},
            {"path": "angry/c", "label": "angry", "status": "left_out", "reason": "damaged"},
        ),
    )
    assert manifest.classes == ("happy", "sad")
    assert manifest.of("test")["path"].tolist() == ["happy/b"]
    assert manifest.files(manifest.used) == [tmp_path / "sad/a", tmp_path / "happy/b"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"path": "/etc/passwd"}, "row 2: path must be relative to the data folder, not /etc/pass"),
        ({"path": "happy/../../a"}, "row 2: path must be relative"),
        ({"label": "../happy"}, "a class's name must be 1 to 64 printable characters"),
        ({"label": "unsure"}, "no class may be named unsure"),
        ({"bytes": "9" * 30}, "not a manifest"),
    ],
)
def test_a_manifest_of_somebody_else_stays_in_the_folder(
    tmp_path: Path, changes: dict[str, str], words: str
) -> None:
    numbers = {name: "0" for name, kind in COLUMNS.items() if kind == "int64"}
    row = {**dict.fromkeys(COLUMNS, ""), **numbers, "path": "happy/a", "label": "happy"}
    file = tmp_path / "manifest.csv"
    for changed, good in ((row, True), ({**row, **changes}, False)):
        file.write_text(f"{','.join(COLUMNS)}\n{','.join(changed[name] for name in COLUMNS)}\n")
        if good:
            Manifest.read(file, tmp_path)
    with pytest.raises(DatasetError, match=words):
        Manifest.read(file, tmp_path)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "no such file"),
        ("", "not a manifest"),
        ("a,b\n1,2\n", "no column path, label"),
        (",".join(COLUMNS) + "\n" + "x," * (len(COLUMNS) - 1) + "\n", "not a manifest"),
        ("\0\1\2", "not a manifest"),
        ("a\n1,2\n3,4,5\n", r"not a manifest: .* saw 3$"),
    ],
)
def test_others_are_refused(tmp_path: Path, text: str | None, words: str) -> None:
    file = tmp_path / "manifest.csv"
    if text is not None:
        file.write_text(text)
    with pytest.raises(DatasetError, match=words) as caught:
        Manifest.read(file, tmp_path)
    assert str(file) in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_a_manifest_of_0_1_0_gets_its_codes(tmp_path: Path) -> None:
    """happysad 0.1.0 wrote only the texts, without codes."""
    texts = {
        "not_an_image": ("not an image (allowed by content: jpeg)", ""),
        "too_complex": ("more than 100 scans (jpeg)", ""),
        "too_large": ("70000x70000 pixels are too many (at most 100,000,000)", ""),
        "cannot_open": ("permission denied", ""),
        "exact_duplicate|blurry": ("exact duplicate of happy/a.jpg", "blurry"),
        "|wrong_extension low_information near_other_class": (
            "",
            "named .png, is a jpeg; low information; "
            "near-duplicate in the other class: sad/a; dark.jpg",
        ),
        "": ("", "alpha laid on white"),
    }
    empty = {name: "" if dtype == "str" else 0 for name, dtype in COLUMNS.items()}
    rows = [{**empty, "reason": reason, "notes": notes} for reason, notes in texts.values()]
    pd.DataFrame(rows).drop(columns=["code", "note_codes"]).to_csv(
        tmp_path / "manifest.csv", index=False
    )
    table = Manifest.read(tmp_path / "manifest.csv", tmp_path).table
    codes = (table["code"] + "|" + table["note_codes"]).str.rstrip("|")
    assert codes.tolist() == list(texts)
