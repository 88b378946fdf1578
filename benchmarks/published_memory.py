"""Measure whether the memory of Chromium stays flat while the Live view of a published site runs.

    python benchmarks/published_memory.py --write benchmarks/results/published_memory.md

The camera of Chromium shows the moving drawn face of benchmarks/live.py. After a minute of Live,
the script collects the garbage of JavaScript every ten seconds, in the page and in its worker, and
reads the memory of all processes of the browser, and of those that show pages: otherwise the trend
would depend on when the browser does it, which on a busy machine is late. The memory is the
proportional set size, in which shared pages of memory count once. The trend is the slope of a line
through the means of the minutes, with Student's 95 % interval.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path

import numpy as np
from live import chromium, film
from published import served
from scipy.stats import linregress, t

from happysad.files import write_text
from happysad.site.static_site import publish

_EVERY = 10.0
_PER_MINUTE = 6
# Lets scripts collect garbage.
_EXPOSED = "--js-flags=--expose-gc"
# Counts the frames that the page gives to its worker.
_COUNT = """
  window.frames_ = 0;
  const { postMessage } = Worker.prototype;
  Worker.prototype.postMessage = function (message, ...others) {
    if (message.name === "frame") frames_ += 1;
    return postMessage.call(this, message, ...others);
  };
"""


def main() -> None:
    """Measure, then print and write a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=int, default=10, help="at least 3")
    parser.add_argument("--write", type=Path, help="file to which the table is also written")
    chosen = parser.parse_args()
    if chosen.minutes < 3:
        parser.error("--minutes must be at least 3")
    with tempfile.TemporaryDirectory() as folder:
        publish(Path(folder) / "app", None)
        camera = film(Path(folder) / "face.mjpeg")
        with served(Path(folder)) as server, chromium(camera, _EXPOSED) as browser:
            page = browser.new_page()
            page.add_init_script(_COUNT)
            page.goto(f"http://127.0.0.1:{server.server_port}/app/#live")
            page.click("#live-start")
            page.wait_for_selector("#live-label .chip")
            page.wait_for_timeout(60_000)
            before = page.evaluate("frames_")
            samples = list[tuple[float, float]]()
            began = time.monotonic()
            for number in range(1, chosen.minutes * _PER_MINUTE + 1):
                page.wait_for_timeout(1000 * max(0.0, began + number * _EVERY - time.monotonic()))
                page.evaluate("gc()")
                for worker in page.workers:
                    worker.evaluate("gc()")
                samples.append(_megabytes())
            frames = page.evaluate("frames_") - before
    text = _table(np.array(samples), frames)
    print(text, end="")
    if chosen.write:
        write_text(chosen.write, text)


def _megabytes() -> tuple[float, float]:
    """Return the memory of all processes of Chromium, and of those that show pages."""
    everything = pages = 0.0
    for process in _descendants(os.getpid()):
        try:
            command = (process / "cmdline").read_bytes()
            rollup = (process / "smaps_rollup").read_text(encoding="ascii")
        except OSError:  # it has ended
            continue
        if b"chromium" in command.split(b"\0")[0]:
            size = int(rollup.partition("\nPss:")[2].split(maxsplit=1)[0]) / 1000
            everything += size
            pages += size * (b"--type=renderer" in command)
    return everything, pages


def _descendants(parent: int) -> list[Path]:
    found = list[Path]()
    for file in Path(f"/proc/{parent}/task").glob("*/children"):
        for child in map(int, file.read_text(encoding="ascii").split()):
            found += [Path(f"/proc/{child}"), *_descendants(child)]
    return found


def _table(samples: np.ndarray, frames: int) -> str:
    minutes = samples.reshape(-1, _PER_MINUTE, 2).mean(axis=1)
    count = len(minutes)
    lines = [
        "| memory of | first minute, MB | last minute, MB | trend, MB a minute (95 % interval) |",
        "|---|---|---|---|",
    ]
    for name, values in zip(("all of Chromium", "its pages"), minutes.T, strict=True):
        line = linregress(np.arange(count), values)
        around = t.ppf(0.975, count - 2) * line.stderr
        lines.append(
            f"| {name} | {values[0]:.0f} | {values[-1]:.0f} | {line.slope:+.2f} "
            f"({line.slope - around:+.2f} to {line.slope + around:+.2f}) |"
        )
    seconds = len(samples) * _EVERY
    return "\n".join(
        [
            *lines,
            "",
            f"n = {len(samples)} samples in {count} minutes, {frames:,} frames of 640x480, "
            f"{frames / seconds:.1f} a second.",
            "",
        ]
    )


if __name__ == "__main__":
    main()
