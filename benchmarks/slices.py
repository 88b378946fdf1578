"""Measure how well the automatic slices of `happysad evaluate` find weak groups of photos.

    PYTHONPATH=. python benchmarks/slices.py scenes=happy:DIR,sad:DIR faces=FACES --write FILE

Each set is named, with the folder of each of its classes, of happy, neither and sad; a class may
have several folders. FACES is a folder of the recipe, with train/ and votes.csv: then the faces are
those of train/ from which the classifier that ships has not learned, and their classes are those
with the most votes. A set without neither is judged on happy against sad.

The first table has each slice of each set, as `evaluate` prints it, for the classifier that ships.

The second table has a known truth. The photos and their slices are those of the set, and the
answers are drawn: all photos of a group and class are answered rightly with the accuracy on this
class, so no slice differs but by its mix of classes. Then a share of the labels of one slice, drawn
among those that are compared, is wrong, which makes a wrong answer of a right one, and a right one
of a wrong one. "Named" is the share of draws in which this slice is called worse than the others;
without wrong labels, it is the share of draws in which any slice is said to differ.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import NormalDist

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from happysad.classifier import BATCH, Classifier
from happysad.dataset.duplicates import near_groups
from happysad.dataset.scan import scan
from happysad.evaluation.automatic_slices import PhotoMeasures, automatic_slices, measure
from happysad.evaluation.metrics import Figure
from happysad.evaluation.slices import Slice, score_slices
from happysad.files import write_text
from happysad.images import read_bytes
from happysad.inputs import Prepared
from happysad.parallel import ordered_map
from happysad.photo import Photo
from happysad.predictions import Faces
from happysad.probability import among
from happysad.progress import track
from recipes.face import photos
from recipes.face.fer_plus import read_votes
from recipes.face.votes import true_classes

_SHARES = (0.0, 0.1, 0.2)


@dataclass(frozen=True)
class Judged:
    """Answered photos of a set."""

    values: pd.DataFrame
    """Their slices, as `automatic_slices` returns them."""
    right: NDArray[np.bool_]
    y: NDArray[np.intp]
    groups: list[str]

    def slices(self, right: NDArray[np.bool_]) -> tuple[Slice, ...]:
        """Return the slices with other answers."""
        return score_slices(self.values, right, self.y, self.groups)


def main() -> None:
    """Judge every set; print and write both tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sets", nargs="+", metavar="NAME=CLASS:DIR,... or NAME=FACES")
    parser.add_argument("--seeds", type=int, default=200)
    parser.add_argument("--write", type=Path, help="file to which the tables are also written")
    chosen = parser.parse_args()
    slices = [
        "| photos | slice | n | accuracy (95 %) | points above the others | p | it is |",
        "|---|---|---|---|---|---|---|",
    ]
    known = [
        "| photos | compared slices | labels wrong in one slice | named (95 %) |",
        "|---|---|---|---|",
    ]
    for given in chosen.sets:
        name, _, what = given.partition("=")
        judged = _of_folders(what) if ":" in what else _of_faces(Path(what))
        for lines, more in (
            (slices, _slices(name, judged)),
            (known, _known(name, judged, chosen.seeds)),
        ):
            lines += more
            print("\n".join(more), flush=True)
    text = "\n".join(
        [
            *slices,
            "",
            "The others are weighted to the mix of classes of the slice. The intervals of the "
            "differences, and p, are corrected for the number of slices in the set. One with fewer "
            "than 30 photos is not compared.",
            "",
            *known,
            "",
            f"{chosen.seeds} draws for each row.",
        ]
    )
    if chosen.write:
        write_text(chosen.write, text + "\n")


def _of_folders(given: str) -> Judged:
    """Judge the photos of folders, such as "happy:photos/happy,sad:photos/sad"."""
    parts = [part.split(":", 1) for part in given.split(",")]
    files = [
        (file, label)
        for label, folder in parts
        for file in sorted(Path(folder).rglob("*"))
        if file.is_file()
    ]
    return _judged(files, Faces.FIND)


def _of_faces(faces: Path) -> Judged:
    """Judge the faces of a recipe's folder from which the classifier that ships did not learn."""
    manifest = photos.manifest(faces / "train")
    rows = pd.concat([manifest.of("val"), manifest.of("test")])
    paths = [f"train/{path}" for path in rows["path"]]
    votes = read_votes(faces).reindex(paths, fill_value=0)
    truth = true_classes(votes.to_numpy())[1]
    classes = Classifier().classes
    files = [
        (faces / path, classes[place])
        for path, place in zip(paths, truth, strict=True)
        if place >= 0
    ]
    return _judged(files, Faces.GIVEN)


