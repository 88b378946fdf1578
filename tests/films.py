"""Films for tests, written by PyAV."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import av
import numpy as np

from happysad.dataset import drawn_faces
from happysad.images import Pixels

__all__ = ["film", "party", "turn"]

_TICK = Fraction(1, 90_000)


def film(
    file: Path,
    frames: Iterable[Pixels],
    rate: float = 25.0,
    *,
    times: Iterable[float] | None = None,
    sound: str | None = None,
    codec: str | None = None,
    lossless: bool = False,
) -> Path:
    """Write RGB frames of one size as .avi, .mp4, .mkv or .webm; return `file`.

    Args:
        file: the film.
        frames: its frames.
        rate: frames per second.
        times: the time of each frame in seconds, instead of a constant rate.
        sound: the codec of a tone of 440 Hz; None for no sound.
        codec: the codec of the frames; None for a usual one.
        lossless: whether a .webm keeps the levels of the frames, as RGB.
    """
    pictures = list(frames)
    starts = [number / rate for number in range(len(pictures))] if times is None else list(times)
    codec = codec or {".avi": "mjpeg", ".webm": "libvpx-vp9", ".h264": "libx264"}.get(
        file.suffix, "libx264"
    )
    with av.open(str(file), "w") as container:
        height, width = pictures[0].shape[:2] if pictures else (48, 64)
        video: Any = container.add_stream(codec, rate=Fraction(rate).limit_denominator())
        video.width, video.height = width, height
        video.pix_fmt = "yuvj420p" if codec == "mjpeg" else "gbrp" if lossless else "yuv420p"
        if lossless:
            video.options = {"lossless": "1"}
        tick = Fraction(1, 25) if codec == "mjpeg" else _TICK
        if codec != "mjpeg":
            video.codec_context.time_base = tick
        else:
            tick = 1 / Fraction(rate).limit_denominator()
        audio: Any = container.add_stream(sound, rate=48_000, layout="mono") if sound else None
        for pixels, at in zip(pictures, starts, strict=True):
            picture = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            picture.pts, picture.time_base = round(at / tick), tick
            container.mux(video.encode(picture))
        container.mux(video.encode(None))
        if audio is not None:
            samples = int(48_000 * (starts[-1] + 1 / rate))
            wave = (8000 * np.sin(np.arange(samples) * 2 * np.pi * 440 / 48_000)).astype(np.int16)
            for start in range(0, samples, 1024):
                piece = av.AudioFrame.from_ndarray(
                    wave[None, start : start + 1024], format="s16", layout="mono"
                )
                piece.sample_rate, piece.pts, piece.time_base = 48_000, start, Fraction(1, 48_000)
                container.mux(audio.encode(piece))
            container.mux(audio.encode(None))
    return file


def turn(file: Path, a: int, b: int, c: int, d: int) -> Path:
    """Write the display matrix of an .mp4, as phones do; return `file`."""
    content = bytearray(file.read_bytes())
    # ISO 14496-12, 8.3.2: tkhd, version 0, its matrix 40 bytes after version and flags.
    at = content.index(b"tkhd") + 4 + 4 + 36
    one = 1 << 16
    content[at : at + 36] = struct.pack(
        ">9i", a * one, b * one, 0, c * one, d * one, 0, 0, 0, 1 << 30
    )
    file.write_bytes(content)
    return file


@cache
def _drawn(size: int, seed: int = 3) -> Pixels:
    return drawn_faces.face("happy", np.random.default_rng(seed), size)


def party(count: int, empty: Iterable[int] = (), *, seed: int = 3) -> list[Pixels]:
    """Return frames of a drawn face that crosses a wall, 320x240; `empty` ones have no face."""
    frames = [np.full((240, 320, 3), (150, 160, 170), np.uint8) for _ in range(count)]
    for number in set(range(count)) - set(empty):
        left = 10 + 5 * number % 120
        frames[number][40:200, left : left + 160] = _drawn(160, seed)
    return frames
