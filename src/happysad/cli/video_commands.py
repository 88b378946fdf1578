"""The commands video and webcam."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from happysad.cli.console import fail, say, say_now
from happysad.cli.options import Answers, Model, Unsure, need
from happysad.errors import UsageError

if TYPE_CHECKING:
    from happysad.video.film_analysis import Watched

__all__ = ["video", "webcam"]

# Maximum number of faces printed per film: those seen longest.
_MOST_FACES = 12
# The words for the moments at which a class was most probable; neither has no such moments.
_MOST = {"happy": "happiest", "sad": "saddest"}
_NEITHER = "neither"


def video(
    film: Annotated[
        str, typer.Argument(metavar="FILM", help="A film: a file, or an http or https address.")
    ],
    model: Model = None,
    every: Annotated[int, typer.Option(min=1, metavar="N", help="Look at every N-th frame.")] = 1,
    table: Annotated[
        Path | None,
        typer.Option("--csv", metavar="FILE", help="Write a row for each face in each frame."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Write the film with boxes, labels and its sound: .mp4 (H.264) or .webm (VP9).",
        ),
    ] = None,
    plot: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Where to plot probabilities over time [default: NAME-plot.png]."
        ),
    ] = None,
    answers: Answers = None,
    unsure: Unsure = True,
) -> None:
    """Follow the faces of a film, and tell happy from sad.

    Tracks the faces from frame to frame until a cut, and smooths their answers over half a second.
    Needs PyAV: pip install 'happysad[video]'.
    """
    need("video", "happysad video")
    from happysad.classifier import Classifier
    from happysad.video.film_analysis import watch

    plot = plot or Path(f"{_stem(film)}-plot.png")
    # More threads would only wait for each other.
    classifier = Classifier(model, threads=1).answering(answers)
    watched = watch(film, classifier, every=every, unsure=unsure, table=table, out=out, plot=plot)
    _print_watched(watched, classifier.classes)
    if table is not None:
        say(f"table: {table}")
    if out is not None:
        say(f"film:  {out} ({watched.content})")
    say(f"plot:  {plot}")
    if watched.cut_off:
        fail(f"{film}: {watched.cut_off}", 1)


def _stem(film: str) -> str:
    """Return the name of a film without its folder and ending."""
    from urllib.parse import urlsplit

    from happysad.fetch import is_web_address
    from happysad.names import portable

    if is_web_address(film):
        return portable(Path(urlsplit(film).path).stem) or "film"
    return Path(film).stem


def _print_watched(watched: Watched, classes: tuple[str, ...]) -> None:
    from happysad.predictions import UNSURE
    from happysad.progress import clock

    labels = (*classes, UNSURE)
    means = classes if len(classes) > 2 else classes[-1:]  # one probability tells the other
    width = max(9, *(len(f"p_{name}") + 1 for name in classes))
    if watched.courses:
        names = "".join(f"{name:>{width}}" for name in (*labels, *(f"p_{one}" for one in means)))
        say(f"{'face':>5}{'from':>9}{'to':>9}{'frames':>8}{names}")
    shown = watched.courses[:_MOST_FACES]
    for course in shown:
        frames = len(course.times)
        say(
            f"{'' if course.track is None else course.track:>5}"
            f"{clock(course.times[0]):>9}{clock(course.times[-1]):>9}{frames:>8,}"
            + "".join(f"{course.labels.count(label) / frames:>{width}.0%}" for label in labels)
            + "".join(f"{course.mean[name]:>{width}.4f}" for name in means)
        )
    if more := len(watched.courses) - len(shown):
        say(f"{more:,} more faces, each seen in no more frames than these")
    _print_moments(watched, classes)
    without = f", no face in {watched.faceless:,} of them" if watched.faceless else ""
    cuts = f", cuts: {watched.cuts:,}" if watched.cuts else ""
    say(f"time:  {clock(watched.seconds)}, {watched.frames:,} frames analysed{without}{cuts}")


def _print_moments(watched: Watched, classes: tuple[str, ...]) -> None:
    """Print when the faces were happiest and saddest."""
    from happysad.progress import clock

    rows = [
        (_MOST.get(name, f"most {name}"), moment)
        for name in classes
        if name != _NEITHER
        for moment in watched.moments(name)
    ]
    if not rows:
        return
    width = max(9, *(len(name) for name, _ in rows))
    say(f"{'moment':<{width}}{'time':>9}{'face':>6}{'probability':>13}")
    for name, one in rows:
        face = "" if one.track is None else one.track
        say(f"{name:<{width}}{clock(one.at, 0.1):>9}{face:>6}{one.probability:>13.4f}")


def webcam(
    model: Model = None,
    terminal: Annotated[
        bool, typer.Option("--terminal", help="Print a line a second instead of opening the page.")
    ] = False,
    camera: Annotated[
        int | None,
        typer.Option(
            min=0, metavar="N", help="The camera, with --terminal; the page asks [default: 0]."
        ),
    ] = None,
    answers: Answers = None,
) -> None:
    """Watch the webcam, and tell happy from sad.

    Opens the Live view of the page in the browser, and prints its address. Stores no picture.
    Ctrl+C ends it.
    """
    if not terminal:
        if camera is not None:
            raise UsageError("--camera needs --terminal; the page lets you choose one")
        what = "happysad webcam without --terminal"
        need("web", what)
        from happysad.web.app import serve as run_serve
        from happysad.web.http.settings import Settings

        run_serve(
            Settings(port=0, model=model, answers=answers), browser=True, say=say_now, view="#live"
        )
        return
    from contextlib import suppress

    from happysad.classifier import Classifier
    from happysad.video.camera import Camera, lines

    classifier = Classifier(model, threads=1).answering(answers)
    with suppress(KeyboardInterrupt), Camera(camera or 0) as opened:
        for line in lines(opened.frames(), classifier):
            say_now(line)
