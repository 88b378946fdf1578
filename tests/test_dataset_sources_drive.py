"""Files and folders on Google Drive, with a server on this machine in place of Drive.

The server answers as Drive does: https://drive.google.com/uc leads to another host, which sends the
file, or a page to confirm if the file is large; embeddedfolderview lists a folder. Whether Drive
still does so, only Drive itself can show.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from happysad.dataset.sources import DownloadLimits, download, drive as shared, import_data
from happysad.dataset.sources.drive import download_shared
from happysad.errors import ImportDataError, UsageError
from tests.file_tree import zipped
from tests.pictures import encoded, photo

HAPPY, SAD = encoded(photo(1)), encoded(photo(2))


def id_of(name: str) -> str:
    """Return an id as Drive makes them."""
    return f"ID_of-{name}".ljust(33, "x")


@dataclass
class Drive:
    """What is shared, by id, and the requests."""

    files: dict[str, bytes] = field(default_factory=dict)
    folders: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    """The names and ids of what is in a folder."""
    page: str = ""
    """The page that Drive sends in place of a file."""
    large: bool = False
    """Whether Drive asks to confirm that a file was not scanned for viruses."""
    here: str = ""
    """The server's own address."""
    cuts: list[int] = field(default_factory=list)
    """The number of bytes after which to close the connection, for each of the first downloads."""
    asked: list[str] = field(default_factory=list)
    ranges: list[str] = field(default_factory=list)

    def add(self, name: str, data: bytes) -> str:
        """Share a file; return its link."""
        self.files[id_of(name)] = data
        return f"https://drive.google.com/file/d/{id_of(name)}/view?usp=sharing"

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        """Answer a request whose path begins with the host that the client asked."""
        self.asked.append(request.path)
        parts = urlsplit(request.path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        id_ = query.get("id", "")
        if self.page:
            _send(request, self.page.encode())
        elif parts.path == "/drive.google.com/embeddedfolderview" and id_ in self.folders:
            _send(request, self._listing(id_).encode())
        elif parts.path == "/drive.google.com/uc" and id_ in self.files:
            to = f"{self.here}drive.usercontent.google.com/download?id={id_}&export=download"
            _send(request, b"", status=303, headers={"Location": to})
        elif parts.path == "/drive.usercontent.google.com/download" and id_ in self.files:
            if self.large and query.get("confirm") != "t":
                _send(request, CONFIRM.format(id=id_, here=self.here).encode())
            else:
                self._send_file(request, self.files[id_])
        else:
            _send(request, b"<html><title>Error 404 (Not Found)</title></html>", status=404)

    def _listing(self, id_: str) -> str:
        links = ""
        for name, child in self.folders[id_]:
            kind = "drive/folders/{}" if child in self.folders else "file/d/{}/view?usp=drive_web"
            links += f'<a href="https://drive.google.com/{kind.format(child)}">{name}</a>'
        names = {child: name for entries in self.folders.values() for name, child in entries}
        title = names.get(id_, "faces")
        return f"<html><head><title>{title}</title></head><body>{links}</body></html>"

    def _send_file(self, request: BaseHTTPRequestHandler, data: bytes) -> None:
        headers = {"Content-Disposition": 'attachment; filename="x"', "ETag": '"one"'}
        wanted = request.headers.get("Range", "")
        self.ranges.append(wanted)
        start = int(wanted.removeprefix("bytes=").removesuffix("-") or 0)
        if start:
            headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
        cut = self.cuts.pop(0) if self.cuts else None
        type_ = "application/octet-stream"
        _send(request, data[start:], type_, 206 if start else 200, headers, cut)


def _send(
    request: BaseHTTPRequestHandler,
    body: bytes,
    type_: str = "text/html; charset=utf-8",
    status: int = 200,
    headers: dict[str, str] | None = None,
    cut: int | None = None,
) -> None:
    request.send_response(status)
    request.send_header("Content-Type", type_)
    request.send_header("Content-Length", str(len(body)))
    for name, value in (headers or {}).items():
        request.send_header(name, value)
    request.end_headers()
    request.wfile.write(body[:cut])


# Drive's page for large files, without its styles.
CONFIRM = """<!DOCTYPE html><html><head><title>Google Drive - Virus scan warning</title></head>
<form id="download-form" action="{here}drive.usercontent.google.com/download" method="get">\
<input type="submit" id="uc-download-link" value="Download anyway"/>\
<input type="hidden" name="id" value="{id}"><input type="hidden" name="export" value="download">\
<input type="hidden" name="confirm" value="t"><input type="hidden" name="uuid" value="4&amp;2">\
</form></body></html>"""
QUOTA = """<!DOCTYPE html><html><head><title>Google Drive - Quota exceeded</title></head><body>
<p class="uc-error-caption">Sorry, you can't view or download this file at this time.</p>
<p class="uc-error-subcaption">Too many users have downloaded this file recently. Try later.</p>
</body></html>"""
SIGN_IN = "<!DOCTYPE html><html><head><title>Google Drive: Sign-in</title></head></html>"


@pytest.fixture
def drive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Drive]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(download, "PAUSE", 0.0)
    drive = Drive()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            drive.answer(self)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        drive.here = f"http://127.0.0.1:{server.server_port}/"
        for name in ("FILE", "FOLDER"):
            address = getattr(shared, name).replace("https://", drive.here)
            monkeypatch.setattr(shared, name, address)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield drive
        finally:
            server.shutdown()
            thread.join()


