"""Read films with PyAV, as foreign files: the right way up, at their own times, within limits."""

from __future__ import annotations

import math
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from happysad.errors import VideoError, os_reason, shown
from happysad.extras import need
from happysad.fetch import is_web_address
from happysad.images import Pixels
from happysad.picture_type import kind
from happysad.video.cuts import CutDetector

if TYPE_CHECKING:
    from av.audio.stream import AudioStream
    from av.container import InputContainer
    from av.packet import Packet
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

__all__ = ["LONGEST", "Film", "Frame", "open_film"]

#: The maximum length of a film in seconds; what follows is left out.
LONGEST = 6 * 3600.0

# The containers that are read, by FFmpeg's names. Pictures, lists of files, subtitles and texts,
# which FFmpeg also opens, are no films.
_CONTAINERS = (
    "3gp,asf,av1,avi,dv,flv,gif,h264,hevc,ivf,m4v,matroska,mjpeg,mov,mp4,mpeg,mpegts,mpegvideo,mxf,"
    "nut,obu,ogg,rm,webm,yuv4mpegpipe"
)
# FFmpeg opens nothing else, whatever a film refers to.
_FILE, _WEB = "file", "http,https,httpproxy,tcp,tls"
# Figures of docs/security.md, "Films".
_MOST_PIXELS = 36_000_000
_MOST_STREAMS = 100
_MOST_WITHOUT_FRAME = 10_000
_SECONDS_TO_OPEN = _SECONDS_TO_READ = 20.0
# The largest plausible rate in frames per second, and the rate of films that state another one:
# browsers record webcams with a rate of 1000, which means milliseconds.
_MOST_RATE, _USUAL_RATE = 120.0, 25.0
# The maximum number of seconds between two frames: the clock of a damaged film may jump by years.
_LONGEST_PAUSE = 3600.0
# A film that ends before this share of its stated length was cut off; some lengths are estimates.
_MOST_OF_IT = 0.9
# The largest plausible ratio of a pixel's width to its height, or of its height to its width.
_MOST_ASPECT = 4.0
# The brands of ISO files that hold photos (ISO 23008-12, AVIF).
_PHOTO_BRANDS = {"avif", "avis", "heic", "heix", "heim", "heis", "hevc", "hevx", "mif1", "msf1"}


class Frame(NamedTuple):
    """One frame of a film."""

    number: int
    """The number of the frame in the film, from 0."""
    at: float
    """The time in seconds from the first frame, later than that of the frame before."""
    pixels: Pixels
    """RGB, uint8, shape (height, width, 3), turned upright by the metadata of the film."""
    cut: bool
    """Whether a cut lies between the frame before, as `Film.frames` yielded it, and this one."""


