"""Judge a classifier as it ships: a run on its own test split, or any classifier on a folder."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from happysad import __version__
from happysad.classifier import Classifier
from happysad.dataset.arrays import load
from happysad.dataset.duplicates import hashes, near_pairs
from happysad.dataset.manifest import Manifest
from happysad.dataset.quality import shrink
from happysad.dataset.scan import scan
from happysad.errors import DatasetError, ImageError, UsageError
from happysad.evaluation import baselines, plots
from happysad.evaluation.calibration import EPSILON
from happysad.evaluation.metrics import score
from happysad.evaluation.report import write_report
from happysad.evaluation.selective import selective
from happysad.files import write_text
from happysad.images import read, read_bytes
from happysad.inputs import Prepared
from happysad.model_file import Outputs
from happysad.parallel import ordered_map
from happysad.photo import Photo
from happysad.predictions import Faces
from happysad.probability import with_temperature
from happysad.progress import track
from happysad.training import fused
from happysad.training.config import load_run

__all__ = ["RADIUS", "evaluate", "judge_run", "near_groups"]

#: Photos whose perceptual hashes differ in at most so many of 64 bits count as one group where no
#: manifest says which belong together.
RADIUS = 6

_BATCH = 32
_WORST = 12


def judge_run(run: Path) -> dict[str, Any]:
    """Judge a run's model.onnx on its test split, and write metrics.json, plots and report.html.

    The photos go the way of every prediction: `NetworkInput.prepare`, then the .onnx.
    Pictures that a network was trained on as face crops are judged as face crops.

    Returns:
        What metrics.json holds: ``test`` and ``val`` (`metrics.score`), ``baselines`` (on test),
        labels, model, data, temperature, threshold, seen_in_training, version and, where it looks
        at faces and photos, what `training.fused.fit` found as ``fused``.

    Raises:
        RunError: it is no run's folder.
        DatasetError: a photo is not what it was when the run began.
    """
    config, data = load_run(run / "config.toml")
    manifest = Manifest.read(run / "manifest.csv", data)
    classifier = Classifier(run)
    faces = Faces.GIVEN if classifier.input.averages_faces else Faces.FIND
    details = classifier.details
    val, test = (
        _answered(classifier, manifest, manifest.of(split), faces) for split in ("val", "test")
    )
    judging: dict[str, Any] = {
        "labels": details.classes,
        "threshold": details.threshold,
        "seed": config.seed,
    }
    metrics = {
        "version": __version__,
        "model": str(run),
        "architecture": details.architecture,
        "data": str(data),
        "labels": list(details.classes),
        "trained_on": details.trained_on,
        "temperature": details.temperature,
        "threshold": details.threshold,
        "test": score(test.y, test.p, test.groups, **judging),
        "val": score(val.y, val.p, val.groups, **judging),
        "baselines": baselines.judged(
            test.y,
            test.small,
            test.groups,
            labels=details.classes,
            seed=config.seed,
            training=_training_pictures(manifest),
        ),
        "seen_in_training": _seen(manifest, manifest.of("test")),
    }
    if (run / fused.FILE).is_file():
        metrics["fused"] = json.loads((run / fused.FILE).read_text(encoding="utf-8"))
    _write_json(run / "metrics.json", metrics)
    mistakes = _mistakes(test, manifest, details.classes, details.threshold)
    _draw(run, metrics, test, mistakes)
    write_report(run, metrics, manifest, config, mistakes)
    return metrics


def evaluate(
    model: Path,
    data: Path | None = None,
    classes: tuple[str, ...] | None = None,
    *,
    faces: Faces | str = Faces.FIND,
) -> dict[str, Any]:
    """Judge a classifier on a folder of class folders, or give a run's figures on its test split.

    With `data`, every readable photo in the two class folders is judged, whatever a check would
    say of it. Near-duplicates (perceptual hashes within `RADIUS`) form one group, so that repeated
    photos do not narrow the intervals.

    Args:
        model: an .onnx that happysad wrote, or a run's folder.
        data: the folder; None for what the run measured on its own test split when it ended.
        classes: the folders to use, in the order of the classifier's classes if their names differ
            from these; None for the folders with the names of the classes, in upper or lower case.
        faces: "find" finds the faces in the photos; "given" takes every picture for a face crop.

    Returns:
        What `metrics.score` gives, every photo being forced to one of the classes, and: model,
        data, labels, temperature, threshold, baselines, left_out (path and reason each) and
        seen_in_training: how many of the judged photos the run was trained or validated on, told by
        the file's or the pixels' sha256; None for a bare .onnx, which does not know.

        With `data` also photos: how many were looked at; and coverage, selective_accuracy and
        no_face as `selective.selective` gives them: no_face is the share of the photos in which no
        face was found, and they count as not answered. All other figures are of the n photos with
        a face, where the classifier looks at faces.

    Raises:
        UsageError: `data` is missing and `model` is no run; a class folder is missing; or `faces`
            is "given" and the classifier looks at photos.
        ClassifierError: `model` is no classifier.
        DatasetError: there is no readable photo, or none with a face.
    """
    classifier = Classifier(model)
    classifier.input.check(faces)
    if data is not None:
        return _evaluate_folder(classifier, model, data, classes, faces)
    if not model.is_dir():
        raise UsageError(
            f"{model}: an .onnx alone has no test split; name a folder of photos, or give the run "
            "as --model"
        )
    own = ("labels", "data", "temperature", "threshold", "baselines", "seen_in_training")

    def figures(metrics: dict[str, Any]) -> dict[str, Any]:
        more = {name: metrics[name] for name in own}
        return {**metrics["test"], "model": str(model), **more, "left_out": []}

    try:
        return figures(json.loads((model / "metrics.json").read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError):  # stopped before it was written, or changed
        return figures(judge_run(model))


def near_groups(rows: pd.DataFrame) -> list[str]:
    """Join photos whose perceptual hashes lie within `RADIUS`, directly or over others.

    Args:
        rows: of a manifest's table, with their `phash` and `pixels`.

    Returns:
        The name of each photo's group: the smallest `pixels` in it, which the order of the rows
        does not decide.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    values, member = np.unique(hashes(rows), return_inverse=True)
    first, second = near_pairs(values, RADIUS).T
    near = coo_array((np.ones(len(first)), (first, second)), shape=(len(values), len(values)))
    _, group = connected_components(near, directed=False)
    return rows["pixels"].groupby(group[member]).transform("min").tolist()


