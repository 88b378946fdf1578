"""The command line: parse, call, print. Nothing heavy is imported until a command needs it."""

from __future__ import annotations

import inspect
import json
import os
import sys
import time
import typing
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import fields, replace
from enum import StrEnum
from itertools import chain
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from happysad import __version__
from happysad.errors import HappysadError, MissingExtraError, UsageError
from happysad.predictions import Faces

if typing.TYPE_CHECKING:
    from happysad.classifier import Classifier
    from happysad.dataset.check import Checked
    from happysad.dataset.quarantine import Moved
    from happysad.images import Source
    from happysad.library.tables import Format
    from happysad.predictions import Prediction
    from happysad.video.watching import Watched

__all__ = ["app", "main"]

app = typer.Typer(
    name="happysad",
    help="Tell happy from sad in pictures of people: check, train, judge honestly, predict.",
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)

DataFolder = Annotated[
    Path, typer.Argument(metavar="DIR", help="A folder with one folder of photos a class.")
]
Model = Annotated[
    Path | None,
    typer.Option(
        "--model",
        help="An .onnx that happysad wrote, or a run's folder [default: what comes with happysad].",
    ),
]
Classes = Annotated[
    tuple[str, str] | None,
    typer.Option("--classes", help="The two class folders, where DIR has more than two."),
]
CheckFolder = Annotated[
    Path | None,
    typer.Option(
        "--check-folder",
        help="Where manifest.csv and the report of the check go [default: ./NAME-check].",
    ),
]
Groups = Annotated[
    Path | None,
    typer.Option(
        "--groups",
        help="A CSV with columns path,group: photos of one group (one person) stay together.",
    ),
]


Unsure = Annotated[
    bool, typer.Option("--unsure/--no-unsure", help="Whether it may say that it is unsure.")
]

# Of a film so many faces are said, those seen longest.
_MOST_FACES = 12


