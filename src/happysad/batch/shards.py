"""Predict a photo library shard by shard: paths become rows, and rows become parts.

What an earlier call has done stays as it is, so that the same call goes on where it was stopped. At
most one shard's rows are in memory.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from happysad import __version__
from happysad.batch import tables
from happysad.batch.photo_files import PhotoFile, look
from happysad.batch.remote import is_remote
from happysad.batch.results import UNREADABLE, Made, Results, Shard
from happysad.classifier import Classifier
from happysad.errors import ErrorCode, HappysadError, LibraryError, UsageError
from happysad.model_file import SHIPPED
from happysad.parallel import ordered_map, thread_count
from happysad.predictions import Failure, Prediction
from happysad.progress import bar

__all__ = ["SHARD", "Summary", "in_words", "predict", "predict_shard"]

#: The default number of photos in a part: an interruption redoes at most one part.
SHARD = 1000

# The number of files that are looked at, or fetched, before the classifier reads them, and the
# number of threads per core that do it: they mostly wait.
_AHEAD, _THREADS = 64, 4


@dataclass(frozen=True)
class Summary:
    """What the results hold when all photos are done."""

    counts: Counter[str]
    """The number of photos of each label; photos that cannot be read count as "unreadable"."""
    parts: int
    """The number of parts."""
    done: int
    """The number of photos that this call predicted."""


def predict(
    files: Iterable[str],
    out: Path,
    *,
    sources: Iterable[str],
    model: Path | None = None,
    faces: str = "find",
    unsure: bool = True,
    format: tables.Format = "parquet",  # noqa: A002
    shard: int = SHARD,
    cluster: str | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> Summary:
    """Predict many photos into a folder of results; go on where an earlier call was stopped.

    Args:
        files: the paths of all photos, in any order; a path that comes twice counts once. With
            `cluster` they are absolute, or addresses.
        out: the folder of results; see `happysad.batch.results`.
        sources: the names that the files were found by; a later call must give the same.
        model: as for `Classifier`.
        faces: as for `Classifier.predict`.
        unsure: as for `Classifier.predict`.
        format: the format of the parts.
        shard: the maximum number of photos in a part.
        cluster: the address of a Dask scheduler whose workers predict; see `cluster.work`.
        say: called with a line on what differs from an earlier call.

    Raises:
        UsageError: `out` holds something else, or results of other sources, options or another
            classifier; with `cluster`, the path of a file is relative.
        LibraryError: another process writes to `out`, or its results are damaged; as
            `cluster.work`.
    """
    classifier = Classifier(model)
    classifier.input.check(faces)
    made = Made(
        sources=tuple(sources),
        folder=str(Path.cwd()),
        classifier=(model or SHIPPED).name,
        sha256=classifier.sha256,
        classes=classifier.classes,
        faces=faces,
        unsure=unsure,
        format=format,
        shard=shard,
    )
    if cluster is not None:
        from happysad.batch.cluster import check, work

        check(cluster)  # before the files are listed, which may take hours
    results = Results.begin(out, made)
    with results.locked():
        results = Results.begin(out, made)  # again: another process may have changed them
        results.clean()
        _list(results, files if cluster is None else map(_absolute, files), say)
        if cluster is None:
            return _work(results, classifier)
        return work(results, classifier.content, cluster, say=say)


def _absolute(file: str) -> str:
    if is_remote(file) or Path(file).is_absolute():
        return file
    raise UsageError(f"{file}: on a cluster a photo needs its absolute path")


def _list(results: Results, files: Iterable[str], say: Callable[[str], None]) -> None:
    """Write the list of files, and say what has changed since the last call."""
    before = results.made
    with bar() as progress:
        task = progress.add_task("listing", total=None, note="")

        def counted() -> Iterator[str]:
            for file in files:
                progress.advance(task)
                yield file

        new, gone = results.add(counted())
    if before.lists and (new or gone):
        say(
            f"{results.folder}: since the first call {new:,} files were added, which are predicted "
            f"too; {gone:,} are gone, and their rows stay"
        )
    if before.lists and before.version != __version__:
        say(f"{results.folder}: begun by happysad {before.version}, this is {__version__}")


def _work(results: Results, classifier: Classifier) -> Summary:
    counts = Counter[str](dict.fromkeys(classifier.classes, 0))
    parts = done = 0
    with bar() as progress:
        task = progress.add_task("predicting", total=results.files, note="")
        for shard in results.shards():
            there = results.counts(shard)
            if there is not None:
                counts += there
                progress.reset(task, total=results.files, completed=counts.total())
            else:
                shown = counts.copy()

                def show(answer: Prediction, shown: Counter[str] = shown) -> None:
                    shown[answer.label or UNREADABLE] += 1
                    progress.update(task, advance=1, note=in_words(shown))

                counts += predict_shard(results, classifier, shard, show)
                done += len(shard.paths)
            parts += 1
    return Summary(counts, parts, done)


def predict_shard(
    results: Results,
    classifier: Classifier,
    shard: Shard,
    show: Callable[[Prediction], None] = lambda answer: None,
) -> Counter[str]:
    """Predict the photos of one shard and write its parts.

    Args:
        results: the results of the shard.
        classifier: the classifier of the results.
        shard: one of `results.shards()`.
        show: called with every prediction, for a progress bar.

    Returns:
        The number of photos of each label.
    """
    photos: list[dict[str, Any]] = []
    faces: list[dict[str, Any]] = []
    paths = []
    for file, answer in _answers(classifier, shard.paths, results.made):
        paths.append(file.path)
        photos.append(tables.photo_row(answer, file.taken))
        faces += answer.face_rows() if answer.faces else []
        show(answer)
    if paths != list(shard.paths):
        raise LibraryError(f"{shard.name}: rows differ from files; this is a fault of happysad")
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
        except Exception:  # a fault that one photo brings out must not cost the others
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