@dataclass(frozen=True)
class _Answered:
    """Photos with their truth and the classifier's answer."""

    rows: pd.DataFrame
    y: NDArray[np.intp]
    p: NDArray[np.float64]
    groups: list[str]
    small: NDArray[np.uint8]
    """As `baselines.small` makes them, shape (n, 1024)."""

    def with_a_face(self) -> _Answered:
        """Give those that have a p."""
        there = np.flatnonzero(np.isfinite(self.p))
        groups = [self.groups[place] for place in there]
        rows = self.rows.iloc[there].reset_index(drop=True)
        return _Answered(rows, self.y[there], self.p[there], groups, self.small[there])


def _answered(
    classifier: Classifier, manifest: Manifest, rows: pd.DataFrame, faces: Faces | str
) -> _Answered:
    """Return the classifier's answers for some rows' photos; each is read once, over all cores.

    p is NaN for a photo without a face, where the classifier needs one.
    """

    def prepare(file: tuple[Path, str]) -> tuple[Prepared, NDArray[np.uint8]]:
        path, sha256 = file
        data = read_bytes(path)
        if hashlib.sha256(data).hexdigest() != sha256:
            raise DatasetError(f"{path}: the file has changed since it was checked")
        photo = Photo(data, name=str(path))
        prepared = classifier.input.prepare(photo, faces=faces, threads=1)
        return prepared, baselines.small(Photo(data, name=str(path)))

    if rows.empty:
        raise DatasetError(f"{manifest.root}: no photo to judge")
    photos = list(zip(manifest.files(rows), rows["sha256"], strict=True))
    seen = list(track(ordered_map(prepare, photos), "judging", len(photos)))
    p: list[float] = []
    for at in range(0, len(seen), _BATCH):
        p += _probabilities(classifier, [prepared for prepared, _ in seen[at : at + _BATCH]])
    return _Answered(
        rows.reset_index(drop=True),
        (rows["label"] == classifier.classes[1]).to_numpy().astype(np.intp),
        np.array(p),
        rows["group"].tolist(),
        np.stack([small for _, small in seen]),
    )


