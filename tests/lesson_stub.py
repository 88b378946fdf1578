"""A stand-in for the training process of Teach, which writes its files without training.

The variable HAPPYSAD_STUB selects its behaviour: refuse, disk, break, die, hang or finish. The
process is started like the real one, but by the path of this file.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from pathlib import Path

from happysad.errors import DatasetError
from happysad.training.lesson_process import main

NOTES = '["No face was found in one."]'
HISTORY = "epoch,seconds,images_per_second,learning_rate,loss,accuracy,val_loss,val_accuracy\n"


def check(photos: str, classes: list[str], work: str, out: str) -> dict[str, int]:
    """Return the number of files after doing what HAPPYSAD_STUB selects."""
    return _check(Path(photos), Path(work), Path(out))


def _check(photos: Path, work: Path, out: Path) -> dict[str, int]:
    work.mkdir(parents=True)
    step = {"what": "reading", "done": 1, "total": 4, "share": 0.2, "seconds_left": 7.0}
    (work / "step.json").write_text(json.dumps(step))
    out.mkdir(exist_ok=True)
    (out / ".manifest-1234.csv").write_text("half")
    _do(os.environ["HAPPYSAD_STUB"], photos, out)
    (out / ".manifest-1234.csv").unlink()
    (out / "report.html").write_text("<p>checked</p>")
    return {"files": len(list(photos.rglob("*.png"))), "dark": 0}


def train(photos: str, classes: list[str], work: str, run: str, fewest: int) -> None:
    """Write two epochs, do what HAPPYSAD_STUB selects, then write the rest of a run."""
    _train(Path(photos), Path(work), Path(run))


def _train(photos: Path, work: Path, run: Path) -> None:
    (work / "faces").mkdir(parents=True)
    (work / "faces" / "1.png").write_text("face")
    (work / "notes.json").write_text(NOTES)
    step = {"what": "training", "done": 1, "total": 3, "share": 0.5, "seconds_left": 9.0}
    (work / "step.json").write_text(json.dumps(step))
    _result(run.with_name(f"{run.name}-first"), n=30, right=0.9)
    temporary = run.with_name(f".{run.name}-0123abcd")
    temporary.mkdir(parents=True)
    (temporary / "config.toml").write_text('data = "photos"\nepochs = 3\nfaces = "given"\n')
    shutil.copytree(temporary, run)
    (run / "checkpoints").mkdir()
    _history(run, 2)
    cache = Path(os.environ["XDG_CACHE_HOME"], "happysad", "arrays")
    cache.mkdir(parents=True)
    (cache / "photos.npy").write_text("photos")
    _do(os.environ["HAPPYSAD_STUB"], photos, run)
    shutil.rmtree(temporary)
    _history(run, 3)
    (run / "plots").mkdir()
    (run / "plots" / "loss.png").write_bytes(b"picture")
    (run / "report.html").write_text("<p>judged</p>")
    _result(run, n=8, right=0.75)
    (run / "checkpoints" / "finished.json").write_text("{}")


def _result(run: Path, *, n: int, right: float) -> None:
    run.mkdir(parents=True, exist_ok=True)
    shutil.copy(os.environ["HAPPYSAD_STUB_MODEL"], run / "model.onnx")
    test = {"score": {"n": n, "balanced_accuracy": {"value": right, "interval": None}}}
    (run / "metrics.json").write_text(json.dumps({"test": test}))
    (run / "notes.json").write_text(NOTES)


def _history(run: Path, epochs: int) -> None:
    rows = [
        f"{epoch},1,1,0.1,0.{9 - epoch},0.5,0.{8 - epoch},0.25\n" for epoch in range(1, 1 + epochs)
    ]
    (run / "history.csv").write_text(HISTORY + "".join(rows))


def _do(what: str, photos: Path, folder: Path) -> None:
    if what == "refuse":
        raise DatasetError(f"{photos / 'happy'}: too few\nof them")
    if what == "disk":
        raise OSError(28, "No space left on device", "model.keras")
    if what == "break":
        raise ValueError("something\nodd")
    if what == "die":
        os._exit(3)
    if what == "hang":  # and write beats, which show that the process is alive
        print("said aloud")  # noqa: T201
        while True:
            with (folder.parent / "beats").open("a") as beats:
                beats.write(".")
            time.sleep(0.01)
    assert what == "finish"


if __name__ == "__main__":
    main({"check": check, "train": train})
