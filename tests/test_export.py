"""Exports agree with Keras and contain their metadata; a file that differs is not kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from happysad.classifier import Classifier
from happysad.dataset.check import check
from happysad.errors import ExportError, RunError, UsageError
from happysad.keras_backend import quiet
from happysad.model_file import FACE_PROBABILITIES, MODEL_NAME, PROBABILITIES, Details
from happysad.run import Run

quiet()

import keras  # noqa: E402

from happysad import export  # noqa: E402
from happysad.models import residual  # noqa: E402
from happysad.models.head import head  # noqa: E402
from happysad.training.config import TrainConfig, to_settings  # noqa: E402
from tests import pictures  # noqa: E402
from tests.command_line import run_command  # noqa: E402
from tests.printed_code import result  # noqa: E402

DETAILS = Details(
    classes=("happy", "sad"),
    size=32,
    channels=3,
    architecture="compact",
    temperature=1.5,
    threshold=0.4,
    trained_on=20,
    version="0",
)
IMAGES = np.random.default_rng(0).integers(0, 256, (9, 32, 32, 3), dtype=np.uint8)
SAMPLES = {"image": IMAGES}


@pytest.fixture(scope="module")
def model() -> Any:
    """The network ``compact`` with its first stage alone."""
    keras.utils.set_random_seed(0)
    image = keras.Input((32, 32, 3), dtype="uint8", name="image")
    x = keras.layers.Dropout(0.3)(residual.features(image, (8,), stride=1))
    model = keras.Model(image, head(x, DETAILS.classes), name="compact")
    p = answers(model).astype(np.float64)  # spread them over 0 to 1
    logits = np.log(p / (1 - p))
    last = model.layers[-1]
    kernel, bias = last.get_weights()
    last.set_weights([kernel / logits.std(), (bias - logits.mean()) / logits.std()])
    return model


def answers(model: Any) -> Any:
    return model.predict(IMAGES, verbose=0)[:, 0]


def test_onnx_is_a_classifier(model: Any, tmp_path: Path) -> None:
    file = tmp_path / "model.onnx"
    difference = export.to_onnx(model, file, DETAILS, SAMPLES)
    assert 0 <= difference <= 5e-5
    classifier = Classifier(file)
    assert classifier.details == DETAILS
    for n in (1, 5):  # any batch
        p = classifier.run({"image": IMAGES[:n]}).probabilities[:, 1]
        np.testing.assert_allclose(p, answers(model)[:n], atol=5e-5)
    assert answers(model).std() > 0.1
    graph = onnx.load(file).graph
    assert [value.name for value in graph.input] == ["image"]
    assert [value.name for value in graph.output] == [PROBABILITIES]
    assert graph.input[0].type.tensor_type.elem_type == onnx.TensorProto.UINT8
    # The same network gives the same bytes.
    again = keras.Model.from_config(model.get_config())
    again.set_weights(model.get_weights())
    export.to_onnx(again, tmp_path / "again.onnx", DETAILS, SAMPLES)
    assert (tmp_path / "again.onnx").read_bytes() == file.read_bytes()


def test_onnx_is_written_where_an_optimisation_of_the_exporter_fails(tmp_path: Path) -> None:
    keras.utils.set_random_seed(0)
    image = keras.Input((32, 32, 3), dtype="uint8", name="image")
    x = keras.layers.Rescaling(1 / 255)(image)
    x = keras.layers.Conv2D(8, 3, use_bias=False)(x)
    x = keras.layers.ReLU(6)(x + 3.0)  # as in MobileNetV3
    x = keras.layers.GlobalAveragePooling2D()(x)
    odd = keras.Model(image, head(x, DETAILS.classes))
    assert export.to_onnx(odd, tmp_path / "odd.onnx", DETAILS, SAMPLES) <= 5e-5
    assert answers(odd).std() > 1e-4


def test_h5_and_tflite_agree(model: Any, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert export.to_keras(model, tmp_path / "model.h5", SAMPLES) == 0
    again = keras.saving.load_model(tmp_path / "model.h5", compile=False)
    assert (answers(again) == answers(model)).all()
    assert export.to_tflite(model, tmp_path / "model.tflite", SAMPLES) <= 5e-5
    assert (tmp_path / "model.tflite").read_bytes()[4:8] == b"TFL3"
    assert capfd.readouterr() == ("", "")  # exporters are talkative


def shifted(model: Any) -> Any:
    """Return the same network, whose first call gives other answers."""
    other = keras.Model(model.input, model.output, name=model.name)
    call, shifts = other.call, [2e-4]
    other.call = lambda *given, **options: (
        call(*given, **options) + (shifts.pop() if shifts else 0.0)
    )
    return other


@pytest.mark.parametrize("suffix", [".onnx", ".h5", ".tflite"])
def test_a_file_that_differs_does_not_stay(model: Any, tmp_path: Path, suffix: str) -> None:
    file = tmp_path / f"model{suffix}"
    file.write_text("older")
    other = shifted(model)
    writers = {
        ".onnx": lambda: export.to_onnx(other, file, DETAILS, SAMPLES),
        ".h5": lambda: export.to_keras(other, file, SAMPLES),
        ".tflite": lambda: export.to_tflite(other, file, SAMPLES),
    }
    with pytest.raises(ExportError, match=rf"model\{suffix}: differs from Keras by 0.0002"):
        writers[suffix]()
    assert [path.name for path in tmp_path.iterdir()] == [file.name]
    assert file.read_text() == "older"


def test_export_of_a_run(model: Any, tmp_path: Path) -> None:
    data = pictures.folders(tmp_path / "data", each=12)
    run = Run(tmp_path / "run")
    with pytest.raises(RunError, match=r"no model\.keras"):
        export.export(run.folder, tmp_path / "out.h5")
    run.write_settings(to_settings(TrainConfig(model="compact")), data)
    check(data, tmp_path / "check", quality=False).manifest.write(run.manifest)
    model.save(run.network)
    export.to_onnx(model, run.folder / MODEL_NAME, DETAILS, SAMPLES)
    assert export.export(run.folder, tmp_path / "out.h5") <= 1e-4
    whole = run.network.read_bytes()
    run.network.write_bytes(whole[:-100])
    with pytest.raises(RunError, match=r"^.*model\.keras: damaged: .+$"):
        export.export(run.folder, tmp_path / "out.h5")
    run.network.write_bytes(whole)
    photo = pictures.save(tmp_path / "photo.jpg", pictures.photo(5, 90, 120))
    answer = Classifier(run.folder).predict(photo)
    assert answer.probabilities is not None
    for arguments in (["a.onnx"], ["a.keras"], ["a.h5", "--scaled", "0..1"], ["a.tflite"]):
        done = run_command("export", run.folder, *arguments, cwd=tmp_path)
        assert (done.status, done.stderr) == (0, b"")
        if arguments == ["a.onnx"]:  # the loaded network gives the bytes of the trained one
            assert (tmp_path / "a.onnx").read_bytes() == (run.folder / MODEL_NAME).read_bytes()
            assert done.lines[-3:] == [
                "from happysad import Classifier",
                'result = Classifier("a.onnx").predict("photo.jpg")',
                "print(result.label, result.probabilities)",
            ]
            continue
        takes = {"a.h5": "photo_0_1: the whole photo, 32x32 pixels, RGB, 0 to 1"}
        default = "photo_0_255: the whole photo, 32x32 pixels, RGB, 0 to 255"
        assert done.lines[1] == f"input:   {takes.get(arguments[0], default)}"
        assert done.lines[2] == (
            "output:  the probability of sad; the answer is sad from 0.4 on, happy below"
        )
        came = result(done.lines, tmp_path)
        if isinstance(came, dict):
            (came,) = came.values()
        assert came[0, 0] == pytest.approx(answer.probabilities["sad"], abs=1e-4)
    with pytest.raises(UsageError, match=r"out\.pb: the suffix must be one of \.onnx, \.keras, "):
        export.export(run.folder, tmp_path / "out.pb")


def test_a_network_of_0_1_0_is_exported_with_today_s_names(tmp_path: Path) -> None:
    image = keras.Input((32, 32, 3), dtype="uint8", name="image")
    x = keras.layers.Flatten()(keras.layers.Rescaling(1 / 255)(image))
    last = keras.layers.Dense(1, activation="sigmoid", dtype="float32", name="p_sad")
    whole = last(x)
    single = keras.Model(image, whole)
    both = keras.Model(image, {"p_sad": whole, "face_p_sad": keras.layers.Flatten()(whole)})
    for old, outputs in (
        (single, [PROBABILITIES]),
        (both, [FACE_PROBABILITIES, PROBABILITIES]),
    ):
        file = tmp_path / "old.onnx"
        assert export.to_onnx(old, file, DETAILS, SAMPLES) <= 1e-5
        assert [value.name for value in onnx.load(file).graph.output] == outputs


def test_a_network_that_cannot_be_exported_ends_as_one_line(tmp_path: Path) -> None:
    keras.utils.set_random_seed(0)
    image = keras.Input((32, 32, 3), dtype="uint8", name="picture")  # the wrong name
    x = keras.layers.Flatten()(keras.layers.Rescaling(1 / 255)(image))
    other = keras.Model(image, keras.layers.Dense(1, activation="sigmoid")(x))
    with pytest.raises(ExportError, match=r"other\.onnx: cannot be written: .*picture") as caught:
        export.to_onnx(other, tmp_path / "other.onnx", DETAILS, SAMPLES)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []
