"""`run_command` gives the same results as a separate process."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest

from happysad import cli
from tests.classifiers import brightness_classifier
from tests.command_line import Done, run_command, run_process
from tests.pictures import photo, save


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """A folder with a classifier and two photos; the name of one is not valid UTF-8."""
    brightness_classifier(tmp_path / "model.onnx")
    save(tmp_path / "photos" / "a.png", photo(1))
    save(tmp_path / "photos" / os.fsdecode(b"\xff.png"), photo(2))
    return tmp_path


PREDICT = ["predict", "--model", "model.onnx"]


@pytest.mark.parametrize(
    ("arguments", "stdin", "env", "status"),
    [
        (["--version"], b"", {}, 0),
        ([], b"", {}, 2),
        (["predict", "--help"], b"", {}, 0),
        ([*PREDICT, "photos", "--csv"], b"", {}, 0),
        ([*PREDICT, "photos"], b"", {"PYTHONIOENCODING": "cp1252"}, 0),
        ([*PREDICT, "-", "--json"], b"photos\nphotos/a.png\n", {}, 0),
        ([*PREDICT, "none.png", "photos/a.png"], b"", {}, 1),
        ([*PREDICT, "none\udcff.png"], b"", {}, 1),
        (["predict", "x.png", "--model", "none.onnx"], b"", {}, 1),
        ([*PREDICT, "-"], b"", {}, 2),
        ([*PREDICT, "photos", "--json", "--csv"], b"", {}, 2),
        (["prediction"], b"", {}, 2),
    ],
)
def test_it_answers_as_a_process_does(
    here: Path, arguments: list[str], stdin: bytes, env: dict[str, str], status: int
) -> None:
    done = run_command(*arguments, stdin=stdin, cwd=here, env=env)
    assert done == run_process(*arguments, stdin=stdin, cwd=here, env=env)
    assert done.status == status


def test_it_leaves_the_process_as_it_was(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)
    streams = (sys.stdin, sys.stdout, sys.stderr)

    def state() -> tuple[object, ...]:
        handlers = [signal.getsignal(number) for number in signal.valid_signals()]
        files = [os.fstat(number).st_ino for number in range(3)]
        return dict(os.environ), list(sys.argv), Path.cwd(), handlers, files, sys.stdout.errors

    before = state()
    done = run_command(*PREDICT, "photos", "--csv", cwd=here, env={"LANG": "C"})
    assert (done.status, done.stderr) == (0, b"2 photos\n")
    assert state() == before
    assert (sys.stdin, sys.stdout, sys.stderr) == streams


def test_an_error_that_nobody_caught_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("nobody caught this")

    monkeypatch.setattr(cli, "app", broken)
    done = run_command("info")
    assert (done.status, done.stdout) == (1, b"")
    assert done.stderr.startswith(b"Traceback")
    assert done.stderr.endswith(b"RuntimeError: nobody caught this\n")


def test_it_takes_what_native_code_writes(monkeypatch: pytest.MonkeyPatch) -> None:
    def native(*_: object, **__: object) -> None:
        os.write(1, b"out")
        os.write(2, b"err")

    monkeypatch.setattr(cli, "app", native)
    assert run_command() == Done(0, b"out", b"err")
