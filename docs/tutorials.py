"""Write tutorials.md: the steps of the field's tutorials, the commands that do them, and outputs.

    python docs/tutorials.py PHOTOS

PHOTOS holds whole photos in the folders happy and sad. The commands run in a new folder with a copy
of PHOTOS named data, with one photo of it named photo.jpg, and with data.zip.
"""

from __future__ import annotations

import argparse
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from happysad.files import write_text
from happysad.progress import track

__all__ = ["ELSEWHERE", "STEPS", "Step"]

_PAGE = Path(__file__).with_name("tutorials.md")
# The maximum number of lines of an output that are shown.
_LINES = 6

_HEAD = """# The steps of the tutorials

Each step, parameter and file that the field's tutorials name, with the command that does it: with
the default model, which looks at the faces and the photo together, and with `--model classic`, the
tutorials' own network. On face crops (`--faces given`) the default model learns in epochs, too, and
takes the settings of classic. Below each command are the lines of its output that belong to the
step. `python docs/tutorials.py PHOTOS` runs the commands and writes this page; PHOTOS were {photos}
web photos like those of the tutorials.

| step | default model | `--model classic` |
|---|---|---|
"""

_FOOT = """
These steps need a camera, an account, a browser or a download, so their output is not shown:

| step | command | what it does |
|---|---|---|
"""


@dataclass(frozen=True)
class Step:
    """A step, and the commands that do it."""

    name: str
    default: str
    """The command with the default model."""
    classic: str = ""
    """The command with classic; empty if `default` is for both."""
    shows: str = ""
    """A pattern of the lines to show; empty for the first lines."""


_BY_EPOCHS = (
    "--epochs 10 --batch-size 16 --learning-rate 0.001 --dropout 0.2 --augment --patience 3"
)

#: The steps in order; a later one may use what an earlier one wrote.
STEPS = (
    Step("photos in data/happy and data/sad", "happysad check data", shows="photos are used"),
    Step("file formats, damaged files", "happysad check data", shows=r"^\d+  [a-z]"),
    Step("remove bad files", "happysad check data --quarantine aside", shows="aside"),
    Step("put them back", "happysad check data --restore aside", shows="back"),
    Step("split 70/20/10, without leaks", "happysad check data", shows="train|val|test"),
    Step(
        "network, training, accuracy",
        "happysad train data --out default",
        "happysad train data --model classic --out classic",
        "^n =|^accuracy|^report",
    ),
    Step(
        "epochs, batch size, dropout, augmentation, early stopping",
        f"happysad train data {_BY_EPOCHS}",
        f"happysad train data --model classic {_BY_EPOCHS} --out shorter",
        "does not use|^n =|^accuracy",
    ),
    Step(
        "pixels scaled to 0..1 (in the network), size, threshold",
        "happysad info --model default",
        "happysad info --model classic",
        "^size|^threshold|^looks at",
    ),
    Step("samples and curves", "ls default/plots", "ls classic/plots", "samples|curve|loss|accur"),
    Step("TensorBoard", "ls default/tensorboard", "ls classic/tensorboard"),
    Step(
        "precision, recall, accuracy on the test photos",
        "happysad evaluate --model default",
        "happysad evaluate --model classic",
        "^n =|^accuracy|^precision|^recall",
    ),
    Step(
        "predict a new photo",
        "happysad predict photo.jpg --model default",
        "happysad predict photo.jpg --model classic",
    ),
    Step(
        "save as .h5",
        "happysad export default default.h5",
        "happysad export classic classic.h5 --scaled 0..1",
    ),
    Step(
        "use a tutorial's own .h5",
        "happysad export classic.h5 mine.onnx --classes happy sad --scaled 0..1",
    ),
    Step(
        "deeper networks",
        "happysad train data --model compact --epochs 3 --out deeper",
        shows="^n =|^accuracy",
    ),
    Step("other datasets", "happysad import data.zip photos --dry-run"),
)

#: The steps that are not run: name, command, what it does.
ELSEWHERE = (
    (
        "requirements",
        "pip install -r requirements.txt",
        "installs happysad from its checkout, with TensorFlow",
    ),
    (
        "transfer learning",
        "happysad train data --model mobilenetv3",
        "downloads ImageNet's weights, or takes them from `--weights FILE`",
    ),
    ("Google Drive", "happysad import LINK photos", "copies a shared file or folder"),
    (
        "Colab",
        "notebooks/getting_started.ipynb",
        "the course; in Colab, photos and results are on the mounted Drive",
    ),
    ("webcam", "happysad webcam", "opens the page at Live"),
    ("demo for others", "happysad serve", "serves the page and the REST interface"),
)


def main() -> None:
    """Run the commands and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos", type=Path)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        shutil.copytree(chosen.photos, work / "data")
        photos = sorted(path for path in (work / "data").glob("*/*") if path.is_file())
        shutil.copy(photos[0], work / "photo.jpg")
        shutil.make_archive(str(work / "data"), "zip", work / "data")
        rows = [
            f"| {one.name} | {_cell(one, one.default, work)} | {_cell(one, one.classic, work)} |"
            for one in track(STEPS, "running", len(STEPS))
        ]
    text = _HEAD.format(photos=len(photos)) + "\n".join(rows) + "\n" + _FOOT
    text += "\n".join(f"| {name} | `{command}` | {what} |" for name, command, what in ELSEWHERE)
    write_text(_PAGE, text + "\n")


def _cell(step: Step, command: str, work: Path) -> str:
    """Run a command and return its cell: the command, and the lines of its output."""
    if not command:
        return "the same"
    words = shlex.split(command)
    if words[0] == "happysad":
        words = [sys.executable, "-m", *words]
    done = subprocess.run(
        words,
        cwd=work,
        env={**os.environ, "COLUMNS": "100", "NO_COLOR": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    lines = [line.strip() for line in done.stdout.splitlines() if line.strip()]
    if step.shows:
        lines = [line for line in lines if re.search(step.shows, line)]
    if not lines:
        raise SystemExit(f"{command}: no line to show (status {done.returncode})\n{done.stdout}")
    return "<br>".join(
        f"`{text.replace('|', '&#124;')}`" for text in (f"$ {command}", *lines[:_LINES])
    )


if __name__ == "__main__":
    main()
