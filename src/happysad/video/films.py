"""Read films and write them, by OpenCV's FFmpeg."""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

import numpy as np

from happysad.errors import UsageError, VideoError
from happysad.files import replacing
from happysad.images import Pixels

__all__ = ["Film", "Frame", "Writer", "codec_of", "quiet", "writing"]

# What a film that is written ends in, its codec's tag, and the codec's name.
_CODECS = {".mp4": ("mp4v", "MPEG-4 Part 2"), ".avi": ("MJPG", "Motion JPEG")}
# A film's stated rate is believed up to here, in frames a second; webcams' recordings in a browser
# say 1000, meaning milliseconds.
_MOST_RATE, _USUAL_RATE = 120.0, 25.0
# A frame is held in a film that is written for at most so many seconds: a damaged film's clock may
# jump by years.
_LONGEST_HOLD = 60.0
# A film that gives less of its frames than this was cut off; counts are estimates in some formats.
_MOST_OF_IT = 0.9


class Frame(NamedTuple):
    """One frame of a film."""

    number: int
    """From 0, counting every frame of the film."""
    at: float
    """Its time in seconds; the first frame's is 0. It never goes back."""
    pixels: Pixels
    """RGB, uint8, shape (height, width, 3), upright as the film's metadata say."""


class Film:
    """A film to read from its beginning to its end, once."""

    def __init__(self, path: Path) -> None:
        """Open a film.

        Raises:
            VideoError: there is no such file, or it is no film.
        """
        if not path.is_file():
            raise VideoError(f"{path}: {'not a file' if path.exists() else 'no such file'}")
        import cv2

        self.path = path
        with quiet():
            self._capture = cv2.VideoCapture(_told(path), cv2.CAP_FFMPEG)
        if not self._capture.isOpened():
            raise VideoError(f"{path}: not a film that can be read")
        self._capture.set(cv2.CAP_PROP_ORIENTATION_AUTO, 1)
        rate, total = (
            self._capture.get(name) for name in (cv2.CAP_PROP_FPS, cv2.CAP_PROP_FRAME_COUNT)
        )
        self.rate: float = rate if 0 < rate <= _MOST_RATE else _USUAL_RATE
        """Frames a second, as the film states it, or a guess."""
        self.total: int | None = int(total) if math.isfinite(total) and 0 < total < 1e9 else None
        """How many frames the film states that it has; an estimate, None where it says none."""
        self.read = 0
        """How many frames were read so far."""
        self.end = 0.0
        """Until when they last, in seconds."""

    def __enter__(self) -> Film:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._capture.release()

    def frames(self, every: int = 1) -> Iterator[Frame]:
        """Give the first frame and every so many-th after it, until no more can be read.

        Raises:
            VideoError: not one can be read.
        """
        import cv2

        at = 0.0
        while self._capture.grab():
            stated = self._capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
            if self.read:  # where the clock stands still, the rate is all there is
                at = stated if math.isfinite(stated) and stated > at else self.end
            self.end = at + 1 / self.rate
            number, self.read = self.read, self.read + 1
            if number % every == 0:
                good, pixels = self._capture.retrieve()
                if good:
                    yield Frame(
                        number, at, np.asarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB), np.uint8)
                    )
        if self.read == 0:
            raise VideoError(f"{self.path}: no frame of it can be read")

    @property
    def cut_off(self) -> bool:
        """Whether clearly fewer frames were read than the film states."""
        return self.total is not None and self.read < _MOST_OF_IT * self.total - 1


class Writer:
    """Writes frames with their times as a film of a constant rate; see `writing`."""

    def __init__(self, file: Path, name: Path, rate: float) -> None:
        """Write `file`, called `name` in messages, at `rate` frames a second."""
        self._file, self._name, self._rate = file, name, rate
        self._pending: Pixels | None = None
        self.written = 0

    def show(self, pixels: Pixels, at: float) -> None:
        """Show RGB pixels, uint8, from `at` seconds on; later than those before, and as large.

        Raises:
            VideoError: OpenCV cannot write such a film.
        """
        import cv2

        if self._pending is None:
            tag, codec = _CODECS[self._file.suffix.lower()]
            self._size = (pixels.shape[1], pixels.shape[0])
            code = cv2.VideoWriter.fourcc(*tag)
            with quiet():
                self._writer = cv2.VideoWriter(
                    _told(self._file), cv2.CAP_FFMPEG, code, self._rate, self._size
                )
            if not self._writer.isOpened():
                size = "{}x{}".format(*self._size)
                raise VideoError(f"{self._name}: OpenCV cannot write {codec} of {size} pixels here")
        else:
            self._hold(at)
        if pixels.shape[1::-1] != self._size:
            pixels = np.asarray(cv2.resize(pixels, self._size), np.uint8)
        self._pending = np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), np.uint8)

    def end(self, at: float) -> None:
        """Hold the last frame until `at` seconds, at least once, and close the film."""
        if self._pending is not None:
            self._hold(max(at, (self.written + 1) / self._rate))
        self.release()

    def release(self) -> None:
        """Close the film as it is."""
        if self._pending is not None:
            self._writer.release()
            self._pending = None

    def _hold(self, until: float) -> None:
        """Write the pending frame as often as it is seen until then; perhaps never."""
        assert self._pending is not None
        times = min(round(until * self._rate) - self.written, round(_LONGEST_HOLD * self._rate))
        for _ in range(times):
            self._writer.write(self._pending)
            self.written += 1


@contextlib.contextmanager
def writing(file: Path, rate: float) -> Iterator[Writer]:
    """Write a film: whole or not at all, without sound.

    Args:
        file: as `codec_of` allows; replaced where it is there.
        rate: frames a second.

    Raises:
        VideoError: OpenCV cannot write it, or not all of it.
    """
    with replacing(file) as temporary:
        writer = Writer(temporary, file, rate)
        try:
            yield writer
        finally:
            writer.release()
        # OpenCV says nothing where a disk is full.
        with contextlib.suppress(VideoError), Film(temporary) as film:
            if film.total == writer.written:
                return
        raise VideoError(f"{file}: not all of it could be written (is the disk full?)")


def _told(path: Path) -> str:
    """Give a file's name as OpenCV and FFmpeg take it for one.

    Raises:
        VideoError: it is not in UTF-8, which would end the process.
    """
    # "12:30.mp4" would be the protocol 12; a name with a folder before it is none.
    name = os.path.join(os.curdir, path)  # noqa: PTH118 - pathlib drops the point
    try:
        name.encode()
    except UnicodeEncodeError:
        raise VideoError(f"{path}: a film's name must be UTF-8; give it another one") from None
    return name


def codec_of(file: Path) -> str:
    """Give the name of the codec that a film is written with.

    Raises:
        UsageError: the file's name ends in something else than .mp4 or .avi.
    """
    if file.suffix.lower() not in _CODECS:
        allowed = ", ".join(f"{end} ({name})" for end, (_, name) in _CODECS.items())
        raise UsageError(f"{file}: a film that is written ends in {allowed}")
    return _CODECS[file.suffix.lower()][1]


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep OpenCV and FFmpeg from writing on standard error: what goes wrong is ours to say."""
    import cv2

    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # read once, when the first film opens
    level = cv2.utils.logging.getLogLevel()
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    try:
        yield
    finally:
        cv2.utils.logging.setLogLevel(level)
