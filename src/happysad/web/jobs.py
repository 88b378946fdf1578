"""One training, or one check, at a time: each in a process of its own, its state in one folder.

    photos/happy, photos/sad   what was collected
    check/                     what the last check found
    runs/N/                    a run each; it counts from the moment that it is finished
    job.json                   the last training
    log.txt                    what the last process said
    lock                       held by the server, of several in one folder, whose process runs
    cache/                     the photos as a network takes them, while it learns

Nothing but these files is asked for how a training goes on: so it can be looked at by any server,
also by one that was started since.
"""

from __future__ import annotations

import contextlib
import csv
import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import threading
import tomllib
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from happysad.errors import HappysadError, RunError
from happysad.files import write_text
from happysad.web.photos import Photos

__all__ = ["COMMAND", "FILES", "BusyError", "Epoch", "Job", "Jobs", "Run", "SlowError", "State"]

#: What a process is started with. -P: a module that lies in the working folder is not taken.
COMMAND = (sys.executable, "-P", "-m", "happysad.web.child")

#: What of a run may be looked at, with its media type.
FILES = {
    "report.html": "text/html",
    "model.onnx": "application/octet-stream",
    **{
        f"plots/{name}.png": "image/png"
        for name in (
            "samples",
            "loss",
            "accuracy",
            "confusion",
            "roc_pr",
            "calibration",
            "worst",
        )
    },
}

State = Literal["checking", "training", "judging", "done", "failed", "stopped"]
_RUNNING = ("checking", "training", "judging")

_ID = re.compile(r"[1-9][0-9]{0,8}")
# Other programs on the machine, and this server's other answers, go before.
_NICE = 5


class BusyError(HappysadError):
    """Another training or check is running."""


