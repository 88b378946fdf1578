"""What a training prints between its bars."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from happysad.dataset.check import check
from happysad.run import Run
from happysad.training import trainer
from happysad.training.narration import print_check, stoppable
from tests.command_line import run_command
from tests.pictures import folders


def test_what_is_left_out_and_how_many_photos_there_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = folders(tmp_path / "data", each=10)
    (data / "happy" / "notes.jpg").write_text("no picture")
    shutil.copy(data / "sad" / "000.png", data / "sad" / "again.png")
    result = check(data, tmp_path / "check", quality=False)
    capsys.readouterr()
    print_check(result)
    lines = capsys.readouterr().err.splitlines()
    assert lines[:2] == [
        "22 files; 20 photos used, in 20 groups",
        f"left out: not an image (1), exact duplicates (1); {result.page} shows them",
    ]
    assert lines[2:] == [
        f"{split}: {happy} happy, {sad} sad"
        for split, (happy, sad) in {
            name: (by_class["happy"], by_class["sad"]) for name, by_class in result.photos.items()
        }.items()
    ]
    assert sum(sum(by_class.values()) for by_class in result.photos.values()) == 20


@pytest.mark.parametrize(
    ("begun", "says"),
    [
        (True, "stopped; to continue: happysad train --resume '{run}'"),
        (False, "stopped before the training began; the same command starts again"),
    ],
)
def test_a_stopped_training_names_the_command_that_continues_it(
    begun: bool, says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = Run(tmp_path / "my run")
    if begun:
        run.folder.mkdir()
        run.config.touch()
    with pytest.raises(KeyboardInterrupt), stoppable(run):
        raise KeyboardInterrupt
    assert capsys.readouterr().err == says.format(run=run.folder) + "\n"


def test_ctrl_c_ends_the_command_without_a_traceback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(trainer, "train", interrupted)
    done = run_command("train", folders(tmp_path / "data", each=1))
    assert (done.status, done.stdout, done.stderr) == (130, b"", b"")