class Film:
    """A film to read once, from its beginning to its end; see `open_film`."""

    def __init__(self, name: str, container: InputContainer, video: VideoStream) -> None:
        """Read a stream of an opened container, called `name` in messages."""
        self._name, self._container, self._video = name, container, video
        rates = (video.guessed_rate, video.average_rate)
        likely = [float(rate) for rate in rates if rate and 0 < rate <= _MOST_RATE]
        self.rate: float = likely[0] if likely else _USUAL_RATE
        """Frames per second, as the film states, or a guess; single frames may last longer."""
        self.sound: AudioStream | None = next(iter(container.streams.audio), None)
        """The first stream of sound."""
        self.length: float | None = _length(container, video)
        """The length in seconds that the film states, an estimate; None if it states none."""
        self.read = 0
        """The number of frames read so far."""
        self.end = 0.0
        """The end of the last frame that was read, in seconds."""
        self.too_long = False
        """Whether the film goes on after `LONGEST`."""
        self.start = 0.0
        """The time of the first frame by the film's clock, in seconds, once it is read."""
        # The ratio of a pixel's width to its height.
        aspect = float(video.sample_aspect_ratio or 1)
        self._aspect = aspect if 1 / _MOST_ASPECT <= aspect <= _MOST_ASPECT else 1.0
        self._at = 0.0
        # The end of the last packet of sound.
        self._reached = 0.0

    def __enter__(self) -> Film:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._container.close()

    def frames(
        self, every: int = 1, *, on_sound: Callable[[Packet[Any]], None] | None = None
    ) -> Iterator[Frame]:
        """Yield the first frame and every `every`-th one after it, until no more can be read.

        Args:
            every: 1 for all frames.
            on_sound: takes each packet of `sound`, in their order between the frames.

        Raises:
            VideoError: no frame can be read, or one has too many pixels.
        """
        detector, cut = CutDetector(), False
        for picture in self._pictures(on_sound):
            if picture.width * picture.height * max(1, self._aspect) > _MOST_PIXELS:
                raise _too_large(self._name, picture.width, picture.height)
            if self.read == 0:
                self.start = picture.time or 0.0
            at = self.end if picture.time is None else picture.time - self.start
            # A clock that stands still, goes back or jumps does not count.
            if self.read and not self._at < at < self.end + _LONGEST_PAUSE:
                at = self.end
            if at >= LONGEST:
                self.too_long = True
                break
            length = float(picture.duration * picture.time_base) if picture.time_base else 0.0
            self._at, self.end = at, at + (length if 0 < length < _LONGEST_PAUSE else 1 / self.rate)
            number, self.read = self.read, self.read + 1
            cut |= detector.step(picture)
            if number % every == 0:
                yield Frame(number, at, _upright(picture, self._aspect), cut)
                cut = False
        if self.read == 0:
            raise VideoError(f"{self._name}: no frame can be read")

    @property
    def cut_off(self) -> bool:
        """Whether the film ended clearly before the length that it states."""
        return (
            self.length is not None
            and not self.too_long
            and max(self.end, self._reached) < _MOST_OF_IT * self.length - 1 / self.rate
        )

    def _pictures(self, on_sound: Callable[[Packet[Any]], None] | None) -> Iterator[VideoFrame]:
        """Decode the film as far as it can be read, without what is damaged."""
        from av.error import FFmpegError

        streams = [self._video] if self.sound is None else [self._video, self.sound]
        packets = self._container.demux(streams)
        without = 0
        while True:
            try:
                packet = next(packets, None)
            except FFmpegError as error:
                if self.read == 0:
                    raise _unreadable(self._name, error) from None
                return  # what was read counts; `cut_off` tells that more was stated
            if packet is None:
                return
            without += 1
            if without > _MOST_WITHOUT_FRAME:
                raise VideoError(
                    f"{self._name}: {_MOST_WITHOUT_FRAME:,} packets in a row without a frame"
                )
            if packet.stream is not self._video:
                if packet.pts is not None and packet.time_base and self.read:
                    until = float((packet.pts + (packet.duration or 0)) * packet.time_base)
                    self._reached = max(self._reached, until - self.start)
                if on_sound is not None and packet.size:
                    on_sound(packet)
                continue
            try:
                pictures = packet.decode()
            except FFmpegError:
                continue
            for picture in pictures:
                without = 0
                yield picture  # type: ignore[misc]


def open_film(source: Path | str) -> Film:
    """Open a film.

    Args:
        source: a file, or an http or https address.

    Raises:
        VideoError: there is no such file, it is no film, or it exceeds a limit.
        MissingExtraError: PyAV is not installed.
    """
    need("video", "reading films")
    import av
    from av.error import FFmpegError

    is_web = is_web_address(source)
    name = shown(str(source)) if is_web else str(source)
    if not is_web:
        _check_file(Path(source))
    options = {
        "format_whitelist": _CONTAINERS,
        "protocol_whitelist": _WEB if is_web else _FILE,
        "max_streams": str(_MOST_STREAMS),
    }
    if is_web:
        options["tls_verify"] = "1"
        if authorities := ssl.get_default_verify_paths().cafile:
            options["ca_file"] = authorities
    try:
        container = av.open(
            # FFmpeg takes "12:30.mp4" for an address with the protocol 12.
            str(source) if is_web else f"file:{source}",
            options=options,
            metadata_errors="replace",
            timeout=(_SECONDS_TO_OPEN, _SECONDS_TO_READ) if is_web else None,
        )
    except FFmpegError as error:
        raise _unreadable(name, error) from None
    try:
        return Film(name, container, _picture_stream(name, container))
    except BaseException:
        container.close()
        raise


