"""The published variants of FER2013's CSV, and the rows that are refused."""

from __future__ import annotations

import io
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest

from happysad.dataset.sources import import_data
from happysad.errors import ImportDataError, UsageError
from happysad.images import Pixels, read
from tests.pictures import encoded, save

FACES = np.random.default_rng(0).integers(0, 256, (7, 48, 48), dtype=np.uint8)


def pixels(emotion: int) -> str:
    return " ".join(map(str, FACES[emotion].ravel()))


def grey(face: Pixels) -> Pixels:
    return np.repeat(face[..., None], 3, axis=2)


HAPPY, SAD, ANGRY = pixels(3), pixels(4), pixels(0)

VARIANTS = {
    "as Kaggle's fer2013.csv": "emotion,pixels,Usage\n3,{happy},Training\n4,{sad},PublicTest\n",
    "as Kaggle's icml_face_data.csv": (
        "emotion, Usage, pixels\n3, Training, {happy}\n4, PublicTest, {sad}\n"
    ),
    "quoted": '"emotion","pixels","Usage"\r\n"3","{happy}","Training"\r\n4,"{sad}",PublicTest\r\n',
    "BOM, blank lines, no end": (
        "\ufeffemotion,pixels,Usage\n\n3,{happy},Training\n\n4,{sad},PublicTest"
    ),
    "capitals": "EMOTION,Pixels,usage\n3,{happy},TRAINING\n4,{sad},Public Test\n",
    "padded": "emotion , pixels ,Usage \n 3 ,  {happy} , Training \n4,{sad},PublicTest\n",
}


@pytest.mark.parametrize("variant", VARIANTS)
def test_each_variant_gives_the_same_pictures(tmp_path: Path, variant: str) -> None:
    text = VARIANTS[variant].format(happy=HAPPY, sad=SAD)
    (tmp_path / "set.txt").write_text(text, encoding="utf-8", newline="")
    imported = import_data(str(tmp_path / "set.txt"), tmp_path / "out")
    assert imported.counts == {"happy": 1, "sad": 1}
    assert imported.notes == ()
    happy = tmp_path / "out/happy/fer2013-training-00001.png"
    sad = tmp_path / "out/sad/fer2013-publictest-00002.png"
    np.testing.assert_array_equal(read(happy), grey(FACES[3]))
    np.testing.assert_array_equal(read(sad), grey(FACES[4]))
    assert len(list((tmp_path / "out").glob("*/*"))) == 2


def test_without_usage_the_name_says_none(tmp_path: Path) -> None:
    (tmp_path / "set.csv").write_text(f"emotion,pixels\n4,{SAD}\n")
    import_data(str(tmp_path / "set.csv"), tmp_path / "out")
    assert [file.name for file in tmp_path.glob("out/*/*")] == ["fer2013-00001.png"]


def a_csv(folder: Path, *rows: str) -> str:
    file = folder / "fer2013.csv"
    file.write_text("\n".join(["emotion,pixels,Usage", *rows]) + "\n")
    return str(file)


ALL = [f"{emotion},{pixels(emotion)},Training" for emotion in range(7)]
MAPS = [
    ({}, {"happy": 1, "sad": 1}, 5),
    ({"3": "happy", "4": "sad"}, {"happy": 1, "sad": 1}, 5),
    ({"Joy": "good", "SADNESS": "bad"}, {"bad": 1, "good": 1}, 5),
    ({"0": "bad", "fear": "bad", "neutral": "calm"}, {"bad": 2, "calm": 1}, 4),
    # an emotion's name and number may both be given if they agree
    ({"3": "happy", "happy": "happy"}, {"happy": 1}, 6),
]


def test_the_other_emotions_become_neither(tmp_path: Path) -> None:
    imported = import_data(a_csv(tmp_path, *ALL), tmp_path / "out", neither=True)
    assert imported.counts == {"happy": 1, "neither": 5, "sad": 1}
    others = dict.fromkeys(("angry", "disgust", "fear", "neutral", "surprise"), 1)
    assert imported.sources["neither"] == others
    assert imported.notes == ()


