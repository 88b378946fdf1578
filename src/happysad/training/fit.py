"""From a folder of photos to a finished run: the one path, readable from top to bottom."""

from __future__ import annotations

import json
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from happysad import __version__
from happysad.dataset.manifest import Manifest
from happysad.errors import RunError, UsageError
from happysad.files import replacing, write_text
from happysad.inputs import network_input
from happysad.model_file import FACE_PROBABILITIES, MODEL_NAME, PROBABILITIES, Details
from happysad.models import TRANSFER, build
from happysad.training import checkpoints, distributed
from happysad.training.backend import deterministic, quiet
from happysad.training.checkpoints import State
from happysad.training.config import TrainConfig, load_run, to_toml

if TYPE_CHECKING:
    import keras

    from happysad.dataset.arrays import Arrays
    from happysad.training.distributed import Process
    from happysad.training.feeding import Feed

__all__ = ["resume", "train"]

# How many real photos an export is compared on.
_COMPARED = 100
# How many photos the grid of samples shows.
_SHOWN = 32


def train(
    data: Path,
    config: TrainConfig,
    *,
    out: Path,
    check_out: Path,
    groups: Path | None = None,
) -> Path:
    """Check `data`, train on it, judge the result and write all of it as a run.

    Args:
        data: a folder with one folder of photos a class; nothing in it is changed.
        config: the settings; what is 0 in them is chosen by the photos.
        out: the run's folder; it must not exist yet, or be empty.
        check_out: where the check's manifest and report go.
        groups: a CSV with columns path,group of photos that stay together.

    Where several processes train together (`happysad.training.distributed`), process 0 alone
    writes `out` and `check_out`.

    Returns:
        `out`.

    Raises:
        UsageError: `out` is in use, or weights of a transfer model cannot be had.
        DatasetError: the photos cannot be learned from, or the split leaks.
        RunError: another process was lost, or began with something else.
    """
    process = distributed.this()
    if process is None or process.leads:
        _train(process, data, config, out, check_out, groups)
    else:
        with process.aside(out, check_out) as (own, checked):
            _train(process, data, config, own, checked, groups)
    return out


def _train(
    process: Process | None,
    data: Path,
    config: TrainConfig,
    out: Path,
    check_out: Path,
    groups: Path | None,
) -> None:
    from happysad.dataset.check import check
    from happysad.dataset.split import refuse_leaks

    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        raise UsageError(f"{out}: the run's folder must be new or empty; name another with --out")
    manifest = check(
        data,
        check_out,
        classes=config.classes,
        fractions=config.fractions,
        radius=config.radius,
        groups=groups,
    ).manifest
    if len(manifest.classes) > 2:
        raise UsageError(
            f"{data}: train needs two classes, not {', '.join(manifest.classes)}; choose with "
            "--classes happy,sad"
        )
    refuse_leaks(manifest, config.radius)
    config = config.resolved(manifest.of("train"))
    photos = _load(manifest, config)
    _meet(process, config, manifest)

    quiet()
    deterministic(config.seed)
    model = _build(config)
    if config.model == "face":
        _turn(model, config, manifest, photos)
    with _new_run(out) as run:
        write_text(run / "config.toml", to_toml(config, data))
        manifest.write(run / "manifest.csv")
        _show_samples(photos, manifest, config, run / "plots" / "samples.png")
        if config.faces != "find":
            _compile(model, config, photos, State())
        checkpoints.save(run / "checkpoints", State(), model)
    _learn(process, model, config, photos, out)
    if process is None or process.leads:
        _finish(model, config, manifest, photos, out)


def resume(run: Path) -> Path:
    """Go on with a run that was stopped, at whatever moment; ends in the same weights.

    Returns:
        `run`.

    Raises:
        RunError: it is no run's folder, it is finished already, or its checkpoints do not fit.
        DatasetError: the photos are not the run's any more.
    """
    process = distributed.this()
    if process is None or process.leads:
        _resume(process, run)
    else:
        with process.aside(run) as (own, _):
            _resume(process, own)
    return run


def _resume(process: Process | None, run: Path) -> None:
    config, data = load_run(run / "config.toml")
    if _finished(run).exists():
        raise RunError(f"{run}: finished already, there is nothing to resume")
    manifest = Manifest.read(run / "manifest.csv", data)
    checkpoints.latest(run / "checkpoints")
    photos = _load(manifest, config)
    _meet(process, config, manifest)

    quiet()
    deterministic(config.seed)
    model = _build(config, pretrained=False)  # all weights come from a checkpoint
    _learn(process, model, config, photos, run)
    if process is None or process.leads:
        _finish(model, config, manifest, photos, run)


@dataclass(frozen=True)
class _Photos:
    """The photos that are learned from, and those of validation."""

    train: Arrays
    val: Arrays


@dataclass(frozen=True)
class _Phase:
    epochs: int
    frees_backbone: bool = False


