"""Predict a library of 2,000 photos of all kinds that phones, cameras and systems leave in folders.

    PYTHONPATH=. python benchmarks/library_kinds.py --write FILE

The script draws one photo of each kind and writes each under many names: formats of phones and
cameras, photos of 12 to 200 megapixels, motion and live photos, bursts, and files whose end or
checksums are damaged beside the pixels. Beside them lie thumbnails, recycle bins and metadata as
systems write them, and links to folders. A process of its own predicts all of it with `--out`:
with 2 threads, where `os.cpu_count` pretends 64 cores of which the process may use the machine's,
and with 64 threads. It must write one row for each photo and end with status 0. The system reports
its peak memory (Linux).
"""

from __future__ import annotations

import argparse
import io
import os
import struct
import subprocess
import sys
import tempfile
import time
import unicodedata
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from PIL import Image

from happysad.batch.results import Results
from happysad.dataset.drawn_faces import face
from happysad.files import write_text
from happysad.folder_walk import LeftOut, walk
from happysad.images import Pixels
from happysad.parallel import usable_cores
from happysad.predictions import NO_FACE
from tests.pictures import encoded
from tests.test_picture_types import dng, heic

_PHOTOS = 2000
_PRETENDED = "import os\nos.cpu_count = lambda: 64\n"
# The sides of large photos and their number, by kind; wider ones than `_BASELINE` are progressive.
_LARGE = {
    "JPEG of 12 megapixels": (4000, 3000, 40),
    "JPEG of 50 megapixels": (8192, 6144, 4),
    "JPEG of 108 megapixels": (12000, 9000, 2),
    "JPEG of 200 megapixels": (16320, 12240, 2),
}
_BASELINE = 4000
# The largest side of the drawn face, which is enlarged for larger photos.
_FACE = 1200
_FILM = b"\0\0\0\x14ftypisom\0\0\0\0isom" + b"\0\0\x10\0mdat" + bytes(4088)
_BESIDE = (
    "@eaDir/IMG_0000.JPG/SYNOPHOTO_THUMB_M.jpg", "#recycle/IMG_0000.JPG", "@Recycle/IMG_0000.JPG",
    ".stversions/IMG_0000.JPG", "__MACOSX/._IMG_0000.JPG", "._IMG_0000.JPG", "Thumbs.db",
    "desktop.ini", "IMG_0000.AAE", "IMG_0000.JPG.json", "IMG_0000.xmp",
)  # fmt: skip


