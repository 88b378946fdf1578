"""Films are read upright with their own times, and written whole or not at all."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from happysad.errors import UsageError, VideoError
from happysad.images import Pixels
from happysad.video import films
from happysad.video.films import Film, codec_of, writing
from tests.films import film, party


def stripes(count: int, height: int = 48, width: int = 64) -> list[Pixels]:
    """Frame n is plain, of grey 20 n."""
    return [np.full((height, width, 3), 20 * number, np.uint8) for number in range(count)]


def seen(file: Path, every: int = 1) -> list[tuple[int, float, int]]:
    """Number, time and number by grey of each frame."""
    with Film(file) as one:
        return [
            (frame.number, round(frame.at, 3), round(float(frame.pixels.mean()) / 20))
            for frame in one.frames(every)
        ]


@pytest.mark.parametrize("suffix", [".avi", ".mp4"])
@pytest.mark.parametrize(
    ("every", "numbers"), [(1, [0, 1, 2, 3, 4, 5, 6]), (3, [0, 3, 6]), (9, [0])]
)
def test_every_nth_frame_with_its_time(
    tmp_path: Path, suffix: str, every: int, numbers: list[int]
) -> None:
    file = film(tmp_path / f"a{suffix}", stripes(7), rate=10)
    assert seen(file, every) == [(number, number / 10, number) for number in numbers]


@pytest.mark.parametrize("name", ["12:30 Grüße ☺.mp4", "http:a.mp4", "-a.mp4", "a%02d.mp4"])
def test_any_name_is_a_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Not a protocol's, an option or a pattern; told from the folder it lies in."""
    content = film(tmp_path / "a.mp4", stripes(3), rate=10).read_bytes()
    monkeypatch.chdir(tmp_path)
    Path(name).write_bytes(content)
    assert len(seen(Path(name))) == 3
    with writing(Path(name), 10) as writer:
        for number, frame in enumerate(stripes(5)):
            writer.show(frame, number / 10)
        writer.end(0.5)
    assert len(seen(Path(name))) == 5


def test_a_name_that_is_no_utf_8_is_refused(tmp_path: Path) -> None:
    """OpenCV would end the process."""
    name = tmp_path / "\udcff.mp4"
    name.touch()
    with pytest.raises(VideoError, match="must be UTF-8"):
        Film(name)
    with pytest.raises(VideoError, match="must be UTF-8"), writing(name, 10) as writer:
        writer.show(stripes(1)[0], 0)


def test_colours_are_rgb(tmp_path: Path) -> None:
    red = np.zeros((48, 64, 3), np.uint8)
    red[..., 0] = 255
    with Film(film(tmp_path / "a.avi", [red])) as one:
        (frame,) = one.frames()
    assert frame.pixels.mean(axis=(0, 1)) == pytest.approx((255, 0, 0), abs=12)


def test_a_film_from_a_phone_held_upright_is_turned(tmp_path: Path) -> None:
    wide = np.zeros((48, 64, 3), np.uint8)
    wide[:, :32] = 255  # the left half is white
    file = film(tmp_path / "a.mp4", [wide] * 3)
    content = bytearray(file.read_bytes())
    # ISO 14496-12, 8.3.2: tkhd, version 0, its matrix 40 bytes after version and flags.
    matrix = content.index(b"tkhd") + 4 + 4 + 36
    content[matrix : matrix + 36] = struct.pack(
        ">9i", 0, 1 << 16, 0, -(1 << 16), 0, 0, 0, 0, 1 << 30
    )
    file.write_bytes(content)
    with Film(file) as one:
        frame = next(one.frames())
    assert frame.pixels.shape == (64, 48, 3)
    assert frame.pixels[:28].mean() > 240  # turned to the right, the left half is above
    assert frame.pixels[36:].mean() < 15


@pytest.mark.parametrize(
    ("stated", "rate", "times"),
    [
        pytest.param([0, 40, 140, 160], 25, [0, 0.04, 0.14, 0.16], id="a variable rate"),
        pytest.param([0, 0, 0], 10, [0, 0.1, 0.2], id="no clock"),
        pytest.param([0, 500, 100, 700], 10, [0, 0.5, 0.6, 0.7], id="a clock that goes back"),
        pytest.param([0, float("nan"), 80], 25, [0, 0.04, 0.08], id="a clock without a number"),
        pytest.param([30, 70], 25, [0, 0.07], id="it begins at 0"),
        pytest.param([0, 0], 1000, [0, 0.04], id="a rate in milliseconds is none"),
        pytest.param([0, 0], float("nan"), [0, 0.04], id="no rate"),
    ],
)
def test_times(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    stated: list[float],
    rate: float,
    times: list[float],
) -> None:
    class Capture:
        def __init__(self, *_: Any) -> None:
            self.clock = iter(stated)

        def isOpened(self) -> bool:  # noqa: N802
            return True

        def set(self, *_: Any) -> None: ...

        def release(self) -> None: ...

        def get(self, name: int) -> float:
            return {cv2.CAP_PROP_FPS: rate, cv2.CAP_PROP_POS_MSEC: self.now}.get(name, -1e15)

        now = 0.0

        def grab(self) -> bool:
            self.now = next(self.clock, -1)
            return self.now != -1

        def retrieve(self) -> tuple[bool, Pixels]:
            return True, np.zeros((4, 4, 3), np.uint8)

    monkeypatch.setattr(cv2, "VideoCapture", Capture)
    file = tmp_path / "a.webm"
    file.touch()
    with Film(file) as one:
        assert [frame.at for frame in one.frames()] == pytest.approx(times)
        assert one.total is None
        assert not one.cut_off


