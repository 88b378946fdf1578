r"""Compare happysad with the package fer 25.10.3, and its network with two others.

    python benchmarks/versus_fer.py PHOTOS --happysad-python A/bin/python \
        --fer-python B/bin/python --write FILE

Each side needs its own environment (Linux). Make them with:

    python -m venv A; A/bin/pip install .
    python -m venv B; B/bin/pip install --no-deps fer==25.10.3
    B/bin/pip install tensorflow "opencv-python-headless<5" requests pillow "setuptools<81"

B has only what fer needs to predict a photo; its declared requirements would also install PyTorch.
The script itself needs happysad[train].

In one run, the sides take turns on the same photos, so that slow changes of the load cancel out.
Every other turn reverses the order, and the first turn warms up. Each ratio is computed within one
turn; the tables have the median and the range over the turns. A network alone runs on one core with
one thread. The row "as fer calls it" and the rows of Keras run the networks as the packages do: fer
runs its quantised TensorFlow Lite network, one face at a time. "Keras network, compiled" is fer's
network before quantisation in a tf.function, the fastest way that Keras has. DeepFace's emotion
network (its layers) and EfficientNet-B0 at 224 pixels (the backbone of HSEmotion) have random
weights, because only their speed is measured.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

# A function from a question to its answer. A side reads questions and writes answers as JSON.
Answer = Callable[[dict[str, Any]], Any]

_BATCHES = (1, 64)
_ONE_THREAD = ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")
_OTHERS = {"DeepFace's layers": (48, 1), "EfficientNet-B0": (224, 3)}

_FER_COLD = """
import sys
import cv2
from fer.fer import FER
print(FER().detect_emotions(cv2.imread(sys.argv[1])))
"""


def main() -> None:
    """Measure everything, then print and write the tables."""
    if sys.argv[1:2] == ["--side"]:
        _work(sys.argv[2], json.loads(sys.argv[3]))
        return
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="a folder of photos")
    parser.add_argument("--happysad-python", required=True, help="the Python of environment A")
    parser.add_argument("--fer-python", required=True, help="the Python of environment B")
    parser.add_argument(
        "--model", type=Path, help="a run or .onnx file (default: the classifier that ships)"
    )
    parser.add_argument(
        "--photos", type=int, default=60, help="number of photos, evenly spread over the folder"
    )
    parser.add_argument("--repeats", type=int, default=10, help="number of turns")
    parser.add_argument(
        "--seconds", type=float, default=0.5, help="minimum seconds per turn of a network"
    )
    parser.add_argument("--write", type=Path, help="file to which the tables are also written")
    chosen = parser.parse_args()
    pythons = {"happysad": chosen.happysad_python, "fer": chosen.fer_python}
    model = chosen.model and str(chosen.model.resolve())
    photos = _once(pythons["happysad"], "readable", data=str(chosen.data), count=chosen.photos)
    versions = [_once(python, "versions") for python in pythons.values()]
    lines = _packages(pythons, model, photos, chosen.repeats)
    lines += ["", *_networks(pythons, model, chosen.repeats, chosen.seconds), ""]
    lines += [f"{os.cpu_count()} cores; {chosen.repeats} turns; {', '.join(versions)}."]
    text = "\n".join(lines) + "\n"
    print(text, end="")
    if chosen.write:
        from happysad.files import write_text

        write_text(chosen.write, text)


def _packages(
    pythons: dict[str, str], model: str | None, photos: list[str], repeats: int
) -> list[str]:
    """Compare the two packages as users call them."""
    predict = [pythons["happysad"], "-m", "happysad", "predict"]
    commands = {
        "happysad": [*predict, *(["--model", model] if model else [])],
        "fer": [pythons["fer"], "-c", _FER_COLD],
    }

    def cold(name: str) -> Callable[[int], dict[str, float]]:
        return lambda turn: _fresh([*commands[name], photos[turn % len(photos)]])

    lines = [
        "| | happysad | fer | fer / happysad (range over turns) | goal |",
        "|---|---|---|---|---|",
    ]
    taken = _turns({name: cold(name) for name in pythons}, repeats)
    lines.append(_row("new process predicts one photo, s", taken, "seconds", 2, "10; under 0.6 s"))
    lines.append(_row("peak memory of this process, MB", taken, "megabytes", 0, "5"))
    count = len(photos)
    for cores, core in (("all cores", None), ("one core", _core())):
        with ExitStack() as stack:
            sides = {}
            for name, python in pythons.items():
                side = _Side(python, f"{name} photos", core, model=model, photos=photos)
                sides[name] = stack.enter_context(side).ask
            taken = _turns(sides, repeats)
        what = f"{count} photos from file to answer, {cores}, s"
        lines.append(_row(what, taken, "seconds", 2, "8"))
        lines.append(_row("peak memory of this process, MB", taken, "megabytes", 0, ""))
    sizes = {name: [_once(python, "size")] for name, python in pythons.items()}
    lines.append(_row("installed size, MB", sizes, "megabytes", 0, ""))
    faces = [f"{name} {answers[-1]['faces']}" for name, answers in taken.items()]
    return [*lines, "", f"Photos in which a face was found, of {count}: {', '.join(faces)}."]


def _networks(
    pythons: dict[str, str], model: str | None, repeats: int, seconds: float
) -> list[str]:
    """Compare the networks alone, on one core."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        _once(sys.executable, "export", folder=folder)
        wanted: list[tuple[str, str, str, dict[str, Any]]] = [
            ("happysad", pythons["happysad"], "happysad network", {"model": model}),
            ("fer, as fer calls it", pythons["fer"], "fer network", {}),
            ("fer, Keras network, compiled", pythons["fer"], "fer Keras network", {}),
        ]
        for name in _OTHERS:
            settings = {"name": name, "folder": folder}
            wanted.append((f"{name}, onnxruntime", pythons["happysad"], "other onnx", settings))
            wanted.append((f"{name}, Keras", pythons["fer"], "other Keras", settings))
        sides = {
            name: stack.enter_context(_Side(python, role, _core(), **settings)).ask
            for name, python, role, settings in wanted
        }
        taken = {
            batch: _turns(
                {
                    name: lambda _, ask=ask, batch=batch: ask(batch=batch, seconds=seconds)
                    for name, ask in sides.items()
                },
                repeats,
            )
            for batch in _BATCHES
        }
    lines = [
        "| network alone, one core | "
        + " | ".join(f"faces/s, batch of {batch} | speedup of happysad" for batch in _BATCHES)
        + " |",
        "|---" * (1 + 2 * len(_BATCHES)) + "|",
    ]
    for name in sides:
        cells = []
        for by_side in taken.values():
            rates = [1 / answer["seconds"] for answer in by_side[name]]
            cells.append(f"{median(rates):,.0f}")
            cells.append("" if name == "happysad" else _ratio(by_side, name, "seconds"))
        lines.append(f"| {name} | {' | '.join(cells)} |")
    own = median(answer["seconds"] for answer in taken[1]["happysad"])
    return [*lines, "", f"happysad's network takes {1000 * own:.2f} ms per face (goal: under 1.5)."]


