"""A camera of this computer. A slow reader misses frames, but always gets the newest."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import TYPE_CHECKING

import numpy as np

from happysad.errors import UsageError, VideoError
from happysad.images import Pixels
from happysad.video.tracking import Follower

if TYPE_CHECKING:
    from happysad.classifier import Classifier

__all__ = ["Camera", "Latest", "lines"]

# A camera without a frame for this many seconds is gone; many take one second to begin.
_PATIENCE = 5.0
# Seconds between two tries to read a frame from a camera that had none.
_PAUSE = 0.02


class Latest:
    """Keeps the newest frame of a source, which a thread of its own reads.

    Frames that nobody took in time are replaced, so that no delay builds up.
    """

    def __init__(self, fetch: Callable[[], Pixels | None]) -> None:
        """Begin to read frames.

        Args:
            fetch: returns the next frame, or None if there is none at the moment; called by the
                thread alone.
        """
        self._fetch = fetch
        self._changed = threading.Condition()
        self._newest: Pixels | None = None
        self._ended = False
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="camera", daemon=True)
        self._thread.start()

    def take(self) -> Pixels | None:
        """Return the newest frame that was not taken yet, waiting for it; None after the end.

        Raises:
            Exception: the one that `fetch` raised.
        """
        with self._changed:
            while self._newest is None and not self._ended:
                self._changed.wait(0.2)  # a wait without end cannot be interrupted on Windows
            newest, self._newest = self._newest, None
            if newest is None and self._error is not None:
                raise self._error
            return newest

    def close(self) -> None:
        """Stop reading, and wait for the thread to finish its frame."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()
        self._thread.join()

    def _run(self) -> None:
        last = time.monotonic()
        try:
            while not self._ended and time.monotonic() - last < _PATIENCE:
                frame = self._fetch()
                if frame is None:
                    time.sleep(_PAUSE)
                    continue
                last = time.monotonic()
                with self._changed:
                    self._newest = frame
                    self._changed.notify_all()
        except Exception as error:
            self._error = error
        finally:
            with self._changed:
                self._ended = True
                self._changed.notify_all()


class Camera:
    """A camera of this computer."""

    def __init__(self, number: int = 0) -> None:
        """Open a camera.

        Args:
            number: 0 for the first one.

        Raises:
            UsageError: `number` is negative.
            VideoError: there is no such camera, or it delivers no frames.
        """
        import cv2

        if number < 0:
            raise UsageError(f"camera must be 0 for the first one or more, not {number}")
        self._name = f"camera {number}"
        level = cv2.utils.logging.getLogLevel()
        cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)  # the error below tells
        try:
            self._capture = cv2.VideoCapture(number)
        finally:
            cv2.utils.logging.setLogLevel(level)
        if not self._capture.isOpened():
            raise VideoError(
                f"{self._name}: not found, in use by another program, or not permitted"
            )
        self._capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
        self._latest = Latest(self._read)

    def __enter__(self) -> Camera:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._latest.close()
        self._capture.release()

    def frames(self) -> Iterator[Pixels]:
        """Yield the newest frame each time: RGB, uint8, shape (height, width, 3).

        Raises:
            VideoError: the camera delivers no more frames.
        """
        while (frame := self._latest.take()) is not None:
            yield frame
        raise VideoError(f"{self._name}: delivers no frames (any more)")

    def _read(self) -> Pixels | None:
        import cv2

        good, pixels = self._capture.read()
        return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB), np.uint8) if good else None


def lines(
    frames: Iterator[Pixels],
    classifier: Classifier,
    *,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[str]:
    """Yield a line a second: the answer for the frame, each face's, and the frames per second.

    Args:
        frames: from a camera, RGB, uint8.
        classifier: answers for the faces.
        clock: returns the time in seconds.
    """
    follower = Follower(classifier)
    began, count = clock(), 0
    for frame in frames:
        tracked = follower.step(frame, clock())
        count += 1
        passed = clock() - began
        if passed < 1:
            continue
        answer = follower.prediction
        words = f"{answer.describe().replace('_', ' '):<26}{count / passed:>4.0f}/s"
        if tracked:
            words += "  " + ", ".join(f"face {one.track} {one.describe()}" for one in tracked)
        yield words
        began, count = clock(), 0
