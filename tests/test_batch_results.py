"""Results damaged by the disk or by a killed program raise an error of one line."""

from __future__ import annotations

import gzip
import json
import os
import sqlite3
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from happysad.batch import tables
from happysad.batch.library import predict
from happysad.batch.results import Results
from happysad.batch.shards import Summary
from happysad.batch.tables import Format, path_of
from happysad.errors import LibraryError
from happysad.face_detection import Face
from happysad.paths import expand
from happysad.predictions import FacePrediction, Prediction
from tests.classifiers import brightness_classifier
from tests.pictures import photo, save

Damage = Callable[[bytes], bytes]


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for number in range(4):
        save(tmp_path / "photos" / f"{number}.png", photo(number, 8, 8))
    return tmp_path / "photos"


def run(photos: Path, format_: str = "csv", shard: int = 2) -> Results:
    out, model = photos.parent / "out", photos.parent / "model.onnx"
    if not model.exists():
        brightness_classifier(model)
    files, named = expand(str(photos)), [str(photos)]
    made = cast("Format", format_)
    predict(files, out, sources=named, model=model, format=made, shard=shard)
    return Results.open(out)


def in_the_middle(data: bytes) -> bytes:
    """Damage the middle of a file; the footer of a Parquet file, at its end, stays intact."""
    return data[:8] + b"\xff" * 24 + data[32:]


@pytest.mark.parametrize(
    ("format_", "damage"),
    [
        ("parquet", lambda data: b""),
        ("parquet", lambda data: data[:-9]),
        ("parquet", in_the_middle),
        ("csv", lambda data: b""),
        ("csv", lambda data: data[:-9]),  # in the middle of a row
        ("csv", lambda data: b"".join(data.splitlines(keepends=True)[:-1])),  # between two rows
        ("csv", lambda data: data.replace(b"path,", b"way,")),
        ("csv", lambda data: data + b"x,,,,,,,,,\n"),
        ("csv", lambda data: data.replace(b"/0.png", b"\xff\xff")),
        ("jsonl", lambda data: b""),
        ("jsonl", lambda data: data[:-9]),
        ("jsonl", lambda data: data.replace(b'"label"', b'"lable"')),
        ("jsonl", lambda data: b"[]\n" * 2),
    ],
)
def test_a_damaged_part_is_told_and_done_again(photos: Path, format_: str, damage: Damage) -> None:
    results = run(photos, format_)
    part = sorted((results.folder / "photos").iterdir())[0]
    part.write_bytes(damage(part.read_bytes()))
    with pytest.raises(LibraryError) as raised:
        list(results.photos())
    said = str(raised.value)
    assert said.startswith(f"{part}: damaged: ")
    assert said.endswith("; remove it, and run the same predict command again")
    assert "\n" not in said
    part.unlink()
    names = [path_of(row) for row in run(photos, format_).photos()]
    assert names == [str(photos / f"{number}.png") for number in range(4)]


def test_a_part_with_a_type_that_arrow_has_not_is_damaged(
    photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    results = run(photos, "parquet")

    def refuse(file: Path) -> None:  # as if a byte in Arrow's schema had changed
        raise pa.ArrowNotImplementedError("Integers with more than 64 bits not implemented")

    monkeypatch.setattr(pq, "ParquetFile", refuse)
    monkeypatch.setattr(pq, "read_metadata", refuse)
    with pytest.raises(LibraryError, match=r": damaged: Integers with more than 64 bits .*again$"):
        list(results.photos())
    assert [results.counts(shard) for shard in results.shards()] == [None, None]


def test_a_part_that_may_not_be_read_is_not_called_damaged(photos: Path) -> None:
    results = run(photos)
    part = sorted((results.folder / "photos").iterdir())[0]
    part.unlink()
    part.mkdir()
    with pytest.raises(LibraryError, match=r"is a directory$"):
        list(results.photos())


def test_rows_come_in_the_order_of_lists_and_shards(photos: Path) -> None:
    run(photos, "jsonl", 1)
    for number in range(4, 15):  # each call makes a list: "part-10" comes before "part-2" as text
        save(photos / f"{number}.png", photo(number, 8, 8))
        results = run(photos, "jsonl", 1)
    (results.folder / "photos" / "part-0-of mine.jsonl").write_text("{}\n")
    names = [Path(row["path"]).name for row in results.photos()]
    assert names == [f"{number}.png" for number in range(15)]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("library.json", b"[]"),
        ("library.json", b"{"),
        ("files/list-0.gz", gzip.compress(b"x" * 99, mtime=0)[:-12] + b"\xff" * 12),
        ("files/list-0.gz", gzip.compress(b"x", mtime=0)[:10] + b"\xff" * 30),  # zlib.error
        ("files/list-0.gz", b"no gzip"),
    ],
    ids=["a list", "cut short", "damaged at its end", "damaged in its middle", "another type"],
)
def test_other_damaged_files_are_told(photos: Path, name: str, content: bytes) -> None:
    file = run(photos).folder / name
    file.write_bytes(content)
    with pytest.raises(LibraryError, match=f"^{file}: [^\n]*$"):
        list(Results.open(photos.parent / "out").shards())


