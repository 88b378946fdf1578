from __future__ import annotations

import pandas as pd
import pytest

from happysad.dataset.findings import FINDINGS, find, own_notes, titles
from happysad.errors import ErrorCode


def test_every_code_of_a_picture_belongs_to_a_finding_but_those_of_no_file() -> None:
    known = {code for finding in FINDINGS for code in finding.codes}
    assert set(ErrorCode) - known == {ErrorCode.BAD_ARRAY, ErrorCode.CANNOT_FETCH}


def test_keys_are_unique() -> None:
    assert len({finding.key for finding in FINDINGS}) == len(FINDINGS)


def test_rows_are_found_by_their_codes() -> None:
    table = pd.DataFrame(
        {
            "code": ["", "exact_duplicate", "", "too_complex", "empty"],
            "note_codes": ["", "blurry", "dark blurry", "", ""],
        }
    )
    rows = {key: found.index.tolist() for key, found in find(table).items() if len(found)}
    assert rows == {
        "exact_duplicates": [1],
        "blurry": [1, 2],
        "dark": [2],
        "too_large": [3],
        "not_an_image": [4],
    }


def test_left_out_photos_are_counted_by_their_findings() -> None:
    counts = titles(["exact_duplicate", "too_large", "too_complex"])
    assert counts == {"Exact duplicates": 1, "Too large": 2}


@pytest.mark.parametrize(
    ("codes", "notes", "own"),
    [
        ("", "", ("", "")),
        ("", "alpha laid on white", ("", "alpha laid on white")),
        ("odd_size", "odd size", ("", "")),
        (
            "dark odd_size",
            "CMYK turned to RGB; dark; odd size",
            ("dark", "CMYK turned to RGB; dark"),
        ),
        ("near_other_class", "near-duplicate in the other class: sad/odd size", ("", "")),
        (
            "dark odd_size near_other_class",
            "dark; odd size; near-duplicate in another class: a; near-duplicate in ",
            ("dark", "dark"),
        ),
        (
            "wrong_extension",
            "named .odd size, is a png",
            ("wrong_extension", "named .odd size, is a png"),
        ),
    ],
)
def test_notes_that_depend_on_other_photos_are_dropped(
    codes: str, notes: str, own: tuple[str, str]
) -> None:
    assert own_notes(codes, notes) == own