def main() -> NoReturn:
    """Run the command line; every error that is raised on purpose ends as one line."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # file names that are no UTF-8 are printed as they are
            stream.reconfigure(errors="surrogateescape")
    try:
        app(prog_name="happysad")
    except HappysadError as error:
        _fail(str(error), error.exit_status)
    except BrokenPipeError:  # the reader of our output, such as head, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:  # a full disk, a folder that may not be written
        _fail(f"{error.filename or 'a file'}: {(error.strerror or str(error)).lower()}", 1)
    sys.exit(0)


def _fail(message: str, status: int) -> NoReturn:
    print(f"happysad: {message}", file=sys.stderr)  # noqa: T201
    sys.exit(status)


def _say(line: str = "") -> None:
    print(line)  # noqa: T201


def _say_now(line: str) -> None:
    print(line, flush=True)  # noqa: T201


def _need(extra: str, what: str, *modules: str) -> None:
    from importlib.util import find_spec

    if any(find_spec(module) is None for module in modules):
        raise MissingExtraError(what, extra)


def _folder(data: Path) -> Path:
    if not data.is_dir():
        came = "a file" if data.exists() else "nothing there"
        raise UsageError(f"DIR must be a folder with one folder of photos a class: {data}: {came}")
    return data


def _check_folder(data: Path, chosen: Path | None) -> Path:
    return chosen or Path(f"{data.resolve().name}-check")


def _version(wanted: bool) -> None:
    if wanted:
        _say(f"happysad {__version__}")
        raise typer.Exit


@app.callback()
def _common(
    _: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Say the version."),
    ] = False,
) -> None:
    pass


@app.command()
def demo(
    folder: Annotated[
        Path | None,
        typer.Argument(
            metavar="FOLDER", help="Where the demo puts its files [default: happysad-demo-N]."
        ),
    ] = None,
) -> None:
    """Draw 600 faces and do the whole job on them. Needs no data.

    Check, train, evaluate, predict, in a new folder.
    """
    _need("train", "happysad demo", "keras", "pandas", "sklearn", "cleanvision")
    from happysad.demo import demo as run_demo

    run_demo(folder or _next(Path("happysad-demo")), say=_say)


@app.command()
def check(
    data: Annotated[
        Path | None,
        typer.Argument(metavar="DIR", help="A folder with one folder of photos a class."),
    ] = None,
    classes: Classes = None,
    check_folder: CheckFolder = None,
    groups: Groups = None,
    fractions: Annotated[
        tuple[float, float, float],
        typer.Option(help="The shares of train, val and test."),
    ] = (0.7, 0.2, 0.1),
    radius: Annotated[
        int,
        typer.Option(
            help="Near-duplicates differ in at most so many of a hash's 64 bits; "
            "-1: as --groups says alone."
        ),
    ] = 6,
    quality: Annotated[
        bool, typer.Option(help="Look for blurry, dark, light and empty photos.")
    ] = True,
    quarantine: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Move what is left out there; --restore undoes it."),
    ] = None,
    restore: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Put back what --quarantine FOLDER moved."),
    ] = None,
) -> None:
    """Say what is wrong with the photos of DIR, and split them.

    Nothing in DIR is changed. Photos that are nearly the same never stand on two sides of the
    split; what cannot be used is left out with its reason, in manifest.csv and report.html.
    """
    _need("train", "happysad check", "pandas", "sklearn", "cleanvision", "jinja2")
    from happysad.dataset.check import CheckSettings
    from happysad.dataset.check import check as run_check
    from happysad.dataset.quarantine import quarantine as move_away
    from happysad.dataset.quarantine import restore as put_back

    if restore is not None:
        if data is not None or quarantine is not None:
            raise UsageError("--restore FOLDER stands alone: it knows where each file came from")
        _print_moved(put_back(restore), f"put back from {restore}")
        return
    if data is None:
        raise UsageError("check needs a DIR, or --restore FOLDER")
    settings = CheckSettings(
        classes=classes, fractions=fractions, radius=radius, groups=groups, quality=quality
    )
    checked = run_check(_folder(data), _check_folder(data, check_folder), settings)
    _print_check(checked)
    if quarantine is not None:
        moved = move_away(checked.manifest, quarantine)
        _say(f"happysad check --restore {quarantine} undoes what follows")
        _print_moved(moved, f"moved to {quarantine}")


def _print_moved(moved: Moved, where: str) -> None:
    for path, reason in moved.failed:
        _say(f"left where it is: {path}: {reason}")
    _say(f"{moved.done:,} files {where}")
    if moved.failed:
        raise typer.Exit(1)


def _print_check(checked: Checked) -> None:
    for finding, count in checked.counts.items():
        if count:
            _say(f"{count:>8,}  {finding.replace('_', ' ')}")
    used = checked.manifest.used
    _say()
    _say(f"{'':>8}  " + "".join(f"{label:>10}" for label in checked.manifest.labels))
    for split in ("train", "val", "test"):
        rows = checked.manifest.of(split)
        counts = [(rows["label"] == label).sum() for label in checked.manifest.labels]
        _say(f"{split:>8}  " + "".join(f"{count:>10,}" for count in counts))
    _say(f"{len(used):,} photos are used, in {used['group'].nunique():,} groups")
    _say(f"report: {checked.report}")


def _settings_as_options(command: Callable[..., None]) -> Callable[..., None]:
    """Replace ``**settings`` by one option for each field of TrainConfig, in its order."""
    from happysad.training.config import TrainConfig

    types = typing.get_type_hints(TrainConfig)
    signature = inspect.signature(command, eval_str=True)
    parameters = [p for p in signature.parameters.values() if p.kind is not p.VAR_KEYWORD]
    for field in fields(TrainConfig):
        flag = "--" + field.name.replace("_", "-")
        names = [f"{flag}/--no-{flag[2:]}"] if types[field.name] is bool else [flag]
        option = typer.Option(*names, help=field.metadata["help"])
        parameters.append(
            inspect.Parameter(
                field.name,
                inspect.Parameter.KEYWORD_ONLY,
                default=None,
                annotation=Annotated[types[field.name] | None, option],
            )
        )
    command.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {p.name: p.annotation for p in parameters}
    return command


@app.command()
@_settings_as_options
def train(
    data: Annotated[
        Path | None,
        typer.Argument(metavar="DIR", help="A folder with one folder of photos a class."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="RUN", help="The run's folder [default: runs/NAME-MODEL-N]."),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="A TOML file with settings; options here win over it."),
    ] = None,
    resume: Annotated[
        Path | None,
        typer.Option(metavar="RUN", help="Go on with a run that was stopped, to the same weights."),
    ] = None,
    check_folder: CheckFolder = None,
    groups: Groups = None,
    **settings: Any,
) -> None:
    """Train a classifier on DIR, judge it and save it as a run.

    DIR is checked and split first; the test photos are read once, at the end. An option that is
    not given is the model's own; config.toml in the run says all of them.
    """
    _need("train", "happysad train", "keras", "pandas", "sklearn", "cleanvision", "matplotlib")
    from happysad.training import distributed, fit
    from happysad.training.config import load

    given = {name: value for name, value in settings.items() if value is not None}
    if resume is not None:
        if data is not None or given or out or config or groups or check_folder:
            raise UsageError("--resume RUN stands alone: the run's config.toml says the rest")
        run = fit.resume(resume)
    elif data is None:
        raise UsageError("train needs a DIR, or --resume RUN")
    else:
        chosen = load(config, given)
        run = fit.train(
            _folder(data),
            chosen,
            out=out or _next(Path("runs", f"{data.resolve().name}-{chosen.model}")),
            check_out=_check_folder(data, check_folder),
            groups=groups,
        )
    process = distributed.this()
    if process is not None and not process.leads:
        _say(f"process {process.index} is done; process 0 has the run")
        return
    metrics = json.loads((run / "metrics.json").read_text(encoding="utf-8"))
    _say()
    _print_scores(metrics["test"], metrics["baselines"])
    _say(f"run:    {run}")
    _say(f"report: {run / 'report.html'}")


def _next(folder: Path) -> Path:
    """Give the first of folder-1, folder-2, … that is not there yet."""
    number = 1
    while (free := folder.with_name(f"{folder.name}-{number}")).exists():
        number += 1
    return free


class Judged(StrEnum):
    """What a picture is taken for."""

    auto = "auto"
    off = "off"


@app.command()
def evaluate(
    data: Annotated[
        Path | None,
        typer.Argument(
            metavar="DIR", help="Photos to judge on [default: the run's own test split]."
        ),
    ] = None,
    model: Model = None,
    classes: Classes = None,
    faces: Annotated[
        Judged,
        typer.Option(help="auto: find the faces first; off: every picture is one, cut out."),
    ] = Judged.auto,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Say how good a classifier is, with n and intervals.

    With DIR, every readable photo in its class folders is test data. Beside the figures stand two
    baselines: always the larger class, and logistic regression on 32x32 pixels.
    """
    _need("train", "happysad evaluate", "pandas", "sklearn", "imagehash")
    from happysad.classifier import SHIPPED
    from happysad.evaluation.judge import evaluate as run_evaluate

    folder = None if data is None else _folder(data)
    scores = run_evaluate(model or SHIPPED, folder, classes, faces=faces is Judged.auto)
    if as_json:
        _say(json.dumps(scores))
        return
    for what in scores["left_out"]:
        _say(f"left out: {what['path']}: {what['reason']}")
    _print_scores(scores, scores["baselines"])


