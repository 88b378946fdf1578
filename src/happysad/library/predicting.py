"""Predict a library: shard by shard, paths become rows and rows become parts.

What was done before is left as it is, so that the same call goes on where another was stopped. At
most a shard's rows are in memory.
"""

from __future__ import annotations

import hashlib
import os
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from happysad import __version__
from happysad.classifier import SHIPPED, Classifier
from happysad.errors import HappysadError, LibraryError, UsageError
from happysad.library import tables
from happysad.library.looking import Look, look
from happysad.library.remote import fetch, is_remote
from happysad.library.results import UNREADABLE, Made, Results, Shard
from happysad.predictions import Prediction
from happysad.progress import bar

__all__ = ["SHARD", "Summary", "predict", "predict_shard"]

#: How many photos a part has: a kill costs at most the work on so many.
SHARD = 1000

# So many files are looked at, or fetched, before the classifier wants them, by so many threads for
# each core: they mostly wait.
_AHEAD, _THREADS = 64, 4


@dataclass(frozen=True)
class Summary:
    """What the results hold when all is done."""

    counts: Counter[str]
    """How many photos have which outcome, those that could not be read as "unreadable"."""
    parts: int
    """How many parts there are."""
    done: int
    """How many photos this call did."""


def predict(
    files: Iterable[str],
    out: Path,
    *,
    sources: Iterable[str],
    model: Path | None = None,
    faces: bool = True,
    unsure: bool = True,
    format: tables.Format = "parquet",  # noqa: A002
    shard: int = SHARD,
    cluster: str | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> Summary:
    """Predict many photos into a folder of results; go on where an earlier call was stopped.

    Args:
        files: all of them, in any order; a path that comes twice counts once. With `cluster` they
            are absolute, or addresses.
        out: the folder, as `results` says.
        sources: what the files were named by; another call must name the same.
        model: as `Classifier.load` takes it; None for the one that ships.
        faces: as for `Classifier.predict`.
        unsure: as for `Classifier.predict`.
        format: of the parts.
        shard: how many photos a part has.
        cluster: the address of a Dask scheduler, whose workers do it; see `cluster.work`.
        say: is told, in a line, what differs from an earlier call.

    Raises:
        UsageError: `out` holds something else, or results of other sources, options or another
            classifier; with `cluster` a file's path is relative.
        LibraryError: another process writes to `out`, or what it holds is damaged; what
            `cluster.work` says.
    """
    file = model or SHIPPED
    classifier = Classifier.load(file)
    next(classifier.stream([], faces=faces, unsure=unsure), None)  # refuses what does not fit
    made = Made(
        sources=tuple(sources),
        folder=str(Path.cwd()),
        classifier=file.name,
        sha256=hashlib.sha256(_bytes(file)).hexdigest(),
        labels=classifier.details.labels,
        faces=faces,
        unsure=unsure,
        format=format,
        shard=shard,
    )
    if cluster is not None:
        from happysad.library.cluster import check, work

        check(cluster)  # before all is listed, which may take hours
    results = Results.begin(out, made)
    with results.locked():
        results = Results.begin(out, made)  # again: another process may just have ended
        results.clean()
        _list(results, files if cluster is None else map(_absolute, files), say)
        if cluster is None:
            return _work(results, classifier)
        return work(results, _bytes(file), cluster, say=say)


def _absolute(file: str) -> str:
    if is_remote(file) or Path(file).is_absolute():
        return file
    raise UsageError(f"{file}: on a cluster a photo needs its whole path")


def _list(results: Results, files: Iterable[str], say: Callable[[str], None]) -> None:
    """List the files, and say what has changed since the last time."""
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
            f"{results.folder}: since it was begun {new:,} files were added, they are done too; "
            f"{gone:,} are gone, their rows stay"
        )
    if before.lists and before.version != __version__:
        say(f"{results.folder}: was begun by happysad {before.version}, this is {__version__}")


def _work(results: Results, classifier: Classifier) -> Summary:
    counts = Counter[str](dict.fromkeys(classifier.details.labels, 0))
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

                def tell(answer: Prediction, shown: Counter[str] = shown) -> None:
                    shown[answer.label or UNREADABLE] += 1
                    progress.update(task, advance=1, note=in_words(shown))

                counts += predict_shard(results, classifier, shard, tell)
                done += len(shard.paths)
            parts += 1
    return Summary(counts, parts, done)


