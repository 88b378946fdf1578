"""The settings of a training, typed and checked, from a recipe, a TOML file and command line."""

from __future__ import annotations

import difflib
import tomllib
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from functools import cache
from pathlib import Path
from types import UnionType
from typing import TYPE_CHECKING, Any

from happysad.errors import ConfigError, UsageError, os_reason
from happysad.models import NAMES, TRANSFER
from happysad.predictions import NEITHER, Faces
from happysad.run import BESIDE_SETTINGS, VERSION, Run

if TYPE_CHECKING:
    import pandas as pd

    from happysad.model_file import LooksAt

__all__ = [
    "RECIPES",
    "Chosen",
    "TrainConfig",
    "Use",
    "choose",
    "load",
    "of_run",
    "require_learnable",
    "require_two_classes",
    "to_settings",
    "used_settings",
]

#: The range of an input's side in pixels.
_SIZES = (32, 512)
#: The input's side of the model compact: for photos that count as face crops, and for others.
_SMALL_SIZE, _LARGE_SIZE = 48, 96
#: With epochs 0, the total number of photos shown to the network in all epochs, and the range of
#: the number of epochs.
_PHOTOS_SHOWN, _EPOCHS = 375_000, (10, 100)


@dataclass(frozen=True, slots=True)
class Use:
    """When a training uses a setting."""

    title: str
    """The heading of these settings in the help of `happysad train`."""
    why_not: str
    """Why a training does not use them if `holds` is False."""
    holds: Callable[[TrainConfig], bool]
    within: Use | None = None
    """Another condition that must hold, too."""

    def reason(self, config: TrainConfig) -> str:
        """Return why a training does not use the setting; empty if it does."""
        outer = "" if self.within is None else self.within.reason(config)
        return outer or ("" if self.holds(config) else self.why_not)


_ALWAYS = Use("Settings of every training", "", lambda config: True)
_INPUT = Use(
    "Settings of every model but face",
    "its input is always 48x48 grey pixels",
    lambda config: config.model != "face",
)
_FACE = Use(
    "Settings of the model face",
    "only the model face looks for faces",
    lambda config: config.model == "face",
)
_WHOLE_PHOTOS = Use(
    _FACE.title,
    "that is for the model face on whole photos (--faces find)",
    lambda config: config.model == "face" and not config.learns_by_steps,
)
_IN_EPOCHS = Use(
    "Settings of networks that learn in epochs (all but face on whole photos)",
    "it is fitted to all photos at once, not in epochs (--model compact learns in epochs)",
    lambda config: config.learns_by_steps,
)
_WARMED_UP = Use(
    _IN_EPOCHS.title,
    "a warm-up needs the schedule cosine and 2 epochs",
    lambda config: (
        config.schedule == "cosine" and (config.epochs != 1 or config.fine_tune_epochs > 1)
    ),
    within=_IN_EPOCHS,
)
_AUGMENTED = Use(
    "Settings of the augmentation (--augment) of networks that learn in epochs",
    "the augmentation is off (--augment turns it on)",
    lambda config: config.augment,
    within=_IN_EPOCHS,
)
_PRETRAINED = Use(
    f"Settings of transfer models ({', '.join(TRANSFER)})",
    f"only {', '.join(TRANSFER)} have a backbone trained on other pictures",
    lambda config: config.model in TRANSFER,
)
_FINE_TUNED = Use(
    _PRETRAINED.title,
    "fine_tune_epochs is 0",
    lambda config: config.fine_tune_epochs > 0,
    within=_PRETRAINED,
)


