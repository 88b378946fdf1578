"""Compare a film of 60 s with what `happysad video --out` of 0.1.0 and of now make of it.

    PYTHONPATH=src:. python benchmarks/film.py [--former SRC] [--write FILE]

The film is as a phone writes it: H.264 with AAC, stored on its side, with a variable frame rate.
SRC is the folder `src` of version 0.1.0. PyAV reads the films with the libraries of ffprobe.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np

from happysad.files import write_text
from tests.films import film, party, turn

_SECONDS = 60.0
# The shortest and the longest time between two frames, in seconds.
_PAUSES = (1 / 30, 0.2)


@dataclass(frozen=True)
class Probed:
    """What a film contains."""

    codec: str
    size: str
    """The width and height at which the frames are stored."""
    rotation: int
    """The degrees by which a player turns the frames."""
    times: list[float]
    """The time of each frame in seconds."""
    seconds: float
    """The length of the film."""
    sound: str
    """The codec and the length of the sound."""

    def row(self, name: str, source: Probed) -> str:
        """Return the row of a table, beside the film from which this one was made."""
        pauses = np.diff(self.times)
        apart = [abs(at - one) for at, one in zip(self.times, source.times, strict=False)]
        return (
            f"| {name} | {self.codec} | {self.size} | {self.rotation} | {len(self.times):,} "
            f"| {1 / pauses.max():.1f} to {1 / pauses.min():.1f} | {max(apart):.3f} "
            f"| {self.seconds:.2f} | {self.sound} |"
        )


def make(file: Path) -> Path:
    """Write the film."""
    rng = np.random.default_rng(0)
    times = [0.0]
    while times[-1] < _SECONDS - _PAUSES[1]:
        times.append(times[-1] + rng.uniform(*_PAUSES))
    frames = [np.rot90(frame) for frame in party(len(times))]
    film(file, map(np.ascontiguousarray, frames), times=times, sound="aac")
    return turn(file, 0, 1, -1, 0)


def probe(file: Path) -> Probed:
    """Return what a film contains."""
    with av.open(str(file)) as container:
        video = container.streams.video[0]
        frames = [(frame.time or 0.0, frame.rotation) for frame in container.decode(video)]
    with av.open(str(file)) as container:
        sound = "none"
        for audio in container.streams.audio:
            pieces = list(container.decode(audio))
            ends = [(one.time or 0.0) + one.samples / one.sample_rate for one in pieces]
            sound = f"{audio.codec_context.name}, {max(ends):.2f} s"
        seconds = (container.duration or 0) / av.time_base
    times = [at for at, _ in frames]
    context = video.codec_context
    size = f"{context.width}x{context.height}"
    return Probed(context.name, size, frames[0][1], times, seconds, sound)


def watch(source: Path, out: Path, path: Path) -> None:
    """Write a film by `happysad video --out`, with the happysad in a folder."""
    subprocess.run(
        [sys.executable, "-m", "happysad", "video", str(source), "--out", str(out)],
        check=True,
        cwd=out.parent,
        env={**os.environ, "PYTHONPATH": str(path)},
        stdout=subprocess.DEVNULL,
    )


def main() -> None:
    """Print a table, and write it if asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--former", type=Path, help="the folder src of version 0.1.0")
    parser.add_argument("--write", type=Path, help="file to which the table is also written")
    options = parser.parse_args()
    runs = {"0.2.0": Path(__file__).parents[1] / "src"}
    if options.former:
        runs = {"0.1.0": options.former.resolve(), **runs}
    lines = [
        "| film | codec | stored size | rotation | frames | frames/s | largest error of a time, s "
        "| length, s | sound |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    with tempfile.TemporaryDirectory() as folder:
        source = make(Path(folder, "phone.mp4"))
        given = probe(source)
        lines.append(given.row("the phone's", given))
        for version, path in runs.items():
            out = Path(folder, f"{version}.mp4")
            watch(source, out, path)
            lines.append(probe(out).row(f"happysad {version}", given))
    text = "\n".join(lines) + "\n"
    print(text, end="")
    if options.write:
        write_text(options.write, text)


if __name__ == "__main__":
    main()
