"""The command export: a run in another format, or a Keras file as a classifier."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from happysad.cli.console import say, warn
from happysad.cli.options import ClassNames, class_names, need
from happysad.errors import UsageError
from happysad.model_file import KERAS_SUFFIXES, ModelFile

if TYPE_CHECKING:
    from happysad.export_usage import Usage

__all__ = ["export"]

# Answers for different pictures that differ by less than this hint at a wrong --scaled.
_SAME = 1e-3


def export(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="SOURCE",
            help="A finished run's folder; or a network that Keras saved: .h5, .hdf5 or .keras.",
        ),
    ],
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            help="The file to write: .onnx, .keras, .h5 or .tflite; for a Keras file, an .onnx.",
        ),
    ],
    classes: Annotated[
        ClassNames | None,
        typer.Option(
            metavar="NAMES",
            parser=class_names("--classes"),
            help="For a Keras file: the classes in the order of its outputs, such as happy,sad or "
            "happy sad. With one sigmoid, 0 means the first and 1 the second; Keras orders folders "
            "by the alphabet.",
        ),
    ] = None,
    scaled: Annotated[
        str | None,
        typer.Option(
            metavar="RANGE",
            help="The range of the pictures that the network takes: 0..1 where the code divides "
            "them by 255, or 0..255 where the network scales them itself [default for a run: "
            "0..255]; a Keras file may also take -1..1.",
        ),
    ] = None,
    size: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="For a Keras file that takes any size: the side in pixels of the pictures that "
            "it learned.",
        ),
    ] = None,
    resize: Annotated[
        str | None,
        typer.Option(
            metavar="<bilinear|nearest>",
            help="For a Keras file: how its pictures were resized: bilinear as by "
            "image_dataset_from_directory and tf.image.resize, nearest as by ImageDataGenerator "
            "[default: bilinear].",
        ),
    ] = None,
    bgr: Annotated[
        bool,
        typer.Option(
            "--bgr",
            help="For a Keras file that learned pictures in BGR order, as cv2.imread returns them.",
        ),
    ] = False,
) -> None:
    """Write a run as .onnx, .keras, .h5 or .tflite; make a classifier of a Keras file.

    The file is compared with Keras, and kept only if it agrees within 1e-4. The command prints what
    the file takes and returns, and three lines of Python that use it.
    """
    need("train", "happysad export")
    if source.is_file() or (source.suffix in KERAS_SUFFIXES and not source.is_dir()):
        _from_keras(source, file, classes, scaled, size=size, resize=resize, bgr=bgr)
        return
    for option, given in {
        "--classes": classes,
        "--size": size,
        "--resize": resize,
        "--bgr": bgr,
    }.items():
        if given:
            raise UsageError(f"{option} is for a Keras file (.h5, .hdf5, .keras), not for {source}")
    _from_run(source, file, scaled or "0..255")


def _from_run(run: Path, file: Path, scaled: str) -> None:
    from happysad.export import Scaled, export as run_export
    from happysad.export_usage import usage

    checked = cast("Scaled", scaled)
    difference = run_export(run, file, scaled=checked)
    say(f"{file}: agrees with Keras within {difference:.1e}")
    _print_usage(usage(file, ModelFile.read(run).details, checked))


def _from_keras(
    source: Path, file: Path, classes: Sequence[str] | None, scaled: str | None, **options: Any
) -> None:
    from happysad.export_usage import usage
    from happysad.keras_file import Range, to_classifier

    if classes is None:
        raise UsageError(
            "a Keras file needs --classes NAMES, in the order of its outputs, such as happy,sad"
        )
    if scaled is None:
        raise UsageError(
            "a Keras file needs --scaled: 0..1 where the code divides pictures by 255, 0..255 "
            "where the network scales them itself"
        )
    written = to_classifier(
        source,
        file,
        classes=classes,
        scaled=cast("Range", scaled),
        **{name: given for name, given in options.items() if given is not None},
    )
    say(f"{file}: agrees with {source.name} in Keras within {written.difference:.1e}")
    details = written.details
    if details.sigmoid_class:
        say(f"classes: 1 means {details.sigmoid_class}")
    _print_usage(usage(file, details))
    if written.spread < _SAME:
        warn(
            "warning: the network gives different pictures the same answer; check --scaled, and "
            f"compare: happysad evaluate photos --model {file}"
        )


def _print_usage(usage: Usage) -> None:
    say(f"input:   {usage.takes}")
    say(f"output:  {usage.returns}")
    say()
    for line in usage.code:
        say(line)