def _setting(
    use: Use,
    default: Any,
    help_: str,
    *,
    low: float | None = None,
    high: float | None = None,
    choices: tuple[object, ...] = (),
) -> Any:
    metadata = {"use": use, "help": help_, "low": low, "high": high, "choices": choices}
    return field(default=default, metadata=metadata)


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """The settings of one training; `load` combines them with the recipe of the model.

    Every setting has a `Use`: the condition under which a training uses it.

    Raises:
        ConfigError: a value is of the wrong type or out of range.
    """

    model: str = _setting(_ALWAYS, "face", f"The network: {', '.join(NAMES)}.", choices=NAMES)
    classes: tuple[str, ...] | None = _setting(
        _ALWAYS,
        None,
        "The class folders to learn, such as happy,sad: two, or these and neither [default: all].",
    )
    fractions: tuple[float, float, float] = _setting(
        _ALWAYS, (0.7, 0.2, 0.1), "The shares of train, val and test."
    )
    radius: int = _setting(
        _ALWAYS,
        6,
        "Maximum number of bits, of 64, in which the hashes of near-duplicates differ; "
        "-1: no search for near-duplicates, only --groups applies.",
        low=-1,
        high=16,
    )
    size: int = _setting(
        _INPUT,
        0,
        f"The input's side in pixels, {_SIZES[0]} to {_SIZES[1]}; 0: by model and photos.",
        low=0,
    )
    channels: int = _setting(
        _INPUT, 0, "1: grey; 3: colour; 0: by model and photos.", choices=(0, 1, 3)
    )
    faces: str = _setting(
        _FACE,
        "auto",
        "find (detect the faces in the photos), given (every picture is a face crop) or auto (by "
        "the pictures' size).",
        choices=("auto", *Faces),
    )
    keep_neither: bool = _setting(
        _FACE,
        False,
        "Trained on two classes: also answer neither, as the classifier that comes with happysad "
        "does.",
    )
    learning_curve: bool = _setting(
        _WHOLE_PHOTOS,
        True,
        "On whole photos: show by a learning curve whether more photos would help; takes about a "
        "twentieth of the training's time.",
    )
    epochs: int = _setting(
        _IN_EPOCHS,
        0,
        "Passes over the training photos; 0: by model and number of photos.",
        low=0,
        high=10_000,
    )
    batch_size: int = _setting(_IN_EPOCHS, 32, "Photos per step.", low=1, high=4096)
    learning_rate: float = _setting(
        _IN_EPOCHS,
        2e-3,
        "The learning rate; with a schedule, the highest one.",
        low=1e-8,
        high=1.0,
    )
    schedule: str = _setting(
        _IN_EPOCHS,
        "cosine",
        "Learning-rate schedule: constant, or cosine with a warm-up.",
        choices=("constant", "cosine"),
    )
    warmup: int = _setting(
        _WARMED_UP,
        2,
        "Warm-up epochs of the cosine schedule, at most half of the epochs.",
        low=0,
        high=1000,
    )
    weight_decay: float = _setting(
        _IN_EPOCHS, 0.02, "AdamW's weight decay; 0 is plain Adam.", low=0.0, high=1.0
    )
    label_smoothing: float = _setting(
        _IN_EPOCHS, 0.1, "Share by which the targets move towards equal ones.", low=0.0, high=0.5
    )
    dropout: float = _setting(
        _IN_EPOCHS, 0.3, "Share of the features dropped in training.", low=0.0, high=0.9
    )
    patience: int = _setting(
        _IN_EPOCHS,
        0,
        "Stop after this many epochs without a better val_loss; 0: never.",
        low=0,
        high=10_000,
    )
    class_weights: bool = _setting(_ALWAYS, True, "Give photos of the smaller class more weight.")
    augment: bool = _setting(_IN_EPOCHS, True, "Change every photo randomly in each epoch.")
    flip: bool = _setting(_AUGMENTED, True, "Mirror every second photo.")
    rotation: float = _setting(_AUGMENTED, 15.0, "Maximum rotation in degrees.", low=0, high=180)
    shift: float = _setting(
        _AUGMENTED, 0.08, "Maximum shift, as a share of the side.", low=0, high=0.5
    )
    zoom: float = _setting(
        _AUGMENTED, 0.15, "Maximum change of scale, as a share.", low=0, high=0.5
    )
    light: float = _setting(
        _AUGMENTED,
        0.25,
        "Maximum change of contrast and brightness, as a share.",
        low=0,
        high=1,
    )
    worsening: float = _setting(
        _AUGMENTED,
        0.0,
        "Share of photos that are blurred, shrunk, compressed or made noisy.",
        low=0,
        high=1,
    )
    erasing: float = _setting(
        _AUGMENTED, 0.3, "Share of photos in which a rectangle is painted over.", low=0, high=1
    )
    fine_tune_epochs: int = _setting(
        _PRETRAINED,
        0,
        "Further epochs in which the backbone is trained, too.",
        low=0,
        high=10_000,
    )
    fine_tune_learning_rate: float = _setting(
        _FINE_TUNED, 1e-5, "The learning rate of the further epochs.", low=1e-8, high=1.0
    )
    weights: Path | None = _setting(  # noqa: RUF009 - a dataclass field like the others
        _PRETRAINED,
        None,
        "A local file with the backbone's weights [default: Keras downloads them].",
    )
    seed: int = _setting(_ALWAYS, 0, "Seed of all random numbers.", low=0, high=2**32 - 1)

    def __post_init__(self) -> None:
        types = _types()
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

    def resolved(self, photos: pd.DataFrame) -> TrainConfig:
        """Return the settings with the values that depend on the photos.

        Args:
            photos: the manifest's rows of the training photos.

        Returns:
            The same settings with `size`, `channels` and `epochs` above 0, and `faces` find or
            given.
        """
        from happysad.dataset.manifest import are_crops

        crops = are_crops(photos)
        by_photos = {
            "size": _SMALL_SIZE if crops else _LARGE_SIZE,
            "channels": 1 if (photos["channels"] == 1).all() else 3,
            "epochs": min(max(round(_PHOTOS_SHOWN / max(1, len(photos))), _EPOCHS[0]), _EPOCHS[1]),
        }
        recipe = RECIPES[self.model]
        chosen: dict[str, Any] = {
            name: getattr(self, name) or recipe.get(name, 0) or value
            for name, value in by_photos.items()
        }
        if self.faces == "auto":
            chosen["faces"] = "find" if self.model == "face" and not crops else "given"
        return replace(self, **chosen)

    @property
    def learns_by_steps(self) -> bool:
        """Whether the network is trained by gradient descent; `faces` must be resolved."""
        return self.model != "face" or self.faces != Faces.FIND

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
# happysad 0.1.0 wrote all settings into config.toml, used or not; its name for the value given of
# `faces`.
_WROTE_ALL, _FORMER_GIVEN = "0.1.0", "off"
# The value of each setting that neither the user nor the recipe gives.
_DEFAULTS: dict[str, Any] = {one.name: one.default for one in fields(TrainConfig)}


