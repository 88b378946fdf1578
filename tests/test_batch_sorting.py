"""Sorting loses and overwrites nothing, and links, copies and moves can be undone."""

from __future__ import annotations

import errno
import os
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from happysad.batch.library import predict
from happysad.batch.results import Results
from happysad.batch.sorting import sort, undo
from happysad.errors import MoveError, UsageError
from happysad.locks import LOCK, alone
from happysad.moves import Done, How
from happysad.paths import expand
from tests.classifiers import brightness_classifier, three_class_classifier
from tests.file_tree import tree
from tests.pictures import photo, save

WAYS = cast("list[How]", ["link", "copy", "move"])
# A CR as in macOS's Icon\r. Next to a , or \n, csv would quote it because of these.
ODD = os.fsdecode(b"\xff.png\r")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Photos: dark ones are happy, bright ones sad; two have the same name."""
    folder = tmp_path / "photos"
    for number, name in enumerate(["a.png", "below/a.png", ODD, "b.png"]):
        save(folder / name, photo(number, 8, 8) // 4 + 190 * (number % 2), "png")
    (folder / "bad.png").write_text("no picture")
    return folder


@pytest.fixture
def results(photos: Path, tmp_path: Path) -> Results:
    model = brightness_classifier(tmp_path / "model.onnx")
    out = tmp_path / "out"
    predict(expand(str(photos)), out, sources=[str(photos)], model=model, format="jsonl")
    return Results.open(out)


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.EPERM, r"sorted: links are not allowed here \(.*\); --by copy needs none"),
        (errno.EROFS, "sorted: read-only file system"),
    ],
)
def test_links_that_are_not_allowed_are_refused_before_the_first_photo(
    results: Results, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, words: str
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "symlink", refuse)
    said: list[str] = []
    with pytest.raises(MoveError, match=words):
        sort(results, tmp_path / "new" / "sorted", say=said.append)
    assert (said, (tmp_path / "new").exists()) == ([], False)
    assert sort(results, tmp_path / "new" / "sorted", "copy").done == 4


PLACES = {"happy/a.png", f"happy/{ODD}", "sad/below/a.png", "sad/b.png"}


def test_three_classes_and_two_answers_of_them(tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    for level in (90, 128, 170):
        save(photos / f"{level}.png", np.full((8, 8, 3), level, np.uint8))
    model = three_class_classifier(tmp_path / "three.onnx", unsure=(0.5, 0.5, 0.99))
    places = {
        None: {"happy/90.png", "neither/128.png", "unsure/170.png"},
        ("happy", "neither"): {"happy/90.png", "neither/128.png", "neither/170.png"},
    }
    for answers, expected in places.items():
        out, into = tmp_path / f"out-{answers}", tmp_path / f"sorted-{answers}"
        made = predict(
            expand(str(photos)), out, sources=[str(photos)], model=model, answers=answers
        )
        counts = Counter(place.partition("/")[0] for place in expected)
        assert +made.counts == counts
        sort(Results.open(out), into)
        assert set(tree(into)) == {*expected, "sorted-1.csv"}


@pytest.mark.parametrize("how", WAYS)
def test_it_sorts_and_undoes(how: How, photos: Path, results: Results, tmp_path: Path) -> None:
    before, into = tree(photos), tmp_path / "sorted"
    done = sort(results, into, how)
    assert (done.done, done.failed) == (4, 0)
    placed = tree(into)
    assert set(placed) == {*PLACES, "sorted-1.csv"}
    for place in PLACES:
        name = place.partition("/")[2]
        assert (into / place).read_bytes() == before[name]
        assert (into / place).is_symlink() == (how == "link")
        assert (photos / name).exists() == (how != "move")
    assert sort(results, into, how).done == 0  # the second call has nothing left to do
    assert tree(into) == placed
    done = undo(into)
    assert (done.done, done.failed) == (4, 0)
    assert tree(photos) == before
    assert list(into.iterdir()) == []
    with pytest.raises(UsageError, match="nothing to undo"):
        undo(into)


@pytest.mark.parametrize("how", WAYS)
def test_nothing_is_overwritten(how: How, photos: Path, results: Results, tmp_path: Path) -> None:
    before, into = tree(photos), tmp_path / "sorted"
    (into / "sad").mkdir(parents=True)
    (into / "sad" / "b.png").write_text("mine")
    said: list[str] = []
    done = sort(results, into, how, say=said.append)
    assert (done.done, done.failed) == (3, 1)
    assert said == [f"{photos / 'b.png'}: {into / 'sad' / 'b.png'} already exists"]
    assert (photos / "b.png").read_bytes() == before["b.png"]
    undo(into)
    assert tree(into) == {"sad/b.png": b"mine"}
    assert tree(photos) == before


@pytest.mark.parametrize("how", WAYS)
def test_killed_in_the_middle_it_goes_on_and_is_undone(
    how: How, photos: Path, results: Results, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, into = tree(photos), tmp_path / "sorted"
    calls = []

    def dies(real: object) -> object:
        def call(*given: object, **named: object) -> object:
            calls.append(given)
            if len(calls) == 3:
                raise KeyboardInterrupt
            return real(*given, **named)  # type: ignore[operator]

        return call

    place = {"link": (Path, "symlink_to"), "copy": (shutil, "copyfile"), "move": (Path, "rename")}
    with monkeypatch.context() as patch:
        owner, name = place[how]
        patch.setattr(owner, name, dies(getattr(owner, name)))
        with pytest.raises(KeyboardInterrupt):
            sort(results, into, how)
    assert len(set(tree(into)) - {"sorted-1.csv"}) == 2
    assert sort(results, into, how).done == 2
    assert set(tree(into)) == {*PLACES, "sorted-1.csv", "sorted-2.csv"}
    done = undo(into)
    assert (done.done, done.failed) == (4, 0)  # each file once, even those in both lists
    assert tree(photos) == before
    assert list(into.iterdir()) == []


def test_what_was_changed_since_stays(photos: Path, results: Results, tmp_path: Path) -> None:
    said: list[str] = []
    into = tmp_path / "copies"
    sort(results, into, "copy")
    (into / "happy" / "a.png").write_text("drawn on")
    (photos / "b.png").unlink()  # the copy is the last one
    assert undo(into, say=said.append).failed == 2
    assert set(tree(into)) == {"happy/a.png", "sad/b.png", "sorted-1.csv"}
    assert sorted(line.partition(": ")[2] for line in said) == [
        f"stays, since {photos / 'b.png'} is gone",
        "stays, since it was changed",
    ]
    assert undo(into).failed == 2  # the list keeps them

    into = tmp_path / "moved"
    sort(results, into, "move")
    (photos / "a.png").write_text("a new one")
    assert undo(into).failed == 1
    assert (photos / "a.png").read_text() == "a new one"
    assert set(tree(into)) == {"happy/a.png", "sorted-1.csv"}

    into = tmp_path / "links"
    sort(results, into)
    (into / "sad" / "below" / "a.png").unlink()
    (into / "sad" / "below" / "a.png").write_text("mine")
    assert undo(into).failed == 1
    assert (into / "sad" / "below" / "a.png").read_text() == "mine"


def test_the_folder_must_lie_apart(photos: Path, results: Results, tmp_path: Path) -> None:
    before = tree(tmp_path)
    for folder in (photos / "sorted", tmp_path, results.folder / "sorted"):
        with pytest.raises(UsageError, match="must neither contain"):
            sort(results, folder)
    assert tree(tmp_path) == before


def test_a_list_that_is_damaged_is_refused(tmp_path: Path) -> None:
    (tmp_path / "sorted-1.csv").write_text("from,to\n/etc/passwd,x\n")
    with pytest.raises(MoveError, match="not a list of moved files"):
        undo(tmp_path)
    assert (tmp_path / "sorted-1.csv").exists()


def test_links_are_not_moved(photos: Path, results: Results, tmp_path: Path) -> None:
    (photos / "b.png").unlink()
    (photos / "b.png").symlink_to("a.png")
    done = sort(results, tmp_path / "sorted", "move")
    assert (done.done, done.failed) == (3, 1)
    assert (photos / "b.png").is_symlink()


@pytest.fixture
def two_disks(monkeypatch: pytest.MonkeyPatch) -> None:
    def rename(file: Path, target: Path) -> None:
        raise OSError(errno.EXDEV, "Invalid cross-device link", str(file), None, str(target))

    monkeypatch.setattr(Path, "rename", rename)


@pytest.mark.usefixtures("two_disks")
def test_between_two_disks_photos_are_moved_with_their_times(
    photos: Path, results: Results, tmp_path: Path
) -> None:
    before, into = tree(photos), tmp_path / "sorted"
    os.utime(photos / "a.png", ns=(10**18, 10**18))
    assert sort(results, into, "move").done == 4
    assert set(tree(photos)) == {"bad.png"}
    assert (into / "happy" / "a.png").stat().st_mtime_ns == 10**18
    assert undo(into).done == 4
    assert tree(photos) == before
    assert (photos / "a.png").stat().st_mtime_ns == 10**18


@pytest.mark.usefixtures("two_disks")
@pytest.mark.parametrize("then", ["sort", "undo"])
@pytest.mark.parametrize("while_", ["sort", "undo"])
def test_killed_between_copying_and_removing_it_is_finished(
    while_: str, then: str, photos: Path, results: Results, tmp_path: Path
) -> None:
    before, into = tree(photos), tmp_path / "sorted"
    if while_ == "undo":
        sort(results, into, "move")
    unlink = Path.unlink

    def dies(file: Path, missing_ok: bool = False) -> None:
        if file.name == "a.png":
            raise KeyboardInterrupt
        unlink(file, missing_ok)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "unlink", dies)
        with pytest.raises(KeyboardInterrupt):
            sort(results, into, "move") if while_ == "sort" else undo(into)
    assert set(tree(into)) & set(PLACES)
    if then == "sort":
        assert sort(results, into, "move").failed == 0
        assert set(tree(photos)) == {"bad.png"}
        assert {*PLACES} <= set(tree(into))
    assert undo(into).failed == 0
    assert tree(photos) == before
    assert list(into.iterdir()) == []


def test_what_holds_the_same_but_is_the_photo_itself_is_not_removed(
    photos: Path, results: Results, tmp_path: Path
) -> None:
    before, into = tree(photos), tmp_path / "sorted"
    (into / "happy").mkdir(parents=True)
    (into / "happy" / "a.png").symlink_to(photos / "a.png")
    (into / "sad").symlink_to(photos)  # so that sad/b.png is b.png
    assert sort(results, into, "move") == Done(1, 3)
    assert undo(into).failed == 0
    assert tree(photos) == before


@pytest.mark.usefixtures("two_disks")
@pytest.mark.parametrize("then", ["sort", "undo"])
@pytest.mark.parametrize("how", ["copy", "move"])
def test_what_was_begun_when_it_was_killed_is_removed(
    how: How, then: str, photos: Path, results: Results, tmp_path: Path
) -> None:
    # Possible names of a user's own hidden files.
    (photos / ".b-20240101.png").write_bytes((photos / "b.png").read_bytes())
    (photos / ".b-20240102.png").touch()
    before, into = tree(photos), tmp_path / "sorted"
    (into / "happy").mkdir(parents=True)
    (into / "happy" / ".a-20240101.png").touch()
    copyfile = shutil.copyfile

    def dies(source: Path, target: Path, **named: Any) -> None:
        copyfile(source, target, **named)
        if source.name == "a.png":
            raise KeyboardInterrupt

    def killed(*_: Any, **__: Any) -> None:
        pass  # so that nothing is cleaned up

    def kill(do: Callable[[], object]) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(shutil, "copyfile", dies)
            patch.setattr(Path, "unlink", killed)
            with pytest.raises(KeyboardInterrupt):
                do()

    kill(lambda: sort(results, into, how))
    (into / ".sorted-2-0123abcd.csv").write_text("how,")
    begun = [name for name in tree(into) if name.partition("/")[2].startswith(".happysad-")]
    assert len(begun) == 1
    if then == "sort":
        assert sort(results, into, how).failed == 0
        assert set(tree(into)) >= PLACES
        assert not set(tree(into)) & {*begun, ".sorted-2-0123abcd.csv"}
        if how == "move":
            kill(lambda: undo(into))
            assert any(name.startswith(".happysad-") for name in tree(photos))
    assert undo(into).failed == 0
    assert tree(into) == {"happy/.a-20240101.png": b""}
    assert tree(photos) == before


def test_another_photo_with_the_same_content_is_not_removed(
    photos: Path, results: Results, tmp_path: Path
) -> None:
    before, into = tree(photos), tmp_path / "sorted"
    backup, again = tmp_path / "backup", tmp_path / "again"
    shutil.copytree(photos, backup)
    model = tmp_path / "model.onnx"
    predict(expand(str(backup)), again, sources=[str(backup)], model=model, format="jsonl")
    assert sort(results, into, "move") == Done(4, 0)
    said: list[str] = []
    assert sort(Results.open(again), into, "move", say=said.append) == Done(0, 4)
    assert all(line.endswith(" already exists") for line in said)
    assert tree(backup) == before
    assert undo(into) == Done(4, 0)
    assert tree(photos) == before

    (into / "happy").mkdir()
    (into / "happy" / "a.png").write_bytes(before["a.png"])  # which makes it the user's own file
    sort(results, into, "move")
    undo(into)
    assert tree(into) == {"happy/a.png": before["a.png"]}
    assert tree(photos) == before


def test_two_do_not_sort_into_one_folder(results: Results, tmp_path: Path) -> None:
    into = tmp_path / "sorted"
    with alone(into, "waits", MoveError), pytest.raises(MoveError, match="another process moves"):
        sort(results, into)
    sort(results, into)
    with alone(into, "waits", MoveError), pytest.raises(MoveError, match="another process moves"):
        undo(into)
    (into / LOCK).unlink()
    assert undo(into).done == 4


def test_what_lies_behind_a_link_is_sorted(tmp_path: Path) -> None:
    save(tmp_path / "else" / "x" / "1.png", photo(0, 8, 8) // 4, "png")
    save(tmp_path / "x" / "1.png", photo(1, 8, 8) // 4, "png")
    (tmp_path / "else" / "deep").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "else" / "deep")
    source = str(tmp_path / "link" / ".." / "x")
    model = brightness_classifier(tmp_path / "model.onnx")
    out = tmp_path / "out"
    predict(expand(source), out, sources=[source], model=model, format="jsonl")
    assert sort(Results.open(out), tmp_path / "sorted", "move") == Done(1, 0)
    assert not (tmp_path / "else" / "x" / "1.png").exists()
    assert (tmp_path / "x" / "1.png").exists()
    assert set(tree(tmp_path / "sorted")) == {"happy/1.png", "sorted-1.csv"}


def test_a_list_that_is_the_users_is_left(results: Results, tmp_path: Path) -> None:
    into = tmp_path / "sorted"
    into.mkdir()
    (into / "sorted-notes.csv").write_text("mine")
    with pytest.raises(UsageError, match="nothing to undo"):
        undo(into)
    sort(results, into)
    assert undo(into).done == 4
    assert tree(into) == {"sorted-notes.csv": b"mine"}


@pytest.mark.parametrize("how", WAYS)
def test_a_photo_that_may_not_be_looked_at_costs_no_other(
    how: How, photos: Path, results: Results, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    into, said = tmp_path / "sorted", list[str]()
    real = os.stat

    def refuse(file: Path, **options: Any) -> os.stat_result:
        if str(file) == str(photos / "below" / "a.png"):
            raise PermissionError(errno.EACCES, "Permission denied", str(file))
        if str(file) == str(into / "sad" / "b.png"):
            raise OSError(errno.ENAMETOOLONG, "File name too long", str(file))
        return real(file, **options)

    with monkeypatch.context() as patch:
        patch.setattr(os, "stat", refuse)
        done = sort(results, into, how, say=said.append)
    assert (done.done, done.failed) == (2, 2)
    assert said == [
        f"{photos / 'b.png'}: file name too long",
        f"{photos / 'below' / 'a.png'}: permission denied",
    ]
    assert undo(into).done == 2


def test_photos_of_several_sources_have_places_of_their_own(tmp_path: Path) -> None:
    inner = Path(*tmp_path.parts[1:], "z.png")  # this path in c1 as well as in /
    for file in (tmp_path / "z.png", tmp_path / "c1" / inner, tmp_path / "c2" / inner):
        save(file, photo(0, 8, 8) // 4, "png")
    sources = [str(tmp_path / "c1"), str(tmp_path / "z.png")]
    model = brightness_classifier(tmp_path / "model.onnx")
    for number in (2, 3):
        out, into = tmp_path / f"out{number}", tmp_path / f"sorted{number}"
        files = [file for source in sources for file in expand(source)]
        predict(files, out, sources=sources, model=model, format="jsonl")
        assert sort(Results.open(out), into) == Done(number, 0)
        sources.append(str(tmp_path / "c2"))


@pytest.mark.parametrize("row", ["move,/a", "move,/a,b,1,2,3", "copy,/a,b,1,x", '"move'])
def test_a_list_with_a_damaged_line_is_refused(row: str, tmp_path: Path) -> None:
    text = f"how,from,to,bytes,modified\nlink,/a,b,1,2\n{row}\n"
    (tmp_path / "sorted-1.csv").write_text(text)
    with pytest.raises(MoveError, match=r"line \d is damaged"):
        undo(tmp_path)
    assert (tmp_path / "sorted-1.csv").read_text() == text
