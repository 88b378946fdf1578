"""Downloads from local servers: interrupted, changed, refused, with HTML pages in between."""

from __future__ import annotations

import contextlib
import hashlib
import socketserver
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from happysad.dataset.sources import download, import_data
from happysad.dataset.sources.download import DownloadLimits, download_file
from happysad.errors import ImportDataError, UsageError
from tests.file_tree import zipped
from tests.pictures import encoded, photo

BODY = np.random.default_rng(0).bytes(300_000)
SHA256 = hashlib.sha256(BODY).hexdigest()


@dataclass
class Answer:
    """The server's answer to one request."""

    body: bytes = BODY
    headers: dict[str, str] = field(default_factory=dict)
    status: int = 200
    ranges: bool = True
    """Whether it heeds Range and If-Range."""
    cut: int | None = None
    """Close the connection after this many bytes of the body."""
    length: int | None = None
    """A Content-Length that is not the truth; -1 for none."""


class Server:
    """Send the answers of a list, then repeat the last one; record the requests."""

    def __init__(self) -> None:
        self.answers = [Answer()]
        self.asked: list[dict[str, str]] = []
        self.paths: list[str] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.asked.append(dict(self.headers.items()))
                server.paths.append(self.path)
                answers = server.answers
                _send(self, answers.pop(0) if len(answers) > 1 else answers[0])

            def log_message(self, *_: object) -> None:
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,))
        self._thread.start()
        self.host = f"127.0.0.1:{self._http.server_port}"
        self.url = f"http://{self.host}/set.zip"

    def stop(self) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()


def _send(handler: BaseHTTPRequestHandler, answer: Answer) -> None:
    status, body, headers = answer.status, answer.body, dict(answer.headers)
    asked = handler.headers.get("Range", "")
    mark = headers.get("ETag") or headers.get("Last-Modified")
    if status == 200 and answer.ranges and asked and handler.headers.get("If-Range") == mark:
        start = int(asked.removeprefix("bytes=").removesuffix("-"))
        if start >= len(body):
            status, headers["Content-Range"], body = 416, f"bytes */{len(body)}", b""
        else:
            headers["Content-Range"] = f"bytes {start}-{len(body) - 1}/{len(body)}"
            status, body = 206, body[start:]
    handler.send_response(status)
    length = len(body) if answer.length is None else answer.length
    if length >= 0:
        headers["Content-Length"] = str(length)
    for name, value in headers.items():
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(body[: answer.cut])


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(download, "PAUSE", 0.0)
    server = Server()
    yield server
    server.stop()


def cached(tmp_path: Path) -> list[str]:
    """Return the files in the cache, by extension."""
    return sorted(path.suffix for path in (tmp_path / "cache/happysad/downloads").iterdir())


ETAG = {"ETag": '"one"'}
DATE = {"Last-Modified": "Sat, 01 Jan 2022 00:00:00 GMT"}


@pytest.mark.parametrize(
    ("headers", "mark"),
    [
        (ETAG, '"one"'),
        (DATE, DATE["Last-Modified"]),
        # a weak ETag is not allowed in If-Range, so the date is used
        ({"ETag": 'W/"weak"'} | DATE, DATE["Last-Modified"]),
    ],
)
def test_a_dropped_connection_is_taken_up_where_it_was(
    server: Server, tmp_path: Path, headers: dict[str, str], mark: str
) -> None:
    # what the test's server compares If-Range with
    sent = DATE if headers.get("ETag", "").startswith("W/") else headers
    server.answers = [Answer(headers=headers, cut=100_000), Answer(headers=sent, cut=50_000)]
    server.answers.append(Answer(headers=sent))
    file = download_file(server.url, sha256=SHA256)
    assert file.read_bytes() == BODY
    assert "Range" not in server.asked[0]
    assert [asked["Range"] for asked in server.asked[1:]] == ["bytes=100000-", "bytes=150000-"]
    assert [asked["If-Range"] for asked in server.asked[1:]] == [mark, mark]
    assert cached(tmp_path) == [""]


def test_a_later_run_goes_on_and_a_whole_file_is_not_fetched_again(
    server: Server, tmp_path: Path
) -> None:
    server.answers = [Answer(headers=ETAG, cut=100_000)] + [Answer(status=503)] * 4
    with pytest.raises(ImportDataError, match=r"HTTP 503 .*; tried 4 times; the same"):
        download_file(server.url)
    assert cached(tmp_path) == [".mark", ".part"]
    server.answers = [Answer(headers=ETAG)]
    assert download_file(server.url).read_bytes() == BODY
    assert server.asked[-1]["Range"] == "bytes=100000-"
    asked = len(server.asked)
    download_file(server.url, sha256=SHA256)
    assert len(server.asked) == asked


