from __future__ import annotations

import copy
import io
import multiprocessing
import pickle
import zipfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from PIL import Image

from happysad import Classifier, FacePrediction, Prediction
from happysad.errors import ClassifierError, ErrorCode, ImageError, UsageError
from happysad.face_detection import Face
from happysad.images import Pixels, Source
from happysad.model_file import ROWS
from tests.classifiers import (
    brightness_classifier,
    refuse_more_rows,
    three_class_classifier,
)
from tests.pictures import save
from tests.static_server import served

BRIGHT = np.full((20, 30, 3), 250, np.uint8)
DARK = np.full((20, 30, 3), 5, np.uint8)


def p_sad(answer: Prediction | FacePrediction) -> float:
    assert answer.probabilities is not None
    return answer.probabilities["sad"]


@pytest.fixture
def classifier(tmp_path: Path) -> Classifier:
    return Classifier(brightness_classifier(tmp_path / "model.onnx"))


def test_the_label_is_the_second_class_from_the_threshold_on(classifier: Classifier) -> None:
    sad, happy = classifier.predict(BRIGHT), classifier.predict(DARK)
    assert (sad.label, happy.label) == ("sad", "happy")
    assert p_sad(sad) == pytest.approx(1 / (1 + np.exp(-0.1 * (250 - 128))), abs=1e-6)


def test_another_threshold_moves_the_label_and_not_the_probability(tmp_path: Path) -> None:
    file = brightness_classifier(tmp_path / "m.onnx", slope=0.01, threshold=0.9)
    answer = Classifier(file).predict(BRIGHT)
    assert p_sad(answer) == pytest.approx(0.772, abs=1e-3)
    assert answer.label == "happy"


def test_path_bytes_and_array_give_the_same(classifier: Classifier, tmp_path: Path) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    path = tmp_path / "photo.png"
    Image.fromarray(picture).save(path)
    answers = [classifier.predict(s) for s in (path, str(path), path.read_bytes(), picture)]
    assert len({p_sad(a) for a in answers}) == 1
    assert [a.path for a in answers] == [str(path), str(path), None, None]


def test_a_list_keeps_its_order_and_says_what_cannot_be_read(
    classifier: Classifier, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"no picture")
    sources: list[Source] = [BRIGHT, broken, DARK, tmp_path / "missing.jpg"]
    answers = classifier.predict(sources)
    assert [a.label for a in answers] == ["sad", None, "happy", None]
    errors = [a.error for a in answers if a.error is not None]
    assert [error.code for error in errors] == ["not_an_image", "cannot_open"]
    assert "no such file" in errors[1].text


def square(x: float, y: float, side: float) -> Face:
    """A face whose crop lies within its box."""
    points = [(0.35, 0.4), (0.65, 0.4), (0.5, 0.55), (0.38, 0.72), (0.62, 0.72)]
    landmarks = tuple((x + a * side, y + b * side) for a, b in points)
    return Face(x=x, y=y, width=side, height=side, landmarks=landmarks, score=0.9)


@pytest.fixture
def of_faces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Classifier:
    """Find one large face in the left half of wide photos, and a small one in the right half."""

    def find(image: Pixels, reduced: int, threads: int) -> list[Face]:
        height, width = image.shape[:2]
        if width <= height:
            return []
        return [square(0, 0, height), square(width - height / 2, 0, height / 2)]

    monkeypatch.setattr("happysad.photo.find", find)
    file = brightness_classifier(
        tmp_path / "model.onnx", slope=0.02, looks_at="face", unsure=(0.4, 0.6)
    )
    return Classifier(file)


def halves(left: int, right: int) -> Pixels:
    picture = np.full((100, 300, 3), left, np.uint8)
    picture[:, 200:] = right
    return picture


def test_every_face_is_answered_and_the_photo_by_all_of_them(of_faces: Classifier) -> None:
    answer = of_faces.predict(halves(228, 8))
    first, second = (p_sad(a) for a in answer.faces)
    # sigmoid(0.02 * (228 - 128)) and sigmoid(0.02 * (8 - 128))
    assert (first, second) == pytest.approx((1 / (1 + np.exp(-2)), 1 / (1 + np.exp(2.4))), abs=1e-5)
    assert [a.label for a in answer.faces] == ["sad", "happy"]
    # in log-odds, with twice the weight for the large face: (2 * 2 - 2.4) / 3
    assert p_sad(answer) == pytest.approx(1 / (1 + np.exp(-1.6 / 3)), abs=1e-5)
    assert answer.label == "sad"
    assert answer.probability == p_sad(answer)


