"""The folders of splits in which many datasets keep their class folders: train/happy, test/sad."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["SPLITS", "split_folder"]

#: The split that a folder holds, by its name in lower case.
SPLITS = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "dev": "val",
    "test": "test",
    "testing": "test",
}


def split_folder(folders: Sequence[str]) -> str:
    """Return the nearest folder of a path that is named as a split; "" if there is none.

    Args:
        folders: the names of the path's folders, from the outermost to the innermost.

    >>> split_folder(["fer", "Train", "happy"])
    'Train'
    >>> split_folder(["fer", "happy"])
    ''
    """
    return next((name for name in reversed(folders) if name.casefold() in SPLITS), "")
