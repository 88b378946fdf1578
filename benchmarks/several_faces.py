"""Compare ways to combine the answers for the faces of a photo.

    python benchmarks/several_faces.py PHOTOS --write FILE

PHOTOS holds the folders happy and sad with whole photos. The shipped classifier answers for each
face; each way combines the same answers. The table shows the photos with at least two faces: the
balanced accuracy of happy against sad with neither left out, and the shares of happy and sad photos
whose most probable class is right. The intervals are 95 % percentile bootstrap intervals over
photos.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from happysad.classifier import Classifier
from happysad.evaluation.metrics import interval
from happysad.files import write_text
from happysad.probability import mean

_Floats = NDArray[np.float64]
_HAPPY, _NEITHER, _SAD = range(3)
_RESAMPLES = 1000


def _arithmetic(p: _Floats, weights: _Floats) -> _Floats:
    return np.asarray(np.average(p, axis=0, weights=weights))


# Each way takes the faces' probabilities, shape (n, 3), and their areas, shape (n,).
_WAYS: dict[str, Callable[[_Floats, _Floats], _Floats]] = {
    "mean of logarithms, by the root of the area (happysad's)": lambda p, a: mean(p, np.sqrt(a)),
    "mean of logarithms, all faces alike": lambda p, a: mean(p, np.ones(len(a))),
    "mean of logarithms, by the area": mean,
    "mean of logarithms, by root of area times (1.3 - p_neither)": lambda p, a: mean(
        p, np.sqrt(a) * (1.3 - p[:, _NEITHER])
    ),
    "mean of probabilities, by the root of the area": lambda p, a: _arithmetic(p, np.sqrt(a)),
    "the largest face alone": lambda p, a: p[a.argmax()],
}


def main() -> None:
    """Predict the photos, combine the faces in every way; print and write a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos", type=Path)
    parser.add_argument("--write", type=Path, help="file to which the table is also written")
    chosen = parser.parse_args()

    classifier = Classifier()
    photos, sad = [], []
    for label in ("happy", "sad"):
        for answer in classifier.predict(sorted((chosen.photos / label).iterdir())):
            if len(answer.faces) > 1:
                p = np.array([list(face.probabilities.values()) for face in answer.faces])
                area = np.array([one.face.width * one.face.height for one in answer.faces])
                photos.append((p, area))
                sad.append(label == "sad")
    truth = np.array(sad)
    lines = [
        "| way | balanced happy/sad (95 %) | happy called happy (95 %) | sad called sad (95 %) |",
        "|---|---|---|---|",
    ]
    for name, combined in _WAYS.items():
        p = np.array([combined(*photo) for photo in photos])
        value = _figures(p, truth)
        rng = np.random.default_rng(0)
        drawn = [rng.integers(len(truth), size=len(truth)) for _ in range(_RESAMPLES)]
        again = np.array([_figures(p[rows], truth[rows]) for rows in drawn])
        spans = [interval(again[:, column]) for column in range(3)]
        cells = [
            f"{one:.3f}" if span is None else f"{one:.3f} ({span[0]:.3f} to {span[1]:.3f})"
            for one, span in zip(value, spans, strict=True)
        ]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    count = f"{(~truth).sum()} happy and {truth.sum()} sad photos with at least two faces."
    text = "\n".join([*lines, "", count]) + "\n"
    print(text, end="")
    if chosen.write:
        write_text(chosen.write, text)


def _figures(p: _Floats, sad: NDArray[np.bool_]) -> list[float]:
    with np.errstate(invalid="ignore"):
        called, answer = p[:, _SAD] > p[:, _HAPPY], p.argmax(axis=1)
        balanced = (np.mean(~called[~sad]) + np.mean(called[sad])) / 2
        return [
            float(balanced),
            float(np.mean(answer[~sad] == _HAPPY)),
            float(np.mean(answer[sad] == _SAD)),
        ]


if __name__ == "__main__":
    main()
