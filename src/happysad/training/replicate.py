"""Why tutorials report 1.00: their protocol and an honest one, same network, on the user's photos.

The tutorials load the folder with ``image_dataset_from_directory`` and split it with ``take`` and
``skip``. The dataset is shuffled anew at every pass, so the "first 70 %" are other photos in each
epoch: training sees nearly all of them, the later test batch among them. Copies and near-copies of
photos do the rest. `replicate` measures how much that is worth.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from happysad.dataset.arrays import Arrays, load
from happysad.dataset.check import check
from happysad.dataset.check_result import CheckResult
from happysad.dataset.manifest import Manifest
from happysad.errors import DatasetError, UsageError
from happysad.evaluation import plots
from happysad.evaluation.judge import near_groups
from happysad.evaluation.metrics import score
from happysad.files import write_text
from happysad.inputs import network_input
from happysad.models import build
from happysad.progress import bar
from happysad.reports.page import inline_png, write_page
from happysad.training.backend import deterministic, quiet

if TYPE_CHECKING:
    import keras

__all__ = ["BATCH", "MODEL", "SIZE", "replicate"]

#: What the tutorials train: `models.classic`, Adam, binary cross-entropy, no augmentation.
MODEL, SIZE, CHANNELS, BATCH = "classic", 256, 3, 32

_PARTS = 10  # the honest protocol deals groups to so many parts …
_UNSEEN = 3  # … of which these many are not trained on
_VERSION = 2  # rises when a protocol or its pixels change, so that older results are not taken up

_NAMES = {"tutorials": "the tutorials' protocol", "honest": "the honest protocol"}

_LINE = "{:<26}{:>10}{:>17}{:>10}{:>18}"

Order = NDArray[np.intp]


def replicate(
    data: Path,
    *,
    out: Path,
    check_out: Path,
    classes: tuple[str, ...] | None = None,
    seeds: int = 3,
    epochs: int = 20,
) -> dict[str, Any]:
    """Train the tutorials' network by both protocols, and write a table, a picture and a page.

    The tutorials' protocol: all readable photos, copies and photos in both classes too, in batches
    of 32 of a shuffle that is drawn anew at every pass. The first 7 of 10 batches of a pass are
    trained on; the last of 10 (at least one) of a further pass are the test.

    The honest one: the photos that `check` uses; groups are dealt to 10 parts, stratified and by
    the seed; 7 are trained on, and the other 3 judged once, at the end. Nothing is tuned, so
    validation photos are as unseen as test photos.

    Each training's result is kept in `out`/seeds at once; when called again with the same photos
    and settings, finished ones are not repeated.

    Args:
        data: a folder with one folder of photos a class.
        out: where replicate.json, replicate.png and report.html go.
        check_out: where the check's manifest and report go.
        classes: the two class folders, where `data` has more than two.
        seeds: how often each protocol is repeated, 2 or more for an interval.
        epochs: passes through the training photos.

    Returns:
        What replicate.json holds: data, photos, epochs, seeds, table (lines of text), and
        protocols: for "tutorials" and "honest" the mean accuracy over seeds, ``interval`` (95 %,
        Student's t over seeds), ``interval_groups`` (95 %, bootstrap over groups of
        near-duplicates, all seeds pooled) and ``runs``, one a seed: accuracy, n, trained_on,
        seen_in_training. An interval is None where one seed or one group gives none.

    Raises:
        DatasetError: there are too few photos.
    """
    checked = check(data, check_out, classes=classes)
    if len(checked.manifest.classes) > 2:
        raise UsageError(
            f"{data}: replicate needs two classes, not {', '.join(checked.manifest.classes)}; "
            "choose with --classes happy,sad"
        )
    protocols = (_tutorials(checked.manifest), _honest(checked.manifest))
    quiet()
    runs: dict[str, list[_Run]] = {protocol.name: [] for protocol in protocols}
    steps = sum(protocol.batches for protocol in protocols) * seeds * epochs
    with bar() as progress:
        task = progress.add_task("training", total=steps, note="")
        for seed in range(seeds):
            for protocol in protocols:
                progress.update(task, note=f"{_NAMES[protocol.name]}, seed {seed}")
                file = out / "seeds" / f"{protocol.name}-{seed}.json"
                run = _done(file, protocol.key(epochs))
                if run is None:
                    trainer = _Trainer(protocol.photos, seed, lambda: progress.advance(task))
                    run = protocol.run(trainer, seed, epochs)
                    write_text(file, json.dumps({"key": protocol.key(epochs), **asdict(run)}))
                else:
                    progress.advance(task, protocol.batches * epochs)
                runs[protocol.name].append(run)
    result = _result(data, checked, runs, epochs)
    write_text(out / "replicate.json", json.dumps(result, indent=2, allow_nan=False) + "\n")
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
    """One training and what came of it."""

    seed: int
    trained_on: int
    """How many different photos training saw."""
    seen_in_training: int
    """How many of the judged photos were among them."""
    y: list[int]
    p: list[float]
    groups: list[str]

    @property
    def accuracy(self) -> float:
        return float(np.mean((np.array(self.p) >= 0.5) == np.array(self.y)))


class _Trainer:
    """The network with some photos: fitted batch by batch, and asked in the end."""

    def __init__(self, photos: Arrays, seed: int, advance: Any) -> None:
        import keras

        keras.backend.clear_session()
        deterministic(seed)
        self.photos = photos
        self.rng = np.random.default_rng(seed)
        self.seen = np.zeros(len(photos.images), dtype=bool)
        self._advance = advance
        self._model: keras.Model = build(MODEL, size=SIZE, channels=CHANNELS)
        self._model.compile(keras.optimizers.Adam(), keras.losses.BinaryCrossentropy())

    def fit(self, order: Order) -> None:
        """Train once on the photos of `order`."""
        for batch in _batches(order):
            self._model.train_on_batch(self.photos.images[batch], self.photos.labels[batch, None])
            self.seen[batch] = True
            self._advance()

    def judge(self, order: Order, seed: int) -> _Run:
        """Answer the photos of `order`."""
        p = [self._model.predict_on_batch(self.photos.images[b])[:, 0] for b in _batches(order)]
        return _Run(
            seed=seed,
            trained_on=int(self.seen.sum()),
            seen_in_training=int(self.seen[order].sum()),
            y=[int(label) for label in self.photos.labels[order]],
            p=[float(value) for value in np.concatenate(p)],
            groups=[self.photos.groups[place] for place in order],
        )


@dataclass(frozen=True)
class _Protocol:
    """Some photos, and how they are split."""

    name: str
    photos: Arrays
    fingerprint: str
    """Of the photos in their order."""

    @property
    def batches(self) -> int:
        """How many batches are trained on in one epoch, about: the honest parts differ a little."""
        n = len(self.photos.images)
        if self.name == "tutorials":
            return _tutorials_batches(n)[0]
        return -(-n * (_PARTS - _UNSEEN) // (_PARTS * BATCH))

    def key(self, epochs: int) -> str:
        return f"{_VERSION} {MODEL} {SIZE} {epochs} {self.fingerprint}"

    def run(self, trainer: _Trainer, seed: int, epochs: int) -> _Run:
        split = _run_tutorials if self.name == "tutorials" else _run_honest
        return split(trainer, seed, epochs)


def _run_tutorials(trainer: _Trainer, seed: int, epochs: int) -> _Run:
    """Draw every pass anew, as ``dataset.shuffle`` does, and take and skip batches of it."""
    n = len(trainer.photos.images)
    trained, tested = _tutorials_batches(n)
    for _ in range(epochs):
        trainer.fit(trainer.rng.permutation(n)[: trained * BATCH])
    tests_from = (-(-n // BATCH) - tested) * BATCH
    return trainer.judge(trainer.rng.permutation(n)[tests_from:], seed)


def _run_honest(trainer: _Trainer, seed: int, epochs: int) -> _Run:
    """Deal groups once; what is judged is never trained on."""
    train, unseen = _deal(trainer.photos, seed)
    for _ in range(epochs):
        trainer.fit(trainer.rng.permutation(train))
    return trainer.judge(unseen, seed)


def _tutorials(manifest: Manifest) -> _Protocol:
    readable = manifest.table[manifest.table["pixels"] != ""]
    if len(readable) <= BATCH:
        raise DatasetError(
            f"{manifest.root}: the tutorials' protocol needs more than one batch of {BATCH} "
            f"readable photos, found {len(readable)}"
        )
    return _protocol("tutorials", manifest, readable.assign(group=near_groups(readable)))


def _honest(manifest: Manifest) -> _Protocol:
    # By content, so that the same photos are dealt the same way whatever their names are.
    used = manifest.used.sort_values("pixels")
    smallest = used.drop_duplicates("group")["label"].value_counts().min()
    if smallest < _PARTS:
        raise DatasetError(
            f"{manifest.root}: at least {_PARTS} groups of different photos a class are needed, "
            f"found {smallest}"
        )
    return _protocol("honest", manifest, used)


def _protocol(name: str, manifest: Manifest, rows: pd.DataFrame) -> _Protocol:
    text = "\n".join(f"{label} {pixels}" for label, pixels in rows[["label", "pixels"]].to_numpy())
    fingerprint = hashlib.sha256(text.encode()).hexdigest()
    return _Protocol(
        name, load(manifest, rows, network_input("photo", SIZE, CHANNELS)), fingerprint
    )


def _tutorials_batches(n: int) -> tuple[int, int]:
    """How many batches of a pass are for training, and how many at its end for the test."""
    batches = -(-n // BATCH)
    return 7 * batches // 10, max(1, batches // 10)


def _deal(photos: Arrays, seed: int) -> tuple[Order, Order]:
    """Deal groups to parts, stratified; which parts are unseen is drawn too."""
    from sklearn.model_selection import StratifiedGroupKFold

    y = photos.labels.astype(int)
    folds = StratifiedGroupKFold(_PARTS, shuffle=True, random_state=seed)
    parts = [part for _, part in folds.split(y, y, photos.groups)]
    chosen = np.random.default_rng(seed).permutation(_PARTS)
    unseen = np.sort(np.concatenate([parts[number] for number in chosen[:_UNSEEN]]))
    return np.setdiff1d(np.arange(len(y)), unseen), unseen


def _batches(order: Order) -> Iterator[Order]:
    for start in range(0, len(order), BATCH):
        yield order[start : start + BATCH]


def _done(file: Path, key: str) -> _Run | None:
    """Take up an earlier result of the same photos and settings."""
    try:
        written = json.loads(file.read_text(encoding="utf-8"))
        return _Run(**written) if written.pop("key") == key else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _result(
    data: Path, checked: CheckResult, runs: dict[str, list[_Run]], epochs: int
) -> dict[str, Any]:
    labels = checked.manifest.classes
    protocols = {name: _summary(done, (labels[0], labels[1])) for name, done in runs.items()}
    table = [_LINE.format("protocol", "accuracy", "95 %", "n a seed", "seen in training")]
    for name, summary in protocols.items():
        span = "{:.3f} to {:.3f}".format(*summary["interval"]) if summary["interval"] else ""
        sizes = sorted({run["n"] for run in summary["runs"]})
        n = "-".join(str(size) for size in dict.fromkeys((sizes[0], sizes[-1])))
        seen, total = _seen(summary)
        accuracy = f"{summary['accuracy']:.3f}"
        table.append(_LINE.format(_NAMES[name], accuracy, span, n, f"{seen} of {total}"))
    return {
        "data": str(data),
        "labels": list(labels),
        "photos": {name: getattr(checked.counts, name) for name in ("readable", "used", "groups")},
        "model": MODEL,
        "epochs": epochs,
        "seeds": len(runs["honest"]),
        "protocols": protocols,
        "table": table,
    }


def _summary(runs: list[_Run], labels: tuple[str, ...]) -> dict[str, Any]:
    """Put the seeds together.

    Student's t treats seeds as independent, which repeated splits of one folder are not quite
    (Nadeau & Bengio 2003): it is rather too narrow than too wide.
    """
    from scipy.stats import sem, t

    accuracies = [run.accuracy for run in runs]
    mean, interval = float(np.mean(accuracies)), None
    if len(runs) > 1:
        half = float(t.ppf(0.975, len(runs) - 1) * sem(accuracies))
        interval = [max(0.0, mean - half), min(1.0, mean + half)]
    pooled = score(
        np.concatenate([run.y for run in runs]),
        np.concatenate([run.p for run in runs]),
        [group for run in runs for group in run.groups],
        labels=labels,
    )
    return {
        "accuracy": mean,
        "interval": interval,
        "interval_groups": pooled["intervals"]["accuracy"],
        "groups": pooled["groups"],
        "runs": [
            {
                "seed": run.seed,
                "accuracy": run.accuracy,
                "n": len(run.y),
                "trained_on": run.trained_on,
                "seen_in_training": run.seen_in_training,
            }
            for run in runs
        ],
    }


def _seen(summary: dict[str, Any]) -> tuple[int, int]:
    """How many of the judged photos of all seeds were trained on, and how many there are."""
    runs = summary["runs"]
    return sum(run["seen_in_training"] for run in runs), sum(run["n"] for run in runs)


def _draw(result: dict[str, Any], file: Path) -> None:
    """Draw both protocols' accuracies: each seed, the mean and its interval."""
    figure = plots.new_figure(8, 3.9)
    ax = figure.add_subplot()
    for place, (name, summary) in enumerate(result["protocols"].items()):
        colour, height = plots.COLOURS[place], 1 - place
        accuracies = [run["accuracy"] for run in summary["runs"]]
        seen, total = _seen(summary)
        mean = summary["accuracy"]
        low, high = summary["interval"] or (mean, mean)
        ax.fill_between([low, high], height - 0.05, height + 0.05, color=colour, alpha=0.3, lw=0)
        ax.plot(accuracies, [height] * len(accuracies), "o", color=colour, alpha=0.7, markersize=6)
        ax.plot([mean], [height], "|", color=colour, markersize=26, markeredgewidth=3)
        ax.text(mean, height + 0.24, f"{mean:.3f}", ha="center", fontsize=13, color=colour)
        ax.text(
            0.0,
            height - 0.34,
            f"{_NAMES[name]}: {seen:,} of {total:,} judged photos had been trained on",
            fontsize=9.5,
            color=colour,
            transform=ax.get_yaxis_transform(),
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 2},
        )
    ax.axvline(0.5, linestyle="--", color="#57606a", linewidth=1)
    ax.text(0.5, 1.52, " guessing", fontsize=9, color="#57606a", va="top")
    ax.set_ylim(-0.55, 1.55)
    lowest = min(
        [0.5, *(run["accuracy"] for s in result["protocols"].values() for run in s["runs"])]
        + [s["interval"][0] for s in result["protocols"].values() if s["interval"]]
    )
    ax.set_xlim(max(0, lowest - 0.03), 1.02)
    ax.set_yticks([])
    ax.set_xlabel(
        "accuracy: share of photos answered rightly (dots: seeds; bar: mean's 95 % interval)"
    )
    tutorials, honest = (result["protocols"][name]["accuracy"] for name in _NAMES)
    plots.plain(
        ax,
        f"The same network, the same photos, {result['seeds']} seeds: "
        f"{tutorials:.2f} by the tutorials, {honest:.2f} on unseen photos",
    )
    ax.spines["left"].set_visible(False)
    plots.save(figure, file)
