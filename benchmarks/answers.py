"""Compare happysad's answers with those recorded in tests/answers.csv.

    python benchmarks/answers.py --compare [--models FOLDER]
    python benchmarks/answers.py --write [--models FOLDER]

The shipped classifier predicts the first 200 pictures, sorted by SHA-256, of every folder of
../shared/data, and every picture of ../shared/cases. It predicts pictures of faces and portraits
twice: as photos in which it finds faces, and as face crops. The record contains labels and
probabilities by the hash of the picture, but no pictures.

With --models, a small run of each model predicts instead. The script trains the runs in FOLDER on
drawn faces, or reads them if FOLDER has them: a folder of older runs shows whether happysad still
reads them. tests/answers.json contains the hashes of their weights, which are valid for one
processor and one version of TensorFlow. A hash is null if the training fails.

After a change that alters answers on purpose, write the record again, and report how many changed.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import os
import platform
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import version
from itertools import chain
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeAlias

from happysad import Classifier

__all__ = ["CASES", "DATA", "ELSEWHERE", "RECORD", "TOLERANCE", "Answer", "Key", "Record"]
__all__ += ["differences", "read", "recorded_here", "shipped", "write"]

# happysad's API as used here. Remove the branches of 0.1.0 once nobody compares with that version.
_Faces = Literal["find", "given"]
_happysad: Any = Classifier
_OLD = hasattr(Classifier, "default")
_FACES_GIVEN = "off" if _OLD else "given"


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer for one picture."""

    label: str
    """A class, "unsure" or "no_face"; empty with an error."""
    p_sad: float | None
    """The probability of sad; None with no face or an error."""
    p_neither: float | None
    """The probability of neither; None with two classes, no face or an error."""
    error: str
    """The code of the error, or empty."""


def _answer(prediction: Any) -> Answer:
    if _OLD:
        return Answer(prediction.label or "", prediction.p_sad, None, _old_code(prediction))
    p = prediction.probabilities or {}
    error = "" if prediction.error is None else str(prediction.error.code)
    return Answer(prediction.label or "", p.get("sad"), p.get("neither"), error)


def _old_code(prediction: Any) -> str:
    """Return the code of an error; 0.1.0 has only its text."""
    codes = {
        "the file is empty": "empty",
        "not an image": "not_an_image",
        "truncated: ": "truncated",
        "damaged: ": "damaged",
        "too large: ": "too_large",
        "more than ": "too_complex",
    }
    text = (prediction.error or "").removeprefix(f"{prediction.path}: ")
    if " pixels are too many " in text:
        return "too_large"
    return next((code for start, code in codes.items() if text.startswith(start)), text)


def _load(model: Path | None) -> Any:
    if _OLD:
        return _happysad.default() if model is None else _happysad.load(model)
    return Classifier() if model is None else Classifier(model)


def _predict(classifier: Any, files: Sequence[Path], faces: _Faces) -> list[Answer]:
    given = faces == "find" if _OLD else faces
    return [_answer(one) for one in classifier.predict(list(files), faces=given)]


ROOT = Path(__file__).parents[1]
DATA, CASES = (ROOT.parent / "shared" / name for name in ("data", "cases"))
#: The files of the answers, and of the weights' hashes with the machine on which they are valid.
RECORD, WEIGHTS = ROOT / "tests" / "answers.csv", ROOT / "tests" / "answers.json"
#: The maximum difference between two probabilities that count as equal.
TOLERANCE = 1e-6
#: The same on a processor with other vector instructions than those of the record: onnxruntime then
#: rounds otherwise, and finds a face a fraction of a pixel elsewhere.
ELSEWHERE = 0.02

_PER_FOLDER = 200
_SHIPPED = "shipped"
_COLUMNS = ("classifier", "faces", "sha256", "label", "p_sad", "p_neither", "error")
# Folders of ../shared/data whose pictures are also predicted as face crops.
_CROPS = ("faces", "portraits")
# Suffixes of the files of ../shared/cases that are not pictures.
_NOT_PICTURES = {".py", ".c", ".sh", ".txt", ".onnx", ".csv", ".parquet", ".h264", ".webm"}
# Two small pictures that take up to 40 s to decode.
_SLOW = ("ff-run-60k.jpg", "erased-flash-60k.jpg")
_SHOWN = 10