def _probabilities(classifier: Classifier, batch: Sequence[Prepared]) -> list[float]:
    """Return the probability of the second class for each photo, by one run of the network."""
    starts = np.cumsum([0, *(prepared.rows for prepared in batch)])
    outputs = Outputs(np.zeros((0, len(classifier.classes))), None)
    if starts[-1]:
        names = batch[0].inputs
        outputs = classifier.run(
            {n: np.concatenate([one.inputs[n] for one in batch]) for n in names}
        )
    found = []
    for prepared, start, end in zip(batch, starts[:-1], starts[1:], strict=True):
        of_faces = None if outputs.of_faces is None else outputs.of_faces[start:end]
        own = Outputs(outputs.probabilities[start:end], of_faces)
        p, _ = classifier.input.combine(prepared, own)
        found.append(np.nan if p is None else float(p[1]))
    return found


def _evaluate_folder(
    classifier: Classifier,
    model: Path,
    data: Path,
    classes: tuple[str, ...] | None,
    faces: Faces | str,
) -> dict[str, Any]:
    details = classifier.details
    folders = _folders(data, details.classes, classes)
    table = scan(data, folders, quality=False).table
    readable = table[table["pixels"] != ""].copy()
    if readable.empty:
        raise DatasetError(f"{data}: no readable photo in {' and '.join(folders)}")
    readable["group"] = near_groups(readable)
    readable["label"] = readable["label"].map(dict(zip(folders, details.classes, strict=True)))
    everything = _answered(classifier, Manifest(data, readable), readable, faces)
    answers = everything.with_a_face()
    if not len(answers.y):
        raise DatasetError(f"{data}: no face in any of {len(readable):,} photos")
    unsure = details.unsure or (details.threshold, details.threshold)
    chosen = selective(everything.y, everything.p, everything.groups, unsure)
    own = _own_manifest(model)
    left_out = table.loc[table["pixels"] == "", ["path", "reason"]].to_dict("records")
    judging: dict[str, Any] = {"labels": details.classes, "seed": 0}
    scored = score(answers.y, answers.p, answers.groups, threshold=details.threshold, **judging)
    scored["intervals"] |= chosen.pop("intervals")
    return {
        **scored,
        **chosen,
        "photos": len(everything.y),
        "model": str(model),
        "data": str(data),
        "labels": list(details.classes),
        "temperature": details.temperature,
        "threshold": details.threshold,
        "baselines": baselines.judged(
            answers.y,
            answers.small,
            answers.groups,
            training=None if own is None else _training_pictures(own),
            **judging,
        ),
        "left_out": [*_beside(data, folders), *left_out],
        "seen_in_training": None if own is None else _seen(own, readable),
    }


def _folders(
    data: Path, labels: tuple[str, ...], classes: tuple[str, ...] | None
) -> tuple[str, ...]:
    """Return the folder of each label, whose name may be in upper or lower case."""
    if classes is not None and len(classes) != len(labels):
        raise UsageError(
            f"classes must be {len(labels)} folders, for {', '.join(labels)}, not {len(classes)}"
        )
    names = classes or sorted(entry.name for entry in data.glob("*/"))
    like = {name.casefold(): name for name in names} | {name: name for name in names}
    found = tuple(like.get(label, like.get(label.casefold(), "")) for label in labels)
    return found if all(found) else classes or labels


