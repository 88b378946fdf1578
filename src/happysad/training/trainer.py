"""Train a classifier: the whole path from a folder of photos to a finished run."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from happysad import __version__
from happysad.classifier import BATCH, Classifier
from happysad.dataset import arrays
from happysad.dataset.check import check
from happysad.dataset.check_result import default_folder
from happysad.dataset.class_folders import class_folders, labels
from happysad.dataset.manifest import SPLITS, Manifest, Split, is_outside
from happysad.dataset.split import assign
from happysad.dataset.votes import Votes, leading_classes, read_stored_votes, read_votes
from happysad.errors import RunError, UsageError
from happysad.evaluation.calibration import (
    fit_temperature,
    fit_threshold,
    fit_unsure,
    fit_vector,
    groups_lacking,
)
from happysad.evaluation.evaluator import RunEvaluation, evaluate_run
from happysad.evaluation.plots import draw_run, samples, worst_mistakes
from happysad.export import to_onnx
from happysad.files import replacing, write_text
from happysad.inputs import network_input
from happysad.keras_backend import BUILDING, choose_backend, deterministic, quiet
from happysad.model_file import MODEL_NAME, PROBABILITIES, SHIPPED, Details, ModelFile
from happysad.predictions import NEITHER, places_without_neither
from happysad.probability import among, of_second
from happysad.progress import step
from happysad.run import Run, free_folder
from happysad.training import checkpoints, processes
from happysad.training.checkpoints import State
from happysad.training.config import (
    Chosen,
    TrainConfig,
    choose,
    of_run,
    require_learnable,
    to_settings,
)
from happysad.training.learner import learner
from happysad.training.learner_base import Learner, Photos
from happysad.training.narration import (
    print_check,
    print_learning,
    print_test,
    stoppable,
    tell,
)
from happysad.training.processes import Process
from happysad.training.run_page import write_run_page

if TYPE_CHECKING:
    import keras

__all__ = [
    "TrainedRun",
    "keep_neither",
    "resume",
    "train",
    "train_in",
    "unsure_beside_neither",
    "write_evaluation",
]

# The number of real photos that the exported file is compared on.
_COMPARED = 100
# The share of photos that may be in another split than `fractions` without an earlier check.
_SLACK = 0.01
# The number of photos in the grid of samples.
_SHOWN = 32


@dataclass(frozen=True, slots=True)
class TrainedRun:
    """A finished training."""

    run: Run
    evaluation: RunEvaluation | None
    """None in all processes but process 0, which writes the run."""

    @property
    def folder(self) -> Path:
        """The run's folder."""
        return self.run.folder

    def classifier(self, *, threads: int = 0) -> Classifier:
        """Load the classifier.

        Args:
            threads: as for `Classifier`.
        """
        return Classifier(self.folder, threads=threads)


def train(
    data: str | os.PathLike[str],
    out: str | os.PathLike[str] | None = None,
    *,
    config: TrainConfig | str | os.PathLike[str] | None = None,
    check_folder: str | os.PathLike[str] | None = None,
    groups: str | os.PathLike[str] | None = None,
    votes: str | os.PathLike[str] | None = None,
    use_splits: bool = False,
    allow_missing: bool = False,
    **settings: Any,
) -> TrainedRun:
    """Check a folder of photos, train a classifier on it, and evaluate it.

    If several processes train together (`happysad.training.processes`), only process 0 writes the
    folders.

    Args:
        data: a folder with one folder of photos for each class; nothing in it is changed.
        out: the run's folder, new or empty; by default ./runs/NAME-MODEL-N.
        config: settings, or a TOML file with settings, such as a run's config.toml.
        check_folder: the folder for the manifest and the page of the check; by default
            ./NAME-check.
        groups: a CSV with the columns path and group: the photos of a group stay in one split.
        votes: a CSV with the column path and one for each class, which holds the number of people
            who gave this answer. The network learns the shares of the votes. The class with the
            most votes is what it is calibrated on; the folder decides where two lead together, and
            is what is learned where a photo has no votes.
        use_splits: as for `check`.
        allow_missing: as for `check`.
        **settings: fields of `TrainConfig`, which override `config`.

    Raises:
        ConfigError: a setting is unknown, of the wrong type or out of range, or the user gave it
            and this training does not use it; see `happysad.training.config.choose`.
        UsageError: `out` is in use, Keras's backend is not installed, the weights of a transfer
            model cannot be loaded, or `fractions` are given and the photos keep the split of an
            earlier check.
        DatasetError: the photos cannot be used for training.
        RunError: another process was lost, or has other settings, photos or weights.

    Examples:
        >>> run = happysad.train("photos", epochs=10)  # doctest: +SKIP
        >>> run.classifier().predict("new.jpg").label  # doctest: +SKIP
        'happy'
    """
    choose_backend()  # before the photos are read
    folder = Path(data)
    base = config if config is None or isinstance(config, TrainConfig) else Path(config)
    chosen = choose(base, settings)
    if out is None:
        out = free_folder(Path("runs", f"{folder.resolve().name}-{chosen.config.model}"))
    run = Run(Path(out))
    with stoppable(run):
        return train_in(
            processes.this(),
            folder,
            chosen,
            run,
            default_folder(folder) if check_folder is None else Path(check_folder),
            None if groups is None else Path(groups),
            None if votes is None else Path(votes),
            use_splits=use_splits,
            allow_missing=allow_missing,
        )


