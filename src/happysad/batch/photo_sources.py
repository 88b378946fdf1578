"""The sources of results: where the photos lie that the user named when the results were made.

The rows of results may come from somebody else. No picture is read, fetched or moved that lies
outside of the sources. docs/security.md, "Paths in results".
"""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable
from pathlib import Path, PurePath

from happysad.batch.remote import is_remote
from happysad.batch.results import Made
from happysad.paths import absolute, lies_below

__all__ = ["PhotoSources"]

# Protocols of one storage under two names; fsspec lists files under the second one.
_SAME = {"s3a": "s3", "gcs": "gs"}


class PhotoSources:
    """The folders, files and addresses in which the photos of results lie.

    If the paths came from standard input, the source is the working folder of the first call.
    """

    def __init__(self, made: Made, named: Iterable[str] = ()) -> None:
        """Take the recorded sources.

        Args:
            made: the settings of the results.
            named: further folders or addresses that the user names now.
        """
        self._folder = Path(made.folder)
        recorded = [made.folder if one == "-" else one for one in made.sources]
        local = [Path(made.folder, one) for one in recorded if not is_remote(one)]
        local += [Path(one) for one in named if not is_remote(one)]
        self.roots = [_root(absolute(one)) for one in local]
        """The absolute paths of the folders and files on this machine."""
        self._addresses = [_plain(one) for one in (*recorded, *named) if is_remote(one)]

    def hold(self, path: str) -> bool:
        """Return whether a photo lies in a source, with all links resolved.

        Args:
            path: the path or address in a row.
        """
        if is_remote(path):
            address = _plain(path)
            return any(_is_below(address, source) for source in self._addresses)
        whole = absolute(Path(self._folder, path))
        return lies_below(whole, self.roots) and lies_below(
            Path(os.path.realpath(whole)), self.roots
        )


def _root(source: Path) -> Path:
    """Return a source without its pattern: photos of photos/*/a.jpg."""
    if os.path.exists(source):  # noqa: PTH110 - Path raises for a name that is too long
        return source
    parts = source.parts
    plain = next((at for at, part in enumerate(parts) if glob.has_magic(part)), len(parts))
    return Path(*parts[:plain])


def _plain(address: str) -> str:
    """Return an address with one name of its protocol and, but for http, one / before its path."""
    protocol, _, rest = address.partition("://")
    if protocol in ("http", "https"):
        return address
    return f"{_SAME.get(protocol, protocol)}://{rest.lstrip('/')}"


def _is_below(address: str, source: str) -> bool:
    if address == source:
        return True
    folder = source if source.endswith("/") else f"{source}/"
    below = address.removeprefix(folder)
    # fsspec reads a second address after ::
    return below != address and ".." not in PurePath(below).parts and "::" not in below