_DRAWN, _DRAWN_SEED = 80, 0
_SMALL = ("--size", "64", "--epochs", "2", "--batch-size", "8")
_TRANSFER = ("--size", "64", "--epochs", "1", "--fine-tune-epochs", "1", "--batch-size", "8")
# The options of each run.
_MODELS: dict[str, Sequence[str]] = {
    "face": ("--model", "face", "--faces", "find"),
    "face-given": ("--model", "face", "--faces", _FACES_GIVEN, "--epochs", "2"),
    "compact": ("--model", "compact", *_SMALL),
    "classic": ("--model", "classic", *_SMALL),
    "vgg16": ("--model", "vgg16", *_TRANSFER),
    "resnet50": ("--model", "resnet50", *_TRANSFER),
    "mobilenetv3": ("--model", "mobilenetv3", *_TRANSFER),
    "efficientnetv2b0": ("--model", "efficientnetv2b0", *_TRANSFER),
}
_BACKBONES = {
    "vgg16": "VGG16",
    "resnet50": "ResNet50",
    "mobilenetv3": "MobileNetV3Large",
    "efficientnetv2b0": "EfficientNetV2B0",
}
# Folders of real pictures; the runs predict the first pictures of each.
_REAL = ("scenes/happy", "scenes/sad", "portraits/happy", "colour/generated/sad", "faces/test/sad")
_REAL_PER_FOLDER = 4


class Key(NamedTuple):
    """The key of an answer: classifier, kind of input and picture."""

    classifier: str
    """"shipped", or the name of a model's run."""
    faces: str
    """"find" or "given", as for `Classifier.predict`."""
    sha256: str
    """The first 16 hex digits of the SHA-256 of the picture's file."""


Record: TypeAlias = dict[Key, Answer]


def shipped(every: int = 1) -> Record:
    """Return the answers of the shipped classifier.

    Args:
        every: 1 for all pictures; n for every nth picture of each folder of ../shared/data and all
            of ../shared/cases except the two slowest.
    """
    classifier = _load(None)
    record: Record = {}
    for folder in sorted(path for path in DATA.rglob("*") if _is_leaf(path)):
        files = _first(folder, _PER_FOLDER)[::every]
        record |= _answers(_SHIPPED, classifier, files, "find")
        if folder.relative_to(DATA).parts[0] in _CROPS:
            record |= _answers(_SHIPPED, classifier, files, "given")
    return record | _answers(_SHIPPED, classifier, _cases(slow=every == 1), "find")


def differences(
    answers: Mapping[Key, Answer], record: Mapping[Key, Answer], tolerance: float = TOLERANCE
) -> list[str]:
    """Return a line for each answer that differs from the record.

    Args:
        answers: the answers of now.
        record: those recorded.
        tolerance: the maximum difference between two probabilities that count as equal.
    """
    lines = []
    for key, answer in answers.items():
        recorded = record.get(key)
        if recorded is None or not _equal(answer, recorded, tolerance):
            was = "not recorded" if recorded is None else f"recorded {_words(recorded)}"
            lines.append(f"{' '.join(key)}: {_words(answer)}, {was}")
    return lines


def read(file: Path = RECORD) -> Record:
    """Return a record that `write` wrote."""
    with file.open(encoding="utf-8", newline="") as opened:
        return {
            Key(*row[:3]): Answer(row[3], _number(row[4]), _number(row[5]), row[6])
            for row in list(csv.reader(opened))[1:]
        }


def _number(text: str) -> float | None:
    return float(text) if text else None


def write(record: Mapping[Key, Answer], file: Path = RECORD) -> None:
    """Write a record as CSV, with probabilities rounded to 7 decimals."""
    with file.open("w", encoding="utf-8", newline="") as opened:
        writer = csv.writer(opened, lineterminator="\n")
        writer.writerow(_COLUMNS)
        for key, answer in record.items():
            p = ["" if p is None else f"{p:.7f}" for p in (answer.p_sad, answer.p_neither)]
            writer.writerow((*key, answer.label, *p, answer.error))


