"""Evaluate a run on its own test split, or any classifier on a folder of photos."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from happysad import __version__
from happysad.classifier import BATCH, Classifier
from happysad.dataset.arrays import load
from happysad.dataset.duplicates import near_any, near_groups
from happysad.dataset.manifest import Manifest, Split, are_crops
from happysad.dataset.scan import scan
from happysad.dataset.votes import Votes, read_stored_votes, read_votes
from happysad.errors import DatasetError, HappysadError, ImageError, UsageError, counted
from happysad.evaluation import baselines
from happysad.evaluation.abstention import Abstention, abstention
from happysad.evaluation.automatic_slices import PhotoMeasures, automatic_slices, measure
from happysad.evaluation.baselines import Baseline, Baselines
from happysad.evaluation.comparison import Comparison, compare
from happysad.evaluation.metrics import Score, answers_of, score
from happysad.evaluation.slices import Slice, read_slices, score_slices
from happysad.evaluation.vote_score import VoteScore, vote_score
from happysad.folder_walk import reason_left_out
from happysad.images import read_bytes
from happysad.inputs import Prepared
from happysad.model_file import SHIPPED
from happysad.names import nfc
from happysad.parallel import ordered_map
from happysad.photo import Photo
from happysad.predictions import NO_FACE, Faces, places_without_neither
from happysad.probability import among
from happysad.progress import step, track
from happysad.run import Fusion, Run

__all__ = ["SEEN", "Answers", "Evaluation", "LeftOut", "RunEvaluation", "evaluate", "evaluate_run"]

#: `LeftOut.reason` of photos that would make the figures too good.
SEEN = "the run was trained or validated on it, or on a near-duplicate"


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A file or folder that is not judged."""

    path: str
    """Relative to the data folder; a folder ends in /."""
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """The evaluation of a classifier on some photos."""

    model: str
    """The path of the .onnx or of the run's folder."""
    classifier: str
    """The first 12 hex digits of the SHA-256 of the .onnx."""
    architecture: str
    trained_on: int | None
    """The number of photos that it was trained on; None if unknown."""
    temperature: float
    threshold: float
    data: str
    """The folder of the photos."""
    score: Score
    """The figures if every answer is one of the judged classes, never "unsure".

    Of a classifier with two classes, the photos without a face are left out. Of one with three,
    they count as wrong; if only the folders of happy and sad are judged, "neither" is left out, and
    the probabilities of happy and sad are scaled to the sum 1."""
    abstention: Abstention
    """The figures of all photos, if answers may be any class, "unsure" or "no_face"."""
    baselines: Baselines
    """The scores of the baselines on the photos of `score`."""
    votes: VoteScore | None = None
    """The figures against votes, over all classes of the classifier; None without votes."""
    slices: tuple[Slice, ...] = ()
    """The accuracy on slices of the photos of `score`; empty without `slices`."""
    automatic_slices: tuple[Slice, ...] = ()
    """The accuracy on slices by face size, sharpness, brightness, turn of the head and number of
    faces, so far as they are known. Photos without an answer are left out."""
    left_out: tuple[LeftOut, ...] = ()
    seen_in_training: int | None
    """The number of photos that the run was trained or validated on, or of which it knows a
    near-duplicate. They are left out of a folder's figures. None, for unknown, for an .onnx without
    its run."""

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> Self:
        """Return the evaluation from its `asdict`, as read from JSON."""
        return cls(
            **{
                **fields,
                "score": Score.from_json(fields["score"]),
                "abstention": Abstention.from_json(fields["abstention"]),
                "baselines": {
                    name: Baseline.from_json(one) for name, one in fields["baselines"].items()
                },
                "votes": VoteScore.from_json(fields["votes"]) if fields.get("votes") else None,
                **{
                    name: tuple(Slice.from_json(one) for one in fields.get(name, ()))
                    for name in ("slices", "automatic_slices")
                },
                "left_out": tuple(LeftOut(**one) for one in fields["left_out"]),
            }
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEvaluation:
    """The evaluation of a run's classifier: the content of metrics.json."""

    version: str
    """The version of happysad that evaluated it."""
    test: Evaluation
    """On the test split, which is used once."""
    val: Score
    """On the validation split, on which choices were made."""
    fusion: Fusion | None
    """How the fusion of faces and photo was fitted; None for other networks."""
    comparison: Comparison | None = None
    """Beside the classifier that comes with happysad and the largest class, on the test split; None
    in files without it."""
    schema: int = 2

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Return the content of a metrics.json.

        Raises:
            ValueError: the text is something else, or of another schema.
        """
        try:
            fields = json.loads(text)
            if fields["schema"] != 2:
                raise ValueError(f"schema must be 2, not {fields['schema']!r}")
            test, val = Evaluation.from_json(fields["test"]), Score.from_json(fields["val"])
            fusion = fields["fusion"] and Fusion.from_json(fields["fusion"])
            compared = fields.get("comparison")
            comparison = None if compared is None else Comparison.from_json(compared)
            return cls(
                **{**fields, "test": test, "val": val, "fusion": fusion, "comparison": comparison}
            )
        except (AttributeError, KeyError, TypeError) as error:  # not an object, or other keys
            raise ValueError(f"not the evaluation of a run: {error}") from error


@dataclass(frozen=True)
class Answers:
    """Photos with their classes and the classifier's answers."""

    rows: pd.DataFrame
    """Their rows in a manifest's table; index 0, 1, 2, …"""
    y: NDArray[np.intp]
    """The class of each, shape (n,): an index into the judged classes."""
    p: NDArray[np.float64]
    """The probabilities of the classifier's classes, shape (n, classes); NaN for a photo without
    the face that is needed."""
    groups: list[str]
    small: NDArray[np.uint8]
    """As `baselines.small` returns them, shape (n, 1024)."""
    measures: list[PhotoMeasures]

    @property
    def no_face(self) -> NDArray[np.bool_]:
        """Whether a photo has no answer because it has no face, shape (n,)."""
        return np.asarray(np.isnan(self.p).any(axis=1))

    def only(self, places: NDArray[np.intp]) -> Answers:
        """Return some of the photos."""
        return Answers(
            self.rows.iloc[places].reset_index(drop=True),
            self.y[places],
            self.p[places],
            [self.groups[place] for place in places],
            self.small[places],
            [self.measures[place] for place in places],
        )

    @property
    def answered(self) -> Answers:
        """The photos that have an answer."""
        return self.only(np.flatnonzero(~self.no_face))


def evaluate(
    model: str | os.PathLike[str] | None = None,
    data: str | os.PathLike[str] | None = None,
    *,
    classes: Sequence[str] | None = None,
    faces: Faces | str = Faces.FIND,
    votes: str | os.PathLike[str] | None = None,
    slices: str | os.PathLike[str] | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> Evaluation:
    """Evaluate a classifier on a folder of class folders, or a run on its own test split.

    With `data`, every readable photo in the class folders is judged, even if a check would leave it
    out. Photos that the run was trained or validated on, and near-duplicates of them, are left out;
    see `Evaluation.seen_in_training`. Near-duplicates form one group, so that repeated photos do
    not narrow the intervals. A classifier with the class neither may be judged on the folders of
    its other two classes alone; see `Evaluation.score`.

    Args:
        model: an .onnx that happysad wrote, or a run's folder; None for the classifier that comes
            with happysad.
        data: the folder; None for the run's evaluation on its own test split.
        classes: the names of the class folders, if they differ from the classifier's classes, in
            the order of these classes. None for folders named like the classes, in upper or lower
            case; the folder neither may be missing.
        faces: "find" finds the faces in photos; "given" takes every picture for a face crop.
        votes: a CSV with the column path and one for each class of the classifier, which holds the
            number of people who gave this answer; see `Evaluation.votes`.
        slices: a CSV with the column path and others, such as light: the accuracy on the photos of
            each of their values is compared with that on all others. Without `data`, the run's test
            split is judged again.
        say: called with a line on how many photos there are, before they are read.

    Raises:
        UsageError: `data` is missing and `model` is no run; `classes` or `votes` is given without
            `data`; a class folder is missing; or `faces` is "given" and the classifier
            looks at photos.
        ClassifierError: `model` is no classifier.
        DatasetError: there is no readable photo, none with a face, or none that the run was not
            trained or validated on.

    Examples:
        >>> happysad.evaluate("runs/faces-1").score.accuracy  # doctest: +SKIP
        Figure(value=0.93, interval=(0.9, 0.95))
        >>> happysad.evaluate(data="photos").abstention.coverage.value  # doctest: +SKIP
        0.87
    """
    model = SHIPPED if model is None else Path(model)
    classifier = Classifier(model)
    classifier.input.check(faces)
    if data is not None:
        return _evaluate_folder(
            classifier,
            model,
            Path(data),
            classes,
            faces,
            None if votes is None else Path(votes),
            None if slices is None else Path(slices),
            say,
        )
    if votes is not None:
        raise UsageError("votes are on photos of data; the run's evaluation has its own votes")
    if classes is not None:
        raise UsageError("classes name folders of data; the run's evaluation has its own classes")
    if not model.is_dir():
        raise UsageError(
            f"{model}: an .onnx alone has no test split; name a folder of photos, or give the run "
            "as --model"
        )
    if slices is not None:
        run = Run(model)
        manifest = Manifest.read(run.manifest, run.data())
        return _evaluate_test(run, Classifier(run.folder), manifest, say, Path(slices))[0]
    try:
        found = RunEvaluation.from_json(Run(model).metrics.read_text(encoding="utf-8"))
    except (OSError, ValueError):  # not written yet, or written by happysad 0.1.0
        found, _ = evaluate_run(Run(model), say)
    return replace(found.test, model=str(model))


def evaluate_run(
    run: Run, say: Callable[[str], None] = lambda line: None
) -> tuple[RunEvaluation, Answers]:
    """Evaluate a run's classifier on its validation and test splits.

    The photos are prepared as for every prediction. Networks of face crops are trained on pictures
    that are face crops, so the run's pictures are also judged as face crops.

    Args:
        run: the run.
        say: as for `evaluate`.

    Returns:
        The evaluation, and the answers on the test split, with the probabilities of the run's
        classes.

    Raises:
        RunError: the folder is not a run's.
        ClassifierError: the run has no classifier yet.
        DatasetError: a photo has changed since the run began.
    """
    manifest, classifier = Manifest.read(run.manifest, run.data()), Classifier(run.folder)
    seed = run.settings()["seed"]
    val = _answers_on(classifier, manifest, "val", say)
    evaluation, test = _evaluate_test(run, classifier, manifest, say)
    found = RunEvaluation(
        version=__version__,
        test=evaluation,
        val=_score(classifier, manifest.classes, val, seed),
        fusion=run.fusion(),
        comparison=_comparison(classifier, manifest, test, seed, run.before),
    )
    return found, replace(test, p=_of_judged(classifier, manifest.classes, test.p))


def _evaluate_test(
    run: Run,
    classifier: Classifier,
    manifest: Manifest,
    say: Callable[[str], None],
    slices: Path | None = None,
) -> tuple[Evaluation, Answers]:
    """Return the evaluation of a run's classifier on its test split, and the answers there."""
    judged = manifest.classes
    sliced = None if slices is None else read_slices(slices, manifest.table)
    answers = _answers_on(classifier, manifest, "test", say)
    evaluation = _evaluation(
        classifier,
        judged,
        run.folder,
        manifest.root,
        answers,
        training=_training_pictures(manifest, judged),
        seed=run.settings()["seed"],
        seen_in_training=int(_is_seen(manifest, manifest.of("test")).sum()),
        votes=read_stored_votes(run.votes, manifest.table, judged),
        slices=sliced,
    )
    return evaluation, answers


def _answers_on(
    classifier: Classifier, manifest: Manifest, split: Split, say: Callable[[str], None]
) -> Answers:
    """Return the answers of a run's classifier on one of its splits."""
    rows = manifest.of(split)
    say(f"{counted(len(rows), 'photo')} in the {split} split")
    faces = Faces.GIVEN if classifier.input.averages_faces else Faces.FIND
    return _answers(classifier, manifest.classes, manifest, rows, faces, f"judging {split}")


def _comparison(
    classifier: Classifier, manifest: Manifest, test: Answers, seed: int, earlier: Run | None
) -> Comparison:
    """Compare a run's classifier with the one that ships, the largest class and the run before."""
    judged, rows = manifest.classes, manifest.of("test")
    p = _of_judged(classifier, judged, test.p)
    crops = classifier.input.averages_faces or are_crops(rows)

    def hits(of: Classifier, called: str) -> tuple[NDArray[np.float64], int] | None:
        """Return the right answers of a rival, and in how many photos it finds no face."""
        of_name = {name.casefold(): place for place, name in enumerate(of.classes)}
        known = [of_name[name.casefold()] for name in judged if name.casefold() in of_name]
        if len(known) < len(judged):
            return None
        faces = Faces.GIVEN if crops and of.input.averages_faces else Faces.FIND
        its = _answers(of, judged, manifest, rows, faces, f"judging test by {called}")
        own = of.details.threshold if len(judged) == len(of.classes) else 0.5
        return _right(among(its.p, known), its, own).astype(np.float64), int(its.no_face.sum())

    built_in, no_face = hits(Classifier(), "the built-in one") or (None, 0)
    before = None
    if earlier is not None:
        with contextlib.suppress(HappysadError):  # it is damaged
            knows = Manifest.read(earlier.manifest, earlier.data())
            if not _is_seen(knows, rows).any() and (
                found := hits(Classifier(earlier.folder), earlier.folder.name)
            ):
                before = found[0]
    largest = str(manifest.of("train")["label"].value_counts().sort_index().idxmax())
    return compare(
        _right(p, test, classifier.details.threshold).astype(np.float64),
        test.groups,
        built_in=built_in,
        no_face=no_face,
        largest_class=(test.y == judged.index(largest)).astype(np.float64),
        largest=largest,
        seed=seed,
        before=before,
        before_name="" if earlier is None or before is None else earlier.folder.name,
    )


def _right(p: NDArray[np.float64], answers: Answers, threshold: float) -> NDArray[np.bool_]:
    """Return whether each photo is answered rightly, shape (n,); one without a face is not.

    Args:
        p: the probabilities of the judged classes, shape (n, classes).
        answers: the answers that `p` comes from.
        threshold: as for `answers_of`.
    """
    return np.asarray((answers_of(p, threshold) == answers.y) & ~answers.no_face)


def _evaluate_folder(
    classifier: Classifier,
    model: Path,
    data: Path,
    classes: Sequence[str] | None,
    faces: Faces | str,
    votes: Path | None,
    slices: Path | None,
    say: Callable[[str], None],
) -> Evaluation:
    judged, folders = _folders(data, classifier.classes, classes)
    table = scan(data, folders, quality=False, say=say).table
    readable = table[table["pixels"] != ""].copy()
    if readable.empty:
        raise DatasetError(f"{data}: no readable photo in {' and '.join(folders)}")
    sliced = None if slices is None else read_slices(slices, table)
    given = None if votes is None else read_votes(votes, table, classifier.classes)
    if given is not None and given.left_out:
        say(given.left_out)
    own = _own_manifest(model)
    seen = np.zeros(len(readable), bool) if own is None else _is_seen(own, readable)
    if seen.all():
        raise DatasetError(
            f"{data}: {model} was trained or validated on all of these "
            f"{counted(len(readable), 'photo')}, or on near-duplicates; name a folder of others"
        )
    known, readable = readable[seen], readable[~seen].copy()
    readable["group"] = near_groups(readable)
    readable["label"] = readable["label"].map(dict(zip(map(nfc, folders), judged, strict=True)))
    answers = _answers(classifier, judged, Manifest(data, readable), readable, faces, "judging")
    if answers.no_face.all():
        raise DatasetError(f"{data}: no face in any of {counted(len(readable), 'photo')}")
    unreadable = table.loc[table["pixels"] == "", ["path", "reason"]]
    return _evaluation(
        classifier,
        judged,
        model,
        data,
        answers,
        training=None if own is None else _training_pictures(own, judged),
        seed=0,
        seen_in_training=None if own is None else len(known),
        votes=given,
        slices=sliced,
        left_out=(
            *_beside(data, folders),
            *(LeftOut(path, reason) for path, reason in unreadable.to_numpy()),
            *(LeftOut(path, SEEN) for path in known["path"]),
        ),
    )


@step("computing the figures")
def _evaluation(
    classifier: Classifier,
    judged: Sequence[str],
    model: Path,
    data: Path,
    answers: Answers,
    *,
    training: tuple[NDArray[np.intp], NDArray[np.uint8]] | None,
    seed: int,
    seen_in_training: int | None,
    votes: Votes | None,
    slices: pd.DataFrame | None = None,
    left_out: tuple[LeftOut, ...] = (),
) -> Evaluation:
    details = classifier.details
    scored = answers if len(classifier.classes) > 2 else answers.answered

    def scored_slices(values: pd.DataFrame, of: Answers) -> tuple[Slice, ...]:
        right = _right(_of_judged(classifier, judged, of.p), of, details.threshold)
        return score_slices(values, right, of.y, of.groups)

    return Evaluation(
        model=str(model),
        classifier=classifier.id,
        architecture=details.architecture,
        trained_on=details.trained_on,
        temperature=details.temperature,
        threshold=details.threshold,
        data=str(data),
        score=_score(classifier, judged, scored, seed),
        abstention=_abstention(classifier, judged, answers, seed),
        baselines=baselines.score_baselines(
            scored.y,
            scored.small,
            scored.groups,
            classes=judged,
            seed=seed,
            training=training,
        ),
        votes=None
        if votes is None
        else vote_score(
            scored.p,
            votes.counts(scored.rows),
            scored.groups,
            classes=classifier.classes,
            threshold=details.threshold,
            seed=seed,
        ),
        slices=() if slices is None else scored_slices(slices.loc[scored.rows["path"]], scored),
        automatic_slices=scored_slices(
            automatic_slices(answers.answered.measures), answers.answered
        ),
        left_out=left_out,
        seen_in_training=seen_in_training,
    )


def _score(classifier: Classifier, judged: Sequence[str], answers: Answers, seed: int) -> Score:
    return score(
        answers.y,
        _of_judged(classifier, judged, answers.p),
        answers.groups,
        classes=judged,
        threshold=classifier.details.threshold,
        seed=seed,
    )


def _of_judged(
    classifier: Classifier, judged: Sequence[str], p: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the probabilities of the judged classes, scaled to the sum 1."""
    if len(judged) == len(classifier.classes):
        return p
    return among(p, [classifier.classes.index(name) for name in judged])


def _abstention(
    classifier: Classifier, judged: Sequence[str], answers: Answers, seed: int
) -> Abstention:
    labels = [
        NO_FACE if none else classifier.label_of(p)
        for none, p in zip(answers.no_face, answers.p.tolist(), strict=True)
    ]
    truth = [judged[place] for place in answers.y]
    return abstention(labels, truth, answers.groups, classes=classifier.classes, seed=seed)


def _answers(
    classifier: Classifier,
    judged: Sequence[str],
    manifest: Manifest,
    rows: pd.DataFrame,
    faces: Faces | str,
    doing: str,
) -> Answers:
    """Return the classifier's answers for the photos of some rows, read once on all cores."""
    looks = classifier.input.finds_faces and faces != Faces.GIVEN

    def prepare(file: tuple[Path, str]) -> tuple[Prepared, NDArray[np.uint8], PhotoMeasures]:
        path, sha256 = file
        data = read_bytes(path)
        if hashlib.sha256(data).hexdigest() != sha256:
            raise DatasetError(f"{path}: the file has changed since it was checked")
        photo = Photo(data, name=str(path))
        prepared = classifier.input.prepare(photo, faces=faces, threads=1)
        measured = measure(photo, prepared.faces if looks else None)
        return prepared, baselines.small(Photo(data, name=str(path))), measured

    if rows.empty:
        raise DatasetError(f"{manifest.root}: no photo to judge")
    photos = list(zip(manifest.files(rows), rows["sha256"], strict=True))
    seen = list(track(ordered_map(prepare, photos), doing, len(photos)))
    unknown = np.full(len(classifier.classes), np.nan)
    p = [
        unknown if probabilities is None else probabilities
        for at in range(0, len(seen), BATCH)
        for probabilities, _ in classifier.combined([one for one, *_ in seen[at : at + BATCH]])
    ]
    return Answers(
        rows.reset_index(drop=True),
        _places(rows, judged),
        np.array(p),
        rows["group"].tolist(),
        np.stack([small for _, small, _ in seen]),
        [measured for *_, measured in seen],
    )


def _folders(
    data: Path, classes: tuple[str, ...], given: Sequence[str] | None
) -> tuple[tuple[str, ...], list[str]]:
    """Return the classes to judge, and the folder of each, in upper or lower case."""
    without = tuple(classes[place] for place in places_without_neither(classes))
    choices = [one for one in (classes, without) if given is None or len(given) == len(one)]
    if not choices:
        assert given is not None
        also = f", or {len(without)}, for {', '.join(without)}" if without != classes else ""
        raise UsageError(
            f"classes must be {len(classes)} folders, for {', '.join(classes)}{also}, "
            f"not {len(given)}"
        )
    names = given or sorted(entry.name for entry in data.glob("*/"))
    like = {nfc(name).casefold(): name for name in names} | {nfc(name): name for name in names}
    for judged in choices:
        found = [like.get(name, like.get(name.casefold())) for name in map(nfc, judged)]
        if all(found):
            return judged, [name for name in found if name]
    return choices[0], list(given or choices[0])


def _beside(data: Path, folders: Sequence[str]) -> list[LeftOut]:
    """Return the files and folders beside the class folders."""
    left_out = []
    for entry in sorted(data.iterdir()):
        is_folder = entry.is_dir()
        if entry.name in folders or reason_left_out(entry.name, folder=is_folder):
            continue
        if is_folder:
            files = sum(1 for file in entry.rglob("*") if file.is_file())
            reason = f"no class of the model ({', '.join(folders)}): {counted(files, 'file')}"
            left_out.append(LeftOut(f"{entry.name}/", reason))
        else:
            left_out.append(LeftOut(entry.name, "lies in no class folder"))
    return left_out


def _own_manifest(model: Path) -> Manifest | None:
    if not model.is_dir():
        return None
    run = Run(model)
    return Manifest.read(run.manifest, run.data())


def _is_seen(manifest: Manifest, photos: pd.DataFrame) -> NDArray[np.bool_]:
    """Return whether train or val of a manifest has each photo, or a near-duplicate of it."""
    return near_any(photos, pd.concat([manifest.of("train"), manifest.of("val")]))


def _training_pictures(
    manifest: Manifest, judged: Sequence[str]
) -> tuple[NDArray[np.intp], NDArray[np.uint8]] | None:
    """Return classes and `baselines.small` pictures for training; None if the photos are gone.

    The photos are those of the judged classes, and each class is an index into these.
    """
    rows = manifest.of("train")
    rows = rows[rows["label"].isin(judged)]
    try:
        images = load(manifest, rows, baselines.INPUT).images
    except (DatasetError, ImageError):
        return None
    return _places(rows, judged), images.reshape(len(images), -1)


def _places(rows: pd.DataFrame, judged: Sequence[str]) -> NDArray[np.intp]:
    """Return the class of each row, shape (n,): an index into the judged classes."""
    return np.array([judged.index(name) for name in rows["label"]], dtype=np.intp)
