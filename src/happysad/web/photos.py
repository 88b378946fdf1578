"""The photos that Teach was given, in one folder a class; named by their content alone."""

from __future__ import annotations

import hashlib
import re
import threading
from pathlib import Path

from happysad.errors import ErrorCode, ImageError
from happysad.files import replacing
from happysad.images import EXTENSIONS, decode

__all__ = ["FEWEST", "LABELS", "MAX_BYTES", "MAX_PHOTOS", "Photos"]

#: The two classes.
LABELS = ("happy", "sad")
#: A training needs so many photos of each class, each with a face that is found.
FEWEST = 10
#: The most photos of a class, and the most bytes of both together.
MAX_PHOTOS, MAX_BYTES = 2000, 2**30

# What `add` names files: a sha256, and the extension of the type.
_NAME = re.compile(r"[0-9a-f]{64}\.[a-z]+")


class Photos:
    """A folder with one folder of photos a class. Safe to share between threads."""

    def __init__(self, folder: Path) -> None:
        """Keep photos in `folder`, which is made when the first one comes."""
        self.folder = folder
        self._mutex = threading.Lock()

    def counts(self) -> dict[str, int]:
        """Count each class's photos."""
        return {label: len(self._files(label)) for label in LABELS}

    def add(self, label: str, data: bytes, name: str, *, max_pixels: int) -> bool:
        """Keep a photo.

        Args:
            label: one of `LABELS`.
            data: the whole file's bytes, kept as they are.
            name: stands in messages, and is nothing else.
            max_pixels: the most it may have.

        Returns:
            False where the class has this very file already.

        Raises:
            ImageError: it cannot be read, or no more photos are kept.
            OSError: it cannot be written.
        """
        type_ = decode(data, name, max_pixels=max_pixels).type
        file = self.folder / label / f"{hashlib.sha256(data).hexdigest()}{EXTENSIONS[type_][0]}"
        with self._mutex:
            if file.exists():
                return False
            files = {one: self._files(one) for one in LABELS}
            if len(files[label]) >= MAX_PHOTOS:
                raise ImageError(
                    f"{name}: no more than {MAX_PHOTOS:,} photos of a class are kept, and of "
                    f"{label} there are so many",
                    ErrorCode.TOO_LARGE,
                )
            size = sum(one.stat().st_size for some in files.values() for one in some)
            if size + len(data) > MAX_BYTES:
                raise ImageError(
                    f"{name}: no more than {MAX_BYTES:,} bytes of photos are kept, and there are "
                    f"{size:,}",
                    ErrorCode.TOO_LARGE,
                )
            with replacing(file) as temporary:
                temporary.write_bytes(data)
            return True

    def empty(self, label: str) -> None:
        """Delete the photos of a class that `add` kept."""
        with self._mutex:
            for file in self._files(label):
                if _NAME.fullmatch(file.name):
                    file.unlink(missing_ok=True)

    def _files(self, label: str) -> list[Path]:
        folder = self.folder / label
        if not folder.is_dir():
            return []
        return [file for file in folder.iterdir() if not file.name.startswith(".")]
