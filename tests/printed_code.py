"""Run the lines of Python that `happysad export` prints."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

__all__ = ["result"]


def result(lines: Sequence[str], folder: Path) -> Any:
    """Return what the last of three lines prints, run in a folder with photo.jpg."""
    *before, last = lines[-3:]
    names: dict[str, Any] = {}
    with contextlib.chdir(folder), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TensorFlow plans to move its interpreter
        exec("\n".join(before), names)
        return eval(last.removeprefix("print(").removesuffix(")"), names)
