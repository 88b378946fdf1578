"""How far a training of Teach is, and about how long the rest takes."""

from __future__ import annotations

import time
from pathlib import Path

from happysad.run import Step

__all__ = ["LessonProgress"]

# The parts of a lesson in their order: how the name of the work begins, and its typical seconds,
# for any number of photos and for each. docs/decisions.md, "The time left of a training in Teach".
_PARTS = (
    ("reading", 1.0, 0.02),
    ("cutting faces out", 0.0, 0.05),
    ("learning a first result", 2.0, 0.01),
    ("building the network", 8.0, 0.0),
    ("training", 10.0, 0.1),
    ("calibrating", 3.0, 0.0),
    ("exporting", 6.0, 0.0),
    ("judging", 3.0, 0.01),
    ("drawing plots", 6.0, 0.0),
)
# The minimum number of seconds between two writings of the same work's progress.
_EVERY = 0.25


class LessonProgress:
    """Writes into a file what is being done; an observer for `happysad.progress.observed`."""

    def __init__(self, file: Path, photos: int) -> None:
        """Begin to measure the time.

        Args:
            file: the file that is written.
            photos: the number of photos.
        """
        self._file = file
        seconds = [fixed + each * photos for _, fixed, each in _PARTS]
        self._ends = [sum(seconds[: place + 1]) / sum(seconds) for place in range(len(seconds))]
        self._share = 0.0
        self._began = self._written = time.monotonic()
        self._what = ""

    def __call__(self, what: str, done: int, total: int) -> None:
        """Write the progress, unless that of the same work has just been written."""
        now = time.monotonic()
        if what == self._what and now - self._written < _EVERY:
            return
        self._what, self._written = what, now
        # Some work is done more than once; the share never falls.
        self._share = max(self._share, self._reached(what, done / total if total else 0.0))
        elapsed = now - self._began
        left = elapsed / self._share - elapsed if self._share else None
        Step(what=what, done=done, total=total, share=self._share, seconds_left=left).write(
            self._file
        )

    def _reached(self, what: str, done: float) -> float:
        """Return the share of the whole that is done; 0 for work that is no part of its own."""
        for place, (name, _, _) in enumerate(_PARTS):
            if what.startswith(name):
                before = self._ends[place - 1] if place else 0.0
                return before + done * (self._ends[place] - before)
        return 0.0
