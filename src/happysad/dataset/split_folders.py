"""The folders of splits in which many datasets keep their class folders: train/happy, test/sad."""

from __future__ import annotations

import re
from collections.abc import Sequence

from happysad.dataset.manifest import Split

__all__ = ["split_folder", "split_of"]

_SPLITS: dict[str, Split] = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "dev": "val",
    "publictest": "val",  # FER2013's names of its two halves of a test
    "privatetest": "test",
    "test": "test",
    "testing": "test",
}
# training_set, test-data, ValidationSet
_ENDING = re.compile(r"[ _-]?(set|data|images)$")


def split_of(folder: str) -> Split | None:
    """Return the split that a folder holds by its name; None if it is not named as a split.

    >>> split_of("Training_set"), split_of("valid"), split_of("happy")
    ('train', 'val', None)
    """
    name = folder.casefold()
    return _SPLITS.get(name) or _SPLITS.get(_ENDING.sub("", name))


def split_folder(folders: Sequence[str]) -> str:
    """Return the nearest folder of a path that is named as a split; "" if there is none.

    Args:
        folders: the names of the path's folders, from the outermost to the innermost.

    >>> split_folder(["fer", "Train", "happy"])
    'Train'
    >>> split_folder(["fer", "happy"])
    ''
    """
    return next((name for name in reversed(folders) if split_of(name)), "")