def _print_scores(scores: dict[str, Any], baselines: dict[str, dict[str, Any]]) -> None:
    columns = {"the model": scores}
    columns |= {name.replace("_", " "): values for name, values in baselines.items()}
    _say(f"{'n = ' + format(scores['n'], ','):<20}" + "".join(f"{name:>26}" for name in columns))
    for figure in ("accuracy", "balanced_accuracy", "precision", "recall", "f1", "auc", "ece"):
        cells = []
        for values in columns.values():
            value, interval = values.get(figure), values["intervals"].get(figure)
            span = f"  {interval[0]:.3f}-{interval[1]:.3f}" if interval else ""
            if interval and interval[0] == interval[1]:
                span = "  no spread seen"
            cells.append("not defined" if value is None else f"{value:.3f}{span}")
        _say(f"{figure.replace('_', ' '):<20}" + "".join(f"{cell:>26}" for cell in cells))
    for label, values in scores["per_class"].items():
        recall = values["recall"]
        shown = "not defined" if recall is None else f"{recall:.3f}"
        _say(f"{'recall of ' + label:<20}{shown:>12}  (n = {values['n']:,})")
    if scores.get("coverage", 1) < 1:
        right = scores["selective_accuracy"]
        shown = "" if right is None else f", {right:.3f} of them right"
        _say(f"{'answered, not unsure':<20}{scores['coverage']:>12.3f}{shown}")
        _say(f"{'no face found':<20}{scores['no_face']:>12.3f}")


