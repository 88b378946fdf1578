"""The files of a photo library: expand names into files, and read a file for the classifier."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from io import BytesIO
from pathlib import Path

from happysad import paths
from happysad.batch import remote
from happysad.batch.exif import taken_of
from happysad.errors import ErrorCode, ImageError, one_line, os_reason, shown_path
from happysad.folder_walk import LeftOut
from happysad.images import read_bytes

__all__ = ["PhotoFile", "expand", "look"]


@dataclass(slots=True, eq=False)
class PhotoFile:
    """A photo's path or address and what `look` found: a source for `Classifier.stream`.

    The classifier reads it like an open file, and `path` is the path of the prediction.
    """

    path: str
    """A path on this machine, an address such as s3://bucket/a.jpg, or - for standard input."""
    content: bytes | None = None
    """The whole file, if it is already in memory; the first `read` returns and releases it."""
    taken: datetime | None = None
    """EXIF's DateTimeOriginal: the camera's local time."""
    error: ImageError | None = None
    """Why it cannot be a photo."""

    def __fspath__(self) -> str:
        """Return the path."""
        return self.path

    def read(self, size: int = -1) -> bytes:
        """Return the whole file, whatever `size` is.

        Raises:
            ImageError: it cannot be read.
        """
        if self.error is not None:
            raise self.error
        content, self.content = self.content, None
        if content is not None:
            return content
        if remote.is_remote(self.path):
            return remote.fetch(self.path)
        return read_bytes(Path(self.path))


def expand(
    name: str,
    *,
    ordered: bool = True,
    without: Path | None = None,
    listed: bool = False,
    left_out: LeftOut | None = None,
) -> Iterator[str]:
    """Yield the files that a path, a folder, a glob or an address expands to.

    Args:
        name: see `paths.expand` and `remote.expand`.
        ordered: as for `paths.expand`.
        without: as for `paths.expand`.
        listed: as for `remote.expand`.
        left_out: counts what is left out of folders.

    Raises:
        UsageError, MissingExtraError, LibraryError: as for `remote.expand`.
    """
    if remote.is_remote(name):
        yield from remote.expand(name, listed=listed, left_out=left_out)
    else:
        yield from paths.expand(name, ordered=ordered, without=without, left_out=left_out)


def look(path: str) -> PhotoFile:
    """Return the file at a path, with the time when it was taken or why it cannot be a photo.

    A remote file is fetched. A pipe or a device is not opened, since reading it might never end.
    """
    try:
        if remote.is_remote(path):
            content = remote.fetch(path)
            return PhotoFile(path, content, taken_of(BytesIO(content)))
        _check_regular(path)
        with Path(path).open("rb") as file:
            return PhotoFile(path, taken=taken_of(file))
    except ImageError as error:
        return PhotoFile(path, error=error)
    except (OSError, ValueError) as error:  # ValueError: a path with a NUL in it
        reason = os_reason(error)
        if isinstance(error, FileNotFoundError) and Path(path).is_symlink():
            reason = f"a broken link, to {os.readlink(path)}"  # noqa: PTH115
        named = ImageError(reason, ErrorCode.CANNOT_OPEN, name=shown_path(path))
        return PhotoFile(path, error=named)


def _check_regular(path: str) -> None:
    mode = os.stat(path).st_mode  # noqa: PTH116
    if stat.S_ISDIR(mode):
        os.scandir(path).close()  # raises the reason why a folder cannot be listed
        raise ImageError("a folder, not a file", ErrorCode.NOT_A_FILE, name=one_line(path))
    if not stat.S_ISREG(mode):
        raise ImageError("not a regular file", ErrorCode.NOT_A_FILE, name=one_line(path))
