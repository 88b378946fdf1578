"""Export Keras networks to .onnx, .h5 and .tflite; keep a file only if it agrees with Keras."""

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

from happysad.classifier import Classifier
from happysad.errors import ExportError, RunError, UsageError
from happysad.files import replacing
from happysad.model_file import METADATA_KEY, PROBABILITIES, Details, ModelFile
from happysad.run import Run
from happysad.runtime import session

if TYPE_CHECKING:
    import keras
    import onnx

    from happysad.inputs import NetworkInput

__all__ = ["SUFFIXES", "TOLERANCE", "Samples", "export", "to_h5", "to_onnx", "to_tflite"]

#: Real inputs to compare on, by the names of the network's inputs; each has n rows.
Samples = Mapping[str, NDArray[Any]]

#: The maximum difference of a probability from that of Keras.
TOLERANCE = 1e-4
#: The suffixes of the formats that `export` writes.
SUFFIXES = (".onnx", ".h5", ".tflite")

Answers = dict[str, NDArray[np.float32]]

# The ONNX opset: onnxruntime 1.15 of 2023 reads it, and tf2onnx writes it.
_OPSET = 17
# The maximum number of real photos that `export` compares on.
_COMPARED = 100


def export(run: Path, file: Path) -> float:
    """Write a finished run's classifier in another format, chosen by the suffix of `file`.

    The answers are compared on photos of the validation split, so the run's data folder must exist.

    Args:
        run: the run's folder.
        file: the file to write; its suffix is one of `SUFFIXES`.

    Returns:
        The largest difference from Keras in any output over up to 100 photos.

    Raises:
        UsageError: the suffix is unknown.
        RunError: the run is not finished.
        ExportError: the file does not agree with Keras and is not kept, or cannot be written.
    """
    if file.suffix not in SUFFIXES:
        raise UsageError(f"{file}: the suffix must be one of {', '.join(SUFFIXES)}")
    trained = Run(run)
    if not trained.network.is_file():
        raise RunError(f"{run}: not a finished run's folder: no {trained.network.name}")
    classifier = Classifier(run)
    if len(classifier.input.shapes) > 1 and file.suffix == ".h5":
        raise ExportError(
            f"{file}: .h5 cannot hold the network of a classifier that looks at faces and photos; "
            "write .onnx or .tflite"
        )
    samples = _validation_photos(trained, classifier.input)
    from happysad.keras_backend import quiet

    quiet()
    import keras

    model = keras.saving.load_model(trained.network, compile=False)
    if file.suffix == ".onnx":
        return to_onnx(model, file, classifier.details, samples)
    return (to_h5 if file.suffix == ".h5" else to_tflite)(model, file, samples)


