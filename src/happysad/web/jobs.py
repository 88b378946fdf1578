"""One training, or one check, at a time: each in a process of its own, its state in one folder.

    photos/happy, photos/sad   what was collected
    check/                     what the last check found
    runs/N/                    a run each; it counts from the moment that it is finished
    job.json                   the last training
    log.txt                    what the last process said
    lock                       held by the server, of several in one folder, whose process runs
    process                    held by that process
    cache/                     the faces that it learns from, while it does

Nothing but these files is asked for how a training goes on: so it can be looked at by any server,
also by one that was started since.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from happysad.errors import HappysadError, RunError, os_reason
from happysad.files import write_text
from happysad.web.locks import BusyError, Lock, take
from happysad.web.photos import Photos
from happysad.web.runs import Epoch, Runs, read_notes

__all__ = ["COMMAND", "Job", "Jobs", "SlowError", "State"]

#: What a process is started with. -P: a module that lies in the working folder is not taken.
COMMAND = (sys.executable, "-P", "-m", "happysad.web.child")

State = Literal["checking", "training", "judging", "done", "failed", "stopped"]
_RUNNING = ("checking", "training", "judging")

# Other programs on the machine, and this server's other answers, go before.
_NICE = 5


class SlowError(HappysadError):
    """A check took too long."""


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
    notes: tuple[str, ...] = ()
    """What there is to say of the photos, such as in how many no face was found: sentences."""
    error: str | None = None
    """Why it failed or stopped, in one line."""


@dataclass(frozen=True, slots=True)
class _Training:
    process: subprocess.Popen[bytes]
    lock: Lock


class Jobs:
    """The photos, runs and trainings of one folder. Safe to share between threads."""

    def __init__(self, folder: Path) -> None:
        """Work in `folder`, which is made when something is written."""
        self.folder = folder.absolute()
        self.photos = Photos(self.folder / "photos")
        self.check_report = self.folder / "check" / "report.html"
        self.runs = Runs(self.folder / "runs")
        self._process_lock = self.folder / "process"
        # What happysad caches lies in it too, by the environment variable.
        self._work = self.folder / "cache" / "happysad"
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
                job = Job(run=1 + max([0, *self.runs.numbers(), last.run if last else 0]))
                self._store(job)
                process = self._start("train", self._work, self.runs.path(job.run))
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
            process = self._start("check", self.check_report.parent)
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
            shutil.rmtree(self.check_report.parent, ignore_errors=True)

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
            if self.runs.is_finished(job.run):
                state, error = "done", None
            self._store(replace(self._seen(job), state=state, error=error))
            self.runs.clear(job.run)
            self._tidy()

    def _seen(self, job: Job) -> Job:
        """Say how far a training is that runs; of one that has ended that is written down."""
        if job.state not in _RUNNING:
            return job
        seen = self.runs.progress(job.run)
        state = seen.state
        if (
            state == "checking" and (self._work / "arrays").exists()
        ):  # they are made for the network
            state = "training"
        return replace(
            job,
            state=state,
            epoch=len(seen.history),
            epochs=seen.epochs,
            history=seen.history,
            notes=read_notes(self._work) or read_notes(self.runs.path(job.run)),
        )

    def _start(self, task: str, *places: Path) -> subprocess.Popen[bytes]:
        paths = [self._process_lock, self.photos.folder, *places]
        with (self.folder / "log.txt").open("wb") as log:
            process = subprocess.Popen(  # noqa: S603 - no part of it comes from a client
                [*COMMAND, task, *map(str, paths)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env={**os.environ, "XDG_CACHE_HOME": str(self._work.parent)},
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

    def _take(self) -> Lock:
        """Take the folder's lock; see `locks.take`.

        A process whose server was killed may live on for a second or two: it is waited for.
        """
        lock = take(self.folder / "lock")
        try:
            take(self._process_lock).close()
        except BaseException:
            lock.close()
            raise
        return lock

    def _tidy(self) -> None:
        """Remove what a process leaves beside what it is asked for."""
        shutil.rmtree(self._work, ignore_errors=True)
        for file in self.check_report.parent.glob(".*"):
            file.unlink(missing_ok=True)

    def _stored(self) -> Job | None:
        with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
            fields = json.loads((self.folder / "job.json").read_text(encoding="utf-8"))
            history = tuple(Epoch(**epoch) for epoch in fields["history"])
            return Job(**{**fields, "history": history, "notes": tuple(fields.get("notes", ()))})
        return None

    def _store(self, job: Job) -> None:
        file = self.folder / "job.json"
        try:
            write_text(file, json.dumps(asdict(job)) + "\n")
        except OSError as error:
            raise RunError(f"{file}: {os_reason(error)}") from error
