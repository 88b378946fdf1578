"""A film becomes a table, a film with boxes and a plot; the faces are drawn, the detector real."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from happysad.classifier import Classifier
from happysad.errors import UsageError, VideoError
from happysad.video.film_analysis import Course, Watched, columns, watch
from happysad.video.films import Film, open_film
from tests.classifiers import brightness_classifier, three_class_classifier
from tests.films import film, party

EMPTY = range(12, 30)


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> Classifier:
    file = tmp_path_factory.mktemp("watch") / "model.onnx"
    return Classifier(brightness_classifier(file, looks_at="face", slope=0.1), threads=1)


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return film(tmp_path_factory.mktemp("scene") / "party.avi", party(40, EMPTY))


def rows(file: Path) -> list[dict[str, str]]:
    with file.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def test_everything_of_a_film(tmp_path: Path, scene: Path, classifier: Classifier) -> None:
    table, out, plot = (tmp_path / name for name in ("a.csv", "a.mp4", "a.png"))
    watched = watch(scene, classifier, table=table, out=out, plot=plot)
    assert (watched.frames, watched.faceless, watched.cut_off) == (40, len(EMPTY), None)
    assert watched.seconds == pytest.approx(1.6)
    # Away for longer than half a second, the face comes back as another one.
    assert [(course.track, len(course.times)) for course in watched.courses] == [(1, 12), (2, 10)]

    read = rows(table)
    assert list(read[0]) == columns(["happy", "sad"])
    assert [int(row["frame"]) for row in read] == list(range(40))
    assert [float(row["time"]) for row in read] == pytest.approx(np.arange(40) / 25)
    assert [row["track"] for row in read] == ["1"] * 12 + [""] * 18 + ["2"] * 10
    assert {row["label"] for row in read[12:30]} == {"no_face"}
    assert [row["p_sad"] for row in read[12:30]] == [""] * 18
    first, second = ([float(row[name]) for row in read[:2]] for name in ("p_sad", "p_sad_now"))
    assert first[0] == pytest.approx(second[0])
    assert min(second) < first[1] < max(second)
    assert float(read[9]["x"]) - float(read[0]["x"]) == pytest.approx(45, abs=8)

    with open_film(out) as drawn, open_film(scene) as before:
        pairs = list(zip(drawn.frames(), before.frames(), strict=True))
    assert drawn.rate == before.rate
    assert pairs[0][0].pixels.shape == (360, 480, 3)  # small films are enlarged, as photos are
    x, y, height = (1.5 * float(read[0][name]) for name in ("x", "y", "height"))
    side = pairs[0][0].pixels[round(y + height / 3) : round(y + height / 2), round(x)].astype(int)
    assert read[0]["label"] == "sad"
    assert (side[:, 2] - side[:, 0]).mean() > 100  # blue

    with Image.open(plot) as image:
        assert image.size == (1200, 480)
        coloured = np.asarray(image.convert("HSV"))[..., 1] > 100
    assert coloured[:, 130:1070].any(axis=0).mean() == pytest.approx(22 / 40, abs=0.1)
    assert len(list(tmp_path.iterdir())) == 3


def test_every_so_many_frames(tmp_path: Path, scene: Path, classifier: Classifier) -> None:
    watched = watch(scene, classifier, every=5, table=tmp_path / "a.csv", out=tmp_path / "a.mp4")
    assert watched.frames == 8
    assert watched.seconds == pytest.approx(1.6)
    assert [int(row["frame"]) for row in rows(tmp_path / "a.csv")] == list(range(0, 40, 5))
    with open_film(tmp_path / "a.mp4") as drawn:
        times = [frame.at for frame in drawn.frames()]
    assert times == pytest.approx(np.arange(0, 1.6, 0.2), abs=0.001)
    assert drawn.end == pytest.approx(1.6, abs=0.001)


def test_whole_frames_where_the_classifier_looks_at_photos(tmp_path: Path, scene: Path) -> None:
    whole = Classifier(brightness_classifier(tmp_path / "model.onnx", slope=0.1))
    watched = watch(scene, whole, table=tmp_path / "a.csv", plot=tmp_path / "a.png")
    (course,) = watched.courses
    assert (course.track, len(course.times), watched.faceless) == (None, 40, 0)
    read = rows(tmp_path / "a.csv")
    assert len(read) == 40
    assert {row["track"] for row in read} == {""}
    assert all(0 < float(row[name]) < 1 for row in read for name in ("p_sad", "p_sad_now"))


def test_three_classes_have_a_panel_each(tmp_path: Path, scene: Path) -> None:
    file = three_class_classifier(
        tmp_path / "model.onnx", looks_at="face", slope=0.02, unsure=(0.5, 0.6, 0.7)
    )
    three = Classifier(file, threads=1)
    watched = watch(scene, three, table=tmp_path / "a.csv", plot=tmp_path / "a.png")
    read = rows(tmp_path / "a.csv")
    assert list(read[0]) == columns(["happy", "neither", "sad"])
    sums = [sum(float(row[f"p_{name}"]) for name in three.classes) for row in read if row["track"]]
    assert sums == pytest.approx([1] * 22)
    assert sum(watched.courses[0].mean.values()) == pytest.approx(1)
    with Image.open(tmp_path / "a.png") as image:
        assert image.size == (1200, 3 * 320)
        coloured = np.asarray(image.convert("HSV"))[..., 1] > 100
    lines = coloured[:, 130:1070].reshape(3, 320, -1)
    assert lines.any(axis=1).mean(axis=1) == pytest.approx([22 / 40] * 3, abs=0.1)
    # The line is higher where the probability is.
    heights = [np.argwhere(line)[:, 0].mean() for line in lines]
    means = [watched.courses[0].mean[name] for name in three.classes]
    assert np.argsort(heights).tolist() == np.argsort(means)[::-1].tolist()


def test_a_film_without_a_face(tmp_path: Path, classifier: Classifier) -> None:
    file = film(tmp_path / "wall.avi", party(5, range(5)))
    watched = watch(file, classifier, out=tmp_path / "a.mp4", plot=tmp_path / "a.png")
    assert (watched.frames, watched.faceless, watched.courses) == (5, 5, ())
    assert (tmp_path / "a.png").is_file()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"every": 0}, "every must be at least 1 frame, not 0"),
        ({"out": "party.mkv"}, r"must end in \.mp4 or \.webm"),
        ({"plot": "plot.jpg"}, r"ends in \.png"),
        ({"plot": "b.png", "out": "sub/../party.mp4"}, "is the film itself; name another file for"),
        ({"table": "sub/../party.mp4"}, "is the film itself"),
        ({"table": "a.png", "plot": "a.png"}, "is the table; name another file for the plot"),
    ],
)
def test_what_does_not_go_together_is_refused(
    tmp_path: Path, classifier: Classifier, options: dict[str, str | int], said: str
) -> None:
    file = film(tmp_path / "party.mp4", party(2))
    before = file.read_bytes()
    given = {k: tmp_path / v if isinstance(v, str) else v for k, v in options.items()}
    with pytest.raises(UsageError, match=said):
        watch(file, classifier, **given)  # type: ignore[arg-type]
    assert file.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["party.mp4"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, VideoError])
def test_a_stop_leaves_nothing_behind(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    classifier: Classifier,
    error: type[BaseException],
) -> None:
    file = film(tmp_path / "party.avi", party(6))
    real = Film.frames

    def stopped(self: Film, every: int = 1, **options):  # type: ignore[no-untyped-def]
        for frame in real(self, every, **options):
            if frame.number == 4:
                raise error
            yield frame

    monkeypatch.setattr(Film, "frames", stopped)
    table, out, plot = (tmp_path / name for name in ("a.csv", "a.mp4", "a.png"))
    with pytest.raises(error):
        watch(file, classifier, table=table, out=out, plot=plot)
    assert [path.name for path in tmp_path.iterdir()] == ["party.avi"]


def test_a_course_is_averaged_in_log_odds() -> None:
    course = Course(1)
    for at, p in enumerate((0.5, 0.9)):
        course.add(at, "sad", {"happy": 1 - p, "sad": p})
    # Odds 1 and 9: their geometric mean is 3.
    assert course.mean == pytest.approx({"happy": 0.25, "sad": 0.75})


def test_a_cut_ends_the_tracks(tmp_path: Path, classifier: Classifier) -> None:
    """Two people at the same place of the picture are two faces, on both sides of the cut."""
    rng = np.random.default_rng(0)
    one, other = party(10)[5:6] * 12, party(10, seed=8)[5:6] * 12
    for frames in (one, other):  # another wall, and nothing else
        wall = rng.integers(60, 255, (6, 8, 3)).astype(np.uint8)
        face = frames[0][40:200, 35:195].copy()
        scene = np.kron(wall, np.ones((40, 40, 1), np.uint8))
        scene[40:200, 35:195] = face
        frames[:] = [scene] * len(frames)
    watched = watch(film(tmp_path / "a.mp4", one + other), classifier, table=tmp_path / "a.csv")
    assert watched.cuts == 1
    assert [(course.track, len(course.times)) for course in watched.courses] == [(1, 12), (2, 12)]
    assert [row["shot"] for row in rows(tmp_path / "a.csv")] == ["1"] * 12 + ["2"] * 12


def test_moments_are_apart_and_have_their_label() -> None:
    courses = []
    for track, ps in ((1, (0.9, 0.95, 0.6, 0.1, 0.8)), (2, (0.2, 0.99, 0.97, 0.1, 0.1))):
        course = Course(track)
        for at, p in enumerate(ps):
            course.add(at, "sad" if p > 0.5 else "happy", {"happy": 1 - p, "sad": p})
        courses.append(course)
    watched = Watched(5, 5.0, 0, tuple(courses), 0, None)
    sad = [(one.track, one.at, one.probability) for one in watched.moments("sad")]
    assert sad == [(2, 1, 0.99), (1, 1, 0.95), (1, 4, 0.8)]
    happy = [(one.track, one.at) for one in watched.moments("happy")]
    assert happy == [(1, 3), (2, 3), (2, 0)]
    assert Watched(0, 0.0, 0, (), 0, None).moments("sad") == []
