"""Every setting of a training: typed, checked, from a recipe, a TOML file and the command line."""

from __future__ import annotations

import difflib
import tomllib
import typing
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from types import UnionType
from typing import TYPE_CHECKING, Any

from happysad import __version__
from happysad.errors import ConfigError, RunError, os_reason
from happysad.model_file import LooksAt
from happysad.models import NAMES, TRANSFER
from happysad.predictions import Faces

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["RECIPES", "TrainConfig", "load", "load_run", "to_toml"]

#: The smallest and the largest side of an input in pixels.
_SIZES = (32, 512)
#: compact's size where the photos' median shorter side is at most `_SMALL` pixels, and elsewhere.
#: So small pictures are also taken for faces that were cut out already.
_SMALL, _SMALL_SIZE, _LARGE_SIZE = 64, 48, 96
#: epochs 0: as many as show the network this many photos, from `_EPOCHS[0]` to `_EPOCHS[1]`.
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
    """The settings of one training. `load` puts them together: a model's own are in `RECIPES`.

    Raises:
        ConfigError: a value is of the wrong type or out of range.
    """

    model: str = _setting("face", f"The network: {', '.join(NAMES)}.", choices=NAMES)
    classes: tuple[str, str] | None = _setting(
        None, "The two class folders, where DIR has more than two."
    )
    fractions: tuple[float, float, float] = _setting(
        (0.7, 0.2, 0.1), "The shares of train, val and test."
    )
    radius: int = _setting(
        6,
        "Near-duplicates differ in at most so many of a hash's 64 bits; "
        "-1: as --groups says alone.",
        low=-1,
        high=16,
    )
    size: int = _setting(
        0, f"The input's side, {_SIZES[0]} to {_SIZES[1]}; 0: by model and photos.", low=0
    )
    channels: int = _setting(
        0, "1 grey, 3 colour; 0: grey where all photos are.", choices=(0, 1, 3)
    )
    faces: str = _setting(
        "auto",
        "Model face: find the faces in the photos, or given where every picture is a face crop; "
        "auto: by the pictures' size.",
        choices=("auto", *Faces),
    )
    epochs: int = _setting(0, "Rounds through the photos; 0: by their number.", low=0, high=10_000)
    batch_size: int = _setting(32, "Photos a step.", low=1, high=4096)
    learning_rate: float = _setting(2e-3, "The (highest) learning rate.", low=1e-8, high=1.0)
    schedule: str = _setting(
        "cosine",
        "The learning rate: constant, or cosine with a warm-up.",
        choices=("constant", "cosine"),
    )
    warmup: int = _setting(2, "Epochs of warm-up of the cosine schedule.", low=0, high=1000)
    weight_decay: float = _setting(
        0.02, "AdamW's weight decay; 0 is plain Adam.", low=0.0, high=1.0
    )
    label_smoothing: float = _setting(
        0.1, "How far labels are moved towards the middle.", low=0.0, high=0.5
    )
    dropout: float = _setting(0.3, "The share of features dropped.", low=0.0, high=0.9)
    patience: int = _setting(
        0, "Stop after so many epochs without a better val_loss; 0 never.", low=0, high=10_000
    )
    class_weights: bool = _setting(True, "Let photos of the smaller class count more.")
    augment: bool = _setting(True, "Show every photo a little changed in each epoch.")
    flip: bool = _setting(True, "Augmentation: mirror every second photo.")
    rotation: float = _setting(
        15.0, "Augmentation: turn by up to so many degrees.", low=0, high=180
    )
    shift: float = _setting(
        0.08, "Augmentation: move by up to this share of the side.", low=0, high=0.5
    )
    zoom: float = _setting(
        0.15, "Augmentation: enlarge or shrink by up to this share.", low=0, high=0.5
    )
    light: float = _setting(
        0.25, "Augmentation: change contrast and brightness by up to this share.", low=0, high=1
    )
    worsening: float = _setting(
        0.0,
        "Augmentation: how often a photo is blurred, shrunk, compressed or made noisy.",
        low=0,
        high=1,
    )
    erasing: float = _setting(
        0.3, "Augmentation: how often a rectangle is painted over.", low=0, high=1
    )
    fine_tune_epochs: int = _setting(
        0, "Transfer: further epochs with the whole network free.", low=0, high=10_000
    )
    fine_tune_learning_rate: float = _setting(
        1e-5, "Transfer: the learning rate of these epochs.", low=1e-8, high=1.0
    )
    weights: Path | None = _setting(  # noqa: RUF009 - a dataclass field like the others
        None, "Transfer: a local file with the backbone's weights, instead of Keras's download."
    )
    seed: int = _setting(0, "Decides everything random.", low=0, high=2**32 - 1)

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
        if self.classes and self.classes[0] == self.classes[1]:
            raise ConfigError(f"classes must be two different folders, not {self.classes}")
        if self.model not in TRANSFER and (self.fine_tune_epochs or self.weights):
            name = "fine_tune_epochs" if self.fine_tune_epochs else "weights"
            raise ConfigError(f"{name} is for {', '.join(TRANSFER)}, not for {self.model}")
        if self.model != "face" and self.faces == "find":
            raise ConfigError(f"faces find is for face, not for {self.model}")
        if self.model == "face":
            for name in ("size", "channels"):
                if getattr(self, name) not in (0, RECIPES["face"][name]):
                    raise ConfigError(
                        f"{name} of face is {RECIPES['face'][name]}, not {getattr(self, name)}"
                    )

    def resolved(self, photos: pd.DataFrame) -> TrainConfig:
        """Choose what is left to the photos.

        Args:
            photos: the manifest's rows that are trained on.

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
    def looks_at(self) -> LooksAt:
        """The network's input; `faces` must be resolved."""
        if self.model != "face":
            return "photo"
        return "both" if self.faces == Faces.FIND else "face"


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

