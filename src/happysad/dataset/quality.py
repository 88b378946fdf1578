"""Image quality as cleanvision judges it: blurry, dark, light, low information, odd size or ratio.

cleanvision's measures and thresholds are called for one photo at a time, on the pixels that the
scan has decoded, instead of through its `Imagelab`. So no photo is read twice, nothing is printed,
and photos that were measured before are not measured again; the results are the same. Findings are
notes in the manifest, and leave no photo out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from happysad.images import Pixels

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = [
    "ISSUES",
    "NEAR_OTHER_CLASS",
    "NOT_AUDITED",
    "Note",
    "add_notes",
    "flag",
    "measure",
    "of_the_set",
    "phash",
    "shrink",
    "split_notes",
]

# Issues that one photo shows by itself, with their notes.
_OWN = {
    "blurry": "blurry",
    "dark": "dark",
    "light": "light",
    "low_information": "low information",
    "odd_aspect_ratio": "odd aspect ratio",
}

#: cleanvision's names of the issues, with their notes. A size is odd beside the other photos (three
#: interquartile ranges off), so it is judged anew in each check, from the sizes in the manifest.
ISSUES = {**_OWN, "odd_size": "odd size"}

#: The note of photos that were read with `quality` off, and are read again once it is on.
NOT_AUDITED = "quality not audited"

#: The beginning of the note of a photo whose near-duplicate is in the other class; the other's path
#: follows. Always the last note of a row.
NEAR_OTHER_CLASS = "near-duplicate in the other class: "

# Larger photos are shrunk, before they are measured, to less than twice this side in pixels.
_SIDE = 512


class Note(NamedTuple):
    """Something noted of a photo that does not leave it out."""

    code: str
    """For programs; one of the codes in `findings.FINDINGS`."""
    text: str
    """For people."""


def split_notes(notes: str) -> list[str]:
    """Return the notes of one row; the last may name a path with any characters in it."""
    own, mark, other = notes.partition(NEAR_OTHER_CLASS)
    return [note for note in own.split("; ") if note] + ([mark + other] if mark else [])


def of_the_set(note: str) -> bool:
    """Return whether a note depends on the other photos too, and is found anew in each check."""
    return note == ISSUES["odd_size"] or note.startswith(NEAR_OTHER_CLASS)


def shrink(pixels: Pixels) -> Image:
    """Return a Pillow image whose longer side is below 1024 pixels, by averaging whole blocks.

    The arithmetic is of whole numbers, so that every machine gets the same hash.
    docs/decisions.md, "Measuring shrunken photos".
    """
    from PIL import Image

    image = Image.fromarray(pixels)
    factor = max(image.size) // _SIDE
    return image.reduce(factor) if factor > 1 else image


def phash(image: Image) -> str:
    """Return the perceptual hash of 64 bits as 16 hex digits.

    Source: imagehash.phash, the low frequencies of a discrete cosine transform.
    """
    import imagehash

    return str(imagehash.phash(image))


def measure(image: Image) -> dict[str, float]:
    """Return the raw figures by which `flag` judges one photo, by cleanvision's names."""
    properties = _manager().image_properties
    measures: dict[str, float] = {}
    for issue in _OWN:
        if issue != "light":  # measured together with dark
            measures |= properties[issue].calculate(image)
    return measures


def flag(table: pd.DataFrame, measures: pd.DataFrame) -> pd.DataFrame:
    """Add notes to the photos that cleanvision flags.

    Args:
        table: columns as in `manifest.COLUMNS`.
        measures: the results of `measure` for the photos that are not judged yet, by path.

    Returns:
        The table with more `notes` and `codes`.
    """
    found: dict[str, list[Note]] = {}
    readable = table[table["pixels"] != ""].set_index("path")
    sizes = pd.DataFrame({"size": np.sqrt(readable["width"] * readable["height"])})
    for frame, issues in ((measures, list(_OWN)), (sizes, ["odd_size"])):
        if frame.empty:
            continue
        manager = _manager()
        manager.issues = pd.DataFrame(index=frame.index)
        manager.update_issues(frame, issues)
        for issue in issues:
            flags = manager.issues[f"is_{issue}_issue"]
            for path in flags.index[flags]:
                found.setdefault(path, []).append(Note(issue, ISSUES[issue]))
    return add_notes(table, found)


def add_notes(table: pd.DataFrame, found: Mapping[str, Sequence[Note]]) -> pd.DataFrame:
    """Return a table with more notes, and their codes, in some rows.

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
        " ".join([*old.split(), *(note.code for note in more)])
        for old, more in zip(table["codes"], new, strict=True)
    ]
    return table.assign(
        notes=pd.Series(notes, index=table.index, dtype="str"),
        codes=pd.Series(codes, index=table.index, dtype="str"),
    )


def _manager() -> Any:
    from cleanvision.issue_managers.image_property_issue_manager import ImagePropertyIssueManager

    return ImagePropertyIssueManager()
