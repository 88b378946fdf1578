"""Write the answers of a photo library into XMP sidecars, and take them back.

Photos themselves are never changed. docs/tags.md; docs/security.md, "Sidecars".
"""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Any

from happysad.batch.lossless_xml import LARGEST
from happysad.batch.photo_sources import PhotoSources
from happysad.batch.remote import is_remote
from happysad.batch.results import Made, Results
from happysad.batch.sidecar import Region, Sidecar
from happysad.batch.tables import path_of
from happysad.errors import ImageError, UsageError, one_line, os_reason, shown
from happysad.files import replacing
from happysad.images import Stored, read_bytes, stored
from happysad.paths import absolute
from happysad.predictions import Faces, describe, readable

__all__ = ["Form", "Tagged", "Tally", "files_of", "form_of", "tag", "untag"]


class Form(StrEnum):
    """The names of sidecars, by the programs that read them."""

    DIGIKAM = "digikam"
    """photo.jpg.xmp."""
    DARKTABLE = "darktable"
    """photo.jpg.xmp; darktable also reads photo.xmp, when it imports the photo."""
    LIGHTROOM = "lightroom"
    """photo.xmp."""

    def beside(self, photo: Path) -> Path:
        """Return the path of a photo's sidecar.

        >>> Form.DIGIKAM.beside(Path("photo.jpg")).name
        'photo.jpg.xmp'
        >>> Form.LIGHTROOM.beside(Path("photo.jpg")).name
        'photo.xmp'
        """
        if self == Form.LIGHTROOM:
            return photo.with_suffix(".xmp")
        return photo.with_name(f"{photo.name}.xmp")


@dataclass(frozen=True, slots=True)
class Tagged:
    """What `tag`, `untag` or `bursts.rate` did."""

    changed: int
    """Number of sidecars that were written, or removed."""
    kept: int
    """Number of sidecars that were as they should be, or photos without one."""
    failed: int
    """Number of photos for which this failed; each was reported with the reason."""


def tag(
    results: Results,
    form: Form | str = Form.DIGIKAM,
    *,
    photos: Iterable[str] = (),
    say: Callable[[str], None] = lambda line: None,
) -> Tagged:
    """Write each photo's label and faces into its sidecar, beside what other programs wrote there.

    Photos that could not be read are left out. A sidecar whose answer is the same as before is left
    as it is, also where the user has changed it since. Repeating an interrupted call continues it.

    Args:
        results: the results of `happysad predict --out`.
        form: the names of the sidecars.
        photos: as for `sorting.sort`.
        say: called with one line for each photo that gets no tags.

    Raises:
        UsageError: `form` is unknown.
        LibraryError: the results are damaged, or another process uses them.
    """
    form, tally = form_of(form), Tally(say)
    with results.locked():
        for row, faces, photo in files_of(results, photos, tally.fail):
            if row["label"] is not None:
                edit = partial(_tag, photo=photo, row=row, faces=faces, made=results.made)
                tally.change(photo, form.beside(photo), edit)
    return tally.result


def untag(
    results: Results,
    form: Form | str | None = None,
    *,
    photos: Iterable[str] = (),
    say: Callable[[str], None] = lambda line: None,
) -> Tagged:
    """Take everything that `tag` and `bursts.rate` wrote out of the sidecars.

    What the user or another program has changed since stays. A sidecar that happysad made is
    removed if nothing else is in it.

    Args:
        results: as for `tag`.
        form: the names of the sidecars; None for all.
        photos: as for `tag`.
        say: called with one line for each photo whose sidecar cannot be changed.

    Raises:
        UsageError: `form` is unknown.
        LibraryError: as for `tag`.
    """

    def clean(sidecar: Sidecar) -> None:
        sidecar.untag()
        sidecar.unrate()

    forms = (Form.DIGIKAM, Form.LIGHTROOM) if form is None else (form_of(form),)
    tally = Tally(say)
    with results.locked():
        for _, _, photo in files_of(results, photos, tally.fail):
            for one in forms:
                tally.change(photo, one.beside(photo), clean, create=False)
    return tally.result


def files_of(
    results: Results, photos: Iterable[str], fail: Callable[[str], None]
) -> Iterator[tuple[dict[str, Any], list[dict[str, Any]], Path]]:
    """Yield the photos of results that lie in their sources on this machine.

    Args:
        results: the results.
        photos: as for `tag`.
        fail: called with one line for each other photo.

    Yields:
        The row of a photo, the rows of its faces, and its absolute path.
    """
    sources = PhotoSources(results.made, photos)
    for row, faces in results.answers():
        name = path_of(row)
        if is_remote(name):
            fail(f"{name}: is not a file on this machine")
        elif not sources.hold(name):
            fail(f"{name}: lies outside of the sources of the results; --photos names more")
        else:
            yield row, faces, absolute(results.source(name))


