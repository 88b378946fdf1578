from __future__ import annotations

import os
from collections.abc import Iterator

from happysad.library.listing import with_sorted


def test_paths_are_sorted_by_their_bytes_each_once() -> None:
    taken: list[bytes] = []

    def take(paths: Iterator[bytes]) -> int:
        taken.extend(paths)
        return len(taken)

    found = ["b", "ä", "a\nc", os.fsdecode(b"\xff"), "b", "B", "a"]
    assert with_sorted(found, [b"a", b"gone"], take) == (5, 1)
    assert taken == sorted(os.fsencode(path) for path in set(found) - {"a"})
