"""Image quality as cleanvision judges it: blurry, dark, light, low information, odd size or ratio.

This module calls cleanvision's measures and thresholds for one photo at a time, on the pixels that
the scan has decoded, instead of using `Imagelab`. The results are the same, but no photo is read or
measured twice, and nothing is printed. Findings become notes in the manifest; they are no reason to
leave a photo out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from happysad.dataset.findings import Code, Note, add_notes
from happysad.images import Pixels

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["ISSUES", "brightness", "flag", "measure", "phash", "sharpness", "shrink"]

# Issues of a single photo, by cleanvision's names.
_OWN = (Code.BLURRY, Code.DARK, Code.LIGHT, Code.LOW_INFORMATION, Code.ODD_ASPECT_RATIO)

#: All issues. An odd size is an outlier among all photos (three interquartile ranges off), so each
#: check computes it again, from the sizes in the manifest.
ISSUES = (*_OWN, Code.ODD_SIZE)

# Before they are measured, larger photos are shrunk to less than twice this side, in pixels.
_SIDE = 512


def shrink(pixels: Pixels) -> Image:
    """Return a photo as a Pillow image, shrunk by averaging blocks to below 1024 pixels a side.

    The computation uses integers only, so every machine gets the same hash.
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
    """Return the measures of one photo that `flag` compares, by cleanvision's names."""
    properties = _manager().image_properties
    measures: dict[str, float] = {}
    for issue in _OWN:
        if issue != Code.LIGHT:  # measured together with dark
            measures |= properties[issue].calculate(image)
    return measures


def sharpness(image: Image) -> float:
    """Return the standard deviation of the edges of a photo, in levels, 0 to 255.

    It depends on the size of the photo. Source: cleanvision.
    """
    from cleanvision.issue_managers.image_property import calc_blurriness

    return float(calc_blurriness(image.convert("L")))


def brightness(image: Image) -> float:
    """Return the brightness of the mean colour of a photo, 0 to 1. Source: cleanvision."""
    from cleanvision.issue_managers.image_property import calc_avg_brightness

    return float(calc_avg_brightness(image))


def flag(table: pd.DataFrame, measures: pd.DataFrame) -> pd.DataFrame:
    """Add notes to the photos that cleanvision flags.

    Args:
        table: columns as in `manifest.COLUMNS`.
        measures: the results of `measure` for the photos that are not flagged yet, by path.

    Returns:
        The table with `notes` and `note_codes` added.
    """
    found: dict[str, list[Note]] = {}
    readable = table[table["pixels"] != ""].set_index("path")
    sizes = pd.DataFrame({"size": np.sqrt(readable["width"] * readable["height"])})
    for frame, issues in ((measures, list(_OWN)), (sizes, [Code.ODD_SIZE])):
        if frame.empty:
            continue
        manager = _manager()
        manager.issues = pd.DataFrame(index=frame.index)
        manager.update_issues(frame, issues)
        for issue in issues:
            flags = manager.issues[f"is_{issue}_issue"]
            for path in flags.index[flags]:
                found.setdefault(path, []).append(Note.of(issue))
    return add_notes(table, found)


def _manager() -> Any:
    from cleanvision.issue_managers.image_property_issue_manager import ImagePropertyIssueManager

    return ImagePropertyIssueManager()
