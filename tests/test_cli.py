from __future__ import annotations

import csv
import gc
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from happysad.model_file import SHIPPED
from tests.classifiers import brightness_classifier
from tests.command_line import run_command
from tests.pictures import folders


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return brightness_classifier(tmp_path / "model.onnx")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    (folder / "more").mkdir(parents=True)
    Image.new("RGB", (30, 20), (250, 250, 250)).save(folder / "bright.png")
    Image.new("RGB", (30, 20), (5, 5, 5)).save(folder / "more" / "dark.jpg")
    (folder / "notes.txt").write_text("no picture")
    (folder / ".hidden.png").write_bytes(b"")
    return folder


def test_predict_says_a_row_a_photo_and_ends_with_1_where_one_failed(
    model: Path, photos: Path
) -> None:
    done = run_command("predict", photos, "--model", model, "--json")
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [Path(row["path"]).name for row in rows] == ["bright.png", "notes.txt", "dark.jpg"]
    assert [row["label"] for row in rows] == ["sad", None, "happy"]
    assert rows[1]["error"]["code"] == "not_an_image"
    assert done.status == 1
    hidden = b"left out: 1 file or folder that systems keep beside photos: hidden 1\n"
    assert done.stderr == b"3 photos\n" + hidden


def test_path_glob_and_standard_input_give_identical_rows(model: Path, photos: Path) -> None:
    path = photos / "bright\r.png"  # as macOS's Icon\r
    (photos / "bright.png").rename(path)
    ways = {
        "path": run_command("predict", path, "--model", model, "--json"),
        "glob": run_command("predict", photos / "bri*.png", "--model", model, "--json"),
        "list": run_command("predict", "-", "--model", model, "--json", stdin=f"{path}\n".encode()),
        "bytes": run_command("predict", "-", "--model", model, "--json", stdin=path.read_bytes()),
    }
    rows = {way: json.loads(done.stdout) for way, done in ways.items()}
    assert rows["bytes"].pop("path") == "-"
    for way in ("path", "glob", "list"):
        assert rows[way].pop("path") == str(path)
        assert rows[way] == rows["bytes"]
    assert all(done.status == 0 for done in ways.values())


def test_info_shows_the_card_line_by_line() -> None:
    shown = run_command("info", "--card").stdout.decode().splitlines()
    assert shown == SHIPPED.with_name("MODEL_CARD.md").read_text(encoding="utf-8").splitlines()
    assert len(shown) > 100
    brief = run_command("info").stdout.decode().splitlines()
    assert len(brief) < 30  # one screen
    assert brief[:10] == shown[:10]
    assert "classes        happy, neither, sad" in brief


def test_only_the_built_in_classifier_has_a_card(model: Path) -> None:
    done = run_command("info", "--card", "--model", model)
    assert (done.status, done.stdout) == (2, b"")
    assert b"--card is for the built-in classifier" in done.stderr


def test_info_says_what_a_file_is(model: Path) -> None:
    said = run_command("info", "--model", model).stdout.decode().splitlines()
    rows = dict(line.split(maxsplit=1) for line in said if not line.startswith("trained on"))
    assert rows["classes"] == "happy, sad"
    assert rows["threshold"] == "0.5"
    assert rows["unsure"] == "never"