def _check_file(path: Path) -> None:
    if not path.is_file():
        raise VideoError(f"{path}: {'not a file' if path.exists() else 'no such file'}")
    try:
        str(path).encode()
        with path.open("rb") as stream:
            type_ = kind(stream.read(32))
    except UnicodeEncodeError:
        raise VideoError(f"{path}: the name of a film must be UTF-8; rename the file") from None
    except OSError as error:
        raise VideoError(f"{path}: {os_reason(error)}") from None
    if type_ not in (None, "gif"):
        raise _photo(str(path))


def _picture_stream(name: str, container: InputContainer) -> VideoStream:
    """Return the stream of pictures to look at, ready to decode.

    Raises:
        VideoError: there is none, or it exceeds a limit.
    """
    from av.stream import Disposition

    if container.metadata.get("major_brand", "").strip() in _PHOTO_BRANDS:
        raise _photo(name)
    if len(container.streams) >= _MOST_STREAMS:
        raise VideoError(f"{name}: more than {_MOST_STREAMS - 1} streams")
    covers = Disposition.attached_pic | Disposition.still_image
    found = [one for one in container.streams.video if not one.disposition & covers]
    # The default stream, or else the first; FFmpeg has no decoder for some codecs.
    found.sort(key=lambda one: not one.disposition & Disposition.default)
    stream = next((one for one in found if one.codec_context is not None), None)
    if stream is None:
        raise VideoError(f"{name}: not a film that can be read: it has no moving pictures")
    width, height = stream.codec_context.width, stream.codec_context.height
    if width * height > _MOST_PIXELS:
        raise _too_large(name, width, height)
    stream.codec_context.options = {"max_pixels": str(_MOST_PIXELS)}
    stream.thread_type = "AUTO"
    return stream


def _length(container: InputContainer, video: VideoStream) -> float | None:
    """Return the length in seconds that a film states, or None."""
    import av

    if video.duration and video.time_base:
        length = float(video.duration * video.time_base)
    else:
        length = (container.duration or 0) / av.time_base
    return length if 0 < length < math.inf else None


def _upright(picture: VideoFrame, aspect: float) -> Pixels:
    """Return a picture as a viewer sees it: RGB, turned, with square pixels."""
    from av.sidedata.sidedata import Type

    side_data: Any = picture.side_data  # PyAV's types take it for a mapping of names
    matrix = side_data.get(Type.DISPLAYMATRIX)
    pixels = picture.reformat(width=round(picture.width * aspect), format="rgb24").to_ndarray()
    if matrix is not None:
        # ISO 14496-12, 8.2.2: a point (x, y) is shown at (a x + c y, b x + d y).
        a, b, _, c, d, *_ = np.frombuffer(bytes(matrix), np.int32).tolist()
        if abs(b) > abs(a):
            pixels, a, d = pixels.transpose(1, 0, 2), c, b
        pixels = pixels[:: -1 if d < 0 else 1, :: -1 if a < 0 else 1]
    return np.ascontiguousarray(pixels)


def _photo(name: str) -> VideoError:
    return VideoError(f"{name}: a photo, not a film; happysad predict reads photos")


def _too_large(name: str, width: int, height: int) -> VideoError:
    return VideoError(f"{name}: at most {_MOST_PIXELS:,} pixels are allowed, not {width}x{height}")


def _unreadable(name: str, error: Exception) -> VideoError:
    if isinstance(error, (ValueError, EOFError)):  # invalid data, or no container of a film
        return VideoError(f"{name}: not a film that can be read")
    return VideoError(f"{name}: cannot be read: {shown(os_reason(error))}")