def _load(manifest: Manifest, config: TrainConfig) -> _Photos:
    from happysad.dataset.arrays import load

    seen = network_input(config.looks_at, config.size, config.channels)
    train, val = (load(manifest, manifest.of(split), seen) for split in ("train", "val"))
    return _Photos(train, val)


def _meet(process: Process | None, config: TrainConfig, manifest: Manifest) -> None:
    """Join the processes that train together, where there are any, and see that all fit."""
    if process is None:
        return
    if config.faces == "find":
        raise UsageError(
            "training in several processes is for networks that learn by steps, but whole photos "
            "with faces are learned at once; leave it to one, or choose --faces off or a --model"
        )
    process.join()
    learned = manifest.table[["path", "pixels", "label", "split"]]
    process.agree(
        settings=to_toml(replace(config, weights=None), Path("/")),
        photos=learned[manifest.table["status"] == "used"].to_csv(index=False),
    )


def _build(config: TrainConfig, *, pretrained: bool = True) -> keras.Model:
    model = build(
        config.model,
        size=config.size,
        channels=config.channels,
        dropout=config.dropout,
        weights=config.weights,
        pretrained=pretrained,
    )
    if config.faces == "find":
        from happysad.models import fused

        return fused.build(model)
    return model


@contextmanager
def _new_run(out: Path) -> Iterator[Path]:
    """Give a temporary folder beside `out`; it becomes `out` whole, or goes where that fails."""
    out.parent.mkdir(parents=True, exist_ok=True)
    temporary = out.absolute().with_name(f".{out.absolute().name}-{secrets.token_hex(4)}")
    temporary.mkdir()
    try:
        yield temporary
        if out.exists():
            out.rmdir()
        temporary.rename(out)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _show_samples(photos: _Photos, manifest: Manifest, config: TrainConfig, file: Path) -> None:
    from happysad.evaluation.plots import samples

    file.parent.mkdir()
    everything = np.random.default_rng(config.seed).permutation(len(photos.train.labels))
    shown = np.sort(everything[:_SHOWN])
    samples(photos.train.images[shown], photos.train.labels[shown], manifest.classes, file)


def _turn(model: keras.Model, config: TrainConfig, manifest: Manifest, photos: _Photos) -> None:
    """Let the network that ships, which says how sad faces are, speak of the second class.

    That is sad, where the folders are happy and sad; of others, say angry and smiling, the photos
    tell which way round they are.
    """
    from happysad.training.feeding import Feed

    if manifest.classes == ("happy", "sad"):
        return
    train, face = photos.train, model
    if config.faces == "find":
        there = train.inputs["weights"] > 0
        p = model.predict(train.inputs, verbose=0)[FACE_PROBABILITIES][there]
        labels = np.repeat(train.labels, there.sum(axis=1))
        face = model.get_layer("face")
    else:
        p = _p_sad(model, Feed(train.images, train.labels[:, None], config, training=False))
        labels = train.labels
    if p.size and ((p - p.mean()) * (labels - 0.5)).sum() < 0:
        last = face.get_layer(PROBABILITIES)
        last.set_weights([-weight for weight in last.get_weights()])


def _phases(config: TrainConfig) -> list[_Phase]:
    phases = [_Phase(config.epochs)]
    if config.model in TRANSFER and config.fine_tune_epochs:
        phases.append(_Phase(config.fine_tune_epochs, frees_backbone=True))
    return phases


