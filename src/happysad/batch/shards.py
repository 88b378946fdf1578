"""Predict the photos of a shard, and write their rows as parts.

At most the rows of one shard are in memory.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from happysad.batch import tables
from happysad.batch.photo_files import PhotoFile, look
from happysad.batch.results import Made, Results, Shard
from happysad.classifier import Classifier
from happysad.errors import ErrorCode, HappysadError, LibraryError
from happysad.parallel import ordered_map, thread_count
from happysad.predictions import Failure, Prediction

__all__ = ["SHARD", "Summary", "in_words", "predict_shard"]

#: The default number of photos in a part: an interruption redoes at most one part.
SHARD = 1000

# Number of files that `look` opens or fetches ahead of the classifier, and number of threads per
# core for that: they mostly wait.
_AHEAD, _THREADS = 64, 4


@dataclass(frozen=True)
class Summary:
    """The totals of results in which all photos are done."""

    counts: Counter[str]
    """The number of photos of each label; photos that cannot be read count as "unreadable"."""
    parts: int
    """The number of parts."""
    done: int
    """The number of photos that this call predicted."""


def predict_shard(
    results: Results,
    classifier: Classifier,
    shard: Shard,
    show: Callable[[Prediction], None] = lambda answer: None,
    *,
    missing: Collection[str] | None = None,
) -> Counter[str]:
    """Predict the photos of one shard and write its parts.

    Args:
        results: the results of the shard.
        classifier: the classifier of the results.
        shard: one of `results.shards()`.
        show: called with every prediction, for a progress bar.
        missing: the paths to predict, if the parts have the others; None for all.

    Returns:
        The number of photos of each label.
    """
    photos: list[dict[str, Any]] = []
    faces: list[dict[str, Any]] = []
    wanted = [path for path in shard.paths if missing is None or path in missing]
    paths = []
    for file, answer in _answers(classifier, wanted, results.made):
        paths.append(file.path)
        photos.append(tables.photo_row(answer, file.taken))
        faces += answer.face_rows() if answer.faces else []
        show(answer)
    if paths != wanted:
        raise LibraryError(f"{shard.name}: rows differ from files; this is a bug in happysad")
    return results.write(shard, photos, faces)


def in_words(counts: Counter[str]) -> str:
    """Return counts in one line, the largest first.

    >>> in_words(Counter(no_face=3, happy=12))
    '12 happy, 3 no_face'
    """
    return ", ".join(f"{count:,} {what}" for what, count in counts.most_common() if count)


def _answers(
    classifier: Classifier, paths: Sequence[str], made: Made
) -> Iterator[tuple[PhotoFile, Prediction]]:
    """Yield the file and the prediction of each path, in order."""
    answered = 0
    threads = _THREADS * thread_count(classifier.threads)
    with closing(ordered_map(look, paths, threads=threads, ahead=_AHEAD)) as files:
        try:
            for answer in classifier.stream(files, faces=made.faces, unsure=made.unsure):
                assert isinstance(answer.source, PhotoFile)
                answered += 1
                yield answer.source, answer
        except HappysadError:
            raise
        except Exception:  # an unexpected error for one photo must not affect the others
            for path in paths[answered:]:
                yield _alone(classifier, path, made)


def _alone(classifier: Classifier, path: str, made: Made) -> tuple[PhotoFile, Prediction]:
    file = look(path)
    try:
        return file, next(classifier.stream([file], faces=made.faces, unsure=made.unsure))
    except HappysadError:
        raise
    except Exception as error:
        text = " ".join(f"{path}: {type(error).__name__}: {error}".split())
        failure = Failure(ErrorCode.INTERNAL, text)
        return file, Prediction(source=file, error=failure, classifier=classifier.id)
