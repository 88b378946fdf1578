"""Why tutorials report 1.00: their protocol and an honest one, on the same photos and network.

The tutorials load the folder with ``image_dataset_from_directory`` and split it with ``take`` and
``skip``. The dataset is shuffled anew at every pass, so the "first 70 %" are other photos in each
epoch: training sees nearly all photos, including those of the later test. Copies and near-copies
raise the accuracy further. `replicate` measures the effect.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from happysad.dataset.arrays import Arrays, load
from happysad.dataset.check import check
from happysad.dataset.check_result import CheckResult
from happysad.dataset.duplicates import near_groups
from happysad.dataset.manifest import Manifest
from happysad.errors import DatasetError
from happysad.evaluation import plots
from happysad.evaluation.metrics import score
from happysad.files import write_text
from happysad.inputs import network_input
from happysad.keras_backend import deterministic, quiet
from happysad.models import build
from happysad.probability import of_second
from happysad.progress import bar
from happysad.reports.page import inline_png, write_page
from happysad.training.config import require_two_classes

if TYPE_CHECKING:
    import keras

__all__ = [
    "BATCH",
    "MODEL",
    "SIZE",
    "Protocol",
    "Replication",
    "Training",
    "deal",
    "replicate",
    "tutorials_batches",
]

#: What the tutorials train: `models.classic`, Adam, binary cross-entropy, no augmentation.
MODEL, SIZE, CHANNELS, BATCH = "classic", 256, 3, 32

# The honest protocol splits the groups into `_PARTS` parts, and trains on all but `_UNSEEN`.
_PARTS, _UNSEEN = 10, 3
# Increase when a protocol or its pixels change, so that older results are not reused.
_VERSION = 2

_NAMES = {"tutorials": "the tutorials' protocol", "honest": "the honest protocol"}

_LINE = "{:<26}{:>10}{:>17}{:>10}{:>18}"

Order = NDArray[np.intp]


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """The result of one training."""

    seed: int
    accuracy: float
    n: int
    """The number of judged photos."""
    trained_on: int
    """The number of different photos that it was trained on."""
    seen_in_training: int
    """The number of judged photos that it was trained on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Protocol:
    """The results of all trainings by one protocol."""

    accuracy: float
    """The mean over seeds."""
    interval: tuple[float, float] | None
    """95 %, by Student's t over seeds; None for one seed. It treats seeds as independent, but
    repeated splits of one folder are not quite so (Nadeau & Bengio 2003), which tends to make it
    too narrow."""
    interval_groups: tuple[float, float] | None
    """95 %, by the bootstrap over groups of near-duplicates, with the seeds pooled; None for one
    group."""
    groups: int
    runs: tuple[Training, ...]

    @property
    def judged(self) -> int:
        """The number of judged photos of all seeds."""
        return sum(run.n for run in self.runs)

    @property
    def seen(self) -> int:
        """The number of judged photos of all seeds that were trained on."""
        return sum(run.seen_in_training for run in self.runs)


@dataclass(frozen=True, slots=True, kw_only=True)
class Replication:
    """Both protocols on the same photos: the content of replicate.json."""

    data: str
    classes: tuple[str, ...]
    photos: dict[str, int]
    """The number of readable and of used photos, and of groups."""
    model: str
    epochs: int
    seeds: int
    protocols: dict[str, Protocol]
    """By name: tutorials and honest."""
    table: tuple[str, ...]
    """The results as lines of text."""


