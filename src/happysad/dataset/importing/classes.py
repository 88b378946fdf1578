"""Which label a source's class gets here."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping

from happysad.errors import ImportDataError, UsageError
from happysad.predictions import RESERVED

__all__ = ["DEFAULT", "Classes", "shown"]

#: What is placed where nothing is said: a source's class and its label here. Kept small on purpose.
DEFAULT = {
    "happy": "happy",
    "happiness": "happy",
    "joy": "happy",
    "sad": "sad",
    "sadness": "sad",
}

# A label becomes a folder's name: one part, not hidden, and legal on every system.
_LABEL = re.compile(r"\w([\w .-]{0,98}\w)?")


class Classes:
    """The classes that are wanted, by the source's names for them (upper and lower case alike)."""

    def __init__(self, mapping: Mapping[str, str] | None = None) -> None:
        """Take a mapping from their names to ours; None or an empty one for `DEFAULT`.

        Raises:
            UsageError: a label is no folder's name, or one that no class can have, or one class is
                given two labels.
        """
        self._given = bool(mapping)
        self._ours: dict[str, str] = {}
        for theirs, ours in (mapping or DEFAULT).items():
            if not _key(theirs):
                raise UsageError(f"--map takes THEIRS=OURS, such as joy=happy, not '={ours}'")
            if not _LABEL.fullmatch(ours):
                raise UsageError(
                    f"--map {theirs}: a label is a folder's name of letters, digits, blanks,"
                    f" '-', '_' and '.', with a letter or digit at both ends, not {ours!r}"
                )
            if ours in RESERVED:
                raise UsageError(
                    f"--map {theirs}: no class can be called {ours}, which answers say beside the"
                    " classes"
                )
            if self._ours.setdefault(_key(theirs), ours) != ours:
                raise UsageError(
                    f"--map gives {theirs} two labels: {self._ours[_key(theirs)]}, {ours}"
                )

    def ours(self, *names: str) -> str | None:
        """Give the label of a class that goes by any of `names`; None where it is not wanted.

        Raises:
            UsageError: two of its names were given two labels.
        """
        labels = {self._ours[_key(name)]: name for name in names if _key(name) in self._ours}
        if len(labels) > 1:
            both = ", ".join(f"{name}={label}" for label, name in labels.items())
            raise UsageError(f"--map gives one class two labels: {both}")
        return next(iter(labels), None)

    def check(self, where: str, found: Iterable[str], also: Iterable[str] = ()) -> None:
        """Refuse a mapping that names what the source has not, or a source with no wanted class.

        Args:
            where: the source, for the message.
            found: the source's classes.
            also: other names that they go by.

        Raises:
            UsageError: a class of the given mapping is not there.
            ImportDataError: none was given, and no class of `DEFAULT` is there.
        """
        found = sorted(set(found))
        there = {_key(name) for name in (*found, *also)}
        first = ", ".join(map(shown, found[:20])) + (", …" if len(found) > 20 else "") or "none"
        missing = [name for name in self._ours if name not in there]
        if self._given and missing:
            raise UsageError(
                f"--map {missing[0]}={self._ours[missing[0]]}: {where} has no class of that name; "
                f"its classes: {first}"
            )
        if len(missing) == len(self._ours):
            raise ImportDataError(
                f"{where}: no class is named {', '.join(DEFAULT)}; its classes: {first}; "
                "--map THEIRS=OURS says which is which"
            )


def shown(name: str) -> str:
    """Give a name of a source's as one line of a message can hold it: no escapes, not endless."""
    text = "".join(
        letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in name[:100]
    )
    return text + ("…" if len(name) > 100 else "")


def _key(name: str) -> str:
    return unicodedata.normalize("NFC", name).strip().casefold()
