"""The header of a JPEG 2000 (ISO/IEC 15444-1, annexes A and I): what decoding would cost."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from itertools import islice

__all__ = ["reason"]

# The limits are explained in docs/security.md, "Pictures".
_MOST_BOXES, _MOST_TILES, _MOST_TILE_PARTS = 1000, 10_000, 100_000
_MOST_BLOCKS, _MOST_PACKETS = 10**6, 10**7

# Markers of a codestream: its start, the coding style of all components and of one, the start of a
# tile part and of its data.
_START, _STYLE, _STYLE_OF_ONE, _TILE_PART, _DATA = 0xFF4F, 0xFF52, 0xFF53, 0xFF90, 0xFF93
# The place of the tiles' number among the fields of a size marker, and the size of this marker's
# fields before the components.
_SIZES, _COMPONENTS = 8, 40


def reason(data: bytes) -> str | None:
    """Return why a JPEG 2000 should not be decoded, or None if it may be.

    Args:
        data: the whole file; a damaged one is left to the decoder.
    """
    boxes = list(islice(_boxes(data, 0, len(data)), _MOST_BOXES + 1))
    if len(boxes) > _MOST_BOXES:
        return f"more than {_MOST_BOXES:,} boxes"
    start = next((at for name, at in boxes if name == b"jp2c"), 0)
    try:
        return _codestream(data, start)
    except (struct.error, ValueError, ZeroDivisionError, IndexError):
        return None


def _boxes(data: bytes, at: int, end: int) -> Iterator[tuple[bytes, int]]:
    """Yield the names of the boxes in a part of a file, with the places of their contents."""
    if int.from_bytes(data[:2]) == _START:  # a codestream alone
        return
    while at + 8 <= end:
        length, name, head = int.from_bytes(data[at : at + 4]), data[at + 4 : at + 8], 8
        if length == 1:
            length, head = int.from_bytes(data[at + 8 : at + 16]), 16
        yield name, at + head
        if name == b"jp2h":
            yield from _boxes(data, at + head, min(end, at + length))
        if name == b"jp2c" or length < head:
            return
        at += length


def _codestream(data: bytes, start: int) -> str | None:
    right, lower, _, _, across, down, left, upper = struct.unpack_from(">8I", data, start + _SIZES)
    (components,) = struct.unpack_from(">H", data, start + _COMPONENTS)
    tiles = -(-(right - left) // across) * -(-(lower - upper) // down)
    if tiles > _MOST_TILES:
        return f"more than {_MOST_TILES:,} tiles"
    at = start + 2
    while (found := struct.unpack_from(">HH", data, at))[0] != _TILE_PART:
        marker, length = found
        content = data[at + 4 : at + 2 + length]
        refusal = None
        if marker == _STYLE:
            layers = int.from_bytes(content[2:4])
            refusal = _style(content[:1] + content[5:], (right, lower), tiles, components, layers)
        elif marker == _STYLE_OF_ONE:  # it begins with the component, of one byte or two
            refusal = _style(content[1 + (components > 256) :], (right, lower), tiles, 1, 1)
        if refusal:
            return refusal
        at += 2 + max(2, length)
    return _tile_parts(data, at)


def _style(
    style: bytes, sides: tuple[int, int], tiles: int, components: int, layers: int
) -> str | None:
    """Check the blocks and the packets that a coding style makes of a picture."""
    levels, across, down = style[1:4]
    own = style[6:] if style[0] & 1 else b"\xff" * (levels + 1)
    blocks = precincts = 0
    for level in range(levels + 1):  # from the smallest resolution on
        width, height = (-(-side >> levels - level) for side in sides)
        wide, high = own[level] & 15, own[level] >> 4
        precincts += tiles + (1 + (width >> wide)) * (1 + (height >> high))
        # From the second resolution on, a precinct has half of its sides in each band.
        wide, high = (max(0, side - (level > 0)) for side in (wide, high))
        wide, high = min(wide, across + 2), min(high, down + 2)
        blocks += tiles + (1 + (width >> wide)) * (1 + (height >> high))
    if components * (blocks + precincts) > _MOST_BLOCKS:
        return f"more than {_MOST_BLOCKS:,} blocks"
    if components * precincts * layers > _MOST_PACKETS:
        return f"more than {_MOST_PACKETS:,} packets"
    return None


def _tile_parts(data: bytes, at: int) -> str | None:
    """Refuse tiles with coding styles of their own, which programs do not write."""
    for _ in range(_MOST_TILE_PARTS):
        marker, length, _, whole = struct.unpack_from(">HHHI", data, at)
        if marker != _TILE_PART:
            return None
        inside = at + 2 + length
        while (found := struct.unpack_from(">HH", data, inside))[0] != _DATA:
            if found[0] in (_STYLE, _STYLE_OF_ONE):
                return "coding styles of single tiles"
            inside += 2 + max(2, found[1])
        if not whole:
            return None
        at += max(12, whole)
    return f"more than {_MOST_TILE_PARTS:,} tile parts"
