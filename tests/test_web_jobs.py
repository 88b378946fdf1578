"""A training's process: one at a time, stopped, killed, broken, and what a later server finds.

The process is a stand-in (tests/lesson_stub.py); a real training is in test_web_teach.py.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from happysad.errors import BusyError, RunError
from happysad.locks import take
from happysad.web.teach.jobs import Job, Jobs

STUB = (sys.executable, "-P", str(Path(__file__).with_name("lesson_stub.py")))
GONE = "the server ended while it trained"


@pytest.fixture
def jobs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Jobs]:
    (tmp_path / "model").write_bytes(b"a model")
    monkeypatch.setenv("HAPPYSAD_STUB_MODEL", str(tmp_path / "model"))
    one = Jobs(tmp_path / "teach", command=STUB)
    yield one
    one.close()


Does = Callable[[str], None]


@pytest.fixture
def does(monkeypatch: pytest.MonkeyPatch) -> Does:
    """Return a function that sets what the next process does."""
    return lambda what: monkeypatch.setenv("HAPPYSAD_STUB", what)


def until(jobs: Jobs, right: Callable[[Job], bool]) -> Job:
    """Wait until the training is as far as is asked."""
    for _ in range(2000):
        job = jobs.job()
        assert job is not None
        if right(job):
            return job
        time.sleep(0.01)
    raise AssertionError(job)


def ended(jobs: Jobs) -> Job:
    return until(jobs, lambda job: job.state in ("done", "failed", "stopped"))


def begun(jobs: Jobs) -> Job:
    """Begin a training that hangs, and wait until it is in the midst of it."""
    jobs.train()
    return until(
        jobs,
        lambda job: job.epoch == 2 and (jobs.runs.run(job.run).folder.parent / "beats").exists(),
    )


def left(jobs: Jobs) -> list[str]:
    """What there is of runs and of the check, but the stand-in's heartbeat and first results."""
    found = [
        file for room in ("runs", "check", "cache") for file in (jobs.folder / room).rglob("*")
    ]
    return sorted(str(file.relative_to(jobs.folder)) for file in found if not _stays(file))


def _stays(file: Path) -> bool:
    return file.name == "beats" or any(part.endswith("-first") for part in file.parts)


def test_before_anything_nothing_is_written(jobs: Jobs) -> None:
    assert jobs.job() is None
    assert jobs.stop() is None
    assert jobs.runs.results() == []
    assert not jobs.folder.exists()


def test_a_training_is_followed_by_its_files(jobs: Jobs, does: Does) -> None:
    does("finish")
    assert jobs.train() == Job(run=1)
    job = ended(jobs)
    assert (job.state, job.epoch, job.epochs, job.run, job.error) == ("done", 3, 3, 1, None)
    assert [epoch.loss for epoch in job.history] == [0.8, 0.7, 0.6]
    assert job.notes == ("No face was found in one.",)
    assert job.history[0].val_accuracy == 0.25
    first, run = jobs.runs.results()
    assert (first.id, first.first, first.n_test) == (1, True, 30)
    assert (run.id, run.balanced_accuracy, run.n_test) == (1, 0.75, 8)
    assert run.notes == job.notes
    assert not (jobs.folder / "cache").exists()  # it held the photos' faces
    jobs.train()
    assert ended(jobs).run == 2
    assert [run.id for run in jobs.runs.results()] == [1, 1, 2, 2]


def test_states_on_the_way(jobs: Jobs, does: Does) -> None:
    does("hang")
    job = begun(jobs)
    assert (job.state, job.epochs, len(job.history)) == ("training", 3, 2)
    (jobs.runs.run(1).folder / "model.keras").touch()
    assert until(jobs, lambda job: True).state == "judging"
    (jobs.runs.run(1).folder / "history.csv").write_text("half a l")
    assert until(jobs, lambda job: True).history == ()
    jobs.runs.run(1).folder.rename(jobs.folder / "away")
    assert until(jobs, lambda job: True).state == "training"  # its temporary folder is still there
    [temporary] = jobs.runs.run(1).folder.parent.glob(".1-*")
    temporary.rename(jobs.folder / "away too")
    assert until(jobs, lambda job: True).state == "training"  # by its notes
    notes = jobs.folder / "cache" / "lesson" / "notes.json"
    for text in ("{", "7", "null"):
        notes.write_text(text)
        assert until(jobs, lambda job: True).notes == ()
    notes.unlink()
    assert until(jobs, lambda job: True).state == "checking"


