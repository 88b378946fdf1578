"""The settings of a training, typed and checked, from a recipe, a TOML file and command line."""

from __future__ import annotations

import difflib
import tomllib
import typing
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from types import UnionType
from typing import TYPE_CHECKING, Any

from happysad.errors import ConfigError, UsageError, os_reason
from happysad.models import NAMES, TRANSFER
from happysad.predictions import NEITHER, Faces
from happysad.run import BESIDE_SETTINGS, Run

if TYPE_CHECKING:
    import pandas as pd

    from happysad.model_file import LooksAt

__all__ = [
    "RECIPES",
    "TrainConfig",
    "load",
    "of_run",
    "require_learnable",
    "require_two_classes",
    "to_settings",
]

#: The range of an input's side in pixels.
_SIZES = (32, 512)
#: The input's side of the model compact: `_SMALL_SIZE` if the median of the photos' shorter sides
#: is at most `_SMALL` pixels, otherwise `_LARGE_SIZE`. Such small pictures count as face crops.
_SMALL, _SMALL_SIZE, _LARGE_SIZE = 64, 48, 96
#: With epochs 0, the total number of photos shown to the network in all epochs, and the range of
#: the number of epochs.
_PHOTOS_SHOWN, _EPOCHS = 375_000, (10, 100)