@app.command()
def predict(
    paths: Annotated[
        list[str],
        typer.Argument(
            metavar="PATH...",
            help="Photos, folders, globs; - for standard input: a photo, or paths, one a line; "
            "with --out also s3://…, gs://…, https://…",
        ),
    ],
    model: Model = None,
    faces: Annotated[
        Faces,
        typer.Option(
            help="auto: a row a photo; each: a row a face; off: every picture is one face, cut out "
            "already."
        ),
    ] = Faces.auto,
    unsure: Unsure = True,
    drawn: Annotated[
        Path | None,
        typer.Option("--draw", metavar="FILE", help="Draw boxes and outcomes of one photo there."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Write tables of photos and faces there, in Parquet. The same command again goes "
            "on where it was stopped, and does what has been added.",
        ),
    ] = None,
    as_json: Annotated[
        bool,
        typer.Option("--json", "--jsonl", help="Print, or with --out write, a JSON object a line."),
    ] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print, or with --out write, CSV.")] = False,
    shard: Annotated[
        int | None,
        typer.Option(
            min=1, metavar="N", help="Photos in a part, with --out; a kill costs so many at most."
        ),
    ] = None,
    cluster: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="With --out: let the workers of a Dask cluster do it; its scheduler's "
            "tcp://HOST:PORT. They must reach photos and FOLDER by the same paths.",
        ),
    ] = None,
) -> None:
    """Tell happy from sad in photos.

    In a folder every file counts, but hidden ones. A file that cannot be read gets a row with the
    reason; the rest is done, and the exit status is 1.
    """
    # numpy's OpenBLAS would begin a thread a core, that spin while they wait: 0.08 s of a core here.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from happysad.classifier import SHIPPED, Classifier

    if as_json and as_csv:
        raise UsageError("--json and --csv exclude each other")
    if out is not None:
        format_: Format = "jsonl" if as_json else "csv" if as_csv else "parquet"
        if faces is Faces.each or drawn is not None:
            raise UsageError("--out goes with neither --draw nor --faces each: it has both tables")
        _predict_library(paths, out, model, format_, faces is Faces.auto, unsure, shard, cluster)
        return
    if shard is not None or cluster is not None:
        raise UsageError(f"{'--shard' if cluster is None else '--cluster'} goes with --out")
    classifier = Classifier.load(model or SHIPPED)
    looks_at = classifier.details.looks_at
    if looks_at == "photo" and faces is not Faces.auto:
        raise UsageError(f"--faces {faces}: {model} looks at whole photos, not at faces")
    if looks_at == "both" and faces is Faces.off:
        raise UsageError(f"--faces off: {model} looks at whole photos and at their faces")
    answers = _answers(classifier, paths, faces is not Faces.off, unsure)
    if drawn is not None:
        if len(paths) > 1 or not Path(paths[0]).is_file():
            raise UsageError(f"--draw is for one photo's file, not for {' '.join(paths)}")
        answers = _drawing(answers, classifier, Path(paths[0]), drawn)
    write = _write_json if as_json else _write_csv if as_csv else _write_table
    raise typer.Exit(1 if write(answers, faces is Faces.each) else 0)


def _answers(
    classifier: Classifier, paths: list[str], faces: bool, unsure: bool
) -> Iterator[Prediction]:
    for answer in classifier.stream(_sources(paths), faces=faces, unsure=unsure):
        # Only standard input gives bytes, which have no path of their own.
        yield answer if answer.path is not None else replace(answer, path="-")


def _drawing(
    answers: Iterator[Prediction], classifier: Classifier, photo: Path, file: Path
) -> Iterator[Prediction]:
    """Draw the one photo that there is, and pass its answer on."""
    from happysad import drawing

    drawing.check(photo, file)

    def passed() -> Iterator[Prediction]:
        for answer in answers:
            if answer.error is None:
                drawing.write(photo, answer, classifier.details.labels, file)
            yield answer

    return passed()


def _sources(paths: Iterable[str]) -> Iterator[Source]:
    """Turn what stands on the command line into single photos, in order."""
    from happysad.library.listing import expand

    for path in paths:
        if path == "-":
            yield from _standard_input()
        else:
            yield from expand(path)


def _standard_input() -> Iterator[Source]:
    from happysad.images import kind
    from happysad.library.listing import expand, lines

    data = sys.stdin.buffer.read()
    if not data:
        raise UsageError("standard input is empty; give a photo's bytes, or paths, one a line")
    if kind(data):
        yield data
    else:
        for line in lines(data.splitlines()):
            yield from expand(line)


def _predict_library(
    sources: list[str],
    out: Path,
    model: Path | None,
    format_: Format,
    faces: bool,
    unsure: bool,
    shard: int | None,
    cluster: str | None,
) -> None:
    if format_ == "parquet":
        _need("scale", "happysad predict --out", "pyarrow")
    if cluster is not None:
        _need("scale", "happysad predict --cluster", "distributed")
    from happysad.library import remote
    from happysad.library.listing import expand, lines
    from happysad.library.predicting import SHARD
    from happysad.library.predicting import predict as run_predict
    from happysad.library.results import UNREADABLE

    def placed(path: str) -> str:
        """Other machines have other working folders."""
        here = cluster is None or path == "-" or remote.is_remote(path)
        return path if here else os.path.abspath(path)  # noqa: PTH100

    sources = [placed(source) for source in sources]

    def files() -> Iterator[str]:
        for source in sources:
            for path in lines(_list_on_standard_input()) if source == "-" else [source]:
                path = placed(path)
                if remote.is_remote(path):
                    yield from remote.expand(path)
                else:
                    yield from expand(path, ordered=False, without=out)

    try:
        summary = run_predict(
            files(),
            out,
            sources=sources,
            model=model,
            faces=faces,
            unsure=unsure,
            format=format_,
            shard=shard or SHARD,
            cluster=cluster,
            say=lambda line: print(line, file=sys.stderr),  # noqa: T201
        )
    except KeyboardInterrupt:
        _fail(f"{out}: stopped; the same command goes on", 130)
    for outcome, count in summary.counts.items():
        _say(f"{count:>12,}  {outcome}")
    _say(f"{summary.counts.total():>12,}  photos, {summary.done:,} of them now")
    _say(f"results: {out}")
    raise typer.Exit(1 if summary.counts[UNREADABLE] else 0)


@app.command()
def cluster(
    workers: Annotated[int, typer.Option(min=1, help="How many; they share the cores.")] = 2,
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="The scheduler's port; 0 for any that is free.")
    ] = 8786,
) -> None:
    """Run a small Dask cluster on this machine, to try happysad predict --cluster.

    Only programs on this machine reach it. Ctrl+C ends it.
    """
    _need("scale", "happysad cluster", "distributed")
    import signal
    from contextlib import suppress

    from happysad.library.cluster import local

    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with suppress(KeyboardInterrupt), local(workers, port) as address:
        _say_now(f"{address} has {workers} workers; Ctrl+C ends it")
        _say_now(f"happysad predict PHOTOS --out results --cluster {address}")
        while True:
            time.sleep(3600)


class By(StrEnum):
    """How photos are put into folders."""

    link = "link"
    copy = "copy"
    move = "move"