def _compile(model: keras.Model, config: TrainConfig, photos: _Photos, state: State) -> None:
    """Set the optimizer, fresh, and what it may move in this phase."""
    import keras

    from happysad.training.feeding import Accuracy

    phase = _phases(config)[state.phase]
    if config.model in TRANSFER:
        from happysad.models.transfer import free

        free(model, phase.frees_backbone)
    steps = len(_feed(photos.train, config, training=True))
    rate = config.fine_tune_learning_rate if phase.frees_backbone else config.learning_rate
    if config.schedule == "cosine":
        warmup = min(config.warmup, phase.epochs // 2) * steps
        rate = keras.optimizers.schedules.CosineDecay(
            0.0 if warmup else rate,
            phase.epochs * steps - warmup,
            warmup_target=rate if warmup else None,
            warmup_steps=warmup,
        )
    if config.weight_decay:
        optimizer = keras.optimizers.AdamW(rate, weight_decay=config.weight_decay)
        optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    else:
        optimizer = keras.optimizers.Adam(rate)
    optimizer.build(model.trainable_variables)
    model.compile(
        optimizer,
        keras.losses.BinaryCrossentropy(label_smoothing=config.label_smoothing),
        metrics=[Accuracy(name="accuracy")],
    )


def _learn(
    process: Process | None,
    model: keras.Model,
    config: TrainConfig,
    photos: _Photos,
    run: Path,
) -> None:
    """Leave in `model` what the photos teach, going on from the last checkpoint."""
    if config.faces == "find":
        from happysad.training import fused

        checkpoints.restore(checkpoints.latest(run / "checkpoints"), model, optimizer=False)
        fused.fit(model, photos.train, photos.val, config, run)
    elif process is not None:
        process.agree(weights=checkpoints.digest(checkpoints.latest(run / "checkpoints")))
        with process.together(config.batch_size):
            shared = _build(config, pretrained=False)
            _fit(shared, config, photos, run)
            learned = shared.get_weights()
        model.set_weights(learned)
    else:
        _fit(model, config, photos, run)


def _fit(model: keras.Model, config: TrainConfig, photos: _Photos, run: Path) -> None:
    """Train from the last checkpoint to the end; leaves the best epoch's weights in `model`."""
    from happysad.training.callbacks import write_history

    folder = run / "checkpoints"
    state = checkpoints.read_state(checkpoints.latest(folder))
    _compile(model, config, photos, state)
    checkpoints.restore(checkpoints.latest(folder), model, optimizer=True)
    write_history(run, state)
    while True:
        state = _fit_phase(model, config, photos, run, state)
        checkpoints.restore(checkpoints.best(folder, state), model, optimizer=False)
        if state.phase + 1 == len(_phases(config)):
            return
        state = replace(state, phase=state.phase + 1, phase_start=state.epoch, waited=0)
        _compile(model, config, photos, state)


def _fit_phase(
    model: keras.Model, config: TrainConfig, photos: _Photos, run: Path, state: State
) -> State:
    from happysad.training.callbacks import Bookkeeper, Live, tensorboard

    phases = _phases(config)
    end = state.phase_start + phases[state.phase].epochs
    if state.epoch >= end or (config.patience and state.waited >= config.patience):
        return state  # a kill came after its last epoch
    feed = _feed(photos.train, config, training=True)
    validation = _feed(photos.val, config, training=False)
    books = Bookkeeper(run, feed, state, config.patience)
    rest = sum(phase.epochs for phase in phases[state.phase + 1 :])
    with Live(feed, end + rest, state.epoch) as live:
        model.fit(
            feed,
            validation_data=validation,
            initial_epoch=state.epoch,
            epochs=end,
            class_weight=_class_weights(photos) if config.class_weights else None,
            callbacks=[*tensorboard(run), books, live],
            shuffle=False,  # the feed does it; Keras would by Python's global random state
            verbose=0,
        )
    return books.state


def _feed(part: Arrays, config: TrainConfig, *, training: bool) -> Feed:
    from happysad.training.feeding import Feed

    labels, share = part.labels[:, None], distributed.share()
    return Feed(part.images, labels, config, training=training, share=share)


def _class_weights(photos: _Photos) -> dict[int, float]:
    """Weigh each class by the inverse of its share, 1 on average ("balanced" in scikit-learn)."""
    counts = np.bincount(photos.train.labels.astype(int), minlength=2)
    return {label: float(counts.sum() / (2 * count)) for label, count in enumerate(counts) if count}


def _finish(
    model: keras.Model, config: TrainConfig, manifest: Manifest, photos: _Photos, run: Path
) -> None:
    """Calibrate on validation, ship model.keras and model.onnx, judge the latter on the test split.

    Every step writes its files anew, so a kill in between does no harm.
    """
    import keras

    from happysad.evaluation.calibration import fit_temperature, fit_threshold
    from happysad.evaluation.judge import judge_run
    from happysad.export import to_onnx
    from happysad.models.mirrored import mirrored
    from happysad.training.feeding import Feed

    val = photos.val
    shipped = keras.Model.from_config(model.get_config())  # without optimizer, loss and metrics
    shipped.set_weights(model.get_weights())
    given: Any = val.inputs
    samples = {name: values[:_COMPARED] for name, values in val.inputs.items()}
    if config.faces != "find":
        given = Feed(val.images, val.labels[:, None], config, training=False)
        if config.augment and config.flip:  # else it has never seen a mirror image
            shipped = mirrored(shipped)
    temperature = fit_temperature(_p_sad(shipped, given), val.labels)
    last = shipped.get_layer(PROBABILITIES)
    last.set_weights([weight / np.float32(temperature) for weight in last.get_weights()])
    p_sad = _p_sad(shipped, given)
    details = Details(
        classes=manifest.classes,
        size=config.size,
        channels=config.channels,
        architecture=config.model,
        temperature=float(temperature),
        threshold=float(fit_threshold(p_sad, val.labels, val.groups, config.seed)),
        trained_on=len(photos.train.labels),
        version=__version__,
        looks_at=config.looks_at,
    )
    with replacing(run / "model.keras") as temporary:
        shipped.save(temporary)
    to_onnx(shipped, run / MODEL_NAME, details, samples)
    judge_run(run)
    weights = checkpoints.weights_hash(shipped)
    write_text(_finished(run), json.dumps({"weights_sha256": weights}) + "\n")


def _p_sad(model: keras.Model, given: Any) -> NDArray[np.float32]:
    came = model.predict(given, verbose=0)
    return np.asarray(came[PROBABILITIES] if isinstance(came, dict) else came)[:, 0]


def _finished(run: Path) -> Path:
    """Name the file that is written last of all."""
    return run / "checkpoints" / "finished.json"