def _setting(
    default: Any,
    help_: str,
    *,
    low: float | None = None,
    high: float | None = None,
    choices: tuple[object, ...] = (),
) -> Any:
    metadata = {"help": help_, "low": low, "high": high, "choices": choices}
    return field(default=default, metadata=metadata)


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """The settings of one training; `load` combines them with the recipe of the model.

    Raises:
        ConfigError: a value is of the wrong type or out of range.
    """

    model: str = _setting("face", f"The network: {', '.join(NAMES)}.", choices=NAMES)
    classes: tuple[str, ...] | None = _setting(
        None,
        "The class folders to learn, such as happy,sad: two, or these and neither [default: all].",
    )
    fractions: tuple[float, float, float] = _setting(
        (0.7, 0.2, 0.1), "The shares of train, val and test."
    )
    radius: int = _setting(
        6,
        "Maximum number of bits, of 64, in which the hashes of near-duplicates differ; "
        "-1: no search for near-duplicates, only --groups applies.",
        low=-1,
        high=16,
    )
    size: int = _setting(
        0, f"The input's side in pixels, {_SIZES[0]} to {_SIZES[1]}; 0: by model and photos.", low=0
    )
    channels: int = _setting(
        0, "1: grey; 3: colour; 0: grey if all photos are grey.", choices=(0, 1, 3)
    )
    faces: str = _setting(
        "auto",
        "Model face: find (detect the faces in the photos), given (every picture is a face crop) "
        "or auto (by the pictures' size).",
        choices=("auto", *Faces),
    )
    keep_neither: bool = _setting(
        False,
        "Model face, on face crops of two classes: also answer neither, as the classifier that "
        "comes with happysad does.",
    )
    epochs: int = _setting(
        0, "Passes over the training photos; 0: by their number.", low=0, high=10_000
    )
    batch_size: int = _setting(32, "Photos per step.", low=1, high=4096)
    learning_rate: float = _setting(
        2e-3, "The learning rate; with a schedule, the highest one.", low=1e-8, high=1.0
    )
    schedule: str = _setting(
        "cosine",
        "Learning-rate schedule: constant, or cosine with a warm-up.",
        choices=("constant", "cosine"),
    )
    warmup: int = _setting(2, "Warm-up epochs of the cosine schedule.", low=0, high=1000)
    weight_decay: float = _setting(
        0.02, "AdamW's weight decay; 0 is plain Adam.", low=0.0, high=1.0
    )
    label_smoothing: float = _setting(
        0.1, "Share by which the targets move towards equal ones.", low=0.0, high=0.5
    )
    dropout: float = _setting(0.3, "Share of the features dropped in training.", low=0.0, high=0.9)
    patience: int = _setting(
        0, "Stop after this many epochs without a better val_loss; 0: never.", low=0, high=10_000
    )
    class_weights: bool = _setting(True, "Give photos of the smaller class more weight.")
    augment: bool = _setting(True, "Augmentation: change every photo randomly in each epoch.")
    flip: bool = _setting(True, "Augmentation: mirror every second photo.")
    rotation: float = _setting(15.0, "Augmentation: maximum rotation in degrees.", low=0, high=180)
    shift: float = _setting(
        0.08, "Augmentation: maximum shift, as a share of the side.", low=0, high=0.5
    )
    zoom: float = _setting(
        0.15, "Augmentation: maximum change of scale, as a share.", low=0, high=0.5
    )
    light: float = _setting(
        0.25, "Augmentation: maximum change of contrast and brightness, as a share.", low=0, high=1
    )
    worsening: float = _setting(
        0.0,
        "Augmentation: share of photos that are blurred, shrunk, compressed or made noisy.",
        low=0,
        high=1,
    )
    erasing: float = _setting(
        0.3, "Augmentation: share of photos in which a rectangle is painted over.", low=0, high=1
    )
    fine_tune_epochs: int = _setting(
        0, "Transfer: further epochs in which the backbone is trained, too.", low=0, high=10_000
    )
    fine_tune_learning_rate: float = _setting(
        1e-5, "Transfer: the learning rate of the further epochs.", low=1e-8, high=1.0
    )
    weights: Path | None = _setting(  # noqa: RUF009 - a dataclass field like the others
        None, "Transfer: a local file with the backbone's weights [default: Keras downloads them]."
    )
    seed: int = _setting(0, "Seed of all random numbers.", low=0, high=2**32 - 1)

    def __post_init__(self) -> None:
        types = typing.get_type_hints(type(self))
        for one in fields(self):
            value = getattr(self, one.name)
            _check_type(one.name, value, types[one.name])
            _check_range(one.name, value, one.metadata)
        if self.size and not _SIZES[0] <= self.size <= _SIZES[1]:
            raise ConfigError(f"size must be 0 or from {_SIZES[0]} to {_SIZES[1]}, not {self.size}")
        if min(self.fractions) <= 0 or abs(sum(self.fractions) - 1) > 1e-6:
            raise ConfigError(
                f"fractions must be three shares above 0 that add up to 1, not {self.fractions}"
            )
        if self.classes is not None:
            good = len(set(self.classes)) == len(self.classes) in (2, 3)
            if not good or (len(self.classes) == 3 and NEITHER not in self.classes):
                raise ConfigError(
                    f"classes must be two different folders, or two and {NEITHER}, "
                    f"not {self.classes}"
                )
        if self.model not in TRANSFER and (self.fine_tune_epochs or self.weights):
            name = "fine_tune_epochs" if self.fine_tune_epochs else "weights"
            raise ConfigError(f"{name} is for {', '.join(TRANSFER)}, not for {self.model}")
        if self.model != "face" and self.faces == "find":
            raise ConfigError(f"faces find is for face, not for {self.model}")
        if self.model != "face" and self.keep_neither:
            raise ConfigError(f"keep_neither is for face, not for {self.model}")
        if self.model == "face":
            for name in ("size", "channels"):
                if getattr(self, name) not in (0, RECIPES["face"][name]):
                    raise ConfigError(
                        f"{name} of face is {RECIPES['face'][name]}, not {getattr(self, name)}"
                    )

    def resolved(self, photos: pd.DataFrame) -> TrainConfig:
        """Return the settings with the values that depend on the photos.

        Args:
            photos: the manifest's rows of the training photos.

        Returns:
            The same settings with `size`, `channels` and `epochs` above 0, and `faces` find or
            given.
        """
        shorter = photos[["width", "height"]].min(axis=1).median()
        by_photos = {
            "size": _SMALL_SIZE if shorter <= _SMALL else _LARGE_SIZE,
            "channels": 1 if (photos["channels"] == 1).all() else 3,
            "epochs": min(max(round(_PHOTOS_SHOWN / max(1, len(photos))), _EPOCHS[0]), _EPOCHS[1]),
        }
        recipe = RECIPES[self.model]
        chosen: dict[str, Any] = {
            name: getattr(self, name) or recipe.get(name, 0) or value
            for name, value in by_photos.items()
        }
        if self.faces == "auto":
            chosen["faces"] = "find" if self.model == "face" and shorter > _SMALL else "given"
        return replace(self, **chosen)

    @property
    def learns_by_steps(self) -> bool:
        """Whether the network is trained by gradient descent; `faces` must be resolved."""
        return self.faces != Faces.FIND

    @property
    def looks_twice(self) -> bool:
        """Whether the exported network averages over a photo and its mirror image."""
        return self.learns_by_steps and self.augment and self.flip

    @property
    def looks_at(self) -> LooksAt:
        """The network's input; `faces` must be resolved."""
        if self.model != "face":
            return "photo"
        return "face" if self.learns_by_steps else "both"