@dataclass(frozen=True, slots=True)
class Chosen:
    """Settings, with the names of those that the user gave."""

    config: TrainConfig
    given: frozenset[str]

    def refuse_unused(self) -> None:
        """Raise an error if the training does not use a setting that the user gave.

        If `faces` is still auto, settings are allowed that the training may use.

        Raises:
            ConfigError: a given setting is not used.
        """
        uses = used_settings(self.config)
        unused: dict[str, list[str]] = {}
        for one in fields(self.config):
            if one.name in self.given and one.name not in uses:
                unused.setdefault(one.metadata["use"].reason(self.config), []).append(one.name)
        if unused:
            which = "; nor ".join(f"{', '.join(names)}: {why}" for why, names in unused.items())
            raise ConfigError(
                f"{_way(self.config)} does not use {which}; it uses {', '.join(uses)}"
            )

    def resolved(self, photos: pd.DataFrame) -> TrainConfig:
        """Return the settings of the training; those that it does not use have the recipe's values.

        Args:
            photos: the manifest's rows of the training photos.

        Raises:
            ConfigError: a given setting is not used, or a given warm-up is too long.
        """
        config = self.config.resolved(photos)
        replace(self, config=config).refuse_unused()
        uses = used_settings(config)
        recipe = _recipe(config.model)
        config = replace(config, **{n: v for n, v in recipe.items() if n not in uses})
        half = max(config.epochs, config.fine_tune_epochs) // 2
        if "warmup" in self.given and config.warmup > half:
            raise ConfigError(
                f"warmup must be at most half of the epochs, {half}, not {config.warmup}"
            )
        return config


def used_settings(config: TrainConfig) -> tuple[str, ...]:
    """Return the names of the settings that a training uses, or may use if `faces` is auto.

    >>> used_settings(TrainConfig(model="face", faces="find"))[-3:]
    ('learning_curve', 'class_weights', 'seed')
    """
    ways = [config]
    if config.model == "face" and config.faces == "auto":
        ways = [replace(config, faces=str(one)) for one in Faces]
    return tuple(
        one.name
        for one in fields(config)
        if any(not one.metadata["use"].reason(way) for way in ways)
    )


def _way(config: TrainConfig) -> str:
    where = {("face", "find"): " on whole photos", ("face", "given"): " on face crops"}
    return f"the model {config.model}{where.get((config.model, config.faces), '')}"


def _recipe(model: object) -> dict[str, Any]:
    """Return the values of all settings if the user gives none but the model."""
    own = RECIPES.get(model, {}) if isinstance(model, str) else {}
    return {**_DEFAULTS, **own, "model": model}


