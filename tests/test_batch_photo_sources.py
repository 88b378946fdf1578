"""Pictures are read, fetched and sorted only where the user named them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from happysad.batch.library import predict
from happysad.batch.library_page import write_library_page
from happysad.batch.photo_sources import PhotoSources
from happysad.batch.results import Made, Results
from happysad.batch.sorting import sort
from happysad.moves import Done
from happysad.paths import expand
from tests.classifiers import brightness_classifier
from tests.file_tree import tree
from tests.pictures import photo, save

MADE = Made(
    sources=("photos",),
    folder="/home/me",
    classifier="face.onnx",
    sha256=64 * "0",
    classes=("happy", "sad"),
    faces="find",
    unsure=True,
    format="jsonl",
    shard=10,
)


@pytest.mark.parametrize(
    ("source", "path", "held"),
    [
        ("photos", "photos/a.jpg", True),
        ("photos", "photos/below/a.jpg", True),
        ("photos", "/home/me/photos/a.jpg", True),
        ("photos", "photos2/a.jpg", False),
        ("photos", "photos/../private/a.jpg", False),
        ("photos", "/etc/passwd", False),
        ("photos", "../a.jpg", False),
        ("photos", "http://127.0.0.1/a.jpg", False),
        ("/photos/*/a*.jpg", "/photos/x/ab.jpg", True),
        ("/photos/*/a*.jpg", "/etc/x.jpg", False),
        ("/photos/a.jpg", "/photos/a.jpg", True),
        ("/photos/a.jpg", "/photos/b.jpg", False),
        ("-", "photos/a.jpg", True),
        ("-", "/etc/passwd", False),
        ("-", "http://127.0.0.1/a.jpg", False),
        ("s3://bucket/photos", "s3://bucket/photos/a.jpg", True),
        ("s3a://bucket/photos/", "s3://bucket/photos/a.jpg", True),
        ("s3://bucket", "s3://bucket2/a.jpg", False),
        ("s3://bucket/photos", "s3://bucket/photos/../a.jpg", False),
        ("s3://bucket/photos", "s3://bucket/photos/a.jpg::file:///etc/passwd", False),
        ("s3://bucket/photos", "file:///etc/passwd", False),
        ("memory://photos", "memory:///photos/a.jpg", True),
        ("http://host/photos/", "http://host/photos/a.jpg", True),
        ("http://host/a.jpg", "http://host/a.jpg", True),
        ("http://host", "http://host.example/a.jpg", False),
        ("http://host/photos/", "https://host/photos/a.jpg", False),
    ],
)
def test_a_photo_lies_in_a_source(source: str, path: str, held: bool) -> None:
    assert PhotoSources(replace(MADE, sources=(source,))).hold(path) == held
    if source != "-":
        named = source if "://" in source else str(Path("/home/me", source))
        assert PhotoSources(replace(MADE, sources=()), [named]).hold(path) == held


def test_a_link_that_leads_outside_is_outside(tmp_path: Path) -> None:
    photos, private = tmp_path / "photos", tmp_path / "private"
    for folder in (photos, private):
        save(folder / "a.png", photo(0, 8, 8))
    (photos / "file.png").symlink_to(private / "a.png")
    (photos / "folder").symlink_to(private)
    (photos / "inside.png").symlink_to("a.png")
    (tmp_path / "source").symlink_to(photos)
    sources = PhotoSources(replace(MADE, sources=(str(tmp_path / "source"),)))
    held = ["a.png", "inside.png", "file.png", "folder/a.png"]
    assert [sources.hold(str(tmp_path / "source" / name)) for name in held] == [
        True,
        True,
        False,
        False,
    ]


@pytest.fixture
def results(tmp_path: Path) -> Callable[[str], Results]:
    """Results of one photo, in whose row the path is replaced."""

    def made(path: str) -> Results:
        save(tmp_path / "photos" / "a.png", photo(0, 8, 8), "png")
        save(tmp_path / "private" / "a.png", photo(1, 8, 8), "png")
        model, out = brightness_classifier(tmp_path / "model.onnx"), tmp_path / "out"
        source = str(tmp_path / "photos")
        predict(expand(source), out, sources=[source], model=model, format="jsonl")
        (part,) = (out / "photos").iterdir()
        part.write_text(json.dumps({**json.loads(part.read_text()), "path": path}) + "\n")
        return Results.open(out)

    return made


def test_a_source_may_have_a_name_that_no_file_has(results: Callable[[str], Results]) -> None:
    made = replace(results("a.png").made, sources=("x" * 300,))
    assert not PhotoSources(made).hold("a.png")


def test_a_report_fetches_no_address_of_a_row(
    results: Callable[[str], Results], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    monkeypatch.setattr("happysad.batch.library_page.fetch", asked.append)
    page = write_library_page(results("http://127.0.0.1:9/a.png").folder)
    assert asked == []
    assert "outside of the sources of the results" in page.read_text()


def test_a_report_reads_no_picture_outside(
    results: Callable[[str], Results], tmp_path: Path
) -> None:
    folder = results(str(tmp_path / "private" / "a.png")).folder
    assert "data:image" not in write_library_page(folder).read_text()
    named = write_library_page(folder, photos=[str(tmp_path / "private")])
    assert "data:image" in named.read_text()


def test_no_photo_outside_is_sorted(results: Callable[[str], Results], tmp_path: Path) -> None:
    private = tmp_path / "private" / "a.png"
    made = results(str(private))
    before = tree(tmp_path / "private")
    said: list[str] = []
    for how in ("link", "copy", "move"):
        assert sort(made, tmp_path / "sorted", how, say=said.append) == Done(0, 1)
    line = f"{private}: lies outside of the sources of the results; --photos names more"
    assert said == [line] * 3
    assert tree(tmp_path / "private") == before
    done = sort(made, tmp_path / "sorted", "move", photos=[str(tmp_path / "private")])
    assert done == Done(1, 0)