def predict_shard(
    results: Results,
    classifier: Classifier,
    shard: Shard,
    tell: Callable[[Prediction], None] = lambda answer: None,
    *,
    threads: int = 0,
) -> Counter[str]:
    """Predict the photos of one shard and write its parts.

    Args:
        results: where to.
        classifier: the one that `results` were made by.
        shard: one of `results`.
        tell: is told every answer.
        threads: how many read photos and find faces; 0 for as many as there are cores.

    Returns:
        How many photos have which outcome.
    """
    photos: list[dict[str, Any]] = []
    faces: list[dict[str, Any]] = []
    made = results.made
    for answer, seen in _answers(classifier, shard.paths, made.faces, made.unsure, threads):
        photos.append(tables.photo_row(answer, seen.taken))
        faces += tables.face_rows(answer)
        tell(answer)
    if [tables.name_of(row) for row in photos] != list(shard.paths):
        raise LibraryError(f"{shard.name}: rows are not as the files; this is a fault of happysad")
    return results.write(shard, photos, faces)


def in_words(counts: Counter[str]) -> str:
    """Say counts in a line, the most frequent first: 12 happy, 3 no_face."""
    return ", ".join(f"{count:,} {what}" for what, count in counts.most_common() if count)


def _answers(
    classifier: Classifier, paths: Iterable[str], faces: bool, unsure: bool, threads: int
) -> Iterator[tuple[Prediction, Look]]:
    """Answer each path in order, with what was seen of its file; whatever happens, each once."""
    waiting: deque[tuple[str, Look]] = deque()

    def good(looks: Iterator[tuple[str, Look]]) -> Iterator[str | bytes]:
        for path, seen in looks:
            waiting.append((path, replace(seen, data=None)))  # so that it is not kept
            if seen.error is None:
                yield path if seen.data is None else seen.data

    def failed() -> Iterator[tuple[Prediction, Look]]:
        while waiting and waiting[0][1].error is not None:
            path, seen = waiting.popleft()
            yield Prediction(path=path, error=seen.error), seen

    with ThreadPoolExecutor(_THREADS * (threads or os.cpu_count() or 1)) as pool:
        looks = _ahead(pool, paths)
        answers = classifier.stream(good(looks), faces=faces, unsure=unsure, threads=threads)
        with closing(answers):  # type: ignore[type-var]
            try:
                for answer in answers:
                    yield from failed()
                    path, seen = waiting.popleft()
                    yield (answer if answer.path == path else _named(answer, path)), seen
            except HappysadError:
                raise
            except Exception:  # a fault that one photo brings out must not cost the others
                for path, seen in [*waiting, *looks]:
                    yield _alone(classifier, path, seen, faces, unsure), seen
                return
        yield from failed()


def _ahead(pool: ThreadPoolExecutor, paths: Iterable[str]) -> Iterator[tuple[str, Look]]:
    """Look at files in threads, some before they are wanted; in order."""
    begun: deque[tuple[str, Future[Look]]] = deque()
    for path in paths:
        begun.append((path, pool.submit(look, path)))
        if len(begun) > _AHEAD:
            first, future = begun.popleft()
            yield first, future.result()
    for path, future in begun:
        yield path, future.result()


def _named(answer: Prediction, path: str) -> Prediction:
    """Give an answer on a file's bytes the path that these came from."""
    error = answer.error and f"{path}: {answer.error.partition(': ')[2] or answer.error}"
    return replace(answer, path=path, error=error)


def _alone(classifier: Classifier, path: str, seen: Look, faces: bool, unsure: bool) -> Prediction:
    if seen.error is not None:
        return Prediction(path=path, error=seen.error)
    try:
        source = fetch(path) if is_remote(path) else path
        answer = classifier.predict(source, faces=faces, unsure=unsure)
        return replace(answer, path=path)
    except HappysadError as error:
        return Prediction(path=path, error=str(error))
    except Exception as error:
        return Prediction(path=path, error=f"{path}: {type(error).__name__}: {error}")


def _bytes(model: Path) -> bytes:
    return (model / "model.onnx" if model.is_dir() else model).read_bytes()
