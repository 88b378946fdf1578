"""Training on whole photos, by faces and look, and on face crops."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from happysad import export
from happysad.classifier import Classifier
from happysad.dataset import drawn_faces
from happysad.dataset.arrays import Arrays
from happysad.dataset.manifest import Manifest
from happysad.errors import DatasetError
from happysad.evaluation.evaluator import RunEvaluation, evaluate
from happysad.inputs import FACES, PHOTO_SIZE
from happysad.keras_backend import quiet
from happysad.model_file import FACE_PROBABILITIES, PROBABILITIES
from happysad.models import build
from happysad.probability import mean
from happysad.run import Fusion, Run
from happysad.training import checkpoints
from happysad.training.checkpoints import State
from happysad.training.config import load, of_run
from happysad.training.learner import learner
from happysad.training.learner_base import Photos
from happysad.training.trainer import align_output_sign, resume, train
from tests.command_line import run_command
from tests.conftest import Once
from tests.pictures import save
from tests.printed_code import result

quiet()

from happysad.models import face, faces_and_photo  # noqa: E402

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("blank_plots")]

CONFIG = load(None, {"model": "face", "faces": "find", "epochs": 2, "batch_size": 8, "size": 48})
CONFIG = replace(CONFIG, channels=1, learning_curve=False)

Pool = tuple[NDArray[np.uint8], NDArray[np.float32]]


@pytest.fixture(scope="module")
def network() -> Any:
    """The network of faces that ships."""
    return build("face", size=48, channels=1)


@pytest.fixture(scope="module")
def pool(network: Any) -> Pool:
    """Return 320 faces of noise, and the network's answers for them."""
    noise = np.random.default_rng(0).integers(0, 256, (320, 48, 48, 1), dtype=np.uint8)
    return noise, network.predict(noise, verbose=0)[:, 0]


def photos(pool: Pool, n: int, seed: int, *, look: float, faces: float) -> Arrays:
    """Return photos of noise, of which every third has no face. The class decides how light a photo
    is (`look`), and which of 16 faces, by the network's answers, it shows (`faces`)."""
    rng = np.random.default_rng(seed)
    classes = (np.arange(n) % 2).astype(np.float32)
    noise, p = pool
    cut = np.zeros((n, FACES, 48, 48, 1), np.uint8)
    weights = np.zeros((n, FACES), np.float32)
    for row in range(n):
        if row % 3:
            drawn = rng.choice(len(noise), 16, replace=False)
            order = drawn[np.argsort(p[drawn])]
            told = order[-1] if classes[row] else order[0]
            cut[row, 0] = noise[told if rng.random() < faces else drawn[0]]
            weights[row, 0] = 0.5
    photo = rng.integers(50, 150, (n, PHOTO_SIZE, PHOTO_SIZE, 3))
    light = rng.normal(0, 8, n) + look * 40 * classes
    photo = (photo + light[:, None, None, None]).clip(0, 255).astype(np.uint8)
    inputs: dict[str, Any] = {"faces": cut, "weights": weights, "photo": photo}
    return Arrays(inputs, classes, [f"{seed}-{row}" for row in range(n)])


def begun(train: Arrays, val: Arrays, folder: Path) -> tuple[Any, Any, Run]:
    learns, run = learner(CONFIG, Photos(train, val)), Run(folder)
    model = learns.build()
    checkpoints.save(run.checkpoints, State(), model)
    return learns, model, run


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize(
    ("look", "faces", "chosen", "accuracy"),
    [(1.0, 0.0, ("look", "both"), 0.9), (0.0, 1.0, ("faces",), 0.75), (0.6, 0.9, ("both",), 0.85)],
)
def test_it_goes_by_what_tells_the_classes_apart(
    pool: Pool,
    tmp_path: Path,
    look: float,
    faces: float,
    chosen: tuple[str, ...],
    accuracy: float,
) -> None:
    parts = (photos(pool, n, seed, look=look, faces=faces) for seed, n in enumerate((80, 24, 60)))
    train_part, val, test = parts
    learns, model, run = begun(train_part, val, tmp_path)
    learns.learn(model, run, None)
    fusion = run.fusion()
    assert isinstance(fusion, Fusion)
    assert fusion.chosen in chosen
    assert fusion.photos == {"train": 80, "val": 24}
    assert fusion.with_faces == {"train": 53, "val": 16}
    losses = {name: trial.log_loss for name, trial in fusion.tried.items()}
    assert losses[fusion.chosen] == min(losses.values())
    p = learns.answers(model, test)
    assert ((p >= 0.5) == test.classes).mean() >= accuracy
    # The weights of figures that the chosen source does not use are 0.
    kernel, _ = model.get_layer(PROBABILITIES).get_weights()
    from_faces = len(kernel) - faces_and_photo.FROM_LOOK
    unused = {"faces": slice(from_faces, None), "look": slice(0, from_faces)}
    for name, part in unused.items():
        assert (kernel[part] == 0).all() == (fusion.chosen == name)


