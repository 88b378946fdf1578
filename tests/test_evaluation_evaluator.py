"""A run is judged by its exported classifier; in a folder, all readable photos are judged."""

from __future__ import annotations

import io
import json
import re
import shutil
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import cast

import numpy as np
import pytest
from PIL import Image

from happysad import Classifier
from happysad.dataset.check import check
from happysad.dataset.manifest import Manifest, Split
from happysad.errors import ClassifierError, DatasetError, RunError, UsageError
from happysad.evaluation import plots
from happysad.evaluation.automatic_slices import PhotoMeasures, automatic_slices
from happysad.evaluation.evaluator import SEEN, Evaluation, RunEvaluation, evaluate, evaluate_run
from happysad.evaluation.slices import score_slices
from happysad.images import Pixels, read
from happysad.run import Epoch, Run
from happysad.training.config import TrainConfig, of_run, to_settings
from happysad.training.run_page import write_run_page
from happysad.training.trainer import write_evaluation
from tests.classifiers import brightness_classifier, three_class_classifier
from tests.pictures import photo, portrait, save

PLOTS = ("samples", "loss", "accuracy", "confusion", "roc_pr", "calibration", "worst")


def lit(seed: int, label: str) -> Pixels:
    """Return a photo that is usually brighter if it is sad."""
    light = np.random.default_rng(seed).normal(110 if label == "sad" else 70, 20)
    return np.asarray(np.clip(photo(seed) * 0.3 + light, 0, 255), dtype=np.uint8)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with data/, and run/ as training leaves it before the evaluation; then evaluated."""
    root = tmp_path_factory.mktemp("judge")
    data = root / "data"
    for place, label in enumerate(("happy", "sad")):
        for number in range(40):
            save(data / label / f"{number:02}.png", lit(1000 * place + number, label))
    (data / "sad" / "broken.jpg").write_bytes(b"\xff\xd8\xff no more")
    run = Run(root / "run")
    manifest = check(data, root / "check", quality=False).manifest
    run.folder.mkdir()
    manifest.write(run.manifest)
    config = TrainConfig(model="compact", size=32, channels=3, epochs=3)
    run.write_settings(to_settings(config), data)
    run.write_history([epoch(number) for number in (1, 2, 3)])
    save(run.plots / "samples.png", photo(0))
    brightness_classifier(
        run.folder / "model.onnx",
        size=32,
        slope=0.05,
        middle=128,
        temperature=2.0,
        trained_on=56,
        unsure=(0.4, 0.6),
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(root / "cache"))
        write_evaluation(run, manifest, config)
    return root


def epoch(number: int) -> Epoch:
    return Epoch(
        epoch=number,
        seconds=1.0,
        images_per_second=1.0,
        learning_rate=1.0,
        loss=1 / number,
        accuracy=1 / number,
        val_loss=1 / number,
        val_accuracy=1 / number,
    )


@pytest.fixture(autouse=True)
def _cache(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(made / "cache"))


@pytest.fixture
def copy(made: Path, tmp_path: Path) -> Path:
    """A copy of the run that a test may change."""
    return Path(shutil.copytree(made / "run", tmp_path / "run"))


def written(run: Path) -> RunEvaluation:
    text = Run(run).metrics.read_text(encoding="utf-8")

    def refuse(constant: str) -> None:
        raise ValueError(f"{constant} is no JSON")

    json.loads(text, parse_constant=refuse)
    return RunEvaluation.from_json(text)


def test_the_figures_are_those_of_predict_on_the_test_split(made: Path) -> None:
    metrics = written(made / "run")
    manifest = Manifest.read(made / "run" / "manifest.csv", made / "data")
    for split, score in {"val": metrics.val, "test": metrics.test.score}.items():
        rows = manifest.of(cast(Split, split))
        answers = Classifier(made / "run").predict(manifest.files(rows), unsure=False)
        right = [
            answer.label == label for answer, label in zip(answers, rows["label"], strict=True)
        ]
        assert score.n == len(rows) > 0
        assert score.accuracy.value == pytest.approx(np.mean(right))
    assert metrics.test.seen_in_training == 0
    assert metrics.test.temperature == 2.0
    assert metrics.test.classifier == Classifier(made / "run").id
    assert set(metrics.test.baselines) == {"largest_class", "logistic_regression"}


def test_a_run_gets_its_plots_and_a_page_that_needs_nothing_else(made: Path) -> None:
    run = made / "run"
    assert {file.stem for file in (run / "plots").iterdir()} == set(PLOTS)
    page = (run / "report.html").read_text(encoding="utf-8")
    assert page.count("data:image/png;base64,") == len(PLOTS) - 1  # the worst are shown one by one
    assert not re.search(r"""(src|href)=["'](?!data:)""", page)
    score = written(run).test.score
    assert score.accuracy.value is not None
    assert f"about {100 * score.accuracy.value:.0f} would be right" in page
    assert page.count("data:image/jpeg;base64,") == score.wrong
    assert "81 files lay in the class folders; 80 photos were used" in page
    for words in (
        "Read this",
        "learning_rate",
        "divided by the temperature 2.00",
        "Between the probabilities 0.40 and 0.60 of sad it answers “unsure”",
        "AUC of sad",
        "95 % interval: ",
    ):
        assert words in page


