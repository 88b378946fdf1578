"""The splits that a data folder brings: photos that also stand in test leave training."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pandas as pd
import pytest

from happysad.dataset.check import check
from happysad.dataset.check_result import CheckResult
from happysad.dataset.manifest import Manifest
from happysad.dataset.split import refuse_leaks
from happysad.errors import DatasetError, UsageError
from tests.command_line import run_command
from tests.pictures import folders, photo, save


def leaky(root: Path, splits: tuple[str, ...] = ("train", "val", "test")) -> Path:
    """Write four photos of each class and split, and photos that stand in two splits."""
    for place, split in enumerate(splits):
        folders(root / split, each=4, seed=100 * place)
    same, near, own, val = photo(900), photo(901), photo(902), photo(903)
    save(root / "train/happy/same.png", same)
    save(root / "train/sad/other-class.png", same)
    save(root / "train/happy/near.png", near)
    save(root / "train/happy/twice.png", own)
    save(root / "train/happy/twice-too.png", own)
    save(root / "test/happy/same.png", same)
    save(root / "test/happy/near.png", photo(901, 96, 128))
    if "val" in splits:
        save(root / "train/sad/val.png", val)
        save(root / "val/sad/val.png", val)
        save(root / "val/happy/near-too.png", photo(901, 72, 96))
    return root


def codes(result: CheckResult) -> dict[str, str]:
    table = result.manifest.table
    rows = table[table["status"] == "left_out"]
    return dict(zip(rows["path"], rows["code"], strict=True))


def test_what_also_stands_in_test_leaves_training_and_never_test(tmp_path: Path) -> None:
    data = leaky(tmp_path / "data")
    listed = tmp_path / "people.csv"
    listed.write_text("path,group\ntrain/sad/000.png,Ann\ntest/sad/001.png,Ann\n")
    result = check(data, tmp_path / "out", groups=listed, use_splits=True, quality=False)
    assert codes(result) == {
        "train/happy/near.png": "leaks",
        "train/happy/same.png": "leaks",
        "train/happy/twice.png": "exact_duplicate",
        "train/sad/000.png": "leaks",
        "train/sad/other-class.png": "leaks",
        "train/sad/val.png": "leaks",
        "val/happy/near-too.png": "leaks",
    }
    used = result.manifest.used
    assert (used["path"].str.split("/").str[0] == used["split"]).all()
    assert used["split"].value_counts().to_dict() == {"test": 10, "val": 9, "train": 8}
    refuse_leaks(result.manifest, 6)
    table = Manifest.read(tmp_path / "out" / "manifest.csv", data).table
    pd.testing.assert_frame_equal(table, result.manifest.table)
    reasons = table.set_index("path")["reason"]
    near = "leaks: nearly the same picture as test/happy/near.png, which is in test"
    assert reasons["train/happy/near.png"] == near
    assert reasons["train/sad/000.png"].startswith("leaks: of one group with test/sad/001.png")
    assert "       6  also in test or val" in str(result).splitlines()
    assert "Also in test or val: 6" in result.page.read_text()


def test_a_split_that_is_not_given_is_taken_from_train(tmp_path: Path) -> None:
    data = leaky(tmp_path / "data", ("train", "test"))
    first = check(data, tmp_path / "out", use_splits=True, quality=False).manifest
    given = first.used["path"].str.split("/").str[0]
    assert first.used.groupby([given, "split"])["path"].count().to_dict() == {
        ("test", "test"): 10,
        ("train", "train"): 7,
        ("train", "val"): 2,
    }
    save(data / "train/happy/new.png", photo(950))
    again = check(data, tmp_path / "out", use_splits=True, quality=False).manifest
    splits = again.table.set_index("path")["split"]
    assert (splits.loc[first.table["path"]].tolist()) == first.table["split"].tolist()


def test_fractions_are_refused_where_all_splits_are_given(tmp_path: Path) -> None:
    data = leaky(tmp_path / "data")
    with pytest.raises(UsageError, match="has train, val and test, so fractions cannot be used"):
        check(data, tmp_path / "out", use_splits=True, fractions=(0.6, 0.2, 0.2), quality=False)


def test_a_split_without_a_class_is_refused(tmp_path: Path) -> None:
    data = leaky(tmp_path / "data")
    for file in (data / "val/sad").iterdir():
        file.unlink()
    with pytest.raises(DatasetError, match="its val needs photos of all classes; no photo of sad"):
        check(data, tmp_path / "out", use_splits=True, quality=False)


def test_check_and_train_name_both_ways(tmp_path: Path) -> None:
    data = leaky(tmp_path / "data")
    for command in ("check", "train"):
        done = run_command(command, data, cwd=tmp_path)
        [line] = done.stderr.decode().splitlines()
        assert done.status == 2
        assert f"'happysad import {data} photos'" in line
        assert "--use-splits" in line
    assert run_command("check", data, "--use-splits", cwd=tmp_path).status == 0


def test_a_list_of_windows_or_a_mac_names_the_files(tmp_path: Path) -> None:
    data = folders(tmp_path / "data", each=4)
    save(data / "happy" / unicodedata.normalize("NFD", "zoë.png"), photo(70))
    listed = tmp_path / "people.csv"
    name = unicodedata.normalize("NFC", "zoë.png")
    text = f"path,group\r\nhappy\\{name},Zoë\r\nhappy\\000.png,Zoë\r\n"
    for encoding in ("utf-8-sig", "utf-16", "utf-16-be"):
        mark = "\ufeff" if encoding == "utf-16-be" else ""
        listed.write_bytes((mark + text).encode(encoding))
        result = check(data, tmp_path / encoding, groups=listed, quality=False)
        assert result.counts.groups == 8
