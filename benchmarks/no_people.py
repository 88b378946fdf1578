"""Count the pictures without people that get an emotion as the answer; the goal is none.

    python benchmarks/no_people.py --write FILE

The script draws pictures from a seed, and takes pictures that installed packages contain:
scikit-learn, PyWavelets and matplotlib, which happysad[train] installs, and scikit-image if it is
installed. It also takes small windows of these packaged photos. It leaves out packaged pictures
that show a person, a head or a portrait. As a control, the classifier must first find a face in
a portrait from matplotlib. An emotion is any answer other than "no_face" and "unsure". The interval
is the exact 95 % interval (Clopper & Pearson 1934).
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from itertools import chain
from pathlib import Path
from typing import Any
from zlib import crc32

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

from happysad.classifier import Classifier
from happysad.files import write_text
from happysad.images import Pixels, read
from happysad.predictions import NO_FACE, UNSURE
from happysad.progress import track

Draw = Callable[[np.random.Generator, int, int], Pixels]

# The number of pictures of each drawn kind, and of windows of each packaged photo.
_DRAWN = 50
_WINDOWS = 40

# The pictures without people, by package.
_CARRIED = {
    "sklearn": ("datasets/images/china.jpg", "datasets/images/flower.jpg"),
    "matplotlib": (
        "mpl-data/sample_data/logo2.png",
        "mpl-data/sample_data/Minduka_Present_Blue_Pack.png",
        *(
            f"mpl-data/images/{name}_large.png"
            for name in ("back", "filesave", "help", "home", "matplotlib", "move", "subplots")
        ),
    ),
    "skimage": tuple(
        f"data/{name}"
        for name in (
            "brick.png",
            "cell.png",
            "chelsea.png",
            "clock_motion.png",
            "coffee.png",
            "color.png",
            "grass.png",
            "gravel.png",
            "horse.png",
            "hubble_deep_field.jpg",
            "ihc.png",
            "logo.png",
            "microaneurysms.png",
            "moon.png",
            "motorcycle_left.png",
            "page.png",
            "retina.jpg",
            "rocket.jpg",
            "text.png",
        )
    ),
}


def main() -> None:
    """Predict every picture; print and write a table and the pictures with a face."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--model", type=Path, help="a run or .onnx file (default: the classifier that ships)"
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of the drawn pictures")
    parser.add_argument("--write", type=Path, help="file to which the table is also written")
    chosen = parser.parse_args()
    classifier = Classifier(chosen.model)
    _check_that_it_sees(classifier)
    carried = dict(_carried())
    rest = [
        *(("packaged", name, picture) for name, picture in carried.items()),
        *_windows(carried, chosen.seed),
    ]
    names: list[tuple[str, str]] = []

    def pictures() -> Iterator[Pixels]:
        for kind, name, picture in chain(_drawn(chosen.seed), rest):
            names.append((kind, name))
            yield picture

    answers = classifier.stream(pictures())
    count = len(_KINDS) * _DRAWN + len(rest)
    labels = [str(answer.label) for answer in track(answers, "answering", count)]
    text = _table(names, labels)
    print(text, end="")
    if chosen.write:
        write_text(chosen.write, text)


def _check_that_it_sees(classifier: Classifier) -> None:
    from matplotlib import cbook

    file = Path(str(cbook.get_sample_data("grace_hopper.jpg", asfileobj=False)))
    if classifier.predict(file).label == NO_FACE:
        raise SystemExit(
            "the classifier finds no face in a portrait: its other answers mean nothing"
        )


def _table(names: list[tuple[str, str]], labels: list[str]) -> str:
    lines = ["| pictures | n | an emotion | unsure | no face |", "|---|---|---|---|---|"]
    for kind in [*dict.fromkeys(kind for kind, _ in names), "all"]:
        own = [label for (k, _), label in zip(names, labels, strict=True) if kind in (k, "all")]
        unsure, no_face = own.count(UNSURE), own.count(NO_FACE)
        emotions = len(own) - unsure - no_face
        span = ""
        if kind == "all":
            low, high = binomtest(emotions, len(own)).proportion_ci()
            span = f": {100 * emotions / len(own):.2f} % ({100 * low:.2f} to {100 * high:.2f})"
        lines.append(f"| {kind} | {len(own):,} | {emotions}{span} | {unsure} | {no_face:,} |")
    found = [
        f"- {kind} {name}: {label}"
        for (kind, name), label in zip(names, labels, strict=True)
        if label != NO_FACE
    ]
    if found:
        lines += ["", "A face was found in:", "", *found]
    return "\n".join(lines) + "\n"


def _drawn(seed: int) -> Iterator[tuple[str, str, Pixels]]:
    for place, (kind, draw) in enumerate(_KINDS.items()):
        for number in range(_DRAWN):
            rng = np.random.default_rng([seed, place, number])
            height, width = (int(side) for side in rng.integers(32, 800, 2))
            yield kind, f"{number:02}", draw(rng, height, width)


