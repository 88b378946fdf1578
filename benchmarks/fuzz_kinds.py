"""The kinds of inputs that fuzz.py mutates: their seeds, and what is done with each input.

To add a kind, write a function that makes its seeds and add it to `KINDS`. To add a type of
picture, add it to `PICTURES` or `CAMERAS`. All seeds are drawn or written here; no real photo is
used.
"""

from __future__ import annotations

import asyncio
import csv
import io
import json
import os
import sys
import tarfile
import zipfile
from collections import deque
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
from mutations import Files
from PIL import Image

from happysad.batch import sorting
from happysad.batch.library_page import write_library_page
from happysad.batch.results import Made, Results, Shard
from happysad.batch.tables import Format, photo_row
from happysad.classifier import Classifier
from happysad.dataset.group_list import read_group_list
from happysad.dataset.manifest import COLUMNS, Manifest
from happysad.dataset.quarantine import restore
from happysad.dataset.sources import import_data
from happysad.dataset.votes import read_votes
from happysad.errors import ErrorCode, HappysadError
from happysad.face_detection import Face
from happysad.photo import Photo
from happysad.predictions import FacePrediction, Failure, Prediction
from happysad.run import Epoch, Run
from happysad.video.film_analysis import watch
from tests.classifiers import brightness_classifier, three_class_classifier
from tests.films import film, turn
from tests.pictures import encoded, photo
from tests.test_picture_types import dng, heic

