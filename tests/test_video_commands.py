"""happysad video and happysad webcam, as they are typed."""

from __future__ import annotations

import importlib.util
import re
import threading
import webbrowser
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import pytest

from happysad.classifier import Classifier
from happysad.cli import video_commands
from happysad.errors import MissingExtraError
from happysad.images import Pixels
from happysad.video import camera
from tests.classifiers import brightness_classifier, three_class_classifier
from tests.command_line import Done, run_command, run_process
from tests.films import film, party
from tests.test_video_camera import Capture


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a classifier and two films, one of them cut off."""
    room = tmp_path_factory.mktemp("room")
    brightness_classifier(room / "model.onnx", looks_at="face", slope=0.1)
    content = film(room / "party.avi", party(20)).read_bytes()
    (room / "half.avi").write_bytes(content[: len(content) // 2])
    (room / "text.mp4").write_text("no film")
    return room


def test_video_says_who_was_seen_and_what_it_wrote(room: Path, tmp_path: Path) -> None:
    done = run_command(
        "video", room / "party.avi", "--model", room / "model.onnx", "--every", "2",
        "--csv", "a.csv", "--out", "a.mp4", cwd=tmp_path,
    )  # fmt: skip
    assert (done.status, done.stderr) == (0, b"")
    head, face, *rest = done.stdout.decode().splitlines()
    moments, rest = rest[:-4], rest[-4:]
    assert head.split() == ["face", "from", "to", "frames", "happy", "sad", "unsure", "p_sad"]
    assert face.split()[:4] == ["1", "0:00", "0:01", "10"]
    assert rest == [
        "time:  0:01, 10 frames analysed",
        "table: a.csv",
        "film:  a.mp4 (H.264, without sound)",
        "plot:  party-plot.png",
    ]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.csv", "a.mp4", "party-plot.png"]
    assert moments[0].split() == ["moment", "time", "face", "probability"]
    assert {line.split()[0] for line in moments[1:]} <= {"happiest", "saddest"}
    assert len({len(line) for line in moments}) == 1


def test_a_film_without_a_stated_length(room: Path, tmp_path: Path) -> None:
    """Case 3: its length was formatted as a number, after the whole film."""
    film(tmp_path / "picamera.h264", party(6))
    done = run_command(
        "video", "picamera.h264", "--model", room / "model.onnx", "--out", "a.mp4", cwd=tmp_path
    )
    assert (done.status, done.stderr) == (0, b"")
    assert b"6 frames analysed" in done.stdout


def test_video_without_the_extra_is_refused_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r'happysad video .* "happysad\[video\]"'):
        video_commands.video("party.mp4")


def test_video_of_three_classes_and_of_two_answers(room: Path, tmp_path: Path) -> None:
    three_class_classifier(tmp_path / "three.onnx", looks_at="face", slope=0.02)
    three = ["video", str(room / "party.avi"), "--every", "10", "--model", "three.onnx"]
    for options, classes, means in (
        ([], ["happy", "neither", "sad"], ["p_happy", "p_neither", "p_sad"]),
        (["--answers", "happy,sad"], ["happy", "sad"], ["p_sad"]),
    ):
        done = run_command(*three, *options, cwd=tmp_path)
        assert (done.status, done.stderr) == (0, b"")
        head, face, *_ = done.stdout.decode().splitlines()
        assert head.split()[4:] == [*classes, "unsure", *means]
        assert len(face.split()) == len(head.split())
        assert len(face) == len(head)
    refused = run_command(*three, "--answers", "happy,glad", cwd=tmp_path)
    assert refused.status == 2
    assert b"answers must be two or more of happy, neither, sad" in refused.stderr


def test_a_film_that_is_cut_off_gives_what_it_has_and_ends_with_1(
    room: Path, tmp_path: Path
) -> None:
    # In a process: FFmpeg writes its complaints to standard error itself.
    done = run_process("video", room / "half.avi", "--model", room / "model.onnx", cwd=tmp_path)
    assert done.status == 1
    assert "of its 0.4 s can be read" in done.stderr.decode()
    assert done.stderr.count(b"\n") == 1
    assert (tmp_path / "half-plot.png").is_file()


def test_what_is_no_film_is_said_in_one_line(room: Path, tmp_path: Path) -> None:
    done = run_process("video", room / "text.mp4", cwd=tmp_path)
    message = f"happysad: {room / 'text.mp4'}: not a film that can be read\n"
    assert done == Done(1, b"", message.encode())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["video", "none.mp4"], 1, "none.mp4: no such file"),
        (
            ["video", "ROOM/party.avi", "--out", "a.gif"],
            2,
            "a.gif: the name of a written film",
        ),
        (["video", "ROOM/party.avi", "--every", "0"], 2, "--every"),
        (["webcam", "--terminal", "--camera", "97"], 1, "camera 97: not found"),
        (["webcam", "--camera", "1"], 2, "--camera needs --terminal"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(
    room: Path, tmp_path: Path, arguments: list[str], status: int, said: str
) -> None:
    given = [argument.replace("ROOM", str(room)) for argument in arguments]
    done = run_command(*given, cwd=tmp_path)
    assert done.status == status
    assert said in done.stderr.decode()
    assert done.stdout == b""
    assert list(tmp_path.iterdir()) == []
    if "--every" not in arguments:  # there the usage stands above
        assert done.stderr.count(b"\n") == 1


def test_webcam_opens_the_live_view(monkeypatch: pytest.MonkeyPatch, room: Path) -> None:
    server = pytest.importorskip("happysad.web.app", reason="needs the extra web")
    came: dict[str, Any] = {}
    monkeypatch.setattr(
        server, "serve", lambda settings, **more: came.update(more, settings=settings)
    )
    video_commands.webcam(model=room / "model.onnx")
    assert came["settings"].model == room / "model.onnx"
    assert came["settings"].port == 0  # any: another one may be in use
    assert (came["browser"], came["view"]) == (True, "#live")


@pytest.mark.parametrize("browser", [True, False, webbrowser.Error("no method available")])
def test_webcam_without_a_browser_prints_the_address_of_the_live_view(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    room: Path,
    browser: bool | webbrowser.Error,
) -> None:
    uvicorn = pytest.importorskip("uvicorn", reason="needs the extra web")
    asked: list[str] = []

    def opens(address: str) -> bool:
        asked.append(address)
        if isinstance(browser, webbrowser.Error):
            raise browser
        return browser

    monkeypatch.setattr(webbrowser, "open", opens)
    monkeypatch.setattr(uvicorn.Server, "run", lambda server, sockets: None)
    video_commands.webcam(model=room / "model.onnx")
    lines = capsys.readouterr().out.splitlines()
    (address,) = asked
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/#live", address)
    assert lines[0].endswith(f" on {address}")
    advice = ["no browser could be opened: open the address in one"]
    assert lines[2:] == ([] if browser is True else advice)


def test_webcam_without_the_extra_names_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"without --terminal .* \"happysad\[web\]\""):
        video_commands.webcam()


def test_webcam_in_the_terminal_ends_cleanly_on_ctrl_c(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], room: Path
) -> None:
    def lines(frames: Iterator[Pixels], classifier: Classifier) -> Iterator[str]:
        yield f"{next(frames).shape}"
        raise KeyboardInterrupt

    monkeypatch.setattr(cv2, "VideoCapture", Capture)
    monkeypatch.setattr(camera, "lines", lines)
    video_commands.webcam(model=room / "model.onnx", terminal=True)
    assert capsys.readouterr().out == "(4, 4, 3)\n"
    assert "camera" not in {thread.name for thread in threading.enumerate()}