NEW = bytes(reversed(BODY))
CHANGED = [
    # the server knows no ranges: it sends the whole file again
    ([Answer(headers=ETAG, cut=100_000), Answer(headers=ETAG, ranges=False)], BODY, True),
    # the file has changed: If-Range makes the server send the new one from its beginning
    ([Answer(headers=ETAG, cut=9), Answer(body=NEW, headers={"ETag": '"two"'})], NEW, True),
    # nothing identifies the file later, so no Range is requested
    ([Answer(cut=100_000), Answer()], BODY, False),
    # only a weak mark
    ([Answer(headers={"ETag": 'W/"x"'}, cut=100_000), Answer()], BODY, False),
    # the file has become shorter, and the server ignores If-Range
    (
        [
            Answer(headers=ETAG, cut=100_000),
            Answer(status=416, body=b"", headers={"Content-Range": "bytes */5"}),
            Answer(body=NEW),
        ],
        NEW,
        True,
    ),
    # another part than requested
    *(
        ([Answer(headers=ETAG, cut=100_000), Answer(status=206, headers=lie), Answer()], BODY, True)
        for lie in (
            {"Content-Range": "bytes 7-299999/300000"},
            {"Content-Range": "bytes 100000-299998/300000"},
            {"Content-Range": "bytes 100000-299999/300000"},  # but the whole file comes
            {"Content-Range": "bytes 100000-" + "9" * 5000},
            {"Content-Range": "photos"},
            {},
        )
    ),
    # the file has changed, and the server ignores If-Range
    (
        [
            Answer(headers=ETAG, cut=100_000),
            Answer(
                body=NEW[100_000:],
                status=206,
                headers={"ETag": '"two"', "Content-Range": "bytes 100000-299999/300000"},
            ),
            Answer(body=NEW, headers={"ETag": '"two"'}),
        ],
        NEW,
        True,
    ),
]


@pytest.mark.parametrize(("answers", "body", "range_asked"), CHANGED)
def test_what_cannot_be_taken_up_begins_again(
    server: Server, answers: list[Answer], body: bytes, range_asked: bool
) -> None:
    server.answers = list(answers)
    assert download_file(server.url).read_bytes() == body
    assert ("Range" in server.asked[1]) is range_asked


def test_a_file_that_was_whole_when_the_command_was_killed(server: Server, tmp_path: Path) -> None:
    file = download_file(server.url)
    file.rename(file.with_suffix(".part"))
    file.with_suffix(".mark").write_text('"one"')
    server.answers = [Answer(headers=ETAG)]
    assert download_file(server.url) == file
    assert file.read_bytes() == BODY
    assert server.asked[-1]["Range"] == "bytes=300000-"
    assert cached(tmp_path) == [""]


REFUSED = [
    (Answer(status=404), "HTTP 404 Not Found$", 1, []),
    (Answer(status=403), "HTTP 403 Forbidden$", 1, []),
    (Answer(status=500), "HTTP 500 .*tried 4 times", 4, []),
    (Answer(length=400_000, ranges=False), "after 300,000 of 400,000 bytes; tried 4", 4, [".part"]),
    (
        Answer(body=b"  <!DOCTYPE html><p>hello"),
        "must be a link to a file, not to an HTML page",
        1,
        [],
    ),
    (
        Answer(body=BODY[:9]),
        r"sha256 must be [0-9a-f]{64}, not [0-9a-f]{64}; the down",
        1,
        [],
    ),
    (Answer(status=302, headers={"Location": "file:///etc/hosts"}), "file:///etc/hosts", 1, []),
    (Answer(status=302, headers={"Location": "ftp://host/x"}), "ftp://host/x, which is not", 1, []),
    (Answer(status=302, headers={"Location": "FILE:///etc/hosts"}), "FILE:///etc/host", 1, []),
    (Answer(status=302, headers={"Location": "data:text/plain,x"}), "data:text/plain,x", 1, []),
    (
        Answer(status=302, headers={"Location": "/again"}),
        "HTTP 302 redirects without an end$",
        None,
        [],
    ),
    (Answer(status=302), "HTTP 302 Found$", 1, []),
    (Answer(status=302, headers={"Location": "http://[::1"}), "a false answer: Invalid", 1, []),
    (
        Answer(headers={"Content-Length": "9" * 5000}, length=-1),
        "a number of bytes, not '99",
        1,
        [],
    ),
    (
        Answer(headers={"Content-Length": "-5"}, length=-1),
        "must be a number of bytes, not '-5'",
        1,
        [],
    ),
    (Answer(headers={"Content-Length": "many"}, length=-1), "of bytes, not 'many'", 1, []),
    (
        Answer(headers={"Transfer-Encoding": "chunked"}, body=b"zz\r\nabc", length=-1),
        "the connection failed: .*tried 4 times",
        4,
        [".part"],
    ),
    (Answer(headers={f"X-{n}": "y" for n in range(200)}), "more than 100 headers", 4, []),
    (Answer(status=206), "another part of the file than requested; tried 4", 4, []),
]


def test_no_false_name_of_a_file_is_used(server: Server, tmp_path: Path) -> None:
    names = '"../../x\x1b[2J/\\y.zip"'
    server.answers = [Answer(headers={"Content-Disposition": f"attachment; filename={names}"})]
    assert download_file(server.url).parent == tmp_path / "cache/happysad/downloads"


