from __future__ import annotations

from pathlib import Path

import pytest

from happysad.demo import demo
from happysad.errors import UsageError


@pytest.mark.slow
@pytest.mark.usefixtures("blank_plots")
def test_the_demo_does_the_whole_job(tmp_path: Path) -> None:
    lines: list[str] = []
    run = demo(tmp_path / "demo", say=lines.append)
    text = "\n".join(lines)
    assert "605 files, 600 used" in text
    assert "1 not an image, 1 truncated, 1 exact duplicate, 2 in both classes" in text
    figures = {
        name: float(line.split()[at])
        for name, start, at in (("model", "   accuracy", 1), ("larger", "   largest class:", 2))
        for line in lines
        if line.startswith(start)
    }
    assert figures["model"] > figures["larger"] + 0.2  # it has learned something
    assert "broken.jpg: not an image" in text
    assert "drawn" in text
    assert lines[-1] == "Next, with your own photos: happysad predict PHOTO"
    for name in ("model.onnx", "model.keras", "metrics.json", "report.html"):
        assert (run / name).stat().st_size > 100
    assert (run / "plots" / "worst.png").is_file()


def test_a_folder_in_use_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(UsageError, match="must be new or empty"):
        demo(tmp_path, say=print)
    assert [p.name for p in tmp_path.iterdir()] == ["mine.txt"]