def test_a_run_is_compared_on_its_own_test_photos(made: Path) -> None:
    metrics = written(made / "run")
    found = metrics.comparison
    assert found is not None
    assert found.built_in is not None
    assert found.n == metrics.test.score.n
    assert found.accuracy == metrics.test.score.accuracy
    assert found.accuracy.value is not None
    assert found.built_in.accuracy.value is not None
    difference = found.accuracy.value - found.built_in.accuracy.value
    assert found.built_in.difference.value == pytest.approx(difference)
    assert found.built_in.no_face == 0  # pictures this small count as face crops
    largest = metrics.test.baselines["largest_class"].score.accuracy
    assert found.largest_class.accuracy.value == largest.value
    page = (made / "run" / "report.html").read_text(encoding="utf-8")
    assert found.verdict in page
    assert "8 photos prove little" in page


def test_a_run_is_compared_with_the_run_before(made: Path, tmp_path: Path) -> None:
    first, second = (Path(shutil.copytree(made / "run", tmp_path / f"run-{n}")) for n in (1, 2))
    Run(first).finish("")
    # It answers happy nearly always.
    brightness_classifier(first / "model.onnx", size=32, slope=0.05, middle=200)
    found = evaluate_run(Run(second))[0].comparison
    assert found is not None and found.before is not None
    assert found.accuracy == written(made / "run").test.score.accuracy
    assert found.before.accuracy.value == 0.5 < (found.accuracy.value or 0)
    assert found.before_name == "run-1"
    manifest = Run(first).manifest
    text = manifest.read_text(encoding="utf-8").replace(",test,used,", ",train,used,")
    manifest.write_text(text, encoding="utf-8")
    found = evaluate_run(Run(second))[0].comparison
    assert found is not None
    assert (found.before, found.gain) == (None, "")  # it has learned from these photos


def test_judging_again_gives_the_same_bytes(made: Path, copy: Path) -> None:
    run = Run(copy)
    write_evaluation(run, Manifest.read(run.manifest, made / "data"), of_run(run))
    for name in ("metrics.json", *(f"plots/{plot}.png" for plot in PLOTS)):
        old, new = ((run / name).read_bytes() for run in (made / "run", copy))
        assert old == new.replace(str(copy).encode(), str(made / "run").encode()), name


def test_without_a_folder_evaluate_gives_what_the_run_measured(made: Path, copy: Path) -> None:
    found = evaluate(made / "run")
    assert found == written(made / "run").test
    (copy / "metrics.json").unlink()  # stopped just before it was written
    assert evaluate(copy).score == found.score
    (copy / "metrics.json").write_text('{"test": {"n": 8}}')  # by happysad 0.1.0
    assert evaluate(copy).score == found.score
    assert evaluate(copy).model == str(copy)


