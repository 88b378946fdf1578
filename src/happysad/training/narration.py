"""What a training prints on standard error before, between and after its bars."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from happysad.errors import counted, one_line
from happysad.folder_walk import LeftOut

if TYPE_CHECKING:
    import pandas as pd

    from happysad.dataset.check_result import CheckResult
    from happysad.run import Run
    from happysad.training.config import TrainConfig
    from happysad.training.learner_base import Photos

__all__ = ["print_check", "print_learning", "print_test", "stoppable", "tell"]


def tell(line: str) -> None:
    """Print a line at once."""
    sys.stderr.write(f"{one_line(line)}\n")
    sys.stderr.flush()


def print_check(result: CheckResult) -> None:
    """Print what is left out and why, and the number of photos of each class in each split."""
    counts = result.counts
    tell(
        f"{counted(counts.files, 'file')}; {counted(counts.used, 'photo')} used, in "
        f"{counted(counts.groups, 'group')}"
    )
    if reasons := result.left_out:
        words = ", ".join(f"{title.lower()} ({count:,})" for title, count in reasons.items())
        tell(f"left out: {words}; {result.page} shows them")
    if counts.beside:
        tell(LeftOut(counts.beside).line)
    if counts.decisions:
        tell(counts.decisions)
    for split, by_class in result.photos.items():
        tell(f"{split}: " + ", ".join(f"{n:,} {name}" for name, n in by_class.items()))


def print_learning(config: TrainConfig, photos: Photos) -> None:
    """Print what is learned from how many photos."""
    learned, chosen_by = len(photos.train.classes), len(photos.val.classes)
    tell(
        f"training the model {config.model} on {counted(learned, 'photo')}; "
        f"{counted(chosen_by, 'other')} for validation"
    )


def print_test(test: pd.DataFrame) -> None:
    """Print the number of test photos."""
    tell(f"testing on {counted(len(test), 'photo')} that training has not used")


@contextmanager
def stoppable(run: Run) -> Iterator[None]:
    """If Ctrl+C stops the training in the block, print the command that continues it.

    Args:
        run: the run, which exists once there is something to continue.
    """
    try:
        yield
    except KeyboardInterrupt:
        if run.config.is_file():
            tell(f"stopped; to continue: happysad train --resume {shlex.quote(str(run.folder))}")
        else:
            tell("stopped before the training began; the same command starts again")
        raise