def test_the_same_photos_give_the_same_weights_whether_or_not_the_curve_is_drawn(
    pool: Pool, tmp_path: Path
) -> None:
    part, val = (photos(pool, n, seed, look=0.4, faces=0.9) for seed, n in enumerate((24, 12)))
    learns, model, run = begun(part, val, tmp_path)
    learns.config = replace(CONFIG, learning_curve=True)
    learns.learn(model, run, None)
    kernel, _ = model.get_layer(PROBABILITIES).get_weights()
    fusion = run.fusion()
    assert fusion is not None
    assert fusion.learning_curve is not None
    learns.learn(model, run, None)
    np.testing.assert_array_equal(model.get_layer(PROBABILITIES).get_weights()[0], kernel)
    assert run.fusion() == fusion
    # The learning curve changes no weight, and can be left out.
    learns.config = CONFIG
    learns.learn(model, run, None)
    np.testing.assert_array_equal(model.get_layer(PROBABILITIES).get_weights()[0], kernel)
    assert run.fusion() == replace(fusion, learning_curve=None)
    assert run.history.read_text().count("\n") == 1


@pytest.mark.usefixtures("eager")
def test_three_classes_are_learned(pool: Pool, tmp_path: Path) -> None:
    """Faces tell angry from smiling, in reverse of the network; lighter photos are neither."""
    classes = ("angry", "neither", "smiling")
    parts = []
    for seed, n in enumerate((90, 30)):
        part = photos(pool, n, seed, look=0.0, faces=1.0)
        lighter = np.arange(n) % 5 > 2
        part.inputs["photo"][lighter] = part.inputs["photo"][lighter] // 2 + 120
        truth = np.where(lighter, 1, 2 * (1 - part.classes))
        parts.append(replace(part, classes=truth.astype(np.float32)))
    learns, run = learner(CONFIG, Photos(parts[0], parts[1], classes)), Run(tmp_path)
    model = learns.build()
    align_output_sign(model, learns)
    checkpoints.save(run.checkpoints, State(), model)
    learns.learn(model, run, None)
    fusion = run.fusion()
    assert fusion is not None
    assert fusion.chosen == "both"
    p, truth = learns.answers(model, parts[1]), parts[1].classes
    np.testing.assert_allclose(p.sum(axis=1), 1, atol=1e-6)
    right = p.argmax(axis=1) == truth
    assert right[truth == 1].mean() > 0.9
    assert right[(truth != 1) & (parts[1].inputs["weights"][:, 0] > 0)].mean() > 0.7
    # The network of faces tells smiling from angry.
    found, of_class = learns.face_answers(model)
    known = of_class != 1
    assert ((found[known, 2] > found[known, 0]) == (of_class[known] == 2)).mean() > 0.7


def test_one_group_a_class_is_too_few(pool: Pool, tmp_path: Path) -> None:
    few = photos(pool, 6, 0, look=1, faces=1)
    groups = ["a" if one else str(number) for number, one in enumerate(few.classes)]
    learns, model, run = begun(replace(few, groups=groups), few, tmp_path)
    with pytest.raises(DatasetError, match=r"must form 2 groups or more, not 1; .*other light"):
        learns.learn(model, run, None)