@pytest.mark.parametrize(("mapping", "counts", "others"), MAPS)
def test_classes_go_by_name_and_by_number(
    tmp_path: Path, mapping: dict[str, str], counts: dict[str, int], others: int
) -> None:
    imported = import_data(a_csv(tmp_path, *ALL), tmp_path / "out", mapping=mapping)
    assert imported.counts == counts
    assert imported.notes[0].startswith(f"left out: {others} files of other classes: ")


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        ({"7": "happy"}, "--map 7=happy: .*no class of that name; its classes: angry, disgust, "),
        ({"3": "a", "happy": "b"}, "--map gives one class two class folders: 3=a, happy=b"),
    ],
)
def test_a_mapping_that_does_not_fit(tmp_path: Path, mapping: dict[str, str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        import_data(a_csv(tmp_path, *ALL), tmp_path / "out", mapping=mapping)
    assert not (tmp_path / "out").exists()


def changed(value: str) -> str:
    """Return a row of a happy face with another last pixel."""
    return f"3,{HAPPY.rpartition(' ')[0]} {value},Training"


BAD = [
    (f"3,{HAPPY} 7,Training", "line 3: pixels must be 2,304 numbers, not 2,305"),
    (f"3,{HAPPY.partition(' ')[2]},Training", "line 3: pixels must be 2,304 numbers, not 2,303"),
    ("3,,Training", "line 3: pixels must be 2,304 numbers, not 0"),
    (changed("256"), "line 3: pixels must be 0 to 255, not '256'"),
    (changed("-1"), "line 3: pixels must be 0 to 255, not '-1'"),
    (changed("1.5"), "line 3: pixels must be 0 to 255, not '1.5'"),
    (changed("x"), "line 3: pixels must be 0 to 255, not 'x'"),
    (changed("9" * 5000), "line 3: pixels must be 0 to 255, not '9{40}'"),
    (f"7,{HAPPY},Training", "line 3: emotion must be 0 to 6, not '7'"),
    (f"-1,{HAPPY},Training", "line 3: emotion must be 0 to 6, not '-1'"),
    (f"happy,{HAPPY},Training", "line 3: emotion must be 0 to 6, not 'happy'"),
    (f",{HAPPY},Training", "line 3: emotion must be 0 to 6, not ''"),
    (f"3,{HAPPY}", r"line 3: a row must have 3 fields \(emotion, pixels, usage\), not 2"),
    (f"3,{HAPPY},Training,more", "line 3: a row must have 3 fields .*, not 4"),
    ("3", "line 3: a row must have 3 fields .*, not 1"),
    # a quote that is never closed includes the rest
    ('3,"' + f"{HAPPY},Training\n" * 20, "line 19: field larger than field limit"),
]


@pytest.mark.parametrize(("row", "message"), BAD)
def test_a_bad_row_is_named(tmp_path: Path, row: str, message: str) -> None:
    source = a_csv(tmp_path, f"4,{SAD},Training", row, f"4,{SAD},Training")
    with pytest.raises(ImportDataError, match=message) as caught:
        import_data(source, tmp_path / "out")
    assert str(caught.value).startswith(f"{source}, line ")
    assert "\n" not in str(caught.value)
    # only pixels are read after the first picture is written
    late = "pixels must" in message
    copied = str(caught.value).endswith("; 1 file copied before is complete and stays")
    placed = [file.name for file in tmp_path.glob("out/*/*")]
    assert (copied, placed) == (late, ["fer2013-training-00001.png"] if late else [])


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    row = b"3,\xff " + HAPPY.partition(" ")[2].encode()
    (tmp_path / "a").write_bytes(b"emotion,pixels\n0,\n" + row)
    with pytest.raises(ImportDataError, match="a, line 3: pixels must be 0 to 255, not '\ufffd'"):
        import_data(str(tmp_path / "a"), tmp_path / "out")


@pytest.mark.parametrize(
    "text", ["emotion,pixels,Usage", "emotion,pixels\n\n", f"emotion,pixels\n0,{ANGRY}\n"]
)
def test_no_wanted_row(tmp_path: Path, text: str) -> None:
    (tmp_path / "a").write_text(text)
    with pytest.raises(ImportDataError, match="a: no picture of a wanted class"):
        import_data(str(tmp_path / "a"), tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "header", ["emotion,pixel", "label,pixels,Usage", "emotion;pixels", "pixels"]
)
def test_another_header_is_nothing_we_know(tmp_path: Path, header: str) -> None:
    (tmp_path / "a").write_text(f"{header}\n3,{HAPPY}\n")
    with pytest.raises(UsageError, match=f"a is a text that begins with '{header}'"):
        import_data(str(tmp_path / "a"), tmp_path / "out")


def test_again_changes_nothing_whoever_packed_the_picture(tmp_path: Path) -> None:
    source = a_csv(tmp_path, f"3,{HAPPY},Training", f"4,{SAD},Training")
    import_data(source, tmp_path / "out")
    happy = tmp_path / "out/happy/fer2013-training-00001.png"
    happy.write_bytes(encoded(FACES[3], compress_level=1))  # another encoder's file
    before = {
        file: (file.stat().st_mtime_ns, file.read_bytes()) for file in tmp_path.glob("out/*/*")
    }
    imported = import_data(source, tmp_path / "out")
    assert imported.counts == {"happy": 1, "sad": 1}
    assert imported.notes == ("there already: 2 files",)
    after = {
        file: (file.stat().st_mtime_ns, file.read_bytes()) for file in tmp_path.glob("out/*/*")
    }
    assert after == before


@pytest.mark.parametrize(
    "mine",
    [
        encoded(grey(FACES[4])),  # another face
        encoded(FACES[3, :24, :24]),  # another size
        encoded(FACES[3, :1, :1]),  # one pixel, which numpy would compare with each
        encoded(FACES[3])[:-20],
        b"no picture",
        b"",
    ],
)
def test_a_file_of_mine_with_that_name_is_kept(tmp_path: Path, mine: bytes) -> None:
    file = save(tmp_path / "out/happy/fer2013-training-00001.png", FACES[3])
    file.write_bytes(mine)
    source = a_csv(tmp_path, f"3,{' '.join([str(FACES[3, 0, 0])] * 2304)},Training")
    for _ in range(2):
        assert import_data(source, tmp_path / "out").counts == {"happy": 1}
        assert file.read_bytes() == mine
        assert len(list(file.parent.iterdir())) == 2


def a_package(folder: Path, kind: str, **files: str) -> str:
    """Return a zip, a tar or a folder of CSVs, by their names without ".csv"."""
    texts = {f"{name}.csv": text.encode() for name, text in files.items()}
    file = folder / f"archive.{kind}"
    if kind == "folder":
        for name, data in texts.items():
            (file / name).parent.mkdir(parents=True, exist_ok=True)
            (file / name).write_bytes(data)
    elif kind == "zip":
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as made:
            for name, data in texts.items():
                made.writestr(name, data)
    else:
        with tarfile.open(file, "w:gz") as packed:
            for name, data in texts.items():
                info = tarfile.TarInfo(name)
                info.size = len(data)
                packed.addfile(info, io.BytesIO(data))
    return str(file)


TABLE = "emotion,pixels,Usage\n" + "\n".join(ALL)
PART = f"emotion,pixels\n3,{HAPPY}\n"


@pytest.mark.parametrize("kind", ["zip", "tgz", "folder"])
def test_the_csv_in_the_zip_that_kaggle_gives(tmp_path: Path, kind: str) -> None:
    # Kaggle's zip of the competition has the tables of its parts, too
    source = a_package(tmp_path, kind, example_submission="emotion\n", fer2013=TABLE, train=PART)
    said: list[str] = []
    imported = import_data(
        source, tmp_path / "out", mapping={"3": "happy", "sad": "sad"}, say=said.append
    )
    assert said == [
        "Found 2 photos: 1 happy, 1 sad; 7 other files.",
        "They are the rows of fer2013.csv, a CSV of FER2013.",
    ]
    assert imported.counts == {"happy": 1, "sad": 1}
    assert "left out: 2 files beside fer2013.csv" in imported.notes
    happy = tmp_path / "out/happy/fer2013-training-00004.png"
    np.testing.assert_array_equal(read(happy), grey(FACES[3]))
    import_data(a_csv(tmp_path, *ALL), tmp_path / "plain")
    assert [file.name for file in sorted(tmp_path.glob("plain/*/*"))] == [
        file.name for file in sorted(tmp_path.glob("out/*/*"))
    ]


@pytest.mark.parametrize("kind", ["zip", "tgz"])
def test_a_bad_row_in_an_archive_is_named(tmp_path: Path, kind: str) -> None:
    source = a_package(tmp_path, kind, fer2013=f"emotion,pixels\n3,{HAPPY}\n9,{HAPPY}\n")
    with pytest.raises(
        ImportDataError, match=r"archive\.\w+, fer2013\.csv, line 3: emotion must be"
    ):
        import_data(source, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_class_folders_go_before_a_csv_of_fer2013(tmp_path: Path) -> None:
    source = a_package(tmp_path, "folder", fer2013=TABLE)
    save(Path(source) / "sad/x.png", FACES[4])
    assert import_data(source, tmp_path / "out").counts == {"sad": 1}
