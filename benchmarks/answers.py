"""Does happysad answer as it did? The record of its answers by the hash of each picture.

    python benchmarks/answers.py --write [--models FOLDER]      write tests/answers.csv
    python benchmarks/answers.py --compare [--models FOLDER]    compare with it

The pictures are the first 200 of each folder of ../shared/data, in the order of their hashes, and
the pictures of ../shared/cases. With --models one small run of each model is trained on drawn faces
into FOLDER, and its weights and answers are recorded or compared too. Weights are equal on one kind
of processor and one version of TensorFlow only, which the record names.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import platform
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass, fields
from importlib.metadata import version
from itertools import islice
from pathlib import Path

from happysad.classifier import Classifier

__all__ = ["RECORD", "Answer", "answers", "differences", "load", "pictures"]

ROOT = Path(__file__).parents[1]
DATA, CASES = (ROOT.parent / "shared" / name for name in ("data", "cases"))

#: The record: a row for each answer.
RECORD = ROOT / "tests" / "answers.csv"
#: The weights of each model, and what they hold for.
WEIGHTS = ROOT / "tests" / "weights.json"

#: Probabilities differ from the record by no more than this.
TOLERANCE = 1e-6

_OF_A_FOLDER, _SHORT = 200, 16
_SUFFIXES = {".jpg", ".png", ".heic", ".avif", ".jp2", ".jxl", ".pdf"}
# Two small files that 0.1.0 reads for minutes.
_ENDLESS = {"ff-run-60k.jpg", "erased-flash-60k.jpg"}
# Folders whose pictures are face crops too.
_CROPS = {"faces", "portraits"}

_SMALL = ("--size", "64", "--epochs", "2", "--batch-size", "8")
_TRANSFER = ("--size", "64", "--epochs", "1", "--fine-tune-epochs", "1", "--batch-size", "8")
#: The settings of each model's small run.
MODELS = {
    "face": ("--model", "face"),
    "face-crops": ("--model", "face", "--faces", "CROPS", "--epochs", "2"),
    "compact": ("--model", "compact", *_SMALL),
    "classic": ("--model", "classic", *_SMALL),
    **{
        name: ("--model", name, *_TRANSFER)
        for name in ("vgg16", "resnet50", "mobilenetv3", "efficientnetv2b0")
    },
}
_DRAWN = 80


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer."""

    classifier: str
    """The one that ships, or a model's run."""
    way: str
    """"find" or "given", as for `Classifier.predict`."""
    picture: str
    """The first hex digits of the SHA-256 of the file."""
    label: str
    """The label, or "error"."""
    p: str
    """The probability of the second of two classes, or empty."""


def pictures(folder: Path) -> list[Path]:
    """Return the pictures of a folder in the order of their hashes."""
    files = [file for file in folder.iterdir() if file.is_file()]
    return sorted(files, key=lambda file: hashlib.sha256(file.read_bytes()).digest())


def answers(every: int = 1) -> Iterator[Answer]:
    """Yield the answers of the classifier that ships.

    Args:
        every: 1 for all pictures, 10 for each tenth, and so on.
    """
    classifier = Classifier() if not hasattr(Classifier, "default") else Classifier.default()
    for folder in sorted(path for path in DATA.rglob("*") if path.is_dir()):
        files = [file for file in pictures(folder) if file.suffix != ".csv"][:_OF_A_FOLDER:every]
        ways = ["find", "given"] if _CROPS & set(folder.relative_to(DATA).parts) else ["find"]
        for way in ways:
            yield from _answered("ships", classifier, files, way)
    cases = sorted(
        file
        for file in CASES.rglob("*")
        if file.suffix.lower() in _SUFFIXES and file.is_file() and file.name not in _ENDLESS
    )
    yield from _answered("ships", classifier, cases[::every], "find")


def _answered(name: str, classifier: Classifier, files: Sequence[Path], way: str) -> list[Answer]:
    former = hasattr(Classifier, "default")  # happysad 0.1.0
    faces = (way == "find") if former else way
    came = []
    for file, answer in zip(files, classifier.predict(list(files), faces=faces), strict=True):
        if former:
            p = answer.p_sad
        else:
            p = None if answer.probabilities is None else list(answer.probabilities.values())[-1]
        picture = hashlib.sha256(file.read_bytes()).hexdigest()[:_SHORT]
        came.append(
            Answer(name, way, picture, answer.label or "error", "" if p is None else f"{p:.7f}")
        )
    return came


def load(file: Path = RECORD) -> list[Answer]:
    """Return the answers of the record."""
    with file.open(encoding="utf-8", newline="") as opened:
        return [Answer(**row) for row in csv.DictReader(opened)]


