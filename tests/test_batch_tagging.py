"""Tagging a photo library writes sidecars, changes no photo and can be taken back."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from happysad.batch import tagging
from happysad.batch.results import Results
from happysad.batch.sidecar import Sidecar
from happysad.batch.tagging import Tagged, tag, untag
from happysad.errors import LibraryError, UsageError
from happysad.locks import alone
from tests.command_line import run_command
from tests.file_tree import tree
from tests.pictures import photo, save
from tests.sidecars import SIDECARS
from tests.written_results import answer, face, write_results


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Four photos, one of them broken."""
    folder = tmp_path / "photos"
    for number, name in enumerate(["a.jpg", "b.jpg", "below/c.png"]):
        save(folder / name, photo(number, 48, 64))
    (folder / "bad.jpg").write_text("no picture")
    return folder


@pytest.fixture
def results(photos: Path, tmp_path: Path) -> Results:
    answers = [
        answer(photos / "a.jpg", face("happy"), face("sad", 30)),
        answer(photos / "b.jpg"),
        answer(photos / "below" / "c.png", face("unsure", -4, p=0.6)),
        answer(photos / "bad.jpg", error=True),
    ]
    return write_results(tmp_path / "out", photos, answers)


def words(file: Path) -> list[bytes]:
    """Return the keywords in a sidecar."""
    inside = file.read_bytes().partition(b"<dc:subject>")[2].partition(b"</dc:subject>")[0]
    return [part.partition(b"<")[0] for part in inside.split(b"<rdf:li>")[1:]]


def test_it_tags_and_takes_back(photos: Path, results: Results) -> None:
    before = tree(photos)
    assert tag(results) == Tagged(3, 0, 0)
    after = tree(photos)
    assert after.keys() - before.keys() == {"a.jpg.xmp", "b.jpg.xmp", "below/c.png.xmp"}
    assert before.items() <= after.items()
    assert words(photos / "a.jpg.xmp") == [b"happysad", b"happy"]
    assert words(photos / "b.jpg.xmp") == [b"happysad", b"no_face"]
    assert b"stArea" not in after["b.jpg.xmp"].partition(b'xmlns:happysad="')[2]
    assert b'stArea:x="0.031250" stArea:y="0.166667"' in after["below/c.png.xmp"]  # cut off
    assert b"unsure, leans happy 60 %" in after["below/c.png.xmp"]
    stamps = {file: file.stat().st_mtime_ns for file in photos.rglob("*")}
    assert tag(results) == Tagged(0, 3, 0)
    assert {file: file.stat().st_mtime_ns for file in photos.rglob("*")} == stamps
    assert untag(results).changed == 3
    assert tree(photos) == before


@pytest.mark.parametrize(("form", "name"), [("darktable", "a.jpg.xmp"), ("lightroom", "a.xmp")])
def test_the_sidecars_of_other_programs_are_merged(
    form: str, name: str, photos: Path, results: Results
) -> None:
    mine = photos / name
    mine.write_bytes(SIDECARS["digikam"])
    mine.chmod(0o640)
    before = tree(photos)
    assert tag(results, form).changed == 3
    assert words(mine) == [b"Anna", b"happy", b"happysad"]
    assert stat.S_IMODE(mine.stat().st_mode) == 0o640
    assert untag(results, "digikam" if form == "lightroom" else "lightroom").changed == 0
    assert untag(results).changed == 3
    assert tree(photos) == before


def test_a_changed_answer_replaces_the_former_and_untag_takes_it_back(
    photos: Path, results: Results, tmp_path: Path
) -> None:
    before = tree(photos)
    tag(results)
    changed = [answer(photos / "a.jpg", face("sad", 30)), answer(photos / "b.jpg")]
    again = write_results(tmp_path / "other", photos, changed)
    assert tag(again) == Tagged(1, 1, 0)
    assert words(photos / "a.jpg.xmp") == [b"happysad", b"sad"]
    assert (photos / "a.jpg.xmp").read_bytes().count(b"<mwg-rs:Name>") == 1
    untag(results)
    assert tree(photos) == before