def test_faces_rows_and_a_drawing(tmp_path: Path) -> None:
    """The whole pipeline with YuNet, on a real portrait, which is part of matplotlib."""
    import matplotlib

    model = brightness_classifier(
        tmp_path / "f.onnx", looks_at="face", slope=0.01, unsure=(0.3, 0.9)
    )
    photo = Path(matplotlib.get_data_path(), "sample_data", "grace_hopper.jpg")
    done = run_command("predict", photo, "--model", model, "--json", "--draw", tmp_path / "out.png")
    assert done.stderr == b""
    row = json.loads(done.stdout)
    assert row["label"] == row["faces"][0]["label"] == "unsure"
    with Image.open(tmp_path / "out.png") as drawn:
        assert drawn.size == (512, 600)
    each = run_command("predict", photo, "--model", model, "--csv", "--rows", "face", "--no-unsure")
    (flat,) = csv.DictReader(io.StringIO(each.stdout.decode()))
    likeliest = max(row["probabilities"], key=row["probabilities"].get)
    assert (flat["face"], flat["label"]) == ("1", likeliest)
    table = run_command("predict", photo, "--model", model, "--rows", "face").stdout.decode()
    assert table.splitlines()[0].split()[:3] == ["answer", "face", "x"]
    leans = f"unsure, leans {likeliest} {100 * row['probability']:.0f} %"
    assert table.splitlines()[1].startswith(f"{leans} ")
    given = run_command("predict", photo, "--model", model, "--faces", "given", "--json")
    assert json.loads(given.stdout)["faces"] == []


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--draw", "out.gif"], "must end in .jpg"),
        (["--faces", "given"], "whole photos"),
    ],
)
def test_what_does_not_go_together_is_refused(
    model: Path, photos: Path, more: list[str], said: str
) -> None:
    done = run_command("predict", photos / "bright.png", "--model", model, *more, cwd=photos)
    assert done.status == 2
    assert done.stdout == b""
    assert said in done.stderr.decode()
    assert done.stderr.count(b"\n") == 1


def test_a_drawing_is_of_one_photo(model: Path, photos: Path) -> None:
    done = run_command("predict", photos, "--model", model, "--draw", "out.jpg", cwd=photos)
    assert done.status == 2
    assert "one photo" in done.stderr.decode()


def test_the_answer_is_given_though_its_drawing_fails(model: Path, photos: Path) -> None:
    arguments = ("--model", model, "--json", "--draw", "/proc/out.jpg")
    done = run_command("predict", photos / "bright.png", *arguments)
    assert json.loads(done.stdout)["label"] == "sad"
    assert done.stderr == b"happysad: /proc/out.jpg: no such file or directory\n"
    assert done.status == 1


def test_csv_and_table(model: Path, photos: Path) -> None:
    icon = photos / "Icon\r"  # as macOS names them
    done = run_command("predict", photos / "bright.png", icon, "--model", model, "--csv")
    row, none = csv.DictReader(io.StringIO(done.stdout.decode(), newline=""))
    assert (row["label"], row["error"]) == ("sad", "")
    assert (none["path"], none["label"]) == (str(icon), "")
    table = run_command("predict", photos, "--model", model).stdout.decode().splitlines()
    assert table[0].split() == ["answer", "photo"]
    assert table[1].split("  ")[0] == "sad 99.9 %"
    assert table[1].endswith(f"  {photos / 'bright.png'}")
    assert table[-1] == "1 error, 1 happy, 1 sad"


def test_a_file_name_that_is_no_utf8_is_text_and_bytes(model: Path, photos: Path) -> None:
    odd = photos.parent / "odd"
    odd.mkdir()
    name = b"\xff.png"
    (odd / name.decode("utf-8", "surrogateescape")).write_bytes(
        (photos / "bright.png").read_bytes()
    )
    done = run_command("predict", odd, "--model", model, "--csv")
    (row,) = csv.DictReader(io.StringIO(done.stdout.decode()))
    assert row["path"] == rf"{odd}/\xff.png"
    assert bytes.fromhex(row["path_bytes"]) == os.fsencode(odd) + b"/" + name
    (odd / "bad\udcff").write_bytes(b"no picture")
    bad, good = map(
        json.loads, run_command("predict", odd, "--model", model, "--json").stdout.splitlines()
    )
    assert good["path"] == rf"{odd}/\xff.png"  # strict readers refuse "\udcff"
    assert bytes.fromhex(good["path_bytes"]) == os.fsencode(odd) + b"/" + name
    assert bad["error"]["text"].startswith(rf"{odd}/bad\xff: not an image")


@pytest.mark.parametrize("encoding", ["cp1252", "utf-8"])
def test_a_name_is_printed_whatever_the_encoding(model: Path, photos: Path, encoding: str) -> None:
    file = (photos / "bright.png").rename(photos / "写真.png")
    done = run_command("predict", file, "--model", model, env={"PYTHONIOENCODING": encoding})
    assert done.status == 0, done.stderr
    shown = "写真" if encoding == "utf-8" else r"\u5199\u771f"
    assert f"{shown}.png" in done.stdout.decode()


