"""Zips and tars: what is copied, what is left out, and what no archive can do."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import stat
import tarfile
import tempfile
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st

from happysad.dataset.sources import Imported, archive, import_data, members
from happysad.errors import HappysadError, ImportDataError
from tests.pictures import encoded, photo

A, B, C = (encoded(photo(seed, 12, 12)) for seed in range(3))

Members = list[tuple[str | zipfile.ZipInfo, bytes]]


def a_zip(members: Members, method: int = zipfile.ZIP_STORED) -> bytes:
    file = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(file, "w", method) as made:
        warnings.filterwarnings("ignore", "Duplicate name")
        for name, data in members:
            made.writestr(name, data)
    return file.getvalue()


def a_tar(members: list[tuple[str, bytes]], kind: bytes = tarfile.REGTYPE, link: str = "") -> bytes:
    """Return a tar; its first member has another `kind` if one is given."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as made:
        for number, (name, data) in enumerate(members):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            if number == 0:
                info.type, info.linkname = kind, link
            made.addfile(info, io.BytesIO(data))
    return file.getvalue()


def files(folder: Path) -> dict[str, bytes]:
    """Return all files below a folder, without following links."""
    return {
        file.relative_to(folder).as_posix(): b"" if file.is_symlink() else file.read_bytes()
        for file in folder.rglob("*")
        if file.is_symlink() or not file.is_dir()
    }


NESTED = [
    ("dataset/train/happy/x.png", A),
    ("dataset/test/happy/x.png", B),
    ("dataset/train/Sadness/x.png", C),
    ("dataset/train/angry/x.png", C),
    ("dataset/README.md", b"text"),
]
PACKED = {
    "stored": a_zip([*NESTED]),
    "deflated": a_zip([*NESTED], zipfile.ZIP_DEFLATED),
    "bzip2 in zip": a_zip([*NESTED], zipfile.ZIP_BZIP2),
    "lzma in zip": a_zip([*NESTED], zipfile.ZIP_LZMA),
    "tar": a_tar(NESTED),
    "tar.gz": gzip.compress(a_tar(NESTED)),
    "tar.bz2": bz2.compress(a_tar(NESTED)),
    "tar.xz": lzma.compress(a_tar(NESTED)),
}


@pytest.mark.parametrize("way", PACKED)
@pytest.mark.parametrize("name", ["set.zip", "set.jpg", "set"])
def test_class_folders_are_found_at_any_depth_in_any_archive(
    tmp_path: Path, way: str, name: str
) -> None:
    (tmp_path / name).write_bytes(PACKED[way])
    imported = import_data(str(tmp_path / name), tmp_path / "out")
    assert files(tmp_path / "out") == {
        "happy/dataset-train-x.png": A,
        "happy/dataset-test-x.png": B,
        "sad/dataset-train-x.png": C,
    }
    assert imported.counts == {"happy": 2, "sad": 1}
    assert imported.notes == (
        "left out: 2 files of other classes: angry 1, dataset 1 (choose classes with --map "
        "THEIRS=OURS)",
    )


