"""The photos that Teach learns from: one folder a class, files named by their content."""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import threading
from pathlib import Path

from happysad.errors import ErrorCode, ImageError, UsageError, shown
from happysad.files import replacing, write_text
from happysad.folder_walk import reason_left_out
from happysad.images import decode
from happysad.names import nfc
from happysad.picture_type import EXTENSIONS
from happysad.predictions import NEITHER, check_class

__all__ = ["CLASSES", "FEWEST", "MAX_BYTES", "MAX_PHOTOS", "Examples"]

#: The two classes of a new folder.
CLASSES = ("happy", "sad")
#: Minimum number of photos of each class, with a face that is found, for a training.
FEWEST = 10
#: Maximum number of photos of a class, and maximum size of all photos in bytes.
MAX_PHOTOS, MAX_BYTES = 2000, 2**30

# The names of the two classes, as a JSON list; without this file, they are `CLASSES`.
_CLASSES = "classes.json"
# Characters that Windows does not allow in the names of folders, and the end of such a name.
_NOT_IN_FOLDERS = re.compile(r'[<>:"|?*]|[. ]$')
# The names of the files that `add` writes: a SHA-256, and the extension of the type.
_NAME = re.compile(r"[0-9a-f]{64}\.[a-z]+")


class Examples:
    """A folder with one folder of photos a class. Safe to share between threads."""

    def __init__(self, folder: Path) -> None:
        """Keep photos in `folder`, which is made with the first photo."""
        self.folder = folder
        self._mutex = threading.Lock()

    @property
    def classes(self) -> tuple[str, str]:
        """The two classes, in the user's order."""
        with contextlib.suppress(OSError, ValueError, TypeError):
            first, second = json.loads((self.folder / _CLASSES).read_text(encoding="utf-8"))
            return str(first), str(second)
        return CLASSES

    def rename(self, classes: tuple[str, str]) -> None:
        """Rename the two classes, and keep their photos.

        Raises:
            UsageError: a class cannot have such a name, the names are alike, or a folder that is
                none of the classes has one of them.
            OSError: the folders cannot be renamed.
        """
        first, second = (_class_name(name) for name in classes)
        if first.casefold() == second.casefold():
            raise UsageError(f"the classes must have different names, not both {shown(first)}")
        with self._mutex:
            olds = [self.folder / old for old in self.classes if (self.folder / old).is_dir()]
            for one in (self.folder / first, self.folder / second):
                if one.exists() and not any(one.samefile(old) for old in olds):
                    raise UsageError(f"the folder of photos already has another {shown(one.name)}")
            # All folders are first moved aside, since the names may be exchanged.
            aside = {}
            for place, (old, new) in enumerate(zip(self.classes, (first, second), strict=True)):
                if (self.folder / old).is_dir():
                    moved = self.folder / f".renamed-{place}"
                    aside[(self.folder / old).rename(moved)] = self.folder / new
            for moved, folder in aside.items():
                moved.rename(folder)
            write_text(self.folder / _CLASSES, json.dumps([first, second]) + "\n")

    def counts(self) -> dict[str, int]:
        """Return the number of photos of each class."""
        return {label: len(self._files(label)) for label in self.classes}

    def add(self, label: str, data: bytes, name: str, *, max_memory: int) -> bool:
        """Keep a photo.

        Args:
            label: one of `classes`.
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
            files = {one: self._files(one) for one in self.classes}
            if label not in files:
                raise ImageError(
                    f"{label} has another name now; add the photo again",
                    ErrorCode.INTERNAL,
                    name=name,
                )
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

    def names(self, label: str) -> list[str]:
        """Return the names of the photos of a class that `add` kept, the newest first."""
        files = [file for file in self._files(label) if _NAME.fullmatch(file.name)]
        files.sort(key=lambda file: (-file.stat().st_mtime_ns, file.name))
        return [file.name for file in files]

    def file(self, label: str, name: str) -> Path | None:
        """Return the file of a photo that `add` kept; None if there is no such photo."""
        file = self.folder / label / name
        return file if _NAME.fullmatch(name) and file.is_file() else None

    def remove(self, label: str, name: str) -> bool:
        """Delete a photo that `add` kept; return False if there is no such photo."""
        with self._mutex:
            file = self.file(label, name)
            if file is None:
                return False
            file.unlink()
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


def _class_name(name: str) -> str:
    """Return a class's name in NFC, without space around it.

    Raises:
        UsageError: it cannot name a class and a folder on every system.
    """
    name = nfc(name.strip())
    try:
        check_class(name)
    except ValueError as error:
        raise UsageError(str(error)) from None
    if name == NEITHER:
        raise UsageError(f"Teach has two classes, and {NEITHER} means neither of two; use another")
    if _NOT_IN_FOLDERS.search(name) or reason_left_out(name, folder=True):
        raise UsageError(f"a folder cannot have the name of this class: {shown(name)}")
    return name