def test_without_a_connection(monkeypatch: pytest.MonkeyPatch, drive: Drive) -> None:
    monkeypatch.setattr(shared, "FILE", "http://127.0.0.1:1/uc?id={}")
    with pytest.raises(
        ImportDataError, match=r"the connection failed: .*; tried 4 times; the same"
    ):
        download_shared(drive.add("zip", b""))


def cached(tmp_path: Path) -> list[Path]:
    return sorted((tmp_path / "cache/happysad/downloads").iterdir())


LINKS = [
    "https://drive.google.com/file/d/{}/view?usp=sharing",
    "https://drive.google.com/file/u/0/d/{}/view",
    "https://drive.google.com/open?id={}",
    "https://drive.google.com/uc?export=download&id={}",
    "https://docs.google.com/uc?id={}",
    "https://drive.usercontent.google.com/download?id={}",
]


@pytest.mark.parametrize("link", LINKS)
def test_a_shared_file_by_each_link_of_it(drive: Drive, tmp_path: Path, link: str) -> None:
    drive.add("zip", zipped({"happy/x.png": HAPPY, "sad/x.png": SAD}))
    link = link.format(id_of("zip"))
    imported = import_data(link, tmp_path / "out")
    assert imported.counts == {"happy": 1, "sad": 1}
    assert "the download is kept" in imported.notes[-1]
    asked = len(drive.asked)
    import_data(link, tmp_path / "out")
    assert len(drive.asked) == asked  # it is in the cache


def test_a_large_file_is_confirmed_and_its_hash_checked(drive: Drive, tmp_path: Path) -> None:
    data = zipped({"happy/x.png": HAPPY})
    link, drive.large = drive.add("zip", data), True
    imported = import_data(link, tmp_path / "out", sha256=hashlib.sha256(data).hexdigest())
    assert imported.counts == {"happy": 1}
    assert "confirm=t" in drive.asked[-1]
    for file in cached(tmp_path):
        file.unlink()
    with pytest.raises(ImportDataError, match=r"its sha256 must be 0{64}, not "):
        import_data(link, tmp_path / "out", sha256="0" * 64)
    assert cached(tmp_path) == []