def to_onnx(model: keras.Model, file: Path, details: Details, samples: Samples) -> float:
    """Write an .onnx with the names that `ModelFile` expects, and `details` in its metadata.

    The same model gives the same bytes. The weights of layers keep their names, such as
    ``stem/kernel``, if the exporter stores their values unchanged.

    Args:
        model: a network of `happysad.models`.
        file: the file to write; an existing file is replaced only if the new one agrees.
        details: the metadata.
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
        _tidy(graph, sorted(expected), _named_weights(model))
        onnx.helper.set_model_props(graph, {METADATA_KEY: details.to_json()})
        with _quietly(file):
            onnx.checker.check_model(graph)
            onnx.save(graph, temporary)
            content = ModelFile.read(temporary).content  # refuses what no classifier could load
            return _compare(file, expected, _onnx_answers(content, samples))


def _write_onnx(model: keras.Model, file: Path) -> None:
    import keras

    if keras.backend.backend() == "tensorflow":
        model.export(file, format="onnx", verbose=False, opset_version=_OPSET)
        return
    # tf2onnx reads only TensorFlow's graphs, and a process has one backend.
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
    """Write a .tflite for LiteRT; needs Keras on TensorFlow. See `to_onnx` for the rest."""
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


def _answers(model: keras.Model, samples: Samples) -> Answers:
    # This also calls the model once, which Keras requires before it exports a loaded model.
    given = samples["image"] if len(samples) == 1 else dict(samples)
    came = model.predict(given, verbose=0)
    return _current(came if isinstance(came, dict) else {PROBABILITIES: came})


def _onnx_answers(content: bytes, samples: Samples) -> Answers:
    network = session(content)
    names = [output.name for output in network.get_outputs()]
    return dict(zip(names, network.run(names, dict(samples)), strict=True))


def _lite_answers(file: Path, samples: Samples) -> Answers:
    import tensorflow as tf

    interpreter = tf.lite.Interpreter(str(file))
    run: Any = interpreter.get_signature_runner()
    named = samples
    if len(named) == 1:  # a signature may give a single input another name
        named = dict(zip(run.get_input_details(), named.values(), strict=True))
    number = len(next(iter(named.values())))
    came = [run(**{name: v[n : n + 1] for name, v in named.items()}) for n in range(number)]
    outputs = {name: np.concatenate([one[name] for one in came]) for name in came[0]}
    return _current(outputs if len(outputs) > 1 else {PROBABILITIES: next(iter(outputs.values()))})


def _current(answers: Mapping[str, NDArray[np.float32]]) -> Answers:
    """Return answers by the current names of the outputs; happysad 0.1.0 named them p_sad."""
    return {name.replace("p_sad", PROBABILITIES): values for name, values in answers.items()}


def _compare(file: Path, expected: Answers, came: Answers) -> float:
    difference = max(
        float(np.abs(values - came[name].reshape(values.shape)).max())
        for name, values in expected.items()
    )
    if not difference <= TOLERANCE:  # NaN is refused as well
        raise ExportError(
            f"{file}: differs from Keras by {difference:.2g}, more than {TOLERANCE:.0e}; "
            "the file is not kept"
        )
    return difference


@contextlib.contextmanager
def _quietly(file: Path) -> Iterator[None]:
    """Silence the exporters, and turn their exceptions into errors of one line."""
    from happysad.keras_backend import without_native_stderr

    try:
        with warnings.catch_warnings(), without_native_stderr():
            warnings.simplefilter("ignore")
            yield
    except ExportError:
        raise
    except Exception as error:
        text = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ExportError(f"{file}: cannot be written: {text}") from error


def _named_weights(model: keras.Model) -> dict[str, NDArray[Any]]:
    """Return the weights by layer and name, such as ``stem/kernel``, in the layout of ONNX."""
    named: dict[str, NDArray[Any]] = {}
    for weight, values in zip(model.weights, model.get_weights(), strict=True):
        named.setdefault(weight.path, values.transpose(3, 2, 0, 1) if values.ndim == 4 else values)
    return named


def _tidy(model: onnx.ModelProto, outputs: list[str], layers: Mapping[str, NDArray[Any]]) -> None:
    """Name inputs and outputs as `ModelFile` expects, weights by layer, other values by position.

    The names that Keras and tf2onnx choose contain counters of the process, and the order of a
    graph's branches varies, so the bytes would differ from one export to the next. tf2onnx also
    leaves constants that it has folded among the inputs; these are removed.
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
    unused = dict(layers)
    ordered: list[onnx.TensorProto] = []
    for number, node in enumerate(nodes):
        for name in node.input:
            if name not in names:
                layer = _layer_of(onnx.numpy_helper.to_array(weights[name]), unused)
                unused.pop(layer, None)
                names[name] = layer or f"weight_{len(ordered)}"
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


def _layer_of(values: NDArray[Any], layers: Mapping[str, NDArray[Any]]) -> str:
    """Return the name of the weight with exactly these values; "" if there is none."""
    return next((name for name, one in layers.items() if np.array_equal(one, values)), "")


def _in_order(graph: onnx.GraphProto) -> list[onnx.NodeProto]:
    """Return the nodes in topological order, from a walk that starts at the outputs."""
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


def _validation_photos(run: Run, network_input: NetworkInput) -> Samples:
    from happysad.dataset.manifest import Manifest
    from happysad.photo import Photo

    manifest = Manifest.read(run.manifest, run.data())
    files = manifest.files(manifest.of("val")[:_COMPARED])
    rows = [network_input.row(Photo(file)) for file in files]
    return {name: np.stack([row[name] for row in rows]) for name in rows[0]}


def _main(model_file: Path, file: Path) -> None:
    """Export the network that `_write_onnx` saved for this process."""
    from happysad.keras_backend import quiet

    quiet()
    import keras

    model = keras.saving.load_model(model_file, compile=False)
    inputs = {one.name: np.zeros((1, *one.shape[1:]), one.dtype) for one in model.inputs}
    model(inputs if len(inputs) > 1 else inputs["image"])  # Keras requires it before an export
    _write_onnx(model, file)


if __name__ == "__main__":
    _main(Path(sys.argv[1]), Path(sys.argv[2]))
