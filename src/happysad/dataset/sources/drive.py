"""Download files that are shared on Google Drive, by their sharing links."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urljoin, urlsplit

from happysad.dataset.sources.download import cached, verify
from happysad.dataset.sources.file_kind import page_in
from happysad.errors import ImportDataError, UsageError

__all__ = ["DOWNLOAD", "download_shared", "is_drive"]

#: The address to which Drive's page for large files sends a browser.
DOWNLOAD = "https://drive.usercontent.google.com/download"

_HOSTS = ("drive.google.com", "docs.google.com", "drive.usercontent.google.com")


def is_drive(link: str) -> bool:
    """Return whether a link belongs to Google Drive."""
    return re.match(rf"https?://({'|'.join(map(re.escape, _HOSTS))})(/|$)", link, re.I) is not None


def download_shared(link: str, *, sha256: str | None = None) -> Path:
    """Download a shared file, confirming Drive's page about large files not scanned for viruses.

    Raises:
        UsageError: the link is to a folder, or contains no file id.
        ImportDataError: Drive does not return the file, or its hash differs; or as `cached`.
        OSError: the cache cannot be written.
    """
    asked = _asked(link)
    key = f"drive:{asked['id']}"
    url = f"{DOWNLOAD}?{urlencode(asked | {'export': 'download', 'confirm': 't'})}"
    file = cached(url, key)
    if (page := page_in(file)) is not None:
        file.unlink()
        form = _Form(page)
        follow = urljoin(url, form.action)
        if not form.inputs.get("id") or urlsplit(follow).netloc != urlsplit(DOWNLOAD).netloc:
            raise _no_file(link, form.title)
        file = cached(f"{follow}?{urlencode(form.inputs)}", key)
        if (page := page_in(file)) is not None:
            file.unlink()
            raise _no_file(link, _Form(page).title)
    verify(file, link, sha256)
    return file


def _asked(link: str) -> dict[str, str]:
    """Return the file's id and, for links from before 2021, the key that they also contain."""
    parts = urlsplit(link)
    if re.search(r"/(folders|folderview|drive/folders)(/|$)", parts.path):
        raise UsageError(
            f"{link[:80]}: must be a file, not a Google Drive folder; share a zip of it, or "
            "download it in the browser and import that file"
        )
    query = parse_qs(parts.query)
    in_path = re.search(r"/d/([\w-]+)", parts.path)
    ids = [in_path[1]] if in_path else query.get("id", [])
    if not ids or not re.fullmatch(r"[\w-]+", ids[0]):
        raise UsageError(
            "a link to a file on Google Drive must be like "
            f"https://drive.google.com/file/d/ID/view, not {link[:80]}"
        )
    return {"id": ids[0]} | {name: query[name][0] for name in ("resourcekey",) if name in query}


def _no_file(link: str, title: str) -> ImportDataError:
    return ImportDataError(
        f"{link}: Google Drive returns a page ({title or 'no title'}), not the file; share it with "
        "anyone who has the link, or download it in the browser and import that file"
    )


class _Form(HTMLParser):
    """The form of Drive's page "can't scan this file for viruses", and the page's title."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.action, self.inputs, self.title = "", dict[str, str](), ""
        self._inside = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.action = values.get("action", "")
        elif tag == "input" and values.get("type") == "hidden" and values.get("name"):
            self.inputs[values["name"]] = values.get("value", "")
        self._inside = tag

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside == "title" and not self.title:
            self.title = " ".join(data.split())[:80]
