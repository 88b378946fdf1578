from __future__ import annotations

import itertools
import math
import os
import threading
from pathlib import Path
from typing import Any

import pytest

from happysad.errors import UsageError
from happysad.parallel import ordered_map, quota, thread_count, usable_cores, use_threads


def test_results_keep_the_order_of_the_items() -> None:
    first_may_end = threading.Event()

    def work(number: int) -> int:
        if number == 0:
            first_may_end.wait(10)
        if number == 5:
            first_may_end.set()
        return number * number

    assert list(ordered_map(work, range(20), threads=4)) == [n * n for n in range(20)]


def test_an_endless_iterable_is_read_no_further_than_asked() -> None:
    read = []

    def items() -> Any:
        for number in itertools.count():
            read.append(number)
            yield number

    results = ordered_map(str, items(), threads=2, ahead=5)
    assert [next(results) for _ in range(3)] == ["0", "1", "2"]
    assert len(read) == 3 + 5 - 1
    results.close()


def test_an_error_comes_in_the_place_of_its_result() -> None:
    results = ordered_map(lambda number: 1 // (2 - number), range(5), threads=2)
    assert [next(results), next(results)] == [0, 1]
    with pytest.raises(ZeroDivisionError):
        next(results)


def test_what_has_not_begun_when_the_reader_stops_is_cancelled() -> None:
    begun: list[int] = []
    hold = threading.Event()

    def work(number: int) -> int:
        begun.append(number)
        if number:
            hold.wait(10)
        return number

    results = ordered_map(work, range(100), threads=1, ahead=50)
    assert next(results) == 0
    hold.set()
    results.close()
    assert len(begun) < 100


@pytest.mark.parametrize("threads", [-1, 1.5, "2", True, None])
def test_other_numbers_of_threads_are_refused(threads: Any) -> None:
    with pytest.raises(UsageError, match="threads must be 0"):
        thread_count(threads)


def test_0_is_one_thread_per_core() -> None:
    assert thread_count() == thread_count(0) >= 1


@pytest.mark.parametrize(
    ("listed", "files", "cores"),
    [
        ("0::/\n", {"cpu.max": "150000 100000\n"}, 1.5),  # a container
        ("0::/\n", {"cpu.max": "max 100000\n"}, math.inf),
        ("0::/user/job\n", {"user/cpu.max": "200000 100000", "user/job/cpu.max": "max 100000"}, 2),
        (
            "5:memory:/a\n3:cpu,cpuacct:/docker/host-name\n0::/\n",
            {"cpu/cpu.cfs_quota_us": "400000\n", "cpu/cpu.cfs_period_us": "100000\n"},
            4,
        ),
        (
            "3:cpu:/\n",
            {"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"},
            math.inf,
        ),
        ("0::/\n", {"cpu.max": "what is this"}, math.inf),
        ("0::/\n", {}, math.inf),
    ],
)
def test_the_quota_of_a_container_counts(
    tmp_path: Path, listed: str, files: dict[str, str], cores: float
) -> None:
    process = tmp_path / "cgroup"
    process.write_text(listed)
    for name, content in files.items():
        file = tmp_path / "groups" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
    assert quota(process, tmp_path / "groups") == cores
    assert quota(tmp_path / "missing", tmp_path / "groups") == math.inf


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="no affinity on this system")
def test_only_cores_that_the_process_may_use_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3})
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    usable_cores.cache_clear()
    try:
        assert (usable_cores(), thread_count(), thread_count(5)) == (1, 1, 5)
    finally:
        usable_cores.cache_clear()


def test_the_default_number_of_threads_can_be_set() -> None:
    use_threads(3)
    try:
        assert (thread_count(), thread_count(2)) == (3, 2)
    finally:
        use_threads(0)
    assert thread_count() == usable_cores()
