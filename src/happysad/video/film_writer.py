"""Write films that every browser plays, with the sound of another film."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from happysad.errors import UsageError, VideoError, os_reason
from happysad.extras import need
from happysad.files import replacing
from happysad.images import Pixels

if TYPE_CHECKING:
    from av.audio.frame import AudioFrame
    from av.audio.stream import AudioStream
    from av.container import OutputContainer
    from av.packet import Packet
    from av.video.stream import VideoStream

__all__ = ["FilmWriter", "check_name", "writing"]

# Times are written in units of this many seconds.
_TICK = Fraction(1, 90_000)
# The most packets of sound that wait for the first frame: a minute of AAC has 2,800.
_MOST_WAITING = 10_000


@dataclass(frozen=True)
class _Format:
    """What a film with a certain suffix contains; docs/decisions.md, "Codecs of films"."""

    container: str
    video: tuple[str, ...]
    """The encoders of pictures; the first that PyAV's FFmpeg has is taken."""
    copied: tuple[str, ...]
    """The codecs of sound that are copied; others are converted."""
    sound: str
    """The encoder of converted sound."""


_FORMATS = {
    ".mp4": _Format("mp4", ("libx264", "libopenh264", "libsvtav1"), ("aac", "mp3", "opus"), "aac"),
    ".webm": _Format("webm", ("libvpx-vp9", "libsvtav1"), ("opus", "vorbis"), "libopus"),
}
# The options of each encoder, and the name of its codec. Frames stay in order: no B-frames.
_ENCODERS: dict[str, tuple[dict[str, str], str]] = {
    "libx264": ({"crf": "20", "preset": "veryfast", "bf": "0"}, "H.264"),
    "libopenh264": ({"rc_mode": "quality"}, "H.264"),
    "libvpx-vp9": ({"crf": "30", "b": "0", "deadline": "realtime", "cpu-used": "7"}, "VP9"),
    "libsvtav1": ({"crf": "32", "preset": "10"}, "AV1"),
}
_SOUNDS = {"aac": "AAC", "libopus": "Opus", "opus": "Opus", "mp3": "MP3", "vorbis": "Vorbis"}
# FFmpeg's numbers of BT.709, and of a limited range of levels.
_BT709, _LIMITED = 1, 1


def check_name(file: Path) -> None:
    """Refuse the name of a film that cannot be written.

    Raises:
        UsageError: it does not end in .mp4 or .webm.
    """
    if file.suffix.lower() not in _FORMATS:
        raise UsageError(f"{file}: the name of a written film must end in {' or '.join(_FORMATS)}")


