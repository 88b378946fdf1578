"""Write commands.md: an example and the whole --help of every command (make docs)."""

from __future__ import annotations

from pathlib import Path

from typer.testing import CliRunner

from happysad.cli import COMMANDS, app

__all__ = ["FILE", "text"]

FILE = Path(__file__).with_name("commands.md")

#: An example of each command, in the order in which they are used.
EXAMPLES = {
    "demo": "happysad demo",
    "info": "happysad info",
    "import": "happysad import fer2013.csv photos",
    "check": "happysad check photos --quarantine aside",
    "review": "happysad review photos",
    "train": "happysad train photos --model classic --epochs 40",
    "evaluate": "happysad evaluate others --json",
    "predict": "happysad predict photos --out results",
    "report": "happysad report results --sort-into sorted",
    "cluster": "happysad cluster --workers 2",
    "serve": "happysad serve",
    "publish": "happysad publish site --model runs/photos-face-1",
    "video": "happysad video party.mp4 --csv party.csv --out party-drawn.mp4",
    "webcam": "happysad webcam --terminal",
    "replicate": "happysad replicate photos",
    "export": "happysad export runs/photos-face-1 happysad.tflite",
}

HEAD = """# Commands

Written by `make docs` from `happysad COMMAND --help`; do not edit by hand.

Results go to standard output, progress and errors to standard error. The exit status is 0 where all
went well, 1 where work failed, 2 where the call was wrong.
"""


#: What stands below the help of a command.
BELOW = {
    "evaluate": """
The table of `--slices` has the column path, relative to DIR, and others that you choose:

    path,light,age
    happy/one.jpg,indoors,34
    sad/two.jpg,outdoors,

Each value of a column is a slice; a photo with an empty value is in none. Numbers with more than 12
values are cut into thirds. Each slice is compared with all other photos of the same classes, by an
exact test within each class, so that a slice with more photos of a hard class is not called worse
for that; photos of one group count as one. The more slices there are, the more likely one of them
looks bad by chance: Holm's method corrects each p for their number. A slice is not compared if it
has fewer than 30 photos, or if there are fewer than 30 others.

These slices need no table:

| slice | what is measured |
|---|---|
| face size | the longer side of the largest face, in pixels of the photo |
| sharpness | the standard deviation of the edges in the crop of the largest face, in levels |
| brightness | the brightness of this crop; white is 100 % |
| turn of the head | how far the largest face is turned to a side, by its eyes and nose |
| number of faces | one, two, three or more |

The first four are cut into thirds of equally many photos. A photo without an answer is in no slice.
For face crops, only sharpness and brightness are measured; for a classifier that looks at whole
photos, those of the whole photo. They are corrected for their own number, apart from the slices of
a table.
""",
    "export": """
A run's folder has `model.keras` and `model.onnx`. `export` writes it for other programs:

| suffix | input | range |
|---|---|---|
| `.onnx` | a photo: happysad prepares it, in every command | levels; the network scales inside |
| `.keras`, `.h5` | `photo_0_255`, float32 | 0 to 255; the network scales inside |
| the same with `--scaled 0..1` | `photo_0_1`, float32 | 0 to 1: divide the photo by 255 |
| `.tflite` | `photo_0_255`, uint8 | 0 to 255; the network scales inside |
| the same with `--scaled 0..1` | `photo_0_1`, float32 | 0 to 1: divide the photo by 255 |

- **Shape**: (n, size, size, channels); a `.tflite` takes one photo at a time, n = 1.
- **Size and channels** are those of the run: 48x48 grey (1 channel) for `face`, 256x256 for
  `classic`, else `size` and `channels` in the run's config.toml. The command prints them.
- **Order of colours**: red, green, blue. `cv2.imread` returns blue first: turn it with
  `cv2.cvtColor(photo, cv2.COLOR_BGR2RGB)`, or with `cv2.COLOR_BGR2GRAY` for 1 channel.
- **Photos** are resized whole, without keeping their aspect ratio; shrinking averages areas
  (`cv2.INTER_AREA`).
- **Output**: with two classes, the probability of the second in alphabetical order, such as sad,
  (n, 1); the answer is this class from the run's threshold on, which the command prints. With
  three, one probability for each class in alphabetical order, (n, 3). An `.onnx` returns labels
  and the probabilities of all classes.
- **Faces**: a network that learned face crops takes one crop a row. The default model on whole
  photos takes `faces_0_255`, `weights` and `photo_0_255` (or `..._0_1`), and returns
  `probabilities` and `face_probabilities`. The printed lines prepare them with happysad.
- Keras 3 (TensorFlow 2.16 or later) loads `.keras` and `.h5` without happysad.

The other way, a Keras file from elsewhere becomes a classifier. Photos are resized as the network
learned it, in float32: `bilinear` equals `tf.image.resize` to the last bit. TensorFlow decodes a
JPEG a few levels differently from happysad, cv2 and Pillow, which agree. Photos are turned upright
by their EXIF orientation. Grey is that of `cv2.COLOR_RGB2GRAY`. Its answers are the network's own:
they are not calibrated, and never "unsure".
""",
}


def text() -> str:
    """Return the whole page.

    Raises:
        ValueError: a command has no example, or an example no command.
    """
    if sorted(EXAMPLES) != sorted(COMMANDS):
        raise ValueError(f"EXAMPLES has {sorted(EXAMPLES)}, the commands are {sorted(COMMANDS)}")
    parts = [HEAD, _help()]
    for name, example in EXAMPLES.items():
        parts.append(f"\n## happysad {name}\n\n    {example}\n\n{_help(name)}{BELOW.get(name, '')}")
    return "".join(parts)


def _help(*command: str) -> str:
    done = CliRunner(env={"COLUMNS": "96", "NO_COLOR": "1"}).invoke(
        app, [*command, "--help"], prog_name="happysad", catch_exceptions=False
    )
    lines = (line.rstrip() for line in done.stdout.strip().splitlines())
    return "```\n" + "\n".join(lines) + "\n```\n"


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")
