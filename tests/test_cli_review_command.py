"""happysad review: which photos its page shows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from happysad.dataset.check import check
from happysad.dataset.scan import pixels_hash
from happysad.label_review import DECISIONS, Decision, write_decisions
from happysad.web.review import Review
from tests.command_line import run_command
from tests.pictures import folders, photo, save


def test_photos_without_labels_are_measured_and_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[Review] = []

    def serve(review: Review, *_: Any, **__: Any) -> None:
        shown.append(review)

    monkeypatch.setattr("happysad.web.review.serve_review", serve)
    data, out = folders(tmp_path / "data", each=6), tmp_path / "check"
    known = check(data, out, quality=False).manifest.used["path"].iloc[0]
    library = tmp_path / "library"
    for seed in (50, 51, 52):
        save(library / f"{seed}.png", photo(seed))
    (library / "known.png").write_bytes((data / known).read_bytes())
    decided = pixels_hash(photo(52))
    write_decisions(out / DECISIONS, {decided: Decision(decided, "52.png", "", "")})
    done = run_command("review", data, "--from", library, "--check-folder", out)
    assert done.status == 0, done.stderr
    [review] = shown
    names = sorted(Path(one.path).name for one in review.photos.values())
    assert names == ["50.png", "51.png"]
    assert review.classes == ["happy", "sad"]


def test_wrong_calls_are_refused(tmp_path: Path) -> None:
    data = folders(tmp_path / "data", each=1)
    done = run_command("review", data, "--most-useful", "3")
    assert (done.status, "--most-useful 3 needs --from LIBRARY" in done.stderr.decode()) == (
        2,
        True,
    )
    done = run_command("review", data, "--from", data, cwd=tmp_path)
    assert (done.status, "first run happysad train" in done.stderr.decode()) == (2, True)
