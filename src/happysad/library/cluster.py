"""Predict a library on a Dask cluster: a shard is a task, and each task writes its own parts.

The workers do what one machine does, `predict_shard`, and give back only how many photos have which
outcome. All of them must reach the photos and the folder of results by the same paths; the
classifier lies in the folder of results. Some tasks for each worker are on their way at a time,
however many shards there are. What is done is what the folder holds, as on one machine: either may
go on where the other was stopped.
"""

from __future__ import annotations

import asyncio
import hashlib
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
from happysad.errors import HappysadError, LibraryError, UsageError, os_reason
from happysad.files import replacing
from happysad.library.predicting import Summary, in_words, predict_shard
from happysad.library.results import Results, Shard
from happysad.progress import bar

if TYPE_CHECKING:
    from distributed import Client, Future

    from happysad.classifier import Classifier

__all__ = ["check", "local", "work"]

# So many tasks are on their way for each worker: one in work, one that waits for it; and so many
# where there are few workers or none yet.
_EACH, _LEAST = 2, 4
# So often it is asked how many workers there are, in seconds.
_ASK = 2.0
# So long a scheduler may take to answer, in seconds.
_CONNECT = 10.0
# Dask's own logs, which have levels of their own: what they would say is said in one line.
_LOGS = ("distributed", "distributed.client", "tornado.application")
# How often a task is begun again whose worker could not do it, by a disk that was gone, say.
_RETRIES = 2

# A worker does one shard at a time, with as many threads as Dask gave it.
_one = threading.Lock()
# Its classifier, by SHA-256.
_loaded: dict[str, Classifier] = {}


def check(address: str) -> None:
    """Reach a scheduler, so that a wrong address is refused before any work.

    Raises:
        UsageError: `address` is none.
        LibraryError: no scheduler answers there.
    """
    with _client(address):
        pass


def work(
    results: Results,
    model: bytes,
    address: str,
    *,
    say: Callable[[str], None] = lambda line: None,
) -> Summary:
    """Do on a cluster what is missing of some results.

    Args:
        results: locked by the caller; their list is complete.
        model: the classifier's file, which they are made by.
        address: the scheduler's, such as tcp://scheduler:8786.
        say: is told, in a line, that there are no workers yet.

    Raises:
        UsageError: `address` is none.
        LibraryError: the scheduler cannot be reached or went away; a worker has another happysad or
            does not see `results`; a shard could not be done. All others are done then.
    """
    with _client(address) as client:
        with _there(address):
            threads = client.nthreads()
        if not threads:
            say(f"{address}: no workers yet; waiting for some")
        results = Results(Path(os.path.abspath(results.folder)), results.made)  # noqa: PTH100
        with replacing(_model(results)) as temporary:
            temporary.write_bytes(model)
        return _Work(results, client, address).done()


class _Work:
    """The shards of some results on their way through a cluster."""

    def __init__(self, results: Results, client: Client, address: str) -> None:
        from distributed import as_completed

        self._results = results
        self._client = client
        self._address = address
        self._library = results.fingerprint()
        self._shards = results.shards()
        self._begun: dict[Future, Shard] = {}
        self._finished = as_completed(loop=client.loop)
        self._room, self._asked = 0, -_ASK
        self._counts = Counter[str](dict.fromkeys(results.made.labels, 0))
        self._parts = self._photos = 0
        self._failed: list[str] = []

    def done(self) -> Summary:
        """Do all of them."""
        with bar() as progress:
            task = progress.add_task("predicting", total=self._results.files, note="")

            def skipped() -> None:
                progress.reset(task, total=self._results.files, completed=self._counts.total())

            self._begin(skipped)
            for future in self._finished:
                shard = self._begun.pop(future)
                if (counts := self._result(future, shard)) is not None:
                    self._counts += counts
                    self._parts += 1
                    self._photos += len(shard.paths)
                    progress.update(task, advance=len(shard.paths), note=in_words(self._counts))
                self._begin(skipped)
        if self._failed:
            raise LibraryError(
                f"{self._results.folder}: {len(self._failed):,} parts are missing; the same "
                f"command tries them again; {self._failed[0]}"
            )
        return Summary(self._counts, self._parts, self._photos)

    def _begin(self, skipped: Callable[[], None]) -> None:
        """Send tasks as far as there is room."""
        if time.monotonic() - self._asked >= _ASK:
            with _there(self._address):
                threads = self._client.nthreads()
            self._room = max(_LEAST, _EACH * len(threads))
            self._asked = time.monotonic()
        while len(self._begun) < self._room and (shard := next(self._shards, None)) is not None:
            there = self._results.counts(shard)
            if there is not None:
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
                    # The same in a client that was begun again: what is still in work is not begun
                    # twice.
                    key=(f"happysad-{self._library[:16]}", shard.list, shard.number),
                    pure=False,
                    retries=_RETRIES,
                )
            self._begun[future] = shard
            self._finished.add(future)

    def _result(self, future: Future, shard: Shard) -> Counter[str] | None:
        """Give what a task gave back; None where its shard could not be done.

        Raises:
            LibraryError: no other task would fare better.
        """
        from distributed import KilledWorker

        if future.status == "finished":
            with _there(self._address):  # it comes over the network, only now
                given = future.result()
            if isinstance(given, str):
                raise LibraryError(given)
            return Counter[str](given)
        if future.status != "error":  # lost, or cancelled
            raise _gone(self._address)
        error = future.exception()
        if isinstance(error, KilledWorker):
            first = f"each worker died at {shard.name}, which begins with {shard.paths[0]}"
            self._failed.append(first)
            return None
        raise LibraryError(f"{shard.name}: a worker says: {_line(error)}; {_GO_ON}")