def test_a_film_that_was_cut_off_gives_what_it_has(tmp_path: Path) -> None:
    file = film(tmp_path / "a.avi", party(12), rate=10)
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 2])
    with Film(file) as one:
        numbers = [frame.number for frame in one.frames()]
        assert 0 < len(numbers) < 10
        assert one.cut_off


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("none.mp4", "none.mp4: no such file"),
        (".", "not a file"),
        ("text.mp4", "text.mp4: not a film that can be read"),
        ("void.mp4", "void.mp4: not a film that can be read"),
        ("half.mp4", "half.mp4: not a film that can be read"),
        ("empty.avi", "empty.avi: no frame can be read"),
    ],
)
def test_what_is_no_film_is_refused(tmp_path: Path, name: str, said: str) -> None:
    (tmp_path / "text.mp4").write_text("no film")
    (tmp_path / "void.mp4").touch()
    whole = film(tmp_path / "whole.mp4", stripes(9)).read_bytes()
    (tmp_path / "half.mp4").write_bytes(whole[: len(whole) // 2])
    film(tmp_path / "empty.avi", [])
    with pytest.raises(VideoError) as caught, Film(tmp_path / name) as one:
        list(one.frames())
    assert str(caught.value).endswith(said)


@pytest.mark.parametrize("suffix", [".avi", ".mp4", ".MP4"])
def test_a_variable_rate_becomes_a_constant_one_in_time(tmp_path: Path, suffix: str) -> None:
    file = tmp_path / f"out{suffix}"
    with writing(file, 10) as writer:
        for number, at in enumerate((0.0, 0.1, 0.5, 0.52, 0.6)):
            writer.show(stripes(5)[number], at)
        writer.end(0.8)
    # 2 is replaced before it is seen for half a frame's time.
    assert [grey for _, _, grey in seen(file)] == [0, 1, 1, 1, 1, 3, 4, 4]
    assert [path.name for path in tmp_path.iterdir()] == [file.name]


def test_a_single_frame_is_a_film(tmp_path: Path) -> None:
    with writing(tmp_path / "a.mp4", 25) as writer:
        writer.show(stripes(3)[2], 0.0)
        writer.end(0.0)
    assert seen(tmp_path / "a.mp4") == [(0, 0.0, 2)]


def test_a_clock_that_jumps_by_years_fills_no_disk(tmp_path: Path) -> None:
    with writing(tmp_path / "a.mp4", 1) as writer:
        for number, at in enumerate((0.0, 1e9, 1e9 + 1)):
            writer.show(stripes(3)[number], at)
        writer.end(0)
    assert writer.written < 200


@pytest.mark.parametrize("why", ["an error", "a full disk", "no codec"])
def test_nothing_half_written_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, why: str
) -> None:
    file = tmp_path / "out.mp4"
    file.write_bytes(b"what was there")
    if why == "no codec":
        monkeypatch.setattr(films, "_CODECS", {".mp4": ("none", "nothing")})
    with pytest.raises((ZeroDivisionError, VideoError)) as caught, writing(file, 25) as writer:
        for number, pixels in enumerate(stripes(3)):
            writer.show(pixels, number / 25)
        writer.end(3 / 25)
        if why == "an error":
            raise ZeroDivisionError
        if why == "a full disk":
            writer.written += 1  # OpenCV says nothing, but the frame is not there
    wanted = {"a full disk": "not all of it could be written", "no codec": "cannot write nothing"}
    assert wanted.get(why, "") in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["out.mp4"]
    assert file.read_bytes() == b"what was there"


def test_other_ends_are_refused() -> None:
    assert codec_of(Path("a.mp4")) == "MPEG-4 Part 2"
    with pytest.raises(UsageError, match=r"a.gif: the name of a written film must end in .mp4"):
        codec_of(Path("a.gif"))
