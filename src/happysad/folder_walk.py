"""Walk a folder of photos: what systems keep beside photos is left out, links are followed once.

A folder has all files in it and below it, of any type. One rule, `reason_left_out`, decides in
every command what is left out: hidden files and folders, thumbnails and recycle bins of network
storage, and the files in which systems and programs keep what they know about a photo. The film of
a live photo (`live_photos`) is left out too: the photo and its film are one.

A link to a folder is followed, but each folder is read once: a folder below the walked one under
its own path, any other under the first link to it. A link to a folder that contains it is not
followed.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

__all__ = [
    "ENDINGS",
    "FILMS",
    "LIVE_FILM",
    "LIVE_PHOTOS",
    "NAMES",
    "LeftOut",
    "Walk",
    "first_left_out",
    "is_live_film",
    "live_films",
    "live_photos",
    "reason_left_out",
    "walk",
]

#: Names of files and folders that systems keep beside photos, in lower case.
NAMES = frozenset(
    (
        "$recycle.bin",
        "#recycle",
        "#snapshot",
        "@eadir",
        "@recently-snapshot",
        "@recycle",
        "@tmp",
        "__macosx",
        "desktop.ini",
        "ehthumbs.db",
        "ehthumbs_vista.db",
        "icon\r",
        "lost+found",
        "picasa.ini",
        "recycler",
        "system volume information",
        "thumbs.db",
        "zbthumbnail.info",
    )
)
#: The endings of files about a photo: edits and metadata, and Synology's attributes.
ENDINGS = (".aae", ".json", ".xmp", "@synoeastream", "@synoresource")

#: The kind of the films of live photos.
LIVE_FILM = "film of a live photo"
#: The endings of these films, in lower case, each with whether the photo's name keeps it: Google
#: calls the film of PXL_1.MP.jpg PXL_1.MP.
FILMS = {".mov": False, ".mp4": False, ".mp": True}
#: The endings of live photos.
LIVE_PHOTOS = (".HEIC", ".heic", ".JPG", ".jpg", ".JPEG", ".jpeg", ".HEIF", ".heif")

# The maximum number of kinds that `LeftOut.line` lists.
_LISTED = 8


def reason_left_out(name: str, *, folder: bool) -> str:
    """Return the kind of a file or folder that is left out, as `LeftOut` counts it; "" to keep it.

    Args:
        name: its name, without the folders above it.
        folder: whether it is a folder.

    >>> reason_left_out("IMG_1.AAE", folder=False), reason_left_out("@eaDir", folder=True)
    ('.aae', '@eaDir')
    >>> reason_left_out("IMG_1.JPG", folder=False)
    ''
    """
    if name.startswith("."):
        return "hidden"
    key = name.casefold()
    if key in NAMES:
        return name.strip()
    return "" if folder else next((end for end in ENDINGS if key.endswith(end)), "")


def live_photos(path: str) -> tuple[str, ...]:
    """Return the paths of the photos of which a file is the film, if one of them exists.

    Args:
        path: the path of a file.

    >>> live_photos("IMG_1.MOV")[:2], live_photos("IMG_1.HEIC")
    (('IMG_1.HEIC', 'IMG_1.heic'), ())
    """
    stem, ending = os.path.splitext(path)  # noqa: PTH122
    keeps_it = FILMS.get(ending.lower())
    if keeps_it is None:
        return ()
    return tuple((path if keeps_it else stem) + one for one in LIVE_PHOTOS)


def is_live_film(path: str) -> bool:
    """Return whether a file is the film of a live photo, which lies beside it."""
    return any(map(os.path.isfile, live_photos(path)))


def live_films(paths: Iterable[str]) -> set[str]:
    """Return those of some paths that are films of live photos among them.

    >>> live_films(["IMG_1.HEIC", "IMG_1.MOV", "IMG_2.MOV"])
    {'IMG_1.MOV'}
    """
    there = set(paths)
    return {path for path in there if not there.isdisjoint(live_photos(path))}


def first_left_out(parts: Iterable[str]) -> tuple[int, str] | None:
    """Return the first part of a file's path that is left out; None to keep the file.

    Args:
        parts: the names of the file's folders, and its own.

    Returns:
        The place of the part, counted from 0, and its kind.

    >>> first_left_out(("2021", "@eaDir", "IMG_1.JPG", "SYNOPHOTO_THUMB_M.jpg"))
    (1, '@eaDir')
    """
    parts = tuple(parts)
    for place, part in enumerate(parts):
        if kind := reason_left_out(part, folder=place < len(parts) - 1):
            return place, kind
    return None


class LeftOut(Counter[str]):
    """The number of files and folders that are left out, by their kind.

    A folder counts as one, whatever is in it.
    """

    def add(self, _: str, kind: str) -> None:
        """Count one, as `Walk` reports it."""
        self[kind] += 1

    @property
    def line(self) -> str:
        """The counts in one line; "" if nothing is left out.

        >>> LeftOut({"@eaDir": 2, ".json": 1}).line
        'left out: 3 files and folders that systems keep beside photos: @eaDir 2, .json 1'
        """
        if not self.total():
            return ""
        ranked = sorted(self.items(), key=lambda one: (-one[1], one[0]))
        kinds = [f"{kind} {count:,}" for kind, count in ranked[:_LISTED]]
        more = ", …" if len(self) > _LISTED else ""
        number = "1 file or folder" if self.total() == 1 else f"{self.total():,} files and folders"
        return f"left out: {number} that systems keep beside photos: {', '.join(kinds)}{more}"


class Walk:
    """Walks folders, and reads each only once."""

    def __init__(
        self,
        *,
        ordered: bool = True,
        without: Path | None = None,
        left_out: Callable[[str, str], None] = lambda path, kind: None,
        refuse: Callable[[OSError], None] = lambda error: None,
    ) -> None:
        """Set what all walks have in common.

        Args:
            ordered: False to walk a folder's files in the order of the file system, without keeping
                their names in memory.
            without: a folder to leave out, with everything below it.
            left_out: called with the path and the kind of each file or folder that is left out.
            refuse: called if a folder cannot be listed; may raise. If it returns, the folder is
                yielded itself, so that it gets a row with the reason.
        """
        self._ordered, self._left_out, self._refuse = ordered, left_out, refuse
        exists = without is not None and without.exists()
        self._without = without.stat() if without is not None and exists else None
        self._read: set[str] = set()

    def files(self, folder: str) -> Iterator[str]:
        """Yield the paths of the files in a folder and below it: its files, then its folders'.

        Args:
            folder: the path of a folder; it may be a link.
        """
        root = os.path.realpath(folder)
        if not self._enter(root):
            return
        # The open folders, each with its path without links.
        open_ = [(self._entries(folder), root)]
        while open_:
            entries, real = open_[-1]
            entry = next(entries, None)
            if entry is None:
                open_.pop()
                continue
            path, kind = entry
            if kind == "file":
                yield path
                continue
            if kind == "link":
                below = os.path.realpath(path)
                if _is_loop(below, (root, real)) or _is_read_itself(below, root):
                    continue
            else:
                below = os.path.join(real, os.path.basename(path))  # noqa: PTH118, PTH119
            if self._enter(below) and not self._is_without(path):
                open_.append((self._entries(path), below))

    def _enter(self, real: str) -> bool:
        """Return whether a folder was not read yet, and note that it is."""
        new = real not in self._read
        self._read.add(real)
        return new

    def _is_without(self, folder: str) -> bool:
        if self._without is None:
            return False
        try:
            return os.path.samestat(os.stat(folder), self._without)  # noqa: PTH116
        except OSError:
            return False

    def _entries(self, folder: str) -> Iterator[tuple[str, str]]:
        """Yield a folder's files, then its folders, then its links to folders, with their kind."""
        folders: list[str] = []
        links: list[str] = []
        try:
            with os.scandir(folder) as entries:
                for entry in sorted(entries, key=_name) if self._ordered else entries:
                    path = os.path.join(folder, entry.name)  # noqa: PTH118
                    is_link = entry.is_symlink() or _is_junction(entry)
                    is_folder = os.path.isdir(path) if is_link else entry.is_dir()  # noqa: PTH112
                    if kind := reason_left_out(entry.name, folder=is_folder):
                        self._left_out(path, kind)
                    elif is_folder:
                        (links if is_link else folders).append(path)
                    elif is_live_film(path):
                        self._left_out(path, LIVE_FILM)
                    else:
                        yield path, "file"
        except OSError as error:
            self._refuse(error)
            yield folder, "file"
        yield from ((path, "folder") for path in sorted(folders))
        yield from ((path, "link") for path in sorted(links))


def walk(folder: str, *, left_out: LeftOut | None = None) -> Iterator[str]:
    """Yield the paths of the files in a folder and below it, in the order of their names.

    Args:
        folder: the path of a folder.
        left_out: counts what is left out.
    """
    counts = LeftOut() if left_out is None else left_out
    yield from Walk(left_out=counts.add).files(folder)


def _name(entry: os.DirEntry[str]) -> str:
    return entry.name


def _is_junction(entry: os.DirEntry[str]) -> bool:
    """Return whether an entry is a junction of Windows, which Python 3.11 takes for a folder."""
    return bool(getattr(entry, "is_junction", bool)())


def _is_loop(target: str, folders: Iterable[str]) -> bool:
    """Return whether the target of a link is one of some folders, or contains one."""
    return any(Path(folder).is_relative_to(target) for folder in folders)


def _is_read_itself(target: str, root: str) -> bool:
    """Return whether the target of a link lies below a root, and is not left out there."""
    path = Path(target)
    if not path.is_relative_to(root):
        return False
    return not any(reason_left_out(part, folder=True) for part in path.relative_to(root).parts)