def test_what_the_user_took_out_stays_out(photos: Path, results: Results) -> None:
    tag(results)
    file = photos / "a.jpg.xmp"
    file.write_bytes(file.read_bytes().replace(b"<rdf:li>happysad</rdf:li>", b""))
    assert tag(results) == Tagged(0, 3, 0)
    assert words(file) == [b"happy"]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_regions_are_those_of_the_stored_picture(orientation: int, tmp_path: Path) -> None:
    upright = np.zeros((48, 64), np.uint8)
    upright[10:20, 40:56] = 255
    turns: dict[int, Callable[[np.ndarray], np.ndarray]] = {  # from upright to stored
        1: lambda a: a,
        2: np.fliplr,
        3: lambda a: np.rot90(a, 2),
        4: np.flipud,
        5: lambda a: a.T,
        6: lambda a: np.rot90(a, 1),
        7: lambda a: np.rot90(a, 2).T,
        8: lambda a: np.rot90(a, -1),
    }
    pixels = np.ascontiguousarray(turns[orientation](upright))
    exif = Image.Exif()
    exif[0x0112] = orientation
    file = save(tmp_path / "photos" / "a.png", pixels, exif=exif)
    shown = answer(file, face("happy", x=40, y=10, width=16, height=10))
    results = write_results(tmp_path / "out", file.parent, [shown])
    tag(results)
    sidecar = (tmp_path / "photos" / "a.png.xmp").read_text()
    height, width = pixels.shape
    assert f'stDim:w="{width}" stDim:h="{height}"' in sidecar
    sides = {
        one: float(sidecar.partition(f'stArea:{one}="')[2].partition('"')[0]) for one in "xywh"
    }
    left, right = (width * (sides["x"] + half * sides["w"]) for half in (-0.5, 0.5))
    top, bottom = (height * (sides["y"] + half * sides["h"]) for half in (-0.5, 0.5))
    rows, columns = np.nonzero(pixels)
    found = (columns.min(), columns.max() + 1, rows.min(), rows.max() + 1)
    assert (left, right, top, bottom) == pytest.approx(found, abs=1e-3)


def test_two_photos_do_not_share_a_sidecar(photos: Path, tmp_path: Path) -> None:
    save(photos / "a.png", photo(7, 48, 64))
    answers = [answer(photos / "a.jpg", face("happy")), answer(photos / "a.png", face("sad"))]
    results = write_results(tmp_path / "out", photos, answers)
    said: list[str] = []
    assert tag(results, "lightroom", say=said.append) == Tagged(1, 0, 1)
    assert said == [f"{photos / 'a.xmp'}: is the sidecar of a.jpg; it is left as it is"]
    assert words(photos / "a.xmp") == [b"happysad", b"happy"]
    (photos / "a.jpg").rename(photos / "a.jpeg")  # now a.png is the only photo of the results
    assert tag(results, "lightroom").changed == 1
    assert words(photos / "a.xmp") == [b"happysad", b"sad"]


def _link(file: Path) -> None:
    (file.parent.parent / "private.xmp").write_bytes(SIDECARS["digikam"])
    file.symlink_to(file.parent.parent / "private.xmp")


BAD: dict[str, Callable[[Path], object]] = {
    "is a link, and links are not followed": _link,
    "not XML: no element found: line 1, column 0": Path.touch,
    "has more than 16,777,216 bytes": lambda file: os.truncate(file, 2**40),
    "is not a regular file": os.mkfifo,
    "not XML: unclosed token: line 4, column 2": lambda file: file.write_bytes(
        SIDECARS["digikam"][:200]
    ),
}


@pytest.mark.parametrize(("reason", "make"), BAD.items())
def test_bad_sidecars_are_named_and_left_alone(
    reason: str, make: Callable[[Path], object], photos: Path, results: Results
) -> None:
    file = photos / "a.jpg.xmp"
    if "more than" in reason:
        file.touch()
    make(file)
    status = file.lstat()
    for work in (tag, untag):
        said: list[str] = []
        assert work(results, "digikam", say=said.append).failed == 1
        assert said == [f"{file}: {reason}; it is left as it is"]
    assert file.lstat() == status
    assert not (photos / "b.jpg.xmp").exists()