def test_no_room_to_sort_is_told(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    connect = sqlite3.connect

    def small(name: str) -> sqlite3.Connection:
        base = connect(name)
        base.execute("PRAGMA max_page_count = 4")
        return base

    results = run(photos)
    monkeypatch.setattr(sqlite3, "connect", small)
    with pytest.raises(LibraryError, match=r"disk is full; .*set SQLITE_TMPDIR to a folder"):
        results.add(f"{number:0200}" for number in range(1000))
    assert sorted(file.name for file in (results.folder / "files").iterdir()) == ["list-0.gz"]


def test_a_list_is_sorted_by_bytes_and_has_each_new_path_once(photos: Path) -> None:
    results = run(photos)
    (old, *_), *_ = (shard.paths for shard in results.shards())
    found = ["b", "ä", "a\nc", os.fsdecode(b"\xff"), "b", "B", old]
    assert results.add(found) == (5, 3)
    new = [path for shard in results.shards() if shard.list == 1 for path in shard.paths]
    assert new == sorted(set(found) - {old}, key=os.fsencode)
    assert results.add([]) == (0, 9)
    assert results.made.lists == (4, 5)


def test_results_of_another_schema_are_refused_in_one_line(photos: Path) -> None:
    file = run(photos).folder / "library.json"
    file.write_text(file.read_text().replace('"schema": 2', '"schema": 1'))
    with pytest.raises(LibraryError, match=r"^.*out: results of schema 1, not 2; make new ones"):
        run(photos)


FACES = [
    Face(x=x, y=2, width=30, height=40, landmarks=((0, 0),) * 5, score=0.75) for x in (1.5, 50)
]


def changed_row(name: str, value: object) -> Damage:
    """Return a damage that changes a value of the first row of a part in JSON lines."""

    def change(data: bytes) -> bytes:
        first, *others = data.splitlines(keepends=True)
        row = {**json.loads(first), name: value}
        return json.dumps(row).encode() + b"\n" + b"".join(others)

    return change


PROBABILITIES = {"happy": 0.5, "sad": 0.5}


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (changed_row("label", "../../ESCAPED"), "label: not '../../ESCAPED'"),
        (changed_row("label", "a\0b"), "label: not"),
        (changed_row("label", ["sad"]), "label: not"),
        (changed_row("label", None), "error: a row has a label or an error"),
        (changed_row("label", "no_face"), "probability: not .* with the label no_face"),
        (changed_row("path", 5), "path: not 5"),
        (changed_row("path", ""), "path: not"),
        (changed_row("path", "a\0b"), "path: not"),
        (changed_row("path", "\ud800"), "path_bytes: not the bytes of path"),
        (changed_row("path_bytes", "2f6574632f"), "path_bytes: not the bytes of path"),
        (changed_row("path_bytes", "zz"), "path_bytes: "),
        (changed_row("probability", 1.5), "probability: not 1.5"),
        (changed_row("probability", "nan"), "probability: not 'nan'"),
        (changed_row("probability", float("nan")), "probability: not nan"),
        (changed_row("probability", None), "probability: not None with the label"),
        (changed_row("probabilities", {**PROBABILITIES, "sad": [1]}), "p_sad: "),
        (changed_row("probabilities", [0.5, 0.5]), r"probabilities: not \[0.5, 0.5\]"),
        (changed_row("probabilities", {"happy": 1}), "sad: missing"),
        (changed_row("faces", 1), "faces: not 1"),
        (changed_row("faces", "abc"), "faces: not 'abc'"),
        (changed_row("notes", "abc"), "notes: not 'abc'"),
        (changed_row("error", "x"), "error: not 'x'"),
        (lambda data: b"{}\n" + data, "schema: missing"),
        (changed_row("taken", "yesterday"), "taken: "),
        (changed_row("schema", "x" * 5000), "schema: "),
        (lambda data: b"[" * 100_000 + b"\n" + data, "recursion"),
        (lambda data: b" " * (1 << 20) + data, "a line has 1,048,576 or more characters"),
    ],
)
def test_a_row_that_happysad_does_not_write_is_named(
    photos: Path, damage: Damage, words: str
) -> None:
    results = run(photos, "jsonl")
    part = sorted((results.folder / "photos").iterdir())[0]
    part.write_bytes(damage(part.read_bytes()))
    with pytest.raises(LibraryError, match=f"^{part}: damaged: .*{words}"):
        list(results.photos())


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("sources", "photos"),
        ("sources", ["a\0b"]),
        ("folder", 5),
        ("classes", ["../../ESCAPED", "sad"]),
        ("classes", ["sad"]),
        ("classes", ["sad", "sad"]),
        ("classes", [["sad"], "happy"]),
        ("faces", "anywhere"),
        ("unsure", 1),
        ("format", "../x"),
        ("shard", 0),
        ("shard", "2"),
        ("lists", [-1]),
        ("lists", [True]),
        ("x", 1),
    ],
)
def test_a_setting_that_happysad_does_not_write_is_named(
    photos: Path, name: str, value: object
) -> None:
    folder = run(photos).folder
    file = folder / "library.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), name: value}))
    with pytest.raises(LibraryError, match=rf"library\.json: damaged: .*{name[:5]}"):
        Results.open(folder)