def train_in(
    process: Process,
    data: Path,
    chosen: Chosen,
    run: Run,
    check_folder: Path,
    groups: Path | None = None,
    votes: Path | None = None,
    *,
    use_splits: bool = False,
    allow_missing: bool = False,
) -> TrainedRun:
    """Train in one of the processes of a training; see `train`."""
    chosen.refuse_unused()
    with process.folders(run, check_folder) as (own, checked):
        own.refuse_used()
        names = labels(class_folders(data, chosen.config.classes, use_splits=use_splits))
        config = _for_classic(chosen.config, names, process)
        known = (checked / "manifest.csv").is_file()
        if process.leads:
            tell(f"checking {data}")
        result = check(
            data,
            checked,
            classes=config.classes,
            fractions=config.fractions,
            radius=config.radius,
            groups=groups,
            use_splits=use_splits,
            allow_missing=allow_missing,
        )
        manifest = result.manifest
        if process.leads:
            print_check(result)
        config = replace(chosen, config=config).resolved(manifest.of("train"))
        if known and "fractions" in chosen.given and not use_splits:
            _require_fractions(manifest, config.fractions, check_folder)
        require_learnable(manifest.classes, data, config, votes)
        given = None if votes is None else read_votes(votes, manifest.table, manifest.classes)
        with own.create() as draft:
            if given is not None:
                given.write(draft.votes, manifest.used)
                if process.leads:
                    _print_votes(given, manifest)
            photos = _load(manifest, config, given)
            process.meet(config, **_facts(config, manifest, given))
            with step(BUILDING):
                quiet()
                learns = learner(config, photos)
                deterministic(config.seed)
                model = learns.build()
            if config.model == "face":
                align_output_sign(model, learns)
                if process.leads and len(learns.classes) == 2:
                    first, second = learns.classes
                    tell(f"it will answer {first} or {second} for every face")
            draft.write_settings(to_settings(config), data)
            manifest.write(draft.manifest)
            _draw_samples(photos, config, draft)
            learns.begin(model)
            checkpoints.save(draft.checkpoints, State(), model)
        return _learn_and_finish(process, learns, model, manifest, own, run)


def resume(folder: str | os.PathLike[str]) -> TrainedRun:
    """Continue a run that was stopped at any moment; it ends with the same weights.

    Args:
        folder: the run's folder.

    Raises:
        RunError: `folder` is not a run's, the run is finished already, or its checkpoints do not
            fit.
        DatasetError: the photos have changed since the run began.
    """
    run, process = Run(Path(folder)), processes.this()
    with stoppable(run), process.resumed(run) as own:
        config = of_run(own)
        if own.is_finished:
            raise RunError(f"{run.folder}: finished already, there is nothing to resume")
        manifest = Manifest.read(own.manifest, own.data())
        checkpoints.latest(own.checkpoints)  # raises if there is none
        given = read_stored_votes(own.votes, manifest.table, manifest.classes)
        photos = _load(manifest, config, given)
        process.meet(config, **_facts(config, manifest, given))
        with step(BUILDING):
            quiet()
            learns = learner(config, photos)
            deterministic(config.seed)
            model = learns.build(pretrained=False)
        return _learn_and_finish(process, learns, model, manifest, own, run)


