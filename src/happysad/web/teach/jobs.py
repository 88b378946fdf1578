"""One training or check at a time: each in a process of its own, its state in one folder.

    photos/happy, photos/sad   the examples, in folders named by their classes
    photos/classes.json        the names of the classes, if they are others
    check/                     what the last check found
    runs/N/                    the runs; a run counts once it is finished
    runs/N-first/              the first result of a run, which counts before the run is finished
    job.json                   the last training
    log.txt                    what the last process printed
    lock                       held by the server whose process is running
    process                    held by that process
    cache/                     the faces that a training learns from, while it runs

All that is known of a training is read from these files, so that every server in this folder can
follow it, also one that starts later.
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

from happysad import locks
from happysad.errors import BusyError, RunError, os_reason
from happysad.files import write_text
from happysad.run import STEP, Epoch, Stage, Step
from happysad.web.teach.examples import FEWEST, Examples
from happysad.web.teach.runs import Runs, read_notes

__all__ = ["COMMAND", "Job", "Jobs", "State"]

#: The program that checks and trains. -P: do not import modules from the working folder.
COMMAND = (sys.executable, "-P", "-m", "happysad.training.lesson_process")

State = Literal["checking", "training", "judging", "done", "failed", "stopped"]
_RUNNING = ("checking", "training", "judging")
_STATES: dict[Stage, State] = {
    Stage.ABSENT: "checking",
    Stage.PREPARING: "training",
    Stage.LEARNING: "training",
    Stage.EVALUATING: "judging",
    Stage.FINISHED: "judging",
}
_SERVER_ENDED = "the server ended while it trained"

# The process yields to other programs, and to this server's answers.
_NICE = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """The last training."""

    state: State = "checking"
    epoch: int = 0
    """The number of finished epochs."""
    epochs: int = 0
    """The number of all epochs; 0 while it is not known."""
    history: tuple[Epoch, ...] = ()
    run: int
    step: Step | None = None
    """What is being done; None if it does not run, or is just starting."""
    first: bool = False
    """Whether there is a first result."""
    notes: tuple[str, ...] = ()
    """Sentences about the photos, such as in how many no face was found."""
    error: str | None = None
    """Why it failed or stopped, in one line."""


@dataclass(frozen=True, slots=True)
class _Training:
    process: subprocess.Popen[bytes]
    lock: locks.Lock


class Jobs:
    """The examples, runs and trainings of one folder. Safe to share between threads."""

    def __init__(self, folder: Path, *, command: tuple[str, ...] = COMMAND) -> None:
        """Work in a folder.

        Args:
            folder: made when something is written.
            command: the program that checks and trains; its last argument is the request.
        """
        self.folder = folder.absolute()
        self.examples = Examples(self.folder / "photos")
        self.check_report = self.folder / "check" / "report.html"
        self.runs = Runs(self.folder / "runs")
        self._command = command
        self._process_lock = self.folder / "process"
        self._cache = self.folder / "cache"
        self._work = self._cache / "lesson"
        self._mutex = threading.Lock()
        self._training: _Training | None = None

    def job(self) -> Job | None:
        """Return the last training as it is now."""
        with self._mutex:
            self._settle()
            job = self._stored()
            return job and self._seen(job)

    def train(self) -> Job:
        """Start a training.

        Raises:
            BusyError: a training or a check is running.
            RunError: the folder cannot be used.
        """
        with self._mutex:
            self._settle()
            lock = self._take()
            try:
                last = self._stored()
                job = Job(run=1 + max([0, *self.runs.numbers(), last.run if last else 0]))
                self._store(job)
                process = self._start(
                    "train",
                    work=str(self._work),
                    run=str(self.runs.run(job.run).folder),
                    fewest=FEWEST,
                )
            except BaseException:
                lock.close()
                raise
            self._training = _Training(process, lock)
            threading.Thread(target=self._wait, args=(process,), daemon=True).start()
            return job

    def stop(self) -> Job | None:
        """Stop the running training at once, and remove what it has written.

        Returns:
            The last training; unchanged where it had ended.

        Raises:
            BusyError: the training belongs to another server.
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
        """Stop the running training, since the server ends."""
        with self._mutex:
            self._settle()
            if self._training is not None:
                self._end("stopped", _SERVER_ENDED)

    def check(self, seconds: float) -> dict[str, int]:
        """Check the examples, and write `check_report`.

        Args:
            seconds: maximum time for the check.

        Returns:
            The number of findings of each kind.

        Raises:
            BusyError: a training or a check is running.
            TimeoutError: the check took longer than `seconds`.
            RunError: nothing can be learned from these examples.
        """
        with self._alone():
            process = self._start("check", work=str(self._work), out=str(self.check_report.parent))
            try:
                process.wait(seconds)  # the answer fits into the pipe, so the process ends alone
            except subprocess.TimeoutExpired:
                process.kill()
                raise TimeoutError(
                    "the check took too long; training checks the photos too"
                ) from None
            finally:
                answer = self._answer(process)
                self._tidy()
        if error := answer["error"]:
            raise RunError(error)
        found: dict[str, int] = answer["found"]
        return found

    def step(self) -> Step | None:
        """Return what the running check or training is doing; None if nothing runs."""
        return Step.read(self._work / STEP)

    def empty(self, label: str) -> None:
        """Delete a class's examples, and the page of the last check, which shows some.

        Raises:
            BusyError: a training or a check is running.
        """
        with self._alone():
            self.examples.empty(label)
            shutil.rmtree(self.check_report.parent, ignore_errors=True)

    def rename(self, classes: tuple[str, str]) -> None:
        """Rename the two classes, and delete the page of the last check.

        Raises:
            BusyError: a training or a check is running.
            UsageError: as for `Examples.rename`.
        """
        with self._alone():
            self.examples.rename(classes)
            shutil.rmtree(self.check_report.parent, ignore_errors=True)

    def remove(self, label: str, name: str) -> bool:
        """Delete one of a class's examples; return False if there is no such example.

        Raises:
            BusyError: a training or a check is running.
        """
        with self._alone():
            return self.examples.remove(label, name)

    def _settle(self) -> None:
        """Write down the end of a training that has ended, here or in a server that is gone."""
        if self._training is not None:
            if self._training.process.poll() is not None:
                self._end("failed", None)
            return
        job = self._stored()
        if job and job.state in _RUNNING:
            with contextlib.suppress(BusyError):  # another server's training is running
                lock = self._take()
                try:
                    self._record("stopped", _SERVER_ENDED)
                finally:
                    lock.close()

    def _wait(self, process: subprocess.Popen[bytes]) -> None:
        """Settle as soon as a training has ended, even where no client asks."""
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
        """Write down how the last training ended, and remove its remains; needs the lock."""
        job = self._stored()
        if job and job.state in _RUNNING:
            run = self.runs.run(job.run)
            if run.is_finished:
                state, error = "done", None
            self._store(replace(self._seen(job), state=state, error=error, step=None))
            run.discard()
            self._tidy()

    def _seen(self, job: Job) -> Job:
        """Return a running training with its progress; one that has ended has it already."""
        if job.state not in _RUNNING:
            return job
        run = self.runs.run(job.run)
        stage = run.stage
        # The lesson writes its notes when the faces are cut out and split.
        notes = self._work / run.notes.name
        if stage is Stage.ABSENT and notes.exists():
            stage = Stage.PREPARING
        history = run.epochs_done()
        return replace(
            job,
            state=_STATES[stage],
            epoch=len(history),
            epochs=run.epochs,
            history=history,
            step=Step.read(self._work / STEP),
            first=run.first.metrics.is_file(),
            notes=read_notes(notes) or read_notes(run.notes),
        )

    def _start(self, task: str, **given: str | int) -> subprocess.Popen[bytes]:
        request = {
            "task": task,
            "lock": str(self._process_lock),
            "photos": str(self.examples.folder),
            "classes": self.examples.classes,
            **given,
        }
        with (self.folder / "log.txt").open("wb") as log:
            process = subprocess.Popen(  # noqa: S603 - no part of it comes from a client
                [*self._command, json.dumps(request)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                # Photos must not stay in the user's own cache.
                # With a thread for each core, OpenBLAS waits longer than it computes.
                env={
                    "OPENBLAS_NUM_THREADS": "1",
                    **os.environ,
                    "XDG_CACHE_HOME": str(self._cache),
                },
            )
        with contextlib.suppress(AttributeError, OSError):  # Windows has no os.setpriority
            os.setpriority(os.PRIO_PROCESS, process.pid, _NICE)
        return process

    def _answer(self, process: subprocess.Popen[bytes]) -> dict[str, Any]:
        """Return the answer of a process that is ending; an error where it gave none."""
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

    def _take(self) -> locks.Lock:
        """Take the folder's lock, and see that no process is running.

        A process whose server was killed may run on for a second or two.

        Raises:
            BusyError: a training or a check is running.
            RunError: the folder cannot be used.
        """
        lock = _take(self.folder / "lock")
        try:
            _take(self._process_lock).close()
        except BaseException:
            lock.close()
            raise
        return lock

    def _tidy(self) -> None:
        """Remove what a process leaves beside its result."""
        shutil.rmtree(self._cache, ignore_errors=True)
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


def _take(file: Path) -> locks.Lock:
    try:
        lock = locks.take(file)
    except OSError as error:
        raise RunError(f"{file.parent}: {os_reason(error)}") from error
    if lock is None:
        raise BusyError("a training or a check is running; wait or stop it")
    return lock
