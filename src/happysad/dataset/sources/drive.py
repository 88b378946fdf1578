"""Download files and folders that are shared on Google Drive. Needs the package gdown."""

from __future__ import annotations

import contextlib
import re
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from happysad.dataset.sources.download import ATTEMPTS, TIMEOUT, cache_path, refuse_size, verify
from happysad.dataset.sources.file_kind import is_page
from happysad.errors import HappysadError, ImportDataError, UsageError, shown
from happysad.extras import need
from happysad.progress import track, track_bytes

__all__ = ["download_shared", "is_drive"]

_HOSTS = ("drive.google.com", "docs.google.com", "drive.usercontent.google.com")


def is_drive(link: str) -> bool:
    """Return whether a link belongs to Google Drive."""
    return re.match(rf"https?://({'|'.join(map(re.escape, _HOSTS))})(/|$)", link, re.I) is not None


def download_shared(link: str, *, sha256: str | None = None) -> Path:
    """Download a shared file or folder, or return it from the cache.

    An interrupted download continues. The files of a folder that are in the cache are kept.

    Args:
        link: the sharing link.
        sha256: 64 lower-case hex digits; None if unknown, and for a folder.

    Returns:
        The file, or the folder.

    Raises:
        UsageError: the link names neither a file nor a folder, or a folder has a `sha256`.
        MissingExtraError: gdown is not installed.
        ImportDataError: Drive does not send it, it is larger than `download.MAX_DOWNLOAD`, or its
            hash differs.
        OSError: the cache cannot be written.
    """
    id_, is_folder = _asked(link)
    if is_folder and sha256 is not None:
        raise UsageError("--sha256 is for files, not for a folder on Google Drive")
    need("drive", "happysad import from Google Drive")
    place = cache_path(f"drive:{id_}")
    if is_folder:
        _download_folder(link, id_, place)
        return place
    if not place.exists():
        place.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.ExitStack() as stack:
            shows: list[Callable[[int], None]] = []

            def progress(done: int, total: int | None) -> None:
                refuse_size(link, max(done, total or 0))
                if not shows:
                    shows.append(stack.enter_context(track_bytes("downloading", total)))
                shows[0](done)

            _download(link, id_, place, progress)
    if is_page(place):
        place.unlink()
        raise ImportDataError(f"{link}: must be a link to a file or a folder, not to an HTML page")
    verify(place, link, sha256)
    return place


def _asked(link: str) -> tuple[str, bool]:
    """Return the id of the file or folder, and whether it is a folder."""
    parts = urlsplit(link)
    in_path = re.search(r"/(d|folders)/([\w-]+)", parts.path)
    ids = [in_path[2]] if in_path else parse_qs(parts.query).get("id", [])
    if not ids or not re.fullmatch(r"[\w-]+", ids[0]):
        raise UsageError(
            "a link to Google Drive must be like https://drive.google.com/file/d/ID/view or "
            f"https://drive.google.com/drive/folders/ID, not {link[:80]}"
        )
    return ids[0], "/folders/" in parts.path or parts.path.endswith("folderview")


def _download_folder(link: str, id_: str, folder: Path) -> None:
    """Download the files of a folder that are not there yet."""
    import gdown

    with _asking(link):
        files = gdown.download_folder(
            id=id_, quiet=True, use_cookies=False, timeout=TIMEOUT, skip_download=True
        )
    taken: set[Path] = set()
    size = 0
    for file in track(files, "downloading", len(files)):
        place = folder / file.path
        if place in taken:  # in a folder on Drive, several files may have one name
            place = place.with_stem(f"{place.stem}-{file.id}")
        taken.add(place)
        if not place.exists():
            place.parent.mkdir(parents=True, exist_ok=True)
            before = size

            def progress(done: int, total: int | None, before: int = before) -> None:
                refuse_size(link, before + max(done, total or 0))

            _download(link, file.id, place, progress)
        size += place.stat().st_size


def _download(link: str, id_: str, file: Path, progress: Callable[[int, int | None], None]) -> None:
    import gdown

    with _asking(link):
        gdown.download(
            id=id_,
            output=str(file),
            quiet=True,
            use_cookies=False,
            resume=True,
            timeout=TIMEOUT,
            retries=ATTEMPTS - 1,
            progress=progress,
        )


@contextlib.contextmanager
def _asking(link: str) -> Iterator[None]:
    """Convert an error of gdown, of its connections, or about an unknown page to one line."""
    import requests

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of its HTML parser
            yield
    except HappysadError:
        raise
    except Exception as error:
        if isinstance(error, OSError) and not isinstance(error, requests.RequestException):
            raise  # the disk is full
        failed = (requests.ConnectionError, requests.Timeout)
        if isinstance(error, failed) or isinstance(error.__cause__, failed):
            raise ImportDataError(
                f"{link}: the connection to Google Drive failed; the same command continues"
            ) from error
        text = " ".join(str(error).split()).removeprefix("Failed to retrieve file url: ")
        reason = re.split(r"(?<=[\w)])\. ", text)[0] or type(error).__name__
        raise ImportDataError(
            f"{link}: Google Drive does not send it: {shown(reason)}; share it with anyone who has "
            "the link, or download it in the browser and import that file"
        ) from error
