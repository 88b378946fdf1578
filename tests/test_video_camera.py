"""A slow consumer gets the newest frame, a camera that fails a clear word."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from happysad.classifier import Classifier
from happysad.errors import UsageError, VideoError
from happysad.images import Pixels
from happysad.video import camera
from happysad.video.camera import Camera, Latest, lines
from tests.classifiers import brightness_classifier
from tests.films import party


def numbered(number: int) -> Pixels:
    return np.full((2, 2, 3), number, np.uint8)


class Source:
    """Frames 0, 1, 2, …; each is given when the test lets it."""

    def __init__(self) -> None:
        self.numbers = itertools.count()
        self.allowed = threading.Semaphore(0)
        self.asked = threading.Semaphore(0)

    def fetch(self) -> Pixels | None:
        self.asked.release()
        self.allowed.acquire()
        return numbered(next(self.numbers))

    def give(self, count: int) -> None:
        """Let `count` frames pass, and wait until the last one has arrived."""
        for _ in range(count):
            self.asked.acquire()
            self.allowed.release()
        self.asked.acquire()  # it asks again once it has put the last one down
        self.asked.release()


def test_a_slow_consumer_gets_the_newest_and_nothing_twice() -> None:
    source = Source()
    latest = Latest(source.fetch)
    taken = []
    for count in (1, 7, 1, 30):
        source.give(count)
        frame = latest.take()
        assert frame is not None
        taken.append(int(frame[0, 0, 0]))
    assert taken == [0, 7, 8, 38]
    waiter = threading.Thread(target=lambda: taken.append(latest.take()))  # type: ignore[arg-type]
    waiter.start()
    waiter.join(0.05)
    assert waiter.is_alive()  # there is nothing new: it waits
    source.give(1)
    waiter.join()
    assert int(taken[-1][0, 0, 0]) == 39  # type: ignore[index]
    source.allowed.release(9)
    latest.close()
    assert not latest._thread.is_alive()


def test_the_end_comes_after_the_last_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(camera, "_PATIENCE", 0.05)
    frames: Iterator[Pixels | None] = iter([None, numbered(1), *[None] * 99])
    latest = Latest(lambda: next(frames))
    assert latest.take() is not None
    assert latest.take() is None
    latest.close()


def test_an_error_of_the_source_reaches_the_consumer() -> None:
    def fetch() -> Pixels | None:
        raise VideoError("unplugged")

    latest = Latest(fetch)
    with pytest.raises(VideoError, match="unplugged"):
        latest.take()
    latest.close()


class Capture:
    """A camera as OpenCV gives it, with three frames, or none."""

    def __init__(self, number: int) -> None:
        self.left = 3 if number == 0 else 0
        self.there = number < 2
        self.released = False

    def isOpened(self) -> bool:  # noqa: N802
        return self.there

    def set(self, *_: Any) -> None: ...

    def read(self) -> tuple[bool, Pixels | None]:
        self.left -= 1
        blue = np.zeros((4, 4, 3), np.uint8)
        blue[..., 0] = 255
        return (True, blue) if self.left >= 0 else (False, None)

    def release(self) -> None:
        self.released = True


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (0, "camera 0: delivers no frames"),
        (1, "camera 1: delivers no frames"),
        (2, "camera 2: not found, in use by another program"),
    ],
)
def test_cameras_that_end_or_are_not_there(
    monkeypatch: pytest.MonkeyPatch, number: int, said: str
) -> None:
    monkeypatch.setattr(cv2, "VideoCapture", Capture)
    monkeypatch.setattr(camera, "_PATIENCE", 0.05)
    seen: list[Pixels] = []
    with pytest.raises(VideoError, match=said), Camera(number) as one:
        seen.extend(one.frames())
    if number == 0:  # blue, in RGB
        assert tuple(seen[-1][0, 0]) == (0, 0, 255)
    else:
        assert seen == []


def test_leaving_stops_the_thread_and_frees_the_camera(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cv2, "VideoCapture", Capture)
    with pytest.raises(KeyboardInterrupt), Camera(0) as one:
        raise KeyboardInterrupt
    assert not one._latest._thread.is_alive()
    assert one._capture.released  # type: ignore[attr-defined]


def test_a_negative_number_is_refused() -> None:
    with pytest.raises(UsageError, match="not -1"):
        Camera(-1)


def test_a_line_a_second(tmp_path: Path) -> None:
    file = brightness_classifier(tmp_path / "m.onnx", looks_at="face", slope=0.0, unsure=(0.1, 0.9))
    ticks = itertools.count()
    said = list(
        lines(
            iter(party(45, range(30, 45))),
            Classifier(file),
            clock=lambda: next(ticks) / 20,  # two looks at the clock a frame
        )
    )
    assert said[0] == ("unsure, leans happy 50 %    10/s  face 1 unsure, leans happy 50 %")
    assert said[-1].split() == ["no", "face", "10/s"]
    assert len(said) == 4