def differences(came: Sequence[Answer], record: Sequence[Answer]) -> list[str]:
    """Return a line for each answer that is not as in the record."""
    known = {(one.classifier, one.way, one.picture): one for one in record}
    lines = []
    for one in came:
        was = known.get((one.classifier, one.way, one.picture))
        if was is None:
            lines.append(f"{one}: not in the record")
        elif one.label != was.label or (one.p == "") != (was.p == ""):
            lines.append(f"{one}: was {was.label} {was.p}")
        elif one.p and not abs(float(one.p) - float(was.p)) <= TOLERANCE:
            lines.append(f"{one}: was {was.p}")
    return lines


def trained(folder: Path) -> tuple[list[Answer], dict[str, str]]:
    """Train a small run of each model, and return its answers and the hashes of the weights."""
    data = folder / "drawn"
    _draw(data)
    real = [file for name in ("happy", "sad") for file in pictures(DATA / "scenes" / name)[:10]]
    drawn = pictures(data / "happy")[:20] + pictures(data / "sad")[:20]
    came, weights = [], {}
    for model, options in MODELS.items():
        run = folder / model
        if not (run / "report.html").exists():
            _train(data, run, folder / "check", options, folder)
        finished = json.loads((run / "checkpoints" / "finished.json").read_text())
        weights[model] = finished["weights_sha256"]
        former = hasattr(Classifier, "default")
        classifier = Classifier.load(run) if former else Classifier(run)
        way = "given" if model == "face-crops" else "find"
        came += _answered(model, classifier, [*drawn, *real], way)
    return came, weights


def _draw(data: Path) -> None:
    if data.exists():
        return
    try:
        from happysad.dataset.drawn_faces import write_set
    except ModuleNotFoundError:  # happysad 0.1.0
        from happysad.dataset.drawn import write_set
    write_set(data, _DRAWN, 0)


def _train(data: Path, run: Path, check: Path, options: Sequence[str], folder: Path) -> None:
    former = hasattr(Classifier, "default")
    given = [("off" if former else "given") if one == "CROPS" else one for one in options]
    if "--fine-tune-epochs" in given:
        given += ["--weights", str(_backbone(given[1], folder))]
    arguments = ["train", data, "--out", run, "--check-folder", check, "--seed", "0", *given]
    subprocess.run([sys.executable, "-m", "happysad", *map(str, arguments)], check=True)


def _backbone(name: str, folder: Path) -> Path:
    """Write random weights of a backbone from a fixed seed, since ImageNet's are a download."""
    import keras

    file = folder / f"{name}.weights.h5"
    if not file.exists():
        keras.utils.set_random_seed(0)
        kinds = {
            "vgg16": keras.applications.VGG16,
            "resnet50": keras.applications.ResNet50,
            "mobilenetv3": keras.applications.MobileNetV3Large,
            "efficientnetv2b0": keras.applications.EfficientNetV2B0,
        }
        network = kinds[name](
            include_top=False, weights=None, input_shape=(64, 64, 3), pooling="avg"
        )
        network.save_weights(file)
    return file


def _machine() -> dict[str, str]:
    """Return what equal weights hold for."""
    flags = ""
    if Path("/proc/cpuinfo").exists():
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        flags = next((line.partition(": ")[2] for line in lines if line.startswith("flags")), "")
    return {
        "tensorflow": version("tensorflow"),
        "keras": version("keras"),
        "machine": platform.machine(),
        "vector instructions": " ".join(
            sorted(flag for flag in flags.split() if flag.startswith(("avx", "amx", "fma")))
        ),
    }


def main() -> None:
    """Write the record, or compare with it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    task = parser.add_mutually_exclusive_group(required=True)
    task.add_argument("--write", action="store_true", help="write the record anew")
    task.add_argument("--compare", action="store_true", help="compare with the record")
    parser.add_argument("--models", type=Path, metavar="FOLDER", help="train the models into it")
    chosen = parser.parse_args()
    came = list(answers())
    weights: dict[str, str] = {}
    if chosen.models:
        more, weights = trained(chosen.models)
        came += more
    if chosen.write:
        kept = [] if chosen.models else [one for one in _known() if one.classifier != "ships"]
        with RECORD.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(field.name for field in fields(Answer))
            writer.writerows(astuple(one) for one in [*came, *kept])
        if weights:
            WEIGHTS.write_text(json.dumps({"for": _machine(), "weights": weights}, indent=2) + "\n")
        print(f"{len(came):,} answers written")
        return
    record = _known()
    lines = differences(came, record)
    for line in islice(lines, 20):
        print(line)
    print(f"{len(came):,} answers of {len({one.picture for one in came}):,} pictures compared, ")
    print(f"{len(lines):,} differ")
    if weights:
        known = json.loads(WEIGHTS.read_text(encoding="utf-8"))
        if known["for"] != _machine():
            print(f"weights are not comparable: the record holds for {known['for']}")
        else:
            other = [name for name in weights if weights[name] != known["weights"].get(name)]
            print(f"{len(weights)} networks compared, other weights: {', '.join(other) or 'none'}")
            lines += other
    sys.exit(bool(lines))


def _known() -> list[Answer]:
    return load() if RECORD.exists() else []


if __name__ == "__main__":
    main()