@pytest.mark.parametrize("listed", [False, True])
def test_a_path_that_cannot_be_looked_at_costs_no_other(
    model: Path, photos: Path, listed: bool
) -> None:
    paths = ["x" * 300, "bright.png"]
    given, stdin = (["-"], "\n".join(paths).encode()) if listed else (paths, b"")
    done = run_command("predict", *given, "--model", model, "--json", stdin=stdin, cwd=photos)
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [row["label"] for row in rows] == [None, "sad"]
    text = f"{39 * 'x'}…{40 * 'x'}: file name too long"
    assert rows[0]["error"] == {"code": "cannot_open", "text": text}
    assert (done.status, done.stderr) == (1, b"" if listed else b"2 photos\n")


def test_standard_input_of_another_type_is_no_list(model: Path) -> None:
    film = b"\0\0\0\x18ftypmp42\0\0abc\n"
    done = run_command("predict", "-", "--model", model, "--json", stdin=film)
    (row,) = map(json.loads, done.stdout.splitlines())
    assert row["path"] == "-"
    assert row["error"]["code"] == "not_an_image"
    assert row["error"]["text"].startswith("-: a film, not an image")
    assert (done.status, done.stderr) == (1, b"")


def test_a_folder_without_a_file_is_named(model: Path, photos: Path) -> None:
    (photos / "none").mkdir()
    (photos / "none" / ".hidden.png").touch()
    done = run_command("predict", "none", "bright.png", "--model", model, "--json", cwd=photos)
    assert done.stderr.startswith(b"none: no file in it\n1 photo\nleft out: 1 file or folder that")
    assert len(done.stdout.splitlines()) == 1
    assert done.status == 0


def test_check_quarantine_and_restore(tmp_path: Path) -> None:
    data = folders(tmp_path / "mine", each=5)
    broken = data / "sad" / "broken.jpg"
    broken.write_text("no picture")
    away = tmp_path / "away"
    done = run_command("check", data, "--no-quality", "--quarantine", away, cwd=tmp_path)
    assert (done.status, done.stderr) == (0, b"11 photos: happy 5, sad 6\n")
    assert f"1 file moved to {away}" in done.stdout.decode()
    assert (tmp_path / "mine-check" / "report.html").is_file()
    assert not broken.exists()
    back = run_command("check", "--restore", away)
    assert back.stdout.decode() == f"1 file moved back from {away}\n"
    assert broken.read_text() == "no picture"


def test_a_quarantine_of_somebody_else_is_restored_where_the_user_says(tmp_path: Path) -> None:
    away, home = tmp_path / "away", tmp_path / "home"
    away.mkdir()
    (away / "payload").write_text("payload")
    (away / "quarantine.csv").write_text(f"from,to,reason\n{home / 'authorized_keys'},payload,x\n")
    done = run_command("check", "--restore", away)
    assert done.status == 1
    assert done.stdout.decode().splitlines() == [
        f"{away / 'payload'}: stays, since {home / 'authorized_keys'} lies outside of the folders "
        "that you named",
        f"to name the data folder: happysad check DIR --restore {away}",
        f"0 files moved back from {away}",
    ]
    assert not home.exists()
    assert run_command("check", home, "--restore", away).status == 0
    assert (home / "authorized_keys").read_text() == "payload"