_TRANSFER_RECIPE: dict[str, Any] = {
    "size": 160,
    "channels": 3,
    "epochs": 8,
    "learning_rate": 1e-3,
    "schedule": "constant",
    "weight_decay": 0.0,
    "label_smoothing": 0.0,
    "patience": 3,
    "fine_tune_epochs": 8,
    "fine_tune_learning_rate": 1e-5,
}

#: The settings in which each model differs from the defaults of `TrainConfig`.
RECIPES: dict[str, dict[str, Any]] = {
    "face": {  # it starts from the classifier that ships
        "size": 48,
        "channels": 1,
        "epochs": 15,
        "learning_rate": 3e-5,  # docs/decisions.md, "Learning rate of the model face"
    },
    "classic": {  # the tutorials' training
        "size": 256,
        "channels": 3,
        "epochs": 20,
        "learning_rate": 1e-3,
        "schedule": "constant",
        "weight_decay": 0.0,
        "label_smoothing": 0.0,
        "dropout": 0.0,
        "class_weights": False,
        "augment": False,
    },
    "compact": {},
    **dict.fromkeys(TRANSFER, _TRANSFER_RECIPE),
}

# The maximum number of characters of a value that an error quotes.
_MOST_SHOWN = 80
# happysad 0.1.0's name for the value given of `faces`.
_FORMER_GIVEN = "off"


def load(file: Path | None = None, overrides: Mapping[str, Any] | None = None) -> TrainConfig:
    """Combine settings: the model's recipe, then a TOML file, then `overrides`.

    Args:
        file: TOML with settings at its top level, such as a run's config.toml.
        overrides: settings by name, such as those given on the command line.

    Raises:
        ConfigError: the file cannot be read; a setting is unknown, of the wrong type or out of
            range.
    """
    written = {} if file is None else _read(file)
    for name in BESIDE_SETTINGS:
        written.pop(name, None)
    _refuse_unknown(written, f"{file}: ")
    return _config({**written, **(overrides or {})}, "")


def _config(values: Mapping[str, Any], where: str) -> TrainConfig:
    _refuse_unknown(values, where)
    model = values.get("model", TrainConfig.model)
    recipe = RECIPES.get(model, {}) if isinstance(model, str) else {}
    if values.get("faces") == _FORMER_GIVEN:
        values = {**values, "faces": str(Faces.GIVEN)}
    return TrainConfig(**{n: _converted(n, v) for n, v in {**recipe, **values}.items()})


def of_run(run: Run) -> TrainConfig:
    """Return the settings of a run.

    Raises:
        RunError: the folder is not a run's.
        ConfigError: a setting is unknown, of the wrong type or out of range.
    """
    return _config(run.settings(), f"{run.config}: ")


