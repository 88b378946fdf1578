"""The pictures of a zip or a tar; nothing is written to the paths in the archive."""

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

from happysad.dataset.sources.members import Member
from happysad.errors import ImportDataError
from happysad.progress import track, track_bytes

__all__ = ["MAX_RATIO", "MAX_TOTAL", "tar_members", "zip_members"]

#: The maximum number of unpacked bytes; an archive with more may be a decompression bomb.
MAX_TOTAL = 256 * 1024**3

#: The maximum number of unpacked bytes for each byte of the archive. Photos hardly compress; flat
#: drawings in BMP reach about 100.
MAX_RATIO = 200

# Up to this number of unpacked bytes, the ratio is not checked.
_SMALL = 64 * 1024**2
# The maximum number of bytes of a member's headers; tarfile keeps them in memory.
_HEADERS = 1024**2

_DAMAGED = (
    EOFError,
    NotImplementedError,  # a compression that zipfile does not know
    OSError,
    RuntimeError,
    ValueError,
    lzma.LZMAError,
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
)


def zip_members(file: Path, doing: str) -> Iterator[Member]:
    """Yield a zip's members.

    Args:
        file: the zip.
        doing: names the work, for the progress bar.

    Raises:
        ImportDataError: the zip is encrypted or damaged, or would unpack to too many bytes.
    """
    with contextlib.ExitStack() as stack:
        with _reading(file):
            archive = stack.enter_context(zipfile.ZipFile(file))
        infos = [i for i in archive.infolist() if not i.filename.endswith(("/", "\\"))]
        if any(info.flag_bits & 1 for info in infos):
            raise ImportDataError(f"{file}: an encrypted zip; unpack it and import the folder")
        # zipfile never returns more bytes than a member declares.
        _refuse_bomb(file, sum(info.file_size for info in infos))
        for info in track(infos, doing, len(infos)):
            opened = partial(_opened, archive, info)
            yield Member(info.filename, info.file_size, _plain(info), opened)


def tar_members(file: Path, doing: str) -> Iterator[Member]:
    """Yield a tar's members, and read the tar to its end.

    A member can be opened only until the next one is requested. The only checksum of a compressed
    tar is at its end: if all members are read once before the first picture is copied, any damage
    is found before.

    Args:
        file: the tar.
        doing: names the work, for the progress bar.

    Raises:
        ImportDataError: the tar is damaged, or unpacks to too many bytes.
    """
    with contextlib.ExitStack() as stack:
        packed = stack.enter_context(file.open("rb"))
        show = stack.enter_context(track_bytes(doing, file.stat().st_size))
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
            _refuse_bomb(file, info.size)  # tarfile skips it, even beyond the end of the file
            source.expect(info.size + _HEADERS)  # this member, then the headers of the next
            if not info.isdir():
                # The holes of a sparse file would be bytes that are not counted.
                plain = info.isreg() and not info.issparse()
                yield Member(info.name, info.size, plain, partial(_taken, archive, info, file))
            show(packed.tell())
        source.expect(MAX_TOTAL)
        with _reading(file):
            while source.read(1024**2):
                pass


class _StrictHeader(tarfile.TarInfo):
    """A header that raises if it is damaged; tarfile would take it for the end of the tar."""

    @classmethod
    def fromtarfile(cls, tarfile_: tarfile.TarFile) -> _StrictHeader:
        try:
            return super().fromtarfile(tarfile_)
        except tarfile.EOFHeaderError:  # type: ignore[attr-defined]
            raise
        except tarfile.HeaderError as error:
            raise tarfile.ReadError(str(error)) from error


class _Guarded:
    """A stream that raises at a decompression bomb."""

    def __init__(self, stream: IO[bytes], file: Path) -> None:
        self._stream, self._file = stream, file
        self._done = 0
        self._end = _HEADERS

    def expect(self, more: int) -> None:
        """Allow `more` bytes to be read from here on."""
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
            f"{file}: must unpack to at most {allowed:,} bytes ({MAX_RATIO} times its own size, "
            f"and at most {MAX_TOTAL:,}), but unpacks to more"
        )


def _plain(info: zipfile.ZipInfo) -> bool:
    mode = info.external_attr >> 16  # 0 in zips made on Windows
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
    """Return a gzip, bzip2 or xz file, by its first bytes, decompressed; any other unchanged."""
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
    """Turn the decoders' exceptions about damaged data into an error of one line."""
    try:
        yield
    except _DAMAGED as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ImportDataError(f"{file}: damaged, or not an archive: {reason}") from error
