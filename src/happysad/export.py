"""Keras to .onnx, .h5 and .tflite; every file is compared with Keras before it may stay."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from happysad.classifier import METADATA_KEY, Classifier, Details
from happysad.errors import ExportError, RunError, UsageError
from happysad.files import replacing
from happysad.images import Pixels

if TYPE_CHECKING:
    import keras
    import onnx

__all__ = ["SUFFIXES", "TOLERANCE", "Samples", "export", "to_h5", "to_onnx", "to_tflite"]

#: Real inputs to compare on: a network's one input, uint8, shape (n, size, size, channels); or all
#: of its inputs by name.
Samples = Pixels | Mapping[str, NDArray[Any]]

#: Probabilities may differ from those of Keras by so much.
TOLERANCE = 1e-4
#: What `export` can write.
SUFFIXES = (".onnx", ".h5", ".tflite")

Answers = dict[str, NDArray[np.float32]]

# The ONNX version written: onnxruntime 1.15 of 2023 reads it, tf2onnx writes it.
_OPSET = 17
# How many real photos `export` compares on.
_COMPARED = 100


def export(run: Path, file: Path) -> float:
    """Write a finished run's classifier in another format, chosen by the suffix of `file`.

    The comparison takes photos of the validation split, so the run's data folder must be there.

    Returns:
        The largest difference from Keras in any output over up to 100 photos.

    Raises:
        UsageError: an unknown suffix.
        RunError: the run is not finished.
        ExportError: the file does not agree with Keras; it is not kept.
    """
    if file.suffix not in SUFFIXES:
        raise UsageError(f"{file}: the suffix must be one of {', '.join(SUFFIXES)}")
    model_file = run / "model.keras"
    if not model_file.is_file():
        raise RunError(f"{run}: not a finished run's folder: no model.keras")
    details = Classifier.load(run).details
    if details.looks_at == "both" and file.suffix == ".h5":
        raise ExportError(
            f"{file}: .h5 cannot hold the network of a classifier that looks at faces and photos; "
            "write .onnx or .tflite"
        )
    samples = _validation_photos(run, details)
    from happysad.training.backend import quiet

    quiet()
    import keras

    model = keras.saving.load_model(model_file, compile=False)
    if file.suffix == ".onnx":
        return to_onnx(model, file, details, samples)
    return (to_h5 if file.suffix == ".h5" else to_tflite)(model, file, samples)


def to_onnx(model: keras.Model, file: Path, details: Details, samples: Samples) -> float:
    """Write an .onnx with the names that `Classifier` knows, and `details` in its metadata.

    The same model gives the same bytes.

    Args:
        model: ``image`` to p_sad, or what `happysad.models.fused` builds.
        file: where to; replaced only by a file that agrees.
        details: what `Classifier` needs to know.
        samples: real inputs to compare on.

    Returns:
        The largest difference from Keras in any output over `samples`.

    Raises:
        ExportError: it differs by more than `TOLERANCE`, or cannot be written.
    """
    import onnx

    expected = _answers(model, samples)
    with replacing(file) as temporary:
        with _quietly(file):
            _write_onnx(model, temporary)
        graph = onnx.load(temporary)
        _tidy(graph, sorted(expected))
        onnx.helper.set_model_props(graph, {METADATA_KEY: details.to_json()})
        onnx.checker.check_model(graph)
        onnx.save(graph, temporary)
        return _compare(file, expected, Classifier.load(temporary).run(_by_name(samples)))


def _write_onnx(model: keras.Model, file: Path) -> None:
    import keras

    if keras.backend.backend() == "tensorflow":
        model.export(file, format="onnx", verbose=False, opset_version=_OPSET)
        return
    # tf2onnx reads TensorFlow's graphs alone, and a process has one backend.
    with tempfile.TemporaryDirectory() as folder:
        saved = Path(folder, "model.keras")
        model.save(saved)
        subprocess.run(  # noqa: S603 - our own code on our own file
            [sys.executable, "-m", "happysad.export", saved, file],
            env={**os.environ, "KERAS_BACKEND": "tensorflow"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=True,
        )


def to_h5(model: keras.Model, file: Path, samples: Samples) -> float:
    """Write Keras's older HDF5 format; see `to_onnx` for the rest."""
    import keras

    expected = _answers(model, samples)
    with replacing(file) as temporary, _quietly(file):
        model.save(temporary, include_optimizer=False)
        again = keras.saving.load_model(temporary, compile=False)
        return _compare(file, expected, _answers(again, samples))


def to_tflite(model: keras.Model, file: Path, samples: Samples) -> float:
    """Write a .tflite for LiteRT, with TensorFlow alone; see `to_onnx` for the rest."""
    import keras

    if keras.backend.backend() != "tensorflow":
        raise UsageError(
            f"{file}: .tflite is written by TensorFlow; run with KERAS_BACKEND=tensorflow, "
            f"not {keras.backend.backend()}"
        )
    expected = _answers(model, samples)
    with replacing(file) as temporary, _quietly(file):
        model.export(temporary, format="litert", verbose=False)
        return _compare(file, expected, _lite_answers(temporary, samples))


def _by_name(samples: Samples) -> Mapping[str, NDArray[Any]]:
    return samples if isinstance(samples, Mapping) else {"image": samples}


