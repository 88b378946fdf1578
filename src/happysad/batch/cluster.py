"""Predict a library on a Dask cluster: a shard is a task, and each task writes its own parts.

The workers call `predict_shard`, as one machine does, and return only the number of photos of each
label. All workers must reach the photos and the folder of results, which also contains the
classifier, by the same paths. Only a few tasks per worker are submitted at a time, whatever the
number of shards. The parts in the folder are the only record of what is done, as on one machine, so
that a cluster can continue the work of one machine, and the other way round.
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from happysad import __version__
from happysad.batch.results import Results, Shard
from happysad.batch.shards import Summary, in_words, predict_shard
from happysad.classifier import Classifier
from happysad.errors import HappysadError, LibraryError, UsageError, counted, os_reason
from happysad.files import replacing
from happysad.parallel import thread_count
from happysad.progress import bar

if TYPE_CHECKING:
    from distributed import Client, Future

__all__ = ["check", "local", "work"]

# Maximum number of submitted tasks per worker (one running, one waiting), and in total while there
# are few workers or none.
_EACH, _LEAST = 2, 4
# Seconds between polls of the worker count.
_POLL = 2.0
# Seconds within which a scheduler must answer.
_CONNECT = 10.0
# The loggers of Dask that are silenced: each has a level of its own.
_LOGS = ("distributed", "distributed.client", "tornado.application")
# Number of times that a failed task is repeated, for example after a lost disk.
_RETRIES = 2

# A worker predicts one shard at a time, with the number of threads that Dask gave it.
_one = threading.Lock()
# The worker's classifier, by its SHA-256.
_loaded: dict[str, Classifier] = {}


def check(address: str) -> None:
    """Connect to a scheduler, so that a wrong address is refused before any work.

    Raises:
        UsageError: `address` is not the address of a scheduler.
        LibraryError: no scheduler answers there.
    """
    with _client(address):
        pass


def work(
    results: Results,
    model: bytes,
    address: str,
    *,
    retry_errors: bool = False,
    say: Callable[[str], None] = lambda line: None,
) -> Summary:
    """Predict the missing parts of results on a cluster.

    Args:
        results: locked by the caller, with complete lists.
        model: the content of the classifier's file.
        address: the address of the scheduler, such as tcp://scheduler:8786.
        retry_errors: as for `library.predict`.
        say: called with a line while there are no workers yet.

    Raises:
        UsageError: `address` is not the address of a scheduler.
        LibraryError: the scheduler cannot be reached or went away; a worker has another version of
            happysad or does not reach `results`; or a shard could not be predicted, although all
            others were.
    """
    with _client(address) as client:
        with _there(address):
            threads = client.nthreads()
        if not threads:
            say(f"{address}: no workers yet; waiting for some")
        results = Results(Path(os.path.abspath(results.folder)), results.made)  # noqa: PTH100
        with replacing(_model(results)) as temporary:
            temporary.write_bytes(model)
        return _Work(results, client, address, retry_errors).done()


class _Work:
    """Predicts the missing shards of results on a cluster."""

    def __init__(self, results: Results, client: Client, address: str, retry_errors: bool) -> None:
        from distributed import as_completed

        self._results = results
        self._client = client
        self._address = address
        self._retry_errors = retry_errors
        self._library = results.fingerprint()
        self._shards = results.shards()
        self._begun: dict[Future, tuple[Shard, int]] = {}
        self._finished = as_completed(loop=client.loop)
        self._room, self._polled = 0, -_POLL
        self._counts = Counter[str](dict.fromkeys(results.made.classes, 0))
        self._parts = self._photos = 0
        self._failed: list[str] = []

    def done(self) -> Summary:
        """Predict all shards, and return the summary."""
        with bar() as progress:
            task = progress.add_task("predicting", total=self._results.files, note="")

            def skipped() -> None:
                progress.reset(task, total=self._results.files, completed=self._counts.total())

            self._begin(skipped)
            for future in self._finished:
                shard, missing = self._begun.pop(future)
                if (counts := self._result(future, shard)) is not None:
                    self._counts += counts
                    self._parts += 1
                    self._photos += missing
                    progress.update(task, advance=len(shard.paths), note=in_words(self._counts))
                self._begin(skipped)
        if self._failed:
            raise LibraryError(
                f"{self._results.folder}: missing: {counted(len(self._failed), 'part')}; run the "
                f"same command to try them again; {self._failed[0]}"
            )
        return Summary(self._counts, self._parts, self._photos)

    def _begin(self, skipped: Callable[[], None]) -> None:
        """Submit tasks while there is room."""
        if time.monotonic() - self._polled >= _POLL:
            with _there(self._address):
                threads = self._client.nthreads()
            self._room = max(_LEAST, _EACH * len(threads))
            self._polled = time.monotonic()
        while len(self._begun) < self._room and (shard := next(self._shards, None)) is not None:
            there, missing = self._results.missing(shard, errors=self._retry_errors)
            if not missing:
                self._counts += there
                self._parts += 1
                skipped()
                continue
            with _there(self._address):
                future = self._client.submit(
                    _task,
                    __version__,
                    str(self._results.folder),
                    self._library,
                    shard.list,
                    shard.number,
                    b"\0".join(map(os.fsencode, shard.paths)),
                    self._retry_errors,
                    # A restarted client uses the same key, so that a task that is still running
                    # does not start twice.
                    key=(f"happysad-{self._library[:16]}", shard.list, shard.number),
                    pure=False,
                    retries=_RETRIES,
                )
            self._begun[future] = shard, len(missing)
            self._finished.add(future)

    def _result(self, future: Future, shard: Shard) -> Counter[str] | None:
        """Return the counts of a task; None if its workers died, which loses only this shard.

        Raises:
            LibraryError: an error because of which the other tasks would fail too.
        """
        from distributed import KilledWorker

        if future.status == "finished":
            with _there(self._address):  # the result comes over the network only now
                result = future.result()
            if isinstance(result, str):
                raise LibraryError(result)
            return Counter[str](result)
        if future.status != "error":  # lost, or cancelled
            raise _gone(self._address)
        error = future.exception()
        if isinstance(error, KilledWorker):
            first = f"each worker died at {shard.name}, which begins with {shard.paths[0]}"
            self._failed.append(first)
            return None
        raise LibraryError(f"{shard.name}: a worker reports: {_line(error)}; {_GO_ON}")


_GO_ON = "run the same command to continue"


def _line(error: BaseException) -> str:
    """Return an error and its causes in one line."""
    text = " ".join(str(error).split())
    if error.__cause__ is not None:
        return f"{text} {_line(error.__cause__)}"
    return f"{type(error).__name__}: {text}"


def _gone(address: str) -> LibraryError:
    return LibraryError(f"{address}: the scheduler went away; {_GO_ON}")


@contextmanager
def _there(address: str) -> Iterator[None]:
    """Raise a LibraryError if the scheduler goes away during a request."""
    from distributed import CancelledError
    from distributed.client import ClosedClientError

    try:
        yield
    except (OSError, CancelledError, ClosedClientError) as error:  # a closed connection is OSError
        raise _gone(address) from error


@contextmanager
def _client(address: str) -> Iterator[Client]:
    """Connect to a scheduler."""
    from distributed import Client

    if not re.fullmatch(r"(tcp|tls)://\S{1,255}:\d{1,5}", address):
        raise UsageError(f"--cluster must be an address, tcp://HOST:PORT, not {address[:80]!r}")
    with _quiet():
        try:
            with ThreadPoolExecutor(1) as thread:  # this thread may run a loop, as in a notebook
                thread.submit(asyncio.run, _handshake(address)).result()
            client = Client(address, timeout=_CONNECT, set_as_default=False)
        except (OSError, TypeError, ValueError) as error:  # a timeout is an OSError
            if isinstance(error, TypeError) and address.startswith("tls:"):
                raise LibraryError(f"{address}: Dask's TLS is not configured here") from error
            raise LibraryError(f"{address}: no Dask scheduler answers there") from error
        with client:
            yield client


async def _handshake(address: str) -> None:
    """Connect with a timeout; Dask's client waits forever for a port that does not answer."""
    from distributed import Security
    from distributed.comm import connect

    async def shake() -> None:
        options = Security().get_connection_args("client")
        await (await connect(address, timeout=_CONNECT, **options)).close()

    await asyncio.wait_for(shake(), _CONNECT)