def test_one_at_a_time(jobs: Jobs, does: Does) -> None:
    does("hang")
    begun(jobs)
    label = jobs.folder / "photos" / "happy"
    for _ in range(2):
        with pytest.raises(BusyError, match="is running"):
            jobs.train()
        with pytest.raises(BusyError):
            jobs.check(9)
        with pytest.raises(BusyError):
            jobs.empty("happy")
    assert not label.exists()
    jobs.stop()
    jobs.empty("happy")


def _without_step(job: Job | None) -> Job:
    """Return a job without its step, in which the time passes."""
    assert job is not None
    return replace(job, step=None)


def test_two_servers_in_one_folder(jobs: Jobs, does: Does) -> None:
    does("hang")
    begun(jobs)
    other = Jobs(jobs.folder, command=STUB)
    assert _without_step(other.job()) == _without_step(jobs.job())
    for call in (other.train, other.stop, lambda: other.check(9), lambda: other.empty("sad")):
        with pytest.raises(BusyError):
            call()
    other.close()
    assert until(other, lambda job: True).state == "training"
    jobs.stop()
    assert until(other, lambda job: True).state == "stopped"
    does("finish")
    other.train()
    assert ended(jobs).run == 2
    other.close()


def test_stop_leaves_nothing_half_written(jobs: Jobs, does: Does) -> None:
    does("hang")
    begun(jobs)
    assert left(jobs) != []
    job = jobs.stop()
    assert job is not None
    assert (job.state, job.epoch, len(job.history), job.error) == ("stopped", 2, 2, None)
    assert left(jobs) == []
    assert is_gone(jobs)
    assert jobs.stop() == jobs.job() == job  # again: it stays as it is
    does("finish")
    assert jobs.train().run == 2  # a number is not given again
    assert ended(jobs).state == "done"


def is_gone(jobs: Jobs) -> bool:
    """Whether the process ends, and so lets go of its lock."""
    for _ in range(2000):
        if lock := take(jobs.folder / "process"):
            lock.close()
            return True
        time.sleep(0.01)
    return False


@pytest.mark.parametrize(
    ("what", "error"),
    [
        ("refuse", r"happy: too few\\nof them"),  # where the folder lies is of no help
        ("disk", "model.keras: no space left on device"),
        ("break", "ValueError: something odd"),
        ("die", r"it ended without an answer \(status 3\); .*log\.txt may say why"),
    ],
)
def test_what_breaks_comes_back_as_one_line(jobs: Jobs, does: Does, what: str, error: str) -> None:
    import re

    does(what)
    jobs.train()
    job = ended(jobs)
    assert job.state == "failed"
    assert re.fullmatch(error, job.error or "")
    assert left(jobs) == []
    assert [run.first for run in jobs.runs.results()] == [True]
    with pytest.raises(RunError, match=error):
        jobs.check(9)
    assert left(jobs) == []
    if what == "break":
        assert "Traceback" in (jobs.folder / "log.txt").read_text()


def test_a_check(jobs: Jobs, does: Does) -> None:
    does("finish")
    assert jobs.check(9) == {"files": 0, "dark": 0}
    assert jobs.check_report.read_text() == "<p>checked</p>"
    jobs.empty("happy")  # its pictures were on the page
    assert not jobs.check_report.exists()


def test_a_check_that_takes_too_long(jobs: Jobs, does: Does) -> None:
    does("hang")
    with pytest.raises(TimeoutError):
        jobs.check(0.5)
    assert left(jobs) == []
    does("finish")
    jobs.check(9)


SERVER = """
import sys, time
from pathlib import Path
from happysad.web.teach.jobs import Jobs
one = Jobs(Path(sys.argv[1]), command=tuple(sys.argv[2:]))
one.train()
print("trains", flush=True)
time.sleep(60)
"""


def test_a_server_that_is_killed(jobs: Jobs, does: Does) -> None:
    """Its training ends with it; the next server finds it stopped, and can train."""
    does("hang")
    command = [sys.executable, "-c", SERVER, str(jobs.folder), *STUB]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as server:
        assert server.stdout is not None
        assert server.stdout.readline().strip() == b"trains"
        job = until(jobs, lambda job: job.epoch == 2)
        assert job.state == "training"
        until(jobs, lambda job: (jobs.folder / "runs" / "beats").exists())
        server.kill()
    assert is_gone(jobs)
    job = ended(jobs)
    assert (job.state, job.error, len(job.history)) == ("stopped", GONE, 2)
    assert left(jobs) == []
    does("finish")
    assert jobs.train().run == 2
    assert ended(jobs).state == "done"