@pytest.mark.parametrize(("answer", "message", "requests", "left"), REFUSED)
def test_what_does_not_come_is_one_line(
    server: Server, tmp_path: Path, answer: Answer, message: str, requests: int, left: list[str]
) -> None:
    server.answers = [answer]
    with pytest.raises(ImportDataError, match=message) as caught:
        download_file(server.url, sha256=SHA256)
    assert server.url in str(caught.value)
    assert "\n" not in str(caught.value)
    assert requests is None or len(server.asked) == requests
    assert cached(tmp_path) == left


def test_a_server_that_is_not_there(server: Server) -> None:
    server.stop()
    try:
        with pytest.raises(ImportDataError, match=r"the connection failed: .*; tried 4 times"):
            download_file(server.url)
    finally:
        server.stop = lambda: None  # type: ignore[method-assign]


def test_redirects_names_that_need_quoting_and_no_length(server: Server) -> None:
    moved = Answer(status=301, headers={"Location": "/else where.zip".replace(" ", "%20")})
    server.answers = [moved, Answer(length=-1)]
    assert download_file(f"http://{server.host}/ä b.zip?x=ö").read_bytes() == BODY
    assert server.paths == ["/%C3%A4%20b.zip?x=%C3%B6", "/else%20where.zip"]


@pytest.mark.parametrize(
    "link", ["ftp://host/x", "file:///etc/hosts", "http://", "http://[1/x", "http://host:port/x"]
)
def test_what_is_no_link_is_refused(link: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="link"):
        import_data(link, tmp_path / "out")


def test_an_import_by_link(server: Server, tmp_path: Path) -> None:
    picture = encoded(photo(1))
    server.answers = [Answer(body=zipped({"happy/a": picture}))]
    imported = import_data(server.url, tmp_path / "out")
    assert imported.counts == {"happy": 1}
    assert "delete it to download it again" in imported.notes[-1]
    assert (tmp_path / "out/happy/a").read_bytes() == picture


@pytest.mark.parametrize(
    ("body", "message", "left"),
    [
        # a file that cannot be imported is not kept
        (b"just text", "a text that begins with 'just text'", []),
        (encoded(photo(1)), "one png picture", []),
        (b"", "an empty file", []),
        # a damaged archive may be the server's own: it is kept, and the error says how to delete it
        (zipped({"happy/a": encoded(photo(1))})[:-40], "delete it to download it again", [""]),
    ],
)
def test_a_link_to_something_else(
    server: Server, tmp_path: Path, body: bytes, message: str, left: list[str]
) -> None:
    server.answers = [Answer(body=body)]
    with pytest.raises(ImportDataError, match=message):
        import_data(server.url, tmp_path / "out")
    assert cached(tmp_path) == left
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("length", [None, -1])
def test_a_download_that_is_too_large(server: Server, length: int | None) -> None:
    server.answers = [Answer(length=length)]
    with pytest.raises(
        ImportDataError, match=r"a download may have at most 0.000279396 GiB \(--max"
    ):
        download_file(server.url, limits=DownloadLimits(size=(len(BODY) - 1) / 1024**3))
    exact = DownloadLimits(size=len(BODY) / 1024**3)
    assert download_file(server.url, limits=exact).read_bytes() == BODY


@contextlib.contextmanager
def dripping(answer: bytes) -> Iterator[str]:
    """Send an answer, then one byte every 10 ms without an end; yield the link."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            self.request.recv(65536)
            self.request.sendall(answer)
            with contextlib.suppress(OSError):
                while not stop.wait(0.01):
                    self.request.sendall(b"0")

    stop = threading.Event()
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/x"
        finally:
            stop.set()
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        # the headers, the body, and the size of a chunk
        (b"HTTP/1.1 200 OK\r\nX: ", "the server sent nothing for 0.04 s .--max-idle.; tried 4"),
        (b"HTTP/1.1 200 OK\r\n\r\n", "may take at most 5e-05 hours .--max-hours.; the same"),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            "the server sent nothing for 0.04 s .--max-idle. after 0 bytes; tried 4",
        ),
    ],
)
@pytest.mark.usefixtures("server")
def test_a_server_that_sends_byte_by_byte(answer: bytes, message: str) -> None:
    with dripping(answer) as link:
        hours = 5e-5 if "hours" in message else 1.0
        with pytest.raises(ImportDataError, match=message):
            download_file(link, limits=DownloadLimits(idle=0.04, hours=hours))


@pytest.mark.parametrize("name", ["size", "hours", "idle"])
@pytest.mark.parametrize("value", [0.0, -1.0, float("nan"), float("inf")])
def test_limits_that_are_none(name: str, value: float) -> None:
    with pytest.raises(UsageError, match=f"--max-{name} must be above 0"):
        DownloadLimits(**{name: value})


def test_limits_are_for_links(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--max-size, --max-hours and --max-idle are for http"):
        import_data(str(tmp_path), tmp_path / "out", limits=DownloadLimits(size=1))
