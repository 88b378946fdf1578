"""Export Keras networks to .onnx, .keras, .h5 and .tflite, if the file agrees with Keras.

The files for other programs name the range of their pictures: the input ``photo_0_255`` takes
levels, and ``photo_0_1`` takes levels divided by 255.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from happysad.classifier import BATCH, Classifier
from happysad.errors import ExportError, RunError, UsageError, shown
from happysad.files import replacing
from happysad.model_file import METADATA_KEY, PROBABILITIES, Details, ModelFile
from happysad.run import Run
from happysad.runtime import session

if TYPE_CHECKING:
    import keras
    import onnx

    from happysad.inputs import NetworkInput

__all__ = [
    "SUFFIXES",
    "TOLERANCE",
    "Samples",
    "Scaled",
    "export",
    "input_name",
    "to_keras",
    "to_onnx",
    "to_tflite",
]

#: Real inputs to compare on, by the names of the network's inputs; each has n rows.
Samples = Mapping[str, NDArray[Any]]

#: The range of the pictures that an exported network takes.
Scaled = Literal["0..255", "0..1"]

#: The maximum difference of a probability from that of Keras.
TOLERANCE = 1e-4
#: The suffixes of the formats that `export` writes.
SUFFIXES = (".onnx", ".keras", ".h5", ".tflite")

Answers = dict[str, NDArray[np.float32]]

# The ONNX opset: onnxruntime 1.15 of 2023 reads it, and tf2onnx writes it.
_OPSET = 17
# The maximum number of real photos that `export` compares on.
_COMPARED = 100


def export(run: Path, file: Path, *, scaled: Scaled = "0..255") -> float:
    """Write a finished run's classifier in another format, chosen by the suffix of `file`.

    The answers are compared on photos of the validation split, so the run's data folder must exist.

    Args:
        run: the run's folder.
        file: the file to write; its suffix is one of `SUFFIXES`.
        scaled: the range of the pictures that the network takes; an .onnx takes only 0..255.

    Returns:
        The largest difference from Keras in any output over up to 100 photos.

    Raises:
        UsageError: the suffix or `scaled` is unknown, or an .onnx with another range.
        RunError: the run is not finished.
        ExportError: the file does not agree with Keras and is not kept, or cannot be written.
    """
    if file.suffix not in SUFFIXES:
        raise UsageError(
            f"{shown(str(file))}: the suffix must be one of {', '.join(SUFFIXES)}, "
            f"not {shown(file.suffix)!r}"
        )
    if scaled not in get_args(Scaled):
        raise UsageError(f"scaled must be {' or '.join(get_args(Scaled))}, not {shown(scaled)!r}")
    if file.suffix == ".onnx" and scaled != "0..255":
        raise UsageError(
            f"{shown(str(file))}: an .onnx scales inside, so scaled must be 0..255, not {scaled}; "
            "write .keras, .h5 or .tflite"
        )
    trained = Run(run)
    if not trained.network.is_file():
        raise RunError(f"{run}: not a finished run's folder: no {trained.network.name}")
    classifier = Classifier(run)
    samples = _validation_photos(trained, classifier.input)
    from happysad.keras_backend import quiet

    quiet()
    import keras

    try:
        model = keras.saving.load_model(trained.network, compile=False)
    except Exception as error:  # Keras raises nearly anything for a damaged file
        line = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise RunError(f"{trained.network}: damaged: {shown(line)}") from error
    if file.suffix == ".onnx":
        return to_onnx(model, file, classifier.details, samples)
    write = to_tflite if file.suffix == ".tflite" else to_keras
    return write(model, file, samples, scaled=scaled)


def input_name(name: str, scaled: Scaled) -> str:
    """Return the name of an input in a file for other programs.

    Args:
        name: the input's name in happysad.
        scaled: the range of pictures.

    >>> input_name("image", "0..1"), input_name("weights", "0..1")
    ('photo_0_1', 'weights')
    """
    if name == "weights":
        return name
    return f"{'photo' if name == 'image' else name}_{scaled.replace('..', '_')}"


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
        _convert(model, file)
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


def _convert(model: keras.Model, file: Path) -> None:
    """Write a network as .onnx: docs/decisions.md, "Conversion to ONNX"."""
    import tensorflow as tf
    import tf2onnx

    signature = [tf.TensorSpec(one.shape, one.dtype, name=one.name) for one in model.inputs]

    def network(*values: Any) -> Any:
        named = {one.name: value for one, value in zip(signature, values, strict=True)}
        return model(named if len(named) > 1 else values[0], training=False)

    traced = tf.function(network, input_signature=signature, autograph=False)
    convert = partial(
        tf2onnx.convert.from_function, traced, signature, opset=_OPSET, output_path=str(file)
    )
    try:
        tf2onnx.constants.ENV_TF2ONNX_CATCH_ERRORS = "FALSE"  # no copy before each optimisation
        convert()
    except Exception:  # one that fails can be left out
        tf2onnx.constants.ENV_TF2ONNX_CATCH_ERRORS = "TRUE"
        convert()


def to_keras(
    model: keras.Model, file: Path, samples: Samples, *, scaled: Scaled = "0..255"
) -> float:
    """Write Keras's format or, with the suffix .h5, its older HDF5 format.

    Keras loads the file without happysad. The network takes float32 pictures.

    Args:
        model: as for `to_onnx`.
        file: as for `to_onnx`.
        samples: as for `to_onnx`.
        scaled: the range of the pictures that the network takes.

    Returns:
        As `to_onnx`.

    Raises:
        ExportError: as for `to_onnx`.
    """
    import keras

    expected = _answers(model, samples)
    with replacing(file) as temporary, _quietly(file):
        copy = _for_others(model, scaled, "float32")
        if file.suffix == ".h5":
            _write_h5(copy, temporary)
        else:
            copy.save(temporary)
        again = keras.saving.load_model(temporary, compile=False)
        return _compare(file, expected, _answers(again, _renamed(samples, scaled)))


def _write_h5(model: keras.Model, file: Path) -> None:
    import h5py
    import keras

    model.save(file, include_optimizer=False)
    if any(not isinstance(one, keras.Layer) for one in model.operations):
        # Keras describes the network without modules, and then finds only layers. It also reads
        # the description that it writes into .keras.
        text = json.dumps(keras.saving.serialize_keras_object(model))
        with h5py.File(file, "r+") as stored:
            stored.attrs["model_config"] = text.encode()


def to_tflite(
    model: keras.Model, file: Path, samples: Samples, *, scaled: Scaled = "0..255"
) -> float:
    """Write a .tflite for LiteRT, which takes uint8 levels or, for 0..1, float32.

    This needs Keras on TensorFlow. See `to_keras` for the rest.
    """
    import keras

    if keras.backend.backend() != "tensorflow":
        raise UsageError(
            f"{file}: .tflite is written by TensorFlow; run with KERAS_BACKEND=tensorflow, "
            f"not {keras.backend.backend()}"
        )
    expected = _answers(model, samples)
    with replacing(file) as temporary, _quietly(file):
        copy = _for_others(model, scaled, "uint8" if scaled == "0..255" else "float32")
        given = _renamed(samples, scaled)
        _answers(copy, {name: values[:1] for name, values in given.items()})
        copy.export(temporary, format="litert", verbose=False)
        return _compare(file, expected, _lite_answers(temporary, given))


def _for_others(model: keras.Model, scaled: Scaled, dtype: str) -> keras.Model:
    """Return a copy of a network with the inputs that `input_name` names.

    For 0..1, a scaling right after an input gets 255 times the factor, so that a division by 255
    becomes a multiplication by 1; all other layers after an input get its levels.

    Args:
        model: a network with uint8 pictures.
        scaled: the range of the copy's pictures.
        dtype: the type of the copy's pictures.
    """
    import keras

    given = {
        one.name: keras.Input(
            one.shape[1:],
            dtype=dtype if one.dtype == "uint8" else one.dtype,
            name=input_name(one.name, scaled),
        )
        for one in model.inputs
    }
    levels: dict[int, keras.KerasTensor] = {}
    if scaled == "0..1":
        levels = {
            id(given[one.name]): keras.layers.Rescaling(255.0)(given[one.name])
            for one in model.inputs
            if one.dtype == "uint8"
        }

    def copied(layer: Any) -> Any:
        if isinstance(layer, keras.Model) and any(one.dtype == "uint8" for one in layer.inputs):
            return _with_inputs(
                layer, {one.name: keras.Input(one.shape[1:], name=one.name) for one in layer.inputs}
            )
        return type(layer).from_config(layer.get_config())

    def call(layer: Any, *args: Any, **options: Any) -> Any:
        if isinstance(layer, keras.layers.Rescaling) and id(args[0]) in levels:
            layer.scale = np.multiply(layer.scale, 255).tolist()
            return layer(args[0])
        args, options = keras.tree.map_structure(
            lambda one: levels.get(id(one), one), (args, options)
        )
        return layer(*args, **options)

    return _with_inputs(model, given, copied, call)


def _with_inputs(
    model: keras.Model,
    given: Mapping[str, keras.KerasTensor],
    copied: Any = None,
    call: Any = None,
) -> keras.Model:
    """Return a copy of a network with new inputs, by the names of the former ones."""
    import keras

    inputs = keras.tree.map_structure(lambda one: given[one.name], model.input)
    copy = keras.models.clone_model(
        model, input_tensors=inputs, clone_function=copied, call_function=call
    )
    copy.set_weights(model.get_weights())
    if len(given) == 1:
        return copy
    # A dictionary would need keys that are the names of the inputs.
    return keras.Model(list(given.values()), copy.output, name=model.name)


def _renamed(samples: Samples, scaled: Scaled) -> Samples:
    """Return samples as the network of `_for_others` takes them."""
    return {
        input_name(name, scaled): values.astype(np.float32) / 255
        if scaled == "0..1" and values.dtype == np.uint8
        else values
        for name, values in samples.items()
    }


def _answers(model: keras.Model, samples: Samples) -> Answers:
    # Direct calls, since `predict` would first trace a graph, which takes longer than the calls.
    # Keras also requires a call before it exports a loaded model.
    parts: dict[str, list[NDArray[np.float32]]] = {}
    for at in range(0, len(next(iter(samples.values()))), BATCH):
        batch = {name: values[at : at + BATCH] for name, values in samples.items()}
        came = model(batch if len(batch) > 1 else next(iter(batch.values())), training=False)
        for name, values in (came if isinstance(came, dict) else {PROBABILITIES: came}).items():
            parts.setdefault(name, []).append(np.asarray(values))
    return _current({name: np.concatenate(values) for name, values in parts.items()})


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