@app.command()
def report(
    results: Annotated[
        Path | None,
        typer.Argument(metavar="RESULTS", help="What happysad predict --out wrote."),
    ] = None,
    sort_into: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER", help="Also put the photos into FOLDER/happy, sad, unsure, no_face."
        ),
    ] = None,
    by: Annotated[
        By, typer.Option(help="With --sort-into: symbolic links, copies, or the photos themselves.")
    ] = By.link,
    undo: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Undo what --sort-into FOLDER did."),
    ] = None,
) -> None:
    """Make a page of the results of many photos; sort them into folders.

    The page, report.html, has counts, the happiest, saddest and least sure photos, and a timeline.
    Sorting overwrites nothing, and lists what it does for --undo first.
    """
    from happysad.library import sorting

    if undo is not None:
        if results is not None or sort_into is not None:
            raise UsageError("--undo FOLDER stands alone: its lists know where each photo is from")
        done = sorting.undo(undo, say=_say)
        _say(f"{done.done:,} photos of {undo} are as they were")
        raise typer.Exit(1 if done.failed else 0)
    if results is None:
        raise UsageError("report needs RESULTS, or --undo FOLDER")
    _need("scale", "happysad report", "pyarrow", "jinja2")
    from happysad.library.report import report as run_report
    from happysad.library.results import Results

    _say(f"report: {run_report(results)}")
    if sort_into is not None:
        done = sorting.sort(Results.open(results), sort_into, by.value, say=_say)
        _say(f"{done.done:,} photos were put into {sort_into} ({by})")
        _say(f"happysad report --undo {sort_into} undoes it")
        raise typer.Exit(1 if done.failed else 0)


def _list_on_standard_input() -> Iterable[bytes]:
    from happysad.images import kind

    first = sys.stdin.buffer.readline()
    if not first or kind(first):
        came = "a photo" if first else "nothing"
        raise UsageError(f"with --out, - takes a list of paths, one a line; {came} came")
    return chain([first], sys.stdin.buffer)


def _write_table(answers: Iterator[Prediction], each: bool) -> int:
    counts: Counter[str] = Counter()
    box = f"{'face':>5}{'x':>6}{'y':>6}{'width':>7}{'height':>7}" if each else ""
    _say(f"{'label':<8}{'p_sad':>6}{box}  photo")
    for answer in answers:
        for row in answer.face_rows() if each else [answer.row()]:
            label = row["label"] or "error"
            counts[label] += 1
            p_sad = "" if row["p_sad"] is None else f"{row['p_sad']:.4f}"
            box = f"{'':>31}" if each else ""
            if each and row["face"]:
                x, y, width, height = (row[name] for name in ("x", "y", "width", "height"))
                box = f"{row['face']:>5}{x:>6.0f}{y:>6.0f}{width:>7.0f}{height:>7.0f}"
            _say(f"{label:<8}{p_sad:>6}{box}  {row['error'] or row['path']}")
    if counts.total() > 1:
        _say(", ".join(f"{count:,} {label}" for label, count in sorted(counts.items())))
    return counts["error"]


def _write_json(answers: Iterator[Prediction], each: bool) -> int:
    failed = 0
    for answer in answers:
        failed += answer.error is not None
        for row in answer.face_rows() if each else [answer.row()]:
            _say(json.dumps(row))
    return failed


def _write_csv(answers: Iterator[Prediction], each: bool) -> int:
    import csv

    failed = 0
    writer = None
    for answer in answers:
        failed += answer.error is not None
        rows = answer.face_rows() if each else [{**answer.row(), "faces": len(answer.faces)}]
        for row in rows:
            if writer is None:
                writer = csv.DictWriter(sys.stdout, list(row), lineterminator="\n")
                writer.writeheader()
            writer.writerow(row)
    return failed


