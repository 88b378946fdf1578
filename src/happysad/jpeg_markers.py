"""The markers of a JPEG: the memory of its coefficients, and the end of its pixels."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

__all__ = ["BARE", "END", "FRAMES", "SCAN", "coefficients", "next_marker", "pixels_end"]

#: The marker of the end, that of a scan, those of frames, and those that have no length: the
#: start, the end, and extensions.
END, SCAN = 0xD9, 0xDA
FRAMES = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})
BARE = frozenset({0xC8, 0xD8, END, *range(0xF0, 0xFE)})

# A marker of a JPEG that is neither data (FF 00) nor a restart (D0 to D7). Every marker ends with
# the last FF of a run, so that the pattern needs no repetition, and a search takes linear time.
_MARKER = re.compile(rb"\xff([\x02-\xcf\xd8-\xfe])")
# Number of bytes that are searched before other threads may run.
_AT_ONCE = 2**20
_PROGRESSIVE = {0xC2, 0xC6, 0xCA, 0xCE}
# What comes before a scan: tables, comments and applications' data.
_BEFORE_A_SCAN = {0xC4, 0xCC, SCAN, 0xDB, 0xDD, *range(0xE0, 0xF0), 0xFE}
# A block has 64 coefficients of 2 bytes.
_BLOCK, _BYTES = 8, 2
# The minimum number of bytes in the headers of frames and scans; shorter ones are skipped.
_LEAST = {**dict.fromkeys(FRAMES, 6), SCAN: 1}


class _Segment(NamedTuple):
    marker: int
    start: int
    """Where the marker begins."""
    content: bytes
    """Its first 1,024 bytes."""


def next_marker(data: bytes, at: int, most: int | None = None) -> re.Match[bytes] | None:
    """Return the next marker of a JPEG that begins at most `most` bytes after `at`."""
    end = len(data) if most is None else min(len(data), at + most + 2)
    for start in range(at, end, _AT_ONCE):
        if found := _MARKER.search(data, start, min(start + _AT_ONCE + 1, end)):
            return found
    return None


def coefficients(data: bytes) -> int:
    """Return the bytes of the coefficients that a decoder keeps of the whole picture.

    A progressive JPEG, and one whose components come in several scans, is kept at any scale.
    """
    frame = None
    for segment in _segments(data):
        if segment.marker in FRAMES:
            frame = segment
        elif segment.marker == SCAN:
            if frame is None:
                return 0
            one_scan = segment.content[:1] == frame.content[5:6]
            return 0 if one_scan and frame.marker not in _PROGRESSIVE else _kept(frame.content)
    return 0


def pixels_end(data: bytes) -> int | None:
    """Return a place behind the last pixel of a JPEG and before its next marker, if there is any.

    None if a scan is missing. The data between may end before the last pixel of the last scan.
    """
    missing: dict[int, set[int]] = {}
    for segment in _segments(data):
        content = segment.content
        if missing and not any(missing.values()):
            return segment.start
        if segment.marker in FRAMES:
            missing = {component: set(range(64)) for component in content[6::3][: content[5]]}
        elif segment.marker == SCAN:
            number = content[0]
            first, last, low = (*content[1 + 2 * number :][:3], 0, 0, 0)[:3]
            if low & 15 == 0:
                for component in content[1 : 1 + 2 * number : 2]:
                    missing.get(component, set()).difference_update(range(first, last + 1))
        elif missing and segment.marker not in _BEFORE_A_SCAN:
            return None
    return len(data) if missing and not any(missing.values()) else None


def _segments(data: bytes) -> Iterator[_Segment]:
    at = 2
    while found := next_marker(data, at):
        at, marker = found.end(), found[1][0]
        length = 0 if marker in BARE else max(2, int.from_bytes(data[at : at + 2]))
        content = data[at + 2 : at + min(length, 1024)]
        if len(content) >= _LEAST.get(marker, 0):
            yield _Segment(marker, found.start(), content)
        at += length


def _kept(frame: bytes) -> int:
    height, width = (int.from_bytes(frame[at : at + 2]) for at in (1, 3))
    factors = [(one >> 4, one & 15) for one in frame[7::3][: frame[5]]]
    across, down = (max((pair[axis] for pair in factors), default=1) or 1 for axis in (0, 1))
    blocks = sum(
        -(-width * h // (across * _BLOCK)) * -(-height * v // (down * _BLOCK)) for h, v in factors
    )
    return blocks * _BLOCK**2 * _BYTES