def test_face_crops_fine_tune_the_network_of_faces(network: Any, tmp_path: Path) -> None:
    config = replace(CONFIG, faces="given")
    rng = np.random.default_rng(0)
    crops = {"image": rng.integers(0, 256, (20, 48, 48, 1), dtype=np.uint8)}
    part = Arrays(crops, (np.arange(20) % 2).astype(np.float32), [str(n) for n in range(20)])
    learns = learner(config, Photos(part, part))
    ended, run = learns.build(), Run(tmp_path)
    learns.begin(ended)
    checkpoints.save(run.checkpoints, State(), ended)
    learns.learn(ended, run, None)
    shipped = network.trainable_variables
    for weight, before in zip(ended.trainable_variables, shipped, strict=True):
        moved = np.abs(weight.numpy() - before.numpy()).max()
        assert 0 < moved < 0.2 * np.abs(before.numpy()).max()  # a small change


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize("faces", ["find", "given"])
@pytest.mark.parametrize("classes", [("happy", "sad"), ("angry", "smiling")])
@pytest.mark.parametrize("seen", ["as the classes", "reversed"])
def test_other_classes_tell_themselves_which_is_the_sad_one(
    network: Any, faces: str, classes: tuple[str, str], seen: str
) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (20, 48, 48, 1), dtype=np.uint8)
    before = network.predict(noise, verbose=0)[:, 0]
    sad = (before > np.median(before)).astype(np.float32)
    wrong_way = seen == "reversed"
    inputs: dict[str, Any] = {"image": noise}
    if faces == "find":
        cut = np.zeros((20, FACES, 48, 48, 1), np.uint8)
        cut[:, 0] = noise
        weights = np.zeros((20, FACES), np.float32)
        weights[:, 0] = 0.5
        photo = np.zeros((20, PHOTO_SIZE, PHOTO_SIZE, 3), np.uint8)
        inputs = {"faces": cut, "weights": weights, "photo": photo}
    part = Arrays(inputs, 1 - sad if wrong_way else sad, ["a"] * 20)
    learns = learner(replace(CONFIG, faces=faces), Photos(part, part, classes))
    model = learns.build()
    align_output_sign(model, learns)
    turned = wrong_way and classes != ("happy", "sad")
    p, _ = learns.face_answers(model)
    np.testing.assert_allclose(p, 1 - before if turned else before, atol=1e-5)


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize("classes", [("happy", "sad"), ("angry", "smiling")])
def test_neither_of_a_photo_is_what_the_classifier_that_ships_answers(
    pool: Pool, classes: tuple[str, str], tmp_path: Path
) -> None:
    part = photos(pool, 24, 0, look=0.0, faces=1.0)
    part.inputs["faces"][1::3, 1] = part.inputs["faces"][2::3, 0]  # a second face
    part.inputs["weights"][1::3, 1] = 0.2
    if classes != ("happy", "sad"):  # happy faces are those of the second class
        part = replace(part, classes=1 - part.classes)
    learns = learner(replace(CONFIG, keep_neither=True), Photos(part, part, classes))
    model, run = learns.build(), Run(tmp_path)
    align_output_sign(model, learns)
    checkpoints.save(run.checkpoints, State(), model)
    learns.learn(model, run, None)
    assert learns.classes == tuple(sorted((*classes, "neither")))
    place = learns.classes.index("neither")
    found = model.predict(part.inputs, verbose=0)
    p, of_faces = found["probabilities"], found["face_probabilities"]
    np.testing.assert_allclose(p.sum(axis=1), 1, atol=1e-6)
    assert (p[::3, place] == 0).all()  # no face
    shipped = build("face", size=48, channels=1, classes=("happy", "neither", "sad"))
    for row in (1, 2):
        weights = part.inputs["weights"][row::3]
        answers = shipped.predict(part.inputs["faces"][row::3].reshape(-1, 48, 48, 1), verbose=0)
        answers = answers.reshape(-1, FACES, 3)
        np.testing.assert_allclose(of_faces[row::3, :, place], answers[:, :, 1], atol=1e-5)
        expected = [mean(one, each)[1] for one, each in zip(answers, weights, strict=True)]
        assert np.std(expected) > 0.01
        np.testing.assert_allclose(p[row::3, place], expected, atol=1e-5)
    # happy and sad, or smiling and angry, are told apart as without neither
    first, second = (of_faces[1::3, 0, one] for one in range(3) if one != place)
    assert ((second > first) == part.classes[1::3]).mean() > 0.7