def _for_classic(config: TrainConfig, names: Sequence[str], process: Process) -> TrainConfig:
    """Return the settings without the class `NEITHER` if the model is classic, and print a note."""
    if config.model != "classic":
        return config
    two = tuple(names[place] for place in places_without_neither(names))
    if len(two) == len(names):
        return config
    if process.leads:
        tell(
            f"classic has one sigmoid, for two classes: it learns {' and '.join(two)}, "
            f"and {NEITHER} is left out"
        )
    return replace(config, classes=two)


def _require_fractions(
    manifest: Manifest, fractions: tuple[float, float, float], check_folder: Path
) -> None:
    """Raise an error if photos that keep their splits of an earlier check are split otherwise."""
    used = manifest.used[~manifest.used["path"].map(is_outside).astype(bool)]
    fresh = assign(
        used.assign(status="", split=""),
        radius=-1,
        fractions=fractions,
        listed={
            pixels: [group] for pixels, group in zip(used["pixels"], used["group"], strict=True)
        },
    )
    if (fresh["split"] == used["split"]).all():
        return
    there, wanted = (
        one["split"].value_counts().reindex(list(SPLITS), fill_value=0) for one in (used, fresh)
    )
    # Photos that were added or removed since then move the shares by a group or so.
    slack = max(used["group"].value_counts().max(), _SLACK * len(used))
    if (there - wanted).abs().max() > slack:
        shares = ", ".join(f"{100 * share:.0f} %" for share in there / len(used))
        raise UsageError(
            f"{check_folder}: its manifest keeps the split of an earlier check, {shares}, so "
            "fractions cannot be used; name another --check-folder, or remove this one"
        )


def _load(manifest: Manifest, config: TrainConfig, votes: Votes | None) -> Photos:
    seen = network_input(config.looks_at, config.size, config.channels)

    def load_split(split: Split) -> arrays.Arrays:
        rows = manifest.of(split)
        loaded = arrays.load(manifest, rows, seen)
        return loaded if votes is None else _with_shares(loaded, votes.counts(rows))

    photos = Photos(load_split("train"), load_split("val"), manifest.classes)
    return keep_neither(photos) if config.keep_neither and config.learns_by_steps else photos


def keep_neither(photos: Photos) -> Photos:
    """Return photos of two classes with targets of three.

    The share of `NEITHER` is what the classifier that ships answers; the photo's own class has the
    rest. Source: learning without forgetting (Li & Hoiem 2016, arXiv:1606.09282).
    """
    names = tuple(sorted((*photos.names, NEITHER)))
    places = np.array([names.index(name) for name in photos.names])
    shipped = ModelFile.read(SHIPPED)
    known = shipped.details.classes.index(NEITHER)

    def of(split: arrays.Arrays) -> arrays.Arrays:
        classes = places[split.classes.astype(int)]
        parts = [
            shipped.run({"image": split.images[at : at + BATCH]}).probabilities[:, known]
            for at in range(0, len(classes), BATCH)
        ]
        neither, every = np.concatenate(parts)[:, None], np.eye(len(names))
        shares = (1 - neither) * every[classes] + neither * every[names.index(NEITHER)]
        return replace(split, classes=classes.astype(np.float32), shares=shares.astype(np.float32))

    return Photos(of(photos.train), of(photos.val), names)


def _with_shares(photos: arrays.Arrays, counts: NDArray[np.float64]) -> arrays.Arrays:
    """Return photos with the shares of their votes, and the class with the most votes.

    Args:
        photos: the photos; their classes are those of the folders.
        counts: the votes of each, shape (n, classes); 0 without votes.
    """
    place = photos.classes.astype(int)
    folder = np.eye(counts.shape[1])[place]
    total = counts.sum(axis=1, keepdims=True)
    shares = np.where(total > 0, counts / np.maximum(total, 1e-9), folder)
    leading = leading_classes(counts)
    classes = np.where(leading >= 0, leading, place)
    return replace(photos, classes=classes.astype(np.float32), shares=shares.astype(np.float32))


