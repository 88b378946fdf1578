"""A run: the folder of one training, its files, its settings and its stage."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import secrets
import shutil
import time
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from enum import StrEnum
from pathlib import Path
from string import digits
from typing import Any, Self

from happysad import __version__
from happysad.errors import RunError, UsageError, os_reason, shown
from happysad.files import rename, write_text

__all__ = [
    "BESIDE_SETTINGS",
    "STEP",
    "CurvePoint",
    "Epoch",
    "Fusion",
    "LearningCurve",
    "Run",
    "Stage",
    "Step",
    "Summary",
    "Trial",
    "Verdict",
    "free_folder",
]

#: The name of a file with a `Step`, in the folder in which a training of Teach works.
STEP = "step.json"
#: The key of the version in config.toml.
VERSION = "happysad"
_DATA = "data"
#: Keys of config.toml beside the settings.
BESIDE_SETTINGS = (VERSION, _DATA)
# The smallest gain in log loss that counts: docs/decisions.md, "What a learning curve says".
_SMALL_GAIN = 0.01


def free_folder(folder: Path) -> Path:
    """Return the first of FOLDER-1, FOLDER-2, … that does not exist yet."""
    number = 1
    while (free := folder.with_name(f"{folder.name}-{number}")).exists():
        number += 1
    return free


def _numbered(folder: Path) -> tuple[str, int]:
    """Return the name of a numbered folder without its number, and the number; 0 without one."""
    name = folder.name.rstrip(digits)
    return name, int(folder.name[len(name) :] or 0)


class Stage(StrEnum):
    """The stages of a training."""

    ABSENT = "absent"
    """It has no folder yet: the photos are being checked."""
    PREPARING = "preparing"
    """The photos are checked; they are being decoded, and the network is built."""
    LEARNING = "learning"
    EVALUATING = "evaluating"
    """The network has learned; its classifier is calibrated, exported and evaluated."""
    FINISHED = "finished"


@dataclass(frozen=True, slots=True, kw_only=True)
class Epoch:
    """One epoch's figures: a row of history.csv."""

    epoch: int
    """Counted from 1."""
    seconds: float
    """The time that the epoch took, with validation."""
    images_per_second: float
    """The speed of training, without validation."""
    learning_rate: float
    loss: float
    accuracy: float
    val_loss: float
    val_accuracy: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What a training of Teach is doing."""

    what: str
    """The name of the work, such as "cutting faces out"."""
    done: int
    """How much of this work is done."""
    total: int
    """How much of it there is; 0 if that is unknown."""
    share: float
    """The share of the whole training that is done, 0 to 1."""
    seconds_left: float | None
    """About how many seconds the rest of the training takes; None if that is unknown."""

    def write(self, file: Path) -> None:
        """Write the step as JSON."""
        write_text(file, json.dumps(asdict(self)) + "\n")

    @classmethod
    def read(cls, file: Path) -> Self | None:
        """Return the step in a file as it is now; None if there is none."""
        with contextlib.suppress(OSError, ValueError, TypeError):
            step = cls(**json.loads(file.read_text(encoding="utf-8")))
            if step.seconds_left is None:
                return step
            passed = max(0.0, time.time() - file.stat().st_mtime)
            return replace(step, seconds_left=max(0.0, step.seconds_left - passed))
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """How well a classifier of photos works that uses one source."""

    n: int
    """The number of photos, none of which it was fitted on."""
    accuracy: float
    log_loss: float
    strength: float
    """The inverse strength of the L2 penalty, chosen by cross-validation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CurvePoint:
    """One point of a learning curve: a row of history.csv.

    `low` and `high` are the ends of the 95 % interval of a figure.
    """

    photos: int
    """The number of photos that the classifier is fitted to."""
    train_accuracy: float
    """On these photos, as all figures of `train`."""
    train_accuracy_low: float
    train_accuracy_high: float
    train_log_loss: float
    train_log_loss_low: float
    train_log_loss_high: float
    held_out_accuracy: float
    """On photos of groups that it is not fitted to, as all figures of `held_out`."""
    held_out_accuracy_low: float
    held_out_accuracy_high: float
    held_out_log_loss: float
    held_out_log_loss_low: float
    held_out_log_loss_high: float


