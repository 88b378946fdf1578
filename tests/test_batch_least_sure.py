"""The photos of a library of which its classifier is least sure."""

from __future__ import annotations

from pathlib import Path

from happysad.batch.least_sure import least_sure
from tests.written_results import answer, face, write_results


def test_the_smallest_margins_of_photos_in_the_sources_come_first(tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    answers = [
        answer(photos / "sure.jpg", face("happy", p=0.9)),
        answer(photos / "unsure.jpg", face("sad", p=0.51)),
        answer(photos / "between.jpg", face("happy", p=0.7)),
        answer(photos / "nobody.jpg"),
        answer(photos / "broken.jpg", error=True),
        answer(tmp_path / "elsewhere" / "unsure.jpg", face("happy", p=0.5)),
    ]
    write_results(tmp_path / "results", photos, answers)
    found = least_sure(tmp_path / "results", 2)
    assert [file.name for file in found] == ["unsure.jpg", "between.jpg"]
    assert found[0].parent == photos
