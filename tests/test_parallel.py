from __future__ import annotations

import itertools
import threading
from typing import Any

import pytest

from happysad.errors import UsageError
from happysad.parallel import ordered_map, thread_count


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