_GO_ON = "the same command goes on"


def _line(error: BaseException) -> str:
    """Say an error, and what it came from, in a line."""
    said = " ".join(str(error).split())
    if error.__cause__ is not None:
        return f"{said} {_line(error.__cause__)}"
    return f"{type(error).__name__}: {said}"


def _gone(address: str) -> LibraryError:
    return LibraryError(f"{address}: the scheduler went away; {_GO_ON}")


@contextmanager
def _there(address: str) -> Iterator[None]:
    """Say in a line that a scheduler went away while it was asked."""
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

    if not re.fullmatch(r"(tcp|tls)://\S+:\d+", address):
        raise UsageError(f"--cluster is an address, tcp://HOST:PORT, not {address!r}")
    with _quiet():
        try:
            with ThreadPoolExecutor(1) as thread:  # here a loop may run already, as in a notebook
                thread.submit(asyncio.run, _handshake(address)).result()
            client = Client(address, timeout=_CONNECT, set_as_default=False)
        except (OSError, TypeError, ValueError) as error:  # a timeout is an OSError
            if isinstance(error, TypeError) and address.startswith("tls:"):
                raise LibraryError(f"{address}: Dask's TLS is not configured here") from error
            raise LibraryError(f"{address}: no Dask scheduler answers there") from error
        with client:
            yield client


async def _handshake(address: str) -> None:
    """Shake hands as Dask's client does, which would wait for ever for what does not answer."""
    from distributed import Security
    from distributed.comm import connect

    async def shake() -> None:
        options = Security().get_connection_args("client")
        await (await connect(address, timeout=_CONNECT, **options)).close()

    await asyncio.wait_for(shake(), _CONNECT)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Dask from logging; a page of traceback where a scheduler goes away, say."""
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
    """Give the place of the classifier, where all workers reach it."""
    return results.folder / "classifier.onnx"


def _task(
    version: str, folder: str, library: str, list_: int, number: int, paths: bytes
) -> dict[str, int] | str:
    """Do a shard, on a worker.

    Returns:
        How many photos have which outcome; or in a line why none of its like can be done here.
    """
    from distributed import get_worker

    here = get_worker()
    try:
        if version != __version__:
            raise LibraryError(f"has happysad {__version__}, you have {version}; install the same")
        results = _opened(Path(folder), library)
        shard = Shard(list_, number, tuple(map(os.fsdecode, paths.split(b"\0"))))
        if (there := results.counts(shard)) is not None:  # by a worker that died before it said so
            return dict(there)
        with _one:
            threads = here.state.nthreads
            classifier = _classifier(_model(results), results.made.sha256, threads)
            return dict(predict_shard(results, classifier, shard, threads=threads))
    except HappysadError as error:
        return f"the worker {here.address}: {error}"


def _opened(folder: Path, library: str) -> Results:
    """Open the results, which must be those that the client sees."""
    try:
        results = Results.open(folder)
    except UsageError:
        raise LibraryError(f"{folder}: not there; all workers must reach it") from None
    if results.fingerprint() != library:
        raise LibraryError(f"{folder}: not the folder that you see; all workers must reach it")
    return results


def _classifier(file: Path, sha256: str, threads: int) -> Classifier:
    """Load the classifier, once in each worker."""
    from happysad.classifier import Classifier

    if sha256 not in _loaded:
        try:
            came = hashlib.sha256(file.read_bytes()).hexdigest()
        except OSError as error:
            raise LibraryError(f"{file}: {os_reason(error)}") from error
        if came != sha256:
            raise LibraryError(f"{file}: has sha256 {came[:12]}, yours has {sha256[:12]}")
        _loaded.clear()
        _loaded[sha256] = Classifier.load(file, threads=threads)
    return _loaded[sha256]


@contextmanager
def local(workers: int, port: int) -> Iterator[str]:
    """Run a cluster on this machine, for trying; gives its address.

    Args:
        workers: how many processes; they share the cores.
        port: the scheduler's; 0 for any that is free.

    Raises:
        LibraryError: it cannot be begun: the port is taken, say.
    """
    from distributed import LocalCluster

    threads = max(1, (os.cpu_count() or 1) // workers)
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