def test_a_dropped_connection_is_taken_up_where_it_was(drive: Drive, tmp_path: Path) -> None:
    data = zipped({"happy/x.png": bytes(3_000_000)})
    link, drive.cuts = drive.add("zip", data), [1_000_000]
    assert download_shared(link).read_bytes() == data
    first, second = drive.ranges
    assert first == ""
    assert int(second.removeprefix("bytes=").removesuffix("-")) > 0
    assert len(cached(tmp_path)) == 1


def test_a_later_call_goes_on(
    drive: Drive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = zipped({"happy/x.png": bytes(3_000_000)})
    link, drive.cuts = drive.add("zip", data), [1_000_000] + [0] * (download.ATTEMPTS - 1)
    with pytest.raises(ImportDataError, match=r"the connection ended after .*; tried 4 times; the"):
        download_shared(link)
    assert [file.suffix for file in cached(tmp_path)] == [".mark", ".part"]
    assert len(drive.ranges) == download.ATTEMPTS
    assert download_shared(link).read_bytes() == data
    assert drive.ranges[-1].startswith("bytes=")


@pytest.mark.parametrize(
    ("page", "message"),
    [
        (QUOTA, "does not send it: Too many users have downloaded this file recently; share it"),
        (SIGN_IN, "does not send it: Google Drive: Sign-in; share it"),
        ("<html></html>", "does not send it: an unknown page in place of the file; share"),
    ],
)
def test_a_page_of_drive_instead_of_the_file(
    drive: Drive, tmp_path: Path, page: str, message: str
) -> None:
    link, drive.page = drive.add("zip", b""), page
    with pytest.raises(ImportDataError, match=message) as caught:
        import_data(link, tmp_path / "out")
    assert str(caught.value).startswith(f"{link}: Google Drive ")
    assert "\n" not in str(caught.value)
    assert cached(tmp_path) == []
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("kind", ["file/d/{}/view", "drive/folders/{}"])
def test_what_is_not_shared(drive: Drive, tmp_path: Path, kind: str) -> None:
    link = f"https://drive.google.com/{kind.format(id_of('none'))}"
    with pytest.raises(ImportDataError, match="Google Drive does not send it: HTTP 404 Not Fou"):
        import_data(link, tmp_path / "out")


def test_a_page_or_a_picture_as_the_file(drive: Drive, tmp_path: Path) -> None:
    for data, message in ((b"<!DOCTYPE html><p>", "not to an HTML page"), (HAPPY, "one png pictu")):
        with pytest.raises(ImportDataError, match=message):
            import_data(drive.add("file", data), tmp_path / "out")
        assert cached(tmp_path) == []


def share_folder(drive: Drive) -> str:
    """Share faces/train/happy, faces/train/sad and a text; return the link of faces."""
    for name, data in (("a", HAPPY), ("b", encoded(photo(3))), ("c", SAD), ("d", b"free")):
        drive.add(name, data)
    drive.folders = {
        id_of("faces"): [("train", id_of("train")), ("LICENSE", id_of("d"))],
        id_of("train"): [("happy", id_of("happy")), ("sad", id_of("sad"))],
        # on Drive, two files in a folder may have one name
        id_of("happy"): [("x.png", id_of("a")), ("x.png", id_of("b"))],
        id_of("sad"): [("a/../x.png", id_of("c"))],
    }
    return f"https://drive.google.com/drive/folders/{id_of('faces')}?usp=drive_link"


@pytest.mark.parametrize("place", ["drive/folders", "drive/u/0/folders"])
def test_a_shared_folder(drive: Drive, tmp_path: Path, place: str) -> None:
    link = share_folder(drive).replace("drive/folders", place)
    said: list[str] = []
    imported = import_data(link, tmp_path / "out", say=said.append)
    assert said[0] == "Found 3 photos: 2 happy, 1 sad; 1 other file."
    assert imported.counts == {"happy": 2, "sad": 1}
    placed = sorted(file.read_bytes() for file in tmp_path.glob("out/*/*"))
    assert placed == sorted([HAPPY, SAD, encoded(photo(3))])
    (folder,) = cached(tmp_path)
    assert len([file for file in folder.rglob("*") if file.is_file()]) == 4
    # again: the folder is listed, and its new files are downloaded
    drive.add("e", encoded(photo(5)))
    drive.folders[id_of("sad")].append(("new.png", id_of("e")))
    del drive.ranges[:]
    assert import_data(link, tmp_path / "out").counts == {"happy": 2, "sad": 2}
    assert drive.ranges == [""]


def test_a_folder_that_stops_goes_on(drive: Drive, tmp_path: Path) -> None:
    link = share_folder(drive)
    gone = drive.files.pop(id_of("c"))
    with pytest.raises(ImportDataError, match="Google Drive does not send it"):
        import_data(link, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    drive.files[id_of("c")] = gone
    del drive.ranges[:]
    assert import_data(link, tmp_path / "out").counts == {"happy": 2, "sad": 1}
    assert len(drive.ranges) == 1


@pytest.mark.parametrize("folder", [False, True])
def test_what_is_too_large(drive: Drive, tmp_path: Path, folder: bool) -> None:
    link = share_folder(drive) if folder else drive.add("zip", zipped({"happy/x.png": HAPPY}))
    # a folder is limited as a whole
    limits = DownloadLimits(size=(len(HAPPY) + 10) / 1024**3)
    with pytest.raises(ImportDataError, match="a download may have at most "):
        import_data(link, tmp_path / "out", limits=limits)
    assert not (tmp_path / "out").exists()


def test_the_names_of_a_folder_stay_in_it(drive: Drive, tmp_path: Path) -> None:
    drive.add("a", HAPPY)
    names = ["..", "../../x.png", "a\x1b[2J\n.png", "C:\\\\x.png", "x" * 999 + ".png", "", "/x"]
    inside = [(name, id_of("a")) for name in names]
    # a folder that contains itself
    drive.folders = {id_of("faces"): [*inside, ("again", id_of("faces"))]}
    folder = download_shared(f"https://drive.google.com/drive/folders/{id_of('faces')}")
    files = list(folder.rglob("*"))
    assert len(files) == len(names)
    assert all(file.parent == folder and file.name.isprintable() for file in files)
    assert cached(tmp_path) == [folder]


@pytest.mark.parametrize(
    "page",
    ["<a ", "<!--", '<a x="', "</a", '<a href="', "&#1", "<form id='", '<p a="b" ', "<a><b>"],
)
@pytest.mark.parametrize("kind", ["file/d/{}/view", "drive/folders/{}"])
def test_a_page_of_any_content_takes_no_time(drive: Drive, kind: str, page: str) -> None:
    """Of html.parser, some of them take minutes."""
    drive.page = page * 5_000
    with pytest.raises(
        ImportDataError, match="Google Drive does not send it: an unknown page in p"
    ):
        download_shared(f"https://drive.google.com/{kind.format(id_of('zip'))}")


@pytest.mark.parametrize(
    "action", ["file:///etc/hosts", "//host/x", "http://[", "ftp://host/x", ""]
)
def test_a_page_leads_to_no_other_scheme(drive: Drive, action: str) -> None:
    drive.page = f'<form id="download-form" action="{action}"></form>'
    with pytest.raises(ImportDataError, match="an unknown page in place of the file"):
        download_shared(drive.add("zip", b""))


@pytest.mark.parametrize(
    ("link", "sha256", "message"),
    [
        ("https://drive.google.com/drive/my-drive", None, "a link to Google Drive must be like"),
        ("https://drive.google.com/open?id=", None, "a link to Google Drive must be like"),
        ("https://drive.google.com/drive/folders/x", "0" * 64, "--sha256 is for files, not for a"),
    ],
)
def test_links_that_are_refused(
    tmp_path: Path, link: str, sha256: str | None, message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        import_data(link, tmp_path / "out", sha256=sha256)
