"""Results of chosen answers, without a classifier."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

from happysad.batch.results import Made, Results
from happysad.batch.tables import photo_row
from happysad.errors import ErrorCode
from happysad.face_detection import Face
from happysad.predictions import NO_FACE, FacePrediction, Failure, Prediction

__all__ = ["answer", "face", "write_results"]


def face(
    label: str, x: float = 10, y: float = 5, width: float = 8, height: float = 6, p: float = 0.9
) -> FacePrediction:
    """Return the answer for one face; `p` is the probability of its class, or of happy."""
    happy = 1 - p if label == "sad" else p
    box = Face(x=x, y=y, width=width, height=height, landmarks=((0.0, 0.0),) * 5, score=1.0)
    return FacePrediction(label=label, probabilities={"happy": happy, "sad": 1 - happy}, face=box)


def answer(path: Path | str, *faces: FacePrediction, error: bool = False) -> Prediction:
    """Return the answer for a photo: that of its first face, no_face, or an error."""
    if error:
        return Prediction(source=str(path), error=Failure(ErrorCode.NOT_AN_IMAGE, "no image"))
    if not faces:
        return Prediction(source=str(path), label=NO_FACE)
    first = faces[0]
    return Prediction(
        source=str(path), label=first.label, probabilities=first.probabilities, faces=faces
    )


def write_results(
    folder: Path,
    photos: Path,
    answers: Sequence[Prediction],
    taken: Mapping[str, datetime] | None = None,
) -> Results:
    """Write results in which photos of the folder `photos` have some answers; return them.

    Args:
        folder: the folder of results; parts that exist are replaced.
        photos: the source of the results.
        answers: the answers.
        taken: when photos were taken, by path.
    """
    made = Made(
        sources=(str(photos),),
        folder=str(photos.parent),
        classifier="face.onnx",
        sha256=64 * "0",
        classes=("happy", "sad"),
        faces="find",
        unsure=True,
        format="jsonl",
        shard=3,
    )
    results = Results.begin(folder, made)
    results.prepare()
    by_path = {str(one.path): one for one in answers}
    results.add(by_path)
    for shard in results.shards():
        own = [by_path[path] for path in shard.paths]
        rows = [photo_row(one, (taken or {}).get(str(one.path))) for one in own]
        faces = [row for one in own if one.faces for row in one.face_rows()]
        results.write(shard, rows, faces)
    return Results.open(folder)