def _print_votes(votes: Votes, manifest: Manifest) -> None:
    """Print which votes are left out and how many photos have votes, to standard error."""
    if votes.left_out:
        tell(votes.left_out)
    used = manifest.used
    voted = int((votes.counts(used).sum(axis=1) > 0).sum())
    rest = f"; of the other {len(used) - voted:,} it learns the folder" if voted < len(used) else ""
    tell(f"{voted:,} of {len(used):,} photos have votes{rest}")


def _facts(config: TrainConfig, manifest: Manifest, votes: Votes | None) -> dict[str, str]:
    """Return what must be the same in all processes of a training."""
    learned = manifest.used[["path", "pixels", "label", "split"]]
    return {
        "settings": json.dumps(to_settings(replace(config, weights=None))),
        "photos": learned.to_csv(index=False),
        "votes": "" if votes is None else str(votes.counts(manifest.used).tolist()),
    }


def align_output_sign(model: keras.Model, learns: Learner) -> None:
    """Flip the last layer of the network of faces if it ranks the classes in reverse.

    The network that ships predicts the probability of sad. This is right for the classes happy and
    sad. For others, such as angry and smiling, the training photos decide whether it is reversed.

    Args:
        model: the network, with the weights that ship.
        learns: its learner.
    """
    classes = learns.classes
    two = places_without_neither(classes)
    if [classes[place] for place in two] == ["happy", "sad"]:
        return
    p, truth = learns.face_answers(model)
    if len(classes) > 2:
        known = np.isin(truth, two)
        p = among(p[known], two)[:, 1].astype(np.float32)
        truth = (truth[known] == two[1]).astype(np.float32)
    if p.size and ((p - p.mean()) * (truth - 0.5)).sum() < 0:
        nested = [layer for layer in model.layers if layer.name == "face"]
        last = (nested[0] if nested else model).get_layer(PROBABILITIES)
        if len(classes) > 2:
            order = np.arange(len(classes))
            order[two] = two[::-1]
            last.set_weights([weight[..., order] for weight in last.get_weights()])
        else:
            last.set_weights([-weight for weight in last.get_weights()])


def _draw_samples(photos: Photos, config: TrainConfig, run: Run) -> None:
    run.plots.mkdir()
    everything = np.random.default_rng(config.seed).permutation(len(photos.train.classes))
    shown = np.sort(everything[:_SHOWN])
    train = photos.train
    file = run.plots / "samples.png"
    with step("drawing some of the photos"):
        samples(train.images[shown], train.classes[shown], photos.names, file)


def _learn_and_finish(
    process: Process, learns: Learner, model: keras.Model, manifest: Manifest, own: Run, run: Run
) -> TrainedRun:
    if process.leads:
        print_learning(learns.config, learns.photos)
    process.learn(learns, model, own)
    if not process.leads:
        return TrainedRun(run, None)
    return TrainedRun(run, _finish(learns, model, manifest, run))


