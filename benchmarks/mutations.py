"""Mutations of files: of their bytes, and of the fields of the formats that are known here."""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
import struct
import zipfile
from collections.abc import Callable, Sequence
from random import Random
from typing import Any, TypeAlias

import onnx

__all__ = ["Files", "mutated"]

#: The content of files, by their paths relative to a folder.
Files: TypeAlias = dict[str, bytes]

# Maximum size in bytes of a mutated file, and of a repeated run.
_LARGEST, _LONGEST_RUN = 8 << 20, 1 << 18

_INTEGERS = (0, 1, 2, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x10000, 0x7FFFFFFF, 0xFFFFFFFF, 2**63 - 1)
_TEXTS = (
    "", "0", "-1", "1e999", "nan", "-inf", "9" * 30, "9" * 5000, "0x10", "1_000", "١٢", "true",
    "null", "../../../escape", "/etc/passwd", "@HERE@/../beside/escape", "@HERE@/beside.txt",
    "http://127.0.0.1:9/a.jpg", "s3://bucket/a.jpg", "a\0b", "\x1b[2J", "\r", "\n", "\u202e",
    "\ud800", "=1+1", '"', "'", ",", "[" * 5000, '{"a":' * 5000, "x" * 300, "x" * 70000, "é" * 200,
    "unsure", "no_face", "..", "NaN", "2026-02-30T25:61:61",
)  # fmt: skip
_VALUES: tuple[Any, ...] = (
    *_TEXTS, None, True, False, 0, -1, 1.5, 2**31, 2**63, 10**400, float("nan"), float("inf"),
    [], {}, [[]], {"a": 1}, [None] * 3, ["happy"] * 4,
)  # fmt: skip
_WORD = re.compile(rb"[0-9A-Za-z_.+-]{1,64}")


def mutated(seeds: Sequence[Files], rng: Random) -> Files:
    """Return one of the seeds with one to four mutations.

    Args:
        seeds: valid inputs of one kind.
        rng: decides about everything; the same state gives the same files.
    """
    files = dict(rng.choice(seeds))
    for _ in range(rng.choice((1, 1, 1, 2, 2, 3, 4))):
        name = rng.choice(sorted(files))
        other = rng.choice([one.get(name, b"") for one in seeds])
        files[name] = _changed(name, files[name], other, rng)[:_LARGEST]
    return files


def _changed(name: str, data: bytes, other: bytes, rng: Random) -> bytes:
    """Return a file with one mutation, of a field of its format if possible."""
    fields = _FORMATS.get(name.rpartition(".")[2])
    if fields is not None and rng.random() < 0.6:
        try:
            return fields(data, rng)
        except Exception:  # noqa: S110 - an earlier mutation may have left another format
            pass
    text = data[:4096].isascii() and rng.random() < 0.5
    return rng.choice(_OF_TEXT if text else _OF_BYTES)(data, other, rng)