@app.command()
def video(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A film.")],
    model: Model = None,
    every: Annotated[int, typer.Option(min=1, metavar="N", help="Look at every N-th frame.")] = 1,
    table: Annotated[
        Path | None, typer.Option("--csv", metavar="FILE", help="Write a row a face a frame.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Write the film with boxes and outcomes, without sound: .mp4 (MPEG-4 Part 2) or "
            ".avi (Motion JPEG).",
        ),
    ] = None,
    plot: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Where the outcomes over time are drawn [default: NAME-plot.png]."
        ),
    ] = None,
    unsure: Unsure = True,
) -> None:
    """Tell happy from sad in a film, face by face.

    Faces are followed from frame to frame; their outcomes are smoothed over half a second.
    """
    from happysad.classifier import SHIPPED, Classifier
    from happysad.video.films import codec_of
    from happysad.video.watching import watch

    plot = plot or Path(f"{file.stem}-plot.png")
    classifier = Classifier.load(model or SHIPPED, threads=1)  # more only wait for each other
    watched = watch(file, classifier, every=every, unsure=unsure, table=table, out=out, plot=plot)
    _print_watched(watched, classifier.details.labels)
    if table is not None:
        _say(f"table: {table}")
    if out is not None:
        _say(f"film:  {out} ({codec_of(out)}, without sound)")
    _say(f"plot:  {plot}")
    if watched.cut_off:
        _fail(f"{file}: {watched.cut_off}", 1)


@app.command()
def webcam(
    model: Model = None,
    terminal: Annotated[
        bool, typer.Option("--terminal", help="Print a line a second instead of opening the page.")
    ] = False,
    camera: Annotated[
        int | None,
        typer.Option(
            min=0, metavar="N", help="Which camera, with --terminal; the page asks [default: 0]."
        ),
    ] = None,
) -> None:
    """Tell happy from sad in front of the webcam.

    Opens the page's Live view in the browser. No picture is stored. Ctrl+C ends it.
    """
    if not terminal:
        if camera is not None:
            raise UsageError("--camera is for --terminal; the page lets you choose one")
        what = "happysad webcam without --terminal"
        _need("web", what, "fastapi", "uvicorn", "websockets", "prometheus_client")
        from happysad.web.server import serve as run_serve
        from happysad.web.settings import Settings

        run_serve(Settings(port=0, model=model), browser=True, say=_say_now, view="#live")
        return
    from contextlib import suppress

    from happysad.classifier import SHIPPED, Classifier
    from happysad.video.camera import Camera, lines

    classifier = Classifier.load(model or SHIPPED, threads=1)
    with suppress(KeyboardInterrupt), Camera(camera or 0) as opened:
        for line in lines(opened.frames(), classifier):
            _say_now(line)


def _print_watched(watched: Watched, labels: tuple[str, str]) -> None:
    from happysad.predictions import UNSURE
    from happysad.video.timeline import clock

    outcomes = (labels[0], UNSURE, labels[1])
    if watched.courses:
        names = "".join(f"{name:>9}" for name in (*outcomes, f"p_{labels[1]}"))
        _say(f"{'face':>5}{'from':>9}{'to':>9}{'frames':>8}{names}")
    shown = watched.courses[:_MOST_FACES]
    for course in shown:
        frames = len(course.times)
        _say(
            f"{'' if course.track is None else course.track:>5}"
            f"{clock(course.times[0]):>9}{clock(course.times[-1]):>9}{frames:>8,}"
            + "".join(f"{course.labels[label] / frames:>9.0%}" for label in outcomes)
            + f"{course.mean:>9.4f}"
        )
    if more := len(watched.courses) - len(shown):
        _say(f"{more:,} more faces, none of them seen in more frames")
    without = f", no face in {watched.faceless:,} of them" if watched.faceless else ""
    _say(f"time:  {clock(watched.seconds)}, frames looked at: {watched.frames:,}{without}")


@app.command()
def serve(
    host: Annotated[
        str, typer.Option(help="The address to listen on; others than this machine's need --token.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="The port; 0 for any that is free.")] = 8000,
    token: Annotated[
        str | None,
        typer.Option(envvar="HAPPYSAD_TOKEN", help="Let in only who knows it."),
    ] = None,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="A further name that the server goes by."),
    ] = None,
    open_: Annotated[bool, typer.Option("--open/--no-open", help="Open the browser.")] = True,
    folder: Annotated[
        Path, typer.Option(metavar="FOLDER", help="Where Teach keeps its photos and runs.")
    ] = Path("happysad-teach"),
    model: Model = None,
) -> None:
    """Serve the page and the REST interface on this machine.

    Try photos, the webcam live, or teach it two classes of your own, in the browser.
    """
    _need("web", "happysad serve", "fastapi", "uvicorn", "websockets", "prometheus_client")
    from happysad.web.server import serve as run_serve
    from happysad.web.settings import Settings

    settings = Settings(
        host=host,
        port=port,
        token=token,
        hosts=tuple(allow_host or ()),
        folder=folder,
        model=model,
    )
    run_serve(settings, browser=open_, say=_say_now)