def test_only_photos_of_the_sources_get_sidecars(photos: Path, tmp_path: Path) -> None:
    outside = save(tmp_path / "private" / "p.jpg", photo(1, 48, 64))
    (photos / "notes.txt").write_text("no photo")
    (photos / "link.jpg").symlink_to(outside)
    save(photos / "d.xmp", photo(3, 48, 64), "jpeg")
    paths: list[Path | str] = [
        outside,
        photos / "notes.txt",
        photos / "link.jpg",
        photos / "gone.jpg",
    ]
    paths += [photos / "d.xmp", "http://127.0.0.1/a.jpg", photos / "a.jpg"]
    answers = [answer(path, face("happy")) for path in paths]
    results = write_results(tmp_path / "out", photos, answers)
    before = tree(tmp_path)
    said: list[str] = []
    assert tag(results, "lightroom", say=said.append) == Tagged(1, 0, 6)
    assert [line.partition(": ")[2].partition("(")[0].strip() for line in sorted(said)] == [
        "is a photo with the name of a sidecar; it is left as it is",
        "no such file or directory",
        "lies outside of the sources of the results; --photos names more",
        "not an image",
        "lies outside of the sources of the results; --photos names more",
        "is not a file on this machine",
    ]
    assert tree(tmp_path).keys() - before.keys() == {"photos/a.xmp", "out/.lock"}
    assert tag(results, photos=[str(outside.parent)]).failed == 3


def test_interrupted_it_continues(
    photos: Path, results: Results, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = tree(photos)
    written: list[object] = []

    def stops(self: Sidecar) -> bytes | None:
        written.append(self)
        if len(written) == 2:
            raise KeyboardInterrupt
        return dump(self)

    dump = Sidecar.dump
    with monkeypatch.context() as patch:
        patch.setattr(Sidecar, "dump", stops)
        with pytest.raises(KeyboardInterrupt):
            tag(results)
    assert len(tree(photos)) == len(before) + 1
    assert tag(results) == Tagged(2, 1, 0)
    untag(results)
    assert tree(photos) == before


def test_a_sidecar_that_changes_meanwhile_is_not_overwritten(
    photos: Path, results: Results, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = photos / "a.jpg.xmp"
    file.write_bytes(SIDECARS["digikam"])
    dump = Sidecar.dump

    def slow(self: Sidecar) -> bytes | None:
        if file.exists():
            file.write_bytes(SIDECARS["darktable"])
        return dump(self)

    monkeypatch.setattr(Sidecar, "dump", slow)
    said: list[str] = []
    assert tag(results, say=said.append).failed == 1
    assert "was changed meanwhile" in said[0]
    assert file.read_bytes() == SIDECARS["darktable"]


def test_one_process_at_a_time_and_known_forms(results: Results) -> None:
    with pytest.raises(UsageError, match="digikam, darktable, lightroom, not 'picasa'"):
        tag(results, "picasa")
    with (
        alone(results.folder, "writes", LibraryError),
        pytest.raises(LibraryError, match="another process"),
    ):
        tag(results)


def test_from_the_command_line(photos: Path, results: Results) -> None:
    before = tree(photos)
    out = str(results.folder)
    assert tagging.Form.DIGIKAM.beside(photos / "a.jpg") == photos / "a.jpg.xmp"
    done = run_command("report", out, "--tag")
    assert (done.status, done.lines[-2:]) == (
        0,
        ["3 sidecars written, 0 up to date", f"happysad report {out} --untag undoes it"],
    )
    done = run_command("report", out, "--untag")
    assert (done.status, done.lines) == (0, ["tags of happysad were taken out of 3 sidecars"])
    assert tree(photos) == before


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--sidecar", "digikam"], "--sidecar digikam needs --tag, --best or --untag"),
        (["--tag", "--sidecar", "x"], "must be those of digikam, darktable, lightroom, not 'x'"),
        (["--tag", "--untag"], "--untag cannot be combined with --tag"),
        (
            ["--untag", "--sort-into", "x"],
            "--untag cannot be combined with --tag, --best or --sort-into",
        ),
    ],
)
def test_what_does_not_go_together_is_refused(
    arguments: list[str], said: str, results: Results
) -> None:
    done = run_command("report", str(results.folder), *arguments)
    assert (done.status, done.stdout) == (2, b"")
    assert said in done.stderr.decode()