def replicate(
    data: Path,
    *,
    out: Path,
    check_folder: Path | None = None,
    classes: tuple[str, ...] | None = None,
    seeds: int = 3,
    epochs: int = 20,
    size: int = SIZE,
) -> Replication:
    """Train the tutorials' network by both protocols, and write a table, a picture and a page.

    The tutorials' protocol uses all readable photos, including copies and photos in both classes.
    It shuffles them anew at every pass and forms batches of 32. It trains on the first 7 of 10
    batches of each pass, and tests on the last of 10 (at least one) of a further pass.

    The honest protocol uses the photos that `check` uses. It splits the groups into 10 parts,
    stratified by class and shuffled by the seed. It trains on 7 parts, and tests on the other 3
    once, at the end. Nothing is tuned, so no photos are needed for validation.

    Each training's result is written to `out`/seeds when it ends. A later call with the same photos
    and settings does not repeat finished trainings.

    Args:
        data: a folder with one folder of photos for each class.
        out: the folder for replicate.json, replicate.png and report.html.
        check_folder: the folder for the check's manifest and page; by default ./NAME-check.
        classes: the two class folders, if `data` has more.
        seeds: the number of repetitions of each protocol, 2 or more for an interval.
        epochs: the number of passes over the training photos.
        size: the side of the network's input in pixels; the tutorials use 256.

    Raises:
        DatasetError: there are too few photos.
    """
    checked = check(data, check_folder, classes=classes)
    require_two_classes(checked.manifest.classes, data, "replicate")
    splits = (_tutorials(checked.manifest, size), _honest(checked.manifest, size))
    quiet()
    runs: dict[str, list[_Run]] = {split.name: [] for split in splits}
    steps = sum(split.batches for split in splits) * seeds * epochs
    with bar() as progress:
        task = progress.add_task("training", total=steps, note="")
        for seed in range(seeds):
            for split in splits:
                progress.update(task, note=f"{_NAMES[split.name]}, seed {seed}")
                file = out / "seeds" / f"{split.name}-{seed}.json"
                run = _Run.read(file, split.key(epochs))
                if run is None:
                    trainer = _Trainer(split.photos, seed, lambda: progress.advance(task))
                    run = split.run(trainer, seed, epochs)
                    write_text(file, json.dumps({"key": split.key(epochs), **asdict(run)}))
                else:
                    progress.advance(task, split.batches * epochs)
                runs[split.name].append(run)
    result = _result(data, checked, runs, epochs)
    write_text(out / "replicate.json", json.dumps(asdict(result), indent=2, allow_nan=False) + "\n")
    _draw(result, out / "replicate.png")
    write_page(
        out / "report.html",
        "replicate.html",
        result=result,
        names=_NAMES,
        counts=checked.counts,
        picture=inline_png(out / "replicate.png"),
    )
    return result


@dataclass(frozen=True)
class _Run:
    """One training with its answers, as stored in `out`/seeds."""

    seed: int
    trained_on: int
    seen_in_training: int
    y: list[int]
    p: list[float]
    groups: list[str]

    @classmethod
    def read(cls, file: Path, key: str) -> Self | None:
        """Return an earlier result for the same photos and settings; None if there is none."""
        try:
            written = json.loads(file.read_text(encoding="utf-8"))
            return cls(**written) if written.pop("key") == key else None
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def training(self) -> Training:
        return Training(
            seed=self.seed,
            accuracy=float(np.mean((np.array(self.p) >= 0.5) == np.array(self.y))),
            n=len(self.y),
            trained_on=self.trained_on,
            seen_in_training=self.seen_in_training,
        )


class _Trainer:
    """The network with some photos: fitted batch by batch, and judged at the end."""

    def __init__(self, photos: Arrays, seed: int, advance: Any) -> None:
        import keras

        keras.backend.clear_session()
        deterministic(seed)
        self.photos = photos
        self.rng = np.random.default_rng(seed)
        self.seen = np.zeros(len(photos.images), dtype=bool)
        self._advance = advance
        self._model: keras.Model = build(MODEL, size=photos.images.shape[1], channels=CHANNELS)
        self._model.compile(keras.optimizers.Adam(), keras.losses.BinaryCrossentropy())

    def fit(self, order: Order) -> None:
        """Train once on the photos of `order`."""
        for batch in _batches(order):
            self._model.train_on_batch(self.photos.images[batch], self.photos.classes[batch, None])
            self.seen[batch] = True
            self._advance()

    def judge(self, order: Order, seed: int) -> _Run:
        """Return the training with its answers for the photos of `order`."""
        p = [self._model.predict_on_batch(self.photos.images[b])[:, 0] for b in _batches(order)]
        return _Run(
            seed=seed,
            trained_on=int(self.seen.sum()),
            seen_in_training=int(self.seen[order].sum()),
            y=[int(label) for label in self.photos.classes[order]],
            p=[float(value) for value in np.concatenate(p)],
            groups=[self.photos.groups[place] for place in order],
        )