class Verdict(StrEnum):
    """What a learning curve says about more photos."""

    HELP = "more photos would still help"
    NO_HELP = "more photos alone will not help"
    UNKNOWN = "too few photos to tell whether more would help"


@dataclass(frozen=True, slots=True, kw_only=True)
class LearningCurve:
    """The figures of a classifier by the number of photos that it is fitted to."""

    held_out: int
    """The number of photos, each of which is held out as often as any other."""
    points: tuple[CurvePoint, ...]
    """By rising number of photos; the last two have half of the photos, and all."""
    gain: float
    """By how much the log loss on held-out photos is lower with all photos than with half."""
    gain_low: float
    """The lower end of the 95 % interval of `gain`."""
    gain_high: float
    """The upper end of the 95 % interval of `gain`."""

    @property
    def reason(self) -> str:
        """The figures that decide the verdict, as a clause without a full stop."""
        half, every = self.points[-2:]
        return (
            f"from {half.photos:,} to {every.photos:,} photos, the log loss on held-out photos "
            f"falls from {half.held_out_log_loss:.3f} to {every.held_out_log_loss:.3f}, by "
            f"{self.gain:.3f} (95 %: {self.gain_low:.3f} to {self.gain_high:.3f}; "
            f"n = {self.held_out:,})"
        )

    @property
    def verdict(self) -> Verdict:
        """What the curve says: docs/decisions.md, "What a learning curve says"."""
        if self.gain_high < _SMALL_GAIN:
            return Verdict.NO_HELP
        return Verdict.HELP if self.gain_low > 0 else Verdict.UNKNOWN

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> Self:
        """Return the curve from its `asdict`, as read from JSON."""
        points = tuple(CurvePoint(**one) for one in fields["points"])
        return cls(**{**fields, "points": points})


@dataclass(frozen=True, slots=True, kw_only=True)
class Fusion:
    """How the fusion of faces and photo was fitted."""

    photos: dict[str, int]
    """The number of photos, by split: train and val."""
    with_faces: dict[str, int]
    """The number of these photos in which a face was found, by split."""
    tried: dict[str, Trial]
    """By source: faces, look or both."""
    chosen: str
    """The source that the classifier uses."""
    learning_curve: LearningCurve | None = None
    """None if it was left out, or if the photos form too few groups."""

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> Self:
        """Return the fusion from its `asdict`, as read from JSON."""
        tried = {name: Trial(**one) for name, one in fields["tried"].items()}
        curve = fields.get("learning_curve")  # happysad 0.1.0 had none
        found = None if curve is None else LearningCurve.from_json(curve)
        return cls(**{**fields, "tried": tried, "learning_curve": found})


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """The main figures of a run's classifier on its test split."""

    n: int
    """The number of test photos."""
    balanced_accuracy: float | None
    """None if the test split has no photo of a class."""
    interval: tuple[float, float] | None
    """Its 95 % interval; None where it is undefined."""