def _row(
    what: str, taken: dict[str, list[dict[str, float]]], figure: str, digits: int, goal: str
) -> str:
    medians = [median(answer[figure] for answer in answers) for answers in taken.values()]
    cells = [f"{value:,.{digits}f}" for value in medians]
    return f"| {what} | {' | '.join(cells)} | {_ratio(taken, 'fer', figure)} | {goal} |"


def _ratio(taken: dict[str, list[dict[str, float]]], name: str, figure: str) -> str:
    """Return the ratio of `name` to happysad in each turn: median and range."""
    pairs = zip(taken[name], taken["happysad"], strict=True)
    ratios = [theirs[figure] / ours[figure] for theirs, ours in pairs]
    if len(ratios) == 1:
        return f"{ratios[0]:.3g}"
    return f"{median(ratios):.3g} ({min(ratios):.3g} to {max(ratios):.3g})"


def _turns(sides: dict[str, Callable[..., Any]], repeats: int) -> dict[str, list[dict[str, float]]]:
    """Ask every side in every turn; return their answers without the first turn."""
    from happysad.progress import track  # not at the top: fer's environment has no happysad

    taken: dict[str, list[dict[str, float]]] = {name: [] for name in sides}
    for turn in track(range(repeats + 1), "turns", repeats + 1):
        for name in list(sides)[:: 1 if turn % 2 else -1]:
            answer = sides[name](turn)
            if turn:
                taken[name].append(answer)
    return taken


def _fresh(command: list[str], environment: dict[str, str] | None = None) -> dict[str, float]:
    """Run a command; return its seconds, its seconds of CPU time and its peak memory in MiB."""
    began = time.perf_counter()
    process = subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{command} ended with {process.returncode}")
    cpu = usage.ru_utime + usage.ru_stime
    return {"seconds": seconds, "cpu": cpu, "megabytes": usage.ru_maxrss / 1024}


class _Side:
    """A process that loads what it needs once, then answers questions."""

    def __init__(self, python: str, role: str, core: int | None = None, **settings: Any) -> None:
        environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "-1"}
        if core is not None:
            environment |= dict.fromkeys(_ONE_THREAD, "1")
        self.role = role
        self.chatter = tempfile.TemporaryFile("w+")  # noqa: SIM115
        self.process = subprocess.Popen(
            [python, __file__, "--side", role, json.dumps({**settings, "core": core})],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.chatter,
            text=True,
        )

    def __enter__(self) -> _Side:
        return self

    def __exit__(self, *error: object) -> None:
        self.process.communicate()
        self.chatter.close()

    def ask(self, _: int = 0, **question: Any) -> Any:
        """Send a question and return the answer."""
        assert self.process.stdin
        assert self.process.stdout
        with suppress(BrokenPipeError):
            self.process.stdin.write(json.dumps(question) + "\n")
            self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            self.chatter.seek(0)
            raise SystemExit(f"{self.role} failed:\n{self.chatter.read()}")
        return json.loads(line)