def test_slices_of_a_table_are_compared_on_the_test_split(made: Path, tmp_path: Path) -> None:
    test = Manifest.read(made / "run" / "manifest.csv", made / "data").of("test")
    table = tmp_path / "slices.csv"
    rows = zip(test["path"], ("in", "out") * len(test), strict=False)
    table.write_text("path,light\n" + "".join(f"{path},{light}\n" for path, light in rows))
    found = evaluate(made / "run", slices=table)
    assert [(one.name, one.n, one.others) for one in found.slices] == [
        ("light: in", 4, 4),
        ("light: out", 4, 4),
    ]
    assert replace(found, slices=()) == written(made / "run").test


def test_the_page_shows_slices_if_there_are_enough_photos(made: Path, copy: Path) -> None:
    run, evaluation = Run(copy), written(made / "run")
    page = run.report.read_text(encoding="utf-8")
    assert "8 test photos are too few to tell: a slice" in page
    right = np.arange(90) > 20
    values = automatic_slices([PhotoMeasures(sharpness=place) for place in range(90)])
    found = score_slices(values, right, np.arange(90) % 2, [str(n) for n in range(90)])
    plots.slices(found, 0.77, run.plots / "slices.png")
    test = replace(evaluation.test, automatic_slices=found)
    manifest = Manifest.read(run.manifest, made / "data")
    write_run_page(run, replace(evaluation, test=test), manifest, of_run(run), [])
    page = run.report.read_text(encoding="utf-8")
    assert "<td>sharpness: up to 29.7</td>" in page
    assert "<td>worse than the others</td>" in page
    assert 'alt="Accuracy on each slice' in page


