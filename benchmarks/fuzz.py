"""Give happysad mutated files and requests, and count those that it neither answers nor refuses.

    PYTHONPATH=. python benchmarks/fuzz.py --minutes 60 --keep FOLDER --write FILE
    PYTHONPATH=. python benchmarks/fuzz.py --minutes 1 --kind pictures --seed 7
    PYTHONPATH=. python benchmarks/fuzz.py --replay FOLDER/pictures-0123456789ab.zip

The kinds of inputs, with their seeds and the functions that they are given to, are in
`fuzz_kinds.KINDS`; `mutations` changes the seeds. An input is answered, or refused by an error of
happysad with one line. Everything else is a failure: another exception, a traceback on standard
error, an answer of more than one line, the end of the process, more than --seconds or more than
--memory, a connection, or a file that is written or removed outside of the folders of the input.
The inputs go through a process of their own, which is started again after it ends or hangs. With
--keep, the input of each failure is written as a zip that --replay takes.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import io
import itertools
import multiprocessing
import os
import re
import resource
import shutil
import sys
import tempfile
import time
import traceback
import zipfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from random import Random
from typing import Any, Literal, NamedTuple

from fuzz_kinds import KINDS, Kind
from mutations import Files, mutated

from happysad.errors import HappysadError
from happysad.files import write_text
from happysad.progress import bar

Outcome = Literal["refused", "answered", "failed"]
# Seconds that a process may take to start and to make its seeds.
_START = 600.0
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


class Result(NamedTuple):
    """What happened to one input."""

    outcome: Outcome
    reason: str
    """Why it failed, or the message of the refusal."""
    seconds: float
    peak: int
    """The largest memory of the process so far, in bytes."""


@dataclass
class Tally:
    """The counts of one kind."""

    outcomes: Counter[Outcome] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    """The number of failures of each kind."""
    slowest: float = 0.0
    peak: int = 0

    def add(self, result: Result) -> None:
        """Count a result."""
        self.outcomes[result.outcome] += 1
        self.slowest = max(self.slowest, result.seconds)
        self.peak = max(self.peak, result.peak)
        if result.outcome == "failed":
            self.reasons[result.reason.splitlines()[-1][:200]] += 1


def main() -> None:
    """Fuzz each kind for its share of the time; exit with status 1 if an input failed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=1.0, help="time for all kinds together")
    parser.add_argument("--kind", choices=KINDS, action="append", help="only this kind; repeatable")
    parser.add_argument("--seed", type=int, default=0, help="seed of the mutations")
    parser.add_argument("--seconds", type=float, default=60.0, help="maximum time for an input")
    parser.add_argument("--memory", type=float, default=4.0, help="maximum memory for one, in GiB")
    parser.add_argument("--keep", type=Path, help="folder for the inputs that failed")
    parser.add_argument("--replay", type=Path, help="give happysad this input alone")
    parser.add_argument("--write", type=Path, help="file to which the table is also written")
    chosen = parser.parse_args()
    if chosen.replay:
        raise SystemExit(_replay(chosen.replay))
    kinds = chosen.kind or list(KINDS)
    tallies: dict[str, Tally] = {}
    share = 60 * chosen.minutes / len(kinds)
    with contextlib.suppress(KeyboardInterrupt):
        for name in kinds:
            tally = tallies[name] = Tally()
            for files, result in _fuzz(name, chosen, share, tally):
                if result.outcome == "failed" and chosen.keep:
                    _keep(chosen.keep, name, files, result.reason)
            print(_row(name, tally), file=sys.stderr, flush=True)
    text = _table(tallies, chosen.seed)
    print(text, end="")
    if chosen.write:
        write_text(chosen.write, text)
    if any(tally.outcomes["failed"] for tally in tallies.values()):
        raise SystemExit(1)


def _fuzz(
    name: str, chosen: argparse.Namespace, seconds: float, tally: Tally
) -> Iterator[tuple[Files, Result]]:
    """Yield the inputs of one kind with their results, for some seconds."""
    number, began, files = 0, time.monotonic(), Files()
    until = began + seconds
    with bar() as progress, tempfile.TemporaryDirectory() as scratch:
        task = progress.add_task(name, total=None, note="")
        while time.monotonic() < until:
            child = _Child(name, chosen.seed, number, until, chosen.memory, Path(scratch))
            try:
                for message in child.messages(chosen.seconds):
                    if not isinstance(message, Result):
                        number, files = message
                        continue
                    tally.add(message)
                    yield files, message
                    number += 1
                    spent = time.monotonic() - began
                    planned = max(number, int(number * seconds / spent))
                    note = f"{tally.outcomes['failed']} failed"
                    progress.update(task, completed=number, total=planned, note=note)
            finally:
                child.end()