def _once(python: str, role: str, **settings: Any) -> Any:
    with _Side(python, role, **settings) as side:
        return side.ask()


def _core() -> int:
    return max(os.sched_getaffinity(0))


def _work(role: str, settings: dict[str, Any]) -> None:
    """Run one side; write only answers to standard output."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    if settings["core"] is not None:
        os.sched_setaffinity(0, {settings["core"]})
    answer = _ROLES[role](settings)
    for line in sys.stdin:
        print(json.dumps(answer(json.loads(line))), file=answers, flush=True)


def _readable(settings: dict[str, Any]) -> Answer:
    """Return a function that lists the photos that both sides can read; fer reads with cv2."""
    import cv2

    from happysad.errors import ImageError
    from happysad.images import read

    def answer(_: dict[str, Any]) -> list[str]:
        good = []
        for file in sorted(path for path in Path(settings["data"]).rglob("*") if path.is_file()):
            try:
                read(file)
            except ImageError:
                continue
            if cv2.imread(str(file)) is not None:
                good.append(str(file.resolve()))
        count = min(settings["count"], len(good))
        return [good[place * len(good) // count] for place in range(count)]

    return answer


def _versions(_: dict[str, Any]) -> Answer:
    names = ("happysad", "onnxruntime", "fer", "tensorflow", "keras", "opencv-python-headless")

    def answer(_: dict[str, Any]) -> str:
        from importlib.metadata import distributions

        there = {distribution.metadata["Name"] for distribution in distributions()}
        return ", ".join(f"{name} {version(name)}" for name in names if name in there)

    return answer


def _size(_: dict[str, Any]) -> Answer:
    """Return a function that returns the installed size in MiB, without pip."""

    def answer(_: dict[str, Any]) -> dict[str, float]:
        folders = {Path(sysconfig.get_path(name)) for name in ("purelib", "platlib")}
        size = sum(
            file.stat().st_size
            for folder in folders
            for entry in folder.iterdir()
            if entry.name.partition("-")[0] != "pip"
            for file in ([entry] if entry.is_file() else entry.rglob("*"))
            if file.is_file()
        )
        return {"megabytes": size / 2**20}

    return answer


def _all_photos(photos: list[str], faces: Callable[[list[str]], int]) -> Answer:
    def answer(_: dict[str, Any]) -> dict[str, float]:
        began = time.perf_counter()
        found = faces(photos)
        return {
            "seconds": time.perf_counter() - began,
            "megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
            "faces": found,
        }

    return answer


def _happysad_photos(settings: dict[str, Any]) -> Answer:
    classifier = _classifier(settings)
    return _all_photos(
        settings["photos"], lambda photos: sum(bool(p.faces) for p in classifier.stream(photos))
    )


def _fer_photos(settings: dict[str, Any]) -> Answer:
    import cv2

    recognizer = _recognizer(settings)
    return _all_photos(
        settings["photos"],
        lambda photos: sum(bool(recognizer.detect_emotions(cv2.imread(p))) for p in photos),
    )


def _rate(call_for: Callable[[int], Callable[[], object]]) -> Answer:
    """Return a function that times a network.

    Args:
        call_for: takes a batch size, and returns a call that runs the network once on such a batch.
    """
    calls: dict[int, Callable[[], object]] = {}

    def answer(question: dict[str, Any]) -> dict[str, float]:
        batch = question["batch"]
        if batch not in calls:
            calls[batch] = call_for(batch)
        rounds, began, passed = 0, time.perf_counter(), 0.0
        while passed < question["seconds"]:
            calls[batch]()
            rounds += 1
            passed = time.perf_counter() - began
        return {"seconds": passed / rounds / batch}

    return answer


def _happysad_network(settings: dict[str, Any]) -> Answer:
    classifier = _classifier(settings)
    side, channels = classifier.details.size, classifier.details.channels

    def call_for(batch: int) -> Callable[[], object]:
        faces = (255 * _random(batch, side, channels)).astype("uint8")
        return lambda: classifier.run({"image": faces})

    return _rate(call_for)


def _fer_network(settings: dict[str, Any]) -> Answer:
    recognizer = _recognizer(settings)

    def call_for(batch: int) -> Callable[[], object]:
        faces = 2 * _random(batch, 64, 1)[..., 0] - 1
        return lambda: recognizer._classify_emotions(faces)

    return _rate(call_for)


def _fer_keras_network(settings: dict[str, Any]) -> Answer:
    import numpy as np
    import tensorflow as tf

    model: Any = _recognizer(settings, use_tflite=False)._FER__emotion_classifier
    run = tf.function(lambda faces: model(faces, training=False))

    def call_for(batch: int) -> Callable[[], object]:
        faces = 2 * _random(batch, 64, 1) - 1
        return lambda: np.asarray(run(tf.constant(faces)))

    return _rate(call_for)


def _fer_answers(settings: dict[str, Any]) -> Answer:
    """Return a function that answers for face crops, prepared as fer prepares them."""
    import cv2
    import numpy as np

    recognizer = _recognizer(settings)

    def answer(question: dict[str, Any]) -> list[list[float]]:
        crops = np.load(question["crops"])
        faces = np.stack([cv2.resize(crop, (64, 64)) for crop in crops])
        faces = 2 * (faces.astype(np.float32) / 255 - 0.5)
        answers: list[list[float]] = recognizer._classify_emotions(faces).tolist()
        return answers

    return answer


def _other_onnx(settings: dict[str, Any]) -> Answer:
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    file = str(Path(settings["folder"]) / f"{settings['name']}.onnx")
    session = ort.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    (name,) = [value.name for value in session.get_inputs()]

    def call_for(batch: int) -> Callable[[], object]:
        faces = _random(batch, *_OTHERS[settings["name"]])
        return lambda: session.run(None, {name: faces})

    return _rate(call_for)


def _other_keras(settings: dict[str, Any]) -> Answer:
    import numpy as np

    model = _other(settings["name"])

    def call_for(batch: int) -> Callable[[], object]:
        faces = _random(batch, *_OTHERS[settings["name"]])
        if batch == 1:  # as DeepFace does
            return lambda: np.asarray(model(faces, training=False))
        return lambda: model.predict_on_batch(faces)

    return _rate(call_for)


def _export(settings: dict[str, Any]) -> Answer:
    import onnx

    def answer(_: dict[str, Any]) -> None:
        for name in _OTHERS:
            file = Path(settings["folder"]) / f"{name}.onnx"
            model = _other(name)
            model(_random(1, *_OTHERS[name]))  # Keras exports only a model that was called
            model.export(file, format="onnx", verbose=False)
            whole = onnx.load(file)
            used = {name for node in whole.graph.node for name in node.input}
            kept = [value for value in whole.graph.input if value.name in used]
            del whole.graph.input[:]  # tf2onnx keeps folded constants as inputs
            whole.graph.input.extend(kept)
            onnx.save(whole, file)

    return answer


def _other(name: str) -> Any:
    """Return a network with random weights; input: float32, shape (n, side, side, channels)."""
    import keras
    from keras import layers

    side, channels = _OTHERS[name]
    if name == "EfficientNet-B0":
        return keras.applications.EfficientNetB0(weights=None, classes=8)
    return keras.Sequential(
        [
            layers.Input((side, side, channels)),
            layers.Conv2D(64, 5, activation="relu"),
            layers.MaxPooling2D(5, 2),
            layers.Conv2D(64, 3, activation="relu"),
            layers.Conv2D(64, 3, activation="relu"),
            layers.AveragePooling2D(3, 2),
            layers.Conv2D(128, 3, activation="relu"),
            layers.Conv2D(128, 3, activation="relu"),
            layers.AveragePooling2D(3, 2),
            layers.Flatten(),
            layers.Dense(1024, activation="relu"),
            layers.Dense(1024, activation="relu"),
            layers.Dense(7, activation="softmax"),
        ]
    )


def _classifier(settings: dict[str, Any]) -> Any:
    import cv2

    from happysad.classifier import Classifier

    threads = 0 if settings["core"] is None else 1
    if threads:
        cv2.setNumThreads(threads)
    model = settings["model"]
    return Classifier(model, threads=threads)


def _recognizer(settings: dict[str, Any], **options: bool) -> Any:
    from importlib import import_module

    import cv2

    if settings["core"] is not None:
        cv2.setNumThreads(1)
    return import_module("fer.fer").FER(**options)


def _random(*shape: int) -> Any:
    import numpy as np

    batch, side, channels = shape
    return np.random.default_rng(0).random((batch, side, side, channels), np.float32)


_ROLES: dict[str, Callable[[dict[str, Any]], Answer]] = {
    "readable": _readable,
    "versions": _versions,
    "size": _size,
    "happysad photos": _happysad_photos,
    "fer photos": _fer_photos,
    "happysad network": _happysad_network,
    "fer network": _fer_network,
    "fer Keras network": _fer_keras_network,
    "fer answers": _fer_answers,
    "other onnx": _other_onnx,
    "other Keras": _other_keras,
    "export": _export,
}


if __name__ == "__main__":
    main()