def _carried() -> Iterator[tuple[str, Pixels]]:
    for package, files in _CARRIED.items():
        spec = find_spec(package)
        for folder in (spec.submodule_search_locations or ()) if spec else ():
            for file in files:
                if (Path(folder) / file).is_file():
                    yield f"{package} {Path(file).name}", read(Path(folder) / file)
    import pywt.data  # type: ignore[import-untyped]
    from matplotlib import cbook
    from sklearn.datasets import load_digits

    yield "pywt aero", _levels(pywt.data.aero())
    for name, values in (("jacksboro_fault_dem.npz", "elevation"), ("topobathy.npz", "topo")):
        sample: Any = cbook.get_sample_data(name)
        relief = sample[values].astype(float)
        yield f"matplotlib {name}", _levels(255 * (relief - relief.min()) / np.ptp(relief))
    digits = load_digits().images[:100].reshape(10, 10, 8, 8)
    sheet = np.ascontiguousarray(digits.transpose(0, 2, 1, 3)).reshape(80, 80) * 15.9
    yield "sklearn digits", _levels(cv2.resize(sheet, (640, 640)))
    for number in range(10):
        yield f"sklearn digit {number}", _levels(cv2.resize(digits[0, number] * 15.9, (128, 128)))


def _windows(carried: dict[str, Pixels], seed: int) -> Iterator[tuple[str, str, Pixels]]:
    """Yield squares cut from the packaged photos; every fourth is resized to 48x48."""
    photos = {name: p for name, p in carried.items() if min(p.shape[:2]) >= 200}
    for name, photo in photos.items():
        rng = np.random.default_rng([seed, crc32(name.encode())])
        height, width = photo.shape[:2]
        for number in range(_WINDOWS):
            side = int(rng.integers(24, min(height, width) + 1))
            top, left = rng.integers(0, height - side + 1), rng.integers(0, width - side + 1)
            window = photo[top : top + side, left : left + side]
            if number % 4 == 0:
                window = _levels(cv2.resize(window, (48, 48), interpolation=cv2.INTER_AREA))
            yield "window", f"{number:02} of {name}", window


def _noise(rng: np.random.Generator, height: int, width: int) -> Pixels:
    return rng.integers(0, 256, (height, width, 3), dtype=np.uint8)


def _blobs(rng: np.random.Generator, height: int, width: int) -> Pixels:
    coarse = rng.integers(0, 256, (*rng.integers(2, 12, 2), 3)).astype(np.float32)
    return _levels(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC))


def _clouds(rng: np.random.Generator, height: int, width: int) -> Pixels:
    """Return noise of many scales; larger scales are stronger."""
    together = np.zeros((height, width, 3))
    for octave in range(1, 8):
        coarse = rng.normal(0, 0.5**octave, (2**octave, 2**octave, 3))
        together += cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    return _levels(128 + 150 * together)


def _gradient(rng: np.random.Generator, height: int, width: int) -> Pixels:
    right, down = np.linspace(0, 1, width)[None, :, None], np.linspace(0, 1, height)[:, None, None]
    ends = rng.integers(0, 256, (3, 3))
    values = ends[0] + right * (ends[1] - ends[0]) + down * (ends[2] - ends[0])
    return _levels(values + rng.normal(0, rng.uniform(0, 8), (height, width, 3)))