@dataclass(frozen=True)
class _Split:
    """Some photos, and how a protocol splits them."""

    name: str
    photos: Arrays
    fingerprint: str
    """A hash of the photos in their order."""

    @property
    def batches(self) -> int:
        """The approximate number of batches in one epoch of training."""
        n = len(self.photos.images)
        if self.name == "tutorials":
            return tutorials_batches(n)[0]
        return -(-n * (_PARTS - _UNSEEN) // (_PARTS * BATCH))

    def key(self, epochs: int) -> str:
        size = self.photos.images.shape[1]
        return f"{_VERSION} {MODEL} {size} {epochs} {self.fingerprint}"

    def run(self, trainer: _Trainer, seed: int, epochs: int) -> _Run:
        split = _run_tutorials if self.name == "tutorials" else _run_honest
        return split(trainer, seed, epochs)


def _run_tutorials(trainer: _Trainer, seed: int, epochs: int) -> _Run:
    """Shuffle at every pass, as ``dataset.shuffle`` does, and take and skip batches of it."""
    n = len(trainer.photos.images)
    trained, tested = tutorials_batches(n)
    for _ in range(epochs):
        trainer.fit(trainer.rng.permutation(n)[: trained * BATCH])
    tests_from = (-(-n // BATCH) - tested) * BATCH
    return trainer.judge(trainer.rng.permutation(n)[tests_from:], seed)


def _run_honest(trainer: _Trainer, seed: int, epochs: int) -> _Run:
    """Split the groups once; judged photos are never trained on."""
    train, unseen = deal(trainer.photos, seed)
    for _ in range(epochs):
        trainer.fit(trainer.rng.permutation(train))
    return trainer.judge(unseen, seed)


def _tutorials(manifest: Manifest, size: int) -> _Split:
    readable = manifest.table[manifest.table["pixels"] != ""]
    if len(readable) <= BATCH:
        raise DatasetError(
            f"{manifest.root}: the tutorials' protocol needs more than one batch of {BATCH} "
            f"readable photos, found {len(readable)}"
        )
    return _split("tutorials", manifest, size, readable.assign(group=near_groups(readable)))


def _honest(manifest: Manifest, size: int) -> _Split:
    # Sort by content, so that the split does not depend on the photos' names.
    used = manifest.used.sort_values("pixels")
    smallest = used.drop_duplicates("group")["label"].value_counts().min()
    if smallest < _PARTS:
        raise DatasetError(
            f"{manifest.root}: needs at least {_PARTS} groups of different photos in each class, "
            f"found {smallest}"
        )
    return _split("honest", manifest, size, used)


def _split(name: str, manifest: Manifest, size: int, rows: pd.DataFrame) -> _Split:
    text = "\n".join(f"{label} {pixels}" for label, pixels in rows[["label", "pixels"]].to_numpy())
    fingerprint = hashlib.sha256(text.encode()).hexdigest()
    return _Split(name, load(manifest, rows, network_input("photo", size, CHANNELS)), fingerprint)


def tutorials_batches(n: int) -> tuple[int, int]:
    """Return the number of batches at a pass's start for training, and at its end for the test."""
    batches = -(-n // BATCH)
    return 7 * batches // 10, max(1, batches // 10)


def deal(photos: Arrays, seed: int) -> tuple[Order, Order]:
    """Split the photos at random by group, stratified by class.

    Returns:
        The indices of the photos to train on, and of the other photos, both in ascending order.
    """
    from sklearn.model_selection import StratifiedGroupKFold

    y = photos.classes.astype(int)
    folds = StratifiedGroupKFold(_PARTS, shuffle=True, random_state=seed)
    parts = [part for _, part in folds.split(y, y, photos.groups)]
    chosen = np.random.default_rng(seed).permutation(_PARTS)
    unseen = np.sort(np.concatenate([parts[number] for number in chosen[:_UNSEEN]]))
    return np.setdiff1d(np.arange(len(y)), unseen), unseen


def _batches(order: Order) -> Iterator[Order]:
    for start in range(0, len(order), BATCH):
        yield order[start : start + BATCH]


def _result(
    data: Path, checked: CheckResult, runs: dict[str, list[_Run]], epochs: int
) -> Replication:
    classes = checked.manifest.classes
    protocols = {name: _summary(done, classes) for name, done in runs.items()}
    table = [_LINE.format("protocol", "accuracy", "95 %", "n a seed", "seen in training")]
    for name, protocol in protocols.items():
        span = "{:.3f} to {:.3f}".format(*protocol.interval) if protocol.interval else ""
        sizes = sorted({run.n for run in protocol.runs})
        n = "-".join(str(size) for size in dict.fromkeys((sizes[0], sizes[-1])))
        seen = f"{protocol.seen} of {protocol.judged}"
        table.append(_LINE.format(_NAMES[name], f"{protocol.accuracy:.3f}", span, n, seen))
    return Replication(
        data=str(data),
        classes=classes,
        photos={name: getattr(checked.counts, name) for name in ("readable", "used", "groups")},
        model=MODEL,
        epochs=epochs,
        seeds=len(runs["honest"]),
        protocols=protocols,
        table=tuple(table),
    )


def _summary(runs: list[_Run], classes: tuple[str, ...]) -> Protocol:
    """Combine the seeds."""
    from scipy.stats import sem, t

    trainings = tuple(run.training() for run in runs)
    accuracies = [training.accuracy for training in trainings]
    mean, interval = float(np.mean(accuracies)), None
    if len(runs) > 1:
        half = float(t.ppf(0.975, len(runs) - 1) * sem(accuracies))
        interval = (max(0.0, mean - half), min(1.0, mean + half))
    pooled = score(
        np.concatenate([run.y for run in runs]),
        of_second(np.concatenate([run.p for run in runs])),
        [group for run in runs for group in run.groups],
        classes=classes,
    )
    return Protocol(
        accuracy=mean,
        interval=interval,
        interval_groups=pooled.accuracy.interval,
        groups=pooled.groups,
        runs=trainings,
    )


def _draw(result: Replication, file: Path) -> None:
    """Draw both protocols' accuracies: each seed, the mean and its interval."""
    figure = plots.new_figure(8, 3.9)
    ax = figure.add_subplot()
    for place, (name, protocol) in enumerate(result.protocols.items()):
        colour, height = plots.COLOURS[place], 1 - place
        accuracies = [run.accuracy for run in protocol.runs]
        mean = protocol.accuracy
        low, high = protocol.interval or (mean, mean)
        ax.fill_between([low, high], height - 0.05, height + 0.05, color=colour, alpha=0.3, lw=0)
        ax.plot(accuracies, [height] * len(accuracies), "o", color=colour, alpha=0.7, markersize=6)
        ax.plot([mean], [height], "|", color=colour, markersize=26, markeredgewidth=3)
        ax.text(mean, height + 0.24, f"{mean:.3f}", ha="center", fontsize=13, color=colour)
        seen, judged = protocol.seen, protocol.judged
        ax.text(
            0.0,
            height - 0.34,
            f"{_NAMES[name]}: {seen:,} of {judged:,} judged photos had been trained on",
            fontsize=9.5,
            color=colour,
            transform=ax.get_yaxis_transform(),
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 2},
        )
    ax.axvline(0.5, linestyle="--", color="#57606a", linewidth=1)
    ax.text(0.5, 1.52, " guessing", fontsize=9, color="#57606a", va="top")
    ax.set_ylim(-0.55, 1.55)
    lowest = min(
        [0.5, *(run.accuracy for one in result.protocols.values() for run in one.runs)]
        + [one.interval[0] for one in result.protocols.values() if one.interval]
    )
    ax.set_xlim(max(0, lowest - 0.03), 1.02)
    ax.set_yticks([])
    ax.set_xlabel("accuracy: share of right answers (dots: seeds; bar: 95 % interval of the mean)")
    tutorials, honest = (result.protocols[name].accuracy for name in _NAMES)
    plots.plain(
        ax,
        f"The same network, the same photos, {result.seeds} seeds: "
        f"{tutorials:.2f} by the tutorials, {honest:.2f} on unseen photos",
    )
    ax.spines["left"].set_visible(False)
    plots.save(figure, file)
