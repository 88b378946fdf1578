"""The findings of a check: their codes in the manifest, and their explanations."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from happysad.errors import ErrorCode

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "FINDINGS",
    "Code",
    "Finding",
    "Note",
    "add_notes",
    "codes_of_0_1_0",
    "find",
    "near_other_class",
    "own_notes",
    "titles",
]


class Code(StrEnum):
    """The codes in a manifest. Programs read codes; people read reasons and notes.

    The first seven codes, and those of `ErrorCode`, give the reason why a photo is left out. The
    other codes belong to notes, which are no reason to leave a photo out.
    """

    TOO_SMALL = "too_small"
    BOTH_CLASSES = "both_classes"
    EXACT_DUPLICATE = "exact_duplicate"
    TIES_SPLITS = "ties_splits"
    LEAKS = "leaks"
    DECIDED = "decided"
    CHANGED = "changed"

    NEAR_OTHER_CLASS = "near_other_class"
    WRONG_EXTENSION = "wrong_extension"
    OTHER_TYPE = "other_type"
    ANIMATED = "animated"
    BLURRY = "blurry"
    DARK = "dark"
    LIGHT = "light"
    LOW_INFORMATION = "low_information"
    ODD_SIZE = "odd_size"
    ODD_ASPECT_RATIO = "odd_aspect_ratio"
    QUALITY_NOT_AUDITED = "quality_not_audited"


class Note(NamedTuple):
    """A remark about a photo that is no reason to leave it out."""

    code: Code | None
    """None for a note that belongs to no finding."""
    text: str

    @classmethod
    def of(cls, code: Code) -> Note:
        """Return a note whose text is the name of its code."""
        return cls(code, code.replace("_", " "))


@dataclass(frozen=True)
class Finding:
    """A kind of problem that a check looks for."""

    key: str
    """Its name in `CheckCounts.findings`."""
    title: str
    text: str
    """What it means, for a beginner."""
    leaves_out: bool
    """Whether it is a reason to leave photos out; otherwise it is only noted."""
    codes: tuple[Code | ErrorCode, ...]
    """The codes in the manifest that belong to it."""


def _left_out(key: str, title: str, text: str, *codes: Code | ErrorCode) -> Finding:
    return Finding(key, title, text, True, codes)


def _noted(code: Code, title: str, text: str) -> Finding:
    return Finding(str(code), title, text, False, (code,))


#: What a check looks for, in the order of its page.
FINDINGS = (
    _left_out(
        "not_an_image",
        "Not an image",
        "The content is not a picture, whatever the file's name says.",
        ErrorCode.NOT_AN_IMAGE,
        ErrorCode.EMPTY,
    ),
    _left_out(
        "unsupported",
        "Types that are not read",
        "Pictures of a type that happysad reads only with an extra, or not at all; the reason says "
        "what to do.",
        ErrorCode.UNSUPPORTED,
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
    _left_out(
        "too_small",
        "Too small",
        "The picture has too few pixels to recognise a face.",
        Code.TOO_SMALL,
    ),
    _left_out(
        "both_classes",
        "In several classes",
        "The same picture has different labels. At most one is right, so all copies are left out. "
        "Delete the wrong copies to use the picture.",
        Code.BOTH_CLASSES,
    ),
    _left_out(
        "exact_duplicates",
        "Exact duplicates",
        "The same picture again, pixel by pixel. One copy is used.",
        Code.EXACT_DUPLICATE,
    ),
    _left_out(
        "ties",
        "Ties two splits together",
        "The photo was added later and belongs together with photos of two splits, which must stay "
        "apart.",
        Code.TIES_SPLITS,
    ),
    _left_out(
        "leaks",
        "Also in test or val",
        "The same picture, a near-duplicate, or a photo of the same group is also in the folder "
        "test or val. It is left out here, so that the test photos are new to the classifier.",
        Code.LEAKS,
    ),
    _left_out(
        "decided",
        "Left out by your decision",
        "You decided so in happysad review; decisions.csv, beside this page, has the decisions.",
        Code.DECIDED,
    ),
    _left_out(
        "changed",
        "Changed since they were labelled",
        "These photos outside of the data folder were labelled in a review. Their files show other "
        "pictures now.",
        Code.CHANGED,
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
        Code.NEAR_OTHER_CLASS,
        "Near-duplicates in another class",
        "Two nearly equal pictures have different labels. Both are used; decide which label is "
        "right.",
    ),
    _noted(
        Code.WRONG_EXTENSION,
        "Wrong or missing extension",
        "The file's name and its content have different types. happysad goes by the content.",
    ),
    _noted(
        Code.OTHER_TYPE,
        "Types other than jpeg, png and bmp",
        "happysad reads them; other programs may not.",
    ),
    _noted(Code.ANIMATED, "Animated", "The first frame is used."),
    _noted(Code.BLURRY, "Blurry", "There is little detail: out of focus, or enlarged."),
    _noted(Code.DARK, "Dark", "Even the brightest parts are dark."),
    _noted(Code.LIGHT, "Light", "Even the darkest parts are bright."),
    _noted(Code.LOW_INFORMATION, "Low information", "The picture is nearly of one colour."),
    _noted(Code.ODD_SIZE, "Odd size", "The photo is much larger or smaller than the others."),
    _noted(
        Code.ODD_ASPECT_RATIO,
        "Odd aspect ratio",
        "The photo is very wide or very tall; a network that looks at whole photos sees it "
        "squashed to a square.",
    ),
)

_TITLES = {str(code): finding.title for finding in FINDINGS for code in finding.codes}

# The beginning of the note about a near-duplicate. This note ends with a path, which may contain
# any characters, so it must be the last note of a row.
_NEAR = "near-duplicate in "

# Patterns of the beginnings of 0.1.0's texts, which had no codes.
_REASONS_OF_0_1_0 = {
    "not an image": ErrorCode.NOT_AN_IMAGE,
    "the file is empty": ErrorCode.EMPTY,
    "truncated": ErrorCode.TRUNCATED,
    "damaged": ErrorCode.DAMAGED,
    r"too large|\d{1,10}x\d{1,10} pixels are too many": ErrorCode.TOO_LARGE,
    "more than": ErrorCode.TOO_COMPLEX,
    "too small": Code.TOO_SMALL,
    "in both classes": Code.BOTH_CLASSES,
    "exact duplicate": Code.EXACT_DUPLICATE,
    "ties two splits": Code.TIES_SPLITS,
    "": ErrorCode.CANNOT_OPEN,
}
_NOTES_OF_0_1_0 = {
    _NEAR: Code.NEAR_OTHER_CLASS,
    "named ": Code.WRONG_EXTENSION,
    r"\w{1,10}: not one of": Code.OTHER_TYPE,
    "first of several frames": Code.ANIMATED,
    **{
        f"{Note.of(code).text}$": code
        for code in (
            Code.BLURRY,
            Code.DARK,
            Code.LIGHT,
            Code.LOW_INFORMATION,
            Code.ODD_SIZE,
            Code.ODD_ASPECT_RATIO,
            Code.QUALITY_NOT_AUDITED,
        )
    },
}


def find(table: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Return the rows of a manifest with each finding, by its key, in the order of `FINDINGS`."""
    codes = [{a, *b.split()} for a, b in zip(table["code"], table["note_codes"], strict=True)]
    return {
        finding.key: table[[not own.isdisjoint(finding.codes) for own in codes]]
        for finding in FINDINGS
    }


