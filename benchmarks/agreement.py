"""Check that all model formats and all kinds of input give the same answers for real photos.

    python benchmarks/agreement.py DIR RUN --write FILE

The script takes photos that are evenly spread over the files of DIR. First it runs the same inputs
through the run's model.keras, its model.onnx and a .tflite exported from it, and reports the
largest difference in p_sad. Then it predicts each photo in Python by path, as bytes and as an
array, and on the command line by path, from a list on standard input and as bytes on standard
input. The rows must be identical except for the path.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from happysad.classifier import Classifier
from happysad.errors import ImageError
from happysad.export import TOLERANCE, export
from happysad.files import write_text
from happysad.images import fit, read
from happysad.keras_backend import quiet

# The number of photos to predict from standard input, each in a separate process, which is slow.
_AS_BYTES = 20


def main() -> None:
    """Print and write a table of the comparisons; exit with status 1 if anything differs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("run", type=Path)
    parser.add_argument("--photos", type=int, default=100)
    parser.add_argument("--write", type=Path, help="file to which the table is also written")
    chosen = parser.parse_args()
    photos = _photos(chosen.data, chosen.photos)
    formats = _formats(chosen.run, photos)
    ways = _ways(chosen.run, photos)
    lines = ["| compared | photos | result |", "|---|---|---|"]
    lines += [f"| {name} | {len(photos)} | p_sad within {d:.1e} |" for name, d in formats.items()]
    lines += [
        f"| {name} and by path | {n} | {'identical rows' if same else 'ROWS DIFFER'} |"
        for name, (n, same) in ways.items()
    ]
    text = "\n".join(lines) + "\n"
    print(text, end="")
    if chosen.write:
        write_text(chosen.write, text)
    good = max(formats.values()) <= TOLERANCE and all(same for _, same in ways.values())
    sys.exit(not good)


def _photos(data: Path, count: int) -> list[Path]:
    readable = []
    for file in sorted(path for path in data.rglob("*") if path.is_file()):
        try:
            read(file)
        except ImageError:
            continue
        readable.append(file)
    places = np.linspace(0, len(readable) - 1, min(count, len(readable))).astype(int)
    return [readable[place] for place in places]


def _formats(run: Path, photos: list[Path]) -> dict[str, float]:
    classifier = Classifier(run)
    details = classifier.details
    inputs = np.stack([fit(read(photo), details.size, details.channels) for photo in photos])
    quiet()
    import keras
    import tensorflow as tf

    by_keras = keras.saving.load_model(run / "model.keras").predict(inputs, verbose=0)[:, 0]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "model.tflite"
        export(run, file)
        runner: Any = tf.lite.Interpreter(str(file)).get_signature_runner()
        (name,) = runner.get_input_details()
        outputs = [runner(**{name: inputs[n : n + 1]}) for n in range(len(inputs))]
    by_lite = np.array([next(iter(output.values())).item() for output in outputs])
    return {
        ".keras and .onnx": float(
            np.abs(by_keras - classifier.run({"image": inputs}).probabilities[:, 1]).max()
        ),
        ".keras and .tflite": float(np.abs(by_keras - by_lite).max()),
    }


def _ways(run: Path, photos: list[Path]) -> dict[str, tuple[int, bool]]:
    classifier = Classifier(run)

    def rows(sources: list[Any]) -> list[dict[str, Any]]:
        return [_row(answer.row()) for answer in classifier.predict(sources)]

    def command(arguments: list[str], stdin: bytes = b"") -> list[dict[str, Any]]:
        done = subprocess.run(
            [sys.executable, "-m", "happysad", "predict", *arguments, "--json", "--model", run],
            input=stdin,
            capture_output=True,
            check=True,
        )
        return [_row(json.loads(line)) for line in done.stdout.splitlines()]

    by_path = rows(photos)
    names = [str(photo) for photo in photos]
    few = photos[:: max(1, len(photos) // _AS_BYTES)][:_AS_BYTES]
    expected = [by_path[photos.index(photo)] for photo in few]
    single = [command(["-"], photo.read_bytes())[0] for photo in few]
    return {
        "as array": (len(photos), rows([read(photo) for photo in photos]) == by_path),
        "as bytes": (len(photos), rows([photo.read_bytes() for photo in photos]) == by_path),
        "one by one": (len(photos), [rows([photo])[0] for photo in photos] == by_path),
        "command line, paths": (len(photos), command(names) == by_path),
        "command line, list on standard input": (
            len(photos),
            command(["-"], "\n".join(names).encode()) == by_path,
        ),
        "command line, bytes on standard input": (len(few), single == expected),
    }


def _row(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name != "path"}


if __name__ == "__main__":
    main()