def test_import_says_what_it_placed_and_what_it_left_out(tmp_path: Path) -> None:
    source = folders(tmp_path / "theirs", each=2, labels=("joy", "anger"))
    (source / "joy" / "notes.txt").write_text("no picture")
    done = run_command("import", source, tmp_path / "ours", "--map", "joy=happy")
    assert done.stderr == b""
    assert done.stdout.decode().splitlines() == [
        "Found 2 photos: 2 happy; 3 other files.",
        "       2  happy (from joy 2)",
        "left out: 1 file that is no picture",
        "left out: 2 files of other classes: anger 2 (choose classes with --map THEIRS=OURS)",
    ]
    assert len(list((tmp_path / "ours" / "happy").iterdir())) == 2


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        # a wrong call ends with status 2 and the reason
        (("predict", "-", "--model", "MODEL"), 2, "standard input is empty"),
        (("predict", "x.jpg", "--model", "MODEL", "--json", "--csv"), 2, "exclude each other"),
        (("check",), 2, "check needs a DIR"),
        (("check", "nowhere"), 2, "nowhere does not exist"),
        (
            ("check", "--quarantine", "x", "--restore", "y"),
            2,
            "--restore FOLDER cannot be combined",
        ),
        (("train",), 2, "train needs a DIR, or --resume RUN"),
        (("train", "x", "--resume", "y"), 2, "--resume RUN cannot be combined"),
        (("train", ".", "--model", "huge"), 2, "not 'huge'"),
        (("train", ".", "--epochs", "-3"), 2, "epochs"),
        (("train", ".", "--model", "compact", "--no-keep-neither"), 2, "does not use keep_neither"),
        (("import", "nowhere", "x"), 2, "nowhere: no such file"),
        (("import", "nowhere", "x", "--map", "joy"), 2, "--map must be THEIRS=OURS"),
        (("import", "ftp://host/x.zip", "x"), 2, "must begin with http:// or https://"),
        # failed work ends with status 1
        (("predict", "x.jpg", "--model", "missing.onnx"), 1, "missing.onnx: no such file"),
        (("predict", "missing.jpg", "--model", "MODEL"), 1, "missing.jpg: no such file"),
        (("train", "--resume", "nowhere"), 1, "nowhere: not a run's folder"),
    ],
)
def test_bad_calls_end_in_one_line(
    arguments: tuple[str, ...], status: int, message: str, model: Path, tmp_path: Path
) -> None:
    given = [str(model) if argument == "MODEL" else argument for argument in arguments]
    done = run_command(*given, cwd=tmp_path)
    said = (done.stdout + done.stderr).decode()
    assert done.status == status, said
    assert message in said
    assert "Traceback" not in said


def test_every_setting_is_an_option_with_a_help() -> None:
    from dataclasses import fields

    from happysad.training.config import TrainConfig

    text = " ".join(run_command("train", "--help").stdout.decode().split())
    for field in fields(TrainConfig):
        assert "--" + field.name.replace("_", "-") in text
        assert field.metadata["help"].split()[0] in text


def test_the_reader_may_stop_early(model: Path, photos: Path) -> None:
    many = "\n".join([str(photos / "bright.png")] * 3000).encode()
    command = f"'{sys.executable}' -m happysad predict - --model '{model}' | head -1"
    done = subprocess.run(["sh", "-c", command], input=many, capture_output=True, check=False)
    assert done.stdout.split() == [b"answer", b"photo"]
    assert done.stderr == b""


@pytest.mark.parametrize(
    ("arguments", "status", "output"),
    [
        pytest.param(["--version"], 0, "happysad", id="good"),
        pytest.param(["--nothing"], 2, "", id="an unknown option"),
        pytest.param(["predict", "a/b.jpg"], 1, "a/b.jpg", id="a missing photo"),
    ],
)
def test_a_process_ends_with_its_output_status_and_exit_handlers(
    arguments: list[str], status: int, output: str
) -> None:
    code = (
        "import atexit, sys, typer; from happysad import cli\n"
        "run = typer.Typer.__call__\n"
        "def call(*given, **named):\n"
        "    atexit.register(print, 'handler', file=sys.stderr)\n"
        "    return run(*given, **named)\n"
        "typer.Typer.__call__ = call\n"
        f"sys.argv[1:] = {arguments}\n"
        "cli.program()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == status
    assert output in done.stdout
    assert done.stderr.endswith("handler\n")


def test_predicting_collects_garbage_again_once_the_classifier_is_loaded(
    model: Path, photos: Path
) -> None:
    assert run_command("predict", photos / "bright.png", "--model", model).status == 0
    assert gc.isenabled()
    assert run_command("predict", photos / "bright.png", "--model", photos).status != 0
    assert gc.isenabled()
