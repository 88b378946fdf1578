"""Names of files and classes, as they are compared."""

from __future__ import annotations

import unicodedata

__all__ = ["nfc"]


def nfc(name: str) -> str:
    """Return a name in Unicode's form NFC.

    Systems write the same name differently: macOS splits an accent from its letter. So names are
    compared in one form.

    >>> nfc("cafe\u0301") == "caf\u00e9"
    True
    """
    return unicodedata.normalize("NFC", name)