def main() -> None:
    """Make the library, measure, then print and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", type=Path, help="file to which the table is also written")
    chosen = parser.parse_args()
    lines = [
        "| call | photos | rows | not read | no face | status | seconds | peak memory, MB |",
        "|---|---|---|---|---|---|---|---|",
    ]
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        # In a process of its own: the peak of a child counts the memory of this process, too.
        with ProcessPoolExecutor(1, get_context("spawn")) as pool:
            numbers = pool.submit(_write, place / "photos").result()
        beside = _put_beside(place / "photos")
        (place / "pretended").mkdir()
        (place / "pretended" / "sitecustomize.py").write_text(_PRETENDED, encoding="utf-8")
        calls: dict[str, tuple[list[str], Path | None]] = {
            "`--threads 2`": (["--threads", "2"], None),
            "64 cores pretended": ([], place / "pretended"),
            "`--threads 64`": (["--threads", "64"], None),
        }
        for at, (name, (options, modules)) in enumerate(calls.items()):
            row = _measure(place / "photos", place / f"results{at}", options, modules)
            lines.append(f"| {name} | {row}")
            print(lines[-1], file=sys.stderr, flush=True)
    kinds = ", ".join(f"{count:,} {name}" for name, count in numbers.items())
    lines += ["", f"The photos: {kinds}.", ""]
    lines.append(
        f"Files and folders left out beside them: {beside:,}. {usable_cores()} cores, which other "
        "work shared."
    )
    text = "\n".join(lines) + "\n"
    print(text, end="")
    if chosen.write:
        write_text(chosen.write, text)


def _write(folder: Path) -> dict[str, int]:
    """Write the photos, and return their number by kind."""
    numbers: dict[str, int] = {}
    for kind, (width, height, number) in _LARGE.items():
        progressive = width > _BASELINE
        content = encoded(_drawn(width, height), "jpeg", quality=60, progressive=progressive)
        _name(folder / kind, ".jpg", content, number)
        numbers[kind] = number
    kinds, left = _kinds(), _PHOTOS - sum(numbers.values())
    for place, (kind, (ending, content)) in enumerate(kinds.items()):
        numbers[kind] = left // len(kinds) + (place < left % len(kinds))
        _name(folder / unicodedata.normalize("NFD", kind), ending, content, numbers[kind])
    return numbers


def _kinds() -> dict[str, tuple[str, bytes]]:
    """Return the ending and the content of a photo of each usual kind."""
    pixels = _drawn(640, 480)
    jpeg, png, phone = encoded(pixels, "jpeg", quality=90), encoded(pixels), heic(pixels)
    exif = Image.Exif()
    exif[0x0112] = 6
    comment = struct.pack(">I8sI", 4, b"tEXta\0bc", 0)
    return {
        "JPEG": (".JPG", jpeg),
        "progressive JPEG": (".jpg", encoded(pixels, "jpeg", progressive=True)),
        "turned JPEG": (".jpg", encoded(np.rot90(pixels), "jpeg", exif=exif.tobytes())),
        "JPEG of a burst": ("_BURST.jpg", jpeg),
        "motion photo": (".MP.jpg", jpeg + _FILM),
        "live photo": (".HEIC", phone),
        "HEIC": (".heic", phone),
        "HEIC named .jpg": (".jpg", phone),
        "AVIF": (".avif", encoded(pixels, "avif")),
        "JPEG 2000": (".jp2", encoded(pixels, "jpeg2000")),
        "raw": (".DNG", dng(encoded(_drawn(1200, 900), "jpeg"))),
        "PNG": (".png", png),
        "WebP": (".webp", encoded(pixels, "webp")),
        "GIF": (".gif", encoded(pixels, "gif")),
        "TIFF of 16 bits": (".tif", _grey_tiff(pixels)),
        "JPEG without its end marker": (".jpg", jpeg[:-2]),
        "JPEG with other data behind it": (".jpg", jpeg + b"SEFH" + bytes(40) + b"SEFT"),
        "PNG with a wrong checksum": (".png", png[:33] + comment + png[33:]),
        "JPEG in a folder für NFD": (".jpg", jpeg),
    }


def _drawn(width: int, height: int) -> Pixels:
    """Return a drawn face in front of a wall: RGB, uint8, shape (height, width, 3)."""
    photo = np.full((height, width, 3), (150, 160, 170), np.uint8)
    side = height * 2 // 3
    drawn = Image.fromarray(face("happy", np.random.default_rng(9), min(side, _FACE)))
    photo[side // 4 :, width // 4 :][:side, :side] = np.asarray(drawn.resize((side, side)))
    return photo


def _grey_tiff(pixels: Pixels) -> bytes:
    grey, file = np.asarray(Image.fromarray(pixels).convert("L")), io.BytesIO()
    Image.fromarray(grey.astype(np.uint16) * 257).save(file, "tiff")
    return file.getvalue()


def _name(folder: Path, ending: str, content: bytes, number: int) -> None:
    """Write a photo into a folder under some names."""
    folder.mkdir(parents=True)
    first = folder / f"IMG_0000{ending}"
    first.write_bytes(content)
    for at in range(1, number):
        (folder / f"IMG_{at:04}{ending}").hardlink_to(first)


def _put_beside(folder: Path) -> int:
    """Write what systems keep beside photos; return the number of files and folders left out."""
    for photo in sorted((folder / "live photo").iterdir()):
        photo.with_suffix(".MOV").write_bytes(_FILM)
    thumbnail, left_out = next((folder / "JPEG").iterdir()).read_bytes(), LeftOut()
    for kind in ("JPEG", "HEIC"):
        for name in _BESIDE:
            file = folder / kind / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(thumbnail)
    (folder / "a link to itself").symlink_to(folder)
    (folder / "a link to a folder").symlink_to(folder / "PNG")
    assert sum(1 for _ in walk(str(folder), left_out=left_out)) == _PHOTOS
    return left_out.total()


def _measure(photos: Path, out: Path, options: list[str], modules: Path | None) -> str:
    """Predict the photos in a process, and return the rest of a row of the table."""
    command = [sys.executable, "-m", "happysad", "predict", str(photos), "--out", str(out)]
    paths = [str(modules), *sys.path] if modules else sys.path
    began = time.perf_counter()
    process = subprocess.Popen(
        [*command, *options],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))},
    )
    _, status, usage = os.wait4(process.pid, 0)
    seconds, process.returncode = time.perf_counter() - began, os.waitstatus_to_exitcode(status)
    rows = list(Results.open(out).photos())
    failed = sum(row["error"] is not None for row in rows)
    faceless = sum(row["label"] == NO_FACE for row in rows)
    return (
        f"{_PHOTOS:,} | {len(rows):,} | {failed:,} | {faceless:,} | {process.returncode} "
        f"| {seconds:,.0f} | {usage.ru_maxrss * 1024 / 1e6:,.0f} |"
    )


if __name__ == "__main__":
    main()