class SlowError(HappysadError):
    """A check took too long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Epoch:
    """What came out of one round through the photos."""

    epoch: int
    loss: float
    accuracy: float
    val_loss: float
    val_accuracy: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """The last training."""

    state: State = "checking"
    epoch: int = 0
    """How many epochs are done."""
    epochs: int = 0
    """How many there will be; 0 while that is not known, and where it learns without any."""
    history: tuple[Epoch, ...] = ()
    run: int
    error: str | None = None
    """Why it failed or stopped, in one line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A finished run."""

    id: int
    balanced_accuracy: float | None
    """On the test photos; None where one class has none."""
    n_test: int


@dataclass(frozen=True, slots=True)
class _Training:
    process: subprocess.Popen[bytes]
    lock: sqlite3.Connection


class Jobs:
    """The photos, runs and trainings of one folder. Safe to share between threads."""

    def __init__(self, folder: Path) -> None:
        """Work in `folder`, which is made when something is written."""
        self.folder = folder.absolute()
        self.photos = Photos(self.folder / "photos")
        self.check_report = self.folder / "check" / "report.html"
        self._runs = self.folder / "runs"
        self._mutex = threading.Lock()
        self._training: _Training | None = None

    def job(self) -> Job | None:
        """Give the last training as it is now."""
        with self._mutex:
            self._settle()
            job = self._stored()
            return job and self._seen(job)

    def train(self) -> Job:
        """Begin a training.

        Raises:
            BusyError: something runs already.
        """
        with self._mutex:
            self._settle()
            lock = self._take()
            try:
                last = self._stored()
                job = Job(run=1 + max([0, *self._ids(), last.run if last else 0]))
                self._store(job)
                process = self._start("train", self.run(job.run))
            except BaseException:
                lock.close()
                raise
            self._training = _Training(process, lock)
            threading.Thread(target=self._wait, args=(process,), daemon=True).start()
            return job

    def stop(self) -> Job | None:
        """End the training that runs, at once, and remove what it has written.

        Returns:
            The last training; unchanged where it had ended.

        Raises:
            BusyError: it is another server's.
        """
        with self._mutex:
            self._settle()
            if self._training is not None:
                self._end("stopped", None)
            job = self._stored()
            if job and job.state in _RUNNING:
                raise BusyError("another server trains in this folder; stop it there")
            return job

    def close(self) -> None:
        """End the training that runs, since the server ends."""
        with self._mutex:
            self._settle()
            if self._training is not None:
                self._end("stopped", "the server ended while it trained")

    def check(self, seconds: float) -> dict[str, int]:
        """Look for what is wrong with the photos; writes `check_report`.

        Returns:
            How often what was found, by its name in `dataset.check.Checked.counts`.

        Raises:
            BusyError: something runs already.
            SlowError: it took longer than `seconds`.
            RunError: there is nothing to learn from in these photos.
        """
        with self._alone():
            process = self._start("check")
            try:
                process.wait(seconds)  # its answer is short: it never waits for a reader
            except subprocess.TimeoutExpired:
                process.kill()
                raise SlowError("the check took too long; training checks the photos too") from None
            finally:
                answer = self._answer(process)
                self._tidy()
        if error := answer["error"]:
            raise RunError(error)
        found: dict[str, int] = answer["found"]
        return found

    def empty(self, label: str) -> None:
        """Delete a class's photos, and the page of the last check, which shows some.

        Raises:
            BusyError: something runs that looks at them.
        """
        with self._alone():
            self.photos.empty(label)
            shutil.rmtree(self.folder / "check", ignore_errors=True)

    def runs(self) -> list[Run]:
        """Give the finished runs, the first one first."""
        runs = []
        for number in sorted(self._ids()):
            if _finished(self.run(number)):
                with contextlib.suppress(OSError, ValueError, KeyError):
                    text = (self.run(number) / "metrics.json").read_text(encoding="utf-8")
                    test = json.loads(text)["test"]
                    accuracy, count = test["balanced_accuracy"], test["n"]
                    runs.append(Run(id=number, balanced_accuracy=accuracy, n_test=count))
        return runs

    def run(self, number: int) -> Path:
        """Name a run's folder."""
        return self._runs / str(number)

    def file(self, number: int, name: str) -> Path | None:
        """Give a file of a finished run; None where there is none, or it is none of `FILES`."""
        file = self.run(number) / name
        there = name in FILES and _finished(self.run(number)) and file.is_file()
        return file if there else None

    def _settle(self) -> None:
        """Write down how a training ended that runs no more, here or in a server that is gone."""
        if self._training is not None:
            if self._training.process.poll() is not None:
                self._end("failed", None)
            return
        job = self._stored()
        if job and job.state in _RUNNING:
            with contextlib.suppress(BusyError):  # it runs, in another server
                lock = self._take()
                try:
                    self._record("stopped", "the server ended while it trained")
                finally:
                    lock.close()

    def _wait(self, process: subprocess.Popen[bytes]) -> None:
        """Settle as soon as a training has ended, also where nobody asks."""
        process.wait()
        with self._mutex:
            self._settle()

    def _end(self, state: State, error: str | None) -> None:
        assert self._training is not None
        training, self._training = self._training, None
        training.process.kill()
        answer = self._answer(training.process)
        try:
            self._record(state, answer["error"] if state == "failed" else error)
        finally:
            training.lock.close()

    def _record(self, state: State, error: str | None) -> None:
        """Write down how the last training ended, with the lock held; remove what is left of it."""
        job = self._stored()
        if job and job.state in _RUNNING:
            if _finished(self.run(job.run)):
                state, error = "done", None
            self._store(replace(self._seen(job), state=state, error=error))
            self._clear(job.run)

    def _seen(self, job: Job) -> Job:
        """Say how far a training is by what its run's folder holds."""
        run = self.run(job.run)
        if job.state not in _RUNNING or not run.is_dir():
            return job
        epochs, history = _epochs(run / "config.toml"), _history(run / "history.csv")
        learned = (run / "fused.json").exists() or (run / "model.keras").exists()
        return replace(
            job,
            state="judging" if learned or 0 < epochs <= len(history) else "training",
            epoch=len(history),
            epochs=epochs,
            history=history,
        )

    def _start(self, task: str, *further: Path) -> subprocess.Popen[bytes]:
        paths = [self.photos.folder, self.folder / "check", *further]
        cache = self.folder / "cache"
        with (self.folder / "log.txt").open("wb") as log:
            process = subprocess.Popen(  # noqa: S603 - no part of it comes from a client
                [*COMMAND, task, *map(str, paths)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env={**os.environ, "XDG_CACHE_HOME": str(cache)},
            )
        with contextlib.suppress(AttributeError, OSError):  # Windows has no such thing
            os.setpriority(os.PRIO_PROCESS, process.pid, _NICE)
        return process

    def _answer(self, process: subprocess.Popen[bytes]) -> dict[str, Any]:
        """Give what a process said that ends by now; an error where it said nothing."""
        assert process.stdout is not None
        with process:
            said = process.stdout.read()
        with contextlib.suppress(ValueError):
            answer: dict[str, Any] = json.loads(said)
            return answer
        status, log = process.returncode, self.folder / "log.txt"
        return {"error": f"it ended without an answer (status {status}); {log} may say why"}

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        with self._mutex:
            self._settle()
            lock = self._take()
        try:
            yield
        finally:
            lock.close()

    def _take(self) -> sqlite3.Connection:
        """Take the folder's lock; it is free again when it is closed, or this process has ended.

        It is SQLite's, of a data base that holds nothing: the standard library has no other that
        works on every system.

        Raises:
            BusyError: another one has it, here or in another process.
            RunError: the folder cannot be written in.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            lock = sqlite3.connect(
                self.folder / "lock", timeout=0, isolation_level=None, check_same_thread=False
            )
        except (OSError, sqlite3.Error) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise RunError(f"{self.folder}: {reason.lower()}") from error
        try:
            lock.execute("BEGIN EXCLUSIVE")
        except sqlite3.Error as error:
            lock.close()
            if error.sqlite_errorcode == sqlite3.SQLITE_BUSY:
                raise BusyError("a training or a check is running; wait or stop it") from None
            raise RunError(f"{self.folder}: {error}") from error
        return lock

    def _clear(self, run: int) -> None:
        """Remove what a training has left that did not come to its end."""
        folders = [self.run(run), *self._runs.glob(f".{run}-*")]
        for folder in folders:
            if not _finished(folder):
                shutil.rmtree(folder, ignore_errors=True)
        self._tidy()

    def _tidy(self) -> None:
        """Remove what a process leaves beside what it is asked for."""
        shutil.rmtree(self.folder / "cache" / "happysad", ignore_errors=True)
        for file in (self.folder / "check").glob(".*"):
            file.unlink(missing_ok=True)

    def _ids(self) -> list[int]:
        if not self._runs.is_dir():
            return []
        return [int(one.name) for one in self._runs.iterdir() if _ID.fullmatch(one.name)]

    def _stored(self) -> Job | None:
        with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
            fields = json.loads((self.folder / "job.json").read_text(encoding="utf-8"))
            history = tuple(Epoch(**epoch) for epoch in fields["history"])
            return Job(**{**fields, "history": history})
        return None

    def _store(self, job: Job) -> None:
        file = self.folder / "job.json"
        try:
            write_text(file, json.dumps(asdict(job)) + "\n")
        except OSError as error:
            raise RunError(f"{file}: {(error.strerror or str(error)).lower()}") from error


def _finished(run: Path) -> bool:
    """Tell whether a training has written its last file."""
    return (run / "checkpoints" / "finished.json").is_file()


def _epochs(file: Path) -> int:
    """Give how many epochs a run's config.toml says; 0 where it finds faces: there are none."""
    with contextlib.suppress(OSError, ValueError, KeyError):
        config = tomllib.loads(file.read_text(encoding="utf-8"))
        return 0 if config["faces"] == "find" else int(config["epochs"])
    return 0


def _history(file: Path) -> tuple[Epoch, ...]:
    with contextlib.suppress(OSError, ValueError, KeyError):
        with file.open(encoding="utf-8", newline="") as table:
            rows = list(csv.DictReader(table))
        names = ("loss", "accuracy", "val_loss", "val_accuracy")
        return tuple(
            Epoch(epoch=int(row["epoch"]), **{name: float(row[name]) for name in names})
            for row in rows
        )
    return ()