def _equal(answer: Answer, recorded: Answer, tolerance: float) -> bool:
    if (answer.label, answer.error) != (recorded.label, recorded.error):
        return False
    pairs = ((answer.p_sad, recorded.p_sad), (answer.p_neither, recorded.p_neither))
    return all(
        now is was if now is None or was is None else abs(now - was) <= tolerance
        for now, was in pairs
    )


def _words(answer: Answer) -> str:
    p = [f" {p:.7f}" for p in (answer.p_sad, answer.p_neither) if p is not None]
    return f"{answer.label}{''.join(p)}{answer.error}"


def _answers(name: str, classifier: Any, files: Sequence[Path], faces: _Faces) -> Record:
    keys = [Key(name, faces, _sha256(file)[:16]) for file in files]
    return dict(zip(keys, _predict(classifier, files, faces), strict=True))


def _sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _is_leaf(path: Path) -> bool:
    return path.is_dir() and not any(child.is_dir() for child in path.iterdir())


def _first(folder: Path, count: int) -> list[Path]:
    """Return the first `count` pictures of a folder in the order of their hashes."""
    return sorted(folder.iterdir(), key=_sha256)[:count]


def _cases(*, slow: bool) -> list[Path]:
    """Return the files of ../shared/cases that a user could have among photos."""
    return sorted(
        file
        for file in CASES.rglob("*")
        if file.is_file()
        and file.suffix not in _NOT_PICTURES
        and file.name != "keras.json"
        and (slow or file.name not in _SLOW)
    )


def _runs(folder: Path) -> tuple[Record, dict[str, str | None]]:
    """Return the answers of each model's run in `folder` and the hashes of its weights.

    Where training fails, the hash is None and the record has no answers.
    """
    folder.mkdir(parents=True, exist_ok=True)
    photos, crops = folder / "drawn", folder / "drawn-crops"
    _draw(photos, crops)
    real = [file for name in _REAL for file in _first(DATA / name, _REAL_PER_FOLDER)]
    record: Record = {}
    weights: dict[str, str | None] = {}
    for name, options in _MODELS.items():
        run, data = folder / name, crops if name == "face-given" else photos
        finished = run / "checkpoints" / "finished.json"
        if not finished.exists() and not _train(data, run, options):
            weights[name] = None
            continue
        weights[name] = json.loads(finished.read_text(encoding="utf-8"))["weights_sha256"]
        drawn = chain.from_iterable(_first(data / label, 20) for label in ("happy", "sad"))
        faces: _Faces = "given" if name == "face-given" else "find"
        record |= _answers(name, _load(run), [*drawn, *real], faces)
    return record, weights


def _draw(photos: Path, crops: Path) -> None:
    import numpy as np
    from PIL import Image

    drawn: Any = import_module(f"happysad.dataset.{'drawn' if _OLD else 'drawn_faces'}")
    if not photos.exists():
        drawn.write_set(photos, _DRAWN, _DRAWN_SEED)
    for number in range(0 if crops.exists() else _DRAWN):
        label = ("happy", "sad")[number % 2]
        file = crops / label / f"{number:04}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        pixels = drawn.face(label, np.random.default_rng((_DRAWN_SEED + 1, number)), 48)
        Image.fromarray(pixels).convert("L").save(file)


def _train(data: Path, run: Path, options: Sequence[str]) -> bool:
    """Train a run in a separate process; return whether it succeeded."""
    name = options[1]
    weights = ["--weights", _backbone(name, run.parent)] if name in _BACKBONES else []
    check = run.parent / "check" / run.name
    command = [sys.executable, "-m", "happysad", "train", data, "--out", run, "--seed", "0"]
    command += ["--check-folder", check, *options, *weights]
    print(f"training {run.name}", file=sys.stderr, flush=True)
    return subprocess.run(list(map(str, command)), stdout=subprocess.DEVNULL).returncode == 0


