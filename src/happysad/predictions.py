"""What a classifier answers: frozen dataclasses that check themselves, and rows to write."""

from __future__ import annotations

import math
from dataclasses import dataclass

__all__ = ["SCHEMA", "Prediction"]

#: The version of a row; it rises when a key changes its meaning or goes.
SCHEMA = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """The answer for one photo: a label with its probability, or the reason why there is none."""

    path: str | None = None
    """Where the photo came from; None for bytes and arrays."""
    label: str | None = None
    """The class, "happy" or "sad" for the usual folders; None where `error` says why."""
    p_sad: float | None = None
    """The calibrated probability of the second class in alphabetical order: sad. 0 to 1."""
    error: str | None = None
    """Why the photo could not be read; None where it could."""

    def __post_init__(self) -> None:
        answered = self.label is not None and self.p_sad is not None and self.error is None
        failed = self.label is None and self.p_sad is None and bool(self.error)
        if not answered and not failed:
            raise ValueError(
                "a prediction has a label and p_sad, or an error alone; "
                f"got label {self.label!r}, p_sad {self.p_sad!r}, error {self.error!r}"
            )
        if self.p_sad is not None and not (math.isfinite(self.p_sad) and 0 <= self.p_sad <= 1):
            raise ValueError(f"p_sad is a probability from 0 to 1, not {self.p_sad!r}")

    def row(self) -> dict[str, str | float | int | None]:
        """Give the versioned row that the command line and the files write."""
        return {
            "schema": SCHEMA,
            "path": self.path,
            "label": self.label,
            "p_sad": self.p_sad,
            "error": self.error,
        }
