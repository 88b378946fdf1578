"""Sidecars of other programs keep every byte, and only what happysad added is taken back."""

from __future__ import annotations

import difflib
import json
import shutil
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from happysad.batch.lossless_xml import LARGEST, parse
from happysad.batch.sidecar import Region, Sidecar
from tests.sidecars import SIDECARS

FACE = Region("happy", 0.6, 0.5, 0.1, 0.2, "happy 93 %")
ANNAS = Region("sad", 0.21, 0.29, 0.1, 0.2, "sad 80 %")  # where Anna's region is
EACH = pytest.mark.parametrize("program", SIDECARS)


def tagged(data: bytes | None, label: str = "happy", *regions: Region) -> bytes:
    """Return a sidecar with tags."""
    sidecar = Sidecar(data, "a.jpg")
    sidecar.tag(label, regions or (FACE,), (640, 480), [label])
    written = sidecar.dump()
    assert written is not None
    return written


def untagged(data: bytes) -> bytes | None:
    sidecar = Sidecar(data, "a.jpg")
    sidecar.untag()
    sidecar.unrate()
    return sidecar.dump()


def run(folder: Path, files: Mapping[str, bytes], *command: str) -> bytes:
    """Write sidecars into a folder, run a program on all of them, and return what it prints."""
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed (Debian: exiv2, libimage-exiftool-perl)")
    folder.mkdir()
    for name, data in files.items():
        (folder / f"{name}.xmp").write_bytes(data)
    paths = [str(folder / f"{name}.xmp") for name in files]
    # In one process, exiv2 mixes up the prefixes of one file with those of another.
    runs = [[path] for path in paths] if command[0] == "exiv2" else [paths]
    ran = [subprocess.run([*command, *some], capture_output=True, check=True) for some in runs]
    return b"".join(one.stdout for one in ran)


EDITS = {
    "exiftool": ("exiftool", "-overwrite_original", "-XMP-dc:Subject+=mine", "-XMP:Label=Red"),
    "exiv2": ("exiv2", "-M", "set Xmp.dc.subject mine", "-M", "set Xmp.xmp.Label Red"),
}
ODD_LABEL = "ein <b>&amp;|Glück"


