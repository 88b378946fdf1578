"""Names of files and classes: how they are compared, and which ones every system allows."""

from __future__ import annotations

import re
import unicodedata

__all__ = ["nfc", "portable"]

# What Windows forbids in a name.
_FORBIDDEN = re.compile(
    r"""
    [\x00-\x1f\x7f<>:"/\\|?*]                      # these characters
    | [. ]$                                        # a dot or a space at the end
    | ^(?=(con|prn|aux|nul|(com|lpt)[0-9])(\.|$))  # the name of a device, with any ending
    """,
    re.VERBOSE | re.IGNORECASE,
)


def nfc(name: str) -> str:
    """Return a name in Unicode's form NFC.

    Systems write the same name differently: macOS splits an accent from its letter. So names are
    compared in one form.

    >>> nfc("cafe\u0301") == "caf\u00e9"
    True
    """
    return unicodedata.normalize("NFC", name)


def portable(name: str) -> str:
    """Return a name that every system allows for a file.

    Windows forbids some characters, a dot or a space at the end, and the names of devices.

    >>> portable("12:30?.jpg"), portable("con.jpg"), portable("party.")
    ('12_30_.jpg', '_con.jpg', 'party_')
    """
    return _FORBIDDEN.sub("_", name)
