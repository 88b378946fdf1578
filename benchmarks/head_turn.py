"""Estimate the constant that tells how far a head is turned, from the landmarks of faces.

    python benchmarks/head_turn.py PHOTOS

If a head turns by an angle, the tip of the nose moves aside between the eyes: by c times the
tangent of the angle, in distances of the eyes. At the same time, the distance of the eyes shrinks
by the cosine of the angle, and that from eyes to mouth does not. So the square of the second,
divided by the square of the first, is a straight line over the square of the nose's way aside, and
c is the square root of the line's value at 0 divided by its slope. The script fits the line by
least squares to the largest face in each photo. The interval is a 95 % percentile bootstrap
interval over faces.

`happysad.evaluation.automatic_slices` has the constant: docs/decisions.md, "Automatic slices".
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from happysad.errors import ImageError
from happysad.evaluation import automatic_slices
from happysad.face_detection import Face, find
from happysad.images import read
from happysad.parallel import ordered_map
from happysad.progress import track

_RESAMPLES = 2000

Floats = NDArray[np.float64]


def main() -> None:
    """Measure every face; print the constant and how far the heads are turned."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos", type=Path, help="a folder of photos with faces")
    parser.add_argument("--every", type=int, default=1, help="use every nth photo")
    chosen = parser.parse_args()
    files = sorted(path for path in chosen.photos.rglob("*") if path.is_file())[:: chosen.every]
    found = list(track(ordered_map(_largest, files), "finding faces", len(files)))
    faces = [face for face in found if face is not None]
    points = np.array([_points(face) for face in faces])
    drawn = np.random.default_rng(0).integers(0, len(points), (_RESAMPLES, len(points)))
    low, high = np.percentile([_constant(points[rows]) for rows in drawn], [2.5, 97.5])
    print(f"c = {_constant(points):.3f} ({low:.3f} to {high:.3f}), n = {len(points):,} faces")
    print(f"used: {automatic_slices._NOSE}")
    turns = [automatic_slices.turn(face) for face in faces]
    of = " and ".join(f"{np.quantile(turns, share):.1f}" for share in (0.5, 0.95))
    print(f"turned by, median and 95th percentile: {of} degrees, n = {len(turns):,} faces")


def _largest(file: Path) -> Face | None:
    try:
        found = find(read(file), threads=1)
    except ImageError:
        return None
    return found[0] if found else None


def _points(face: Face) -> tuple[float, float]:
    """Return the squares of the nose's way aside and of eyes to mouth, in distances of the eyes."""
    left, right, nose, *mouth = (complex(*point) for point in face.landmarks)
    middle, eyes = (left + right) / 2, right - left
    aside = ((nose - middle) / eyes).real
    down = ((sum(mouth) / 2 - middle) / eyes).imag
    return aside**2, down**2


def _constant(points: Floats) -> float:
    slope, start = np.polyfit(points[:, 0], points[:, 1], 1)
    return float(np.sqrt(start / slope))


if __name__ == "__main__":
    main()
