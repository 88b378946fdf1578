"""What a check looks for: the codes in the manifest, and what each means for people."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import Literal

from happysad.dataset.quality import NEAR_OTHER_CLASS
from happysad.errors import ErrorCode

__all__ = [
    "BOTH_CLASSES",
    "EXACT_DUPLICATE",
    "FINDINGS",
    "TIES",
    "TOO_SMALL",
    "Finding",
    "codes_of_0_1_0",
    "find",
    "titles",
]

#: Codes of photos that are left out, beside those of `ErrorCode`.
TOO_SMALL, BOTH_CLASSES = "too_small", "both_classes"
EXACT_DUPLICATE, TIES = "exact_duplicate", "ties_splits"


@dataclass(frozen=True)
class Finding:
    """Something that a check looks for."""

    key: str
    """Its name in `CheckCounts.findings`."""
    title: str
    text: str
    """What it means, for a beginner."""
    column: Literal["reason", "notes"]
    """"reason" leaves the photo out, "notes" does not."""
    codes: tuple[str, ...]
    """The codes in the manifest that belong to it."""


def _left_out(key: str, title: str, text: str, *codes: str) -> Finding:
    return Finding(key, title, text, "reason", codes or (key,))


def _noted(key: str, title: str, text: str) -> Finding:
    return Finding(key, title, text, "notes", (key,))


#: What a check looks for, in the order of its page.
FINDINGS = (
    _left_out(
        "not_an_image",
        "Not an image",
        "The content is no picture, whatever the file's name says.",
        ErrorCode.NOT_AN_IMAGE,
        ErrorCode.EMPTY,
    ),
    _left_out(
        "truncated",
        "Truncated",
        "The file ends too early, often because a download or copy was cut short.",
        ErrorCode.TRUNCATED,
    ),
    _left_out(
        "damaged",
        "Damaged",
        "The file begins like a picture, but the rest cannot be decoded.",
        ErrorCode.DAMAGED,
    ),
    _left_out(
        "too_large",
        "Too large",
        "Reading this many pixels, bytes or parts could exhaust the memory or take hours.",
        ErrorCode.TOO_LARGE,
        ErrorCode.TOO_COMPLEX,
    ),
    _left_out(TOO_SMALL, "Too small", "A face cannot be recognised in this few pixels.", TOO_SMALL),
    _left_out(
        BOTH_CLASSES,
        "In both classes",
        "The same picture has two labels. One of them is wrong, so all copies are left out. Delete "
        "the wrong one to use the other.",
        BOTH_CLASSES,
    ),
    _left_out(
        "exact_duplicates",
        "Exact duplicates",
        "The same picture again, pixel by pixel. One copy is used.",
        EXACT_DUPLICATE,
    ),
    _left_out(
        "ties",
        "Ties two splits together",
        "The photo was added later and belongs to photos of two splits, which must stay apart.",
        TIES,
    ),
    _left_out(
        "unreadable",
        "Cannot be opened",
        "Links that lead nowhere, files without permission to read, and the like.",
        ErrorCode.CANNOT_OPEN,
        ErrorCode.NOT_A_FILE,
        ErrorCode.INTERNAL,
    ),
    _noted(
        "near_other_class",
        "Near-duplicates in the other class",
        "Two nearly equal pictures have different labels. Both are used; see which label is right.",
    ),
    _noted(
        "wrong_extension",
        "Wrong or missing extension",
        "The name says another type than the content. The content decides how a file is read.",
    ),
    _noted(
        "other_type",
        "Types other than jpeg, png and bmp",
        "They are read; other programs may not read them.",
    ),
    _noted("animated", "Animated", "The first frame is used."),
    _noted("blurry", "Blurry", "There is little detail: out of focus, or enlarged."),
    _noted("dark", "Dark", "Even the brightest parts are dark."),
    _noted("light", "Light", "Even the darkest parts are bright."),
    _noted("low_information", "Low information", "The picture is nearly of one colour."),
    _noted("odd_size", "Odd size", "The photo is much larger or smaller than the others."),
    _noted(
        "odd_aspect_ratio",
        "Odd aspect ratio",
        "The photo is very wide or very tall; the network sees it squashed to a square.",
    ),
)

_KEYS = {code: finding.key for finding in FINDINGS for code in finding.codes}

# What the texts of 0.1.0 began with.
_REASONS_OF_0_1_0 = {
    "not an image": ErrorCode.NOT_AN_IMAGE,
    "the file is empty": ErrorCode.EMPTY,
    "truncated": ErrorCode.TRUNCATED,
    "damaged": ErrorCode.DAMAGED,
    "too large|.*pixels are too many": ErrorCode.TOO_LARGE,
    "more than": ErrorCode.TOO_COMPLEX,
    "too small": TOO_SMALL,
    "in both classes": BOTH_CLASSES,
    "exact duplicate": EXACT_DUPLICATE,
    "ties two splits": TIES,
    "": ErrorCode.CANNOT_OPEN,
}
_NOTES_OF_0_1_0 = {
    NEAR_OTHER_CLASS: "near_other_class",
    "named ": "wrong_extension",
    r"\w+: not one of": "other_type",
    "first of several frames": "animated",
    **{
        f"{name.replace('_', ' ')}$": name
        for name in ("blurry", "dark", "light", "low_information", "odd_size", "odd_aspect_ratio")
    },
}


def find(codes: list[str]) -> dict[str, list[int]]:
    """Return the numbers of the rows with each finding, by its key.

    Args:
        codes: the column `codes` of a manifest.
    """
    found: dict[str, list[int]] = {finding.key: [] for finding in FINDINGS}
    for number, text in enumerate(codes):
        for key in dict.fromkeys(_KEYS[code] for code in text.split() if code in _KEYS):
            found[key].append(number)
    return found


def titles(codes: list[str]) -> Counter[str]:
    """Return how many of some left-out photos have which finding, by its title.

    Args:
        codes: the column `codes` of their rows; the first code says why a photo is left out.
    """
    named = {finding.key: finding.title for finding in FINDINGS}
    return Counter(named[_KEYS[text.split()[0]]] for text in codes)


def codes_of_0_1_0(reason: str, notes: list[str]) -> str:
    """Return the codes of a row whose manifest was written by happysad 0.1.0, which had none.

    Args:
        reason: why the photo was left out; empty where it was used.
        notes: what was noted of it.
    """
    codes = [code for note in notes for p, code in _NOTES_OF_0_1_0.items() if re.match(p, note)]
    if reason:
        own = next(code for p, code in _REASONS_OF_0_1_0.items() if re.match(p, reason))
        codes.insert(0, str(own))
    return " ".join(codes)