class _Child:
    """A process that gives happysad the inputs of one kind, and is watched."""

    def __init__(
        self, name: str, seed: int, first: int, until: float, memory: float, scratch: Path
    ) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        limit = int(memory * 2**30)
        arguments = (name, seed, first, until, limit, scratch, theirs)
        self._process = context.Process(target=_work, args=arguments, daemon=True)
        self._process.start()
        theirs.close()

    def messages(self, seconds: float) -> Iterator[Any]:
        """Yield inputs and results until the process ends; its end within an input is a result."""
        begun = False
        try:
            while self._pipe.poll(seconds if begun else _START):
                message = self._pipe.recv()
                begun = message is not None and not isinstance(message, Result)
                if message is not None:
                    yield message
            if not begun:
                raise SystemExit("the process of the inputs does not start")
            yield Result("failed", f"no answer within {seconds:g} s", seconds, 0)
        except EOFError:
            self._process.join()
            if begun:
                reason = f"the process ended with status {self._process.exitcode}"
                yield Result("failed", reason, 0.0, 0)
            elif self._process.exitcode:
                raise SystemExit("the process of the inputs cannot start") from None

    def end(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.join()


def _work(
    name: str, seed: int, first: int, until: float, limit: int, scratch: Path, pipe: Connection
) -> None:
    """Give happysad inputs of one kind from a number on, and send each input and its result."""
    with _prepared(name, scratch) as (kind, attempt):
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
        most = pages * resource.getpagesize() + limit
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
        for number in itertools.count(first):
            if time.monotonic() >= until:
                return
            files = mutated(kind.seeds, Random(f"{name} {seed} {number}"))  # noqa: S311
            pipe.send((number, files))
            pipe.send(attempt(files))


@contextlib.contextmanager
def _prepared(name: str, scratch: Path, *, quiet: bool = True) -> Iterator[tuple[Kind, _Attempts]]:
    """Make the seeds of a kind, and everything that is loaded once."""
    sys.dont_write_bytecode = True
    home = Path(tempfile.mkdtemp(dir=scratch))
    for variable in ("HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME", "TMPDIR"):
        os.environ[variable] = str(home)
    tempfile.tempdir = None
    os.chdir(home)
    written = home / "stderr"
    kind = KINDS[name](home)
    attempts = _Attempts(kind, scratch / "input", written, home)
    for seed in kind.seeds:
        attempts(seed)  # loads what is loaded later, which may write to caches
        result = attempts(seed)
        if result.outcome == "failed":
            raise SystemExit(f"{name}: a seed fails: {result.reason}")
    if quiet:  # the libraries of C print to the descriptors
        descriptor = os.open(written, os.O_RDWR | os.O_CREAT | os.O_APPEND)
        for stream in (1, 2):
            os.dup2(descriptor, stream)
    yield kind, attempts


class _Attempts:
    """Gives inputs to happysad, and looks at what it does."""

    def __init__(self, kind: Kind, folder: Path, written: Path, home: Path) -> None:
        self._kind, self._folder, self._written = kind, folder, written
        self._beside = folder.parent / "beside"
        self._home, self._allowed = home, [os.path.realpath(home)]
        self._allowed += [os.path.realpath(folder / one) for one in kind.writes]
        self._strange: list[str] | None = None
        sys.addaudithook(self._watch)

    def __call__(self, files: Files) -> Result:
        for folder in (self._folder, self._beside):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
        (self._beside / "beside.txt").write_text("stays")
        for name, content in files.items():
            file = self._folder / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content.replace(b"@HERE@", os.fsencode(self._folder)))
        before = self._tree()
        began = time.perf_counter()
        self._strange = strange = list[str]()
        outcome: Outcome
        try:
            self._kind.attempt(self._folder)
            outcome, reason = "answered", ""
        except HappysadError as error:
            outcome, reason = "refused", str(error)
            if not reason.isprintable() and re.search(r"[\x00-\x1f\x7f]", reason):
                outcome = "failed"
                reason = f"more than one line, or control characters: {reason!r}"
        except BaseException as error:
            outcome = "failed"
            reason = f"{traceback.format_exc()}\n{_signature(error)}"
        self._strange = None
        seconds = time.perf_counter() - began
        printed = self._written.read_bytes() if self._written.exists() else b""
        if b"Traceback (most recent call last)" in printed:
            outcome, reason = "failed", f"{printed.decode('utf-8', 'replace')[-4000:].strip()}"
        if printed:
            os.truncate(self._written, 0)
        if strange:
            outcome, reason = "failed", f"outside of the input: {strange[0]}"
        elif changed := sorted(set(self._tree()) ^ set(before)):
            outcome, reason = "failed", f"changed beside the input: {changed[0][0]}"
        peak = 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return Result(outcome, reason, seconds, peak)

    def _tree(self) -> list[tuple[str, int, int]]:
        """Return the files beside the folder of the input, with their sizes and times."""
        paths = [*self._folder.parent.glob("*"), *self._beside.rglob("*")]
        return sorted(
            (str(path), path.lstat().st_size, path.lstat().st_mtime_ns)
            for path in paths
            if path not in (self._folder, self._home)
        )

    def _watch(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Note what Python does outside of the folders that the kind may write to."""
        if self._strange is None:
            return
        touched: list[tuple[Any, Any]] = []
        if event == "open":
            path, _, flags = arguments
            if isinstance(flags, int) and flags & _WRITES:
                touched = [(path, -1)]
        elif event in ("os.remove", "os.rmdir", "os.mkdir", "os.truncate", "os.chmod", "os.utime"):
            touched = [(arguments[0], arguments[-1] if event != "os.truncate" else -1)]
        elif event == "os.rename":
            touched = [(arguments[0], arguments[2]), (arguments[1], arguments[3])]
        elif event in ("os.link", "os.symlink"):
            touched = [(arguments[1], arguments[-1])]
        elif event in ("socket.connect", "os.exec", "os.system", "subprocess.Popen"):
            self._strange.append(f"{event} {arguments[-1]!r:.100}")
        for path, folder in touched:
            if isinstance(path, str | bytes | os.PathLike):
                self._look(event, os.fsdecode(path), folder)

    def _look(self, event: str, path: str, folder: int) -> None:
        # pathlib would also resolve ".." in a path whose folders are links.
        base = f"/proc/self/fd/{folder}" if folder not in (-1, None) else "."
        whole = path if path.startswith("/") else f"{os.path.realpath(base)}/{path}"
        if event == "open":
            whole = os.path.realpath(whole)
        else:  # the link itself, not what it leads to
            parent, name = os.path.split(whole)
            whole = f"{os.path.realpath(parent)}/{name}"
        inside = any(f"{whole}/".startswith(f"{one}/") for one in self._allowed)
        if not inside and whole not in ("/dev/null", "/dev/tty") and self._strange is not None:
            self._strange.append(f"{event} {whole}")


def _signature(error: BaseException) -> str:
    """Return the type of an exception, and the last line of happysad that it passed."""
    places = [
        f"{Path(frame.filename).name}:{frame.lineno}"
        for frame in traceback.extract_tb(error.__traceback__)
        if "happysad" in frame.filename
    ]
    line = " ".join(str(error).split())[:100]
    return f"{type(error).__name__} at {places[-1] if places else '?'}: {line}"


def _keep(folder: Path, name: str, files: Files, reason: str) -> None:
    """Write the input of a failure as NAME-HASH.zip, with the reason as its comment."""
    folder.mkdir(parents=True, exist_ok=True)
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, data in sorted(files.items()):
            archive.writestr(zipfile.ZipInfo(path), data)
        archive.comment = reason.encode("utf-8", "backslashreplace")[-4000:]
    digest = hashlib.sha256(repr(sorted(files.items())).encode()).hexdigest()
    (folder / f"{name}-{digest[:12]}.zip").write_bytes(content.getvalue())


def _replay(file: Path) -> int:
    """Print what happens to a kept input, and return the exit status."""
    name = file.name.partition("-")[0]
    with zipfile.ZipFile(file) as archive:
        files = {one: archive.read(one) for one in archive.namelist()}
    with (
        tempfile.TemporaryDirectory() as scratch,
        _prepared(name, Path(scratch), quiet=False) as (
            _,
            attempt,
        ),
    ):
        result = attempt(files)
        print(f"{result.outcome} after {result.seconds:.3f} s: {result.reason}")
        os.chdir("/")
    return int(result.outcome == "failed")


def _row(name: str, tally: Tally) -> str:
    counts = tally.outcomes
    return (
        f"| {name} | {counts.total():,} | {counts['refused']:,} | {counts['answered']:,} "
        f"| {counts['failed']:,} | {tally.slowest:.2f} | {tally.peak / 2**20:,.0f} |"
    )


def _table(tallies: dict[str, Tally], seed: int) -> str:
    total = Tally()
    for tally in tallies.values():
        total.outcomes += tally.outcomes
        total.slowest, total.peak = max(total.slowest, tally.slowest), max(total.peak, tally.peak)
    lines = [
        "| kind | inputs | refused in one line | answered | failed | slowest, s | memory, MiB |",
        "|---|---|---|---|---|---|---|",
        *(_row(name, tally) for name, tally in tallies.items()),
        _row("all", total),
        "",
        f"Seed {seed}.",
    ]
    for name, tally in tallies.items():
        lines += [f"- {name}: {n} times {why}" for why, n in tally.reasons.most_common()]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
