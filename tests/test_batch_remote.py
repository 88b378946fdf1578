"""Remote photos: in fsspec's memory, on a plain HTTP server, in a bucket of moto."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
from fsspec.implementations.memory import MemoryFileSystem

from happysad.batch import remote
from happysad.batch.library import predict
from happysad.batch.results import Results
from happysad.errors import ImageError, LibraryError, MissingExtraError, UsageError
from happysad.folder_walk import LIVE_FILM, LeftOut
from tests.classifiers import brightness_classifier
from tests.pictures import encoded, photo
from tests.static_server import served

FILES = {
    "a.png": encoded(photo(0, 8, 8)),
    "below/b.png": encoded(photo(1, 8, 8)),
    "below/bad.png": b"no picture",
}
HIDDEN = {".hidden.png": b"", ".git/x.png": b""}


def check(root: str, missing: str, tmp_path: Path) -> None:
    """Predict all photos below an address, and one that does not exist."""
    names = [*remote.expand(f"{root}/"), missing]
    assert sorted(names) == sorted([*(f"{root}/{name}" for name in FILES), missing])
    model = brightness_classifier(tmp_path / "m.onnx")
    predict(names, tmp_path / "out", sources=[root], model=model, format="jsonl")
    rows = {row["path"]: row for row in Results.open(tmp_path / "out").photos()}
    assert set(rows) == set(names)
    assert [rows[f"{root}/{name}"]["error"] for name in list(FILES)[:2]] == [None, None]
    assert rows[f"{root}/below/bad.png"]["error"].startswith(f"{root}/below/bad.png: not an image")
    assert rows[missing]["error"].startswith(f"{missing}: ")


def test_any_protocol_of_fsspec(tmp_path: Path) -> None:
    import fsspec

    system = fsspec.filesystem("memory")
    for name, data in {**FILES, **HIDDEN}.items():
        system.pipe_file(f"/photos/{name}", data)
    check("memory:///photos", "memory:///photos/none.png", tmp_path)


def test_the_film_of_a_live_photo_is_left_out() -> None:
    import fsspec

    system = fsspec.filesystem("memory")
    for name in ("a.HEIC", "a.MOV", "alone.MOV"):
        system.pipe_file(f"/live/{name}", b"x")
    left_out = LeftOut()
    names = list(remote.expand("memory:///live/", left_out=left_out))
    assert names == ["memory:///live/a.HEIC", "memory:///live/alone.MOV"]
    assert left_out == {LIVE_FILM: 1}


def test_what_was_listed_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    class Keeping(MemoryFileSystem):  # type: ignore[misc]
        """A file system that keeps every listing, like those of s3:// and gs://."""

        store: ClassVar[dict[str, Any]] = {}
        pseudo_dirs: ClassVar[list[str]] = [""]

        def ls(self, path: str, detail: bool = True, **options: Any) -> Any:
            self.dircache[path] = super().ls(path, detail=True, **options)
            return self.dircache[path]

        def invalidate_cache(self, path: str | None = None) -> None:
            self.dircache.clear()

    system = Keeping()
    monkeypatch.setattr(remote, "_system", lambda address: (system, "/photos"))
    for number in range(20):
        system.pipe_file(f"/photos/{number // 10}/{number}/a.png", b"")
    kept = [len(system.dircache) for _ in remote.expand("memory:///photos")]
    assert kept == [1] * 20


@pytest.fixture
def web(tmp_path: Path) -> Iterator[str]:
    """A plain HTTP server on this machine with the files."""
    for name, data in {**FILES, **HIDDEN}.items():
        file = tmp_path / "web" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)

    with served(tmp_path / "web") as address:
        yield address


def test_a_web_server(web: str, tmp_path: Path) -> None:
    check(web, f"{web}/none.png", tmp_path)


def test_a_page_as_apache_writes_it(tmp_path: Path, web: str) -> None:
    hrefs = [
        *("?C=N;O=D", "?C=M&amp;O=A", "/photos/?C=S;O=A", "#top", "mailto:me@example.org"),
        *("?in=below/", "#below/", "/", "/photos/a.png", "c%20d.png?size=2", "below/"),
    ]
    page = "".join(f'<a href="{href}">a link</a>\n' for href in hrefs)
    for folder in ("photos", "photos/below"):
        file = tmp_path / "web" / folder / "index.html"
        file.parent.mkdir()
        file.write_text(page if folder == "photos" else '<a href="b.png">b</a>')
    found = sorted(set(remote.expand(f"{web}/photos/")))
    names = ("a.png", "below/b.png", "c%20d.png?size=2")
    assert found == [f"{web}/photos/{name}" for name in names]


def test_what_a_list_names_is_not_asked_for_and_ends_no_list(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import fsspec

    fsspec.filesystem("memory").pipe_file("/listed/a.png", b"")

    def asked(system: MemoryFileSystem, path: str) -> bool:
        raise AssertionError(path)

    monkeypatch.setattr(MemoryFileSystem, "isdir", asked)
    for address, found in {
        "memory:///listed/": "memory:///listed/a.png",  # a folder ends in /
        "memory:///listed": "memory:///listed",
        "memory:///none/": "memory:///none/",
        "nothing://x/": "nothing://x/",
    }.items():
        assert list(remote.expand(address, listed=True)) == [found]
    with pytest.raises(ImageError, match="nothing://x: "):
        remote.fetch("nothing://x")


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (OSError("unable to load libjvm\ndlopen failed"), LibraryError),
        (ImportError("unable to load libjvm"), UsageError),  # no extra of happysad installs it
    ],
)
def test_a_protocol_that_does_not_begin_ends_no_list(
    error: Exception, kind: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    import fsspec.core

    def fail(address: str) -> None:
        raise error

    monkeypatch.setattr(fsspec.core, "url_to_fs", fail)
    assert list(remote.expand("hdfs://x/1.png", listed=True)) == ["hdfs://x/1.png"]
    with pytest.raises(kind, match=r"^hdfs://x/1\.png: unable to load libjvm$"):
        list(remote.expand("hdfs://x/1.png"))
    with pytest.raises(ImageError, match=r"^hdfs://x/1\.png: unable to load libjvm$"):
        remote.fetch("hdfs://x/1.png")


def test_a_bucket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import fsspec
    from moto.server import ThreadedMotoServer

    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    moto = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    moto.start()
    try:
        host, port = moto.get_host_and_port()
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        system = fsspec.filesystem("s3", skip_instance_cache=True)
        system.mkdir("bucket")
        for name, data in {**FILES, **HIDDEN}.items():
            system.pipe_file(f"bucket/photos/{name}", data)
        check("s3://bucket/photos", "s3://bucket/photos/none.png", tmp_path)
    finally:
        moto.stop()


def test_what_is_not_known_or_not_installed_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="nothing://x: "):
        list(remote.expand("nothing://x"))

    import fsspec.core

    def missing(address: str) -> None:
        raise ImportError("Install s3fs to access S3")

    monkeypatch.setattr(fsspec.core, "url_to_fs", missing)
    with pytest.raises(MissingExtraError, match=r"s3:// needs an extra: .*happysad\[cloud\]"):
        remote.fetch("s3://bucket/a.png")
