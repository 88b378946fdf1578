"""Write a site: the page of ``happysad serve`` with an engine that runs in the browser."""

from __future__ import annotations

import hashlib
import json
from importlib.resources import files
from pathlib import Path

from happysad.errors import UsageError, shown_path
from happysad.face_detection import network
from happysad.files import replacing
from happysad.site.web_runtime import FOLDER, SCRIPT, WASM, complete
from happysad.web.api.card import CardPicture, card, picture
from happysad.web.api.in_use import InUse, load
from happysad.web.api.rest import model_row
from happysad.web.app import left_out_module
from happysad.web.drawn_examples import EXAMPLES, drawn_example

__all__ = ["page", "publish"]

_PAGE = Path(str(files("happysad.web") / "static"))
_ENGINE = Path(str(files("happysad.site") / "static"))
# The modules of Teach, the page of `happysad review`, and the requests to the server.
_OF_SERVER = (
    "api.js",
    "check.js",
    "choices.js",
    "curves.js",
    "gallery.js",
    "hold.js",
    "progress.js",
    "review.html",
    "review.js",
    "teach.js",
    "training.js",
    "unlabelled.js",
)
_RUNTIME, _YUNET, _MODEL = f"static/onnxruntime/{WASM}", "v1/yunet.onnx", "v1/model.onnx"
# The file by which an earlier site is recognised.
_MARK = "v1/model.json"


def publish(site: Path, model: Path | None) -> int:
    """Write a site that answers with a classifier, without a server.

    Args:
        site: the folder: a new one, an empty one, or an earlier site, which is written again.
        model: an .onnx or a run's folder; None for the classifier that comes with happysad.

    Returns:
        The number of bytes written.

    Raises:
        UsageError: the folder has other files, or onnxruntime-web is not installed.
        ClassifierError: there is no classifier at `model`.
        OSError: a file cannot be written.
    """
    if not complete():
        raise UsageError(
            "happysad was installed without onnxruntime-web: in a checkout, `make runtime` "
            "fetches it with npm; then install happysad again"
        )
    if site.exists() and not (site.is_dir() and ((site / _MARK).is_file() or _is_empty(site))):
        raise UsageError(f"{shown_path(str(site))}: must be a new or empty folder, or a site")
    contents = _contents(load(model))
    for name, content in contents.items():
        with replacing(site / name) as temporary:
            temporary.write_bytes(content)
    return sum(map(len, contents.values()))


def page(text: str) -> str:
    """Return the page of a site.

    Args:
        text: the page of ``happysad serve``. Parts between ``<!-- server -->`` and
            ``<!-- /server -->`` are left out; the comments that begin with ``site:`` are used.

    >>> page("<!-- server -->Server<!-- /server --><!-- site: Browser --> time")
    'Browser time'
    """
    first, *others = text.split("<!-- server -->")
    kept = first + "".join(one.partition("<!-- /server -->")[2] for one in others)
    first, *others = kept.split("<!-- site:")
    parts = [one.partition("-->") for one in others]
    return first + "".join(used.strip() + after for used, _, after in parts)


def _is_empty(folder: Path) -> bool:
    return next(folder.iterdir(), None) is None


def _contents(in_use: InUse) -> dict[str, bytes]:
    """Return the site's files by their names, the page and the service worker last."""
    contents = {f"static/{file.name}": file.read_bytes() for file in _PAGE.iterdir()}
    index = contents.pop("static/index.html").decode()
    for name in _OF_SERVER:
        del contents[f"static/{name}"]
    contents |= {f"static/{file.name}": file.read_bytes() for file in _ENGINE.iterdir()}
    worker = contents.pop("static/service_worker.js").decode()
    contents["static/left_out.js"] = left_out_module().encode()
    for number in range(1, EXAMPLES + 1):
        contents[f"static/examples/drawn-{number}.jpg"] = drawn_example(number)
    contents[f"static/onnxruntime/{SCRIPT}"] = (FOLDER / SCRIPT).read_bytes()
    contents[_RUNTIME] = (FOLDER / WASM).read_bytes()
    contents[_YUNET] = network()
    contents[_MODEL] = in_use.classifier.content
    contents["v1/card.html"] = card(in_use).encode()
    if in_use.shipped:
        contents |= {f"v1/card/{one}": picture(one).read_bytes() for one in CardPicture}
    parts = {
        part: {"address": name, "bytes": len(contents[name])}
        for part, name in {"runtime": _RUNTIME, "yunet": _YUNET, "model": _MODEL}.items()
    }
    contents[_MARK] = json.dumps({**model_row(in_use), "parts": parts}).encode()
    contents["manifest.webmanifest"] = json.dumps(_MANIFEST).encode()
    contents["index.html"] = page(index).encode()
    contents["service_worker.js"] = _service_worker(worker, contents).encode()
    return contents


def _service_worker(text: str, contents: dict[str, bytes]) -> str:
    digest = hashlib.sha256(text.encode())
    for name, content in contents.items():
        digest.update(name.encode() + hashlib.sha256(content).digest())
    kept = ["./", *(name for name in contents if name != "index.html")]
    name, names = json.dumps(digest.hexdigest()[:12]), json.dumps(kept)
    return f"const NAME = {name};\nconst FILES = {names};\n\n{text}"


_MANIFEST = {
    "name": "happysad",
    "short_name": "happysad",
    "description": "Tell happy from sad in pictures of people.",
    "start_url": "./",
    "scope": "./",
    "display": "standalone",
    "background_color": "#ffffff",
    "theme_color": "#ffffff",
    "icons": [{"src": "static/icon.svg", "sizes": "any", "type": "image/svg+xml"}],
}