@pytest.fixture(scope="module")
def run(once: Once) -> Iterator[Run]:
    """A whole run on drawn faces: happy faces on warm walls, and some walls without a face."""
    root = once("run-of-photos", _train_on_photos)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(root / "cache"))
        yield Run(root / "run")


def _draw_photos(data: Path, labels: Sequence[str], each: int) -> None:
    rng = np.random.default_rng(0)
    for number in range(each * len(labels)):
        label = labels[number % len(labels)]
        tint = np.array([30, 10, -30]) * (1 if label == "happy" else -1) * rng.uniform(-0.2, 1)
        if number % 5:
            picture = drawn_faces.face(label, rng, 128).astype(float)
        else:
            picture = np.kron(rng.uniform(60, 190, (4, 4, 1)), np.ones((32, 32, 3)))
        picture = np.clip(picture + tint, 0, 255).astype(np.uint8)
        save(data / label / f"{number:02}.png", picture)


def _train_on_photos(root: Path) -> None:
    _draw_photos(root / "data", ("happy", "sad"), 30)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(root / "cache"))
        train(root / "data", root / "run", check_folder=root / "check", model="face")


def test_a_whole_run(run: Run) -> None:
    assert of_run(run).faces == "find"
    assert (run.epochs, run.epochs_done()) == (0, ())
    evaluation = RunEvaluation.from_json(run.metrics.read_text())
    fusion = run.fusion()
    assert fusion is not None
    assert evaluation.fusion == fusion
    assert 0 < fusion.with_faces["train"] < fusion.photos["train"]
    page = run.report.read_text(encoding="utf-8")
    assert (
        f"In {fusion.with_faces['train']} of {fusion.photos['train']} training photos and in "
        f"{fusion.with_faces['val']} of {fusion.photos['val']} validation photos a face was found"
    ) in page
    words = {"faces": "the faces alone", "look": "the photo's own look alone"}
    assert words.get(fusion.chosen, "both together").replace("'", "&#39;") in page
    assert "so there are no epochs" in page
    assert "Loss by epoch" not in page
    curve = fusion.learning_curve
    assert curve is not None
    assert curve.held_out == fusion.photos["train"] + fusion.photos["val"]
    assert curve.verdict.capitalize() in page
    assert curve.reason.removeprefix("from") in page
    assert "Accuracy and log loss by the number of photos" in page
    assert (run.plots / "learning_curve.png").is_file()
    with run.history.open(encoding="utf-8", newline="") as table:
        assert [int(row["photos"]) for row in csv.DictReader(table)] == [
            point.photos for point in curve.points
        ]
    assert any(run.tensorboard.glob("train/*"))
    assert any(run.tensorboard.glob("held_out/*"))
    assert "looks at every photo twice" not in page
    # The evaluated answers are those that the classifier returns.
    manifest = Manifest.read(run.manifest, run.data())
    rows = manifest.of("test")
    classifier = Classifier(run.folder)
    answers = classifier.predict(manifest.files(rows))
    right = np.mean([a.label == b for a, b in zip(answers, rows["label"], strict=True)])
    assert evaluation.test.score.accuracy.value == pytest.approx(right)
    everything = classifier.predict(manifest.files(manifest.used))
    assert {len(answer.faces) > 0 for answer in everything} == {True, False}
    assert evaluate(run.folder).score == evaluation.test.score