__all__ = ["CAMERAS", "KINDS", "PICTURES", "Kind"]


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One kind of inputs."""

    seeds: Sequence[Files]
    """Valid inputs. In their content, @HERE@ stands for the folder that they are written to."""
    attempt: Callable[[Path], object]
    """Gives happysad the files in a folder; an error of happysad is a refusal."""
    writes: tuple[str, ...] = (".",)
    """The folders, relative to that folder, in which happysad may write."""


def _saved(type_: str, mode: str = "RGB", side: int = 40, **options: Any) -> bytes:
    """Return a drawn picture in a type and a mode of Pillow."""
    picture, file = Image.fromarray(photo(1, side, side + 8)).convert(mode), io.BytesIO()
    picture.save(file, type_, **options)
    return file.getvalue()


def _exif(orientation: int = 6) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = orientation, "maker"
    exif.get_ifd(0x8769)[0x9003] = "2026:01:02 03:04:05"
    return exif


def _saved_heic(mode: str, bytes_: int) -> bytes:
    """Return a drawn HEIC in a mode of pillow_heif, with 1 or 2 bytes for each value."""
    import pillow_heif

    channels = 1 if mode == "L" else 3
    values = photo(1, 80, 96)[..., :channels].astype(f"<u{bytes_}") << 8 * (bytes_ - 1)
    file = io.BytesIO()
    pillow_heif.from_bytes(mode, (96, 80), values.tobytes()).save(file)
    return file.getvalue()


def _frames() -> dict[str, Any]:
    frames = [Image.fromarray(photo(number, 40, 48)) for number in (2, 3)]
    return {"save_all": True, "append_images": frames}


#: A picture of each type and variant that Pillow has long read, by its name.
PICTURES: dict[str, Callable[[], bytes]] = {
    "jpeg": lambda: _saved("jpeg", exif=_exif()),
    "jpeg progressive": lambda: _saved("jpeg", progressive=True, side=200),
    "jpeg grey": lambda: _saved("jpeg", "L", optimize=True),
    "jpeg cmyk": lambda: _saved("jpeg", "CMYK", icc_profile=bytes(3000)),
    "png": lambda: _saved("png", exif=_exif(3)),
    "png palette": lambda: _saved("png", "P", bits=4, transparency=3),
    "png alpha": lambda: _saved("png", "RGBA"),
    "png 16 bits": lambda: _saved("png", "I;16"),
    "png 1 bit": lambda: _saved("png", "1"),
    "gif": lambda: _saved("gif", "P"),
    "gif animated": lambda: _saved("gif", "P", **_frames()),
    "webp": lambda: _saved("webp", exif=_exif()),
    "webp lossless": lambda: _saved("webp", "RGBA", lossless=True),
    "webp animated": lambda: _saved("webp", **_frames()),
    "bmp": lambda: _saved("bmp"),
    "bmp palette": lambda: _saved("bmp", "P"),
    "tiff": lambda: _saved("tiff", compression="tiff_lzw"),
    "tiff deflate": lambda: _saved("tiff", "RGBA", compression="tiff_adobe_deflate"),
    "tiff jpeg": lambda: _saved("tiff", compression="jpeg"),
    "tiff raw": lambda: _saved("tiff", "I;16"),
    "tiff group 4": lambda: _saved("tiff", "1", compression="group4"),
    "tiff cmyk": lambda: _saved("tiff", "CMYK", compression="packbits"),
}

#: A picture of each type and variant that phones and cameras write, by its name.
CAMERAS: dict[str, Callable[[], bytes]] = {
    "avif": lambda: _saved("avif", exif=_exif()),
    "avif alpha": lambda: _saved("avif", "RGBA"),
    "avif animated": lambda: _saved("avif", **_frames()),
    "jpeg 2000": lambda: _saved("jpeg2000"),
    "jpeg 2000 tiles": lambda: _saved("jpeg2000", side=80, tile_size=(32, 32), irreversible=True),
    "jpeg 2000 codestream": lambda: _saved("jpeg2000", "L", no_jp2=True),
    "heic": lambda: heic(photo(1, 80, 96), exif=_exif().tobytes()),
    "heic alpha": lambda: heic(np.dstack([photo(1, 80, 96), photo(2, 80, 96)[..., 0]])),
    "heic tiles": lambda: heic(photo(1, 140, 160), tile_size=64),
    "heic 10 bits": lambda: _saved_heic("RGB;16", 2),
    "heic grey": lambda: _saved_heic("L", 1),
    "raw": lambda: dng(orientation=6),
    "raw with a preview": lambda: dng(_saved("jpeg", side=1000, quality=30)),
}


def pictures(folder: Path) -> Kind:
    """Return pictures of the types that Pillow has long read."""
    return _predicted(PICTURES, folder)


def cameras(folder: Path) -> Kind:
    """Return pictures as phones and cameras write them."""
    return _predicted(CAMERAS, folder)


def _predicted(made: Mapping[str, Callable[[], bytes]], folder: Path) -> Kind:
    """Return pictures: each is predicted as a photo, with and without a search for faces."""
    whole = Classifier(brightness_classifier(folder / "photo.onnx"), threads=1)
    faces = Classifier(brightness_classifier(folder / "face.onnx", looks_at="face"), threads=1)

    def attempt(here: Path) -> None:
        file = here / "picture"
        _each(
            lambda: faces.predict(file),
            lambda: faces.predict(file, faces="given"),
            lambda: Photo(file).full(),
            lambda: _no_bug(whole.predict([file, file.read_bytes()])),
        )

    return Kind(seeds=[{"picture": make()} for make in made.values()], attempt=attempt)


def films(folder: Path) -> Kind:
    """Return films with sound: each is watched, and written anew with a table and a plot."""
    classifier = Classifier(brightness_classifier(folder / "face.onnx", looks_at="face"), threads=1)
    frames = [photo(number, 48, 64) for number in range(6)]
    made = [
        turn(film(folder / "turned.mp4", frames, sound="aac"), 0, 1, -1, 0),
        film(folder / "variable.mp4", frames, times=(0, 0.04, 0.14, 0.7, 0.74, 0.9)),
        film(folder / "av1.mp4", frames, codec="libsvtav1", sound="libopus"),
        film(folder / "phone.mov", frames, codec="libx265", sound="pcm_s16le"),
        film(folder / "camera.mov", frames, codec="mjpeg"),
        film(folder / "vp9.webm", frames, sound="libopus"),
        film(folder / "vp8.webm", frames, codec="libvpx", sound="libopus"),
    ]

    def attempt(here: Path) -> None:
        [file] = here.iterdir()
        out = here / "out"
        end = ".webm" if file.suffix == ".webm" else ".mp4"
        watch(file, classifier, table=out / "a.csv", out=out / f"a{end}", plot=out / "a.png")

    seeds = [{f"film{one.suffix}": one.read_bytes()} for one in made]
    return Kind(seeds=seeds, attempt=attempt, writes=("out",))


def archives(folder: Path) -> Kind:
    """Return zips and tars of class folders: each is imported."""
    names = ("happy/1.png", "sad/2.png", "train/happy/3.png", "angry/4.jpg", "readme.txt")
    members = {name: encoded(photo(at, 16, 16)) for at, name in enumerate(names)}
    members |= {f"flat/{at}_happy.png": encoded(photo(at, 16, 16)) for at in range(7, 10)}
    seeds = [{"data.zip": _zipped(members, method)} for method in (0, 8, 12, 14)]
    for mode in ("w", "w:gz", "w:bz2", "w:xz"):
        for kind in (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
            packed = io.BytesIO()
            with tarfile.open(fileobj=packed, mode=mode, format=kind) as archive:
                for name, content in {**members, f"happy/{'é' * 45}": b"a"}.items():
                    info = tarfile.TarInfo(name)
                    info.size = len(content)
                    archive.addfile(info, io.BytesIO(content))
            seeds.append({"data.tar": packed.getvalue()})

    def attempt(here: Path) -> None:
        [file] = here.iterdir()
        import_data(str(file), here / "out", neither=True)

    return Kind(seeds=seeds, attempt=attempt, writes=("out",))


def classifiers(folder: Path) -> Kind:
    """Return classifiers: each is loaded and used."""
    made = [
        brightness_classifier(folder / "1.onnx"),
        brightness_classifier(folder / "2.onnx", looks_at="face", unsure=(0.3, 0.7)),
        brightness_classifier(folder / "3.onnx", looks_at="both", channels=1),
        three_class_classifier(folder / "4.onnx", unsure=(0.5, 0.5, 0.6)),
    ]
    pixels = photo(0)

    def attempt(here: Path) -> None:
        classifier = Classifier(here / "model.onnx", threads=1)
        classifier.predict(pixels)

    return Kind(seeds=[{"model.onnx": one.read_bytes()} for one in made], attempt=attempt)


_CLASSES = ("happy", "sad")


def results(folder: Path) -> Kind:
    """Return folders of results: each is read, continued, shown and sorted."""
    names = [*(f"photos/{at}.png" for at in range(4)), "photos/caf\udce9.png", "photos/none.png"]
    photos = {f"photos/{at}.png": encoded(photo(at, 8, 8)) for at in range(4)}
    answers = _answers(names)
    made = Made(
        sources=("photos",),
        folder="@HERE@",
        classifier="model.onnx",
        sha256=64 * "0",
        classes=_CLASSES,
        faces="find",
        unsure=True,
        format="csv",
        shard=4,
    )
    seeds = []
    for form in get_args(Format):
        out = folder / form
        begun = Results.begin(out, replace(made, format=form))
        begun.prepare()
        begun.add(names)
        for shard in begun.shards():
            _write(begun, shard, [one for one in answers if one.path in shard.paths])
        files = {f"out/{path.relative_to(out)}": path for path in out.rglob("*") if path.is_file()}
        seeds.append({**photos, **{name: path.read_bytes() for name, path in files.items()}})

    def attempt(here: Path) -> None:
        _each(
            lambda: deque(Results.open(here / "out").photos(), 0),
            lambda: _continue(Results.open(here / "out"), answers),
            lambda: write_library_page(here / "out"),
            lambda: sorting.sort(Results.open(here / "out"), here / "sorted", "copy"),
        )

    return Kind(seeds=seeds, attempt=attempt, writes=("out", "sorted"))


def lists(folder: Path) -> Kind:
    """Return lists of moved files: the moves are undone."""
    header = '"how","from","to","bytes","modified","reason"\n'
    rows = (
        '"move","@HERE@/data/a.jpg","happy/a.jpg","1","2","happy"\n'
        '"move","@HERE@/data/below/b.jpg","happy/b.jpg","1","2","happy"\n'
        '"link","@HERE@/data/c.jpg","happy/c.jpg","1","2","happy"\n'
        '"copy","@HERE@/data/d.jpg","happy/d.jpg","1","2","happy"\n'
    )
    moved = {f"{where}/happy/{one}.jpg": b"1" for where in ("sorted", "quarantine") for one in "ab"}
    others = {"data/d.jpg": b"1", "sorted/happy/d.jpg": b"1", "other/secret": b"1"}
    old = "from,to,reason\n@HERE@/data/a.jpg,happy/a.jpg,too dark\n"
    older = "how,from,to,bytes,modified\nmove,@HERE@/data/a.jpg,happy/a.jpg,1,2\n"
    seeds = [
        {"sorted/sorted-1.csv": (header + rows).encode(), **moved, **others},
        {"sorted/sorted-1.csv": older.encode(), **moved, **others},
        {"quarantine/quarantine-1.csv": (header + rows).encode(), **moved, **others},
        {"quarantine/quarantine.csv": old.encode(), **moved, **others},
    ]

    def attempt(here: Path) -> None:
        if (here / "sorted" / "sorted-1.csv").exists():
            sorting.undo(here / "sorted", photos=[str(here / "data")])
        else:
            restore(here / "quarantine", here / "data")

    # Only the lists are mutated: a folder of the photos cannot come from somebody else.
    return Kind(seeds=seeds, attempt=attempt, writes=("data", "sorted", "quarantine"))


def tables(folder: Path) -> Kind:
    """Return CSVs: tables of labels, FER2013, groups, votes and manifests."""
    names = [f"{at}.png" for at in range(6)]
    photos = {f"photos/{name}": encoded(photo(at, 16, 16)) for at, name in enumerate(names)}
    labels = [(name, "happy" if at % 2 else "sad", 3) for at, name in enumerate(names)]
    pixels = " ".join(map(str, photo(1, 48, 48)[..., 0].ravel()))
    fer = [(at % 7, pixels, "Training") for at in range(3, 6)]
    paths = [f"happy/{name}" for name in names]
    table = _manifest(Path(), paths).table
    seeds: list[Files] = [
        {**photos, "labels.csv": _csv(("image", "label", "age"), labels)},
        {**photos, "labels.csv": _csv(("file", "happy", "sad"), [(n, 0, 1) for n in names])},
        {"fer2013.csv": _csv(("emotion", "pixels", "Usage"), fer)},
        {"groups.csv": _csv(("path", "group"), [(path, "anna") for path in paths])},
        {"votes.csv": _csv(("path", "happy", "sad"), [(path, 3, 4.5) for path in paths])},
        {"manifest.csv": _manifest_csv(folder, paths)},
    ]

    def attempt(here: Path) -> None:
        if (file := here / "labels.csv").exists():
            import_data(str(here / "photos"), here / "out", table=file)
        elif (file := here / "fer2013.csv").exists():
            import_data(str(file), here / "out")
        elif (file := here / "groups.csv").exists():
            read_group_list(file, table, here)
        elif (file := here / "votes.csv").exists():
            read_votes(file, table, ("happy", "sad"))
        else:
            Manifest.read(here / "manifest.csv", here)

    return Kind(seeds=seeds, attempt=attempt, writes=("out",))


def runs(folder: Path) -> Kind:
    """Return folders of runs with config.toml: each is described and resumed."""
    from happysad.training import config
    from happysad.training.trainer import resume
    from happysad.web.teach.runs import Runs

    paths = [f"{label}/{at}.png" for label in ("happy", "sad") for at in range(3)]
    epoch = Epoch(
        epoch=1, seconds=1, images_per_second=1, learning_rate=0.1, loss=1, accuracy=1,
        val_loss=1, val_accuracy=1,
    )  # fmt: skip
    fields = {"epoch": 1, "best_loss": 0.5, "history": [asdict(epoch)]}
    stored = io.BytesIO()
    np.savez(stored, state=np.array(json.dumps(fields)), model0000=np.zeros((2, 2)))
    trial = {"n": 3, "accuracy": 0.5, "log_loss": 0.5, "strength": 1.0}
    fused = {
        "photos": {"train": 3, "val": 3},
        "with_faces": {"train": 3, "val": 3},
        "tried": {"faces": trial},
        "chosen": "faces",
        "learning_curve": {"held_out": 3, "points": [], "gain": 0, "gain_low": 0, "gain_high": 1},
    }
    figures = {"schema": 2, "test": {"score": {"n": 3, "balanced_accuracy": {"value": 0.5}}}}
    seeds = []
    for model in ("compact", "face", "classic"):
        run = Run(folder / model)
        run.folder.mkdir()
        run.write_settings(config.to_settings(config.load(overrides={"model": model})), folder)
        text = run.config.read_bytes().replace(os.fsencode(folder), b"@HERE@/data")
        seeds.append(
            {
                "runs/1/config.toml": text,
                "runs/1/manifest.csv": _manifest_csv(folder, paths),
                "runs/1/votes.csv": _csv(("path", "happy", "sad"), [(one, 1, 2) for one in paths]),
                "runs/1/history.csv": _csv(tuple(asdict(epoch)), [tuple(asdict(epoch).values())]),
                "runs/1/metrics.json": json.dumps(figures).encode(),
                "runs/1/fused.json": json.dumps(fused).encode(),
                "runs/1/notes.json": b'["a note"]',
                "runs/1/checkpoints/001.npz": stored.getvalue(),
            }
        )

    def attempt(here: Path) -> None:
        run = Run(here / "runs" / "1")
        _each(
            lambda: config.load(run.config),
            lambda: (run.stage, run.epochs, run.epochs_done(), run.is_finished),
            run.summary,
            run.data,
            run.fusion,
            Runs(here / "runs").results,
            lambda: resume(run.folder),
        )

    return Kind(seeds=seeds, attempt=attempt, writes=(".",))


def networks(folder: Path) -> Kind:
    """Return networks of Keras, and checkpoints: each becomes a classifier, or is restored."""
    os.environ["CUDA_VISIBLE_DEVICES"] = ""
    from happysad.keras_backend import quiet

    quiet()
    import keras

    from happysad.keras_file import to_classifier
    from happysad.training import checkpoints

    image = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(2, 3, activation="relu")(image)
    x = keras.layers.Flatten()(keras.layers.MaxPooling2D()(x))
    model = keras.Model(image, keras.layers.Dense(1, activation="sigmoid")(x))
    model.compile("adam", "binary_crossentropy")
    seeds = []
    for name in ("model.keras", "model.h5"):
        model.save(folder / name)
        seeds.append({name: (folder / name).read_bytes()})
    state = checkpoints.State(epoch=1, best_epoch=1, best_loss=0.5)
    checkpoints.save(folder, state, model)
    seeds.append({"001.npz": (folder / "001.npz").read_bytes()})

    def attempt(here: Path) -> None:
        [file] = here.iterdir()
        if file.suffix == ".npz":
            checkpoints.read_state(file)
            checkpoints.restore(file, model, optimizer=True)
        else:
            to_classifier(file, here / "a.onnx", classes=("happy", "sad"), scaled="0..1")

    return Kind(seeds=seeds, attempt=attempt)


def requests(folder: Path) -> Kind:
    """Return HTTP requests: each is answered by the server's app in this process."""
    from happysad.web.app import create_app
    from happysad.web.http.settings import Settings

    model = brightness_classifier(folder / "served.onnx", looks_at="face")
    settings = Settings(folder=folder / "teach", model=model, workers=2)
    app = create_app(settings, lesson=(sys.executable, "-c", "raise SystemExit(1)"))
    runner = asyncio.Runner()
    picture = encoded(photo(1), "jpeg")
    parts = b"".join(
        b'--edge\r\nContent-Disposition: form-data; name="files"; filename="%d.jpg"\r\n'
        b"Content-Type: image/jpeg\r\n\r\n%b\r\n" % (at, picture)
        for at in range(2)
    )
    form, form_type = parts + b"--edge--\r\n", "multipart/form-data; boundary=edge"
    wanted: list[tuple[str, str, bytes]] = [
        ("POST /v1/predict?rows=face&unsure=true", "image/jpeg", picture),
        ("POST /v1/predict?answers=happy,sad", form_type, form),
        ("POST /v1/explain", "image/jpeg", picture),
        ("POST /v1/teach/photos/happy", form_type, form),
        ("DELETE /v1/teach/photos/sad", "text/plain", b""),
        ("POST /v1/teach/use", "application/json", b'{"run": 1}'),
        ("POST /v1/teach/stop", "text/plain", b""),
        ("WEBSOCKET /v1/live", "image/jpeg", picture),
        *((f"GET {path}", "text/plain", b"") for path in _PAGES),
    ]
    seeds = [
        {"request.http": f"{line}\r\nHost: 127.0.0.1:8000\r\nContent-Type: {kind}\r\n"
         "Origin: http://127.0.0.1:8000\r\nCookie: a=b\r\n\r\n".encode() + body}
        for line, kind, body in wanted
    ]  # fmt: skip

    def attempt(here: Path) -> None:
        scope, messages = _request((here / "request.http").read_bytes())
        statuses: list[int] = []

        async def receive() -> MutableMapping[str, Any]:
            ends = {"type": "websocket.disconnect" if scope["type"] == "websocket" else
                    "http.disconnect", "code": 1000}  # fmt: skip
            return messages.popleft() if messages else ends

        async def send(message: MutableMapping[str, Any]) -> None:
            if "status" in message:
                statuses.append(message["status"])

        runner.run(app(scope, receive, send))
        # 501, 503 and 507 say what is missing: an extra, time or space.
        if any(status == 500 or status == 502 for status in statuses):
            raise AssertionError(f"status {statuses}")
        if any(status >= 400 for status in statuses):
            raise HappysadError(f"status {statuses[0]}")

    return Kind(seeds=seeds, attempt=attempt)