def require_learnable(
    classes: Sequence[str], data: Path, config: TrainConfig, votes: Path | None = None
) -> None:
    """Raise an error if the network cannot learn these classes, from votes, or keep neither.

    Args:
        classes: the class folders.
        data: their folder, for the message.
        config: the settings, resolved.
        votes: the file with votes.

    Raises:
        UsageError: the network looks at faces and photo together, and there are votes or three
            classes; or there are three and none is `NEITHER`; or neither cannot be kept.
    """
    if config.keep_neither:
        _require_keepable(classes, data, config, votes)
    if votes is not None and not config.learns_by_steps:
        raise UsageError(
            f"{votes}: the model face on whole photos learns classes, not votes; choose "
            "--faces given for face crops, or --model compact"
        )
    if len(classes) < 3:
        return
    if NEITHER not in classes:
        raise UsageError(
            f"{data}: train needs two classes, or two and {NEITHER}, not {', '.join(classes)}; "
            "choose with --classes happy,sad"
        )
    if not config.learns_by_steps:
        raise UsageError(
            f"{data}: the model face on whole photos learns two classes, not "
            f"{', '.join(classes)}; choose --classes happy,sad, or --faces given for face crops, "
            "or --model compact"
        )


def _require_keepable(
    classes: Sequence[str], data: Path, config: TrainConfig, votes: Path | None
) -> None:
    if NEITHER in classes:
        raise UsageError(
            f"{data}: keep_neither is for two folders; {NEITHER} is learned from its own"
        )
    if not config.learns_by_steps:
        raise UsageError(
            f"{data}: keep_neither is for face crops (--faces given), not for whole photos"
        )
    if votes is not None:
        raise UsageError(
            f"{votes}: votes cannot be combined with keep_neither; a column {NEITHER} and its "
            "folder are learned without it"
        )


def require_two_classes(classes: Sequence[str], data: Path, command: str) -> None:
    """Raise an error if there are more than two classes.

    Raises:
        UsageError: there are more than two classes.
    """
    if len(classes) > 2:
        raise UsageError(
            f"{data}: {command} needs two classes, not {', '.join(classes)}; choose with "
            "--classes happy,sad"
        )


def to_settings(config: TrainConfig) -> dict[str, Any]:
    """Return the settings other than None, as values that TOML supports."""
    values = {name: value for name, value in asdict(config).items() if value is not None}
    if config.weights:
        values["weights"] = str(config.weights.absolute())
    return values


def _read(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8", errors="surrogateescape"))
    except OSError as error:
        raise ConfigError(f"{file}: {os_reason(error)}") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{file}: not TOML: {error}") from error


def _refuse_unknown(values: Mapping[str, Any], where: str) -> None:
    known = [one.name for one in fields(TrainConfig)]
    for name in values:
        if name not in known:
            near = difflib.get_close_matches(name, known, 1, cutoff=0.0)[0]
            raise ConfigError(f"{where}unknown setting {name!r}; the nearest is {near!r}")


def _converted(name: str, value: Any) -> Any:
    """Convert a TOML value to the field's type; leave a value that does not fit to the check."""
    expected = typing.get_type_hints(TrainConfig)[name]
    if isinstance(value, list):
        return tuple(value)
    if expected is float and type(value) is int:
        return float(value)
    if expected == Path | None and isinstance(value, str):
        return Path(value) if value else None
    return value


def _check_type(name: str, value: Any, expected: Any) -> None:
    if not _is(value, expected):
        words = str(getattr(expected, "__name__", expected)).replace("pathlib.", "")
        raise ConfigError(f"{name} must be {words}, not {repr(value)[:_MOST_SHOWN]}")


def _is(value: Any, expected: Any) -> bool:
    arguments = typing.get_args(expected)
    if isinstance(expected, UnionType):
        return any(_is(value, one) for one in arguments)
    if typing.get_origin(expected) is tuple:
        if not isinstance(value, tuple):
            return False
        if arguments[-1] is Ellipsis:
            return all(_is(one, arguments[0]) for one in value)
        return len(value) == len(arguments) and all(map(_is, value, arguments))
    if expected is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if expected is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, expected)


def _check_range(name: str, value: Any, metadata: Mapping[str, Any]) -> None:
    choices, low, high = metadata["choices"], metadata["low"], metadata["high"]
    if choices and value not in choices:
        raise ConfigError(f"{name} must be one of {', '.join(map(str, choices))}, not {value!r}")
    # Written so that NaN is refused as well.
    if (low is not None and not value >= low) or (high is not None and not value <= high):
        span = f"at least {low}" if high is None else f"from {low} to {high}"
        raise ConfigError(f"{name} must be {span}, not {value!r}")
