"""Photos become one memory-mapped file, completely or not at all."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from happysad.dataset import drawn_faces
from happysad.dataset.arrays import load
from happysad.dataset.check import check
from happysad.dataset.manifest import Manifest
from happysad.errors import DatasetError, ImageError
from happysad.images import fit, read
from happysad.inputs import FaceCrops, FacesAndPhoto, WholePhoto
from happysad.photo import Photo
from tests.pictures import folders, photo, save

WHOLE = WholePhoto(24, 3)


@pytest.fixture
def manifest(tmp_path: Path) -> Manifest:
    data = folders(tmp_path / "data", each=6)
    return check(data, tmp_path / "out", quality=False).manifest


@pytest.mark.parametrize("channels", [1, 3])
def test_images_are_what_prediction_would_see(
    manifest: Manifest, tmp_path: Path, channels: int
) -> None:
    rows = manifest.used
    loaded = load(manifest, rows, WholePhoto(24, channels), tmp_path / "cache")
    assert isinstance(loaded.images, np.memmap)
    assert not loaded.images.flags.writeable
    for file, image in zip(manifest.files(rows), loaded.images, strict=True):
        np.testing.assert_array_equal(image, fit(read(file), 24, channels))
    assert loaded.classes.dtype == np.float32
    assert loaded.classes.tolist() == [0.0] * 6 + [1.0] * 6
    assert loaded.groups == rows["group"].tolist()


def test_the_second_time_reads_no_photo(manifest: Manifest, tmp_path: Path) -> None:
    first = load(manifest, manifest.used, WHOLE, tmp_path / "cache")
    for file in manifest.files(manifest.used):
        file.unlink()
    again = load(manifest, manifest.used, WHOLE, tmp_path / "cache")
    np.testing.assert_array_equal(again.images, first.images)


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="lists what is mapped on Linux")
def test_the_file_is_not_mapped_when_it_is_renamed(
    manifest: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Windows does not rename a file that is mapped."""
    maps: list[str] = []
    replace = Path.replace

    def watched(path: Path, new: Path) -> Path:
        maps.append(Path("/proc/self/maps").read_text())
        return replace(path, new)

    monkeypatch.setattr(Path, "replace", watched)
    loaded = load(manifest, manifest.used, WHOLE, tmp_path / "cache")
    assert loaded.images.any()
    (mapped,) = maps
    assert str(tmp_path / "cache") not in mapped


def test_other_contents_have_other_files(manifest: Manifest, tmp_path: Path) -> None:
    rows, cache = manifest.used, tmp_path / "cache"
    for chosen, network_input in (
        (rows, WHOLE),
        (rows, WholePhoto(24, 1)),
        (rows, WholePhoto(16, 3)),
        (rows[::-1], WHOLE),
        (rows[1:], WHOLE),
    ):
        load(manifest, chosen, network_input, cache)
    assert len(list(cache.iterdir())) == 5
    load(manifest, rows, FaceCrops(24, 3), cache)  # a given face crop is used as a whole
    assert len(list(cache.iterdir())) == 5
    renamed = rows.assign(path="elsewhere")
    load(manifest, renamed, WHOLE, cache)


def test_a_changed_file_is_named(manifest: Manifest, tmp_path: Path) -> None:
    save(tmp_path / "data" / "sad" / "003.png", photo(99))
    with pytest.raises(DatasetError, match=r"003\.png: the file has changed"):
        load(manifest, manifest.used, WHOLE, tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []
    (tmp_path / "data" / "sad" / "003.png").unlink()
    with pytest.raises(ImageError, match=r"003\.png: no such file"):
        load(manifest, manifest.used, WHOLE, tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


@pytest.mark.parametrize("damage", [b"", b"\x93NUMPY", b"text"])
def test_a_damaged_cache_is_made_anew(manifest: Manifest, tmp_path: Path, damage: bytes) -> None:
    first = np.array(load(manifest, manifest.used, WHOLE, tmp_path / "cache").images)
    (file,) = (tmp_path / "cache").iterdir()
    file.write_bytes(damage)
    np.testing.assert_array_equal(
        load(manifest, manifest.used, WHOLE, tmp_path / "cache").images, first
    )
    file.write_bytes(file.read_bytes()[:-1])  # one byte short
    np.testing.assert_array_equal(
        load(manifest, manifest.used, WHOLE, tmp_path / "cache").images, first
    )


def test_no_photos(manifest: Manifest, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no photos"):
        load(manifest, manifest.used[:0], WHOLE, tmp_path / "cache")


def test_a_full_disk(manifest: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: _Disk())
    with pytest.raises(DatasetError, match="set XDG_CACHE_HOME"):
        load(manifest, manifest.used, WHOLE, tmp_path / "cache")


class _Disk:
    free = 10


def test_the_default_cache(
    manifest: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    load(manifest, manifest.used, WHOLE)
    assert len(list((tmp_path / "xdg" / "happysad" / "arrays").glob("*.npy"))) == 1


def test_faces_are_what_prediction_would_see_and_found_once(tmp_path: Path) -> None:
    for number in range(6):
        label = ("happy", "sad")[number % 2]
        face = drawn_faces.face(label, np.random.default_rng(number), 160)
        save(tmp_path / "data" / label / f"{number}.png", face if number < 4 else photo(number))
    checked = check(tmp_path / "data", tmp_path / "out", quality=False)
    manifest, cache = checked.manifest, tmp_path / "cache"
    rows = manifest.used
    seen = FacesAndPhoto(24, 1)
    loaded = load(manifest, rows, seen, cache)
    assert 0 < (loaded.inputs["weights"] > 0).any(axis=1).sum() < 6
    for place, file in enumerate(manifest.files(rows)):
        for name, values in seen.prepare(Photo(file)).inputs.items():
            np.testing.assert_array_equal(loaded.inputs[name][place], values[0])
    assert loaded.classes.tolist() == [0.0] * 3 + [1.0] * 3
    np.testing.assert_array_equal(loaded.images, loaded.inputs["photo"])

    for file in manifest.files(rows):
        file.unlink()
    again = load(manifest, rows, seen, cache)
    np.testing.assert_array_equal(again.inputs["faces"], loaded.inputs["faces"])
    with pytest.raises(ImageError):  # another size is another file
        load(manifest, rows, FacesAndPhoto(32, 1), cache)