_PAGES = (
    "/", "/healthz", "/metrics", "/v1/model", "/v1/card", "/v1/card/failures.png",
    "/static/page.css", "/v1/teach", "/v1/teach/job", "/v1/teach/runs/1/report.html",
    "/v1/teach/check/report.html", "/openapi.json",
)  # fmt: skip

#: The function that makes each kind of inputs, in a folder of its own.
KINDS: dict[str, Callable[[Path], Kind]] = {
    "pictures": pictures,
    "cameras": cameras,
    "films": films,
    "archives": archives,
    "classifiers": classifiers,
    "results": results,
    "lists": lists,
    "tables": tables,
    "runs": runs,
    "networks": networks,
    "requests": requests,
}


def _each(*calls: Callable[[], object]) -> None:
    """Make all calls, then raise the first refusal."""
    refusals = []
    for call in calls:
        try:
            call()
        except HappysadError as error:
            refusals.append(error)
    if refusals:
        raise refusals[0]


def _no_bug(answers: Sequence[Prediction]) -> None:
    """Raise an AssertionError if an answer says that happysad has a bug."""
    for answer in answers:
        if answer.error is not None and answer.error.code == ErrorCode.INTERNAL:
            raise AssertionError(answer.error.text)


def _zipped(members: dict[str, bytes], method: int) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name), content, method)
    return packed.getvalue()


