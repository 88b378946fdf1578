"""The photos that Teach learns from: one folder a class, files named by their content."""

from __future__ import annotations

import hashlib
import re
import threading
from pathlib import Path

from happysad.errors import ErrorCode, ImageError
from happysad.files import replacing
from happysad.images import decode
from happysad.picture_type import EXTENSIONS

__all__ = ["CLASSES", "FEWEST", "MAX_BYTES", "MAX_PHOTOS", "Examples"]

#: The two classes.
CLASSES = ("happy", "sad")
#: Minimum number of photos of each class, with a face that is found, for a training.
FEWEST = 10
#: Maximum number of photos of a class, and maximum size of all photos in bytes.
MAX_PHOTOS, MAX_BYTES = 2000, 2**30

# The names of the files that `add` writes: a SHA-256, and the extension of the type.
_NAME = re.compile(r"[0-9a-f]{64}\.[a-z]+")


class Examples:
    """A folder with one folder of photos a class. Safe to share between threads."""

    def __init__(self, folder: Path) -> None:
        """Keep photos in `folder`, which is made with the first photo."""
        self.folder = folder
        self._mutex = threading.Lock()

    def counts(self) -> dict[str, int]:
        """Return the number of photos of each class."""
        return {label: len(self._files(label)) for label in CLASSES}

    def add(self, label: str, data: bytes, name: str, *, max_memory: int) -> bool:
        """Keep a photo.

        Args:
            label: one of `CLASSES`.
            data: the bytes of the whole file, which are kept as they are.
            name: what messages call it.
            max_memory: as for `images.decode`.

        Returns:
            False where the class already has this very file.

        Raises:
            ImageError: the photo cannot be read, or Teach has no room for it.
            OSError: the photo cannot be written.
        """
        type_ = decode(data, name, max_memory=max_memory).type
        file = self.folder / label / f"{hashlib.sha256(data).hexdigest()}{EXTENSIONS[type_][0]}"
        with self._mutex:
            if file.exists():
                return False
            files = {one: self._files(one) for one in CLASSES}
            if len(files[label]) >= MAX_PHOTOS:
                raise ImageError(
                    f"at most {MAX_PHOTOS:,} photos of a class are kept, and {label} has that many",
                    ErrorCode.TOO_LARGE,
                    name=name,
                )
            size = sum(one.stat().st_size for some in files.values() for one in some)
            if size + len(data) > MAX_BYTES:
                raise ImageError(
                    f"at most {MAX_BYTES:,} bytes of photos are kept, and there are {size:,}",
                    ErrorCode.TOO_LARGE,
                    name=name,
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