@contextmanager
def _quiet() -> Iterator[None]:
    """Suppress Dask's logs, such as a traceback when a scheduler goes away."""
    logs = [logging.getLogger(name) for name in _LOGS]
    levels = [log.level for log in logs]
    for log in logs:
        log.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        for log, level in zip(logs, levels, strict=True):
            log.setLevel(level)


def _model(results: Results) -> Path:
    """Return the file of the classifier, which all workers reach."""
    return results.folder / "classifier.onnx"


def _task(
    version: str,
    folder: str,
    library: str,
    list_: int,
    number: int,
    paths: bytes,
    retry_errors: bool,
) -> dict[str, int] | str:
    """Predict a shard, on a worker.

    Returns:
        The number of photos of each label; or one line with the reason why this worker cannot
        predict.
    """
    from distributed import get_worker

    here = get_worker()
    try:
        if version != __version__:
            raise LibraryError(f"has happysad {__version__}, not {version}; install {version}")
        results = _opened(Path(folder), library)
        shard = Shard(list_, number, tuple(map(os.fsdecode, paths.split(b"\0"))))
        there, missing = results.missing(shard, errors=retry_errors)
        if not missing:  # written by a worker that died since
            return dict(there)
        with _one:
            classifier = _classifier(_model(results), results.made.sha256, here.state.nthreads)
            only = classifier.answering(results.made.classes)
            return dict(predict_shard(results, only, shard, missing=missing))
    except HappysadError as error:
        return f"the worker {here.address}: {error}"


