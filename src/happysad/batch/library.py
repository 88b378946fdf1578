"""Predict a photo library into a folder of results, on this machine or on a cluster.

The results of an earlier call are kept, so that repeating an interrupted call continues it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from happysad import __version__
from happysad.batch import tables
from happysad.batch.remote import is_remote
from happysad.batch.results import UNREADABLE, Made, Results
from happysad.batch.shards import SHARD, Summary, in_words, predict_shard
from happysad.classifier import Classifier
from happysad.errors import UsageError, counted
from happysad.model_file import SHIPPED
from happysad.predictions import Prediction
from happysad.progress import bar

__all__ = ["predict"]


def predict(
    files: Iterable[str],
    out: Path,
    *,
    sources: Iterable[str],
    model: Path | None = None,
    faces: str = "find",
    answers: Sequence[str] | None = None,
    unsure: bool = True,
    format: tables.Format = "parquet",  # noqa: A002
    shard: int = SHARD,
    cluster: str | None = None,
    retry_errors: bool = False,
    say: Callable[[str], None] = lambda line: None,
) -> Summary:
    """Predict many photos into a folder of results, and continue an interrupted call.

    Args:
        files: the paths of all photos, in any order; duplicates count once. With `cluster`, they
            must be absolute paths or addresses.
        out: the folder of results; see `happysad.batch.results`.
        sources: the names that were expanded into the files; a later call must pass the same.
        model: as for `Classifier`.
        faces: as for `Classifier.predict`.
        answers: as for `Classifier.predict`.
        unsure: as for `Classifier.predict`.
        format: the format of the parts.
        shard: maximum number of photos in a part.
        cluster: the address of a Dask scheduler whose workers predict; see `cluster.work`.
        retry_errors: whether all photos that could not be read are tried again; otherwise, only
            those whose code `may_pass`.
        say: called with lines on how many photos there are, before they are predicted, and on what
            differs from an earlier call.

    Raises:
        UsageError: `out` contains other files, or results of other sources, options or another
            classifier; or, with `cluster`, the path of a file is relative.
        LibraryError: another process writes to `out`, or its results are damaged; or, with
            `cluster`, as for `cluster.work`.
    """
    classifier = Classifier(model).answering(answers)
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
        results.prepare()
        _list(results, files if cluster is None else map(_absolute, files), say)
        if cluster is None:
            return _work(results, classifier, retry_errors)
        return work(results, classifier.content, cluster, retry_errors=retry_errors, say=say)


def _absolute(file: str) -> str:
    if is_remote(file) or Path(file).is_absolute():
        return file
    raise UsageError(f"{file}: with a cluster, the path of a photo must be absolute")


def _list(results: Results, files: Iterable[str], say: Callable[[str], None]) -> None:
    """Write the list of files, and report what has changed since the last call."""
    before = results.made
    with bar() as progress:
        task = progress.add_task("listing", total=None, note="")

        def tracked() -> Iterator[str]:
            for file in files:
                progress.advance(task)
                yield file

        new, gone = results.add(tracked())
    say(counted(results.files, "photo"))
    if before.lists and (new or gone):
        say(
            f"{results.folder}: since the first call: {counted(new, 'new file')}, also predicted; "
            f"{counted(gone, 'file')} gone, rows kept"
        )
    if before.lists and before.version != __version__:
        say(f"{results.folder}: begun by happysad {before.version}, this is {__version__}")


def _work(results: Results, classifier: Classifier, retry_errors: bool) -> Summary:
    counts = Counter[str](dict.fromkeys(classifier.classes, 0))
    parts = done = 0
    with bar() as progress:
        task = progress.add_task("predicting", total=results.files, note="")
        for shard in results.shards():
            there, missing = results.missing(shard, errors=retry_errors)
            shown = counts + there
            progress.reset(task, total=results.files, completed=shown.total())
            if not missing:
                counts += there
            else:

                def show(answer: Prediction, shown: Counter[str] = shown) -> None:
                    shown[answer.label or UNREADABLE] += 1
                    progress.update(task, advance=1, note=in_words(shown))

                counts += predict_shard(results, classifier, shard, show, missing=missing)
                done += len(missing)
            parts += 1
    return Summary(counts, parts, done)
