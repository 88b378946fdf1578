"""Every error that happysad raises.

    HappysadError                 catch this one to catch them all
    ├── UsageError                the call is wrong: an argument, an option, a missing folder
    │   ├── ConfigError           a training setting that is unknown or out of range
    │   └── MissingExtraError     an optional part is not installed; says how to install it
    ├── ImageError                a picture that cannot be read; `code` is an ErrorCode
    ├── DatasetError              a folder of photos that cannot be learned from
    │   └── LeakError             photos that belong together are in different splits
    ├── ClassifierError           a file that is not a happysad classifier
    ├── RunError                  a run's folder that cannot be used or resumed
    ├── BusyError                 another process works in the folder
    ├── ExportError               an exported file that does not agree with its Keras model
    ├── LibraryError              results of many photos that cannot be written or read
    ├── MoveError                 files that cannot be moved, or a damaged list of moved files
    ├── VideoError                a film or camera that cannot be read, or a film not written
    └── ImportDataError           another dataset that cannot be fetched or unpacked

Every message is one line: the file or the argument, what is allowed, and what was received.
`exit_status` is the exit status of the command line: 2 for a wrong call, 1 for failed work.
"""

from __future__ import annotations

import os
from enum import StrEnum
from functools import partial
from typing import ClassVar

__all__ = [
    "BusyError",
    "ClassifierError",
    "ConfigError",
    "DatasetError",
    "ErrorCode",
    "ExportError",
    "HappysadError",
    "ImageError",
    "ImportDataError",
    "LeakError",
    "LibraryError",
    "MissingExtraError",
    "MoveError",
    "RunError",
    "UsageError",
    "VideoError",
    "counted",
    "one_line",
    "os_reason",
    "shown",
    "shown_path",
]

# Maximum number of characters of an input that a message quotes.
_MOST_SHOWN = 80


def os_reason(error: Exception) -> str:
    """Return why a system call failed, in lower case, without the error number and the path."""
    return (getattr(error, "strerror", None) or str(error)).lower()


def counted(number: int, what: str) -> str:
    """Return a number of things in words.

    Args:
        number: how many.
        what: the name of one of them, whose plural ends in s.

    >>> counted(1, "file"), counted(2000, "file")
    ('1 file', '2,000 files')
    """
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def one_line(text: str) -> str:
    r"""Return a text with its control characters escaped.

    >>> one_line("a\nb.jpg")
    'a\\nb.jpg'
    """
    if text.isprintable():
        return text
    # A surrogate is a byte of a path that is no UTF-8; what prints the message decides about it.
    return "".join(
        one if one.isprintable() or "\ud800" <= one <= "\udfff" else repr(one)[1:-1] for one in text
    )


def shown(text: str) -> str:
    """Return an input as messages quote it: one line of at most 80 characters.

    A longer text is shortened in the middle, so that the name at the end of a path is kept.

    >>> len(shown("x" * 100))
    80
    """
    line = one_line(text)
    if len(line) <= _MOST_SHOWN:
        return line
    half = _MOST_SHOWN // 2
    return f"{line[: half - 1]}…{line[-half:]}"


def shown_path(path: str) -> str:
    """Return a path as messages quote it: whole if there is such a file, else as `shown`.

    The user looks for the file by its path, so none of it may be missing.

    >>> len(shown_path("/no/such/file/" + 100 * "x"))
    80
    """
    return one_line(path) if os.path.lexists(path) else shown(path)


class HappysadError(Exception):
    """The root of all errors that happysad raises on purpose."""

    exit_status: ClassVar[int] = 1

    def __str__(self) -> str:
        """Return the message as one line, whatever the file that it quotes contains."""
        return one_line(super().__str__())


class ErrorCode(StrEnum):
    """Why there is no answer for a picture. Programs read codes; people read messages."""

    EMPTY = "empty"
    """The file has no bytes."""
    NOT_AN_IMAGE = "not_an_image"
    """The content is not a picture of a type that happysad reads."""
    UNSUPPORTED = "unsupported"
    """The picture is of a known type that cannot be read here; the text names the remedy."""
    TRUNCATED = "truncated"
    """The picture ends before its last pixel."""
    DAMAGED = "damaged"
    """The picture has a valid beginning, but cannot be decoded."""
    TOO_LARGE = "too_large"
    """The picture has more bytes or pixels than happysad reads."""
    TOO_COMPLEX = "too_complex"
    """Decoding would take far more work than the number of pixels warrants."""
    CANNOT_OPEN = "cannot_open"
    """The file does not exist, or the system refuses to open it."""
    NOT_A_FILE = "not_a_file"
    """The path names a pipe, a device or a folder."""
    BAD_ARRAY = "bad_array"
    """The array does not have the dtype or the shape of a picture."""
    CANNOT_FETCH = "cannot_fetch"
    """The address cannot be fetched."""
    INTERNAL = "internal"
    """A bug in happysad."""

    @property
    def may_pass(self) -> bool:
        """Whether the file may be readable later: once its disk is back, or an extra installed."""
        return self in (ErrorCode.CANNOT_OPEN, ErrorCode.CANNOT_FETCH, ErrorCode.UNSUPPORTED)


class UsageError(HappysadError):
    """A wrong call: an argument, an option or a missing folder."""

    exit_status = 2


class ConfigError(UsageError):
    """A training setting that is unknown, of the wrong type or out of range."""


class MissingExtraError(UsageError):
    """An optional dependency that is not installed."""

    def __init__(self, what: str, extra: str) -> None:
        """Name what needs ``happysad[extra]``, and how to install it."""
        super().__init__(f'{what} needs an extra: pip install "happysad[{extra}]"')
        self._made_of = (what, extra)

    def __reduce__(self) -> tuple[type[MissingExtraError], tuple[str, str]]:
        """Pickle with both arguments, so that errors pass between processes."""
        return type(self), self._made_of


class ImageError(HappysadError):
    """A picture that cannot be read; `code` says why."""

    def __init__(self, reason: str, code: ErrorCode, *, name: str = "") -> None:
        """Store the reason, its code, and the picture's name, with which the message begins."""
        super().__init__(f"{name}: {reason}" if name else reason)
        self.reason = reason
        self.code = code
        self._name = name

    def __reduce__(self) -> tuple[partial[ImageError], tuple[str, ErrorCode]]:
        """Pickle with all parts, so that errors pass between processes."""
        return partial(type(self), name=self._name), (self.reason, self.code)


class DatasetError(HappysadError):
    """A folder of photos that cannot be learned from."""


class LeakError(DatasetError):
    """Photos of one group in different splits."""


class ClassifierError(HappysadError):
    """A file that is not a happysad classifier."""


class RunError(HappysadError):
    """A run's folder that cannot be used or resumed."""


class BusyError(HappysadError):
    """Another process is at work in the folder."""


class ExportError(HappysadError):
    """An exported file that does not agree with its Keras model."""


class LibraryError(HappysadError):
    """A folder of results that cannot be written to, or read."""


class MoveError(HappysadError):
    """Users' files that cannot be moved, or a damaged list of moved files."""


class VideoError(HappysadError):
    """A film or a camera that cannot be read, or a film that cannot be written."""


class ImportDataError(HappysadError):
    """Another dataset that cannot be fetched, checked or unpacked."""
