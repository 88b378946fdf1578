"""Keras to .onnx, .h5 and .tflite; every file is compared with Keras before it may stay."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator
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

__all__ = ["SUFFIXES", "TOLERANCE", "export", "to_h5", "to_onnx", "to_tflite"]

#: Probabilities may differ from those of Keras by so much.
TOLERANCE = 1e-4
#: What `export` can write.
SUFFIXES = (".onnx", ".h5", ".tflite")

# The ONNX version written: onnxruntime 1.15 of 2023 reads it, tf2onnx writes it.
_OPSET = 17
# How many real photos `export` compares on.
_COMPARED = 100


def export(run: Path, file: Path) -> float:
    """Write a finished run's classifier in another format, chosen by the suffix of `file`.

    The comparison takes photos of the validation split, so the run's data folder must be there.

    Returns:
        The largest difference from Keras in p_sad over up to 100 photos.

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
    samples = _validation_photos(run, details)
    from happysad.training.backend import quiet

    quiet()
    import keras

    model = keras.saving.load_model(model_file, compile=False)
    if file.suffix == ".onnx":
        return to_onnx(model, file, details, samples)
    return (to_h5 if file.suffix == ".h5" else to_tflite)(model, file, samples)


def to_onnx(model: keras.Model, file: Path, details: Details, samples: Pixels) -> float:
    """Write an .onnx with ``image`` in, ``p_sad`` out and `details` in its metadata.

    The same model gives the same bytes.

    Args:
        model: uint8 (n, size, size, channels) to p_sad (n, 1).
        file: where to; replaced only by a file that agrees.
        details: what `Classifier` needs to know.
        samples: real inputs to compare on, uint8, shape (n, size, size, channels).

    Returns:
        The largest difference from Keras in p_sad over `samples`.

    Raises:
        ExportError: it differs by more than `TOLERANCE`, or cannot be written.
    """
    import onnx

    expected = _answers(model, samples)
    with replacing(file) as temporary:
        with _quietly(file):
            model.export(temporary, format="onnx", verbose=False, opset_version=_OPSET)
        graph = onnx.load(temporary)
        _tidy(graph)
        onnx.helper.set_model_props(graph, {METADATA_KEY: details.to_json()})
        onnx.checker.check_model(graph)
        onnx.save(graph, temporary)
        return _compare(file, expected, Classifier.load(temporary).p_sad(samples))


def to_h5(model: keras.Model, file: Path, samples: Pixels) -> float:
    """Write Keras's older HDF5 format; see `to_onnx` for the rest."""
    import keras

    expected = _answers(model, samples)
    with replacing(file) as temporary, _quietly(file):
        model.save(temporary, include_optimizer=False)
        again = keras.saving.load_model(temporary, compile=False)
        return _compare(file, expected, _answers(again, samples))


def to_tflite(model: keras.Model, file: Path, samples: Pixels) -> float:
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


def _answers(model: keras.Model, samples: Pixels) -> NDArray[np.float32]:
    # Also calls the model once, which Keras asks for before the export of one that was loaded.
    return np.asarray(model.predict(samples, verbose=0), dtype=np.float32).reshape(-1)


def _lite_answers(file: Path, samples: Pixels) -> NDArray[np.float32]:
    import tensorflow as tf

    interpreter = tf.lite.Interpreter(str(file))
    run: Any = interpreter.get_signature_runner()
    (image,) = run.get_input_details()
    outputs = [run(**{image: samples[n : n + 1]}) for n in range(len(samples))]
    return np.array([next(iter(output.values())) for output in outputs], np.float32).reshape(-1)


def _compare(file: Path, expected: NDArray[np.float32], came: NDArray[np.float32]) -> float:
    difference = float(np.abs(expected - came).max())
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


def _tidy(model: onnx.ModelProto) -> None:
    """Name input and output as `Classifier` expects, and the rest by its place in the graph.

    What Keras and tf2onnx choose holds counters of the process, and where a graph has branches
    they come in any order, so the bytes would differ. tf2onnx also leaves constants that it has
    folded among the inputs; they go.
    """
    import onnx

    graph = model.graph
    nodes = _in_order(graph)
    weights = {weight.name: weight for weight in graph.initializer}
    (image,) = [value for value in graph.input if value.name == "image"]
    (p_sad,) = graph.output
    names = {"": "", image.name: "image", p_sad.name: "p_sad"}
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
    for value in (image, p_sad):
        value.name = names[value.name]
        value.type.tensor_type.shape.dim[0].dim_param = "n"
    graph.CopyFrom(onnx.helper.make_graph(nodes, "happysad", [image], [p_sad], ordered))


def _in_order(graph: onnx.GraphProto) -> list[onnx.NodeProto]:
    """Order the nodes by a walk from the output back, each after all whose output it takes."""
    maker = {name: node for node in graph.node for name in node.output}
    ordered: list[onnx.NodeProto] = []
    done: set[str] = set()
    waiting = [(graph.output[0].name, False)]
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


def _validation_photos(run: Path, details: Details) -> Pixels:
    from happysad.dataset.manifest import Manifest
    from happysad.images import fit, read
    from happysad.training.config import load_run

    _, data = load_run(run / "config.toml")
    manifest = Manifest.read(run / "manifest.csv", data)
    files = manifest.files(manifest.of("val")[:_COMPARED])
    return np.stack([fit(read(file), details.size, details.channels) for file in files])
