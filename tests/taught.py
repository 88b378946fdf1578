"""A real training with Teach: what it goes through, and what it leaves."""

from __future__ import annotations

import hashlib
import threading
import time
from pathlib import Path
from typing import Any

import httpx2

__all__ = ["EACH", "States", "check_run"]

#: The number of photos of each class: one without a face, and the fewest with one.
EACH = 13


class States:
    """The states of a training in their order, watched until it has ended."""

    def __init__(self, one: httpx2.Client) -> None:
        self._one = one
        self._seen: list[str] = []
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        while not self._seen or self._seen[-1] in ("checking", "training", "judging"):
            job = self._one.get("/v1/teach").json()["job"]
            if job is not None and job["state"] not in self._seen[-1:]:
                self._seen.append(job["state"])
            time.sleep(0.1)  # to ask takes time from the training

    def all(self) -> list[str]:
        self._thread.join(timeout=300)
        assert not self._thread.is_alive()
        return self._seen


def check_run(one: httpx2.Client, folder: Path, photo: bytes) -> None:
    """Compare the first run of Teach's folder, from `EACH` drawn faces a class, and use it."""
    state: dict[str, Any] = one.get("/v1/teach").json()
    job, [first, run] = state["job"], state["runs"]
    assert (job["error"], job["state"]) == (None, "done")
    assert job["epoch"] == job["epochs"] == len(job["history"]) == 30
    assert "No face was found in 2 of 26 photos" in job["notes"][0]
    assert run["notes"][: len(job["notes"])] == job["notes"]
    for row, n in ((first, 24), (run, 2)):
        assert row["notes"][-2].startswith("It is ")  # beside the built-in classifier
        assert row["n_test"] == n
        assert row["notes"][-1].startswith(f"{n} photos prove little")
    assert "<h1>" in one.get("/v1/teach/check/report.html").text
    assert "<h1>" in one.get(run["report"]).text
    assert one.get("/v1/teach/runs/1/plots/confusion.png").status_code == 200
    before = one.get("/v1/model").json()["sha256"]
    used = one.post("/v1/teach/use", json={"run": 1}).json()
    assert used["sha256"] == hashlib.sha256(one.get(run["model"]).content).hexdigest() != before
    assert (used["details"]["trained_on"], used["details"]["looks_at"]) == (18, "face")
    answer = one.post("/v1/predict", content=photo)
    assert answer.json()[0]["label"] in ("happy", "sad")
    assert sorted(file.name for file in (folder / "runs").iterdir()) == ["1", "1-first"]
    assert not list((folder / "cache").rglob("*.png"))  # no face is left
    assert not (folder / "cache" / "happysad").exists()