@app.command()
def info(model: Model = None) -> None:
    """Say what a classifier is.

    Of the one that comes with happysad it is the card: what it is for, and how good it is.
    """
    from dataclasses import asdict

    from happysad.classifier import SHIPPED, Classifier

    details = Classifier.load(model or SHIPPED).details
    if model is None:
        _say(SHIPPED.with_name("MODEL_CARD.md").read_text(encoding="utf-8").rstrip())
        return
    for name, value in asdict(details).items():
        text = ", ".join(map(str, value)) if isinstance(value, tuple) else value
        _say(f"{name.replace('_', ' '):<13} {'never' if value is None else text}")


@app.command()
def replicate(
    data: DataFolder,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Where it goes [default: ./NAME-replicate]."),
    ] = None,
    classes: Classes = None,
    check_folder: CheckFolder = None,
    seeds: Annotated[int, typer.Option(min=2, help="How many repetitions.")] = 3,
    epochs: Annotated[int, typer.Option(min=1, help="Epochs of each training.")] = 20,
) -> None:
    """Show on DIR why tutorials report 1.00.

    Their protocol stands beside an honest one: the same network, the same photos, several seeds.
    """
    _need("train", "happysad replicate", "keras", "pandas", "sklearn", "cleanvision")
    from happysad.training.replicate import replicate as run_replicate

    out = out or Path(f"{data.resolve().name}-replicate")
    result = run_replicate(
        _folder(data),
        out=out,
        check_out=_check_folder(data, check_folder),
        classes=classes,
        seeds=seeds,
        epochs=epochs,
    )
    for line in result["table"]:
        _say(line)
    _say(f"report: {out / 'report.html'}")


@app.command()
def export(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A finished run's folder.")],
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="What to write: .onnx, .tflite or .h5.")
    ],
) -> None:
    """Write a run's model as .onnx, .tflite or .h5.

    It is compared with Keras on real photos, and refused where it differs by more than 1e-4.
    """
    _need("train", "happysad export", "keras", "tensorflow", "onnx")
    from happysad.export import export as run_export

    difference = run_export(run, file)
    _say(f"{file}: agrees with Keras within {difference:.1e}")


@app.command("import")
def import_(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE",
            help="FER2013's CSV; a zip, tar or folder of class folders; an http(s) or Google Drive "
            "link to one; hf:OWNER/NAME.",
        ),
    ],
    target: Annotated[
        Path, typer.Argument(metavar="DIR", help="Where the class folders are made.")
    ],
    mapping: Annotated[
        list[str] | None,
        typer.Option("--map", metavar="THEIRS=OURS", help="A class's name here, e.g. joy=happy."),
    ] = None,
    sha256: Annotated[
        str | None, typer.Option("--sha256", help="What a download must hash to, 64 hex digits.")
    ] = None,
) -> None:
    """Bring another dataset into class folders, DIR/happy and DIR/sad.

    Without --map, classes named happy, happiness, joy, sad or sadness are placed and the others are
    left out. Nothing in DIR is overwritten; the same command again goes on after a stop.
    """
    from happysad.dataset.importing import import_data

    names: dict[str, str] = {}
    for pair in mapping or []:
        theirs, equals, ours = pair.partition("=")
        if not equals or names.setdefault(theirs, ours) != ours:
            raise UsageError(f"--map takes THEIRS=OURS once a class, e.g. joy=happy, not {pair!r}")
    imported = import_data(source, target, mapping=names, sha256=sha256)
    for label, count in imported.counts.items():
        _say(f"{count:>8,}  {label}")
    for line in imported.notes:
        _say(line)