@dataclass(frozen=True)
class Run:
    """The folder of one training.

    >>> Run(Path("runs/faces-1")).metrics.name
    'metrics.json'
    """

    folder: Path

    @property
    def config(self) -> Path:
        """The settings, as TOML."""
        return self.folder / "config.toml"

    @property
    def manifest(self) -> Path:
        """The manifest: the photos and their splits."""
        return self.folder / "manifest.csv"

    @property
    def votes(self) -> Path:
        """The votes on the photos, as a CSV; only in a run that learned from votes."""
        return self.folder / "votes.csv"

    @property
    def history(self) -> Path:
        """A CSV with a row for each epoch, or for each point of the learning curve.

        It has no rows if the network learns without epochs, and has no learning curve.
        """
        return self.folder / "history.csv"

    @property
    def checkpoints(self) -> Path:
        """The folder of checkpoints."""
        return self.folder / "checkpoints"

    @property
    def tensorboard(self) -> Path:
        """The folder for TensorBoard."""
        return self.folder / "tensorboard"

    @property
    def network(self) -> Path:
        """The calibrated network, in Keras's format."""
        return self.folder / "model.keras"

    @property
    def metrics(self) -> Path:
        """The evaluation on the test split, as JSON."""
        return self.folder / "metrics.json"

    @property
    def notes(self) -> Path:
        """Sentences about the photos and the result, as a JSON list; only in a run of Teach."""
        return self.folder / "notes.json"

    @property
    def first(self) -> Run:
        """The first result of a run of Teach, beside it: classifier, notes and, last, metrics."""
        return Run(self.folder.with_name(f"{self.folder.name}-first"))

    @property
    def before(self) -> Run | None:
        """The last finished run before it: the folder beside it with a smaller number.

        None if there is none, or if the folder's name does not end with a number.
        """
        name, number = _numbered(self.folder.absolute())
        beside = {_numbered(one): one for one in self.folder.absolute().parent.glob("*[0-9]")}
        earlier = sorted(found for found in beside if found[0] == name and found[1] < number)
        runs = [Run(beside[one]) for one in reversed(earlier)]
        return next((run for run in runs if run.is_finished), None)

    @property
    def plots(self) -> Path:
        """The folder of plots."""
        return self.folder / "plots"

    @property
    def report(self) -> Path:
        """The page for people."""
        return self.folder / "report.html"

    @property
    def _fusion(self) -> Path:
        return self.folder / "fused.json"

    @property
    def _finished(self) -> Path:
        return self.checkpoints / "finished.json"

    @property
    def is_finished(self) -> bool:
        """Whether the training has written its last file."""
        return self._finished.is_file()

    @property
    def stage(self) -> Stage:
        """The stage of the training, by the files in its folder."""
        if self.is_finished:
            return Stage.FINISHED
        if not self.config.is_file():
            begun = self.folder.is_dir() or any(self._drafts())
            return Stage.PREPARING if begun else Stage.ABSENT
        learned = self._fusion.exists() or self.network.exists()
        if learned or 0 < self.epochs <= len(self.epochs_done()):
            return Stage.EVALUATING
        return Stage.LEARNING

    @property
    def epochs(self) -> int:
        """The number of planned epochs; 0 if the network learns without epochs, or if unknown."""
        with contextlib.suppress(RunError, KeyError, TypeError, ValueError):
            settings = self.settings()
            if settings["faces"] != "find":
                return int(settings["epochs"]) + int(settings.get("fine_tune_epochs", 0))
        return 0

    def epochs_done(self) -> tuple[Epoch, ...]:
        """Return the rows of history.csv; none if it cannot be read."""
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError, csv.Error):
            with self.history.open(encoding="utf-8", newline="") as table:
                rows = list(csv.DictReader(table))
            names = [one.name for one in fields(Epoch) if one.name != "epoch"]
            return tuple(
                Epoch(epoch=int(row["epoch"]), **{name: float(row[name]) for name in names})
                for row in rows
            )
        return ()

    def write_history(self, rows: Sequence[Epoch] | Sequence[CurvePoint]) -> None:
        """Write history.csv anew."""
        text = io.StringIO()
        columns = [one.name for one in fields(rows[0] if rows else Epoch)]
        table = csv.DictWriter(text, columns, lineterminator="\n")
        table.writeheader()
        table.writerows(map(asdict, rows))
        write_text(self.history, text.getvalue())

    def summary(self) -> Summary:
        """Return the main figures of metrics.json; reading all of it needs `happysad[train]`.

        Raises:
            RunError: the run is not evaluated yet, or the file is damaged.
        """
        try:
            test = json.loads(self.metrics.read_text(encoding="utf-8"))["test"]
            if "score" not in test:  # written by happysad 0.1.0
                return Summary(
                    n=test["n"], balanced_accuracy=test["balanced_accuracy"], interval=None
                )
            score = test["score"]
            figure = score["balanced_accuracy"]
            span = figure["interval"]
            return Summary(
                n=score["n"],
                balanced_accuracy=figure["value"],
                interval=span and (span[0], span[1]),
            )
        except OSError as error:
            raise RunError(f"{self.metrics}: {os_reason(error)}") from error
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise RunError(f"{self.metrics}: not the evaluation of a run") from error

    def fusion(self) -> Fusion | None:
        """Return how the fusion was fitted; None for networks that learn by epochs.

        Raises:
            RunError: the file is damaged.
        """
        if not self._fusion.is_file():
            return None
        try:
            return Fusion.from_json(json.loads(self._fusion.read_text(encoding="utf-8")))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise RunError(f"{self._fusion}: damaged: {shown(str(error))}") from error

    def write_fusion(self, fusion: Fusion) -> None:
        """Write how the fusion was fitted."""
        write_text(self._fusion, json.dumps(asdict(fusion), indent=2) + "\n")

    def settings(self) -> dict[str, Any]:
        """Return the settings in config.toml.

        Raises:
            RunError: the folder is not a run's.
        """
        written = self._read()
        return {name: value for name, value in written.items() if name not in BESIDE_SETTINGS}

    def data(self) -> Path:
        """Return the data folder.

        Raises:
            RunError: the folder is not a run's.
        """
        return Path(self._read()[_DATA])

    def write_settings(self, settings: Mapping[str, Any], data: Path) -> None:
        """Write config.toml.

        Args:
            settings: values that TOML supports, by name.
            data: the data folder.
        """
        import tomli_w

        head = {VERSION: __version__, _DATA: str(data.absolute())}
        write_text(self.config, tomli_w.dumps({**head, **settings}))

    def _read(self) -> dict[str, Any]:
        if not self.config.is_file():
            raise RunError(f"{self.folder}: not a run's folder: no {self.config.name}")
        try:
            written = tomllib.loads(self.config.read_text("utf-8", errors="surrogateescape"))
        except OSError as error:
            raise RunError(f"{self.config}: {os_reason(error)}") from error
        except (ValueError, RecursionError) as error:  # also a number of thousands of digits
            raise RunError(f"{self.config}: not TOML: {error}") from error
        if not isinstance(written.get(_DATA), str):
            raise RunError(f"{self.config}: not a run's settings: no data folder")
        return written

    def refuse_used(self) -> None:
        """Raise an error unless the folder is new or empty.

        Raises:
            UsageError: the folder is not empty, or is a file.
        """
        if self.folder.exists() and not (self.folder.is_dir() and not any(self.folder.iterdir())):
            raise UsageError(
                f"{self.folder}: the run's folder must be new or empty; name another with --out"
            )

    @contextlib.contextmanager
    def create(self) -> Iterator[Run]:
        """Yield a temporary run beside this one; at the end of the block it becomes this one.

        If the block raises, the temporary run is removed.
        """
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        whole = self.folder.absolute()
        temporary = whole.with_name(f".{whole.name}-{secrets.token_hex(4)}")
        temporary.mkdir()
        try:
            yield Run(temporary)
            if self.folder.exists():
                self.folder.rmdir()
            rename(temporary, whole)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)

    def finish(self, weights_sha256: str) -> None:
        """Mark the run as finished; call this after all other files are written."""
        write_text(self._finished, json.dumps({"weights_sha256": weights_sha256}) + "\n")

    def discard(self) -> None:
        """Remove the files of an unfinished training; keep what is finished."""
        unfinished = [] if self.is_finished else [self.folder]
        if not self.first.metrics.is_file():  # it is written last
            unfinished.append(self.first.folder)
        for folder in (*self._drafts(), *unfinished):
            shutil.rmtree(folder, ignore_errors=True)

    def _drafts(self) -> list[Path]:
        """Return the temporary folders of `create`."""
        whole = self.folder.absolute()
        return [one for one in whole.parent.glob(f".{whole.name}-????????") if one.is_dir()]
