"""Films are read upright with their own times, within limits; what is no film is refused."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from happysad.errors import VideoError
from happysad.images import Pixels
from happysad.video import films
from happysad.video.films import Film, open_film
from tests.films import film, party, turn
from tests.static_server import served


def stripes(count: int, height: int = 48, width: int = 64) -> list[Pixels]:
    """Frame n is plain, of grey 20 n."""
    return [np.full((height, width, 3), 20 * number, np.uint8) for number in range(count)]


def seen(source: Path | str, every: int = 1) -> list[tuple[int, float, int]]:
    """Number, time and number by grey of each frame."""
    with open_film(source) as one:
        return [
            (frame.number, round(frame.at, 3), round(float(frame.pixels.mean()) / 20))
            for frame in one.frames(every)
        ]


@pytest.mark.parametrize("suffix", [".avi", ".mp4", ".mkv", ".webm"])
@pytest.mark.parametrize(("every", "numbers"), [(1, range(7)), (3, [0, 3, 6]), (9, [0])])
def test_every_nth_frame_with_its_time(
    tmp_path: Path, suffix: str, every: int, numbers: list[int]
) -> None:
    file = film(tmp_path / f"a{suffix}", stripes(7), rate=10)
    assert seen(file, every) == [(number, number / 10, number) for number in numbers]


@pytest.mark.parametrize("suffix", [".mp4", ".webm"])
def test_a_variable_rate_is_kept(tmp_path: Path, suffix: str) -> None:
    times = [0, 0.04, 0.14, 0.7, 0.74]
    file = film(tmp_path / f"a{suffix}", stripes(5), times=times)
    assert [at for _, at, _ in seen(file)] == times


def test_times_begin_at_the_first_frame(tmp_path: Path) -> None:
    file = film(tmp_path / "a.mkv", stripes(3), times=[5, 5.1, 5.3])
    assert [at for _, at, _ in seen(file)] == pytest.approx([0, 0.1, 0.3])


def test_a_clock_that_jumps_by_years_does_not_count(tmp_path: Path) -> None:
    file = film(tmp_path / "a.mkv", stripes(4), rate=10, times=[0, 0.1, 1e6, 1e6 + 0.1])
    assert [at for _, at, _ in seen(file)] == pytest.approx([0, 0.1, 0.2, 0.3])


def test_a_film_longer_than_the_limit_ends_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(films, "LONGEST", 0.3)
    with open_film(film(tmp_path / "a.mp4", stripes(9), rate=10)) as one:
        assert len(list(one.frames())) == 3
        assert one.too_long
        assert not one.cut_off


@pytest.mark.parametrize("name", ["browser-recording.mkv", "picamera.h264"])
def test_a_film_without_a_stated_length(tmp_path: Path, name: str) -> None:
    """As browsers and small cameras write them; what follows needs no length."""
    if name.endswith(".mkv"):
        content = film(tmp_path / "whole.mkv", stripes(7), rate=10).read_bytes()
        # Matroska's Duration (0x4489), of 8 bytes, becomes a void element.
        at = content.index(b"\x44\x89\x88")
        content = content[:at] + b"\xec\x89" + bytes(9) + content[at + 11 :]
        (tmp_path / name).write_bytes(content)
    else:
        film(tmp_path / name, stripes(7), rate=10)
    with open_film(tmp_path / name) as one:
        assert one.length is None
        assert [frame.number for frame in one.frames()] == list(range(7))
        assert not one.cut_off


@pytest.mark.parametrize("name", ["12:30 Grüße ☺.mp4", "http:a.mp4", "-a.mp4", "a%02d.mp4"])
def test_any_name_is_a_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Not a protocol's, an option or a pattern; told from the folder it lies in."""
    content = film(tmp_path / "a.mp4", stripes(3), rate=10).read_bytes()
    monkeypatch.chdir(tmp_path)
    Path(name).write_bytes(content)
    assert len(seen(Path(name))) == 3


def test_a_name_that_is_no_utf_8_is_refused(tmp_path: Path) -> None:
    name = tmp_path / "\udcff.mp4"
    name.touch()
    with pytest.raises(VideoError, match="must be UTF-8"):
        open_film(name)


def test_a_film_on_the_web(tmp_path: Path) -> None:
    film(tmp_path / "a.mp4", stripes(3), rate=10)
    with served(tmp_path) as address:
        assert len(seen(f"{address}/a.mp4")) == 3
        with pytest.raises(VideoError, match=r"none.mp4: cannot be read: .*404"):
            open_film(f"{address}/none.mp4")


def test_colours_are_rgb(tmp_path: Path) -> None:
    red = np.zeros((48, 64, 3), np.uint8)
    red[..., 0] = 255
    with open_film(film(tmp_path / "a.avi", [red])) as one:
        (frame,) = one.frames()
    assert frame.pixels.mean(axis=(0, 1)) == pytest.approx((255, 0, 0), abs=12)