def new_folder(root: Path) -> Path:
    """A folder with six photos that the classifier gets right, and files that are left out."""
    data = root / "new"
    for number in range(3):
        save(data / "happy" / f"{number}.png", photo(50 + number) // 4)
        save(data / "sad" / "more" / f"{number}.png", 255 - photo(60 + number) // 4)
    (data / "sad" / "notes.txt").write_text("no photo")
    save(data / "neutral" / "a.png", photo(1))
    (data / "list.csv").write_text("a,b")
    return data


def test_a_folder_is_judged_whole(tmp_path: Path) -> None:
    file = brightness_classifier(tmp_path / "model.onnx", threshold=0.6)
    data = new_folder(tmp_path)
    found = evaluate(file, data)
    as_json = json.dumps(asdict(found), allow_nan=False)
    assert Evaluation.from_json(json.loads(as_json)) == found
    score = found.score
    assert (score.n, score.groups, score.accuracy.value) == (6, 6, 1.0)
    assert score.per_class["sad"].recall.value == 1.0
    assert score.classes == ("happy", "sad")
    assert found.threshold == 0.6
    assert found.seen_in_training is None
    assert {left.path: left.reason.split(":")[0] for left in found.left_out} == {
        "list.csv": "lies in no class folder",
        "neutral/": "no class of the model (happy, sad)",
        "sad/notes.txt": "not an image (allowed by content",
    }
    assert "cross-validation" in found.baselines["logistic_regression"].fitted_on


def with_face(seed: int, light: float) -> Pixels:
    """Return a photo of one real face with the given light; its mean is about 117 for light 1."""
    face = Image.open(io.BytesIO(portrait())).convert("RGB").resize((256, 300))
    pixels = photo(seed, 500, 600).copy()
    pixels[100:400, 150:406] = np.clip(np.asarray(face) * light, 0, 255).astype(np.uint8)
    return pixels


def test_faces_are_found_first_and_what_has_none_is_no_guess(tmp_path: Path) -> None:
    data = tmp_path / "data"
    lights = {"happy": (0.3, 0.5, 0.93), "sad": (1.0, 1.5, 1.8, 2.2)}  # 0.93 and 1.0 are unsure
    for place, (label, several) in enumerate(lights.items()):
        for number, light in enumerate(several):
            save(data / label / f"{number}.png", with_face(100 * place + number, light))
    save(data / "happy" / "nobody.png", photo(61, 500, 600))
    file = brightness_classifier(
        tmp_path / "face.onnx", slope=0.05, middle=110, looks_at="face", unsure=(0.3, 0.7)
    )
    found = evaluate(file, data)
    assert (found.score.n, found.score.accuracy.value) == (7, 1.0)
    abstention = found.abstention
    assert (abstention.n, abstention.no_face.value) == (8, 1 / 8)
    # one has no face, and one of each class is too near the middle
    assert abstention.coverage.value == 5 / 8
    assert abstention.selective_accuracy.value == 1.0
    for figure in (abstention.coverage, abstention.no_face):
        assert figure.value is not None
        assert figure.interval is not None
        assert figure.interval[0] < figure.value < figure.interval[1]
    with pytest.raises(UsageError, match="looks at whole photos"):
        evaluate(brightness_classifier(tmp_path / "photo.onnx"), data, faces="given")


def test_face_crops_are_judged_as_they_are(tmp_path: Path) -> None:
    file = brightness_classifier(
        tmp_path / "face.onnx", slope=0.05, middle=130, looks_at="face", unsure=(0.3, 0.7)
    )
    levels = {"happy": (5, 40, 60, 126), "sad": (200, 220, 134, 240)}
    for label, several in levels.items():
        for level in several:
            pixels = np.clip(photo(level, 40, 40) * 0.02 + level, 0, 255).astype(np.uint8)
            save(tmp_path / "data" / label / f"{level}.png", pixels)
    crops = evaluate(file, tmp_path / "data", faces="given")
    assert crops.score.n == 8
    assert (crops.abstention.no_face.value, crops.abstention.coverage.value) == (0.0, 6 / 8)
    with pytest.raises(DatasetError, match="no face in any of 2 photos"):
        evaluate(file, new_dark_folder(tmp_path))


def new_dark_folder(root: Path) -> Path:
    for place, label in enumerate(("happy", "sad")):
        save(root / "dark" / label / "a.png", np.full((40, 40, 3), place, np.uint8))
    return root / "dark"


def test_the_threshold_decides(tmp_path: Path) -> None:
    data = new_folder(tmp_path)
    save(data / "sad" / "grey.png", np.full((40, 40, 3), 130, np.uint8))  # p_sad 0.55
    for threshold, right in ((0.5, 7), (0.6, 6)):
        file = brightness_classifier(tmp_path / "model.onnx", threshold=threshold)
        assert evaluate(file, data).score.accuracy.value == pytest.approx(right / 7)


@pytest.mark.parametrize(
    ("classes", "accuracy"),
    [
        (("happy", "sad"), 1.0),
        (("sad", "happy"), 1.0),  # the order does not matter for the classes' own names
        (("left", "right"), 1.0),  # first the folder of the first class
        (("right", "left"), 0.0),
        (("SAD", "Happy"), 1.0),  # case does not matter either
        (None, 1.0),
    ],
)
def test_folders_may_have_other_names(
    classes: tuple[str, str] | None, accuracy: float, tmp_path: Path
) -> None:
    data = new_folder(tmp_path)
    named = "left" in (classes or ())
    if classes is None or "happy" not in classes:
        (data / "happy").rename(data / ("left" if named else "Happy"))
        (data / "sad").rename(data / ("right" if named else "SAD"))
    file = brightness_classifier(tmp_path / "model.onnx")
    score = evaluate(file, data, classes=classes).score
    assert score.accuracy.value == accuracy
    assert set(score.per_class) == {"happy", "sad"}


def test_classes_without_a_folder_are_refused(made: Path) -> None:
    with pytest.raises(UsageError, match="classes name folders of data"):
        evaluate(made / "run", classes=("left", "right"))


def test_copies_count_as_one_group(tmp_path: Path) -> None:
    data = new_folder(tmp_path)
    for size in range(5):
        save(data / "happy" / f"copy{size}.png", photo(50, 60 + size, 80) // 4)
    score = evaluate(brightness_classifier(tmp_path / "model.onnx"), data).score
    assert (score.n, score.groups) == (11, 6)


def test_photos_seen_in_training_are_left_out(made: Path, tmp_path: Path) -> None:
    whole = evaluate(made / "run", made / "data")
    manifest = Manifest.read(made / "run" / "manifest.csv", made / "data")
    test = manifest.of("test")
    assert whole.score == replace(written(made / "run").test.score, groups=whole.score.groups)
    assert whole.seen_in_training == 80 - len(test)
    left_out = {one.path for one in whole.left_out if one.reason == SEEN}
    assert left_out == set(manifest.used["path"]) - set(test["path"])
    assert whole.baselines["logistic_regression"].fitted_on == "the training photos"

    data = new_folder(tmp_path)
    known = made / "data" / manifest.of("train")["path"].iloc[0]
    save(data / "happy" / "again.bmp", read(known))  # another file, the same pixels
    save(data / "sad" / "near.png", read(known)[1:])  # without a row
    found = evaluate(made / "run", data)
    assert (found.seen_in_training, found.score.n) == (2, 6)
    shutil.copytree(
        data / "happy", tmp_path / "old" / "happy", ignore=shutil.ignore_patterns("?.png")
    )
    save(tmp_path / "old" / "sad" / "near.png", read(known)[1:])
    with pytest.raises(DatasetError, match="trained or validated on all of these 2 photos"):
        evaluate(made / "run", tmp_path / "old")


def test_baselines_do_without_training_photos_that_are_gone(copy: Path, tmp_path: Path) -> None:
    config = (copy / "config.toml").read_text()
    moved = re.sub('data = ".*"', f'data = "{tmp_path / "gone"}"', config)
    (copy / "config.toml").write_text(moved)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path / "empty"))
        found = evaluate(copy, new_folder(tmp_path))
    assert "cross-validation" in found.baselines["logistic_regression"].fitted_on


def _nothing(root: Path) -> tuple[Path, Path | None]:
    return root / "nothing.onnx", None


def _bare(root: Path) -> tuple[Path, Path | None]:
    return brightness_classifier(root / "model.onnx"), None


def _no_run(root: Path) -> tuple[Path, Path | None]:
    return brightness_classifier(root / "model.onnx").parent, None


def _one_class(root: Path) -> tuple[Path, Path | None]:
    shutil.rmtree(new_folder(root) / "sad")
    return brightness_classifier(root / "model.onnx"), root / "new"


def _unreadable(root: Path) -> tuple[Path, Path | None]:
    for label in ("happy", "sad"):
        (root / "new" / label).mkdir(parents=True)
        (root / "new" / label / "a.txt").write_text("no photo")
    return brightness_classifier(root / "model.onnx"), root / "new"


@pytest.mark.parametrize(
    ("make", "error", "says"),
    [
        (_nothing, ClassifierError, "no such file"),
        (_bare, UsageError, "has no test split; name a folder of photos, or give the run"),
        (_no_run, RunError, "no config.toml"),
        (_one_class, UsageError, "no class folder sad"),
        (_unreadable, DatasetError, "no readable photo in happy and sad"),
    ],
)
def test_what_cannot_be_judged_is_said(
    make: Callable[[Path], tuple[Path, Path | None]],
    error: type[Exception],
    says: str,
    tmp_path: Path,
) -> None:
    model, data = make(tmp_path)
    with pytest.raises(error, match=says):
        evaluate(model, data)


def test_a_changed_photo_is_refused(made: Path, copy: Path, tmp_path: Path) -> None:
    data = shutil.copytree(made / "data", tmp_path / "data")
    config = (copy / "config.toml").read_text()
    (copy / "config.toml").write_text(config.replace(str(made / "data"), str(data)))
    path = Manifest.read(copy / "manifest.csv", data).of("test")["path"].iloc[0]
    save(data / path, photo(999))
    with pytest.raises(DatasetError, match=f"{path}: the file has changed"):
        evaluate_run(Run(copy))


def test_three_classes_are_evaluated(tmp_path: Path) -> None:
    classes = ("happy", "neither", "sad")
    file = three_class_classifier(tmp_path / "model.onnx")
    levels = {"happy": (20, 40, 60), "neither": (100, 120, 140), "sad": (200, 220, 240)}
    for label, several in levels.items():
        for level in several:
            pixels = np.clip(photo(level, 40, 40) * 0.02 + level, 0, 255).astype(np.uint8)
            save(tmp_path / "data" / label / f"{level}.png", pixels)
    found = evaluate(file, tmp_path / "data")
    answers = Classifier(file).predict(sorted((tmp_path / "data").glob("*/*.png")))
    right = [answer.label == Path(str(answer.path)).parent.name for answer in answers]
    assert found.score.classes == classes
    assert found.score.accuracy.value == pytest.approx(np.mean(right))
    assert found.score.auc is None
    assert sum(map(sum, found.score.confusion)) == 9
    assert {name: one.recall.value for name, one in found.score.per_class.items()} == {
        "happy": 1.0,
        "neither": pytest.approx(1 / 3),
        "sad": 1.0,
    }


def test_three_answers_are_judged_on_two_folders(tmp_path: Path) -> None:
    """The answer is sad for a mean of about 138 or more, happy for 118 or less, else neither."""
    lights = {"happy": (0.3, 1.05, 1.15), "sad": (1.05, 1.6, 1.9)}  # 1.05 gives about 123
    for place, (label, several) in enumerate(lights.items()):
        for number, light in enumerate(several):
            save(
                tmp_path / "data" / label / f"{number}.png", with_face(100 * place + number, light)
            )
    save(tmp_path / "data" / "sad" / "nobody.png", photo(61, 500, 600))
    file = three_class_classifier(tmp_path / "face.onnx", looks_at="face")
    found = evaluate(file, tmp_path / "data")
    answers = Classifier(file).predict(sorted((tmp_path / "data").glob("*/*.png")))
    truth = [Path(str(answer.path)).parent.name for answer in answers]
    assert "neither" in [answer.label for answer in answers]

    right = 0  # happy against sad alone; what has no face is wrong
    for answer, label in zip(answers, truth, strict=True):
        p = answer.probabilities or {"happy": 0.0, "sad": 0.0}
        right += p[label] > p["sad" if label == "happy" else "happy"]
    score = found.score
    assert score.classes == ("happy", "sad")
    assert score.n == 7
    assert score.accuracy.value == pytest.approx(right / 7)
    assert score.per_class["sad"].recall.value is not None
    assert score.per_class["sad"].recall.value <= 3 / 4
    assert score.auc is not None

    labels = [answer.label for answer in answers]
    called = {name: figure.value for name, figure in found.abstention.called.items()}
    shares = {name: labels.count(name) / 7 for name in ("happy", "neither", "sad", "unsure")}
    assert called == pytest.approx(shares)
    assert found.abstention.no_face.value == 1 / 7
    assert found.abstention.labels["sad"]["no_face"] == 1
    assert found.baselines["largest_class"].score.classes == score.classes
    as_json = json.dumps(asdict(found), allow_nan=False)
    assert Evaluation.from_json(json.loads(as_json)) == found


@pytest.mark.parametrize(
    ("classes", "judged"),
    [
        (None, ("happy", "sad")),
        (("left", "right"), ("happy", "sad")),
        (("left", "middle", "right"), ("happy", "neither", "sad")),
    ],
)
def test_two_or_three_folders_may_be_named(
    tmp_path: Path, classes: tuple[str, ...] | None, judged: tuple[str, ...]
) -> None:
    file = three_class_classifier(tmp_path / "model.onnx")
    names = classes or ("happy", "sad")
    levels = dict(zip(names, (20, 230) if len(names) == 2 else (20, 128, 230), strict=True))
    for name, level in levels.items():
        pixels = np.clip(photo(level, 40, 40) * 0.02 + level, 0, 255).astype(np.uint8)
        save(tmp_path / "data" / name / "a.png", pixels)
    score = evaluate(file, tmp_path / "data", classes=classes).score
    assert (score.classes, score.accuracy.value) == (judged, 1.0)
    with pytest.raises(UsageError, match=r"must be 3 folders, .*, or 2, for happy, sad, not 4"):
        evaluate(file, tmp_path / "data", classes=("a", "b", "c", "d"))
