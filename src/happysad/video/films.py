"""Read and write films with the FFmpeg of OpenCV."""

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

# The suffixes of films that can be written, each with the tag and the name of its codec.
_CODECS = {".mp4": ("mp4v", "MPEG-4 Part 2"), ".avi": ("MJPG", "Motion JPEG")}
# The largest plausible rate in frames per second, and the rate of films that state another one:
# browsers record webcams with a rate of 1000, which means milliseconds.
_MOST_RATE, _USUAL_RATE = 120.0, 25.0
# The maximum number of seconds for which a frame is repeated in a written film: the clock of a
# damaged film may jump by years.
_LONGEST_HOLD = 60.0
# A film with a smaller share of its stated frames was cut off; some formats estimate the number.
_MOST_OF_IT = 0.9


class Frame(NamedTuple):
    """One frame of a film."""

    number: int
    """The number of the frame in the film, from 0."""
    at: float
    """The time in seconds from the first frame; it never goes back."""
    pixels: Pixels
    """RGB, uint8, shape (height, width, 3), turned upright by the metadata of the film."""


class Film:
    """A film to read once, from its beginning to its end."""

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
        """Frames per second, as the film states, or a guess."""
        self.total: int | None = int(total) if math.isfinite(total) and 0 < total < 1e9 else None
        """The number of frames that the film states, an estimate; None if it states none."""
        self.read = 0
        """The number of frames read so far."""
        self.end = 0.0
        """The end of the last frame that was read, in seconds."""

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
        """Yield the first frame and every `every`-th one after it, until no more can be read.

        Raises:
            VideoError: no frame can be read.
        """
        import cv2

        at = 0.0
        while self._capture.grab():
            stated = self._capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
            if self.read:  # the rate counts if the clock stands still
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
            raise VideoError(f"{self.path}: no frame can be read")

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
        """Show a frame from a time on.

        Args:
            pixels: RGB, uint8, shape (height, width, 3), of the same size as the frames before.
            at: the time in seconds, later than that of the frame before.

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
        """Repeat the last frame until `at` seconds, write it at least once, and close the film."""
        if self._pending is not None:
            self._hold(max(at, (self.written + 1) / self._rate))
        self.release()

    def release(self) -> None:
        """Close the film as it is."""
        if self._pending is not None:
            self._writer.release()
            self._pending = None

    def _hold(self, until: float) -> None:
        """Write the pending frame for each step of the rate until then; perhaps not at all."""
        assert self._pending is not None
        times = min(round(until * self._rate) - self.written, round(_LONGEST_HOLD * self._rate))
        for _ in range(times):
            self._writer.write(self._pending)
            self.written += 1


@contextlib.contextmanager
def writing(file: Path, rate: float) -> Iterator[Writer]:
    """Write a film without sound, whole or not at all.

    Args:
        file: as `codec_of` allows; replaced if it exists.
        rate: frames per second.

    Raises:
        VideoError: OpenCV cannot write it, or not all of it.
    """
    with replacing(file) as temporary:
        writer = Writer(temporary, file, rate)
        try:
            yield writer
        finally:
            writer.release()
        # OpenCV does not report a full disk.
        with contextlib.suppress(VideoError), Film(temporary) as film:
            if film.total == writer.written:
                return
        raise VideoError(f"{file}: not all of it could be written (is the disk full?)")


def _told(path: Path) -> str:
    """Return the name of a file in a form that OpenCV and FFmpeg take for no address.

    Raises:
        VideoError: the name is no UTF-8, which would end the process.
    """
    # FFmpeg takes "12:30.mp4" for an address with the protocol 12, but not "./12:30.mp4".
    name = os.path.join(os.curdir, path)  # noqa: PTH118 - pathlib drops the point
    try:
        name.encode()
    except UnicodeEncodeError:
        raise VideoError(f"{path}: the name of a film must be UTF-8; rename the file") from None
    return name


def codec_of(file: Path) -> str:
    """Return the name of the codec that writes a film.

    Raises:
        UsageError: the name of the file does not end in .mp4 or .avi.
    """
    if file.suffix.lower() not in _CODECS:
        allowed = ", ".join(f"{end} ({name})" for end, (_, name) in _CODECS.items())
        raise UsageError(f"{file}: the name of a written film must end in {allowed}")
    return _CODECS[file.suffix.lower()][1]


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep OpenCV and FFmpeg from writing to standard error; happysad reports errors itself."""
    import cv2

    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # read once, when the first film opens
    level = cv2.utils.logging.getLogLevel()
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    try:
        yield
    finally:
        cv2.utils.logging.setLogLevel(level)