def _opened(folder: Path, library: str) -> Results:
    """Open the results, which must be in the same folder as those of the client."""
    try:
        results = Results.open(folder)
    except UsageError:
        raise LibraryError(f"{folder}: not there; all workers must reach it") from None
    if results.fingerprint() != library:
        raise LibraryError(f"{folder}: not the folder that you see; all workers must reach it")
    return results


def _classifier(file: Path, sha256: str, threads: int) -> Classifier:
    """Return the classifier, which is loaded once in each worker."""
    if sha256 not in _loaded:
        try:
            content = file.read_bytes()
        except OSError as error:
            raise LibraryError(f"{file}: {os_reason(error)}") from error
        classifier = Classifier.from_bytes(content, name=str(file), threads=threads)
        if classifier.sha256 != sha256:
            raise LibraryError(f"{file}: has sha256 {classifier.id}, yours has {sha256[:12]}")
        _loaded.clear()
        _loaded[sha256] = classifier
    return _loaded[sha256]


@contextmanager
def local(workers: int, port: int) -> Iterator[str]:
    """Run a cluster on this machine while the context is open; yield its address.

    Args:
        workers: the number of processes; they share the cores.
        port: the port of the scheduler; 0 for any free port.

    Raises:
        LibraryError: the cluster cannot be started, for example because the port is taken.
    """
    from distributed import LocalCluster

    threads = max(1, thread_count() // workers)
    try:
        cluster = LocalCluster(
            n_workers=workers,
            threads_per_worker=threads,
            processes=True,
            host="127.0.0.1",
            scheduler_port=port,
            dashboard_address="127.0.0.1:0",
            silence_logs=logging.ERROR,
        )
    except (OSError, RuntimeError) as error:
        reason = _line(error.__cause__ or error)
        raise LibraryError(f"no cluster at 127.0.0.1:{port}: {reason}") from error
    with cluster:
        yield str(cluster.scheduler_address)
