"""Download files and folders that are shared on Google Drive."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit, urlunsplit

from happysad.dataset.sources.download import (
    Allowance,
    DownloadLimits,
    cache_path,
    download,
    page_text,
    verify,
)
from happysad.dataset.sources.file_kind import is_page
from happysad.errors import ImportDataError, UsageError, shown
from happysad.progress import track

__all__ = ["FILE", "FOLDER", "download_shared", "is_drive"]

#: The addresses of a file, or of a page that leads to it, and of the list of a folder, by id.
FILE = "https://drive.google.com/uc?export=download&id={}"
FOLDER = "https://drive.google.com/embeddedfolderview?id={}"

_HOSTS = ("drive.google.com", "docs.google.com", "drive.usercontent.google.com")
# Maximum number of bytes of a file's name. The end of a longer one is kept, with its extension.
_NAME = 200


def is_drive(link: str) -> bool:
    """Return whether a link belongs to Google Drive."""
    return re.match(rf"https?://({'|'.join(map(re.escape, _HOSTS))})(/|$)", link, re.I) is not None


def download_shared(
    link: str, *, sha256: str | None = None, limits: DownloadLimits | None = None
) -> Path:
    """Download a shared file or folder, or return it from the cache.

    An interrupted download continues. The files of a folder that are in the cache are kept.

    Args:
        link: the sharing link.
        sha256: 64 lower-case hex digits; None if unknown, and for a folder.
        limits: the limits of size and time; None for the defaults.

    Returns:
        The file, or the folder.

    Raises:
        UsageError: the link names neither a file nor a folder, or a folder has a `sha256`.
        ImportDataError: Drive does not send it, a limit is exceeded, or its hash differs.
        OSError: the cache cannot be written.
    """
    id_, is_folder = _asked(link)
    if is_folder and sha256 is not None:
        raise UsageError("--sha256 is for files, not for a folder on Google Drive")
    place, allowance = cache_path(f"drive:{id_}"), _Allowance(link, limits or DownloadLimits())
    place.parent.mkdir(parents=True, exist_ok=True)
    if is_folder:
        _download_folder(id_, place, allowance)
        return place
    if not place.exists():
        _download(id_, place, allowance)
    if is_page(place):
        place.unlink()
        raise ImportDataError(f"{link}: must be a link to a file or a folder, not to an HTML page")
    verify(place, link, sha256)
    return place


class _Allowance(Allowance):
    def refused(self, why: str) -> ImportDataError:
        return ImportDataError(
            f"{self.link}: Google Drive does not send it: {shown(why)}; share it with anyone who "
            "has the link, or download it in the browser and import that file"
        )


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


def _download(id_: str, file: Path, allowance: Allowance) -> None:
    def turn(page: str) -> str:
        return _behind(page, allowance)

    download(FILE.format(id_), file, allowance, turn)


def _download_folder(id_: str, folder: Path, allowance: Allowance) -> None:
    """Download the files of a folder that are not there yet."""
    files = _files(id_, folder, allowance)
    for place, file_id in track(files.items(), "downloading", len(files)):
        if place.exists():
            allowance.add(place.stat().st_size)
        else:
            whole = cache_path(f"drive:{file_id}")
            _download(file_id, whole, allowance)
            place.parent.mkdir(parents=True, exist_ok=True)
            whole.replace(place)


def _files(id_: str, folder: Path, allowance: Allowance) -> dict[Path, str]:
    """Return the paths and ids of the files in a folder and its folders."""
    files: dict[Path, str] = {}
    seen = set()
    folders = deque([(id_, folder)])
    while folders:
        id_, folder = folders.popleft()
        if id_ in seen:  # a folder can contain a link to a folder around it
            continue
        seen.add(id_)
        page = page_text(FOLDER.format(id_), allowance)
        if not any(tag == "title" for tag, _, _ in _tags(page)):
            raise allowance.refused("an unknown page in place of a folder's list")
        for href, name in _links(page):
            place = folder / _plain(name)
            found = re.match(r"https://drive\.google\.com/(file|drive)/[\w/-]+", href)
            if found is None:
                continue  # such as a document, which is no file
            child, is_folder = _asked(found[0])
            if is_folder:
                folders.append((child, place))
            else:
                if place in files:  # in a folder on Drive, several files may have one name
                    place = place.with_stem(f"{place.stem}-{child}")
                files[place] = child
    return files


def _behind(page: str, allowance: Allowance) -> str:
    """Return the address of the file behind the page that asks to confirm a download.

    Raises:
        ImportDataError: there is none; the page may say why.
    """
    action, query, why = "", {}, ""
    for tag, attributes, text in _tags(page):
        if tag == "form" and attributes.get("id") == "download-form":
            action = attributes.get("action", "")
        elif tag == "input" and action and attributes.get("type") == "hidden":
            query[attributes.get("name", "")] = attributes.get("value", "")
        elif attributes.get("class") == "uc-error-subcaption" or (tag == "title" and not why):
            why = " ".join(text.split()).partition(". ")[0]
    try:
        parts = urlsplit(action)
        if parts.scheme in ("http", "https") and parts.hostname:
            whole = urlencode({**dict(parse_qsl(parts.query)), **query})
            return urlunsplit(parts._replace(query=whole))
    except ValueError:
        pass
    raise allowance.refused(why or "an unknown page in place of the file")


def _links(page: str) -> Iterator[tuple[str, str]]:
    """Yield the address and the text of each link of a page."""
    href, texts = "", [""]
    for tag, attributes, text in _tags(page):
        if tag == "a":
            href, texts = attributes.get("href", ""), [text]
        elif tag == "/a":
            if href:
                yield href, "".join(texts).strip()
            href = ""
        else:
            texts.append(text)


def _tags(page: str) -> Iterator[tuple[str, dict[str, str], str]]:
    """Yield each tag of a page, its quoted attributes, and the text after it.

    The time is in proportion to the page, whatever it contains. html.parser of Python 3.11 takes
    four minutes for 60 kB of tags without an end.
    """
    for piece in page.split("<")[1:]:
        inside, _, text = piece.partition(">")
        name, *quoted = inside.split('"')
        tag, *names = name.split() or [""]
        attributes = {}
        for position in range(0, len(quoted) - 1, 2):
            attributes[names[-1].rstrip("=") if names else ""] = _unescaped(quoted[position])
            names = quoted[position + 1].split()
        yield tag.lower(), attributes, _unescaped(text)


def _unescaped(text: str) -> str:
    try:
        return unescape(text)
    except ValueError:  # the number of a character with thousands of digits
        return text


def _plain(name: str) -> str:
    """Return a name without separators and control characters, for a file or a folder."""
    kept = "".join(c if c.isprintable() and c not in "/\\" else "_" for c in name).strip()
    short = kept.encode("utf-8", "replace")[-_NAME:].decode("utf-8", "ignore")
    return "_" if short in ("", ".", "..") else short