def _circles(rng: np.random.Generator, height: int, width: int) -> Pixels:
    picture = _plain(rng, height, width)
    for _ in range(rng.integers(1, 60)):
        radius = int(rng.integers(2, max(4, min(height, width) // 3)))
        cv2.circle(
            picture, _point(rng, height, width), radius, _colour(rng), _thick(rng), cv2.LINE_AA
        )
    return picture


def _boxes(rng: np.random.Generator, height: int, width: int) -> Pixels:
    picture = _plain(rng, height, width)
    for _ in range(rng.integers(1, 40)):
        corners = _point(rng, height, width), _point(rng, height, width)
        cv2.rectangle(picture, *corners, _colour(rng), _thick(rng))
    return picture


def _polygons(rng: np.random.Generator, height: int, width: int) -> Pixels:
    picture = _plain(rng, height, width)
    for _ in range(rng.integers(1, 30)):
        corners = [_point(rng, height, width) for _ in range(rng.integers(3, 7))]
        cv2.fillPoly(picture, [np.array(corners)], _colour(rng), cv2.LINE_AA)
    return picture


def _ellipses(rng: np.random.Generator, height: int, width: int) -> Pixels:
    """Return random arcs and ovals, filled or not, like the parts of a drawn face."""
    picture = _plain(rng, height, width)
    for _ in range(rng.integers(1, 40)):
        axes = [int(axis) for axis in rng.integers(1, max(3, min(height, width) // 3), 2)]
        turn, start, end = (float(angle) for angle in rng.uniform(0, 360, 3))
        thick = _thick(rng)
        cv2.ellipse(
            picture, _point(rng, height, width), axes, turn, start, end, _colour(rng), thick
        )
    return picture


def _text(rng: np.random.Generator, height: int, width: int) -> Pixels:
    picture = _plain(rng, height, width)
    colour, size = _colour(rng), float(rng.uniform(0.4, 2.0))
    for bottom in range(round(30 * size), height + 1, round(32 * size)):
        words = "".join(chr(letter) for letter in rng.integers(33, 127, 80))
        font = int(rng.integers(0, 8))
        cv2.putText(picture, words, (2, bottom), font, size, colour, 2, cv2.LINE_AA)
    return picture


def _bricks(rng: np.random.Generator, height: int, width: int) -> Pixels:
    picture = _plain(rng, height, width)
    tall, wide = (int(side) for side in rng.integers(8, 80, 2))
    for row, top in enumerate(range(0, height, tall)):
        for left in range(-(row % 2) * wide // 2, width, wide):
            shade = _levels(np.array((150, 75, 55)) + rng.normal(0, 20, 3)).tolist()
            cv2.rectangle(
                picture, (left + 1, top + 1), (left + wide - 2, top + tall - 2), shade, -1
            )
    return _levels(picture + rng.normal(0, 6, picture.shape))


def _waves(rng: np.random.Generator, height: int, width: int) -> Pixels:
    """Return stripes, rings and their moiré patterns."""
    y, x = np.mgrid[:height, :width].astype(float)
    values = np.zeros((height, width, 3))
    for channel in range(3):
        for _ in range(rng.integers(1, 4)):
            across, down = rng.uniform(-0.5, 0.5, 2)
            rings = np.hypot(x - rng.uniform(0, width), y - rng.uniform(0, height))
            phase = across * x + down * y if rng.random() < 0.5 else across * rings
            values[..., channel] += np.sin(phase + rng.uniform(0, 6))
    return _levels(128 + 64 * values)


def _checkers(rng: np.random.Generator, height: int, width: int) -> Pixels:
    side = int(rng.integers(3, 80))
    y, x = np.mgrid[:height, :width] // side
    return _levels(rng.integers(0, 256, (2, 3))[(x + y) % 2])


def _julia(rng: np.random.Generator, height: int, width: int) -> Pixels:
    """Return a Julia set, coloured by how fast each point escapes."""
    y, x = np.mgrid[-1.2 : 1.2 : height * 1j, -1.6 : 1.6 : width * 1j]
    z = x + 1j * y
    angle = rng.uniform(0, 2 * np.pi)
    c = 0.7885 * np.exp(1j * angle)
    steps = np.zeros(z.shape, int)
    for _ in range(40):
        inside = np.abs(z) < 2
        z[inside] = z[inside] ** 2 + c
        steps += inside
    return _levels(rng.integers(0, 256, (41, 3))[steps])


def _chart(rng: np.random.Generator, height: int, width: int) -> Pixels:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(max(width, 160) / 100, max(height, 120) / 100), dpi=100)
    canvas: Any = FigureCanvasAgg(figure)
    axes = figure.subplots()
    match int(rng.integers(0, 4)):
        case 0:
            axes.plot(rng.normal(0, 1, (50, 3)).cumsum(axis=0))
        case 1:
            axes.bar(np.arange(8), rng.random(8))
        case 2:
            axes.scatter(rng.normal(0, 1, 80), rng.normal(0, 1, 80), rng.uniform(5, 200, 80))
        case _:
            axes.pie(rng.random(5) + 0.1)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def _plain(rng: np.random.Generator, height: int, width: int) -> Pixels:
    return np.full((height, width, 3), rng.integers(0, 256, 3), np.uint8)


def _colour(rng: np.random.Generator) -> tuple[int, int, int]:
    red, green, blue = (int(level) for level in rng.integers(0, 256, 3))
    return red, green, blue


def _point(rng: np.random.Generator, height: int, width: int) -> tuple[int, int]:
    return int(rng.integers(0, width)), int(rng.integers(0, height))


def _thick(rng: np.random.Generator) -> int:
    return -1 if rng.random() < 0.5 else int(rng.integers(1, 6))


def _levels(values: NDArray[np.generic]) -> Pixels:
    return np.asarray(np.clip(np.rint(values.astype(np.float64)), 0, 255), dtype=np.uint8)


_KINDS: dict[str, Draw] = {
    "noise": _noise,
    "blobs": _blobs,
    "clouds": _clouds,
    "gradient": _gradient,
    "circles": _circles,
    "boxes": _boxes,
    "polygons": _polygons,
    "ellipses": _ellipses,
    "text": _text,
    "bricks": _bricks,
    "waves": _waves,
    "checkers": _checkers,
    "Julia set": _julia,
    "chart": _chart,
}


if __name__ == "__main__":
    main()