@pytest.mark.parametrize(
    ("level", "unsure", "label"),
    [(8, True, "happy"), (120, True, "unsure"), (120, False, "happy"), (136, False, "sad")],
)
def test_between_the_two_thresholds_it_is_unsure(
    of_faces: Classifier, level: int, unsure: bool, label: str
) -> None:
    answer = of_faces.predict(halves(level, level), unsure=unsure)
    assert answer.label == label
    assert [face.label for face in answer.faces] == [label] * 2


def test_without_a_face_there_is_no_guess(of_faces: Classifier) -> None:
    tall = np.full((30, 20, 3), 250, np.uint8)
    answers = of_faces.predict([tall, halves(228, 228), tall])
    assert [a.label for a in answers] == ["no_face", "sad", "no_face"]
    assert answers[0].probabilities is None
    assert answers[0].probability is None
    crop = of_faces.predict(tall, faces="given")
    assert (crop.label, crop.faces) == ("sad", ())


def test_face_crops_are_not_for_a_classifier_of_whole_photos(classifier: Classifier) -> None:
    with pytest.raises(UsageError, match="faces given is for"):
        classifier.predict(BRIGHT, faces="given")


@pytest.mark.parametrize(
    ("source", "options", "words"),
    [
        (BRIGHT, {"faces": "off"}, 'faces must be "find" or "given", not \'off\''),
        (
            BRIGHT,
            {"answers": ("happy", "glad")},
            r"answers must be two or more of happy, sad, not \['",
        ),
        ([BRIGHT], {"answers": ("sad", "sad")}, "answers must be two or more of happy, sad, not"),
        (BRIGHT, {"answers": ("sad",)}, r"answers must be .* not \['sad'\]"),
        (BRIGHT, {"answers": "happy,sad"}, "answers must be .* not 'happy,sad'"),
        (BRIGHT, {"answers": ()}, r"answers must be .* not \(\)"),
        (BRIGHT, {"faces": True}, 'faces must be "find" or "given", not True'),
        ([BRIGHT], {"unsure": 0}, "unsure must be True or False, not 0"),
        (BRIGHT, {"bgr": None}, "bgr must be True or False, not None"),
        (7, {}, "a photo is a path, an .* address, bytes, .*; not 7"),
        (bytearray(b"BM"), {}, r"a photo is .* not bytearray\("),
        ([BRIGHT, None], {}, "a photo is .* not None"),
        (["x", "y" * 10_000, 5], {}, "not 5"),
    ],
)
def test_calls_that_cannot_work_are_refused(
    classifier: Classifier, source: Any, options: dict[str, Any], words: str
) -> None:
    with pytest.raises(UsageError, match=f"^.*{words}.*$"):
        classifier.predict(source, **options)


@pytest.mark.parametrize("sources", ["a.jpg", b"BM", 7])
def test_streams_of_no_sources_are_refused(classifier: Classifier, sources: Any) -> None:
    with pytest.raises(UsageError, match="sources must be an iterable of photos, not"):
        classifier.stream(sources)


@pytest.mark.parametrize("threads", [-1, "2", 1.5, True])
def test_threads_that_make_no_sense_are_refused(tmp_path: Path, threads: Any) -> None:
    with pytest.raises(UsageError, match="threads must be 0"):
        Classifier(threads=threads)


def test_an_input_is_quoted_in_one_short_line(classifier: Classifier) -> None:
    sources: list[Any] = [object, {"a": "b" * 1000}, range(10**6), [["nested"] * 1000]]
    for source in sources:
        with pytest.raises(UsageError) as raised:
            classifier.predict(source)
        assert len(str(raised.value)) < 200


def test_flags_of_numpy_and_generators_are_taken(classifier: Classifier) -> None:
    sources: list[Source] = [BRIGHT, DARK]
    flags: dict[str, Any] = {"unsure": np.bool_(True)}
    answers = classifier.stream((source for source in sources), **flags)
    assert [answer.label for answer in answers] == ["sad", "happy"]


