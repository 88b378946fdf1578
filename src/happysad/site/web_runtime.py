"""onnxruntime-web, which runs networks in browsers: two files of its npm package, pinned.

The build of the wheel runs this file, and so does ``make runtime``; it imports nothing of happysad.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

__all__ = ["FOLDER", "SCRIPT", "VERSION", "WASM", "complete", "fetch"]

#: The version of the npm package.
VERSION = "1.30.0"
_SHA512 = "q0y+JrrtukXSzsBWEMccVfqX25LRmosXHF+CaRJmg8pZClzcV7svNc4rKY3jL02Vb7QmRMDs1SigqR4CXAfKYQ=="

#: Where the files lie. They are part of the wheel and not of the repository.
FOLDER = Path(__file__).with_name("onnxruntime")
#: The script, and the WebAssembly, which is packed since not every host packs it on the way.
SCRIPT, WASM = "ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.wasm.gz"

_SECONDS = 300


def complete() -> bool:
    """Return whether the files of this version are here."""
    if not ((FOLDER / SCRIPT).is_file() and (FOLDER / WASM).is_file()):
        return False
    with (FOLDER / SCRIPT).open("rb") as script:
        return f"ONNX Runtime Web v{VERSION}\n".encode() in script.read(100)


def fetch() -> None:
    """Fetch the package with npm, check it, and write its files into `FOLDER`.

    Raises:
        RuntimeError: npm is missing or fails, or the package is another one.
    """
    npm = shutil.which("npm")
    if npm is None:
        raise RuntimeError("onnxruntime-web needs npm, which is missing: install Node.js")
    with tempfile.TemporaryDirectory() as temporary:
        command = [npm, "pack", f"onnxruntime-web@{VERSION}", "--pack-destination", temporary]
        try:
            subprocess.run(command, check=True, capture_output=True, timeout=_SECONDS)  # noqa: S603
        except (OSError, subprocess.SubprocessError) as error:
            raise RuntimeError(f"npm could not fetch onnxruntime-web: {error}") from error
        [package] = Path(temporary).glob("*.tgz")
        if hashlib.sha512(package.read_bytes()).digest() != base64.b64decode(_SHA512):
            raise RuntimeError(f"onnxruntime-web {VERSION} is not the pinned package")
        FOLDER.mkdir(exist_ok=True)
        with tarfile.open(package) as archive:
            wasm = _member(archive, WASM.removesuffix(".gz"))
            (FOLDER / WASM).write_bytes(gzip.compress(wasm, mtime=0))
            (FOLDER / SCRIPT).write_bytes(_member(archive, SCRIPT))


def _member(archive: tarfile.TarFile, name: str) -> bytes:
    file = archive.extractfile(f"package/dist/{name}")
    if file is None:
        raise RuntimeError(f"onnxruntime-web {VERSION} has no {name}")
    with file:
        return file.read()


if __name__ == "__main__":
    try:
        fetch()
    except RuntimeError as error:
        sys.exit(str(error))