#: What each model changes of `TrainConfig`'s defaults.
RECIPES: dict[str, dict[str, Any]] = {
    "face": {  # starts from the classifier that ships, so a little is enough
        "size": 48,
        "channels": 1,
        "epochs": 15,
        "learning_rate": 3e-5,  # as good as 1e-4 on faces as they are, better on harder ones
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

# Stand in a run's config.toml beside the settings.
_NO_SETTINGS = ("data", "happysad")


def load(file: Path | None = None, overrides: Mapping[str, Any] | None = None) -> TrainConfig:
    """Put settings together: the model's recipe, then a TOML file, then `overrides`.

    Args:
        file: TOML with settings at its top level; a run's config.toml will do.
        overrides: settings by name, such as those given on the command line.

    Raises:
        ConfigError: the file cannot be read; a setting is unknown, of the wrong type or out of
            range.
    """
    written = {} if file is None else _read(file)
    for name in _NO_SETTINGS:
        written.pop(name, None)
    if written.get("faces") == "off":  # what happysad 0.1.0 wrote
        written["faces"] = str(Faces.GIVEN)
    given = dict(overrides or {})
    _refuse_unknown(written, f"{file}: ")
    _refuse_unknown(given, "")
    values = {**written, **given}
    model = values.get("model", TrainConfig.model)
    recipe = RECIPES.get(model, {}) if isinstance(model, str) else {}
    return TrainConfig(**{n: _converted(n, v) for n, v in {**recipe, **values}.items()})


def load_run(file: Path) -> tuple[TrainConfig, Path]:
    """Read a run's config.toml: its settings and its data folder.

    Raises:
        RunError: there is none, or it is no run's.
    """
    if not file.is_file():
        raise RunError(f"{file.parent}: not a run's folder: no {file.name}")
    data = _read(file).get("data")
    if not isinstance(data, str):
        raise RunError(f"{file}: not a run's: no data")
    return load(file), Path(data)


def to_toml(config: TrainConfig, data: Path) -> str:
    """Write every value that is set, the data folder and happysad's version as TOML."""
    import tomli_w

    values = {name: value for name, value in asdict(config).items() if value is not None}
    if config.weights:
        values["weights"] = str(config.weights.absolute())
    return tomli_w.dumps({"happysad": __version__, "data": str(data.absolute()), **values})


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
    """Bring what TOML can say to the field's type; what does not fit is left for the check."""
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
        raise ConfigError(f"{name} must be {words}, not {value!r}")


def _is(value: Any, expected: Any) -> bool:
    arguments = typing.get_args(expected)
    if isinstance(expected, UnionType):
        return any(_is(value, one) for one in arguments)
    if typing.get_origin(expected) is tuple:
        return (
            isinstance(value, tuple)
            and len(value) == len(arguments)
            and all(_is(*pair) for pair in zip(value, arguments, strict=True))
        )
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