@pytest.mark.parametrize(
    ("matrix", "white"),
    [
        ((1, 0, 0, 1), "left upper"),
        ((0, 1, -1, 0), "right upper"),
        ((-1, 0, 0, -1), "right lower"),
        ((0, -1, 1, 0), "left lower"),
        ((-1, 0, 0, 1), "right upper"),
        ((0, 1, 1, 0), "left upper"),
    ],
)
def test_a_film_is_turned_and_mirrored_as_it_states(
    tmp_path: Path, matrix: tuple[int, int, int, int], white: str
) -> None:
    wide = np.zeros((64, 96, 3), np.uint8)
    wide[:32, :48] = 255
    with open_film(turn(film(tmp_path / "a.mp4", [wide]), *matrix)) as one:
        (frame,) = one.frames()
    assert frame.pixels.shape == ((64, 96, 3) if matrix[0] else (96, 64, 3))
    height, width = (side // 2 for side in frame.pixels.shape[:2])
    quarters = {
        f"{side} {part}": frame.pixels[y : y + height, x : x + width].mean()
        for y, part in ((0, "upper"), (height, "lower"))
        for x, side in ((0, "left"), (width, "right"))
    }
    assert max(quarters, key=lambda name: quarters[name]) == white


def test_a_film_that_was_cut_off_gives_what_it_has(tmp_path: Path) -> None:
    file = film(tmp_path / "a.avi", party(12), rate=10)
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 2])
    with open_film(file) as one:
        numbers = [frame.number for frame in one.frames()]
        assert 0 < len(numbers) < 10
        assert one.cut_off


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("none.mp4", "none.mp4: no such file"),
        (".", "not a file"),
        ("names.txt", "names.txt: not a film that can be read"),
        ("list.mp4", "list.mp4: not a film that can be read"),
        ("playlist.m3u8", "playlist.m3u8: not a film that can be read"),
        ("void.mp4", "void.mp4: not a film that can be read"),
        ("half.mp4", "not a film that can be read: it has no moving pictures"),
        ("photo.png", "photo.png: a photo, not a film; happysad predict reads photos"),
        ("photo.mp4", "photo.mp4: a photo, not a film; happysad predict reads photos"),
        ("photo.avif", "photo.avif: a photo, not a film; happysad predict reads photos"),
        ("sound.mp4", "not a film that can be read: it has no moving pictures"),
    ],
)
def test_what_is_no_film_is_refused(tmp_path: Path, name: str, said: str) -> None:
    (tmp_path / "names.txt").write_text("Anna\nBert\n" * 9)
    whole = film(tmp_path / "whole.mp4", stripes(9)).read_bytes()
    (tmp_path / "list.mp4").write_text("ffconcat version 1.0\nfile whole.mp4\n")
    (tmp_path / "playlist.m3u8").write_text("#EXTM3U\n#EXTINF:1,\nwhole.mp4\n#EXT-X-ENDLIST\n")
    (tmp_path / "void.mp4").touch()
    (tmp_path / "half.mp4").write_bytes(whole[: len(whole) // 2])
    Image.new("RGB", (64, 48)).save(tmp_path / "photo.png")
    Image.new("RGB", (64, 48)).save(tmp_path / "photo.mp4", format="JPEG")
    Image.new("RGB", (64, 48)).save(tmp_path / "photo.avif")
    with av.open(str(tmp_path / "sound.mp4"), "w") as container:
        audio = container.add_stream("aac", rate=48_000, layout="mono")
        piece = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.int16), "s16", "mono")
        piece.sample_rate = 48_000
        container.mux(audio.encode(piece))
        container.mux(audio.encode(None))
    with pytest.raises(VideoError) as caught, open_film(tmp_path / name) as one:
        list(one.frames())
    assert str(caught.value).endswith(said)


@pytest.mark.parametrize(
    ("limit", "figure", "said"),
    [
        ("_MOST_PIXELS", 3000, "at most 3,000 pixels are allowed, not 64x48"),
        ("_MOST_STREAMS", 1, "more than 0 streams|not a film"),
        ("_MOST_WITHOUT_FRAME", 0, "0 packets in a row without a frame"),
    ],
)
def test_limits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str, figure: int, said: str
) -> None:
    file = film(tmp_path / "a.mp4", stripes(3))
    monkeypatch.setattr(films, limit, figure)
    with pytest.raises(VideoError, match=said), open_film(file) as one:
        list(one.frames())


def test_a_cut_is_told_even_if_its_frame_is_skipped(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    rooms = [
        np.kron(rng.integers(0, 255, (6, 8, 3), np.uint8), np.ones((8, 8, 1), np.uint8))
        for _ in range(2)
    ]
    file = film(tmp_path / "a.mp4", [rooms[0]] * 7 + [rooms[1]] * 8)
    with open_film(file) as one:
        assert [frame.number for frame in one.frames() if frame.cut] == [7]
    with open_film(file) as one:
        assert [frame.number for frame in one.frames(5) if frame.cut] == [10]


def test_the_film_is_closed(tmp_path: Path) -> None:
    with open_film(film(tmp_path / "a.mp4", stripes(3))) as one:
        assert isinstance(one, Film)
    with pytest.raises((VideoError, AssertionError)):
        list(one.frames())