def _csv(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text).writerows([columns, *rows])
    return text.getvalue().encode()


def _manifest(root: Path, paths: Sequence[str]) -> Manifest:
    import pandas as pd

    shared = {"type": "png", "width": 16, "height": 16, "channels": 3, "bytes": 1, "modified": 1}
    rows = [
        {
            **dict.fromkeys(COLUMNS, ""),
            **shared,
            "path": path,
            "label": path.partition("/")[0],
            **dict.fromkeys(("sha256", "pixels"), f"{at:064x}"),
            "phash": f"{at:016x}",
            "group": f"{at:016x}",
            "split": ("train", "val", "test")[at % 3],
            "status": "used",
        }
        for at, path in enumerate(paths)
    ]
    return Manifest(root, pd.DataFrame(rows, columns=list(COLUMNS)).astype(COLUMNS))


def _manifest_csv(folder: Path, paths: Sequence[str]) -> bytes:
    _manifest(folder, paths).write(folder / "manifest.csv")
    return (folder / "manifest.csv").read_bytes()


def _answers(names: Sequence[str]) -> list[Prediction]:
    """Return predictions of every form: with and without faces, unsure, and failed."""
    probabilities = {"happy": 0.25, "sad": 0.75}
    face = Face(x=1.0, y=2.0, width=3.0, height=4.0, score=0.9, landmarks=((1.0, 1.0),) * 5)
    found = FacePrediction(label="unsure", probabilities=probabilities, face=face)
    forms: list[dict[str, Any]] = [
        {"label": "sad", "probabilities": probabilities, "faces": (found, found)},
        {"label": "unsure", "probabilities": probabilities, "notes": ("a note", "another")},
        {"label": "no_face"},
        {"error": Failure(ErrorCode.CANNOT_OPEN, "a.png: no such file")},
    ]
    return [Prediction(source=one, **forms[at % len(forms)]) for at, one in enumerate(names)]