@pytest.fixture(scope="module")
def read(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """Return what exiftool reads in all the sidecars of these tests, in a few processes.

    The names are those of the program that wrote a sidecar first, and what was done to it since.
    """
    folder = tmp_path_factory.mktemp("sidecars")
    files = {"new tagged": tagged(None)}
    for program, data in SIDECARS.items():
        files |= {program: data, f"{program} tagged": tagged(data, "happy", FACE, ANNAS)}
    edited = {}
    for editor, command in EDITS.items():
        run(folder / editor, files, *command)
        for name in files:
            written = (folder / editor / f"{name}.xmp").read_bytes()
            left = untagged(written)
            assert left is not None
            assert (b"happysad" in written, b"happysad" in left) == ("tagged" in name, False)
            edited[f"{name} {editor}"] = left
    face = Region(ODD_LABEL, 0.6, 0.5, 0.1, 0.2)
    files |= {"label": tagged(SIDECARS["digikam"], ODD_LABEL, face), **edited}
    printed = run(folder / "read", files, "exiftool", "-j", "-struct", "-G1", "-XMP:all")
    assert all(one.get("ExifTool:Warning") is None for one in json.loads(printed))
    found = {Path(one.pop("SourceFile")).stem: one for one in json.loads(printed)}
    assert found.keys() == files.keys()
    return found


@EACH
def test_the_tree_keeps_every_byte(program: str) -> None:
    assert parse(SIDECARS[program]).tree.dump() == SIDECARS[program]


def test_rdf_may_have_another_prefix() -> None:
    before = SIDECARS["digikam"].replace(b"rdf:", b"r:").replace(b"xmlns:rdf", b"xmlns:r")
    after = tagged(before)
    assert after.count(b"<r:li") - before.count(b"<r:li") == 9
    assert untagged(after) == before


@EACH
def test_lines_are_only_added_and_taken_back(program: str) -> None:
    before = SIDECARS[program]
    after = tagged(before)
    first, second = (one.decode().splitlines(keepends=True) for one in (before, after))
    taken = [line for line in difflib.ndiff(first, second) if line.startswith("- ")]
    assert taken == [] or program == "odd"  # a new item stands on the line of <rdf:Bag/>
    assert untagged(after) == before
    assert tagged(tagged(after, "sad")) == after  # a changed answer replaces the former one


@EACH
def test_keywords_and_regions_are_read_beside_those_of_the_user(
    program: str, read: dict[str, dict[str, Any]]
) -> None:
    before, after = read[program], read[f"{program} tagged"]
    subjects = [*filter(None, before.get("XMP-dc:Subject", [])), "happysad", "happy"]
    assert after["XMP-dc:Subject"] == sorted(set(subjects), key=subjects.index)
    assert after["XMP-lr:HierarchicalSubject"][-1] == "happysad|happy"
    assert after["XMP-digiKam:TagsList"][-1] == "happysad/happy"
    regions = after["XMP-mwg-rs:RegionInfo"]
    assert regions["AppliedToDimensions"] == {"W": 640, "H": 480, "Unit": "pixel"}
    names = ["Anna", "happy"] if program == "digikam" else ["happy", "sad"]
    assert [one["Name"] for one in regions["RegionList"]] == names
    [face] = [one for one in regions["RegionList"] if one["Name"] == "happy"]
    area = {"X": 0.6, "Y": 0.5, "W": 0.1, "H": 0.2, "Unit": "normalized"}
    assert face == {"Name": "happy", "Type": "Face", "Description": "happy 93 %", "Area": area}
    ours = ("Subject", "TagsList", "RegionInfo")
    kept = {key: value for key, value in before.items() if not key.endswith(ours)}
    assert kept.items() <= after.items()


@pytest.mark.parametrize("editor", EDITS)
@EACH
def test_what_others_write_afterwards_stays(
    program: str, editor: str, read: dict[str, dict[str, Any]]
) -> None:
    left, plain = read[f"{program} tagged {editor}"], read[f"{program} {editor}"]
    for one in (left, plain):
        one.pop("XMP-x:XMPToolkit")
    assert left == plain


def test_a_file_of_our_own_is_removed_and_kept_with_more_in_it(
    read: dict[str, dict[str, Any]],
) -> None:
    mine = tagged(None)
    assert untagged(mine) is None
    assert tagged(tagged(mine, "sad")) == mine
    assert read["new tagged"]["XMP-dc:Subject"] == ["happysad", "happy"]
    for editor in EDITS:
        left = read[f"new tagged {editor}"]
        assert left.keys() == {"XMP-x:XMPToolkit", "XMP-dc:Subject", "XMP-xmp:Label"}
        assert left["XMP-dc:Subject"] == ["mine"]


def test_a_label_may_have_any_printable_character(read: dict[str, dict[str, Any]]) -> None:
    assert read["label"]["XMP-lr:HierarchicalSubject"][-1] == "happysad|ein <b>&amp;-Glück"
    assert read["label"]["XMP-mwg-rs:RegionInfo"]["RegionList"][-1]["Name"] == ODD_LABEL
    assert untagged(tagged(SIDECARS["digikam"], ODD_LABEL)) == SIDECARS["digikam"]


def test_what_the_user_has_taken_over_stays() -> None:
    named = tagged(None).replace(b"Name>happy<", b"Name>Anna<")
    kept = untagged(named.replace(b"<rdf:li>happy</rdf:li>", b"<rdf:li>gladness</rdf:li>", 1))
    assert kept is not None
    assert b"<rdf:li>gladness</rdf:li>" in kept
    assert b"Name>Anna<" in kept
    inside = kept.partition(b"<rdf:RDF")[2]
    assert inside.count(b"happy") == inside.count(b"happy 93 %") == 1  # of Anna's region


def test_programs_round_regions_to_pixels() -> None:
    rounded = tagged(SIDECARS["digikam"]).replace(b'stArea:x="0.600000"', b'stArea:x="0.6014"')
    assert untagged(rounded) == SIDECARS["digikam"]


RATINGS = {"digikam": (True, b'xmp:Rating="5"'), "lightroom": (False, b'xmp:Rating="3"')}


@pytest.mark.parametrize(("program", "expected"), RATINGS.items())
def test_a_rating_of_the_user_is_kept(program: str, expected: tuple[bool, bytes]) -> None:
    sidecar = Sidecar(SIDECARS[program], "a.jpg")
    assert sidecar.rate(5) == expected[0]
    assert sidecar.rate(5) == expected[0]
    written = sidecar.dump()
    assert written is not None
    assert expected[1] in written
    assert sidecar.is_rated == expected[0]
    assert untagged(written) == SIDECARS[program]
    changed = Sidecar(written.replace(b'Rating="5"', b'Rating="4"'), "a.jpg")
    changed.unrate()
    assert not changed.is_rated
    assert (changed.dump() == SIDECARS[program]) == (not expected[0])


@pytest.mark.parametrize("first", ["tags", "rating"])
def test_tags_and_rating_are_taken_back_one_by_one(first: str) -> None:
    sidecar = Sidecar(None, "a.jpg")
    steps: list[Callable[[], object]] = [
        lambda: sidecar.tag("happy", [FACE], (640, 480), ["happy"]),
        lambda: sidecar.rate(5),
    ]
    for step in steps if first == "tags" else steps[::-1]:
        step()
    sidecar.untag()
    assert (sidecar.answer, sidecar.is_rated) == (None, True)
    sidecar.unrate()
    assert sidecar.dump() is None


HEAD = b'<r:RDF xmlns:r="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
DOCTYPE = b'<!DOCTYPE a [<!ENTITY e "x">]>'
BROKEN = {
    "not XML": SIDECARS["digikam"][:-20],
    "no rdf:RDF": b"<html/>",
    "no element found": b"",
    "document type": DOCTYPE + HEAD + b"</r:RDF>",
    "not UTF-8": SIDECARS["digikam"].decode().encode("utf-16"),
    "inside each other": HEAD + 200 * b"<a>" + 200 * b"</a>" + b"</r:RDF>",
    "more than 100,000 elements": HEAD + 100_000 * b"<a/>" + b"</r:RDF>",
    "more than 16,777,216 bytes": b" " * (LARGEST + 1),
    "subject is not a list": SIDECARS["odd"].replace(b"<rdf:Bag/>", b"word"),
}


@pytest.mark.parametrize(("reason", "data"), BROKEN.items())
def test_other_files_are_refused(reason: str, data: bytes) -> None:
    with pytest.raises(ValueError, match=reason):
        tagged(data)
