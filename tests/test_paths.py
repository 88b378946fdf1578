from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from happysad import paths
from happysad.errors import UsageError
from happysad.folder_walk import Walk
from happysad.paths import absolute, expand, is_photo, lines, plain


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in ("b.jpg", "a.txt", "c/z.png", "c/deep/y.png", ".hidden.png", ".git/x.png", "d/1"):
        file = tmp_path / "tree" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"")
    (tmp_path / "tree" / "broken.jpg").symlink_to("nowhere")
    (tmp_path / "tree" / "itself").symlink_to("itself")  # resolving it is an error
    (tmp_path / "tree" / "loop").symlink_to(tmp_path / "tree")
    return tmp_path / "tree"


HERE = ["a.txt", "b.jpg", "broken.jpg", "itself"]
FILES = [*HERE, "c/z.png", "c/deep/y.png", "d/1"]


def names(paths: Iterator[str], tree: Path) -> list[str]:
    return [os.path.relpath(path, tree) for path in paths]


def test_a_folder_stands_for_all_its_files_in_order_but_hidden_ones(tree: Path) -> None:
    assert names(Walk().files(str(tree)), tree) == FILES
    assert sorted(names(Walk(ordered=False).files(str(tree)), tree)) == sorted(FILES)
    assert names(Walk(without=tree / "c").files(str(tree)), tree) == [*HERE, "d/1"]


@pytest.mark.parametrize(
    ("what", "found"),
    [
        (".", FILES),
        ("*.jpg", ["b.jpg", "broken.jpg"]),
        ("*", HERE),  # a glob matches files, not folders
        ("c/**", ["c/deep/y.png", "c/z.png"]),
        ("**", sorted(FILES)),  # without loop, a link to the folder itself
        ("./**/[yz].png", ["c/deep/y.png", "c/z.png"]),
        ("**/c/**/y*", ["c/deep/y.png"]),
        ("*/**/?.png", ["c/deep/y.png", "c/z.png"]),
        ("**/" * 30 + "[yz].png", ["c/deep/y.png", "c/z.png"]),
        ("**/deep", []),  # a folder
        ("**/*.none", ["**/*.none"]),
        ("missing.jpg", ["missing.jpg"]),  # reading it fails with the reason
        ("none-*.jpg", ["none-*.jpg"]),
        ("x" * 300, ["x" * 300]),
        ("x" * 300 + "*", ["x" * 300 + "*"]),
        ("a\0*/*", ["a\0*/*"]),
    ],
)
def test_what_a_source_stands_for(
    what: str, found: list[str], tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tree)
    assert names(expand(what), tree) == found
    assert sorted(names(expand(what, ordered=False), tree)) == sorted(found)


@pytest.mark.parametrize("what", ["**", "c/**", "*/*", "*/deep/*", "c/deep/../*", "c/deep/**"])
def test_a_glob_leads_into_no_folder_that_is_left_out(
    what: str, tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tree)
    (tree / "to-c").symlink_to("c")
    found = set(names(expand(what, without=Path("c")), tree))
    assert found <= {*HERE, "d/1", "loop/a.txt", "loop/b.jpg", "loop/broken.jpg", "loop/itself"}


@pytest.mark.parametrize(
    ("given", "one"),
    [
        *((form, "photos") for form in ("photos", "photos/", "./photos", "photos//", "./photos/.")),
        ("link/../photos/", "link/../photos"),  # a link may lead elsewhere
        ("/photos//*.jpg", "/photos/*.jpg"),
        ("./", "."),
        ("", ""),
        ("./-", "./-"),  # - is standard input
        ("-", "-"),
    ],
)
def test_a_path_has_one_form(given: str, one: str) -> None:
    assert plain(given) == one


def test_a_file_whose_name_looks_like_a_glob_is_itself(tmp_path: Path) -> None:
    file = tmp_path / "party [1].jpg"
    file.touch()
    assert list(expand(str(file))) == [str(file)]


def test_a_folder_that_cannot_be_listed_stands_for_itself(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scandir = os.scandir

    def refuse(folder: str) -> object:
        if Path(folder).name == "c":
            raise PermissionError(13, "Permission denied", folder)
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", refuse)
    assert names(Walk().files(str(tree)), tree) == [*HERE, "c", "d/1"]
    assert names(expand(str(tree / "**" / "*.jpg")), tree) == ["b.jpg", "broken.jpg", "c"]


def test_folders_may_lie_deep(tmp_path: Path) -> None:
    depth = sys.getrecursionlimit() + 100
    assert paths._fits(["a"] * depth + ["x.jpg"], ["**", "*.jpg"])
    assert not paths._fits(["a"] * depth + ["x.png"], ["**", "a", "**", "*.jpg"])


def test_two_dots_lead_back_from_where_a_link_leads(tree: Path) -> None:
    (tree / "link").symlink_to(tree / "c" / "deep")
    assert absolute(tree / "link" / "y.png") == tree / "link" / "y.png"
    assert absolute(tree / "link" / ".." / "z.png") == tree / "c" / "z.png"
    assert absolute(tree / "link" / "..") == tree / "c"


@pytest.mark.parametrize("path", ["locked/face.jpg", "locked/*.jpg"])
def test_what_may_not_be_looked_at_stands_for_itself(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stat = os.stat

    def refuse(path: str | Path, **options: object) -> os.stat_result:
        if "locked" in str(path):
            raise PermissionError(13, "Permission denied", path)
        return stat(path)

    monkeypatch.setattr(os, "stat", refuse)
    assert list(expand(path)) == [path]


def test_lines_are_paths_whatever_their_bytes() -> None:
    assert list(lines([b"a b.jpg\n", b"\n", b"\xff.jpg\r\n", b"last"])) == [
        "a b.jpg",
        os.fsdecode(b"\xff.jpg"),
        "last",
    ]


def test_a_list_between_nuls_is_refused() -> None:
    with pytest.raises(UsageError, match="one path per line, not NULs"):
        list(lines([b"a.jpg\n", b"b.jpg\0c.jpg\0"]))


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-be"])
def test_lists_of_windows_are_read(encoding: str) -> None:
    mark = "\ufeff" if encoding == "utf-16-be" else ""
    data = f"{mark}a.jpg\r\n\r\nžluť Ċ.jpg\r\n".encode(encoding)
    assert not is_photo(data)
    parts = data.splitlines(keepends=True)  # as files yield it: UTF-16 is cut inside of a character
    assert list(lines(parts)) == ["a.jpg", "žluť Ċ.jpg"]


def test_a_list_that_only_begins_as_utf_16_is_refused() -> None:
    with pytest.raises(UsageError, match="must be UTF-16 to its end"):
        list(lines([b"\xff\xfea"]))


def test_a_list_of_other_bytes_is_refused_on_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsdecode", lambda name: name.decode("utf-8", "surrogatepass"))
    with pytest.raises(UsageError, match=r"must be UTF-8 or UTF-16, not b'caf\\xe9.jpg'"):
        list(lines([b"caf\xe9.jpg\n"]))


def test_a_glob_with_both_separators_of_windows(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tree / "Thumbs.db").touch()
    monkeypatch.setattr(os, "sep", "\\")
    found = list(expand(f"{tree}/*"))
    assert found
    assert f"{tree}/Thumbs.db" not in found
