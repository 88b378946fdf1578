"""Files whose pixels are whole, but whose end or other parts are damaged."""

from __future__ import annotations

import zlib
from typing import Literal

from happysad.jpeg_markers import END, pixels_end

__all__ = ["ended_jpegs", "jpeg_end", "sound_png"]

_EOI = bytes([0xFF, END])
# Bytes that any decoder takes for pixels where some are missing; they hold no marker, and each bit
# is set in one of them and not in another one.
_NOISE = bytes((73 * at + 41) % 254 + 1 for at in range(1024))
_NOISES = (_NOISE, bytes(255 - one for one in _NOISE), b"\xaa" * len(_NOISE))
# Maximum number of bytes 0 and 255 with which pixels end.
_END_OF_PIXELS = 2
# Chunks beside the pixels have a lower-case first letter; tRNS changes the pixels all the same.
_LOWER, _TRANSPARENCY = 0x20, b"tRNS"


def jpeg_end(data: bytes) -> Literal["whole", "followed", "missing"]:
    """Return how a JPEG ends: with its end marker, with other data behind that, or without it."""
    if data.rstrip(b"\0").endswith(_EOI):
        return "whole"
    end = pixels_end(data)
    return "followed" if end is not None and data.startswith(_EOI, end) else "missing"


def ended_jpegs(data: bytes) -> tuple[bytes, ...] | None:
    """Return a JPEG that was not ended, several times: ended after its pixels, and after noises.

    They are decoded to equal pixels only if no pixel is missing: where one is missing, the decoder
    fills it in the first file, and takes it from the noise in the others.

    Returns:
        The files; None if a whole scan is missing.
    """
    end = pixels_end(data)
    if end is None:
        return None
    kept = data[:end]
    stripped = kept.rstrip(b"\0\xff")
    # A longer run comes from a broken download; a byte 255 alone is half of a marker.
    kept = stripped if len(kept) - len(stripped) > _END_OF_PIXELS else kept.removesuffix(b"\xff")
    return tuple(kept + noise + _EOI for noise in (b"", *_NOISES))


def sound_png(data: bytes) -> tuple[bytes, tuple[str, ...]]:
    """Return a PNG without the chunks beside the pixels that have a wrong checksum.

    Returns:
        The file, and the names of the chunks that are left out.
    """
    at, parts, left_out = 8, [data[:8]], []
    while at + 12 <= len(data):
        end = at + 12 + int.from_bytes(data[at : at + 4])
        name = data[at + 4 : at + 8]
        wrong = zlib.crc32(data[at + 4 : end - 4]) != int.from_bytes(data[end - 4 : end])
        if wrong and end <= len(data) and name[0] & _LOWER and name != _TRANSPARENCY:
            left_out.append(name.decode("ascii", "backslashreplace"))
        else:
            parts.append(data[at:end])
        at = end
    return b"".join(parts), tuple(dict.fromkeys(left_out))