def _judged(files: Sequence[tuple[Path, str]], faces: Faces) -> Judged:
    """Answer photos as `evaluate` does; those without an answer are left out."""
    classifier = Classifier()
    labels = {label for _, label in files}
    places = [p for p, name in enumerate(classifier.classes) if name in labels or name != "neither"]
    with tempfile.TemporaryDirectory() as folder:
        for number, (file, label) in enumerate(files):
            link = Path(folder, label, f"{number:05}{file.suffix}")
            link.parent.mkdir(exist_ok=True)
            link.symlink_to(file.resolve())
        table = scan(Path(folder), sorted(labels), quality=False).table
        rows = table[table["pixels"] != ""].reset_index(drop=True)

        def prepare(path: str) -> tuple[Prepared, PhotoMeasures]:
            photo = Photo(read_bytes(Path(folder, path)), name=path)
            prepared = classifier.input.prepare(photo, faces=faces, threads=1)
            return prepared, measure(photo, prepared.faces if faces == Faces.FIND else None)

        seen = list(track(ordered_map(prepare, rows["path"].tolist()), "judging", len(rows)))
    p = [
        answer
        for at in range(0, len(seen), BATCH)
        for answer, _ in classifier.combined([one for one, _ in seen[at : at + BATCH]])
    ]
    there = [place for place, one in enumerate(p) if one is not None]
    known = among(np.array([p[place] for place in there]), places).argmax(axis=1)
    names = np.array(classifier.classes)[places][known]
    rows = rows.assign(group=near_groups(rows)).iloc[there]
    return Judged(
        automatic_slices([seen[place][1] for place in there]),
        np.asarray(names == rows["label"].to_numpy()),
        np.unique(rows["label"], return_inverse=True)[1],
        rows["group"].tolist(),
    )


def _slices(name: str, judged: Judged) -> list[str]:
    """Return a row for each slice."""
    lines = []
    for one in judged.slices(judged.right):
        p = "" if one.p is None else "< 0.001" if one.p < 0.001 else f"{one.p:.3f}"
        gap = "" if one.gap.value is None else _cell(one.gap, 100, "+.1f")
        lines.append(
            f"| {name} | {one.name} | {one.n:,} | {_cell(one.accuracy)} | {gap} | {p} "
            f"| {one.verdict} |"
        )
    return lines


def _known(name: str, judged: Judged, seeds: int) -> list[str]:
    """Return a row for each share of wrong labels in one slice."""
    accuracy = float(judged.right.mean())
    of_class = np.bincount(judged.y, judged.right) / np.bincount(judged.y)
    slices = judged.slices(judged.right)
    compared = [one.name for one in slices if one.p is not None]
    sizes = [one.n for one in slices if one.p is not None]
    both = np.column_stack([np.unique(judged.groups, return_inverse=True)[1], judged.y])
    drawn, group = np.unique(both, axis=0, return_inverse=True)
    likely = of_class[drawn[:, 1]]
    lines = []
    for share in _SHARES:
        named = 0
        for seed in range(seeds):
            rng = np.random.default_rng((seed, round(100 * share)))
            right = (rng.random(len(drawn)) < likely)[group]
            weak = rng.choice(compared)
            column, _, value = weak.partition(": ")
            inside = np.flatnonzero(judged.values[column] == value)
            wrong = rng.choice(inside, round(share * len(inside)), replace=False)
            right[wrong] = ~right[wrong]
            found = judged.slices(right)
            differ = [one for one in found if one.is_proven]
            worse = [one.name for one in differ if (one.gap.value or 0) < 0]
            named += weak in worse if share else bool(differ)
        what = f"{100 * share:.0f} %" if share else "none: any slice is named"
        size = f"{len(compared)}, n = {min(sizes):,} to {max(sizes):,}"
        lines.append(
            f"| {name}, n = {len(group):,}, accuracy {accuracy:.3f} | {size} | {what} "
            f"| {_cell(_wilson(named, seeds))} |"
        )
    return lines


def _wilson(count: int, n: int) -> Figure:
    """Return a share with Wilson's interval."""
    z, share = NormalDist().inv_cdf(0.975), count / n
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * (share * (1 - share) / n + z * z / (4 * n * n)) ** 0.5
    return Figure(share, (max(0.0, middle - half), min(1.0, middle + half)))


def _cell(figure: Figure, times: float = 1, form: str = ".3f") -> str:
    assert figure.value is not None
    assert figure.interval is not None
    low, high = (times * value for value in figure.interval)
    return f"{times * figure.value:{form}} ({low:{form}} to {high:{form}})"


if __name__ == "__main__":
    main()
