"""Settings: recipes, TOML, overrides, and what is refused."""

from __future__ import annotations

import re
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from happysad import __version__
from happysad.errors import ConfigError, RunError
from happysad.models import NAMES
from happysad.run import Run
from happysad.training.config import RECIPES, TrainConfig, load, of_run, to_settings


def photos(n: int, side: int, *, grey: bool) -> pd.DataFrame:
    return pd.DataFrame(
        {"width": [side] * n, "height": [side * 2] * n, "channels": 1 if grey else 3}
    )


COMPACT = {"model": "compact"}


def test_training_starts_from_what_ships() -> None:
    assert load() == load(None, {"model": "face"})
    assert load().learning_rate == 3e-5


def test_recipe_then_file_then_command_line(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text('model = "classic"\nepochs = 7\nbatch_size = 8\nclasses = ["a", "b"]\n')
    config = load(file, {"epochs": 3})
    assert config.size == 256  # the recipe of classic
    assert config.batch_size == 8  # the file
    assert config.epochs == 3  # the command line
    assert config.classes == ("a", "b")
    # The command line also chooses the recipe, and the file still applies.
    assert load(file, {"model": "compact"}).learning_rate == TrainConfig().learning_rate
    assert load(file, {"model": "compact"}).epochs == 7


def test_classic_is_the_tutorials_training() -> None:
    config = load(None, {"model": "classic"})
    wanted = {
        "size": 256, "channels": 3, "epochs": 20, "batch_size": 32, "learning_rate": 1e-3,
        "schedule": "constant", "weight_decay": 0.0, "label_smoothing": 0.0, "dropout": 0.0,
        "patience": 0, "augment": False, "class_weights": False,
    }  # fmt: skip
    assert {name: getattr(config, name) for name in wanted} == wanted


@pytest.mark.parametrize("model", NAMES)
def test_every_model_has_a_recipe_that_is_valid(model: str) -> None:
    config = load(None, {"model": model}).resolved(photos(100, 100, grey=False))
    assert config.model == model
    assert min(config.size, config.channels, config.epochs) > 0
    assert set(RECIPES[model]) <= {field.name for field in fields(TrainConfig)}


@pytest.mark.parametrize(
    ("settings", "n", "side", "grey", "size", "channels", "epochs"),
    [
        (COMPACT, 12_000, 48, True, 48, 1, 31),  # small grey faces
        (COMPACT, 12_000, 64, False, 48, 3, 31),  # at most 64 still counts as small
        (COMPACT, 300, 65, False, 96, 3, 100),  # few photos: at most 100 epochs
        (COMPACT, 100_000, 500, True, 96, 1, 10),  # many photos: at least 10 epochs
        (
            {**COMPACT, "size": 64, "channels": 3, "epochs": 2},
            300,
            48,
            True,
            64,
            3,
            2,
        ),  # chosen by hand
        ({"model": "classic", "size": 0}, 300, 48, True, 256, 3, 20),  # 0 falls back on the recipe
        ({}, 300, 500, False, 48, 1, 15),  # the default, face, has a fixed input
    ],
)
def test_what_is_left_to_the_photos(
    settings: dict[str, Any], n: int, side: int, grey: bool, size: int, channels: int, epochs: int
) -> None:
    config = load(None, settings).resolved(photos(n, side, grey=grey))
    assert (config.size, config.channels, config.epochs) == (size, channels, epochs)


@pytest.mark.parametrize(
    ("settings", "side", "faces"),
    [
        ({"model": "face"}, 64, "given"),  # pictures this small are face crops
        ({"model": "face"}, 65, "find"),
        ({"model": "face", "faces": "given"}, 500, "given"),
        ({"model": "face", "faces": "find"}, 48, "find"),
        ({"model": "compact"}, 500, "given"),  # looks at photos only
    ],
)
def test_whether_faces_are_looked_for(settings: dict[str, Any], side: int, faces: str) -> None:
    assert load(None, settings).resolved(photos(100, side, grey=False)).faces == faces


def test_a_run_s_settings_can_be_read_again(tmp_path: Path) -> None:
    config = load(
        None, {"model": "vgg16", "weights": Path("w.h5"), "classes": ("x", "y"), "seed": 4}
    )
    run = Run(tmp_path)
    run.write_settings(to_settings(config), Path("photos"))
    assert f'happysad = "{__version__}"' in run.config.read_text()
    again = of_run(run)
    assert again.weights == Path("w.h5").absolute()  # wherever it is resumed
    assert replace(again, weights=config.weights) == config
    assert load(run.config) == again  # it may be taken for another training
    with pytest.raises(RunError, match="nowhere: not a run's folder"):
        of_run(Run(tmp_path / "nowhere"))


def test_settings_of_0_1_0_are_read(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text('happysad = "0.1.0"\ndata = "/photos"\nfaces = "off"\n')
    assert of_run(Run(tmp_path)).faces == "given"
    with pytest.raises(ConfigError, match=r"config\.toml: unknown setting 'epoch'"):
        (tmp_path / "config.toml").write_text('data = "/photos"\nepoch = 3\n')
        of_run(Run(tmp_path))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"epoch": 3}, "unknown setting 'epoch'; the nearest is 'epochs'"),
        ({"learningrate": 1}, "unknown setting 'learningrate'; the nearest is 'learning_rate'"),
        ({"model": "alexnet"}, "model must be one of face, classic, compact"),
        ({"model": 3}, "model must be str, not 3"),
        ({"epochs": 1.5}, "epochs must be int, not 1.5"),
        ({"epochs": True}, "epochs must be int, not True"),
        ({"augment": 1}, "augment must be bool, not 1"),
        ({"epochs": -1}, "epochs must be from 0 to 10000, not -1"),
        ({"learning_rate": float("nan")}, "learning_rate must be from 1e-08 to 1.0, not nan"),
        ({"dropout": 0.95}, "dropout must be from 0.0 to 0.9, not 0.95"),
        ({"channels": 2}, "channels must be one of 0, 1, 3, not 2"),
        ({"schedule": "step"}, "schedule must be one of constant, cosine, not 'step'"),
        ({"size": 31}, "size must be 0 or from 32 to 512, not 31"),
        ({"size": 513}, "size must be 0 or from 32 to 512, not 513"),
        ({"fractions": (0.5, 0.5, 0.5)}, "fractions must be three shares"),
        ({"fractions": (0.9, 0.1, 0.0)}, "fractions must be three shares"),
        ({"classes": ("a", "a")}, "classes must be two different folders"),
        ({"classes": ("a", "b", "c")}, "classes must be two different folders, or two and neither"),
        ({"classes": ("a", "a", "neither")}, "classes must be two different folders"),
        (
            {"model": "compact", "fine_tune_epochs": 2},
            "fine_tune_epochs is for vgg16.*not for compact",
        ),
        ({"model": "compact", "weights": "w.h5"}, "weights is for vgg16.*not for compact"),
        ({"model": "compact", "faces": "find"}, "faces find is for face, not for compact"),
        ({"model": "face", "size": 64}, "size of face is 48, not 64"),
        ({"model": "face", "channels": 3}, "channels of face is 1, not 3"),
    ],
)
def test_wrong_settings_are_refused(settings: dict[str, Any], message: str) -> None:
    pattern = message if ".*" in message else re.escape(message)
    with pytest.raises(ConfigError, match=pattern):
        load(None, settings)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("epochs = ", "not TOML"),
        ("[train]\nepochs = 3\n", "unknown setting 'train'"),
        (None, "no such file"),
    ],
)
def test_wrong_files_are_named(tmp_path: Path, text: str | None, message: str) -> None:
    file = tmp_path / "mine.toml"
    if text is not None:
        file.write_text(text)
    with pytest.raises(ConfigError, match=f"{re.escape(str(file))}: .*{message}"):
        load(file)


def test_every_setting_explains_itself() -> None:
    assert all(field.metadata["help"].endswith(".") for field in fields(TrainConfig))
