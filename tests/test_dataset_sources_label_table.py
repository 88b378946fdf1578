"""Tables of photos and classes: which columns, which files, and which rows are left out."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest

from happysad.dataset.sources import Imported, import_data, label_table
from happysad.errors import ImportDataError, UsageError
from tests.pictures import encoded, photo, save

FILES = ("images/1.png", "images/2.png", "images/3.png", "images/new/4.png")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    for number, name in enumerate(FILES):
        save(tmp_path / "set" / name, photo(number))
    (tmp_path / "set/notes.txt").write_text("free")
    return tmp_path / "set"


def imported(
    source: Path,
    text: str | bytes,
    path_column: str | None = None,
    class_column: str | None = None,
) -> tuple[list[str], Imported]:
    """Import `source` with a table beside it; return what was printed first, and the result."""
    table = source.parent / "labels.csv"
    table.write_bytes(text.encode() if isinstance(text, str) else text)
    said: list[str] = []
    done = import_data(
        str(source),
        source.parent / "out",
        table=table,
        path_column=path_column,
        class_column=class_column,
        say=said.append,
    )
    return said, done


ROWS = ("images/1.png,happy", "images/2.png,sad", "images/new/4.png,happy")
TABLE = "\n".join(["image,label", *ROWS])
SAME: dict[str, str | bytes] = {
    "plain": TABLE,
    "semicolons": TABLE.replace(",", ";"),
    "tabs": TABLE.replace(",", "\t"),
    "Windows": TABLE.replace("/", "\\").replace("\n", "\r\n"),
    "byte order mark": b"\xef\xbb\xbf" + TABLE.encode(),
    "UTF-16": TABLE.encode("utf-16"),
    "without the folder": TABLE.replace("images/", ""),
    "with the set's folder": TABLE.replace("images/", "set/images/"),
    "absolute": TABLE.replace("images/", "/home/anna/set/images/"),
    "without extensions": TABLE.replace(".png", ""),
    "other names": TABLE.replace("image,label", "id,says"),
    "more columns": "user,image,age,label\n"
    + "\n".join(f"anna,{r.replace(',', ',30,')}" for r in ROWS),
    "numbers like names of files": "number,image,label\n"
    + "\n".join(f"{n},{row}" for n, row in enumerate(ROWS, 1)),
    "other capitals": TABLE.replace("happy", "Happy").replace("sad", " SAD "),
    "blank lines": TABLE.replace("\n", "\n\n") + "\n",
    "twice": TABLE + "\nimages/1.png,happy",
    "quoted": TABLE.replace("images/1.png", '"images/1.png"'),
}


@pytest.mark.parametrize("way", SAME)
def test_tables_in_many_forms(source: Path, way: str) -> None:
    said, done = imported(source, SAME[way])
    columns = "id --class-column says" if way == "other names" else "image --class-column label"
    assert said == [
        "Found 3 photos: 2 happy, 1 sad; 2 other files.",
        f"The columns are guessed: --path-column {columns}.",
    ]
    assert done.counts == {"happy": 2, "sad": 1}
    assert done.notes == ("left out: 2 files to which the table gives no class",)
    placed = {file.relative_to(source.parent / "out").as_posix() for file in _out(source)}
    assert placed == {"happy/images-1.png", "happy/images-new-4.png", "sad/images-2.png"}
    assert (source.parent / "out/sad/images-2.png").read_bytes() == encoded(photo(1))


def _out(source: Path) -> Sequence[Path]:
    return list((source.parent / "out").glob("*/*"))


BAD = [
    ("images/9.png,sad", "line 4: no such file: images/9.png"),
    ("../set/images/3.png,sad", "line 4: no such file: ../set/images/3.png"),
    (",sad", "line 4: no path"),
    ("images/3.png,", "line 4: no class"),
    ("images/3.png", "line 4: a row must have 2 fields, not 1"),
    ("images/3.png,sad,more", "line 4: a row must have 2 fields, not 3"),
    ("notes.txt,sad", "line 4: notes.txt is no picture"),
    ("images/1.png,sad", "line 4: images/1.png is sad here, happy on line 2"),
]


@pytest.mark.parametrize(("row", "message"), BAD)
def test_a_bad_row_is_named_and_counted(source: Path, row: str, message: str) -> None:
    rows = ["image,label", "images/1.png,happy", "images/2.png,happy", row]
    _, done = imported(source, "\n".join(rows))
    table = source.parent / "labels.csv"
    assert done.notes[-2:] == (f"{table}, {message}", f"left out: 1 row of {table}")
    # nothing is copied of a photo with two classes
    assert done.counts == {"happy": 1 if "here" in message else 2}


def test_many_bad_rows_are_cut_short(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(label_table, "_LISTED", 2)
    _, done = imported(source, TABLE + "\n9,sad" * 3)
    table = source.parent / "labels.csv"
    assert done.notes[-3:] == (
        f"{table}, line 5: no such file: 9",
        f"{table}, line 6: no such file: 9",
        f"left out: 3 rows of {table}, of which these are the first 2",
    )


def test_a_name_in_several_folders_is_unclear_without_its_folder(source: Path) -> None:
    save(source / "more/1.png", photo(9))
    _, done = imported(source, TABLE + "\nmore/1.png,sad\n1.png,sad")
    assert done.counts == {"happy": 2, "sad": 2}
    assert "line 6: several files are named 1.png" in done.notes[-2]


def test_columns_that_are_given(source: Path) -> None:
    text = "image,first,second\nimages/1.png,happy,sad\nimages/2.png,sad,happy"
    said, done = imported(source, text, path_column="image", class_column="Second")
    assert said == ["Found 2 photos: 1 happy, 1 sad; 3 other files."]
    assert done.sources == {"happy": {"happy": 1}, "sad": {"sad": 1}}
    assert (source.parent / "out/sad/images-1.png").is_file()
    with pytest.raises(ImportDataError, match="several columns have classes; choose one with --cl"):
        imported(source, text)
    with pytest.raises(UsageError, match="--class-column must be one of the columns image, first"):
        imported(source, text, class_column="third")


WRONG = [
    ("", "must have the names of its columns, and rows below them"),
    ("image,label\n", "must have the names of its columns"),
    (b"image,label\n\xff,happy", "must be text in UTF-8 or UTF-16"),
    ("image,label\nx.png,happy", "labels.csv, line 2: no such file: x.png"),
    ("image,label\nimages/1.png,3", "no class is named happy, .*; its classes: 3; choose with"),
    ("a,b\nimages/1.png,3", "no column has classes; choose one with --class-column: a, b"),
    ("a,b\nx.png,happy", "no column has paths of photos; choose one with --path-column: a, b"),
    ('image,label\n"' + "x" * 200_000 + '",happy', "field larger than field limit"),
]


@pytest.mark.parametrize(("text", "message"), WRONG)
def test_a_table_that_cannot_be_used(source: Path, text: str | bytes, message: str) -> None:
    with pytest.raises(ImportDataError, match=message) as caught:
        imported(source, text)
    assert "\n" not in str(caught.value)
    assert not (source.parent / "out").exists()


def test_numbers_as_classes(source: Path) -> None:
    table = source.parent / "labels.csv"
    table.write_text("image,label\nimages/1.png,3\nimages/2.png,4\nimages/3.png,0\n")
    mapping = {"3": "happy", "4": "sad"}
    done = import_data(str(source), source.parent / "out", table=table, mapping=mapping)
    assert done.counts == {"happy": 1, "sad": 1}
    assert done.notes[-1].startswith("left out: 1 file of other classes: 0 1 ")


@pytest.mark.parametrize("packed", [False, True])
def test_a_table_in_the_source(source: Path, packed: bool) -> None:
    (source / "labels.csv").write_text(TABLE)
    where = source
    if packed:
        where = source.parent / "set.zip"
        with zipfile.ZipFile(where, "w") as archive:
            for file in sorted(source.rglob("*.*")):
                archive.write(file, file.relative_to(source))
    done = import_data(str(where), source.parent / "out", table=Path("labels.csv"))
    assert done.counts == {"happy": 2, "sad": 1}
    with pytest.raises(UsageError, match=r"--table none\.csv: no such file, nor in SOURCE"):
        import_data(str(where), source.parent / "out", table=Path("none.csv"))
    with pytest.raises(UsageError, match="--path-column and --class-column need --table"):
        import_data(str(where), source.parent / "out", path_column="image")


def test_sources_that_have_classes_of_their_own_take_no_table(source: Path) -> None:
    csv = source.parent / "fer2013.csv"
    csv.write_text("emotion,pixels\n")
    for name in (str(csv), "hf:a/b"):
        with pytest.raises(UsageError, match="--table is for a zip, a tar or a folder, not for"):
            import_data(name, source.parent / "out", table=csv)


def test_a_table_is_no_source(source: Path) -> None:
    table = source.parent / "labels.csv"
    table.write_text(TABLE)
    with pytest.raises(UsageError, match=r"'image,label'; give a table of photos with --table$"):
        import_data(str(table), source.parent / "out")


def test_a_table_that_is_too_large(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from happysad.dataset import sources

    monkeypatch.setattr(sources, "MAX_TABLE", 10)
    with pytest.raises(UsageError, match="--table must be a CSV of at most 10 bytes, not "):
        imported(source, TABLE)
    (source / "in.csv").write_text(TABLE)
    with pytest.raises(ImportDataError, match=r"in\.csv has .* bytes; it may have at most 10"):
        import_data(str(source), source.parent / "out", table=Path("in.csv"))
