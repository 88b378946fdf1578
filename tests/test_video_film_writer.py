"""Written films keep the times and the sound, play everywhere, and are whole or not there."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from happysad.errors import UsageError, VideoError
from happysad.images import Pixels
from happysad.video import film_writer
from happysad.video.film_writer import check_name, writing
from happysad.video.films import open_film
from tests.films import film, turn


def frames(count: int, height: int = 48, width: int = 64) -> list[Pixels]:
    """Frame n is plain, of grey 20 n."""
    return [np.full((height, width, 3), 20 * number, np.uint8) for number in range(count)]


def copy(source: Path, out: Path) -> str:
    """Write a film anew, and return its codecs."""
    with open_film(source) as read, writing(out, read.rate, read.sound) as writer:
        for frame in read.frames(on_sound=writer.add_sound):
            writer.show(frame.pixels, frame.at, read.start)
        writer.end(read.end)
        return writer.content


def packets(file: Path, kind: str) -> list[float]:
    """The times of the packets of the only stream of a kind."""
    with av.open(str(file)) as container:
        (stream,) = (one for one in container.streams if one.type == kind)
        times = [one.pts * one.time_base for one in container.demux(stream) if one.pts is not None]
    return sorted(float(at) for at in times)


TIMES = (0, 0.04, 0.14, 0.7, 0.74)


@pytest.mark.parametrize(
    ("source", "sound", "out", "content"),
    [
        ("a.mp4", "aac", "out.mp4", "H.264, with sound: AAC"),
        ("a.mkv", "libopus", "out.mp4", "H.264, with sound: Opus"),
        ("a.mkv", "ac3", "out.mp4", "H.264, with sound: AAC"),
        ("a.mkv", "libopus", "out.webm", "VP9, with sound: Opus"),
        ("a.mp4", "aac", "out.WEBM", "VP9, with sound: Opus"),
        ("a.mp4", None, "out.mp4", "H.264, without sound"),
    ],
)
def test_times_and_sound_are_kept(
    tmp_path: Path, source: str, sound: str | None, out: str, content: str
) -> None:
    file = film(tmp_path / source, frames(5), times=TIMES, sound=sound)
    assert copy(file, tmp_path / out) == content
    assert packets(tmp_path / out, "video") == pytest.approx(TIMES, abs=0.001)
    if sound is not None:
        before, after = (packets(one, "audio") for one in (file, tmp_path / out))
        assert after[-1] == pytest.approx(before[-1], abs=0.03)
        assert np.diff(after).max() < 0.04


def test_sound_keeps_its_place_where_the_first_frame_is_late(tmp_path: Path) -> None:
    file = film(tmp_path / "a.mkv", frames(3), times=(0.5, 0.6, 0.7), sound="aac")
    copy(file, tmp_path / "out.mp4")
    assert packets(tmp_path / "out.mp4", "video")[0] == 0
    before, after = (packets(one, "audio") for one in (file, tmp_path / "out.mp4"))
    assert after[0] == pytest.approx(0, abs=0.03)
    assert after[-1] == pytest.approx(before[-1] - 0.5, abs=0.03)


def test_browsers_play_what_is_written(tmp_path: Path) -> None:
    """Upright, 4:2:0 with 8 bits and even sides; the index stands before the pictures."""
    file = turn(film(tmp_path / "a.mp4", frames(3, 62, 96)), 0, 1, -1, 0)
    copy(file, tmp_path / "out.mp4")
    with av.open(str(tmp_path / "out.mp4")) as container:
        video = container.streams.video[0].codec_context
        assert (video.name, video.pix_fmt, video.width, video.height) == ("h264", "yuv420p", 62, 96)
        assert next(container.decode(video=0)).rotation == 0
    content = (tmp_path / "out.mp4").read_bytes()
    assert content.index(b"moov") < content.index(b"mdat")


def test_odd_sides_and_other_sizes(tmp_path: Path) -> None:
    with writing(tmp_path / "a.mp4", 25) as writer:
        for number, size in enumerate(((49, 65), (49, 65), (24, 32))):
            writer.show(np.full((*size, 3), 100, np.uint8), number / 25)
        writer.end(3 / 25)
    with open_film(tmp_path / "a.mp4") as one:
        assert {frame.pixels.shape for frame in one.frames()} == {(48, 64, 3)}


def test_colours_come_back(tmp_path: Path) -> None:
    colours = [np.full((48, 64, 3), rgb, np.uint8) for rgb in ((200, 30, 60), (20, 180, 220))]
    with writing(tmp_path / "a.mp4", 25) as writer:
        for number, pixels in enumerate(colours):
            writer.show(pixels, number / 25)
        writer.end(2 / 25)
    with open_film(tmp_path / "a.mp4") as one:
        for frame, pixels in zip(one.frames(), colours, strict=True):
            assert np.abs(frame.pixels.astype(int) - pixels).max() <= 4


def test_the_last_frame_is_shown_to_the_end(tmp_path: Path) -> None:
    with writing(tmp_path / "a.mp4", 10) as writer:
        writer.show(frames(3)[2], 0.0)
        writer.end(1.5)
    with open_film(tmp_path / "a.mp4") as one:
        assert {round(float(frame.pixels.mean()) / 20) for frame in one.frames()} == {2}
        assert one.end == pytest.approx(1.5, abs=0.05)


@pytest.mark.parametrize("why", ["an error", "a full disk", "no encoder"])
def test_nothing_half_written_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, why: str
) -> None:
    file = tmp_path / "out.mp4"
    file.write_bytes(b"what was there")
    if why == "no encoder":
        monkeypatch.setattr(av.codec, "codecs_available", set())
    with pytest.raises((ZeroDivisionError, VideoError)) as caught, writing(file, 25) as writer:
        for number, pixels in enumerate(frames(3)):
            writer.show(pixels, number / 25)
        if why == "an error":
            raise ZeroDivisionError
        raise av.error.FFmpegError(28, "No space left on device")
    wanted = {
        "a full disk": "out.mp4: cannot be written: no space left on device",
        "no encoder": "has none of the encoders libx264, libopenh264, libsvtav1",
    }
    assert wanted.get(why, "") in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["out.mp4"]
    assert file.read_bytes() == b"what was there"


def test_sound_does_not_wait_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(film_writer, "_MOST_WAITING", 2)
    file = film(tmp_path / "a.mp4", frames(5), sound="aac")
    with open_film(file) as read, writing(tmp_path / "out.mp4", 25, read.sound) as writer:
        shown = list(read.frames(on_sound=writer.add_sound))
        for frame in shown:
            writer.show(frame.pixels, frame.at)
        writer.end(read.end)
    assert len(packets(tmp_path / "out.mp4", "audio")) <= 2


def test_other_ends_are_refused() -> None:
    check_name(Path("a.webm"))
    with pytest.raises(UsageError, match=r"a.gif: the name of a written film must end in .mp4 or"):
        check_name(Path("a.gif"))
