"""Class folders in a zip or a tar, read without ever unpacking a path of theirs."""

from __future__ import annotations

import bz2
import contextlib
import gzip
import lzma
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import IO

from happysad.dataset.importing.classes import ClassMap
from happysad.dataset.importing.members import Folders, Member
from happysad.dataset.importing.meter import meter
from happysad.dataset.importing.placing import Placing
from happysad.errors import ImportDataError
from happysad.progress import track

__all__ = ["MAX_RATIO", "MAX_TOTAL", "place_tar", "place_zip"]

#: More unpacked bytes than this are refused (a decompression bomb).
MAX_TOTAL = 256 * 1024**3

#: More unpacked bytes for each byte of the archive are refused. Photos hardly shrink; flat drawings
#: in BMP reach about 100.
MAX_RATIO = 200

# The ratio is not asked below so many unpacked bytes.
_SMALL = 64 * 1024**2
# What a member's headers may have; tarfile holds them in memory.
_HEADERS = 1024**2

_DAMAGED = (
    EOFError,
    NotImplementedError,  # a way of packing that zipfile has not
    OSError,
    RuntimeError,
    ValueError,
    lzma.LZMAError,
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
)


def place_zip(file: Path, classes: ClassMap, placing: Placing) -> None:
    """Place the pictures of a zip's wanted class folders.

    Raises:
        UsageError: as `ClassMap.refuse_missing`.
        ImportDataError: it is encrypted or damaged, would unpack to too much, or has no wanted
            class.
        OSError: a picture cannot be written.
    """
    folders = Folders(str(file), classes, placing)
    with contextlib.ExitStack() as stack:
        with _reading(file):
            archive = stack.enter_context(zipfile.ZipFile(file))
        infos = [i for i in archive.infolist() if not i.filename.endswith(("/", "\\"))]
        if any(info.flag_bits & 1 for info in infos):
            raise ImportDataError(f"{file}: an encrypted zip; unpack it and import the folder")
        members = [
            Member(info.filename, info.file_size, _plain(info), partial(_opened, archive, info))
            for info in infos
        ]
        # zipfile never gives more bytes than a member says that it has.
        _refuse_bomb(file, sum(member.size for member in members))
        folders.look(members)
        folders.check()
        for member in track(members, "unpacking", len(members)):
            folders.place(member)


def place_tar(file: Path, classes: ClassMap, placing: Placing) -> None:
    """Place the pictures of a tar's wanted class folders.

    It is read twice: what is wrong anywhere in it is found before anything is placed, since its
    only checksum, if it is packed, stands at its end.

    Raises:
        UsageError: as `ClassMap.refuse_missing`.
        ImportDataError: it is damaged, unpacks to too much, or has no wanted class.
        OSError: a picture cannot be written.
    """
    folders = Folders(str(file), classes, placing)
    folders.look(_tar_members(file, "checking"))
    folders.check()
    for member in _tar_members(file, "unpacking"):
        folders.place(member)


def _tar_members(file: Path, doing: str) -> Iterator[Member]:
    """Give a tar's members, each to be opened before the next one; the tar is read to its end."""
    with contextlib.ExitStack() as stack:
        packed = stack.enter_context(file.open("rb"))
        show = stack.enter_context(meter(doing, file.stat().st_size))
        source = _Guarded(_unpacked(packed), file)
        with _reading(file):
            archive = stack.enter_context(
                tarfile.open(fileobj=source, mode="r|", tarinfo=_StrictHeader)  # type: ignore[call-overload]
            )
        while True:
            with _reading(file):
                info = archive.next()
            if info is None:
                break
            _refuse_bomb(file, info.size)  # tarfile skips them even where the file has ended
            source.expect(info.size + _HEADERS)  # this one, then the next one's headers
            if not info.isdir():
                # The holes of a sparse file would be bytes that nobody has counted.
                plain = info.isreg() and not info.issparse()
                yield Member(info.name, info.size, plain, partial(_taken, archive, info, file))
            show(packed.tell())
        source.expect(MAX_TOTAL)
        with _reading(file):
            while source.read(1024**2):
                pass


class _StrictHeader(tarfile.TarInfo):
    """A tar's header that is damaged or missing is an error; tarfile would take it for the end."""

    @classmethod
    def fromtarfile(cls, tarfile_: tarfile.TarFile) -> _StrictHeader:
        try:
            return super().fromtarfile(tarfile_)
        except tarfile.EOFHeaderError:  # type: ignore[attr-defined]
            raise
        except tarfile.HeaderError as error:
            raise tarfile.ReadError(str(error)) from error


class _Guarded:
    """A stream that stops at a decompression bomb."""

    def __init__(self, stream: IO[bytes], file: Path) -> None:
        self._stream, self._file = stream, file
        self._done = 0
        self._end = _HEADERS

    def expect(self, more: int) -> None:
        """Say how many bytes may be asked for from here on."""
        self._end = self._done + more

    def read(self, size: int) -> bytes:
        data = self._stream.read(size)
        self._done += len(data)
        _refuse_bomb(self._file, self._done)
        if self._done > self._end + tarfile.RECORDSIZE:
            raise ImportDataError(f"{self._file}: a header of more than {_HEADERS:,} bytes")
        return data


def _refuse_bomb(file: Path, unpacked: int) -> None:
    allowed = min(MAX_TOTAL, max(_SMALL, MAX_RATIO * file.stat().st_size))
    if unpacked > allowed:
        raise ImportDataError(
            f"{file}: refused, since it unpacks to more than {allowed:,} bytes (at most "
            f"{MAX_RATIO} times its own size, and {MAX_TOTAL:,})"
        )


def _plain(info: zipfile.ZipInfo) -> bool:
    mode = info.external_attr >> 16  # zips made on Windows have none
    return stat.S_IFMT(mode) in (0, stat.S_IFREG)


@contextlib.contextmanager
def _opened(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Iterator[IO[bytes]]:
    with _reading(Path(archive.filename or "")), archive.open(info) as opened:
        yield opened


@contextlib.contextmanager
def _taken(archive: tarfile.TarFile, info: tarfile.TarInfo, file: Path) -> Iterator[IO[bytes]]:
    with _reading(file):
        opened = archive.extractfile(info)
        assert opened is not None  # it is a regular file
        with opened:
            yield opened


def _unpacked(packed: IO[bytes]) -> IO[bytes]:
    """Open what the first bytes say: gzip, bzip2, xz, or a tar as it is."""
    head = packed.read(6)
    packed.seek(0)
    if head.startswith(b"\x1f\x8b"):
        return gzip.GzipFile(fileobj=packed)  # type: ignore[return-value]
    if head.startswith(b"BZh"):
        return bz2.BZ2File(packed)
    if head.startswith(b"\xfd7zXZ"):
        return lzma.LZMAFile(packed)
    return packed


@contextlib.contextmanager
def _reading(file: Path) -> Iterator[None]:
    """Turn what decoders raise on damaged bytes into one line."""
    try:
        yield
    except _DAMAGED as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ImportDataError(f"{file}: damaged, or no archive: {reason}") from error