def test_a_small_part_of_gigabytes_is_refused(photos: Path) -> None:
    """Gigabytes of one repeated letter fit into a few kilobytes of Parquet."""
    results = run(photos, "parquet")
    part = sorted((results.folder / "photos").iterdir())[0]
    table = pq.read_table(part)
    texts = pa.array(["x" * (150 << 20)] * 2)
    pq.write_table(
        table.set_column(table.schema.get_field_index("notes"), "notes", texts),
        part,
        compression="zstd",
        use_dictionary=False,
    )
    assert part.stat().st_size < 1 << 20
    with pytest.raises(LibraryError, match=r"damaged: has 314,.* bytes uncompressed; at most 268,"):
        list(results.photos())


@pytest.mark.parametrize("content", [b"a" * (1 << 17), b"a\0" * 5])
def test_a_list_of_other_paths_is_damaged(photos: Path, content: bytes) -> None:
    results = run(photos)
    (results.folder / "files" / "list-0.gz").write_bytes(gzip.compress(content))
    with pytest.raises(LibraryError, match="more or longer paths than happysad writes"):
        list(results.shards())


@pytest.mark.parametrize("format_", ["parquet", "csv", "jsonl"])
def test_what_could_not_be_opened_is_done_again(photos: Path, format_: str) -> None:
    """A folder of photos goes away after its files were listed, and comes back."""
    away, damaged = photos.parent / "away", photos / "3.png"
    damaged.write_text("no picture")
    photos.rename(away)
    listed = [str(photos / f"{number}.png") for number in range(4)]
    out, model = photos.parent / "out", brightness_classifier(photos.parent / "model.onnx")

    def again(*, retry: bool = False) -> Summary:
        made = cast("Format", format_)
        named = [str(photos)]
        return predict(
            iter(listed),
            out,
            sources=named,
            model=model,
            format=made,
            shard=3,
            retry_errors=retry,
        )

    first = again()
    assert (first.counts.total(), first.counts["unreadable"], first.done) == (4, 4, 4)
    away.rename(photos)
    second = again()
    assert (second.counts.total(), second.counts["unreadable"], second.done) == (4, 1, 4)
    rows = list(Results.open(out).photos())
    assert [path_of(row) for row in rows] == listed
    assert [row["error_code"] for row in rows] == [None, None, None, "not_an_image"]
    assert again().done == 0
    save(damaged, photo(3, 8, 8))
    assert again().done == 0  # the reason was not one that passes
    last = again(retry=True)
    assert (last.counts.total(), last.counts["unreadable"], last.done) == (4, 0, 1)
    assert [path_of(row) for row in Results.open(out).photos()] == listed


@pytest.mark.parametrize("format_", ["parquet", "csv", "jsonl"])
def test_rows_of_faces_keep_their_order(photos: Path, format_: str) -> None:
    results = run(photos, format_, shard=4)
    (shard,) = results.shards()
    classes, file = results.made.classes, results.part("faces", shard)

    def rows(*numbers: int) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        answers = [
            Prediction(
                source=shard.paths[number],
                label="happy",
                probabilities={"happy": 0.75, "sad": 0.25},
                faces=tuple(
                    FacePrediction(
                        label="happy", probabilities={"happy": 0.75, "sad": 0.25}, face=face
                    )
                    for face in FACES[: 1 + number % 2]
                ),
            )
            for number in numbers
        ]
        photo_rows = [tables.photo_row(answer, None) for answer in answers]
        return photo_rows, [row for answer in answers for row in answer.face_rows()]

    results.write(shard, *rows(0, 1, 2, 3))
    before = list(tables.read(file, classes, "face"))
    results.write(shard, *rows(1, 2))
    assert list(tables.read(file, classes, "face")) == before
    assert len(before) == 6


def test_a_folder_that_is_renamed_ends_the_run_in_one_line(
    photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, moved = photos.parent / "out", photos.parent / "moved"
    write = Results.write

    def renamed(self: Results, *arguments: Any) -> Counter[str]:
        counts = write(self, *arguments)
        if not moved.exists():
            out.rename(moved)
        return counts

    monkeypatch.setattr(Results, "write", renamed)
    with pytest.raises(LibraryError, match=f"^{out}: was renamed or removed while results were"):
        run(photos)
    assert not out.exists()
    assert len(list(Results.open(moved).photos())) == 2


def test_a_link_in_place_of_a_folder_is_refused(photos: Path) -> None:
    folder = run(photos).folder
    (folder / "faces").rename(folder.parent / "elsewhere")
    (folder / "faces").symlink_to(folder.parent / "elsewhere")
    with pytest.raises(LibraryError, match="faces: must be a folder, not a link"):
        run(photos)