def _beside(data: Path, folders: Sequence[str]) -> list[dict[str, str]]:
    """List what lies beside the class folders."""
    left_out = []
    for entry in sorted(data.iterdir()):
        if entry.name in folders or entry.name.startswith("."):
            continue
        if entry.is_dir():
            files = sum(1 for file in entry.rglob("*") if file.is_file())
            path = f"{entry.name}/"
            reason = f"no class of the model ({', '.join(folders)}): {files:,} files"
        else:
            path, reason = entry.name, "lies in no class folder"
        left_out.append({"path": path, "reason": reason})
    return left_out


def _own_manifest(model: Path) -> Manifest | None:
    if not model.is_dir():
        return None
    _, data = load_run(model / "config.toml")
    return Manifest.read(model / "manifest.csv", data)


def _seen(manifest: Manifest, photos: pd.DataFrame) -> int:
    """Count photos whose bytes or pixels stand in the manifest as train or val."""
    learned = pd.concat([manifest.of("train"), manifest.of("val")])
    again = photos["sha256"].isin(learned["sha256"]) | photos["pixels"].isin(learned["pixels"])
    return int(again.sum())


def _training_pictures(
    manifest: Manifest,
) -> tuple[NDArray[np.intp], NDArray[np.uint8]] | None:
    """Give truth and `baselines.small` pictures; None where the photos are not there any more."""
    try:
        arrays = load(manifest, manifest.of("train"), baselines.INPUT)
    except (DatasetError, ImageError):
        return None
    return arrays.labels.astype(np.intp), arrays.images.reshape(len(arrays.images), -1)


def _mistakes(
    answers: _Answered, manifest: Manifest, labels: tuple[str, ...], threshold: float
) -> list[plots.Mistake]:
    """Give the most confident mistakes, the worst first."""
    said = (answers.p >= threshold).astype(np.intp)
    p_answer = np.where(said == 1, answers.p, 1 - answers.p)
    wrong = np.flatnonzero(said != answers.y)
    wrong = wrong[np.argsort(-p_answer[wrong], kind="stable")][:_WORST]
    files = manifest.files(answers.rows.iloc[wrong])
    return [
        plots.Mistake(
            picture=np.asarray(shrink(read(file))),
            path=answers.rows["path"].iloc[place],
            truth=labels[answers.y[place]],
            answer=labels[said[place]],
            p_answer=float(p_answer[place]),
        )
        for place, file in zip(wrong, files, strict=True)
    ]


def _draw(
    run: Path, metrics: dict[str, Any], test: _Answered, mistakes: Sequence[plots.Mistake]
) -> None:
    folder, scored = run / "plots", metrics["test"]
    labels = (metrics["labels"][0], metrics["labels"][1])
    temperature = metrics["temperature"]
    history = pd.read_csv(run / "history.csv")
    if len(history):
        plots.curves(history, folder)
    plots.confusion(scored["confusion"], labels, folder / "confusion.png")
    plots.roc_pr(test.y, test.p, labels, folder / "roc_pr.png")
    plots.calibration(
        test.y,
        test.p,
        labels,
        folder / "calibration.png",
        ece=scored["ece"],
        before=None
        if temperature == 1
        else with_temperature(test.p, 1 / temperature, epsilon=EPSILON),
    )
    wrong = scored["confusion"][0][1] + scored["confusion"][1][0]
    plots.worst(mistakes, wrong, scored["n"], folder / "worst.png")


def _write_json(file: Path, values: dict[str, Any]) -> None:
    write_text(file, json.dumps(values, indent=2, allow_nan=False) + "\n")