def test_bgr_is_said(tmp_path: Path) -> None:
    """Red and blue differ in grey, so a grey classifier shows the order of the channels."""
    grey = Classifier(brightness_classifier(tmp_path / "grey.onnx", channels=1, slope=0.01))
    red = np.zeros((20, 20, 3), np.uint8)
    red[..., 0] = 255
    as_rgb, as_bgr = p_sad(grey.predict(red)), p_sad(grey.predict(red, bgr=True))
    blue = np.ascontiguousarray(red[..., ::-1])
    assert as_rgb == p_sad(grey.predict(blue, bgr=True)) != as_bgr == p_sad(grey.predict(blue))


def test_one_by_one_and_in_a_batch_faces_are_the_same(of_faces: Classifier) -> None:
    rng = np.random.default_rng(0)
    shapes = [(40, 90), (70, 60), (50, 120), (64, 200)]
    photos: list[Source] = [rng.integers(0, 256, (*shape, 3), dtype=np.uint8) for shape in shapes]
    assert of_faces.predict(photos) == [of_faces.predict(photo) for photo in photos]


def test_the_network_never_gets_more_rows_than_a_batch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither one photo of many faces nor several photos grow the memory of a run."""
    faces = [square(x, 0, 20) for x in range(70)]
    monkeypatch.setattr("happysad.photo.find", lambda *_, **__: faces)
    file = brightness_classifier(tmp_path / "model.onnx", slope=0.02, looks_at="face")
    whole, limited = Classifier(file), Classifier(refuse_more_rows(file, ROWS))
    crowd = np.random.default_rng(0).integers(0, 256, (40, 90, 3), dtype=np.uint8)
    expected = p_sad(whole.predict(crowd))
    answers = [limited.predict(crowd), *limited.predict([crowd] * 3)]
    assert [len(answer.faces) for answer in answers] == [70] * 4
    assert len({p_sad(face) for face in answers[0].faces}) > 1
    assert [p_sad(answer) for answer in answers] == pytest.approx([expected] * 4)
    assert answers[1:] == answers[:1] * 3


def test_rows_of_faces(of_faces: Classifier) -> None:
    answer = of_faces.predict(halves(228, 8))
    rows = answer.face_rows()
    assert [(row["face"], row["label"]) for row in rows] == [(1, "sad"), (2, "happy")]
    assert (rows[1]["x"], rows[1]["width"]) == (250, 50)
    assert [face["label"] for face in answer.row()["faces"]] == ["sad", "happy"]
    (none,) = of_faces.predict(np.zeros((30, 20, 3), np.uint8)).face_rows()
    assert (none["face"], none["label"], none["x"]) == (None, "no_face", None)
    assert list(none) == list(rows[0])


def test_many_are_answered_as_one_by_one(classifier: Classifier) -> None:
    rng = np.random.default_rng(1)
    pictures: list[Source] = [rng.integers(0, 256, (9, 9, 3), dtype=np.uint8) for _ in range(70)]
    alone = [p_sad(classifier.predict(picture)) for picture in pictures]
    with ThreadPoolExecutor(4) as pool:
        threaded = [p_sad(a) for a in pool.map(classifier.predict, pictures)]
    assert [p_sad(a) for a in classifier.predict(pictures)] == alone == threaded


def test_one_that_cannot_be_read_raises(classifier: Classifier, tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"missing\.jpg: no such file"):
        classifier.predict(tmp_path / "missing.jpg")


def test_a_run_folder_is_its_model(tmp_path: Path) -> None:
    brightness_classifier(tmp_path / "model.onnx", size=24)
    assert Classifier(tmp_path).details.size == 24


def test_what_is_no_classifier_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ClassifierError, match="no such file"):
        Classifier(tmp_path / "missing.onnx")
    text = tmp_path / "text.onnx"
    text.write_text("no model")
    with pytest.raises(ClassifierError, match=r"not an \.onnx that can be loaded"):
        Classifier(text)


def test_files_images_and_lists_of_them(classifier: Classifier, tmp_path: Path) -> None:
    path = tmp_path / "photo.png"
    Image.fromarray(BRIGHT).save(path)
    with path.open("rb") as file:
        expected = classifier.predict(path).probabilities
        assert classifier.predict(file).probabilities == expected
    assert classifier.predict(Image.fromarray(BRIGHT)).probabilities == expected
    assert classifier.predict(io.BytesIO(path.read_bytes())).probabilities == expected
    answers = classifier.predict((path, Image.fromarray(BRIGHT)))
    assert [answer.probabilities for answer in answers] == [expected] * 2


def test_a_folder_and_a_generator_are_answered_one_by_one(
    classifier: Classifier, tmp_path: Path
) -> None:
    for number in range(100):
        Image.fromarray(DARK).save(tmp_path / f"{number:03}.png")
    opened = []

    def paths() -> Iterator[str]:
        for file in sorted(tmp_path.iterdir()):
            opened.append(file)
            yield str(file)

    answers = classifier.predict(paths())
    assert next(answers).label == "happy"
    assert len(opened) < 100
    assert [answer.path for answer in cast("Any", classifier.predict(tmp_path))] == sorted(
        str(file) for file in tmp_path.iterdir()
    )


def test_a_prediction_keeps_its_source_and_no_pixels(
    classifier: Classifier, tmp_path: Path
) -> None:
    path = tmp_path / "large.png"
    Image.new("RGB", (1000, 1000)).save(path)
    answer = classifier.predict(path)
    assert answer.source == path
    assert len(pickle.dumps(answer)) < 2000
    array = classifier.predict(BRIGHT)
    assert array.source is BRIGHT


def test_a_copy_and_a_pickle_need_no_file(tmp_path: Path) -> None:
    file = brightness_classifier(tmp_path / "model.onnx")
    classifier = Classifier(file, threads=1)
    expected = classifier.predict(BRIGHT)
    file.unlink()
    copies = [copy.deepcopy(classifier), pickle.loads(pickle.dumps(classifier))]
    for one in copies:
        assert one.predict(BRIGHT) == expected
        assert (one.threads, one.id, one.details) == (1, classifier.id, classifier.details)
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, context) as pool:
        assert pool.submit(classifier.predict, BRIGHT).result() == expected


@pytest.mark.parametrize(
    ("level", "label"), [(0, "happy"), (100, "happy"), (128, "neither"), (255, "sad")]
)
def test_three_classes(tmp_path: Path, level: int, label: str) -> None:
    classifier = Classifier(three_class_classifier(tmp_path / "model.onnx"))
    answer = classifier.predict(np.full((20, 20, 3), level, np.uint8))
    assert answer.label == label
    assert answer.probabilities is not None
    assert list(answer.probabilities) == ["happy", "neither", "sad"]
    assert sum(answer.probabilities.values()) == pytest.approx(1, abs=1e-12)
    x = 0.1 * (level - 128)
    odds = np.exp([-x, 1, x])
    assert list(answer.probabilities.values()) == pytest.approx(odds / odds.sum(), abs=1e-5)


@pytest.fixture
def web(tmp_path: Path) -> Iterator[str]:
    save(tmp_path / "web" / "photo.png", BRIGHT)
    with served(tmp_path / "web") as address:
        yield address


def test_an_address_is_fetched_and_named_as_it_was_given(classifier: Classifier, web: str) -> None:
    answer = classifier.predict(f"{web}/photo.png")
    assert (answer.label, answer.path) == ("sad", f"{web}/photo.png")
    with pytest.raises(ImageError, match=r"^http://127.*/none: the server answers 404") as raised:
        classifier.predict(f"{web}/none")
    assert raised.value.code == "cannot_fetch"
    good, bad = classifier.predict([f"{web}/photo.png", f"{web}/none"])
    assert good.label == "sad"
    assert bad.path == f"{web}/none"
    assert bad.error is not None


@pytest.mark.parametrize("files", ["one", "many"])
def test_notes_tell_what_reading_involved(
    classifier: Classifier, tmp_path: Path, files: str
) -> None:
    path = tmp_path / "turned.png"
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(BRIGHT).save(path, exif=exif)
    answer = classifier.predict(path) if files == "one" else classifier.predict([path])[0]
    assert answer.notes == ("turned upright by its EXIF orientation",)
    assert answer.row()["notes"] == ["turned upright by its EXIF orientation"]


@pytest.mark.parametrize("source", ["x" * 5000, "a\nb.jpg", "http://127.0.0.1:1/" + "y" * 3000])
def test_a_message_is_one_line_that_quotes_80_characters(
    classifier: Classifier, source: str
) -> None:
    with pytest.raises(ImageError) as raised:
        classifier.predict(source)
    assert len(str(raised.value)) < 120
    assert "\n" not in str(raised.value)


def test_an_empty_path_is_not_the_folder_of_the_process(classifier: Classifier) -> None:
    with pytest.raises(ImageError, match=r"^the path is empty$"):
        classifier.predict("")


class _Spelled:
    def __fspath__(self) -> bytes:
        return b"no.jpg"


def test_a_path_may_have_bytes_as_its_name(classifier: Classifier) -> None:
    assert classifier.predict([cast("Any", _Spelled())])[0].path == "no.jpg"


class _Broken(io.BytesIO):
    def read(self, *_: object) -> bytes:
        raise zipfile.BadZipFile("x" * 200)


def test_a_file_object_that_fails_in_any_way_has_an_error(classifier: Classifier) -> None:
    good, bad = classifier.predict([BRIGHT, _Broken()])
    assert good.label == "sad"
    assert bad.error is not None
    assert bad.error.code == "cannot_open"
    assert len(bad.error.text) < 120


class _Refused(io.BytesIO):
    def read(self, *_: object) -> bytes:
        raise ImageError("far: gone", ErrorCode.CANNOT_FETCH)


def test_a_file_object_may_have_an_error_of_its_own(classifier: Classifier) -> None:
    with pytest.raises(ImageError, match=r"^far: gone$") as raised:
        classifier.predict(_Refused())
    assert raised.value.code == "cannot_fetch"


def test_a_pil_image_without_pixels_is_refused(classifier: Classifier) -> None:
    with pytest.raises(ImageError, match="has no pixels"):
        classifier.predict(Image.new("RGB", (0, 0)))


def test_bgr_is_of_arrays_alone(classifier: Classifier, tmp_path: Path) -> None:
    red = np.zeros((500, 600, 3), np.uint8)
    red[..., 0] = 255
    image = Image.fromarray(red)
    image.save(tmp_path / "red.png")
    for source in (tmp_path / "red.png", image, red[..., ::-1]):
        answer = classifier.predict(source, bgr=True)
        assert answer.probabilities == classifier.predict(red).probabilities
        assert answer.draw()[400, 300].tolist() == [255, 0, 0]


@pytest.mark.parametrize(
    ("answers", "level", "label"),
    [
        (("happy", "sad"), 100, "happy"),
        (("sad", "happy"), 130, "sad"),
        (["happy", "neither"], 255, "neither"),
        (["neither", "sad"], 100, "neither"),
        (("sad", "neither", "happy"), 128, "neither"),
    ],
)
def test_answers_leave_the_other_classes_out(
    tmp_path: Path, answers: Sequence[str], level: int, label: str
) -> None:
    classifier = Classifier(three_class_classifier(tmp_path / "model.onnx"))
    photo = np.full((20, 20, 3), level, np.uint8)
    every, answer = classifier.predict(photo), classifier.predict(photo, answers=answers)
    assert answer.label == label
    assert every.probabilities is not None
    left = {name: p for name, p in every.probabilities.items() if name in answers}
    scaled = {name: p / sum(left.values()) for name, p in left.items()}
    assert answer.probabilities == pytest.approx(scaled, abs=1e-12)
    assert list(answer.probabilities or ()) == sorted(answers)
    assert classifier.predict([photo], answers=answers) == [answer]
    assert list(classifier.stream([photo], answers=answers)) == [answer]
    assert classifier.answering(answers).predict(photo) == answer
    assert classifier.predict(photo) == every


def test_answers_of_a_photo_are_those_of_its_faces(tmp_path: Path, of_faces: Classifier) -> None:
    """Leaving a class out before and after the mean over faces is the same."""
    file = three_class_classifier(tmp_path / "three.onnx", slope=0.02, looks_at="face")
    classifier = Classifier(file)
    every = classifier.predict(halves(228, 100)).probabilities
    assert every is not None
    two = classifier.predict(halves(228, 100), answers=("happy", "sad"))
    assert p_sad(two) == pytest.approx(every["sad"] / (every["happy"] + every["sad"]), abs=1e-6)
    assert [list(face.probabilities) for face in two.faces] == [["happy", "sad"]] * 2


def test_a_pickle_keeps_its_answers(tmp_path: Path) -> None:
    file = three_class_classifier(tmp_path / "model.onnx")
    classifier = Classifier(file).answering(("happy", "sad"))
    for one in (copy.deepcopy(classifier), pickle.loads(pickle.dumps(classifier))):
        assert (one.classes, one.id) == (("happy", "sad"), classifier.id)
        assert one.predict(BRIGHT) == classifier.predict(BRIGHT)
        assert one.details.classes == one.classes
