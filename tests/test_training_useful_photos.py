"""The photos that would teach most: those that differ, new and with a face."""

from __future__ import annotations

from pathlib import Path

import pytest

from happysad.dataset.check import check
from happysad.errors import DatasetError
from happysad.training.useful_photos import find_useful
from tests.pictures import folders, photo, save


def test_photos_that_cannot_be_used_are_refused(tmp_path: Path) -> None:
    data = folders(tmp_path / "data", each=6)
    manifest = check(data, tmp_path / "check", quality=False).manifest
    with pytest.raises(DatasetError, match="none of 1 photo can be labelled: they have no face"):
        find_useful(manifest, manifest.files(manifest.used)[:1], 5, ())
    large = save(tmp_path / "new" / "large.png", photo(53, 400, 400))
    with pytest.raises(DatasetError, match="must all be face crops, or all be whole photos"):
        find_useful(manifest, [large], 5, ())
