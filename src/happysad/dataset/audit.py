"""Image quality as cleanvision judges it: blurry, dark, light, low information, odd size or ratio.

cleanvision's measures and thresholds are called one photo at a time, on the pixels that the scan
has decoded, instead of through its `Imagelab`: nothing is read twice, nothing is printed, and
photos that were measured before need not be measured again. What they give is the same.
Findings are notes in the manifest: they leave no photo out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from happysad.images import Pixels

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = [
    "ISSUES",
    "NEAR_OTHER_CLASS",
    "NOT_AUDITED",
    "add_notes",
    "flag",
    "measure",
    "of_the_set",
    "phash",
    "shrink",
    "split_notes",
]

# Issues that one photo shows by itself, with the note each becomes.
_OWN = {
    "blurry": "blurry",
    "dark": "dark",
    "light": "light",
    "low_information": "low information",
    "odd_aspect_ratio": "odd aspect ratio",
}

#: cleanvision's names of what is looked for, with the note that each becomes. An odd size is odd
#: beside the other photos (three interquartile ranges off), so it is judged anew in each check,
#: over all readable photos, from the width and height in the manifest.
ISSUES = {**_OWN, "odd_size": "odd size"}

#: The note of photos read with `quality` off: they are read again once it is on.
NOT_AUDITED = "quality not audited"

#: The note, up to the other's path, of a photo whose near-duplicate stands in the other class;
#: always a row's last.
NEAR_OTHER_CLASS = "near-duplicate in the other class: "

# Larger photos are shrunk to less than twice this before they are measured.
_SIDE = 512


def split_notes(notes: str) -> list[str]:
    """Give the notes of one row; the last may name a path, which may hold any characters."""
    own, mark, other = notes.partition(NEAR_OTHER_CLASS)
    return [note for note in own.split("; ") if note] + ([mark + other] if mark else [])


def of_the_set(note: str) -> bool:
    """Tell whether a note depends on the other photos too, so that it is found anew each time."""
    return note == ISSUES["odd_size"] or note.startswith(NEAR_OTHER_CLASS)


def shrink(pixels: Pixels) -> Image:
    """Give a Pillow image whose longer side is below 1024 pixels, by averaging whole blocks.

    Integer arithmetic: the same on every machine. On 12 megapixels the perceptual hash takes 16 ms
    instead of 60, and what cleanvision measures 0.06 s instead of 0.8.
    """
    from PIL import Image

    image = Image.fromarray(pixels)
    factor = max(image.size) // _SIDE
    return image.reduce(factor) if factor > 1 else image


def phash(image: Image) -> str:
    """The perceptual hash of 64 bits (imagehash.phash: low frequencies of a DCT), 16 hex digits."""
    import imagehash

    return str(imagehash.phash(image))


def measure(image: Image) -> dict[str, float]:
    """Measure what `flag` judges one photo by: cleanvision's raw figures, by name."""
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
        measures: what `measure` gave for photos of the table that are not judged yet, by path.

    Returns:
        The table with longer `notes`.
    """
    found: dict[str, list[str]] = {}
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
                found.setdefault(path, []).append(ISSUES[issue])
    return add_notes(table, found)


def add_notes(table: pd.DataFrame, found: dict[str, list[str]]) -> pd.DataFrame:
    """Add notes to some rows, by path."""
    notes = [
        "; ".join([*([old] if old else []), *found.get(path, [])])
        for path, old in zip(table["path"], table["notes"], strict=True)
    ]
    return table.assign(notes=pd.Series(notes, index=table.index, dtype="str"))


def _manager() -> Any:
    from cleanvision.issue_managers.image_property_issue_manager import ImagePropertyIssueManager

    return ImagePropertyIssueManager()
