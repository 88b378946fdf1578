"""Large JPEGs are decoded at reduced size, with the results of decoding them whole."""

from __future__ import annotations

import io
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from happysad import Classifier, face_detection, photo as photo_module
from happysad.errors import ImageError
from happysad.face_crop import crop, detail
from happysad.face_detection import Face, find
from happysad.images import Decoded, Pixels, Source, decode, fit
from happysad.photo import Photo
from tests.classifiers import brightness_classifier
from tests.pictures import encoded, photo
from tests.test_face_detection import AT, frontal, on_canvas

WIDE = photo(2, 1200, 2000)


def jpeg(pixels: Pixels, orientation: int = 1, mode: str = "RGB", **options: Any) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    file = io.BytesIO()
    image = Image.fromarray(pixels).convert(mode)
    image.save(file, "jpeg", exif=exif, **{"quality": 92, **options})
    return file.getvalue()


@cache
def scene(middle: int = 1500, side: int = 1400) -> bytes:
    """A photo of 2400 x 3200 pixels with one face."""
    return jpeg(on_canvas(2400, 3200, (middle - side // 2, 500, side)))


def averaged(pixels: Pixels, by: int) -> Pixels:
    height, width = (side // by * by for side in pixels.shape[:2])
    size = (width // by, height // by)
    return np.asarray(
        cv2.resize(pixels[:height, :width], size, interpolation=cv2.INTER_AREA), np.uint8
    )


@pytest.fixture
def decodes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Record the reduction of each decoded picture, in order."""
    seen: list[int] = []

    def counted(*args: Any, **options: Any) -> Decoded:
        decoded = decode(*args, **options)
        seen.append(decoded.reduced)
        return decoded

    monkeypatch.setattr(photo_module, "decode", counted)
    return seen


@pytest.mark.parametrize(
    ("height", "width", "least", "reduced"),
    [
        (1200, 2000, None, 1),  # not requested
        (1200, 2000, 2001, 1),  # more than there is
        (1200, 2000, 1001, 1),
        (1200, 2000, 1000, 2),  # the longer side keeps exactly 1000
        (2000, 1200, 500, 4),
        (1200, 2000, 1, 8),  # libjpeg goes no further
        (5, 2000, 1, 4),  # the shorter side keeps at least one pixel
        (1, 1, 1, 1),
        (1201, 2003, 1000, 2),  # sides that cannot be halved are rounded up
    ],
)
def test_a_jpeg_is_reduced_as_far_as_it_may(
    height: int, width: int, least: float | None, reduced: int
) -> None:
    decoded = decode(jpeg(photo(1, height, width)), least=least)
    assert decoded.reduced == reduced
    assert decoded.pixels.shape == (-(-height // reduced), -(-width // reduced), 3)


@pytest.mark.parametrize("format", ["png", "webp", "bmp", "gif", "tiff"])
def test_other_types_are_not_reduced(format: str) -> None:  # noqa: A002
    pixels = photo(1, 60, 80)
    assert decode(encoded(pixels, format), least=10).reduced == 1


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({}, id="colour, chroma halved"),
        pytest.param({"subsampling": 0}, id="colour"),
        pytest.param({"progressive": True}, id="progressive"),
        pytest.param({"mode": "L"}, id="grey"),
        pytest.param({"mode": "CMYK"}, id="CMYK"),
        *(pytest.param({"orientation": n}, id=f"orientation {n}") for n in range(1, 9)),
    ],
)
@pytest.mark.parametrize("by", [2, 4, 8])
def test_a_reduced_picture_is_the_whole_one_averaged(options: dict[str, Any], by: int) -> None:
    data = jpeg(WIDE, **options)
    whole, small = decode(data), decode(data, least=2000 / by)
    assert (small.reduced, small.notes) == (by, whole.notes)
    off = np.abs(small.pixels.astype(int) - averaged(whole.pixels, by))
    assert off.max() <= 6
    assert off.mean() <= 1


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("part", [0.05, 0.3, 0.6, 0.9, 0.99])
@pytest.mark.parametrize("least", [1000, 250])
def test_what_is_truncated_is_refused(part: float, progressive: bool, least: int) -> None:
    data = jpeg(WIDE, progressive=progressive)
    with pytest.raises(ImageError, match=r"a\.jpg: truncated"):
        decode(data[: int(part * len(data))], "a.jpg", least=least)


@pytest.mark.parametrize(
    ("options", "most", "reduced"),
    [
        ({}, 40_000_000, 1),  # 2000 x 1200 pixels of 16 bytes
        ({}, 20_000_000, 2),
        ({}, 1_000_000, 8),
        # The coefficients stay whole: 2 bytes for each, of which 4:2:0 has 1.5 a pixel.
        ({"progressive": True}, 20_000_000, 2),
        ({"progressive": True}, 10_000_000, 4),
        ({"progressive": True}, 8_000_000, 8),
    ],
)
def test_a_jpeg_is_reduced_until_it_fits_into_memory(
    options: dict[str, Any], most: int, reduced: int, decodes: list[int]
) -> None:
    opened = Photo(jpeg(WIDE, **options), max_memory=most)
    assert opened.view(2000).reduced == reduced
    assert opened.full().shape == (1200 // reduced, 2000 // reduced, 3)
    assert opened.view(1500).reduced == reduced
    assert len(decodes) <= 2


@pytest.mark.parametrize(("options", "most"), [({}, 500_000), ({"progressive": True}, 7_500_000)])
def test_what_does_not_fit_at_an_eighth_is_refused(options: dict[str, Any], most: int) -> None:
    with pytest.raises(ImageError, match="2000x1200 pixels are too many: they take "):
        Photo(jpeg(WIDE, **options), max_memory=most).view(10)


def test_a_large_face_is_found_and_cut_out_of_one_reduced_picture(decodes: list[int]) -> None:
    opened = Photo(scene())
    (face,) = opened.faces()
    (pixels, _), (there,) = opened.close([face], 48)
    assert decodes == [2]
    assert pixels.shape == (1200, 1600, 3)
    assert there.x * 2 == pytest.approx(face.x)


@pytest.mark.parametrize(("side", "again"), [(220, [2, 1]), (600, [2])])
def test_a_small_face_is_cut_out_of_a_larger_picture(
    side: int, again: list[int], decodes: list[int]
) -> None:
    opened = Photo(scene(side=side))
    (face,) = opened.faces()
    (pixels, _), (there,) = opened.close([face], 48)
    assert decodes == again
    assert detail(there, 48) >= 2 or pixels.shape == (2400, 3200, 3)


def test_what_is_seen_already_is_not_decoded_again(decodes: list[int]) -> None:
    opened = Photo(jpeg(WIDE))
    for least in (400, 500, 100, 600, 1000, 1001, 5000, 1):
        assert max(opened.view(least).pixels.shape) >= min(least, 2000)
    assert decodes == [4, 2, 1]


@pytest.mark.parametrize(("side", "middle"), [(1400, 900), (700, 2500), (300, 1500)])
def test_faces_are_given_in_the_photos_own_pixels(side: int, middle: int) -> None:
    data = scene(middle, side)
    (whole,), (face,) = find(decode(data).pixels), Photo(data).faces()
    for point, place in zip(whole.landmarks, face.landmarks, strict=True):
        assert place == pytest.approx(point, abs=0.05 * whole.height)
    assert face.height == pytest.approx(whole.height, rel=0.1)


@pytest.mark.parametrize("shape", [(2500, 12000), (12000, 2500)])
def test_a_small_face_in_a_panorama_is_found_beside_a_large_one(shape: tuple[int, int]) -> None:
    """Faces of 1,000 and of 275 pixels."""
    height, width = shape
    places = (0, 0, 2200), (width - 1500, height - 700, 600)
    large, small = Photo(jpeg(on_canvas(height, width, *places))).faces()
    assert large.height == pytest.approx(1000, rel=0.15)
    assert small.height == pytest.approx(275, rel=0.15)
    assert small.x + small.width / 2 == pytest.approx(width - 1500 + AT[0] * 600, abs=30)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("degrees", [0.0, 20.0])
def test_a_crop_is_that_of_the_whole_photo(orientation: int, degrees: float) -> None:
    data = jpeg(photo(4, 2000, 2000), orientation)
    face = frontal((1000.0, 900.0), 330.0, degrees)
    (pixels, _), (there,) = Photo(data).close([face], 48)
    assert pixels.shape[0] == 1000
    off = crop(pixels, there, 48).astype(int) - crop(decode(data).pixels, face, 48)
    assert np.abs(off).mean() < 1


def test_a_pixel_in_the_photo_is_where_it_was() -> None:
    """A white square has the same position in every view, whatever the sides are."""
    pixels = np.zeros((1203, 2005, 3), np.uint8)
    pixels[400:700, 900:1300] = 255
    for orientation in range(1, 9):
        data = jpeg(pixels, orientation)
        rows, columns = np.nonzero(decode(data).pixels[..., 0] > 128)
        for least in (1000, 500):
            small, reduced = Photo(data).view(least)
            y, x = np.nonzero(small[..., 0] > 128)
            for seen, right in ((y, rows), (x, columns)):
                # In a flipped side that is not a multiple of the reduction, it starts a bit early.
                assert seen.min() * reduced == pytest.approx(right.min(), abs=reduced)
                assert (seen.max() + 1) * reduced == pytest.approx(right.max() + 1, abs=reduced)


def test_a_face_is_scaled_with_all_it_has() -> None:
    face = frontal((100.0, 80.0), 40.0)
    twice = face.scaled(2)
    assert (twice.x, twice.y, twice.width) == (2 * face.x, 2 * face.y, 2 * face.width)
    assert twice.landmarks[3] == (2 * face.landmarks[3][0], 2 * face.landmarks[3][1])
    assert twice.score == face.score
    assert detail(twice, 48) == pytest.approx(2 * detail(face, 48)) == 4 * detail(face, 96)


def test_a_reduced_picture_hides_no_face_that_is_large_in_the_photo(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The minimum height of a face is in pixels of the photo."""
    monkeypatch.setattr(face_detection, "LEAST_SIDE", 100)
    image = on_canvas(300, 400, (200, 100, 120))
    assert find(image) == []
    (face,) = find(image, reduced=4)
    assert 100 < face.height < 400
    assert 800 < face.x < 1280


@pytest.mark.parametrize("side", [1400, 220])
def test_a_path_bytes_and_a_batch_get_one_answer(side: int, tmp_path: Path) -> None:
    classifier = Classifier()
    file = tmp_path / "large.jpg"
    file.write_bytes(scene(side=side))
    one = classifier.predict(file)
    assert len(one.faces) == 1
    opened = Photo(file.read_bytes(), name="upload.jpg")
    sources: list[Source] = [file, file.read_bytes()]
    answers = [
        classifier.predict(str(file)),
        classifier.predict(file.read_bytes()),
        *classifier.predict(sources),
        classifier.predict(opened),
    ]
    assert {answer.probability for answer in answers} == {one.probability}
    assert {answer.faces[0].face for answer in answers} == {one.faces[0].face}
    whole = classifier.predict(decode(file.read_bytes()).pixels)
    assert whole.probability == pytest.approx(one.probability, abs=0.15)


def test_a_classifier_of_whole_photos_sees_a_reduced_one(
    tmp_path: Path, decodes: list[int]
) -> None:
    classifier = Classifier(brightness_classifier(tmp_path / "m.onnx", slope=0.01))
    data = jpeg(WIDE)
    answer, whole = classifier.predict(data), classifier.predict(decode(data).pixels)
    assert decodes == [8]
    assert answer.probability == pytest.approx(whole.probability, abs=1e-3)
    assert np.abs(fit(Photo(data).whole(16), 16, 3).astype(int) - fit(WIDE, 16, 3)).max() <= 4


def test_an_array_is_looked_at_as_it_is(decodes: list[int]) -> None:
    opened = Photo(WIDE)
    face: Face = frontal((900.0, 600.0), 300.0)
    assert opened.view(10).pixels is WIDE
    (pixels, _), same = opened.close([face], 48)
    assert pixels is WIDE
    assert same == [face]
    assert decodes == []


def test_a_name_stands_in_messages() -> None:
    with pytest.raises(ImageError, match=r"^upload\.jpg: not an image"):
        Photo(b"text", name="upload.jpg").view(1)
    with pytest.raises(ImageError, match=r"none\.jpg: no such file"):
        Photo("none.jpg")
