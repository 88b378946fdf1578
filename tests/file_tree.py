"""The content of folders before and after a test, and zips of files."""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path

__all__ = ["tree", "zipped"]


def tree(folder: Path) -> dict[str, bytes]:
    """Return the content of every file, and "-> TARGET" for every link, by path."""
    return {
        str(file.relative_to(folder)): (
            b"-> " + os.fsencode(file.readlink()) if file.is_symlink() else file.read_bytes()
        )
        for file in folder.rglob("*")
        if file.is_symlink() or file.is_file()
    }


def zipped(files: Mapping[str, bytes]) -> bytes:
    """Return a zip of files, which are given by path."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for path, data in files.items():
            archive.writestr(path, data)
    return file.getvalue()