def test_a_tar_whose_first_name_begins_as_a_zip_does(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(a_tar([("PK-set/happy/x.png", A)]))
    assert import_data(str(tmp_path / "a"), tmp_path / "out").counts == {"happy": 1}


OUTSIDE, HIDDEN = "whose path leaves the source's folder", "that systems keep beside photos"
PATHS = [
    # nothing is written outside DIR
    ("../happy/x.png", OUTSIDE),
    ("../../../../../../tmp/happy/x.png", OUTSIDE),
    ("happy/../../x.png", OUTSIDE),
    ("happy/..", OUTSIDE),
    ("/happy/x.png", OUTSIDE),
    ("//host/share/happy/x.png", OUTSIDE),
    ("C:/happy/x.png", OUTSIDE),
    ("c:happy/x.png", OUTSIDE),
    ("C:\\happy\\x.png", OUTSIDE),
    ("..\\happy\\x.png", OUTSIDE),
    ("happy\\..\\..\\x.png", OUTSIDE),
    ("\\\\host\\share\\happy\\x.png", OUTSIDE),
    # what systems put beside files
    ("happy/.x.png", HIDDEN),
    (".git/happy/x.png", HIDDEN),
    ("__MACOSX/happy/x.png", HIDDEN),
    # no class folder, or another one
    ("x.png", "of other classes: (no folder) 1"),
    ("unhappy/x.png", "of other classes: unhappy 1"),
    # odd but legal
    ("./happy//./x.png", "happy/x.png"),
    ("set\\happy\\x.png", "happy/set-x.png"),
    ("HAPPY/x.png", "happy/x.png"),
    ("happy/anna/x.png", "happy/anna-x.png"),
    ("sad/happy/x.png", "happy/sad-x.png"),
    ("happy/x", "happy/x"),
    ("happy/x.txt", "happy/x.txt"),
    ("happy/-rf x.png", "happy/-rf x.png"),
    ("happy/ä 笑.png", "happy/ä 笑.png"),
    ("happy/a..b.png", "happy/a..b.png"),
    # characters that some systems forbid in file names
    ('happy/a:b*c?"<>|\n\x1b.png', "happy/a_b_c_______.png"),
]


@pytest.mark.parametrize("pack", [a_zip, a_tar])
@pytest.mark.parametrize(("path", "ends"), PATHS)
def test_where_a_path_ends(
    tmp_path: Path, pack: Callable[[Members], bytes], path: str, ends: str
) -> None:
    (tmp_path / "a").write_bytes(pack([(path, A), ("sad/ok.png", B)]))
    imported = import_data(str(tmp_path / "a"), tmp_path / "out")
    there = files(tmp_path)
    assert there.pop("a")
    assert there.pop("out/sad/ok.png") == B
    if ends.startswith("happy/"):
        assert there == {f"out/{ends}": A}
        assert imported.notes == ()
    else:
        assert there == {}
        assert len(imported.notes) == 1
        assert ends in imported.notes[0]


@pytest.mark.parametrize("name", ["é" * 200 + ".png", "x" * 181 + ".png", "n/" * 120 + "x.png"])
def test_a_name_that_is_too_long_is_cut_and_stays_its_own(tmp_path: Path, name: str) -> None:
    (tmp_path / "a").write_bytes(a_zip([(f"happy/{name}", A), (f"happy/b{name}", B)]))
    assert import_data(str(tmp_path / "a"), tmp_path / "out").counts == {"happy": 2}
    assert all(len(file.encode()) <= 190 for file in files(tmp_path / "out"))
    assert all(
        file.endswith("x.png" if "x" in name else "é.png") for file in files(tmp_path / "out")
    )


def test_a_tars_name_that_is_no_utf8_stays_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(a_tar([("happy/\udcff.png", A)]))
    import_data(str(tmp_path / "a"), tmp_path / "out")
    assert files(tmp_path / "out") == {"happy/\udcff.png": A}


KINDS = [
    (tarfile.SYMTYPE, "/etc/hosts"),
    (tarfile.SYMTYPE, "../../secret"),
    (tarfile.LNKTYPE, "sad/ok.png"),
    (tarfile.CHRTYPE, ""),
    (tarfile.BLKTYPE, ""),
    (tarfile.FIFOTYPE, ""),
    (tarfile.GNUTYPE_SPARSE, ""),
]


@pytest.mark.parametrize(("kind", "link"), KINDS)
def test_links_and_devices_in_a_tar_are_left_out(tmp_path: Path, kind: bytes, link: str) -> None:
    data = a_tar([("happy/x.png", b""), ("sad/ok.png", B)], kind, link)
    (tmp_path / "a").write_bytes(data)
    imported = import_data(str(tmp_path / "a"), tmp_path / "out")
    assert files(tmp_path / "out") == {"sad/ok.png": B}
    assert imported.notes == ("left out: 1 file that is a link, a device or sparse",)


def test_nothing_is_written_through_an_archives_link(tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    link = str(tmp_path / "outside")
    data = a_tar([("happy", b""), ("happy/x.png", A)], tarfile.SYMTYPE, link)
    (tmp_path / "tar").write_bytes(data)
    info = zipfile.ZipInfo("happy/link")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    (tmp_path / "zip").write_bytes(a_zip([(info, link.encode()), ("happy/link/x.png", A)]))
    for name, placed in (("tar", "happy/x.png"), ("zip", "happy/link-x.png")):
        imported = import_data(str(tmp_path / name), tmp_path / f"out-{name}")
        assert files(tmp_path / f"out-{name}") == {placed: A}
        assert imported.notes == ("left out: 1 file that is a link, a device or sparse",)
    assert files(tmp_path / "outside") == {}


def test_what_is_no_picture_is_left_out_whatever_its_name(tmp_path: Path) -> None:
    odd = [("happy/page.jpg", b"<html>"), ("happy/empty.png", b""), ("happy/Thumbs.db", b"\0")]
    folders = [("happy/", b""), ("happy\\more\\", b"")]  # as zips made on Windows may have them
    (tmp_path / "a").write_bytes(a_zip([*folders, *odd, ("sad/ok.png", B)]))
    imported = import_data(str(tmp_path / "a"), tmp_path / "out")
    assert files(tmp_path / "out") == {"sad/ok.png": B}
    assert imported.notes == (
        "left out: 2 files that are no pictures",
        "left out: 1 file or folder that systems keep beside photos: Thumbs.db 1",
    )


@pytest.mark.parametrize("pack", [a_zip, a_tar])
def test_one_name_twice_keeps_both_pictures(
    tmp_path: Path, pack: Callable[[Members], bytes]
) -> None:
    twice: Members = [("happy/x.png", A), ("happy/x.png", B), ("joy/x.png", C), ("joy/x.png", A)]
    (tmp_path / "a").write_bytes(pack(twice))
    for _ in range(2):
        assert import_data(str(tmp_path / "a"), tmp_path / "out").counts == {"happy": 3}
        placed = files(tmp_path / "out")
        assert sorted(placed.values()) == sorted([A, B, C])
        assert placed["happy/x.png"] == A


def patched(data: bytes, old: bytes, new: bytes, count: int = -1) -> bytes:
    assert old in data
    return data.replace(old, new, count)


def retyped(tar: bytes, header: int, field: int, new: bytes) -> bytes:
    """Return a tar with one field of the header at a place changed, and the checksum updated."""
    changed = bytearray(tar)
    changed[header + field : header + field + len(new)] = new
    changed[header + 148 : header + 156] = b" " * 8
    changed[header + 148 : header + 156] = b"%06o\0 " % sum(changed[header : header + 512])
    return bytes(changed)


PAIR = [("happy/x.png", A), ("happy/y.png", B)]
ZIP, TAR = a_zip([*PAIR]), a_tar(PAIR)
TGZ = gzip.compress(TAR, mtime=0)
SECOND = 512 + -(-len(A) // 512) * 512  # the position of the second member's header
LONG = io.BytesIO()
with tarfile.open(fileobj=LONG, mode="w", format=tarfile.PAX_FORMAT) as made:
    info = tarfile.TarInfo("happy/x.png")
    info.pax_headers = {"comment": "x" * 1_200_000}
    made.addfile(info)

DAMAGED = [
    (
        "encrypted",
        patched(
            patched(ZIP, b"PK\3\4\x14\0\0", b"PK\3\4\x14\0\1"),
            b"PK\1\2\x14\3\x14\0\0",
            b"PK\1\2\x14\3\x14\0\1",
        ),
        "an encrypted zip",
    ),
    ("wrong CRC in a zip", patched(ZIP, A, A[:-9] + b"X" + A[-8:]), "Bad CRC-32 for file"),
    (
        "unknown packing",
        patched(
            patched(ZIP, b"PK\3\4\x14\0\0\0\0\0", b"PK\3\4\x14\0\0\0\x63\0"),
            b"\x14\3\x14\0\0\0\0\0",
            b"\x14\3\x14\0\0\0\x63\0",
        ),
        "not supported",
    ),
    ("zip cut in its data", ZIP[:100], "damaged"),
    ("zip cut in its list", ZIP[:-30], "damaged"),
    ("only a zip's beginning", b"PK\3\4", "damaged"),
    ("another name in the list", patched(ZIP, b"happy/y", b"happy/z", 1), "differ"),
    ("a zip in another's middle", patched(ZIP, B, B[:20] + ZIP), "damaged"),
    ("tar cut in a picture", TAR[: SECOND + 600], "unexpected end of data"),
    ("tar cut in a header", TAR[: SECOND + 100], "damaged"),
    ("tar cut between members", TAR[:SECOND], "damaged"),
    ("wrong checksum of a header", patched(TAR, b"happy/y", b"happy/z"), "bad checksum"),
    ("size below nothing", retyped(TAR, SECOND, 124, b"\xff" * 12), "damaged"),
    # tarfile continues to read there, 10 KiB at a time
    ("size of 8 GB", retyped(TAR, SECOND, 124, b"77777777777\0"), "must unpack to at most"),
    ("size without end", retyped(TAR, SECOND, 124, b"\x80" + b"\xff" * 11), "must unpack to at"),
    ("size beyond the end", retyped(TAR, SECOND, 124, b"00077777777\0"), "unexpected end of data"),
    ("headers without end", gzip.compress(LONG.getvalue()), "a header of more than 1,048,576"),
    ("gzip cut", TGZ[:-40], "damaged"),
    ("gzip without its checksum", TGZ[:-8], "damaged"),
    ("wrong CRC of gzip", TGZ[:-8] + b"0000" + TGZ[-4:], "CRC check failed"),
    ("gzip of a text", gzip.compress(b"emotion,pixels\n"), "damaged, or not an archive"),
    ("gzip of nothing", gzip.compress(b""), "damaged, or not an archive"),
    ("bzip2 cut", bz2.compress(TAR)[:-20], "damaged"),
    ("xz cut", lzma.compress(TAR)[:-20], "damaged"),
    ("no zip at all", a_zip([]), "no class is named happy, .*; its classes: none;"),
    ("other classes", a_zip([("cats/x.png", A)]), "no class is named happy, .*classes: cats;"),
    (
        "only texts",
        a_zip([("happy/x.png", b"?")]),
        "no picture of a wanted class; left out: 1 file",
    ),
    (
        "two of FER2013's tables",
        a_zip([("a.csv", b"emotion,pixels"), ("b.csv", b"emotion,pixels")]),
        "has 2 CSVs of FER2013, must have one: a.csv, b.csv; unpack it and import one of them",
    ),
]


@pytest.mark.parametrize(
    ("data", "message"), [row[1:] for row in DAMAGED], ids=[r[0] for r in DAMAGED]
)
def test_a_bad_archive_ends_in_one_line_and_what_is_placed_is_whole(
    tmp_path: Path, data: bytes, message: str
) -> None:
    (tmp_path / "a").write_bytes(data)
    mine = tmp_path / "out" / "happy" / "y.png"
    mine.parent.mkdir(parents=True)
    mine.write_bytes(b"mine")
    with pytest.raises(ImportDataError, match=message) as caught:
        import_data(str(tmp_path / "a"), tmp_path / "out")
    assert str(caught.value).startswith(str(tmp_path / "a"))
    assert "\n" not in str(caught.value)
    placed = files(tmp_path / "out")
    assert placed.pop("happy/y.png") == b"mine"
    assert set(placed.values()) <= {A, B}
    assert ("; 1 file copied before is complete and stays" in str(caught.value)) is (placed != {})


ZEROS = bytes(400_000)
BOMBS = [
    (a_zip([("happy/x.png", A + ZEROS)], zipfile.ZIP_DEFLATED), "must unpack to at most 300,000"),
    # a bomb beside a wanted picture
    (a_zip([("happy/x.png", A), ("x", ZEROS)], zipfile.ZIP_LZMA), "must unpack to at most 300,000"),
    (gzip.compress(a_tar([("happy/x.png", A + ZEROS)])), "must unpack to at most 300,000"),
    (bz2.compress(a_tar([("x", ZEROS), ("happy/x.png", A)])), "must unpack to at most 300,000"),
    # after the tar's end
    (lzma.compress(a_tar([("happy/x.png", A)]) + ZEROS), "must unpack to at most 300,000"),
]


@pytest.mark.parametrize(("data", "message"), BOMBS)
def test_bombs_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: bytes, message: str
) -> None:
    monkeypatch.setattr(archive, "_SMALL", 300_000)
    monkeypatch.setattr(archive, "MAX_RATIO", 2)
    (tmp_path / "a").write_bytes(data)
    with pytest.raises(ImportDataError, match=message):
        import_data(str(tmp_path / "a"), tmp_path / "out")
    monkeypatch.setattr(archive, "_SMALL", 600_000)
    assert import_data(str(tmp_path / "a"), tmp_path / "out").counts == {"happy": 1}


def test_damage_matters_only_in_what_is_copied(tmp_path: Path) -> None:
    table = b"emotion,pixels"
    data = a_zip([("happy/x.png", A), ("more/sad_1.png", B), ("fer2013.csv", table)])
    for old in (B, table):
        data = patched(data, old, old[:-9] + b"X" + old[-8:])
    (tmp_path / "a").write_bytes(data)
    assert import_data(str(tmp_path / "a"), tmp_path / "out").counts == {"happy": 1}
    named = a_zip([("happy_1.png", A), ("sad_1.png", B)])
    (tmp_path / "a").write_bytes(patched(named, B, B[:-9] + b"X" + B[-8:]))
    with pytest.raises(ImportDataError, match=r"Bad CRC-32 .*; 1 file copied before is complete"):
        import_data(str(tmp_path / "a"), tmp_path / "named")


def test_a_sparse_tar_cannot_make_more_bytes_than_it_has(tmp_path: Path) -> None:
    # GNU's old format: one piece of 512 bytes at the beginning of a picture of 30 MB
    tar = a_tar([("happy/x.png", A + bytes(512 - len(A) % 512)), ("sad/ok.png", B)])
    size = len(A) + 512 - len(A) % 512
    sparse = b"%011o\0%011o\0" % (0, size) + bytes(24 * 3) + b"\0" + b"%011o\0" % 30_000_000
    tar = retyped(tar, 0, 156, tarfile.GNUTYPE_SPARSE)
    (tmp_path / "a").write_bytes(retyped(retyped(tar, 0, 257, b"ustar  \0"), 0, 386, sparse))
    with tarfile.open(tmp_path / "a") as opened:
        assert opened.getmember("happy/x.png").size == 30_000_000
    assert import_data(str(tmp_path / "a"), tmp_path / "out").counts == {"sad": 1}
    assert files(tmp_path / "out") == {"sad/ok.png": B}


@pytest.mark.parametrize("data", [ZIP, TAR])
def test_a_picture_that_is_too_large_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: bytes
) -> None:
    monkeypatch.setattr(members, "MAX_BYTES", 50)
    (tmp_path / "a").write_bytes(data)
    with pytest.raises(ImportDataError, match=r"happy/x\.png has .* bytes; .* at most 50"):
        import_data(str(tmp_path / "a"), tmp_path / "out")


def test_a_stopped_import_goes_on(tmp_path: Path) -> None:
    large = encoded(photo(1, 200, 200))  # its checksum is not read with its first bytes
    whole = a_zip([("happy/x.png", A), ("happy/y.png", large)])
    (tmp_path / "a").write_bytes(patched(whole, large, large[:-9] + b"X" + large[-8:]))
    with pytest.raises(ImportDataError, match=r"CRC.*; 1 file copied before is complete"):
        import_data(str(tmp_path / "a"), tmp_path / "out")
    assert files(tmp_path / "out") == {"happy/x.png": A}
    before = (tmp_path / "out/happy/x.png").stat()
    (tmp_path / "a").write_bytes(whole)
    imported = import_data(str(tmp_path / "a"), tmp_path / "out")
    assert imported == Imported({"happy": 2}, {"happy": {"happy": 2}}, ("there already: 1 file",))
    assert files(tmp_path / "out") == {"happy/x.png": A, "happy/y.png": large}
    after = (tmp_path / "out/happy/x.png").stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


@pytest.mark.parametrize("data", [TAR[: SECOND + 600], TGZ[:-8], lzma.compress(TAR)[:-20]])
def test_nothing_of_a_damaged_tar_is_placed(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a").write_bytes(data)
    with pytest.raises(ImportDataError, match="damaged"):
        import_data(str(tmp_path / "a"), tmp_path / "out")
    assert not (tmp_path / "out").exists()


@settings(max_examples=150, deadline=None)
@given(
    data=st.sampled_from([ZIP, TAR, TGZ, PACKED["deflated"], PACKED["tar.xz"]]),
    changes=st.lists(st.tuples(st.integers(0, 10**6), st.binary(max_size=4)), max_size=4),
    cut=st.integers(0, 2000),
)
def test_any_damage_ends_in_one_line_or_in_whole_files(
    data: bytes, changes: list[tuple[int, bytes]], cut: int
) -> None:
    for place, new in changes:
        place %= len(data)
        data = data[:place] + new + data[place + len(new) :]
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        (folder / "a").write_bytes(data[: len(data) - cut % len(data)])
        try:
            import_data(str(folder / "a"), folder / "out")
        except HappysadError as error:
            assert len(str(error).splitlines()) == 1
        assert all(name == "a" or name.startswith("out/") for name in files(folder))
        assert not any(Path(name).name.startswith(".") for name in files(folder))
