"""Read text in any encoding of Unicode, and write files completely or not at all."""

from __future__ import annotations

import codecs
import contextlib
import os
import secrets
import sys
import time
from collections.abc import Iterator
from pathlib import Path

__all__ = ["UTF_16", "decoded_text", "rename", "replacing", "write_text"]

#: The byte order marks of UTF-16; no photo begins with one.
UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)

# Maximum number of characters of the stem and of the suffix that the temporary name keeps, since
# the name itself may have the maximum length that the system allows.
_KEPT = 30
# How long Windows is given to let go of a file that another program has open, in seconds.
_PAUSES = (0.01, 0.03, 0.1, 0.3, 1.0)


@contextlib.contextmanager
def replacing(path: str | os.PathLike[str], *, make_folder: bool = True) -> Iterator[Path]:
    """Yield a temporary path beside `path`; at the end, the file written there replaces `path`.

    The temporary name has the same suffix, by which many writers choose the format. If the block
    raises, the temporary file is removed, and `path` stays as it was.

    Args:
        path: the file to write.
        make_folder: whether its folder is created if it does not exist.

    Raises:
        OSError: the file cannot be written; the error names `path`, never the temporary name.
    """
    path = Path(path)
    if make_folder:
        path.parent.mkdir(parents=True, exist_ok=True)
    name = f".{path.stem[:_KEPT]}-{secrets.token_hex(4)}{path.suffix[:_KEPT]}"
    temporary = path.with_name(name)
    try:
        try:
            yield temporary
            rename(temporary, path)
        finally:
            # After an error, Windows may refuse to remove a file that is still mapped.
            with contextlib.suppress(PermissionError):
                temporary.unlink(missing_ok=True)
    except OSError as error:
        named = [str(name) for name in (error.filename, error.filename2) if name is not None]
        if error.errno is None or (named and str(temporary) not in named):
            raise  # it concerns another file, or no file at all
        raise OSError(error.errno, error.strerror, str(path)) from error


def rename(path: Path, new: Path) -> None:
    """Rename a file or a folder; a file that has the new name is replaced.

    Windows refuses this while another program has the file open, such as the server that shows the
    progress of a training. So it is tried for 1.4 s there.

    Raises:
        OSError: the system refuses it.
    """
    for pause in _PAUSES if sys.platform == "win32" else ():
        try:
            path.replace(new)
        except PermissionError:
            time.sleep(pause)
        else:
            return
    path.replace(new)


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write `text` as UTF-8; bytes of file names that are not valid UTF-8 are written unchanged."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="surrogateescape", newline="")


def decoded_text(data: bytes) -> str:
    """Return the text of a file: UTF-16 after its byte order mark, else UTF-8 with or without one.

    Raises:
        UnicodeDecodeError: it is in another encoding.

    >>> decoded_text("path,group".encode("utf-16")), decoded_text(b"path")
    ('path,group', 'path')
    """
    return data.decode("utf-16" if data.startswith(UTF_16) else "utf-8-sig")