class Tally:
    """Changes sidecars, counts what was done, and reports what failed."""

    def __init__(self, say: Callable[[str], None]) -> None:
        """Take what is called with one line for each photo for which something failed."""
        self._say = say
        self._changed = self._kept = self._failed = 0

    @property
    def result(self) -> Tagged:
        """The counts so far."""
        return Tagged(self._changed, self._kept, self._failed)

    def fail(self, line: str) -> None:
        """Report and count a photo for which something failed."""
        self._say(line)
        self._failed += 1

    def change(
        self, photo: Path, file: Path, edit: Callable[[Sidecar], object], *, create: bool = True
    ) -> None:
        """Change the sidecar of a photo, completely or not at all.

        Args:
            photo: the photo.
            file: the sidecar. It is removed if it has nothing but what happysad wrote before, and
                that is taken back.
            edit: called with the content of the sidecar, to change it. It raises a ValueError or
                an ImageError if it cannot.
            create: whether a sidecar is written if there is none.
        """
        try:
            changed = _change(photo, file, edit, create)
        except ImageError as error:
            self.fail(f"{photo}: {error.reason}")
        except ValueError as error:
            self.fail(f"{file}: {error}; it is left as it is")
        except OSError as error:
            self.fail(f"{file}: {os_reason(error)}")
        else:
            self._changed += changed
            self._kept += not changed


def form_of(given: str) -> Form:
    """Return the form of sidecars that has a name.

    Raises:
        UsageError: there is none.
    """
    if given not in list(Form):
        raise UsageError(
            f"the sidecars must be those of {', '.join(Form)}, not {shown(repr(given))}"
        )
    return Form(given)


def _change(photo: Path, file: Path, edit: Callable[[Sidecar], object], create: bool) -> bool:
    if file == photo:
        raise ValueError("is a photo with the name of a sidecar")
    if file.is_symlink():
        raise ValueError("is a link, and links are not followed")
    data = before = None
    try:
        before = file.stat()
        data = _read(file, before)
    except FileNotFoundError:
        if not create:
            return False
    name = one_line(readable(photo.name))
    sidecar = Sidecar(data, name)
    if _is_of_another(sidecar.photo, name, file):
        if create:
            raise ValueError(f"is the sidecar of {sidecar.photo}")
        return False
    edit(sidecar)
    after = sidecar.dump()
    if after == data:
        return False
    if before is not None and _stamp(file.stat()) != _stamp(before):
        raise ValueError("was changed meanwhile; run the same command again")
    if after is None:
        file.unlink()
        return True
    with replacing(file, make_folder=False) as temporary:
        with temporary.open("wb") as opened:
            opened.write(after)
            opened.flush()
            os.fsync(opened.fileno())
        if before is not None:
            shutil.copymode(file, temporary)
    return True


def _read(file: Path, status: os.stat_result) -> bytes:
    if not stat.S_ISREG(status.st_mode):
        raise ValueError("is not a regular file")
    if status.st_size > LARGEST:
        raise ValueError(f"has more than {LARGEST:,} bytes")
    with file.open("rb") as opened:
        return opened.read(LARGEST)


def _stamp(status: os.stat_result) -> tuple[int, int, int]:
    return status.st_ino, status.st_size, status.st_mtime_ns


def _is_of_another(recorded: str | None, name: str, file: Path) -> bool:
    """Return whether a sidecar belongs to another photo: photo.png and photo.jpg share photo.xmp.

    A photo that was copied or renamed with its sidecar has the name of the former photo in it.
    """
    if recorded in (None, name):
        return False
    other = file.with_name(str(recorded))
    return any(form.beside(other) == file for form in Form) and other.exists()


def _tag(
    sidecar: Sidecar, photo: Path, row: Mapping[str, Any], faces: list[dict[str, Any]], made: Made
) -> None:
    if made.faces == Faces.GIVEN:  # the faces are whole pictures
        faces = []
    words = [
        describe(one["label"], {name: one[f"p_{name}"] for name in made.classes}) for one in faces
    ]
    answer = [row["label"]]
    for face, said in zip(faces, words, strict=True):
        box = " ".join(f"{face[side]:.0f}" for side in ("x", "y", "width", "height"))
        answer.append(f"{box} {said}")
    if sidecar.answer == tuple(answer):
        return
    picture = stored(read_bytes(photo))
    regions = [_region(face, said, picture) for face, said in zip(faces, words, strict=True)]
    sidecar.tag(
        row["label"],
        [one for one in regions if one is not None],
        (picture.width, picture.height),
        answer,
    )


def _region(face: Mapping[str, Any], words: str, picture: Stored) -> Region | None:
    """Return a face of the upright photo as a region of the stored picture; None if outside.

    Source: Metadata Working Group, "Guidelines for Handling Image Metadata" 2.0, 5.9: regions apply
    to the stored image, and an EXIF orientation turns them with it.
    """
    turned = picture.orientation >= 5
    sides = (picture.height, picture.width) if turned else (picture.width, picture.height)
    middles, lengths = [], []
    for start, length, side in zip(("x", "y"), ("width", "height"), sides, strict=True):
        first = min(max(face[start] / side, 0), 1)
        last = min(max((face[start] + face[length]) / side, 0), 1)
        middles.append((first + last) / 2)
        lengths.append(last - first)
    if min(lengths) <= 0:
        return None
    # EXIF 2.3, 4.6.4: where the first row and the first column of the stored picture are seen.
    (x, y), (width, height) = middles, lengths
    x, y = {
        1: (x, y),
        2: (1 - x, y),
        3: (1 - x, 1 - y),
        4: (x, 1 - y),
        5: (y, x),
        6: (y, 1 - x),
        7: (1 - y, 1 - x),
        8: (1 - y, x),
    }[picture.orientation]
    if turned:
        width, height = height, width
    return Region(face["label"], x, y, width, height, words)
