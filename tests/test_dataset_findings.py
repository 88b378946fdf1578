from __future__ import annotations

from happysad.dataset.findings import FINDINGS, find, titles
from happysad.errors import ErrorCode


def test_every_code_of_a_picture_belongs_to_a_finding_but_those_of_no_file() -> None:
    known = {code for finding in FINDINGS for code in finding.codes}
    assert set(ErrorCode) - known == {ErrorCode.BAD_ARRAY, ErrorCode.CANNOT_FETCH}


def test_keys_are_unique() -> None:
    assert len({finding.key for finding in FINDINGS}) == len(FINDINGS)


def test_rows_are_found_by_their_codes() -> None:
    found = find(["", "exact_duplicate blurry", "blurry", "too_complex", "empty"])
    rows = {key: numbers for key, numbers in found.items() if numbers}
    assert rows == {
        "exact_duplicates": [1],
        "blurry": [1, 2],
        "too_large": [3],
        "not_an_image": [4],
    }


def test_the_first_code_says_why_a_photo_is_left_out() -> None:
    counts = titles(["exact_duplicate blurry", "too_large", "too_complex"])
    assert counts == {"Exact duplicates": 1, "Too large": 2}