def test_a_process_that_outlives_its_server_for_a_while(jobs: Jobs, does: Does) -> None:
    """Nothing is cleared, and none other begun, while it may still write."""
    does("hang")
    begun(jobs)
    jobs.close()
    file = jobs.folder / "job.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "state": "training"}))
    jobs.runs.run(1).folder.mkdir()
    later = Jobs(jobs.folder)
    alive = take(jobs.folder / "process")
    assert alive is not None
    assert until(later, lambda job: True).state == "training"
    with pytest.raises(BusyError):
        later.train()
    assert jobs.runs.run(1).folder.exists()
    alive.close()
    assert until(later, lambda job: True).state == "stopped"
    assert not jobs.runs.run(1).folder.exists()


def test_a_server_that_ends(jobs: Jobs, does: Does) -> None:
    does("hang")
    begun(jobs)
    jobs.close()
    assert is_gone(jobs)
    job = Jobs(jobs.folder).job()
    assert job is not None
    assert (job.state, job.error) == ("stopped", GONE)
    assert left(jobs) == []


def test_a_training_that_ends_while_nobody_looks(jobs: Jobs, does: Does) -> None:
    does("finish")
    jobs.train()
    file = jobs.folder / "job.json"
    for _ in range(2000):
        if json.loads(file.read_text())["state"] == "done":
            return
        time.sleep(0.01)
    raise AssertionError(file.read_text())


def test_a_training_that_ended_with_its_server(jobs: Jobs, does: Does) -> None:
    """It was finished, but that was not written down any more."""
    does("finish")
    jobs.train()
    done = ended(jobs)
    file = jobs.folder / "job.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "state": "judging"}))
    assert Jobs(jobs.folder).job() == done


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", '{"run": 1}', '{"state": 1, "history": 2}']
)
def test_a_damaged_state_is_none(jobs: Jobs, does: Does, text: str) -> None:
    jobs.folder.mkdir()
    (jobs.folder / "job.json").write_text(text)
    assert jobs.job() is None
    does("finish")
    jobs.train()
    assert ended(jobs).state == "done"


def test_damaged_and_foreign_runs_are_left_alone(jobs: Jobs, does: Does) -> None:
    does("finish")
    jobs.train()
    ended(jobs)
    for name in ("2", "3", "07", "notes", "4-old", ".4-0123abcd", "-1", "1e3"):
        (jobs.folder / "runs" / name).mkdir()
    (jobs.folder / "runs" / "3" / "checkpoints").mkdir()
    (jobs.folder / "runs" / "3" / "checkpoints" / "finished.json").touch()  # but no metrics
    assert [run.id for run in jobs.runs.results()] == [1, 1]
    assert jobs.runs.file(2, "report.html") is None
    does("refuse")
    assert jobs.train().run == 4
    ended(jobs)
    # All but what a training numbered 4 would have left.
    there = {folder.name for folder in (jobs.folder / "runs").iterdir() if not _stays(folder)}
    assert there == {"1", "2", "3", "07", "notes", "4-old", "-1", "1e3"}


def test_only_listed_files_are_given(jobs: Jobs, does: Does) -> None:
    does("finish")
    jobs.train()
    ended(jobs)
    (jobs.runs.run(1).folder / "config.toml").write_text("secret")
    assert jobs.runs.file(1, "model.onnx") == jobs.runs.run(1).folder / "model.onnx"
    assert jobs.runs.file(1, "plots/loss.png") is not None
    assert jobs.runs.file(1, "plots/worst.png") is None  # listed, but not there
    for name in ("config.toml", "../1/model.onnx", "plots", "", ".", "/etc/passwd", "MODEL.ONNX"):
        assert jobs.runs.file(1, name) is None


def test_a_folder_that_cannot_be_used(jobs: Jobs, does: Does) -> None:
    jobs.folder.write_text("a file")
    does("finish")
    assert jobs.job() is None
    with pytest.raises(RunError, match=r"teach: .*exists"):
        jobs.train()