class FilmWriter:
    """Writes frames and sound at their times; see `writing`."""

    def __init__(
        self,
        container: OutputContainer,
        format_: _Format,
        name: Path,
        rate: float,
        sound: AudioStream | None,
    ) -> None:
        """Write into an opened container, called `name` in messages."""
        from av.codec import codecs_available

        self._container = container
        encoder = next((one for one in format_.video if one in codecs_available), None)
        if encoder is None:
            allowed = ", ".join(format_.video)
            raise VideoError(f"{name}: PyAV's FFmpeg has none of the encoders {allowed}")
        options, self._codec = _ENCODERS[encoder]
        self._video = cast(
            "VideoStream",
            container.add_stream(
                encoder, rate=Fraction(rate).limit_denominator(1001), options=dict(options)
            ),
        )
        self._sound: AudioStream | None = None
        self._copies = False
        self._codec_of_sound = ""
        if sound is not None:
            self._add_sound(sound, format_)
        self._size: tuple[int, int] | None = None
        self._start: float | None = None
        self._waiting: list[Packet[Any]] = []
        self._ticks = -1
        # The last packet of pictures waits for its duration.
        self._held: Packet[Any] | None = None

    @property
    def content(self) -> str:
        """The codecs of the film, such as "H.264, with sound: AAC"."""
        sound = f"with sound: {self._codec_of_sound}" if self._codec_of_sound else "without sound"
        return f"{self._codec}, {sound}"

    def show(self, pixels: Pixels, at: float, start: float = 0.0) -> None:
        """Show a frame from a time on.

        Args:
            pixels: RGB, uint8, shape (height, width, 3); scaled to the size of the first frame.
            at: the time in seconds, later than that of the frame before.
            start: the time of the first frame by the clock of the sound, in seconds.
        """
        from av.video.frame import VideoFrame
        from av.video.reformatter import Colorspace

        if self._size is None:
            # 4:2:0 needs even sides; at most one row and one column are left out.
            height, width = (max(2, side - side % 2) for side in pixels.shape[:2])
            self._size = (width, height)
            self._begin()
        width, height = self._size
        if pixels.shape[0] - height in (0, 1) and pixels.shape[1] - width in (0, 1):
            pixels = pixels[:height, :width]
        picture = VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24").reformat(
            width=width,
            height=height,
            format="yuv420p",
            dst_colorspace=Colorspace.ITU709,
            dst_color_range=_LIMITED,
        )
        self._ticks = max(self._ticks + 1, round(at / _TICK))
        picture.pts, picture.time_base = self._ticks, _TICK
        self._mux(self._video.encode(picture))
        if self._start is None:
            self._start = start
            for packet in self._waiting:
                self.add_sound(packet)
            self._waiting.clear()

    def add_sound(self, packet: Packet[Any]) -> None:
        """Add a packet of the sound; what lies before the first frame is left out."""
        from av.error import FFmpegError, InvalidDataError

        if self._sound is None:
            return
        if self._start is None:
            if len(self._waiting) < _MOST_WAITING:
                self._waiting.append(packet)
            return
        if packet.pts is None or packet.time_base is None:
            return
        shift = round(self._start / packet.time_base)
        if packet.pts < shift:
            return
        if self._copies:
            packet.pts -= shift
            packet.dts = packet.pts
            packet.stream = self._sound
            self._container.mux(packet)
            return
        try:
            pieces: list[AudioFrame] = cast("list[AudioFrame]", packet.decode())
        except FFmpegError:  # a damaged packet is silent
            return
        for piece in pieces:
            if piece.pts is not None and piece.time_base is not None:
                piece.pts -= round(self._start / piece.time_base)
            with contextlib.suppress(InvalidDataError):
                self._container.mux(self._sound.encode(piece))

    def end(self, at: float) -> None:
        """Show the last frame until `at` seconds, and finish the film."""
        if self._size is None:
            return
        self._mux(self._video.encode(None))
        if self._held is not None:
            self._held.duration = max(1, round(at / _TICK) - self._ticks)
            self._container.mux(self._held)
        if self._sound is not None and not self._copies:
            self._container.mux(self._sound.encode(None))

    def _mux(self, packets: Iterable[Packet[Any]]) -> None:
        for packet in packets:
            if self._held is not None:
                self._container.mux(self._held)
            self._held = packet

    def _begin(self) -> None:
        assert self._size is not None
        context = self._video.codec_context
        context.width, context.height = self._size
        context.pix_fmt = "yuv420p"
        context.time_base = self._video.time_base = _TICK
        context.colorspace = context.color_primaries = context.color_trc = _BT709
        context.color_range = _LIMITED

    def _add_sound(self, sound: AudioStream, format_: _Format) -> None:
        codec = sound.codec_context.name if sound.codec_context is not None else ""
        codec = {"mp3float": "mp3", "libopus": "opus", "libvorbis": "vorbis"}.get(codec, codec)
        self._copies = codec in format_.copied
        if self._copies:
            self._sound = self._container.add_stream_from_template(sound)
        elif codec:
            self._sound = cast("AudioStream", self._container.add_stream(format_.sound))
        self._codec_of_sound = _SOUNDS[codec if self._copies else format_.sound] if codec else ""


@contextlib.contextmanager
def writing(file: Path, rate: float, sound: AudioStream | None = None) -> Iterator[FilmWriter]:
    """Write a film, whole or not at all.

    Args:
        file: as `check_name` allows; replaced if it exists.
        rate: the usual number of frames per second.
        sound: the stream of another film whose packets are added.

    Raises:
        VideoError: it cannot be written, or not all of it.
    """
    need("video", "writing films")
    import av
    from av.error import FFmpegError

    check_name(file)
    format_ = _FORMATS[file.suffix.lower()]
    options = {"movflags": "+faststart"} if format_.container == "mp4" else {}
    with replacing(file) as temporary:
        try:
            with av.open(
                f"file:{temporary}", "w", format=format_.container, options=options
            ) as container:
                yield FilmWriter(container, format_, file, rate, sound)
        except FFmpegError as error:
            raise VideoError(f"{file}: cannot be written: {os_reason(error)}") from None