def titles(codes: Iterable[str]) -> Counter[str]:
    """Return the number of left-out photos with each finding, by its title.

    Args:
        codes: the column `code` of their rows.
    """
    return Counter(_TITLES.get(code, code) for code in codes)


def near_other_class(path: str, *, classes: int) -> Note:
    """Return the note of a photo whose near-duplicate `path` is in another of the `classes`."""
    other = "the other" if classes == 2 else "another"
    return Note(Code.NEAR_OTHER_CLASS, f"{_NEAR}{other} class: {path}")


def add_notes(table: pd.DataFrame, found: Mapping[str, Sequence[Note]]) -> pd.DataFrame:
    """Return a manifest's table with notes and their codes added to some rows.

    Args:
        table: columns as in `manifest.COLUMNS`.
        found: the new notes by path.
    """
    new = [found.get(path, ()) for path in table["path"]]
    notes = [
        "; ".join([*([old] if old else []), *(note.text for note in more)])
        for old, more in zip(table["notes"], new, strict=True)
    ]
    codes = [
        " ".join([*old.split(), *(note.code for note in more if note.code)])
        for old, more in zip(table["note_codes"], new, strict=True)
    ]
    return table.assign(note_codes=codes, notes=notes).astype({"note_codes": "str", "notes": "str"})


def own_notes(codes: str, notes: str) -> tuple[str, str]:
    """Return the `note_codes` and `notes` of a row without those that depend on other photos.

    These are an odd size and a near-duplicate in another class. Each check searches for them again;
    they come last in a row.
    """
    own = codes.split()
    if Code.NEAR_OTHER_CLASS in own:
        notes = notes.partition(_NEAR)[0].removesuffix("; ")
    if Code.ODD_SIZE in own:
        notes = notes.removesuffix(Note.of(Code.ODD_SIZE).text).removesuffix("; ")
    kept = [code for code in own if code not in (Code.NEAR_OTHER_CLASS, Code.ODD_SIZE)]
    return " ".join(kept), notes


def codes_of_0_1_0(reason: str, notes: str) -> tuple[str, str]:
    """Return `code` and `note_codes` of a row that was written by happysad 0.1.0 without them.

    Args:
        reason: why the photo was left out; empty if it was used.
        notes: the notes about the photo.
    """
    before, mark, path = notes.partition(_NEAR)
    texts = [*before.split("; "), mark + path]
    note_codes = [
        code for text in texts for p, code in _NOTES_OF_0_1_0.items() if re.match(p, text)
    ]
    code = next(code for p, code in _REASONS_OF_0_1_0.items() if re.match(p, reason))
    return str(code) if reason else "", " ".join(note_codes)