def _backbone(name: str, folder: Path) -> Path:
    """Write random weights from a fixed seed, since ImageNet's would need a download."""
    import keras

    file = folder / f"{name}.weights.h5"
    if not file.exists():
        keras.utils.set_random_seed(0)
        build = getattr(keras.applications, _BACKBONES[name])
        build(include_top=False, weights=None, input_shape=(64, 64, 3), pooling="avg").save_weights(
            file
        )
    return file


def _machine() -> dict[str, str]:
    """Return what the trained weights depend on besides the seed."""
    cpu = Path("/proc/cpuinfo")
    lines = cpu.read_text(encoding="utf-8").splitlines() if cpu.exists() else []
    flags = next((line.partition(": ")[2].split() for line in lines if "flags" in line), [])
    vectors = sorted(flag for flag in flags if flag.startswith(("avx", "fma", "amx")))
    return {
        "tensorflow": version("tensorflow"),
        "keras": version("keras"),
        "processor": platform.machine(),
        "vector instructions": " ".join(vectors),
        "cores": str(os.cpu_count()),
    }


def recorded_here() -> bool:
    """Return whether the record is of a machine like this one."""
    known = json.loads(WEIGHTS.read_text(encoding="utf-8"))
    return bool(known["recorded with"] == _machine())


def _compare(answers: Record, record: Record, what: str) -> int:
    """Print how many answers differ from the record, and return that number."""
    lines = differences(answers, record)
    asked = {key.classifier for key in answers}
    lines += [
        f"{' '.join(key)}: recorded, not answered"
        for key in record
        if key.classifier in asked and key not in answers
    ]
    pictures = len({key.sha256 for key in answers})
    print(f"{what}: {len(answers):,} answers for {pictures:,} pictures, {len(lines):,} differ")
    if lines and not recorded_here():
        far = len(differences(answers, record, ELSEWHERE))
        print(f"recorded on another kind of machine: {far:,} differ in the label or by {ELSEWHERE}")
    for line in lines[:_SHOWN]:
        print(f"  {line}")
    return len(lines)


def _compare_runs(answers: Record, weights: Mapping[str, str | None], record: Record) -> int:
    """Print which runs differ from the record in weights or, with equal weights, in answers.

    Returns:
        The number of differences.
    """
    known = json.loads(WEIGHTS.read_text(encoding="utf-8"))
    equal, different = [], 0
    for name, sha256 in weights.items():
        recorded = known["weights"].get(name)
        if sha256 == recorded:
            equal.append(name)
            print(f"{name}: {'equal weights' if sha256 else 'training fails, as recorded'}")
        elif not recorded_here():
            print(f"{name}: weights not comparable: recorded with {known['recorded with']}")
        else:
            different += 1
            print(f"{name}: weights {sha256}, recorded {recorded}")
    comparable = {key: answer for key, answer in answers.items() if key.classifier in equal}
    return different + _compare(comparable, record, "runs with equal weights")


def main() -> None:
    """Write the record or compare with it; exit with status 1 if anything differs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    task = parser.add_mutually_exclusive_group(required=True)
    task.add_argument("--compare", action="store_true", help="compare with the record")
    task.add_argument("--write", action="store_true", help="write the record again")
    parser.add_argument(
        "--models", type=Path, metavar="FOLDER", help="use runs of all models, kept in FOLDER"
    )
    chosen = parser.parse_args()
    record = read() if RECORD.exists() else {}
    answers, weights = _runs(chosen.models.resolve()) if chosen.models else (shipped(), {})
    if chosen.write:
        replaced = set(_MODELS) if chosen.models else {_SHIPPED}
        write({k: a for k, a in record.items() if k.classifier not in replaced} | answers)
        if weights:
            text = json.dumps({"recorded with": _machine(), "weights": weights}, indent=2)
            WEIGHTS.write_text(f"{text}\n", encoding="utf-8")
        print(f"{len(answers):,} answers recorded")
    elif weights:
        sys.exit(_compare_runs(answers, weights, record) > 0)
    else:
        sys.exit(_compare(answers, record, "the shipped classifier") > 0)


if __name__ == "__main__":
    main()