def _write(results: Results, shard: Shard, answers: Sequence[Prediction]) -> None:
    faces = [row for one in answers for row in one.face_rows()]
    results.write(shard, [photo_row(one, None) for one in answers], faces)


def _continue(results: Results, answers: Sequence[Prediction]) -> None:
    """Do what predict --retry-errors does, and add a photo."""
    results.prepare()
    for shard in results.shards():
        _, missing = results.missing(shard, errors=True)
        known = results.made.classes == _CLASSES and set(shard.paths) <= {a.path for a in answers}
        if missing and known:  # predict refuses other classes and paths before it writes
            _write(results, shard, [one for one in answers if one.path in missing])
    results.add(["photos/0.png", "photos/new.png"])


def _request(data: bytes) -> tuple[dict[str, Any], deque[dict[str, Any]]]:
    """Return the scope and the messages of a request, as a server makes them of its bytes."""
    head, _, body = data.partition(b"\r\n\r\n")
    line, *lines = head.split(b"\r\n")
    method, _, target = line.partition(b" ")
    path, _, query = target.partition(b"?")
    pairs = [one.partition(b":") for one in lines if b":" in one]
    headers = [(name.strip().lower(), value.strip()) for name, _, value in pairs]
    headers = [one for one in headers if one[0] not in (b"content-length", b"")]
    headers.append((b"content-length", str(len(body)).encode()))
    scope: dict[str, Any] = {
        "type": "websocket" if method == b"WEBSOCKET" else "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": method.decode("latin-1"),
        "scheme": "http",
        "path": path.decode("utf-8", "replace"),
        "raw_path": path,
        "query_string": query,
        "root_path": "",
        "headers": headers,
        "client": ("127.0.0.1", 50000),
        "server": ("127.0.0.1", 8000),
        "subprotocols": [],
        "extensions": {},
        "state": {},
    }
    half = len(body) // 2
    if scope["type"] == "websocket":
        frames = [{"type": "websocket.receive", "bytes": one} for one in (body, body[:half])]
        text = {"type": "websocket.receive", "text": body.decode("latin-1")}
        return scope, deque([{"type": "websocket.connect"}, *frames, text])
    return scope, deque(
        [
            {"type": "http.request", "body": body[:half], "more_body": True},
            {"type": "http.request", "body": body[half:], "more_body": False},
        ]
    )
