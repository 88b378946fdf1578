"""Measure the seconds to Teach's first result and to the whole training, and how good both are.

    python benchmarks/first_result.py DIR --write FILE

The script draws whole groups of near-duplicates from the class folders happy and sad of DIR until
it has 60 photos, half of each class. It gives them to Teach, as the server does, and waits for the
first result and for the end of the training. It evaluates both classifiers and the built-in one on
all other photos of DIR. A photo without a face counts as wrong; the second table is of the photos
in which a face is found. Each further draw repeats this with other photos. Seconds are those of the
clock on an idle machine; the load average is printed.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
from few_photos import draw, link
from numpy.typing import NDArray
from paired import table

from happysad.classifier import Classifier
from happysad.dataset.check import check
from happysad.files import write_text
from happysad.web.teach.jobs import Jobs

# The names in the table; they are also the keys of the seconds.
_BUILT_IN, _FIRST, _TRAINED = "built-in", "first result", "trained"


def main() -> None:
    """Teach on every draw; print and write a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--photos", type=int, default=60)
    parser.add_argument("--draws", type=int, default=3)
    parser.add_argument("--write", type=Path, help="file to which the table is also written")
    chosen = parser.parse_args()

    right: dict[str, list[NDArray[np.bool_]]] = {_BUILT_IN: [], _FIRST: [], _TRAINED: []}
    seconds: dict[str, list[float]] = {_FIRST: [], _TRAINED: []}
    judged: list[pd.DataFrame] = []
    seen: list[NDArray[np.bool_]] = []
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        classes = ("happy", "sad")
        manifest = check(chosen.data, work / "check", classes=classes, quality=False).manifest
        for number in range(chosen.draws):
            learned = draw(manifest, chosen.photos, number, equal=True)
            teach = work / f"teach-{number}"
            link(manifest, learned, teach / "photos")
            for name, value in _teach(teach).items():
                seconds[name].append(value)
            others = manifest.used.drop(learned.index)
            judged.append(others)
            files, truth = manifest.files(others), others["label"].to_numpy()
            runs = teach / "runs"
            for name, model in (
                (_BUILT_IN, Classifier()),
                (_FIRST, Classifier(runs / "1-first")),
                (_TRAINED, Classifier(runs / "1")),
            ):
                p = [answer.probabilities for answer in model.predict(files)]
                labels = np.array([max(classes, key=one.__getitem__) if one else "" for one in p])
                right[name].append(np.asarray(labels == truth))
                if name == _BUILT_IN:  # all find the same faces
                    seen.append(np.asarray(labels != ""))
            said = ", ".join(f"{name} {parts[-1].mean():.3f}" for name, parts in right.items())
            took = ", ".join(f"{name} {values[-1]:.1f} s" for name, values in seconds.items())
            print(f"draw {number}: {said} (n = {len(others)}); {took}", flush=True)
    answered = {name: np.concatenate(parts) for name, parts in right.items()}
    groups, there = pd.concat(judged)["group"], np.concatenate(seen)
    text = table(answered, groups)
    text += f"\nThe {there.sum():,} of these photos in which a face is found:\n\n"
    text += table({name: its[there] for name, its in answered.items()}, groups[there])
    took = "; ".join(
        f"{name} {', '.join(f'{one:.1f}' for one in values)}" for name, values in seconds.items()
    )
    text += (
        f"\nLearned from {chosen.photos} photos of {chosen.data.name}, {chosen.draws} draws; "
        f"evaluated on the others. Seconds from the start, of each draw: {took} "
        f"(load average before: {load:.1f}).\n"
    )
    print(text, end="")
    if chosen.write:
        write_text(chosen.write, text)


def _teach(folder: Path) -> dict[str, float]:
    """Return the seconds to the first result and to the end of a training in Teach's folder."""
    jobs, began = Jobs(folder), time.perf_counter()
    seconds: dict[str, float] = {}
    jobs.train()
    while _TRAINED not in seconds:
        time.sleep(0.1)
        job = jobs.job()
        if job is None or job.error is not None:
            raise SystemExit(f"the training failed: {job and job.error}")
        if job.first:
            seconds.setdefault(_FIRST, time.perf_counter() - began)
        if job.state == "done":
            seconds[_TRAINED] = time.perf_counter() - began
    return seconds


if __name__ == "__main__":
    main()