def _flip(data: bytes, other: bytes, rng: Random) -> bytes:
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 8, 64)) if data else 0):
        changed[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def _integer(data: bytes, _: bytes, rng: Random) -> bytes:
    """Overwrite 1, 2, 4 or 8 bytes, such as a length, with an integer at a limit."""
    size = rng.choice((1, 2, 4, 8))
    value = (rng.choice(_INTEGERS) + rng.choice((0, 0, -1, 1))) % (1 << 8 * size)
    # Lengths of formats are mostly near the beginning or the end.
    end = rng.choice((min(64, len(data)), len(data)))
    at = rng.randrange(end + 1) if rng.random() < 0.8 else max(0, len(data) - rng.randrange(1, 64))
    return data[:at] + value.to_bytes(size, rng.choice(("little", "big"))) + data[at + size :]


def _cut(data: bytes, _: bytes, rng: Random) -> bytes:
    begin, end = sorted(rng.randrange(len(data) + 1) for _ in range(2))
    return rng.choice((data[:end], data[begin:], data[:begin] + data[end:]))


def _splice(data: bytes, other: bytes, rng: Random) -> bytes:
    return data[: rng.randrange(len(data) + 1)] + other[rng.randrange(len(other) + 1) :]


def _repeat(data: bytes, _: bytes, rng: Random) -> bytes:
    """Insert a run of one byte, or of a part of the data."""
    at = rng.randrange(len(data) + 1)
    run = data[at : at + rng.choice((1, 2, 4, 16, 256))] or b"\xff"
    run = rng.choice((run, b"\xff", b"\0", b"\xff\xd8", b"\n"))
    times = min(rng.choice((2, 16, 1000, 100_000)), _LONGEST_RUN // len(run))
    return data[:at] + run * times + data[at:]


def _word(data: bytes, _: bytes, rng: Random) -> bytes:
    """Replace a word or a number of a text."""
    words = list(_WORD.finditer(data[: 1 << 16]))
    if not words:
        return rng.choice(_TEXTS).encode("utf-8", "surrogatepass")
    word = rng.choice(words)
    return data[: word.start()] + _text(rng) + data[word.end() :]


def _line(data: bytes, other: bytes, rng: Random) -> bytes:
    """Remove, repeat, move or take over a line of a text."""
    lines = data.splitlines(keepends=True) or [b""]
    at, to = rng.randrange(len(lines)), rng.randrange(len(lines))
    line = rng.choice((lines.pop(at), *(other.splitlines(keepends=True)[:50])))
    lines[to:to] = [line] * rng.choice((0, 1, 2, 1000))
    return b"".join(lines)


def _text(rng: Random) -> bytes:
    return rng.choice(_TEXTS).encode("utf-8", rng.choice(("surrogatepass", "surrogatepass")))


_OF_BYTES = (_flip, _flip, _integer, _integer, _cut, _splice, _repeat)
_OF_TEXT = (_word, _word, _word, _line, _line, _flip, _cut, _splice, _repeat)


def _in_json(data: bytes, rng: Random) -> bytes:
    whole = [json.loads(data)]
    _change_leaf(whole, rng)
    return json.dumps(whole[0], ensure_ascii=rng.random() < 0.5).encode("utf-8", "surrogatepass")


def _change_leaf(part: Any, rng: Random) -> None:
    """Change, remove, add or rename one field, however deep."""
    keys: list[Any] = list(part) if isinstance(part, dict) else list(range(len(part)))
    key = rng.choice(keys)
    if isinstance(part[key], dict | list) and part[key] and rng.random() < 0.7:
        _change_leaf(part[key], rng)
    elif isinstance(part, dict) and rng.random() < 0.2:
        part[rng.choice(("strange", key.upper(), *map(str, _TEXTS)))] = part.pop(key)
    elif isinstance(part, dict) and rng.random() < 0.2:
        del part[key]
    else:
        part[key] = rng.choice((*_VALUES, part[rng.choice(keys)]))


def _in_json_line(data: bytes, rng: Random) -> bytes:
    lines = data.splitlines()
    at = rng.randrange(len(lines))
    lines[at] = _in_json(lines[at], rng)
    return b"\n".join(lines) + b"\n"


def _in_cell(data: bytes, rng: Random) -> bytes:
    rows = list(csv.reader(io.StringIO(data.decode("utf-8", "surrogateescape"), newline="")))
    row = rows[0 if rng.random() < 0.2 else rng.randrange(len(rows))]
    at, cells = rng.randrange(len(row)), [cell for row in rows for cell in row]
    if rng.random() < 0.2:
        row[at : at + 1] = row[at : at + 1] * rng.choice((0, 2, 1000))
    else:
        row[at] = rng.choice((rng.choice(_TEXTS), rng.choice(cells)))
    text = io.StringIO(newline="")
    csv.writer(text, quoting=rng.choice((csv.QUOTE_ALL, csv.QUOTE_MINIMAL))).writerows(rows)
    return text.getvalue().encode("utf-8", rng.choice(("surrogateescape", "surrogatepass")))


def _in_gzip(data: bytes, rng: Random) -> bytes:
    inside = gzip.decompress(data)
    return gzip.compress(rng.choice(_OF_BYTES + _OF_TEXT)(inside, inside, rng), 1)


def _in_zip(data: bytes, rng: Random) -> bytes:
    """Change the content or the name of a member, and pack all of them again."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = [(one.filename, archive.read(one)) for one in archive.infolist()]
    at = rng.randrange(len(members))
    name, content = members[at]
    if rng.random() < 0.3:
        name = rng.choice(("../" + name, "/" + name, name[:-1], "a/" * 300 + name, "é" + name))
    else:
        content = _changed(name, content, content, rng)
    members[at : at + 1] = [(name, content)] * rng.choice((1, 1, 1, 2))
    packed = io.BytesIO()
    method = rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA))
    with zipfile.ZipFile(packed, "w", method) as archive:
        for name, content in members:
            archive.writestr(zipfile.ZipInfo(name), content, method)
    return packed.getvalue()


def _in_onnx(data: bytes, rng: Random) -> bytes:
    """Change the details, a node or a tensor of a network."""
    model = onnx.ModelProto.FromString(data)
    graph, which = model.graph, rng.random()
    if which < 0.4:
        details = rng.choice(model.metadata_props)
        details.value = _in_json(details.value.encode(), rng).decode("utf-8", "replace")
    elif which < 0.6:
        node = rng.choice(graph.node)
        node.op_type = rng.choice(
            ("Exp", "Log", "Identity", "Shape", "Tile", "Loop", "If", "Expand", "Range", "Neg")
        )
    elif which < 0.75:
        node = rng.choice(graph.node)
        names = [name for one in graph.node for name in (*one.input, *one.output)]
        side = rng.choice((node.input, node.output))
        if side:
            side[rng.randrange(len(side))] = rng.choice(names)
    elif which < 0.9:
        tensor = rng.choice(graph.initializer)
        tensor.dims[:] = rng.choice(([], [0], [1], [-1], [2**40], [1, 1, 1], [*tensor.dims, 3]))
        if rng.random() < 0.5:
            tensor.raw_data = struct.pack("<f", rng.choice((0.0, float("nan"), float("inf"), 1e38)))
    else:
        shape = rng.choice((*graph.input, *graph.output)).type.tensor_type
        shape.elem_type = rng.randrange(24)
    return bytes(model.SerializeToString())


def _in_boxes(data: bytes, rng: Random) -> bytes:
    """Change, remove, repeat or rename a box of an MP4 or MOV, however deep."""
    boxes, at = [], 0
    while at + 8 <= len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        boxes.append((data[at + 4 : at + 8], data[at + 8 : at + max(8, size)]))
        at += max(8, size)
    which = rng.randrange(len(boxes))
    type_, content = boxes[which]
    if type_ == b"mdat" and rng.random() < 0.8:  # the description of the film is elsewhere
        which, (type_, content) = next(
            (at, box) for at, box in enumerate(boxes) if box[0] == b"moov"
        )
    if type_ in _BOXES_OF_BOXES and rng.random() < 0.9:
        content = _in_boxes(content, rng)
    elif rng.random() < 0.7:
        content = rng.choice((_integer, _integer, _flip, _cut, _repeat))(content, data, rng)
    elif rng.random() < 0.3:
        type_ = rng.choice(boxes)[0]
    boxes[which : which + 1] = [(type_, content)] * rng.choice((1, 1, 1, 1, 0, 2))
    return b"".join((8 + len(inside)).to_bytes(4, "big") + name + inside for name, inside in boxes)


def _in_request(data: bytes, rng: Random) -> bytes:
    """Change the line, a header or the body of a request."""
    head, _, body = data.partition(b"\r\n\r\n")
    if body and rng.random() < 0.6:
        ways = _OF_TEXT if rng.random() < 0.5 else _OF_BYTES
        body = rng.choice(ways)(body, data, rng)
    else:
        head = rng.choice(_OF_TEXT)(head, head, rng)
    return head + b"\r\n\r\n" + body


_BOXES_OF_BOXES = (b"moov", b"trak", b"edts", b"mdia", b"minf", b"dinf", b"stbl", b"udta")

_FORMATS: dict[str, Callable[[bytes, Random], bytes]] = {
    "json": _in_json,
    "jsonl": _in_json_line,
    "csv": _in_cell,
    "gz": _in_gzip,
    "zip": _in_zip,
    "keras": _in_zip,
    "npz": _in_zip,
    "onnx": _in_onnx,
    "http": _in_request,
    "mp4": _in_boxes,
    "mov": _in_boxes,
}
