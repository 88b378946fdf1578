"""The commands that make runs and use them: demo, train and replicate."""

from __future__ import annotations

import inspect
import shlex
import typing
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any

import typer

from happysad.cli.console import say
from happysad.cli.evaluation_commands import print_comparison, print_evaluation
from happysad.cli.options import (
    AllowMissing,
    CheckFolder,
    Classes,
    DataFolder,
    Groups,
    Threads,
    UseSplits,
    Votes,
    data_folder,
    need,
)
from happysad.errors import UsageError
from happysad.parallel import use_threads

__all__ = ["demo", "replicate", "train"]

# The exit status of a command that Ctrl+C has stopped, as shells report it.
_INTERRUPTED = 128 + 2


def demo(
    folder: Annotated[
        Path | None,
        typer.Argument(
            metavar="FOLDER",
            help="The folder for the demo's files [default: happysad-demo-N].",
        ),
    ] = None,
) -> None:
    """Show every step on 600 drawn faces. Needs no data.

    Checks, trains, evaluates and predicts, in a new folder.
    """
    need("train", "happysad demo")
    from happysad.demo import demo as run_demo
    from happysad.run import free_folder

    run_demo(folder or free_folder(Path("happysad-demo")), say=say)


def _settings_as_options(command: Callable[..., None]) -> Callable[..., None]:
    """Replace ``**settings`` by one option for each field of TrainConfig, in its order."""
    from happysad.training.config import TrainConfig

    types = typing.get_type_hints(TrainConfig)
    signature = inspect.signature(command, eval_str=True)
    parameters = [p for p in signature.parameters.values() if p.kind is not p.VAR_KEYWORD]
    for field in fields(TrainConfig):
        flag = "--" + field.name.replace("_", "-")
        names = [f"{flag}/--no-{flag[2:]}"] if types[field.name] is bool else [flag]
        heading = field.metadata["use"].title
        option = typer.Option(*names, help=field.metadata["help"], rich_help_panel=heading)
        parameters.append(
            inspect.Parameter(
                field.name,
                inspect.Parameter.KEYWORD_ONLY,
                default=None,
                annotation=Classes  # as in every command
                if field.name == "classes"
                else Annotated[types[field.name] | None, option],
            )
        )
    command.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {p.name: p.annotation for p in parameters}
    return command


@_settings_as_options
def train(
    data: Annotated[
        Path | None,
        typer.Argument(metavar="DIR", help="A folder with one folder of photos for each class."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="RUN", help="The run's folder [default: runs/NAME-MODEL-N]."),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="A TOML file with settings; options override it."),
    ] = None,
    resume: Annotated[
        Path | None,
        typer.Option(metavar="RUN", help="Continue a stopped run; it ends with the same weights."),
    ] = None,
    check_folder: CheckFolder = None,
    groups: Groups = None,
    allow_missing: AllowMissing = False,
    use_splits: UseSplits = False,
    votes: Votes = None,
    threads: Threads = 0,
    **settings: Any,
) -> None:
    """Train a classifier on DIR, evaluate it and save it as a run.

    DIR is checked and split first; the test photos are read once, at the end. The default of a
    setting depends on the model. A setting that this training does not use is refused; config.toml
    in the run lists those that it uses. With --votes, the network learns the shares of the votes
    instead of the folders.
    """
    need("train", "happysad train")
    from happysad.training import trainer

    use_threads(threads)
    given = {name: value for name, value in settings.items() if value is not None}
    if resume is not None:
        if data is not None or any(
            (given, out, config, groups, votes, check_folder, allow_missing, use_splits)
        ):
            raise UsageError(
                "--resume RUN cannot be combined with other arguments: the run's config.toml has "
                "the settings"
            )
        with _stoppable():
            trained = trainer.resume(resume)
    elif data is None:
        raise UsageError("train needs a DIR, or --resume RUN")
    else:
        with _stoppable():
            trained = trainer.train(
                data_folder(data),
                out,
                config=config,
                check_folder=check_folder,
                groups=groups,
                allow_missing=allow_missing,
                use_splits=use_splits,
                votes=votes,
                **given,
            )
    if trained.evaluation is None:
        say("this process is done; process 0 has the run")
        return
    say()
    print_evaluation(trained.evaluation.test)
    if trained.evaluation.comparison is not None:
        print_comparison(trained.evaluation.comparison)
    fusion = trained.evaluation.fusion
    if fusion is not None and (curve := fusion.learning_curve) is not None:
        say(f"{curve.verdict}: {curve.reason}")
    say(f"run:    {trained.folder}")
    say(f"report: {trained.run.report}")
    say(f"next:   happysad predict PHOTO --model {shlex.quote(str(trained.folder))}")


@contextmanager
def _stoppable() -> Iterator[None]:
    """End the command with the status of Ctrl+C, without a traceback, if Ctrl+C stops the block."""
    try:
        yield
    except KeyboardInterrupt:
        raise typer.Exit(_INTERRUPTED) from None


def replicate(
    data: DataFolder,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER", help="The folder for the results [default: NAME-replicate]."
        ),
    ] = None,
    classes: Classes = None,
    check_folder: CheckFolder = None,
    seeds: Annotated[int, typer.Option(min=2, help="Number of repetitions.")] = 3,
    epochs: Annotated[int, typer.Option(min=1, help="Epochs of each training.")] = 20,
    threads: Threads = 0,
) -> None:
    """Show on DIR why tutorials report 1.00.

    Compares their protocol with an honest one: the same network, the same photos, several seeds.
    """
    need("train", "happysad replicate")
    from happysad.training.replication import replicate as run_replicate

    use_threads(threads)
    out = out or Path(f"{data.resolve().name}-replicate")
    result = run_replicate(
        data_folder(data),
        out=out,
        check_folder=check_folder,
        classes=classes,
        seeds=seeds,
        epochs=epochs,
    )
    for line in result.table:
        say(line)
    say(f"report: {out / 'report.html'}")
