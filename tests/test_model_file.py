"""A classifier's file: its details, its outputs, and what is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper

from happysad import Classifier, Details
from happysad.errors import ClassifierError, UsageError
from happysad.model_file import PROBABILITIES, ModelFile, resolve
from tests.classifiers import brightness_classifier, change_answer, three_class_classifier

DETAILS = Details(
    classes=("happy", "sad"),
    size=48,
    channels=1,
    architecture="compact",
    temperature=1.25,
    threshold=0.5,
    trained_on=12,
    version="0",
)


THREE: dict[str, object] = {"classes": ["happy", "neither", "sad"]}


def changed(**fields: object) -> str:
    """Return the details in an .onnx, with some of them changed."""
    return json.dumps({**json.loads(DETAILS.to_json()), **fields})


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (None, "not written by happysad"),
        ("{}", "not the details"),
        ("[]", "not the details"),
        ('{"labels": ["sad", "happy"], "schema": 1}', "not the details"),
        ("[" * 20_000, "its details have more than 10,000 characters"),
        ("[" * 9_000, "its details are (nested too deeply|not JSON)"),
        ("no JSON", "its details are not JSON"),
        (changed(size=48.5), "size must be 1 to 1,024 pixels, not 48.5"),
        (changed(size=True), "size must be 1 to 1,024 pixels, not True"),
        (changed(size=10**9), "size must be 1 to 1,024 pixels, not 1000000000"),
        (changed(channels=[3]), r"channels must be 1 or 3, not \[3\]"),
        (changed(architecture=7), "architecture must be at most 64 printable characters, not 7"),
        (changed(version="\x1b[2J"), "version must be at most 64 printable characters"),
        (changed(temperature="1"), "temperature must be above 0, not '1'"),
        (changed(temperature=float("inf")), "temperature must be above 0, not inf"),
        (changed(threshold=None), "threshold must lie between 0 and 1, not None"),
        (changed(trained_on=-1), "trained_on must be 0 or more, not -1"),
        (changed(keeps_neither="no"), "keeps_neither must be true or false, not 'no'"),
        (changed(looks_at=["face"]), r"looks_at must be one of photo, face, both, not \['face'\]"),
        (changed(unsure=5), "not the details"),
        (changed(unsure=[0.1]), "unsure must be two probabilities"),
        (changed(unsure=[0.1, 0.6, 0.9]), "unsure must be two probabilities"),
        (changed(unsure=["0.1", "0.9"]), "unsure must be two probabilities"),
        (changed(unsure=[0.1, float("nan")]), "unsure must be two probabilities"),
        (changed(unsure=[0.6, 0.9]), "on either side of the threshold 0.5"),
        (changed(**THREE, unsure=[0.1, 0.9]), "unsure must be three probabilities, one for each"),
        (changed(**THREE, unsure=[0.1, 0.9, 1.1]), "unsure must be three probabilities"),
        (changed(**THREE, unsure=[0.1, "a", 0.5]), "unsure must be three probabilities"),
        (changed(**THREE, threshold=0.6), "threshold must be 0.5 with 3 classes, not 0.6"),
        (changed(classes=[1, 2]), "a class's name must be 1 to 64 printable characters"),
        (changed(classes=["a"]), "classes must be 2 or 3 names"),
        (changed(classes=["a", "b", "c", "d"]), "classes must be 2 or 3 names"),
        (changed(classes=["sad", "happy"]), "classes must be in alphabetical order"),
        (
            changed(classes=["face", "no_face"]),
            "no class may be named no_face, a reserved word; rename",
        ),
        (changed(classes=["error", "unsure"]), "no class may be named error, a reserved word"),
        *[
            (changed(classes=[name, "sad"]), "a class's name must be 1 to 64 printable characters")
            for name in (
                "",
                ".",
                "..",
                "../happy",
                "a/b",
                "a\\b",
                "a\0b",
                "a\n",
                "\x1b[31m",
                65 * "a",
            )
        ],
        (changed(size=0), "size must be 1 to 1,024 pixels, not 0"),
        (changed(channels=2), "channels must be 1 or 3"),
        (changed(temperature=0), "temperature must be above 0"),
        (changed(threshold=1.0), "threshold must lie between 0 and 1"),
        (changed(looks_at="sound"), "looks_at must be one of photo, face, both"),
        (changed(resize="cubic"), "resize must be one of area, bilinear, nearest, not 'cubic'"),
        (changed(resize="nearest", looks_at="face"), "resize must be area for a network of faces"),
        (changed(sigmoid_class="angry"), "sigmoid_class must be one of happy, sad, not 'angry'"),
        (changed(schema=3), "schema must be 1 or 2, not 3; a later happysad"),
    ],
)
def test_an_onnx_of_someone_else_is_refused(
    tmp_path: Path, value: str | None, message: str
) -> None:
    file = brightness_classifier(tmp_path / "model.onnx")
    model = onnx.load(file)
    del model.metadata_props[:]
    if value is not None:
        model.metadata_props.add(key="happysad", value=value)
    onnx.save(model, file)
    with pytest.raises(ClassifierError, match=message):
        Classifier(file)


def test_details_survive_json() -> None:
    three = replace(DETAILS, classes=("happy", "neither", "sad"), unsure=(0.0, 0.7, 1.0))
    for details in (DETAILS, replace(DETAILS, unsure=(0.0, 1.0)), three):
        assert Details.from_json(details.to_json()) == details


def test_details_of_0_1_0_are_read() -> None:
    former = json.loads(DETAILS.to_json())
    former["labels"] = former.pop("classes")
    former["schema"] = 1
    assert Details.from_json(json.dumps(former)) == DETAILS


def test_outputs_of_0_1_0_are_read(tmp_path: Path) -> None:
    """happysad 0.1.0 named the outputs p_sad and face_p_sad."""
    file = brightness_classifier(tmp_path / "both.onnx", looks_at="both", slope=0.02)
    inputs: dict[str, NDArray[Any]] = {
        "faces": np.full((1, 8, 16, 16, 3), 200, np.uint8),
        "weights": np.ones((1, 8), np.float32),
        "photo": np.full((1, 64, 64, 3), 50, np.uint8),
    }
    expected = ModelFile.read(file).run(inputs)
    model = onnx.load(file)
    for output, name in zip(model.graph.output, ("p_sad", "face_p_sad"), strict=True):
        for node in model.graph.node:
            node.output[:] = [name if one == output.name else one for one in node.output]
        output.name = name
    former = ModelFile(model.SerializeToString()).run(inputs)
    np.testing.assert_array_equal(former.probabilities, expected.probabilities)
    assert former.of_faces is not None
    assert expected.of_faces is not None
    np.testing.assert_array_equal(former.of_faces, expected.of_faces)
    assert former.of_faces.shape == (1, 8, 2)


def test_outputs_sum_to_1(tmp_path: Path) -> None:
    file = ModelFile.read(three_class_classifier(tmp_path / "three.onnx"))
    images = np.random.default_rng(0).integers(0, 256, (20, 16, 16, 3), dtype=np.uint8)
    probabilities = file.run({"image": images}).probabilities
    assert probabilities.shape == (20, 3)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-15)


@pytest.mark.parametrize(
    ("second", "unsure", "label"),
    [
        (0.1, True, "happy"),
        (0.3, True, "unsure"),
        (0.3, False, "happy"),
        (0.6, False, "sad"),
        (0.8, True, "sad"),
    ],
)
def test_the_label_of_two_classes(second: float, unsure: bool, label: str) -> None:
    details = replace(DETAILS, threshold=0.6, unsure=(0.3, 0.8))
    assert details.label_of([1 - second, second], unsure=unsure) == label


@pytest.mark.parametrize(
    ("probabilities", "unsure", "label"),
    [
        ((0.5, 0.3, 0.2), True, "happy"),
        ((0.49, 0.3, 0.21), True, "unsure"),
        ((0.49, 0.3, 0.21), False, "happy"),
        ((0.1, 0.69, 0.21), True, "unsure"),
        ((0.1, 0.7, 0.2), True, "neither"),
        ((0.1, 0.69, 0.21), False, "neither"),
        ((0.3, 0.3, 0.4), True, "sad"),
    ],
)
def test_the_label_of_three_classes(
    probabilities: tuple[float, ...], unsure: bool, label: str
) -> None:
    details = replace(DETAILS, classes=("happy", "neither", "sad"), unsure=(0.5, 0.7, 0.4))
    assert details.label_of(probabilities, unsure=unsure) == label


def test_without_thresholds_the_label_of_three_classes_is_never_unsure() -> None:
    details = replace(DETAILS, classes=("happy", "neither", "sad"))
    assert details.label_of((0.34, 0.33, 0.33)) == "happy"


@pytest.mark.parametrize(
    ("answers", "unsure"),
    [
        (("happy", "sad"), (0.5, 0.8)),
        (("neither", "happy"), (0.5, 0.75)),
        (("sad", "neither"), (0.25, 0.8)),
    ],
)
def test_fewer_answers_keep_their_thresholds(
    answers: tuple[str, ...], unsure: tuple[float, float]
) -> None:
    details = replace(DETAILS, classes=("happy", "neither", "sad"), unsure=(0.4, 0.75, 0.8))
    two = details.answering(answers)
    assert (two.classes, two.unsure) == (tuple(sorted(answers)), unsure)
    for kept, least in zip(two.classes, (1 - unsure[0], unsure[1]), strict=True):
        sure = [least + 1e-9 if name == kept else 1 - least - 1e-9 for name in two.classes]
        assert two.label_of(sure) == kept
        if least > 0.5:
            doubtful = [p - 2e-9 if p > 0.5 else p + 2e-9 for p in sure]
            assert two.label_of(doubtful) == "unsure"
            assert two.label_of(doubtful, unsure=False) == kept
    assert details.answering(details.classes[::-1]) is details


def test_two_answers_that_are_always_sure_are_never_unsure() -> None:
    details = replace(DETAILS, classes=("happy", "neither", "sad"), unsure=(0.4, 0.9, 0.5))
    assert details.answering(("happy", "sad")).unsure is None


def loop() -> onnx.NodeProto:
    """Return a loop that never ends."""
    value = partial(helper.make_tensor_value_info, shape=None)
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["go"], ["goes_on"]),
            helper.make_node("Sin", ["x"], ["y"]),
        ],
        "body",
        [
            helper.make_tensor_value_info("turn", TensorProto.INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
            value("x", TensorProto.FLOAT),
        ],
        [helper.make_tensor_value_info("goes_on", TensorProto.BOOL, []), value("y", 1)],
    )
    return helper.make_node("Loop", ["", "always", "answer"], [PROBABILITIES], body=body)


node = helper.make_node


@pytest.mark.parametrize(
    ("nodes", "constants", "message"),
    [
        (
            [node("Mul", ["answer", "c"], [PROBABILITIES])],
            {"c": float("nan")},
            "the output probabilities must have numbers from 0 to 1",
        ),
        (
            [node("Div", ["answer", "c"], [PROBABILITIES])],
            {"c": 0.0},
            "the output probabilities must have numbers from 0 to 1",
        ),
        (
            [node("Mul", ["answer", "c"], [PROBABILITIES])],
            {"c": -1.0},
            "the output probabilities must have numbers from 0 to 1",
        ),
        (
            [
                node("Mul", ["answer", "c"], ["nothing"]),
                node("Concat", ["nothing", "nothing"], [PROBABILITIES], axis=1),
            ],
            {"c": 0.0},
            "the output probabilities must have numbers from 0 to 1",
        ),
        (
            [node("ReduceMean", ["answer"], [PROBABILITIES], keepdims=0)],
            {},
            r"the output probabilities must have the shape \(2, 2\), not \(\)",
        ),
        (
            [node("Concat", ["answer"] * 5, [PROBABILITIES], axis=1)],
            {},
            r"the output probabilities must have the shape \(2, 2\), not \(2, 5\)",
        ),
        (
            [node("Slice", ["answer", "c", "d"], [PROBABILITIES])],
            {"c": [0], "d": [1]},
            r"the output probabilities must have the shape \(2, 2\), not \(1, 1\)",
        ),
        (
            [node("Reshape", ["answer", "c"], [PROBABILITIES])],
            {"c": [7, 7]},
            "the network fails: ",
        ),
        (
            [
                node("Expand", ["answer", "c"], ["huge"]),
                node("ReduceMean", ["huge", "d"], [PROBABILITIES], keepdims=1),
            ],
            {"c": [1, 3 * 10**9], "d": [1]},
            "the network needs more than 3 GiB of memory",
        ),
    ],
)
def test_a_network_is_tried_before_it_is_used(
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    nodes: list[onnx.NodeProto],
    constants: dict[str, Any],
    message: str,
) -> None:
    file = change_answer(brightness_classifier(tmp_path / "m.onnx"), *nodes, **constants)
    with pytest.raises(ClassifierError, match=message) as raised:
        Classifier(file)
    assert str(raised.value).startswith(f"{file}: ")
    assert "\n" not in str(raised.value)
    assert capfd.readouterr() == ("", "")


def test_a_network_that_never_ends_is_ended(tmp_path: Path) -> None:
    file = change_answer(
        brightness_classifier(tmp_path / "m.onnx"),
        node("Cast", ["c"], ["always"], to=TensorProto.BOOL),
        loop(),
        c=1,
    )
    with pytest.raises(ClassifierError, match=r"the network does not end within 0\.1 s"):
        ModelFile(file.read_bytes(), seconds=0.1)


def test_a_network_needs_the_inputs_and_outputs_of_its_details(tmp_path: Path) -> None:
    file = brightness_classifier(tmp_path / "m.onnx", size=16)
    model = onnx.load(file)
    helper.set_model_props(model, {"happysad": DETAILS.to_json()})
    with pytest.raises(ClassifierError, match=r"must be {'image': 'tensor\(uint8\)\[48, 48, 1\]'}"):
        ModelFile(model.SerializeToString())
    model = onnx.load(file)
    model.graph.output[0].name = model.graph.node[-1].output[0] = "p_happy"
    with pytest.raises(ClassifierError, match="the network must have the output probabilities"):
        ModelFile(model.SerializeToString())


def test_what_a_network_returns_later_is_checked_too(tmp_path: Path) -> None:
    """The trial cannot see what a network returns for other photos."""
    file = change_answer(
        brightness_classifier(tmp_path / "m.onnx", middle=200),
        node("Add", ["answer", "answer"], [PROBABILITIES]),
    )
    classifier = Classifier(file)
    assert classifier.predict(np.full((20, 20, 3), 100, np.uint8)).label == "happy"
    with pytest.raises(ClassifierError, match="must have numbers from 0 to 1"):
        classifier.predict(np.full((20, 20, 3), 250, np.uint8))


def test_metadata_that_are_not_utf_8_are_refused(tmp_path: Path) -> None:
    content = brightness_classifier(tmp_path / "m.onnx").read_bytes()
    with pytest.raises(ClassifierError, match=r"^m\.onnx: its metadata are not UTF-8$"):
        ModelFile(content.replace(b'"brightness"', b'"brightnes\xff"'), name="m.onnx")


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    file = tmp_path / "m.onnx"
    with file.open("wb") as opened:
        opened.truncate(3 * 2**30)
    with pytest.raises(
        ClassifierError, match=r"too large: 3,221,225,472 bytes \(at most 1,073,741,824"
    ):
        ModelFile.read(file)


def test_a_run_folder_stands_for_its_classifier(tmp_path: Path) -> None:
    file = brightness_classifier(tmp_path / "model.onnx")
    assert resolve(tmp_path) == resolve(file) == file
    with pytest.raises(ClassifierError, match=r"more: no such file; a classifier is"):
        resolve(tmp_path / "more")


@pytest.mark.parametrize("name", ["https://example.org/model.onnx", "x" * 5000, "", "a\nb"])
def test_a_file_that_is_not_there_is_named_as_it_was_given(name: str) -> None:
    with pytest.raises(ClassifierError, match="no such file") as raised:
        Classifier(name)
    text = str(raised.value)
    assert "https:/e" not in text
    assert len(text) < 160
    assert "\n" not in text


def test_what_is_no_path_is_refused() -> None:
    with pytest.raises(UsageError, match=r"^a classifier is an \.onnx .*, not 7$"):
        Classifier(cast("Any", 7))


@pytest.mark.parametrize("suffix", [".h5", ".hdf5", ".keras", ".tflite"])
def test_the_refusal_of_another_format_names_the_command(tmp_path: Path, suffix: str) -> None:
    file = tmp_path / f"a{suffix}"
    file.write_bytes(b"")
    with pytest.raises(ClassifierError, match=r"model\.onnx --classes happy,sad --scaled 0\.\.1$"):
        ModelFile.read(file)