def _finish(learns: Learner, model: keras.Model, manifest: Manifest, run: Run) -> RunEvaluation:
    """Calibrate on validation, write the network and the classifier, evaluate on the test split.

    Every step rewrites its files, so an interruption in between does no harm.
    """
    import keras

    from happysad.models.head import softmax_of

    config, val = learns.config, learns.photos.val
    names = learns.photos.names
    with step(f"calibrating on {len(val.classes):,} validation photos"):
        shipped = learns.finished(model)
        if len(names) > 2:
            softmax, share = softmax_of(shipped)
            outcomes = learns.answers(keras.Model(shipped.inputs, softmax.output), val)
            temperature, biases = fit_vector(outcomes, val.classes, share)
            kernel, bias = (weight / np.float32(temperature) for weight in softmax.get_weights())
            softmax.set_weights([kernel, bias + share @ biases.astype(np.float32)])
            threshold = 0.5
        else:
            p = learns.answers(shipped, val)
            last = shipped.get_layer(PROBABILITIES)
            temperature = fit_temperature(p, val.classes)
            last.set_weights([weight / np.float32(temperature) for weight in last.get_weights()])
            p = learns.answers(shipped, val)
            threshold = (
                float(fit_threshold(p, val.classes, val.groups, config.seed))
                if len(learns.classes) == 2
                else 0.5
            )
        unsure, lacks = _unsure(learns, shipped, threshold)
    details = Details(
        classes=learns.classes,
        size=config.size,
        channels=config.channels,
        architecture=config.model,
        temperature=float(temperature),
        threshold=threshold,
        unsure=unsure,
        unsure_lacks=lacks,
        trained_on=len(learns.photos.train.classes),
        keeps_neither=config.keep_neither,
        version=__version__,
        looks_at=config.looks_at,
    )
    real = {name: values[:_COMPARED] for name, values in val.inputs.items()}
    compared = min(len(val.classes), _COMPARED)
    with step(f"exporting {run.network.name} and {MODEL_NAME}, compared on {compared} photos"):
        with replacing(run.network) as temporary:
            shipped.save(temporary)
        to_onnx(shipped, run.folder / MODEL_NAME, details, real)

    evaluation = write_evaluation(run, manifest, config)
    run.finish(checkpoints.weights_hash(shipped))
    return evaluation


def _unsure(
    learns: Learner, network: keras.Model, threshold: float
) -> tuple[tuple[float, ...] | None, int]:
    """Return `Details.unsure` and `Details.unsure_lacks`, by the validation photos.

    They tell nothing of a class `NEITHER` that is kept: `unsure_beside_neither` has its threshold.
    """
    config, val = learns.config, learns.photos.val
    p: NDArray[Any] = learns.answers(network, val)
    truth: NDArray[Any] = val.classes
    if p.ndim == 1:
        p = of_second(p)
    elif config.keep_neither:
        two = places_without_neither(learns.classes)
        p, truth = among(p, two), truth == two[1]
    lacking = groups_lacking(truth, val.groups, p.shape[1])
    if lacking:
        return None, math.ceil(lacking / config.fractions[1])
    unsure = fit_unsure(p, truth, val.groups, threshold)
    if unsure is not None and config.keep_neither:
        unsure = unsure_beside_neither(learns.classes, unsure)
    return unsure, 0


def unsure_beside_neither(classes: Sequence[str], unsure: tuple[float, ...]) -> tuple[float, ...]:
    """Return `Details.unsure` of a network that keeps `NEITHER` beside two learned classes.

    Neither has the threshold of the classifier that ships. A learned class has this, too, or the
    one of validation if that is higher: docs/decisions.md, "Unsure in a classifier of one's own".

    Args:
        classes: the three classes.
        unsure: `Details.unsure` of the two learned classes alone.
    """
    shipped = ModelFile.read(SHIPPED).details
    assert shipped.unsure is not None
    least = dict(zip(shipped.classes, shipped.unsure, strict=True))
    thresholds = [least.get(name, max(shipped.unsure)) for name in classes]
    low, high = unsure
    for place, own in zip(places_without_neither(classes), (round(1 - low, 4), high), strict=True):
        thresholds[place] = max(thresholds[place], own)
    return tuple(thresholds)


def write_evaluation(run: Run, manifest: Manifest, config: TrainConfig) -> RunEvaluation:
    """Evaluate a run's classifier, and write metrics.json, the plots and the page.

    Args:
        run: the run, with its classifier.
        manifest: the run's.
        config: the run's settings.

    Raises:
        DatasetError: a photo has changed since the run began.
    """
    print_test(manifest.of("test"))
    evaluation, answers = evaluate_run(run)
    write_text(run.metrics, json.dumps(asdict(evaluation), indent=2, allow_nan=False) + "\n")
    with step(f"drawing {run.plots.name} and writing {run.report.name}"):
        mistakes = worst_mistakes(evaluation.test, answers, manifest)
        draw_run(run, evaluation.test, answers, mistakes)
        write_run_page(run, evaluation, manifest, config, mistakes)
    return evaluation
