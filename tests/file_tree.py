"""The content of a folder, for tests that compare it before and after."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["tree"]


def tree(folder: Path) -> dict[str, bytes]:
    """Return the content of every file, and "-> TARGET" for every link, by path."""
    return {
        str(file.relative_to(folder)): (
            b"-> " + os.fsencode(file.readlink()) if file.is_symlink() else file.read_bytes()
        )
        for file in folder.rglob("*")
        if file.is_symlink() or file.is_file()
    }
