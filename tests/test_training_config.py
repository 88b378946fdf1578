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
from happysad.training.config import (
    RECIPES,
    TrainConfig,
    choose,
    load,
    of_run,
    to_settings,
    used_settings,
)


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
    ],
)
def test_wrong_settings_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)):
        load(None, settings)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("epochs = ", "not TOML"),
        ("epochs = " + "[" * 5000, "not TOML"),
        ("epochs = " + "9" * 5000, "not TOML"),
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


ALWAYS = {"model", "classes", "fractions", "radius", "class_weights", "seed"}
IN_EPOCHS = {
    "epochs", "batch_size", "learning_rate", "schedule", "weight_decay", "label_smoothing",
    "dropout", "patience", "augment",
}  # fmt: skip
AUGMENTED = {"flip", "rotation", "shift", "zoom", "light", "worsening", "erasing"}
INPUT = {"size", "channels"}


@pytest.mark.parametrize(
    ("settings", "uses"),
    [
        ({"faces": "find"}, ALWAYS | {"faces", "keep_neither", "learning_curve"}),
        (
            {"faces": "given"},
            ALWAYS | {"faces", "keep_neither", "warmup"} | IN_EPOCHS | AUGMENTED,
        ),
        # Not known yet: what either of them uses.
        (
            {},
            ALWAYS | {"faces", "keep_neither", "learning_curve", "warmup"} | IN_EPOCHS | AUGMENTED,
        ),
        ({"model": "classic"}, ALWAYS | IN_EPOCHS | INPUT),
        ({"model": "classic", "augment": True}, ALWAYS | IN_EPOCHS | INPUT | AUGMENTED),
        ({"model": "compact"}, ALWAYS | IN_EPOCHS | INPUT | AUGMENTED | {"warmup"}),
        (
            {"model": "compact", "epochs": 1, "augment": False},  # too short for a warm-up
            ALWAYS | IN_EPOCHS | INPUT,
        ),
        (
            {"model": "vgg16"},
            ALWAYS
            | IN_EPOCHS
            | INPUT
            | AUGMENTED
            | {"fine_tune_epochs", "fine_tune_learning_rate", "weights"},
        ),
        (
            {"model": "vgg16", "fine_tune_epochs": 0, "schedule": "cosine"},
            ALWAYS | IN_EPOCHS | INPUT | AUGMENTED | {"fine_tune_epochs", "weights", "warmup"},
        ),
    ],
)
def test_which_settings_a_training_uses(settings: dict[str, Any], uses: set[str]) -> None:
    config = load(None, settings)
    assert set(used_settings(config)) == uses
    # config.toml has these alone, and None cannot be written.
    assert set(to_settings(config)) == uses - {"classes", "weights"}


PHOTOS, CROPS = photos(100, 500, grey=False), photos(100, 48, grey=True)
WHOLE = (
    "it uses model, classes, fractions, radius, faces, keep_neither, learning_curve, "
    "class_weights, seed"
)


@pytest.mark.parametrize(
    ("given", "rows", "message"),
    [
        (
            # The value by default counts, too: it was given.
            {"epochs": 40, "augment": True, "rotation": 15.0},
            PHOTOS,
            "the model face on whole photos does not use epochs, augment, rotation: it is fitted "
            f"to all photos at once, not in epochs (--model compact learns in epochs); {WHOLE}",
        ),
        (
            {"size": 96, "batch_size": 8},
            PHOTOS,
            "the model face on whole photos does not use size: its input is always 48x48 grey "
            "pixels; nor batch_size: it is fitted to all photos at once, not in epochs (--model "
            f"compact learns in epochs); {WHOLE}",
        ),
        (
            {"model": "classic", "flip": False},
            PHOTOS,
            "the model classic does not use flip: the augmentation is off (--augment turns it on); "
            "it uses model, classes, fractions, radius, size, ",
        ),
        (
            {"model": "classic", "warmup": 3},
            PHOTOS,
            "the model classic does not use warmup: a warm-up needs the schedule cosine and 2 "
            "epochs; it uses",
        ),
        (
            {"model": "resnet50", "fine_tune_epochs": 0, "fine_tune_learning_rate": 1e-5},
            PHOTOS,
            "the model resnet50 does not use fine_tune_learning_rate: fine_tune_epochs is 0; it",
        ),
        (
            {"model": "compact", "fine_tune_epochs": 2, "faces": "find"},
            PHOTOS,
            "the model compact does not use faces: only the model face looks for faces; nor "
            "fine_tune_epochs: only vgg16, resnet50, mobilenetv3, efficientnetv2b0 have a backbone",
        ),
        (
            {"size": 48},
            CROPS,
            "the model face on face crops does not use size: its input is always 48x48 grey pixels",
        ),
        (
            {"model": "compact", "epochs": 6, "warmup": 4},
            CROPS,
            "warmup must be at most half of the epochs, 3, not 4",
        ),
    ],
)
def test_a_given_setting_that_is_not_used_is_refused(
    given: dict[str, Any], rows: pd.DataFrame, message: str
) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)) as refused:
        choose(None, given).resolved(rows)
    assert "\n" not in str(refused.value)


def test_what_no_photo_can_make_used_is_refused_before_they_are_read() -> None:
    with pytest.raises(ConfigError, match="the model face does not use channels: its input is"):
        choose(None, {"channels": 1}).refuse_unused()
    choose(None, {"epochs": 3}).refuse_unused()  # the photos may be face crops


def test_what_is_not_used_has_the_value_of_the_recipe() -> None:
    config = TrainConfig(model="face", channels=1, size=48)  # learning_rate is not the recipe's
    assert config.learning_rate != load().learning_rate
    assert choose(config).resolved(PHOTOS) == load(None, {"faces": "find"})
    assert choose(config).resolved(CROPS).learning_rate == config.learning_rate
    with pytest.raises(ConfigError, match="does not use learning_rate"):
        choose(replace(config, learning_rate=1e-4)).resolved(PHOTOS)


def test_the_settings_of_a_file_count_as_given_unless_a_run_wrote_them(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text("epochs = 15\n")  # the recipe's value
    with pytest.raises(ConfigError, match="does not use epochs"):
        choose(file).resolved(PHOTOS)
    assert choose(file, {"weights": None}).given == {"epochs"}

    run = Run(tmp_path)
    crops = choose().resolved(CROPS)
    run.write_settings(to_settings(crops), Path("photos"))
    assert choose(run.config).resolved(CROPS) == crops == of_run(run)
    whole = choose(run.config, {"faces": "find"}).resolved(PHOTOS)
    assert whole == load(None, {"faces": "find"})
    assert choose(run.config, {"model": "classic"}).resolved(CROPS).epochs == 15
    run.write_settings(to_settings(replace(crops, dropout=0.5)), Path("photos"))
    with pytest.raises(ConfigError, match="does not use dropout"):  # somebody chose it
        choose(run.config, {"faces": "find"}).resolved(PHOTOS)


def test_a_run_of_0_1_0_wrote_what_it_ignored(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text(
        'happysad = "0.1.0"\ndata = "/photos"\nmodel = "face"\nfaces = "find"\nsize = 48\n'
        "channels = 1\nepochs = 40\ndropout = 0.5\nseed = 3\n"
    )
    assert choose(file).resolved(PHOTOS) == load(None, {"faces": "find", "seed": 3})
    with pytest.raises(ConfigError, match="does not use epochs"):
        choose(file, {"epochs": 40}).resolved(PHOTOS)


def test_every_setting_explains_itself() -> None:
    assert all(field.metadata["help"].endswith(".") for field in fields(TrainConfig))