def choose(
    base: TrainConfig | Path | None = None, settings: Mapping[str, Any] | None = None
) -> Chosen:
    """Combine settings as `load` does, and return them with the names of those that the user gave.

    The settings of a TrainConfig and of a run's config.toml were not all given by the user. There,
    a setting counts as given if its value differs from the default and from the recipe of the
    model, and the recipe does not leave it to the photos. happysad 0.1.0 wrote all settings into
    config.toml, also those that it ignored: none of them counts as given.

    Args:
        base: settings, or a TOML file with settings at its top level, such as a run's config.toml.
        settings: settings by name that override `base`; None means that the user gave no value.

    Raises:
        ConfigError: the file cannot be read; a setting is unknown, of the wrong type or out of
            range.
    """
    written: dict[str, Any] = {}
    given: frozenset[str] = frozenset()
    if isinstance(base, TrainConfig):
        written = asdict(base)
        given = _differing(written)
    elif base is not None:
        written = _read(base)
        beside = {name: written.pop(name) for name in BESIDE_SETTINGS if name in written}
        _refuse_unknown(written, f"{base}: ")
        if beside.get(VERSION) != _WROTE_ALL:
            given = _differing(written) if VERSION in beside else frozenset(written)
    settings = settings or {}
    given |= {name for name, value in settings.items() if value is not None}
    return Chosen(_config({**written, **settings}, ""), given)


def _differing(values: Mapping[str, Any]) -> frozenset[str]:
    """Return the names of the values that neither the recipe nor the photos can have chosen."""
    recipe = _recipe(values.get("model", TrainConfig.model))
    left_to_photos = {"faces", *(n for n in ("size", "channels", "epochs") if not recipe[n])}
    return frozenset(
        name
        for name, value in values.items()
        if _converted(name, value) not in (recipe[name], _DEFAULTS[name])
        and name not in left_to_photos
    )


def load(file: Path | None = None, overrides: Mapping[str, Any] | None = None) -> TrainConfig:
    """Combine settings: the model's recipe, then a TOML file, then `overrides`.

    Args:
        file: TOML with settings at its top level, such as a run's config.toml.
        overrides: settings by name, such as those given on the command line.

    Raises:
        ConfigError: the file cannot be read; a setting is unknown, of the wrong type or out of
            range.
    """
    return choose(file, overrides).config


def _config(values: Mapping[str, Any], where: str) -> TrainConfig:
    _refuse_unknown(values, where)
    recipe = _recipe(values.get("model", TrainConfig.model))
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
        UsageError: the network looks at faces and photo together, and there are votes; or there are
            three classes and none is `NEITHER`; or neither cannot be kept.
    """
    if config.keep_neither:
        _require_keepable(classes, data, config, votes)
    if votes is not None and not config.learns_by_steps:
        raise UsageError(
            f"{votes}: the model face on whole photos learns classes, not votes; choose "
            "--faces given for face crops, or --model compact"
        )
    if len(classes) > 2 and NEITHER not in classes:
        raise UsageError(
            f"{data}: train needs two classes, or two and {NEITHER}, not {', '.join(classes)}; "
            f"name the third folder {NEITHER}, or choose with --classes happy,sad"
        )


def _require_keepable(
    classes: Sequence[str], data: Path, config: TrainConfig, votes: Path | None
) -> None:
    if NEITHER in classes:
        raise UsageError(
            f"{data}: keep_neither is for two folders; {NEITHER} is learned from its own"
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
    """Return the settings that a training uses, other than None, as values that TOML supports."""
    uses = used_settings(config)
    values = {n: v for n, v in asdict(config).items() if n in uses and v is not None}
    if "weights" in values:
        values["weights"] = str(values["weights"].absolute())
    return values


def _read(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8", errors="surrogateescape"))
    except OSError as error:
        raise ConfigError(f"{file}: {os_reason(error)}") from error
    except (ValueError, RecursionError) as error:  # also a number of thousands of digits
        raise ConfigError(f"{file}: not TOML: {error}") from error


def _refuse_unknown(values: Mapping[str, Any], where: str) -> None:
    known = [one.name for one in fields(TrainConfig)]
    for name in values:
        if name not in known:
            near = difflib.get_close_matches(name, known, 1, cutoff=0.0)[0]
            raise ConfigError(f"{where}unknown setting {name!r}; the nearest is {near!r}")


@cache
def _types() -> dict[str, Any]:
    """Return the type of each setting."""
    return typing.get_type_hints(TrainConfig)


def _converted(name: str, value: Any) -> Any:
    """Convert a TOML value to the field's type; leave a value that does not fit to the check."""
    expected = _types()[name]
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