@pytest.mark.usefixtures("eager")
def test_a_whole_run_that_keeps_neither(run: Run, tmp_path: Path) -> None:
    settings: dict[str, Any] = {"model": "face", "keep_neither": True, "learning_curve": False}
    kept = train(run.data(), tmp_path / "run", check_folder=run.folder.parent / "check", **settings)
    classifier = kept.classifier()
    assert (classifier.classes, classifier.details.keeps_neither) == (face.CLASSES, True)
    assert kept.evaluation is not None
    assert kept.evaluation.test.score.classes == ("happy", "sad")
    # Happy and sad are told apart as by the run that keeps nothing.
    manifest = Manifest.read(kept.run.manifest, kept.run.data())
    files = manifest.files(manifest.used)
    answers = [one.predict(files) for one in (Classifier(run.folder), classifier)]
    for two, three in zip(*answers, strict=True):
        assert two.probabilities and three.probabilities
        p, neither = three.probabilities, three.probabilities["neither"]
        assert p["sad"] / (1 - neither) == pytest.approx(two.probabilities["sad"], abs=0.02)
        assert (neither > 0) == bool(three.faces)


@pytest.mark.usefixtures("eager")
def test_a_whole_run_of_three_classes(tmp_path: Path) -> None:
    data = tmp_path / "data"
    _draw_photos(data, face.CLASSES, 16)
    settings: dict[str, Any] = {"model": "face", "learning_curve": False}
    trained = train(data, tmp_path / "run", check_folder=tmp_path / "check", **settings)
    classifier = trained.classifier()
    details = classifier.details
    assert (details.classes, details.looks_at, details.keeps_neither) == (
        face.CLASSES,
        "both",
        False,
    )
    assert trained.evaluation is not None
    score = trained.evaluation.test.score
    assert score.classes == face.CLASSES
    assert (np.array(score.confusion).sum(axis=1) > 0).all()
    assert score.per_class["neither"].n > 0
    assert "neither" in trained.run.report.read_text(encoding="utf-8")
    files = sorted(data.glob("*/*.png"))
    answers = classifier.predict(files)
    assert {len(answer.faces) > 0 for answer in answers} == {True, False}
    for answer in answers:
        assert answer.probabilities is not None
        assert sum(answer.probabilities.values()) == pytest.approx(1)
        assert answer.label == max(answer.probabilities, key=answer.probabilities.__getitem__)
    two = classifier.predict(files, answers=("happy", "sad"))
    for answer, of_three in zip(two, answers, strict=True):
        assert answer.probabilities is not None
        assert of_three.probabilities is not None
        happy, sad = (of_three.probabilities[name] for name in ("happy", "sad"))
        assert answer.probabilities == pytest.approx(
            {"happy": happy / (happy + sad), "sad": sad / (happy + sad)}, abs=1e-6
        )


def test_a_run_stopped_before_it_learned_resumes_to_the_same_weights(
    run: Run, tmp_path: Path
) -> None:
    stopped = Run(tmp_path / "run")
    samples = run.plots / "samples.png"
    for file in (run.config, run.manifest, samples, run.checkpoints / "000.npz"):
        copied = stopped.folder / file.relative_to(run.folder)
        copied.parent.mkdir(parents=True, exist_ok=True)
        copied.write_bytes(file.read_bytes())
    resume(stopped.folder)
    for name in ("model.onnx", "checkpoints/finished.json"):
        assert (stopped.folder / name).read_bytes() == (run.folder / name).read_bytes()


def test_the_run_can_be_exported(run: Run, tmp_path: Path) -> None:
    assert export.export(run.folder, tmp_path / "a.onnx") <= 1e-4
    assert (tmp_path / "a.onnx").read_bytes() == (run.folder / "model.onnx").read_bytes()
    # The printed lines prepare the faces, and answer as the classifier does.
    done = run_command("export", run.folder, "a.h5", "--scaled", "0..1", cwd=tmp_path)
    assert (done.status, done.stderr) == (0, b"")
    pixels = drawn_faces.face("happy", np.random.default_rng(3), 200)
    photo = save(tmp_path / "photo.jpg", pixels)
    came = result(done.lines, tmp_path)
    answer = Classifier(run.folder).predict(photo)
    assert answer.probabilities is not None
    assert len(answer.faces) == 1
    sad = answer.probabilities["sad"], answer.faces[0].probabilities["sad"]
    assert came[PROBABILITIES][0, 0] == pytest.approx(sad[0], abs=1e-4)
    assert came[FACE_PROBABILITIES][0, 0] == pytest.approx(sad[1], abs=1e-4)
