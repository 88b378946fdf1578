"""A library on a cluster: each file has exactly one row, whichever process is killed."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from happysad import __version__
from happysad.batch import library
from happysad.batch.results import Results, Shard
from happysad.batch.shards import Summary
from happysad.batch.tables import path_of
from happysad.errors import LibraryError, UsageError
from happysad.paths import expand
from tests.classifiers import brightness_classifier, three_class_classifier
from tests.pictures import photo, save

distributed = pytest.importorskip("distributed", reason="needs happysad[scale]: Dask")
pytest.importorskip("pyarrow", reason="needs happysad[scale]")

from happysad.batch import cluster  # noqa: E402


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """The address of a cluster of `happysad cluster` with two worker processes."""
    command = [sys.executable, "-m", "happysad", "cluster", "--workers", "2", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        said = process.stdout.readline()
        assert " has 2 workers" in said
        yield said.split()[0]
        process.send_signal(signal.SIGTERM)  # like Ctrl+C
        assert process.wait(30) == 0


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return brightness_classifier(tmp_path / "model.onnx")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    for number in range(20):
        save(folder / f"{number:03}.png", photo(number, 24, 24))
    for number in range(20, 400):  # copies under other names
        os.link(folder / f"{number % 20:03}.png", folder / f"{number:03}.png")
    (folder / "bad.png").write_bytes(b"no picture")
    Path(os.fsdecode(bytes(folder) + b"/\xff.png")).symlink_to(folder / "000.png")
    return folder


def predict(photos: Path, out: Path, model: Path, address: str | None, **options: Any) -> Summary:
    given = {"shard": 8, "format": "jsonl", **options}
    files = expand(str(photos), ordered=False)
    return library.predict(files, out, sources=[str(photos)], model=model, cluster=address, **given)


def begin(photos: Path, out: Path, model: Path, address: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "happysad", "predict", str(photos), "--out", str(out)]
    command += ["--model", str(model), "--shard", "8", "--jsonl", "--cluster", address]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True)


def rows(out: Path) -> dict[str, dict[str, Any]]:
    """Return all rows by path; check that no path occurs twice."""
    found = list(Results.open(out).photos())
    by_path = {path_of(row): row for row in found}
    assert len(by_path) == len(found)
    return by_path


def parts(out: Path) -> dict[str, int]:
    with suppress(FileNotFoundError):
        return {file.name: file.stat().st_mtime_ns for file in out.glob("photos/part-*")}
    return parts(out)


def wait_for_part(out: Path, process: subprocess.Popen[str]) -> None:
    while process.poll() is None and not parts(out):
        time.sleep(0.002)


def files(photos: Path) -> set[str]:
    return {str(file) for file in photos.iterdir()}


def pids(address: str) -> list[int]:
    with distributed.Client(address, set_as_default=False) as client:
        return list(client.run(os.getpid).values())


def test_rows_are_those_of_one_machine_and_either_goes_on(
    photos: Path, model: Path, tmp_path: Path, address: str
) -> None:
    alone, out = tmp_path / "alone", tmp_path / "out"
    summary = predict(photos, alone, model, None, format="parquet")
    assert predict(photos, out, model, address, format="parquet") == summary
    assert rows(out) == rows(alone)
    assert set(rows(out)) == files(photos)
    assert summary.counts["unreadable"] == 1
    assert set(parts(out)) == set(parts(alone))
    for gone, by in ((0, None), (1, address)):
        part = next((out / "photos").glob(f"part-0-{gone:06}-*"))
        part.unlink()
        before = parts(out)
        again = predict(photos, out, model, by, format="parquet")
        assert (again.done, again.counts) == (8, summary.counts)
        assert before.items() <= parts(out).items()
    assert rows(out) == rows(alone)


def test_workers_give_the_same_answers(tmp_path: Path, address: str) -> None:
    three = three_class_classifier(tmp_path / "three.onnx")
    some = tmp_path / "some"
    for number in range(3):
        save(some / f"{number}.png", photo(number, 8, 8))
    for answers in (("happy", "sad"), None):  # the workers keep the classifier between the calls
        alone, out = (tmp_path / f"{name}-{answers}" for name in ("alone", "out"))
        predict(some, alone, three, None, answers=answers)
        predict(some, out, three, address, answers=answers)
        assert rows(out) == rows(alone)
        assert ("p_neither" in next(iter(rows(out).values()))) == (answers is None)


def test_a_worker_is_killed(photos: Path, model: Path, tmp_path: Path, address: str) -> None:
    out = tmp_path / "out"
    victim = pids(address)[0]
    with begin(photos, out, model, address) as process:
        wait_for_part(out, process)
        os.kill(victim, signal.SIGKILL)
        there = parts(out)
        _, errors = process.communicate(timeout=60)
    assert 0 < len(there) < 50
    assert process.returncode == 1  # one photo cannot be read
    assert errors == f"{len(files(photos))} photos\n"
    assert set(rows(out)) == files(photos)
    assert there.items() <= parts(out).items()


def test_the_client_is_killed(photos: Path, model: Path, tmp_path: Path, address: str) -> None:
    out = tmp_path / "out"
    with begin(photos, out, model, address) as process:
        wait_for_part(out, process)
        process.kill()
    there = parts(out)
    assert 0 < len(there) < 50
    with begin(photos, out, model, address) as process:
        said, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (1, f"{len(files(photos))} photos\n")
    assert f"{len(files(photos)):,}  photos" in said
    assert set(rows(out)) == files(photos)
    assert there.items() <= parts(out).items()
    assert not list(out.glob("*/.part-*"))


def test_few_tasks_are_on_their_way(
    photos: Path, model: Path, tmp_path: Path, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    shards, out = Results.shards, tmp_path / "out"
    most = 0

    def counted(results: Results) -> Iterator[Shard]:
        nonlocal most
        for number, shard in enumerate(shards(results)):
            most = max(most, number + 1 - len(parts(out)))
            yield shard

    monkeypatch.setattr(Results, "shards", counted)
    predict(photos, out, model, address)
    assert 1 <= most <= cluster._EACH * 2


def test_the_scheduler_is_killed(photos: Path, model: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    command = [sys.executable, "-m", "happysad", "cluster", "--workers", "1", "--port", "0"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, text=True, start_new_session=True) as scheduler:
        try:
            assert scheduler.stdout
            gone = scheduler.stdout.readline().split()[0]
            with begin(photos, out, model, gone) as process:
                wait_for_part(out, process)
                os.killpg(scheduler.pid, signal.SIGKILL)
                there = parts(out)
                _, errors = process.communicate(timeout=60)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(scheduler.pid, signal.SIGKILL)
    assert 0 < len(there) < 50
    assert process.returncode == 1
    assert errors.splitlines() == [
        f"{len(files(photos))} photos",
        f"happysad: {gone}: the scheduler went away; run the same command to continue",
    ]
    predict(photos, out, model, None)
    assert set(rows(out)) == files(photos)
    assert there.items() <= parts(out).items()


@pytest.mark.parametrize(
    "error", [distributed.comm.CommClosedError("in <tcp>"), distributed.CancelledError()]
)
def test_a_scheduler_that_goes_away_with_a_result_is_said(error: Exception) -> None:
    def result() -> None:
        raise error

    future = SimpleNamespace(status="finished", result=result)
    work = SimpleNamespace(_address="tcp://h:1")
    with pytest.raises(LibraryError, match=r"^tcp://h:1: the scheduler went away; run the same"):
        cluster._Work._result(work, future, Shard(0, 7, ("/a.jpg",)))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("given", "error", "said"),
    [
        ("tcp://127.0.0.1:9", LibraryError, r"^tcp://127.0.0.1:9: no Dask scheduler answers there"),
        # a listener that never answers
        ("tcp://127.0.0.1:{silent}", LibraryError, r"^tcp://.*\d: no Dask scheduler answers there"),
        ("tcp://{worker}", LibraryError, r"^tcp://.*\d: no Dask scheduler answers there"),
        ("tcp://a:b:1", LibraryError, r"^tcp://a:b:1: no Dask scheduler answers there"),
        ("tls://127.0.0.1:9", LibraryError, r"^tls://127.0.0.1:9: Dask's TLS is not configured"),
        ("127.0.0.1", UsageError, r"tcp://HOST:PORT, not '127.0.0.1'"),
    ],
)
def test_no_scheduler_is_said_before_anything_is_listed(
    model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    address: str,
    given: str,
    error: type[Exception],
    said: str,
) -> None:
    def listed() -> Iterator[str]:
        pytest.fail("was listed")
        yield

    worker = ""
    if "{worker}" in given:
        with distributed.Client(address, set_as_default=False) as client:
            worker = next(iter(client.nthreads())).removeprefix("tcp://")
    monkeypatch.setattr(cluster, "_CONNECT", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        given = given.format(silent=silent.getsockname()[1], worker=worker)
        with pytest.raises(error, match=said) as raised:
            library.predict(listed(), tmp_path / "out", sources=["/a"], model=model, cluster=given)
    assert "\n" not in str(raised.value)
    assert not (tmp_path / "out").exists()


def test_a_worker_with_another_happysad_is_said(
    photos: Path, model: Path, tmp_path: Path, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster, "__version__", "99.0")
    said = r"^the worker tcp://127.0.0.1:\d+: has happysad .*, not 99.0; install 99.0$"
    with pytest.raises(LibraryError, match=said):
        predict(photos, tmp_path / "out", model, address)


def test_relative_paths_are_refused(model: Path, tmp_path: Path, address: str) -> None:
    with pytest.raises(UsageError, match=r"^a\.jpg: with a cluster, the path of a photo must be"):
        library.predict(
            ["a.jpg"], tmp_path / "out", sources=["a.jpg"], model=model, cluster=address
        )


@pytest.mark.parametrize(
    ("done", "said"),
    [
        ("gone", "out: not there; all workers must reach it"),
        ("other results", "out: not the folder that you see; all workers must reach it"),
        ("no classifier", "classifier.onnx: no such file or directory"),
        ("another classifier", r"classifier.onnx: has sha256 [0-9a-f]{12}, yours has [0-9a-f]{12}"),
    ],
)
def test_what_a_worker_does_not_see_is_said(
    model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    done: str,
    said: str,
) -> None:
    out = tmp_path / "out"
    predict(save(tmp_path / "photos" / "1.png", photo(1, 8, 8)).parent, out, model, None)
    library = Results.open(out).fingerprint()
    if done == "gone":
        out.rename(tmp_path / "elsewhere")
    elif done == "other results":
        (out / "library.json").write_text((out / "library.json").read_text() + "\n")
    elif done == "another classifier":
        brightness_classifier(out / "classifier.onnx", slope=0.2)
    here = SimpleNamespace(address="tcp://w:1", state=SimpleNamespace(nthreads=1))
    monkeypatch.setattr(distributed, "get_worker", lambda: here)
    answer = cluster._task(__version__, str(out), library, 0, 0, b"/nowhere.jpg", False)
    assert isinstance(answer, str)
    with pytest.raises(LibraryError, match=f"^the worker tcp://w:1: /.*{said}$"):
        raise LibraryError(answer)


def test_a_shard_at_which_workers_die_is_named_when_the_others_are_done() -> None:
    error = distributed.KilledWorker("task", SimpleNamespace(address="w"), 3)
    future = SimpleNamespace(status="error", exception=lambda: error)
    work = SimpleNamespace(_failed=[])
    assert cluster._Work._result(work, future, Shard(0, 7, ("/a.jpg",))) is None  # type: ignore[arg-type]
    (said,) = work._failed
    assert "died at part-0-000007-" in said
    assert said.endswith("begins with /a.jpg")