def _answers(model: keras.Model, samples: Samples) -> Answers:
    # Also calls the model once, which Keras asks for before the export of one that was loaded.
    given = samples if isinstance(samples, Mapping) else np.asarray(samples)
    came = model.predict(given, verbose=0)
    return came if isinstance(came, dict) else {"p_sad": came}


def _lite_answers(file: Path, samples: Samples) -> Answers:
    import tensorflow as tf

    interpreter = tf.lite.Interpreter(str(file))
    run: Any = interpreter.get_signature_runner()
    named = _by_name(samples)
    if len(named) == 1:  # a signature may call a single input by another name
        named = dict(zip(run.get_input_details(), named.values(), strict=True))
    number = len(next(iter(named.values())))
    came = [run(**{name: v[n : n + 1] for name, v in named.items()}) for n in range(number)]
    outputs = {name: np.concatenate([one[name] for one in came]) for name in came[0]}
    return outputs if len(outputs) > 1 else {"p_sad": next(iter(outputs.values()))}


def _compare(file: Path, expected: Answers, came: Answers) -> float:
    difference = max(
        float(np.abs(values - came[name].reshape(values.shape)).max())
        for name, values in expected.items()
    )
    if not difference <= TOLERANCE:  # NaN is refused as well
        raise ExportError(
            f"{file}: differs from Keras by {difference:.2g} (at most {TOLERANCE:.0e}), not kept"
        )
    return difference


@contextlib.contextmanager
def _quietly(file: Path) -> Iterator[None]:
    """Keep the exporters' chatter off the terminal; turn what they raise into one line."""
    from happysad.training.backend import without_native_stderr

    try:
        with warnings.catch_warnings(), without_native_stderr():
            warnings.simplefilter("ignore")
            yield
    except ExportError:
        raise
    except Exception as error:
        text = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ExportError(f"{file}: cannot be written: {text}") from error


def _tidy(model: onnx.ModelProto, outputs: list[str]) -> None:
    """Name inputs and outputs as `Classifier` expects, and the rest by its place in the graph.

    What Keras and tf2onnx choose holds counters of the process, and where a graph has branches
    they come in any order, so the bytes would differ. tf2onnx also leaves constants that it has
    folded among the inputs; they go.
    """
    import onnx

    graph = model.graph
    nodes = _in_order(graph)
    weights = {weight.name: weight for weight in graph.initializer}
    given = [value for value in graph.input if value.name not in weights]
    given.sort(key=lambda value: value.name)
    answers = list(graph.output)
    names = {"": "", **{value.name: value.name for value in given}}
    names |= {value.name: name for value, name in zip(answers, outputs, strict=True)}
    ordered: list[onnx.TensorProto] = []
    for number, node in enumerate(nodes):
        for name in node.input:
            if name not in names:
                names[name] = f"weight_{len(ordered)}"
                ordered.append(weights[name])
        for place, name in enumerate(node.output):
            names.setdefault(name, f"value_{number}_{place}")
        node.name = f"{node.op_type}_{number}"
        node.input[:] = [names[name] for name in node.input]
        node.output[:] = [names[name] for name in node.output]
    for weight in ordered:
        weight.name = names[weight.name]
    for value in (*given, *answers):
        value.name = names[value.name]
        value.type.tensor_type.shape.dim[0].dim_param = "n"
    graph.CopyFrom(onnx.helper.make_graph(nodes, "happysad", given, answers, ordered))


def _in_order(graph: onnx.GraphProto) -> list[onnx.NodeProto]:
    """Order the nodes by a walk from the outputs back, each after all whose output it takes."""
    maker = {name: node for node in graph.node for name in node.output}
    ordered: list[onnx.NodeProto] = []
    done: set[str] = set()
    waiting = [(output.name, False) for output in reversed(graph.output)]
    while waiting:
        name, ready = waiting.pop()
        if name in done or name not in maker:
            continue
        if ready:
            done.update(maker[name].output)
            ordered.append(maker[name])
        else:
            waiting.append((name, True))
            waiting.extend((before, False) for before in reversed(maker[name].input))
    return ordered


def _validation_photos(run: Path, details: Details) -> Samples:
    from happysad.dataset.manifest import Manifest
    from happysad.inputs import of_photo
    from happysad.photos import Photo
    from happysad.training.config import load_run

    _, data = load_run(run / "config.toml")
    manifest = Manifest.read(run / "manifest.csv", data)
    files = manifest.files(manifest.of("val")[:_COMPARED])
    inputs = []
    for photo in map(Photo, files):
        faces = photo.faces() if details.looks_at == "both" else None
        inputs.append(of_photo(photo, details.size, details.channels, faces=faces))
    stacked = {name: np.stack([one[name] for one in inputs]) for name in inputs[0]}
    return stacked if details.looks_at == "both" else stacked["image"]


def _main(model_file: Path, file: Path) -> None:
    """Write what `_write_onnx` saved."""
    from happysad.training.backend import quiet

    quiet()
    import keras

    model = keras.saving.load_model(model_file, compile=False)
    inputs = {one.name: np.zeros((1, *one.shape[1:]), one.dtype) for one in model.inputs}
    model(inputs if len(inputs) > 1 else inputs["image"])  # Keras asks for it before an export
    _write_onnx(model, file)


if __name__ == "__main__":
    _main(Path(sys.argv[1]), Path(sys.argv[2]))
